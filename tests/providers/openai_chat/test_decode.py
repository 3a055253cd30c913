"""Chat Completions, decoded: every departure seen in the field, and whatever else may arrive."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.providers.call import Decoder
from modelroute.providers.dialects import DIALECTS
from modelroute.providers.profiles import PROFILES
from modelroute.types.events import Ended, Fault, Finish, Skipped, TextDelta, UsageReport, WireEvent
from modelroute.types.failure import Kind, Seen
from modelroute.types.usage import Usage
from tests.providers.samples import Answer, Json, Sample, answer_of, answers, at, decode

USAGE: Json = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
STOP: Json = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
CALLS: Json = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
VALID = [sample for sample in answers() if sample.streamed and sample.provider != "anthropic"]


def decoder(profile: str = "compatible") -> Decoder:
    return DIALECTS["openai-chat"].decoder(profile, PROFILES[profile])


def stream(*events: object, done: bool = True) -> bytes:
    lines = [f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events]
    return "".join([*lines, "data: [DONE]\n\n" * done]).encode()


def said(*events: object, done: bool = True, profile: str = "compatible") -> Answer:
    return answer_of(decode(decoder(profile), [stream(*events, done=done)]))


def content(text: str) -> Json:
    return {"choices": [{"index": 0, "delta": {"content": text}}]}


def fragment(**fields: object) -> Json:
    function = {name: fields.pop(name) for name in ("name", "arguments") if name in fields}
    return {"choices": [{"index": 0, "delta": {"tool_calls": [{**fields, "function": function}]}}]}


def test_a_stream_without_a_finish_reason_is_cut_with_or_without_done() -> None:
    for done in (True, False):
        failure = said(content("A"), done=done).failure

        assert failure is not None
        assert failure.kind is Kind.INTERRUPTED


def test_one_event_that_makes_no_sense_is_left_out_and_a_second_is_a_fault() -> None:
    assert said(content("A"), "{not json", content("B"), STOP).skipped == 1
    assert said(content("A"), {"choices": "what"}, content("B"), STOP).text == "AB"

    failure = said(content("A"), "{not json", "[]", STOP).failure
    assert failure is not None
    assert failure.kind is Kind.GARBLED


@pytest.mark.parametrize(
    "event",
    [
        "3",
        "null",
        {"choices": [3]},
        {"choices": [{"delta": []}]},
        {"choices": [{"delta": {"content": 3}}]},
        {"choices": [{"delta": {}, "finish_reason": 3}]},
    ],
)
def test_a_wrong_shape_is_one_event_left_out(event: object) -> None:
    answer = said(content("A"), event, STOP)

    assert (answer.skipped, answer.text, answer.finish) == (1, "A", "stop")


@pytest.mark.parametrize("fragments", [{"x": 1}, ["x"], [{"function": 1}], [{"function": {"arguments": 1}}]])
def test_a_fragment_of_a_call_is_never_left_out(fragments: object) -> None:
    failure = said(content("A"), {"choices": [{"delta": {"tool_calls": fragments}}]}, STOP).failure

    assert failure is not None
    assert failure.kind is Kind.GARBLED


def test_no_event_is_left_out_while_a_tool_call_is_open() -> None:
    failure = said(fragment(index=0, id="a", name="f", arguments="{"), "{not json", CALLS).failure

    assert failure is not None
    assert failure.kind is Kind.GARBLED


def test_an_event_after_the_calls_are_complete_may_be_left_out() -> None:
    answer = said(fragment(index=0, id="a", name="f", arguments="{}"), CALLS, "{not json")

    assert (answer.skipped, answer.ended) == (1, True)


def test_what_follows_the_end_is_not_heard() -> None:
    body = stream(content("A"), STOP) + stream(content("B"), {"error": {"message": "late"}})

    assert answer_of(decode(decoder(), [body])).text == "A"


def test_a_fault_is_the_last_thing_said() -> None:
    reading = decoder()
    events = reading.feed(stream({"error": {"message": "broken", "type": "server_error"}}, content("B"), STOP))

    assert isinstance(events[-1], Fault)
    assert reading.feed(stream(content("C"), STOP)) == reading.end() == []


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"), ("length", "length"), ("model_length", "length"), ("model_context_window_exceeded", "length"),
        ("tool_calls", "tool_calls"), ("function_call", "tool_calls"), ("content_filter", "content_filter"),
        ("sensitive", "content_filter"), ("refusal", "refusal"), ("MAX_TOKENS", "length"), ("eos", "stop"),
    ],
)  # fmt: skip
def test_finish_reasons_are_canonical(word: str, reason: str) -> None:
    assert said({"choices": [{"delta": {"content": "A"}, "finish_reason": word}]}).finish == reason


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("insufficient_system_resource", Kind.UNAVAILABLE),
        ("network_error", Kind.UNAVAILABLE),
        ("error", Kind.INTERRUPTED),
        ("abort", Kind.UNAVAILABLE),
        ("MALFORMED_FUNCTION_CALL", Kind.INVALID_OUTPUT),
    ],
)
def test_an_engine_that_gave_up_is_no_end(word: str, kind: Kind) -> None:
    answer = said({"choices": [{"delta": {"content": "A"}, "finish_reason": word}], "usage": USAGE})

    assert answer.failure is not None
    assert (answer.failure.kind, answer.failure.provider_code) == (kind, word)
    assert answer.failure.was_seen is Seen.YES
    assert answer.usage == Usage(10, 5)


def test_the_first_finish_reason_counts_and_an_error_after_it_still_does() -> None:
    length = {"choices": [{"delta": {}, "finish_reason": "length"}]}

    assert said(content("A"), length, STOP).finish == "length"
    assert said(content("A"), STOP, {"choices": [{"delta": {}, "finish_reason": "error"}]}).failure is not None


def test_only_the_first_choice_is_the_answer() -> None:
    both = {"choices": [{"index": 0, "delta": {"content": "A"}}, {"index": 1, "delta": {"content": "x"}}]}

    assert said(both, {"choices": [{"index": 1, "delta": {}, "finish_reason": "length"}]}, STOP).text == "A"


def test_usage_replaces_and_never_adds() -> None:
    growing = [{**content("A"), "usage": {"prompt_tokens": 10, "completion_tokens": count}} for count in (1, 2, 3)]

    assert said(*growing, STOP).usage == Usage(10, 3)


REPORT = UsageReport(Usage(10, 5))
FINISH = Finish("stop", "stop")
EARLY = {**content("A"), "usage": USAGE}
CHOICE_USAGE = {"choices": [{**STOP["choices"][0], "usage": USAGE}]}


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([{**STOP, "usage": USAGE}], [FINISH, REPORT]),
        ([CHOICE_USAGE], [FINISH, REPORT]),
        ([{**STOP, "x_groq": {"usage": USAGE}}], [FINISH, REPORT]),
        ([STOP, {"choices": [], "usage": USAGE}], [FINISH, REPORT]),
        ([STOP, {"choices": [], "x_groq": {"usage": USAGE}}], [FINISH, REPORT]),
        ([EARLY, STOP], [REPORT, FINISH]),
        ([EARLY, {**STOP, "usage": None}], [REPORT, FINISH]),
        ([EARLY, {**STOP, "usage": {"prompt_tokens": -1, "completion_tokens": 5}}], [REPORT, FINISH]),
        ([EARLY, EARLY, {**STOP, "usage": USAGE}], [REPORT, FINISH, REPORT]),
        ([EARLY, STOP, {"choices": [], "usage": USAGE}], [REPORT, FINISH, REPORT]),
        ([{**STOP, "usage": USAGE}, {"choices": [], "usage": USAGE}], [FINISH, REPORT, REPORT]),
    ],
)
def test_what_was_counted_at_the_end_is_told_behind_it(events: list[Json], told: list[WireEvent]) -> None:
    """Only such a report is the whole answer's: one from before is never repeated behind the finish."""
    found = decode(decoder(), [stream(*events)])

    assert [event for event in found if isinstance(event, Finish | UsageReport)] == told


