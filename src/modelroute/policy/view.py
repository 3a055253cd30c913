"""The candidates as columns: what no request changes is looked up once, so that a decision touches little."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from modelroute.catalog.model import EMBEDDING, Score
from modelroute.policy.candidate import Candidate
from modelroute.policy.cost import max_output_of, window_of
from modelroute.policy.demand import Demand
from modelroute.policy.demands import Within
from modelroute.policy.eligibility import features_of, max_input_of, standing_reasons
from modelroute.policy.grid import UNKNOWN
from modelroute.policy.scoring import score_of

__all__ = ["NO_LIMIT", "Row", "View", "look"]

NO_LIMIT = 1 << 62
"""Stands for a limit that is not known, so that comparisons need no `None`."""


class Row:
    """One candidate with its limits as plain numbers; `position` is its place among all candidates, by name."""

    __slots__ = (
        "candidate", "honours_cap", "max_input", "max_output", "name", "own_output", "position", "vocabulary", "window",
    )  # fmt: skip

    def __init__(self, candidate: Candidate, position: int) -> None:
        target = candidate.target
        self.candidate = candidate
        self.position = position
        self.name = target.name
        self.vocabulary = target.model.vocabulary
        embeds = EMBEDDING in features_of(target)  # its window is that of one text, which its endpoint looks at
        self.window = NO_LIMIT if embeds else _or_none(window_of(target))
        self.max_input = NO_LIMIT if embeds else _or_none(max_input_of(target))
        self.max_output = _or_none(max_output_of(target))
        self.own_output = min(self.max_output, _or_none(candidate.always_capped))
        self.honours_cap = candidate.honours_output_cap


@dataclass(frozen=True, slots=True)
class View:
    """The candidates that satisfy all that holds for every request with one demand, the strongest first, then by name.

    By place in `rows`: `scores` on the demand's scale, `strength` the rank among the scores as a step (0 the highest,
    ties equal, `UNKNOWN` without one), `millionths` the score in millionths of a point, 0 where no value can be told.
    `relative` are the relative floors with every row's score on their scales.
    """

    demand: Demand
    rows: tuple[Row, ...]
    scores: tuple[Score | None, ...]
    strength: tuple[int, ...]
    millionths: tuple[int, ...]
    relative: tuple[tuple[Within, tuple[float | None, ...]], ...]
    vocabularies: frozenset[str]


def look(rows: Sequence[Row], demand: Demand, now: float) -> View:
    """Return the view of `rows` (by name) for `demand`, valid while no candidate retires after `now`."""
    eligible = [row for row in rows if next(standing_reasons(row.candidate, demand, now), None) is None]
    scored = [(row, _score(row, demand.scale, demand.effort, estimated=demand.estimated)) for row in eligible]
    scored.sort(key=lambda pair: math.inf if pair[1] is None else -pair[1].value)
    scores = tuple(score for _, score in scored)
    ordered = tuple(row for row, _ in scored)
    levels = sorted({score.value for score in scores if score is not None}, reverse=True)
    place = {value: number for number, value in enumerate(levels)}
    return View(
        demand=demand,
        rows=ordered,
        scores=scores,
        strength=tuple(UNKNOWN if score is None else place[score.value] for score in scores),
        millionths=tuple(0 if score is None else max(0, round(score.value * 1_000_000)) for score in scores),
        relative=tuple((relative, _values(ordered, relative, demand.effort)) for relative in demand.within),
        vocabularies=frozenset(row.vocabulary for row in ordered),
    )


def _values(rows: Sequence[Row], relative: Within, effort: str | None) -> tuple[float | None, ...]:
    found = (_score(row, relative.scale, effort, estimated=relative.estimated) for row in rows)
    return tuple(None if score is None else score.value for score in found)


def _score(row: Row, scale: str, effort: str | None, *, estimated: bool) -> Score | None:
    return score_of(row.candidate.target.model, scale, effort=effort, estimated=estimated)


def _or_none(limit: int | None) -> int:
    return NO_LIMIT if limit is None else limit
