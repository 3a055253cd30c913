"""Responses answers: the same in every chunking, told once however often it is repeated, and never an exception."""

import json
from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelroute.providers.profiles import PROFILES
from modelroute.types.events import Ended, Fault, Logprobs
from modelroute.types.failure import Kind, Seen
from modelroute.types.usage import Usage
from tests.providers.openai_responses.answers import (
    DIALECT,
    ITEMS,
    USAGE,
    all_zero,
    custom,
    events,
    failure_of,
    function,
    hear,
    hosted,
    message,
    other_ids,
    response,
    sse,
    thought,
    told,
    without_indexes,
)
from tests.providers.samples import ROOT, Answer, Json, at, by_byte, by_event, decode

WHOLE = Usage(100, 30, 40, 8, 12)
_LESS = settings(max_examples=max(10, settings().max_examples // 5))
EVERYTHING = [
    thought(["First ", "I think."], 0),
    message("Hel", "lo", number=1, phase="commentary"),
    thought(number=2),
    function('{"id": "A-1042"}', 3),
    custom("print(1)", 4),
    hosted(5),
]


def same(one: Answer, other: Answer) -> bool:
    """Whether two answers are one: ids included, and what goes back."""

    def essence(answer: Answer) -> object:
        return (
            answer.text, answer.reasoning, answer.refusal, list(answer.calls.values()), answer.usage, answer.finish,
            answer.blocks, answer.counted_whole, answer.served, answer.ended,
        )  # fmt: skip

    return bool(essence(one) == essence(other))


@given(ITEMS, st.integers(1, 5), st.lists(st.integers(0, 5_000), max_size=4), st.booleans())
def test_a_stream_says_what_its_items_say_in_any_chunking(
    items: list[Json], cut: int, cuts: list[int], data_first: bool
) -> None:
    body = sse(events(items, cut), data_first=data_first)
    answer, truth = hear(body), told(items)

    assert (answer.text, answer.reasoning) == (truth.text, truth.reasoning)
    assert [(name, arguments) for _, name, arguments in answer.calls.values()] == truth.calls
    assert (answer.finish, answer.usage, answer.counted_whole) == (truth.finish, WHOLE, True)
    assert answer.served is not None
    assert (answer.served.id, answer.served.model) == ("resp_1", "gpt-6.1-sol")
    assert same(hear(at(body, cuts)), answer)
    assert same(hear(json.dumps(response(items)).encode()), answer)


@pytest.mark.parametrize("chunks", [by_event, by_byte])
def test_every_event_and_every_byte_apart(chunks: Callable[[bytes], Iterator[bytes]]) -> None:
    body = sse(events(EVERYTHING))

    assert same(hear(chunks(body)), hear(body))


def of_kinds(*ends: str) -> Callable[[Iterable[Json]], Iterator[Json]]:
    def kept(stream: Iterable[Json]) -> Iterator[Json]:
        return (event for event in stream if event["type"].endswith((".completed", *ends)))

    return kept


def without_an_end(stream: Iterable[Json]) -> Iterator[Json]:
    """The last event has nothing to repeat."""
    for event in stream:
        ends = event["type"] == "response.completed"
        yield {**event, "response": {**event["response"], "output": []}} if ends else event


def twice(stream: Iterable[Json]) -> Iterator[Json]:
    """All that is no piece comes twice."""
    for event in stream:
        yield event
        if not event["type"].endswith((".delta", ".completed")):
            yield event


VARIANTS: list[Callable[[Iterable[Json]], Iterable[Json]]] = [
    of_kinds(),
    of_kinds("output_item.done"),
    of_kinds("output_item.added", ".delta"),
    of_kinds("output_item.added", ".delta", "arguments.done", "input.done", "text.done"),
    of_kinds("output_item.added", "arguments.done", "input.done", "output_item.done"),
    without_an_end,
    without_indexes,
    all_zero,
    twice,
    lambda stream: other_ids(stream, 1),
    lambda stream: without_an_end(without_indexes(stream)),
    lambda stream: without_indexes(of_kinds("output_item.done")(stream)),
]


@pytest.mark.parametrize("variant", VARIANTS)
@_LESS
@given(ITEMS)
def test_servers_that_say_it_less_often_or_with_other_ids_say_the_same(
    variant: Callable[[Iterable[Json]], Iterable[Json]], items: list[Json]
) -> None:
    answer, truth = hear(sse(variant(events(items)))), told(items)

    assert (answer.text, answer.reasoning) == (truth.text, truth.reasoning)
    assert [(name, arguments) for _, name, arguments in answer.calls.values()] == truth.calls
    assert (answer.finish, answer.usage, answer.ended) == (truth.finish, WHOLE, True)


def test_data_before_its_event_and_no_pieces_at_all() -> None:
    """AWS Bedrock's Mantle: the event's name follows its data, and calls come whole."""
    item = {
        "type": "function_call", "id": "fc_1", "call_id": "call_0", "name": "lookup_order",
        "arguments": '{"order_id":"A-1"}', "status": "completed",
    }  # fmt: skip
    stream: list[Json] = [
        {"type": "response.created", "response": {"id": "resp_b", "model": "m", "output": [], "usage": None}},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": response([item])},
    ]
    answer = hear(sse(stream, data_first=True), "bedrock", "compatible")

    assert answer.tool_calls == [{"name": "lookup_order", "arguments": {"order_id": "A-1"}}]
    assert answer.finish == "tool_calls"
    assert answer.usage == WHOLE


@pytest.mark.parametrize("chunks", [lambda body: [body], by_event, by_byte])
def test_the_sample_of_it(chunks: Callable[[bytes], Iterable[bytes]]) -> None:
    body = (ROOT / "bedrock" / "mantle_responses_data_before_event.sse").read_bytes()
    answer = hear(chunks(body), "bedrock", "compatible")

    assert answer.tool_calls == [{"name": "lookup_order", "arguments": {"order_id": "A-1042"}}]
    assert (answer.finish, answer.usage) == ("tool_calls", Usage(88, 14, 0, 86))


def test_what_runs_at_the_provider_is_no_call() -> None:
    answer = hear(sse(events([hosted(), message("Found.", number=1)])))

    assert (answer.text, answer.calls, answer.finish) == ("Found.", {}, "stop")


def test_reasoning_in_full_and_as_a_summary_is_said_once() -> None:
    item = thought(["short"], content=[{"type": "reasoning_text", "text": "at length"}])

    assert hear(sse(events([item, message("x", number=1)]))).reasoning == "short"
    assert hear(json.dumps(response([item, message("x", number=1)])).encode()).reasoning == "at length"


def test_calls_that_share_an_id_are_told_apart() -> None:
    calls = [function('{"a":1}', 1), {**function('{"a":2}', 2), "call_id": "call_1"}]
    answer = hear(sse(events(calls)))

    assert len({identity for identity, _, _ in answer.calls.values()}) == 2
    assert [call["arguments"]["a"] for call in answer.tool_calls] == [1, 2]


def test_arguments_as_an_object_and_a_call_without_ids() -> None:
    bare = {"type": "function_call", "name": "f", "arguments": {"a": 1}}
    answer = hear(json.dumps(response([bare, bare])).encode())

    assert list(answer.calls.values()) == [("call_0", "f", '{"a":1}'), ("call_1", "f", '{"a":1}')]


def test_a_call_that_was_never_announced() -> None:
    stream = [event for event in events([function('{"a": 1}')]) if event["type"] != "response.output_item.added"]
    answer = hear(sse(stream))

    assert answer.tool_calls == [{"name": "look", "arguments": {"a": 1}}]


def test_log_probabilities_are_told_once() -> None:
    figures = [{"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}]
    item = message("Hi")
    item["content"][0]["logprobs"] = figures
    stream = [
        {**event, "logprobs": figures} if event["type"] == "response.output_text.delta" else event
        for event in events([item])
    ]
    for body in (sse(stream), sse(events([item])), json.dumps(response([item])).encode()):
        said = [event for event in decode(DIALECT.decoder("openai", PROFILES["openai"]), [body])
                if isinstance(event, Logprobs)]  # fmt: skip
        assert [token.token for event in said for token in event.tokens] == ["Hi"]


# ------------------------------------------------------------------------------------------------------------- its end


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("steered", "length"), (None, "length")],
)
def test_an_answer_that_is_not_complete(reason: str | None, finish: str) -> None:
    more: Json = {"status": "incomplete", "incomplete_details": {"reason": reason}}
    for body in (
        sse(events([message("Hal")], **more)),
        json.dumps(response([message("Hal")], **more)).encode(),
        sse([{"type": "response.completed", "response": response([message("Hal")], **more)}]),
    ):
        answer = hear(body)
        assert (answer.text, answer.finish, answer.usage, answer.ended) == ("Hal", finish, WHOLE, True)


def test_a_refusal() -> None:
    item = message()
    item["content"] = [{"type": "refusal", "refusal": "I cannot."}]
    for body in (sse(events([item])), json.dumps(response([item])).encode()):
        answer = hear(body)
        assert (answer.refusal, answer.text, answer.finish) == ("I cannot.", "", "refusal")


@given(ITEMS, st.data())
def test_a_stream_that_stops_before_its_end_is_cut(items: list[Json], data: st.DataObject) -> None:
    body = sse(list(events(items))[:-1])
    answer = hear(body[: data.draw(st.integers(0, len(body)))])

    assert answer.failure is not None
    assert answer.failure.kind is Kind.INTERRUPTED
    assert told(items).text.startswith(answer.text)


def failed(code: str | None, words: str = "It failed.", **more: object) -> bytes:
    error = {"code": code, "message": words}
    return sse([*list(events([message("Hi")]))[:-1], {"type": "response.failed",
               "response": response([], "failed", error=error, **more)}])  # fmt: skip


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("rate_limit_exceeded", Kind.RATE_LIMITED),
        ("server_error", Kind.INTERRUPTED),
        ("server_is_overloaded", Kind.UNAVAILABLE),
        ("insufficient_quota", Kind.EXHAUSTED),
        ("context_length_exceeded", Kind.TOO_LONG),
        ("invalid_prompt", Kind.REFUSED),
        ("image_content_policy_violation", Kind.REFUSED),
        ("image_parse_error", Kind.INVALID),
        ("never_heard_of", Kind.INTERRUPTED),
        (None, Kind.INTERRUPTED),
    ],
)
def test_a_failure_inside_the_answer(code: str | None, kind: Kind) -> None:
    body = json.dumps(response([], "failed", error={"code": code, "message": "It failed."})).encode()
    for failure in (failure_of(failed(code)), failure_of(body)):
        assert (failure.kind, failure.message, failure.provider_code) == (kind, "It failed.", code)
    assert hear(failed(code)).usage == WHOLE
    assert hear(failed(code)).finish == ""


