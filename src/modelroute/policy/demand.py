"""What one kind of request demands once rules, scenario and call are put together: the constants of a decision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from modelroute.catalog.model import EMBEDDING
from modelroute.policy.demands import Within, in_words
from modelroute.policy.scenario import Scenario
from modelroute.types.constraints import INTELLIGENCE, Constraints
from modelroute.types.facts import RequestFacts

__all__ = ["Demand", "combine"]


@dataclass(frozen=True, slots=True)
class Demand:
    """Everything hard, intersected, and what a score means here.

    `constraints`: of rules, scenario and call (for a pin without the floors of scenario and call), its `without` in
    canonical names. `within`: relative floors. `needs`: inferred and declared. `selected`: names of the targets a pin
    admits, `None` for all. `scale`, `estimated`: the score that objective and explanation look at. `embeds`: vectors
    are asked for, and no answer.
    """

    constraints: Constraints
    within: tuple[Within, ...]
    needs: frozenset[str]
    selector: str
    selected: frozenset[str] | None
    effort: str | None
    scale: str
    estimated: bool
    embeds: bool = False

    @property
    def in_words(self) -> str:
        """What had to hold, as a decision says it, but for the ceiling: that is the decision's own."""
        return in_words(replace(self.constraints, needs=self.needs, max_cost=None), self.within)


def combine(
    scenario: Scenario,
    rules: Sequence[Constraints],
    facts: RequestFacts,
    selected: frozenset[str] | None,
    named: Callable[[Constraints], Constraints],
) -> Demand:
    """Return what rules, scenario and call demand together of the targets in `selected`.

    A pin skips the floors of scenario and call; a rule's floor is a rule and stays. `named` replaces the aliases in
    what each demands, so that two names of one thing have it in common.
    """
    chosen = named(scenario.constraints) & named(facts.constraints)
    floors, within = chosen.floors, scenario.within
    if selected is not None:
        chosen, within = replace(chosen, floors=()), ()
    for rule in rules:
        chosen = chosen & named(rule)
    scale = scenario.scale if scenario.has_floor else next((floor.scale for floor in floors), INTELLIGENCE)
    quoted_only = any(not floor.estimated for floor in floors if floor.scale == scale) or any(
        not relative.estimated for relative in scenario.within if relative.scale == scale
    )
    return Demand(
        constraints=chosen,
        within=within,
        needs=facts.needs | chosen.needs,
        selector=facts.selector,
        selected=selected,
        effort=facts.effort,
        scale=scale,
        estimated=not quoted_only,
        embeds=EMBEDDING in facts.needs,
    )
