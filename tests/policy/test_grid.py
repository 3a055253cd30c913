from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from modelroute.policy.grid import LINES, UNKNOWN, step


@given(st.integers(1, 10**22))
def test_a_step_spans_five_percent(amount: int) -> None:
    place = step(amount)
    assert Fraction(21, 20) ** (place - 1) <= amount < Fraction(21, 20) ** place


@given(st.integers(0, 10**30), st.integers(0, 10**30))
def test_steps_keep_the_order(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert step(low) <= step(high) < UNKNOWN


def test_nothing_comes_before_everything() -> None:
    assert step(0) == 0 < step(1)


def test_lines_are_exact() -> None:
    """On the line belongs to the step above it, one below to the step before: no rounding anywhere."""
    for place in (300, 700, 1_000):
        assert step(LINES[place]) == step(LINES[place] - 1) + 1
