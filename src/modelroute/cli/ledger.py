"""`modelroute ledger`: check it against the counters, see and take back presumed spend, export it, rebuild from it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.table import Table
from rich.text import Text

from modelroute.cli.leaving import Output, chosen, destination, write_csv, write_lines
from modelroute.cli.moments import Since, Until, Zone, between, zone_named
from modelroute.cli.opened import StorePlace, ledger_of, opened
from modelroute.cli.options import Verbose
from modelroute.cli.outcome import FAILED, guarded
from modelroute.cli.terminal import console, print_json, tell, write
from modelroute.errors import ConfigurationError, RequestError
from modelroute.stores.check import Verdict, check_ledger, presumed_in
from modelroute.stores.opening import is_database, open_store
from modelroute.stores.replay import once, reservation_of
from modelroute.stores.rows import COLUMNS, dollars, entry_of, row_of

if TYPE_CHECKING:
    from modelroute.stores.check import AccountCheck, LedgerCheck
    from modelroute.stores.store import Store
    from modelroute.types.ledger import Entry

__all__ = ["ledger"]

VERSION = 1
"""Version of the JSON forms: raised when a key changes its meaning or goes."""

_TABLE_OR_JSON = ("table", "json")
_LINES_OR_CSV = ("jsonl", "csv")
_CONTENT = "content"

ledger = typer.Typer(no_args_is_help=True, help="Check the ledger, and mend what a crash left.")

Form = Annotated[str, typer.Option("--format", metavar=f"[{'|'.join(_TABLE_OR_JSON)}]")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


# ------------------------------------------------------------------------------------------------------- looking


@ledger.command()
@guarded
def check(*, store: StorePlace = None, form: Form = "table", verbose: Verbose = False) -> None:
    """Compare every account with its rows, to the last pico-dollar.

    Ends with 0 if all agree, 1 if not.
    """
    chosen(form, "--format", _TABLE_OR_JSON)
    with ledger_of(store) as kept:
        found = check_ledger(kept, now=time.time())
        if form == "json":
            print_json(_check_json(kept.name, found))
        else:
            _print_check(found)
    if not found.agrees:
        raise typer.Exit(FAILED)


@ledger.command()
@guarded
def presumed(*, store: StorePlace = None, form: Form = "table", verbose: Verbose = False) -> None:
    """List presumed spend: reservations never settled.

    A crash leaves them. They count as spent until they are settled after all, or reversed.
    """
    chosen(form, "--format", _TABLE_OR_JSON)
    with ledger_of(store) as kept:
        rows = presumed_in(kept.entries())
        if form == "json":
            print_json({"version": VERSION, "store": kept.name, "presumed": [_presumed_json(row) for row in rows]})
        elif rows:
            write(console(sys.stdout), _presumed_table(rows), *_reverse_hint())
        else:
            write(console(sys.stdout), Text("no presumed spend"))


@ledger.command()
@guarded
def export(
    *,
    store: StorePlace = None,
    since: Since = None,
    until: Until = None,
    zone: Zone = "UTC",
    form: Annotated[str, typer.Option("--format", metavar=f"[{'|'.join(_LINES_OR_CSV)}]")] = "jsonl",
    content: Annotated[
        bool, typer.Option("--content", help="Also prompts and answers, if they were recorded.")
    ] = False,
    output: Output = None,
    verbose: Verbose = False,
) -> None:
    """Write the ledger's rows as JSON lines or CSV.

    JSON lines are what `ledger rebuild` reads.
    """
    chosen(form, "--format", _LINES_OR_CSV)
    begin, end = between(since, until, zone_named(zone))
    columns = [column for column in COLUMNS if content or column != _CONTENT]
    with ledger_of(store) as kept, destination(output) as to:
        rows = map(row_of, kept.entries(since=begin, until=end))
        if form == "csv":
            write_csv(to, columns, rows)
        else:
            write_lines(to, ({column: row[column] for column in columns} for row in rows))


# ------------------------------------------------------------------------------------------------------- mending


@ledger.command()
@guarded
def reverse(
    reservation: Annotated[str, typer.Argument(help="As `ledger presumed` lists it.")],
    *,
    store: StorePlace = None,
    yes: Yes = False,
    verbose: Verbose = False,
) -> None:
    """Take presumed spend back that was not billed.

    A correction is added to the ledger; no row is changed.
    """
    wanted = reservation.removesuffix("/presumed")
    with opened(store) as kept:
        row = next((row for row in presumed_in(kept.entries()) if reservation_of(row) == wanted), None)
        if kept.keeps_ledger and row is None:
            raise RequestError(
                f"{kept.name} has no presumed spend of {wanted!r}; `modelroute ledger presumed` lists it"
            )
        what = wanted if row is None else f"{row.cost} of {wanted} ({row.target})"
        if not yes:
            _ask(f"Take back {what}?")
        taken = kept.reverse(wanted, now=time.time())
        if taken is None:
            raise RequestError(f"{kept.name} has no presumed spend of {wanted!r} any more")
        tell(f"took back ${dollars(taken)} of {wanted}")


@ledger.command()
@guarded
def rebuild(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="JSON lines of `ledger export`, or a store's.")],
    *,
    store: StorePlace = None,
    yes: Yes = False,
    verbose: Verbose = False,
) -> None:
    """Make lost accounts anew from ledger files.

    Rows in several files count once. What is set aside at this moment is forgotten: do it while nobody asks.
    """
    paths = [_existing(name) for name in files]
    for _ in _rows_of(paths):
        pass  # what cannot be read is said before anything is replaced
    with opened(store, create=True) as kept:
        if not yes:
            _ask(f"Replace all accounts of {kept.name} by what {len(files)} ledger file(s) say?")
        counted = _Counted(once(_rows_of(paths)))
        kept.rebuild(counted, now=time.time())
        accounts = len(kept.balances(now=time.time()))
        tell(f"rebuilt {_accounts(accounts)} of {kept.name} from {_rows_said(counted.rows)}")


class _Counted:
    """Rows that are counted as they are read."""

    def __init__(self, rows: Iterator[Entry]) -> None:
        self._rows = rows
        self.rows = 0

    def __iter__(self) -> Iterator[Entry]:
        for row in self._rows:
            self.rows += 1
            yield row


def _existing(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise ConfigurationError(f"there is no ledger file {name}")
    return path


def _rows_of(paths: Sequence[Path]) -> Iterator[Entry]:
    for path in paths:
        yield from _rows_in(path)


def _rows_in(path: Path) -> Iterator[Entry]:
    if is_database(path):
        other: Store = open_store(path, create=False)
        try:
            yield from other.entries()
        finally:
            other.close()
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _row(line, f"{path}:{number}")


def _row(line: str, place: str) -> Entry:
    try:
        read: object = json.loads(line)
        if not isinstance(read, dict):
            raise ConfigurationError("this is no row of a ledger")
        return entry_of(cast(Mapping[str, object], read))
    except (ValueError, RecursionError) as error:  # ConfigurationError is a ValueError too
        why = error if isinstance(error, ConfigurationError) else "this is no JSON"
        raise ConfigurationError(f"{place}: {why}. Nothing was rebuilt; leave the line out to go on") from None


def _ask(question: str) -> None:
    """Raise `RequestError` unless the person agrees."""
    if not typer.confirm(question, err=True):
        raise RequestError("nothing was done")


# ------------------------------------------------------------------------------------------- what is told of them


def _print_check(found: LedgerCheck) -> None:
    paper = console(sys.stdout)
    parts: list[Table | Text] = []
    if found.accounts:
        table = _table("account", ">rows say", ">counter says", ">presumed", ">set aside", "")
        for account in found.accounts:
            style = "" if account.verdict in (Verdict.EQUAL, Verdict.CLOSED) else "bold red"
            table.add_row(
                Text(account.scope),
                f"${dollars(account.recorded)}",
                "" if account.verdict is Verdict.CLOSED else f"${dollars(account.counted)}",
                str(account.presumed_recorded) if account.presumed_recorded else "",
                str(account.reserved) if account.reserved else "",
                Text(_VERDICTS[account.verdict], style=style),
            )
        parts += [table, Text("")]
    if found.presumed:
        parts += [_presumed_table(found.presumed), *_reverse_hint(), Text("")]
    write(paper, *parts, Text(_summary(found), style="" if found.agrees else "bold red"))


_VERDICTS: Mapping[Verdict, str] = {
    Verdict.EQUAL: "equal",
    Verdict.DIFFERS: "DIFFERS",
    Verdict.MOVING: "being charged just now: check again",
    Verdict.CLOSED: "no counter here",
}


def _summary(found: LedgerCheck) -> str:
    compared = [account for account in found.accounts if account.verdict is not Verdict.CLOSED]
    wrong = [account for account in compared if account.verdict is Verdict.DIFFERS]
    moving = sum(account.verdict is Verdict.MOVING for account in compared)
    if not compared:
        return f"{_rows_said(found.rows)}, and no counter to compare them with"
    said = f"{_rows_said(found.rows)}, {_accounts(len(compared))}: "
    if wrong:
        return said + f"{_accounts(len(wrong))} not equal to their rows"
    if moving:
        return said + f"{moving:,} could not be compared while being charged; check again"
    return said + "all equal to the last pico-dollar"


def _rows_said(number: int) -> str:
    return f"{number:,} row" + ("" if number == 1 else "s")


def _accounts(number: int) -> str:
    return f"{number:,} account" + ("" if number == 1 else "s")


def _presumed_table(rows: Sequence[Entry]) -> Table:
    table = _table("reservation", "sent", "target", "scenario", ">presumed")
    for row in rows:
        sent = f"{datetime.fromtimestamp(row.at, UTC):%Y-%m-%d %H:%M:%SZ}"
        table.add_row(Text(reservation_of(row)), sent, Text(row.target), Text(row.scenario), str(row.cost))
    return table


def _reverse_hint() -> tuple[Text, ...]:
    hint = "Counts as spent. What the provider did not bill: modelroute ledger reverse RESERVATION"
    return Text(""), Text(hint, style="dim")


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold cyan")
    for heading in headings:
        name = heading.removeprefix(">")
        table.add_column(name, justify="left" if name == heading else "right", overflow="fold")
    return table


def _check_json(name: str, found: LedgerCheck) -> Mapping[str, object]:
    return {
        "version": VERSION,
        "store": name,
        "agrees": found.agrees,
        "rows": found.rows,
        "accounts": [_account_json(account) for account in found.accounts],
        "presumed": [_presumed_json(row) for row in found.presumed],
    }


def _account_json(account: AccountCheck) -> Mapping[str, object]:
    return {
        "account": account.scope,
        "verdict": account.verdict.value,
        "recorded_pico": account.recorded.pico,
        "counted_pico": account.counted.pico,
        "presumed_recorded_pico": account.presumed_recorded.pico,
        "presumed_counted_pico": account.presumed_counted.pico,
        "reserved_pico": account.reserved.pico,
    }


def _presumed_json(row: Entry) -> Mapping[str, object]:
    return {
        "reservation": reservation_of(row),
        "request": row.request,
        "at": row.at,
        "target": row.target,
        "scenario": row.scenario,
        "cost": dollars(row.cost),
        "cost_pico": row.cost.pico,
        "accounts": list(row.accounts),
    }
