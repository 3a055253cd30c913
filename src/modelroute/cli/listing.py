"""The catalog as a list of models: what matches, what it costs now, and in which order."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelroute.catalog.books import value_table
from modelroute.catalog.model import FEATURES
from modelroute.catalog.scores import best_score
from modelroute.errors import UnknownNameError
from modelroute.policy.eligibility import features_of
from modelroute.types.constraints import INTELLIGENCE

if TYPE_CHECKING:
    from modelroute.catalog.catalog import Catalog
    from modelroute.catalog.model import Model, Score, Target
    from modelroute.catalog.rates import Rates
    from modelroute.money import Money

__all__ = ["ORDERS", "Listing", "Offer", "Wanted", "listings"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A target with what it charges now: `rates` is `None` where no price is known, `window` an open price window."""

    target: Target
    rates: Rates | None
    window: str
    per_point: Money | None


@dataclass(frozen=True, slots=True)
class Listing:
    """A model with the score that counts for it unasked, and its offers, the cheapest first."""

    model: Model
    score: Score | None
    offers: tuple[Offer, ...]

    @property
    def context(self) -> int | None:
        """The largest context window it is served with, else the model's own."""
        windows = [offer.target.context_window for offer in self.offers if offer.target.context_window is not None]
        return max(windows, default=self.model.context_window)

    @property
    def per_point(self) -> Money | None:
        """Dollars for a million output tokens, divided by the score, at the cheapest offer for which both are known."""
        known = [offer.per_point for offer in self.offers if offer.per_point is not None]
        return min(known, key=lambda money: money.pico, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which models are asked for. `unserved`: also those that no one can call.

    Raises `UnknownNameError` for a feature nobody declares.
    """

    provider: str | None = None
    vendor: str | None = None
    needs: frozenset[str] = frozenset()
    unserved: bool = False

    def __post_init__(self) -> None:
        for feature in sorted(self.needs - FEATURES):
            raise UnknownNameError("feature", feature, FEATURES)


def listings(catalog: Catalog, wanted: Wanted, *, now: float, by: str) -> list[Listing]:
    """Return the models of `catalog` that are `wanted`, at the prices of `now`, ordered by a name of `ORDERS`.

    Raises `UnknownNameError` for a provider or vendor that the catalog does not have.
    """
    if wanted.provider is not None:
        catalog.provider(wanted.provider)
    vendors = {model.vendor for model in catalog.models.values()}
    if wanted.vendor is not None and wanted.vendor not in vendors:
        raise UnknownNameError("vendor", wanted.vendor, vendors)
    points = {row.name: row.per_point for row in value_table(catalog, moment=now)}
    found = [_listing(catalog, model, wanted, now, points) for model in catalog.models.values()]
    return sorted((listing for listing in found if listing is not None), key=ORDERS[by])


def _listing(catalog: Catalog, model: Model, wanted: Wanted, now: float, points: Mapping[str, Money]) -> Listing | None:
    if wanted.vendor is not None and model.vendor != wanted.vendor:
        return None
    own = [target for target in catalog.targets.values() if target.model.name == model.name]
    targets = [target for target in own if _matches(target, wanted)]
    if not targets and (own or wanted.provider is not None or not (wanted.unserved and wanted.needs <= model.features)):
        return None
    offers = [_offer(target, now, points) for target in targets]
    return Listing(model, best_score(model, INTELLIGENCE), tuple(sorted(offers, key=_by_price)))


def _matches(target: Target, wanted: Wanted) -> bool:
    return (
        (wanted.unserved or (target.served and target.model.served))
        and wanted.provider in (None, target.provider)
        and wanted.needs <= features_of(target)
    )


def _offer(target: Target, now: float, points: Mapping[str, Money]) -> Offer:
    row = target.price.row_at(now) if target.price is not None else None
    if row is None:
        return Offer(target, None, "", None)
    opened = next((window for window in row.windows if window.holds(now)), None)
    label = "" if opened is None else opened.label or "window"
    return Offer(target, row.at(now, 0), label, points.get(target.name))


def _by_price(offer: Offer) -> tuple[float, float, str]:
    if offer.rates is None:
        return math.inf, math.inf, offer.target.name
    return offer.rates.output, offer.rates.input, offer.target.name


def _price(listing: Listing) -> tuple[object, ...]:
    return (_by_price(listing.offers[0])[:2] if listing.offers else (math.inf, math.inf), listing.model.name)


def _score(listing: Listing) -> tuple[object, ...]:
    return (-math.inf if listing.score is None else listing.score.value) * -1, listing.model.name


def _value(listing: Listing) -> tuple[object, ...]:
    return math.inf if listing.per_point is None else listing.per_point.pico, listing.model.name


def _context(listing: Listing) -> tuple[object, ...]:
    return -(listing.context or 0), listing.model.name


ORDERS: Mapping[str, Callable[[Listing], tuple[object, ...]]] = {
    "value": _value,
    "name": lambda listing: (listing.model.name,),
    "score": _score,
    "price": _price,
    "context": _context,
}
"""What `models --by` may say; what is unknown comes last."""
