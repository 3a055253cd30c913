"""Streams that begin anew when they break after content: what the caller is told, and what still holds."""

# ruff: noqa: ANN401
# Options are handed through to calls that check them.

from collections.abc import Sequence
from typing import Any

import pytest

from modelroute import (
    Catalog,
    ConfigurationError,
    Model,
    Money,
    Policy,
    Price,
    Provider,
    RequestError,
    Restarted,
    Scenario,
    StreamInterruptedError,
    TextDelta,
    Timeouts,
    cheapest,
)
from modelroute.catalog import Rates, Window
from modelroute.testing import (
    Answer,
    Cuts,
    Fails,
    Failure,
    Garbles,
    Hangs,
    Kind,
    ScriptedAsyncRouter,
    ScriptedRouter,
    Slow,
    run_simulated,
)
from modelroute.testing.script import Step
from modelroute.types.events import StreamEvent
from modelroute.types.reply import Reply
from modelroute.types.usage import Usage

POLICY = Policy(default=Scenario(prefer=cheapest), on_interrupt="restart")
POEM = Answer("Packets find their way", pieces=4, between=0.1)
OTHER = Answer("Routers hum at night", pieces=2, between=0.1)


def router_of(script: dict[str, list[Step]], policy: Policy = POLICY, **more: Any) -> ScriptedRouter:
    return ScriptedRouter(script, policy=policy, catalog=Catalog(), **more)


def read(script: dict[str, list[Step]], **options: Any) -> tuple[list[StreamEvent], Reply]:
    with router_of(script) as router, router.stream("x", **options) as stream:
        events = list(stream)
        return events, stream.reply


def told(events: Sequence[StreamEvent]) -> list[str]:
    """The events as words: the pieces of text, and where it began anew."""
    return [event.text if isinstance(event, TextDelta) else f"<{type(event).__name__}>" for event in events]


def test_the_next_target_begins_anew_and_says_so() -> None:
    events, reply = read({"a@one": [Cuts(after_events=3, answer=POEM)], "b@two": [OTHER]})
    assert told(events) == ["Packe", "ts fin", "<Restarted>", "Routers hu", "m at night"]
    restarted = events[2]
    assert isinstance(restarted, Restarted)
    assert (restarted.target, restarted.attempt, restarted.failure.kind) == ("b@two", 2, Kind.INTERRUPTED)
    assert reply.text == OTHER.text
    assert reply.attempts[restarted.attempt - 1].target == restarted.target
    assert [attempt.why for attempt in reply.attempts] == ["first", "fallback"]
    assert reply.cost == sum((attempt.cost for attempt in reply.attempts), Money(0))


def test_async_streams_tell_the_same() -> None:
    async def main() -> list[StreamEvent]:
        script: dict[str, list[Step]] = {"a@one": [Cuts(after_events=3, answer=POEM)], "b@two": [OTHER]}
        router = ScriptedAsyncRouter(script, policy=POLICY, catalog=Catalog())
        async with router, router.stream("x") as stream:
            events = [event async for event in stream]
            assert stream.reply.text == OTHER.text
            with pytest.raises(RequestError, match="Restarted"):
                _ = stream.text
            return events

    assert told(run_simulated(main, 0)) == ["Packe", "ts fin", "<Restarted>", "Routers hu", "m at night"]


def test_one_restart_is_told_for_many_attempts_that_failed_unseen() -> None:
    """Words are taken back once, and only when there are others in their place."""
    events, reply = read(
        {
            "a@one": [Cuts(after_events=2, answer=POEM)],
            "b@two": [Fails(Failure(Kind.DENIED))],
            "c@three": [Cuts(after_events=1)],
            "d@four": [OTHER],
        }
    )
    assert told(events) == ["Packe", "<Restarted>", "Routers hu", "m at night"]
    assert isinstance(events[1], Restarted)
    assert (events[1].target, events[1].attempt, events[1].failure.kind) == ("d@four", 4, Kind.INTERRUPTED)
    assert len(reply.attempts) == 4


def test_a_stream_may_begin_anew_again() -> None:
    events, reply = read({"a@one": [Cuts(2, POEM)], "b@two": [Garbles(2, answer=OTHER)], "c@three": [POEM]})
    assert told(events)[:4] == ["Packe", "<Restarted>", "Routers hu", "<Restarted>"]
    assert "".join(told(events)[4:]) == reply.text == POEM.text
    kinds = [event.failure.kind for event in events if isinstance(event, Restarted)]
    assert kinds == [Kind.INTERRUPTED, Kind.GARBLED]


def test_an_empty_answer_takes_the_words_back_too() -> None:
    events, reply = read({"a@one": [Cuts(2, POEM)], "b@two": [Answer("", usage=Usage(3, 0))]})
    assert told(events) == ["Packe", "<Restarted>"]
    assert reply.text == ""


@pytest.mark.parametrize("rest", [[Fails(Failure(Kind.DENIED))], [Cuts(after_events=1)], [Hangs()]])
def test_when_nobody_is_left_the_error_has_what_the_caller_holds(rest: list[Step]) -> None:
    script: dict[str, list[Step]] = {"a@one": [Cuts(after_events=3, answer=POEM)], "b@two": rest}
    with router_of(script) as router, router.stream("x") as stream:
        events: list[StreamEvent] = []
        with pytest.raises(StreamInterruptedError) as caught:
            events.extend(stream)
        assert told(events) == ["Packe", "ts fin"]
    error = caught.value
    assert error.partial.text == "Packets fin"
    assert error.partial.target == "a@one"
    assert [attempt.target for attempt in error.attempts] == ["a@one", "b@two"]


