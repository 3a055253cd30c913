"""A rule: hard constraints for every request it matches, whatever scenario chooses. Rules only add up."""

from __future__ import annotations

from dataclasses import dataclass

from modelroute.errors import ConfigurationError
from modelroute.money import MoneyLike
from modelroute.policy.conditions import Conditions, When
from modelroute.policy.demands import FloorLike, Names, arguments, read
from modelroute.policy.naming import checked_text, names_of
from modelroute.types.constraints import NONE, Constraints

__all__ = ["Rule"]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Rule:
    """Constraints that bind every request the rule matches.

    ``Rule(tag="eu-customer", jurisdictions={"EU"}, needs={"open_weights"})``

    Matches on: `task`, `tag` (one or several; any of them), `min_input_tokens`, `max_input_tokens` (of the estimated
    prompt), `when_needs` (features the request needs, all of them), `when` (any callable of `RequestFacts`). Nothing
    given: every request.

    Demands: `floor` (a number on `intelligence`, a `Floor`, scores by scale, several), `max_cost`, `needs` (features),
    `jurisdictions`, `licences`, `vendors`, `providers` (allowed sets), `without` (targets, models or providers ruled
    out), `min_context` (tokens). `allow_unbounded` permits targets and parameters whose cost cannot be bounded under
    a ceiling. A rule's floor holds even for a pinned model.

    Raises `ConfigurationError` for what cannot be meant, and for a rule that demands nothing.
    """

    name: str
    conditions: Conditions
    constraints: Constraints

    def __init__(
        self,
        name: str = "",
        *,
        task: Names = None,
        tag: Names = None,
        min_input_tokens: int | None = None,
        max_input_tokens: int | None = None,
        when_needs: Names = None,
        when: When | None = None,
        floor: FloorLike = None,
        max_cost: MoneyLike | None = None,
        needs: Names = None,
        jurisdictions: Names = None,
        licences: Names = None,
        vendors: Names = None,
        providers: Names = None,
        without: Names = None,
        allow_unbounded: bool = False,
        min_context: int | None = None,
    ) -> None:
        checked_text(name, "the name of a rule")
        conditions = Conditions(
            tasks=names_of(task, "task"),
            tags=names_of(tag, "tag"),
            min_input_tokens=min_input_tokens,
            max_input_tokens=max_input_tokens,
            needs=names_of(when_needs, "when_needs") or frozenset(),
            when=when,
        )
        constraints, within = read(
            floor=floor,
            max_cost=max_cost,
            needs=needs,
            jurisdictions=jurisdictions,
            licences=licences,
            vendors=vendors,
            providers=providers,
            without=without,
            allow_unbounded=allow_unbounded,
            min_context=min_context,
        )
        if within:
            raise ConfigurationError(
                "a rule's floor must be a score; Within is relative to a choice: give it to a Scenario"
            )
        if constraints == NONE:
            raise ConfigurationError(
                f"Rule({name!r}) demands nothing; give it a floor, a ceiling or another constraint"
            )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "conditions", conditions)
        object.__setattr__(self, "constraints", constraints)

    @property
    def label(self) -> str:
        """Its name, or what it matches where it has none."""
        return self.name or ", ".join(self.conditions.arguments()) or "every request"

    def __repr__(self) -> str:
        parts = [repr(self.name)] if self.name else []
        return f"Rule({', '.join([*parts, *self.conditions.arguments(), *arguments(self.constraints)])})"
