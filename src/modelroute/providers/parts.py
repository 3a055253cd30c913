"""Content as callers write it: text, or a list of typed parts. Read here so that each place sees the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from modelroute.types.messages import Message

__all__ = [
    "called_names", "data_url", "fields", "file_data", "image_url", "parts_of", "stops_of", "text", "text_of",
    "tool_calls_of",
]  # fmt: skip

_NO_FIELDS: Mapping[str, object] = {}


def fields(value: object) -> Mapping[str, object]:
    """Return `value` if it is a mapping of any kind, else an empty one."""
    return cast(Mapping[str, object], value) if isinstance(value, Mapping) else _NO_FIELDS


def text(value: object) -> str:
    """Return `value` if it is text, else ``""``."""
    return value if isinstance(value, str) else ""


def parts_of(message: Message) -> Sequence[Mapping[str, object]]:
    """Return the parts of a message's content; plain text is one part, no content is none."""
    content = message.get("content")
    if isinstance(content, str):
        return ({"type": "text", "text": content},) if content else ()
    if isinstance(content, Sequence) and not isinstance(content, bytes | bytearray):
        return [fields(part) for part in cast(Sequence[object], content)]
    return ()


def text_of(message: Message) -> str:
    """Return a message's text, its text parts joined; a refusal counts as text where there is no other."""
    content = message.get("content")
    if isinstance(content, str) and content:
        return content
    return "".join(text(part.get("text")) or text(part.get("refusal")) for part in parts_of(message)) or text(
        message.get("refusal")
    )


def tool_calls_of(message: Message) -> Sequence[Mapping[str, object]]:
    """Return the tool calls of an assistant's message."""
    calls = message.get("tool_calls")
    if isinstance(calls, Sequence) and not isinstance(calls, str | bytes | bytearray):
        return [fields(call) for call in cast(Sequence[object], calls)]
    return ()


def stops_of(value: object) -> Sequence[object]:
    """Return the stop sequences that a ``stop`` parameter asks for."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        return cast(Sequence[object], value)
    return (value,) if value else ()


def called_names(messages: Sequence[Message]) -> tuple[str, ...]:
    """Return the names of the tools that were called in a conversation, each once, in order."""
    return tuple(
        dict.fromkeys(
            name
            for message in messages
            if "tool_calls" in message
            for call in tool_calls_of(message)
            if (name := text(fields(call.get("function")).get("name")))
        )
    )


def image_url(part: Mapping[str, object]) -> str:
    """Return the URL of an ``image_url`` part, which may be written as text or as an object."""
    stated = part.get("image_url")
    return stated if isinstance(stated, str) else text(fields(stated).get("url"))


def file_data(part: Mapping[str, object]) -> str:
    """Return the ``data:`` URL of a ``file`` part, ``""`` where it names a file kept elsewhere."""
    return text(fields(part.get("file")).get("file_data"))


def data_url(url: str) -> tuple[str, str] | None:
    """Return (media type, base64 text) of a ``data:`` URL, or `None` for any other."""
    head, comma, data = url.partition(",")
    if not comma or not head.lower().startswith("data:") or not head.lower().endswith(";base64"):
        return None
    return head[5:-7].split(";")[0].lower(), data
