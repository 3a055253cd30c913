"""The cost model, to the pico-dollar."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog import Model, Price, Target
from modelroute.catalog.rates import Rates, Tier
from modelroute.catalog.window import Window
from modelroute.money import ZERO, Money
from modelroute.policy import Candidate
from modelroute.policy.cost import (
    FORECASTS_BEFORE_HOLDING,
    UNPRICED,
    Fit,
    Terms,
    attempt_budget,
    bill,
    bound,
    estimate,
    fit,
    terms,
)
from modelroute.types.facts import Affinity, RequestFacts, Snapshot
from modelroute.types.usage import TokenCount, Usage

NOW = 1_795_000_000.0
SNAPSHOT = Snapshot(now=NOW)
FACTS = RequestFacts(tokens={"": TokenCount(1_000, 4_000)})


def candidate(
    price: Price | None = None,
    *,
    max_output: int = 10_000,
    honours_output_cap: bool = True,
    always_capped: int | None = None,
) -> Candidate:
    model = Model("m", context_window=100_000, max_output=10_000)
    target = Target.of(model, "p", price=Price(input=1, output=5) if price is None else price)
    target = replace(target, max_output=max_output)
    return Candidate(target, honours_output_cap=honours_output_cap, always_capped=always_capped)


def budget(one: Candidate, facts: RequestFacts, room: Money | None, *, fallbacks: Sequence[Candidate] = ()) -> Fit:
    found = attempt_budget(one, facts, SNAPSHOT, room, fallbacks=fallbacks)
    assert found is not None
    return found


def cost_of(at: Terms, cap: int | None) -> int:
    assert at.fixed is not None
    assert at.per_token is not None
    return at.fixed + (cap or 0) * at.per_token


amounts = st.integers(0, 10**7)
some_terms = st.builds(
    Terms,
    tokens=st.just(0),
    bound_tokens=st.just(0),
    forecast=st.integers(1, 50),
    limit=st.none() | st.integers(50, 5_000),
    limited_by=st.none(),
    fixed=st.integers(0, 100_000),
    per_token=st.integers(0, 3_000),
    is_bounded=st.just(True),
)
holds = st.none() | st.integers(0, 10**6)


@given(some_terms, amounts, holds)
def test_what_is_set_aside_never_exceeds_the_room(at: Terms, room: int, hold: int | None) -> None:
    fitted = fit(at, room, hold)
    assert (fitted is None) == (cost_of(at, at.forecast) > room)
    if fitted is not None:
        cap, most, held = fitted
        assert most <= room
        assert most + (held or 0) <= room
        assert most == cost_of(at, cap)
        assert cap is None or at.forecast <= cap <= (at.limit or cap)
        assert held in (None, hold)


@given(some_terms, amounts)
def test_without_a_fallback_one_token_more_would_exceed_the_ceiling(at: Terms, room: int) -> None:
    fitted = fit(at, room, None)
    if fitted is not None and fitted[0] is not None and fitted[0] != at.limit:
        assert cost_of(at, fitted[0] + 1) > room


few_terms = st.builds(
    Terms,
    tokens=st.just(0),
    bound_tokens=st.just(0),
    forecast=st.integers(1, 3),
    limit=st.none() | st.integers(3, 40),
    limited_by=st.none(),
    fixed=st.integers(0, 10),
    per_token=st.integers(0, 3),
    is_bounded=st.just(True),
)


@given(few_terms, st.integers(0, 90), st.integers(0, 90), st.none() | st.integers(0, 40))
def test_less_room_never_means_a_higher_bound(at: Terms, one: int, other: int, hold: int | None) -> None:
    """A fallback counts only while it fits the room itself, as the decision has it."""
    low, high = sorted((one, other))
    lower = fit(at, low, hold if hold is not None and hold <= low else None)
    higher = fit(at, high, hold if hold is not None and hold <= high else None)
    if lower is not None:
        assert higher is not None
        assert lower[1] <= higher[1]


@given(some_terms, amounts, st.integers(0, 10**6))
def test_a_fallback_is_provided_for_wherever_the_attempt_keeps_enough(at: Terms, room: int, hold: int) -> None:
    """Enough: two forecasts (or all the target can give), and no less than the fallback's own part."""
    fitted = fit(at, room, hold)
    enough = min(at.limit or 10**9, at.forecast * FORECASTS_BEFORE_HOLDING)
    own = max(cost_of(at, enough), hold)
    if own + hold <= room:
        assert fitted is not None
        assert fitted[2] == hold
    if fitted is not None and fitted[0] != at.limit and at.per_token:
        assert fitted[1] > min(room, own) - at.per_token, "never pressed below what is enough"


@given(st.integers(0, 9), st.integers(0, 9), st.none() | st.integers(0, 9), st.integers(0, 99), st.integers(0, 99))
def test_the_same_tokens_are_estimated_and_billed_alike(
    rate: int, out: int, cached_rate: int | None, prompt: int, cached: int
) -> None:
    """One cost model: an estimate whose tokens come true is the bill."""
    one = candidate(Price(input=rate, output=out, cached_input=cached_rate))
    facts = RequestFacts(tokens={"": TokenCount(prompt, prompt)})
    snapshot = replace(SNAPSHOT, default_output=7, affinity=Affinity("m@p", cached))
    guessed = estimate(one, facts, snapshot, affinity=snapshot.affinity)
    usage = Usage(input_tokens=prompt, output_tokens=7, cached_tokens=min(cached, prompt))
    assert bill(one.target, usage, NOW) == (guessed, "declared by you")