def test_a_failure_that_says_nothing_and_an_answer_that_was_cancelled() -> None:
    assert failure_of(sse([{"type": "response.failed", "response": {"status": "failed"}}])).kind is Kind.INTERRUPTED
    for status in ("cancelled", "failed"):
        failure = failure_of(json.dumps({"status": status}).encode())
        assert (failure.kind, failure.was_seen) == (Kind.INTERRUPTED, Seen.YES)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "rate_limit_exceeded", "message": "Slow down.", "param": None},
        {"type": "error", "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "Slow down."}},
        {"type": "response.error", "error": {"code": "rate_limit_exceeded", "message": "Slow down."}},
        {"error": {"code": "rate_limit_exceeded", "message": "Slow down."}},
    ],
)
def test_an_error_event_in_every_envelope(event: Json) -> None:
    failure = failure_of(sse([*list(events([message("Hi")]))[:4], event]))

    assert (failure.kind, failure.message) == (Kind.RATE_LIMITED, "Slow down.")


def test_events_nobody_knows_are_passed_over() -> None:
    stream = list(events([message("Hi")]))
    stream[2:2] = [
        {"type": "keepalive"}, {"type": "codex.rate_limits", "message": "x"},
        {"type": "response.unheard_of", "error": None},
    ]  # fmt: skip
    answer = hear(sse(stream))

    assert (answer.text, answer.skipped, answer.ended) == ("Hi", 0, True)


