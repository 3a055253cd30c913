"""The builders: pure, well-formed, and nothing of what they are told is lost. The spellings: each provider's own."""

import json
from collections.abc import Sequence
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.errors import ConfigurationError
from modelroute.testing import replies
from modelroute.testing.replies import Dialect, stream_parts
from modelroute.testing.spellings import SPELLINGS
from modelroute.types.failure import Kind
from modelroute.types.reply import ToolCall
from modelroute.types.usage import Usage

DIALECTS: Sequence[Dialect] = ("openai", "anthropic")
texts = st.text(st.characters(codec="utf-8"), max_size=40)
calls = st.lists(
    st.builds(
        ToolCall, st.just("call_1"), st.just("add"), st.dictionaries(st.text("ab"), st.integers()).map(json.dumps)
    ),
    max_size=3,
)
usages = st.builds(
    lambda cached, written, fresh, output: Usage(cached + written + fresh, output, cached, written),
    *(st.integers(0, 10**6) for _ in range(4)),
)


def told(events: Sequence[bytes]) -> list[dict[str, object]]:
    """Return the JSON of every event, and check its framing on the way."""
    values = list[dict[str, object]]()
    for event in events:
        assert event.endswith(b"\n\n")
        lines = event.decode().removesuffix("\n\n").split("\n")
        assert len(lines) == (2 if lines[0].startswith("event: ") else 1), "one event, one data line"
        data = lines[-1].removeprefix("data: ")
        if data != "[DONE]":
            value = cast("dict[str, object]", json.loads(data))
            assert len(lines) == 1 or lines[0] == f"event: {value['type']}"
            values.append(value)
    return values


@given(texts, st.integers(1, 9))
def test_a_text_is_cut_without_loss(text: str, pieces: int) -> None:
    cut = replies.split_text(text, pieces)
    assert "".join(cut) == text
    assert all(cut)
    assert len(cut) == min(pieces, len(text))


def test_a_text_is_not_cut_into_nothing() -> None:
    with pytest.raises(ConfigurationError, match="1 piece or more"):
        replies.split_text("text", 0)


@given(texts, texts, calls, st.integers(1, 5), usages)
def test_openai_streams_lose_nothing(
    text: str, reasoning: str, tool_calls: list[ToolCall], pieces: int, usage: Usage
) -> None:
    parts = stream_parts(
        "openai", text, reasoning=reasoning, tool_calls=tool_calls, pieces=pieces, usage=usage, model="m"
    )
    events = told(parts.events)
    assert parts.events[-1] == replies.DONE
    deltas = [event["choices"][0]["delta"] for event in events if event["choices"]]  # type: ignore[index]
    assert "".join(delta.get("content") or "" for delta in deltas) == text
    assert "".join(delta.get("reasoning_content") or "" for delta in deltas) == reasoning
    arguments = [""] * len(tool_calls)
    for delta in deltas:
        for call in delta.get("tool_calls", ()):
            arguments[call["index"]] += call["function"]["arguments"]
    assert arguments == [call.arguments for call in tool_calls]
    finishes = [event["choices"][0]["finish_reason"] for event in events if event["choices"]]  # type: ignore[index]
    assert [finish for finish in finishes if finish] == ["tool_calls" if tool_calls else "stop"]
    assert {event["model"] for event in events} == {"m"}
    assert [event["usage"] for event in events if event["usage"]] == [replies.usage_object("openai", usage)]


