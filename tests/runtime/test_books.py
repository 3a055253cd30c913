"""The books of a router over a store that is slow, down or has lost what it knew: who is refused, who goes on, and that
nothing is set aside twice, lost, or waited for longer than said.
"""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import warnings
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from modelroute import (
    Budget,
    BudgetExceededError,
    Catalog,
    ConfigurationError,
    Model,
    Money,
    Price,
    Provider,
    StoreLostError,
    StoreUnavailableError,
)
from modelroute.engine.commands import Reserve, Reserved, Settle
from modelroute.money import ZERO
from modelroute.runtime import books as books_module
from modelroute.runtime import keeping
from modelroute.runtime.books import Books
from modelroute.runtime.clocks import Clocks
from modelroute.runtime.keeping import STORE_PATIENCE, StoreRunner
from modelroute.runtime.performing import Ending
from modelroute.stores.memory import MemoryStore
from modelroute.stores.sqlite import SqliteStore
from modelroute.testing import Answer, ScriptedAsyncRouter, ScriptedRouter
from modelroute.testing.script import Step
from modelroute.types.claims import Claim, Granted, Limited, RateClaim, Refused, Unavailable
from modelroute.types.notices import RouterEvent, StoreFailed
from modelroute.types.usage import Usage
from tests.runtime.shared_store import SharedStore, until

NOW = 1_000.0
TEAM = Claim("budget:team", Money(10), Money(4), 5_000.0)
SOFT = Claim("budget:soft", Money(10), Money(4), 5_000.0, hard=False)
OWN = Claim("request:r", Money(10), Money(3), 5_000.0)
VIEW = Claim("view:1", Money(10), Money(2), 5_000.0)


