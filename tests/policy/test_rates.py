from random import Random

from hypothesis import given
from hypothesis import strategies as st

from modelroute.policy.rates import RateTable
from tests.policy.worlds import NOW, VOCABULARIES, a_price

draws = st.randoms(use_true_random=False)


@given(draws, st.floats(-3e6, 3e6), st.sampled_from([0.0, 100.0, 1e6]), st.integers(0, 50_000), st.integers(0, 50_000))
def test_looking_up_once_gives_what_each_price_says(
    draw: Random, later: float, seconds: float, one: int, other: int
) -> None:
    """At any moment, in any order of asking, for any length: also around the beginning of rows and tiers."""
    prices = [(a_price(draw), draw.choice(VOCABULARIES)) for _ in range(6)]
    table = RateTable(prices)
    table.at(NOW, dict.fromkeys(VOCABULARIES, 0))
    tokens = {"": one, "one": other, "two": 500}
    moment = NOW + later
    now = [None if price is None else price.at(moment, tokens[name]) for price, name in prices]
    assert list(table.at(moment, tokens)) == [rates and (rates.input, rates.output) for rates in now]
    dearest = [None if price is None else price.dearest(moment, seconds, tokens[name]) for price, name in prices]
    assert list(table.dearest(moment, seconds, tokens)) == [
        rates and (rates.dearest_input, rates.output) for rates in dearest
    ]
