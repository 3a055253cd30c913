"""Costs and latencies are compared in steps of 5 %, so that noise does not flip a choice.

The grid is fixed: the step an amount falls into depends on nothing but the amount. A grid that depended on the other
candidates would let an irrelevant target change the winner. Its lines are exact integers, so that no machine's
logarithm decides on which side of a line an amount falls.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

__all__ = ["LINES", "STEPS", "UNKNOWN", "step"]

STEPS = 1 << 20
"""No step number reaches this: several are packed into one integer with this base."""

UNKNOWN = STEPS - 1
"""The step of what is not known: after everything that is."""


def _lines() -> Sequence[int]:
    # 1.05**k as a fraction; the line is the least integer on or above it. 1,100 lines reach 10**23 picodollars.
    numerator, denominator = 1, 1
    lines: list[int] = []
    for _ in range(1_100):
        lines.append(-(-numerator // denominator))
        numerator, denominator = numerator * 21, denominator * 20
    return tuple(lines)


LINES: Sequence[int] = _lines()
"""The least amount of each step: ``ceil(1.05 ** k)``."""


def step(amount: int) -> int:
    """Return the 5 % step of a whole amount: 0 for nothing, rising with the amount, never as high as `UNKNOWN`."""
    return bisect_right(LINES, amount)
