"""The shape an event must have to mean anything: what `wire.fields` reads as absent here makes the event garbled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from modelroute.errors import RequestError
from modelroute.wire.errors import GarbledError
from modelroute.wire.json import dumps

__all__ = ["a_list", "a_mapping", "a_text", "written"]


def a_mapping(value: object, what: str) -> Mapping[str, object]:
    """Return `value`, which must be a JSON object."""
    if not isinstance(value, dict):
        raise GarbledError(f"{what} is not an object")
    return cast(Mapping[str, object], value)


def a_list(value: object, what: str) -> Sequence[object]:
    """Return `value`, which must be a JSON array."""
    if not isinstance(value, list):
        raise GarbledError(f"{what} is not a list")
    return cast(Sequence[object], value)


def a_text(value: object, what: str) -> str:
    """Return `value`, which must be a string."""
    if not isinstance(value, str):
        raise GarbledError(f"{what} is not text")
    return value


def written(arguments: Mapping[str, object]) -> str:
    """Return the arguments of a tool call, which came as an object, as the JSON text they are everywhere else."""
    try:
        return dumps(arguments).decode()
    except RequestError:
        raise GarbledError("the arguments of a tool call are an object that JSON has no words for") from None
