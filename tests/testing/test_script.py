"""The upstream in memory: a step says what a decoder could say, and bills no less than it reports."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.errors import ConfigurationError, UnknownNameError
from modelroute.testing.script import (
    STEP_KINDS,
    Answer,
    Cuts,
    Fails,
    Garbles,
    Hangs,
    Script,
    Slow,
    Step,
    random_step,
    swarm,
)
from modelroute.types.events import (
    Ended,
    Fault,
    Finish,
    ReasoningDelta,
    Skipped,
    TextDelta,
    ToolCallDelta,
    UsageReport,
    WireEvent,
)
from modelroute.types.failure import Charge, Failure, Kind
from modelroute.types.reply import ToolCall
from modelroute.types.usage import Usage

USAGE = Usage(100, 40, reasoning_tokens=10)
FULL = Answer(
    "The quick brown fox", pieces=4, usage=USAGE, tool_calls=(ToolCall("c1", "f", '{"a":1}'),), reasoning="hm, well"
)
seeds = st.integers(0, 2**32)


def told(step: Step) -> list[WireEvent]:
    return [event for _, event in step.events()]


def text_of(step: Step) -> str:
    return "".join(event.text for event in told(step) if isinstance(event, TextDelta))


def drawn(seed: int) -> Step:
    rng = random.Random(seed)
    return random_step(rng, swarm(rng))


def test_an_answer_says_all_of_it_in_order() -> None:
    events = told(FULL)
    assert text_of(FULL) == "The quick brown fox"
    assert "".join(event.text for event in events if isinstance(event, ReasoningDelta)) == "hm, well"
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    assert (calls[0].id, calls[0].name) == ("c1", "f")
    assert "".join(call.arguments for call in calls) == '{"a":1}'
    assert events[-3:] == [Finish("tool_calls"), UsageReport(USAGE), Ended()]
    assert told(Answer(finish="length", reports=False))[-2:] == [Finish("length"), Ended()]


def test_time_is_told_before_each_event() -> None:
    assert [delay for delay, _ in Answer("ab", pieces=2, delay=3, between=0.5).events()] == [3, 0.5, 0.5, 0.5, 0.5, 0.5]
    assert [delay for delay, _ in Slow(7, 2, Answer("ab", pieces=2, delay=1)).events()] == [1, 7, 2, 2, 2, 2]
    assert Fails(Failure(Kind.TRANSIENT), delay=4).events() == [(4, Fault(Failure(Kind.TRANSIENT)))]


@given(st.integers(0, 30))
def test_what_breaks_never_finishes(events: int) -> None:
    for step in (Hangs(events, FULL), Cuts(events, FULL), Garbles(events, answer=FULL)):
        assert not any(isinstance(event, Finish | Ended | UsageReport) for event in told(step))
        assert "The quick brown fox".startswith(text_of(step))
        assert step.billed == USAGE
    assert not any(isinstance(event, Fault) for event in told(Hangs(events, FULL)))
    ends = [told(Cuts(events, FULL))[-1], told(Garbles(events, answer=FULL))[-1]]
    assert [end.failure.kind for end in ends if isinstance(end, Fault)] == [Kind.INTERRUPTED, Kind.GARBLED]


@given(st.integers(0, 30))
def test_one_lost_event_spoils_nothing_else(events: int) -> None:
    spoiled = told(Garbles(events, fatal=False, answer=FULL))
    assert sum(isinstance(event, Skipped) for event in spoiled) == 1
    assert [event for event in spoiled if not isinstance(event, Skipped)] == told(FULL)


@given(st.integers(0, 60))
def test_a_cap_bounds_the_bill(cap: int) -> None:
    for step in (FULL, Slow(answer=FULL), Hangs(3, FULL), Cuts(3, FULL), Garbles(3, answer=FULL)):
        billed = step.capped(cap).billed
        assert billed is not None
        assert billed.output_tokens == min(40, cap)
        assert billed.reasoning_tokens <= billed.output_tokens
        assert step.capped(None) == step
    failed = Fails(Failure(Kind.TRANSIENT), billed=USAGE).capped(cap)
    assert failed.billed is not None
    assert failed.billed.output_tokens == min(40, cap)
    capped = FULL.capped(cap)
    assert FULL.text.startswith(capped.text)
    assert (Finish("length") in told(capped)) is (cap < 40)


def test_what_the_table_charges_nothing_for_has_no_bill() -> None:
    with pytest.raises(ConfigurationError, match="never billed"):
        Fails(Failure(Kind.RATE_LIMITED), billed=USAGE)
    assert Fails(Failure(Kind.RATE_LIMITED)).billed is None


def test_a_script_counts_per_target_and_repeats_its_last_step() -> None:
    first, second = Fails(Failure(Kind.UNAVAILABLE)), Answer("b")
    script = Script({"m@a": [first, second], "m@b": [Answer("c")]})
    assert [script.take(target) for target in ("m@a", "m@b", "m@a", "m@a")] == [first, Answer("c"), second, second]
    assert (script.attempts("m@a"), script.attempts("m@b"), script.attempts("m@c")) == (3, 1, 0)
    assert script.taken[1] == ("m@b", Answer("c"))


def test_a_script_knows_its_targets() -> None:
    script = Script({"kimi@moonshot": [Answer()]})
    with pytest.raises(UnknownNameError, match="Did you mean 'kimi@moonshot'"):
        script.take("kimi@moonshoot")
    with pytest.raises(ConfigurationError, match="no steps for m@a"):
        Script({"m@a": []})
    assert Script({}, otherwise=Answer("any")).take("m@a") == Answer("any")


@given(seeds)
def test_equal_seeds_draw_equal_steps(seed: int) -> None:
    assert drawn(seed) == drawn(seed)


@given(seeds)
def test_what_is_drawn_is_well_formed(seed: int) -> None:
    step = drawn(seed)
    events = told(step)
    assert all(delay >= 0 for delay, _ in step.events())
    assert not any(isinstance(event, Ended | Fault) for event in events[:-1]), "nothing follows the end"
    assert isinstance(step, Hangs) == (not events or not isinstance(events[-1], Ended | Fault))
    if any(isinstance(event, Ended) for event in events):
        assert any(isinstance(event, Finish) for event in events)
    reported = [event.usage for event in events if isinstance(event, UsageReport)]
    assert all(usage == step.billed for usage in reported)
    if isinstance(step, Fails) and step.failure.row.charge is Charge.NOTHING:
        assert step.billed is None
    if step.billed is not None:
        assert 0 <= step.billed.cached_tokens <= step.billed.input_tokens


def test_every_kind_of_step_is_reached_and_only_those_enabled() -> None:
    rng = random.Random(1)
    everything = dict.fromkeys(STEP_KINDS, 1.0)
    steps = [random_step(rng, everything) for _ in range(2_000)]
    failed = {step.failure.kind.value for step in steps if isinstance(step, Fails)}
    assert failed == set(STEP_KINDS[6:])
    assert {type(step) for step in steps} == {Answer, Slow, Hangs, Cuts, Garbles, Fails}
    assert {step.fatal for step in steps if isinstance(step, Garbles)} == {True, False}
    only = [random_step(rng, {"answer": 1, "cuts": 0}) for _ in range(50)]
    assert {type(step) for step in only} == {Answer}
    with pytest.raises(UnknownNameError, match="Did you mean 'hangs'"):
        random_step(rng, {"hang": 1})


def test_a_swarm_differs_from_run_to_run() -> None:
    swarms = [swarm(random.Random(seed)) for seed in range(300)]
    assert all(weights["answer"] > 0 for weights in swarms)
    for name in STEP_KINDS[1:]:
        assert 0 < sum(name in weights for weights in swarms) < 300, name
    assert len({tuple(weights) for weights in swarms}) > 200
