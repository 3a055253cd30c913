"""Other people's prices beside the catalog's, and the overlay that takes them over."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelroute.catalog import DAYS, Catalog, Model, Price, PriceRow, ProviderRow, Rates, Target, Tier, Window
from modelroute.catalog.dates import midnight
from modelroute.catalog.load import load_texts
from modelroute.catalog.update import Change, Quote, compared, overlay, quotes_of

TODAY = date(2026, 11, 22)
NOW = midnight(TODAY) + 3_600
OLD = midnight(date(2026, 7, 2))
MODEL = Model("m")


def catalog_of(price: Price | None) -> Catalog:
    return Catalog(models=[MODEL], providers=[ProviderRow("p")], targets=[Target.of(MODEL, "p", price=price)])


def row(
    rates: Rates, *, since: float = OLD, tiers: tuple[Tier, ...] = (), windows: tuple[Window, ...] = ()
) -> PriceRow:
    return PriceRow(rates, since, tiers, windows, source="a list", as_of="2026-07-02")


BEFORE = row(Rates.per_million(5, 30, Decimal("0.5")))
QUOTED = PriceRow(Rates.per_million(4, 30, Decimal("0.5")), source="their list", as_of="2026-11-22")


def test_a_price_that_differs_is_told_rate_by_rate_with_its_percent() -> None:
    found = compared(catalog_of(Price.dated(BEFORE)), [Quote("m@p", QUOTED)], NOW)
    (change,) = found.changes
    assert (found.same, found.left) == ((), ())
    assert change.before is BEFORE
    told = [(rate.name, rate.above, rate.before, rate.after, rate.percent) for rate in change.rates]
    assert told == [("input", 0, 5_000_000, 4_000_000, -20.0), ("cache_write", 0, 5_000_000, 4_000_000, -20.0)]


def test_a_price_that_was_not_known_has_nothing_before() -> None:
    (change,) = compared(catalog_of(None), [Quote("m@p", QUOTED)], NOW).changes
    assert change.before is None
    assert [rate.percent for rate in change.rates] == [None] * 4


def test_a_tier_that_comes_or_goes_is_a_change() -> None:
    tiered = row(BEFORE.rates, tiers=(Tier(272_000, Rates.per_million(10, 45)),))
    flat = PriceRow(BEFORE.rates)
    (change,) = compared(catalog_of(Price.dated(tiered)), [Quote("m@p", flat)], NOW).changes
    assert {(rate.above, rate.after) for rate in change.rates} == {(272_000, None)}
    (back,) = compared(catalog_of(Price.dated(row(BEFORE.rates))), [Quote("m@p", tiered)], NOW).changes
    assert {(rate.above, rate.before) for rate in back.rates} == {(272_000, None)}


def test_what_is_charged_alike_agrees_however_it_is_said() -> None:
    said = PriceRow(Rates.per_million(5, 30, Decimal("0.5"), 5))
    found = compared(catalog_of(Price.dated(BEFORE)), [Quote("m@p", said)], NOW)
    assert (found.changes, [each.target for each in found.same]) == ((), ["m@p"])


PEAK = Window(Rates.per_million(10, 60), ("01:00-04:00",), DAYS[:5], label="peak")


def test_hours_the_source_cannot_say_are_left_and_said() -> None:
    peaked = catalog_of(Price.dated(row(BEFORE.rates, windows=(PEAK,))))
    found = compared(peaked, [Quote("m@p", QUOTED)], NOW)
    assert (found.changes, found.same) == ((), ())
    assert [(one.target, "hours at which it costs otherwise" in one.why) for one in found.left] == [("m@p", True)]


def test_what_the_source_or_the_catalog_cannot_place_is_left_and_said() -> None:
    quotes = [Quote("m@p", QUOTED, "its reason"), Quote("n@p", QUOTED)]
    found = compared(catalog_of(Price.dated(BEFORE)), quotes, NOW)
    assert [(one.target, one.why) for one in found.left] == [
        ("m@p", "its reason"),
        ("n@p", "the catalog has no such target"),
    ]


def test_a_user_s_file_quotes_what_it_changes() -> None:
    base = catalog_of(Price.dated(BEFORE))
    text = '[targets."m@p"]\nsource = "contract"\nas_of = "2026-11-20"\nprices = [{ input = 4, output = 30 }]\n'
    other = load_texts({"my.toml": text}, base)
    (quote,) = quotes_of(other, base, NOW)
    assert (quote.target, quote.row.rates) == ("m@p", Rates.per_million(4, 30))
    assert list(quotes_of(base, base, NOW)) == []


def test_the_overlay_keeps_the_past_and_the_future() -> None:
    later = row(Rates.per_million(7, 7), since=midnight(date(2027, 1, 1)))
    base = catalog_of(Price.dated(BEFORE, later))
    text = overlay(base, [Change("m@p", BEFORE, QUOTED)], TODAY, "their list")
    price = load_texts({"over.toml": text}, base).target("m@p").price
    assert price is not None
    assert [each.rates for each in price.rows] == [BEFORE.rates, QUOTED.rates, later.rates]
    assert price.at(NOW, 1) == QUOTED.rates
    assert price.at(midnight(TODAY) - 1, 1) == BEFORE.rates
    assert price.row_at(NOW) == PriceRow(QUOTED.rates, midnight(TODAY), source="their list", as_of="2026-11-22")
    again = compared(load_texts({"over.toml": text}, base), [Quote("m@p", QUOTED)], NOW)
    assert again.changes == ()


RATES = st.builds(
    Rates,
    st.integers(0, 10**10),
    st.integers(0, 10**10),
    st.none() | st.integers(0, 10**9),
    st.none() | st.integers(0, 10**9),
)
TIERS = st.lists(
    st.builds(Tier, st.integers(0, 10**7), RATES), max_size=2, unique_by=lambda tier: tier.above
).map(tuple)  # fmt: skip
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
WINDOWS = st.lists(
    st.builds(
        Window,
        RATES,
        st.just(("01:00-04:00", "22:30-02:00")),
        st.sampled_from([(), DAYS[:5]]),
        zone=st.sampled_from(["UTC", "Asia/Shanghai"]),
        tiers=TIERS,
        except_dates=st.sampled_from([(), ("2026-10-01",)]),
        label=st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
    ),
    max_size=2,
).map(tuple)
MOMENTS = st.integers(0, int(NOW)).map(float) | st.just(float("-inf")) | st.just(midnight(date(2027, 1, 1)))
ROWS = st.builds(PriceRow, RATES, MOMENTS, TIERS, WINDOWS, WORDS, st.just("2026-07-02"), WORDS)


@settings(max_examples=60)
@given(st.lists(ROWS, max_size=3, unique_by=lambda each: each.since), ROWS)
def test_what_is_written_is_read_back_to_the_last_pico_dollar(known: list[PriceRow], new: PriceRow) -> None:
    base = catalog_of(Price.dated(*known) if known else None)
    text = overlay(base, [Change("m@p", None, new)], TODAY, "a list")
    price = load_texts({"over.toml": text}, base).target("m@p").price
    assert price is not None
    start = midnight(TODAY)
    kept = {each.since: each for each in known if each.since != start}
    assert {each.since: each for each in price.rows} == {
        **kept,
        start: PriceRow(new.rates, start, new.tiers, new.windows, new.source, new.as_of, new.note),
    }


def test_a_moment_within_a_day_keeps_its_hour() -> None:
    since = datetime(2026, 8, 16, 16, tzinfo=UTC).timestamp()
    base = catalog_of(Price.dated(row(BEFORE.rates, since=since)))
    text = overlay(base, [Change("m@p", BEFORE, QUOTED)], TODAY, "a list")
    assert "{ from = 2026-08-16T16:00:00Z, input = 5, output = 30, cached_input = 0.5," in text


def test_nothing_to_change_is_a_file_without_tables() -> None:
    text = overlay(catalog_of(None), [], TODAY, "a list")
    assert load_texts({"over.toml": text}, catalog_of(None)) == catalog_of(None)


@pytest.mark.parametrize("known", [True, False])
def test_a_target_s_own_source_is_not_taken_for_the_price_s(known: bool) -> None:
    base = catalog_of(Price.dated(BEFORE)) if known else catalog_of(None)
    text = overlay(base, [Change("m@p", None, QUOTED)], TODAY, "a list")
    target = load_texts({"over.toml": text}, base).target("m@p")
    assert target.price is not None
    assert target.price.rows[-1].source == "their list"
