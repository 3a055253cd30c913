"""OpenAI's own SDK as the judge: our bodies are its requests, and it hears in the same bytes what we hear."""

import json
from collections.abc import Iterable

import httpx2
import pytest
from hypothesis import given, settings
from openai import OpenAI
from openai.types.responses import Response, ResponseFailedEvent
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from pydantic import TypeAdapter

from modelroute.providers.profiles import PROFILES
from modelroute.types.request import Request
from tests.providers.openai_responses.answers import (
    DIALECT,
    ITEMS,
    events,
    function,
    hear,
    message,
    other_ids,
    response,
    sse,
    thought,
)
from tests.providers.requests import FULL, SCHEMA, TOOL, target, user
from tests.providers.samples import Answer, Given, Json

_LESS = settings(max_examples=max(10, settings().max_examples // 5))
REQUESTS = [
    Request(FULL.messages, tools=FULL.tools, tool_choice="auto", parameters={"metadata": {"a": "b"}}),
    Request(messages=(user("Hi"),)),
    Request(messages=(user("Hi"),), schema=SCHEMA, effort="high", parameters={"verbosity": "low", "logprobs": True}),
    Request(
        messages=(user([{"type": "file", "file": {"file_id": "file-1"}}]),),
        tools=(TOOL, {"type": "custom", "custom": {"name": "run"}}, {"type": "web_search"}),
        tool_choice={"type": "function", "function": {"name": "lookup_order"}},
        parameters={"parallel_tool_calls": False, "service_tier": "flex", "store": True},
    ),
    Request(
        messages=(user("Hi"),),
        tools=(TOOL,),
        tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOL]}},
    ),
]


def whole(value: object) -> None:
    """Read everything: pydantic checks the items of an Iterable only when they are asked for."""
    if isinstance(value, dict):
        for item in value.values():
            whole(item)
    elif not isinstance(value, str | bytes) and isinstance(value, Iterable):
        for item in value:
            whole(item)


def as_typed(item: Json) -> Json:
    """An assistant's words said by another model have no id; the API takes them so, its types do not."""
    if item.get("role") != "assistant" or "id" in item:
        return item
    parts = [{**part, "annotations": []} if part["type"] == "output_text" else part for part in item["content"]]
    return {**item, "id": "msg_1", "status": "completed", "content": parts}


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize(
    ("stream", "shape"), [(True, ResponseCreateParamsStreaming), (False, ResponseCreateParamsNonStreaming)]
)
def test_our_bodies_are_requests_of_its_types(request_: Request, stream: bool, shape: Given) -> None:
    where = target("gpt-6.1-sol", "openai", efforts=("high",))
    body = json.loads(DIALECT.encode(request_, where, PROFILES["openai"], 100, stream))
    body["input"] = [as_typed(item) for item in body["input"]]

    adapter: TypeAdapter[Given] = TypeAdapter(shape)  # its lazy iterators need it alive
    whole(adapter.validate_python(body))
    assert body.keys() <= shape.__annotations__.keys()


def theirs(body: bytes, *, streamed: bool) -> Response:
    """What the SDK hears: a stream's deltas put together, in the response of its last event."""
    kind = "text/event-stream" if streamed else "application/json"
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, content=body, headers={"content-type": kind}))
    with httpx2.Client(transport=transport) as http:
        responses = OpenAI(api_key="k", base_url="http://test/v1", http_client=http, max_retries=0).responses
        if not streamed:
            return responses.create(model="m", input="Hi")
        text, arguments, end = "", "", None
        for event in responses.create(model="m", input="Hi", stream=True):
            if event.type == "response.output_text.delta":
                text += event.delta
            elif event.type in {"response.function_call_arguments.delta", "response.custom_tool_call_input.delta"}:
                arguments += getattr(event, "delta", "")
            elif event.type in {"response.completed", "response.incomplete", "response.failed"}:
                end = getattr(event, "response", None)
    assert isinstance(end, Response)
    assert text == end.output_text
    assert arguments == "".join(written for _, _, written in calls_of(end))
    return end


def calls_of(end: Response) -> list[tuple[str, str, str]]:
    return [
        (item.call_id, item.name, item.arguments if item.type == "function_call" else item.input)
        for item in end.output
        if item.type == "function_call" or item.type == "custom_tool_call"  # noqa: PLR1714 - what narrows the type
    ]


def agree(ours: Answer, end: Response) -> None:
    assert ours.text == end.output_text
    functions = {item.call_id for item in end.output if item.type == "function_call"}
    filled = [(identity, name, said or "{}" * (identity in functions)) for identity, name, said in calls_of(end)]
    assert list(ours.calls.values()) == filled, "no arguments are an empty object of them"
    reasons = (part.text for item in end.output if item.type == "reasoning" for part in item.summary)
    assert ours.reasoning == "".join(reasons)
    assert ours.usage is not None
    assert end.usage is not None
    usage, details = end.usage, end.usage.input_tokens_details
    assert (ours.usage.input_tokens, ours.usage.output_tokens) == (usage.input_tokens, usage.output_tokens)
    assert (ours.usage.cached_tokens, ours.usage.cache_write_tokens) == (
        details.cached_tokens, details.cache_write_tokens,
    )  # fmt: skip
    assert ours.usage.reasoning_tokens == usage.output_tokens_details.reasoning_tokens
    if end.status == "incomplete":
        assert end.incomplete_details is not None
        assert ours.finish == {"max_output_tokens": "length"}.get(str(end.incomplete_details.reason), "content_filter")
    else:
        assert ours.finish == ("tool_calls" if ours.calls else "stop")
    assert ours.served is not None
    assert (ours.served.id, ours.served.model) == (end.id, end.model)


@_LESS
@given(ITEMS)
def test_it_hears_the_same(items: list[Json]) -> None:
    for body, streamed in ((sse(events(items)), True), (json.dumps(response(items)).encode(), False)):
        agree(hear(body), theirs(body, streamed=streamed))


@pytest.mark.parametrize("reason", ["max_output_tokens", "content_filter"])
def test_it_hears_the_same_end(reason: str) -> None:
    more: Json = {"status": "incomplete", "incomplete_details": {"reason": reason}}
    items = [thought(["Hm."]), message("Hal", number=1)]
    for body, streamed in ((sse(events(items, **more)), True), (json.dumps(response(items, **more)).encode(), False)):
        agree(hear(body), theirs(body, streamed=streamed))


def test_it_hears_the_same_where_ids_change_and_data_comes_first() -> None:
    items = [message("Hi"), function('{"a": 1}', 1), function('{"a": 2}', 2)]
    for body in (sse(other_ids(events(items), 7)), sse(events(items), data_first=True)):
        agree(hear(body), theirs(body, streamed=True))


def test_it_hears_the_same_failure() -> None:
    error = {"code": "rate_limit_exceeded", "message": "Slow down."}
    end = {"type": "response.failed", "response": response([], "failed", error=error)}
    heard = TypeAdapter(ResponseFailedEvent).validate_python({**end, "sequence_number": 1}).response.error
    failure = hear(sse([end])).failure

    assert heard is not None
    assert failure is not None
    assert (failure.provider_code, failure.message) == (heard.code, heard.message)
