"""The embeddings API of OpenAI, which every compatible server has taken over: ``POST /embeddings``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from modelroute.providers.openai_chat.usage import read_usage
from modelroute.providers.parts import text
from modelroute.providers.shape import a_list, a_mapping
from modelroute.wire.errors import GarbledError
from modelroute.wire.fields import as_count, as_mapping
from modelroute.wire.json import dumps

if TYPE_CHECKING:
    from modelroute.catalog.model import Target
    from modelroute.providers.profile import Profile
    from modelroute.types.request import Request
    from modelroute.types.usage import Usage

__all__ = ["MOST", "encode", "entries", "path", "usage"]

MOST = 2_048
"""Texts that one call may hold, as OpenAI documents it."""

_PACKED = frozenset({"openai", "azure"})
"""Profiles that are known to give vectors in base64: a quarter of the bytes, and exactly what was computed."""

_DIMENSIONS: Mapping[str, str] = {"mistral": "output_dimension"}
"""By profile, another name for ``dimensions``."""


def path(_target: Target, _request: Request) -> str:
    """Return what follows the base URL."""
    return "/embeddings"


def encode(request: Request, target: Target, profile: Profile) -> bytes:
    """Return the body that asks `target` for the vectors of the texts of `request`.

    Raises `RequestError`, naming the place, where the request holds what JSON cannot.
    """
    body: dict[str, object] = {
        "model": target.wire_name,
        "input": [text(message.get("content")) for message in request.messages],
    }
    if profile.name in _PACKED:
        body["encoding_format"] = "base64"
    if request.embedding is not None and request.embedding.dimensions is not None:
        body[_DIMENSIONS.get(profile.name, "dimensions")] = request.embedding.dimensions
    return dumps(body | dict(request.parameters))


def entries(answer: Mapping[str, object], count: int) -> Sequence[object]:
    """Return what stands for the vector of each of `count` texts, in the order of the texts.

    The order is that of the numbers the entries bear, not of their places. Raises `GarbledError` unless every text has
    exactly one.
    """
    listed = [a_mapping(each, "an embedding") for each in a_list(answer.get("data"), "data")]
    if len(listed) != count:
        raise GarbledError(f"{len(listed)} vectors for {count} texts")
    if count == 1 and listed[0].get("index") is None:
        return [listed[0].get("embedding")]
    found: dict[int, object] = {}
    for each in listed:
        place = as_count(each.get("index"))
        if place is None or place >= count:
            raise GarbledError(f"a vector of no text: its index is {str(each.get('index'))[:20]}, of {count}")
        if place in found:
            raise GarbledError(f"two vectors of text {place}")
        found[place] = each.get("embedding")
    return [found[place] for place in range(count)]


def usage(answer: Mapping[str, object], profile: Profile) -> Usage | None:
    """Return what was billed, `None` where that is not told. A count of no tokens tells nothing: no text has none."""
    said = as_mapping(answer.get("usage"))
    prompt = as_count(said.get("prompt_tokens")) or as_count(said.get("total_tokens"))
    if not prompt:
        return None
    return read_usage({**said, "prompt_tokens": prompt, "completion_tokens": 0}, profile, {})
