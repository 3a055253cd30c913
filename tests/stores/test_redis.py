"""What a store on Redis adds to the protocol: exact sums, its own clock, losses seen, rebuilding, no secrets."""

import os
import shutil
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelroute.errors import ConfigurationError, ModelRouteError, RequestError, StoreLostError, StoreUnavailableError
from modelroute.money import ZERO, Money
from modelroute.stores.check import check_ledger
from modelroute.stores.memory import MemoryStore
from modelroute.stores.redis import RedisStore
from modelroute.types.claims import Claim, Granted, RateClaim, Refused
from modelroute.types.keyed import Begun, Running
from modelroute.types.ledger import Entry, EntryKind
from modelroute.types.signals import Signal
from tests.stores.machine import row
from tests.stores.redis_server import Server, free_port, running

_PREFIXES = count()
HOUR = 3600.0


@pytest.fixture(scope="module", params=["redis", "valkey"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with running(str(request.param)) as found:
        yield found


@pytest.fixture
def store(server: Server) -> Iterator[RedisStore]:
    opened = RedisStore(server.url, prefix=f"test{next(_PREFIXES)}", timeout=10)
    yield opened
    opened.close()


def another(server: Server, store: RedisStore, *, create: bool = True) -> RedisStore:
    """Return what another process opens."""
    return RedisStore(server.url, prefix=store._key[1:].split("}", maxsplit=1)[0], timeout=10, create=create)


def claim(scope: str, amount: int, limit: int = 100, *, ends: float = 1e12, rolling: float | None = None) -> Claim:
    return Claim(scope, Money.from_pico(limit), Money.from_pico(amount), ends, rolling)


def reserve(store: RedisStore, name: str, amount: int, *, lease: float = 60.0, ahead: float = 0.0) -> object:
    """Reserve from the account `team`, by a clock so many seconds ahead."""
    now = time.time() + ahead
    draft = replace(row(name, amount, ("team",), at=now), kind=EntryKind.PRESUMED)
    return store.reserve(name, [claim("team", amount)], lease=now + lease, now=now, entry=draft)


def settle(store: RedisStore, name: str, cost: int) -> None:
    now = time.time()
    store.settle(name, Money.from_pico(cost), now=now, entry=row(name, cost, ("team",), at=now))


def figures(store: RedisStore, scope: str = "team") -> tuple[int, int, int, int]:
    found = store.balance(scope, now=time.time())
    assert found is not None
    return found.spent.pico, found.reserved.pico, found.total.pico, found.presumed.pico


# ------------------------------------------------------------------------------------------------------ exact money

huge = st.one_of(
    st.integers(0, 10**24 - 1),
    st.builds(lambda power, by: max(0, 2**power + by), st.integers(50, 66), st.integers(-2, 2)),
    st.builds(lambda power, by: max(0, 10**power + by), st.integers(11, 23), st.integers(-2, 2)),
)


@settings(max_examples=60)
@given(
    amounts=st.lists(st.tuples(huge, huge), min_size=1, max_size=8),
    limit=st.one_of(huge, st.integers(10**24, 10**29)),
    off=st.integers(-2, 2),
    rolling=st.booleans(),
)
def test_sums_are_exact_far_beyond_what_a_double_holds(
    server: Server, amounts: list[tuple[int, int]], limit: int, off: int, *, rolling: bool
) -> None:
    """Beside a store of Python's integers; the last claim asks for what is left to the pico-dollar, or a little off."""
    store, exact = RedisStore(server.url, prefix=f"huge{next(_PREFIXES)}", timeout=10, clock="caller"), MemoryStore()
    now, period = 1000.0, 64.0 if rolling else None

    def both(name: str, amount: int, lease: float) -> object:
        answers = [
            each.reserve(name, [claim("a", amount, limit, rolling=period), claim("b", 1, 10**25)], lease=lease, now=now)
            for each in (exact, store)
        ]
        assert answers[0] == answers[1]
        return answers[0]

    try:
        for number, (amount, cost) in enumerate(amounts):
            both(f"r{number}", amount, now + 5 * (number % 2))
            now += number % 3
            for each in (exact, store):
                each.settle(f"r{number}", Money.from_pico(cost), now=now)
        known = exact.balance("a", now=now)
        left = limit - (known.spent + known.reserved).pico if known else limit
        both("last", min(max(0, left + off), 10**24 - 1), now + 50)
        assert store.balances(now=now) == exact.balances(now=now)
    finally:
        store.close()


def test_an_amount_that_cannot_be_counted_is_refused_and_a_limit_that_large_is_no_limit(store: RedisStore) -> None:
    with pytest.raises(RequestError, match="below"):
        store.reserve("r", [claim("team", 10**24, 10**30)], lease=2e9, now=time.time())
    with pytest.raises(RequestError, match="below"):
        store.settle("r", Money.from_pico(10**24), now=time.time())
    now = time.time()
    assert store.reserve("r", [claim("team", 10**24 - 1, 10**40)], lease=now + 9, now=now) == Granted()


def test_a_row_of_what_was_never_set_aside_names_no_account(store: RedisStore) -> None:
    """A soft budget whose store did not answer: the attempt went on, and no account was charged for it."""
    now = time.time()
    store.settle("lost", Money.from_pico(5), now=now, entry=row("lost", 5, ("team",), at=now))
    reserve(store, "held", 9)
    store.settle("held", Money.from_pico(7), now=now, entry=row("held", 7, ("team",), at=now))
    assert [(each.accounts, each.cost.pico) for each in store.entries()] == [((), 5), (("team",), 7)]
    assert check_ledger(store, now=now).agrees


def test_names_of_any_kind_come_back_as_they_were(store: RedisStore) -> None:
    name, now = "a:b\0c\r\n{d}\ud800é", time.time()
    assert store.reserve(name, [claim(name, 5)], lease=now + 9, now=now) == Granted()
    assert store.reserve("r", [claim(name, 96)], lease=now + 9, now=now) == Refused(
        name, *map(Money.from_pico, (96, 95))
    )
    assert list(store.balances(now=now)) == [name]
    store.settle(name, ZERO, now=now, entry=row(name, 0, (name,)))
    assert [entry.id for entry in store.entries()] == [name]
    store.publish([Signal(name, '"\ud800"', now + 9)], now=now)
    assert store.signals(0, now=now)[1][0].key == name


# -------------------------------------------------------------------------------------------------------- the clock


@pytest.mark.parametrize("ahead", [HOUR, -HOUR, 1e9])
def test_a_machine_whose_clock_is_wrong_takes_nobodys_reservation_away(store: RedisStore, ahead: float) -> None:
    reserve(store, "mine", 60)
    assert isinstance(reserve(store, "theirs", 60, ahead=ahead), Refused)
    assert figures(store) == (0, 60, 0, 0)
    assert reserve(store, "theirs", 40, ahead=ahead, lease=30) == Granted()
    store.balance("team", now=time.time() + ahead)
    assert figures(store) == (0, 100, 0, 0)


def test_a_lease_lasts_as_long_as_it_was_given_by_whatever_clock(store: RedisStore) -> None:
    reserve(store, "theirs", 60, ahead=HOUR, lease=0.02)
    end = time.monotonic() + 5
    while figures(store) != (60, 0, 60, 60):
        assert time.monotonic() < end
    (presumed,) = store.entries()
    assert (presumed.id, presumed.kind, presumed.cost.pico) == ("theirs/presumed", EntryKind.PRESUMED, 60)


def test_what_was_spent_stays_in_a_rolling_window_though_a_machine_is_ahead(store: RedisStore) -> None:
    now = time.time()
    for name, amount, ahead in (("a", 60, 0.0), ("b", 30, HOUR)):
        assert (
            store.reserve(name, [claim("w", amount, rolling=60.0)], lease=now + ahead + 9, now=now + ahead) == Granted()
        )
        store.settle(name, Money.from_pico(amount), now=now + ahead)
    assert isinstance(store.reserve("c", [claim("w", 11, rolling=60.0)], lease=now + 9, now=now), Refused)
    assert figures(store, "w") == (90, 0, 90, 0)


def test_moments_are_told_by_the_clock_of_who_asks(store: RedisStore, server: Server) -> None:
    now, other = time.time(), another(server, store)
    store.publish([Signal("hold:a", "1", now + 60)], now=now)
    store.begin("k", "f", owner="a", lease=now + 60, now=now)
    ((signal,), running) = (
        other.signals(0, now=now + HOUR)[1],
        other.begin("k", "f", owner="b", lease=0, now=now + HOUR),
    )
    assert signal.until == pytest.approx(now + HOUR + 60, abs=5)
    assert isinstance(running, Running)
    assert running.until == pytest.approx(now + HOUR + 60, abs=5)
    other.close()


# ----------------------------------------------------------------------------------------------------------- losses


def assert_lost(store: RedisStore) -> None:
    """Everything about money is refused; advice goes on."""
    now = time.time()
    with pytest.raises(StoreLostError, match="modelroute ledger rebuild"):
        reserve(store, f"new{next(_PREFIXES)}", 1)
    for money in (
        lambda: settle(store, "a", 1),
        lambda: store.reverse("a", now=now),
        lambda: store.balance("team", now=now),
        lambda: store.balances(now=now),
        lambda: list(store.entries()),
    ):
        with pytest.raises(StoreLostError):
            money()
    store.publish([Signal("hold:a", "1", now + 9)], now=now)
    assert len(store.signals(0, now=now)[1]) == 1
    key = f"k{next(_PREFIXES)}"
    assert store.begin(key, "f", owner="o", lease=now + 9, now=now) == Begun()


def test_a_flushed_server_is_refused_until_it_is_rebuilt(store: RedisStore, server: Server) -> None:
    reserve(store, "a", 60)
    settle(store, "a", 50)
    rows = list(store.entries())
    server.ask("FLUSHALL")
    assert_lost(store)
    fresh = another(server, store)
    assert_lost(fresh)  # what one process saw, a new one is told
    store.rebuild(rows, now=time.time())
    for each in (store, fresh):
        assert figures(each) == (50, 0, 50, 0)
        assert list(each.entries()) == rows
        assert isinstance(reserve(each, "b", 51), Refused)
    fresh.close()


def test_a_flushed_server_that_a_new_process_began_anew_is_refused_by_all(store: RedisStore, server: Server) -> None:
    reserve(store, "a", 60)
    server.ask("FLUSHALL")
    fresh = another(server, store)
    assert reserve(fresh, "b", 60) == Granted()
    assert_lost(store)
    assert_lost(fresh)
    fresh.close()


def test_an_empty_server_is_not_begun_where_that_is_forbidden(store: RedisStore, server: Server) -> None:
    careful = another(server, store, create=False)
    assert_lost(careful)
    careful.rebuild([row("a", 7, ("team",))], now=time.time())
    assert figures(careful) == (7, 0, 7, 0)
    assert figures(store) == (7, 0, 7, 0)
    careful.close()


@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_a_restart_is_a_loss_only_without_persistence(kind: str, *, persistent: bool) -> None:
    with running(kind, persistent=persistent) as server:
        store = RedisStore(server.url, timeout=10)
        reserve(store, "a", 60)
        server.restart()
        if persistent:
            assert figures(store) == (0, 60, 0, 0)
        else:
            assert_lost(store)
        store.close()


def test_a_server_that_forgot_its_latest_write_is_refused() -> None:
    """As after a failover to a replica that lagged, or a restart from an older snapshot: same epoch, fewer writes."""
    with running("redis", persistent=True) as server:
        store, onlooker = RedisStore(server.url, timeout=10), RedisStore(server.url, timeout=10)
        reserve(store, "a", 10)
        assert figures(onlooker) == (0, 10, 0, 0)
        older = server.home.with_suffix(".older")
        shutil.copytree(server.home, older, ignore=shutil.ignore_patterns("s"))
        reserve(store, "b", 10)
        settle(store, "b", 10)
        rows = list(store.entries())
        server.kill()
        shutil.rmtree(server.home)
        older.rename(server.home)
        server.start()
        assert figures(onlooker) == (0, 10, 0, 0)  # it never saw what is missing, until one who did comes by
        assert_lost(store)
        assert_lost(onlooker)
        store.rebuild(rows, now=time.time())
        assert figures(onlooker) == (10, 0, 10, 0)
        settle(store, "a", 4)  # was under way: it is not free because its reservation is forgotten
        settle(store, "a", 4)
        assert figures(onlooker) == (14, 0, 14, 0)
        assert check_ledger(store, now=time.time()).agrees
        store.close()
        onlooker.close()


def test_another_server_in_its_place_is_refused() -> None:
    """Older: it was begun before. Newer: nobody rebuilt it, so what was known is not there."""
    port = free_port()
    with running("valkey") as spare:
        other = RedisStore(spare.url, timeout=10)
        reserve(other, "x", 1)
        with running("redis", port=port) as first:
            store = RedisStore(first.address, timeout=10)
            reserve(store, "a", 60)
            store._link, kept = other._link, store._link
            assert_lost(store)
            store._link = kept
        with running("redis", port=port):
            assert_lost(store)
        store.close()
        other.close()


def test_an_account_the_server_threw_away_is_a_loss(store: RedisStore, server: Server) -> None:
    reserve(store, "a", 60)
    server.ask(f"DEL {store._key.removesuffix('epoch')}account:team")
    settle(store, "a", 50)
    assert_lost(store)


# ------------------------------------------------------------------------------------------------------- rebuilding


@settings(max_examples=25)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["reserve", "settle", "reverse", "wait"]), st.integers(0, 5), st.integers(0, 30)),
        max_size=25,
    ),
    cut=st.integers(0, 40),
    rolling=st.booleans(),
)
def test_a_rebuilt_store_counts_what_its_ledger_says(
    server: Server, steps: list[tuple[str, int, int]], cut: int, *, rolling: bool
) -> None:
    """Whatever part of the rows is left on the server, and whichever are handed in twice."""
    store = RedisStore(server.url, prefix=f"rebuilt{next(_PREFIXES)}", timeout=10, clock="caller")
    now, period = 1_000_000.0, 640.0 if rolling else None
    for what, number, amount in steps:
        name = f"r{number}"
        entry = row(name, amount, ("team", "request:1"), at=now)
        if what == "reserve":
            claims = [claim("team", amount, 10**6, rolling=period), claim("request:1", amount, 10**6)]
            store.reserve(name, claims, lease=now + 20, now=now, entry=entry)
        elif what == "settle":
            held = store._granted.get(name)
            known = replace(entry, accounts=()) if held is None else entry
            store.settle(name, Money.from_pico(amount), now=now, entry=known)
        elif what == "reverse":
            store.reverse(name, now=now)
        else:
            now += amount
    now += 30
    before = store.balances(now=now)
    rows = list(store.entries())
    _rows_are_cut(server, store, cut)
    store.rebuild([*rows, *rows[:3]], now=now)
    assert sorted(entry.id for entry in store.entries()) == sorted(entry.id for entry in rows)
    after = store.balances(now=now)
    for scope, balance in before.items():
        if balance.total:
            assert (after[scope].total, after[scope].presumed) == (balance.total, balance.presumed)
    assert check_ledger(store, now=now).agrees
    open_rows = {e.id.removesuffix("/presumed") for e in check_ledger(store, now=now).presumed}
    for name in open_rows:
        assert store.reverse(name, now=now) is not None
    assert all(not balance.presumed for balance in store.balances(now=now).values())
    assert check_ledger(store, now=now).agrees
    store.close()