def test_a_whole_body_tells_its_usage_behind_its_finish() -> None:
    body = {"choices": [{"message": {"content": "A"}, "finish_reason": "stop"}], "usage": USAGE}

    assert decode(decoder(), [json.dumps(body).encode()]) == [TextDelta("A"), FINISH, REPORT, Ended()]


@pytest.mark.parametrize(
    "usage",
    [
        {}, {"prompt_tokens": 1}, {"prompt_tokens": -1, "completion_tokens": 1},
        {"prompt_tokens": 1, "completion_tokens": True},
        {"prompt_tokens": "1", "completion_tokens": 1}, {"prompt_tokens": 1.5, "completion_tokens": 1},
        {"prompt_tokens": 10**30, "completion_tokens": 1}, {"prompt_tokens": None, "completion_tokens": None}, [],
        "none", 7,
    ],
)  # fmt: skip
def test_a_usage_that_cannot_be_is_no_usage(usage: object) -> None:
    answer = said(content("A"), {**STOP, "usage": usage})

    assert (answer.usage, answer.ended) == (None, True)


def test_zero_is_zero() -> None:
    assert said({**STOP, "usage": {"prompt_tokens": 0, "completion_tokens": 0}}).usage == Usage(0, 0)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6}, Usage(10, 5, 4)),
        ({"cached_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}}, Usage(10, 5, 3)),
        ({"num_cached_tokens": 3}, Usage(10, 5, 3)),
        ({"prompt_token_details": {"cached_tokens": 3}}, Usage(10, 5, 3)),
        ({"prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 2}}, Usage(10, 5, 1, 2)),
        ({"prompt_tokens_details": {"cache_creation_input_tokens": 2}}, Usage(10, 5, 0, 2)),
        ({"prompt_tokens_details": {"cached_tokens": 30}}, Usage(40, 5, 30)),
        ({"completion_tokens_details": {"reasoning_tokens": 4}}, Usage(10, 5, reasoning_tokens=4)),
        ({"completion_tokens_details": {"reasoning_tokens": 4}, "total_tokens": 19}, Usage(10, 9, reasoning_tokens=4)),
        (
            {"completion_tokens_details": {"reasoning_tokens": 8}, "total_tokens": None},
            Usage(10, 13, reasoning_tokens=8),
        ),
        ({"reasoning_tokens": 4}, Usage(10, 5, reasoning_tokens=4)),
        ({"cached_tokens": -3, "completion_tokens_details": {"reasoning_tokens": "x"}}, Usage(10, 5)),
    ],
)
def test_usage_is_one_arithmetic_whoever_reports_it(usage: Json, expected: Usage) -> None:
    assert said({**STOP, "usage": {**USAGE, **usage}}).usage == expected


def test_a_provider_that_leaves_reasoning_out_says_so_in_its_profile() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 4}}

    assert said({**STOP, "usage": usage}, profile="xai").usage == Usage(10, 9, reasoning_tokens=4)
    assert said({**STOP, "usage": usage}).usage == Usage(10, 5, reasoning_tokens=4)


