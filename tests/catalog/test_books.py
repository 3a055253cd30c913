import pytest

from modelroute.catalog import (
    Catalog,
    Model,
    Price,
    PriceRow,
    ProviderRow,
    Rates,
    Score,
    Target,
    gap_table,
    value_table,
)
from modelroute.errors import UnknownNameError
from modelroute.money import Money


def quoted(value: float, quarter: str = "") -> tuple[Score, ...]:
    return (Score(value, "intelligence", "a test", "2026-05", quarter=quarter),)


def test_the_article_s_cost_per_intelligence_point_is_reproduced() -> None:
    rows = {row.name: row for row in value_table(Catalog.builtin(), "article")}
    assert rows["gpt-5.5"].per_point == Money("0.50")
    assert round(float(rows["kimi-k2.6"].per_point), 4) == 0.0556, "the article cuts it to 0.055"
    assert round(float(rows["gpt-5.5"].per_point) / float(rows["kimi-k2.6"].per_point)) == 9, "its 9x difference"
    assert {name: row.output for name, row in rows.items()} == {
        "kimi-k2.6": Money(3),
        "deepseek-v4-pro": Money("3.48"),
        "claude-opus-4-7": Money(15),
        "gemini-3-pro-preview": Money(15),
        "gpt-5.5": Money(30),
    }
    assert rows["kimi-k2.6"].approximate
    assert not rows["gpt-5.5"].approximate


def test_the_article_s_prices_are_those_of_its_table() -> None:
    prices = Catalog.builtin().book("article").prices
    assert {name: (price.rates.input, price.rates.output) for name, price in prices.items()} == {
        "gpt-5.5": (5_000_000, 30_000_000),
        "gemini-3-pro-preview": (3_500_000, 15_000_000),
        "claude-opus-4-7": (3_500_000, 15_000_000),
        "kimi-k2.6": (1_700_000, 3_000_000),
        "deepseek-v4-pro": (2_200_000, 3_480_000),
    }


def test_no_target_is_billed_by_the_book() -> None:
    """A book's prices are in the book only: nothing a target charges comes from the article."""
    for target in Catalog.builtin().targets.values():
        for row in target.price.rows if target.price is not None else ():
            assert "Gap" not in row.source


def test_the_gap_by_quarter_is_the_article_s() -> None:
    rows = gap_table(Catalog.builtin())
    assert [(row.quarter, row.gap) for row in rows] == [("2025-Q2", 12), ("2025-Q4", 10), ("2026-Q1", 6)]
    assert [(row.closed, row.open) for row in rows] == [
        ("gpt-5", "deepseek-v3"),
        ("gpt-5.2", "deepseek-v4"),
        ("gpt-5.5", "kimi-k2.6"),
    ]


def test_the_gap_is_computed_from_the_best_quoted_score_of_each_kind() -> None:
    """Not from a list of pairs: other scores give another gap."""
    catalog = Catalog(
        models=[
            Model("closed", open_weights=False, scores=quoted(70, "2027-Q1")),
            Model("closed-too", open_weights=False, scores=quoted(71, "2027-Q1")),
            Model("open", open_weights=True, scores=quoted(72.5, "2027-Q1")),
            Model("open-alone", open_weights=True, scores=quoted(50, "2027-Q2")),
            Model("unknown", scores=quoted(99, "2027-Q1")),
            Model("no-quarter", open_weights=False, scores=quoted(99)),
        ]
    )
    rows = gap_table(catalog)
    assert [(row.quarter, row.closed, row.open, row.gap) for row in rows] == [("2027-Q1", "closed-too", "open", -1.5)]


def test_today_s_values_come_from_the_targets_that_are_served_priced_and_scored() -> None:
    dear = Model("dear", scores=quoted(50))
    row = ProviderRow("here")
    late = Price.dated(PriceRow(Rates.per_million(1, 1), since=1_800_000_000.0, as_of="2027-01-15"))
    targets = [
        Target.of(dear, "here", price=Price(input=1, output=10)),
        Target.of(Model("free", scores=quoted(10)), "here", price=Price.free()),
        Target.of(Model("unscored"), "here", price=Price.free()),
        Target.of(Model("unpriced", scores=quoted(10)), "here"),
        Target.of(Model("gone", scores=quoted(10), served=False), "here", price=Price.free()),
        Target.of(Model("later", scores=quoted(10)), "here", price=late),
    ]
    catalog = Catalog().with_(providers=[row], targets=targets)
    rows = value_table(catalog, moment=1_790_000_000.0)
    assert [(row.name, row.per_point) for row in rows] == [("free@here", Money(0)), ("dear@here", Money("0.2"))]
    assert [row.name for row in value_table(catalog)] == ["free@here", "later@here", "dear@here"], (
        "at the catalog's date"
    )
    assert rows[0].basis == "declared by you"


def test_the_builtin_values_are_sorted_and_estimates_are_marked() -> None:
    rows = value_table(Catalog.builtin())
    assert [row.per_point.pico for row in rows] == sorted(row.per_point.pico for row in rows)
    assert all(row.approximate == row.score.estimated for row in rows)
    assert len(rows) > 20


def test_an_unknown_book_is_an_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown price book 'articel'. Did you mean 'article'"):
        value_table(Catalog.builtin(), "articel")


def test_an_undated_catalog_has_values_too() -> None:
    target = Target.of(Model("m", scores=quoted(10)), "here", price=Price(input=1, output=1))
    assert len(value_table(Catalog().with_(providers=[ProviderRow("here")], targets=[target]))) == 1
