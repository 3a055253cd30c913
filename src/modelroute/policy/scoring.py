"""A model's score on a scale, as floors, objectives and explanations read it."""

from __future__ import annotations

from modelroute.catalog.model import Model, Score
from modelroute.catalog.scores import best_score
from modelroute.types.decision import ScoreQuote

__all__ = ["quote", "score_of"]


def score_of(model: Model, scale: str, *, effort: str | None, estimated: bool) -> Score | None:
    """Return the score that counts for `model` asked with `effort`; `estimated` admits one made from another scale."""
    return best_score(model, scale, effort=effort, estimated=estimated)


def quote(score: Score) -> ScoreQuote:
    """Return a score as a decision shows it."""
    return ScoreQuote(
        value=score.value,
        scale=score.scale,
        estimated=score.estimated,
        error=score.error,
        basis=score.basis,
        as_of=score.as_of,
    )
