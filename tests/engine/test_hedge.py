"""Attempts that run beside each other: who wins, what it costs, when there is no second, and that nothing is left."""

# ruff: noqa: ANN401
# Options are handed through to calls that check them.

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelroute import (
    AttemptsFailedError,
    Catalog,
    ConfigurationError,
    Hedge,
    Money,
    Policy,
    ReasoningDelta,
    Reply,
    RequestError,
    Scenario,
    TextDelta,
    cheapest,
)
from modelroute.engine.commands import Race
from modelroute.engine.route import route
from modelroute.resilience.latency import KNOWN
from modelroute.runtime.drive_async import AsyncRun
from modelroute.testing import (
    Answer,
    Cuts,
    Fails,
    Failure,
    Kind,
    ScriptedAsyncRouter,
    ScriptedRouter,
    Slow,
    run_simulated,
)
from modelroute.testing.checks import check_c1, check_s6
from modelroute.testing.script import Step
from modelroute.testing.scripted import EPOCH

T = TypeVar("T")

TARGETS = ("a@one", "b@two", "c@three")
SOON = Hedge(after=0.5)
DOWN = Failure(Kind.UNAVAILABLE, "overloaded")


def says(text: str) -> Answer:
    return Answer(text, pieces=4)


def policy_of(hedge: Hedge | bool | None) -> Policy:
    return Policy(default=Scenario(prefer=cheapest), hedge=hedge)


def routed(
    steps: Sequence[Step],
    act: Callable[[ScriptedAsyncRouter], Awaitable[T]],
    hedge: Hedge | bool | None = None,
) -> tuple[T, ScriptedAsyncRouter]:
    """What `act` makes of a router whose targets take these steps, in order of rank; nothing may be left behind."""

    async def main() -> tuple[T, ScriptedAsyncRouter]:
        script = {target: [step] for target, step in zip(TARGETS, steps, strict=False)}
        router = ScriptedAsyncRouter(script, policy=policy_of(hedge), catalog=Catalog())
        answer = await act(router)
        await router.aclose()
        assert router._core.books.local.reserved == Money(0)
        check_s6(router.calls)
        check_c1()
        return answer, router

    return run_simulated(main, 0)


def chat(steps: Sequence[Step], hedge: Hedge | bool | None = SOON, **options: Any) -> Reply:
    return routed(steps, lambda router: router.chat("x", **options), hedge)[0]


def told(reply: Reply) -> list[tuple[int, str, str, str | None]]:
    return [
        (attempt.number, attempt.target, attempt.why, None if attempt.failure is None else str(attempt.failure))
        for attempt in reply.attempts
    ]


def test_the_second_answers_when_it_is_first_to_have_content() -> None:
    reply = chat([Slow(5.0, 0.1, says("a")), Slow(1.0, 0.1, says("bb"))], max_cost=0.5, max_tokens=100)
    assert reply.text == "bb"
    assert told(reply) == [
        (1, "a@one", "first", "cancelled: lost the race to b@two"),
        (2, "b@two", "hedge", None),
    ]
    lost, won = reply.attempts
    assert (lost.basis, lost.cost) == ("reservation", lost.reserved), "it may be billed for what nobody waited for"
    assert lost.seconds == pytest.approx(1.5)
    assert reply.cost == lost.cost + won.cost
    assert reply.cost_basis == "reservation"


