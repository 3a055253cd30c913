"""Well-formed answers as bytes, in the two dialects: what a healthy provider puts on the wire.

Pure functions, nothing invented per call: equal arguments give equal bytes. A stream is a list with one server-sent
event per item, or, from `stream_parts`, the same in parts, so that a test can spoil exactly one of them. How each
provider spells its errors: `modelroute.testing.spellings`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, TypeAlias, TypedDict, Unpack

from modelroute.errors import ConfigurationError
from modelroute.types.reply import ToolCall
from modelroute.types.usage import Usage

__all__ = [
    "DONE",
    "Dialect",
    "Said",
    "StreamParts",
    "UsageLike",
    "anthropic_body",
    "anthropic_error",
    "anthropic_stream",
    "body",
    "error_body",
    "event",
    "openai_body",
    "openai_chunk",
    "openai_embeddings",
    "openai_error",
    "openai_stream",
    "split_text",
    "stream_parts",
    "usage_object",
]

Dialect: TypeAlias = Literal["openai", "anthropic"]
"""The two wire protocols that can be played."""

UsageLike: TypeAlias = Usage | tuple[int, int] | None
"""Usage to report: `Usage`, or ``(input, output)`` tokens, or `None` for no report."""

DONE = b"data: [DONE]\n\n"
"""What ends an OpenAI stream."""

_MADE = 1_750_000_000
_ANTHROPIC_STOP = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_ANTHROPIC_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class Said(TypedDict, total=False):
    """What an answer says beside its text; every builder takes these as keywords.

    `usage`: default ``(12, 3)``, `None` for no report. `pieces`: how many parts a stream cuts the text into, default 3.
    `reasoning`: what is shown of thinking. `tool_calls`. `finish`: OpenAI's word, by default what fits the content.
    `model`: the name reported.
    """

    usage: UsageLike
    pieces: int
    reasoning: str
    tool_calls: Sequence[ToolCall]
    finish: str | None
    model: str


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    usage: UsageLike = (12, 3)
    pieces: int = 3
    reasoning: str = ""
    tool_calls: Sequence[ToolCall] = ()
    finish: str | None = None
    model: str = "test-model"

    @property
    def reason(self) -> str:
        return self.finish or ("tool_calls" if self.tool_calls else "stop")


@dataclass(frozen=True, slots=True)
class StreamParts:
    """A stream in parts, each a tuple of events as bytes.

    `opening` says no content yet; `content` is one event per piece of text, reasoning or tool call; `finish` holds the
    finish reason (and, for Anthropic, the usage); `usage` is the event that only reports usage (OpenAI); `end` ends it.
    """

    opening: tuple[bytes, ...]
    content: tuple[bytes, ...]
    finish: tuple[bytes, ...]
    usage: tuple[bytes, ...]
    end: tuple[bytes, ...]

    @property
    def events(self) -> list[bytes]:
        """All of it in order."""
        return [*self.opening, *self.content, *self.finish, *self.usage, *self.end]


def event(data: Mapping[str, object] | str, *, name: str = "") -> bytes:
    """Return one server-sent event: an optional ``event:`` line, one ``data:`` line, an empty line."""
    text = data if isinstance(data, str) else _json(data)
    return (f"event: {name}\n" if name else "").encode() + f"data: {text}\n\n".encode()


def split_text(text: str, pieces: int) -> list[str]:
    """Cut `text` into at most `pieces` parts of nearly equal length, none empty; together they are `text`."""
    if pieces < 1:
        raise ConfigurationError(f"a text is cut into 1 piece or more, not {pieces}")
    bounds = [len(text) * number // pieces for number in range(pieces + 1)]
    return [text[start:end] for start, end in pairwise(bounds) if end > start]


def body(dialect: Dialect, text: str = "Hello world", **said: Unpack[Said]) -> bytes:
    """Return a whole answer. `finish` is OpenAI's word; by default what fits the content."""
    return openai_body(text, **said) if dialect == "openai" else anthropic_body(text, **said)


def stream_parts(dialect: Dialect, text: str = "Hello world", **said: Unpack[Said]) -> StreamParts:
    """Return a streamed answer in parts: the text in `pieces`, reasoning before it and tool calls after it."""
    answer = _Answer(text, **said)
    return _openai_parts(answer) if dialect == "openai" else _anthropic_parts(answer)


def error_body(dialect: Dialect, status: int, *, code: str | None = None, message: str = "") -> bytes:
    """Return an error body of the dialect; `code` is OpenAI's ``code`` or Anthropic's ``type``."""
    if dialect == "openai":
        return openai_error(status, code=code, message=message)
    return anthropic_error(status, kind=code, message=message)