@pytest.mark.parametrize(
    "broken",
    [
        Answer("Packets find their way", pieces=4, between=0.1, finish="content_filter"),
        Slow(0.1, 60.0, POEM),
    ],
    ids=["refused", "late"],
)
def test_a_refusal_and_the_deadline_end_it(broken: Step) -> None:
    script: dict[str, list[Step]] = {"a@one": [broken], "b@two": [OTHER]}
    with router_of(script) as router, router.stream("x", deadline=5.0) as stream:
        with pytest.raises(StreamInterruptedError) as caught:
            list(stream)
        assert len(router.calls) == 1
    assert caught.value.failure.kind in {Kind.REFUSED, Kind.LATE}


@pytest.mark.parametrize("limits", [{"max_attempts": 1}, {"max_cost": 0.0006}], ids=["attempts", "ceiling"])
def test_a_restart_is_an_attempt_like_any_other(limits: dict[str, Any]) -> None:
    script: dict[str, list[Step]] = {"a@one": [Cuts(after_events=3, answer=POEM)], "b@two": [OTHER]}
    with router_of(script) as router, router.stream("x", max_tokens=200, **limits) as stream:
        with pytest.raises(StreamInterruptedError) as caught:
            list(stream)
        assert len(router.calls) == 1
    assert caught.value.partial.text == "Packets fin"


def test_the_deadline_to_the_first_content_begins_anew() -> None:
    """100 s to the first word, a break after it, 100 s to the first word of the next: it is answered."""
    broken = Cuts(3, Answer("Packets find", pieces=4, delay=100.0, between=9.0))
    script: dict[str, list[Step]] = {"a@one": [broken], "b@two": [Slow(100.0)]}
    patient: dict[str, Any] = {"timeouts": Timeouts(first_token=200.0, attempt=500.0)}
    with router_of(script) as router, router.stream("x", **patient) as stream:
        next(stream)
        router.clock.sleep(1000.0)  # the caller may take any time over what it was handed
        assert "<Restarted>" in told(list(stream))
        assert router.clock.now() > 1200.0
    with router_of(script) as router, router.stream("x", deadline=150.0, **patient) as stream:
        with pytest.raises(StreamInterruptedError) as caught:
            list(stream)
        assert caught.value.failure.kind is Kind.LATE
        assert router.clock.now() == pytest.approx(150.0)


def test_text_alone_cannot_take_words_back() -> None:
    script: dict[str, list[Step]] = {"a@one": [POEM]}
    with router_of(script) as router:
        with router.stream("x") as stream, pytest.raises(RequestError, match="buffer"):
            _ = stream.text
        assert not router.calls
        with router.stream("x", on_interrupt="raise") as stream:
            assert "".join(stream.text) == POEM.text
        with router.with_options(on_interrupt="buffer").stream("x") as stream:
            assert "".join(stream.text) == POEM.text


def test_who_says_restart() -> None:
    script: dict[str, list[Step]] = {"a@one": [Cuts(2, POEM), Cuts(2, POEM), Cuts(2, POEM)], "b@two": [OTHER]}
    plain = Policy(default=Scenario(prefer=cheapest))
    by_scenario = Policy(default=Scenario(prefer=cheapest, on_interrupt="restart"))
    for policy, options in ((by_scenario, {}), (plain, {"on_interrupt": "restart"})):
        with router_of(script, policy) as router, router.stream("x", **options) as stream:  # type: ignore[arg-type]
            assert "<Restarted>" in told(list(stream))
    with router_of(script, plain) as router, router.stream("x") as stream, pytest.raises(StreamInterruptedError):
        list(stream)
    with pytest.raises(ConfigurationError, match="restart"):
        Scenario(on_interrupt="again")
    with router_of(script) as router, pytest.raises(RequestError, match="restart"):
        router.stream("x", on_interrupt="again")  # type: ignore[arg-type]


def test_a_stream_opened_late_keeps_its_word() -> None:
    """It is decided anew after a minute, but what it does when it breaks was promised when it was made."""
    script: dict[str, list[Step]] = {"a@one": [Cuts(2, POEM)], "b@two": [OTHER]}
    by_day = [True]
    now = Scenario("day", when=lambda facts: by_day[0], prefer=cheapest, on_interrupt="restart")
    policy = Policy(scenarios=[now], default=Scenario(prefer=cheapest))
    with router_of(script, policy) as router, router.stream("x") as stream:
        router.clock.sleep(3600.0)
        by_day[0] = False
        assert "<Restarted>" in told(list(stream))
        assert stream.decision.scenario == "default"


def test_one_that_begins_anew_hours_later_is_bound_by_the_prices_of_then() -> None:
    """Midnight's bound would not cover the morning's bill."""
    dear = Price(input=1, output=2, windows=(Window(Rates(10_000_000, 20_000_000), hours=("06:00-18:00",)),))
    providers = [
        Provider.compatible(
            f"https://{name}.test/v1", name=name, key="k", price=price, models=[Model("m", max_output=8_000)]
        )
        for name, price in (("one", Price(input=0.1, output=0.2)), ("two", dear))
    ]
    long = Answer("at length", usage=Usage(12, 3_000), between=0.1)
    script: dict[str, list[Step]] = {"m@one": [Cuts(3, POEM)], "m@two": [long]}
    router = ScriptedRouter(script, providers=providers, policy=POLICY, catalog=Catalog())
    with router, router.stream("x", max_cost=0.5, max_tokens=3_000) as stream:
        next(stream)
        router.clock.sleep(8 * 3600.0)
        list(stream)
        second = stream.reply.attempts[1]
    assert second.cost == Money("0.06012")
    assert second.cost <= second.reserved
