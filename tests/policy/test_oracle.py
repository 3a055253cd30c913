"""D1, D2 and D6 of INVARIANTS, against the naive reading of `tests.policy.oracle`."""

import pickle
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.policy import oracle
from tests.policy.worlds import FEATURES, NOW, World, a_request, a_world, some

draws = st.randoms(use_true_random=False)


def agree(world: World) -> None:
    decision = world.decide()
    assert [ranked.target for ranked in decision.ranked] == oracle.ranking(world)
    verdict = oracle.verdict(world)
    held = {candidate.name for candidate in world.candidates}
    given_codes = {entry.target: {reason.code for reason in entry.reasons} for entry in decision.rejected}
    expected = {name: codes for name, codes in verdict.items() if codes}
    assert {name: codes for name, codes in given_codes.items() if name in held} == expected
    everyone = [ranked.target for ranked in decision.ranked] + list(given_codes)
    assert sorted(everyone) == sorted(held | set(world.catalog.targets)), "each target exactly once"
    limit = oracle.ceiling(world)
    assert (None if decision.max_cost is None else decision.max_cost.pico) == limit
    by_name = {candidate.name: candidate for candidate in world.candidates}
    for ranked in decision.ranked:
        cost = oracle.estimate(world, by_name[ranked.target])
        assert (None if ranked.estimate is None else ranked.estimate.pico) == cost
        if limit is not None and ranked.bound is not None:
            assert ranked.bound.pico + (ranked.held_for_fallback.pico if ranked.held_for_fallback else 0) <= limit


@given(draws)
def test_decision_equals_the_oracle(draw: Random) -> None:
    agree(a_world(draw))


@pytest.mark.parametrize("block", range(10))
def test_ten_thousand_worlds(block: int) -> None:
    """The first 10,000 seeds, in ten blocks; a failing seed is named by its world's number."""
    for seed in range(block * 1_000, block * 1_000 + 1_000):
        try:
            agree(a_world(Random(seed)))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error


@given(draws)
def test_same_facts_snapshot_and_policy_give_the_same_decision(draw: Random) -> None:
    """D1: also for a policy compiled anew from candidates in another order, and after other requests were decided."""
    world = a_world(draw)
    compiled = world.compiled()
    once = compiled.decide(world.facts, world.snapshot)
    other = a_world(draw)
    compiled.decide(other.facts, world.snapshot)
    anew = world.policy.compile(tuple(reversed(world.candidates)), world.catalog)
    assert compiled.decide(world.facts, world.snapshot) == once
    assert anew.decide(world.facts, world.snapshot) == once


@given(st.integers(0, 2**64 - 1).map(Random))
def test_what_was_decided_before_changes_nothing(draw: Random) -> None:
    """What is kept between requests is kept by all that it depends on: one compiled policy, many kinds of request."""
    world = a_world(draw)
    shared = world.compiled()
    for _ in range(12):
        facts = draw.choice((a_request(draw), replace(world.facts, needs=some(draw, FEATURES))))
        snapshot = replace(world.snapshot, now=draw.choice((0.0, NOW, 2e9)))
        assert shared.decide(facts, snapshot) == world.compiled().decide(facts, snapshot)


@given(draws)
def test_a_decision_survives_pickling(draw: Random) -> None:
    decision = a_world(draw).decide()
    copy = pickle.loads(pickle.dumps(decision))
    assert copy == decision
    assert hash(copy) == hash(decision)
    assert copy.table(prices=True) == decision.table(prices=True)
    assert copy.to_json() == decision.to_json()


def test_worlds_reach_what_they_must() -> None:
    """An oracle proves nothing about states that never come: every reason, and every outcome, occurs."""
    codes: set[str] = set()
    outcomes: set[str] = set()
    for seed in range(600):
        decision = a_world(Random(seed)).decide()
        codes |= {reason.code for entry in decision.rejected for reason in entry.reasons}
        outcomes |= {"eligible" if decision.ranked else "nobody", f"kept {decision.kept is not None}"}
        for ranked in decision.ranked:
            outcomes |= {f"capped by {ranked.capped_by}", f"held {ranked.held_for_fallback is not None}"}
            outcomes |= {f"resting {ranked.resting_until is not None}", f"bounded {ranked.bound is not None}"}
    assert codes == {
        "barred", "ceiling", "context", "floor", "jurisdiction", "licence", "needs", "not_served", "not_set_up",
        "provider", "retired", "selector", "vendor", "without",
    }  # fmt: skip
    assert outcomes >= {
        "eligible", "nobody", "kept True", "kept False", "held True", "held False", "resting True", "bounded False",
        "capped by max_cost", "capped by max_output", "capped by context_window", "capped by None",
    }  # fmt: skip
