"""D3 of INVARIANTS, and that who else takes part never changes who wins."""

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from modelroute.money import Money
from modelroute.policy import Candidate, Floor
from tests.policy import oracle
from tests.policy.worlds import World, a_candidate, a_world

# Seeds, not draws that shrink: a world of the simplest draws has nobody eligible and proves nothing.
draws = st.integers(0, 2**64 - 1).map(Random)


def with_someone_eligible(draw: Random, *, relative: bool = True, conversation: bool = True) -> World:
    while True:
        world = a_world(draw, relative=relative, conversation=conversation)
        if world.decide().ranked:
            return world


@given(draws, st.floats(0, 1))
def test_a_lower_ceiling_never_raises_the_chosen_bound(draw: Random, share: float) -> None:
    """Also not what is set aside in all, with the part held for a fallback; from no ceiling at all, too."""
    world = with_someone_eligible(draw)
    high = world.decide()
    first = high.ranked[0]
    most = high.max_cost.pico if high.max_cost is not None else (first.bound.pico * 3 if first.bound else 10**10)
    low = world.with_ceiling(Money.from_pico(int(most * share))).decide()
    if low.ranked and first.bound is not None and low.ranked[0].bound is not None:
        assert low.ranked[0].bound <= first.bound


@given(draws, st.integers(0, 20))
def test_a_higher_floor_never_lowers_the_chosen_score(draw: Random, points: int) -> None:
    world = with_someone_eligible(draw, conversation=False)
    before = oracle.score(chosen(world), "intelligence", estimated=True)
    floors = (*world.facts.constraints.floors, Floor(45 + points))
    raised = replace(world, facts=replace(world.facts, constraints=replace(world.facts.constraints, floors=floors)))
    if world.facts.selector == "auto" and before is not None and raised.decide().ranked:
        after = oracle.score(chosen(raised), "intelligence", estimated=True)
        assert after is not None
        assert after >= before


@given(draws)
def test_another_target_wins_itself_or_changes_nothing(draw: Random) -> None:
    """Independence of irrelevant alternatives: with absolute floors the winner changes only to the newcomer."""
    world = with_someone_eligible(draw, relative=False)
    added = a_candidate(draw, 99, "p2")
    wider = world.with_candidate(added)
    before, after = world.decide().ranked, wider.decide().ranked
    assert after[0].target in (before[0].target, added.name)
    rest = [ranked.target for ranked in after if ranked.target != added.name]
    assert rest == [ranked.target for ranked in before], "nor does it change the order of the others"


@given(draws)
def test_another_target_never_worsens_the_objective(draw: Random) -> None:
    world = with_someone_eligible(draw, relative=False, conversation=False)
    wider = world.with_candidate(a_candidate(draw, 99, "p2"))
    assert oracle.key(wider, chosen(wider)) <= oracle.key(wider, chosen(world))


@given(draws)
def test_a_dominated_target_never_wins(draw: Random) -> None:
    """A copy of the winner that differs only in its name, which comes later, changes nothing."""
    world = with_someone_eligible(draw)
    winner = chosen(world)
    model = replace(winner.target.model, name=f"z-{winner.target.model.name}")
    wider = world.with_candidate(replace(winner, target=replace(winner.target, model=model)))
    snapshot = replace(world.snapshot, outputs={}, latency={}, missing={}, holds={}, affinity=None)
    facts = replace(world.facts, barred={}, selector="auto")
    before = replace(world, facts=facts, snapshot=snapshot).decide()
    after = replace(wider, facts=facts, snapshot=snapshot).decide()
    if before.target == winner.name:
        assert after.target == winner.name


def chosen(world: World) -> Candidate:
    name = world.decide().target
    return next(candidate for candidate in world.candidates if candidate.name == name)
