"""Log probabilities in the shapes that providers write them: read whole, or not at all.

A list with one entry left out would say of every later token what is true of its neighbour, so one entry that makes no
sense makes the whole piece garbled. What is no report of tokens at all (a bare number, a list of nothing) says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from modelroute.providers.shape import a_list, a_mapping, a_text
from modelroute.types.events import Logprobs, Skipped
from modelroute.types.logprobs import TokenLogprob, TopLogprob
from modelroute.wire.errors import GarbledError
from modelroute.wire.fields import as_list, as_mapping

if TYPE_CHECKING:
    from modelroute.types.events import WireEvent

__all__ = ["add_logprobs", "chat_logprobs", "gemini_logprobs", "listed_logprobs"]

_FURTHEST = 1 << 53
"""No logarithm of a probability, and the last whole number that a float certainly holds."""


def add_logprobs(read: Callable[[object], tuple[TokenLogprob, ...]], value: object, out: list[WireEvent]) -> None:
    """Append what `read`, one of the functions below, finds in `value`.

    A report that makes no sense is left out, which the reply will say (`degraded`): the words themselves are whole.
    """
    try:
        tokens = read(value)
    except GarbledError as error:
        out.append(Skipped(f"log probabilities: {error}"))
    else:
        if tokens:
            out.append(Logprobs(tokens))


def chat_logprobs(value: object) -> tuple[TokenLogprob, ...]:
    """Return what `logprobs` of a choice says: OpenAI's ``{"content": [...]}``, or the lists of old completions.

    Raises `GarbledError` for a report that makes no sense.
    """
    said = as_mapping(value)
    content = said.get("content")
    if content:
        return listed_logprobs(content)
    return _columns(said) if said.get("tokens") else ()


def listed_logprobs(value: object) -> tuple[TokenLogprob, ...]:
    """Return a list of ``{"token", "logprob", "bytes", "top_logprobs"}``: OpenAI's, in Chat Completions and Responses.

    Raises `GarbledError` for a list that makes no sense.
    """
    found: list[TokenLogprob] = []
    for each in a_list(value, "log probabilities"):
        entry = a_mapping(each, "the log probability of a token")
        others = entry.get("top_logprobs")
        top = () if others is None else tuple(_top(other) for other in a_list(others, "top_logprobs"))
        found.append(TokenLogprob(_token(entry), _logprob(entry.get("logprob")), _bytes(entry.get("bytes")), top))
    return tuple(found)


def gemini_logprobs(value: object) -> tuple[TokenLogprob, ...]:
    """Return what `logprobsResult` of a Gemini candidate says. Raises `GarbledError` where it makes no sense."""
    said = as_mapping(value)
    chosen = as_list(said.get("chosenCandidates"))
    others = as_list(said.get("topCandidates"))
    if others and len(others) != len(chosen):
        raise GarbledError(f"likeliest tokens at {len(others)} places, and {len(chosen)} tokens chosen")
    found: list[TokenLogprob] = []
    for place, each in enumerate(chosen):
        candidate = a_mapping(each, "a chosen candidate")
        top: tuple[TopLogprob, ...] = ()
        if others:
            candidates = a_mapping(others[place], "top candidates").get("candidates")
            top = tuple(_candidate(a_mapping(other, "a candidate")) for other in as_list(candidates))
        found.append(TokenLogprob(_token(candidate), _logprob(candidate.get("logProbability")), None, top))
    return tuple(found)


def _columns(said: Mapping[str, object]) -> tuple[TokenLogprob, ...]:
    """Read the shape of old completions: a list of tokens, one of their figures, and one of mappings of others."""
    tokens = a_list(said["tokens"], "tokens")
    figures = a_list(said.get("token_logprobs"), "token_logprobs")
    others = as_list(said.get("top_logprobs"))
    if len(figures) != len(tokens) or (others and len(others) != len(tokens)):
        raise GarbledError(f"{len(tokens)} tokens, and log probabilities of {len(figures)}")
    return tuple(
        TokenLogprob(a_text(token, "a token"), _logprob(figure), None, _ranked(others[place]) if others else ())
        for place, (token, figure) in enumerate(zip(tokens, figures, strict=True))
    )


def _ranked(others: object) -> tuple[TopLogprob, ...]:
    if others is None:
        return ()
    if isinstance(others, list):
        return tuple(_top(other) for other in cast("list[object]", others))
    found = [TopLogprob(token, _logprob(figure)) for token, figure in a_mapping(others, "the likeliest tokens").items()]
    return tuple(sorted(found, key=lambda other: -other.logprob))


def _top(value: object) -> TopLogprob:
    entry = a_mapping(value, "the log probability of a token")
    return TopLogprob(_token(entry), _logprob(entry.get("logprob")), _bytes(entry.get("bytes")))


def _candidate(entry: Mapping[str, object]) -> TopLogprob:
    return TopLogprob(_token(entry), _logprob(entry.get("logProbability")))


def _token(entry: Mapping[str, object]) -> str:
    return a_text(entry.get("token"), "a token")


def _logprob(value: object) -> float:
    if isinstance(value, float) and math.isfinite(value):
        return value
    if type(value) is int and abs(value) < _FURTHEST:
        return float(value)
    raise GarbledError("a log probability is no number")


def _bytes(value: object) -> bytes | None:
    if value is None:
        return None
    numbers: Sequence[object] = a_list(value, "the bytes of a token")
    if not all(type(number) is int and 0 <= number <= 255 for number in numbers):
        raise GarbledError("the bytes of a token are no bytes")
    return bytes(number for number in numbers if isinstance(number, int))
