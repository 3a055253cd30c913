"""Fail-the-nth: for a scenario of n commands, command k is made to fail, to time out, to be cancelled, for every k.

Small and exhaustive: it finds the leak that a random seed misses (INVARIANTS section 2, harness 4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from modelroute import Catalog, ModelRouteError, Money, Policy, Scenario, cheapest
from modelroute.engine.commands import Batch, Failed, Next, Open, Reserve
from modelroute.testing import Answer, Cuts, Fails, Failure, Kind, ScriptedAsyncRouter, ScriptedRouter, run_simulated
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
        await asyncio.sleep(0)
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
    store = WatchedStore(router._core.store)
    router._performer._store = store
    return store


@pytest.mark.parametrize("streamed", [False, True], ids=["chat", "stream"])
@pytest.mark.parametrize("act", [fails, times_out, interrupts])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_sync(scenario: str, act: Callable[[Any], Any], streamed: bool) -> None:
    nth, reached = 0, True
    while reached:
        nth += 1
        with ScriptedRouter(SCENARIOS[scenario], policy=POLICY, catalog=Catalog()) as router:
            store = watch(router)
            performer = Nth(router._performer, nth, act)
            router._performer = performer  # type: ignore[assignment]
            router._reaper._performer = performer
            try:
                if streamed:
                    with router.stream("x" * 3000, max_cost=0.5) as stream:
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


@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
@pytest.mark.parametrize("streamed", [False, True], ids=["chat", "stream"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_async_cancelled_at_every_command(scenario: str, streamed: bool, twice: bool) -> None:
    async def at(nth: int) -> bool:
        router = ScriptedAsyncRouter(SCENARIOS[scenario], policy=POLICY, catalog=Catalog())
        store = watch(router)
        performer: AsyncNth

        async def call() -> None:
            if streamed:
                async with router.stream("x" * 3000, max_cost=0.5) as stream:
                    async for _ in stream:
                        pass
            else:
                await router.chat("x" * 3000, max_cost=0.5)

        task = asyncio.ensure_future(call())

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


@pytest.mark.parametrize("act", [fails, times_out])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_async_fails_at_every_command(scenario: str, act: Callable[[Any], Any]) -> None:
    async def at(nth: int) -> bool:
        router = ScriptedAsyncRouter(SCENARIOS[scenario], policy=POLICY, catalog=Catalog())
        store = watch(router)
        performer = AsyncNth(router._performer, nth, act)
        router._performer = performer  # type: ignore[assignment]
        try:
            await router.chat("x" * 3000, max_cost=0.5)
        except InvariantViolatedError:
            raise
        except ModelRouteError:
            pass
        await router.aclose()
        check(router, store)
        check_c1()
        return performer.count >= nth

    nth = 1
    while run_simulated(lambda: at(nth), seed=nth):  # noqa: B023 - run at once
        nth += 1
    assert nth > 4
