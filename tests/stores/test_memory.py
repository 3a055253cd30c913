"""The money of this process against a model that is too simple to be wrong (INVARIANTS M1, M3, M5, C4)."""

import sys
import threading
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from modelroute.money import ZERO, Money
from modelroute.stores.memory import AccountView, MemoryStore
from modelroute.types.claims import Claim, Granted, Refused

SCOPES = ["team", "key", "request"]


def claim(scope: str, amount: int, *, limit: int = 100, ends: float = 1e9) -> Claim:
    return Claim(scope, Money.from_pico(limit), Money.from_pico(amount), ends)


def pico(view: AccountView | None) -> tuple[int, int, int] | None:
    return None if view is None else (view.limit.pico, view.spent.pico, view.reserved.pico)


@dataclass
class ModelAccount:
    limit: int
    ends: float
    spent: int = 0
    held: dict[str, int] = field(default_factory=dict)


class MemoryStoreMachine(RuleBasedStateMachine):
    """Ids and scopes are few on purpose: settled ids are reserved again, forgotten accounts come back."""

    @initialize()
    def begin(self) -> None:
        self.store = MemoryStore()
        self.accounts: dict[str, ModelAccount] = {}
        self.leases: dict[str, float] = {}
        self.now = 0.0
        self.overruns = False

    @rule(
        reservation=st.sampled_from("abcd"),
        wanted=st.lists(
            st.tuples(st.sampled_from(SCOPES), st.integers(0, 60), st.sampled_from([50, 100, 150]), st.integers(0, 40)),
            max_size=3,
        ),
        lease=st.integers(0, 30),
    )
    def reserve(self, reservation: str, wanted: list[tuple[str, int, int, int]], lease: int) -> None:
        claims = tuple(claim(scope, amount, limit=limit, ends=self.now + ends) for scope, amount, limit, ends in wanted)
        answer = self.store.reserve(reservation, claims, lease=self.now + lease, now=self.now)
        if claims:
            self._expire()
        if not claims or reservation in self.leases:
            assert answer == Granted()
            return
        total: dict[str, int] = {}
        limits = {scope: account.limit for scope, account in self.accounts.items()}
        for one in claims:
            account = self.accounts.get(one.scope)
            limit = limits[one.scope] = min(limits.get(one.scope, one.limit.pico), one.limit.pico)
            taken = 0 if account is None else account.spent + sum(account.held.values())
            total[one.scope] = total.get(one.scope, 0) + one.amount.pico
            if taken + total[one.scope] > limit:
                assert isinstance(answer, Refused)
                assert answer.scope == one.scope
                assert answer.left >= ZERO
                return
        assert answer == Granted()
        self.leases[reservation] = self.now + lease
        for one in claims:
            ends = max(one.ends, self.now + lease)
            account = self.accounts.setdefault(one.scope, ModelAccount(one.limit.pico, ends))
            account.limit = min(account.limit, one.limit.pico)
            account.ends = max(account.ends, ends)
            account.held[reservation] = total[one.scope]

    @rule(reservation=st.sampled_from("abcd"), cost=st.integers(0, 60), final=st.booleans())
    def settle(self, reservation: str, cost: int, final: bool) -> None:
        self.store.settle(reservation, Money.from_pico(cost), final=final)
        if self.leases.pop(reservation, None) is None:
            return
        for scope, account in list(self.accounts.items()):
            if reservation in account.held:
                self.overruns |= cost > account.held.pop(reservation)
                account.spent += cost
                if final and not account.held:
                    del self.accounts[scope]

    @rule(seconds=st.integers(0, 20))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    def _expire(self) -> None:
        for reservation, lease in list(self.leases.items()):
            if lease <= self.now:
                del self.leases[reservation]
                for account in self.accounts.values():
                    account.spent += account.held.pop(reservation, 0)
        for scope, account in list(self.accounts.items()):
            if account.ends <= self.now and not account.held:
                del self.accounts[scope]

    @invariant()
    def the_store_says_what_the_model_says(self) -> None:
        for scope in SCOPES:
            known = self.accounts.get(scope)
            expected = None if known is None else (known.limit, known.spent, sum(known.held.values()))
            assert pico(self.store.account(scope)) == expected
        assert self.store.open_accounts == len(self.accounts)
        assert self.store.reserved.pico == sum(sum(account.held.values()) for account in self.accounts.values())

    @invariant()
    def spent_and_reserved_stay_within_the_limit(self) -> None:
        if not self.overruns:
            for scope in SCOPES:
                view = self.store.account(scope)
                assert view is None or view.spent + view.reserved <= view.limit


TestMemoryStore = MemoryStoreMachine.TestCase


def test_all_claims_or_none() -> None:
    store = MemoryStore()
    refused = store.reserve("r", (claim("key", 10), claim("team", 200)), lease=9, now=0)
    assert refused == Refused("team", Money.from_pico(200), Money.from_pico(100))
    assert store.account("key") is None
    assert store.reserved == ZERO


