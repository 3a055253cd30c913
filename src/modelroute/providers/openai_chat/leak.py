"""Reasoning that leaked into the text: ``<think>...</think>`` at the beginning of an answer, split off as it arrives.

Servers whose reasoning parser is off or unknown to the model send the thoughts in the text itself. Only what stands at
the beginning is thought to be that: further on, a tag is what the model wrote. Blank space around the thoughts belongs
to neither. Thoughts that are never closed are thoughts to the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["Leak", "Piece", "begins_no_tag", "unopened"]

_LONGEST_BLANK = 256


class Piece(NamedTuple):
    """Some of the answer, and whether it is reasoning. Never empty."""

    text: str
    is_reasoning: bool


class Leak:
    """The beginning of one answer's text. Once `is_over`, whatever follows is text.

    `tags`: names of the tags, without brackets; small and capital letters are one. Nothing is held back but what may
    still become a tag, and blank space next to one.
    """

    __slots__ = ("_after", "_begun", "_held", "_opening", "_tags", "_thinking", "is_over")

    def __init__(self, tags: Sequence[str]) -> None:
        self._tags = tuple(tag.lower() for tag in tags)
        self._opening = tuple(f"<{tag}>" for tag in self._tags)
        self._held = ""
        self._thinking = ""
        """The closing tag that is awaited, ``""`` outside of the thoughts."""
        self._begun = False
        """Something was thought since the last opening tag; blank space before it is not."""
        self._after = False
        """Some thoughts have ended: the blank space that follows is theirs."""
        self.is_over = not tags

    def feed(self, text: str) -> Iterator[Piece]:
        """Take the next text and yield what it is known to be."""
        held, self._held = self._held + text, ""
        while held:
            if self.is_over:
                yield Piece(held, is_reasoning=False)
                return
            if self._thinking:
                thought, held = self._thought(held)
                if thought:
                    yield Piece(thought, is_reasoning=True)
                if self._thinking:
                    self._held = held
                    return
            else:
                begun = self._begin(held)
                if begun is None:
                    self._held = held.lstrip() if self._after else held
                    return
                held = begun

    def end(self) -> Iterator[Piece]:
        """Yield what was held back: no more text comes."""
        held, self._held = self._held, ""
        if self._thinking:
            held = held.strip()
        elif self._after:
            held = held.lstrip()
        if held:
            yield Piece(held, is_reasoning=bool(self._thinking))
        self.is_over = True

    def _begin(self, held: str) -> str | None:
        """Return what follows the opening tag, or all of it where there is none; `None` while it may become one."""
        words = held.lstrip()
        if self._after:
            held = words
        start = words[: max(map(len, self._opening))].lower()
        if len(held) - len(words) <= _LONGEST_BLANK:
            for tag, opening in zip(self._tags, self._opening, strict=True):
                if start.startswith(opening):
                    self._thinking, self._begun = f"</{tag}>", False
                    return words[len(opening) :]
            if any(opening.startswith(start) for opening in self._opening):
                return None
        self.is_over = True
        return held

    def _thought(self, held: str) -> tuple[str, str]:
        """Return (what is certainly thought, what is not yet known or follows the closing tag)."""
        if not self._begun:
            held = held.lstrip()
            self._begun = bool(held)
        closing = re.search(re.escape(self._thinking), held, re.IGNORECASE | re.ASCII)
        if closing is not None:
            thought, rest = held[: closing.start()].rstrip(), held[closing.end() :]
            self._thinking, self._after = "", True
            return thought, rest
        certain = held
        tail = held.rfind("<", max(0, len(held) - len(self._thinking) + 1))
        if tail >= 0 and self._thinking.startswith(held[tail:].lower()):
            certain = held[:tail]
        certain = certain.rstrip()
        return certain, held[len(certain) :]


def begins_no_tag(text: str) -> bool:
    """Return whether an answer that begins with `text` can hold no thoughts."""
    words = text.lstrip()
    return bool(words) and words[0] != "<"


def unopened(text: str, tags: Sequence[str]) -> tuple[str, str] | None:
    """Return (thoughts, text) of a whole answer whose template kept the opening tag to itself, `None` if it is not so.

    That is: a closing tag without an opening one before it, and without a quotation mark: an answer may speak of tags.
    In a stream it shows too late; what was handed out stays text.
    """
    for tag in tags:
        found = re.search(rf"(?<![`'\"]){re.escape(f'</{tag}>')}(?![`'\"])", text, re.IGNORECASE)
        if found is not None and f"<{tag}>" not in text[: found.start()].lower():
            return text[: found.start()].strip(), text[found.end() :].lstrip()
    return None
