"""Vectors as they come: every spelling of the same numbers gives the same vector, and nothing else gives any."""

from __future__ import annotations

import base64
import math
import struct
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.providers.embeddings.vectors import as_vector, as_vectors
from modelroute.wire.errors import GarbledError
from modelroute.wire.json import dumps, loads

SINGLES = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=50)


def packed(numbers: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


@given(SINGLES)
def test_digits_and_base64_are_the_same_vector(numbers: list[float]) -> None:
    spoken = as_vector(loads(dumps(numbers)))
    assert spoken == as_vector(packed(numbers)) == array("f", numbers)
    assert spoken.typecode == "f"
    assert list(spoken) == numbers


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ([], "empty"),
        ("", "empty"),
        (None, "not a list"),
        ({"0": 1.0}, "not a list"),
        (0.5, "not a list"),
        ([0.5, None], "no number"),
        ([0.5, "0.5"], "no number"),
        ([0.5, True], "no number"),
        ([[0.5, 0.25]], "no number"),
        ([0.5, math.nan], "no finite number"),
        ([math.inf, -math.inf], "no finite number"),
        ([1e39, -1e39], "no finite number"),
        ([10**400], "too large"),
        ("not base64!", "not base64"),
        ("AAAA AAAA", "not base64"),
        ("ÄÄÄÄ", "not base64"),
        ("AAAAAA", "not base64"),
        (base64.b64encode(b"12345").decode(), "5 bytes"),
        (packed([math.nan]), "no finite number"),
        (packed([1.0, -math.inf]), "no finite number"),
    ],
)
def test_what_is_no_vector(entry: object, why: str) -> None:
    with pytest.raises(GarbledError, match=why):
        as_vector(entry)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_anything_is_a_vector_or_garbled(entry: object) -> None:
    try:
        vector = as_vector(entry)
    except GarbledError:
        return
    assert len(vector)
    assert all(map(math.isfinite, vector))


def test_all_are_equally_long() -> None:
    assert as_vectors([[1.0, 2.0], packed([3.0, 4.0])], None) == (array("f", [1, 2]), array("f", [3, 4]))
    with pytest.raises(GarbledError, match="vector 1 has 1 dimensions, and the first has 2"):
        as_vectors([[1.0, 2.0], [1.0]], None)


def test_all_are_as_long_as_asked() -> None:
    assert as_vectors([[1.0, 2.0]], 2) == (array("f", [1, 2]),)
    with pytest.raises(GarbledError, match="vector 0 has 2 dimensions, and 3 were asked for"):
        as_vectors([[1.0, 2.0]], 3)
