"""The money of this process: against the model, and the cases worth telling one by one."""

import sys
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.money import ZERO, Money
from modelroute.stores import keys as keys_module
from modelroute.stores.board import SIGNALS_KEPT
from modelroute.stores.keys import KEYS_KEPT
from modelroute.stores.memory import MemoryStore
from modelroute.types.claims import Balance, Claim, Granted, Limited, RateClaim, Refused
from modelroute.types.keyed import Begun, Stored
from modelroute.types.signals import Signal
from tests.stores.machine import machine_of, row

TestMemoryStore = machine_of(MemoryStore).TestCase


def claim(scope: str, amount: int, *, limit: int = 100, ends: float = 1e9, rolling: float | None = None) -> Claim:
    return Claim(scope, Money.from_pico(limit), Money.from_pico(amount), ends, rolling)


def pico(balance: Balance | None) -> tuple[int, int] | None:
    """What is spent and what is set aside."""
    return None if balance is None else (balance.spent.pico, balance.reserved.pico)


def test_all_claims_or_none() -> None:
    store = MemoryStore()
    refused = store.reserve("r", (claim("key", 10), claim("team", 200)), lease=9, now=0)
    assert refused == Refused("team", Money.from_pico(200), Money.from_pico(100))
    assert store.balance("key", now=0) is None
    assert store.reserved == ZERO


def test_two_claims_on_one_account_are_counted_together() -> None:
    store = MemoryStore()
    assert isinstance(store.reserve("r", (claim("team", 60), claim("team", 60)), lease=9, now=0), Refused)
    assert isinstance(store.reserve("s", (claim("team", 50), claim("team", 50)), lease=9, now=0), Granted)
    store.settle("s", Money.from_pico(70), now=0)
    assert pico(store.balance("team", now=0)) == (70, 0)


@pytest.mark.parametrize("limits", [(50, 100), (100, 50)])
def test_of_two_claims_on_one_account_the_lesser_limit_counts(limits: tuple[int, int]) -> None:
    store = MemoryStore()
    claims = [claim("team", 30, limit=limit) for limit in limits]
    assert store.reserve("r", claims, lease=9, now=0) == Refused("team", Money.from_pico(60), Money.from_pico(50))


def test_presumed_spend_of_a_rolling_window_is_taken_from_where_it_was() -> None:
    store = MemoryStore()
    for name in "ab":
        store.reserve(name, [claim("team", 40, rolling=640.0)], lease=10, now=0)
    store.balance("team", now=20)
    store.settle("a", Money.from_pico(15), now=300)
    assert pico(store.balance("team", now=300)) == (55, 0)
    assert pico(store.balance("team", now=669)) == (55, 0)
    assert pico(store.balance("team", now=670)) == (0, 0)


def test_a_claims_own_limit_is_what_counts() -> None:
    store = MemoryStore()
    assert store.reserve("r", (claim("team", 80, limit=100),), lease=9, now=0) == Granted()
    assert store.reserve("s", (claim("team", 80, limit=1000),), lease=9, now=0) == Granted()
    assert isinstance(store.reserve("t", (claim("team", 1, limit=100),), lease=9, now=0), Refused)


def test_a_settled_id_that_is_reserved_late_sets_nothing_aside() -> None:
    """A reservation that was given up on may land after its settlement."""
    store = MemoryStore()
    store.settle("r", ZERO, now=0)
    assert store.reserve("r", (claim("team", 50),), lease=10, now=0) == Granted()
    assert (store.reserved, store.open_accounts) == (ZERO, 0)


def test_what_was_spent_outlives_an_account_of_the_same_name() -> None:
    """A forgotten account leaves its end behind in the queue; that end must not forget the next one's money."""
    store = MemoryStore()
    scope = "request:1"
    store.reserve("r", (claim(scope, 50, ends=10),), lease=5, now=0)
    store.settle("r", ZERO, now=0, final=True)
    store.reserve("s", (claim(scope, 50, ends=1000),), lease=5, now=0)
    store.settle("s", Money.from_pico(50), now=0)
    assert isinstance(store.reserve("t", (claim(scope, 60, ends=1000),), lease=60, now=50), Refused)


def test_presumed_spend_is_not_taken_back_from_a_later_account_of_the_same_name() -> None:
    store = MemoryStore()
    store.reserve("r", (claim("team", 50, ends=5),), lease=5, now=0)
    assert store.balance("team", now=6) is None
    store.reserve("s", (claim("team", 10),), lease=99, now=7)
    assert store.reverse("r", now=8) == Money.from_pico(50)
    assert pico(store.balance("team", now=8)) == (0, 10)


def test_an_account_whose_end_comes_before_its_lease_is_forgotten_in_the_end() -> None:
    store = MemoryStore()
    store.reserve("r", (claim("team", 50, ends=10),), lease=20, now=0)
    assert pico(store.balance("team", now=15)) == (0, 50)
    assert store.balance("team", now=25) is None