def test_the_first_answers_when_it_is_faster_after_all() -> None:
    reply = chat([Slow(1.0, 0.1, says("a")), Slow(1.0, 0.1, says("bb"))])
    assert reply.text == "a"
    assert told(reply) == [(1, "a@one", "first", None), (2, "b@two", "hedge", "cancelled: lost the race to a@one")]
    assert reply.attempts[1].basis == "estimate"
    assert reply.cost == reply.attempts[0].cost + reply.attempts[1].cost


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 80),
    st.integers(1, 80),
    st.integers(1, 80),
    st.integers(1, 40),
    st.integers(1, 2),
    st.booleans(),
    st.sampled_from((0.0, 0.1)),
)
def test_the_first_to_have_content_answers(  # noqa: PLR0917 - drawn by hypothesis
    a: int, b: int, c: int, after: int, extra: int, streamed: bool, spaced: float
) -> None:
    """Against an oracle: in tenths of a second, when each would have content, and when the others are asked."""
    moments = [a, b + after + 0.5, c + 2 * (after + 0.5)]  # half a tenth more, so that no two are equal
    begins = [0.0, after + 0.5, 2 * (after + 0.5)]
    asked = 1
    while asked <= extra and min(moments[:asked]) > begins[asked]:
        asked += 1
    first = min(moments[:asked])
    if moments[:asked].count(first) > 1:
        return
    winner = moments.index(first)
    steps = [Slow(seconds / 10, spaced, says(target)) for seconds, target in zip((a, b, c), TARGETS, strict=True)]

    async def act(router: ScriptedAsyncRouter) -> Reply:
        if not streamed:
            return await router.chat("x", max_cost=5)
        async with router.stream("x", max_cost=5) as stream:
            text = [event.text async for event in stream if isinstance(event, TextDelta)]
            assert "".join(text) == stream.reply.text
            return stream.reply

    reply, router = routed(steps, act, Hedge(after=(after + 0.5) / 10, max_extra=extra))
    assert reply.text == TARGETS[winner]
    assert len(router.calls) == len(reply.attempts) == asked
    assert [attempt.number for attempt in reply.attempts] == list(range(1, asked + 1))
    assert [attempt.succeeded for attempt in reply.attempts].count(True) == 1
    assert reply.cost == sum((attempt.cost for attempt in reply.attempts), Money(0))


def test_reasoning_is_content() -> None:
    thinks = Slow(0.1, 2.0, Answer("a", reasoning="let me see", pieces=1))
    assert len(chat([thinks, Slow(0.1)]).attempts) == 1


@pytest.mark.parametrize("first_is_down", [True, False])
def test_when_one_fails_before_content_the_other_goes_on_alone(first_is_down: bool) -> None:
    fails, answers = Fails(DOWN, delay=1.0), Slow(4.0, 0.1, says("ok"))
    reply = chat([fails, answers] if first_is_down else [answers, fails])
    assert reply.text == "ok"
    assert [attempt.why for attempt in reply.attempts] == ["first", "hedge"]
    kinds = [None if attempt.failure is None else attempt.failure.kind for attempt in reply.attempts]
    assert kinds == ([Kind.UNAVAILABLE, None] if first_is_down else [None, Kind.UNAVAILABLE])


def test_the_last_that_can_be_asked_may_take_its_time() -> None:
    """The first is given up for being silent; nobody is left beside the second, so it has all of the deadline."""
    reply = chat([Slow(60.0), Slow(15.0, 0.1, says("ok"))])
    first, second = reply.attempts
    assert first.failure is not None
    assert first.failure.kind is Kind.SILENT
    assert first.seconds == pytest.approx(10.0)
    assert second.why == "hedge"
    assert second.first_token == pytest.approx(15.0)


def test_the_reply_says_how_its_own_cost_is_known() -> None:
    reply = chat([Slow(4.0, 0.1, says("ok")), Fails(Failure(Kind.RATE_LIMITED), delay=1.0)])
    assert [attempt.basis for attempt in reply.attempts] == ["declared by you", "unbilled"]
    assert reply.cost_basis == "declared by you"


def test_when_both_fail_the_ordinary_course_goes_on() -> None:
    limited = Fails(Failure(Kind.RATE_LIMITED), delay=1.0)
    reply = chat([limited, limited, says("ok")])
    assert told(reply)[2] == (3, "c@three", "fallback", None)
    assert [attempt.why for attempt in reply.attempts] == ["first", "hedge", "fallback"]


def test_when_the_winner_fails_later_the_ordinary_course_goes_on() -> None:
    cut = Cuts(2, Answer("never", delay=0.1, between=0.1, pieces=4))
    reply = chat([Slow(5.0), cut, says("ok")])
    assert [(attempt.target, attempt.why) for attempt in reply.attempts] == [
        ("a@one", "first"),
        ("b@two", "hedge"),
        ("a@one", "retry"),
    ], "the loser did nothing wrong; to ask it again costs a token of the retry budget"