# ------------------------------------------------------------------------------------------------------------- OpenAI


def openai_body(text: str = "Hello world", **said: Unpack[Said]) -> bytes:
    """Return a whole chat completion."""
    answer = _Answer(text, **said)
    message: dict[str, object] = {"role": "assistant", "content": text if text or not answer.tool_calls else None}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.tool_calls:
        message["tool_calls"] = [_openai_call(call) for call in answer.tool_calls]
    completion: dict[str, object] = {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "created": _MADE,
        "model": answer.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": answer.reason}],
    }
    counted = usage_object("openai", answer.usage)
    if counted is not None:
        completion["usage"] = counted
    return _json(completion).encode()


def openai_chunk(
    delta: Mapping[str, object] | None = None,
    *,
    finish: str | None = None,
    usage: UsageLike = None,
    model: str = "test-model",
) -> bytes:
    """Return one chunk of a streamed completion; without `delta` and `finish`, one without choices, as usage comes."""
    chunk: dict[str, object] = {
        "id": "chatcmpl-test",
        "object": "chat.completion.chunk",
        "created": _MADE,
        "model": model,
        "choices": [],
        "usage": usage_object("openai", usage),
    }
    if delta is not None or finish is not None:
        chunk["choices"] = [{"index": 0, "delta": dict(delta or {}), "logprobs": None, "finish_reason": finish}]
    return event(chunk)


def openai_stream(text: str = "Hello world", **said: Unpack[Said]) -> list[bytes]:
    """Return a streamed completion, one event per item, with usage before ``[DONE]``."""
    return stream_parts("openai", text, **said).events


def openai_error(
    status: int, *, code: str | None = None, kind: str | None = None, message: str = "", param: str | None = None
) -> bytes:
    """Return OpenAI's error envelope; `kind` is its ``type``, by default the one that goes with `status`."""
    usual = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    fallback = "server_error" if status >= 500 else "invalid_request_error"
    error = {
        "message": message or f"scripted error {status}",
        "type": kind or usual.get(status, fallback),
        "param": param,
        "code": code,
    }
    return _json({"error": error}).encode()


