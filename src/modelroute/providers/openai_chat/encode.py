"""A request as the body of Chat Completions, for one target and the departures of its profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelroute.providers.fit import OURS, effort_of
from modelroute.providers.parts import fields, parts_of, text, tool_calls_of
from modelroute.providers.profile import NO_FIELDS, Echo, Profile, Schemas
from modelroute.providers.schema import instruction, plain_schema, strict_schema
from modelroute.types.messages import PROVENANCE, Message
from modelroute.wire.json import dumps

if TYPE_CHECKING:
    from modelroute.catalog.model import Target
    from modelroute.types.request import JsonSchema, Request

__all__ = ["encode"]

_NOT_SENT = frozenset({PROVENANCE, "annotations", "refusal", "reasoning_content", "reasoning", "reasoning_details"})
_TEXTS = frozenset({"text", "refusal"})
_USAGE_ASKED: Mapping[str, object] = {"include_usage": True}


def encode(request: Request, target: Target, profile: Profile, output_cap: int | None, stream: bool) -> bytes:
    """Return the body that asks `target` for `request`, streamed or whole, with at most `output_cap` tokens of answer.

    Raises `RequestError`, naming the place, where the request holds what JSON cannot.
    """
    messages: list[Mapping[str, object]] = [_message(message, target, profile) for message in request.messages]
    body: dict[str, object] = {"model": target.wire_name, "messages": messages}
    if request.parameters:
        body |= {name: value for name, value in request.parameters.items() if name not in OURS and value is not None}
    if output_cap is not None:
        body[profile.output_cap] = output_cap
    if request.tools:
        body["tools"] = request.tools
        if request.tool_choice is not None:
            body["tool_choice"] = request.tool_choice
    effort = effort_of(request)
    if effort is not None:
        body.update(profile.efforts.get(effort) or _unlisted(effort, profile))
    if request.schema is not None:
        _hold_to(request.schema, profile, body, messages)
    if stream:
        body["stream"] = True
        if profile.stream_usage:
            body["stream_options"] = _USAGE_ASKED
    return dumps(body)


def _unlisted(effort: str, profile: Profile) -> Mapping[str, object]:
    return {"reasoning_effort": effort} if profile.any_effort and effort not in profile.efforts else NO_FIELDS


def _message(message: Message, target: Target, profile: Profile) -> Message:
    role = message.get("role")
    if role == "assistant":
        return _assistant(message, target, profile)
    if role == "developer" and profile.developer_role != "developer":
        message = {**message, "role": profile.developer_role}
    if PROVENANCE in message:
        message = {name: value for name, value in message.items() if name != PROVENANCE}
    content = message.get("content")
    if content is None or isinstance(content, str):
        return message
    return {**message, "content": _content(message, profile)}


def _content(message: Message, profile: Profile) -> object:
    """Return the parts of a message: without marks that nobody reads, and as one text where a list is not taken."""
    parts = parts_of(message)
    if not profile.cache_marks:
        parts = [{name: value for name, value in part.items() if name != "cache_control"} for part in parts]
    role = text(message.get("role"))
    if role in profile.text_lists or not all(map(_is_text, parts)):
        return parts
    # A model's own parts are one text cut into pieces; those of others are paragraphs.
    between = "" if role == "assistant" else "\n"
    return between.join(text(part.get("text")) or text(part.get("refusal")) for part in parts)


def _is_text(part: Mapping[str, object]) -> bool:
    """Whether a part says nothing but words: no cache mark, nothing of a provider's own."""
    kind = text(part.get("type"))
    return kind in _TEXTS and part.keys() == {"type", kind} and isinstance(part[kind], str)


def _assistant(message: Message, target: Target, profile: Profile) -> Message:
    """An assistant's turn: without what is ours, with the reasoning its own provider wants back."""
    sent = {name: value for name, value in message.items() if name not in _NOT_SENT}
    content = sent.get("content")
    if content is not None and not isinstance(content, str):
        content = _content(sent, profile)
    sent["content"] = content or text(message.get("refusal")) or content
    if not sent["content"] and profile.blank_content is not None:
        sent["content"] = profile.blank_content
    calls = tool_calls_of(message)
    if not calls:
        sent.pop("tool_calls", None)
    if profile.echo is not Echo.NEVER:
        reasoning = _reasoning(message, target, profile)
        if reasoning is not None or (calls and profile.echo is Echo.WITH_TOOLS):
            sent[profile.echo_field] = reasoning or ""
    return sent


def _reasoning(message: Message, target: Target, profile: Profile) -> str | None:
    """Return the reasoning to send back: this provider's own, or what the caller wrote in its field; else `None`."""
    provenance = fields(message.get(PROVENANCE))
    kept = fields(provenance.get("blocks")).get(profile.echo_field)
    if provenance.get("provider") == target.provider and isinstance(kept, str):
        return kept
    written = message.get(profile.echo_field)
    return written if isinstance(written, str) else None


def _hold_to(
    schema: JsonSchema, profile: Profile, body: dict[str, object], messages: list[Mapping[str, object]]
) -> None:
    if profile.schemas is Schemas.NATIVE:
        described: dict[str, object] = {"name": schema.name}
        strict = strict_schema(schema.schema) if profile.strict_schemas else None
        if strict is not None:
            described |= {"schema": strict, "strict": True}
        else:
            described["schema"] = plain_schema(schema.schema)
        body["response_format"] = {"type": "json_schema", "json_schema": described}
        return
    if profile.schemas is Schemas.OBJECT:
        body["response_format"] = {"type": "json_object"}
    _instruct(instruction(schema.schema), messages)


def _instruct(words: str, messages: list[Mapping[str, object]]) -> None:
    """Add to the instructions: into the first message, since some templates take one system message and only there."""
    first = messages[0]
    content = first.get("content")
    if first.get("role") != "system":
        messages.insert(0, {"role": "system", "content": words})
    elif isinstance(content, str):
        messages[0] = {**first, "content": f"{content}\n\n{words}" if content else words}
    else:
        messages[0] = {**first, "content": [*parts_of(first), {"type": "text", "text": words}]}