@dataclass
class Desk:
    """Books over a shared store, on a clock that stands still."""

    store: SharedStore = field(default_factory=SharedStore)
    now: float = NOW
    heard: list[RouterEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        clocks = Clocks(lambda: self.now, lambda: self.now, lambda: 0.5, lambda seconds: None)
        self.local = MemoryStore()
        self.books = Books(self.local, clocks, self.heard.append, store=self.store)

    def reserve(self, *claims: Claim, number: int = 1, rates: Sequence[RateClaim] = (), within: float = 30) -> Reserved:
        """Reserve as the driver does; `within` seconds of the caller's deadline."""
        return self.books.reserve(Reserve(f"r.{number}", claims, NOW + 60, tuple(rates), None, self.now + within))

    def settle(self, cost: Money, number: int = 1, *, sent: bool = True, booked: bool = True) -> None:
        self.books.settle(Settle(f"r.{number}", cost, final=True, sent=sent, booked=booked))

    def spent(self, scope: str) -> tuple[Money, Money]:
        """What is spent and set aside on a shared account."""
        found = self.store.inner.balance(scope, now=self.now)
        return (ZERO, ZERO) if found is None else (found.spent, found.reserved)

    @property
    def failures(self) -> list[StoreFailed]:
        return [event for event in self.heard if isinstance(event, StoreFailed)]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(keeping, "_REST", 0.01)
    made = Desk()
    yield made
    made.store.gate.set()
    made.store.fails = made.store.fails_after = None
    assert made.books.runner is not None
    assert made.books.runner.close(5.0)
    assert made.store.closed == 0  # it was handed in


# ------------------------------------------------------------------------------------------------------- who is asked


def test_what_is_a_requests_own_costs_no_trip(desk: Desk) -> None:
    assert desk.reserve(OWN, VIEW) == Granted()
    assert desk.local.reserved == Money(5)
    desk.settle(Money(1), booked=False)
    assert desk.store.asked == []
    assert desk.local.reserved == ZERO


def test_both_parts_are_granted_or_neither(desk: Desk) -> None:
    assert desk.reserve(OWN, TEAM) == Granted()
    assert (desk.local.reserved, desk.spent("budget:team")) == (Money(3), (ZERO, Money(4)))
    desk.settle(Money(1))
    assert (desk.local.reserved, desk.spent("budget:team")) == (ZERO, (Money(1), ZERO))
    dear = Claim("budget:team", Money(10), Money(10), 5_000.0)
    assert desk.reserve(OWN, VIEW, dear, number=2) == Refused("budget:team", Money(10), Money(9))
    assert desk.local.reserved == ZERO
    tight = Claim("request:r", Money(1), Money(3), 5_000.0)
    asked = len(desk.store.asked)
    assert isinstance(desk.reserve(tight, TEAM, number=3), Refused)
    assert len(desk.store.asked) == asked


def test_rates_are_the_shared_stores(desk: Desk) -> None:
    rate = RateClaim("rate:m@p#0:requests", 1, 1, "requests")
    assert desk.reserve(OWN, rates=[rate]) == Granted()
    assert isinstance(desk.reserve(OWN, number=2, rates=[rate]), Limited)
    assert desk.local.reserved == Money(3)  # the second's own part was given back
    desk.settle(ZERO, sent=False)
    assert desk.reserve(OWN, number=3, rates=[rate]) == Granted()


async def test_on_a_loop_only_what_is_shared_is_awaited(desk: Desk) -> None:
    granted = desk.books.areserve(Reserve("a.1", (OWN,), NOW + 60, (), None, NOW + 30))
    assert granted == Granted()
    shared = desk.books.areserve(Reserve("a.2", (OWN, TEAM), NOW + 60, (), None, NOW + 30))
    assert isinstance(shared, Awaitable)
    assert await shared == Granted()
    settling = desk.books.asettle(Settle("a.2", Money(1), final=True, booked=True))
    if settling is not None:
        await settling
    assert desk.spent("budget:team") == (Money(1), ZERO)


# -------------------------------------------------------------------------------------------------- fail closed or open


@pytest.mark.parametrize("lost", [False, True])
def test_a_hard_budget_that_cannot_be_asked_refuses(desk: Desk, lost: bool) -> None:
    desk.store.fails = StoreLostError("fake: flushed") if lost else StoreUnavailableError("fake: refused")
    for number in (1, 2):  # the second while the store rests
        answer = desk.reserve(OWN, VIEW, TEAM, SOFT, number=number)
        assert isinstance(answer, Unavailable)
        assert answer.lost is lost
        assert "fake:" in answer.why
    assert desk.local.reserved == ZERO
    assert [(event.request, event.store, event.refused) for event in desk.failures] == [("r", "fake", True)] * 2


@pytest.mark.parametrize("claims", [(SOFT,), (OWN, SOFT), (OWN, VIEW)])
def test_everything_else_goes_on_and_it_is_told(desk: Desk, claims: tuple[Claim, ...]) -> None:
    desk.store.down()
    rates = (RateClaim("rate:m@p#0:requests", 1, 1, "requests"),)
    for number in (1, 2):
        assert desk.reserve(*claims, number=number, rates=rates) == Granted()
        desk.settle(Money(1), number=number)
    assert [event.refused for event in desk.failures] == [False] * 2
    assert desk.local.reserved == ZERO


def test_a_store_that_just_failed_is_not_asked_for_a_second(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "_REST", 1.0)
    desk.store.down()
    assert isinstance(desk.reserve(TEAM), Unavailable)
    desk.store.fails = None
    desk.now += 0.9
    assert isinstance(desk.reserve(TEAM, number=2), Unavailable)
    assert desk.reserve(SOFT, number=3) == Granted()
    assert desk.store.asked.count("reserve") == 1
    desk.now += 0.2
    assert desk.reserve(TEAM, number=4) == Granted()
    assert desk.store.asked.count("reserve") == 2


def test_an_errand_the_store_should_not_fail_at_is_no_foreign_error(desk: Desk) -> None:
    desk.store.fails = ZeroDivisionError("odd")
    assert isinstance(desk.reserve(TEAM), Unavailable)
    desk.now += 2
    assert desk.reserve(SOFT, number=2) == Granted()
    desk.settle(Money(1), number=2)


# ------------------------------------------------------------------------------------------------------------ patience


@pytest.mark.parametrize(("within", "waits"), [(30.0, STORE_PATIENCE), (0.75, 0.75), (0.0, 0.0), (-5.0, 0.0)])
def test_patience_is_bounded_by_the_deadline_and_by_two_seconds(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, within: float, waits: float
) -> None:
    asked: list[float] = []

    def run(self: StoreRunner, operation: Any, *, timeout: float, late: Any = None) -> Granted:  # noqa: ANN401
        asked.append(timeout)
        return Granted()

    async def arun(self: StoreRunner, operation: Any, *, timeout: float, late: Any = None) -> Granted:  # noqa: ANN401
        return run(self, operation, timeout=timeout)

    monkeypatch.setattr(StoreRunner, "run", run)
    monkeypatch.setattr(StoreRunner, "arun", arun)
    desk.reserve(TEAM, within=within)
    waiting = desk.books.areserve(Reserve("a.1", (TEAM,), NOW + 60, (), None, NOW + within))
    assert isinstance(waiting, Awaitable)
    assert asyncio.run(_awaited(waiting)) == Granted()
    assert [max(0.0, timeout) for timeout in asked] == pytest.approx([waits, waits])


async def _awaited(waiting: Awaitable[Reserved]) -> Reserved:
    return await waiting


def test_a_late_grant_is_given_back(desk: Desk) -> None:
    desk.store.gate.clear()
    assert isinstance(desk.reserve(OWN, TEAM, within=0.02), Unavailable)
    assert desk.local.reserved == ZERO
    late = desk.store.asked.count("reserve")  # none, if no thread had come to it when it was given up
    desk.store.gate.set()
    until(lambda: desk.store.asked.count("settle") > late)  # once for what failed, once for what then came
    until(lambda: desk.spent("budget:team") == (ZERO, ZERO))
    assert desk.reserve(Claim("budget:team", Money(10), Money(10), 5_000.0), number=2) == Granted()


async def test_a_late_grant_is_given_back_on_a_loop(desk: Desk) -> None:
    desk.store.gate.clear()
    waiting = desk.books.areserve(Reserve("a.1", (OWN, TEAM), NOW + 60, (), None, NOW + 0.02))
    assert isinstance(waiting, Awaitable)
    assert isinstance(await waiting, Unavailable)
    late = desk.store.asked.count("reserve")  # none, if no thread had come to it when it was given up
    desk.store.gate.set()
    until(lambda: desk.store.asked.count("settle") > late)  # once for what failed, once for what then came
    until(lambda: desk.spent("budget:team") == (ZERO, ZERO))
    assert desk.local.reserved == ZERO


def test_what_went_on_without_an_answer_is_charged_all_the_same(desk: Desk) -> None:
    """The grant came late, but the request it was for went on: giving it back would unsay what is then spent."""
    desk.store.gate.clear()
    assert desk.reserve(SOFT, within=0.02) == Granted()
    desk.store.gate.set()
    until(lambda: desk.spent("budget:soft")[1] == Money(4))
    desk.settle(Money(1))
    until(lambda: desk.spent("budget:soft") == (Money(1), ZERO))


def test_a_settlement_that_overtakes_its_reservation_leaves_nothing_set_aside(desk: Desk) -> None:
    desk.store.gate.clear()
    assert desk.reserve(SOFT, within=0.02) == Granted()
    desk.settle(Money(1))
    desk.store.gate.set()
    until(lambda: desk.books.runner is not None and not desk.books.runner._running)
    assert desk.spent("budget:soft")[1] == ZERO


def test_what_a_store_did_before_it_failed_is_given_back(desk: Desk) -> None:
    """The answer was lost on its way: the money is set aside there, for a request that was refused."""
    desk.store.fails_after = StoreUnavailableError("fake: connection reset")
    assert isinstance(desk.reserve(TEAM), Unavailable)
    assert desk.spent("budget:team") == (ZERO, Money(4))
    desk.store.fails_after = None
    until(lambda: desk.spent("budget:team") == (ZERO, ZERO))


def test_a_settlement_is_waited_for_a_moment_and_finishes_behind_its_caller(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert books_module.SETTLEMENT_PATIENCE == 0.05
    assert desk.reserve(TEAM) == Granted()
    desk.store.gate.clear()
    began = time.monotonic()
    desk.settle(Money(1))
    assert 0.04 < time.monotonic() - began < 5
    assert desk.spent("budget:team") == (ZERO, Money(4))
    desk.store.gate.set()
    until(lambda: desk.spent("budget:team") == (Money(1), ZERO))


def test_a_settlement_is_waited_for_once_however_many_places_it_goes_to(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, waits = Desk(), list[tuple[int, float | None]]()

    def waited(under_way: Sequence[object], timeout: float | None = None) -> None:
        waits.append((len(under_way), timeout))

    monkeypatch.setattr(books_module, "wait", waited)
    desk.settle(ZERO)
    desk.books.settle(Settle("r.2", ZERO, final=True, booked=True), patience=0.0)
    assert waits == [(1, 0.05), (1, 0.0)]
    desk.books.close()


def test_settlements_survive_an_outage(desk: Desk) -> None:
    for number in range(5):
        assert desk.reserve(Claim("budget:team", Money(100), Money(4), 5_000.0), number=number) == Granted()
    desk.store.down()
    for number in range(5):
        desk.settle(Money(1), number=number)
    assert desk.spent("budget:team") == (ZERO, Money(20))
    desk.store.fails = None
    until(lambda: desk.spent("budget:team") == (Money(5), ZERO))


# ------------------------------------------------------------------------------------------------- routers over a store

ANSWER = Answer("hello", usage=Usage(10, 1_000))
HARD, LOOSE = Budget("team", 1), Budget("loose", 1, hard=False)
SCRIPT: dict[str, Sequence[Step]] = {"m@p": [ANSWER]}


def arguments(store: SharedStore, budgets: Sequence[Budget], **said: object) -> dict[str, Any]:
    model = Model("m", context_window=128_000, max_output=16_000)
    price = Price(input=10, output=10)
    providers = [Provider.compatible("https://p.scripted.test/v1", name="p", key="k", models=[model], price=price)]
    return {"script": SCRIPT, "providers": providers, "catalog": Catalog(), "store": store, "budgets": budgets, **said}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing waits less, and so does a retry."""
    closing = StoreRunner.close
    monkeypatch.setattr(StoreRunner, "close", lambda self, timeout=0.2: closing(self, timeout))
    monkeypatch.setattr(keeping, "_REST", 0.01)


@contextmanager
def router_over(store: SharedStore, *budgets: Budget, **said: object) -> Iterator[ScriptedRouter]:
    with ScriptedRouter(**arguments(store, budgets, **said)) as router:
        router.clock.sleep(1.0)
        yield router


@pytest.mark.usefixtures("quick")
def test_a_router_over_a_store_books_there() -> None:
    store = SharedStore()
    with router_over(store, HARD, LOOSE) as router:
        reply = router.chat("hi", max_cost=1)
        with router.budget(5) as capped:
            capped.chat("hi")
            assert capped.spent == reply.cost
    balances = store.balances(now=router._core.clocks.wall())
    assert {scope: found.spent for scope, found in balances.items()} == {
        "budget:team": reply.cost * 2,
        "budget:loose": reply.cost * 2,
    }
    assert store.inner.reserved == router._core.books.local.reserved == ZERO


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("kind", [StoreUnavailableError, StoreLostError])
def test_hard_budgets_fail_closed_with_useful_words(kind: type[StoreUnavailableError]) -> None:
    heard: list[RouterEvent] = []
    store = SharedStore()
    with router_over(store, HARD, LOOSE, on_event=heard.append) as router:
        store.fails = kind("fake: something is wrong with it")
        for _ in range(2):
            with pytest.raises(kind) as caught:
                router.chat("hi")
            assert type(caught.value) is kind
            words = str(caught.value)
            assert "(team)" in words
            assert "nothing is sent" in words
            assert "something is wrong with it" in words
            assert "hard=False" in words
        assert not router.calls
        store.fails = None
        router.clock.sleep(1.1)
        assert router.chat("hi").text == "hello"
    assert [event.refused for event in heard if isinstance(event, StoreFailed)] == [True, True]


@pytest.mark.usefixtures("quick")
def test_soft_budgets_fail_open_and_loudly() -> None:
    heard: list[RouterEvent] = []
    store = SharedStore()
    with router_over(store, LOOSE, on_event=heard.append) as router:
        store.down()
        assert [router.chat("hi").text for _ in range(3)] == ["hello"] * 3
    failed = [event for event in heard if isinstance(event, StoreFailed)]
    assert len(failed) == 3
    assert all(
        (event.store, event.refused) == ("fake", False) and "connection refused" in event.why for event in failed
    )


@pytest.mark.usefixtures("quick")
def test_views_do_not_need_the_store() -> None:
    store = SharedStore()
    with router_over(store) as router, router.budget("0.06") as capped:
        store.gate.clear()
        capped.chat("hi")
        capped.chat("hi", max_cost=1)
        assert capped.spent == Money("0.0202")
        with pytest.raises(BudgetExceededError):
            capped.chat("hi", max_cost=1)
        store.gate.set()
        assert "reserve" not in store.asked


@pytest.mark.usefixtures("quick")
def test_a_hung_store_costs_no_more_than_the_deadline_and_is_closed() -> None:
    store = SharedStore()
    with router_over(store, HARD) as router:
        router.chat("hi")
        store.gate.clear()
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="did not answer within"):
            router.chat("hi", deadline=0.05)
        router.close()
        assert time.monotonic() - began < 8
        store.gate.set()
        until(lambda: store.inner.reserved == ZERO)


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_loop_goes_on_while_a_router_over_a_slow_store_closes(*, interrupted: bool) -> None:
    store, closed = SharedStore(), list[str]()

    async def main() -> None:
        router = ScriptedAsyncRouter(**arguments(store, [HARD]))
        usual = router._routes.aclose

        async def aclose() -> None:
            closed.append("routes")
            await usual()

        router._routes.aclose = aclose  # type: ignore[method-assign]
        await router.chat("hi")
        runner = router._core.books.runner
        assert runner is not None
        store.gate.clear()
        runner.settle(lambda: store.settle("slow", ZERO, now=NOW))
        closing = asyncio.ensure_future(router.aclose())
        await asyncio.sleep(0.02)
        assert not closing.done(), "closing waits for the settlement, and we do not"
        if interrupted:
            closing.cancel()
            await asyncio.sleep(0.02)
            assert not closing.done(), "what was begun is ended: the connections, too"
        store.gate.set()
        await asyncio.wait((closing,))
        assert closing.cancelled() is interrupted
        assert closed == ["routes"]

    asyncio.run(main())


def test_a_flow_that_is_ended_on_a_loop_asks_no_slow_store_and_gives_back_what_it_held(desk: Desk) -> None:
    """It was dropped while it reserved, so nothing was sent; the loop it is ended on must not wait for the answer."""
    command = Reserve("r.1", (OWN, TEAM), NOW + 60)
    assert desk.books.reserve(command) == Granted()
    ending = Ending(desk.books)
    desk.store.gate.clear()
    assert ending.reserve(command) == Granted()
    assert desk.store.asked == ["reserve"]
    ending.settle(Settle("r.1", ZERO, final=False, sent=False, booked=True))
    desk.store.gate.set()
    until(lambda: desk.spent("budget:team") == (ZERO, ZERO))
    assert desk.local.reserved == ZERO


def test_a_store_that_cannot_be_closed_leaves_nothing_else_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def busy(self: SqliteStore) -> None:
        usual(self)
        raise StoreUnavailableError("a thread hangs in it")

    usual = SqliteStore.close
    monkeypatch.setattr(SqliteStore, "close", busy)
    router = ScriptedRouter(**arguments(SharedStore(), []) | {"store": tmp_path / "a.db", "ledger": tmp_path / "b.db"})
    router.chat("hi")
    router.close()
    assert caplog.text.count("was not closed: a thread hangs in it") == 2


@pytest.mark.usefixtures("quick")
def test_a_hung_store_under_an_async_router(monkeypatch: pytest.MonkeyPatch) -> None:
    store = SharedStore()

    async def main() -> None:
        router = ScriptedAsyncRouter(**arguments(store, [HARD, LOOSE]))
        replies = await asyncio.gather(*(router.chat(f"hi {number}") for number in range(5)))
        store.gate.clear()
        with pytest.raises(StoreUnavailableError):
            await router.chat("hi", deadline=0.05)
        store.gate.set()
        await asyncio.sleep(0.05)
        task = asyncio.ensure_future(router.chat("hi"))
        store.gate.clear()
        await asyncio.sleep(0.01)
        task.cancel()
        store.gate.set()
        await asyncio.wait((task,))
        await router.aclose()
        until(lambda: store.inner.reserved == ZERO)
        found = store.balance("budget:team", now=router._core.clocks.wall())
        assert found is not None
        assert found.spent >= sum((reply.cost for reply in replies), ZERO)

    asyncio.run(main())


@pytest.mark.usefixtures("quick")
def test_a_settlement_of_an_async_router_goes_on_behind_it() -> None:
    store = SharedStore()

    async def main() -> None:
        router = ScriptedAsyncRouter(**arguments(store, [HARD]))
        stream = router.stream("hi")
        await anext(stream)
        store.gate.clear()
        async for _ in stream:
            pass
        assert stream.reply.text == "hello"
        store.gate.set()
        await router.aclose()
        assert store.inner.reserved == ZERO

    asyncio.run(main())


@pytest.mark.usefixtures("quick")
def test_two_routers_on_one_store_draw_on_one_budget() -> None:
    store = SharedStore()
    budget = Budget("team", "0.5")
    with router_over(store, budget) as one, router_over(store, budget) as other:
        barrier, answered = threading.Barrier(16), list[Money]()

        def ask(router: ScriptedRouter) -> None:
            barrier.wait(30)
            for _ in range(4):
                try:
                    answered.append(router.chat("hi").cost)
                except BudgetExceededError:
                    pass

        threads = [threading.Thread(target=ask, args=((one, other)[number % 2],)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        until(lambda: store.inner.reserved == ZERO)
        with suppress(BudgetExceededError):  # those who asked at once may all have been refused for each other's sake
            while True:
                answered.append(one.chat("hi").cost)
                until(lambda: store.inner.reserved == ZERO)
        found = store.balance("budget:team", now=one._core.clocks.wall())
        assert found is not None
        assert Money("0.4") < sum(answered, ZERO) == found.spent <= Money("0.5")


def test_what_is_no_store_is_refused() -> None:
    for wrong in (5, object(), MemoryStore, SharedStore):
        with pytest.raises(ConfigurationError, match="store="):
            ScriptedRouter(**arguments(wrong, []))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="ledger="):
        ScriptedRouter(**arguments(SharedStore(), [], ledger=5))


def test_a_memory_store_that_is_handed_in_is_used_and_shared() -> None:
    store: Any = MemoryStore()
    budget = Budget("team", "0.05")
    with ScriptedRouter(**arguments(store, [budget])) as one, ScriptedRouter(**arguments(store, [budget])) as other:
        with one.budget(1) as capped:
            cost = capped.chat("hi").cost
            assert (capped.spent, capped.remaining) == (cost, Money(1) - cost)
        with pytest.raises(BudgetExceededError):
            other.chat("hi")
        del capped
        gc.collect()
        assert list(store.balances(now=one._core.clocks.wall())) == ["budget:team"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.usefixtures("quick")
def test_a_forked_child_books_on_its_own_threads() -> None:
    """In the parent a thread hangs in the store; the child inherits neither the thread nor the wait."""
    store = SharedStore()
    with router_over(store, HARD) as router:
        router.chat("hi")
        store.gate.clear()

        def ask() -> None:
            with suppress(StoreUnavailableError):
                router.chat("hi", deadline=0.3)

        asking = threading.Thread(target=ask)
        asking.start()
        assert store.entered.acquire(timeout=10)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            try:
                store.gate = threading.Event()
                store.gate.set()
                router.chat("hi")
                router.close()
                os._exit(0 if router._core.books.store.balances(now=router._core.clocks.wall()) else 2)
            except BaseException:  # noqa: BLE001 - the child must not go on as a second test run
                os._exit(1)
        asking.join(30)
        store.gate.set()
        ended: list[int] = []

        def has_ended() -> bool:
            number, status = os.waitpid(child, os.WNOHANG)
            ended.extend([status] if number else [])
            return bool(ended)

        until(has_ended, 30)
        assert os.waitstatus_to_exitcode(ended[0]) == 0
