"""Which score counts for a model at an effort, and the crosswalk by which estimated scores were made."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from modelroute.types.constraints import INTELLIGENCE

if TYPE_CHECKING:
    from modelroute.catalog.model import Model, Score

__all__ = ["EFFORTS", "Crosswalk", "Estimate", "best_score"]

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Reasoning efforts from the least to the most; a model knows some of them."""

_PRESUMED_DEFAULT = "medium"


def best_score(model: Model, scale: str, *, effort: str | None = None, estimated: bool = True) -> Score | None:
    """Return the score that counts for `model` on `scale` when asked to reason at `effort` (`None`: its default).

    A score vouches for the effort it was measured at and for every greater one, never for a lesser one: of those,
    quoted before estimated, then the nearest effort, then the newest. Where only greater efforts were measured, the
    default alone is given the least of them, marked as estimated. `estimated=False` counts quoted scores only.
    `None`: no score, and unknown never satisfies a floor.
    """
    on_scale = [score for score in model.scores if score.scale == scale and (estimated or not score.estimated)]
    if not on_scale:
        return None
    own = model.default_effort or _PRESUMED_DEFAULT
    wanted = _rank(effort or own)
    vouching = [score for score in on_scale if _rank(score.effort or own) <= wanted]
    if vouching:
        return max(
            vouching, key=lambda score: (not score.estimated, _rank(score.effort or own), score.as_of, score.value)
        )
    if estimated and (not effort or effort == model.default_effort):
        least = min(on_scale, key=lambda score: (_rank(score.effort or own), score.estimated))
        return replace(least, estimated=True, basis=least.basis or f"measured at effort {least.effort}")
    return None


def _rank(effort: str) -> int:
    """An effort no list names is taken for the most: its score then vouches for nothing less."""
    return EFFORTS.index(effort) if effort in EFFORTS else len(EFFORTS)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A score made by a crosswalk: `value`, its standard `error` in points, and `basis`, what it was made from."""

    value: float
    error: float
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Crosswalk:
    """A straight line from one scale to another, fitted by least squares over the `n` models that have a score on both.

    `error` is the residual standard error. `centre` and `spread` (sum of squared distances from it) describe where the
    fitted ratings lie, so that the error of an estimate grows with its distance; outside ``[low, high]`` it says so.
    `effort_step` is by how much a rating rises on average when a model is asked to reason harder, over `effort_pairs`
    models rated at both, `effort_error` its standard deviation: an estimate for the default effort made from a rating
    at a raised one is lowered by the step. `source` and `as_of` are those of the ratings.
    """

    origin: str
    scale: str = INTELLIGENCE
    slope: float
    intercept: float
    n: int
    error: float
    centre: float
    spread: float
    low: float
    high: float
    effort_step: float
    effort_error: float
    effort_pairs: int
    source: str
    as_of: str

    def estimate(self, rating: float, *, label: str = "Arena", raised_to: str = "") -> Estimate:
        """Return the estimate for `rating`; `raised_to`: the effort it was measured at, where the default is wanted."""
        point = rating - self.effort_step if raised_to else rating
        variance = self.error**2 * (1 + 1 / self.n + (point - self.centre) ** 2 / self.spread)
        if raised_to:
            variance += (self.slope * self.effort_error) ** 2
        at = f" at {raised_to}" if raised_to else ""
        beyond = "" if self.low <= point <= self.high else f", beyond {self.low:.0f}-{self.high:.0f}"
        return Estimate(
            value=round(self.intercept + self.slope * point, 1),
            error=round(math.sqrt(variance), 1),
            basis=f"{label} {rating:.0f}{at}{beyond}",
        )

    def __str__(self) -> str:
        """The line as it is printed: what was fitted, over how many models, how far off."""
        return (
            f"{self.scale} = {self.slope:.4f} x {self.origin} {self.intercept:+.2f} "
            f"(n = {self.n}, standard error {self.error:.1f} points, "
            f"fitted on {self.low:.0f}-{self.high:.0f}, {self.as_of})"
        )
