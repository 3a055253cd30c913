"""Rate windows of one process: how many requests or tokens were let through lately, and when there is room again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Literal

from modelroute.stores.windows import Window
from modelroute.types.claims import Limited, RateClaim

__all__ = ["Counted", "Rates", "counted_change", "limited"]


@dataclass(frozen=True, slots=True)
class Counted:
    """What a reservation was counted as: in which bucket of which window."""

    scope: str
    bucket: float
    amount: int
    counts: Literal["requests", "tokens"]


def limited(windows: Mapping[str, Window], rates: Sequence[RateClaim], now: float) -> Limited | None:
    """Return the first of `rates` that has no room, `None` when all have. Two on one scope add up."""
    wanted: dict[str, int] = {}
    for rate in rates:
        amount = wanted[rate.scope] = wanted.get(rate.scope, 0) + rate.amount
        if amount > rate.limit:
            return Limited(rate.scope, None)
        window = windows.get(rate.scope)
        if window is None:
            continue
        window.period = rate.seconds
        over = window.used(now) + amount - rate.limit
        if over > 0:
            return Limited(rate.scope, window.wait(over, now))
    return None


def counted_change(counted: Counted, *, sent: bool, tokens: int | None) -> int:
    """Return by how much a settlement changes what was counted."""
    if not sent:
        return -counted.amount
    return 0 if tokens is None or counted.counts == "requests" else tokens - counted.amount


@dataclass(slots=True)
class Rates:
    """Every rate window of this process, forgotten once it is empty. Not thread-safe by itself."""

    _windows: dict[str, Window] = field(default_factory=dict[str, Window])
    _ends: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])

    def refuse(self, rates: Sequence[RateClaim], now: float) -> Limited | None:
        """Return why there is no room for `rates`, `None` when there is."""
        self._forget(now)
        return limited(self._windows, rates, now)

    def count(self, rates: Sequence[RateClaim], now: float) -> tuple[Counted, ...]:
        """Count `rates`; return what a settlement needs to change it."""
        counted: list[Counted] = []
        for rate in rates:
            window = self._windows.get(rate.scope)
            if window is None:
                window = self._windows[rate.scope] = Window(rate.seconds)
                bucket = window.add(rate.amount, now)
                heappush(self._ends, (window.ends, rate.scope))
            else:
                bucket = window.add(rate.amount, now)
            counted.append(Counted(rate.scope, bucket, rate.amount, rate.counts))
        return tuple(counted)

    def settle(self, counted: Sequence[Counted], *, sent: bool, tokens: int | None) -> None:
        """Give back what was not sent, or correct the tokens to what was used."""
        for one in counted:
            window = self._windows.get(one.scope)
            if window is not None:
                window.change(one.bucket, counted_change(one, sent=sent, tokens=tokens))

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0][0] <= now:
            _, scope = heappop(self._ends)
            window = self._windows[scope]
            if window.ends <= now:
                del self._windows[scope]
            else:
                heappush(self._ends, (window.ends, scope))

    @property
    def open(self) -> int:
        """How many windows are remembered."""
        return len(self._windows)
