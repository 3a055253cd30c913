"""Hedged calls and streams that begin anew, over real sockets: one answer, every call counted, nothing left open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from modelroute import AsyncRouter, Hedge, Money, Price, Restarted, Router, TextDelta
from modelroute.testing.answers import parts
from modelroute.testing.exchange import Exchange
from modelroute.testing.fault import Fault
from modelroute.testing.faults import custom, ok, slow_first_token, slow_headers
from modelroute.testing.server import FaultServer
from tests.e2e.places import KINDS, LOOP_KINDS, PROMPT, Case, Place, in_loop, make, place, routing

SOON = Hedge(after=0.1)
PATIENT = 6.0
"""Seconds after which a slow provider would have answered: nobody waits for it."""


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as serving:
        yield serving


def silent() -> Fault:
    async def play(exchange: Exchange) -> None:
        await exchange.hang()

    return custom("accepts and is silent", play, endless=True)


def two(server: FaultServer, first: Fault | str, second: Fault | str) -> list[Place]:
    dear = Price(input=2, output=8)
    return [place(server, [first]), place(server, [second], name="second", model="large", price=dear)]


@pytest.mark.parametrize("mode", ["chat", "stream"])
@pytest.mark.parametrize("kind", LOOP_KINDS)
@pytest.mark.parametrize(
    "slow",
    [silent(), slow_headers(PATIENT), slow_first_token(PATIENT)],
    ids=["before the headers", "late headers", "after the headers"],
)
def test_the_second_answers_and_the_first_is_cut(server: FaultServer, slow: Fault, kind: str, mode: str) -> None:
    case = Case(two(server, slow, ok("second")), mode, {"hedge": SOON, "max_cost": 0.1})
    make(kind, [case])
    assert case.error is None
    assert case.reply is not None
    assert case.reply.text == "second"
    assert [attempt.why for attempt in case.reply.attempts] == ["first", "hedge"]
    assert case.reply.attempts[0].basis == "reservation"
    assert case.seconds < PATIENT
    assert case.reserved == 0
    assert [len(each.seen) for each in case.places] == [1, 1]
    server.wait_idle(3.0, connections=0)


@pytest.mark.parametrize("kind", LOOP_KINDS)
@pytest.mark.parametrize("slow", [silent(), slow_headers(PATIENT), slow_first_token(PATIENT)], ids=str)
def test_the_loser_is_cut_while_the_winner_is_read(server: FaultServer, slow: Fault, kind: str) -> None:
    """The first wins with the second on its way: at the first word only one connection is left."""
    places = two(server, slow_first_token(0.3), slow)

    async def main() -> None:
        async with AsyncRouter(**routing(*places)) as router, router.stream(PROMPT, hedge=SOON) as stream:
            await anext(stream)
            assert len(asyncio.all_tasks()) <= 2  # ours, and the end of a connection behind us
            await asyncio.to_thread(server.wait_idle, 3.0, connections=1)
            async for _ in stream:
                pass
            assert stream.reply.target == places[0].target
            assert "lost the race" in str(stream.reply.attempts[1].failure)

    in_loop(kind, main)
    server.wait_idle(3.0, connections=0)


@pytest.mark.parametrize("kind", LOOP_KINDS)
def test_when_the_first_fails_the_second_goes_on(server: FaultServer, kind: str) -> None:
    async def falters(exchange: Exchange) -> None:
        await exchange.pause(0.2)
        await exchange.reply(503, b"{}")

    case = Case(two(server, custom("falters", falters), slow_headers(0.4)), "chat", {"hedge": SOON})
    make(kind, [case])
    assert case.reply is not None
    assert [attempt.why for attempt in case.reply.attempts] == ["first", "hedge"]
    assert case.reserved == 0


@pytest.mark.parametrize("after", [0.02, 0.15, 0.25])
@pytest.mark.parametrize("kind", LOOP_KINDS)
def test_cancelled_while_they_race_nothing_is_left(server: FaultServer, kind: str, after: float) -> None:
    places = two(server, silent(), slow_headers(PATIENT))

    async def main() -> None:
        async with AsyncRouter(**routing(*places)) as router:
            task = asyncio.ensure_future(router.chat(PROMPT, hedge=SOON, max_cost=0.1))
            await asyncio.sleep(after)
            task.cancel()
            begun = time.monotonic()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert time.monotonic() - begun < 2.0
            assert router._core.books.local.reserved == Money(0)
            assert asyncio.all_tasks() == {asyncio.current_task()}

    in_loop(kind, main)
    server.wait_idle(3.0, connections=0)


async def slowly_cut(exchange: Exchange) -> None:
    good = parts(exchange, "one two three four", pieces=4)
    await exchange.begin_stream()
    await exchange.chunks([*good.opening, *good.content[:2]])
    await exchange.pause(0.1)  # so that what came is handed over before it breaks
    exchange.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_stream_begins_anew(server: FaultServer, kind: str) -> None:
    places = two(server, custom("slowly_cut", slowly_cut), ok("whole"))
    told: list[str] = []

    def take(event: object) -> None:
        told.append(event.text if isinstance(event, TextDelta) else type(event).__name__)

    async def main() -> None:
        async with AsyncRouter(**routing(*places)) as router, router.stream(PROMPT, on_interrupt="restart") as stream:
            async for event in stream:
                take(event)

    if kind == "sync":
        with Router(**routing(*places)) as router, router.stream(PROMPT, on_interrupt="restart") as stream:
            for event in stream:
                take(event)
    else:
        in_loop(kind, main)
    void, again = "".join(told).split(Restarted.__name__)
    assert "one two three four".startswith(void)
    assert void
    assert again == "whole"
    server.wait_idle(3.0, connections=0)
