"""`modelroute models`: what the catalog holds, what a point of intelligence costs, how far open is behind closed."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from modelroute.catalog.books import gap_table, value_table
from modelroute.cli.listing import Listing, Offer, Wanted, listings
from modelroute.cli.options import AsJson, CatalogFiles, Needs, Verbose, features
from modelroute.cli.outcome import guarded
from modelroute.cli.reach import catalog_from
from modelroute.cli.terminal import console, print_json, write
from modelroute.errors import RequestError, did_you_mean
from modelroute.money import Money
from modelroute.types.constraints import INTELLIGENCE

if TYPE_CHECKING:
    from modelroute.catalog.books import GapRow, ValueRow
    from modelroute.catalog.catalog import Catalog
    from modelroute.catalog.model import Model, Score
    from modelroute.catalog.rates import Rates

__all__ = ["By", "models"]

VERSION = 1
"""Version of the JSON form: raised when a key changes its meaning or goes."""

ATTRIBUTION = "Arena ratings by Arena (arena.ai/leaderboard), CC BY 4.0."

_ROOMY = 110  # columns from which on vendor and licence are shown too
_UNKNOWN = "?"


class By(StrEnum):
    """What `--by` orders by; the members are the keys of `listing.ORDERS`."""

    VALUE = "value"
    NAME = "name"
    SCORE = "score"
    PRICE = "price"
    CONTEXT = "context"


@guarded
def models(
    *,
    provider: Annotated[str | None, typer.Option(help="Only what this provider serves, at its price.")] = None,
    vendor: Annotated[str | None, typer.Option(help="Only models made by this vendor.")] = None,
    needs: Needs = None,
    by: Annotated[
        str | None,
        typer.Option(metavar=f"[{'|'.join(By)}]", help="Order; value is dollars per point. Default: score."),
    ] = None,
    prices: Annotated[
        str | None, typer.Option(metavar="BOOK", help="Compare by a named price book, such as 'article', never billed.")
    ] = None,
    gap: Annotated[bool, typer.Option("--gap", help="The best closed and the best open model, by quarter.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also what is known but nobody can call.")] = False,
    files: CatalogFiles = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """List models: score, price now, context, who serves them."""
    order = None if by is None else _order(by)
    catalog = catalog_from(files)
    if gap:
        if provider or vendor or needs or prices or everything or by:
            raise RequestError("--gap compares the whole catalog by the article's scores; it takes only --json")
        _gap(catalog, as_json=as_json)
    elif prices is not None:
        if provider or everything:
            raise RequestError("a price book names models, not who serves them: leave out --provider and --all")
        wanted = Wanted(vendor=vendor, needs=features(needs), unserved=True)
        _book(catalog, prices, wanted, order or By.VALUE, as_json=as_json)
    else:
        served_by = None if provider is None else catalog.provider_name(provider)
        wanted = Wanted(provider=served_by, vendor=vendor, needs=features(needs), unserved=everything)
        _listing(catalog, wanted, order or By.SCORE, as_json=as_json)


def _order(word: str) -> By:
    try:
        return By(word)
    except ValueError:
        near = did_you_mean(word, [each.value for each in By])
        raise RequestError(f"--by {word!r} is not one of {', '.join(By)}.{near}") from None


# ------------------------------------------------------------------------------------------------- what there is


def _listing(catalog: Catalog, wanted: Wanted, by: By, *, as_json: bool) -> None:
    now = time.time()
    found = listings(catalog, wanted, now=now, by=by)
    if as_json:
        print_json({**_head(catalog, now), "models": [_listing_json(listing, now) for listing in found]})
        return
    to = console(sys.stdout)
    if not found:
        write(to, Text("no model of the catalog matches; leave a filter out, or add --all for what nobody serves"))
        return
    roomy = to.width >= _ROOMY
    table = _table("model", *(["vendor"] if roomy else []), ">score", *([">$/point"] if by is By.VALUE else []),
                   ">in", ">out", ">context", *(["licence"] if roomy else []), "served by")  # fmt: skip
    for listing in found:
        model, rates = listing.model, listing.offers[0].rates if listing.offers else None
        table.add_row(
            Text(model.name, style="bold" if listing.offers else "dim"),
            *([model.vendor] if roomy else []),
            _score(listing.score),
            *([_money(listing.per_point)] if by is By.VALUE else []),
            _per_million(rates, "input"),
            _per_million(rates, "output"),
            _tokens(listing.context),
            *([_licence(model)] if roomy else []),
            _served_by(listing),
        )
    write(to, table, *_listing_notes(catalog, found, now, by))


def _served_by(listing: Listing) -> Text:
    if not listing.offers:
        return Text("nobody", style="dim")
    return Text(", ").join(_provider(offer) for offer in listing.offers)


def _provider(offer: Offer) -> Text:
    marks = [offer.window] if offer.window else []
    if not (offer.target.served and offer.target.model.served):
        marks.append("no longer")
    shown = Text(offer.target.provider)
    return shown.append(f" ({', '.join(marks)})", style="yellow") if marks else shown


def _listing_notes(catalog: Catalog, found: Sequence[Listing], now: float, by: By) -> list[Text]:
    moment = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M} UTC"
    notes = [f"in, out: dollars per million tokens at the first provider listed, {moment}; '{_UNKNOWN}': unknown."]
    if any(offer.window == "peak" for listing in found for offer in listing.offers):
        notes.append("(peak): its dearer hours are on.")
    if by is By.VALUE:
        notes.append("$/point: dollars per million output tokens, divided by the score.")
    if catalog.crosswalk is not None and any(listing.score and listing.score.estimated for listing in found):
        notes.append(f"~: estimated, {catalog.crosswalk}.")
    return _notes(catalog, *notes)


# ------------------------------------------------------------------------------------------ what somebody wrote


def _book(catalog: Catalog, name: str, wanted: Wanted, by: By, *, as_json: bool) -> None:
    book = catalog.book(name)
    kept = {listing.model.name for listing in listings(catalog, wanted, now=time.time(), by=By.NAME)}
    rows = sorted((row for row in value_table(catalog, name) if row.model in kept), key=lambda row: _book_key(row, by))
    if as_json:
        print_json(
            {
                **_head(catalog, None),
                "prices": {"book": book.name, "source": book.source, "as_of": book.as_of, "note": book.note},
                "models": [_value_json(row) for row in rows],
            }
        )
        return
    table = _table("model", "vendor", ">score", ">out", ">$/point", ">times the cheapest")
    cheapest = min((row.per_point.pico for row in rows), default=0) or 1
    for row in rows:
        table.add_row(
            Text(row.model, style="bold"),
            catalog.model(row.model).vendor,
            _score(row.score),
            ("about " if row.approximate else "") + str(row.output),
            Text(str(row.per_point), style="bold"),
            f"{row.per_point.pico / cheapest:.1f}",
        )
    source = f"Prices and scores as the {book.name} of {book.as_of} gives them, for comparing, never for billing."
    write(console(), table, *_notes(catalog, source, book.note))


def _book_key(row: ValueRow, by: By) -> tuple[object, ...]:
    if by is By.NAME:
        return (row.model,)
    if by is By.SCORE:
        return -row.score.value, row.model
    if by is By.PRICE:
        return row.output.pico, row.model
    if by is By.CONTEXT:
        raise RequestError("a price book says nothing of context windows; order by value, name, score or price")
    return row.per_point.pico, row.model


def _gap(catalog: Catalog, *, as_json: bool) -> None:
    rows = gap_table(catalog)
    if as_json:
        print_json({**_head(catalog, None), "scale": INTELLIGENCE, "quarters": [_gap_json(row) for row in rows]})
        return
    table = _table("quarter", "best closed", ">score", "best open", ">score", ">gap")
    for row in rows:
        table.add_row(
            row.quarter, row.closed, f"{row.closed_score:g}", row.open, f"{row.open_score:g}",
            Text(f"{row.gap:g}", style="bold"),
        )  # fmt: skip
    write(console(), table, *_notes(catalog, "Scores as the article quotes them, by the quarter it puts them into."))


# ------------------------------------------------------------------------------------------------------ one cell


def _table(*headings: str) -> Table:
    """Return an empty table; a heading that begins with ``>`` has its column aligned to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold cyan")
    for heading in headings:
        name = heading.removeprefix(">")
        table.add_column(name, justify="left" if name == heading else "right", no_wrap=name != "served by")
    return table