def test_nobody_is_asked_twice_beside_another() -> None:
    """The losers may be asked again one by one, for a token each; never again as the second of a race."""
    cut = Cuts(2, Answer("never", delay=2.0, between=0.1, pieces=4))
    reply = chat([cut, Slow(9.0), Slow(9.0)], Hedge(after=0.5, max_extra=3), max_attempts=6)
    assert [(attempt.target, attempt.why) for attempt in reply.attempts] == [
        ("a@one", "first"),
        ("b@two", "hedge"),
        ("c@three", "hedge"),
        ("b@two", "retry"),
    ]


def test_all_that_fail_are_in_the_error() -> None:
    down = Fails(Failure(Kind.DENIED), delay=1.0)

    async def act(router: ScriptedAsyncRouter) -> AttemptsFailedError:
        with pytest.raises(AttemptsFailedError) as caught:
            await router.chat("x")
        return caught.value

    error, _ = routed([down, down], act, SOON)
    assert [(attempt.number, attempt.why) for attempt in error.attempts] == [(1, "first"), (2, "hedge")]


SLOW = [Slow(5.0, 0.1, says("a")), Slow(1.0, 0.1, says("b")), Slow(1.0, 0.1, says("c"))]


@pytest.mark.parametrize(
    ("options", "attempts"),
    [
        ({}, 2),
        ({"max_attempts": 2}, 2),
        ({"max_attempts": 1}, 1),
        ({"model": "a@one"}, 1),
        ({"hedge": False}, 1),
        ({"hedge": Hedge(after=6.0)}, 1),
        ({"hedge": Hedge(after=0.1, max_extra=2)}, 3),
        ({"max_cost": 0.5, "max_tokens": 100}, 2),
        ({"max_cost": 0.02}, 2),
        ({"max_cost": 0.0004, "max_tokens": 100}, 1),
    ],
    ids=str,
)
def test_when_there_is_a_second(options: dict[str, Any], attempts: int) -> None:
    reply = chat(SLOW, **options)
    assert len(reply.attempts) == attempts


def test_no_second_without_a_token_of_the_retry_budget() -> None:
    async def act(router: ScriptedAsyncRouter) -> list[int]:
        router._core.retry_budget._tokens = 2.0
        router._core.retry_budget.per_second = 0.0
        return [len((await router.chat("x")).attempts) for _ in range(4)]

    assert routed(SLOW, act, SOON)[0] == [2, 2, 1, 1]


def test_no_second_on_a_target_that_rests() -> None:
    async def act(router: ScriptedAsyncRouter) -> Reply:
        router._core.experience.hold("b@two", 0, EPOCH + 3600, known=True)
        return await router.chat("x")

    assert [attempt.target for attempt in routed(SLOW, act, SOON)[0].attempts] == ["a@one", "c@three"]


def test_without_a_time_of_its_own_it_waits_for_what_is_usual() -> None:
    """p95 of the target's first tokens, once enough are known; a loser's wait counts, or the limit would sink."""

    async def act(router: ScriptedAsyncRouter) -> tuple[Reply, Reply, float | None]:
        answers = router._core.experience.answers
        for number in range(1, KNOWN):
            answers.answered("a@one", EPOCH, first_token=number / 10, output_tokens=None)
        unknown = await router.chat("x")
        known = await router.chat("x")
        return unknown, known, answers.first_token("a@one", 1.0, EPOCH + 20)

    (unknown, known, longest), _ = routed(SLOW, act, Hedge())
    assert [attempt.why for attempt in unknown.attempts] == ["first"]
    assert [attempt.why for attempt in known.attempts] == ["first", "hedge"]
    assert known.attempts[1].at - known.attempts[0].at == pytest.approx(1.9, abs=1e-3)
    assert longest == pytest.approx(5.0)


def test_a_stream_hands_on_nothing_of_the_loser() -> None:
    steps = [Slow(5.0, 0.1, says("a")), Slow(1.0, 0.1, Answer("bb", reasoning="hm", pieces=1))]

    async def act(router: ScriptedAsyncRouter) -> None:
        async with router.stream("x") as stream:
            first = await anext(stream)
            assert first == ReasoningDelta("hm")
            assert [call.closed for call in router.calls] == [True, False]
            assert [event async for event in stream] == [TextDelta("bb")]
            assert stream.reply.target == "b@two"

    routed(steps, act, SOON)


