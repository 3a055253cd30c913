"""The official SDKs as judges of a real server: asked the same, they and we have heard the same.

The model answers greedily, so the same prompt has the same answer however it is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import pytest
from anthropic import Anthropic
from anthropic.types import Message
from openai import OpenAI
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from modelroute import Router
from modelroute.testing.local_model import LocalModelServer
from tests.local_model.test_dialects import HISTORY, POLICY, QUESTION, TOOL, provider

Messages: TypeAlias = list[dict[str, object]]
Heard: TypeAlias = tuple[str, str | None, list[object], int, int, int]
"""Text, finish, tool calls, tokens of the whole prompt, tokens out, and tokens of the prompt that were cached."""

MESSAGES: Messages = [{"role": "user", "content": QUESTION}]
USAGE_TOO = {"include_usage": True}
STOPS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}
CASES: dict[str, tuple[Messages, int, Messages | None]] = {
    "a cut answer": (MESSAGES, 12, None),
    "a whole answer": (
        [{"role": "user", "content": "Answer with one word: what is the capital of France?"}],
        200,
        None,
    ),
    "many scripts": ([{"role": "user", "content": "Repeat: caf\u00e9 \u4f60\u597d \U0001f600"}], 16, None),
    "a tool call": (HISTORY, 48, [TOOL]),
}


@pytest.fixture(scope="module")
def openai(tool_calling_model: LocalModelServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=tool_calling_model.url, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def anthropic(tool_calling_model: LocalModelServer) -> Iterator[Anthropic]:
    with Anthropic(base_url=tool_calling_model.url.removesuffix("/v1"), api_key="none", max_retries=0) as client:
        yield client


def warm(server: LocalModelServer, case: str) -> None:
    """Have the server read the prompt once, so that both find the same of it in its cache."""
    messages, _, tools = CASES[case]
    with Router([provider(server, "openai-chat")], policy=POLICY) as router:
        router.chat(messages, max_tokens=1, **({"tools": tools} if tools else {}))  # type: ignore[arg-type]


def by_us(server: LocalModelServer, dialect: str, case: str, *, stream: bool) -> Heard:
    messages, cap, tools = CASES[case]
    asked = {"max_tokens": cap, "temperature": 0, "seed": 1} | ({"tools": tools} if tools else {})
    if dialect == "anthropic-messages":
        del asked["seed"]  # it has no word for one
    with Router([provider(server, dialect)], policy=POLICY) as router:
        if stream:
            with router.stream(messages, **asked) as streamed:  # type: ignore[arg-type]
                assert "".join(streamed.text) == streamed.reply.text
                reply = streamed.reply
        else:
            reply = router.chat(messages, **asked)  # type: ignore[arg-type]
    calls: list[object] = [(call.name, json.loads(call.arguments)) for call in reply.tool_calls]
    usage = reply.usage
    assert usage is not None
    return reply.text, reply.finish, calls, usage.input_tokens, usage.output_tokens, usage.cached_tokens


def by_openai(client: OpenAI, case: str, *, stream: bool) -> Heard:
    messages, cap, tools = CASES[case]
    asked = {"model": "any", "messages": messages, "max_tokens": cap, "temperature": 0, "seed": 1}
    asked |= {"tools": tools} if tools else {}
    if stream:
        return heard_in_chunks(client.chat.completions.create(**asked, stream=True, stream_options=USAGE_TOO))  # type: ignore[call-overload]
    answer: ChatCompletion = client.chat.completions.create(**asked)  # type: ignore[call-overload]
    [choice] = answer.choices
    calls: list[object] = [
        (call.function.name, json.loads(call.function.arguments))
        for call in choice.message.tool_calls or []
        if call.type == "function"
    ]
    return (choice.message.content or "", choice.finish_reason, calls, *counts_of(answer.usage))


def heard_in_chunks(chunks: Iterable[ChatCompletionChunk]) -> Heard:
    """Put the SDK's chunks together by hand: its own assembling raises on an answer that was cut."""
    text, finish, usage = "", None, None
    names: list[str] = []
    arguments: list[str] = []
    for chunk in chunks:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
            for call in choice.delta.tool_calls or []:
                assert call.function is not None
                if call.index == len(names):
                    names.append("")
                    arguments.append("")
                names[call.index] += call.function.name or ""
                arguments[call.index] += call.function.arguments or ""
    calls: list[object] = [(name, json.loads(each)) for name, each in zip(names, arguments, strict=True)]
    return (text, finish, calls, *counts_of(usage))


def counts_of(usage: CompletionUsage | None) -> tuple[int, int, int]:
    assert usage is not None
    details = usage.prompt_tokens_details
    return usage.prompt_tokens, usage.completion_tokens, (details.cached_tokens if details else 0) or 0


def by_anthropic(client: Anthropic, case: str, *, stream: bool) -> Heard:
    messages, cap, tools = CASES[case]
    # The SDK has dropped the word temperature, since newer models take none.
    asked = {"model": "any", "messages": in_blocks(messages), "max_tokens": cap, "extra_body": {"temperature": 0}}
    if tools:
        function = TOOL["function"]
        assert isinstance(function, dict)
        asked["tools"] = [
            {"name": function["name"], "description": function["description"], "input_schema": function["parameters"]}
        ]
    answer: Message
    if stream:
        with client.messages.stream(**asked) as events:  # type: ignore[arg-type]
            answer = events.get_final_message()
    else:
        answer = client.messages.create(**asked)  # type: ignore[call-overload]
    text = "".join(block.text for block in answer.content if block.type == "text")
    calls: list[object] = [(block.name, block.input) for block in answer.content if block.type == "tool_use"]
    cached = answer.usage.cache_read_input_tokens or 0
    counts = answer.usage.input_tokens + cached, answer.usage.output_tokens, cached
    return (text, STOPS[answer.stop_reason or ""], calls, *counts)


def in_blocks(messages: list[dict[str, object]]) -> list[dict[str, object]]:
    """The same history, written for Anthropic by hand."""
    blocks: list[dict[str, object]] = []
    for message in messages:
        calls = message.get("tool_calls")
        if message["role"] == "tool":
            result = {"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": message["content"]}
            blocks.append({"role": "user", "content": [result]})
        elif isinstance(calls, list):
            used = [
                {
                    "type": "tool_use",
                    "id": call["id"],
                    "name": call["function"]["name"],
                    "input": json.loads(call["function"]["arguments"]),
                }
                for call in calls
            ]
            blocks.append({"role": "assistant", "content": used})
        else:
            blocks.append(message)
    return blocks


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("case", CASES)
def test_the_openai_sdk_hears_what_we_hear(
    case: str, stream: bool, openai: OpenAI, tool_calling_model: LocalModelServer
) -> None:
    warm(tool_calling_model, case)
    theirs = by_openai(openai, case, stream=stream)
    assert by_us(tool_calling_model, "openai-chat", case, stream=stream) == theirs
    assert theirs[0] or theirs[2]


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("case", CASES)
def test_the_anthropic_sdk_hears_what_we_hear(
    case: str, stream: bool, anthropic: Anthropic, tool_calling_model: LocalModelServer
) -> None:
    warm(tool_calling_model, case)
    theirs = by_anthropic(anthropic, case, stream=stream)
    assert by_us(tool_calling_model, "anthropic-messages", case, stream=stream) == theirs
    assert theirs[0] or theirs[2]
