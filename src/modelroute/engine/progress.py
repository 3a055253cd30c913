"""Where a request goes next: a pure reading of the failure table, the deadline, the holds and the retry budget.

The rules, in order:

1. No more than `max_attempts` upstream calls, over retries and fallbacks together.
2. A failure's row says whether the same target, another target, another provider, a larger context or nobody may be
   asked.
3. Targets that rest are passed over while another is left. When only resting ones are left: wait if the end is known
   and fits the deadline; if the end is our own guess, the first is tried at once (a wrong guess must not cause an
   outage).
4. Asking the same key of the same target again costs a token of the retry budget and a wait; so does, after a failure,
   a target that rests. Another healthy target, or another key of this one, is free.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from modelroute.resilience.backoff import BASE, LONGEST_HINT, wait_before_retry
from modelroute.types.failure import Breaker, Failure, Kind, Retry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modelroute.engine.plan import Leg, Plan

__all__ = ["CUT", "Progress", "Step", "Stop", "Try", "Wait"]

CUT = "length"
"""Provider code of an answer that is invalid because the output cap cut it off: the finish reason that says so."""

_UNTOLD_HOLD = {Kind.RATE_LIMITED: 1.0, Kind.EXHAUSTED: 300.0, Kind.DENIED: 60.0, Kind.NOT_SERVED: 300.0}
"""Seconds a target rests when the provider did not say for how long."""

MISSING_SECONDS = 600.0
"""Seconds for which a target is passed over for what it was seen not to take."""

_LEAST_HOLD = BASE
"""Seconds a target rests when told to come back at once: long enough for another to be asked first."""

_OF_ONE_KEY = frozenset({Kind.RATE_LIMITED, Kind.EXHAUSTED, Kind.DENIED})
"""What befalls a key, not its target: while another key of the target is free, the target stays."""

_LATEST_START = 0.9
"""A known hold is waited for when it ends within this share of what remains: the rest is for the answer."""


@dataclass(frozen=True, slots=True)
class Try:
    """Make an attempt on `leg` with its key number `lane`."""

    leg: Leg
    lane: int
    why: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait, then ask again where to go."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Nobody is left to ask. `retry_after`: seconds until the first resting target is back, if known."""

    retry_after: float | None = None


Step: TypeAlias = Try | Wait | Stop


