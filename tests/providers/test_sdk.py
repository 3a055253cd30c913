"""The real SDKs as judges: our bodies are their requests, and they hear in the same bytes what we hear."""

import json
from collections.abc import Iterable
from typing import Any

import httpx2
import pytest
from anthropic import Anthropic
from anthropic.types.message_create_params import MessageCreateParamsNonStreaming, MessageCreateParamsStreaming
from openai import OpenAI
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from pydantic import TypeAdapter

from modelroute.providers.dialects import DIALECTS
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
SPOKEN_BY_OPENAI = ("openai", "deepseek", "moonshot", "vllm", "llamacpp", "ollama", "lmstudio", "together", "fireworks")
CHAT = [s for s in answers() if s.provider in SPOKEN_BY_OPENAI and "error" not in s.expect]
MESSAGES = [s for s in answers() if s.provider == "anthropic" and "error" not in s.expect and "compat" not in s.file]


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


@pytest.mark.parametrize("sample", CHAT, ids=lambda sample: sample.file)
def test_openai_hears_the_same(sample: Sample) -> None:
    ours = answer_of(decode(sample.decoder(), [sample.body]))
    kind = "text/event-stream" if sample.streamed else "application/json"
    with client(sample.body, kind) as http:
        chat = OpenAI(api_key="k", base_url="http://test/v1", http_client=http, max_retries=0).chat.completions
        if not sample.streamed:
            choice = chat.create(model="m", messages=[{"role": "user", "content": "Hi"}]).choices[0]
            text = choice.message.content or ""
            functions = [call.function for call in choice.message.tool_calls or [] if call.type == "function"]
            names = [function.name for function in functions]
            arguments = [function.arguments for function in functions]
        else:
            text, names, arguments = "", [], []
            for chunk in chat.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True):
                for piece in chunk.choices:
                    text += piece.delta.content or ""
                    for part in piece.delta.tool_calls or []:
                        assert part.function is not None
                        if part.function.name:
                            names.append(part.function.name)
                            arguments.append("")
                        arguments[part.index] += part.function.arguments or ""

    assert text == ours.text
    assert [(name, written) for _, name, written in ours.calls.values()] == list(zip(names, arguments, strict=True))


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
    assert message.usage.output_tokens == ours.usage.output_tokens
