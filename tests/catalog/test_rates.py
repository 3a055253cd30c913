from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog import Rates
from modelroute.catalog.rates import Tier, dearest_of, longest_first, per_token
from modelroute.errors import ConfigurationError
from modelroute.types.usage import Usage

rate = st.integers(0, 10**8)
rates = st.builds(Rates, rate, rate, st.none() | rate, st.none() | rate)
tokens = st.integers(0, 10**7)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    plain, cached, written = draw(tokens), draw(tokens), draw(tokens)
    return Usage(plain + cached + written, draw(tokens), cached_tokens=cached, cache_write_tokens=written)


def test_a_dollar_per_million_tokens_is_a_million_pico_dollars_per_token() -> None:
    assert Rates.per_million(1, 1.5, "0.003625", Decimal("0.0000010")) == Rates(1_000_000, 1_500_000, 3625, 1)


@pytest.mark.parametrize("amount", [0.0000001, "0.4350001", Decimal("1e-7")])
def test_a_price_finer_than_a_pico_dollar_per_token_is_refused(amount: float | str | Decimal) -> None:
    with pytest.raises(ConfigurationError, match=r"cached_input=.* finer than a pico-dollar"):
        Rates.per_million(1, 1, amount)


@pytest.mark.parametrize("amount", [-1, -0.5, "nan", "inf", "a lot"])
def test_a_price_that_is_no_price_is_refused(amount: float | str) -> None:
    with pytest.raises(ConfigurationError):
        per_token(amount)


def test_a_negative_rate_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="output=-1 is negative"):
        Rates(0, -1)


def test_each_kind_of_token_is_billed_at_its_rate_and_a_missing_rate_is_the_input_rate() -> None:
    usage = Usage(1000, 10, cached_tokens=300, cache_write_tokens=100)
    assert Rates(5, 30, 1, 7).cost(usage) == 600 * 5 + 300 * 1 + 100 * 7 + 10 * 30
    assert Rates(5, 30).cost(usage) == 1000 * 5 + 10 * 30


def test_a_provider_that_reports_more_cached_than_sent_is_never_billed_less_than_nothing() -> None:
    assert Rates(5, 30, 1).cost(Usage(10, 0, cached_tokens=20)) == 20


@given(rates, rates, usages())
def test_the_dearer_of_two_rates_never_costs_less_than_either(one: Rates, other: Rates, usage: Usage) -> None:
    both = one | other
    assert both.cost(usage) >= max(one.cost(usage), other.cost(usage))
    assert both | one == both
    assert (both.input, both.output) == (max(one.input, other.input), max(one.output, other.output))


@given(rates, usages())
def test_no_prompt_token_costs_more_than_the_dearest_input(price: Rates, usage: Usage) -> None:
    assert price.cost(usage) <= price.dearest_input * usage.input_tokens + price.output * usage.output_tokens


@given(rates, usages(), tokens)
def test_more_output_never_costs_less(price: Rates, usage: Usage, more: int) -> None:
    longer = Usage(usage.input_tokens, usage.output_tokens + more, usage.cached_tokens, usage.cache_write_tokens)
    assert price.cost(longer) - price.cost(usage) == more * price.output


@given(rates, st.lists(st.builds(Tier, tokens, rates), max_size=4), tokens, tokens)
def test_the_dearest_tier_grows_with_the_prompt(base: Rates, tiers: list[Tier], shorter: int, more: int) -> None:
    low, high = dearest_of(base, tiers, shorter), dearest_of(base, tiers, shorter + more)
    assert low | high == high


def test_tiers_are_ordered_and_must_differ() -> None:
    low, high = Tier(10, Rates(1, 1)), Tier(20, Rates(2, 2))
    assert longest_first([low, high]) == (high, low)
    with pytest.raises(ConfigurationError, match="two tiers"):
        longest_first([low, Tier(10, Rates(3, 3))])
    with pytest.raises(ConfigurationError, match="at least 0"):
        Tier(-1, Rates(1, 1))


def test_free_means_that_no_rate_charges() -> None:
    assert Rates(0, 0, 0, 0).is_free
    assert not Rates(0, 0, 0, 1).is_free


def test_a_cache_write_that_stays_an_hour_costs_twice_the_input_at_least() -> None:
    usage = Usage(10, 0, cache_write_tokens=10, hour_write_tokens=4)

    assert Rates.per_million(4, 20, cache_write=5).cost(usage) == (6 * 5 + 4 * 8) * 1_000_000
    assert Rates.per_million(4, 20).cost(usage) == (6 * 4 + 4 * 8) * 1_000_000
    assert Rates.per_million(4, 20, cache_write=9).cost(usage) == 10 * 9 * 1_000_000