@pytest.mark.parametrize(
    "body",
    [
        b"{}", b'{"choices": []}', b'{"output": 1}', b'{"output": [], "status": "in_progress"}', b"[]",
        b'{"status": "queued", "output": []}',
    ],
)  # fmt: skip
def test_a_body_without_an_answer(body: bytes) -> None:
    assert failure_of(body).kind is Kind.GARBLED


def test_an_error_in_place_of_an_answer() -> None:
    assert failure_of(b'{"error": {"code": "invalid_api_key", "message": "No."}}').kind is Kind.DENIED
    assert failure_of(b'[{"error": {"code": "rate_limit_exceeded", "message": "No."}}]').kind is Kind.RATE_LIMITED


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        (USAGE, WHOLE),
        ({"input_tokens": 5, "output_tokens": 3}, Usage(5, 3)),
        ({"input_tokens": 5, "output_tokens": 3, "input_tokens_details": None}, Usage(5, 3)),
        ({"input_tokens": 5}, None),
        ({"input_tokens": -5, "output_tokens": 3}, None),
        ({"input_tokens": "5", "output_tokens": 3}, None),
        ({}, None),
        (None, None),
    ],
)
def test_usage(raw: object, usage: Usage | None) -> None:
    assert hear(json.dumps(response([message("x")], usage=raw)).encode()).usage == usage


