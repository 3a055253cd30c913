"""Money and time where they meet: longer repairs, prices by the clock, streams opened late, clocks set back."""

from __future__ import annotations

import asyncio
import gc
import random
import sys
from collections.abc import Awaitable
from dataclasses import dataclass

import pytest
from pydantic import BaseModel

from modelroute import (
    Budget,
    Catalog,
    Model,
    ModelRouteError,
    Money,
    NoEligibleTargetError,
    Policy,
    Price,
    Provider,
    Scenario,
    cheapest,
)
from modelroute.catalog.rates import Rates
from modelroute.catalog.window import Window
from modelroute.engine.commands import Close, Reserve, Reserved
from modelroute.money import ZERO
from modelroute.runtime.clocks import Clocks
from modelroute.testing import (
    Answer,
    Cuts,
    Fails,
    Failure,
    Hangs,
    Kind,
    ScriptedAsyncRouter,
    ScriptedRouter,
    run_simulated,
)
from modelroute.testing.checks import WatchedStore, check_m3, check_s6
from modelroute.testing.script import Step
from modelroute.testing.scripted import EPOCH
from modelroute.types.notices import Attempted, RouterEvent
from modelroute.types.usage import Usage

POLICY = Policy(default=Scenario(prefer=cheapest))
MODEL = Model("m", context_window=128_000, max_output=16_000, features=frozenset({"json_schema"}))
DEAR_HOURS = Window(Rates.per_million(10, 10), hours=("01:00-04:00",))


def provider(price: Price) -> Provider:
    return Provider.compatible("https://p.scripted.test/v1", name="p", key="k", models=[MODEL], price=price)


class Invoice(BaseModel):
    """What is asked for."""

    total: int


@pytest.mark.parametrize("max_cost", ["0.022", "0.03", "0.06", "0.2"])
def test_a_repair_is_paid_for_by_its_own_length(max_cost: str) -> None:
    """The bad answer is sent back, so the second prompt is far longer than the first: its bound must be too."""
    bad = Answer("x" * 4000, usage=Usage(700, 1000))
    script: dict[str, list[Step]] = {"m@p": [bad, Answer('{"total": 1}', usage=Usage(4800, 10))]}
    price = Price(input=10, output=1)
    with ScriptedRouter(script, providers=[provider(price)], policy=POLICY, catalog=Catalog()) as router:
        try:
            parsed = router.parse("hi", Invoice, max_cost=max_cost)
            cost, attempts = parsed.cost, parsed.attempts
        except ModelRouteError as error:
            cost, attempts = error.cost, error.attempts  # type: ignore[attr-defined]
    assert cost <= Money(max_cost)
    if len(attempts) > 1:
        assert attempts[1].reserved >= Money("0.048")


def test_a_repair_that_fits_is_made() -> None:
    script: dict[str, list[Step]] = {
        "m@p": [Answer("x" * 400, usage=Usage(70, 100)), Answer('{"total": 1}', usage=Usage(480, 10))]
    }
    with ScriptedRouter(script, providers=[provider(Price(input=1, output=1))], catalog=Catalog()) as router:
        assert router.parse("hi", Invoice, max_cost=0.2).value.total == 1
        assert len(router.calls) == 2


def test_a_call_is_billed_by_the_price_of_its_own_moment() -> None:
    """It waits for a rate limit across the edge of a price window."""
    usage = Usage(100, 1000)
    script: dict[str, list[Step]] = {
        "m@p": [Fails(Failure(Kind.RATE_LIMITED, retry_after=30)), Answer("hello", usage=usage)]
    }
    price = Price(input=1, output=1, windows=(DEAR_HOURS,))
    with ScriptedRouter(script, providers=[provider(price)], policy=POLICY, catalog=Catalog()) as router:
        router.clock.sleep(3600 - 20)
        reply = router.chat("hi", max_cost=1)
    rates = price.at(EPOCH + 3610, 100)
    assert rates is not None
    assert reply.cost == Money.from_pico(rates.cost(usage)) == Money("0.011")


def test_a_stream_opened_late_is_decided_anew() -> None:
    """Decided at the cheap hour and opened in the dear one: the ceiling holds at the price that is billed."""
    usage = Usage(100, 100_000)
    price = Price(input=1, output=1, windows=(DEAR_HOURS,))
    with ScriptedRouter(
        {"m@p": [Answer("hello", usage=usage)]}, providers=[provider(price)], policy=POLICY, catalog=Catalog()
    ) as router:
        stream = router.stream("hi " * 50, max_cost=0.02)
        first = stream.decision
        router.clock.sleep(3700)
        with stream:
            list(stream)
        billed = router.calls[0].billed
    assert billed is not None
    rates = price.at(EPOCH + 3700, 100)
    assert rates is not None
    assert stream.reply.cost == Money.from_pico(rates.cost(billed)) <= Money("0.02")
    assert stream.decision is not first
    assert stream.reply.decision is stream.decision


def test_a_buffered_stream_has_the_time_of_a_chat() -> None:
    """It commits only when it is whole."""
    script: dict[str, list[Step]] = {"a@one": [Answer("hello", pieces=3, delay=100.0, between=60.0)]}
    with ScriptedRouter(script, policy=POLICY, catalog=Catalog()) as router:
        with router.stream("hi", on_interrupt="buffer") as stream:
            assert "".join(stream.text) == "hello"
        with pytest.raises(TimeoutError), router.stream("hi", on_interrupt="buffer", deadline=120) as stream:
            list(stream)


