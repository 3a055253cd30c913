"""The price of one model at one provider, as dated rows: a request is billed at the price it was made under."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from modelroute.catalog import declared
from modelroute.catalog.dates import is_stale
from modelroute.catalog.rates import Rates, Tier, dearest_of, longest_first
from modelroute.catalog.window import Window
from modelroute.errors import ConfigurationError
from modelroute.money import Money, MoneyLike

__all__ = ["Price", "PriceRow", "Rates", "Tier", "Window"]

ALWAYS = -math.inf
_LATEST = 253_402_300_800.0
"""The year 10000: no calendar shows a moment from there on."""


@dataclass(frozen=True, slots=True)
class PriceRow:
    """A price list in force from `since` (Unix seconds) until a newer row begins.

    `rates` hold unless a window is open; of the windows the first that is open counts. Within either, the tier with the
    highest `above` that the prompt exceeds replaces its rates for the whole request.
    `source` and `as_of` say who published the price and when it was read; empty: you declared it.
    """

    rates: Rates
    since: float = ALWAYS
    tiers: tuple[Tier, ...] = ()
    windows: tuple[Window, ...] = ()
    source: str = ""
    as_of: str = ""
    note: str = ""
    _is_flat: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        declared.instance(self, "rates", Rates, "Rates.per_million(input, output)")
        if isinstance(self.since, bool) or not isinstance(self.since, int | float) or not self.since < _LATEST:
            raise declared.refusal(
                self, "since", "a price row begins at a moment in Unix seconds; of a datetime: moment.timestamp()"
            )
        object.__setattr__(self, "tiers", longest_first(self.tiers))
        declared.each(self, "windows", Window, "Window(rates, hours=('01:00-04:00',))")
        declared.text(self, "source", "note")
        declared.day(self, "as_of")
        object.__setattr__(self, "_is_flat", not self.tiers and not self.windows)

    def at(self, moment: float, prompt_tokens: int) -> Rates:
        """Return the rates for a prompt of `prompt_tokens` at `moment`, both of which this row must cover."""
        rates, tiers = self.rates, self.tiers
        for window in self.windows:
            if window.holds(moment):
                rates, tiers = window.rates, window.tiers
                break
        for tier in tiers:
            if prompt_tokens > tier.above:
                return tier.rates
        return rates

    def dearest(self, start: float, end: float, prompt_tokens: int) -> Rates:
        """Return, rate by rate, the dearest within ``[start, end]`` for a prompt of at most `prompt_tokens`."""
        rates = dearest_of(self.rates, self.tiers, prompt_tokens)
        for window in self.windows:
            if window.touches(start, end):
                rates = rates | dearest_of(window.rates, window.tiers, prompt_tokens)
        return rates

    @property
    def every_rate(self) -> tuple[Rates, ...]:
        """Every rate the row can charge."""
        windowed = [
            rates for window in self.windows for rates in (window.rates, *(tier.rates for tier in window.tiers))
        ]
        return (self.rates, *(tier.rates for tier in self.tiers), *windowed)


class Price:
    """What a target charges, as dated rows: the newest in force wins, an older one answers for an older moment.

    ``Price(input=0.95, output=4, cached_input=0.16)`` is a price you declare, in dollars per million tokens, taken as
    typed; `Price.free` charges nothing; `Price.dated` takes rows. Immutable, comparable, hashable, picklable.

    `currency`: for anything but ``"USD"``, `exchange` is needed (dollars per unit of it) and `exchange_as_of`.

    Raises `ConfigurationError` for negative prices, for prices finer than a pico-dollar per token and for a currency
    without a dated rate.
    """

    __slots__ = ("_newest_first", "rows")
    rows: tuple[PriceRow, ...]
    _newest_first: tuple[PriceRow, ...]

    def __init__(
        self,
        *,
        input: MoneyLike,  # noqa: A002 - the word every price list uses
        output: MoneyLike,
        cached_input: MoneyLike | None = None,
        cache_write: MoneyLike | None = None,
        tiers: tuple[Tier, ...] = (),
        windows: tuple[Window, ...] = (),
        currency: str = "USD",
        exchange: MoneyLike | None = None,
        exchange_as_of: str = "",
    ) -> None:
        if not isinstance(currency, str) or not isinstance(exchange_as_of, str):
            raise ConfigurationError("currency and exchange_as_of are text, such as 'EUR' and '2026-11-20'")
        factor = exchange_factor(currency, exchange, exchange_as_of)
        if currency != "USD" and (tiers or windows):
            raise ConfigurationError("give tiers and windows in dollars, or leave currency as 'USD'")
        rates = Rates.per_million(
            converted(input, factor),
            converted(output, factor),
            None if cached_input is None else converted(cached_input, factor),
            None if cache_write is None else converted(cache_write, factor),
        )
        _set_rows(self, (PriceRow(rates, tiers=tiers, windows=windows),))

    @classmethod
    def free(cls) -> Price:
        """Return the price of what costs nothing, such as a model on your own machine."""
        return _FREE

    @classmethod
    def dated(cls, *rows: PriceRow) -> Price:
        """Return the price made of `rows`, in any order; `ConfigurationError` for none or two that begin together."""
        if not all(isinstance(row, PriceRow) for row in rows):
            raise ConfigurationError("Price.dated takes PriceRow(rates, since) values, not a list of them: unpack it")
        if not rows:
            raise ConfigurationError("a price needs at least one row; an unknown price is price=None")
        if len({row.since for row in rows}) < len(rows):
            raise ConfigurationError("two rows of a price begin at the same moment; which one holds must be clear")
        price = object.__new__(cls)
        _set_rows(price, rows)
        return price

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("Price is immutable; build a new one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("Price is immutable; build a new one")

    def at(self, moment: float, prompt_tokens: int) -> Rates | None:
        """Return the rates at `moment` (Unix seconds) for a prompt of `prompt_tokens`; `None`: none is known."""
        for row in self._newest_first:
            if moment >= row.since:
                return row.rates if row._is_flat else row.at(moment, prompt_tokens)
        return None

    def dearest(self, start: float, seconds: float, prompt_tokens: int) -> Rates | None:
        """Return, rate by rate, the dearest from `start` for `seconds` for any prompt of at most `prompt_tokens`.

        Never below `at` for any moment in between. A day that might be a holiday counts as an ordinary one.
        `None` if at `start` no row is in force: what is unknown cannot be bounded.
        """
        end = start + max(0.0, seconds)
        dearest: Rates | None = None
        for row in self._newest_first:
            if row.since > end:
                continue
            rates = row.rates if row._is_flat else row.dearest(max(start, row.since), end, prompt_tokens)
            dearest = rates if dearest is None else dearest | rates
            if row.since <= start:
                return dearest
            end = row.since
        return None

    def row_at(self, moment: float) -> PriceRow | None:
        """Return the row in force at `moment`, or `None`."""
        return next((row for row in self._newest_first if moment >= row.since), None)

    def as_of(self, moment: float) -> str:
        """Return the date at which the price in force at `moment` was read, ``""`` if it was declared or none is."""
        row = self.row_at(moment)
        return row.as_of if row is not None else ""

    def basis(self, moment: float) -> str:
        """Return what a cost computed at `moment` rests on: ``"catalog 2026-10-09"`` or ``"declared by you"``.

        A price that nobody looked up for more than 60 days says so: ``"catalog 2026-07-02 (stale)"``.
        """
        as_of = self.as_of(moment)
        if not as_of:
            return "declared by you"
        return f"catalog {as_of} (stale)" if is_stale(as_of, moment) else f"catalog {as_of}"

    @property
    def is_free(self) -> bool:
        """Whether no row ever charges anything."""
        return all(rates.is_free for row in self.rows for rates in row.every_rate)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Price):
            return NotImplemented
        return self.rows == other.rows

    def __hash__(self) -> int:
        return hash((Price, self.rows))

    def __reduce__(self) -> tuple[object, ...]:
        return (_from_rows, (self.rows,))

    def __repr__(self) -> str:
        newest = self._newest_first[0]
        shown = ", ".join(
            f"{name}={_dollars(rate)}"
            for name in ("input", "output", "cached_input", "cache_write")
            if (rate := getattr(newest.rates, name)) is not None
        )
        counts = {"tier": len(newest.tiers), "window": len(newest.windows)}
        marks = [f"{number} {noun}{'s' * (number > 1)}" for noun, number in counts.items() if number]
        if len(self.rows) > 1:
            marks.append(f"{len(self.rows)} rows, newest since {_date(newest.since)}")
        return f"Price({shown}{''.join(f'; {mark}' for mark in marks)})"


def exchange_factor(currency: str, exchange: MoneyLike | None, as_of: str) -> Decimal:
    """Return dollars per unit of `currency`; `ConfigurationError` where a foreign one has no dated rate."""
    if currency == "USD":
        if exchange is not None:
            raise ConfigurationError("exchange is only for a currency other than USD")
        return Decimal(1)
    if exchange is None or not as_of:
        raise ConfigurationError(
            f"a price in {currency} needs a dated rate: exchange (dollars per {currency}) and exchange_as_of (ISO date)"
        )
    factor = Money(exchange).dollars
    if factor <= 0:
        raise ConfigurationError(f"the exchange rate {exchange} of {currency} must be positive")
    return factor


def converted(amount: MoneyLike, factor: Decimal) -> MoneyLike:
    """Return `amount` in dollars."""
    return amount if factor == 1 else Money(amount).dollars * factor


def _set_rows(price: Price, rows: tuple[PriceRow, ...]) -> None:
    ordered = tuple(sorted(rows, key=lambda row: row.since))
    object.__setattr__(price, "rows", ordered)
    object.__setattr__(price, "_newest_first", ordered[::-1])


def _from_rows(rows: tuple[PriceRow, ...]) -> Price:
    return Price.dated(*rows)


def _dollars(rate: int) -> str:
    return f"{Decimal(rate) / 1_000_000:f}"


def _date(since: float) -> str:
    return datetime.fromtimestamp(since, UTC).date().isoformat()


_FREE = Price(input=0, output=0)
