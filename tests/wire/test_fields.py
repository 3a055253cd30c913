"""Accessors take anything and give what was asked for or nothing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.wire.fields import MOST_TOKENS, as_count, as_list, as_mapping, as_text

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(ANYTHING)
def test_a_field_is_what_it_should_be_or_absent(value: object) -> None:
    assert as_mapping(value) == (value if isinstance(value, dict) else {})
    assert list(as_list(value)) == (value if isinstance(value, list) else [])
    assert as_text(value) == (value if isinstance(value, str) else "")


@given(st.integers(0, MOST_TOKENS))
def test_a_true_count_is_kept_exactly(count: int) -> None:
    assert as_count(count) == count
    assert as_count(float(count)) == count


@given(st.integers(max_value=-1) | st.integers(min_value=MOST_TOKENS + 1) | st.floats(max_value=-0.5) | st.text())
def test_a_count_that_cannot_be_true_is_unknown(value: object) -> None:
    assert as_count(value) is None


@pytest.mark.parametrize("value", [True, False, None, 1.5, math.nan, math.inf, -math.inf, 1e300, [1], {"a": 1}])
def test_what_is_not_a_count_is_unknown(value: object) -> None:
    assert as_count(value) is None


def test_zero_is_zero_and_not_unknown() -> None:
    assert as_count(0) == 0
