"""Fail-the-nth: for a scenario of n commands, command k is made to fail, to time out, to be cancelled, for every k.

Small and exhaustive: it finds the leak that a random seed misses (INVARIANTS section 2, harness 4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from modelroute import Catalog, Hedge, ModelRouteError, Money, Policy, Scenario, cheapest
from modelroute.engine.commands import Batch, Close, Failed, Next, Open, Opened, Reserve
from modelroute.testing import (
    Answer,
    Cuts,
    Fails,
    Failure,
    Garbles,
    Kind,
    ScriptedAsyncRouter,
    ScriptedRouter,
    Slow,
    run_simulated,
)
from modelroute.testing.checks import InvariantViolatedError, WatchedStore, check_c1, check_m3, check_s6
from modelroute.testing.script import Step
from modelroute.types.claims import Refused
from modelroute.types.events import Fault

SCENARIOS: dict[str, dict[str, list[Step]]] = {
    "a plain answer": {"a@one": [Answer("hello", pieces=3)]},
    "a retry, then an answer": {"a@one": [Fails(Failure(Kind.UNAVAILABLE)), Answer("hello")]},
    "a fallback": {"a@one": [Fails(Failure(Kind.DENIED))], "b@two": [Answer("hello")]},
    "a cut answer, then another": {"a@one": [Cuts(after_events=3)], "b@two": [Answer("hello")]},
    "all fail": {"a@one": [Fails(Failure(Kind.UNREACHABLE))], "b@two": [Fails(Failure(Kind.TRANSIENT))]},
}
POLICY = Policy(default=Scenario(prefer=cheapest))

SPACED = Answer("hello there", pieces=3, between=0.1)
RESTARTS: dict[str, dict[str, list[Step]]] = {
    "a cut answer, then another": {"a@one": [Cuts(3, SPACED)], "b@two": [SPACED]},
    "cut again and again": {
        "a@one": [Cuts(3, SPACED)],
        "b@two": [Garbles(2, True, SPACED)],
        "c@three": [Cuts(4, SPACED)],
    },
}
"""Streams that begin anew after content."""

UNWELL = Fails(Failure(Kind.UNAVAILABLE), delay=1.0)

RACES: dict[str, dict[str, list[Step]]] = {
    "the second wins": {"a@one": [Slow(5.0)], "b@two": [Slow(0.5)]},
    "the first wins": {"a@one": [Slow(1.0)], "b@two": [Slow(5.0)]},
    "the first wins before the second opened": {"a@one": [Slow(1.0)], "b@two": [Fails(UNWELL.failure, delay=9.0)]},
    "the first fails, the second goes on": {"a@one": [UNWELL], "b@two": [Slow(2.0)]},
    "the second fails, the first goes on": {"a@one": [Slow(3.0)], "b@two": [UNWELL]},
    "the winner breaks, a third answers": {
        "a@one": [Slow(5.0)],
        "b@two": [Cuts(3, SPACED)],
        "c@three": [Answer("hello")],
    },
    "three run at once": {"a@one": [Slow(5.0)], "b@two": [Slow(4.0)], "c@three": [Slow(3.0)]},
    "both fail": {"a@one": [UNWELL], "b@two": [UNWELL]},
}
"""Requests whose first attempt is slow to begin, so that others run beside it."""

HEDGED = Policy(
    default=Scenario(prefer=cheapest),
    hedge=Hedge(after=0.5, max_extra=2),
    on_interrupt="restart",
)


class Interrupted(BaseException):
    """Stands for KeyboardInterrupt, without pytest taking it for a real one."""


COMMANDS = frozenset({"reserve", "open", "next", "close", "settle", "sleep"})


class Nth:
    """A performer that does something else instead of, or before, its nth command."""

    def __init__(self, performer: Any, nth: int, act: Callable[[Any], Any]) -> None:
        self._performer = performer
        self._nth = nth
        self._act = act
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._performer, name)
        return partial(self._do, method) if name in COMMANDS else method

    def _do(self, method: Callable[[Any], Any], command: Any) -> Any:
        self.count += 1
        answer = self._act(command) if self.count == self._nth else None
        return method(command) if answer is None else answer


class AsyncNth(Nth):
    """The async one: even what is done at once takes a turn of the loop, so that it can be cancelled in the middle."""

    def _do(self, method: Callable[[Any], Any], command: Any) -> Any:
        return self._later(method, command)

    async def _later(self, method: Callable[[Any], Any], command: Any) -> Any:
        self.count += 1
        answer = self._act(command) if self.count == self._nth else None
        if answer is not None:
            return answer
        await asyncio.sleep(0)
        answer = method(command)
        answer = await answer if isinstance(answer, Awaitable) else answer
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            if isinstance(answer, Opened):  # a performer closes what it opened when it is cancelled
                self._performer.close(Close(answer.exchange))
            raise
        return answer


def fails(command: Any) -> Any:
    """The command's own way of failing; what cannot fail goes on."""
    if isinstance(command, Reserve):
        return Refused("team", Money(1), Money(0))
    if isinstance(command, Open):
        return Failed(Failure(Kind.TRANSIENT, "made to fail"))
    if isinstance(command, Next):
        return Batch((Fault(Failure(Kind.GARBLED, "made to fail")),))
    return None


