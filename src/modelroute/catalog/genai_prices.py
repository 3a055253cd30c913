"""Prices as the package `genai-prices` of the extra `prices` has them. The only module that imports it.

It is asked for what it ships with; it is never told to fetch anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from modelroute.catalog.dates import midnight
from modelroute.catalog.price import PriceRow
from modelroute.catalog.rates import Rates, Tier
from modelroute.catalog.update import Quote
from modelroute.errors import ConfigurationError

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice

    from modelroute.catalog.catalog import Catalog

__all__ = ["SOURCE", "quoted", "version"]

SOURCE = "genai-prices"

_PROVIDERS: Mapping[str, str] = {
    "anthropic": "anthropic",
    "azure": "azure",
    "bedrock": "aws",
    "cerebras": "cerebras",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "google": "google",
    "groq": "groq",
    "minimax": "minimax",
    "mistral": "mistral",
    "moonshot": "moonshotai",
    "openai": "openai",
    "openrouter": "openrouter",
    "together": "together",
    "xai": "x-ai",
    "zai": "zai",
}
"""Its names of providers by ours."""

_FIELDS: Mapping[str, str] = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
}


def version() -> str:
    """Return the package's version. Raises `ConfigurationError`, which says what to install, without it."""
    try:
        import genai_prices
    except ImportError as error:
        raise ConfigurationError(
            "the package genai-prices is not installed: pip install 'modelroute[prices]', or give a file of your own"
        ) from error
    return genai_prices.__version__


def quoted(catalog: Catalog, today: date) -> Iterator[Quote]:
    """Yield what it says that the targets of `catalog` cost on `today`, those that it knows by name.

    What it does not say of the cache stays as the catalog has it.
    """
    edition = version()
    known = _models()
    for target in catalog.targets.values():
        provider = _PROVIDERS.get(target.provider)
        model = None if provider is None else known.get((provider, target.wire_name.lower()))
        if model is None or not (target.served and target.model.served):
            continue
        source = f"{SOURCE} {edition}, {provider}/{model.id}"
        price, left = _in_force(model, today)
        try:
            before = None if target.price is None else target.price.row_at(midnight(today))
            row = None if price is None else _row(price, before, source, today)
        except ConfigurationError as error:  # finer than a pico-dollar per token
            row, left = None, str(error)
        if row is None:
            yield Quote(target.name, PriceRow(Rates(0, 0)), left or "the source has no price by tokens for it")
        else:
            yield Quote(target.name, row, left)


def _models() -> Mapping[tuple[str, str], ModelInfo]:
    """Return its models by provider and name. A name matched by a pattern only is often another model's."""
    from genai_prices.data import providers

    return {(provider.id, model.id.lower()): model for provider in providers for model in provider.models}


def _in_force(model: ModelInfo, today: date) -> tuple[ModelPrice | None, str]:
    """Return (the price on `today`, why it does not tell all). The last whose condition holds counts."""
    from genai_prices.types import StartDateConstraint, TimeOfDateConstraint

    if not isinstance(model.prices, list):
        return model.prices, ""
    found: ModelPrice | None = None
    left = ""
    for conditional in model.prices:
        constraint = conditional.constraint
        if isinstance(constraint, TimeOfDateConstraint):
            left = "the source knows hours at which it costs otherwise, but not on which days"
        elif not isinstance(constraint, StartDateConstraint) or constraint.start_date <= today:
            found = conditional.prices
    return found, left


def _row(price: ModelPrice, before: PriceRow | None, source: str, today: date) -> PriceRow | None:
    """Return the price as a row; `None` where a request is not priced by its tokens of text alone."""
    from genai_prices.types import TieredPrices

    stated: dict[str, object] = {name: getattr(price, field, None) for name, field in _FIELDS.items()}
    if stated["input"] is None or stated["output"] is None or getattr(price, "requests_kcount", None) is not None:
        return None
    known = {} if before is None else {0: before.rates, **{tier.above: tier.rates for tier in before.tiers}}
    starts = {tier.start for each in stated.values() if isinstance(each, TieredPrices) for tier in each.tiers}

    def rates(above: int) -> Rates:
        said = {name: _at(each, above) for name, each in stated.items()}
        new = Rates.per_million(said["input"] or 0, said["output"] or 0, said["cached_input"], said["cache_write"])
        return _completed(new, known.get(above))

    return PriceRow(
        rates(0),
        tiers=tuple(Tier(start, rates(start)) for start in sorted(starts)),
        source=source,
        as_of=today.isoformat(),
    )


def _completed(new: Rates, known: Rates | None) -> Rates:
    """Return `new` with the rates of the cache that it leaves open as they were known, unless that is out of date."""
    if known is None:
        return new
    cached = known.cached_input if new.cached_input is None else new.cached_input
    if cached is not None and cached > new.input:
        cached = new.cached_input
    return replace(
        new, cached_input=cached, cache_write=known.cache_write if new.cache_write is None else new.cache_write
    )


def _at(price: object, above: int) -> Decimal | None:
    """Return one rate in dollars per million tokens for prompts of more than `above` tokens."""
    from genai_prices.types import TieredPrices

    if isinstance(price, TieredPrices):
        return next((tier.price for tier in reversed(price.tiers) if tier.start <= above), price.base)
    return price if isinstance(price, Decimal) else None
