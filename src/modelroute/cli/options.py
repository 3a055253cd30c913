"""Options that several commands share, read into what a router is asked with."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Annotated, TypeAlias, cast

import typer

from modelroute.catalog.model import FEATURES
from modelroute.cli.terminal import tell
from modelroute.errors import RequestError, UnknownNameError
from modelroute.runtime.calls import Asking, Routing, options_from

__all__ = [
    "AsJson",
    "CatalogFiles",
    "MaxCost",
    "ModelName",
    "Needs",
    "Task",
    "Verbose",
    "asking_from",
    "features",
    "prompt_from",
]

_MOST_PROMPT = 32 * 1024 * 1024


class _ToStderr(logging.Handler):
    """Writes to standard error as it is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        tell(self.format(record))


def _log(wanted: bool) -> bool:
    logger = logging.getLogger("modelroute")
    if wanted:
        handler = _ToStderr()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
        logger.handlers = [handler]
        logger.setLevel(logging.DEBUG)
    elif not logger.handlers:
        logger.addHandler(logging.NullHandler())  # else Python itself prints warnings
    return wanted


AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
MaxCost: TypeAlias = Annotated[
    str | None, typer.Option(metavar="DOLLARS", help="Most the whole request may cost, all attempts included.")
]
ModelName: TypeAlias = Annotated[
    str, typer.Option("--model", metavar="NAME", help="auto, a model, or a target (model@provider).")
]
CatalogFiles: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--catalog", metavar="FILE", help="A catalog file of yours, on top of what is there; repeatable."),
]
Needs: TypeAlias = Annotated[
    list[str] | None, typer.Option(metavar="FEATURE,...", help=f"Features it must have: {', '.join(sorted(FEATURES))}.")
]
Task: TypeAlias = Annotated[str | None, typer.Option(help="What kind of work it is: coding, reasoning, ...")]
Verbose: TypeAlias = Annotated[
    bool, typer.Option("--verbose", "-v", callback=_log, help="Log what happens to standard error.")
]


def prompt_from(word: str) -> str:
    """Return the prompt: `word` itself, or for ``-`` all of standard input.

    Raises `RequestError` for an empty one, and for one of more than 32 MiB.
    """
    if word != "-":
        text = word
    else:
        data = sys.stdin.buffer.read(_MOST_PROMPT + 1)
        if len(data) > _MOST_PROMPT:
            raise RequestError("standard input holds more than 32 MiB; no model takes a prompt of that length")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RequestError(f"standard input is not UTF-8 text (byte {error.start}); convert it first") from None
    if not text.strip():
        raise RequestError("the prompt is empty; give it as an argument, or '-' to read it from standard input")
    return text


def features(given: Sequence[str] | None) -> frozenset[str]:
    """Return the features named, separated by commas or given one by one. Raises `UnknownNameError`."""
    named = frozenset(name.strip() for words in given or () for name in words.split(",") if name.strip())
    for name in sorted(named - FEATURES):
        raise UnknownNameError("feature", name, FEATURES)
    return named


def asking_from(
    *,
    task: str | None = None,
    max_cost: str | None = None,
    floor: Sequence[str] | None = None,
    needs: Sequence[str] | None = None,
    model: str = "auto",
    tags: Sequence[str] | None = None,
) -> Asking:
    """Return a call's keywords from options as they were typed. Raises `ModelRouteError` for what cannot be meant."""
    asking: Asking = {"model": model}
    if task is not None:
        asking["task"] = task
    if max_cost is not None:
        asking["max_cost"] = max_cost
    if floor:
        asking["floor"] = dict(map(_floor, floor))
    if needs:
        asking["needs"] = features(needs)
    if tags:
        asking["tags"] = tuple(tags)
    options_from(**cast(Routing, asking))  # what cannot be meant is said before any key is looked for
    return asking


def _floor(typed: str) -> tuple[str, float]:
    """Read ``54`` or ``arena_coding=1500``."""
    scale, equals, number = typed.rpartition("=")
    try:
        return (scale.strip() if equals else "intelligence"), float(number)
    except ValueError:
        raise RequestError(f"--floor {typed!r} is no floor; write 54, or a scale's: arena_coding=1500") from None