def test_the_output_holds_the_reasoning_where_chat_leaves_it_out() -> None:
    usage = {"input_tokens": 9, "output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 15}}
    body = json.dumps(response([message("x")], usage=usage)).encode()

    assert hear(body, "xai", "xai").usage == Usage(9, 20, reasoning_tokens=15)


def test_usage_of_a_server_that_keeps_its_prompt() -> None:
    """llama.cpp counts what it had in its cache beside the answer."""
    end = {"type": "response.completed", "response": response([message("x")], usage={"input_tokens": 9,
           "output_tokens": 1}), "timings": {"cache_n": 8}}  # fmt: skip

    assert hear(sse([end])).usage == Usage(9, 1, 8)


# ------------------------------------------------------------------------------------------------------------- hostile

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "id", "item", "response", "output", "content", "summary", "call_id", "name", "arguments",
                 "input", "delta", "text", "error", "usage", "status", "item_id", "output_index", "logprobs"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip
KNOWN = sorted({event["type"] for event in events(EVERYTHING)} | {"response.failed", "response.incomplete", "error"})


@given(st.lists(st.tuples(st.sampled_from(KNOWN), st.dictionaries(st.sampled_from(
    ["item", "response", "delta", "item_id", "output_index", "text", "arguments", "input", "logprobs", "error"]
), JUNK, max_size=4)), max_size=6), JUNK)  # fmt: skip
def test_nothing_raises(stream: list[tuple[str, Json]], body: object) -> None:
    for data in (sse({"type": kind, **fields} for kind, fields in stream), json.dumps(body).encode()):
        heard = decode(DIALECT.decoder("openai", PROFILES["openai"]), [data])
        assert isinstance(heard[-1], Ended | Fault)


@given(ITEMS, st.data())
def test_an_event_spoilt_anywhere_ends_in_one_end(items: list[Json], data: st.DataObject) -> None:
    stream = list(events(items))
    place = data.draw(st.integers(0, len(stream) - 1))
    field = data.draw(st.sampled_from(sorted(stream[place])))
    stream[place] = {**stream[place], field: data.draw(JUNK)}

    hear(sse(stream))  # `answer_of` checks that nothing follows the end, and that calls are well-formed