@given(
    st.integers(0, 5_000),
    st.integers(0, 5_000),
    st.integers(0, 900),
    st.sampled_from([0.0, 3_600.0, 43_000.0]),
    st.floats(0, 1),
)
def test_the_bound_holds_for_whatever_is_billed(
    prompt: int, cached: int, output: int, later: float, share: float
) -> None:
    """M4: any usage within the bound on tokens, at any moment to the deadline, in any tier, window or cache state."""
    dear = Rates(3_000_000, 9_000_000, cache_write=8_000_000)
    price = Price(
        input=1,
        output=5,
        cached_input="0.1",
        cache_write=2,
        tiers=(Tier(above=2_500, rates=dear),),
        windows=(Window(Rates(2_000_000, 7_000_000), hours=("09:00-17:00",)),),
    )
    one = candidate(price)
    facts = RequestFacts(tokens={"": TokenCount(prompt, 5_000)}, seconds=43_200.0)
    promised = bound(one, facts, SNAPSHOT, 900)
    written = int((prompt - min(cached, prompt)) * share)
    usage = Usage(prompt, output, cached_tokens=min(cached, prompt), cache_write_tokens=written)
    assert promised is not None
    assert bill(one.target, usage, NOW + later)[0] <= promised


def test_the_bound_counts_every_answer_asked_for() -> None:
    twice = bound(candidate(), replace(FACTS, choices=2), SNAPSHOT, 100)
    assert twice == Money.from_pico(4_000 * 1_000_000 + 2 * 100 * 5_000_000)


def test_without_a_cap_the_targets_own_limits_bound_it() -> None:
    assert bound(candidate(), FACTS, SNAPSHOT, None) == Money("0.054")
    assert bound(candidate(always_capped=100), FACTS, SNAPSHOT, None) == Money("0.0045")
    unlimited = replace(candidate(), target=Target.of(Model("m"), "p", price=Price(input=1, output=5)))
    assert bound(unlimited, FACTS, SNAPSHOT, None) is None
    assert bound(candidate(honours_output_cap=False), FACTS, SNAPSHOT, 10) is None
    assert bound(candidate(), replace(FACTS, unbounded=("web_search",)), SNAPSHOT, 10) is None


def test_what_is_free_is_bounded_by_nothing_at_nothing() -> None:
    free = Candidate(Target.of(Model("m"), "p", price=Price.free()))
    assert bound(free, FACTS, SNAPSHOT, None) == ZERO
    assert budget(free, FACTS, ZERO).bound == ZERO


def test_an_attempt_uses_what_is_left() -> None:
    """The engine's own call, when part of the ceiling is spent: the cap shrinks, then the attempt no longer fits."""
    one, other = candidate(), candidate(Price(input="0.1", output="0.5"))
    other = replace(other, target=replace(other.target, provider="q"))
    whole = budget(one, FACTS, Money("0.02"), fallbacks=[one, other])
    assert (whole.cap, whole.bound, whole.held, whole.capped_by) == (
        3_070,
        Money("0.01935"),
        Money("0.00065"),
        "max_cost",
    )
    less = budget(one, FACTS, Money("0.007"), fallbacks=[other])
    assert (less.cap, less.bound, less.held) == (600, Money("0.007"), None)
    assert attempt_budget(one, FACTS, SNAPSHOT, Money("0.0064")) is None
    assert budget(candidate(Price.free()), FACTS, None).cap is None


@pytest.mark.parametrize(
    ("asked", "always", "most", "cap", "capped_by"),
    [
        (None, None, 10_000, 10_000, None),
        (700, None, 10_000, 700, None),
        (50_000, None, 10_000, 10_000, "max_output"),
        (None, 300, 10_000, 300, None),
        (150_000, None, None, 98_800, "context_window"),
    ],
)
def test_the_cap_a_wide_ceiling_sends(
    asked: int | None, always: int | None, most: int | None, cap: int, capped_by: str | None
) -> None:
    one = candidate(always_capped=always)
    target = replace(one.target, max_output=most, model=replace(one.target.model, max_output=most))
    found = budget(replace(one, target=target), replace(FACTS, output_cap=asked), Money(100))
    assert (found.cap, found.capped_by) == (cap, capped_by)


def test_forecasts_are_learned_and_within_every_cap() -> None:
    learned = replace(SNAPSHOT, outputs={"m@p": 812.2})
    assert terms(candidate(), FACTS, learned).forecast == 813
    assert terms(candidate(), replace(FACTS, output_cap=90), learned).forecast == 90
    assert terms(candidate(max_output=60), FACTS, learned).forecast == 60
    assert terms(candidate(), FACTS, replace(SNAPSHOT, outputs={"m@p": 0.0})).forecast == 1


def test_the_providers_own_figure_is_billed_first() -> None:
    stated = Usage(10, 10, provider_cost=Money("0.5"))
    assert bill(candidate().target, stated, NOW) == (Money("0.5"), "provider")
    assert bill(replace(candidate().target, price=None), Usage(10, 10), NOW) == (ZERO, UNPRICED)
