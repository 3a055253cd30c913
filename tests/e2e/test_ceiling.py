"""`max_cost` over real sockets: what is sent bounds what can be billed; what was billed is what is told (M2, M4)."""

# ruff: noqa: ANN401
# Options are handed through to calls that check them.

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelroute import (
    AttemptsFailedError,
    Money,
    NoEligibleTargetError,
    Policy,
    Price,
    Reply,
    Router,
    Rule,
    Scenario,
    cheapest,
)
from modelroute.testing.answers import answer
from modelroute.testing.exchange import Exchange
from modelroute.testing.fault import Fault
from modelroute.testing.faults import custom, ok
from modelroute.testing.server import FaultServer
from modelroute.types.failure import Kind
from tests.e2e.places import PROMPT, QUICK, Place, place, routing

INPUT, OUTPUT = 3, 15
"""Dollars per million tokens of the dear target here: so many millionths of a dollar a token."""


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as serving:
        yield serving


def cap_of(seen: Any) -> int | None:
    body = cast("dict[str, Any]", seen.body)
    cap = body.get("max_tokens", body.get("max_completion_tokens"))
    return None if cap is None else int(cap)


def bills(input_tokens: int | None = None, *, times_the_cap: int = 1) -> Fault:
    """Answer, and bill as many output tokens as the cap allows (or more), and the prompt's bytes as tokens."""

    async def play(exchange: Exchange) -> None:
        settings = cast("dict[str, Any]", exchange.settings)
        cap = settings.get("max_tokens") or settings.get("max_completion_tokens") or 100_000
        said = sum(len(str(message["content"]).encode()) for message in settings["messages"])
        billed = said if input_tokens is None else input_tokens
        await answer(exchange, usage=(billed, int(cap) * times_the_cap), finish="length")

    return custom("bills", play)


def of_tokens(input_tokens: int, output_tokens: int) -> Money:
    return Money(f"{(input_tokens * INPUT + output_tokens * OUTPUT) / 1_000_000:.6f}")


def dear(server: FaultServer, *behaviours: Fault | str, name: str = "dear", **declared: Any) -> Place:
    return place(server, list(behaviours), name=name, price=Price(input=INPUT, output=OUTPUT), **declared)


# ------------------------------------------------------------------------------------------------ the cap that is sent


@settings(max_examples=40)
@given(
    prompt=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300).filter(str.strip),
    millionths=st.integers(9_000, 300_000),
    asked=st.one_of(st.none(), st.integers(1, 10_000)),
)
@pytest.mark.parametrize("dialect", ["openai-chat", "anthropic-messages"])
def test_the_worst_bill_fits_the_ceiling(
    server: FaultServer, dialect: str, prompt: str, millionths: int, asked: int | None
) -> None:
    """A provider that bills every token it may, and every byte as a token, stays below `max_cost`."""
    one = dear(server, bills(), dialect=dialect)
    max_cost = Money(f"{millionths / 1_000_000:.6f}")
    options: dict[str, Any] = {"max_cost": max_cost} | ({} if asked is None else {"max_tokens": asked})
    with Router(**routing(one)) as router:
        reply = router.chat(prompt, **options)
    [seen] = one.seen
    cap = cap_of(seen)
    assert cap is not None, "under a ceiling a cap is sent"
    assert asked is None or cap <= asked
    assert reply.cost <= reply.attempts[0].reserved <= max_cost
    assert reply.usage is not None
    assert reply.usage.output_tokens == cap
    if asked is not None and cap < asked:
        assert reply.capped_by is not None


def test_no_cap_is_sent_without_a_ceiling(server: FaultServer) -> None:
    one = dear(server, "ok")
    with Router(**routing(one)) as router:
        router.chat(PROMPT)
    assert cap_of(one.seen[0]) is None


def test_the_least_of_all_ceilings_holds(server: FaultServer) -> None:
    """Call, view, scenario and rule each have one; a looser one never loosens."""
    one = dear(server, bills())
    policy = Policy(rules=[Rule(max_cost="0.05")], default=Scenario(prefer=cheapest, max_cost="0.04"))
    for least, view, call in (("0.04", None, None), ("0.02", "0.02", "0.03"), ("0.01", None, "0.01")):
        with Router(**routing(one, policy=policy)) as router:  # one that has not learned how long the answers are
            reply = router.with_options(max_cost=view).chat(PROMPT, max_cost=call)
        assert Money("0.009") < reply.cost <= Money(least)


