"""Which conversation a request continues, so that it can stay where its prefix is cached.

Three ways to know, the first that applies: the caller's `conversation=`; the digest of the messages up to the last
answer, which is what was remembered when that answer was given; what `reply.message` says of where it came from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, cast

from modelroute.types.facts import Affinity
from modelroute.types.messages import PROVENANCE

if TYPE_CHECKING:
    from modelroute.resilience.experience import Experience
    from modelroute.types.messages import Message
    from modelroute.types.reply import Reply
    from modelroute.types.request import Request

__all__ = ["affinity_of", "digest", "remember"]


def affinity_of(messages: Sequence[Message], conversation: str | None, experience: Experience) -> Affinity | None:
    """Return where this conversation has been, or `None` when it is new or unknown."""
    last = _last_answer(messages)
    if last is None and conversation is None:
        return None
    known = experience.affinity(conversation) if conversation is not None else None
    if known is None and last is not None:
        known = experience.affinity(digest(messages[: last + 1])) or _from_provenance(messages[last])
    if known is None:
        return None
    bound = messages[-1].get("role") == "tool"
    return Affinity(known.target, known.cached_tokens, bound) if bound else known


def remember(request: Request, reply: Reply, conversation: str | None, experience: Experience) -> tuple[str, Affinity]:
    """Remember, and return, that this conversation is at `reply.target`, its prompt presumably in the cache there."""
    tokens = reply.usage.input_tokens if reply.usage is not None else 0
    affinity = Affinity(reply.target, tokens)
    key = conversation if conversation is not None else digest((*request.messages, reply.message))
    experience.remember(key, affinity)
    return key, affinity


def digest(messages: Sequence[Message]) -> str:
    """Return a digest of roles, contents and tool calls; our own key and other additions do not count."""
    state = blake2b(digest_size=16)
    for message in messages:
        content = message.get("content")
        text = content if isinstance(content, str) else "" if content is None else _canonical(content)
        calls = message.get("tool_calls")
        called = _canonical(calls) if calls else ""
        # With the lengths in front, no text can pass for the end of its message and the beginning of another.
        head = f"{message.get('role')} {len(text)} {len(called)}\0"
        state.update((head + text + called).encode("utf-8", "surrogatepass"))
    return state.hexdigest()


def _canonical(value: object) -> str:
    try:
        return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    except (TypeError, ValueError, RecursionError):
        return ""  # no JSON: the encoder refuses it, with the reason


def _last_answer(messages: Sequence[Message]) -> int | None:
    for position in range(len(messages) - 1, -1, -1):
        if messages[position].get("role") == "assistant":
            return position
    return None


def _from_provenance(message: Message) -> Affinity | None:
    provenance = message.get(PROVENANCE)
    if isinstance(provenance, Mapping):
        target = cast(Mapping[str, object], provenance).get("target")
        if isinstance(target, str):
            return Affinity(target, 0)
    return None
