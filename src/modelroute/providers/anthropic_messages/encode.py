"""A request as the body of the Messages API: instructions hoisted, turns alternating, tool results with the user."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from modelroute.providers.anthropic_messages.blocks import KEPT, restore
from modelroute.providers.bodies import add
from modelroute.providers.fit import HINTS, OURS, choice_word, effort_of
from modelroute.providers.parts import (
    called_names,
    data_url,
    fields,
    file_data,
    image_url,
    parts_of,
    text,
    text_of,
    tool_calls_of,
)
from modelroute.providers.profile import NO_FIELDS, Profile, Schemas
from modelroute.providers.schema import closed_schema, instruction
from modelroute.types.messages import PROVENANCE, Message
from modelroute.wire.errors import GarbledError
from modelroute.wire.json import dumps, loads

if TYPE_CHECKING:
    from modelroute.catalog.model import Target
    from modelroute.types.request import Request

__all__ = ["FOREIGN", "encode", "obstacle"]

_INSTRUCTIONS = frozenset({"system", "developer"})
_ILLEGAL = re.compile(r"[^a-zA-Z0-9_-]")
_DOCUMENTS = frozenset({"application/pdf"})
_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_MEDIA = frozenset({"image_url", "file"})
_TIERS = frozenset({"auto", "standard_only"})

FOREIGN = frozenset(
    {"seed", "logprobs", "top_logprobs", "logit_bias", "prediction", "modalities", "audio", "web_search_options",
     "verbosity", "functions", "function_call"}
)  # fmt: skip
"""OpenAI's parameters for which Messages has no word."""

_NOTHING: Mapping[str, object] = {"type": "text", "text": "."}
"""What the user says where he says nothing: the first turn must be his, and none may be empty."""

_ANYTHING: Mapping[str, object] = {"type": "object"}

_NEUTRAL: Mapping[str, float] = {"n": 1, "presence_penalty": 0, "frequency_penalty": 0}
"""Parameters it has no word for either, but one value that is what it does anyway."""

_NOT_PASSED_ON = OURS | HINTS | FOREIGN | _NEUTRAL.keys() | {"stop", "response_format", "parallel_tool_calls"}


def obstacle(request: Request) -> str | None:
    """Return why the dialect cannot say `request`, or `None`: what is left after `providers.fit.obstacle`."""
    for name, value in request.parameters.items():
        if value is None or value is False:
            continue
        if name in FOREIGN:
            return f"has no parameter {name}"
        if name in _NEUTRAL and value != _NEUTRAL[name]:
            return f"has no parameter {name} (it does as with {_NEUTRAL[name]})"
        if name == "service_tier" and text(value) not in _TIERS:
            return "has no such service_tier"
        if name == "response_format":
            reason = _format(text(fields(value).get("type")))
            if reason is not None:
                return reason
    if any("custom" in tool for tool in request.tools):
        return "has no custom tools, whose input is any text"
    return next(filter(None, map(_unsayable, request.messages)), None)


def _unsayable(message: Message) -> str | None:
    role = text(message.get("role"))
    for part in () if isinstance(message.get("content"), str) else parts_of(message):
        kind = text(part.get("type"))
        if kind in _MEDIA and role not in {"user", "tool"}:
            return f"cannot take this {kind} part in a message of the role {role[:40]!r}"
        if _refuses(part):
            return (
                f"cannot take this {kind} part (it takes images as JPEG, PNG, GIF or WebP, files as data: URLs of PDF)"
            )
    return None


def _format(wanted: str) -> str | None:
    if wanted == "json_object":
        return "has no way to ask for any JSON object; ask for a schema"
    return None if wanted in {"text", "json_schema"} else f"has no response_format of type {wanted[:40]!r}"


def _refuses(part: Mapping[str, object]) -> bool:
    kind = part.get("type")
    if kind == "file":
        inline = data_url(file_data(part))
        return inline is None or inline[0] not in _DOCUMENTS
    if kind == "image_url":
        url = image_url(part)
        inline = data_url(url)
        return inline[0] not in _IMAGES if inline else not url.lower().startswith("https:")
    return False