def test_two_claims_on_one_account_are_counted_together() -> None:
    store = MemoryStore()
    assert isinstance(store.reserve("r", (claim("team", 60), claim("team", 60)), lease=9, now=0), Refused)
    assert isinstance(store.reserve("s", (claim("team", 50), claim("team", 50)), lease=9, now=0), Granted)
    store.settle("s", Money.from_pico(70))
    assert pico(store.account("team")) == (100, 70, 0)


def test_a_laxer_claim_does_not_lift_the_limit_of_the_account() -> None:
    store = MemoryStore()
    store.reserve("r", (claim("team", 80, limit=100),), lease=9, now=0)
    assert isinstance(store.reserve("s", (claim("team", 80, limit=1000),), lease=9, now=0), Refused)


def test_a_settled_id_that_is_reserved_again_keeps_its_own_lease() -> None:
    store = MemoryStore()
    store.reserve("r", (claim("team", 50),), lease=10, now=0)
    store.settle("r", ZERO)
    store.reserve("r", (claim("team", 50),), lease=100, now=0)
    store.reserve("other", (claim("key", 1),), lease=100, now=20)
    assert pico(store.account("team")) == (100, 0, 50)


def test_what_was_spent_outlives_an_account_of_the_same_name() -> None:
    """A forgotten account leaves its end behind in the queue; that end must not forget the next one's money."""
    store = MemoryStore()
    store.reserve("r", (claim("team", 50, ends=10),), lease=5, now=0)
    store.settle("r", ZERO, final=True)
    store.reserve("s", (claim("team", 50, ends=1000),), lease=5, now=0)
    store.settle("s", Money.from_pico(50))
    assert isinstance(store.reserve("t", (claim("team", 60, ends=1000),), lease=60, now=50), Refused)


def test_an_account_whose_end_comes_before_its_lease_is_forgotten_in_the_end() -> None:
    store = MemoryStore()
    store.reserve("r", (claim("team", 50, ends=10),), lease=20, now=0)
    store.reserve("x", (claim("key", 0, ends=1e9),), lease=1e9, now=15)
    assert pico(store.account("team")) == (100, 0, 50)
    store.reserve("y", (claim("key", 0, ends=1e9),), lease=1e9, now=25)
    assert store.account("team") is None


def test_a_free_attempt_settles_after_its_account_was_closed() -> None:
    """Nothing is set aside for a target that is free, and yet it holds its account open."""
    store = MemoryStore()
    store.reserve("a", (claim("request", 0),), lease=50, now=0)
    store.reserve("b", (claim("request", 10),), lease=50, now=0)
    store.settle("b", Money.from_pico(5), final=True)
    store.settle("a", ZERO, final=True)
    assert store.open_accounts == 0


def test_an_overdue_reservation_becomes_presumed_spend_and_settling_it_late_changes_nothing() -> None:
    store = MemoryStore()
    store.reserve("r", (claim("team", 40),), lease=10, now=0)
    store.reserve("s", (claim("team", 1),), lease=99, now=10)
    assert pico(store.account("team")) == (100, 40, 1)
    store.settle("r", Money.from_pico(3))
    assert pico(store.account("team")) == (100, 40, 1)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40))
def test_every_settlement_is_counted_once(costs: list[int]) -> None:
    store = MemoryStore()
    for number, cost in enumerate(costs):
        store.reserve(f"r{number}", (claim("team", 30, limit=10**6),), lease=1e6, now=0)
        for _ in range(2):
            store.settle(f"r{number}", Money.from_pico(cost))
    assert pico(store.account("team")) == (10**6, sum(costs), 0)


@pytest.mark.parametrize("scope", [lambda _: "always the same", lambda number: f"request:{number}"])
@pytest.mark.parametrize("final", [True, False])
def test_memory_follows_the_live_not_the_past(scope: object, final: bool) -> None:
    """Leases end late; a store that kept an entry for each settled one would grow for ten minutes (C4)."""
    assert callable(scope)
    store = MemoryStore()
    for number in range(5000):
        now = float(number)
        store.reserve(str(number), (claim(scope(number), 1, limit=10**9, ends=now + 50),), lease=now + 600, now=now)
        store.settle(str(number), Money.from_pico(1), final=final)
    kept = 2 * store.open_accounts + 70
    assert store.open_accounts <= 651
    assert len(store._leases) <= 70
    assert len(store._ends) <= kept


def test_eight_threads_never_overspend_for_an_instant() -> None:
    """Money wanted is three times the limit: every moment some thread is refused, and a ninth looks on."""
    store, limit, done, seen = MemoryStore(), 1000, threading.Event(), list[tuple[int, int, int]]()
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
                store.settle(name, Money.from_pico(cost))
                store.settle(name, Money.from_pico(5))
                spent[worker] += cost

    def look() -> None:
        start.wait()
        while not done.is_set():
            view = pico(store.account("team"))
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
    assert seen
    assert all(used + held <= limit for limit, used, held in seen)
    assert pico(store.account("team")) == (limit, sum(spent), 0)
    assert limit - 5 < sum(spent) <= limit


def test_nothing_is_kept_for_a_request_without_a_ceiling() -> None:
    store = MemoryStore()
    assert store.reserve("r", (), lease=1, now=0) == Granted()
    store.settle("r", Money(5), final=True)
    assert (store.open_accounts, store.reserved) == (0, ZERO)