def test_a_budgets_account_stays_when_a_request_has_ended() -> None:
    store = MemoryStore()
    store.reserve("r", (claim("team", 50), claim("request:1", 50)), lease=9, now=0)
    store.settle("r", Money.from_pico(20), now=0, final=True)
    assert (store.open_accounts, pico(store.balance("team", now=0))) == (1, (20, 0))


def test_a_free_attempt_settles_after_its_account_was_closed() -> None:
    """Nothing is set aside for a target that is free, and yet it holds its account open."""
    store = MemoryStore()
    store.reserve("a", (claim("request:1", 0),), lease=50, now=0)
    store.reserve("b", (claim("request:1", 10),), lease=50, now=0)
    store.settle("b", Money.from_pico(5), now=0, final=True)
    assert store.open_accounts == 1
    store.settle("a", ZERO, now=0, final=True)
    assert store.open_accounts == 0


def test_presumed_spend_is_corrected_by_a_late_settlement_once() -> None:
    store = MemoryStore()
    store.reserve("r", (claim("team", 40),), lease=10, now=0)
    balance = store.balance("team", now=10)
    assert balance == Balance(*map(Money.from_pico, (40, 0, 40, 40)))
    for cost in (3, 9):
        store.settle("r", Money.from_pico(cost), now=11)
        assert store.balance("team", now=11) == Balance(*map(Money.from_pico, (3, 0, 3, 0)))
    assert store.reverse("r", now=11) is None


def test_money_in_a_rolling_window_leaves_with_the_whole_of_its_bucket() -> None:
    """A window of 64 s has buckets of a second: what is spent at 10.0 leaves when second 10 is 64 s ago to its end."""
    store = MemoryStore()
    store.reserve("r", (claim("team", 100, rolling=64.0),), lease=99, now=10.0)
    store.settle("r", Money.from_pico(100), now=10.0)
    again = (claim("team", 1, rolling=64.0),)
    assert isinstance(store.reserve("s", again, lease=999, now=74.9), Refused)
    assert store.reserve("s", again, lease=999, now=75.0) == Granted()
    assert store.balance("team", now=75.0) == Balance(*map(Money.from_pico, (0, 1, 100, 0)))


def test_a_rate_window_says_when_there_is_room() -> None:
    store = MemoryStore()
    rate = RateClaim("rpm", 2, 1, "requests", 64.0)
    assert store.reserve("a", (), rates=[rate], lease=9, now=1.5) == Granted()
    assert store.reserve("b", (), rates=[rate], lease=9, now=3.0) == Granted()
    assert store.reserve("c", (claim("team", 1),), rates=[rate], lease=9, now=4.0) == Limited("rpm", 62.0)
    assert store.reserve("c", (), rates=[replace(rate, amount=3)], lease=9, now=4.0) == Limited("rpm", None)
    store.settle("b", ZERO, now=4.0, sent=False)
    assert store.reserve("c", (), rates=[rate], lease=9, now=4.0) == Granted()
    assert store.reserved == ZERO


def test_tokens_that_were_not_used_are_given_back() -> None:
    store = MemoryStore()
    rate = RateClaim("tpm", 100, 80, "tokens", 64.0)
    store.reserve("a", (), rates=[rate], lease=9, now=1.0)
    store.settle("a", ZERO, now=2.0, tokens=20)
    assert store.reserve("b", (), rates=[rate], lease=9, now=2.0) == Granted()


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40))
def test_every_settlement_is_counted_once(costs: list[int]) -> None:
    store = MemoryStore()
    for number, cost in enumerate(costs):
        store.reserve(f"r{number}", (claim("team", 30, limit=10**6),), lease=1e6, now=0)
        for _ in range(2):
            store.settle(f"r{number}", Money.from_pico(cost), now=0)
    assert pico(store.balance("team", now=0)) == (sum(costs), 0)


@pytest.mark.parametrize("scope", [lambda _: "always the same", lambda number: f"request:{number}"])
@pytest.mark.parametrize("final", [True, False])
def test_memory_follows_the_live_not_the_past(scope: object, final: bool) -> None:
    """Leases end late; a store that kept an entry for each settled one would grow for ten minutes (C4)."""
    assert callable(scope)
    store = MemoryStore()
    for number in range(5000):
        now = float(number)
        store.reserve(str(number), (claim(scope(number), 1, limit=10**9, ends=now + 50),), lease=now + 600, now=now)
        store.settle(str(number), Money.from_pico(1), now=now, final=final)
    kept = 2 * store.open_accounts + 70
    assert store.open_accounts <= 651
    assert len(store._accounts._leases) <= 70
    assert len(store._accounts._ends) <= kept


