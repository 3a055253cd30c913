"""A policy against a catalog: names that must exist, ceilings that must be keepable, and remarks worth reading once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from modelroute.errors import ConfigurationError
from modelroute.policy.candidate import Candidate
from modelroute.policy.demand import combine
from modelroute.policy.findings import Finding
from modelroute.policy.known import Known
from modelroute.policy.policy import DEFAULT, Policy
from modelroute.policy.rule import Rule
from modelroute.policy.scenario import Scenario
from modelroute.policy.view import Row, look
from modelroute.types.facts import RequestFacts

__all__ = ["check_against", "inspect"]


def check_against(policy: Policy, known: Known, candidates: Sequence[Candidate]) -> None:
    """Raise `UnknownNameError` for a name nothing declares, `ConfigurationError` for a ceiling with nobody priced."""
    scenarios = (*policy.scenarios, policy.otherwise)
    parts: tuple[Rule | Scenario, ...] = (*policy.rules, *scenarios)
    for part in parts:
        known.check(part.constraints)
        known.check_features(part.conditions.needs)
        if part.constraints.max_cost is not None and candidates and not any(_is_priced(one) for one in candidates):
            raise ConfigurationError(
                f"{part!r} sets a ceiling, but none of the {len(candidates)} targets at hand has a price. "
                "Give them a price: Provider.compatible(..., price=Price(input=..., output=...)) or Price.free()."
            )
    for scenario in scenarios:
        known.check_scales(relative.scale for relative in scenario.within)
        known.check_names(scenario.prefer)


def inspect(policy: Policy, rows: Sequence[Row], known: Known) -> Iterable[Finding]:
    """Yield remarks that need the targets at hand: scenarios that nobody or one can serve; targets without a price."""
    for scenario in (*policy.scenarios, policy.otherwise):
        yield from _served_by(scenario, rows, known)
    unpriced = [row.name for row in rows if not _is_priced(row.candidate)]
    parts: tuple[Rule | Scenario, ...] = (*policy.rules, *policy.scenarios, policy.otherwise)
    has_ceiling = any(part.constraints.max_cost is not None for part in parts)
    if unpriced and has_ceiling:
        yield Finding(
            "unpriced",
            f"Without a price, so not usable under a ceiling: {', '.join(unpriced)}.",
            "Declare a price, or Price.free().",
        )


def _served_by(scenario: Scenario, rows: Sequence[Row], known: Known) -> Iterable[Finding]:
    label = scenario.name or DEFAULT
    demand = combine(scenario, (), RequestFacts(needs=scenario.conditions.needs), None, known.named)
    eligible = look(rows, demand, -math.inf).rows
    if not eligible and rows:
        words = demand.in_words
        code = "floor_unmet" if scenario.has_floor else "nobody_eligible"
        yield Finding(
            code, f"No target at hand serves scenario {label!r}: {words}.", "Lower what it asks for, or add a provider."
        )
    if len(eligible) < 2:
        return
    providers = {row.candidate.target.provider for row in eligible}
    vendors = {row.candidate.target.model.vendor for row in eligible}
    if len(providers) == 1:
        yield Finding(
            "one_provider",
            f"Every target that serves scenario {label!r} is at {providers.pop()}: when it is down, nothing is left.",
            "Add another provider's key.",
        )
    elif len(vendors) == 1:
        yield Finding(
            "one_vendor",
            f"Every target that serves scenario {label!r} is by {vendors.pop() or 'an unnamed vendor'}.",
            "Add a model of another vendor.",
        )


def _is_priced(candidate: Candidate) -> bool:
    return candidate.target.price is not None