def _rows_are_cut(server: Server, store: RedisStore, left: int) -> None:
    """Make the server one that has only the first rows: the state of some time ago."""
    base = store._key.removesuffix("epoch")
    kept = [entry for _, entry in zip(range(left), store.entries(), strict=False)]
    for key in ("ledger", "ledger:ids", "epoch"):
        server.ask(f"DEL {base}{key}")
    old = RedisStore(server.url, prefix=base[1:-2], timeout=10, clock="caller", create=False)
    old.rebuild(kept, now=1_000_000.0)
    old.close()


def test_a_second_rebuild_takes_over_and_an_interrupted_one_leaves_the_store_lost(
    store: RedisStore, server: Server
) -> None:
    now, other = time.time(), another(server, store)
    reserve(store, "a", 5)
    settle(store, "a", 5)

    def interrupted() -> Iterator[Entry]:
        yield row("b", 7, ("team",))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.rebuild(interrupted(), now=now)
    assert_lost(other)

    def overtaken() -> Iterator[Entry]:
        other.rebuild([row("c", 9, ("team",))], now=now)
        yield row("d", 1, ("team",))

    with pytest.raises(StoreUnavailableError, match="being rebuilt by another"):
        store.rebuild(overtaken(), now=now)
    assert figures(store) == (14, 0, 14, 0)
    other.close()


