import copy
import pickle
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog import Price, PriceRow, Rates, Tier, Window
from modelroute.errors import ConfigurationError

T0 = 1_790_000_000.0
rate = st.integers(0, 50)
rates = st.builds(Rates, rate, rate, st.none() | rate, st.none() | rate)
tiers = st.lists(st.builds(Tier, st.integers(0, 100), rates), max_size=2, unique_by=lambda tier: tier.above).map(tuple)
hours = st.sampled_from(["01:00-04:00", "06:00-10:00", "00:00-24:00", "23:30-00:30", "12:00-12:01"])
windows = st.lists(
    st.builds(
        Window,
        rates,
        st.tuples(hours),
        st.sampled_from([(), ("mon",), ("mon", "tue", "wed", "thu", "fri")]),
        zone=st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York"]),
        tiers=tiers,
    ),
    max_size=2,
).map(tuple)
starts = st.floats(T0 - 100_000, T0 + 100_000) | st.just(float("-inf"))
prices = st.lists(
    st.builds(PriceRow, rates, starts, tiers, windows), min_size=1, max_size=4, unique_by=lambda row: row.since
).map(lambda rows: Price.dated(*rows))


def utc(text: str) -> float:
    return datetime.fromisoformat(f"{text}+00:00").timestamp()


@given(
    prices,
    st.floats(T0 - 200_000, T0 + 200_000),
    st.floats(0, 200_000),
    st.floats(0, 1),
    st.integers(0, 120),
    st.data(),
)
def test_the_dearest_is_never_below_the_price_at_any_moment_of_the_span(  # noqa: PLR0917 - hypothesis draws them all
    price: Price, start: float, seconds: float, share: float, bound: int, data: st.DataObject
) -> None:
    """INVARIANTS M4: for every moment in the span and every prompt no longer than the bound, rate by rate."""
    dearest = price.dearest(start, seconds, bound)
    moment = min(start + seconds, start + share * seconds)
    now = price.at(moment, data.draw(st.integers(0, bound)))
    if dearest is None:
        assert price.at(start, bound) is None
        return
    assert now is not None
    assert now.input <= dearest.input
    assert now.output <= dearest.output
    for kind in ("cached_input", "cache_write"):
        charged, bounded = getattr(now, kind), getattr(dearest, kind)
        assert (now.input if charged is None else charged) <= (dearest.input if bounded is None else bounded)


@given(prices, st.floats(T0 - 200_000, T0 + 200_000), st.floats(0, 10_000), st.floats(0, 10_000), st.integers(0, 120))
def test_a_longer_span_or_prompt_is_never_bounded_lower(
    price: Price, start: float, seconds: float, more: float, tokens: int
) -> None:
    low, high = price.dearest(start, seconds, tokens), price.dearest(start, seconds + more, tokens + 7)
    assert (low is None) == (high is None)
    if low is not None and high is not None:
        assert low.input <= high.input
        assert low.output <= high.output
        assert low.dearest_input <= high.dearest_input


@given(prices, st.floats(T0 - 200_000, T0 + 200_000), st.integers(0, 120))
def test_the_newest_row_in_force_answers_and_no_other(price: Price, moment: float, tokens: int) -> None:
    row = max((row for row in price.rows if row.since <= moment), key=lambda row: row.since, default=None)
    assert price.row_at(moment) is row
    assert price.at(moment, tokens) == (None if row is None else row.at(moment, tokens))


@given(prices)
def test_a_price_survives_pickling_and_copying(price: Price) -> None:
    assert pickle.loads(pickle.dumps(price)) == price == copy.deepcopy(price)
    assert hash(price) == hash(Price.dated(*reversed(price.rows)))


def test_a_declared_price_holds_always_and_says_who_declared_it() -> None:
    price = Price(input=0.95, output=4, cached_input=0.16)
    assert price.at(0, 10**9) == Rates(950_000, 4_000_000, 160_000)
    assert price.dearest(-1e12, 1e13, 1) == price.at(0, 0)
    assert price.basis(0) == "declared by you"
    assert repr(price) == "Price(input=0.95, output=4, cached_input=0.16)"
    assert not price.is_free


