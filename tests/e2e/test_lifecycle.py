"""Routers in threads, on loops, in children, twice closed, cancelled, dropped: nothing is left (C1, C3, C5, S6)."""

# ruff: noqa: ANN401, BLE001
# Options are handed through to calls that check them; what left the library is what is looked at.

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from modelroute import (
    AsyncRouter,
    ConfigurationError,
    ModelRouteError,
    Money,
    NoEligibleTargetError,
    Price,
    Router,
    RouterClosedError,
)
from modelroute.testing import Answer, ScriptedRouter
from modelroute.testing.faults import ok
from modelroute.testing.server import FaultServer
from tests.e2e.places import (
    LOOP_KINDS,
    LOOPS,
    PROMPT,
    QUICK,
    RESCUED,
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


# ---------------------------------------------------------------------------------------------------------- threads


def test_one_router_in_32_threads(server: FaultServer) -> None:
    """Every thread gets its own answers; connections are shared, never more than threads; money adds up."""
    echo = [ok(f"answer {number}") for number in range(3)]
    one, second = two(server, *echo)
    flaky = place(
        server, ["503", "ok", "cut", "429", "ok"], name="flaky", model="flaky", price=Price(input=1, output=3)
    )
    replies: list[Any] = []

    def work(thread: int) -> None:
        for number in range(10):
            if number % 3 == 0:
                with router.stream(PROMPT, model=one.target) as stream:
                    text = "".join(stream.text)
                assert text == stream.reply.text
                replies.append(stream.reply)
            elif number % 3 == 1:
                replies.append(router.chat(PROMPT, max_cost="0.05", deadline=10))
            else:
                replies.append(router.with_options(model=one.target).chat(f"{thread} {number}"))

    with nothing_left():
        with Router(**routing(flaky, one, second, timeouts=QUICK)) as router, ThreadPoolExecutor(32) as pool:
            for done in [pool.submit(work, thread) for thread in range(32)]:
                done.result(timeout=30)
            assert router._core.books.local.reserved == Money(0)
            assert server.open_connections <= 33
        server.wait_idle(2.0, connections=0)
    assert len(replies) == 320
    for reply in replies:
        assert reply.cost == sum((attempt.cost for attempt in reply.attempts), Money(0))
        assert reply.text in {"answer 0", "answer 1", "answer 2", "Hello world", RESCUED}


def test_closing_while_threads_are_at_work(server: FaultServer) -> None:
    """Running calls end well; new ones are told. No thread hangs, nothing foreign leaves."""
    slow, _ = two(server, "slow_tokens")
    router = Router(**routing(slow))
    outcomes: list[str] = []
    begun = threading.Barrier(9)

    def work() -> None:
        begun.wait()
        try:
            outcomes.append(router.chat(PROMPT).text)
        except RouterClosedError:
            outcomes.append("closed")
        except ModelRouteError as error:
            outcomes.append(type(error).__name__)

    with nothing_left():
        with ThreadPoolExecutor(8) as pool:
            for _ in range(8):
                pool.submit(work)
            begun.wait()
            time.sleep(0.05)
            router.close()
        server.wait_idle(2.0, connections=0)
    assert len(outcomes) == 8
    assert set(outcomes) <= {"Hello world", "closed"}


# ------------------------------------------------------------------------------------------------------------ loops


@pytest.mark.parametrize("kind", LOOP_KINDS)
def test_an_async_router_lives_through_several_loops(kind: str, server: FaultServer) -> None:
    """`asyncio.run` again and again with one router: no "loop is closed", no connection of a dead loop is used."""
    one, second = two(server, "ok")
    router = AsyncRouter(**routing(one, second))

    async def ask() -> list[str]:
        texts = [(await router.chat(PROMPT)).text for _ in range(2)]
        async with router.stream(PROMPT) as stream:
            texts.append("".join([piece async for piece in stream.text]))
        return texts

    async def close() -> None:
        await router.aclose()

    with nothing_left(), warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(4):
            assert in_loop(kind, ask) == ["Hello world"] * 3
            server.wait_idle(2.0, connections=0)
        in_loop(kind, close)
        gc.collect()
    assert len({seen.connection for seen in one.seen}) == 4, "one connection per loop"


def test_an_async_router_on_loops_in_several_threads_at_once(server: FaultServer) -> None:
    one, second = two(server, "ok", "503", "ok")
    router = AsyncRouter(**routing(one, second))

    async def ask() -> list[str]:
        return [reply.text for reply in await asyncio.gather(*(router.chat(PROMPT) for _ in range(5)))]

    with nothing_left():
        with ThreadPoolExecutor(6) as pool:
            for done in [pool.submit(asyncio.run, ask()) for _ in range(6)]:
                assert set(done.result(timeout=20)) <= {"Hello world", RESCUED}
        asyncio.run(router.aclose())
        server.wait_idle(2.0, connections=0)


def test_a_router_that_nobody_closes_makes_no_noise_at_exit(server: FaultServer) -> None:
    """In a process of its own: sync and async, used and forgotten. Not a word, not even of a closed loop."""
    one = place(server, ["ok"])
    program = f"""
import asyncio
from modelroute import *
def provider():
    return Provider.compatible({server.url_for(one.prefix)!r}, name="first", models=[Model("small")], key="sk-x")
router = Router([provider()], catalog=Catalog(), policy=Policy(default=Scenario(prefer=cheapest)))
print(router.chat("Hi").text)
again = AsyncRouter([provider()], catalog=Catalog(), policy=Policy(default=Scenario(prefer=cheapest)))
async def main():
    print((await again.chat("Hi")).text)
asyncio.run(main())
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:3] == ["Hello world"] * 3
    assert not done.stderr


# ---------------------------------------------------------------------------------------------------------- closing


def test_closing_twice_and_using_after(server: FaultServer) -> None:
    one, second = two(server, "ok")
    with nothing_left():
        router = Router(**routing(one, second))
        with router:
            router.chat(PROMPT)
        router.close()
        router.close()
        with pytest.raises(RouterClosedError, match="make a new one"):
            router.chat(PROMPT)
        with pytest.raises(RouterClosedError), router:
            pass
        with pytest.raises(RouterClosedError):
            router.with_options(max_cost=1).chat(PROMPT)
        assert "closed" in repr(router)

        async def asynchronous() -> None:
            other = AsyncRouter(**routing(one, second))
            async with other:
                await other.chat(PROMPT)
            await other.aclose()
            await other.aclose()
            with pytest.raises(RouterClosedError):
                await other.chat(PROMPT)
            with pytest.raises(RouterClosedError):
                other.stream(PROMPT)
            with pytest.raises(RouterClosedError):
                async with other:
                    pass

        asyncio.run(asynchronous())
    server.wait_idle(2.0, connections=0)


def test_a_stream_that_was_begun_ends_well_when_its_router_is_closed(server: FaultServer) -> None:
    one, _ = two(server, "slow_tokens")
    router = Router(**routing(one))
    with router.stream(PROMPT) as stream:
        next(stream)
        router.close()
        rest = "".join(stream.text)
    assert rest
    assert stream.reply.text == "Hello world"
    server.wait_idle(2.0, connections=0)


def test_a_stream_made_before_and_read_after_the_close_says_so(server: FaultServer) -> None:
    one, _ = two(server, "ok")
    router = Router(**routing(one))
    stream = router.stream(PROMPT)
    router.close()
    with pytest.raises(ModelRouteError), stream:
        next(stream)
    assert not one.seen


def test_views_share_everything_and_loosen_nothing(server: FaultServer) -> None:
    one, second = two(server, "ok")
    with Router(**routing(one, second)) as router:
        view = router.with_options(max_cost="0.01", model=second.target, tags="eu")
        inner = view.with_options(max_cost="0.005", needs={"tools"})
        assert router.chat(PROMPT).target == one.target
        assert view.chat(PROMPT).target == second.target
        decision = inner.explain(PROMPT, max_cost="0.02")
        assert decision.max_cost == Money("0.005")
        with inner as entered:
            assert entered is inner
        assert view.chat(PROMPT).text, "leaving a view's block closes nothing"
        for each in (view, inner):
            with pytest.raises(ConfigurationError, match="view"):
                each.close()
        assert view._core is router._core
        server.wait_idle(1.0, connections=1)
    with pytest.raises(RouterClosedError):
        view.chat(PROMPT)


def test_two_routers_share_nothing(server: FaultServer) -> None:
    """C5: what one learns (holds, forecasts, conversations, money, connections) the other does not know."""
    limited, second = two(server, "429_retry_after_date", "ok")
    with Router(**routing(limited, second)) as one, Router(**routing(limited, second)) as other:
        assert one.chat(PROMPT).target == second.target
        assert one.explain(PROMPT).target == second.target, "it has learned to leave the target alone"
        assert other.explain(PROMPT).target == limited.target
        assert other.chat(PROMPT).target == limited.target
        assert one._core.books.local is not other._core.books.local
        assert {seen.connection for seen in limited.seen}.__len__() == 2
        other.close()
        assert one.chat(PROMPT).text == RESCUED


# ------------------------------------------------------------------------------------------------------------- fork


def in_child(work: Any) -> bytes:
    """Fork, run `work` in the child, and return what it returned; fails when the child does."""
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # newer Pythons warn of forking with threads: that is the test
        child = os.fork()
    if child == 0:
        try:
            signal.alarm(20)
            os.write(write, pickle.dumps(work()))
            os._exit(0)
        except BaseException as error:
            os.write(write, pickle.dumps(f"{type(error).__name__}: {error}"))
            os._exit(1)
    os.close(write)
    said = b""
    while piece := os.read(read, 65_536):
        said += piece
    os.close(read)
    _, status = os.waitpid(child, 0)
    assert status == 0, said and pickle.loads(said)
    return said


def test_two_children_with_one_process_number_share_no_reservation() -> None:
    """Numbers of processes come again: the second child must not be taken for the first, whose ids are settled."""
    router = ScriptedRouter({"m@p": [Answer("yes")]})
    numbers = [router._core.number()]
    for _ in range(2):
        router._core.after_fork()
        router._core._numbers = itertools.count(1)  # as the parent had it at either fork
        numbers.append(router._core.number())
    assert len(set(numbers)) == 3
    router.close()


def test_a_router_works_on_both_sides_of_a_fork(server: FaultServer) -> None:
    """The child uses no connection of the parent's; both go on; the notices of each are its own."""
    one, second = two(server, "ok")
    told: list[object] = []
    with Router(**routing(one, second, on_event=told.append)) as router:
        router.chat(PROMPT)

        def child() -> list[str]:
            texts = [router.chat(PROMPT).text for _ in range(2)]
            with router.stream(PROMPT) as stream:
                texts.append("".join(stream.text))
            router.close()
            return texts

        said = in_child(child)
        assert pickle.loads(said) == ["Hello world"] * 3
        assert router.chat(PROMPT).text == "Hello world"
        server.wait_idle(2.0, connections=1)
    connections = [seen.connection for seen in one.seen]
    assert connections[0] == connections[-1], "the parent keeps its connection"
    assert connections[0] not in connections[1:-1], "the child has its own"


def test_a_fork_in_the_middle_of_a_stream_leaves_the_parents_stream_whole(server: FaultServer) -> None:
    one, second = two(server, ok("one two three four five", pieces=5, between=0.05))
    with Router(**routing(one, second)) as router:
        with router.stream(PROMPT) as stream:
            pieces = [next(stream)]

            def child() -> str:
                text = router.chat(PROMPT, model=second.target).text
                stream.close()  # what a child that ends in good order does to what it inherited
                return text

            assert pickle.loads(in_child(child)) == RESCUED
            pieces += list(stream)
        assert "".join(piece.text for piece in pieces) == "one two three four five"  # type: ignore[union-attr]
        assert router._core.books.local.reserved == Money(0)
    server.wait_idle(2.0, connections=0)


def test_an_async_router_works_in_a_child(server: FaultServer) -> None:
    one, second = two(server, "ok")
    router = AsyncRouter(**routing(one, second))

    async def ask() -> str:
        return (await router.chat(PROMPT)).text

    assert asyncio.run(ask()) == "Hello world"
    assert pickle.loads(in_child(lambda: asyncio.run(ask()))) == "Hello world"
    assert asyncio.run(ask()) == "Hello world"
    asyncio.run(router.aclose())
    server.wait_idle(2.0, connections=0)


# ---------------------------------------------------------------------------------------------------------- listeners


@pytest.mark.parametrize("listener", ["raises", "hangs"])
def test_a_listener_can_neither_slow_nor_fail_a_call(listener: str, server: FaultServer) -> None:
    one, _ = two(server, "ok")
    released = threading.Event()

    def raises(event: object) -> None:
        raise RuntimeError("the listener's own")

    def hangs(event: object) -> None:
        released.wait(10)

    with Router(**routing(one, on_event=raises if listener == "raises" else hangs)) as router:
        begun = time.monotonic()
        for _ in range(20):
            assert router.chat(PROMPT).text == "Hello world"
        assert time.monotonic() - begun < 2.0
        released.set()


def test_a_thousand_calls_keep_few_connections(server: FaultServer) -> None:
    """Sequential calls use one connection; 50 at once use 50 and keep them within bounds."""
    one, _ = two(server, "ok")

    async def ask() -> None:
        async with AsyncRouter(**routing(one)) as router:
            for _ in range(100):
                await router.chat(PROMPT)
            assert server.connections == 1
            for _ in range(4):
                await asyncio.gather(*(router.chat(PROMPT) for _ in range(50)))
            assert server.connections <= 51

    with nothing_left():
        asyncio.run(ask())
        server.wait_idle(2.0, connections=0)


def test_nothing_eligible_opens_nothing(server: FaultServer) -> None:
    one, _ = two(server, "ok")
    with Router(**routing(one)) as router, pytest.raises(NoEligibleTargetError):
        router.chat(PROMPT, needs={"audio"})
    assert server.connections == 0
