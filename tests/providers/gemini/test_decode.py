"""What a response says: streams, whole bodies and lists, in any chunking, and what is no answer."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.providers.gemini.usage import read_usage
from modelroute.types.events import Fault, Logprobs, ReasoningDelta, Skipped, TextDelta
from modelroute.types.failure import Kind
from modelroute.types.usage import Usage
from modelroute.wire.fields import MOST_TOKENS
from tests.providers.gemini.answers import (
    GEMINI,
    PROFILE,
    candidate,
    chunk,
    counted,
    function_call,
    said,
    stream,
    text,
    whole,
)
from tests.providers.samples import Json, Sample, answer_of, answers, at, by_byte, decode

STREAM = stream(
    chunk(text("Weighing it.", thought=True), usage=counted(20, None, totalTokenCount=30, thoughtsTokenCount=10)),
    chunk(text("Shipped "), usage=counted(20, 2, thoughtsTokenCount=10)),
    chunk(text("Monday."), usage=counted(20, 4, thoughtsTokenCount=10)),
    chunk(text("", thoughtSignature="sig"), finish="STOP", usage=counted(20, 5, thoughtsTokenCount=10)),
)


def test_a_stream_says_thoughts_and_text_and_its_last_usage() -> None:
    answer = said(STREAM)

    assert (answer.reasoning, answer.text, answer.finish) == ("Weighing it.", "Shipped Monday.", "stop")
    assert answer.usage == Usage(20, 15, 0, 0, 10)
    assert answer.counted_whole
    assert answer.served is not None
    assert (answer.served.id, answer.served.model) == ("r-1", "gemini-3.8-flash")


def test_a_list_of_chunks_says_what_their_stream_says() -> None:
    chunks = [json.loads(line[6:]) for line in STREAM.split(b"\r\n") if line]
    listed, streamed = said(whole(chunks)), said(STREAM)

    assert (listed.text, listed.reasoning, listed.usage) == (streamed.text, streamed.reasoning, streamed.usage)
    assert listed.blocks == streamed.blocks


def test_calls_come_whole_and_end_in_stop() -> None:
    parts = [function_call(signature="s"), function_call("refund", args={"sum": 2.5}), function_call("ping", args=None)]
    for data in (whole(chunk(*parts, finish="STOP")), stream(chunk(*parts), chunk(finish="STOP"))):
        answer = said(data)

        assert answer.finish == "tool_calls"
        assert answer.tool_calls == [
            {"name": "lookup_order", "arguments": {"order_id": "A-1"}},
            {"name": "refund", "arguments": {"sum": 2.5}},
            {"name": "ping", "arguments": {}},
        ]
        assert len({identity for identity, _, _ in answer.calls.values()}) == 3


def test_ids_are_kept_where_they_tell_calls_apart() -> None:
    parts = [function_call(id="a"), function_call(id="a"), function_call(), function_call(id="call_3")]
    ids = [identity for identity, _, _ in said(whole(chunk(*parts, finish="STOP"))).calls.values()]

    assert ids[0] == "a"
    assert len(set(ids)) == 4
    assert ids[3] == "call_3"


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("RECITATION", "content_filter"),
        ("LANGUAGE", "content_filter"), ("BLOCKLIST", "content_filter"), ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"), ("IMAGE_SAFETY", "content_filter"), ("SOMETHING_NEW", "stop"),
    ],
)  # fmt: skip
def test_ends(word: str, reason: str) -> None:
    answer = said(stream(chunk(text("So")), chunk(finish=word, usage=counted())))

    assert (answer.finish, answer.text, answer.ended) == (reason, "So", True)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("MALFORMED_FUNCTION_CALL", Kind.INVALID_OUTPUT), ("UNEXPECTED_TOOL_CALL", Kind.INVALID_OUTPUT),
        ("TOO_MANY_TOOL_CALLS", Kind.INVALID_OUTPUT), ("MALFORMED_RESPONSE", Kind.INVALID_OUTPUT),
        ("OTHER", Kind.INTERRUPTED), ("MISSING_THOUGHT_SIGNATURE", Kind.UNPROVED),
    ],
)  # fmt: skip
def test_an_engine_that_gave_up_is_a_failure_and_its_usage_is_told_first(word: str, kind: Kind) -> None:
    answer = said(stream(chunk(text("So"), finish=word, usage=counted(7, 3))))

    assert answer.failure is not None
    assert (answer.failure.kind, answer.failure.provider_code) == (kind, word)
    assert answer.usage == Usage(7, 3)


def test_an_unspecified_finish_is_none() -> None:
    cut = said(stream(chunk(text("So"), finish="FINISH_REASON_UNSPECIFIED")))

    assert cut.failure is not None
    assert cut.failure.kind is Kind.INTERRUPTED


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "JAILBREAK"])
def test_a_blocked_prompt_is_a_refusal(reason: str) -> None:
    blocked = {
        "promptFeedback": {"blockReason": reason},
        "usageMetadata": {"promptTokenCount": 15, "totalTokenCount": 15},
    }
    for data in (whole(blocked), stream(blocked)):
        answer = said(data)

        assert (answer.finish, answer.text, answer.ended) == ("content_filter", "", True)
        assert answer.usage == Usage(15, 0)
        assert answer.counted_whole


def test_feedback_without_a_reason_blocks_nothing() -> None:
    first = {"promptFeedback": {"safetyRatings": []}, "candidates": [candidate(text("Hi"), finish="STOP")]}

    assert said(whole(first)).finish == "stop"
    assert said(stream({"promptFeedback": {"blockReason": "BLOCK_REASON_UNSPECIFIED"}}, first)).finish == "stop"


def test_usage_may_come_behind_the_finish() -> None:
    answer = said(
        stream(
            chunk(text("Hi"), usage=counted(9, 1)),
            chunk(finish="STOP", usage=counted(9, 2)),
            {"usageMetadata": counted(9, 3), "modelVersion": "gemini-3.8-flash"},
        )
    )

    assert answer.usage == Usage(9, 3)
    assert answer.counted_whole
    assert answer.skipped == 0


def test_usage_that_the_end_confirms_is_told_again() -> None:
    same = counted(9, 2)

    assert said(stream(chunk(text("Hi"), usage=same), chunk(finish="STOP", usage=same))).counted_whole


@pytest.mark.parametrize(
    ("raw", "spoken", "usage"),
    [
        ({"promptTokenCount": 9, "candidatesTokenCount": 4}, True, Usage(9, 4)),
        ({"promptTokenCount": 9, "candidatesTokenCount": 4, "thoughtsTokenCount": 6}, True, Usage(9, 10, 0, 0, 6)),
        ({"promptTokenCount": 9, "toolUsePromptTokenCount": 5, "candidatesTokenCount": 1}, True, Usage(14, 1)),
        ({"promptTokenCount": 9, "cachedContentTokenCount": 8, "candidatesTokenCount": 1}, True, Usage(9, 1, 8)),
        ({"promptTokenCount": 2, "cachedContentTokenCount": 8, "candidatesTokenCount": 1}, True, Usage(10, 1, 8)),
        ({"promptTokenCount": 9, "totalTokenCount": 20, "thoughtsTokenCount": 5}, True, Usage(9, 11, 0, 0, 5)),
        ({"promptTokenCount": 9, "totalTokenCount": 1}, True, Usage(9, 0)),
        ({"promptTokenCount": 9}, False, Usage(9, 0)),
        ({"promptTokenCount": 9}, True, None),
        ({"candidatesTokenCount": 9}, True, None),
        ({"promptTokenCount": -1, "candidatesTokenCount": 9}, True, None),
        ({"promptTokenCount": MOST_TOKENS, "toolUsePromptTokenCount": 1, "candidatesTokenCount": 9}, True, None),
        ({"promptTokenCount": 1, "thoughtsTokenCount": MOST_TOKENS, "candidatesTokenCount": 9}, True, None),
    ],
)
def test_usage_in_one_arithmetic(raw: Json, spoken: bool, usage: Usage | None) -> None:
    assert read_usage(raw, spoken=spoken) == usage


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}, Kind.UNAVAILABLE),
        ({"code": 429, "message": "Quota exceeded.", "status": "RESOURCE_EXHAUSTED"}, Kind.RATE_LIMITED),
        ({"code": 500, "message": "Internal error.", "status": "INTERNAL"}, Kind.INTERRUPTED),
    ],
)
def test_an_error_in_place_of_a_chunk(error: Json, kind: Kind) -> None:
    for data in (
        stream(chunk(text("So")), {"error": error}),
        stream(chunk(text("So")), [{"error": error}]),
        whole([chunk(text("So")), {"error": error}]),
        b"event: error\r\n" + stream({"error": error}),
        whole({"error": error}),
    ):
        failure = said(data).failure

        assert failure is not None
        assert failure.kind is kind


def test_an_error_event_that_is_no_json() -> None:
    failure = said(b"event: error\ndata: upstream closed\n\n").failure

    assert failure is not None
    assert failure.kind is Kind.INTERRUPTED


def test_a_stream_without_a_finish_was_cut() -> None:
    failure = said(stream(chunk(text("So"), usage=counted()))).failure

    assert failure is not None
    assert failure.kind is Kind.INTERRUPTED


def test_parts_of_other_kinds_are_passed_over() -> None:
    answer = said(
        whole(
            chunk(
                {"executableCode": {"language": "PYTHON", "code": "1+1"}},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
                {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
                {"somethingNew": {}},
                text("Two."),
                finish="STOP",
            )
        )
    )

    assert (answer.text, answer.finish, answer.skipped, answer.failure) == ("Two.", "stop", 0, None)
    kept = [block["type"] for block in answer.blocks["parts"]]
    assert kept == ["part", "part", "text"]


@pytest.mark.parametrize("name", ["inlineData", "executableCode", "toolCall"])
def test_an_answer_of_nothing_that_is_read_is_a_failure(name: str) -> None:
    answer = said(stream(chunk({name: {"x": 1}}, usage=counted()), chunk(finish="STOP", usage=counted())))

    assert answer.failure is not None
    assert answer.failure.kind is Kind.INVALID_OUTPUT
    assert name in answer.failure.message
    assert answer.usage is not None


def test_an_empty_answer_is_an_answer() -> None:
    for data in (whole({"candidates": [{"finishReason": "STOP"}]}), stream(chunk(finish="STOP"))):
        answer = said(data)

        assert (answer.text, answer.finish, answer.failure) == ("", "stop", None)


def test_only_the_first_candidate_speaks() -> None:
    other = {**candidate(text("No")), "index": 1}
    value = {"candidates": [other, candidate(text("Yes"), finish="STOP")]}

    assert said(whole(value)).text == "Yes"


def test_log_probabilities_are_told() -> None:
    result = {
        "chosenCandidates": [{"token": "Hi", "logProbability": -0.1}],
        "topCandidates": [{"candidates": [{"token": "Hi", "logProbability": -0.1}]}],
    }
    events = decode(
        GEMINI.decoder("google", PROFILE), [stream(chunk(text("Hi"), finish="STOP", logprobsResult=result))]
    )

    told = [event.tokens for event in events if isinstance(event, Logprobs)]
    assert [token.token for tokens in told for token in tokens] == ["Hi"]


@pytest.mark.parametrize(
    "call",
    [
        "lookup", {"name": 3}, {"args": {}}, {"name": ""}, {"name": "f", "args": "{}"}, {"name": "f", "args": [1]},
        {"name": "f", "partialArgs": [{"jsonPath": "$.a", "stringValue": "x"}]}, {"name": "f", "willContinue": True},
    ],
)  # fmt: skip
def test_a_call_that_makes_no_sense_is_never_left_out(call: object) -> None:
    answer = said(stream(chunk(text("So")), chunk({"functionCall": call}, finish="STOP"), chunk(finish="STOP")))

    assert answer.failure is not None
    assert answer.failure.kind is Kind.GARBLED


def test_one_event_that_makes_no_sense_is_left_out_and_not_two() -> None:
    events = decode(
        GEMINI.decoder("google", PROFILE), [stream("x", chunk(text("Hi"), finish="STOP"), {"candidates": "x"})]
    )

    assert isinstance(events[0], Skipped)
    assert isinstance(events[-1], Fault)


@pytest.mark.parametrize("value", [{}, [], {"candidates": []}, {"usageMetadata": counted()}, {"responseId": "x"}, [{}]])
def test_a_body_without_an_answer_is_garbled(value: object) -> None:
    failure = said(whole(value)).failure

    assert failure is not None
    assert failure.kind is Kind.GARBLED


# ---------------------------------------------------------------------------------------------------------- properties

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
CALL = st.fixed_dictionaries({}, optional={"name": st.text(max_size=3) | JSON, "args": JSON, "id": JSON})
PART = st.fixed_dictionaries(
    {},
    optional={
        "text": st.text(max_size=6) | JSON,
        "thought": st.booleans() | JSON,
        "thoughtSignature": st.text(max_size=4) | JSON,
        "functionCall": CALL | JSON,
        "executableCode": JSON,
        "inlineData": JSON,
    },
)
CANDIDATE = st.fixed_dictionaries(
    {},
    optional={
        "content": st.fixed_dictionaries({}, optional={"parts": st.lists(PART, max_size=3) | JSON}) | JSON,
        "finishReason": st.sampled_from(["STOP", "MAX_TOKENS", "SAFETY", "OTHER", "FINISH_REASON_UNSPECIFIED"]) | JSON,
        "index": st.integers(0, 1) | JSON,
        "logprobsResult": JSON,
    },
)
COUNTS = st.dictionaries(
    st.sampled_from(
        ["promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount", "cachedContentTokenCount"]
    ),
    st.integers(0, 50) | JSON,
)
CHUNK = (
    st.fixed_dictionaries(
        {},
        optional={
            "candidates": st.lists(CANDIDATE, max_size=2) | JSON,
            "promptFeedback": st.fixed_dictionaries({}, optional={"blockReason": st.text(max_size=5) | JSON}) | JSON,
            "usageMetadata": COUNTS | JSON,
            "error": JSON,
            "modelVersion": JSON,
            "responseId": JSON,
        },
    )
    | JSON
)


@given(st.lists(CHUNK, max_size=4), st.lists(st.integers(0, 10_000), max_size=5), st.booleans())
def test_hostile_json_never_raises_and_chunking_changes_nothing(
    chunks: list[object], cuts: list[int], streamed: bool
) -> None:
    data = stream(*chunks) if streamed else whole(chunks)
    events = decode(GEMINI.decoder("google", PROFILE), [data])

    answer_of(events)  # its rules hold
    assert decode(GEMINI.decoder("google", PROFILE), at(data, cuts)) == events


@given(st.binary(max_size=200))
def test_any_bytes_end_exactly_once(data: bytes) -> None:
    answer_of(decode(GEMINI.decoder("google", PROFILE), by_byte(data)))


WORDS = st.text(min_size=1, max_size=5)
GOOD = st.one_of(
    WORDS.map(text),
    WORDS.map(lambda words: text(words, thought=True)),
    st.sampled_from([text(""), text("", thoughtSignature="s")]),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2).map(lambda args: function_call(args=args)),
)


@given(st.lists(st.lists(GOOD, max_size=3), min_size=1, max_size=4), st.lists(st.integers(0, 10_000), max_size=4))
def test_what_the_parts_say_is_what_is_said(turns: list[list[Json]], cuts: list[int]) -> None:
    data = stream(*(chunk(*parts) for parts in turns), chunk(finish="STOP", usage=counted()))
    events = decode(GEMINI.decoder("google", PROFILE), at(data, cuts))
    answer = answer_of(events)
    parts = [part for turn in turns for part in turn]

    assert answer.text == "".join(part["text"] for part in parts if "text" in part and "thought" not in part)
    assert answer.reasoning == "".join(part["text"] for part in parts if part.get("thought"))
    assert [call["arguments"] for call in answer.tool_calls] == [
        part["functionCall"]["args"] for part in parts if "functionCall" in part
    ]
    order = [type(event) for event in events if isinstance(event, TextDelta | ReasoningDelta)]
    assert order == [ReasoningDelta if part.get("thought") else TextDelta for part in parts if part.get("text")]


def test_numbers_beyond_json_are_not_written_into_arguments() -> None:
    data = stream(chunk(function_call(args={"x": 1}), finish="STOP")).replace(b'"x": 1', b'"x": 1e999')
    failure = said(data).failure

    assert math.isinf(float("1e999"))
    assert failure is not None
    assert failure.kind is Kind.GARBLED


NATIVE = [sample for sample in answers() if sample.provider in {"gemini", "google"} and "/native_" in sample.file]


@pytest.mark.parametrize("sample", NATIVE, ids=lambda sample: sample.file)
def test_the_samples(sample: Sample) -> None:
    answer = said(sample.body)

    assert (answer.text, answer.finish) == (sample.expect.get("text", ""), sample.expect["finish"])
    assert answer.usage is not None
    assert answer.usage.output_tokens == sample.expect["output_tokens"]
