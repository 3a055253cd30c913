"""`modelroute spend`: what was spent, by day, target, user or any combination, from the ledger of a store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, TextIO

import typer
from rich.table import Table
from rich.text import Text

from modelroute.cli.leaving import Output, chosen, destination, write_csv
from modelroute.cli.moments import Since, Until, Zone, between, zone_named
from modelroute.cli.opened import StorePlace, ledger_of
from modelroute.cli.options import Verbose
from modelroute.cli.outcome import guarded
from modelroute.cli.parquet import require_pyarrow, write_parquet
from modelroute.cli.terminal import console, write
from modelroute.errors import RequestError
from modelroute.stores.rows import dollars
from modelroute.stores.spend import By, spend_of

if TYPE_CHECKING:
    from modelroute.stores.spend import Spend, SpendReport

__all__ = ["spend"]

VERSION = 1
"""Version of the JSON form: raised when a key changes its meaning or goes."""

_FORMATS = ("table", "csv", "json", "parquet")
_COUNTS = ("attempts", "answers", "input_tokens", "output_tokens", "cached_tokens", "unreported", "unpriced")
_AMOUNTS = ("cost", "mean_cost")
_NONE = "(none)"
_NAMELESS = {By.FAILURE: "(answered)"}


@guarded
def spend(
    *,
    store: StorePlace = None,
    by: Annotated[
        list[str] | None,
        typer.Option(metavar="HEADING,...", help=f"One row for each: {', '.join(By)}; several combine."),
    ] = None,
    since: Since = None,
    until: Until = None,
    zone: Zone = "UTC",
    form: Annotated[str, typer.Option("--format", metavar=f"[{'|'.join(_FORMATS)}]")] = "table",
    output: Output = None,
    verbose: Verbose = False,
) -> None:
    """Show what was spent: cost, attempts, answers, tokens.

    Reads the ledger of a store. CSV and JSON hold exact amounts, in dollars and in pico-dollars.
    """
    headings = _headings(by)
    chosen(form, "--format", _FORMATS)
    if form == "parquet":
        if output is None:
            raise RequestError("--format parquet is no text for a terminal: add --output spend.parquet")
        require_pyarrow()
    days = zone_named(zone)
    begin, end = between(since, until, days)
    with ledger_of(store) as kept:
        report = spend_of(kept.entries(since=begin, until=end), headings, zone=days)
        name = kept.name
    if form == "parquet" and output is not None:
        text = tuple(map(str, headings))
        write_parquet(output, _rows(report), text=text, whole=_COUNTS, money=_AMOUNTS)
        return
    with destination(output) as to:
        if form == "csv":
            columns = (*map(str, headings), *_COUNTS, *_AMOUNTS, *(f"{amount}_pico" for amount in _AMOUNTS))
            write_csv(to, columns, _rows(report))
        elif form == "json":
            asked = {"store": name, "since": since, "until": until, "zone": zone, "by": list(map(str, headings))}
            document = {"version": VERSION, **asked, "rows": _rows(report), "total": _figures(report.total)}
            to.write(json.dumps(document, indent=2) + "\n")
        else:
            _print(report, to)


def _headings(by: Sequence[str] | None) -> tuple[By, ...]:
    words = [word.strip() for typed in by or () for word in typed.split(",") if word.strip()]
    return tuple(By(chosen(word, "--by", [each.value for each in By])) for word in words)


# -------------------------------------------------------------------------------------------------- for machines


def _rows(report: SpendReport) -> list[dict[str, object]]:
    names = tuple(map(str, report.by))
    return [{**dict(zip(names, row.key, strict=True)), **_figures(row.spend)} for row in report.rows]


def _figures(spent: Spend) -> dict[str, object]:
    mean = spent.mean
    return {
        **{name: getattr(spent, name) for name in _COUNTS},
        "cost": dollars(spent.cost),
        "mean_cost": None if mean is None else dollars(mean),
        "cost_pico": spent.cost.pico,
        "mean_cost_pico": None if mean is None else mean.pico,
    }


# ---------------------------------------------------------------------------------------------------- for people


def _print(report: SpendReport, to: TextIO) -> None:
    paper = console(to)
    if not report.total.attempts and not report.rows:
        write(paper, Text("nothing was spent: the ledger has no attempt in this time"))
        return
    table = Table(box=None, pad_edge=False, show_footer=bool(report.by), footer_style="bold")
    totals = _cells(report.total)
    for place, heading in enumerate(report.by):
        table.add_column(heading.value, footer="total" if place == 0 else "", overflow="fold")
    for name, figure in totals.items():
        table.add_column(name, justify="right", footer=figure, no_wrap=True)
    for row in report.rows if report.by else ():
        named = (_named(heading, value) for heading, value in zip(report.by, row.key, strict=True))
        table.add_row(*named, *_cells(row.spend).values())
    if not report.by:
        table.add_row(*totals.values())
    write(paper, table, *_notes(report))


def _cells(spent: Spend) -> Mapping[str, str]:
    return {
        "attempts": f"{spent.attempts:,}",
        "answers": f"{spent.answers:,}",
        "tokens in": f"{spent.input_tokens:,}",
        "cached": f"{spent.cached_tokens:,}",
        "tokens out": f"{spent.output_tokens:,}",
        "cost": str(spent.cost),
        "per answer": "" if spent.mean is None else str(spent.mean),
    }


def _named(heading: By, value: str | None) -> Text:
    return Text(_NAMELESS.get(heading, _NONE), style="dim") if value is None else Text(value)


def _notes(report: SpendReport) -> list[Text]:
    total, notes = report.total, list[str]()
    if By.TAG in report.by:
        notes.append("An attempt with several tags is in the row of each; the total counts it once.")
    if total.unreported:
        notes.append(f"Without a report of tokens: {_attempts(total.unreported)}. The sums leave them out.")
    if total.unpriced:
        notes.append(f"At targets of unknown price: {_attempts(total.unpriced)}. What they cost is not in the sums.")
    return [Text("")] + [Text(note, style="dim") for note in notes] if notes else []


def _attempts(number: int) -> str:
    return f"{number:,} attempt" + ("" if number == 1 else "s")
