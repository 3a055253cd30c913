"""Messages, decoded: blocks, cumulative usage, errors inside a stream, and whatever else may arrive."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.providers.call import Decoder
from modelroute.providers.dialects import DIALECTS
from modelroute.providers.profiles import PROFILES
from modelroute.types.events import Fault, Finish, UsageReport, WireEvent
from modelroute.types.failure import Kind
from modelroute.types.usage import Usage
from tests.providers.samples import Answer, Json, Sample, answer_of, answers, at, decode

VALID = [sample for sample in answers() if sample.streamed and sample.provider == "anthropic"]
START: Json = {
    "type": "message_start",
    "message": {"id": "m", "model": "c", "usage": {"input_tokens": 10, "output_tokens": 1}},
}
STOP: Json = {"type": "content_block_stop", "index": 0}
DONE = (
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
    {"type": "message_stop"},
)


def decoder() -> Decoder:
    return DIALECTS["anthropic-messages"].decoder("anthropic", PROFILES["anthropic"])


def stream(*events: Json) -> bytes:
    return "".join(f"event: {event.get('type')}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


def said(*events: Json) -> Answer:
    return answer_of(decode(decoder(), [stream(*events)]))


def start(**block: object) -> Json:
    return {"type": "content_block_start", "index": 0, "content_block": block}


def delta(**fields: object) -> Json:
    return {"type": "content_block_delta", "index": 0, "delta": fields}


def text(words: str) -> Json:
    return delta(type="text_delta", text=words)


def test_usage_is_cumulative_and_the_prompt_includes_its_cache() -> None:
    begun = {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20}
    opening = {"type": "message_start", "message": {"id": "m", "model": "c", "usage": begun}}

    assert said(opening, text("A"), *DONE).usage == Usage(130, 5, 100, 20)


def test_usage_is_known_before_the_end() -> None:
    answer = said(START, text("A"))

    assert answer.usage == Usage(10, 1)
    assert answer.failure is not None
    assert answer.failure.kind is Kind.INTERRUPTED


FINISH = Finish("stop", "end_turn")
EARLY, LAST = UsageReport(Usage(10, 1)), UsageReport(Usage(10, 5))


def ending(usage: object, reason: str | None = "end_turn") -> Json:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([ending({"output_tokens": 5})], [EARLY, FINISH, LAST]),
        ([ending({"output_tokens": 1})], [EARLY, FINISH, EARLY]),
        ([ending({"input_tokens": 10, "output_tokens": 5})], [EARLY, FINISH, LAST]),
        ([ending(None)], [EARLY, FINISH]),
        ([ending({})], [EARLY, FINISH]),
        ([ending({"output_tokens": -5})], [EARLY, FINISH]),
        ([ending({"input_tokens": 10})], [EARLY, FINISH]),
        ([ending({"output_tokens": 5}, None), ending(None)], [EARLY, LAST, FINISH]),
        ([ending(None), ending({"output_tokens": 5}, None)], [EARLY, FINISH, LAST]),
    ],
)
def test_what_was_counted_at_the_end_is_told_behind_it(events: list[Json], told: list[WireEvent]) -> None:
    """Only such a report is the whole answer's: what the start said is never repeated behind the finish."""
    found = decode(decoder(), [stream(START, text("A"), *events, DONE[1])])

    assert [event for event in found if isinstance(event, Finish | UsageReport)] == told


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"stop_reason": "end_turn", "content": [{"type": "text", "text": "A"}]}, [Finish, UsageReport]),
        ({"stop_reason": None, "content": []}, [UsageReport, Fault]),
        ({"stop_reason": "end_turn", "content": "what"}, [UsageReport, Fault]),
        ({"stop_reason": 3, "content": []}, [UsageReport, Fault]),
    ],
)
def test_a_whole_body_tells_its_usage_behind_its_finish_or_without_one(fields: Json, told: list[type]) -> None:
    body = {"type": "message", "usage": {"input_tokens": 10, "output_tokens": 5}, **fields}
    found = decode(decoder(), [json.dumps(body).encode()])

    assert [type(event) for event in found if isinstance(event, Finish | UsageReport | Fault)] == told


@pytest.mark.parametrize("count", [-1, 1.5, "7", None, 10**30, True])
def test_a_count_that_cannot_be_replaces_nothing(count: object) -> None:
    answer = said(START, text("A"), {**DONE[0], "usage": {"output_tokens": count}}, DONE[1])

    assert (answer.usage, answer.ended) == (Usage(10, 1), True)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"), ("stop_sequence", "stop"), ("pause_turn", "stop"), ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"), ("tool_use", "tool_calls"), ("refusal", "refusal"),
        ("new_word", "stop"),
    ],
)  # fmt: skip
def test_stop_reasons_are_canonical(word: str, reason: str) -> None:
    assert said(START, text("A"), {"type": "message_delta", "delta": {"stop_reason": word}}, DONE[1]).finish == reason


