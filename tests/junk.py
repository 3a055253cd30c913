"""What may be handed to a declaration by mistake, and the one promise: it works, or an error of ours says why not.

Tests of each package name their declarations and keywords; what is wrong with a value is the same everywhere.
"""

from __future__ import annotations

import datetime as dt
import enum
import math
from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from modelroute.errors import ModelRouteError

__all__ = ["junk", "works_or_is_refused"]


class _Unshowable:
    """A value that cannot even be quoted in a message."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class _Incomparable:
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")


class _Counted(enum.IntEnum):
    THREE = 3


class _Word(str):
    __slots__ = ()


class _Index:
    def __index__(self) -> int:
        return 3


def _circle() -> list[object]:
    listed: list[object] = []
    listed.append(listed)
    return listed


def _names() -> Iterator[str]:
    yield "tools"


_FIXED: tuple[Callable[[], object], ...] = (
    lambda: None,
    lambda: 10**400,
    lambda: -(10**400),
    lambda: 10**5000,
    lambda: math.nan,
    lambda: math.inf,
    lambda: 1e4,
    lambda: 1e308,
    lambda: "128k",
    lambda: "auto",
    lambda: "GPT-5.5",
    lambda: "a@b@c",
    lambda: "\ud800",
    lambda: "\x00",
    lambda: "soon",
    lambda: "2026-12-31",
    lambda: "9999-12-31",
    lambda: "eu",
    lambda: "$0.02",
    lambda: "1e999999",
    lambda: b"x",
    lambda: bytearray(b"x"),
    lambda: memoryview(b"x"),
    lambda: Decimal("0.02"),
    lambda: Decimal("sNaN"),
    lambda: Fraction(1, 3),
    lambda: 1j,
    lambda: (),
    lambda: [[]],
    lambda: {"a": 1},
    lambda: {"intelligence": 50},
    lambda: {None: None},
    lambda: ["tools", 1],
    lambda: {None},
    lambda: {1, "a"},
    _circle,
    _names,
    lambda: iter([]),
    lambda: deque(["a"]),
    lambda: range(3),
    object,
    lambda: object,
    lambda: int,
    lambda: len,
    lambda: lambda _: 1 / 0,
    _Unshowable,
    _Incomparable,
    _Index,
    lambda: _Counted.THREE,
    lambda: _Word("tools"),
    lambda: dt.date(2026, 12, 31),
    lambda: dt.datetime(2026, 12, 31, tzinfo=dt.UTC),
    lambda: dt.timedelta(seconds=3),
    lambda: Path("x"),
    lambda: NotImplemented,
    lambda: ...,
)

_atoms = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 1 << 70),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["tools", "EU", "cheapest", "openai", "gpt-5.5", "intelligence"]),
    st.sampled_from(_FIXED).map(lambda make: make()),
)


def junk() -> st.SearchStrategy[object]:
    """Return a strategy for values of any type at all: plain ones, broken ones, and lists and mappings of both."""
    return st.one_of(
        _atoms,
        st.lists(_atoms, max_size=3),
        st.lists(_atoms, max_size=3).map(tuple),
        st.lists(_atoms, max_size=3).map(iter),
        st.dictionaries(st.one_of(st.text(max_size=4), st.integers(), st.none()), _atoms, max_size=3),
        st.lists(st.tuples(_atoms, _atoms), max_size=2),
    )


def works_or_is_refused(build: Callable[[], Any], use: Callable[[Any], object] = repr) -> None:
    """Build something and use it; only an error of ours, with words in it, may come out of either."""
    refusal: ModelRouteError | None = None
    try:
        use(build())
    except ModelRouteError as error:
        refusal = error
    assert refusal is None or (str(refusal).strip() and repr(refusal))