def test_a_provider_that_ignores_the_cap_is_seen(server: FaultServer) -> None:
    """What was billed is what is told, even above the ceiling: money is never lied about."""
    one = dear(server, bills(10, times_the_cap=10))
    with Router(**routing(one)) as router:
        reply = router.chat(PROMPT, max_cost="0.02")
        assert router._core.books.local.reserved == Money(0)
    cap = cap_of(one.seen[0])
    assert cap is not None
    assert reply.cost == of_tokens(10, cap * 10)
    assert reply.cost > Money("0.02")
    assert reply.attempts[0].cost > reply.attempts[0].reserved


# ---------------------------------------------------------------------------------------------------- several attempts


@pytest.mark.parametrize("first", ["garbage", "silent", "cut_before_content"])
def test_what_a_failed_attempt_may_have_cost_lowers_the_next_cap(first: str, server: FaultServer) -> None:
    """Nothing is known of what it cost, so its reservation counts; the next attempt has only the rest."""
    broken = place(server, [first], name="broken", price=Price(input=1, output=4))
    alone, after = (dear(server, "ok", model="large", name=name) for name in ("alone", "after"))
    with Router(**routing(alone)) as router:
        router.chat(PROMPT, max_cost="0.03")
    with Router(**routing(broken, after, timeouts=QUICK)) as router:
        reply = router.chat(PROMPT, max_cost="0.03")
    failed, answered = reply.attempts
    assert failed.basis == "reservation"
    assert failed.cost == failed.reserved > Money(0)
    assert failed.reserved + answered.reserved <= Money("0.03")
    free, left = cap_of(alone.seen[0]), cap_of(after.seen[0])
    assert free is not None
    assert left is not None
    assert left < free
    assert reply.cost == failed.cost + answered.cost
    assert reply.cost_basis == "reservation"


def test_a_failure_that_costs_nothing_leaves_the_money(server: FaultServer) -> None:
    refused = place(server, ["402"], name="refused", price=Price(input=1, output=4))
    alone, after = (dear(server, "ok", model="large", name=name) for name in ("alone", "after"))
    with Router(**routing(alone)) as router:
        router.chat(PROMPT, max_cost="0.03")
    with Router(**routing(refused, after)) as router:
        reply = router.chat(PROMPT, max_cost="0.03")
    assert reply.attempts[0].cost == Money(0)
    assert reply.attempts[0].basis == "unbilled"
    assert cap_of(alone.seen[0]) == cap_of(after.seen[0])
    assert reply.cost == reply.attempts[1].cost


@pytest.mark.parametrize("max_cost", ["0.004", "0.006", "0.01", "0.05", "1"])
@pytest.mark.parametrize("name", ["garbage", "503", "silent", "stalled", "error_event", "empty", "500"])
def test_all_attempts_together_stay_below_the_ceiling(name: str, max_cost: str, server: FaultServer) -> None:
    """Three targets that fail, whatever they may have billed: reservations never add up to more than `max_cost`."""
    places = [
        place(server, [name], name=f"down{number}", price=Price(input=1 + number, output=4 + number))
        for number in range(3)
    ]
    with Router(**routing(*places, timeouts=QUICK)) as router, pytest.raises(AttemptsFailedError) as caught:
        router.chat(PROMPT, max_cost=max_cost, deadline=2.0)
    error = caught.value
    assert sum((each.cost for each in error.attempts), Money(0)) == error.cost
    assert error.cost <= Money(max_cost)
    assert router._core.books.local.reserved == Money(0)


def test_a_fallback_that_no_longer_fits_is_not_tried(server: FaultServer) -> None:
    """The first attempt ate the money: that is said, and the second target is not asked."""
    first = place(server, ["garbage"], name="first", price=Price(input=1, output=4), max_output=4_000)
    second = dear(server, "ok", model="large", max_output=None)
    with Router(**routing(first, second)) as router, pytest.raises(AttemptsFailedError) as caught:
        router.chat(PROMPT, max_cost="0.01")
    assert [ranked.target for ranked in caught.value.decision.ranked] == [first.target, second.target]
    assert [attempt.target for attempt in caught.value.attempts] == [first.target]
    assert not second.seen
    assert caught.value.cost <= Money("0.01")


# --------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("max_cost", ["0.000001", 0, "0"])
def test_when_nothing_fits_nothing_is_sent(max_cost: Any, server: FaultServer) -> None:
    one = dear(server, "ok")
    with Router(**routing(one)) as router:
        with pytest.raises(NoEligibleTargetError, match=r"max_cost|ceiling") as caught:
            router.chat(PROMPT, max_cost=max_cost)
        with pytest.raises(NoEligibleTargetError):
            router.stream(PROMPT, max_cost=max_cost)
    assert caught.value.decision.rejected
    assert not one.seen


