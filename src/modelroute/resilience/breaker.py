"""A breaker: whether one place of one target is asked at all, judged by how its last calls ended.

Closed, it lets every call pass and counts. It trips on either of two signals: failures in a row, or too small a share
of successes within a sliding window. Open, it lets none pass for a short, jittered time. Then it is half-open: one
call at a time may probe. The probe's success closes it, its failure opens it for longer (docs/reference/defaults.md).

Only calls begun since the last trip or closing count: a generation number in the permit tells. So a late result of
an older call neither closes nor reopens it.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeAlias

from modelroute.errors import ConfigurationError
from modelroute.types.failure import Breaker as Consequence

if TYPE_CHECKING:
    from collections.abc import Callable

    from modelroute.types.failure import Failure

__all__ = ["Breaker", "Health", "Outcome", "Permit", "State", "Thresholds", "outcome_of"]

State: TypeAlias = Literal["closed", "open", "half_open"]

_BUCKETS = 30
"""Parts into which the window is cut: what is counted leaves it part by part."""

_CLOCK_STEPS = 0.25
"""Seconds by which two threads' readings of the wall clock may differ; a greater step back is the clock's."""

_LOST = 120.0
"""Seconds after which a probe nobody ended is taken for lost: as long as an attempt may take while others are left."""

_SPREAD = 4.0
"""The longest of what an open time is drawn from, over the shortest. At 2 a crowd that tripped in one moment comes back
at 10 % within 100 ms, at 4 at under 5 %."""

_ROUNDING = 1e-9


class Outcome(StrEnum):
    """What a call says of its target's health.

    `SLOW`: it answered much later than usual, or was silent past its limit. `IGNORED`: nothing, as when the caller was
    at fault or went away, no money was left, or the target only asked for a rest.
    """

    SUCCESS = "success"
    SLOW = "slow"
    FAILURE = "failure"
    IGNORED = "ignored"


def outcome_of(failure: Failure | None, *, slow: bool = False) -> Outcome:
    """Return what an attempt's `failure` (`None`: it answered) says of its target. `slow`: its first token was late."""
    if failure is None:
        return Outcome.SLOW if slow else Outcome.SUCCESS
    consequence = failure.row.breaker
    if consequence is Consequence.COUNTS:
        return Outcome.FAILURE
    return Outcome.SLOW if consequence is Consequence.SLOW else Outcome.IGNORED


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """When a breaker trips, and for how long.

    - `in_a_row`: failures one after another that trip it.
    - `success`: the least share of successes within `window` seconds once there were `calls` of them.
    - `shortest`, `longest`: seconds it stays open. Each time is drawn between a quarter and all of a most, which is
      four times `shortest` at first and doubles with every failed probe, up to `longest`: so 1 to 4 s, then 1.25 to
      5 s. So much is jitter because a thousand clients that trip in one moment must not come back in one.

    Raises `ConfigurationError` for numbers that make no sense.
    """

    in_a_row: int = 5
    success: float = 0.8
    window: float = 30.0
    calls: int = 10
    shortest: float = 1.0
    longest: float = 5.0

    def __post_init__(self) -> None:
        if self.in_a_row < 1 or self.calls < 1 or not 0 <= self.success <= 1:
            raise ConfigurationError(
                "Thresholds takes in_a_row and calls of at least 1 and a success share from 0 to 1; "
                f"got in_a_row={self.in_a_row!r}, calls={self.calls!r}, success={self.success!r}"
            )
        if not 0 < self.window < math.inf or not 0 < self.shortest <= self.longest < math.inf:
            raise ConfigurationError(
                "Thresholds takes a finite window above 0 and 0 < shortest <= longest, in seconds; "
                f"got window={self.window!r}, shortest={self.shortest!r}, longest={self.longest!r}"
            )

    def open_seconds(self, trips: int, draw: float) -> float:
        """Return how long it stays open the `trips`-th time in a row; `draw` in [0, 1)."""
        most = min(self.longest, _SPREAD * self.shortest * 2.0 ** min(trips - 1, 64))
        return most * (1 + (_SPREAD - 1) * draw) / _SPREAD


@dataclass(frozen=True, slots=True, eq=False)
class Permit:
    """Leave to make one call; hand it back with `Breaker.record`. Compared by identity: a probe's is unique."""

    generation: int
    is_probe: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """A breaker at one moment: its state, until when it stays open (Unix seconds), and why it tripped."""

    state: State
    until: float | None = None
    why: str = ""


