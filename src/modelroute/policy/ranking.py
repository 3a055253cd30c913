"""Ranking: from the candidates of a view to those eligible for one request, in order. The hot path of every request.

Columns instead of objects: one pass finds who is eligible and at what cost, each objective adds a column of steps, the
columns become one key per target. Only what is then read becomes a `Ranked`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import pairwise
from typing import cast

from modelroute.errors import ConfigurationError
from modelroute.money import Money
from modelroute.policy.cost import NO_CEILING, forecast_tokens, window_of
from modelroute.policy.demands import Within
from modelroute.policy.eligibility import features_of
from modelroute.policy.grid import STEPS, UNKNOWN, step
from modelroute.policy.naming import label
from modelroute.policy.objective import Chooser, Element, Objective, Option
from modelroute.policy.rates import RateTable
from modelroute.policy.view import Row, View
from modelroute.types.facts import Affinity, RequestFacts, Snapshot
from modelroute.types.usage import Usage

__all__ = ["Case", "Ranking", "best_at_hand", "rank"]


@dataclass(frozen=True, slots=True)
class Case:
    """One request to be ranked: what is known of it and of the world, against which view and under which ceiling."""

    view: View
    elements: tuple[Element, ...]
    facts: RequestFacts
    snapshot: Snapshot
    rates: RateTable
    ceiling: int | None
    canonical: Callable[[str], str]


class Ranking:
    """Who is eligible, best first.

    `order`: places in the view's rows. `estimates`: pico-dollars by place, `None` without a price. `leasts`: by
    place, what must at least be free to attempt it, under a ceiling. `kept`: the place of the target that a
    conversation stays on though another would win a new one, with that winner's place.
    """

    __slots__ = ("_two_least", "estimates", "kept", "leasts", "order")

    def __init__(
        self, order: list[int], estimates: dict[int, int | None], leasts: dict[int, int], kept: tuple[int, int] | None
    ) -> None:
        self.order = order
        self.estimates = estimates
        self.leasts = leasts
        self.kept = kept
        self._two_least: list[int] | None = None

    def hold_for(self, place: int) -> int | None:
        """Return the least of the cheapest other eligible target, `None` when there is no other."""
        if self._two_least is None:
            self._two_least = nsmallest(2, self.leasts, key=self.leasts.__getitem__)
        return next((self.leasts[other] for other in self._two_least if other != place), None)


def rank(case: Case) -> Ranking:
    """Return the eligible targets of a case in order of preference."""
    answers, estimates = _eligible(case)
    places: Collection[int] = answers
    for relative, values in case.view.relative:
        places = _near_the_best(relative, values, places)
    leasts: dict[int, int] = {}
    if case.ceiling is not None:
        places = leasts = _within_ceiling(case, places, answers, case.ceiling)
    affinity = case.snapshot.affinity
    if affinity is not None:
        current = next((place for place in places if case.view.rows[place].name == affinity.target), None)
        if current is not None:
            order, kept = _order_in_conversation(case, places, estimates, affinity, current)
            return Ranking(order, estimates, leasts, kept)
    return Ranking(_order(case, places, estimates, None), estimates, leasts, None)


def _order_in_conversation(
    case: Case, places: Collection[int], estimates: dict[int, int | None], affinity: Affinity, current: int
) -> tuple[list[int], tuple[int, int] | None]:
    """Order with the conversation's own target priced as its cache makes it, and first among equals.

    So it stays unless another is better by a step of the objective: its cached prefix is worth more than the saving.
    """
    row = case.view.rows[current]
    anew = _order(case, places, estimates, None)
    estimates[current] = _estimate_with_cache(case, row, affinity)
    order = _order(case, places, estimates, current)
    if affinity.bound_by_tools and not case.snapshot.holds.get(row.name, 0.0) > case.snapshot.now:
        order.remove(current)
        order.insert(0, current)
    kept = (current, anew[0]) if order[0] == current != anew[0] else None
    return order, kept


def best_at_hand(case: Case) -> tuple[float | None, ...]:
    """Return, for each relative floor in turn, the score it is relative to; `None` where nothing has one."""
    places: Collection[int] = _eligible(case)[0]
    found: list[float | None] = []
    for relative, values in case.view.relative:
        found.append(max((value for place in places if (value := values[place]) is not None), default=None))
        places = _near_the_best(relative, values, places)
    return tuple(found)


def _near_the_best(relative: Within, values: Sequence[float | None], places: Collection[int]) -> Collection[int]:
    known = [value for place in places if (value := values[place]) is not None]
    if not known:
        return places
    bar = max(known) - relative.points
    return [place for place in places if (value := values[place]) is not None and value >= bar]


def _eligible(case: Case) -> tuple[dict[int, int], dict[int, int | None]]:
    """Return who passes all but relative floors and ceiling with its forecast, and every estimate without cache."""
    facts, snapshot, view = case.facts, case.snapshot, case.view
    tokens = {vocabulary: facts.count(vocabulary).estimate for vocabulary in view.vocabularies}
    bills = case.rates.at(snapshot.now, tokens)
    outputs, expected, choices = snapshot.outputs, max(1, math.ceil(snapshot.default_output)), facts.choices
    cap, barred, missing, needs = facts.output_cap, facts.barred, snapshot.missing, view.demand.needs
    answers: dict[int, int] = {}
    estimates: dict[int, int | None] = {}
    for place, row in enumerate(view.rows):
        prompt = tokens[row.vocabulary]
        answer = max(1, math.ceil(outputs.get(row.name, expected))) if outputs else expected
        limit = row.own_output if cap is None else cap
        answer = min(answer, limit, row.max_output)
        if prompt > row.max_input or prompt + answer > row.window:
            continue
        if (barred and row.name in barred) or (missing and _lacks(row, missing, needs)):
            continue
        answers[place] = answer
        bill = bills[row.position]
        estimates[place] = None if bill is None else prompt * bill[0] + answer * choices * bill[1]
    return answers, estimates


def _lacks(row: Row, missing: Mapping[str, frozenset[str]], needs: frozenset[str]) -> bool:
    seen = missing.get(row.name)
    return bool(seen) and not needs.isdisjoint(seen or ())


def _within_ceiling(case: Case, places: Collection[int], answers: Mapping[int, int], ceiling: int) -> dict[int, int]:
    """Return the places whose forecast fits the ceiling, with the least that must be free for each."""
    facts, rows = case.facts, case.view.rows
    may_be_unbounded = case.view.demand.constraints.allow_unbounded
    free = [] if ceiling < NO_CEILING else [place for place in places if rows[place].name not in facts.hard_budget]
    leasts = dict.fromkeys(free, 0)
    if facts.unbounded and not may_be_unbounded:
        return leasts
    bounds = {vocabulary: facts.count(vocabulary).bound for vocabulary in case.view.vocabularies}
    bills = case.rates.dearest(case.snapshot.now, facts.seconds, bounds)
    choices = facts.choices
    for place in places:
        if place in leasts:
            continue
        row = rows[place]
        bill = bills[row.position]
        if bill is None or not (row.honours_cap or may_be_unbounded):
            continue
        least = bounds[row.vocabulary] * bill[0] + answers[place] * choices * bill[1]
        if least <= ceiling:
            leasts[place] = least
    return leasts


def _estimate_with_cache(case: Case, row: Row, affinity: Affinity) -> int | None:
    facts, snapshot = case.facts, case.snapshot
    tokens = facts.count(row.vocabulary).estimate
    price = row.candidate.target.price
    rates = None if price is None else price.at(snapshot.now, tokens)
    if rates is None:
        return None
    output = forecast_tokens(row.candidate, facts, snapshot) * facts.choices
    return rates.cost(Usage(tokens, output, cached_tokens=min(affinity.cached_tokens, tokens)))


def _order(case: Case, places: Collection[int], estimates: Mapping[int, int | None], current: int | None) -> list[int]:
    """Sort by: resting last, the objective's columns, staying (with a `current`), cost; then the view's own order."""
    listed = list(places)
    costs = [UNKNOWN if (cost := estimates[place]) is None else step(cost) for place in listed]
    columns: list[list[int]] = []
    holds, now, rows = case.snapshot.holds, case.snapshot.now, case.view.rows
    if holds:
        columns.append([1 if holds.get(rows[place].name, 0.0) > now else 0 for place in listed])
    columns += [_column(case, element, listed, estimates, costs) for element in case.elements]
    if current is not None:
        columns.append([0 if place == current else 1 for place in listed])
    if columns[-1] is not costs:
        columns.append(costs)
    keys = columns[0]
    for column in columns[1:]:
        keys = [key * STEPS + own for key, own in zip(keys, column, strict=True)]
    ordered = dict(zip(listed, keys, strict=True))
    return sorted(sorted(listed), key=ordered.__getitem__)


def _column(
    case: Case, element: Element, places: Sequence[int], estimates: Mapping[int, int | None], costs: list[int]
) -> list[int]:
    """Return one element's step for each place: less is better."""
    view = case.view
    if element is Objective.CHEAPEST:
        return costs
    if element is Objective.STRONGEST:
        return [view.strength[place] for place in places]
    if element is Objective.BEST_VALUE:
        return [_value_step(estimates[place], view.millionths[place]) for place in places]
    if element is Objective.FASTEST:
        latency = case.snapshot.latency
        return [_latency_step(latency.get(view.rows[place].name)) for place in places]
    if isinstance(element, str):
        name = case.canonical(element)
        targets = (view.rows[place].candidate.target for place in places)
        return [0 if name in (target.name, target.model.name) else 1 for target in targets]
    return _dense(element, [_ask(element, _option(case, place, estimates[place])) for place in places])