def _notes(catalog: Catalog, *lines: str) -> list[Text]:
    dated = f"Catalog {catalog.as_of} ({catalog.digest})."
    return [Text(), *(Text(note, style="dim") for note in (*lines, dated, ATTRIBUTION) if note)]


def _score(score: Score | None) -> str:
    if score is None:
        return _UNKNOWN
    return f"~{score.value:.1f}" if score.estimated else f"{score.value:g}"


def _per_million(rates: Rates | None, field: str) -> str:
    if rates is None:
        return _UNKNOWN
    return _money(_million(rates.input if field == "input" else rates.output))


def _million(rate: int) -> Money:
    return Money.from_pico(rate * 1_000_000)


def _money(money: Money | None) -> str:
    return _UNKNOWN if money is None else str(money)


def _tokens(count: int | None) -> str:
    if count is None:
        return _UNKNOWN
    return f"{count / 1_000_000:.3g}M" if count >= 1_000_000 else f"{count / 1000:.0f}k"


def _licence(model: Model) -> str:
    if model.open_weights is None:
        return model.licence or _UNKNOWN
    kind = "open" if model.open_weights else "closed"
    return kind if model.licence in (None, "proprietary") else f"{kind}, {model.licence.removesuffix(' License')}"


# ------------------------------------------------------------------------------------------------------ as JSON


