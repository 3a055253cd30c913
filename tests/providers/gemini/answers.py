"""Answers of Gemini's as the tests write them: parts, chunks, and the bytes of whole bodies and streams."""

import json

from modelroute.catalog.model import ProviderRow, Target
from modelroute.providers.dialects import DIALECTS
from modelroute.providers.profile import Profile
from modelroute.providers.profiles import PROFILES, profile_for
from modelroute.types.messages import PROVENANCE
from tests.providers.requests import target
from tests.providers.samples import Answer, Json, answer_of, decode

GEMINI = DIALECTS["gemini"]
PROFILE = PROFILES["google"]
HERE = target("gemini-3.8-flash", "google", efforts=("low", "medium", "high"))
OLDER = target("gemini-2.5-flash", "google", efforts=("low", "medium", "high"))


def profile_of(where: Target) -> Profile:
    return profile_for(where, ProviderRow(where.provider, profile="google"))


def text(words: str, **more: object) -> Json:
    return {"text": words, **more}


def function_call(name: str = "lookup_order", *, signature: str = "", **call: object) -> Json:
    part: Json = {"functionCall": {"name": name, "args": {"order_id": "A-1"}, **call}}
    return {**part, "thoughtSignature": signature} if signature else part


def candidate(*parts: Json, finish: str | None = None, **more: object) -> Json:
    said: Json = {"index": 0, **more}
    if parts:
        said["content"] = {"role": "model", "parts": list(parts)}
    if finish is not None:
        said["finishReason"] = finish
    return said


def chunk(*parts: Json, finish: str | None = None, usage: Json | None = None, **more: object) -> Json:
    value: Json = {"candidates": [candidate(*parts, finish=finish, **more)], "modelVersion": "gemini-3.8-flash"}
    value["responseId"] = "r-1"
    if usage is not None:
        value["usageMetadata"] = usage
    return value


def counted(prompt: int = 10, answer: int | None = 5, **more: int) -> Json:
    usage: Json = {"promptTokenCount": prompt, **more}
    return usage if answer is None else {**usage, "candidatesTokenCount": answer}


def stream(*chunks: object) -> bytes:
    return b"".join(b"data: " + json.dumps(each).encode() + b"\r\n\r\n" for each in chunks)


def whole(value: object) -> bytes:
    return json.dumps(value).encode()


def said(data: bytes) -> Answer:
    return answer_of(decode(GEMINI.decoder("google", PROFILE), [data]))


def message_of(answer: Answer, where: Target = HERE) -> Json:
    """Return what `reply.message` is for the answer."""
    message: Json = {"role": "assistant", "content": answer.text or None}
    if answer.calls:
        message["tool_calls"] = [
            {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}
            for identity, name, arguments in answer.calls.values()
        ]
    message[PROVENANCE] = {
        "target": where.name, "provider": where.provider, "model": where.model.name, "blocks": answer.blocks,
    }  # fmt: skip
    return message
