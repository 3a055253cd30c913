"""How rows leave the program: as CSV or JSON lines, to standard output or into a file."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO, TypeAlias

import typer

from modelroute.errors import RequestError, did_you_mean

__all__ = ["Output", "chosen", "destination", "unwritable", "write_csv", "write_lines"]

Output: TypeAlias = Annotated[str | None, typer.Option("--output", "-o", metavar="FILE", help="Write into this file.")]


def chosen(word: str, option: str, known: Sequence[str]) -> str:
    """Return `word` if it is one of `known`. Raises `RequestError` naming them."""
    if word in known:
        return word
    raise RequestError(f"{option} {word!r} is not one of {', '.join(known)}.{did_you_mean(word, known)}")


@contextmanager
def destination(output: str | None) -> Generator[TextIO, None, None]:
    """Give standard output, or the file `output`, made anew. Raises `RequestError` for one that cannot be written."""
    if output is None:
        yield sys.stdout
        return
    try:
        file = Path(output).open("w", encoding="utf-8", newline="")  # noqa: SIM115 - only its opening is guarded
    except OSError as error:
        raise unwritable(output, error) from None
    with file:
        yield file


def unwritable(output: str, error: OSError) -> RequestError:
    """Return the error of a file that cannot be written."""
    return RequestError(f"--output {output} cannot be written: {error.strerror or error}")


def write_csv(to: TextIO, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a line of `columns`, then `rows`. Lists stand as JSON; what is not known is empty."""
    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = (row[column] for column in columns)
        writer.writerow([json.dumps(value) if isinstance(value, list) else value for value in values])


def write_lines(to: TextIO, rows: Iterable[Mapping[str, object]]) -> None:
    """Write one JSON object a line. ASCII only, so that no encoding can spoil it."""
    for row in rows:
        to.write(json.dumps(row, separators=(",", ":")) + "\n")
