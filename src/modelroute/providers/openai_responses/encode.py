"""A request as the body of Responses, for one target and the departures of its profile.

Every call says the whole conversation and asks that nothing is stored, unless the caller wants it stored: the reasoning
that Responses would keep for the next turn comes back encrypted instead, and travels with the conversation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from modelroute.providers.bodies import add, put
from modelroute.providers.fit import OURS, effort_of, is_reasoning
from modelroute.providers.openai_responses.items import input_items, output_parts
from modelroute.providers.openai_responses.tools import choice_in_responses, tool_in_responses
from modelroute.providers.parts import fields, parts_of, text
from modelroute.providers.profile import NO_FIELDS, Profile, Schemas
from modelroute.providers.schema import instruction, plain_schema, strict_schema
from modelroute.wire.json import dumps

if TYPE_CHECKING:
    from modelroute.catalog.model import Target
    from modelroute.types.messages import Message
    from modelroute.types.request import JsonSchema, Request

__all__ = ["FOREIGN", "encode", "obstacle"]

FOREIGN = frozenset(
    {"n", "stop", "seed", "presence_penalty", "frequency_penalty", "logit_bias", "prediction", "modalities", "audio",
     "web_search_options", "functions", "function_call"}
)  # fmt: skip
"""Parameters of Chat Completions for which Responses has no word."""

_NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "n": (1,), "presence_penalty": (0,), "frequency_penalty": (0,), "stop": ("", [], ()), "logit_bias": ({},),
    "functions": ([], ()), "modalities": ([], (), ["text"], ("text",)),
}  # fmt: skip
"""The values of them that ask for what it does anyway."""

_SAID_OTHERWISE = frozenset({"response_format", "verbosity", "logprobs"})
_NOT_PASSED_ON = OURS | FOREIGN | _SAID_OTHERWISE
_FORMATS = frozenset({"text", "json_object", "json_schema"})
_ENCRYPTED, _LOGPROBS = "reasoning.encrypted_content", "message.output_text.logprobs"
_UTTERED = frozenset({"text", "refusal", "output_text"})


def obstacle(request: Request) -> str | None:
    """Return why the dialect cannot say `request`, or `None`: what is left after `providers.fit.obstacle`."""
    for name, value in request.parameters.items():
        if value is None or value is False:
            continue
        if name in FOREIGN and not any(value == neutral for neutral in _NEUTRAL.get(name, ())):
            return f"has no parameter {name} on the API that it is called by (Responses)"
        if name == "response_format" and text(fields(value).get("type")) not in _FORMATS:
            return f"has no response_format of type {text(fields(value).get('type'))[:40]!r}"
    return next(filter(None, map(_unsayable, request.messages)), None)


def _unsayable(message: Message) -> str | None:
    if isinstance(message.get("content"), str):
        return None
    spoken = message.get("role") == "assistant"
    for part in parts_of(message):
        kind = text(part.get("type"))
        if kind == "video_url" or (spoken and kind not in _UTTERED):
            return f"cannot take this {kind[:40]} part" + (" in an assistant's message" if spoken else "")
    if spoken and message.get("audio") and not output_parts(message):
        return "cannot refer to the audio of an earlier answer"
    return None


def encode(request: Request, target: Target, profile: Profile, output_cap: int | None, stream: bool) -> bytes:
    """Return the body that asks `target` for `request`, streamed or whole, with at most `output_cap` tokens of answer.

    Raises `RequestError`, naming the place, where the request holds what JSON cannot.
    """
    parameters = request.parameters
    body: dict[str, object] = {"model": target.wire_name, "store": False}
    body |= {name: value for name, value in parameters.items() if name not in _NOT_PASSED_ON and value is not None}
    if output_cap is not None:
        body["max_output_tokens"] = output_cap
    if request.tools:
        body["tools"] = [tool_in_responses(tool, cache_marks=profile.cache_marks) for tool in request.tools]
        if request.tool_choice is not None:
            body["tool_choice"] = choice_in_responses(request.tool_choice)
    effort = effort_of(request)
    if effort is not None:
        _try_hard(effort, profile, body)
    add(body, profile.extras)
    messages: Sequence[Message] = request.messages
    if request.schema is not None and profile.schemas is not Schemas.NATIVE:
        messages = _instructed(messages, instruction(request.schema.schema))
    _hold_to(request, profile, body)
    reasons = bool(target.model.efforts) or is_reasoning(request, target, profile)
    _include(parameters, body, reasons=reasons)
    body["input"] = input_items(messages, request, target, profile)
    if stream:
        body["stream"] = True
    return dumps(body)


def _try_hard(effort: str, profile: Profile, body: dict[str, object]) -> None:
    """Add the fields that ask for `effort`; the one that Chat Completions has for it is part of an object here."""
    asked = profile.efforts.get(effort)
    if asked is None:
        asked = {"reasoning_effort": effort} if profile.any_effort else NO_FIELDS
    for name, value in asked.items():
        put(body, {"reasoning": {"effort": value}} if name == "reasoning_effort" else {name: value})


def _hold_to(request: Request, profile: Profile, body: dict[str, object]) -> None:
    """Add what shapes the text of the answer: its format and its length in words."""
    parameters = request.parameters
    said: dict[str, object] = {}
    stated = fields(parameters.get("response_format"))
    if request.schema is not None:
        if profile.schemas is not Schemas.INSTRUCTION:
            native = profile.schemas is Schemas.NATIVE
            said["format"] = _format_of(request.schema, profile) if native else {"type": "json_object"}
    elif stated:
        said["format"] = {"type": stated.get("type"), **fields(stated.get("json_schema"))}
    if parameters.get("verbosity") is not None:
        said["verbosity"] = parameters["verbosity"]
    if said:
        body["text"] = {**fields(body.get("text")), **said}


def _format_of(schema: JsonSchema, profile: Profile) -> Mapping[str, object]:
    described: dict[str, object] = {"type": "json_schema", "name": schema.name}
    strict = strict_schema(schema.schema) if profile.strict_schemas else None
    if strict is not None:
        return {**described, "schema": strict, "strict": True}
    return {**described, "schema": plain_schema(schema.schema)}


def _include(parameters: Mapping[str, object], body: dict[str, object], *, reasons: bool) -> None:
    """Add what has to be asked for: log probabilities, and reasoning to send back, which only reasoners know."""
    wanted = [_LOGPROBS] if parameters.get("logprobs") or parameters.get("top_logprobs") is not None else []
    if reasons:
        wanted.append(_ENCRYPTED)
    stated = parameters.get("include")
    if wanted and (stated is None or isinstance(stated, list | tuple)):
        already = list(cast(Sequence[object], stated or ()))
        body["include"] = [*already, *(name for name in wanted if name not in already)]


def _instructed(messages: Sequence[Message], words: str) -> Sequence[Message]:
    """Add to the instructions: into the first message, since some templates take one system message and only there."""
    first = messages[0]
    content = first.get("content")
    if first.get("role") != "system":
        return [{"role": "system", "content": words}, *messages]
    if isinstance(content, str):
        return [{**first, "content": f"{content}\n\n{words}" if content else words}, *messages[1:]]
    return [{**first, "content": [*parts_of(first), {"type": "text", "text": words}]}, *messages[1:]]
