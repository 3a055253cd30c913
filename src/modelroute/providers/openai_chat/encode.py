"""A request as the body of Chat Completions, for one target and the departures of its profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelroute.providers.bodies import add, put
from modelroute.providers.fit import OURS, effort_of, is_reasoning
from modelroute.providers.openai_chat.turns import turns
from modelroute.providers.parts import fields, parts_of
from modelroute.providers.profile import NO_FIELDS, Profile, SchemaForm, Schemas
from modelroute.providers.schema import inlined_schema, instruction, moonshot_schema, plain_schema, strict_schema
from modelroute.wire.json import dumps

if TYPE_CHECKING:
    from modelroute.catalog.model import Target
    from modelroute.types.request import JsonSchema, Request

__all__ = ["encode"]

_USAGE_ASKED: Mapping[str, object] = {"include_usage": True}
_NO_PARAMETERS: Mapping[str, object] = {"type": "object", "properties": {}}


def encode(request: Request, target: Target, profile: Profile, output_cap: int | None, stream: bool) -> bytes:
    """Return the body that asks `target` for `request`, streamed or whole, with at most `output_cap` tokens of answer.

    Raises `RequestError`, naming the place, where the request holds what JSON cannot.
    """
    messages = turns(request.messages, target, profile)
    body: dict[str, object] = {"model": target.wire_name, "messages": messages}
    for name, value in request.parameters.items():
        if name not in OURS and value is not None:
            body[profile.renames.get(name, name)] = value
    if request.tools and not (request.tool_choice == "none" and "none" not in profile.tool_choices):
        body["tools"] = [_tool(tool, profile) for tool in request.tools]
        if request.tool_choice is not None:
            body["tool_choice"] = request.tool_choice
        if stream:
            add(body, profile.tool_stream_extras)
    effort = effort_of(request)
    if effort is not None:
        put(body, profile.efforts.get(effort) or _unlisted(effort, profile))
    if output_cap is not None:
        body[profile.output_cap] = output_cap
        if profile.reasoning_cap and profile.reasoning_cap not in request.parameters:
            _share(output_cap, body, profile, reasons=is_reasoning(request, target, profile))
    if profile.extras:
        add(body, profile.extras)
    if request.schema is not None:
        _hold_to(request.schema, profile, body, messages)
    if stream:
        body["stream"] = True
        if profile.stream_usage:
            body["stream_options"] = _USAGE_ASKED
    return dumps(body)


def _unlisted(effort: str, profile: Profile) -> Mapping[str, object]:
    return {"reasoning_effort": effort} if profile.any_effort and effort not in profile.efforts else NO_FIELDS


def _share(cap: int, body: dict[str, object], profile: Profile, *, reasons: bool) -> None:
    """Bound an answer and its reasoning each by a field of its own, so that both together stay within `cap`."""
    if reasons:
        stated = body.get(profile.reasoning_cap)
        budget = max(1, cap // 2)
        budget = min(stated, budget) if isinstance(stated, int) else budget
        body[profile.reasoning_cap], body[profile.output_cap] = budget, max(1, cap - budget)


def _tool(tool: Mapping[str, object], profile: Profile) -> Mapping[str, object]:
    """Return a tool with its parameters as the provider takes schemas, where it takes them its own way."""
    function = fields(tool.get("function"))
    if function and profile.needs_parameters and not function.get("parameters"):
        function = {**function, "parameters": _NO_PARAMETERS}
        tool = {**tool, "function": function}
    if profile.schema_form is SchemaForm.PLAIN or not function:
        return tool
    written = dict(function)
    if profile.schema_form is SchemaForm.MOONSHOT:
        written.pop("strict", None)
    if isinstance(function.get("parameters"), Mapping):
        parameters = fields(function["parameters"])
        written["parameters"] = _formed(parameters, profile) or parameters
    return {**tool, "function": written}


def _formed(schema: Mapping[str, object], profile: Profile) -> Mapping[str, object] | None:
    """Return a schema in the provider's flavour; `None` where it has none there."""
    if profile.schema_form is SchemaForm.MOONSHOT:
        return moonshot_schema(schema)
    return inlined_schema(schema) if profile.schema_form is SchemaForm.INLINED else plain_schema(schema)


def _hold_to(
    schema: JsonSchema, profile: Profile, body: dict[str, object], messages: list[Mapping[str, object]]
) -> None:
    """Ask for the schema on the highest rung there is for it: enforced, some JSON object, or as an instruction."""
    if profile.schemas is Schemas.NATIVE:
        strict = strict_schema(schema.schema) if profile.strict_schemas else None
        form = strict or _formed(schema.schema, profile)
        if form is not None:
            described = {"name": schema.name, "schema": form, **({"strict": True} if strict else {})}
            body["response_format"] = {"type": "json_schema", "json_schema": described}
            return
    if profile.schemas is not Schemas.INSTRUCTION and schema.schema.get("type") == "object":
        body["response_format"] = {"type": "json_object"}
    _instruct(instruction(schema.schema), messages, profile)


def _instruct(words: str, messages: list[Mapping[str, object]], profile: Profile) -> None:
    """Add to the instructions: into the first message, since some templates take one system message and only there."""
    first = messages[0]
    content = first.get("content")
    role = profile.developer_role if first.get("role") == profile.developer_role else "system"
    if first.get("role") != role:
        messages.insert(0, {"role": "system", "content": words})
    elif isinstance(content, str):
        messages[0] = {**first, "content": f"{content}\n\n{words}" if content else words}
    else:
        messages[0] = {**first, "content": [*parts_of(first), {"type": "text", "text": words}]}
