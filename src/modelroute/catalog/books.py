"""Price books and the two comparisons the article makes: cost per point of intelligence, and open against closed.

A book is what somebody once wrote that models cost. It is for comparing, never for billing; bills come
from the prices of targets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from modelroute.catalog import declared
from modelroute.catalog.rates import Rates
from modelroute.catalog.scores import best_score
from modelroute.money import Money
from modelroute.types.constraints import INTELLIGENCE

if TYPE_CHECKING:
    from modelroute.catalog.catalog import Catalog
    from modelroute.catalog.model import Model, Score

__all__ = ["Book", "BookPrice", "GapRow", "ValueRow", "gap_table", "value_table"]

_MILLION = 1_000_000
_NO_PRICES: Mapping[str, BookPrice] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class BookPrice:
    """What a book says a model costs: exact `rates`, `approximate` where the book itself writes "about"."""

    rates: Rates
    approximate: bool = False

    def __post_init__(self) -> None:
        declared.instance(self, "rates", Rates, "Rates.per_million(input, output)")
        declared.flag(self, "approximate")


@dataclass(frozen=True, slots=True)
class Book:
    """A named list of prices by model, as its `source` gives them."""

    name: str
    source: str
    as_of: str
    prices: Mapping[str, BookPrice] = field(default_factory=lambda: _NO_PRICES, hash=False)
    note: str = ""

    def __post_init__(self) -> None:
        declared.text(self, "name", "source", "note")
        declared.day(self, "as_of")
        prices = self.prices
        if not isinstance(prices, Mapping) or not all(
            isinstance(name, str) and isinstance(price, BookPrice) for name, price in prices.items()
        ):
            raise declared.refusal(self, "prices", "give BookPrice(rates) by the name of a model")
        object.__setattr__(self, "prices", MappingProxyType(dict(prices)))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by plain values: a read-only mapping cannot be pickled."""
        return (Book, (self.name, self.source, self.as_of, dict(self.prices), self.note))


@dataclass(frozen=True, slots=True)
class ValueRow:
    """What a point of `score` costs: the price of a million output tokens, divided by the score.

    `name` is a model in a book, a target in the catalog. `approximate`: the price or the score is not exact.
    `basis` says where the price is from: ``"article 2026-05"`` or ``"catalog 2026-10-09"``.
    """

    name: str
    model: str
    score: Score
    output: Money
    per_point: Money
    approximate: bool
    basis: str


@dataclass(frozen=True, slots=True)
class GapRow:
    """The best closed and the best open model by the quoted scores of one quarter, and the points between them."""

    quarter: str
    closed: str
    closed_score: float
    open: str
    open_score: float
    gap: float


def value_table(catalog: Catalog, book: str | None = None, *, moment: float | None = None) -> tuple[ValueRow, ...]:
    """Return what a point of intelligence costs, cheapest first.

    `book` names a price book (``"article"``): its models, with their quoted scores. `None`: every served target at its
    catalog price at `moment` (Unix seconds; default: the date of the catalog), quoted and estimated scores alike.

    The arithmetic is the article's: dollars for a million *output* tokens / score. GPT-5.5: $30 / 60 = $0.50;
    Kimi K2.6: $3 / 54 = $0.0556, which the article writes as "about $0.055".

    Raises `UnknownNameError` for a book that does not exist.
    """
    rows = _from_book(catalog, book) if book is not None else _from_targets(catalog, moment)
    return tuple(sorted(rows, key=lambda row: (row.per_point.pico, row.name)))


def gap_table(catalog: Catalog) -> tuple[GapRow, ...]:
    """Return the gap between closed and open models, from the quoted scores that name a quarter, oldest first."""
    best: dict[tuple[str, bool], tuple[float, str]] = {}
    for name, model in catalog.models.items():
        for score in model.scores:
            if model.open_weights is None or not score.quarter or score.estimated or score.scale != INTELLIGENCE:
                continue
            key = (score.quarter, model.open_weights)
            best[key] = max(best.get(key, (float("-inf"), "")), (score.value, name))
    quarters = sorted(quarter for quarter, is_open in best if is_open and (quarter, False) in best)
    return tuple(_gap(quarter, best[quarter, False], best[quarter, True]) for quarter in quarters)


def _gap(quarter: str, closed: tuple[float, str], opened: tuple[float, str]) -> GapRow:
    return GapRow(quarter, closed[1], closed[0], opened[1], opened[0], round(closed[0] - opened[0], 2))


def _from_book(catalog: Catalog, name: str) -> Iterator[ValueRow]:
    book = catalog.book(name)
    for listed, price in book.prices.items():
        model = catalog.model(listed)
        score = best_score(model, INTELLIGENCE, estimated=False)
        if score is not None and score.value > 0:
            yield _row(
                model.name, model, score, price.rates, basis=f"{book.name} {book.as_of}", approximate=price.approximate
            )


def _from_targets(catalog: Catalog, moment: float | None) -> Iterator[ValueRow]:
    when = _end_of_day(catalog.as_of) if moment is None else moment
    for name, target in catalog.targets.items():
        rates = target.price.at(when, 0) if target.price is not None and target.served else None
        score = best_score(target.model, INTELLIGENCE)
        if target.price is not None and rates is not None and score is not None and score.value > 0:
            yield _row(name, target.model, score, rates, basis=target.price.basis(when))


def _row(name: str, model: Model, score: Score, rates: Rates, *, basis: str, approximate: bool = False) -> ValueRow:
    output = rates.output * _MILLION
    return ValueRow(
        name=name,
        model=model.name,
        score=score,
        output=Money.from_pico(output),
        per_point=Money.from_pico(round(output / score.value)),
        approximate=approximate or score.estimated,
        basis=basis,
    )


def _end_of_day(as_of: str) -> float:
    """The last second of the day a date names (of a month or year: its first): what was read on it is in force."""
    if not as_of:
        return 0.0
    year, month, day = (int(part) for part in f"{as_of}-01-01".split("-")[:3])
    return datetime(year, month, day, 23, 59, 59, tzinfo=UTC).timestamp()
