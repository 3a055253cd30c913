"""An answer is put together from one attempt's events, however they are batched (INVARIANTS S1-S3)."""

import json

from hypothesis import given
from hypothesis import strategies as st

from modelroute.engine.assembly import LARGEST_RAW, LONGEST_REFUSAL, Assembly
from modelroute.types.events import (
    Blocks,
    Ended,
    Fault,
    Finish,
    ReasoningDelta,
    Refusal,
    ServedBy,
    Skipped,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    UsageReport,
    WireEvent,
)
from modelroute.types.failure import Failure, Kind
from modelroute.types.messages import PROVENANCE, as_messages
from modelroute.types.reply import ToolCall
from modelroute.types.usage import Usage

BROKEN = Failure(Kind.UNAVAILABLE, "overloaded")
some_text = st.text(min_size=1, max_size=4)
events = st.one_of(
    st.builds(TextDelta, some_text),
    st.builds(ReasoningDelta, some_text),
    st.builds(
        ToolCallDelta,
        st.integers(0, 2),
        st.sampled_from(["", "a", "b"]),
        st.sampled_from(["", "look"]),
        st.text(max_size=3),
    ),
    st.builds(UsageReport, st.builds(Usage, st.integers(0, 9), st.integers(0, 9))),
    st.builds(Finish, st.sampled_from(["stop", "length", "tool_calls", "content_filter"])),
    st.builds(Refusal, some_text),
    st.builds(Blocks, st.dictionaries(st.sampled_from("ab"), st.integers(), max_size=1)),
    st.builds(ServedBy, st.sampled_from(["", "id-1", "id-2"]), st.sampled_from(["", "m-1"])),
    st.just(Skipped("odd")),
)
endings = st.sampled_from([(), (Ended(),), (Fault(BROKEN),)])


@given(st.lists(events, max_size=25), endings, st.lists(events, max_size=3), st.lists(st.integers(1, 5), max_size=30))
def test_any_batching_gives_what_the_events_say(
    body: list[WireEvent], ending: tuple[WireEvent, ...], after: list[WireEvent], cuts: list[int]
) -> None:
    whole = [*body, *ending, *after] if ending else body
    assembly, handed = Assembly(), list[StreamEvent]()
    position = 0
    for cut in [*cuts, len(whole) + 1]:
        if assembly.ended or assembly.failure is not None:
            break
        handed += assembly.take(whole[position : position + cut])
        position += cut
    said = [event for event in body if isinstance(event, TextDelta | ReasoningDelta | ToolCallDelta)]
    assert handed == said, "what follows the end is never handed on"
    assert assembly.text == "".join(event.text for event in said if isinstance(event, TextDelta))
    assert assembly.reasoning == "".join(event.text for event in said if isinstance(event, ReasoningDelta))
    deltas = [event for event in said if isinstance(event, ToolCallDelta)]
    expected = [
        ToolCall(
            next((d.id for d in deltas if d.index == index and d.id), ""),
            next((d.name for d in deltas if d.index == index and d.name), ""),
            "".join(d.arguments for d in deltas if d.index == index),
        )
        for index in dict.fromkeys(delta.index for delta in deltas)
    ]
    assert list(assembly.tool_calls) == expected
    reports = [event.usage for event in body if isinstance(event, UsageReport)]
    assert (assembly.usage is None) == (not reports)
    if assembly.usage is not None:
        for name in ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens"):
            assert getattr(assembly.usage, name) == max(getattr(usage, name) for usage in reports)
    finishes = [event.reason for event in body if isinstance(event, Finish)]
    assert assembly.finish == (finishes[0] if finishes else "")
    assert assembly.degraded == any(isinstance(event, Skipped) for event in body)
    assert assembly.has_content == bool(said)
    if ending == (Fault(BROKEN),):
        assert assembly.failure == BROKEN
        assert not assembly.ended
    elif ending:
        assert assembly.ended
        assert (assembly.failure is None) == bool(finishes), "a success needs a finish reason (S2)"
    partial = assembly.partial("m@p")
    assert (partial.text, partial.tool_calls, partial.target) == (assembly.text, assembly.tool_calls, "m@p")


@given(st.lists(events, max_size=25))
def test_the_message_can_be_sent_back(body: list[WireEvent]) -> None:
    assembly = Assembly()
    assembly.take(body)
    message = assembly.message({"target": "m@p", "provider": "p"})
    assert as_messages([message]) == (message,)
    assert json.loads(json.dumps(message)) == message
    provenance = message[PROVENANCE]
    assert isinstance(provenance, dict)
    assert provenance["target"] == "m@p"
    assert ("blocks" in provenance) == bool(assembly.blocks)
    assert ("tool_calls" in message) == bool(assembly.tool_calls)
    assert message["content"] is not None or assembly.tool_calls


def test_an_end_without_a_finish_reason_is_no_answer() -> None:
    assembly = Assembly()
    assembly.take([TextDelta("half"), Ended()])
    assert assembly.failure is not None
    assert assembly.failure.kind is Kind.INTERRUPTED


def test_what_a_refusal_is() -> None:
    def declined(*said: WireEvent) -> Failure | None:
        assembly = Assembly()
        assembly.take(said)
        return assembly.declined()

    assert declined(TextDelta("yes"), Finish("stop"), Ended()) is None
    assert declined(Finish("stop"), Ended()) is None
    assert declined(TextDelta("I cannot"), Refusal("no"), Finish("stop"), Ended()) is None
    for refusal in (
        declined(Refusal("I would "), Refusal("rather not"), Finish("stop"), Ended()),
        declined(TextDelta("so far"), Finish("content_filter"), Ended()),
        declined(Finish("refusal"), Ended()),
    ):
        assert refusal is not None
        assert refusal.kind is Kind.REFUSED


def test_the_words_of_a_refusal_are_kept_and_not_shown() -> None:
    """They are content, and may repeat the prompt (P2)."""
    for finish in ("stop", "refusal", "content_filter"):
        assembly = Assembly()
        assembly.take([Refusal("I cannot: "), Refusal("private" + "x" * 5000), Finish(finish), Ended()])
        failure = assembly.declined()
        assert failure is not None
        assert failure.refusal is not None
        assert failure.refusal.startswith("I cannot: private")
        assert len(failure.refusal) == LONGEST_REFUSAL
        shown = f"{failure}{failure!r}"
        assert "private" not in shown
        assert str(failure).count("refus") == 1, "the kind is said once"


def test_everything_that_was_billed_is_in_the_output_text() -> None:
    assembly = Assembly()
    assembly.take(
        [
            ReasoningDelta("hm "),
            TextDelta("yes"),
            ToolCallDelta(0, "i", "look", '{"at":'),
            ToolCallDelta(0, "", "", "1}"),
        ]
    )
    assert sorted(assembly.output_text) == sorted('hm yeslook{"at":1}')


@given(st.lists(st.integers(0, 400_000), max_size=6))
def test_the_body_is_kept_whole_or_not_at_all(sizes: list[int]) -> None:
    """A cut body would pass for a whole one, and an endless one would fill the memory (S5)."""
    assembly = Assembly()
    for size in sizes:
        assembly.keep(b"x" * size)
    assert len(assembly.raw) == (sum(sizes) if sum(sizes) <= LARGEST_RAW else 0)
