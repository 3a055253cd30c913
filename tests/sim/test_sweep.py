"""Fail-the-nth: for a scenario of n commands, command k is made to fail, to time out, to be cancelled, for every k.

Small and exhaustive: it finds the leak that a random seed misses (INVARIANTS section 2, harness 4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from modelroute import Catalog, Money, ModelRouteError, Policy, Scenario, cheapest
from modelroute.engine.commands import Batch, Close, Failed, Next, Open, Reserve, Settle, Sleep
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


class Nth:
    """A performer that does something else instead of, or before, its nth command."""

    def __init__(self, performer: Any, nth: int, act: Callable[[Any], Any]) -> None:
        self._performer = performer
        self._nth = nth
        self._act = act
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._performer, name)

    def _due(self) -> bool:
        self.count += 1
        return self.count == self._nth


class SyncNth(Nth):
    """The sync one."""

    def _do(self, name: str, command: Any) -> Any:
        if self._due():
            answer = self._act(command)
            if answer is not None:
                return answer
        return getattr(self._performer, name)(command)

    def reserve(self, command: Reserve) -> Any:
        return self._do("reserve", command)

    def open(self, command: Open) -> Any:
        return self._do("open", command)

    def next(self, command: Next) -> Any:
        return self._do("next", command)

    def close(self, command: Close) -> Any:
        return self._do("close", command)

    def settle(self, command: Settle) -> Any:
        return self._do("settle", command)

    def sleep(self, command: Sleep) -> Any:
        return self._do("sleep", command)


class AsyncNth(Nth):
    """The async one: even what is done at once takes a turn of the loop, so that it can be cancelled in the middle."""

    async def _do(self, name: str, command: Any) -> Any:
        if self._due():
            answer = self._act(command)
            if answer is not None:
                return answer
        await asyncio.sleep(0)
        answer = getattr(self._performer, name)(command)
        answer = await answer if isinstance(answer, Awaitable) else answer
        await asyncio.sleep(0)
        return answer

    def reserve(self, command: Reserve) -> Any:
        return self._do("reserve", command)

    def open(self, command: Open) -> Any:
        return self._do("open", command)

    def next(self, command: Next) -> Any:
        return self._do("next", command)

    def close(self, command: Close) -> Any:
        return self._do("close", command)

    def settle(self, command: Settle) -> Any:
        return self._do("settle", command)

    def sleep(self, command: Sleep) -> Any:
        return self._do("sleep", command)


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
            performer = SyncNth(router._performer, nth, act)
            router._performer = performer  # type: ignore[assignment]
            router._reaper._performer = performer
            try:
                if streamed:
                    with router.stream("x" * 3000, max_cost=0.5) as stream:
                        list(stream)
                else:
                    router.chat("x" * 3000, max_cost=0.5)
            except (ModelRouteError, Interrupted) as error:
                assert not isinstance(error, InvariantViolatedError), error
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