def test_a_hundred_thousand_scopes_are_forgotten_past_their_end() -> None:
    store = MemoryStore()
    for number in range(100_000):
        now = number / 100
        rate = RateClaim(f"rpm:{number}", 1, 1, "requests", 1.0)
        mine = (claim(f"user:{number}", 1, ends=now + 1, rolling=None if number % 2 else 2.0),)
        store.reserve(str(number), mine, rates=(rate,), lease=now + 1, now=now)
        if number % 3:
            store.settle(str(number), ZERO, now=now)
    assert store.open_accounts <= 500
    assert len(store._accounts._ends) <= 1100
    assert store._rates.open <= 250
    accounts = store._accounts
    assert len(accounts._settled) + len(accounts._settled_before) <= 10_000
    assert len(accounts._presumed) <= 10_000
    assert accounts._held.keys() <= {str(number) for number in range(99_000, 100_000)}


def test_the_latest_signals_are_kept() -> None:
    store = MemoryStore()
    for number in range(SIGNALS_KEPT + 10):
        store.publish([Signal(f"hold:{number}", "{}", until=1e9)], now=0)
    mark, signals = store.signals(0, now=0)
    assert [signals[0].key, len(signals)] == ["hold:10", SIGNALS_KEPT]
    assert store.signals(mark, now=0) == (mark, ())
    assert len(store.signals(mark + 1, now=0)[1]) == SIGNALS_KEPT  # a mark of another life
    store.publish([Signal("hold:last", "{}", until=3e9)], now=2e9)
    assert [signal.key for signal in store.signals(0, now=2e9)[1]] == ["hold:last"]


def test_keys_are_bounded_by_number_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "BYTES_KEPT", 1000)
    store = MemoryStore()
    for number in range(KEYS_KEPT + 50):
        store.begin(str(number), "f", owner="a", lease=1e9, now=0)
    assert store._keys.count == KEYS_KEPT
    for number in range(KEYS_KEPT, KEYS_KEPT + 50):
        store.keep_reply(str(number), owner="a", reply=bytes(100), until=1e9, now=0)
    assert store.begin("new", "f", owner="a", lease=1e9, now=0) == Begun()
    assert store._keys._bytes <= 1000
    assert store.begin(str(KEYS_KEPT + 49), "f", owner="a", lease=1e9, now=0) == Stored(bytes(100))
    store.begin("later", "f", owner="a", lease=3e9, now=2e9)
    assert store._keys.count == 1


def test_the_accounts_are_made_anew_from_the_rows_of_a_ledger() -> None:
    store = MemoryStore()
    store.reserve("lost", (claim("team", 5),), lease=9, now=0)
    rows = [row("a", 30, ("team", "request:1")), row("b", 7, ("team",)), row("a", 30, ("team", "request:1"))]
    store.rebuild(rows, now=2_000_000)
    assert store.balances(now=2_000_000) == {"team": Balance(*map(Money.from_pico, (37, 0, 37, 0)))}
    assert isinstance(store.reserve("c", (claim("team", 64),), lease=3e6, now=2_000_000), Refused)
    assert store.reserve("c", (claim("team", 63),), lease=3e6, now=2_000_000) == Granted()


def test_eight_threads_never_overspend_for_an_instant() -> None:
    """Money wanted is three times the limit: every moment some thread is refused, and a ninth looks on."""
    store, limit, done, seen = MemoryStore(), 1000, threading.Event(), list[tuple[int, int]]()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    spent = [0] * 8
    start = threading.Barrier(9)

    def spend(worker: int) -> None:
        start.wait()
        for number in range(300):
            name = f"{worker}.{number}"
            if isinstance(store.reserve(name, (claim("team", 5, limit=limit),), lease=1e9, now=0), Granted):
                cost = number % 3
                store.settle(name, Money.from_pico(cost), now=0)
                store.settle(name, Money.from_pico(5), now=0)
                spent[worker] += cost

    def look() -> None:
        start.wait()
        while not (seen and done.is_set()):
            view = pico(store.balance("team", now=0))
            if view is not None:
                seen.append(view)

    workers = [threading.Thread(target=spend, args=(worker,)) for worker in range(8)]
    onlooker = threading.Thread(target=look)
    try:
        for thread in (*workers, onlooker):
            thread.start()
        for thread in workers:
            thread.join()
        done.set()
        onlooker.join()
    finally:
        sys.setswitchinterval(before)
    assert all(used + held <= limit for used, held in seen)
    assert pico(store.balance("team", now=0)) == (sum(spent), 0)
    assert limit - 8 * 5 < sum(spent) <= limit  # who was refused last found seven others holding five each


def test_nothing_is_kept_for_a_request_without_a_ceiling() -> None:
    store = MemoryStore()
    assert store.reserve("r", (), lease=1, now=0) == Granted()
    store.settle("r", Money(5), now=0, final=True)
    assert (store.open_accounts, store.reserved, list(store.entries())) == (0, ZERO, [])