def test_what_the_server_presumed_and_another_ledger_knows_settled_is_counted_once(store: RedisStore) -> None:
    """Presumed here and settled there; presumed and corrected here; settled here and presumed there."""
    now, at = time.time(), dict.fromkeys("abc", 10)
    for name, lease in (("a", 0.0), ("b", 0.0), ("c", 60.0)):
        reserve(store, name, at[name], lease=lease)
    store.balance("team", now=now)
    settle(store, "b", 4)
    settle(store, "c", 7)
    elsewhere = [row("a", 3, ("team",)), row("b", 4, ("team",))]
    elsewhere.append(replace(row("c", 10, ("team",)), id="c/presumed", kind=EntryKind.PRESUMED))
    for _ in range(2):
        store.rebuild(elsewhere, now=now)
        assert figures(store) == (14, 0, 14, 0)
        costs = {entry.id: entry.cost.pico for entry in store.entries()}
        assert costs == {"a/presumed": 10, "b/presumed": 10, "b/correction": -6, "c": 7, "a/correction": -7}
    assert store.reverse("a", now=now) is None


def test_a_rebuilt_rolling_window_has_forgotten_what_is_older(store: RedisStore) -> None:
    now = time.time()
    ages = {"old": 7200.0, "recent": 1800.0, "new": 1.0}
    store.rebuild([row(name, 10, ("w",), at=now - age) for name, age in ages.items()], now=now)
    assert figures(store, "w") == (30, 0, 30, 0)
    assert store.reserve("r", [claim("w", 80, rolling=HOUR)], lease=now + 9, now=now) == Granted()
    assert figures(store, "w") == (20, 80, 30, 0)