def encode(request: Request, target: Target, profile: Profile, output_cap: int | None, stream: bool) -> bytes:
    """Return the body that asks `target` for `request`, streamed or whole, with at most `output_cap` tokens of answer.

    Raises `RequestError`, naming the place, where the request holds what JSON cannot.
    """
    body: dict[str, object] = {"model": target.wire_name, "max_tokens": output_cap or profile.default_output_cap or 1}
    system = [part for message in request.messages if message.get("role") in _INSTRUCTIONS for part in _texts(message)]
    parameters = request.parameters
    body |= {name: value for name, value in parameters.items() if name not in _NOT_PASSED_ON and value is not None}
    if parameters:
        _translate(parameters, body)
    effort = effort_of(request)
    if effort is not None:
        _merge(body, profile.efforts.get(effort, NO_FIELDS))
    add(body, profile.extras)
    schema = request.schema.schema if request.schema is not None else _schema_in(parameters)
    if schema is not None:
        closed = closed_schema(schema) if profile.schemas is Schemas.NATIVE else None
        if closed is not None:
            _merge(body, {"output_config": {"format": {"type": "json_schema", "schema": closed}}})
        else:
            system.append({"type": "text", "text": instruction(schema)})
    if system:
        body["system"] = _system(system)
    body["messages"] = _turns(request.messages, target)
    if request.tools:
        body["tools"] = [_tool(tool, profile) for tool in request.tools]
        choice = _choice(request)
        if choice is not None:
            body["tool_choice"] = choice
    else:
        # A history with calls is refused where no tool is declared, and OpenAI takes it: a conversation that ends with
        # a summary, or moves here, should not fail for that. So what was called is declared, and may not be called.
        called = called_names(request.messages)
        if called:
            body["tools"] = [{"name": name, "input_schema": _ANYTHING} for name in called]
            body["tool_choice"] = {"type": "none"}
    if stream:
        body["stream"] = True
    return dumps(body)


