"""How each dialect is asked for vectors, what it cannot be asked for, and the call that asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

from modelroute.providers.embeddings import gemini, openai
from modelroute.providers.embeddings.speech import Expected, VectorSpeech
from modelroute.providers.errors import speaker_of
from modelroute.providers.facts import estimate_text
from modelroute.providers.parts import text
from modelroute.providers.reader import Reader

if TYPE_CHECKING:
    from modelroute.catalog.model import Target
    from modelroute.providers.call import Decoder
    from modelroute.providers.profile import Profile
    from modelroute.types.request import Request
    from modelroute.types.usage import Usage

__all__ = ["EMBEDDERS", "LARGEST_ANSWER", "Embedder", "obstacle"]

LARGEST_ANSWER = 128 * 1024 * 1024
"""Bytes of one answer: 2,048 vectors of 3,072 numbers as text. Twenty bytes a number are what digits take."""


@dataclass(frozen=True, slots=True)
class Embedder:
    """How a dialect is asked for vectors.

    `path(target, request)` follows the base URL; `encode(request, target, profile)` writes the body; `entries` and
    `usage` read the answer (`speech.Expected`). `most`: texts that one call may hold.
    """

    path: Callable[[Target, Request], str]
    encode: Callable[[Request, Target, Profile], bytes]
    entries: Callable[[Mapping[str, object], int], Sequence[object]]
    usage: Callable[[Mapping[str, object], Profile], Usage | None]
    most: int

    def decoder(self, request: Request, provider: str, profile: Profile) -> Decoder:
        """Return a decoder for the answer of `provider` to `request`."""
        asked = None if request.embedding is None else request.embedding.dimensions
        expected = Expected(
            count=len(request.messages),
            dimensions=asked,
            entries=self.entries,
            usage=partial(self._usage, profile),
        )
        return Reader(VectorSpeech(speaker_of(provider, profile.name), expected), LARGEST_ANSWER)

    def _usage(self, profile: Profile, answer: Mapping[str, object]) -> Usage | None:
        return self.usage(answer, profile)


EMBEDDERS: Mapping[str, Embedder] = MappingProxyType(
    {
        "openai-chat": Embedder(openai.path, openai.encode, openai.entries, openai.usage, openai.MOST),
        "gemini": Embedder(gemini.path, gemini.encode, gemini.entries, gemini.usage, gemini.MOST),
    }
)
"""By dialect: those that have words for vectors."""


def obstacle(request: Request, target: Target, dialect: str) -> str | None:
    """Return why `target` cannot be asked for these vectors, a clause about it, or `None` if it can."""
    embedder = EMBEDDERS.get(dialect)
    if embedder is None:
        return f"gives no vectors in the dialect it speaks here ({dialect})"
    if len(request.messages) > embedder.most:
        return f"takes at most {embedder.most} texts in one call, and these are {len(request.messages)}"
    model = target.model
    limits = (target.max_input or model.max_input, target.context_window or model.context_window)
    least = min((limit for limit in limits if limit is not None), default=None)
    if least is not None:
        longest = max((text(message.get("content")) for message in request.messages), key=len)
        tokens = estimate_text(longest, model.vocabulary)
        if tokens > least:
            return f"takes texts of at most {least} tokens, and the longest has about {tokens}"
    return None
