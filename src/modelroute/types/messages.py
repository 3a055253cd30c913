"""Messages are OpenAI-shaped mappings; `reply.message` adds one namespaced key with what its provider wants back.

The key is `PROVENANCE`. Encoders never send it: they read it, and put its blocks back only for the provider that sent
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias, cast

from modelroute.errors import RequestError

__all__ = ["PROVENANCE", "ROLES", "Dumped", "Message", "Messages", "as_messages"]

PROVENANCE = "modelroute"
"""The one key of a message that is ours: ``{"target", "provider", "model", "dialect", "blocks"}``, of JSON values."""

ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})

_LONGEST_ROLE = 20

Message: TypeAlias = Mapping[str, object]
"""One message: ``{"role": ..., "content": ...}`` with OpenAI's names for everything else."""


class Dumped(Protocol):
    """An object that says itself as a mapping: a pydantic model, the OpenAI SDK's own messages."""

    def model_dump(self, *, exclude_none: bool = ...) -> Mapping[str, object]:
        """Return it as a mapping, without what is `None` if so asked."""
        ...


Messages: TypeAlias = str | Iterable[Message | Dumped]
"""A conversation; a plain string is one user message. A generator is read once, when the call is made."""


def as_messages(messages: Messages) -> tuple[Message, ...]:
    """Return the conversation as a tuple of mappings, checked for shape.

    Objects with a `model_dump` (pydantic models, the OpenAI SDK's messages and tool calls) are dumped, without what is
    `None`. Raises `RequestError` for an empty conversation, an unknown role, content or tool calls of the wrong type,
    or a message that is no mapping.
    """
    if isinstance(messages, str):
        if not messages:
            raise RequestError("the prompt is empty: pass a non-empty string or a list of messages")
        return ({"role": "user", "content": messages},)
    if isinstance(messages, Mapping) or hasattr(messages, "model_dump"):
        raise RequestError("messages must be a list of messages; got a single one: wrap it in a list")
    if not isinstance(messages, Iterable) or isinstance(messages, bytes | bytearray | memoryview):
        raise RequestError(f"messages must be a string or a list of mappings, not {type(messages).__name__}")
    listed = tuple(messages)
    if not listed:
        used = "" if isinstance(messages, Sequence) else " (a generator can be read only once)"
        raise RequestError(f"messages is empty: pass at least one message{used}")
    return tuple(_checked(message, position) for position, message in enumerate(listed))


def _checked(message: object, position: int) -> Message:
    known = _mapping(message)
    if known is None:
        kind = type(message).__name__
        # A reply in the place of its message is the one slip with a remedy to name.
        instead = "; append reply.message" if isinstance(getattr(message, "message", None), Mapping) else ""
        raise RequestError(f"messages[{position}] must be a mapping with 'role' and 'content', not {kind}{instead}")
    known = _plain(known, "tool_calls", position)
    role = known.get("role")
    if not isinstance(role, str) or role not in ROLES:
        # A role is one short word: whatever is longer is content in the wrong place, and content is not shown.
        shown = repr(role) if isinstance(role, str) and len(role) <= _LONGEST_ROLE else f"a {type(role).__name__}"
        raise RequestError(f"messages[{position}] has {shown} for a role; it must be one of {', '.join(sorted(ROLES))}")
    known = _plain(known, "content", position)
    content = known.get("content")
    if isinstance(content, str) or (content is None and (role == "assistant" or "tool_calls" in known)):
        return known
    if not isinstance(content, Sequence) or isinstance(content, bytes | bytearray):
        raise RequestError(
            f"messages[{position}]['content'] must be text or a list of parts, not {type(content).__name__}"
        )
    for part in cast(Sequence[object], content):
        if not isinstance(part, Mapping) or not isinstance(cast(Message, part).get("type"), str):
            raise RequestError(
                f"messages[{position}]['content'] has a part without a 'type'; see OpenAI's content parts"
            )
    return known


def _mapping(value: object) -> Message | None:
    """Return `value` as a mapping: itself, or what it dumps; `None` where it is neither."""
    if isinstance(value, Mapping):
        return cast(Message, value)
    dump = None if isinstance(value, type) else getattr(value, "model_dump", None)
    if not callable(dump):
        return None
    try:
        dumped: object = dump(exclude_none=True)
    except Exception:  # noqa: BLE001 - a serializer of the caller's own may raise anything
        return None
    return cast(Message, dumped) if isinstance(dumped, Mapping) else None


def _plain(message: Message, field: str, position: int) -> Message:
    """Return `message` with the objects listed under `field` dumped; the same message where there are none."""
    listed = message.get(field)
    if listed is None:
        return message
    if not isinstance(listed, Sequence) or isinstance(listed, str | bytes | bytearray):
        if field == "content":
            return message  # text, or said below with what it may be
        raise RequestError(f"messages[{position}][{field!r}] must be a list, not {type(listed).__name__}")
    items = cast(Sequence[object], listed)
    if all(isinstance(item, Mapping) for item in items):
        return message
    found = [_mapping(item) for item in items]
    if field == "tool_calls" and None in found:
        raise RequestError(f"messages[{position}][{field!r}] must hold mappings; see OpenAI's tool calls")
    return {**message, field: [item if plain is None else plain for item, plain in zip(items, found, strict=True)]}
