"""The estimates that ship are what the data that ships gives: recomputed here from Arena's extract."""

import math
import os
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from modelroute.catalog import INTELLIGENCE, Catalog, Crosswalk, Score

ROOT = Path(__file__).parents[2]
DATA = ROOT / "src" / "modelroute" / "catalog" / "data"
EXTRACT = Path(__file__).parent / "arena_extract.json"


@pytest.fixture(scope="module")
def crosswalk() -> Crosswalk:
    found = Catalog.builtin().crosswalk
    assert found is not None
    return found


def on(scale: str, model: str) -> list[Score]:
    return [score for score in Catalog.builtin().model(model).scores if score.scale == scale]


def test_the_tool_would_change_nothing() -> None:
    """Both generated files equal a recomputation from the extract, the hand-made mapping and the quoted scores."""
    command = [sys.executable, str(ROOT / "tools" / "crosswalk.py"), "--check", "--ratings", str(EXTRACT)]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_line_is_the_least_squares_line_through_the_printed_pairs(crosswalk: Crosswalk) -> None:
    pairs = tomllib.loads((DATA / "crosswalk.toml").read_text("utf-8"))["crosswalk"]["pairs"]
    ratings, scores = [pair["rating"] for pair in pairs], [pair["score"] for pair in pairs]
    line = statistics.linear_regression(ratings, scores)
    residuals = [y - line.intercept - line.slope * x for x, y in zip(ratings, scores, strict=True)]
    assert crosswalk.n == len(pairs) == 11
    assert crosswalk.slope == pytest.approx(line.slope, abs=1e-6)
    assert crosswalk.intercept == pytest.approx(line.intercept, abs=1e-4)
    assert crosswalk.error == pytest.approx(math.sqrt(sum(r * r for r in residuals) / (len(pairs) - 2)), abs=1e-3)
    assert (crosswalk.low, crosswalk.high) == (min(ratings), max(ratings))


def test_every_pair_is_a_quoted_score_and_a_rating_of_the_catalog(crosswalk: Crosswalk) -> None:
    pairs = tomllib.loads((DATA / "crosswalk.toml").read_text("utf-8"))["crosswalk"]["pairs"]
    for pair in pairs:
        assert [s.value for s in on(INTELLIGENCE, pair["model"]) if not s.estimated] == [pair["score"]]
        assert pair["rating"] in [s.value for s in on("arena", pair["model"]) if s.basis == pair["id"]]
    both = {
        name
        for name in Catalog.builtin().models
        if on("arena", name) and any(not s.estimated for s in on(INTELLIGENCE, name))
    }
    assert {pair["model"] for pair in pairs} == both, "no model with both scores is left out of the fit"


@pytest.mark.parametrize("name", Catalog.builtin().models)
def test_each_estimate_is_the_rating_put_through_the_line(name: str, crosswalk: Crosswalk) -> None:
    model = Catalog.builtin().model(name)
    quoted = [score for score in on(INTELLIGENCE, name) if not score.estimated]
    estimates = {score.effort: score for score in on(INTELLIGENCE, name) if score.estimated}
    ratings = {("" if s.effort == model.default_effort else s.effort): s for s in on("arena", name)}
    if quoted or not ratings:
        assert not estimates
        return
    assert set(estimates) == set(ratings) | {""}
    for effort, estimate in estimates.items():
        made_from = ratings.get(effort) or next(iter(ratings.values()))
        raised_to = "" if effort in ratings else made_from.effort
        again = crosswalk.estimate(made_from.value, raised_to=raised_to)
        assert (estimate.value, estimate.error, estimate.basis) == (again.value, again.error, again.basis)
        assert (estimate.source, estimate.as_of) == (made_from.source, made_from.as_of)
        point = made_from.value - (crosswalk.effort_step if raised_to else 0)
        assert ("beyond" in estimate.basis) == (not crosswalk.low <= point <= crosswalk.high), "unmarked extrapolation"
        assert estimate.error is not None
        assert estimate.error >= crosswalk.error
