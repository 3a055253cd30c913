"""What each constraint costs a request: loosened one at a time, by the next step that would have changed the choice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from modelroute.money import Money
from modelroute.policy.candidate import Candidate
from modelroute.policy.cost import NO_CEILING
from modelroute.policy.demand import Demand
from modelroute.policy.demands import Within
from modelroute.policy.ranking import Case, Ranking, best_at_hand, rank
from modelroute.policy.scoring import score_of
from modelroute.policy.view import Row, look
from modelroute.types.constraints import INTELLIGENCE, Constraints, Floor
from modelroute.types.decision import ConstraintPrice
from modelroute.types.decision_text import exactly

__all__ = ["constraint_prices"]


_Step: TypeAlias = tuple[str, str, str, int | None]
"""Kind of constraint, the change in words, who would then be chosen, and its estimate in pico-dollars."""

_ANY_AMOUNT = NO_CEILING - 1


def constraint_prices(case: Case, ranking: Ranking, rows: Sequence[Row]) -> tuple[ConstraintPrice, ...]:
    """Return what each constraint costs, the dearest first; those that change nothing are left out.

    Where something is eligible, only a change that saves money counts; where nothing is, any that lets a target in.
    """
    chosen = ranking.order[0] if ranking.order else None
    now = None if chosen is None else ranking.estimates[chosen]
    name = None if chosen is None else case.view.rows[chosen].name
    found: list[ConstraintPrice] = []
    for kind, change, winner, estimate in (*_floors(case, rows, name, now), *_others(case, rows)):
        price = _price(kind, change, winner, estimate, now, is_empty=chosen is None)
        if price is not None and winner != name:
            found.append(price)
    return tuple(sorted(found, key=lambda price: (-(price.saving or 0.0), price.change)))


def _price(
    kind: str, change: str, winner: str, estimate: int | None, now: int | None, *, is_empty: bool
) -> ConstraintPrice | None:
    money = None if estimate is None else Money.from_pico(estimate)
    if is_empty:
        return ConstraintPrice(kind, change, winner, money, None)
    if estimate is None or now is None or estimate >= now:
        return None
    return ConstraintPrice(kind, change, winner, money, 1 - estimate / now)


def _floors(case: Case, rows: Sequence[Row], name: str | None, now: int | None) -> Iterator[_Step]:
    """Yield the first lower floor on each scale that lets a cheaper target win."""
    demand = case.view.demand
    for floor in demand.constraints.floors:
        rest = tuple(other for other in demand.constraints.floors if other != floor)
        looser = replace(demand, constraints=replace(demand.constraints, floors=rest))
        found = _first_cheaper(case, rows, looser, floor, name=name, now=now)
        if found is not None:
            score, winner, estimate = found
            on = "" if floor.scale == INTELLIGENCE else f" on {floor.scale}"
            yield "floor", f"floor {floor.value:g} -> {score:g}{on}", winner, estimate
    for number, relative in enumerate(demand.within):
        best = best_at_hand(case)[number]
        looser = replace(demand, within=demand.within[:number] + demand.within[number + 1 :])
        found = _first_cheaper(case, rows, looser, relative, name=name, now=now)
        if found is not None and best is not None:
            score, winner, estimate = found
            points = round(best - score, 6)
            yield "floor", f"floor within {relative.points:g} -> {points:g} of the best", winner, estimate


def _first_cheaper(
    case: Case, rows: Sequence[Row], looser: Demand, counted: Floor | Within, *, name: str | None, now: int | None
) -> tuple[float, str, int | None] | None:
    """Walk down the scores of those a floor keeps out: the first that would win at its own score, and cheaper.

    Keys do not depend on who else takes part, so one ranking without the floor tells who wins at every floor.
    """
    relaxed = replace(case, view=look(rows, looser, case.snapshot.now))
    ranking = rank(relaxed)
    order = {relaxed.view.rows[place].name: position for position, place in enumerate(ranking.order)}
    best = order.get(name, len(order)) if name is not None else len(order)
    for score, position, place in sorted(_scored(relaxed, ranking, counted), key=lambda item: (-item[0], item[1])):
        estimate = ranking.estimates[place]
        if position < best:
            best = position
            if name is None or (estimate is not None and now is not None and estimate < now):
                return score, relaxed.view.rows[place].name, estimate
    return None


def _scored(case: Case, ranking: Ranking, counted: Floor | Within) -> Iterator[tuple[float, int, int]]:
    for position, place in enumerate(ranking.order):
        model = case.view.rows[place].candidate.target.model
        score = score_of(model, counted.scale, effort=case.view.demand.effort, estimated=counted.estimated)
        if score is not None:
            yield score.value, position, place


def _others(case: Case, rows: Sequence[Row]) -> Iterator[_Step]:
    """Yield the winner without each other constraint in turn, saying what would have to be admitted."""
    demand = case.view.demand
    constraints = demand.constraints
    for kind, allowed, without, value_of in _allowed_sets(constraints):
        if allowed is not None:
            winner = _winner(case, rows, replace(demand, constraints=without))
            if winner is not None:
                row, estimate = winner
                change = f"{kind} {'/'.join(sorted(allowed))} -> also {value_of(row.candidate) or 'unknown'}"
                yield kind, change, row.name, estimate
    for need in sorted(constraints.needs - case.facts.needs):
        yield from _step(case, rows, replace(demand, needs=demand.needs - {need}), "needs", f"not needing {need}")
    for name in sorted(constraints.without):
        allowing = replace(constraints, without=constraints.without - {name})
        yield from _step(case, rows, replace(demand, constraints=allowing), "without", f"allowing {name}")
    if constraints.min_context is not None:
        any_context = replace(constraints, min_context=None)
        change = f"context below {constraints.min_context}"
        yield from _step(case, rows, replace(demand, constraints=any_context), "context", change)
    if case.ceiling is not None and not rank(case).order:
        yield from _higher_ceiling(case)


def _allowed_sets(
    constraints: Constraints,
) -> Iterator[tuple[str, frozenset[str] | None, Constraints, Callable[[Candidate], str | None]]]:
    """Yield each allowed set with its kind, the constraints without it, and what a candidate has in its place."""
    yield (
        "jurisdiction",
        constraints.jurisdictions,
        replace(constraints, jurisdictions=None),
        lambda one: one.jurisdiction,
    )
    yield "licence", constraints.licences, replace(constraints, licences=None), lambda one: one.target.model.licence
    yield "vendor", constraints.vendors, replace(constraints, vendors=None), lambda one: one.target.model.vendor
    yield "provider", constraints.providers, replace(constraints, providers=None), lambda one: one.target.provider


def _step(case: Case, rows: Sequence[Row], looser: Demand, kind: str, change: str) -> Iterator[_Step]:
    winner = _winner(case, rows, looser)
    if winner is not None:
        yield kind, change, winner[0].name, winner[1]


def _winner(case: Case, rows: Sequence[Row], looser: Demand) -> tuple[Row, int | None] | None:
    relaxed = replace(case, view=look(rows, looser, case.snapshot.now))
    ranking = rank(relaxed)
    if not ranking.order:
        return None
    return relaxed.view.rows[ranking.order[0]], ranking.estimates[ranking.order[0]]


def _higher_ceiling(case: Case) -> Iterator[_Step]:
    """Yield the least ceiling under which something would be eligible; `case` has nothing that is."""
    ranking = rank(replace(case, ceiling=_ANY_AMOUNT))
    if case.ceiling is None or not ranking.leasts:
        return
    place = min(ranking.leasts, key=lambda one: (ranking.leasts[one], one))
    change = f"ceiling {exactly(Money.from_pico(case.ceiling))} -> {exactly(Money.from_pico(ranking.leasts[place]))}"
    yield "ceiling", change, case.view.rows[place].name, ranking.estimates[place]