def test_a_stated_cost_is_believed_only_where_the_profile_names_the_field() -> None:
    for cost, pico in ((0.000669, 669_000_000), (1e-13, 1)):
        usage = said({**STOP, "usage": {**USAGE, "cost": cost}}, profile="openrouter").usage
        assert usage is not None
        assert usage.provider_cost is not None
        assert usage.provider_cost.pico == pico
    for hopeless in (-1, "0.1", True, None, 1e30):
        usage = said({**STOP, "usage": {**USAGE, "cost": hopeless}}, profile="openrouter").usage
        assert usage is not None
        assert usage.provider_cost is None
    usage = said({**STOP, "usage": {**USAGE, "cost": 0}}).usage
    assert usage is not None
    assert usage.provider_cost is None


def calls(*events: object) -> list[tuple[str, str, str]]:
    return list(said(*events, CALLS).calls.values())


def test_calls_interleave_by_index() -> None:
    assert calls(
        fragment(index=0, id="a", name="f", arguments="{"),
        fragment(index=1, id="b", name="g", arguments="["),
        fragment(index=0, arguments="}"),
        fragment(index=1, id="", arguments="]"),
    ) == [("a", "f", "{}"), ("b", "g", "[]")]


@pytest.mark.parametrize("index", [None, -1, "0", True])
def test_without_an_index_fragments_belong_to_the_open_call(index: object) -> None:
    assert calls(
        fragment(index=index, id="a", name="f", arguments="{"),
        fragment(index=index, id="", name="", arguments="}"),
        fragment(index=index, id="b", name="g", arguments="{"),
        fragment(index=index, id=None, arguments="}"),
    ) == [("a", "f", "{}"), ("b", "g", "{}")]


