"""`modelroute catalog`: what the catalog lacks or has outlived, and other people's prices beside its own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from modelroute.catalog import genai_prices
from modelroute.catalog.catalog import Catalog
from modelroute.catalog.lint import CatalogFinding
from modelroute.catalog.update import HEAD, Change, Comparison, Left, RateChange, compared, overlay, quotes_of
from modelroute.cli.options import AsJson, CatalogFiles, Verbose
from modelroute.cli.outcome import FAILED, guarded
from modelroute.cli.reach import catalog_from
from modelroute.cli.terminal import console, print_json, tell, write
from modelroute.errors import ConfigurationError
from modelroute.money import Money
from modelroute.providers.dialects import DIALECTS
from modelroute.providers.profiles import PROFILES

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["catalog"]

VERSION = 1
"""Version of the JSON forms: raised when a key changes its meaning or goes."""

catalog = typer.Typer(no_args_is_help=True, help="Check the catalog, and take prices from elsewhere.")


# ---------------------------------------------------------------------------------------------------------- lint


@catalog.command()
@guarded
def lint(*, files: CatalogFiles = None, as_json: AsJson = False, verbose: Verbose = False) -> None:
    """List what is missing, old or about to run out.

    Ends with 1 if something is wrong: retired but listed, or an unknown dialect or profile.
    """
    known, today = catalog_from(files), _today(time.time())
    found = known.findings(today, dialects=DIALECTS.keys(), profiles=PROFILES.keys())
    if as_json:
        print_json(
            {
                "version": VERSION,
                "catalog": {"as_of": known.as_of, "digest": known.digest},
                "today": today.isoformat(),
                "errors": sum(one.is_error for one in found),
                "findings": [_finding_json(one) for one in found],
            }
        )
    else:
        _print_findings(found)
    if any(one.is_error for one in found):
        raise typer.Exit(FAILED)


def _print_findings(found: Sequence[CatalogFinding]) -> None:
    errors = sum(one.is_error for one in found)
    said = f"{_counted(len(found), 'finding')}, {_counted(errors, 'error')}"
    if not found:
        write(console(sys.stdout), Text("nothing to say"))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold cyan")
    table.add_column("code", no_wrap=True)
    table.add_column("about", no_wrap=True)
    table.add_column("what", overflow="fold")
    for one in found:
        style = "bold red" if one.is_error else ""
        table.add_row(Text(one.code, style=style), Text(one.subject), Text(f"{one.text} {one.fix}"))
    write(console(sys.stdout), table, Text(), Text(said, style="bold red" if errors else ""))


def _finding_json(one: CatalogFinding) -> Mapping[str, object]:
    return {"code": one.code, "error": one.is_error, "subject": one.subject, "text": one.text, "fix": one.fix}


# -------------------------------------------------------------------------------------------------------- update


@catalog.command()
@guarded
def update(
    *,
    source: Annotated[
        str, typer.Option("--from", metavar=f"[{genai_prices.SOURCE}|FILE]", help="The package, or a catalog file.")
    ] = genai_prices.SOURCE,
    target: Annotated[
        str | None, typer.Option("--write", metavar="PATH", help="Write what changes to this catalog file.")
    ] = None,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Write the prices that agree too, as read today from this source.")
    ] = False,
    files: CatalogFiles = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Compare prices with those of a source, and write what differs.

    The file that is written is yours: load it with Catalog.load(path) or --catalog. What ships is never changed.
    """
    now = time.time()
    known, today = catalog_from(files), _today(now)
    if source == genai_prices.SOURCE:
        name = f"{genai_prices.SOURCE} {genai_prices.version()}"
        found = compared(known, genai_prices.quoted(known, today), now)
    else:
        name = source
        other = Catalog.load(source, onto=known)
        found = compared(known, quotes_of(other, known, now), now)
    if as_json:
        print_json(_comparison_json(name, today, found))
    else:
        _print_comparison(name, found)
    if target is not None:
        taken = (*found.changes, *(found.same if confirm else ()))
        _write_overlay(Path(target), overlay(known, taken, today, name), len(taken))


def _write_overlay(path: Path, text: str, prices: int) -> None:
    if prices == 0:
        tell("nothing to write")
        return
    try:
        if path.exists() and not path.read_text("utf-8", errors="replace").startswith(HEAD):
            raise ConfigurationError(f"{path} is no file that this command has written; give another name")
        _replace(path, text)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror or error}") from error
    tell(f"wrote {_counted(prices, 'price')} to {path}: load it with Catalog.load or --catalog")


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _print_comparison(name: str, found: Comparison) -> None:
    parts: list[Table | Text] = []
    if found.changes:
        parts += [_changes_table(found.changes), Text()]
    if found.left:
        parts += [_left_table(found.left), Text()]
    said = f"{name}: {len(found.changes)} to change, {len(found.same)} agree, {len(found.left)} left as they are"
    write(console(sys.stdout), *parts, Text(said))


def _changes_table(changes: Iterable[Change]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold cyan")
    for heading in ("target", "rate", ">before", ">after", ">percent", "catalog of", "source"):
        name = heading.removeprefix(">")
        table.add_column(name, justify="left" if name == heading else "right", overflow="fold")
    for change in changes:
        for rate in change.rates:
            percent = "" if rate.percent is None else f"{rate.percent:+.1f}"
            as_of = "" if change.before is None else change.before.as_of
            table.add_row(
                Text(change.target), _rate_name(rate), _dollars(rate.before), _dollars(rate.after), percent, as_of,
                Text(change.after.source),
            )  # fmt: skip
    return table


def _left_table(left: Iterable[Left]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold cyan")
    table.add_column("left as it is", no_wrap=True)
    table.add_column("why", overflow="fold")
    for one in left:
        table.add_row(Text(one.target), Text(one.why))
    return table


def _rate_name(rate: RateChange) -> str:
    return f"{rate.name} above {rate.above:,}" if rate.above else rate.name


def _dollars(rate: int | None) -> str:
    return "?" if rate is None else str(Money.from_pico(rate * 1_000_000))


def _comparison_json(name: str, today: date, found: Comparison) -> Mapping[str, object]:
    return {
        "version": VERSION,
        "source": name,
        "today": today.isoformat(),
        "changes": [
            {
                "target": change.target,
                "before_as_of": None if change.before is None else change.before.as_of,
                "source": change.after.source,
                "rates": [
                    {
                        "rate": rate.name,
                        "above": rate.above,
                        "before": _plain(rate.before),
                        "after": _plain(rate.after),
                        "percent": rate.percent,
                    }
                    for rate in change.rates
                ],
            }
            for change in found.changes
        ],
        "same": [change.target for change in found.same],
        "left": [{"target": one.target, "why": one.why} for one in found.left],
    }


def _plain(rate: int | None) -> str | None:
    """Return a rate as exact decimal text, in dollars per million tokens."""
    return None if rate is None else f"{Money.from_pico(rate * 1_000_000).dollars.normalize():f}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _today(now: float) -> date:
    return datetime.fromtimestamp(now, UTC).date()
