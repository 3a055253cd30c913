"""A reply as bytes and back, exactly: what an idempotency key keeps, readable by every process that shares a store.

Versioned JSON, and each field by its own declared type: a field of a type that nobody knows how to write fails when
this module is loaded, not when a reply is lost.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from enum import Enum
from typing import Any, cast

from modelroute.money import Money
from modelroute.types.attempt import Attempt
from modelroute.types.decision import ConstraintPrice, Decision, Ranked, Reason, Rejected, ScoreQuote
from modelroute.types.failure import Failure, Kind, Seen
from modelroute.types.logprobs import TokenLogprob, TopLogprob
from modelroute.types.reply import Reply, ToolCall
from modelroute.types.usage import Usage

__all__ = ["VERSION", "UnreadableReplyError", "decode", "encode"]

VERSION = 1
"""Raised when a field changes its meaning. A field that was added with a default keeps it: old bytes stay readable."""


class UnreadableReplyError(ValueError):
    """These bytes are no reply that this version can read; the message says why. Internal."""


def encode(reply: Reply) -> bytes:
    """Return `reply` as bytes: ``decode(encode(reply)) == reply``. Of a `Parsed` its `value` is left out.

    Raises `TypeError` where the reply holds what JSON has no word for.
    """
    return json.dumps({"version": VERSION, "reply": _REPLY.write(reply)}, separators=(",", ":")).encode("ascii")


def decode(data: bytes) -> Reply:
    """Return the reply that was encoded. Raises `UnreadableReplyError`, and nothing else, for any other bytes."""
    try:
        document = json.loads(data)
        version = document["version"]
        if version != VERSION:
            raise UnreadableReplyError(f"it is of version {version!r:.20}, and this one reads {VERSION}")
        return cast(Reply, _REPLY.read(document["reply"]))
    except UnreadableReplyError:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnreadableReplyError(f"it is no stored reply ({type(error).__name__})") from None


@dataclass(frozen=True, slots=True)
class _Part:
    """How a value is written as JSON and read again. `None` stands for itself where it may."""

    write: Callable[[Any], object]
    read: Callable[[Any], object]


def _checked(*kinds: type) -> _Part:
    """Values that JSON has a word for; anything else is refused both ways, for no field may change its type."""

    def same(value: object) -> object:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise TypeError(type(value).__name__)
        return value

    return _Part(same, same)


def _optional(part: _Part) -> _Part:
    return _Part(
        lambda value: None if value is None else part.write(value),
        lambda plain: None if plain is None else part.read(plain),
    )


def _several(part: _Part) -> _Part:
    def read(plain: object) -> object:
        if not isinstance(plain, list):
            raise TypeError(type(plain).__name__)
        return tuple(map(part.read, cast(list[object], plain)))

    return _Part(lambda values: [part.write(value) for value in cast(Sequence[object], values)], read)


def _word(kind: type[Enum]) -> _Part:
    return _Part(lambda member: member.value, kind)


def _json_object(value: object) -> object:
    if not isinstance(value, Mapping):
        raise TypeError(type(value).__name__)
    return dict(cast(Mapping[str, object], value))


_TEXT, _WHOLE, _YES_NO = _checked(str), _checked(int), _checked(bool)
_MONEY = _Part(lambda money: money.pico, lambda pico: Money.from_pico(cast(int, _WHOLE.read(pico))))
_BYTES = _Part(lambda data: base64.b64encode(data).decode("ascii"), lambda text: base64.b64decode(text, validate=True))

# By the words of the declarations themselves, so that none can be forgotten.
_PARTS: dict[str, _Part] = {
    "str": _TEXT,
    "int": _WHOLE,
    "float": _checked(float, int),
    "bool": _YES_NO,
    "bytes": _BYTES,
    "Money": _MONEY,
    "Kind": _word(Kind),
    "Seen": _word(Seen),
    "tuple[str, ...]": _several(_TEXT),
    "Mapping[str, object]": _Part(_json_object, _json_object),
}


def _part(declared: str) -> _Part:
    bare = declared.removesuffix(" | None")
    return _PARTS[bare] if bare == declared else _optional(_PARTS[bare])


def _record(kind: type[Any]) -> _Part:
    """Return how a dataclass is written: by field. A field with a default may be missing, an unknown one may not be."""
    parts = {each.name: _part(cast(str, each.type)) for each in fields(kind)}
    required = {each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING}
    made = _of_parts(parts, required, kind)
    _PARTS[kind.__name__] = made
    _PARTS[f"tuple[{kind.__name__}, ...]"] = _several(made)
    return made


def _of_parts(parts: Mapping[str, _Part], required: set[str], make: Callable[..., object]) -> _Part:
    def write(value: object) -> object:
        return {name: part.write(getattr(value, name)) for name, part in parts.items()}

    def read(plain: object) -> object:
        found = cast(Mapping[str, object], _json_object(plain))
        if not required <= found.keys() <= parts.keys():
            raise KeyError
        return make(**{name: parts[name].read(said) for name, said in found.items()})

    return _Part(write, read)


_RECORDS = (
    ScoreQuote, Ranked, Reason, Rejected, ConstraintPrice, Usage, Failure, Attempt, ToolCall, TopLogprob, TokenLogprob,
)  # fmt: skip
for _kind in _RECORDS:
    _record(_kind)

_DECISION = {
    "ranked": "tuple[Ranked, ...]",
    "rejected": "tuple[Rejected, ...]",
    "prices": "tuple[ConstraintPrice, ...]",
    "snapshot": "str",
    "scenario": "str",
    "rules": "tuple[str, ...]",
    "max_cost": "Money | None",
    "objective": "str",
    "constraints": "str",
    "task": "str | None",
    "selector": "str",
    "policy": "str",
    "catalog": "str",
    "now": "float",
    "kept": "str | None",
}
"""A decision computes some of its parts when they are read, so its fields are named here."""


def _decision(*, rejected: tuple[Rejected, ...], **parts: Any) -> Decision:  # noqa: ANN401 - checked by their parts
    return Decision(reject=rejected, **parts)


_PARTS["Decision"] = _of_parts(
    {name: _part(kind) for name, kind in _DECISION.items()},
    set(_DECISION),
    _decision,
)
_REPLY = _record(Reply)