def test_an_index_that_comes_later_means_the_open_call() -> None:
    assert calls(fragment(id="a", name="f", arguments=""), fragment(index=0, id=None, arguments="{}")) == [
        ("a", "f", "{}")
    ]
    assert calls(fragment(id="a", name="f", arguments=""), fragment(index=1, arguments="{}")) == [("a", "f", "{}")]


def test_one_index_with_two_ids_is_two_calls() -> None:
    assert calls(
        fragment(index=0, id="a", name="f", arguments="{}"), fragment(index=0, id="b", name="f", arguments="[]")
    ) == [("a", "f", "{}"), ("b", "f", "[]")]


def test_a_repeated_id_at_its_own_index_goes_on() -> None:
    assert calls(
        fragment(index=0, id="a", name="f", arguments="{"), fragment(index=0, id="a", name="f", arguments="}")
    ) == [("a", "f", "{}")]


def test_a_placeholder_is_not_a_call() -> None:
    assert calls(fragment(index=0, id="", arguments=""), fragment(index=0, id="a", name="f", arguments="{}")) == [
        ("a", "f", "{}")
    ]
    answer = said(content("A"), fragment(index=0, id="", arguments=""), STOP)
    assert (answer.calls, answer.finish) == ({}, "stop")


def test_calls_without_ids_get_the_same_ids_every_time() -> None:
    events = (fragment(name="f", arguments="{}"), fragment(name="f", arguments="[]"))

    assert calls(*events) == calls(*events) == [("call_0", "f", "{}"), ("call_1", "f", "[]")]


def test_two_calls_under_one_id_are_told_apart() -> None:
    found = calls(
        fragment(index=0, id="x", name="f", arguments="1"), fragment(index=1, id="x", name="g", arguments="2")
    )

    assert [(name, arguments) for _, name, arguments in found] == [("f", "1"), ("g", "2")]
    assert len({identity for identity, _, _ in found}) == 2


@pytest.mark.parametrize("index", [0, None])
def test_an_id_may_come_behind_the_name(index: int | None) -> None:
    found = calls(
        fragment(index=index, id="", name="f", arguments=""), fragment(index=index, id="a", arguments="{}"),
        fragment(index=index, id="a", arguments=" "), fragment(index=index, id="b", name="f", arguments="[]"),
    )  # fmt: skip

    assert [(name, arguments) for _, name, arguments in found] == [("f", "{} "), ("f", "[]")]


def test_one_id_for_two_calls_that_is_repeated_in_every_fragment() -> None:
    found = calls(
        fragment(index=0, id="x", name="f", arguments="{"), fragment(index=1, id="x", name="g", arguments="["),
        fragment(index=0, id="x", arguments="}"), fragment(index=1, id="x", arguments="]"),
    )  # fmt: skip

    assert [(name, arguments) for _, name, arguments in found] == [("f", "{}"), ("g", "[]")]


