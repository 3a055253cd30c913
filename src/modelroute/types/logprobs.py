"""How probable the tokens of an answer were: what confidence scores and classifiers are made of."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TokenLogprob", "TopLogprob"]


@dataclass(frozen=True, slots=True)
class TopLogprob:
    """A token that could have stood at a place. Fields as of `TokenLogprob`."""

    token: str
    logprob: float
    bytes: bytes | None = None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One token of an answer.

    `logprob`: the natural logarithm of its probability; a provider's figure for "hardly any" is far below zero
    (OpenAI's is -9999), never infinite. `bytes`: the token's own, where the provider told, since a token may be part of
    a character. `top`: the likeliest tokens at this place, as many as ``top_logprobs=`` asked for, most probable first;
    the chosen one may be among them.
    """

    token: str
    logprob: float
    bytes: bytes | None = None
    top: tuple[TopLogprob, ...] = ()
