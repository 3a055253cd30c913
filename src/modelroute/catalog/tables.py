"""Read TOML tables with types, so that every mistake is reported with its file, table and key. Internal."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import cast

from modelroute.errors import ConfigurationError, did_you_mean, shown

__all__ = ["Table"]

_DATE = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?")


class Table:
    """One table of a catalog file. Getters check types; `finish` refuses keys that nothing asked for.

    Every error is a `ConfigurationError` that begins with ``file: [table] key:``.
    """

    __slots__ = ("_asked", "_values", "file", "path")

    def __init__(self, file: str, path: str, values: Mapping[str, object]) -> None:
        self.file = file
        self.path = path
        self._values = values
        self._asked: set[str] = set()

    def error(self, key: str, problem: str) -> ConfigurationError:
        """Return the error to raise for `key` (``""``: the table itself)."""
        place = " ".join(part for part in (f"[{self.path}]" if self.path else "", key) if part)
        return ConfigurationError(f"{self.file}: {place}: {problem}" if place else f"{self.file}: {problem}")

    @contextmanager
    def placing(self, key: str = "") -> Generator[None]:
        """Give errors of what is built within the place they come from, unless they name one already."""
        try:
            yield
        except ConfigurationError as error:
            if str(error).startswith(f"{self.file}: "):
                raise
            raise self.error(key, str(error)) from error

    def has(self, key: str) -> bool:
        """Whether `key` is given."""
        return key in self._values

    def finish(self) -> None:
        """Refuse every key that was never asked for."""
        for key in self._values:
            if key not in self._asked:
                known = sorted(self._asked)
                raise self.error(key, f"unknown key.{did_you_mean(key, known)} Known: {', '.join(known)}.")

    def text(self, key: str, default: str = "") -> str:
        """Return the text at `key`."""
        value = self._get(key)
        if value is None:
            return default
        if not isinstance(value, str):
            raise self._wrong(key, value, "text")
        return value

    def required(self, key: str) -> str:
        """Return the text at `key`, which must be there and not be empty."""
        value = self.text(key)
        if not value:
            raise self.error(key, "is required and must not be empty")
        return value

    def optional(self, key: str, default: str | None = None) -> str | None:
        """Return the text at `key`, or `default`."""
        self._asked.add(key)
        return self.text(key) if self.has(key) else default

    def flag(self, key: str, default: bool) -> bool:
        """Return the truth value at `key`."""
        value = self.optional_flag(key)
        return default if value is None else value

    def optional_flag(self, key: str, default: bool | None = None) -> bool | None:
        """Return the truth value at `key`, or `default`."""
        value = self._get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def whole(self, key: str, default: int | None = None) -> int | None:
        """Return the whole number at `key`, which must not be negative, or `default`."""
        value = self._get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._wrong(key, value, "a whole number, not negative")
        return value

    def amount(self, key: str) -> Decimal | None:
        """Return the number at `key` exactly as written, or `None`."""
        value = self._get(key)
        return None if value is None else self._decimal(key, value)

    def number(self, key: str) -> float | None:
        """Return the number at `key`, or `None`."""
        value = self.amount(key)
        return None if value is None else float(value)

    def required_number(self, key: str) -> float:
        """Return the number at `key`, which must be there."""
        value = self.number(key)
        if value is None:
            raise self.error(key, "is required: a number")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the list of texts at `key`; empty when absent."""
        value = self._list(key)
        if not all(isinstance(item, str) for item in value):
            raise self._wrong(key, value, "a list of texts")
        return tuple(cast(Sequence[str], value))

    def mapping(self, key: str) -> dict[str, str]:
        """Return the table of texts at `key`; empty when absent."""
        value = self._table(key)
        for name, item in value.items():
            if not isinstance(item, str):
                raise self.error(f"{key}.{name}", f"must be text, not {item!r}")
        return cast(dict[str, str], dict(value))

    def measures(self, key: str) -> dict[str, tuple[float, float | None]]:
        """Return numbers by name, each ``value`` or ``[value, error]``."""
        measured: dict[str, tuple[float, float | None]] = {}
        for name, item in self._table(key).items():
            pair = cast(list[object], item) if isinstance(item, list) else [item]
            if len(pair) not in {1, 2}:
                raise self.error(f"{key}.{name}", "must be a number or [number, error]")
            value, *error = (float(self._decimal(f"{key}.{name}", part)) for part in pair)
            measured[name] = (value, error[0] if error else None)
        return measured

    def child(self, key: str) -> Table | None:
        """Return the table at `key`, or `None`."""
        self._asked.add(key)
        return Table(self.file, self._below(key), self._table(key)) if self.has(key) else None

    def children(self, key: str) -> Iterator[tuple[str, Table]]:
        """Yield each named table below `key`."""
        for name, item in self._table(key).items():
            path = f'{self._below(key)}."{name}"'
            if not isinstance(item, dict):
                raise self.error(f"{key}.{name}", "must be a table")
            yield name, Table(self.file, path, cast(dict[str, object], item))

    def rows(self, key: str) -> Iterator[Table]:
        """Yield each table of the list at `key`."""
        for position, item in enumerate(self._list(key)):
            if not isinstance(item, dict):
                raise self._wrong(key, item, "a list of tables")
            yield Table(self.file, f"{self._below(key)}[{position}]", cast(dict[str, object], item))

    def day(self, key: str, default: str = "", *, whole: bool = False) -> str:
        """Return the date at `key` as ISO text: a year, a month or a day; with `whole`, a day."""
        value = self._get(key)
        if value is None:
            return default
        text = value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else value
        match = _DATE.fullmatch(text) if isinstance(text, str) else None
        try:
            if match is None:
                raise ValueError
            date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
        except ValueError:
            raise self._wrong(key, value, "a date such as 2026-10-09, or a month such as 2026-10") from None
        if whole and match[3] is None:
            raise self._wrong(key, value, "a full date such as 2026-10-09")
        return match[0]

    def moment(self, key: str) -> float | None:
        """Return the moment at `key` in Unix seconds: a date (midnight UTC) or a date and time with its zone."""
        value = self._get(key)
        if value is None:
            return None
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value.timestamp()
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime.combine(value, time(), UTC).timestamp()
        raise self._wrong(key, value, "a date, or a date and time with its zone such as 2026-08-16T16:00:00Z")

    def _get(self, key: str) -> object:
        self._asked.add(key)
        return self._values.get(key)

    def _list(self, key: str) -> list[object]:
        value = self._get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(key, value, "a list")
        return cast(list[object], value)

    def _table(self, key: str) -> dict[str, object]:
        value = self._get(key)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._wrong(key, value, "a table")
        return cast(dict[str, object], value)

    def _decimal(self, key: str, value: object) -> Decimal:
        if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
            raise self._wrong(key, value, "a number")
        return Decimal(value)

    def _below(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def _wrong(self, key: str, value: object, wanted: str) -> ConfigurationError:
        return self.error(key, f"must be {wanted}, not {shown(value)}")