def test_no_arguments_are_an_empty_object_unless_they_were_cut_off() -> None:
    asked = fragment(index=0, id="a", name="f", arguments="")

    assert calls(asked) == [("a", "f", "{}")]
    cut = said(asked, {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]})
    assert list(cut.calls.values()) == [("a", "f", "")]


def test_arguments_may_come_as_an_object_and_as_the_old_function_call() -> None:
    assert calls(fragment(id="a", name="f", arguments={"x": 1})) == [("a", "f", '{"x":1}')]
    old = {
        "choices": [{"delta": {"function_call": {"name": "f", "arguments": "{}"}}, "finish_reason": "function_call"}]
    }
    assert said(old).tool_calls == [{"name": "f", "arguments": {}}]


def test_an_end_with_stop_after_calls_is_tool_calls() -> None:
    assert said(fragment(id="a", name="f", arguments="{}"), STOP).finish == "tool_calls"


def test_a_refusal_is_a_finish_of_its_own() -> None:
    answer = said({"choices": [{"delta": {"refusal": "I cannot."}}]}, STOP)

    assert (answer.refusal, answer.finish) == ("I cannot.", "refusal")


def test_reasoning_in_two_fields_at_once_is_said_once() -> None:
    both = {"choices": [{"delta": {"reasoning": "R", "reasoning_content": "R", "content": "A"}}]}

    assert (said(both, STOP).reasoning, said(both, STOP).text) == ("R", "A")


def test_reasoning_goes_back_where_the_profile_wants_it() -> None:
    thought = {"choices": [{"delta": {"reasoning_content": "R"}}]}

    assert said(thought, content("A"), STOP, profile="deepseek").blocks == {"reasoning_content": "R"}
    assert said(thought, content("A"), STOP).blocks == {}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"code": "unavailable", "error": "The model is temporarily unable to serve this request"}, Kind.UNAVAILABLE),
        ({"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}, Kind.RATE_LIMITED),
        ([{"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED"}}], Kind.RATE_LIMITED),
        ({"object": "error", "message": "This model's maximum context length is 5 tokens", "code": 400}, Kind.TOO_LONG),
        ({"detail": "Internal failure"}, Kind.INTERRUPTED),
        ({}, Kind.GARBLED),
        ({"choices": []}, Kind.GARBLED),
        ({"choices": [{"message": {"content": "A"}, "finish_reason": None}]}, Kind.INTERRUPTED),
    ],
)
def test_a_body_that_is_no_answer_is_a_failure(body: object, kind: Kind) -> None:
    failure = answer_of(decode(decoder(), [json.dumps(body).encode()])).failure

    assert failure is not None
    assert failure.kind is kind


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", Kind.INTERRUPTED),
        (b"\r\n \n", Kind.INTERRUPTED),
        (b": keep-alive\n\n", Kind.INTERRUPTED),
        (b"data: [DONE]\n\n", Kind.INTERRUPTED),
        (b"<!doctype html><title>502 Bad Gateway</title>", Kind.UNAVAILABLE),
        (b"\xef\xbb\xbf<html>", Kind.UNAVAILABLE),
        (b"upstream connect error", Kind.GARBLED),
        (b'{"choices": [', Kind.GARBLED),
        (b"\x00\xff\x1f", Kind.GARBLED),
        (b'data: {"choices":[{"delta":{"content":"A"', Kind.INTERRUPTED),
    ],
)
def test_bytes_that_are_no_answer_are_a_failure(data: bytes, kind: Kind) -> None:
    failure = answer_of(decode(decoder(), [data])).failure

    assert failure is not None
    assert failure.kind is kind