def test_before_the_first_row_there_is_no_price_and_each_change_takes_effect_at_its_instant() -> None:
    old = PriceRow(Rates(1, 1), since=T0, source="a list", as_of="2026-07-02")
    new = PriceRow(Rates(2, 2), since=T0 + 100, source="a list", as_of="2026-10-09")
    price = Price.dated(new, old)
    assert price.at(T0 - 0.001, 0) is None
    assert price.dearest(T0 - 1, 50, 0) is None
    assert price.as_of(T0 - 1) == ""
    assert price.at(T0, 0) == Rates(1, 1)
    assert price.at(T0 + 99.999, 0) == Rates(1, 1)
    assert price.at(T0 + 100, 0) == Rates(2, 2)
    assert price.dearest(T0 + 50, 49, 0) == Rates(1, 1)
    assert price.dearest(T0 + 50, 50, 0) == Rates(2, 2)
    assert (price.basis(T0), price.basis(T0 + 100)) == ("catalog 2026-07-02 (stale)", "catalog 2026-10-09")


def test_a_price_that_fell_is_bounded_by_the_older_row_only_while_that_is_touched() -> None:
    price = Price.dated(PriceRow(Rates(9, 9), since=0.0), PriceRow(Rates(1, 1), since=T0))
    assert price.dearest(T0 - 1, 10, 0) == Rates(9, 9)
    assert price.dearest(T0, 10, 0) == Rates(1, 1)


def test_a_tier_makes_the_whole_request_dearer_from_the_next_token_on() -> None:
    price = Price(input=5, output=30, tiers=(Tier(272_000, Rates.per_million(10, 45)),))
    assert price.at(T0, 272_000) == Rates.per_million(5, 30)
    assert price.at(T0, 272_001) == Rates.per_million(10, 45)
    assert price.dearest(T0, 1, 272_000) == Rates.per_million(5, 30)


def test_a_cheaper_long_tier_does_not_lower_the_bound() -> None:
    """A prompt bounded at 300 tokens may turn out to have 50."""
    price = Price(input=5, output=5, tiers=(Tier(100, Rates.per_million(1, 1)),))
    assert price.at(T0, 300) == Rates.per_million(1, 1)
    assert price.dearest(T0, 1, 300) == Rates.per_million(5, 5)


def test_a_free_price_is_free_for_ever_and_a_window_can_end_that() -> None:
    assert Price.free().is_free
    assert Price.free().at(T0, 5) == Rates(0, 0)
    assert not Price(input=0, output=0, windows=(Window(Rates(1, 1), ("01:00-02:00",)),)).is_free
    assert not Price(input=0, output=0, tiers=(Tier(5, Rates(0, 1)),)).is_free


def test_a_foreign_currency_needs_a_dated_rate() -> None:
    price = Price(input=4, output=16, cached_input=1, currency="CNY", exchange="0.14", exchange_as_of="2026-10-09")
    assert price.at(T0, 0) == Rates(560_000, 2_240_000, 140_000)
    with pytest.raises(ConfigurationError, match="CNY needs a dated rate"):
        Price(input=4, output=16, currency="CNY")
    with pytest.raises(ConfigurationError, match="CNY needs a dated rate"):
        Price(input=4, output=16, currency="CNY", exchange=0.14)
    with pytest.raises(ConfigurationError, match="must be positive"):
        Price(input=4, output=16, currency="CNY", exchange=0, exchange_as_of="2026-10-09")
    with pytest.raises(ConfigurationError, match="other than USD"):
        Price(input=4, output=16, exchange=1)
    with pytest.raises(ConfigurationError, match="tiers and windows in dollars"):
        Price(input=1, output=1, currency="CNY", exchange=1, exchange_as_of="2026", tiers=(Tier(1, Rates(1, 1)),))


def test_nonsense_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one row"):
        Price.dated()
    with pytest.raises(ConfigurationError, match="begin at the same moment"):
        Price.dated(PriceRow(Rates(1, 1)), PriceRow(Rates(2, 2)))
    with pytest.raises(ConfigurationError, match="Unix seconds"):
        PriceRow(Rates(1, 1), since=float("nan"))
    with pytest.raises(ConfigurationError, match="finer"):
        Price(input=0.0000001, output=0)


def test_a_price_cannot_be_changed() -> None:
    price = Price.free()
    with pytest.raises(AttributeError, match="immutable"):
        price.rows = ()
    with pytest.raises(AttributeError, match="immutable"):
        del price.rows
    assert price != "free"


def test_a_dated_price_says_so_in_its_repr() -> None:
    row = PriceRow(Rates(1, 1), since=utc("2026-08-23"), tiers=(Tier(5, Rates(1, 1)),))
    assert repr(Price.dated(PriceRow(Rates(1, 1)), row)) == (
        "Price(input=0.000001, output=0.000001; 1 tier; 2 rows, newest since 2026-08-23)"
    )
