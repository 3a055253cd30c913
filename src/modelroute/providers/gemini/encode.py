"""A request as the body of `generateContent`, and the path it goes to: the model stands there, not in the body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from modelroute.providers.fit import HINTS, NO_EFFORT, OURS, effort_of
from modelroute.providers.gemini.contents import INSTRUCTIONS, contents_of, in_front, instructions_of
from modelroute.providers.gemini.media import media_obstacle
from modelroute.providers.gemini.schema import answer_schema
from modelroute.providers.gemini.tools import tool_obstacle, tools_of
from modelroute.providers.parts import fields, parts_of, text
from modelroute.providers.profile import NO_FIELDS, Profile, Schemas
from modelroute.providers.schema import instruction
from modelroute.wire.json import dumps

if TYPE_CHECKING:
    from modelroute.catalog.model import Target
    from modelroute.types.request import Request

__all__ = ["FOREIGN", "encode", "obstacle", "path"]

FOREIGN = frozenset(
    {"logit_bias", "prediction", "modalities", "audio", "web_search_options", "verbosity", "functions",
     "function_call", "moderation"}
)  # fmt: skip
"""OpenAI's parameters for which Gemini has no word."""

_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "temperature": "temperature",
        "top_p": "topP",
        "top_k": "topK",
        "seed": "seed",
        "presence_penalty": "presencePenalty",
        "frequency_penalty": "frequencyPenalty",
        "top_logprobs": "logprobs",
    }
)
"""Parameters that are fields of `generationConfig`, by OpenAI's names."""

_PENALTIES = frozenset({"presence_penalty", "frequency_penalty"})
_NEUTRAL: Mapping[str, object] = MappingProxyType({"n": 1, "parallel_tool_calls": True})
"""Parameters it has no word for either, but one value that is what it does anyway."""

_TIERS: Mapping[str, str] = MappingProxyType(
    {"auto": "", "default": "standard", "standard": "standard", "flex": "flex", "priority": "priority"}
)
_TRANSLATED = {"stop", "response_format", "logprobs", "service_tier"}
_NOT_PASSED_ON = OURS | HINTS | FOREIGN | _SETTINGS.keys() | _NEUTRAL.keys() | _TRANSLATED

_COLLECTIONS = ("models/", "tunedModels/", "publishers/", "projects/", "endpoints/")
_EITHER_OR = re.compile(r"(?:^|/)gemini-[12]\b")
"""Models that take functions or a schema, and not both."""

_JSON = "application/json"


def path(target: Target, stream: bool) -> str:
    """Return what follows the base URL: the model's resource name and the method."""
    name = target.wire_name
    resource = quote(name if name.startswith(_COLLECTIONS) else f"models/{name}", safe="/@")
    return f"/{resource}:streamGenerateContent?alt=sse" if stream else f"/{resource}:generateContent"


def obstacle(request: Request) -> str | None:
    """Return why the dialect cannot say `request`, or `None`: what is left after `providers.fit.obstacle`."""
    for name, value in request.parameters.items():
        reason = None if value is None else _untaken(name, value)
        if reason is not None:
            return reason
    reason = tool_obstacle(request)
    if reason is not None:
        return reason
    for message in request.messages:
        for part in () if isinstance(message.get("content"), str) else parts_of(message):
            if message.get("role") in INSTRUCTIONS and part.get("type") != "text":
                return "takes only text for instructions"
            if message.get("role") == "assistant" and part.get("type") not in {"text", "refusal"}:
                return f"cannot take this {text(part.get('type'))[:40]} part in an assistant's message"
            reason = media_obstacle(part)
            if reason is not None:
                return reason
    return None


def _untaken(name: str, value: object) -> str | None:
    if name in FOREIGN and (value not in (False, {}, [], "") or (name == "web_search_options" and value is not False)):
        return f"has no parameter {name}"
    if name in _NEUTRAL and value != _NEUTRAL[name]:
        return f"has no parameter {name} (it does as with {_NEUTRAL[name]})"
    if name == "service_tier" and text(value) not in _TIERS:
        return "has no such service_tier"
    if name == "response_format":
        wanted = text(fields(value).get("type"))
        if wanted not in {"text", "json_object", "json_schema"}:
            return f"has no response_format of type {wanted[:40]!r}"
    return None