def _head(catalog: Catalog, now: float | None) -> Mapping[str, object]:
    head: dict[str, object] = {
        "version": VERSION,
        "catalog": {"as_of": catalog.as_of, "digest": catalog.digest},
        "attribution": ATTRIBUTION,
    }
    return head if now is None else {**head, "now": now}


def _listing_json(listing: Listing, now: float) -> Mapping[str, object]:
    model = listing.model
    return {
        "model": model.name,
        "vendor": model.vendor,
        "score": _score_json(listing.score),
        "open_weights": model.open_weights,
        "licence": model.licence,
        "context_window": listing.context,
        "features": sorted(model.features),
        "released": model.released,
        "served": bool(listing.offers) and model.served,
        "targets": [_offer_json(offer, now) for offer in listing.offers],
    }


def _offer_json(offer: Offer, now: float) -> Mapping[str, object]:
    target = offer.target
    return {
        "target": target.name,
        "provider": target.provider,
        "served": target.served and target.model.served,
        "context_window": target.context_window,
        "price": None if offer.rates is None or target.price is None else {
            "input_per_million": _dollars(_million(offer.rates.input)),
            "output_per_million": _dollars(_million(offer.rates.output)),
            "window": offer.window or None,
            "basis": target.price.basis(now),
        },
        "per_point": _dollars(offer.per_point),
    }  # fmt: skip


def _score_json(score: Score | None) -> Mapping[str, object] | None:
    if score is None:
        return None
    return {
        "value": score.value,
        "scale": score.scale,
        "estimated": score.estimated,
        "error": score.error,
        "basis": score.basis,
        "source": score.source,
        "as_of": score.as_of,
    }


def _value_json(row: ValueRow) -> Mapping[str, object]:
    return {
        "model": row.model,
        "score": _score_json(row.score),
        "output_per_million": _dollars(row.output),
        "per_point": _dollars(row.per_point),
        "approximate": row.approximate,
    }


def _gap_json(row: GapRow) -> Mapping[str, object]:
    return {
        "quarter": row.quarter,
        "closed": {"model": row.closed, "score": row.closed_score},
        "open": {"model": row.open, "score": row.open_score},
        "gap": row.gap,
    }


def _dollars(money: Money | None) -> str | None:
    return None if money is None else f"{money.dollars.normalize():f}"