class Progress:
    """What has been tried for one request, and what that leaves. Times are the plan's clock unless said otherwise."""

    __slots__ = ("_asked", "_excluded", "_last_provider", "_over", "_panicked", "_retry", "_tries", "attempts", "plan")

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.attempts = 0
        self._tries: dict[str, int] = {}
        self._asked: set[tuple[str, int]] = set()
        self._excluded: set[str] = set()
        self._retry: tuple[Leg, float] | None = None
        self._panicked: set[str] = set()
        self._last_provider: str | None = None
        self._over = False

    def next(self, now: float) -> Step:
        """Return what to do at `now`."""
        if self._over or self.attempts >= self.plan.retry.attempts:
            return Stop(self._soonest())
        if self._retry is not None:
            leg, not_before = self._retry
            if now < not_before:
                return Wait(not_before - now)
            self._retry = None
            return Try(leg, self._lane(leg), "retry")
        resting: list[tuple[float, Leg, bool]] = []
        wall = self.plan.wall()
        for leg in self._left():
            target = leg.ranked.target
            hold = self.plan.experience.resting(target, leg.lanes, wall)
            if hold is not None:
                resting.append((hold.until - wall, leg, hold.known))
                continue
            lane = self._lane(leg)
            if (target, lane) not in self._asked or self.plan.retry_budget.withdraw(now):
                return Try(leg, lane, self._why(leg))
            self._excluded.add(target)
        return self._among_resting(resting, now)

    def _among_resting(self, resting: list[tuple[float, Leg, bool]], now: float) -> Step:
        for _, leg, known in resting:
            target = leg.ranked.target
            if known or target in self._panicked or target in self._tries:
                continue
            if self.attempts and not self.plan.retry_budget.withdraw(now):
                break
            self._panicked.add(target)
            return Try(leg, self._lane(leg), self._why(leg))
        waits = [seconds for seconds, _, known in resting if known]
        if waits:
            wait = min(waits)
            latest = (self.plan.deadline - now) * _LATEST_START
            if wait <= min(LONGEST_HINT, latest):
                return Wait(min(wait * (1 + self.plan.draw() / 2), latest))
        return Stop(self._soonest())

    def began(self, leg: Leg) -> None:
        """Count an attempt on `leg`: it is about to be sent."""
        self.attempts += 1
        self._tries[leg.ranked.target] = self._tries.get(leg.ranked.target, 0) + 1

    def not_begun(self, leg: Leg) -> None:
        """Take back `began`: nothing was sent."""
        self.attempts -= 1
        self._tries[leg.ranked.target] -= 1
        if not self._tries[leg.ranked.target]:
            del self._tries[leg.ranked.target]

    def pass_over(self, leg: Leg) -> None:
        """Leave `leg` out for the rest of this request: it does not fit what is left of the money."""
        self._excluded.add(leg.ranked.target)

    def failed(self, leg: Leg, lane: int, failure: Failure, now: float) -> None:
        """Take in why an attempt on `leg` with its key number `lane` failed."""
        self._learn(leg, lane, failure)
        target = leg.ranked.target
        self._asked.add((target, lane))
        rule = failure.retry
        if failure.kind is Kind.REFUSED and self.plan.refusal_moves_on:
            rule = Retry.OTHER
        if failure.kind is Kind.INVALID_OUTPUT and failure.provider_code == CUT:
            rule = Retry.OTHER  # the same model under the same cap would be cut off again; another may be terser
        if self._last_provider is not None or rule is Retry.NEVER:
            self._over = True
        elif failure.kind in _OF_ONE_KEY and self._free_lane(leg) is not None:
            return
        elif rule is Retry.SAME_ONCE:
            self._retry_same(leg, failure, now)
        elif rule is Retry.SAME_AFTER_WAIT:
            self._again_after_wait(leg, failure, now)
        elif rule is Retry.OTHER:
            self._excluded.add(target)
        elif rule is Retry.LARGER_CONTEXT:
            self._only_larger_than(leg)
        else:
            self._exclude_provider(leg.ranked.provider)
            if rule is Retry.ONE_OTHER_PROVIDER:
                self._last_provider = leg.ranked.provider

    def has_alternative(self, leg: Leg) -> bool:
        """Whether, if this attempt on `leg` fails, another target that does not rest can be tried."""
        if self._over or self._last_provider is not None or self.attempts >= self.plan.retry.attempts:
            return False
        return any(True for _ in self.alternatives(leg))

    def alternatives(self, leg: Leg) -> Iterator[Leg]:
        """Yield the legs beside `leg` that may still be tried and do not rest."""
        wall = self.plan.wall()
        for other in self._left():
            if other is not leg and self.plan.experience.resting(other.ranked.target, other.lanes, wall) is None:
                yield other

    def others(self, leg: Leg) -> list[str]:
        """Return the targets beside `leg` that may still be tried."""
        return [other.ranked.target for other in self._left() if other is not leg]

    def _left(self) -> Iterator[Leg]:
        """Yield the legs that may still be tried, in order. One that was tried stays only while its key may be free."""
        return (leg for leg in self.plan.legs if leg.ranked.target not in self._excluded)

    def _free_lane(self, leg: Leg) -> int | None:
        return self.plan.experience.free_lane(leg.ranked.target, leg.lanes, self.plan.wall())

    def _lane(self, leg: Leg) -> int:
        lane = self._free_lane(leg)
        return self.plan.experience.soonest_lane(leg.ranked.target, leg.lanes) if lane is None else lane

    def _why(self, leg: Leg) -> str:
        if not self._tries:
            return "first"
        return "retry" if leg.ranked.target in self._tries else "fallback"

    def _retry_same(self, leg: Leg, failure: Failure, now: float) -> None:
        target = leg.ranked.target
        tries = self._tries[target]
        elsewhere = failure.retry_after is not None and self.has_alternative(leg)
        if tries >= 2 or elsewhere or not self.plan.retry_budget.withdraw(now):
            self._excluded.add(target)
            return
        if failure.kind is Kind.INVALID_OUTPUT:
            self._retry = (leg, now)
            return
        wait = wait_before_retry(
            failure,
            tries=tries,
            remaining=self.plan.deadline - now,
            draw=self.plan.draw,
            wait=self.plan.retry.wait,
        )
        if wait is None:
            self._excluded.add(target)
        else:
            self._retry = (leg, now + wait)

    def _again_after_wait(self, leg: Leg, failure: Failure, now: float) -> None:
        """Our own limiter is full: no hold was set, so the wait is kept here."""
        if failure.kind is not Kind.SATURATED or self.has_alternative(leg):
            if failure.kind is Kind.SATURATED:
                self._excluded.add(leg.ranked.target)
            return
        self._retry_same(leg, failure, now)

    def _only_larger_than(self, leg: Leg) -> None:
        window = leg.ranked.context_window
        for other in self.plan.legs:
            theirs = other.ranked.context_window
            if other is leg or window is None or theirs is None or theirs <= window:
                self._excluded.add(other.ranked.target)

    def _exclude_provider(self, provider: str) -> None:
        self._excluded.update(leg.ranked.target for leg in self.plan.legs if leg.ranked.provider == provider)

    def _learn(self, leg: Leg, lane: int, failure: Failure) -> None:
        """Let the lane rest where the table says so, and remember a feature that is missing."""
        target = leg.ranked.target
        if failure.kind is Kind.UNSUPPORTED and failure.feature is not None:
            self.plan.experience.lacks(target, failure.feature, self.plan.wall() + MISSING_SECONDS)
        if failure.row.breaker is not Breaker.HOLDS:
            return
        told = failure.retry_after
        known = told is not None or failure.kind is Kind.RATE_LIMITED
        usual = _UNTOLD_HOLD[failure.kind] * (1 + self.plan.draw() / 2)
        # Only a rate limit ends as soon as it is told to: an empty account or a dead key does not mend in a second.
        least = _LEAST_HOLD if failure.kind is Kind.RATE_LIMITED else usual
        seconds = usual if told is None else max(told, least)
        lanes = range(leg.lanes) if failure.kind is Kind.NOT_SERVED else (lane,)
        for each in lanes:
            now = self.plan.wall()
            self.plan.experience.hold(target, each, now + seconds, known=known, since=now)

    def _soonest(self) -> float | None:
        wall = self.plan.wall()
        holds = [self.plan.experience.resting(leg.ranked.target, leg.lanes, wall) for leg in self.plan.legs]
        ends = [hold.until - wall for hold in holds if hold is not None and hold.known]
        return max(0.0, min(ends)) if ends else None
