"""Other people's prices beside the catalog's: what differs, and the overlay that takes it over."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from modelroute.catalog.dates import midnight
from modelroute.catalog.price import Price, PriceRow
from modelroute.catalog.rates import Rates, Tier
from modelroute.catalog.window import Window

if TYPE_CHECKING:
    from modelroute.catalog.catalog import Catalog

__all__ = ["HEAD", "Change", "Comparison", "Left", "Quote", "RateChange", "compared", "overlay", "quotes_of"]

HEAD = "# Prices taken from"
"""How a file begins that `overlay` has written."""

_NAMES = ("input", "output", "cached_input", "cache_write")
_TOKENS = 1_000_000


@dataclass(frozen=True, slots=True)
class Quote:
    """What a source says that a target costs now. `left`: why it cannot be taken over, ``""`` where it can."""

    target: str
    row: PriceRow
    left: str = ""


@dataclass(frozen=True, slots=True)
class RateChange:
    """One rate, before and after, in pico-dollars per token. `above`: its tier's, 0 for none; `None`: no such tier."""

    name: str
    above: int
    before: int | None
    after: int | None

    @property
    def percent(self) -> float | None:
        """How much dearer it is, in percent; `None` where it was nothing or not said."""
        if not self.before or self.after is None:
            return None
        return (self.after - self.before) / self.before * 100


@dataclass(frozen=True, slots=True)
class Change:
    """A target's price in force and the one that would follow. `before` is `None` where none was known."""

    target: str
    before: PriceRow | None
    after: PriceRow

    @property
    def rates(self) -> tuple[RateChange, ...]:
        """The rates that differ."""
        before = {} if self.before is None else _by_place(self.before)
        after = _by_place(self.after)
        places = sorted(before.keys() | after.keys(), key=lambda place: (place[1], _NAMES.index(place[0])))
        pairs = ((place, before.get(place), after.get(place)) for place in places)
        return tuple(RateChange(*place, old, new) for place, old, new in pairs if old != new)


@dataclass(frozen=True, slots=True)
class Left:
    """A price that was not taken over, and why."""

    target: str
    why: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a source says of a catalog's prices: `changes`, those that agree (`same`), and what is `left` as it is."""

    changes: tuple[Change, ...]
    same: tuple[Change, ...]
    left: tuple[Left, ...]


def quotes_of(other: Catalog, catalog: Catalog, moment: float) -> Iterator[Quote]:
    """Yield what `other`, a user's file on top of `catalog`, says that targets cost at `moment`, where it differs."""
    for name, target in other.targets.items():
        known = catalog.targets.get(name)
        if target.price is None or (known is not None and known.price == target.price):
            continue
        row = target.price.row_at(moment)
        if row is not None:
            yield Quote(name, row)


def compared(catalog: Catalog, quotes: Iterable[Quote], moment: float) -> Comparison:
    """Return how `quotes` differ from what the catalog charges at `moment`.

    Left as it is: what the source cannot express, above all hours at which the price is another.
    """
    changes: list[Change] = []
    same: list[Change] = []
    left: list[Left] = []
    for quote in sorted(quotes, key=lambda quote: quote.target):
        target = catalog.targets.get(quote.target)
        price = None if target is None else target.price
        before = None if price is None else price.row_at(moment)
        if target is None:
            left.append(Left(quote.target, "the catalog has no such target"))
        elif quote.left:
            left.append(Left(quote.target, quote.left))
        elif before is not None and before.windows and not quote.row.windows:
            left.append(Left(quote.target, "it has hours at which it costs otherwise, which the source does not say"))
        else:
            change = Change(quote.target, before, quote.row)
            kept = change.rates or (before is not None and before.windows != quote.row.windows)
            (changes if kept else same).append(change)
    return Comparison(tuple(changes), tuple(same), tuple(left))


def overlay(catalog: Catalog, changes: Sequence[Change], today: date, source: str) -> str:
    """Return a catalog file that puts `changes` into force from `today`; what held before and what follows is kept.

    `source` is said at its head; every price has its own source beside it.
    """
    lines = [
        f"{HEAD} {source} on {today.isoformat()} by `modelroute catalog update`.",
        "# Load it with Catalog.load(path), or --catalog on the command line. Dollars per million tokens.",
    ]
    for change in changes:
        target = catalog.targets[change.target]
        new = replace(change.after, since=midnight(today), as_of=change.after.as_of or today.isoformat())
        kept = () if target.price is None else target.price.rows
        rows = Price.dated(*(row for row in kept if row.since != new.since), new).rows
        lines += ["", f"[targets.{_text(change.target)}]"]
        lines += [f"source = {_text(target.source or new.source)}", f"as_of = {_text(target.as_of or new.as_of)}"]
        lines += ["prices = [", *(f"  {_row(row)}," for row in rows), "]"]
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------------------------------------------ as TOML


def _row(row: PriceRow) -> str:
    parts = [] if row.since == -math.inf else [f"from = {_moment(row.since)}"]
    parts += _rates(row.rates)
    if row.tiers:
        parts.append(f"tiers = {_tiers(row.tiers)}")
    if row.windows:
        parts.append(f"windows = [{', '.join(map(_window, row.windows))}]")
    parts += [f"{name} = {_text(said)}" for name in ("source", "as_of", "note") if (said := getattr(row, name))]
    return _table(parts)


def _rates(rates: Rates) -> list[str]:
    given = ((name, getattr(rates, name)) for name in _NAMES)
    return [f"{name} = {Decimal(rate) / _TOKENS:f}" for name, rate in given if rate is not None]


def _tiers(tiers: Iterable[Tier]) -> str:
    ordered = sorted(tiers, key=lambda tier: tier.above)
    return f"[{', '.join(_table([f'above = {tier.above}', *_rates(tier.rates)]) for tier in ordered)}]"


def _window(window: Window) -> str:
    parts = [*_rates(window.rates), f"hours = {_texts(window.hours)}", f"zone = {_text(window.zone)}"]
    parts += [f"{name} = {_texts(said)}" for name in ("days", "except_dates") if (said := getattr(window, name))]
    if window.tiers:
        parts.append(f"tiers = {_tiers(window.tiers)}")
    if window.label:
        parts.append(f"label = {_text(window.label)}")
    return _table(parts)


def _table(parts: Iterable[str]) -> str:
    return f"{{ {', '.join(parts)} }}"


def _texts(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_text, texts))}]"


def _text(text: str) -> str:
    escaped = "".join(
        f"\\u{ord(char):04x}" if char < " " or char == "\x7f" else f"\\{char}" if char in '\\"' else char
        for char in text
    )
    return f'"{escaped}"'


def _moment(since: float) -> str:
    moment = datetime.fromtimestamp(since, UTC)
    if moment == datetime(moment.year, moment.month, moment.day, tzinfo=UTC):
        return moment.date().isoformat()
    return moment.isoformat().replace("+00:00", "Z")


def _by_place(row: PriceRow) -> dict[tuple[str, int], int]:
    """Return what is charged, by name of the rate and tier: what is not said of the cache is billed as plain input."""
    places: dict[tuple[str, int], int] = {}
    for above, rates in ((0, row.rates), *((tier.above, tier.rates) for tier in row.tiers)):
        for name in _NAMES:
            rate: int | None = getattr(rates, name)
            places[name, above] = rates.input if rate is None else rate
    return places
