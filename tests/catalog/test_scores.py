from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog import EFFORTS, Catalog, Crosswalk, Model, Score, best_score


def score(
    value: float, effort: str = "", *, estimated: bool = False, as_of: str = "2026-05", scale: str = "s"
) -> Score:
    return Score(value, scale, "a test", as_of, effort, estimated)


efforts = st.sampled_from(["", *EFFORTS])
scores = st.lists(
    st.builds(score, st.integers(0, 99), efforts, estimated=st.booleans(), scale=st.sampled_from(["s", "t"])),
    max_size=6,
).map(tuple)
models = st.builds(lambda found, own: Model("m", scores=found, default_effort=own), scores, efforts)


def rank(model: Model, effort: str) -> int:
    return EFFORTS.index(effort or model.default_effort or "medium")


@given(models, efforts)
def test_a_score_never_vouches_for_less_effort_than_it_was_measured_at(model: Model, effort: str) -> None:
    for estimated in (True, False):
        found = best_score(model, "s", effort=effort, estimated=estimated)
        if found is None:
            continue
        assert found.scale == "s"
        assert estimated or not found.estimated
        if rank(model, found.effort) > rank(model, effort):
            assert not effort or effort == model.default_effort, "only for the default is a greater effort's score lent"
            assert found.estimated, "and it is marked"
        else:
            assert found in model.scores


@given(models, efforts)
def test_a_quoted_score_that_vouches_is_preferred_to_every_estimate(model: Model, effort: str) -> None:
    quoted = [
        s for s in model.scores if s.scale == "s" and not s.estimated and rank(model, s.effort) <= rank(model, effort)
    ]
    found = best_score(model, "s", effort=effort)
    assert (found in quoted) == bool(quoted)


@given(models)
def test_asking_for_nothing_is_asking_for_the_default(model: Model) -> None:
    assert best_score(model, "s") == best_score(model, "s", effort="")
    if model.default_effort:
        assert best_score(model, "s") == best_score(model, "s", effort=model.default_effort)


def test_no_score_is_none_and_so_is_a_score_on_another_scale() -> None:
    assert best_score(Model("m"), "s") is None
    assert best_score(Model("m", scores=(score(9, scale="t"),)), "s") is None
    assert best_score(Model("m", scores=(score(9, estimated=True),)), "s", estimated=False) is None


def test_of_two_that_vouch_the_nearest_effort_and_then_the_newest_counts() -> None:
    model = Model("m", scores=(score(1, "low"), score(3, "high", as_of="2026-01"), score(2, "high", as_of="2026-10")))
    found = best_score(model, "s", effort="max")
    assert found is not None
    assert found.value == 2
    assert best_score(model, "s", effort="minimal") is None


def test_where_only_more_effort_was_measured_the_default_borrows_the_least_of_it_and_says_so() -> None:
    model = Model("m", scores=(score(9, "max"), score(7, "high")))
    assert best_score(model, "s") == replace(score(7, "high"), estimated=True, basis="measured at effort high")
    assert best_score(model, "s", estimated=False) is None
    assert best_score(model, "s", effort="low") is None


def test_an_effort_without_rank_is_taken_for_the_most() -> None:
    assert best_score(Model("m", scores=(score(9, "turbo"),)), "s", effort="max") is None
    assert best_score(Model("m", scores=(score(5),)), "s", effort="turbo") == score(5)


@pytest.fixture(scope="module")
def crosswalk() -> Crosswalk:
    found = Catalog.builtin().crosswalk
    assert found is not None
    return found


def test_an_estimate_is_most_certain_where_models_were_fitted_and_marked_beyond(crosswalk: Crosswalk) -> None:
    centre, low, high = (crosswalk.estimate(rating) for rating in (crosswalk.centre, 1200.0, 1700.0))
    assert centre.error >= crosswalk.error
    assert low.error > centre.error < high.error
    assert "beyond" not in centre.basis
    assert low.basis == "Arena 1200, beyond 1358-1494"
    assert "beyond" in high.basis


@given(st.floats(800, 2000), st.floats(0, 500))
def test_a_higher_rating_is_never_a_lower_estimate(rating: float, more: float) -> None:
    found = Catalog.builtin().crosswalk
    assert found is not None
    assert found.estimate(rating).value <= found.estimate(rating + more).value


@given(st.floats(1300, 1550))
def test_a_rating_at_a_raised_effort_gives_a_lower_and_less_certain_default(rating: float) -> None:
    found = Catalog.builtin().crosswalk
    assert found is not None
    plain, lowered = found.estimate(rating - found.effort_step), found.estimate(rating, raised_to="high")
    assert lowered.value == plain.value
    assert lowered.error >= plain.error
    assert "at high" in lowered.basis


def test_the_crosswalk_prints_its_n_and_its_error(crosswalk: Crosswalk) -> None:
    assert str(crosswalk) == (
        "intelligence = 0.1372 x arena -146.58 (n = 11, standard error 2.7 points, fitted on 1358-1494, 2026-10-05)"
    )
