"""The ledger as a table: rows appended once by their id, read in the order they were appended."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from functools import partial

from modelroute.money import Money
from modelroute.stores.cells import cell, whole
from modelroute.stores.database import Database
from modelroute.stores.schema import LEDGER
from modelroute.types.ledger import Entry, EntryKind

__all__ = ["append", "entry_of_text", "find", "rows", "text_of_entry"]

_PAGE = 500
_COLUMNS = ", ".join(LEDGER)
_ROWS = f"SELECT position, {_COLUMNS} FROM ledger"  # noqa: S608 - our own names of columns
_PAGED = f"{_ROWS} WHERE position > ? AND position <= ? AND at >= ? AND at < ? ORDER BY position LIMIT {_PAGE}"
_INSERT = (
    f"INSERT INTO ledger ({_COLUMNS}) VALUES ({', '.join('?' * len(LEDGER))})"  # noqa: S608 - the same
    " ON CONFLICT (id) DO NOTHING"
)

_LISTS = ("tags", "accounts")
_MONEY = ("estimate", "reserved", "cost")
_NUMBERS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")

_Cell = str | int | float | None


def append(connection: sqlite3.Connection, entry: Entry) -> None:
    """Append `entry` unless its id is known."""
    connection.execute(_INSERT, _cells(entry))


def find(connection: sqlite3.Connection, row: str) -> Entry | None:
    """Return the row of that id."""
    found = connection.execute(f"{_ROWS} WHERE id = ?", (row,)).fetchone()
    return None if found is None else _entry(found[1:])


def rows(database: Database, since: float | None, until: float | None) -> Iterator[Entry]:
    """Yield the rows with ``since <= at < until`` that are there when it begins, a page at a time."""
    since, until = -1e300 if since is None else since, 1e300 if until is None else until
    bounds = "SELECT coalesce(min(position), 1) - 1, coalesce(max(position), 0) FROM ledger WHERE at >= ? AND at < ?"
    after, last = database.read(lambda connection: connection.execute(bounds, (since, until)).fetchone())
    while after < last:
        page = database.read(partial(_page, bounds=(after, last, since, until)))
        if not page:
            return
        yield from (_entry(row[1:]) for row in page)
        after = page[-1][0]


def _page(connection: sqlite3.Connection, bounds: tuple[float, ...]) -> list[tuple[int, *tuple[object, ...]]]:
    return connection.execute(_PAGED, bounds).fetchall()


def text_of_entry(entry: Entry) -> str:
    """Return `entry` as text, to be appended later."""
    return json.dumps(_cells(entry))


def entry_of_text(text: str) -> Entry:
    """Return the entry of `text_of_entry`."""
    return _entry(tuple(json.loads(text)))


def _cells(entry: Entry) -> tuple[_Cell, ...]:
    tokens = (_whole(getattr(entry, name)) for name in _NUMBERS)
    cells: tuple[_Cell, ...] = (
        entry.id, entry.kind.value, entry.request, entry.number, entry.at, entry.scenario, entry.task,
        _list(entry.tags), entry.user, entry.target, entry.why, entry.decision, entry.snapshot, *tokens,
        None if entry.estimate is None else cell(entry.estimate.pico), cell(entry.reserved.pico),
        cell(entry.cost.pico), entry.basis, entry.failure, entry.finish, entry.seconds, entry.first_token,
        _list(entry.accounts), entry.content,
    )  # fmt: skip
    return tuple(_written(each) if isinstance(each, str) else each for each in cells)


def _written(text: str) -> str:
    """Return `text`, half of a surrogate pair in it escaped: a row that could not be written would block the others."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _list(names: tuple[str, ...]) -> str:
    return json.dumps(names, ensure_ascii=False) if names else "[]"


def _whole(number: int | None) -> int | str | None:
    return None if number is None else cell(number)


def _entry(cells: tuple[object, ...]) -> Entry:
    values = dict(zip(LEDGER, cells, strict=True))
    values["kind"] = EntryKind(str(values["kind"]))
    for name in _LISTS:
        values[name] = tuple(json.loads(str(values[name])))
    for name in _NUMBERS:
        values[name] = None if values[name] is None else whole(values[name])
    for name in _MONEY:
        values[name] = None if values[name] is None else Money.from_pico(whole(values[name]))
    return Entry(**values)  # type: ignore[arg-type]