def test_what_costs_nothing_fits_a_ceiling_of_nothing(server: FaultServer) -> None:
    one = place(server, ["ok"], price=Price.free())
    with Router(**routing(one)) as router:
        reply = router.chat(PROMPT, max_cost=0)
    assert reply.cost == Money(0)


def test_a_target_without_a_price_is_refused_under_a_ceiling(server: FaultServer) -> None:
    """M6: before anything is sent; without a ceiling it serves, and its cost is said to be unknown."""
    one = place(server, ["ok"], price=None)
    with Router(**routing(one)) as router:
        with pytest.raises(NoEligibleTargetError, match="price"):
            router.chat(PROMPT, max_cost=1)
        assert not one.seen
        reply = router.chat(PROMPT)
    assert reply.cost_basis == "unpriced"


# -------------------------------------------------------------------------------------------------- usage that is odd


def asked(server: FaultServer, behaviour: Fault | str, **options: Any) -> Reply:
    with Router(**routing(dear(server, behaviour))) as router:
        return router.chat(PROMPT, **options)


def test_missing_usage_is_charged_at_the_reservation_under_a_ceiling_and_estimated_without(server: FaultServer) -> None:
    strict = asked(server, "usage_missing", max_cost="0.05")
    assert (strict.cost_basis, strict.attempts[0].basis) == ("reservation", "reservation")
    assert strict.cost == strict.attempts[0].reserved > Money(0)
    assert strict.usage is None
    easy = asked(server, "usage_missing")
    assert (easy.cost_basis, easy.attempts[0].basis) == ("estimate", "estimate")
    assert Money(0) < easy.cost < strict.cost


@pytest.mark.parametrize(("tier", "basis"), [("priority", "estimate"), ("default", "declared by you")])
def test_what_is_billed_at_another_price_is_no_more_than_an_estimate(
    server: FaultServer, tier: str, basis: str
) -> None:
    reply = asked(server, "ok", service_tier=tier)
    assert reply.usage is not None
    assert (reply.cost_basis, reply.attempts[0].basis) == (basis, basis)


def test_zero_usage_beside_words_is_no_usage(server: FaultServer) -> None:
    reply = asked(server, "usage_zero", max_cost="0.05")
    assert reply.text
    assert reply.usage is None
    assert reply.cost == reply.attempts[0].reserved


def test_a_negative_usage_is_no_usage(server: FaultServer) -> None:
    reply = asked(server, "usage_negative", max_cost="0.05")
    assert reply.cost >= Money(0)
    assert reply.cost == reply.attempts[0].reserved


def test_a_huge_usage_breaks_nothing(server: FaultServer) -> None:
    reply = asked(server, "usage_huge", max_cost="0.05")
    assert reply.cost >= reply.attempts[0].reserved or reply.cost_basis == "reservation"


def test_the_basis_of_a_declared_price_is_said(server: FaultServer) -> None:
    reply = asked(server, ok(usage=(1_000, 100)))
    assert reply.cost == of_tokens(1_000, 100)
    assert reply.cost_basis == "declared by you"


# ----------------------------------------------------------------------------------------------------------- streams


def test_a_stream_left_early_is_charged_its_reservation(server: FaultServer) -> None:
    """How much the provider bills for what nobody read is unknown."""
    events: list[Any] = []
    one = dear(server, "endless")
    with Router(**routing(one, on_event=events.append)) as router:
        with router.stream(PROMPT, max_cost="0.05") as stream:
            next(stream)
        assert router._core.books.local.reserved == Money(0)
    [settled] = [each for each in events if type(each).__name__ == "Settled"]
    assert settled.basis == "reservation"
    assert settled.cost == settled.reserved > Money(0)


def test_a_stream_that_broke_says_what_it_cost(server: FaultServer) -> None:
    one = dear(server, "stalled")
    with (
        Router(**routing(one, timeouts=QUICK)) as router,
        router.stream(PROMPT, max_cost="0.05") as stream,
        pytest.raises(AttemptsFailedError) as caught,
    ):
        list(stream)
    assert caught.value.failure.kind is Kind.INTERRUPTED
    assert Money(0) < caught.value.cost <= Money("0.05")
    assert caught.value.attempts[0].basis == "reservation"
