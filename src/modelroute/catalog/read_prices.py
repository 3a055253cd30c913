"""Read the prices of a catalog file: rates, tiers, windows and dated rows. Internal."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

from modelroute.catalog.price import PriceRow, converted, exchange_factor
from modelroute.catalog.rates import Rates, Tier
from modelroute.catalog.source import SourceFile
from modelroute.catalog.tables import Table
from modelroute.catalog.window import Window

__all__ = ["price_row", "rates_of"]


def rates_of(table: Table, factor: Decimal = Decimal(1)) -> Rates:
    """Return the rates of `table`, at `factor` dollars per unit of its currency; input and output must be there."""
    given = {name: table.amount(name) for name in ("input", "output", "cached_input", "cache_write")}
    dollars = {name: None if amount is None else converted(amount, factor) for name, amount in given.items()}
    needed = [dollars[name] for name in ("input", "output")]
    if needed[0] is None or needed[1] is None:
        missing = "input" if needed[0] is None else "output"
        raise table.error(
            missing, "is missing: a price needs input and output; leave the whole price out if it is unknown"
        )
    with table.placing():
        return Rates.per_million(needed[0], needed[1], dollars["cached_input"], dollars["cache_write"])


def _tiers(table: Table, factor: Decimal) -> tuple[Tier, ...]:
    tiers: list[Tier] = []
    for row in table.rows("tiers"):
        above = row.whole("above")
        if above is None:
            raise row.error("above", "is missing: the tier holds for prompts longer than this many tokens")
        tiers.append(Tier(above, rates_of(row, factor)))
        row.finish()
    return tuple(tiers)


def _window(table: Table, factor: Decimal) -> Window:
    rates, tiers = rates_of(table, factor), _tiers(table, factor)
    hours, days, excepted = table.texts("hours"), table.texts("days"), table.texts("except_dates")
    zone, label = table.text("zone", "UTC"), table.text("label")
    table.finish()
    with table.placing():
        return Window(rates, hours, days, zone=zone, tiers=tiers, except_dates=excepted, label=label)


def price_row(file: SourceFile, table: Table, source: str, as_of: str) -> PriceRow:
    """Return one dated row of a price; `source` and `as_of` are its target's, for rows that have none of their own."""
    said, when = file.provenance(table, source, as_of)
    with table.placing("currency"):
        factor = exchange_factor(table.text("currency", "USD"), table.amount("exchange"), table.day("exchange_as_of"))
    since = table.moment("from")
    row = (
        partial(PriceRow, rates_of(table, factor))
        if since is None
        else partial(PriceRow, rates_of(table, factor), since)
    )
    windows = tuple(_window(window, factor) for window in table.rows("windows"))
    with table.placing():
        priced = row(tiers=_tiers(table, factor), windows=windows, source=said, as_of=when, note=table.text("note"))
    table.finish()
    return priced
