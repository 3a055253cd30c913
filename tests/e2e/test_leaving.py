"""Streams left, streams dropped, calls cancelled or interrupted at any moment: nothing is left (C1, S6)."""

from __future__ import annotations

import asyncio
import gc
import random
import signal
import threading
import time
import warnings
from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

import pytest

from modelroute import (
    AsyncRouter,
    AttemptsFailedError,
    ModelRouteError,
    Money,
    RequestError,
    Router,
)
from modelroute.testing.faults import FAULTS
from modelroute.testing.server import FaultServer
from tests.e2e.places import (
    KINDS,
    LOOP_KINDS,
    LOOPS,
    PROMPT,
    QUICK,
    in_loop,
    nothing_left,
    place,
    routing,
    two,
)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """One for each test: they count connections."""
    with FaultServer() as serving:
        yield serving


@pytest.fixture(scope="module", autouse=True)
def warm() -> None:
    """A uvloop opens a pipe once for the whole process."""

    async def nothing() -> None:
        pass

    for kind in LOOPS:
        in_loop(kind, nothing)


# ---------------------------------------------------------------------------------------------- streams left or lost


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("after", [0, 1, 5])
def test_leaving_a_stream_frees_its_connection_at_once(kind: str, after: int, server: FaultServer) -> None:
    one, _ = two(server, "endless")

    def sync() -> None:
        with Router(**routing(one)) as router:
            with router.stream(PROMPT, max_cost="0.05") as stream:
                for _ in range(after):
                    next(stream)
                if not after:
                    stream.close()
            check(router)

    async def asynchronous() -> None:
        async with AsyncRouter(**routing(one)) as router:
            async with router.stream(PROMPT, max_cost="0.05") as stream:
                for _ in range(after):
                    await anext(stream)
                if not after:
                    await stream.aclose()
            await asyncio.to_thread(check, router)

    def check(router: Router | AsyncRouter) -> None:
        begun = time.monotonic()
        server.wait_idle(1.0, connections=0)
        assert time.monotonic() - begun < 1.0
        assert router._core.books.local.reserved == Money(0)

    with nothing_left(), warnings.catch_warnings():
        warnings.simplefilter("error")
        sync() if kind == "sync" else in_loop(kind, asynchronous)
    assert [seen.client_closed_early for seen in one.seen] == [True] * bool(after)


@pytest.mark.parametrize("kind", KINDS)
def test_dropping_a_stream_warns_and_frees_its_connection(kind: str, server: FaultServer) -> None:
    """When the last reference goes, not only at the router's next call (S6)."""
    one, _ = two(server, "endless")

    def sync() -> None:
        with Router(**routing(one)) as router:
            held = [router.stream(PROMPT, max_cost="0.05")]
            next(held[0])
            with pytest.warns(ResourceWarning, match="with router.stream"):
                held.clear()
            server.wait_idle(1.0, connections=0)
            router.explain(PROMPT)
        assert router._core.books.local.reserved == Money(0)

    async def asynchronous() -> None:
        async with AsyncRouter(**routing(one)) as router:
            held = [router.stream(PROMPT, max_cost="0.05")]
            await anext(held[0])
            with pytest.warns(ResourceWarning, match="async with router.stream"):
                held.clear()
            await asyncio.to_thread(server.wait_idle, 1.0, connections=0)
        assert router._core.books.local.reserved == Money(0)

    with nothing_left():
        sync() if kind == "sync" else in_loop(kind, asynchronous)
    assert [seen.client_closed_early for seen in one.seen] == [True]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_dropped_stream_held_is_presumed_spent(kind: str, server: FaultServer) -> None:
    """Its reservation is settled at the router's next call or close, and is told."""
    one, second = two(server, "endless")
    told: list[Any] = []

    def sync() -> None:
        with Router(**routing(one, second, on_event=told.append)) as router:
            held = [router.stream(PROMPT, max_cost="0.05")]
            next(held[0])
            with pytest.warns(ResourceWarning):
                held.clear()
            router.chat(PROMPT, model=second.target)
            assert router._core.books.local.reserved == Money(0)

    async def asynchronous() -> None:
        async with AsyncRouter(**routing(one, second, on_event=told.append)) as router:
            held = [router.stream(PROMPT, max_cost="0.05")]
            await anext(held[0])
            with pytest.warns(ResourceWarning):
                held.clear()
            await router.chat(PROMPT, model=second.target)
            assert router._core.books.local.reserved == Money(0)

    sync() if kind == "sync" else in_loop(kind, asynchronous)
    server.wait_idle(2.0, connections=0)
    settled = [each for each in told if type(each).__name__ == "Settled" and each.target == one.target]
    assert [each.basis for each in settled] == ["reservation"]


def test_a_stream_that_was_never_read_holds_nothing(server: FaultServer) -> None:
    one, _ = two(server, "ok")
    with nothing_left(), warnings.catch_warnings():
        warnings.simplefilter("error")
        with Router(**routing(one)) as router:
            stream = router.stream(PROMPT, max_cost="0.05")
            with pytest.raises(RequestError, match="iterate it first"):
                _ = stream.reply
            del stream
            gc.collect()
            assert router._core.books.local.reserved == Money(0)
    assert not one.seen