def _translate(parameters: Mapping[str, object], body: dict[str, object]) -> None:
    stop = parameters.get("stop")
    if stop:
        body["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    user = parameters.get("safety_identifier") or parameters.get("user")
    metadata = fields(parameters.get("metadata"))
    if "user_id" in metadata or user:
        body["metadata"] = {"user_id": metadata.get("user_id", user)}


def _merge(body: dict[str, object], more: Mapping[str, object]) -> None:
    for name, value in more.items():
        present = fields(body.get(name))
        body[name] = {**present, **fields(value)} if present else value


def _schema_in(parameters: Mapping[str, object]) -> Mapping[str, object] | None:
    stated = fields(parameters.get("response_format"))
    schema = fields(fields(stated.get("json_schema")).get("schema"))
    return schema if schema and stated.get("type") == "json_schema" else None


def _system(parts: list[Mapping[str, object]]) -> object:
    if any(len(part) > 2 for part in parts):  # something beside type and text: a cache mark
        return parts
    return "\n\n".join(text(part.get("text")) for part in parts)


def _texts(message: Message) -> list[Mapping[str, object]]:
    """Return the text blocks of a message, cache marks kept; blank ones are refused there and left out here."""
    blocks: list[Mapping[str, object]] = []
    for part in parts_of(message):
        words = text(part.get("text")) or text(part.get("refusal"))
        if words.strip():
            blocks.append(_marked({"type": "text", "text": words}, part))
    return blocks


def _marked(block: dict[str, object], part: Mapping[str, object]) -> Mapping[str, object]:
    if "cache_control" in part:
        block["cache_control"] = part["cache_control"]
    return block


def _turns(messages: Sequence[Message], target: Target) -> list[Mapping[str, object]]:
    """Return alternating turns: neighbours of one role are one turn, tool results belong to the user's."""
    turns: list[tuple[str, list[Mapping[str, object]]]] = []
    ids = _Ids()
    for message in messages:
        role = message.get("role")
        if role in _INSTRUCTIONS:
            continue
        if role == "assistant":
            blocks = _assistant(message, target, ids)
        elif role == "tool":
            blocks = [_result(message, ids)]
        else:
            blocks = _said(message)
        speaker = "assistant" if role == "assistant" else "user"
        if turns and turns[-1][0] == speaker:
            turns[-1][1].extend(blocks)
        elif blocks or speaker == "user":
            turns.append((speaker, blocks))
    if turns and turns[-1][0] == "assistant":
        _trim(turns[-1][1])
    if turns and turns[0][0] == "assistant":
        turns.insert(0, ("user", []))
    return [{"role": speaker, "content": _short(blocks or [_NOTHING])} for speaker, blocks in turns]


def _said(message: Message) -> list[Mapping[str, object]]:
    """Return the blocks of what a user said, behind his name where he gives one: there is no field for it."""
    blocks = [block for part in parts_of(message) if (block := _part(part)) is not None]
    name = text(message.get("name"))
    return [{"type": "text", "text": f"{name}:"}, *blocks] if name and blocks else blocks


def _short(blocks: list[Mapping[str, object]]) -> object:
    return blocks[0]["text"] if len(blocks) == 1 and blocks[0].keys() == {"type", "text"} else blocks


def _trim(blocks: list[Mapping[str, object]]) -> None:
    """White space at the end of an answer to go on with is refused."""
    if blocks and blocks[-1].get("type") == "text":
        blocks[-1] = {**blocks[-1], "text": text(blocks[-1].get("text")).rstrip()}


def _part(part: Mapping[str, object]) -> Mapping[str, object] | None:
    kind = part.get("type")
    if kind == "image_url":
        url = image_url(part)
        inline = data_url(url)
        source = (
            {"type": "base64", "media_type": inline[0], "data": inline[1]} if inline else {"type": "url", "url": url}
        )
        return _marked({"type": "image", "source": source}, part)
    if kind == "file":
        media, data = data_url(file_data(part)) or ("application/pdf", "")
        document: dict[str, object] = {
            "type": "document",
            "source": {"type": "base64", "media_type": media, "data": data},
        }
        name = text(fields(part.get("file")).get("filename"))
        if name:
            document["title"] = name
        return _marked(document, part)
    words = text(part.get("text")) or text(part.get("refusal"))
    return _marked({"type": "text", "text": words}, part) if words.strip() else None


def _assistant(message: Message, target: Target, ids: _Ids) -> list[Mapping[str, object]]:
    texts = _texts(message) or [{"type": "text", "text": words} for words in [text_of(message)] if words.strip()]
    calls: dict[str, Mapping[str, object]] = {}
    made = tool_calls_of(message)
    for call, identity in zip(made, ids.turn([text(call.get("id")) for call in made]), strict=True):
        function = fields(call.get("function"))
        original = text(call.get("id"))
        block = {
            "type": "tool_use", "id": identity, "name": text(function.get("name")),
            "input": _input(function.get("arguments")),
        }  # fmt: skip
        calls[original if original not in calls else identity] = block
    provenance = fields(message.get(PROVENANCE))
    # A signature is bound to the model that gave it; every other model refuses it.
    own = provenance.get("provider") == target.provider and provenance.get("model") == target.model.name
    skeleton = fields(provenance.get("blocks")).get(KEPT) if own else None
    return restore(skeleton, text_of(message), texts, calls) if skeleton else [*texts, *calls.values()]


def _input(arguments: object) -> Mapping[str, object]:
    """Return a call's arguments as the object Messages wants; what another model wrote and is none is kept as text."""
    if not isinstance(arguments, str):
        return fields(arguments)
    if not arguments.strip():
        return {}
    try:
        value = loads(arguments)
    except GarbledError:
        return {"arguments": arguments}
    return fields(cast(object, value)) if isinstance(value, dict) else {"arguments": value}


def _result(message: Message, ids: _Ids) -> Mapping[str, object]:
    block: dict[str, object] = {"type": "tool_result", "tool_use_id": ids.result(text(message.get("tool_call_id")))}
    content = message.get("content")
    if isinstance(content, str):
        block["content"] = content
    else:
        block["content"] = [part for each in parts_of(message) if (part := _part(each)) is not None]
    return block


class _Ids:
    """Tool ids that Messages takes: letters, digits, ``_`` and ``-``, and each only once in a conversation."""

    def __init__(self) -> None:
        self._latest: dict[str, list[str]] = {}
        self._used: set[str] = set()

    def turn(self, originals: Sequence[str]) -> list[str]:
        """Return the ids of the calls of one turn, in order."""
        given = [self._new(original) for original in originals]
        self._latest |= {original: [] for original in originals}
        for original, legal in zip(originals, given, strict=True):
            self._latest[original].append(legal)
        return given

    def result(self, original: str) -> str:
        """Return the id of the call that a result answers: the latest of its id, and of several the next in order."""
        waiting = self._latest.get(original)
        if not waiting:
            return _ILLEGAL.sub("_", original) or "call"
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def _new(self, original: str) -> str:
        legal = base = _ILLEGAL.sub("_", original) or "call"
        number = 1
        while legal in self._used:
            number += 1
            legal = f"{base}_{number}"
        self._used.add(legal)
        return legal


def _tool(tool: Mapping[str, object], profile: Profile) -> Mapping[str, object]:
    """Return a function tool in Messages' words; a tool that is none is Anthropic's own and goes as it is.

    A strict one stays so where schemas are enforced at all, its objects closed, as strict ones must be there.
    """
    if tool.get("type", "function") != "function":
        return tool
    function = fields(tool.get("function"))
    written: dict[str, object] = {
        "name": function.get("name"),
        "input_schema": function.get("parameters") or _ANYTHING,
    }
    if function.get("description"):
        written["description"] = function["description"]
    if function.get("strict") is True and profile.schemas is Schemas.NATIVE:
        closed = closed_schema(fields(function.get("parameters")))
        if closed is not None:
            written |= {"input_schema": closed, "strict": True}
    return _marked(written, tool)


def _choice(request: Request) -> Mapping[str, object] | None:
    choice = request.tool_choice
    word = choice_word(choice)
    chosen: dict[str, object] | None = None
    if word == "named":
        name = fields(fields(choice).get("function")).get("name") or fields(choice).get("name")
        chosen = {"type": "tool", "name": name}
    elif word:
        chosen = {"type": "any" if word == "required" else word}
    if request.parameters.get("parallel_tool_calls") is False and word != "none":
        chosen = {**(chosen or {"type": "auto"}), "disable_parallel_tool_use": True}
    return chosen
