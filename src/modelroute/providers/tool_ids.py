"""Ids of tool calls as a provider takes them: some take nine letters and digits, some refuse what is long or used."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from itertools import count
from string import ascii_letters, digits

__all__ = ["ToolIds"]

_LETTERS = ascii_letters + digits
_LENGTH = 9
"""What is made here is nine letters and digits: every provider takes that."""


class ToolIds:
    """The ids of one conversation, given out turn by turn: the same conversation always gets the same.

    With a `pattern` an id that does not match it, or that an earlier call had, is replaced. Without one an id is only
    replaced where it is empty or double within its turn, which nobody could match with a result.
    """

    __slots__ = ("_latest", "_seen", "_takes", "_used")

    def __init__(self, pattern: str) -> None:
        self._takes = _compiled(pattern) if pattern else None
        self._used: set[str] = set()
        self._seen: dict[str, int] = {}
        self._latest: dict[str, list[str]] = {}

    def turn(self, originals: Sequence[str]) -> list[str]:
        """Return the ids of the calls of one turn, in order."""
        if self._takes is None:
            self._used.clear()
        given: list[tuple[str, str]] = []
        for original in originals:
            legal = original if self._is_legal(original) else self._made(original)
            self._used.add(legal)
            given.append((original, legal))
        for original in originals:
            self._latest[original] = []
        for original, legal in given:
            self._latest[original].append(legal)
        return [legal for _, legal in given]

    def result(self, original: str) -> str:
        """Return the id of the call that a result answers: the latest of its id, and of several the next in order."""
        waiting = self._latest.get(original)
        if waiting:
            return waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if original and (self._takes is None or self._takes.fullmatch(original)):
            return original
        return self._made(original)

    def _is_legal(self, identity: str) -> bool:
        if not identity or identity in self._used:
            return False
        return self._takes is None or self._takes.fullmatch(identity) is not None

    def _made(self, original: str) -> str:
        """Return an id that follows from the original and from how often it came before."""
        number = self._seen[original] = self._seen.get(original, 0) + 1
        for attempt in count():
            drawn = int.from_bytes(sha256(f"{number}:{attempt}:{original}".encode(errors="surrogatepass")).digest())
            made = ""
            for _ in range(_LENGTH):
                drawn, place = divmod(drawn, len(_LETTERS))
                made += _LETTERS[place]
            if made not in self._used:
                return made
        raise AssertionError("unreachable")


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