def times_out(command: Any) -> Any:
    """The command's own way of taking too long."""
    if isinstance(command, Open):
        return Failed(Failure(Kind.SILENT, "made to time out"))
    return Batch((), timed_out=True) if isinstance(command, Next) else None


def interrupts(command: Any) -> Any:
    """Ctrl-C in the middle of the command."""
    raise Interrupted


def check(router: ScriptedRouter | ScriptedAsyncRouter, store: WatchedStore) -> None:
    """Nothing may be left behind."""
    check_m3(store)
    check_s6(router.calls)


def watch(router: Any) -> WatchedStore:
    store = WatchedStore(router._core.books.local)
    router._core.books.local = store
    return store


def breaks(command: Any) -> Any:
    """A performer that does what none may: it raises."""
    raise OSError("broken")


@pytest.mark.parametrize("act", [fails, times_out, interrupts])
@pytest.mark.parametrize(
    ("script", "mode"),
    [
        *((script, mode) for script in SCENARIOS.values() for mode in ("chat", "raise")),
        *((script, "restart") for script in RESTARTS.values()),
    ],
    ids=[*(f"{name}-{mode}" for name in SCENARIOS for mode in ("chat", "stream")), *(f"{n}-restart" for n in RESTARTS)],
)
def test_sync(script: dict[str, list[Step]], mode: str, act: Callable[[Any], Any]) -> None:
    nth, reached = 0, True
    while reached:
        nth += 1
        with ScriptedRouter(script, policy=POLICY, catalog=Catalog()) as router:
            store = watch(router)
            performer = Nth(router._performer, nth, act)
            router._performer = performer  # type: ignore[assignment]
            router._reaper._performer = performer
            try:
                if mode != "chat":
                    with router.stream("x" * 3000, max_cost=0.5, on_interrupt=mode) as stream:  # type: ignore[arg-type]
                        list(stream)
                else:
                    router.chat("x" * 3000, max_cost=0.5)
            except InvariantViolatedError:
                raise
            except (ModelRouteError, Interrupted):
                pass
            check(router, store)
        reached = performer.count >= nth
    assert nth > 4


ASYNC: dict[str, tuple[dict[str, list[Step]], Policy]] = {
    **{name: (script, POLICY) for name, script in SCENARIOS.items()},
    **{name: (script, HEDGED) for name, script in RACES.items()},
    **{f"{name}, anew": (script, HEDGED) for name, script in RESTARTS.items()},
}


async def call(router: ScriptedAsyncRouter, streamed: bool) -> None:
    if streamed:
        async with router.stream("x" * 3000, max_cost=0.5) as stream:
            async for _ in stream:
                pass
    else:
        await router.chat("x" * 3000, max_cost=0.5)


@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("streamed", [False, True], ids=["chat", "stream"])
@pytest.mark.parametrize("scenario", ASYNC)
def test_async_cancelled_at_every_command(scenario: str, streamed: bool, twice: bool) -> None:
    script, policy = ASYNC[scenario]

    async def at(nth: int) -> bool:
        router = ScriptedAsyncRouter(script, policy=policy, catalog=Catalog())
        store = watch(router)
        performer: AsyncNth

        task = asyncio.ensure_future(call(router, streamed))

        def cancel(command: Any) -> None:
            task.cancel()
            if twice:
                asyncio.get_running_loop().call_soon(task.cancel)

        performer = AsyncNth(router._performer, nth, cancel)
        router._performer = performer  # type: ignore[assignment]
        outcome = (await asyncio.gather(task, return_exceptions=True))[0]
        assert outcome is None or isinstance(outcome, asyncio.CancelledError | ModelRouteError), outcome
        assert not isinstance(outcome, InvariantViolatedError), outcome
        reached = performer.count >= nth
        if reached:
            assert task.cancelled()
        await router.aclose()
        check(router, store)
        check_c1()
        return reached

    nth = 1
    while run_simulated(lambda: at(nth), seed=nth):  # noqa: B023 - run at once
        nth += 1
    assert nth > 4


@pytest.mark.parametrize("streamed", [False, True], ids=["chat", "stream"])
@pytest.mark.parametrize("act", [fails, times_out, breaks])
@pytest.mark.parametrize("scenario", ASYNC)
def test_async_fails_at_every_command(scenario: str, act: Callable[[Any], Any], streamed: bool) -> None:
    script, policy = ASYNC[scenario]

    async def at(nth: int) -> bool:
        router = ScriptedAsyncRouter(script, policy=policy, catalog=Catalog())
        store = watch(router)
        performer = AsyncNth(router._performer, nth, act)
        router._performer = performer  # type: ignore[assignment]
        try:
            await call(router, streamed)
        except InvariantViolatedError:
            raise
        except ModelRouteError:
            pass
        except OSError:
            assert act is breaks
        await router.aclose()
        check(router, store)
        check_c1()
        return performer.count >= nth

    nth = 1
    while run_simulated(lambda: at(nth), seed=nth):  # noqa: B023 - run at once
        nth += 1
    assert nth > 4
