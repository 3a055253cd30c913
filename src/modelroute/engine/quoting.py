"""Providers quote the prompt in their errors; what is logged, raised and recorded must not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from modelroute.types.failure import Failure
    from modelroute.types.request import Request

__all__ = ["LEAST_QUOTE", "LEFT_OUT", "without_quotes"]

LEAST_QUOTE = 24
"""Characters in a row that a message and a prompt have in common by quotation, not by chance."""

LEFT_OUT = "[...]"
"""What stands where the prompt was quoted."""

_STEP = LEAST_QUOTE // 2


def without_quotes(failure: Failure, request: Request) -> Failure:
    """Return `failure` with every passage of its message that stands in the request's messages left out."""
    message = failure.message
    if len(message) < LEAST_QUOTE:
        return failure
    quoted = [False] * len(message)
    for text in _texts(request.messages):
        _mark(message, text, quoted)
    if True not in quoted:
        return failure
    kept: list[str] = []
    for place, letter in enumerate(message):
        if not quoted[place]:
            kept.append(letter)
        elif not place or not quoted[place - 1]:
            kept.append(LEFT_OUT)
    return replace(failure, message="".join(kept))


def _mark(message: str, text: str, quoted: list[bool]) -> None:
    """Mark what `message` quotes of `text`: any run of `LEAST_QUOTE` holds a whole step, which is looked for first."""
    place = 0
    while place + _STEP <= len(message):
        found = text.find(message[place : place + _STEP])
        longest: tuple[int, int] | None = None
        tries = 0
        while found >= 0 and tries < LEAST_QUOTE:
            begin, end = _extended(message, place, text, found)
            if longest is None or end - begin > longest[1] - longest[0]:
                longest = begin, end
            found = text.find(message[place : place + _STEP], found + 1)
            tries += 1
        if longest is not None and longest[1] - longest[0] >= LEAST_QUOTE:
            quoted[longest[0] : longest[1]] = [True] * (longest[1] - longest[0])
            place = max(place + _STEP, longest[1])
        else:
            place += _STEP


def _extended(message: str, place: int, text: str, found: int) -> tuple[int, int]:
    """Return where in `message` the passage begins and ends that it shares with `text` around these places."""
    begin, end = place, place + _STEP
    while begin and found and message[begin - 1] == text[found - 1]:
        begin, found = begin - 1, found - 1
    ahead = found + (end - begin)
    while end < len(message) and ahead < len(text) and message[end] == text[ahead]:
        end, ahead = end + 1, ahead + 1
    return begin, end


def _texts(value: object) -> Iterator[str]:
    """Yield the texts of messages: their contents and the text parts of these."""
    if isinstance(value, str):
        if len(value) >= LEAST_QUOTE:
            yield value
    elif isinstance(value, Mapping):
        parts = cast("Mapping[str, object]", value)
        for name in ("content", "text", "input_text", "refusal"):
            yield from _texts(parts.get(name))
    elif isinstance(value, list | tuple):
        for part in cast("list[object]", value):
            yield from _texts(part)
