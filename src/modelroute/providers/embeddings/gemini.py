"""Embeddings of the Gemini API: ``:embedContent`` for one text, ``:batchEmbedContents`` for several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from modelroute.providers.fit import HINTS
from modelroute.providers.parts import text
from modelroute.providers.shape import a_list, a_mapping
from modelroute.types.usage import Usage
from modelroute.wire.errors import GarbledError
from modelroute.wire.fields import as_count, as_mapping
from modelroute.wire.json import dumps

if TYPE_CHECKING:
    from modelroute.catalog.model import Target
    from modelroute.providers.profile import Profile
    from modelroute.types.request import Request

__all__ = ["MOST", "encode", "entries", "path", "usage"]

MOST = 100
"""Texts that one batch may hold."""


def path(target: Target, request: Request) -> str:
    """Return what follows the base URL."""
    method = "embedContent" if len(request.messages) == 1 else "batchEmbedContents"
    return f"/{_resource(target)}:{method}"


def encode(request: Request, target: Target, _profile: Profile) -> bytes:
    """Return the body that asks `target` for the vectors of the texts of `request`.

    Raises `RequestError`, naming the place, where the request holds what JSON cannot.
    """
    asked: dict[str, object] = {name: value for name, value in request.parameters.items() if name not in HINTS}
    if request.embedding is not None and request.embedding.dimensions is not None:
        asked["outputDimensionality"] = request.embedding.dimensions
    each = [
        {"model": _resource(target), "content": {"parts": [{"text": text(message.get("content"))}]}, **asked}
        for message in request.messages
    ]
    return dumps(each[0] if len(each) == 1 else {"requests": each})


def entries(answer: Mapping[str, object], count: int) -> Sequence[object]:
    """Return what stands for the vector of each of `count` texts; a batch is answered in its own order.

    Raises `GarbledError` unless every text has one.
    """
    single = answer.get("embedding")
    listed = [single] if single is not None else a_list(answer.get("embeddings"), "embeddings")
    if len(listed) != count:
        raise GarbledError(f"{len(listed)} vectors for {count} texts")
    return [a_mapping(each, "an embedding").get("values") for each in listed]


def usage(answer: Mapping[str, object], _profile: Profile) -> Usage | None:
    """Return what was billed, `None` where that is not told, as by most models."""
    prompt = as_count(as_mapping(answer.get("usageMetadata")).get("promptTokenCount"))
    return Usage(prompt, 0) if prompt else None


def _resource(target: Target) -> str:
    name = target.wire_name
    return name if name.startswith("models/") else f"models/{name}"