def test_the_ledger_is_read_by_pages_and_by_time(store: RedisStore) -> None:
    for number in range(450):
        store.settle(f"r{number}", ZERO, now=time.time(), entry=row(f"r{number}", number, at=1000.0 + number))
    assert [entry.cost.pico for entry in store.entries()] == list(range(450))
    assert [entry.cost.pico for entry in store.entries(since=1010.0, until=1012.0)] == [10, 11]


# -------------------------------------------------------------------------------------------------- many at a time


def test_sixteen_threads_on_few_connections_never_overspend(store: RedisStore) -> None:
    spent, start = [0] * 16, threading.Barrier(16)
    store._link._connections = 3
    store.after_fork()

    def spend(worker: int) -> None:
        start.wait()
        for number in range(40):
            name = f"{worker}.{number}"
            if reserve(store, name, 5) == Granted():
                settle(store, name, number % 3)
                settle(store, name, 5)
                spent[worker] += number % 3

    threads = [threading.Thread(target=spend, args=(worker,)) for worker in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 95 < sum(spent) <= 100
    assert figures(store) == (sum(spent), 0, sum(spent), 0)
    assert len(store._link._idle) <= 3
    assert check_ledger(store, now=time.time()).agrees


@pytest.mark.parametrize("told", [True, False])
def test_a_forked_child_has_connections_of_its_own(store: RedisStore, *, told: bool) -> None:
    reserve(store, "a", 10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other tests' threads have nothing to do with this child
        child = os.fork()
    if child == 0:
        code = 1
        try:
            if told:
                store.after_fork()
            for number in range(50):
                reserve(store, f"child{number}", 1)
            code = 0
        finally:
            os._exit(code)
    for number in range(30):
        reserve(store, f"parent{number}", 1)
    assert os.waitpid(child, 0)[1] == 0
    assert figures(store) == (0, 90, 0, 0)


def test_what_is_settled_or_over_does_not_stay_for_ever(store: RedisStore, server: Server) -> None:
    now, base = time.time(), store._key.removesuffix("epoch")
    reserve(store, "a", 1)
    settle(store, "a", 1)
    store.reserve("b", [], lease=now + 9, now=now, rates=[RateClaim("lane", 5, 1, "requests")])
    store.begin("k", "f", owner="o", lease=now + 60, now=now)
    for key, most in (("reservation:a", 200_000), ("rate:lane", 400), ("key:k", 400)):
        assert 0 < int(server.ask(f"TTL {base}{key}")[1:]) <= most
    assert int(server.ask(f"TTL {base}reservation:a")[1:]) >= 86_400
    store.reserve("c", [claim("soon", 1, ends=now)], lease=now, now=now)
    assert store.balance("soon", now=now) is None


def test_two_claims_on_one_account_add_up_under_the_lower_limit(store: RedisStore) -> None:
    now = time.time()
    claims = [claim("team", 8, limit=10), claim("team", 5)]
    assert store.reserve("r", claims, lease=now + 9, now=now) == Refused("team", *map(Money.from_pico, (13, 10)))
    assert store.reserve("r", list(reversed(claims)), lease=now + 9, now=now) == Refused(
        "team", *map(Money.from_pico, (13, 10))
    )


def test_presumed_spend_is_corrected_on_the_account_it_was_charged_to_and_on_no_later_one(
    store: RedisStore,
) -> None:
    now = time.time()
    store.reserve("lost", [claim("day", 9, ends=now)], lease=now, now=now)
    assert store.balance("day", now=now) is None
    store.reserve("next", [claim("day", 5)], lease=now + 9, now=now)
    store.settle("next", Money.from_pico(5), now=now)
    store.settle("lost", ZERO, now=now)
    assert figures(store, "day") == (5, 0, 5, 0)


def test_what_was_settled_stays_settled_when_only_its_row_is_left(store: RedisStore, server: Server) -> None:
    reserve(store, "a", 5)
    settle(store, "a", 5)
    server.ask(f"DEL {store._key.removesuffix('epoch')}reservation:a")
    assert reserve(store, "a", 5) == Granted()
    settle(store, "a", 7)
    assert figures(store) == (5, 0, 5, 0)


def test_a_reservation_that_arrives_after_its_settlement_sets_nothing_aside(store: RedisStore) -> None:
    settle(store, "late", 0)
    assert reserve(store, "late", 50) == Granted()
    assert store.balance("team", now=time.time()) is None


# ---------------------------------------------------------------------------------------------------------- secrets

SECRET = "s3ntinel-Pa55"


def assert_silent(error: BaseException) -> None:
    text = "".join(traceback.format_exception(error))
    seen: BaseException | None = error
    while seen is not None:
        text += f"{seen!r}{seen}{getattr(seen, '__notes__', '')}"
        seen = seen.__cause__ or seen.__context__
    assert SECRET not in text


def test_no_message_holds_what_the_url_does() -> None:
    port = free_port()
    with running("redis", port=port, password="other") as server:
        store = RedisStore(f"redis://:{SECRET}@127.0.0.1:{port}/0", timeout=5)
        assert (repr(store), store.name) == (f"RedisStore(redis 127.0.0.1:{port}/0)", f"redis 127.0.0.1:{port}/0")
        with pytest.raises(StoreUnavailableError, match="refused the user or password") as refused:
            reserve(store, "a", 1)
        assert_silent(refused.value)
        store.close()
        right = RedisStore(server.url, timeout=5)
        assert reserve(right, "a", 1) == Granted()
        right.close()


@pytest.mark.parametrize(
    "url",
    [
        f"http://:{SECRET}@h",
        f"redis://:{SECRET}@h:port",
        f"redis://h?socket_timeout={SECRET}",
        f"{SECRET}",
        f"redis://[{SECRET}",
    ],
)
def test_a_url_that_means_nothing_is_refused_without_echo(url: str) -> None:
    with pytest.raises(ConfigurationError, match="URL") as refused:
        RedisStore(url)
    assert_silent(refused.value)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("valkey://h", "valkey h:6379/0"),
        (f"rediss://user:{SECRET}@h:1/3", "redis h:1/3"),
        (f"unix:///tmp/s?password={SECRET}", "redis /tmp/s"),
    ],
)
def test_a_store_is_named_by_where_it_is(url: str, name: str) -> None:
    assert RedisStore(url).name == name


@pytest.mark.parametrize("wrong", [{"timeout": 0.0}, {"timeout": float("nan")}, {"prefix": ""}, {"prefix": "{a}"}])
def test_a_timeout_or_prefix_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"timeout|prefix"):
        RedisStore("redis://h", **wrong)


def test_without_redis_py_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "redis.connection", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'modelroute\[redis\]'"):
        RedisStore("redis://h")


def test_a_closed_store_says_so(store: RedisStore) -> None:
    store.close()
    store.close()
    with pytest.raises(ModelRouteError, match="closed"):
        reserve(store, "a", 1)
