"""Prices as the package genai-prices has them: equal to the catalog's, or explained in `price_differences.toml`.

Its data are kept by others from the vendors' pages, so an error here and the same error there are unlikely to meet.
Compared is what a token costs, at moments that tell peaks, weekends and announced changes apart, for short prompts and
for prompts on both sides of every length from which a price rises. An explanation that has run out fails too.
"""

import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from modelroute.catalog import Catalog, Target
from modelroute.catalog.rates import Rates

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

pytest.importorskip("genai_prices", reason="compares with the data of genai-prices, which is not installed")

LISTED = Path(__file__).parent / "price_differences.toml"
CATALOG = Catalog.builtin()
PROVIDERS = {"moonshot": "moonshotai", "bedrock": "aws", "xai": "x-ai"}
"""Its names of providers, where they are not ours."""

MOMENTS = {
    "2026-08-25": "2026-08-25T12:00",  # a Tuesday; what has changed since
    "2026-10-10": "2026-10-10T12:00",
    "off-peak": "2026-11-20T12:00",  # a Friday
    "peak": "2026-11-20T02:00",
    "weekend": "2026-11-21T02:00",
    "2027": "2027-01-04T12:00",  # a Monday; what is announced
}
LENGTHS = (1_000, 100_000, 100_001, 199_999, 200_000, 200_001, 256_001, 272_000, 272_001, 512_001)
FIELDS = {"input": "input_mtok", "output": "output_mtok", "cached_input": "cache_read_mtok"}
FIELDS |= {"cache_write": "cache_write_mtok"}


class Prices(NamedTuple):
    """Dollars per million tokens; a cached token without a price of its own is a plain one."""

    input: float
    output: float
    cached_input: float
    cache_write: float


def ours(rates: Rates) -> Prices:
    cached = rates.input if rates.cached_input is None else rates.cached_input
    written = rates.input if rates.cache_write is None else rates.cache_write
    return Prices(rates.input / 1e6, rates.output / 1e6, cached / 1e6, written / 1e6)


def theirs(price: "ModelPrice", tokens: int) -> Prices | None:
    found: dict[str, float] = {}
    for name, field in FIELDS.items():
        stated: TieredPrices | float | None = getattr(price, field, None)
        if stated is not None:
            found[name] = rate_at(stated, tokens)
    if not {"input", "output"} <= found.keys():
        return None
    plain = found["input"]
    return Prices(plain, found["output"], found.get("cached_input", plain), found.get("cache_write", plain))


def rate_at(stated: "TieredPrices | float", tokens: int) -> float:
    from genai_prices.types import TieredPrices

    if not isinstance(stated, TieredPrices):
        return float(stated)
    above = [tier for tier in stated.tiers if tokens > tier.start]
    return float(max(above, key=lambda tier: tier.start).price if above else stated.base)


def their_providers() -> "dict[str, Provider]":
    from genai_prices.data import providers

    return {provider.id: provider for provider in providers}


def known_to_both() -> "Iterator[tuple[Target, ModelInfo]]":
    providers = their_providers()
    for target in CATALOG.targets.values():
        provider = providers.get(PROVIDERS.get(target.provider, target.provider))
        model = provider.find_model(target.wire_name) if provider is not None else None
        if model is not None:
            yield target, model


def differences() -> dict[str, tuple[Prices, Prices]]:
    """What differs, by ``target, moment`` and, where it is another difference from some length on, that length."""
    found: dict[str, tuple[Prices, Prices]] = {}
    for target, model in known_to_both():
        for moment, text in MOMENTS.items():
            when = datetime.fromisoformat(text).replace(tzinfo=UTC)
            seen: tuple[Prices, Prices] | None = None
            for tokens in LENGTHS:
                rates = target.price.at(when.timestamp(), tokens) if target.price is not None else None
                other = theirs(model.get_prices(when), tokens)
                if rates is None or other is None or ours(rates) == other or (ours(rates), other) == seen:
                    continue
                seen = (ours(rates), other)
                longer = "" if tokens == LENGTHS[0] else f", from {tokens}"
                found[f"{target.name}, {moment}{longer}"] = seen
    return found


def test_both_know_enough_of_each_other_to_compare() -> None:
    compared = {target.name for target, _ in known_to_both()}
    assert len(compared) > 80
    assert {name.rpartition("@")[2] for name in compared} >= {"openai", "anthropic", "google", "deepseek", "xai"}


def test_every_difference_in_price_is_explained_and_every_explanation_still_needed() -> None:
    rows = tomllib.loads(LISTED.read_text("utf-8"))["difference"]
    assert all(len(row["why"]) > 20 for row in rows), "a difference without a reason"
    listed = {
        f"{row['target']}, {when}": (Prices(**row["ours"]), Prices(**row["theirs"]))
        for row in rows
        for when in row["when"]
    }
    assert differences() == listed, "either the catalog or price_differences.toml is out of date"


def test_what_has_no_price_here_has_none_there() -> None:
    unpriced = [f"{target.name}: {model.id}" for target, model in known_to_both() if target.price is None]
    assert unpriced == [], "a price has come out"
