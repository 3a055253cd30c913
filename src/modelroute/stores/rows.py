"""A row of the ledger as plain values and back: what is exported, and what a lost store is rebuilt from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import cast

from modelroute.errors import ConfigurationError
from modelroute.money import Money
from modelroute.types.ledger import Entry, EntryKind

__all__ = ["COLUMNS", "dollars", "entry_of", "row_of"]

_MONEY = frozenset({"estimate", "reserved", "cost"})
_LISTS = frozenset({"tags", "accounts"})
_FIELDS = tuple(each.name for each in fields(Entry))
_TYPES: Mapping[str, tuple[type, ...]] = (
    {"number": (int,), "at": (int, float)}
    | {
        name: (int, type(None))
        for name in ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
    }
    | {name: (int, float, type(None)) for name in ("seconds", "first_token")}
)
_MAYBE = frozenset({"task", "user", "failure", "finish", "content"})

COLUMNS = tuple(
    column for name in _FIELDS for column in ((name, f"{name}_pico") if name in _MONEY else (name,))
)  # fmt: skip
"""Names of a row's values: the fields of `Entry`, each amount in dollars and once more in pico-dollars."""


def dollars(money: Money) -> str:
    """Return the exact amount in dollars, without a sign of the currency: ``"0.0011"``."""
    return f"{money.dollars.normalize():f}"


def row_of(entry: Entry) -> dict[str, object]:
    """Return `entry` as text, numbers, lists of text and `None`, by `COLUMNS`."""
    row: dict[str, object] = {}
    for name in _FIELDS:
        value = getattr(entry, name)
        if name in _MONEY:
            row[name] = None if value is None else dollars(value)
            row[f"{name}_pico"] = None if value is None else value.pico
        elif name in _LISTS:
            row[name] = list(value)
        else:
            row[name] = str(value) if name == "kind" else value
    return row


def entry_of(row: Mapping[str, object]) -> Entry:
    """Return the entry that `row_of` wrote; of amounts the pico-dollars count. ``entry_of(row_of(entry)) == entry``.

    Raises `ConfigurationError` for anything else.
    """
    try:
        return Entry(**{name: _value(name, row) for name in _FIELDS})  # type: ignore[arg-type]
    except (KeyError, ValueError, TypeError) as error:
        raise ConfigurationError(f"this is no row of a ledger: {error}") from None


def _value(name: str, row: Mapping[str, object]) -> object:
    if name in _MONEY:
        pico = row[f"{name}_pico"]
        if pico is None and name == "estimate":
            return None
        if not isinstance(pico, int) or isinstance(pico, bool):
            raise TypeError(f"{name}_pico is no whole number")
        return Money.from_pico(pico)
    value = row.get(name) if name == "content" else row[name]
    if name == "kind":
        return EntryKind(cast(str, value))
    if name in _LISTS:
        if not isinstance(value, list) or not all(isinstance(part, str) for part in cast(list[object], value)):
            raise TypeError(f"{name} is no list of names")
        return tuple(cast(list[str], value))
    known = _TYPES.get(name, (str, type(None)) if name in _MAYBE else (str,))
    if not isinstance(value, known) or isinstance(value, bool):
        raise TypeError(f"{name} is of the wrong type")
    return value