def openai_embeddings(vectors: Sequence[Sequence[float]], *, tokens: int = 5, model: str = "test-embedding") -> bytes:
    """Return the answer to an embeddings request."""
    data = [{"object": "embedding", "index": place, "embedding": list(one)} for place, one in enumerate(vectors)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return _json({"object": "list", "model": model, "data": data, "usage": usage}).encode()


def _openai_parts(answer: _Answer) -> StreamParts:
    deltas = list[Mapping[str, object]]()
    if answer.reasoning:
        deltas += [{"reasoning_content": piece} for piece in split_text(answer.reasoning, answer.pieces)]
    deltas += [{"content": piece} for piece in split_text(answer.text, answer.pieces)]
    for index, call in enumerate(answer.tool_calls):
        first, *rest = split_text(call.arguments, 2) or [""]
        deltas.append({"tool_calls": [{"index": index, **_openai_call(ToolCall(call.id, call.name, first))}]})
        for piece in rest:
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    model, usage = answer.model, answer.usage
    return StreamParts(
        opening=(openai_chunk({"role": "assistant", "content": ""}, model=model),),
        content=tuple(openai_chunk(delta, model=model) for delta in deltas),
        finish=(openai_chunk({}, finish=answer.reason, model=model),),
        usage=(openai_chunk(usage=usage, model=model),) if usage is not None else (),
        end=(DONE,),
    )


def _openai_call(call: ToolCall) -> dict[str, object]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


# ---------------------------------------------------------------------------------------------------------- Anthropic


def anthropic_body(text: str = "Hello world", **said: Unpack[Said]) -> bytes:
    """Return a whole message. Raises `ValueError` for a tool call whose arguments are no JSON: `input` is an object."""
    answer = _Answer(text, **said)
    blocks = list[dict[str, object]]()
    if answer.reasoning:
        blocks.append({"type": "thinking", "thinking": answer.reasoning, "signature": "c2lnbmF0dXJl"})
    if text:
        blocks.append({"type": "text", "text": text})
    blocks += [_anthropic_call(call) | {"input": json.loads(call.arguments or "{}")} for call in answer.tool_calls]
    message = _anthropic_message(answer.model)
    message |= {"content": blocks, "stop_reason": _ANTHROPIC_STOP.get(answer.reason, answer.reason)}
    counted = usage_object("anthropic", answer.usage)
    if counted is not None:
        message["usage"] = counted
    return _json(message).encode()


def anthropic_stream(text: str = "Hello world", **said: Unpack[Said]) -> list[bytes]:
    """Return a streamed message, one event per item; input tokens come first, output tokens with the stop reason."""
    return stream_parts("anthropic", text, **said).events


def anthropic_error(status: int, *, kind: str | None = None, message: str = "") -> bytes:
    """Return Anthropic's error envelope; `kind` is by default the one that goes with `status`."""
    error = {
        "type": kind or _ANTHROPIC_ERRORS.get(status, "api_error"),
        "message": message or f"scripted error {status}",
    }
    return _json({"type": "error", "error": error, "request_id": "req_test"}).encode()


def _anthropic_parts(answer: _Answer) -> StreamParts:
    message = _anthropic_message(answer.model) | {"content": list[object](), "stop_reason": None}
    stopped: dict[str, object] = {
        "delta": {"stop_reason": _ANTHROPIC_STOP.get(answer.reason, answer.reason), "stop_sequence": None},
    }
    usage = _usage(answer.usage)
    if usage is not None:
        message["usage"] = usage_object("anthropic", replace(usage, output_tokens=1))
        stopped["usage"] = {"output_tokens": usage.output_tokens}
    said = list[bytes]()
    for index, (block, deltas) in enumerate(_anthropic_blocks(answer)):
        said.append(_anthropic_event("content_block_start", {"index": index, "content_block": block}))
        said += [_anthropic_event("content_block_delta", {"index": index, "delta": delta}) for delta in deltas]
        said.append(_anthropic_event("content_block_stop", {"index": index}))
    begun, ping = _anthropic_event("message_start", {"message": message}), _anthropic_event("ping", {})
    # The first block's start and the last one's stop hold no content: they stand with the frame.
    return StreamParts(
        opening=(begun, *said[:1], ping),
        content=tuple(said[1:-1]),
        finish=(*said[-1:], _anthropic_event("message_delta", stopped)),
        usage=(),
        end=(_anthropic_event("message_stop", {}),),
    )


def _anthropic_blocks(answer: _Answer) -> list[tuple[dict[str, object], list[dict[str, object]]]]:
    blocks = list[tuple[dict[str, object], list[dict[str, object]]]]()
    if answer.reasoning:
        thoughts: list[dict[str, object]] = [
            {"type": "thinking_delta", "thinking": piece} for piece in split_text(answer.reasoning, answer.pieces)
        ]
        thoughts.append({"type": "signature_delta", "signature": "c2lnbmF0dXJl"})
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, thoughts))
    if answer.text:
        pieces = split_text(answer.text, answer.pieces)
        blocks.append(({"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]))
    for call in answer.tool_calls:
        pieces = split_text(call.arguments, 2)
        blocks.append(
            (_anthropic_call(call), [{"type": "input_json_delta", "partial_json": piece} for piece in pieces])
        )
    return blocks


def _anthropic_event(name: str, fields: Mapping[str, object]) -> bytes:
    return event({"type": name, **fields}, name=name)


def _anthropic_message(model: str) -> dict[str, object]:
    return {"id": "msg_test", "type": "message", "role": "assistant", "model": model, "stop_sequence": None}


def _anthropic_call(call: ToolCall) -> dict[str, object]:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": dict[str, object]()}


# --------------------------------------------------------------------------------------------------------------- both


def usage_object(dialect: Dialect, usage: UsageLike) -> dict[str, object] | None:
    """Return `usage` as the dialect reports it: OpenAI's totals contain the cached part, Anthropic's do not."""
    counted = _usage(usage)
    if counted is None:
        return None
    if dialect == "anthropic":
        fresh = counted.input_tokens - counted.cached_tokens - counted.cache_write_tokens
        return {
            "input_tokens": fresh,
            "cache_creation_input_tokens": counted.cache_write_tokens,
            "cache_read_input_tokens": counted.cached_tokens,
            "output_tokens": counted.output_tokens,
        }
    return {
        "prompt_tokens": counted.input_tokens,
        "completion_tokens": counted.output_tokens,
        "total_tokens": counted.input_tokens + counted.output_tokens,
        "prompt_tokens_details": {"cached_tokens": counted.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": counted.reasoning_tokens},
    }


def _usage(usage: UsageLike) -> Usage | None:
    return Usage(*usage) if isinstance(usage, tuple) else usage


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
