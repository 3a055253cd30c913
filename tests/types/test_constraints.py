"""Constraints only add up: the intersection is stricter than either side, whatever the order."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.errors import ConfigurationError
from modelroute.money import Money
from modelroute.types.constraints import NONE, Constraints, Floor

names = st.frozensets(st.sampled_from(["a", "b", "c", "d"]), max_size=3)
floors = st.builds(
    Floor, st.integers(-5, 5).map(float), st.sampled_from(["intelligence", "arena_coding"]), estimated=st.booleans()
)
constraints = st.builds(
    Constraints,
    floors=st.lists(floors, max_size=3).map(tuple),
    max_cost=st.none() | st.integers(0, 9).map(Money),
    needs=names,
    jurisdictions=st.none() | names,
    licences=st.none() | names,
    vendors=st.none() | names,
    providers=st.none() | names,
    without=names,
    allow_unbounded=st.booleans(),
    min_context=st.none() | st.integers(1, 9),
)
scores = st.fixed_dictionaries(
    {scale: st.tuples(st.integers(-6, 6), st.booleans()) for scale in ("intelligence", "arena_coding")}
)
candidates = st.fixed_dictionaries(
    {
        "scores": scores,
        "cost": st.integers(0, 10),
        "features": names,
        "place": st.sampled_from("abcd"),
        "context": st.integers(0, 10),
        "name": st.sampled_from("abcd"),
    }
)


def satisfies(wanted: Constraints, it: dict[str, object]) -> bool:
    """The trivial reading of every field, one after the other."""
    held: dict[str, tuple[int, bool]] = it["scores"]  # type: ignore[assignment]
    place, name = it["place"], it["name"]
    return (
        all(held[f.scale][0] >= f.value and (f.estimated or not held[f.scale][1]) for f in wanted.floors)
        and (wanted.max_cost is None or Money(it["cost"]) <= wanted.max_cost)  # type: ignore[arg-type]
        and wanted.needs <= it["features"]  # type: ignore[operator]
        and all(
            s is None or place in s for s in (wanted.jurisdictions, wanted.licences, wanted.vendors, wanted.providers)
        )
        and name not in wanted.without
        and (wanted.min_context is None or it["context"] >= wanted.min_context)  # type: ignore[operator]
    )


@given(constraints, constraints, candidates)
def test_together_they_hold_exactly_when_each_does(one: Constraints, other: Constraints, it: dict[str, object]) -> None:
    assert satisfies(one & other, it) == (satisfies(one, it) and satisfies(other, it))


@given(constraints, constraints, constraints)
def test_the_order_does_not_matter(one: Constraints, two: Constraints, three: Constraints) -> None:
    assert (one & two) & three & Constraints(without=frozenset("z")) == one & (two & three) & Constraints(
        without=frozenset("z")
    )
    assert (one & two) & Constraints(without=frozenset("z")) == (two & one) & Constraints(without=frozenset("z"))


@given(constraints)
def test_nothing_said_changes_nothing(one: Constraints) -> None:
    assert one & NONE == NONE & one == one
    assert pickle.loads(pickle.dumps(one)) == one


def test_disjoint_sets_allow_nothing_rather_than_everything() -> None:
    both = Constraints(jurisdictions=frozenset({"EU"})) & Constraints(jurisdictions=frozenset({"US"}))
    assert both.jurisdictions == frozenset()
    assert (both & Constraints(needs=frozenset({"tools"}))).jurisdictions == frozenset()


def test_a_ceiling_of_zero_is_a_ceiling() -> None:
    assert (Constraints(max_cost=Money(0)) & Constraints(max_cost=Money(1))).max_cost == Money(0)


def test_permission_may_come_from_either_side() -> None:
    assert (Constraints(allow_unbounded=True) & Constraints(max_cost=Money(1))).allow_unbounded


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), True, "54", None, 1e9])
def test_a_floor_is_a_finite_number(value: object) -> None:
    with pytest.raises(ConfigurationError):
        Floor(value)  # type: ignore[arg-type]


def test_a_negative_ceiling_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="negative"):
        Constraints(max_cost=Money("-0.01"))
