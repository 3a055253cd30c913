"""The checkers of health find what they are for, and let pass what is well."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from modelroute import Attempt, Money
from modelroute.testing import Failure, Kind
from modelroute.testing.checks import (
    InvariantViolatedError,
    Lived,
    check_h1,
    check_h2,
    check_h3,
    check_h4,
    check_h5,
    check_h6,
    check_t2,
)
from modelroute.types.notices import Tripped


def _attempt(at: float, failure: Failure | None, seconds: float = 0.1) -> Attempt:
    return Attempt(1, "a", "first", failure, Money(0), Money(0), "", None, seconds, None, at=at)


ILL, REFUSED = Failure(Kind.UNAVAILABLE), Failure(Kind.REFUSED)
FIVE = [_attempt(float(second), ILL) for second in range(5)]
OPEN = Tripped("a", 0, "open", "5 failures in a row", 8.0, 4.1)
GOOD, BAD = Lived(began=1, ended=2, answered=True, calls=1), Lived(began=3, ended=4, answered=False, calls=2)


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("T2", lambda: check_t2([GOOD, BAD])),
        ("T2", lambda: check_t2([])),
        ("H1: a did not trip", lambda: check_h1([*FIVE, _attempt(6.0, ILL)], [])),
        ("H1: a tripped at 4.100 too early", lambda: check_h1(FIVE[1:], [OPEN])),
        ("H1: a was called", lambda: check_h1([*FIVE, _attempt(6.0, ILL)], [OPEN])),
        (
            "H1: a was probed",
            lambda: check_h1(
                [*FIVE, _attempt(9.0, ILL, 1.0), _attempt(9.5, ILL)],
                [OPEN, Tripped("a", 0, "half_open", "", None, 8.9)],
            ),
        ),
        ("H2: nothing", lambda: check_h2([BAD], 2.0)),
        ("H2: back", lambda: check_h2([GOOD], -7.0)),
        ("H2: requests", lambda: check_h2([GOOD, BAD], 0.0)),
        ("H3: requests", lambda: check_h3([GOOD, BAD])),
        ("H3: 2 of 3", lambda: check_h3([GOOD], targets=3, ejected=[1, 2])),
        ("H4", lambda: check_h4([(1.0, 9.0), (2.0, 8.0)])),
        ("H5", lambda: check_h5([*FIVE[:4], _attempt(4.0, REFUSED)], [OPEN])),
        ("H6", lambda: check_h6([1.0] * 7, 100)),
    ],
)
def test_a_checker_finds_what_it_is_for(name: str, check: Callable[[], None]) -> None:
    with pytest.raises(InvariantViolatedError, match=name):
        check()


def test_a_checker_lets_pass_what_is_well() -> None:
    check_h1([*FIVE, _attempt(9.0, None)], [OPEN, Tripped("a", 0, "closed", "", None, 9.1)])
    check_h4([(1.0, 9.0), (2.0, 9.0), (10.0, 8.0), (11.0, 12.0)])
    check_h5([*FIVE], [OPEN])
    check_h6([float(second) for second in range(100)], 100)