def test_a_call_without_arguments_has_an_empty_object() -> None:
    call = start(type="tool_use", id="t", name="f", input={})

    assert said(START, call, STOP, *DONE).tool_calls == [{"name": "f", "arguments": {}}]
    assert said(START, start(type="tool_use", id="t", name="f", input={"x": 1}), STOP, *DONE).tool_calls == [
        {"name": "f", "arguments": {"x": 1}}
    ]
    assert said(START, call, *DONE).tool_calls == [{"name": "f", "arguments": {}}]


def test_calls_without_an_id_get_the_same_ids_every_time() -> None:
    calls = (start(type="tool_use", name="f"), STOP, start(type="tool_use", id="", name="g"), STOP)

    ids = [identity for identity, _, _ in said(START, *calls, *DONE).calls.values()]
    assert ids == [identity for identity, _, _ in said(START, *calls, *DONE).calls.values()]
    assert len(set(ids)) == 2


def test_what_is_not_known_is_passed_over() -> None:
    answer = said(
        START,
        {"type": "ping"},
        {"type": "content_block_new_thing", "index": 0},
        start(type="server_tool_use", id="s", name="web_search", input={}),
        delta(type="input_json_delta", partial_json='{"q"'),
        STOP,
        delta(type="citations_delta", citation={}),
        text("A"),
        *DONE,
    )

    assert (answer.text, answer.calls, answer.skipped, answer.ended) == ("A", {}, 0, True)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("overloaded_error", Kind.UNAVAILABLE),
        ("rate_limit_error", Kind.RATE_LIMITED),
        ("api_error", Kind.INTERRUPTED),
        ("invalid_request_error", Kind.UNPROVED),
        ("billing_error", Kind.EXHAUSTED),
    ],
)
def test_an_error_event_is_a_failure(kind: str, expected: Kind) -> None:
    failure = said(START, text("A"), {"type": "error", "error": {"type": kind, "message": "no"}}).failure

    assert failure is not None
    assert (failure.kind, failure.provider_code) == (expected, kind)


def test_a_bad_event_is_left_out_once_and_never_within_a_call() -> None:
    assert said(START, delta(type="text_delta", text=3), text("A"), *DONE).skipped == 1
    assert said(START, delta(), delta(type="text_delta"), *DONE).failure is not None
    answer = said(
        START, start(type="tool_use", id="t", name="f"), delta(type="input_json_delta", partial_json=3), *DONE
    )
    assert answer.failure is not None
    assert answer.failure.kind is Kind.GARBLED


def test_signed_thinking_goes_back_in_its_place() -> None:
    answer = said(
        START,
        start(type="thinking", thinking=""),
        delta(type="thinking_delta", thinking="Think"),
        delta(type="signature_delta", signature="sig"),
        STOP,
        start(type="redacted_thinking", data="opaque"),
        STOP,
        text("A"),
        text("B"),
        start(type="tool_use", id="t", name="f"),
        STOP,
        *DONE,
    )

    assert answer.reasoning == "Think"
    assert answer.blocks == {
        "content": [
            {"type": "thinking", "thinking": "Think", "signature": "sig"},
            {"type": "redacted_thinking", "data": "opaque"},
            {"type": "text", "characters": 2},
            {"type": "tool_use", "id": "t"},
        ]
    }


def test_unsigned_thinking_does_not_go_back() -> None:
    assert said(START, start(type="thinking", thinking="Think"), STOP, text("A"), *DONE).blocks == {}


def test_a_body_is_read_where_a_stream_was_asked_for_and_an_error_in_it_too() -> None:
    body = {"type": "message", "id": "m", "content": [{"type": "text", "text": "A"}], "stop_reason": "end_turn"}
    assert answer_of(decode(decoder(), [json.dumps(body).encode()])).text == "A"

    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    failure = answer_of(decode(decoder(), [json.dumps(error).encode()])).failure
    assert failure is not None
    assert failure.kind is Kind.UNAVAILABLE


@given(st.sampled_from(VALID), st.lists(st.integers(0, 5_000), max_size=8))
def test_any_cuts_of_a_valid_stream_give_the_same_events(sample: Sample, cuts: list[int]) -> None:
    assert decode(sample.decoder(), at(sample.body, cuts)) == decode(sample.decoder(), [sample.body])


@given(st.sampled_from(VALID), st.integers(0, 5_000), st.binary(min_size=1, max_size=8))
def test_damage_anywhere_never_raises(sample: Sample, place: int, damage: bytes) -> None:
    spot = place % len(sample.body)

    answer_of(decode(sample.decoder(), [sample.body[:spot] + damage + sample.body[spot + len(damage) :]]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["type", "message", "content", "content_block", "delta", "usage", "input", "id", "name", "text",
             "stop_reason", "input_tokens", "output_tokens", "thinking", "signature", "error", "partial_json"]
        ),
        inner | st.sampled_from(
            ["message_start", "content_block_start", "content_block_delta", "text_delta", "tool_use", "thinking",
             "error", "message_delta", "content_block_stop", "input_json_delta", "message"]
        ),
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.lists(JSON, max_size=5))
def test_json_of_any_shape_ends_exactly_once_and_never_raises(events: list[object]) -> None:
    body = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()

    answer_of(decode(decoder(), [body, stream(*DONE)]))
    for event in events:
        answer_of(decode(decoder(), [json.dumps(event).encode()]))
