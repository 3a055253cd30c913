"""Where a streamed answer is written: as it comes, or wrapped and indented. Never with commands for the terminal."""

from __future__ import annotations

import re
from typing import Protocol, TextIO

from modelroute.cli.terminal import harmless

__all__ = ["Paper", "Plain", "Wrapped"]

_WORDS = re.compile(r"\n|[^\S\n]+|\S+")


class Paper(Protocol):
    """What an answer is written on, piece by piece."""

    def write(self, piece: str) -> None:
        """Put down the next piece."""
        ...

    def end_line(self) -> None:
        """Finish: what is still held back is put down, and a line that was begun is ended."""
        ...


class Plain:
    """Writes every piece at once, as it is."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_mid_line = False

    def write(self, piece: str) -> None:
        """Put down the next piece."""
        self._is_mid_line = not piece.endswith("\n")  # first: Ctrl-C may come while writing
        self._stream.write(harmless(piece, self._stream))
        self._stream.flush()

    def end_line(self) -> None:
        """End a line that was begun."""
        if self._is_mid_line:
            self.write("\n")


class Wrapped:
    """Writes word by word in lines of at most `width` columns, each begun with `indent` spaces."""

    def __init__(self, stream: TextIO, width: int, *, indent: int = 0) -> None:
        self._stream = stream
        self._width = max(width, indent + 1)
        self._indent = " " * indent
        self._column = 0
        self._space = ""
        self._word = ""

    def write(self, piece: str) -> None:
        """Put down the words that are complete; the last is held back until what follows it is known."""
        for part in _WORDS.findall(harmless(piece, self._stream)):
            if part.isspace():
                self._end_word()
                self._space = "" if part == "\n" else " "
                if part == "\n":
                    self._put("\n")
            else:
                self._word += part
        self._stream.flush()

    def end_line(self) -> None:
        """Put down the last word and end the line."""
        self._end_word()
        if self._column:
            self._put("\n")
        self._stream.flush()

    def _end_word(self) -> None:
        word, self._word = self._word, ""
        if not word:
            return
        if self._column and self._column + len(self._space) + len(word) > self._width:
            self._put("\n")
        if self._column:
            self._put(self._space)
        else:
            self._put(self._indent)
        self._put(word)
        self._space = ""

    def _put(self, text: str) -> None:
        self._stream.write(text)
        self._column = 0 if text == "\n" else self._column + len(text)