def test_a_loser_that_is_still_connecting_is_ended_before_anything_is_handed_over() -> None:
    async def act(router: ScriptedAsyncRouter) -> None:
        async with router.stream("x") as stream:
            await anext(stream)
            check_c1()
            assert len(router.calls) == 2
            assert [event async for event in stream]
            assert len(stream.reply.attempts) == 2

    routed([Slow(1.0, 0.1, says("abcdef")), Fails(DOWN, delay=9.0)], act, SOON)


def test_a_flow_that_waits_at_a_race_when_its_loop_goes_is_ended_by_the_reaper() -> None:
    async def act(router: ScriptedAsyncRouter) -> None:
        core = router._core
        prepared = core.prepare(*_asked(), streaming=False)
        run = AsyncRun(route(core.plan(prepared, streaming=False)), router._performer, router._reaper)
        run.start()
        while not (isinstance(run.command, Race) and len(run.command.commands) == 2 and len(router.calls) == 2):
            await run.step()
        left = run.abandon()
        assert left is not None
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()  # as `asyncio.run` does when it ends early
        await asyncio.sleep(0.001)
        router._reaper.adopt(*left)
        router._reaper.collect()

    _, router = routed(SLOW[:2], act, SOON)
    assert [call.closed for call in router.calls] == [True, True]


def _asked() -> Any:
    from modelroute.runtime.calls import request_from

    return request_from("x", {"max_cost": 0.5})


@pytest.mark.parametrize("hedge", [True, Hedge(after=1)])
def test_a_sync_router_says_that_it_cannot(hedge: Hedge | bool) -> None:
    script: dict[str, list[Step]] = {"a@one": [says("a")]}
    scenario = Scenario(prefer=cheapest, hedge=hedge)
    for policy in (
        policy_of(hedge),
        Policy(default=scenario),
        Policy(scenarios=[Scenario("s", task="coding", hedge=hedge)]),
    ):
        with pytest.raises(ConfigurationError, match="AsyncRouter"):
            ScriptedRouter(script, policy=policy, catalog=Catalog())
    with ScriptedRouter(script, policy=policy_of(False), catalog=Catalog()) as router:
        for call in (router.chat, router.stream, router.explain):
            with pytest.raises(RequestError, match="AsyncRouter"):
                call("x", hedge=hedge)
        with pytest.raises(RequestError, match="AsyncRouter"):
            router.with_options(hedge=hedge)
        assert router.chat("x", hedge=False).text == "a"
        assert not router.calls[1:]


@pytest.mark.parametrize("wrong", [1, "yes", 0.5, Hedge], ids=repr)
def test_what_hedge_cannot_be(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="Hedge"):
        Scenario(hedge=wrong)
    with pytest.raises(ConfigurationError, match="Hedge"):
        Policy(hedge=wrong)

    async def act(router: ScriptedAsyncRouter) -> None:
        with pytest.raises(RequestError, match="Hedge"):
            await router.chat("x", hedge=wrong)

    routed([says("a")], act)


def test_the_nearest_wins_and_a_policy_can_be_read() -> None:
    policy = Policy(default=Scenario(prefer=cheapest, hedge=False), hedge=True)
    assert "hedge=Hedge(after=None, max_extra=1)" in repr(policy)
    assert "hedge=False" in repr(policy.otherwise)
    assert policy.hedges

    async def main() -> list[int]:
        script: dict[str, list[Step]] = {"a@one": [SLOW[0]], "b@two": [SLOW[1]]}
        async with ScriptedAsyncRouter(script, policy=policy, catalog=Catalog()) as router:
            view = router.with_options(hedge=SOON)
            replies = [await router.chat("x"), await view.chat("x"), await view.chat("x", hedge=False)]
            return [len(reply.attempts) for reply in replies]

    assert run_simulated(main, 0) == [1, 2, 1]
