"""Messages are OpenAI-shaped mappings; `reply.message` adds one namespaced key with what its provider wants back.

The key is `PROVENANCE`. Encoders never send it: they read it, and put its blocks back only for the provider that sent
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from modelroute.errors import RequestError

__all__ = ["PROVENANCE", "ROLES", "Message", "Messages", "as_messages"]

PROVENANCE = "modelroute"
"""The one key of a message that is ours: ``{"target", "provider", "model", "dialect", "blocks"}``, of JSON values."""

ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})

_LONGEST_ROLE = 20

Message: TypeAlias = Mapping[str, object]
"""One message: ``{"role": ..., "content": ...}`` with OpenAI's names for everything else."""

Messages: TypeAlias = str | Sequence[Message]
"""A conversation; a plain string is one user message."""


def as_messages(messages: Messages) -> tuple[Message, ...]:
    """Return the conversation as a tuple of mappings, checked for shape.

    Raises `RequestError` for an empty conversation, an unknown role, content of the wrong type, or a message that is no
    mapping.
    """
    if isinstance(messages, str):
        if not messages:
            raise RequestError("the prompt is empty: pass a non-empty string or a list of messages")
        return ({"role": "user", "content": messages},)
    if isinstance(messages, Mapping):
        raise RequestError("messages must be a list of mappings; got a single mapping: wrap it in a list")
    if not isinstance(messages, Sequence) or isinstance(messages, bytes | bytearray):
        raise RequestError(f"messages must be a string or a list of mappings, not {type(messages).__name__}")
    if not messages:
        raise RequestError("messages is empty: pass at least one message")
    return tuple(_checked(message, position) for position, message in enumerate(messages))


def _checked(message: object, position: int) -> Message:
    if not isinstance(message, Mapping):
        kind = type(message).__name__
        raise RequestError(f"messages[{position}] must be a mapping with 'role' and 'content', not {kind}")
    known = cast(Message, message)
    role = known.get("role")
    if not isinstance(role, str) or role not in ROLES:
        # A role is one short word: whatever is longer is content in the wrong place, and content is not shown.
        shown = repr(role) if isinstance(role, str) and len(role) <= _LONGEST_ROLE else f"a {type(role).__name__}"
        raise RequestError(f"messages[{position}] has {shown} for a role; it must be one of {', '.join(sorted(ROLES))}")
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