@given(texts, texts, calls, st.integers(1, 5), usages)
def test_anthropic_streams_lose_nothing(
    text: str, reasoning: str, tool_calls: list[ToolCall], pieces: int, usage: Usage
) -> None:
    events = told(
        replies.anthropic_stream(text, reasoning=reasoning, tool_calls=tool_calls, pieces=pieces, usage=usage)
    )
    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")
    opened = list[int]()
    blocks = dict[int, str]()
    for event in events:
        index = cast("int", event.get("index", -1))
        if event["type"] == "content_block_start":
            opened.append(index)
            blocks[index] = ""
        elif event["type"] == "content_block_delta":
            assert index in opened
            delta = cast("dict[str, str]", event["delta"])
            blocks[index] += delta.get("text", "") + delta.get("thinking", "") + delta.get("partial_json", "")
        elif event["type"] == "content_block_stop":
            opened.remove(index)
    assert not opened, "every block is closed"
    assert list(blocks.values()) == [part for part in (reasoning, text) if part] + [one.arguments for one in tool_calls]
    stopped = next(event for event in events if event["type"] == "message_delta")
    assert stopped["usage"] == {"output_tokens": usage.output_tokens}


@given(usages)
def test_usage_is_told_in_each_dialects_own_sum(usage: Usage) -> None:
    openai = cast("dict[str, int]", replies.usage_object("openai", usage))
    anthropic = cast("dict[str, int]", replies.usage_object("anthropic", usage))
    assert openai["prompt_tokens"] == usage.input_tokens
    assert openai["total_tokens"] == usage.input_tokens + usage.output_tokens
    parts = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    assert sum(anthropic[part] for part in parts) == usage.input_tokens


@given(texts, calls)
def test_whole_bodies_lose_nothing(text: str, tool_calls: list[ToolCall]) -> None:
    openai = json.loads(replies.openai_body(text, tool_calls=tool_calls))
    message = openai["choices"][0]["message"]
    assert (message["content"] or "") == text
    assert [one["function"]["arguments"] for one in message.get("tool_calls", ())] == [
        one.arguments for one in tool_calls
    ]
    anthropic = json.loads(replies.anthropic_body(text, tool_calls=tool_calls))
    assert "".join(block.get("text", "") for block in anthropic["content"]) == text
    inputs = [block["input"] for block in anthropic["content"] if block["type"] == "tool_use"]
    assert inputs == [json.loads(one.arguments) for one in tool_calls]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_equal_arguments_give_equal_bytes(dialect: Dialect) -> None:
    assert stream_parts(dialect, "a").events == stream_parts(dialect, "a").events
    assert replies.body(dialect, "a") == replies.body(dialect, "a")
    assert b'"usage":null' in replies.openai_chunk({})
    assert b"usage" not in replies.body(dialect, "a", usage=None)


def test_the_brief_form() -> None:
    events = replies.openai_stream("Hello world", usage=(12, 3), pieces=3)
    assert len(events) == 1 + 3 + 1 + 1 + 1
    assert json.loads(replies.openai_error(429, code="rate_limit_exceeded"))["error"] == {
        "message": "scripted error 429",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert json.loads(replies.anthropic_error(529))["error"]["type"] == "overloaded_error"


# ---------------------------------------------------------------------------------------------------------- spellings


@pytest.mark.parametrize("name", sorted(SPELLINGS))
def test_every_spelling_is_json_and_named_by_its_provider(name: str) -> None:
    spelling = SPELLINGS[name]
    assert name.startswith(f"{spelling.provider} ")
    assert isinstance(json.loads(spelling.body), dict)
    assert (spelling.wait is None) or spelling.kind is Kind.RATE_LIMITED
    one = spelling.fault()
    assert (one.expect, one.when) == (spelling.kind, "before content")


def test_the_spellings_hold_what_makes_providers_differ() -> None:
    """The traps: one code that means two things, one meaning with many statuses, errors inside a 200."""
    assert SPELLINGS["dashscope quota"].kind is Kind.RATE_LIMITED
    assert SPELLINGS["openai credit"].kind is Kind.EXHAUSTED
    assert {one.status for one in SPELLINGS.values() if one.kind is Kind.EXHAUSTED} == {200, 400, 402, 412, 429}
    assert {one.kind for one in SPELLINGS.values() if one.status == 429} == {
        Kind.RATE_LIMITED,
        Kind.UNAVAILABLE,
        Kind.EXHAUSTED,
    }
    assert len({one.provider for one in SPELLINGS.values()}) >= 18