def encode(request: Request, target: Target, profile: Profile, output_cap: int | None, stream: bool) -> bytes:
    """Return the body that asks `target` for `request` with at most `output_cap` tokens of answer.

    Whether it is streamed is said by the path. Fields of Gemini's own that the caller wrote (``safetySettings``,
    ``generationConfig``, ...) go as they are, but for what the request says itself. Raises `RequestError`, naming the
    place, where the request holds what JSON cannot.
    """
    del stream
    parameters = request.parameters
    body: dict[str, object] = {
        name: value for name, value in parameters.items() if name not in _NOT_PASSED_ON and value is not None
    }
    settings = _settings(parameters)
    if output_cap is not None:
        settings["maxOutputTokens"] = output_cap
    system = instructions_of(request.messages, profile)
    schema = request.schema.schema if request.schema is not None else _schema_in(parameters)
    if schema is not None:
        settings |= _form(schema, request, target, profile)
        if "responseJsonSchema" not in settings:
            system = [*system, {"text": instruction(schema)}]
    effort = effort_of(request)
    if effort is not None:
        _merge(body, _reasoning(effort, profile))
    if settings:
        _merge(body, {"generationConfig": settings})
    contents = contents_of(request.messages, target, profile)
    if not contents or (system and profile.developer_role == "user"):
        # A conversation without contents is refused, and so are instructions where the user has to say them.
        contents, system = in_front(system or [{"text": ""}], contents), []
    if system:
        body["systemInstruction"] = {"parts": system}
    body["contents"] = contents
    _merge(body, tools_of(request))
    tier = _TIERS.get(text(parameters.get("service_tier")))
    if tier:
        body["serviceTier"] = tier
    return dumps(body)


def _settings(parameters: Mapping[str, object]) -> dict[str, object]:
    settings: dict[str, object] = {}
    for name, value in parameters.items():
        if name in _SETTINGS and value is not None and not (name in _PENALTIES and value == 0):
            settings[_SETTINGS[name]] = value
    stop = parameters.get("stop")
    if stop:
        settings["stopSequences"] = [stop] if isinstance(stop, str) else stop
    if parameters.get("logprobs") or parameters.get("top_logprobs"):
        settings["responseLogprobs"] = True
    if fields(parameters.get("response_format")).get("type") == "json_object":
        settings["responseMimeType"] = _JSON
    return settings


def _schema_in(parameters: Mapping[str, object]) -> Mapping[str, object] | None:
    stated = fields(parameters.get("response_format"))
    schema = fields(fields(stated.get("json_schema")).get("schema"))
    return schema if schema and stated.get("type") == "json_schema" else None


def _form(schema: Mapping[str, object], request: Request, target: Target, profile: Profile) -> Mapping[str, object]:
    """Return the settings that hold the answer to `schema`; what they leave out is for an instruction to say."""
    if profile.schemas is Schemas.INSTRUCTION or (request.tools and _EITHER_OR.search(target.wire_name)):
        return NO_FIELDS
    written = answer_schema(schema) if profile.schemas is Schemas.NATIVE else None
    if written is None:
        return {"responseMimeType": _JSON}
    return {"responseMimeType": _JSON, "responseJsonSchema": written}


def _reasoning(effort: str, profile: Profile) -> Mapping[str, object]:
    """Return the fields that ask for `effort`; profiles of other dialects say it in a word, which is a level here."""
    said = profile.efforts.get(effort)
    if said is None and profile.any_effort:
        said = {"reasoning_effort": effort}
    word = text(fields(said).get("reasoning_effort"))
    if not word:
        return fields(said)
    level: Mapping[str, object] = {"thinkingBudget": 0} if word == NO_EFFORT else {"thinkingLevel": word}
    return {"generationConfig": {"thinkingConfig": level}}


def _merge(body: dict[str, object], more: Mapping[str, object]) -> None:
    """Put `more` into `body`, object by object; what was there stays, unless the same field is said anew."""
    for name, value in more.items():
        present = body.get(name)
        if isinstance(present, Mapping) and isinstance(value, Mapping):
            merged = dict(cast(Mapping[str, object], present))
            _merge(merged, cast(Mapping[str, object], value))
            body[name] = merged
        else:
            body[name] = value
