"""Makes docs/reference/promises.md of what the harnesses measured, so that no figure on it was typed by hand.

``python -m harnesses.promises`` writes the page; ``--check`` only says whether it is what the results render to.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harnesses.result import RESULTS, ROOT, Promise, Result, read_all

__all__ = ["PAGE", "main", "render"]

PAGE = ROOT / "docs" / "reference" / "promises.md"
"""The page that is written."""

_ORDER = "MTSCHDP"
"""Money, time, streams, concurrency, health, decisions, safety: as they are usually told."""

_HEAD = """\
# Promises, measured

What the library promises, and what the last run of the command beside it measured. This page is written by
`python -m harnesses.promises` from `harnesses/results/`, never by hand; a test compares the two. Sizes that fit into
minutes run in the project's tests on every change; these runs are longer.

| | promise | measured | shown by |
|---|---|---|---|
"""


def render(results: Sequence[Result]) -> str:
    """Return the page for these results: the same results, in any order, give the same text."""
    listed = sorted(
        ((promise, result) for result in results for promise in result.promises),
        key=lambda pair: (*_place(pair[0]), pair[1].harness, pair[0].promise),
    )
    rows = "".join(_row(promise, result) for promise, result in listed)
    return _HEAD + rows + _foot(results)


def _place(promise: Promise) -> tuple[int, int]:
    letter, digits = promise.invariant[:1], promise.invariant[1:]
    return _ORDER.find(letter) % (len(_ORDER) + 1), int(digits) if digits.isdecimal() else 0


def _row(promise: Promise, result: Result) -> str:
    figure = promise.figure if promise.holds else f"**does not hold**: {promise.figure}"
    cells = (promise.invariant, promise.promise, figure, f"`{result.command}`")
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"


def _foot(results: Sequence[Result]) -> str:
    machines: dict[str, list[str]] = {}
    for result in sorted(results, key=lambda one: one.harness):
        if result.machine:
            machines.setdefault(result.machine, []).append(f"`{result.command}`")
    told = [f"- {machine}: {', '.join(dict.fromkeys(commands))}" for machine, commands in sorted(machines.items())]
    return "\n## Where it ran\n\n" + "\n".join(told) + "\n" if told else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or check it; 1 when it is not what the results render to or a promise does not hold."""
    parser = argparse.ArgumentParser(
        prog="python -m harnesses.promises", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the results lie")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page")
    chosen = parser.parse_args(arguments)
    results = read_all(chosen.results)
    page = render(results)
    if not chosen.check:
        chosen.page.write_text(page, encoding="utf-8")
    elif not chosen.page.exists() or chosen.page.read_text(encoding="utf-8") != page:
        sys.stdout.write(
            f"{chosen.page.name} is not what {chosen.results.name}/ renders to: run this without --check\n"
        )
        return 1
    broken = [promise for result in results for promise in result.promises if not promise.holds]
    for promise in broken:
        sys.stdout.write(f"{promise.invariant} does not hold: {promise.promise}: {promise.figure}\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
