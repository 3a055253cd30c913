"""What is sent to the model, checked for what cannot be meant: what a provider says of it comes late and costs.

Only the shape is checked here. Whether a target takes a value is its profile's to say (`providers.fit`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

from modelroute.errors import RequestError, did_you_mean, shown
from modelroute.runtime.options import Names, names
from modelroute.runtime.words import OURS, refuse_misspelled
from modelroute.types.request import JsonSchema

__all__ = ["checked", "one_choice", "optional_from", "output_cap_of", "taken_schema", "tool_choice_of", "tools_of"]

_ESSENTIAL = frozenset({"extra_body", "max_completion_tokens", "max_tokens", "messages", "response_format", "tools"})
_DISPENSABLE = frozenset({"effort", "tool_choice"})
_CHOICES = frozenset({"auto", "none", "required"})

_TOOL = "{'type': 'function', 'function': {'name': ..., 'description': ..., 'parameters': {...}}}"


def checked(sent: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters with those whose shape is known checked; `None` is "not said" and left out.

    Raises `RequestError` naming the parameter and what it takes.
    """
    found: dict[str, object] = {}
    for name, value in sent.items():
        if value is None:
            continue
        check = _CHECKS.get(name)
        found[name] = value if check is None else check(name, value)
    return found


def one_choice(parameters: Mapping[str, object]) -> None:
    """Refuse more than one answer: a reply holds one, and the others would be paid for and lost."""
    choices = parameters.get("n")
    if choices is not None and (isinstance(choices, bool) or not isinstance(choices, int) or choices != 1):
        raise RequestError(
            f"n= can only be 1, not {shown(choices)}: a reply holds one answer, and the others would be paid for and "
            "lost. Call several times instead."
        )


def output_cap_of(asking: Mapping[str, object]) -> int | None:
    """Return the caller's own limit on output tokens, by either of its names."""
    for name in ("max_completion_tokens", "max_tokens"):
        value = asking.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise RequestError(f"{name}= must be a whole number of at least 1, not {shown(value)}")
        return value
    return None


def optional_from(value: Names) -> frozenset[str]:
    """Return the parameters to leave out where a target refuses them.

    Raises `RequestError` for a name that is nearly a known one, and for what cannot be left out: what routes the call,
    and what it is about.
    """
    found = names(value, "optional")
    for name in sorted(found):
        if name in _ESSENTIAL or (name in OURS and name not in _DISPENSABLE):
            raise RequestError(
                f"optional= names parameters that may be left out, such as 'temperature' or 'effort', and {name!r} is "
                "never left out: take it out of optional="
            )
    refuse_misspelled(found)
    return found


def tools_of(value: object) -> tuple[Mapping[str, object], ...]:
    """Return the tools as they were written, each with a type, and each function with a name."""
    if value is None:
        return ()
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise RequestError(f"tools= must be a list of tools, each like {_TOOL}")
    return tuple(_tool(tool, place) for place, tool in enumerate(cast(Iterable[object], value)))


def _tool(tool: object, place: int) -> Mapping[str, object]:
    if not isinstance(tool, Mapping):
        raise RequestError(f"tools[{place}] must be a mapping, not a {type(tool).__name__}; write {_TOOL}")
    written = cast(Mapping[str, object], tool)
    kind = written.get("type")
    if not isinstance(kind, str) or not kind:
        raise RequestError(f"tools[{place}] has no 'type'; write {_TOOL}")
    if kind != "function":
        return written
    function = written.get("function")
    if not isinstance(function, Mapping):
        flat = " (its 'name' stands beside the 'type', as in the Responses API)" if "name" in written else ""
        raise RequestError(f"tools[{place}] has no 'function' with a 'name'{flat}; write {_TOOL}")
    described = cast(Mapping[str, object], function)
    name, parameters = described.get("name"), described.get("parameters")
    if not isinstance(name, str) or not name:
        raise RequestError(f"tools[{place}]['function'] has no 'name'; write {_TOOL}")
    if parameters is not None and not isinstance(parameters, Mapping):
        raise RequestError(f"tools[{place}]['function']['parameters'] must be a JSON Schema; write {_TOOL}")
    return written