def test_two_tasks_cannot_read_one_stream(server: FaultServer) -> None:
    one, _ = two(server, "slow_tokens")

    async def ask() -> None:
        async with AsyncRouter(**routing(one)) as router, router.stream(PROMPT) as stream:
            reading = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)
            with pytest.raises(RequestError, match="another task"):
                await anext(stream)
            await reading

    asyncio.run(ask())


# ---------------------------------------------------------------------------------------------------------- cancelling

SLOW = [
    "silent", "headers_then_silent", "slow_headers", "slow_first_token", "slow_tokens", "byte_drip", "stalled",
    "endless", "comment_drip", "header_drip", "503", "429_retry_after", "ok_stream", "split_utf8", "half_close",
    "slow_reading",
]  # fmt: skip


@pytest.mark.parametrize("kind", LOOP_KINDS)
def test_cancelling_at_any_moment_leaves_nothing(kind: str, server: FaultServer) -> None:
    """200 calls against slow faults, each cancelled at a random moment, some twice: C1, over real sockets."""
    rng = random.Random(20_261_122)
    places = [place(server, [name], name=f"p{number}") for number, name in enumerate(SLOW)]
    outcomes: Counter[str] = Counter()

    async def call(router: AsyncRouter, number: int) -> None:
        target = places[number % len(places)].target
        options: dict[str, Any] = {"model": target, "max_cost": "0.05", "deadline": 5.0}
        if number % 2:
            await router.chat(PROMPT, **options)
            return
        async with router.stream(PROMPT, **options) as stream:
            async for _ in stream:
                pass

    async def one(router: AsyncRouter, number: int) -> None:
        task = asyncio.ensure_future(call(router, number))
        await asyncio.sleep(rng.random() ** 2 * 0.8)
        if task.cancel() and rng.random() < 0.5:
            await asyncio.sleep(rng.random() * 0.003)
            task.cancel()
        begun = time.monotonic()
        try:
            await task
            outcomes["answered"] += 1
        except asyncio.CancelledError:
            outcomes["cancelled"] += 1
        except ModelRouteError as error:
            outcomes[type(error).__name__] += 1
        assert time.monotonic() - begun < 1.0, "a cancelled call ends at once"

    async def storm() -> None:
        async with AsyncRouter(**routing(*places, timeouts=QUICK)) as router:
            await asyncio.gather(*(one(router, number) for number in range(200)))
            assert router._core.books.local.reserved == Money(0)
            assert len(asyncio.all_tasks()) == 1, asyncio.all_tasks()
            assert set(outcomes) <= {"answered", "cancelled", "AttemptsFailedError", "StreamInterruptedError"}
            assert outcomes["cancelled"] > 50
            await asyncio.to_thread(server.wait_idle, 1.0)
        assert router._core.books.local.reserved == Money(0)

    with nothing_left(), warnings.catch_warnings():
        warnings.simplefilter("error")
        in_loop(kind, storm)
        server.wait_idle(1.0, connections=0)


@pytest.mark.parametrize("kind", LOOP_KINDS)
def test_a_timeout_of_the_callers_own_is_told_apart_from_ours(kind: str, server: FaultServer) -> None:
    """`asyncio.timeout` around a call raises its own TimeoutError; our deadline raises ours."""
    one, _ = two(server, "silent")

    async def ask() -> None:
        async with AsyncRouter(**routing(one)) as router:
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(0.1):
                    await router.chat(PROMPT, max_cost="0.05")
            assert not isinstance(caught.value, ModelRouteError)
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(2.0):
                    await router.chat(PROMPT, deadline=0.1)
            assert isinstance(caught.value, AttemptsFailedError)
            assert router._core.books.local.reserved == Money(0)

    in_loop(kind, ask)
    server.wait_idle(1.0, connections=0)


def test_an_interrupted_sync_call_leaves_nothing(server: FaultServer) -> None:
    """Ctrl-C in the middle of a read: the interrupt leaves, the reservation and the connection do not stay."""
    one, _ = two(server, "silent", "endless")
    with nothing_left(), Router(**routing(one)) as router:
        for mode in ("chat", "stream"):
            timer = threading.Timer(0.15, signal.pthread_kill, [threading.get_ident(), signal.SIGINT])
            timer.start()
            if mode == "chat":
                with pytest.raises(KeyboardInterrupt):
                    router.chat(PROMPT, max_cost="0.05")
            else:
                with router.stream(PROMPT, max_cost="0.05") as stream, pytest.raises(KeyboardInterrupt):
                    deque(stream, maxlen=0)
            timer.join()
            assert router._core.books.local.reserved == Money(0)
        server.wait_idle(1.0, connections=0)


def test_the_catalog_of_faults_holds_what_is_used_here() -> None:
    assert set(SLOW) <= FAULTS.keys()
