"""Prices of the package genai-prices as the catalog would have them; its data are replaced by what a test says."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, time
from decimal import Decimal
from types import SimpleNamespace

import pytest

from modelroute.catalog import Catalog, Model, Price, PriceRow, ProviderRow, Rates, Target, Tier
from modelroute.catalog.dates import midnight
from modelroute.catalog.genai_prices import quoted, version
from modelroute.catalog.update import Quote, compared
from modelroute.errors import ConfigurationError

types = pytest.importorskip("genai_prices.types", reason="needs the extra prices")
data = pytest.importorskip("genai_prices.data")

TODAY = date(2026, 11, 22)
Told = Callable[..., list[Quote]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """What is quoted for a target at DeepSeek when the package's prices of its model are these."""

    def quotes(prices: object, *, known: PriceRow | None = None, id: str = "some-model") -> list[Quote]:  # noqa: A002
        model = SimpleNamespace(id=id, prices=prices)
        monkeypatch.setattr(data, "providers", [SimpleNamespace(id="deepseek", models=[model])])
        ours = Model("ours")
        target = Target.of(
            ours, "deepseek", wire_name="Some-Model", price=None if known is None else Price.dated(known)
        )
        row = ProviderRow("deepseek")
        return list(quoted(Catalog(models=[ours], providers=[row], targets=[target]), TODAY))

    return quotes


def price(**fields: object) -> object:
    per_million = {name: Decimal(each) if isinstance(each, str) else each for name, each in fields.items()}
    return types.ModelPrice(**per_million)


def tiered(base: str, *tiers: tuple[int, str]) -> object:
    return types.TieredPrices(
        base=Decimal(base), tiers=[types.Tier(start=at, price=Decimal(each)) for at, each in tiers]
    )


def test_a_price_by_tokens_is_taken_as_it_is_with_its_source(told: Told) -> None:
    (quote,) = told(price(input_mtok="1.25", output_mtok="10", cache_read_mtok="0.125", cache_write_mtok="1.5"))
    assert quote.target == "ours@deepseek"
    assert quote.row.rates == Rates.per_million(Decimal("1.25"), 10, Decimal("0.125"), Decimal("1.5"))
    assert quote.row.source == f"genai-prices {version()}, deepseek/some-model"
    assert (quote.row.as_of, quote.left) == ("2026-11-22", "")


def test_tiers_hold_for_every_rate_that_has_them(told: Told) -> None:
    (quote,) = told(price(input_mtok=tiered("2", (200_000, "4")), output_mtok=tiered("12", (200_000, "18"))))
    assert quote.row.rates == Rates.per_million(2, 12)
    assert quote.row.tiers == (Tier(200_000, Rates.per_million(4, 18)),)


def test_the_last_price_that_has_begun_counts(told: Told) -> None:
    begun = types.ConditionalPrice(
        types.StartDateConstraint(start_date=TODAY), prices=price(input_mtok="2", output_mtok="2")
    )
    ahead = types.ConditionalPrice(
        types.StartDateConstraint(start_date=date(2027, 1, 1)), prices=price(input_mtok="3", output_mtok="3")
    )
    first = types.ConditionalPrice(prices=price(input_mtok="1", output_mtok="1"))
    assert [quote.row.rates for quote in told([first, begun, ahead])] == [Rates.per_million(2, 2)]
    assert [quote.row.rates for quote in told([first, ahead])] == [Rates.per_million(1, 1)]


def test_hours_of_the_day_are_left_and_said(told: Told) -> None:
    hours = types.TimeOfDateConstraint(start_time=time(1, tzinfo=UTC), end_time=time(4, tzinfo=UTC))
    first = types.ConditionalPrice(prices=price(input_mtok="1", output_mtok="1"))
    (quote,) = told([first, types.ConditionalPrice(hours, prices=price(input_mtok="2", output_mtok="2"))])
    assert "not on which days" in quote.left


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "no price by tokens"),
        ({"input_mtok": "1"}, "no price by tokens"),
        ({"input_mtok": "1", "output_mtok": "1", "requests_kcount": "5"}, "no price by tokens"),
        ({"input_mtok": "0.0000001", "output_mtok": "1"}, "finer than a pico-dollar"),
    ],
)
def test_what_a_row_cannot_say_is_left_and_said(told: Told, fields: Mapping[str, str], why: str) -> None:
    (quote,) = told(price(**fields))
    assert why in quote.left


def test_what_it_leaves_open_of_the_cache_stays_unless_it_would_be_dearer_than_plain_input(told: Told) -> None:
    known = PriceRow(Rates.per_million(5, 30, Decimal("0.5"), 6), source="a list", as_of="2026-07-02")
    (quote,) = told(price(input_mtok="4", output_mtok="30"), known=known)
    assert quote.row.rates == Rates.per_million(4, 30, Decimal("0.5"), 6)
    (cheap,) = told(price(input_mtok="0.25", output_mtok="30"), known=known)
    assert cheap.row.rates == Rates.per_million(Decimal("0.25"), 30, None, 6)


def test_a_model_it_knows_by_another_name_is_passed_over(told: Told) -> None:
    assert told(price(input_mtok="1", output_mtok="1"), id="some-model-2") == []


def test_without_the_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, globals: Mapping[str, object] | None = None, locals: Mapping[str, object] | None = None,  # noqa: A002
               fromlist: Sequence[str] = (), level: int = 0) -> object:  # fmt: skip
        if name.startswith("genai_prices"):
            raise ImportError(name)
        return real(name, globals, locals, fromlist, level)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ConfigurationError, match=r"pip install 'modelroute\[prices\]'"):
        version()


def test_the_real_package_is_compared_with_the_catalog_that_ships() -> None:
    """That the differences are right is told elsewhere; here: many are compared, and none breaks."""
    catalog = Catalog.builtin()
    found = compared(catalog, quoted(catalog, TODAY), midnight(TODAY))
    assert len(found.same) + len(found.changes) > 40
    assert {one.target for one in found.left} >= {"deepseek-flash@deepseek"}, "its peak hours cannot be expressed"