def tool_choice_of(value: object, tools: Sequence[Mapping[str, object]]) -> str | Mapping[str, object] | None:
    """Return which tool to call as it was written; a function that is named must be one of `tools`."""
    if value is None or (isinstance(value, str) and value in _CHOICES):
        return value
    choice = _fields(value)
    named = _fields(choice.get("function")).get("name")
    if not choice or (choice.get("type") == "function" and not isinstance(named, str)):
        raise RequestError(
            "tool_choice= must be 'auto', 'none', 'required' or {'type': 'function', 'function': {'name': ...}}, "
            f"not {shown(value)}"
        )
    if tools and isinstance(named, str):
        known = [str(_fields(tool.get("function")).get("name")) for tool in tools]
        if named not in known:
            hint = did_you_mean(named, known)
            raise RequestError(f"tool_choice= names the function {shown(named)}, which is not among tools=.{hint}")
    return choice


def taken_schema(sent: dict[str, object]) -> JsonSchema | None:
    """Take a json_schema response format out of `sent`, so that each target gets it the way it takes schemas."""
    form = _fields(sent.get("response_format"))
    if form.get("type") != "json_schema":
        return None
    described = _fields(form.get("json_schema"))
    schema = described.get("schema")
    if not isinstance(schema, Mapping):
        raise RequestError(
            "response_format of type 'json_schema' needs {'json_schema': {'name': ..., 'schema': {...}}}"
        )
    del sent["response_format"]
    name = described.get("name")
    return JsonSchema(name if isinstance(name, str) and name else "answer", cast(Mapping[str, object], schema))


def _fields(value: object) -> Mapping[str, object]:
    return cast(Mapping[str, object], value) if isinstance(value, Mapping) else {}


# -------------------------------------------------------------------------------------------------- one parameter each


def _number(name: str, value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -math.inf < value < math.inf:
        raise RequestError(f"{name}= must be a number, not {shown(value)}")
    return value


def _share(name: str, value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise RequestError(f"{name}= must be a number from 0 to 1, not {shown(value)}")
    return value


def _not_negative(name: str, value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise RequestError(f"{name}= must be a number of at least 0, not {shown(value)}")
    return value


def _whole(name: str, value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int):
        raise RequestError(f"{name}= must be a whole number, not {shown(value)}")
    return value


def _count(name: str, value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise RequestError(f"{name}= must be a whole number of at least 0, not {shown(value)}")
    return value


def _yes_or_no(name: str, value: object) -> object:
    if not isinstance(value, bool):
        raise RequestError(f"{name}= must be True or False, not {shown(value)}")
    return value


def _texts(name: str, value: object) -> object:
    if isinstance(value, str) and value:
        return value
    found = _listed(value)
    if found is not None and all(isinstance(each, str) and each for each in found):
        return found or None
    raise RequestError(f"{name}= must be a text or a list of texts, none of them empty, not {shown(value)}")


def _listed(value: object) -> list[object] | None:
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | bytearray | Mapping):
        return None
    return list(cast(Iterable[object], value))


def _form(name: str, value: object) -> object:
    if isinstance(value, type):
        raise RequestError(
            f"{name}= takes OpenAI's mapping, not a type: use router.parse(messages, {value.__name__}), "
            "which validates the answer too"
        )
    if not isinstance(_fields(value).get("type"), str):
        raise RequestError(
            f"{name}= must be a mapping with a 'type', such as {{'type': 'json_object'}}, not {shown(value)}"
        )
    return value


_CHECKS: Mapping[str, Callable[[str, object], object]] = {
    "temperature": _not_negative,
    "top_p": _share,
    "presence_penalty": _number,
    "frequency_penalty": _number,
    "stop": _texts,
    "seed": _whole,
    "response_format": _form,
    "parallel_tool_calls": _yes_or_no,
    "logprobs": _yes_or_no,
    "top_logprobs": _count,
}
