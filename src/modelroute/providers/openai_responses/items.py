"""A conversation as the input items of Responses: messages, calls and results side by side, each call id once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from modelroute.providers.openai_responses.blocks import KEPT, customs, restore
from modelroute.providers.openai_responses.tools import tool_name
from modelroute.providers.parts import fields, image_url, parts_of, text, tool_calls_of
from modelroute.types.messages import PROVENANCE, Message
from modelroute.wire.fields import as_list
from modelroute.wire.json import dumps

if TYPE_CHECKING:
    from modelroute.catalog.model import Target
    from modelroute.providers.profile import Profile
    from modelroute.types.request import Request

__all__ = ["input_items", "output_parts"]

_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")
_LONGEST_ID = 64
_SPOKEN = frozenset({"text", "output_text", "input_text"})


def input_items(
    messages: Sequence[Message], request: Request, target: Target, profile: Profile
) -> list[Mapping[str, object]]:
    """Return `messages`, which may be `request`'s with more instructions, as items for `target`."""
    history = _History(request, target, profile)
    return [item for message in messages for item in history.items(message)]


def _after_name(message: Message, said: str | list[Mapping[str, object]]) -> str | list[Mapping[str, object]]:
    """Return what a user says behind his name, where he gives one: there is no field for it."""
    name = text(message.get("name"))
    if not name or not said:
        return said
    return f"{name}: {said}" if isinstance(said, str) else [{"type": "input_text", "text": f"{name}:"}, *said]


def output_parts(message: Message) -> list[Mapping[str, object]]:
    """Return what an assistant said as the parts of an output message: texts, and refusals where it declined."""
    parts: list[Mapping[str, object]] = []
    for part in parts_of(message):
        if text(part.get("refusal")):
            parts.append({"type": "refusal", "refusal": part["refusal"]})
        elif text(part.get("text")):
            parts.append({"type": "output_text", "text": part["text"]})
    declined = text(message.get("refusal"))
    return [{"type": "refusal", "refusal": declined}] if declined and not parts else parts


class _History:
    """The items so far: the ids given to calls, and which calls were of custom tools."""

    def __init__(self, request: Request, target: Target, profile: Profile) -> None:
        self._target = target
        self._profile = profile
        self._custom_tools = {tool_name(tool) for tool in request.tools if tool.get("type") == "custom"}
        self._custom_calls: set[str] = set()
        self._call_ids = _CallIds()
        self._item_ids: set[str] = set()

    def items(self, message: Message) -> list[Mapping[str, object]]:
        role = message.get("role")
        if role == "assistant":
            return self._assistant(message)
        if role == "tool":
            identity = self._call_ids.answered(text(message.get("tool_call_id")))
            kind = "custom_tool_call_output" if identity in self._custom_calls else "function_call_output"
            return [{"type": kind, "call_id": identity, "output": _content(message, self._profile)}]
        if role == "developer":
            role = self._profile.developer_role
        said = _content(message, self._profile)
        return [{"role": role, "content": _after_name(message, said) if role == "user" else said}]

    def _assistant(self, message: Message) -> list[Mapping[str, object]]:
        provenance = fields(message.get(PROVENANCE))
        # Encrypted reasoning is for the model that wrote it; every other one refuses it.
        own = provenance.get("provider") == self._target.provider and provenance.get("model") == self._target.model.name
        kept = as_list(fields(provenance.get("blocks")).get(KEPT)) if own else ()
        self._call_ids.turn()
        were_custom = customs(kept)
        stated = tool_calls_of(message)
        calls = [self._call(call, text(call.get("id")) in were_custom) for call in stated]
        parts = output_parts(message)
        if kept and all(part["type"] == "output_text" for part in parts):
            said = "".join(text(part.get("text")) for part in parts)
            by_id = dict(zip((text(call.get("id")) for call in stated), calls, strict=True))
            exact = restore(kept, said, by_id, self._item_ids) if len(by_id) == len(calls) else None
            if exact is not None:
                return exact
        return [*([{"type": "message", "role": "assistant", "content": parts}] if parts else []), *calls]

    def _call(self, call: Mapping[str, object], was_custom: bool) -> Mapping[str, object]:
        custom = fields(call.get("custom"))
        function = custom or fields(call.get("function"))
        name = text(function.get("name"))
        identity = self._call_ids.new(text(call.get("id")))
        if custom or was_custom or name in self._custom_tools:
            self._custom_calls.add(identity)
            written = text(custom.get("input")) or text(function.get("arguments"))
            return {"type": "custom_tool_call", "call_id": identity, "name": name, "input": written}
        arguments = function.get("arguments")
        # An empty text is no JSON, which some demand of arguments; it meant none.
        written = text(arguments) or dumps(fields(arguments)).decode()
        return {"type": "function_call", "call_id": identity, "name": name, "arguments": written}


class _CallIds:
    """Ids of calls that Responses takes: at most 64 letters, digits, ``_`` and ``-``, each once in a conversation.

    Some servers count their calls anew in every answer, so a result belongs to the latest turn that used its id, and
    results of calls that share an id within a turn belong to them in order.
    """

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._open: dict[str, list[str]] = {}
        self._this_turn: set[str] = set()

    def turn(self) -> None:
        """Another turn begins."""
        self._this_turn.clear()

    def new(self, original: str) -> str:
        legal = base = _legal(original)
        number = 1
        while legal in self._used:
            number += 1
            legal = f"{base[: _LONGEST_ID - len(str(number)) - 1]}_{number}"
        self._used.add(legal)
        if original not in self._this_turn:
            self._this_turn.add(original)
            self._open[original] = []
        self._open[original].append(legal)
        return legal

    def answered(self, original: str) -> str:
        waiting = self._open.get(original)
        if not waiting:
            return _legal(original)
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


def _legal(identity: str) -> str:
    return _ILLEGAL.sub("_", identity)[:_LONGEST_ID] or "call"


def _content(message: Message, profile: Profile) -> str | list[Mapping[str, object]]:
    """Return the content of a message that is no assistant's: text, or input parts."""
    content = message.get("content")
    if content is None or isinstance(content, str):
        return content or ""
    parts = parts_of(message)
    if not profile.cache_marks:
        parts = [{name: value for name, value in part.items() if name != "cache_control"} for part in parts]
    if text(message.get("role")) not in profile.text_lists and all(map(_is_text, parts)):
        return "\n".join(_words(part) for part in parts)
    return [_input(part) for part in parts]


def _words(part: Mapping[str, object]) -> str:
    return text(part.get("text")) or text(part.get("refusal"))


def _is_text(part: Mapping[str, object]) -> bool:
    """Whether a part says nothing but words."""
    return len(part) == 2 and text(part.get("type")) in _SPOKEN | {"refusal"} and bool(_words(part))


def _input(part: Mapping[str, object]) -> Mapping[str, object]:
    """Return a content part as an input part; what is in no need of other words goes as it is."""
    kind = text(part.get("type"))
    more = {name: value for name, value in part.items() if name not in {"type", kind}}
    if kind in _SPOKEN or kind == "refusal":
        return {**more, "type": "input_text", "text": _words(part)}
    if kind == "image_url":
        stated = fields(part.get(kind))
        return {**more, "type": "input_image", "image_url": image_url(part), "detail": stated.get("detail") or "auto"}
    if kind == "file":
        return {**more, "type": "input_file", **fields(part.get(kind))}
    return part
