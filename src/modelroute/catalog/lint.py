"""What a catalog lacks and what in it has run out: worth reading before money depends on it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from modelroute.catalog.dates import age, is_stale, midnight
from modelroute.errors import did_you_mean
from modelroute.types.constraints import INTELLIGENCE

if TYPE_CHECKING:
    from modelroute.catalog.catalog import Catalog
    from modelroute.catalog.model import Model, ProviderRow, Target
    from modelroute.catalog.price import PriceRow

__all__ = ["SOON", "CatalogFinding", "findings"]

SOON = 30
"""Days ahead within which a retirement or another price is announced."""

_EMBEDDING = frozenset({"embedding"})


@dataclass(frozen=True, slots=True)
class CatalogFinding:
    """A remark on a catalog: a stable `code`, the target, model, provider or alias it is about, and what to do.

    `is_error`: requests would go wrong; the others are worth knowing. Codes of errors: ``retired``, ``dialect``,
    ``profile``. Of the others: ``unpriced``, ``unscored``, ``expiring``, ``price_ends``, ``stale``, ``licence``,
    ``no_url``, ``alias``.
    """

    code: str
    subject: str
    text: str
    fix: str
    is_error: bool = False

    def __str__(self) -> str:
        return f"{self.code}: {self.subject}: {self.text} {self.fix}"


def findings(
    catalog: Catalog, today: date, *, dialects: Collection[str] | None, profiles: Collection[str] | None
) -> tuple[CatalogFinding, ...]:
    """Return what is to be said of `catalog` on `today`: errors first, then by code and subject.

    `dialects`, `profiles`: the names that rows and targets may use, `None`: not looked at.
    """
    now = midnight(today)
    found: list[CatalogFinding] = []
    for target in catalog.targets.values():
        found += _of_target(target, today, now)
        found += _spoken(target.name, target.dialect, target.profile, dialects, profiles)
    serving = {target.model.name for target in catalog.targets.values() if _is_served(target)}
    for name in serving:
        found += _of_model(catalog.models[name])
    for row in catalog.providers.values():
        found += _of_row(row, now)
        for spoken in (row, *(row.speaking(dialect) for dialect in row.apis)):
            found += _spoken(row.name, spoken.dialect, spoken.profile, dialects, profiles)
    found += _of_aliases(catalog)
    return tuple(sorted(set(found), key=lambda one: (not one.is_error, one.code, one.subject, one.text)))


def _is_served(target: Target) -> bool:
    return target.served and target.model.served


def _of_target(target: Target, today: date, now: float) -> Iterator[CatalogFinding]:
    if not _is_served(target):
        return
    name, retires = target.name, target.retires or target.model.retires
    if retires is not None:
        last = date.fromisoformat(retires)
        if last < today:
            fix = "Set served = false, or the new date."
            yield CatalogFinding("retired", name, f"Retired on {retires}, but listed as served.", fix, is_error=True)
        elif last <= today + timedelta(days=SOON):
            yield CatalogFinding("expiring", name, f"Retires on {retires}.", "Move to its successor before that.")
    row = None if target.price is None else target.price.row_at(now)
    if target.price is None or row is None:
        yield CatalogFinding(
            "unpriced", name, "No price is known: never eligible under a ceiling.", "Give it prices, or served = false."
        )
        return
    if is_stale(row.as_of, now):
        yield CatalogFinding(
            "stale", name, f"Its price was read {age(row.as_of, now)} days ago ({row.as_of}).",
            "Look it up again, or run `modelroute catalog update`.",
        )  # fmt: skip
    following = next((later for later in target.price.rows if later.since > now), None)
    if following is not None and following.since <= now + SOON * 86_400:
        yield CatalogFinding("price_ends", name, _change(row, following), "Check what depends on it.")


def _change(row: PriceRow, following: PriceRow) -> str:
    day = datetime.fromtimestamp(following.since, UTC).date().isoformat()
    pairs = ((row.rates.input, following.rates.input), (row.rates.output, following.rates.output))
    words = [f"{_dollars(before)} to {_dollars(after)}" for before, after in pairs]
    return f"Its price changes on {day}: input {words[0]}, output {words[1]} dollars per million."


def _dollars(rate: int) -> str:
    return f"{rate / 1_000_000:g}"


def _of_model(model: Model) -> Iterator[CatalogFinding]:
    if model.licence is None:
        fix = "Give its licence, with licence_checked once you have read it."
        yield CatalogFinding(
            "licence", model.name, "Its licence is unknown: it satisfies no rule that names some.", fix
        )
    if model.features != _EMBEDDING and not any(score.scale == INTELLIGENCE for score in model.scores):
        fix = "Give it a score, or like = a model it resembles."
        yield CatalogFinding("unscored", model.name, f"No score for {INTELLIGENCE}: it passes no floor.", fix)


def _of_row(row: ProviderRow, now: float) -> Iterator[CatalogFinding]:
    if not row.urls and not row.url_template:
        yield CatalogFinding("no_url", row.name, "It has no URL.", "Give urls, or url_template where it is the user's.")
    if is_stale(row.as_of, now):
        text = f"What is said of the provider was read {age(row.as_of, now)} days ago ({row.as_of})."
        yield CatalogFinding("stale", row.name, text, "Read its documentation again and renew as_of.")


def _spoken(
    subject: str,
    dialect: str | None,
    profile: str | None,
    dialects: Collection[str] | None,
    profiles: Collection[str] | None,
) -> Iterator[CatalogFinding]:
    for code, name, known in (("dialect", dialect, dialects), ("profile", profile, profiles)):
        if name is not None and known is not None and name not in known:
            fix = f"Name one that exists: {', '.join(sorted(known))}."
            text = f"Unknown {code} {name!r}.{did_you_mean(name, known)}"
            yield CatalogFinding(code, subject, text, fix, is_error=True)


def _of_aliases(catalog: Catalog) -> Iterable[CatalogFinding]:
    wire_names = {target.wire_name: target for target in catalog.targets.values() if _is_served(target)}
    for alias, name in catalog.aliases.items():
        target = wire_names.get(alias)
        if target is not None and target.model.name != name:
            text = f"Stands for {name}, but {target.provider} calls {target.model.name} so."
            yield CatalogFinding("alias", alias, text, "Rename the alias.")
    providers = {**dict.fromkeys(catalog.providers, "The name"), **dict.fromkeys(catalog.provider_aliases, "An alias")}
    for name in sorted(providers.keys() & {*catalog.models, *catalog.aliases}):
        text = f"{providers[name]} of a provider, and a model is called so too: `without` would mean the model."
        yield CatalogFinding("alias", name, text, "Rename the model, or its alias.")
