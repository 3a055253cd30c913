"""Tools and the choice among them: functions declared with their schemas, Gemini's own tools as they are."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from modelroute.providers.fit import choice_word
from modelroute.providers.gemini.schema import parameters_schema
from modelroute.providers.parts import fields, text

if TYPE_CHECKING:
    from modelroute.types.request import Request

__all__ = ["tool_obstacle", "tools_of"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_OWN = frozenset(
    {"googleSearch", "googleSearchRetrieval", "googleMaps", "codeExecution", "urlContext", "fileSearch", "computerUse"}
)
"""Tools that run at Google: written ``{"type": "google_search"}``, with their settings beside the type."""

_DESCRIBING = ("properties", "additionalProperties", "$ref", "anyOf", "oneOf", "allOf")


def tool_obstacle(request: Request) -> str | None:
    """Return which of the request's tools cannot be said, a clause, or `None`."""
    for tool in request.tools:
        kind = _kind(tool)
        if kind == "function":
            name = text(fields(tool.get("function")).get("name"))
            if not _NAME.fullmatch(name):
                return (
                    f"does not take a tool of the name {name[:60]!r} (a letter or _ first, then letters, digits, _.:-)"
                )
        elif _camel(kind) not in _OWN:
            return f"has no tool of type {kind[:40]!r} (it has functions, and its own: {', '.join(sorted(_OWN))})"
    word = choice_word(request.tool_choice)
    if request.tools and word not in {"", "auto", "none", "required", "named", "allowed_tools"}:
        return f"has no tool_choice {word[:40]!r}"
    return None


def tools_of(request: Request) -> Mapping[str, object]:
    """Return the fields of the body that tell of tools; none where there are none."""
    if not request.tools:
        return {}
    word = choice_word(request.tool_choice)
    names: Sequence[str] = ()
    required = word == "required"
    if word == "named":
        choice = fields(request.tool_choice)
        names, required = [text(fields(choice.get("function")).get("name")) or text(choice.get("name"))], True
    elif word == "allowed_tools":
        names, required = _allowed(fields(request.tool_choice))
    functions = [fields(tool.get("function")) for tool in request.tools if _kind(tool) == "function"]
    if word == "allowed_tools" and not required:
        # Names go only with a call that must be made; where it may be, the others are not declared.
        functions = [function for function in functions if function.get("name") in names]
    tools: list[Mapping[str, object]] = [_own(tool) for tool in request.tools if _kind(tool) != "function"]
    if functions:
        tools.append({"functionDeclarations": [_declared(function) for function in functions]})
    body: dict[str, object] = {"tools": tools} if tools else {}
    if required:
        calling: dict[str, object] = {"mode": "ANY"}
        if names:
            calling["allowedFunctionNames"] = names
    elif word == "none":
        calling = {"mode": "NONE"}
    elif any(function.get("strict") is True for function in functions):
        calling = {"mode": "VALIDATED"}  # as AUTO, and calls are held to their schemas
    else:
        calling = {"mode": "AUTO"} if word else {}
    if calling and functions:
        body["toolConfig"] = {"functionCallingConfig": calling}
    return body


def _allowed(choice: Mapping[str, object]) -> tuple[Sequence[str], bool]:
    """Return (names, whether one must be called) of an ``allowed_tools`` choice, nested or flat."""
    stated = fields(choice.get("allowed_tools")) or choice
    listed = stated.get("tools")
    tools = cast(Sequence[object], listed) if isinstance(listed, list | tuple) else ()
    names = [text(fields(fields(tool).get("function")).get("name")) or text(fields(tool).get("name")) for tool in tools]
    return [name for name in names if name], stated.get("mode") == "required"


def _kind(tool: Mapping[str, object]) -> str:
    return text(tool.get("type")) or "function"


def _camel(kind: str) -> str:
    first, *others = kind.split("_")
    return first + "".join(other.capitalize() for other in others)


def _own(tool: Mapping[str, object]) -> Mapping[str, object]:
    name = _camel(_kind(tool))
    stated = tool.get(name)
    settings = fields(stated) if stated is not None else {key: item for key, item in tool.items() if key != "type"}
    return {name: settings}


def _declared(function: Mapping[str, object]) -> Mapping[str, object]:
    declared: dict[str, object] = {"name": function.get("name")}
    if function.get("description"):
        declared["description"] = function["description"]
    parameters = fields(function.get("parameters"))
    # A function without parameters says so by their absence: an object of no properties is refused.
    if any(parameters.get(name) for name in _DESCRIBING):
        declared["parametersJsonSchema"] = parameters_schema(parameters)
    return declared
