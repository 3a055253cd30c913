"""A compiled policy: everything that does not depend on a request is looked up once; `decide` does the rest, purely."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import pairwise

from modelroute.catalog.catalog import Catalog
from modelroute.catalog.model import EMBEDDING
from modelroute.errors import ConfigurationError, RequestError, UnknownNameError
from modelroute.money import Money
from modelroute.policy.candidate import Candidate
from modelroute.policy.cost import NO_CEILING, Fit, attempt_budget
from modelroute.policy.demand import Demand, combine
from modelroute.policy.digest import digest_of
from modelroute.policy.eligibility import gone_after
from modelroute.policy.explain import constraint_prices
from modelroute.policy.findings import Finding
from modelroute.policy.inspect import check_against, inspect
from modelroute.policy.known import Known
from modelroute.policy.objective import Element, Prefer, best_value, cheapest, elements_of, in_words
from modelroute.policy.policy import DEFAULT, Policy
from modelroute.policy.ranking import Case, rank
from modelroute.policy.rates import RateTable
from modelroute.policy.scenario import Preferences, Scenario
from modelroute.policy.tasks import check_task
from modelroute.policy.verdict import kept_words, make_ranked, reject_rest
from modelroute.policy.view import Row, View, look
from modelroute.types.constraints import Constraints
from modelroute.types.decision import Decision, RankedTargets
from modelroute.types.facts import ANY_VOCABULARY, AUTO, RequestFacts, Snapshot

__all__ = ["CompiledPolicy"]

_MOST_VIEWS = 512
"""Kinds of request kept: a program with more of them has ones that never return, and keeping those is a leak."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of request: the scenario and rules that match, what they and the call demand, and who can give it.

    `ceiling` is that of scenario and rules; a call's own changes from request to request.
    """

    scenario: Scenario
    rules: tuple[str, ...]
    view: View
    elements: tuple[Element, ...]
    ceiling: Money | None
    in_words: str


class CompiledPolicy:
    """A policy bound to the targets a router holds and to a catalog. Safe to share between threads.

    - `decide(facts, snapshot)`: which target, and why. Pure.
    - `preferences(scenario)`: how to carry a request out. `attempt_budget(...)`: what one attempt may cost.
    - `tasks`, `check_task(task)`: tasks a call may name. `findings`: what a linter would say.
    """

    __slots__ = (
        "_by_name", "_catalog", "_kinds", "_known", "_rates", "_retirements", "_rows",
        "digest", "policy", "tasks",
    )  # fmt: skip

    def __init__(self, policy: Policy, candidates: Sequence[Candidate], catalog: Catalog) -> None:
        ordered = sorted(candidates, key=lambda candidate: candidate.name)
        for one, next_one in pairwise(ordered):
            if one.name == next_one.name:
                raise ConfigurationError(f"the target {one.name!r} is given twice; a provider may be listed once")
        self.policy = policy
        self.tasks = policy.tasks
        self.digest = policy.digest
        self._known = Known(catalog, ordered)
        check_against(policy, self._known, ordered)
        self._rows = tuple(Row(candidate, position) for position, candidate in enumerate(ordered))
        self._by_name = {candidate.name: candidate for candidate in ordered}
        self._rates = RateTable([(one.target.price, one.target.model.vocabulary) for one in ordered])
        self._retirements = sorted({gone_after(one.target) for one in ordered})
        self._catalog = catalog
        self._kinds: dict[tuple[object, ...], _Kind] = {}

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """Every target that can be chosen, by name."""
        return tuple(row.candidate for row in self._rows)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What a linter would say, with the catalog and the targets at hand in view."""
        return (*self.policy.findings, *inspect(self.policy, self._rows, self._known))

    def named(self, constraints: Constraints) -> Constraints:
        """Return `constraints` with the aliases in it replaced, so that two of them can be intersected.

        Raises `UnknownNameError` for a name that nothing declares: once intersected it could not be told any more.
        """
        if constraints.providers is None and constraints.vendors is None and not constraints.without:
            return constraints
        self._known.check(constraints)
        return self._known.named(constraints)

    def check_task(self, task: str | None) -> None:
        """Raise `RequestError` for a task that neither the standard list nor the policy declares."""
        check_task(task, self.tasks)

    def preferences(self, scenario: str) -> Preferences:
        """Return the preferences of the scenario of that name over the policy's; `UnknownNameError` if none."""
        chosen = {one.name: one for one in self.policy.scenarios} | {self._default_name: self.policy.otherwise}
        if scenario not in chosen:
            raise UnknownNameError("scenario", scenario, chosen)
        return chosen[scenario].preferences.over(self.policy.preferences)

    def scenario_of(self, facts: RequestFacts, now: float) -> str:
        """Return the name of the scenario that the request gets at `now`, Unix seconds."""
        return self._kind(facts, now).scenario.name or DEFAULT

    def decide(self, facts: RequestFacts, snapshot: Snapshot, *, prefer: Prefer | None = None) -> Decision:
        """Return which targets may serve the request, best first, and why not the others. Sends nothing.

        Same facts, snapshot and policy: same decision. `prefer` is the call's own preference.

        Raises `RequestError` for an undeclared task and for `best_value` without a floor, `UnknownNameError` for a
        model, target, feature or scale that nothing declares, `ConfigurationError` when a callable of the policy
        fails.
        """
        check_task(facts.task, self.tasks)
        kind = self._kind(facts, snapshot.now)
        elements = kind.elements if prefer is None else self._checked(prefer, kind.view.demand, facts)
        ceiling = facts.constraints.max_cost
        if ceiling is None or (kind.ceiling is not None and kind.ceiling.pico < ceiling.pico):
            ceiling = kind.ceiling
        case = Case(
            view=kind.view,
            elements=elements,
            facts=facts,
            snapshot=snapshot,
            rates=self._rates,
            ceiling=ceiling.pico if ceiling is not None else NO_CEILING if facts.hard_budget else None,
            canonical=self._known.canonical,
        )
        ranking = rank(case)
        return Decision(
            ranked=RankedTargets(len(ranking.order), lambda place: make_ranked(case, ranking, place)),
            reject=lambda: reject_rest(case, ranking, self._rows, self._catalog.targets),
            scenario=kind.scenario.name or DEFAULT,
            rules=kind.rules,
            max_cost=ceiling,
            objective=in_words(elements),
            constraints=kind.in_words if ceiling is None else _with_ceiling(kind.in_words, ceiling.pico),
            task=facts.task,
            selector=facts.selector,
            policy=self.digest,
            catalog=self._catalog_in_words,
            snapshot=partial(digest_of, snapshot),
            now=snapshot.now,
            kept=kept_words(case, ranking),
            prices=lambda: constraint_prices(case, ranking, self._rows),
        )

    def attempt_budget(
        self, target: str, facts: RequestFacts, snapshot: Snapshot, room: Money | None, *, fallbacks: Iterable[str] = ()
    ) -> Fit | None:
        """Return how an attempt at `target` uses `room`, what is left of the ceiling; see `cost.attempt_budget`.

        `fallbacks`: names of the targets that may still be tried after it.
        """
        if target not in self._by_name:
            raise UnknownNameError("target", target, self._by_name)
        others = [self._by_name[name] for name in fallbacks if name in self._by_name]
        return attempt_budget(self._by_name[target], facts, snapshot, room, fallbacks=others)

    @property
    def _default_name(self) -> str:
        return self.policy.otherwise.name or DEFAULT

    def _catalog_in_words(self) -> str:
        return f"{self._catalog.as_of} {self._catalog.digest}".strip()

    def _kind(self, facts: RequestFacts, now: float) -> _Kind:
        tokens = facts.count(ANY_VOCABULARY).estimate
        rules = tuple(number for number, rule in enumerate(self.policy.rules) if rule.conditions.match(facts, tokens))
        matching = (number for number, one in enumerate(self.policy.scenarios) if one.conditions.match(facts, tokens))
        scenario = next(matching, -1)
        key = (
            scenario,
            rules,
            _without_ceiling(facts.constraints),
            facts.needs,
            facts.selector,
            facts.effort,
            bisect_right(self._retirements, now),
        )
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._make_kind(scenario, rules, facts, now)
            if len(self._kinds) >= _MOST_VIEWS:
                self._kinds.clear()
            self._kinds[key] = kind
        return kind

    def _make_kind(self, scenario: int, rules: tuple[int, ...], facts: RequestFacts, now: float) -> _Kind:
        self._known.check(facts.constraints)
        chosen = self.policy.scenarios[scenario] if scenario >= 0 else self.policy.otherwise
        applied = [self.policy.rules[number] for number in rules]
        embeds = EMBEDDING in facts.needs
        selected = None if facts.selector == AUTO else self._known.select(facts.selector, embeds=embeds)
        call = replace(facts, constraints=replace(facts.constraints, max_cost=None))
        demand = combine(chosen, [rule.constraints for rule in applied], call, selected, self._known.named)
        return _Kind(
            scenario=chosen,
            rules=tuple(rule.label for rule in applied),
            view=look(self._rows, demand, now),
            elements=chosen.prefer if selected is None else (cheapest,),
            ceiling=demand.constraints.max_cost,
            in_words=demand.in_words,
        )

    def _checked(self, prefer: Prefer, demand: Demand, facts: RequestFacts) -> tuple[Element, ...]:
        elements = elements_of(prefer)
        self._known.check_names(elements)
        if best_value in elements and facts.selector == AUTO and not (demand.constraints.floors or demand.within):
            raise RequestError(
                "prefer=best_value needs a floor: without one the weakest free model always wins. Pass floor=... too."
            )
        return elements


@lru_cache(maxsize=_MOST_VIEWS)
def _with_ceiling(demanded: str, ceiling: int) -> str:
    """Return what had to hold with the ceiling that held: the call's own counts as much as the policy's."""
    words = f"ceiling {Money.from_pico(ceiling)}"
    return f"{demanded}, {words}" if demanded else words


def _without_ceiling(constraints: Constraints) -> tuple[object, ...]:
    return (
        constraints.floors,
        constraints.needs,
        constraints.jurisdictions,
        constraints.licences,
        constraints.vendors,
        constraints.providers,
        constraints.without,
        constraints.allow_unbounded,
        constraints.min_context,
    )