def _value_step(cost: int | None, millionths: int) -> int:
    """Return the step of dollars per point: the most points per dollar come first, what is free before all."""
    if cost is None or not millionths:
        return UNKNOWN
    return step(max(1, cost * 1_000_000_000 // millionths)) if cost else 0


def _latency_step(seconds: float | None) -> int:
    return UNKNOWN if seconds is None or not 0 <= seconds < math.inf else step(int(seconds * 1_000_000))


def _option(case: Case, place: int, estimate: int | None) -> Option:
    candidate, facts, snapshot = case.view.rows[place].candidate, case.facts, case.snapshot
    target = candidate.target
    return Option(
        target=target.name,
        model=target.model.name,
        provider=target.provider,
        vendor=target.model.vendor,
        estimate=None if estimate is None else Money.from_pico(estimate),
        input_tokens=facts.count(target.model.vocabulary).estimate,
        output_tokens=forecast_tokens(candidate, facts, snapshot) * facts.choices,
        context_window=window_of(target),
        latency=snapshot.latency.get(target.name),
        features=features_of(target),
        effort=facts.effort,
        about=target.model,
    )


def _ask(chooser: Chooser, option: Option) -> object:
    try:
        return chooser(option)
    except Exception as error:
        raise ConfigurationError(
            f"the objective {label(chooser)} failed for {option.target} with {type(error).__name__}: {error}. "
            "It must return a sortable key for any Option."
        ) from error


def _dense(chooser: Chooser, values: Sequence[object]) -> list[int]:
    """Return a callable's own keys as ranks, equal ones equal, so that they pack like any other column."""
    comparable = cast("Sequence[float]", values)
    ranks = [0] * len(values)
    try:
        nan = any(value != value for value in values)  # noqa: PLR0124 - only NaN differs from itself
        places = sorted(range(len(values)), key=comparable.__getitem__)
        for before, after in pairwise(places):
            ranks[after] = ranks[before] + (comparable[before] < comparable[after])
    except Exception as error:
        raise ConfigurationError(
            f"the objective {label(chooser)} returned keys that do not compare: {error}"
        ) from error
    if nan:
        raise ConfigurationError(f"the objective {label(chooser)} returned NaN, which orders nothing")
    return ranks
