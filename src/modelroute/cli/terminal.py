"""How the command line writes: colour and progress only on a terminal, plain lines of a stable width into a pipe."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console, RenderableType

__all__ = ["PIPED_WIDTH", "console", "harmless", "print_json", "progress", "tell", "write"]

PIPED_WIDTH = 120
"""Columns where nobody's terminal says how many there are; COLUMNS says otherwise."""


def console(stream: TextIO | None = None) -> Console:
    """Return a console on `stream` (default: standard output as it is now). Text is never read as markup."""
    file = sys.stdout if stream is None else stream
    width = None if file.isatty() or os.environ.get("COLUMNS") else PIPED_WIDTH
    return Console(file=file, width=width, markup=False, highlight=False, emoji=False)


def write(to: Console, *parts: RenderableType) -> None:
    """Print `parts`, one below the other; into a pipe without the spaces at line ends that tables pad with."""
    if to.is_terminal:
        to.print(*parts, sep="\n")
        return
    with to.capture() as captured:
        to.print(*parts, sep="\n")
    to.file.write("".join(line.rstrip() + "\n" for line in captured.get().splitlines()))
    to.file.flush()


def tell(message: str) -> None:
    """Print one message to standard error. It may quote a provider's words."""
    sys.stderr.write(harmless(message, sys.stderr) + "\n")
    sys.stderr.flush()


def print_json(document: Mapping[str, object]) -> None:
    """Print one JSON document to standard output. ASCII only, so that no encoding of the terminal can spoil it."""
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    sys.stdout.flush()


@contextmanager
def progress(doing: str) -> Generator[Callable[[], None], None, None]:
    """Show on standard error, if both it and standard output are terminals, that something takes time.

    Yields what ends the display early: to be called before anything is written to standard output.
    """
    shown = console(sys.stderr)
    if not (shown.is_terminal and sys.stdout.isatty()) or shown.is_dumb_terminal:
        yield lambda: None
        return
    status = shown.status(doing)
    status.start()
    try:
        yield status.stop
    finally:
        status.stop()


def harmless(text: str, stream: TextIO) -> str:
    """Return others' words for `stream`: without the control characters that would command it, if it is a terminal."""
    if not stream.isatty():
        return text
    return "".join(char for char in text if char in "\n\t" or not (char < " " or "\x7f" <= char <= "\x9f"))
