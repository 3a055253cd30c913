"""Tools and the choice among them in the flat shape of Responses, which the Chat API nests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from modelroute.providers.parts import fields, text

__all__ = ["choice_in_responses", "tool_in_responses", "tool_name"]

_NESTED = ("function", "custom")
_NO_PARAMETERS: Mapping[str, object] = {"type": "object", "properties": {}}


def tool_name(tool: Mapping[str, object]) -> str:
    """Return the name of a tool in either shape, ``""`` where it has none."""
    return text(_flat(tool).get("name"))


def tool_in_responses(tool: Mapping[str, object], *, cache_marks: bool) -> Mapping[str, object]:
    """Return a tool as Responses takes it; one that runs at the provider goes as it is written."""
    kind = text(tool.get("type")) or "function"
    if kind not in _NESTED:
        return tool
    flat = {"type": kind, **_flat(tool)}
    if not cache_marks:
        flat.pop("cache_control", None)
    if kind == "function":
        # What Chat Completions takes for granted the other way round: here a tool is strict unless it says it is not.
        flat["strict"] = bool(flat.get("strict"))
        flat["parameters"] = flat.get("parameters") or _NO_PARAMETERS
    elif fields(fields(flat.get("format")).get("grammar")):
        stated = fields(flat["format"])
        flat["format"] = {"type": stated.get("type"), **fields(stated["grammar"])}
    return flat


def choice_in_responses(choice: str | Mapping[str, object]) -> str | Mapping[str, object]:
    """Return a choice of tool as Responses takes it."""
    if isinstance(choice, str):
        return choice
    allowed = fields(choice.get("allowed_tools"))
    if allowed:
        tools = [_flat(fields(tool)) for tool in _listed(allowed.get("tools"))]
        return {**allowed, "type": "allowed_tools", "tools": tools}
    return _flat(choice)


def _flat(stated: Mapping[str, object]) -> dict[str, object]:
    """Return what is nested under the name of its own type beside that type; anything else as it is."""
    kind = text(stated.get("type")) or next((name for name in _NESTED if fields(stated.get(name))), "")
    inner = fields(stated.get(kind))
    if kind not in _NESTED or not inner:
        return dict(stated)
    return {**{name: value for name, value in stated.items() if name != kind}, "type": kind, **inner}


def _listed(value: object) -> list[object]:
    return list(cast(Sequence[object], value)) if isinstance(value, list | tuple) else []
