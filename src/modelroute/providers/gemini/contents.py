"""The conversation as contents: the user's and the model's turns, signatures in their places, results by their name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from modelroute.errors import RequestError
from modelroute.providers.gemini.blocks import KEPT, SIGNATURE, restore
from modelroute.providers.gemini.media import part_of
from modelroute.providers.parts import fields, parts_of, text, text_of, tool_calls_of
from modelroute.types.messages import PROVENANCE, Message
from modelroute.wire.errors import GarbledError
from modelroute.wire.json import dumps, loads

if TYPE_CHECKING:
    from modelroute.catalog.model import Target
    from modelroute.providers.profile import Profile

__all__ = ["INSTRUCTIONS", "contents_of", "in_front", "instructions_of"]

INSTRUCTIONS = frozenset({"system", "developer"})

_WITHOUT_IDS = ("publishers/", "projects/")
"""How names begin on Vertex AI, where a call has no id."""

# Levels of a body around the arguments of a call, with room to spare.
_AROUND = 12

Part = Mapping[str, object]

_OPENING: Part = {"text": "."}
"""What the user says where a conversation begins with calls, which must follow something; empty text is nothing."""


def instructions_of(messages: Sequence[Message], profile: Profile) -> list[Part]:
    """Return the instructions of system and developer, from wherever they stand; none where the user says them."""
    if profile.developer_role == "user":
        return []
    return [part for message in messages if message.get("role") in INSTRUCTIONS for part in _texts(message)]


def contents_of(messages: Sequence[Message], target: Target, profile: Profile) -> list[Mapping[str, object]]:
    """Return the turns: those of one role behind each other are one, tool results belong to the user's."""
    turns: list[tuple[str, list[Part]]] = []
    calls = _Calls(named=not target.wire_name.startswith(_WITHOUT_IDS))
    for message in messages:
        role = message.get("role")
        if role == "assistant":
            speaker, parts = "model", _model(message, target, profile, calls)
        elif role == "tool":
            speaker, parts = "user", calls.result(message)
        elif role in INSTRUCTIONS and profile.developer_role != "user":
            continue
        else:
            speaker, parts = "user", _user(message)
        if turns and turns[-1][0] == speaker:
            turns[-1][1].extend(parts)
        elif parts or speaker == "user":
            turns.append((speaker, parts))
    if turns and turns[0][0] == "model" and any("functionCall" in part for part in turns[0][1]):
        turns.insert(0, ("user", [_OPENING]))
    return [{"role": speaker, "parts": parts or [{"text": ""}]} for speaker, parts in turns]


def _user(message: Message) -> list[Part]:
    """Return what a user says, behind his name where he gives one: there is no field for it."""
    parts = [part for each in parts_of(message) if (part := part_of(each)) is not None]
    name = text(message.get("name"))
    return [{"text": f"{name}:"}, *parts] if name and parts else parts


def in_front(parts: Sequence[Part], contents: Sequence[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """Return `contents` with `parts` said by the user before all else."""
    if contents and contents[0]["role"] == "user":
        said = cast(Sequence[Part], contents[0]["parts"])
        return [{"role": "user", "parts": [*parts, *said]}, *contents[1:]]
    return [{"role": "user", "parts": list(parts)}, *contents]


def _texts(message: Message) -> list[Part]:
    return [{"text": words} for part in parts_of(message) if (words := text(part.get("text")))]


def _model(message: Message, target: Target, profile: Profile, calls: _Calls) -> list[Part]:
    words = text_of(message)
    parts = dict(calls.made(message))
    provenance = fields(message.get(PROVENANCE))
    # A signature is bound to the model that gave it.
    own = provenance.get("provider") == target.provider and provenance.get("model") == target.model.name
    skeleton = fields(provenance.get("blocks")).get(KEPT) if own else None
    if skeleton:
        turn = list(restore(skeleton, words, parts))
    else:
        turn = [*([{"text": words}] if words else []), *parts.values()]
    if profile.foreign_call:
        _sign(turn, profile.foreign_call)
    return turn


def _sign(turn: list[Part], mark: Mapping[str, object]) -> None:
    """Put `mark` on the first call of a turn, where none of the model's own is: only that one is looked at."""
    for place, part in enumerate(turn):
        if "functionCall" in part:
            if SIGNATURE not in part:
                turn[place] = {**part, **mark}
            return


class _Calls:
    """The calls of a conversation: each id only once, and each result behind its call's name."""

    def __init__(self, *, named: bool) -> None:
        self._named = named
        self._used: set[str] = set()
        self._latest: dict[str, list[tuple[str, str]]] = {}

    def made(self, message: Message) -> list[tuple[str, Part]]:
        """Return the calls of an assistant's message as (its id there, the part)."""
        found: list[tuple[str, Part]] = []
        latest: dict[str, list[tuple[str, str]]] = {}
        for stated in tool_calls_of(message):
            function = fields(stated.get("function"))
            original, name = text(stated.get("id")), text(function.get("name"))
            identity = self._new(original)
            call: dict[str, object] = {"id": identity} if self._named else {}
            call |= {"name": name, "args": _arguments(function.get("arguments"))}
            part: dict[str, object] = {"functionCall": call}
            signature = _carried(stated)
            if signature:
                part[SIGNATURE] = signature
            found.append((identity if original in latest else original, part))
            latest.setdefault(original, []).append((identity, name))
        self._latest |= latest
        return found

    def result(self, message: Message) -> list[Part]:
        """Return the parts of a tool's message: its result, and behind it what else than text it found."""
        original = text(message.get("tool_call_id"))
        waiting = self._latest.get(original) or [(original, "")]
        identity, name = waiting.pop(0) if len(waiting) > 1 else waiting[0]  # of several with one id, the next
        answer: dict[str, object] = {"id": identity} if self._named and identity else {}
        answer["name"] = name or text(message.get("name")) or original or "tool"
        answer["response"] = _response(text_of(message))
        others = [
            part for each in parts_of(message) if text(each.get("type")) not in {"text", "refusal"}
            and (part := part_of(each)) is not None
        ]  # fmt: skip
        return [{"functionResponse": answer}, *others]

    def _new(self, original: str) -> str:
        identity = base = original or "call"
        number = 1
        while identity in self._used:
            number += 1
            identity = f"{base}_{number}"
        self._used.add(identity)
        return identity


def _carried(call: Mapping[str, object]) -> str:
    """Return the signature a call brings from Google's OpenAI-compatible API, as the caller kept it."""
    return text(fields(fields(call.get("extra_content")).get("google")).get("thought_signature"))


def _arguments(arguments: object) -> Mapping[str, object]:
    """Return a call's arguments as the object they are here; what is none, and another model wrote, is kept as text."""
    if not isinstance(arguments, str):
        return fields(arguments)
    if not arguments.strip():
        return {}
    value = _object(arguments)
    return {"arguments": arguments} if value is None else value


def _response(words: str) -> Mapping[str, object]:
    """Return a tool's result as the object it must be: itself if it is one, else under ``output``."""
    value = _object(words)
    return {"output": words} if value is None else value


def _object(words: str) -> Mapping[str, object] | None:
    """Return the JSON object that `words` are, if they are one that can be sent on."""
    if not words.lstrip().startswith("{"):
        return None
    try:
        value: object = loads(words)
        deeper = value
        for _ in range(_AROUND):
            deeper = [deeper]
        dumps(deeper)
    except (GarbledError, RequestError):
        return None
    return fields(cast(object, value)) if isinstance(value, dict) else None