def test_an_error_event_need_not_be_json() -> None:
    failure = answer_of(decode(decoder(), [b"event: error\ndata: the engine is overloaded\n\n"])).failure

    assert failure is not None
    assert failure.kind is Kind.UNAVAILABLE


def test_a_finished_stream_cut_in_its_last_event_is_whole() -> None:
    body = stream(content("A"), STOP, done=False) + b'data: {"choices":[],"usage":{"prompt'

    assert answer_of(decode(decoder(), [body])).ended


def test_a_single_event_with_a_whole_message_is_an_answer() -> None:
    whole = {"choices": [{"message": {"content": "A"}, "finish_reason": "stop"}]}

    assert said(whole).text == "A"
    assert said(content("A"), whole).text == "A"


@given(st.binary(max_size=400), st.lists(st.integers(0, 500), max_size=5))
def test_arbitrary_bytes_end_exactly_once_and_never_raise(data: bytes, cuts: list[int]) -> None:
    events = decode(decoder(), at(data, cuts))

    assert isinstance(events[-1], Ended | Fault)
    assert sum(isinstance(event, Ended | Fault) for event in events) == 1
    assert events == decode(decoder(), [data])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["stop", "0", ""]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["choices", "delta", "message", "content", "tool_calls", "function", "arguments", "index", "id", "name",
             "usage", "prompt_tokens", "completion_tokens", "finish_reason", "error", "reasoning", "text", "type",
             "thinking"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.lists(JSON, max_size=4), st.sampled_from(["compatible", "deepseek", "openrouter"]))
def test_json_of_any_shape_ends_exactly_once_and_never_raises(events: list[object], profile: str) -> None:
    wrapped = [{"choices": [{"index": 0, "delta": event}]} for event in events]

    answer_of(decode(decoder(profile), [stream(*events, *wrapped, STOP)]))
    for event in events:
        answer_of(decode(decoder(profile), [json.dumps(event).encode()]))


@given(st.sampled_from(VALID), st.lists(st.integers(0, 5_000), max_size=8))
def test_any_cuts_of_a_valid_stream_give_the_same_events(sample: Sample, cuts: list[int]) -> None:
    assert decode(sample.decoder(), at(sample.body, cuts)) == decode(sample.decoder(), [sample.body])


@given(st.sampled_from(VALID), st.integers(0, 5_000))
def test_a_valid_stream_cut_short_says_a_beginning_of_it(sample: Sample, length: int) -> None:
    """S2: what was cut is never a success unless a finish reason came through."""
    whole = answer_of(decode(sample.decoder(), [sample.body]))

    cut = answer_of(decode(sample.decoder(), [sample.body[: length % len(sample.body)]]))

    assert whole.text.startswith(cut.text)
    assert cut.ended == bool(cut.finish and not cut.failure)


@given(st.sampled_from(VALID), st.integers(0, 5_000), st.binary(min_size=1, max_size=8))
def test_damage_anywhere_never_raises(sample: Sample, place: int, damage: bytes) -> None:
    spot = place % len(sample.body)

    answer_of(decode(sample.decoder(), [sample.body[:spot] + damage + sample.body[spot + len(damage) :]]))


def test_keep_alives_say_nothing() -> None:
    reading = decoder()

    assert [event for _ in range(5) for event in reading.feed(b": keep-alive\n\n")] == []
    assert reading.feed(stream(content("A"), done=False)) == [TextDelta("A")]


def test_too_large_an_event_is_garbled_and_remembers_nothing() -> None:
    reading = decoder()
    events: list[WireEvent] = []
    for _ in range(40):
        events += reading.feed(b"data: " + b"x" * 200_000)

    assert [event.failure.kind for event in events if isinstance(event, Fault)] == [Kind.GARBLED]


def test_skipped_says_why_without_what_was_read() -> None:
    events = decode(decoder(), [stream("{secret prompt", STOP)])

    skipped = [event for event in events if isinstance(event, Skipped)]
    assert len(skipped) == 1
    assert "secret" not in skipped[0].why