class Skewed(ScriptedRouter):
    """A router whose wall clock can be set."""

    skew = 0.0

    def _clocks(self) -> Clocks:
        clocks = super()._clocks()
        return Clocks(clocks.monotonic, lambda: clocks.wall() + self.skew, random.Random(0).random, clocks.sleep)


def test_a_clock_set_back_does_not_prolong_a_hold() -> None:
    limited = Fails(Failure(Kind.RATE_LIMITED, retry_after=1))
    with Skewed({"a@one": [limited, Answer("hello")]}, policy=POLICY, catalog=Catalog()) as router:
        with pytest.raises(ModelRouteError):
            router.chat("hi", deadline=0.5)
        router.skew = -3600.0
        assert router.chat("hi", deadline=30).text == "hello"


@dataclass(slots=True)
class Heard:
    """What `on_event` was told."""

    attempts: list[Attempted]

    def __call__(self, event: RouterEvent) -> None:
        if isinstance(event, Attempted):
            self.attempts.append(event)


def test_a_cancel_while_closing_makes_no_second_attempt() -> None:
    """The flow is told at its next reservation, not after it: nothing is booked for a call nobody made."""
    heard = Heard([])

    async def main() -> None:
        script: dict[str, list[Step]] = {
            "a@one": [Cuts(1, Answer("x" * 100, usage=Usage(10, 100)))],
            "b@two": [Answer("y")],
        }
        router = ScriptedAsyncRouter(script, policy=POLICY, catalog=Catalog(), on_event=heard)
        store = WatchedStore(router._core.books.local)
        router._core.books.local = store  # type: ignore[assignment]
        close = router._performer.close

        async def slowly(command: Close) -> None:
            close(command)
            await asyncio.sleep(0.02)

        router._performer.close = slowly  # type: ignore[method-assign]
        task = asyncio.create_task(router.chat("hi", max_cost=0.1))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await router.aclose()
        assert [call.target for call in router.calls] == ["a@one"]
        check_m3(store)
        check_s6(router.calls)

    asyncio.run(main())
    assert len(heard.attempts) == 1


def test_a_call_destroyed_with_its_loop_makes_no_noise() -> None:
    """Nobody is left to drive it: no "generator ignored GeneratorExit", and the lease ends what it holds."""
    router = ScriptedAsyncRouter({"a@one": [Hangs(0), Answer("hello")]}, policy=POLICY, catalog=Catalog())

    async def hang() -> None:
        task = asyncio.ensure_future(router.chat("hi", max_cost=0.1))
        await asyncio.sleep(0.01)
        task._log_destroy_pending = False  # type: ignore[attr-defined]

    unraised: list[object] = []
    hook, sys.unraisablehook = sys.unraisablehook, unraised.append
    try:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(hang())
        loop.close()
        gc.collect()
    finally:
        sys.unraisablehook = hook
    assert unraised == []
    assert asyncio.run(router.chat("hi")).text == "hello"
    asyncio.run(router.aclose())


@pytest.mark.parametrize("waits_for", ["a slot", "the store"])
def test_a_call_that_was_cancelled_before_it_was_sent_costs_nothing(waits_for: str) -> None:
    """Who left the queue of a busy target, or while money was set aside, owes nobody anything."""

    async def main() -> tuple[Money | None, Money, int]:
        async with ScriptedAsyncRouter({"m@p": [Answer("yes")]}, budgets=[Budget("team", 1)]) as router:
            core = router._core
            taken = []
            if waits_for == "a slot":
                taken = [core.limiter.enter("m@p", 0) for _ in range(core.limiter.concurrency("m@p").limit)]
            else:
                at_once = core.books.areserve

                async def slowly(command: Reserve) -> Reserved:
                    await asyncio.sleep(1.0)
                    answer = at_once(command)
                    assert not isinstance(answer, Awaitable)
                    return answer

                core.books.areserve = slowly  # type: ignore[method-assign]
            call = asyncio.ensure_future(router.chat("hi"))
            await asyncio.sleep(0.2)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            del taken
            balance = core.books.local.balance("budget:team", now=core.clocks.wall())
            return None if balance is None else balance.spent, core.books.local.reserved, len(router.calls)

    assert run_simulated(main, 1) == (ZERO, ZERO, 0)


def test_a_request_for_more_tokens_than_a_minute_has_room_for_says_so() -> None:
    """No wait helps, and no money is short: `tpm=` is what must be raised, or the output capped."""
    model = Model("m", context_window=128_000, max_output=16_000)
    small = Provider.compatible(
        "https://p.scripted.test/v1", name="p", key="k", models=[model], price=Price(input=1, output=1), tpm=100
    )
    with ScriptedRouter({"m@p": [Answer("hi")]}, providers=[small], catalog=Catalog()) as router:
        with pytest.raises(NoEligibleTargetError, match="more tokens than the tpm= of any target") as caught:
            router.chat("hi")
        assert "max_cost" not in str(caught.value)
        assert not router.calls
        assert router.chat("hi", max_tokens=5).text == "hi"
