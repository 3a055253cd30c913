"""The real SDKs as judges: our bodies are their requests, and they hear in the same bytes what we hear."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import httpx2
import pytest
from anthropic import Anthropic
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming
from openai import OpenAI
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from pydantic import TypeAdapter

from modelroute.providers.dialects import DIALECTS
from modelroute.providers.finish import canonical
from modelroute.providers.openai_chat.usage import read_usage
from modelroute.providers.profiles import PROFILES
from modelroute.types.request import Request
from tests.providers.requests import FULL, SCHEMA, TOOL, target, user
from tests.providers.samples import Given, Sample, answer_of, answers, decode

REQUESTS = [
    FULL,
    Request(messages=(user("Hi"),)),
    Request(messages=(user("Hi"),), schema=SCHEMA, effort="high"),
    Request(
        messages=(user("Hi"),), tools=(TOOL,), tool_choice={"type": "function", "function": {"name": "lookup_order"}}
    ),
]
CHAT = [s for s in answers() if s.spoken[1] == "openai-chat" and "error" not in s.expect]
MESSAGES = [s for s in answers() if s.spoken[1] == "anthropic-messages" and "error" not in s.expect]
UNHEARD = {
    "azure/stream_prompt_filter_first.sse": "it needs a delta in every choice",
    "generic/missing_index_two_tools.sse": "it needs an index in every fragment",
    "generic/reused_index_two_tools.sse": "it glues two calls together",
    "minimax/stream_terminal_message.sse": "it needs a delta in every choice",
    "mistral/stream_tool_no_index.sse": "it needs an index in every fragment",
    "sglang/stream_reasoning_tool.sse": "it needs an index in every fragment",
}
"""Samples on which the official SDK crashes, or hears what was not said."""

TAGGED = {"bedrock/chat_reasoning_tag.json"}
"""The SDK takes leaked thoughts for text."""


def whole(value: object) -> None:
    """Read everything: pydantic checks the items of an Iterable only when they are asked for."""
    if isinstance(value, dict):
        for item in value.values():
            whole(item)
    elif not isinstance(value, str | bytes) and isinstance(value, Iterable):
        for item in value:
            whole(item)


@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize(
    ("dialect", "stream", "shape"),
    [
        ("openai-chat", True, CompletionCreateParamsStreaming),
        ("openai-chat", False, CompletionCreateParamsNonStreaming),
        ("anthropic-messages", True, MessageCreateParamsStreaming),
        ("anthropic-messages", False, MessageCreateParamsNonStreaming),
    ],
)
def test_our_bodies_are_requests_of_their_types(request_: Request, dialect: str, stream: bool, shape: Given) -> None:
    profile = "openai" if dialect == "openai-chat" else "anthropic"
    body = DIALECTS[dialect].encode(request_, target("m", profile), PROFILES[profile], 100, stream)

    adapter: TypeAdapter[Given] = TypeAdapter(shape)  # its lazy iterators need it alive
    whole(adapter.validate_python(json.loads(body)))


def client(body: bytes, kind: str) -> httpx2.Client:
    return httpx2.Client(
        transport=httpx2.MockTransport(lambda _: httpx2.Response(200, content=body, headers={"content-type": kind}))
    )


def completion(sample: Sample) -> ChatCompletion:
    """Return what the official SDK makes of the bytes, put together by its own rules."""
    kind = "text/event-stream" if sample.streamed else "application/json"
    with client(sample.body, kind) as http:
        chat = OpenAI(api_key="k", base_url="http://test/v1", http_client=http, max_retries=0).chat.completions
        if not sample.streamed:
            return chat.create(model="m", messages=[{"role": "user", "content": "Hi"}])
        state = ChatCompletionStreamState()
        for chunk in chat.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True):
            if chunk.choices or chunk.usage:
                state.handle_chunk(chunk)
        return state.current_completion_snapshot


@pytest.mark.parametrize("sample", [s for s in CHAT if s.file not in UNHEARD], ids=lambda sample: sample.file)
def test_openai_hears_the_same(sample: Sample) -> None:
    ours = answer_of(decode(sample.decoder(), [sample.body]))
    theirs = completion(sample)
    choice = theirs.choices[0]
    functions = [call.function for call in choice.message.tool_calls or [] if call.type in {"function", None}]

    if sample.file not in TAGGED:
        assert (choice.message.content or "") == ours.text
    assert (choice.message.refusal or "") == ours.refusal
    assert [(name, written) for _, name, written in ours.calls.values()] == [
        (function.name, function.arguments) for function in functions
    ]
    if not ours.refusal:
        assert canonical(choice.finish_reason) == ours.finish
    if theirs.usage is None:
        assert ours.usage is None or not choice.model_extra
    else:
        timings = (theirs.model_extra or {}).get("timings") or {}
        assert read_usage(theirs.usage.model_dump(), PROFILES[sample.spoken[2]], timings) == ours.usage


def test_the_official_sdk_was_asked_about_nearly_all(record_property: Callable[[str, object], None]) -> None:
    compared = [sample for sample in CHAT if sample.file not in UNHEARD]

    record_property("compared", f"{len(compared)} of {len(CHAT)} in Chat Completions, {len(MESSAGES)} in Messages")
    assert {sample.file for sample in CHAT} > UNHEARD.keys()
    assert len(compared) >= 40


@pytest.mark.parametrize("sample", [s for s in CHAT if s.file in UNHEARD], ids=lambda sample: sample.file)
def test_what_the_sdk_does_not_hear_it_still_does_not(sample: Sample) -> None:
    """When this fails, the SDK has been mended, and the sample can be compared."""
    try:
        calls = completion(sample).choices[0].message.tool_calls or []
    except (TypeError, AttributeError):
        return
    assert len(calls) < len(sample.expect["tool_calls"])


@pytest.mark.parametrize("sample", MESSAGES, ids=lambda sample: sample.file)
def test_anthropic_hears_the_same(sample: Sample) -> None:
    ours = answer_of(decode(sample.decoder(), [sample.body]))
    kind = "text/event-stream" if sample.streamed else "application/json"
    with client(sample.body, kind) as http:
        messages = Anthropic(api_key="k", base_url="http://test", http_client=http, max_retries=0).messages
        asked: Any = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}
        if sample.streamed:
            with messages.stream(**asked) as stream:
                message = stream.get_final_message()
        else:
            message = messages.create(**asked)

    blocks = message.content
    assert "".join(block.text for block in blocks if block.type == "text") == ours.text
    assert "".join(block.thinking for block in blocks if block.type == "thinking") == ours.reasoning
    assert [
        {"name": block.name, "arguments": block.input} for block in blocks if block.type == "tool_use"
    ] == ours.tool_calls
    assert ours.usage is not None
    raw = message.usage
    cached, written = raw.cache_read_input_tokens or 0, raw.cache_creation_input_tokens or 0
    assert (raw.input_tokens + cached + written, raw.output_tokens) == (
        ours.usage.input_tokens,
        ours.usage.output_tokens,
    )
    assert (cached, written) == (ours.usage.cached_tokens, ours.usage.cache_write_tokens)
    assert message.stop_reason is not None
    assert canonical(message.stop_reason) == ours.finish
