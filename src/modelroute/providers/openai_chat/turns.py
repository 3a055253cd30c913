"""A conversation as the messages of Chat Completions: what came from elsewhere, made legal at one provider.

Messages are written in Chat Completions' own words, so most go out as they are. What changes: what is ours and what
another provider said of its thinking is taken out, ids of tool calls become legal, and what a provider takes in another
place or another order moves there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from modelroute.providers.parts import fields, parts_of, text, tool_calls_of
from modelroute.providers.profile import NO_FIELDS, Echo, EchoAs, Profile
from modelroute.providers.tool_ids import ToolIds
from modelroute.types.messages import PROVENANCE, Message

if TYPE_CHECKING:
    from modelroute.catalog.model import Target

__all__ = ["turns"]

_NOT_SENT = frozenset({PROVENANCE, "annotations", "refusal", "reasoning_content", "reasoning", "reasoning_details"})
_NOT_SENT_OF_CALLS = frozenset({"extra_content", "index"})
_TEXTS = frozenset({"text", "refusal"})
_INSTRUCTIONS = frozenset({"system", "developer"})
_PLAIN = frozenset({"system", "user"})

_Part = Mapping[str, object]


def turns(messages: Sequence[Message], target: Target, profile: Profile) -> list[Mapping[str, object]]:
    """Return `messages` as `target` takes them; they themselves are left alone."""
    if len(messages) == 1 and _is_plain(messages[0]):
        return [messages[0]]  # nearly every first call of a conversation
    if profile.one_system:
        messages = _with_one_system(messages)
    return _Turns(target, profile).of(messages)


def _with_one_system(messages: Sequence[Message]) -> Sequence[Message]:
    """Return `messages` with all instructions in one, in front: many templates know no other place for them."""
    said = [message for message in messages if message.get("role") in _INSTRUCTIONS]
    if not said or (len(said) == 1 and said[0] is messages[0]):
        return messages
    joined = "\n\n".join(filter(None, (_words(parts_of(message), "\n") for message in said)))
    rest = [message for message in messages if message.get("role") not in _INSTRUCTIONS]
    return [{"role": "system", "content": joined}, *rest]


def _is_plain(message: Message) -> bool:
    """Whether a message of the user's or of the system's is nothing but role and text: it goes as it is."""
    return message.get("role") in _PLAIN and len(message) == 2 and isinstance(message.get("content"), str)


class _Turns:
    def __init__(self, target: Target, profile: Profile) -> None:
        self._target = target
        self._profile = profile
        self._ids = ToolIds(profile.tool_ids)
        self._sent: list[Mapping[str, object]] = []
        self._moved: list[_Part] = []
        """Parts of the latest results that the provider does not take in a result."""

    def of(self, messages: Sequence[Message]) -> list[Mapping[str, object]]:
        profile = self._profile
        for message in messages:
            role = message.get("role")
            if role == "tool":
                self._sent.append(self._result(message))
                continue
            if not self._moved and _is_plain(message):  # nearly every message
                self._bridge()
                self._sent.append(message)
                continue
            moved = role == "user" and bool(self._moved)
            if self._moved and not moved:
                self._show_moved()
            if role == "assistant":
                self._sent.append(self._taken(self._assistant(message), message))
                continue
            self._bridge()
            self._sent.append(self._with_moved(message) if moved else self._other(message))
        if self._moved:
            self._show_moved()
        last = self._sent[-1] if self._sent else NO_FIELDS
        if profile.prefill_mark and last.get("role") == "assistant" and not last.get("tool_calls"):
            self._sent[-1] = {**last, profile.prefill_mark: True}
        return self._sent

    def _bridge(self) -> None:
        if self._profile.bridge and self._sent and self._sent[-1].get("role") == "tool":
            self._sent.append({"role": "assistant", "content": self._profile.bridge})

    def _show_moved(self) -> None:
        self._bridge()
        self._sent.append({"role": "user", "content": self._moved})
        self._moved = []

    def _with_moved(self, message: Message) -> Message:
        """Return the user's own message behind what the tools found: two of the user's in a row are often refused."""
        said = self._other(message)
        shown, self._moved = self._moved, []
        return {**said, "content": [*shown, *parts_of(said)]}

    # ------------------------------------------------------------------------------------------- one message of a kind

    def _other(self, message: Message) -> Message:
        """A message of the user's or of the system's."""
        role = text(message.get("role"))
        sent = self._taken(message, message)
        if role == "developer" and self._profile.developer_role != role:
            sent = {**sent, "role": self._profile.developer_role}
        content = message.get("content")
        if not (content is None or isinstance(content, str)):
            sent = {**sent, "content": self._content(parts_of(message), role)}
        name = message.get("name")
        if role == "user" and name and isinstance(name, str) and "name" not in sent:
            return {**sent, "content": _after(f"{name}: ", sent.get("content"))}
        return sent

    def _result(self, message: Message) -> Message:
        identity = self._ids.result(text(message.get("tool_call_id")))
        sent = {**self._taken(message, message), "tool_call_id": identity}
        content = message.get("content")
        if content is None or isinstance(content, str):
            return sent
        parts, taken = parts_of(message), self._profile.tool_parts
        moved = [] if taken is None else [part for part in parts if text(part.get("type")) not in taken]
        if not moved:
            sent["content"] = self._content(parts, "tool")
            return sent
        here = [part for part in parts if text(part.get("type")) in _TEXTS]
        sent["content"] = _words(here, "\n") or "The result follows in the next message."
        shown = self._content(moved, "user")
        self._moved.append({"type": "text", "text": f"From the result of tool call {identity}:"})
        self._moved += shown if isinstance(shown, list) else [{"type": "text", "text": shown}]
        return sent

    def _assistant(self, message: Message) -> dict[str, object]:
        """An assistant's turn: without what is ours, with what its own provider wants back."""
        profile = self._profile
        sent = {name: value for name, value in message.items() if name not in _NOT_SENT}
        content = sent.get("content")
        if content is not None and not isinstance(content, str):
            content = self._content(parts_of(message), "assistant")
        calls = self._calls(message)
        if calls:
            sent["tool_calls"] = calls
        else:
            sent.pop("tool_calls", None)
        content = content or text(message.get("refusal")) or (content if calls else "")
        sent["content"] = profile.blank_content if not content and profile.blank_content is not None else content
        if "reasoning_details" in profile.keeps:
            kept = self._kept(message, "reasoning_details")
            if kept:
                sent["reasoning_details"] = kept
        if profile.echo is not Echo.NEVER:
            self._think(message, sent)
        return sent

    def _think(self, message: Message, sent: dict[str, object]) -> None:
        """Put the reasoning back where the provider looks for it."""
        profile = self._profile
        reasoning = self._reasoning(message)
        if profile.echo_as is EchoAs.FIELD:
            must = profile.echo is Echo.ALWAYS or (profile.echo is Echo.WITH_TOOLS and "tool_calls" in sent)
            if reasoning is not None or must:
                sent[profile.echo_field] = reasoning or ""
        elif reasoning and profile.echo_as is EchoAs.TAGS:
            sent["content"] = _after(f"<think>{reasoning}</think>", sent["content"])
        elif reasoning:
            thought = {"type": "thinking", "thinking": [{"type": "text", "text": reasoning}]}
            sent["content"] = [thought, *(part for part in parts_of(sent) if part.get("text") != "")]

    def _reasoning(self, message: Message) -> str | None:
        """Return the reasoning to send back: this provider's own, or what the caller wrote in its field."""
        field = self._profile.echo_field
        provenance = fields(message.get(PROVENANCE))
        kept = fields(provenance.get("blocks")).get(field)
        if provenance.get("provider") == self._target.provider and isinstance(kept, str):
            return kept
        written = message.get(field)
        return written if isinstance(written, str) else None

    def _kept(self, message: Message, block: str) -> object:
        """Return what this very model gave to be sent back; or what the caller kept, where it is not known whose."""
        provenance = fields(message.get(PROVENANCE))
        if not provenance:
            return message.get(block)
        target = self._target
        own = provenance.get("provider") == target.provider and provenance.get("model") == target.model.name
        return fields(provenance.get("blocks")).get(block) if own else None

    def _calls(self, message: Message) -> list[Mapping[str, object]]:
        calls, profile = tool_calls_of(message), self._profile
        if not calls:
            return []
        identities = self._ids.turn([text(call.get("id")) for call in calls])
        keeps = "extra_content" in profile.keeps
        kept = fields(self._kept(message, "extra_content")) if keeps else NO_FIELDS
        sent: list[Mapping[str, object]] = []
        for call, identity in zip(calls, identities, strict=True):
            said = {name: value for name, value in call.items() if name not in _NOT_SENT_OF_CALLS}
            said["id"] = identity
            if not said.get("type"):
                said["type"] = "function"
            function = fields(call.get("function"))
            if function and not function.get("arguments"):  # many servers read it as JSON
                said["function"] = {**function, "arguments": "{}"}
            if keeps:
                written = None if PROVENANCE in message else call.get("extra_content")
                extra = kept.get(text(call.get("id"))) or written
                if extra:
                    said["extra_content"] = extra
                elif not sent:
                    said |= profile.foreign_call
            sent.append(said)
        return sent

    # --------------------------------------------------------------------------------------------------------- content

    def _taken(self, sent: Message, message: Message) -> dict[str, object]:
        """Return the fields of a message that the provider takes."""
        allowed = self._profile.message_fields
        if allowed is None:
            return {name: value for name, value in sent.items() if name != PROVENANCE}
        added = sent.keys() - message.keys()  # what the encoder put there is wanted
        return {name: value for name, value in sent.items() if name in allowed or name in added}

    def _content(self, parts: Sequence[_Part], role: str) -> str | list[_Part]:
        """Return parts without marks that nobody reads, and as one text where a list is not taken."""
        profile = self._profile
        if role != "assistant":
            parts = [_as_text(part) if part.get("type") == "refusal" else part for part in parts]
        if not profile.cache_marks:
            parts = [{name: value for name, value in part.items() if name != "cache_control"} for part in parts]
        if role in profile.text_lists or not all(map(_is_text, parts)):
            return list(parts)
        # A model's own parts are one text cut into pieces; those of others are paragraphs.
        return _words(parts, "" if role == "assistant" else "\n")


def _words(parts: Sequence[_Part], between: str) -> str:
    return between.join(text(part.get("text")) or text(part.get("refusal")) for part in parts)


def _as_text(part: _Part) -> _Part:
    """Return a refusal as text, which is what it is in any turn but the assistant's own."""
    return {"type": "text", "text": text(part.get("refusal"))}


def _after(words: str, content: object) -> object:
    """Return content that begins with `words`."""
    if isinstance(content, list):
        return [{"type": "text", "text": words}, *cast(list[object], content)]
    return words + text(content)


def _is_text(part: _Part) -> bool:
    """Whether a part says nothing but words: no cache mark, nothing of a provider's own."""
    kind = text(part.get("type"))
    return kind in _TEXTS and part.keys() == {"type", kind} and isinstance(part[kind], str)