class Breaker:
    """The breaker of one place of a target. Thread-safe; `now` is Unix seconds, `draw` gives numbers in [0, 1).

    A wall clock that is set back while it is open ends that: else a second's rest could last for hours.
    """

    __slots__ = (
        "_forced", "_generation", "_hearsay", "_in_a_row", "_latest", "_lock", "_open_permit", "_probe", "_probed_at",
        "_rate", "_since", "_state", "_succeeded_at", "_trips", "_until", "_why", "thresholds",
    )  # fmt: skip

    def __init__(self, thresholds: Thresholds | None = None) -> None:
        self.thresholds = Thresholds() if thresholds is None else thresholds
        self._lock = threading.Lock()
        self._state: State = "closed"
        self._generation = 0
        self._open_permit = Permit(0)
        self._in_a_row = 0
        self._rate = _Rate(self.thresholds.window)
        self._trips = 0
        self._since = self._until = self._latest = -math.inf
        self._why = ""
        self._forced = self._hearsay = False
        self._probe: Permit | None = None
        self._probed_at = -math.inf
        self._succeeded_at = -math.inf

    @property
    def state(self) -> State:
        """The state as of the last call: an open time that is over shows when the next call asks."""
        return self._state

    @property
    def since(self) -> float:
        """Unix second of the last trip."""
        return self._since

    def admit(self, now: float, *, anyway: bool = False, may_probe: bool = True) -> Permit | None:
        """Return leave for a call, or `None` when none may be made now.

        With `anyway` a call passes although it is open, beside the probe: nothing better is left. Its success closes
        the breaker, its failure changes nothing. Not even that passes while it was opened by hand. Without `may_probe`
        no probe is begun: another place of the target is being probed.
        """
        with self._lock:
            if self._state == "closed":
                return self._open_permit
            if self._is_resting(now):
                return self._open_permit if anyway and not self._forced else None
            self._forced = False
            if may_probe and not self._is_probing(now):
                self._state = "half_open"
                self._probe = Permit(self._generation, is_probe=True)
                self._probed_at = now
                return self._probe
            return self._open_permit if anyway else None

    def record(self, permit: Permit, outcome: Outcome, now: float, draw: Callable[[], float]) -> None:
        """Hand `permit` back with what became of its call."""
        with self._lock:
            if permit.generation != self._generation:
                return
            if outcome is Outcome.SUCCESS:
                self._succeeded_at = now
            if self._state == "closed":
                self._count(outcome, now, draw)
            elif permit is self._probe and outcome is not Outcome.SUCCESS:
                self._probe = None
                if outcome is not Outcome.IGNORED:
                    how = "was slow" if outcome is Outcome.SLOW else "failed"
                    self._open(now, draw(), f"the probe after a rest {how}")
            elif outcome is Outcome.SUCCESS and not self._forced:
                self._close()

    def is_open(self, now: float) -> bool:
        """Whether a call would not pass now: it is open, or half-open with its probe under way."""
        with self._lock:
            return self._is_shut(now)

    def is_probing(self, now: float) -> bool:
        """Whether a probe is under way."""
        with self._lock:
            return self._state == "half_open" and self._is_probing(now)

    def health(self, now: float) -> Health:
        """Return state, end and reason at `now`. While it is probed, `until` is a guess: the shortest open time."""
        with self._lock:
            if self._state == "closed":
                return Health("closed")
            if self._state == "open" and self._is_resting(now):
                return Health("open", self._until, self._why)
            end = now + self.thresholds.shortest if self._is_shut(now) else None
            return Health("half_open", end, self._why)

    def badness(self) -> tuple[int, int, float, float]:
        """Return how ill it is, to compare with others: greater is worse."""
        with self._lock:
            shut = 0 if self._state == "closed" else 1 + self._forced
            return (shut, max(self._trips, self._hearsay), self._rate.share, self._in_a_row)

    def heard_open(self, since: float, until: float, why: str, now: float, draw: float) -> bool:
        """Open because another process tripped at `since` until `until`; say whether that was done.

        Own evidence wins: a success seen here since then, a probe under way, and an open time of its own stay as they
        are. It opens for a quarter to all of what remains, `draw` says how much, so that those who hear it at once do
        not all probe at once; and never for longer than an open time of its own.
        """
        with self._lock:
            end = min(now + self.thresholds.longest, until)
            if end <= now or since <= self._succeeded_at or self._is_shut(now):
                return False
            self._shut("open", now, now + (end - now) * (1 + (_SPREAD - 1) * draw) / _SPREAD, why)
            self._hearsay = True
            return True

    def force_open(self, until: float, now: float, why: str = "isolated by hand") -> None:
        """Isolate it by hand until `until`: no call passes, no probe is made. Then it is half-open."""
        with self._lock:
            self._shut("open", now, until, why)
            self._forced = True

    def force_closed(self) -> None:
        """Close it by hand, as if a probe had succeeded."""
        with self._lock:
            self._close()

    @property
    def is_forced(self) -> bool:
        """Whether it is open by hand."""
        return self._forced

    def after_fork(self) -> None:
        """Renew the lock in a forked child and forget the parent's probe: nobody would end it here."""
        self._lock = threading.Lock()
        self._probe = None

    # ---------------------------------------------------------------------------------- all below: under the lock

    def _count(self, outcome: Outcome, now: float, draw: Callable[[], float]) -> None:
        if outcome is Outcome.IGNORED:
            return
        self._rate.add(now, failed=outcome is not Outcome.SUCCESS)
        if outcome is Outcome.SUCCESS:
            self._in_a_row = 0
            return
        limits, rate = self.thresholds, self._rate
        self._in_a_row += outcome is Outcome.FAILURE
        if self._in_a_row >= limits.in_a_row:
            self._open(now, draw(), f"{self._in_a_row} failures in a row")
        elif rate.calls >= limits.calls and rate.calls - rate.failures < limits.success * rate.calls - _ROUNDING:
            self._open(now, draw(), f"{rate.failures} of {rate.calls} calls failed or were slow in {limits.window:g} s")

    def _open(self, now: float, draw: float, why: str) -> None:
        self._trips += 1
        self._shut("open", now, now + self.thresholds.open_seconds(self._trips, draw), why)

    def _shut(self, state: State, now: float, until: float, why: str) -> None:
        self._begin(state)
        self._since = self._latest = now
        self._until = until
        self._why = why

    def _close(self) -> None:
        self._begin("closed")
        self._trips = self._in_a_row = 0
        self._rate = _Rate(self.thresholds.window)
        self._why = ""

    def _begin(self, state: State) -> None:
        self._state = state
        self._generation += 1
        self._open_permit = Permit(self._generation)
        self._probe = None
        self._forced = self._hearsay = False

    def _is_shut(self, now: float) -> bool:
        return self._state != "closed" and (self._is_resting(now) or self._is_probing(now))

    def _is_resting(self, now: float) -> bool:
        if self._state != "open":
            return False
        if self._forced:
            return now < self._until
        self._latest = max(self._latest, now)
        return self._latest - _CLOCK_STEPS <= now < self._until

    def _is_probing(self, now: float) -> bool:
        return self._probe is not None and self._probed_at - _CLOCK_STEPS <= now < self._probed_at + _LOST


class _Rate:
    """Calls and failures of a sliding window, in buckets that are forgotten one by one. Locked by its owner."""

    __slots__ = ("_buckets", "_width", "calls", "failures")

    def __init__(self, window: float) -> None:
        self._width = window / _BUCKETS
        self._buckets: deque[list[int]] = deque()
        self.calls = 0
        self.failures = 0

    @property
    def share(self) -> float:
        """The share of failures among the calls counted."""
        return self.failures / self.calls if self.calls else 0.0

    def add(self, now: float, *, failed: bool) -> None:
        """Count a call at `now`. A clock set back by more than a bucket empties the window."""
        buckets = self._buckets
        number = math.floor(now / self._width)
        if buckets and number < buckets[-1][0]:
            if number < buckets[-1][0] - 1:
                buckets.clear()
                self.calls = self.failures = 0
            else:
                number = buckets[-1][0]
        while buckets and buckets[0][0] <= number - _BUCKETS:
            _, calls, failures = buckets.popleft()
            self.calls -= calls
            self.failures -= failures
        if not buckets or buckets[-1][0] != number:
            buckets.append([number, 0, 0])
        buckets[-1][1] += 1
        buckets[-1][2] += failed
        self.calls += 1
        self.failures += failed
