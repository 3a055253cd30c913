"""Where a request goes next: a pure reading of the failure table, the deadline, the holds and the retry budget.

The rules, in order:

1. No more than `max_attempts` upstream calls, over retries and fallbacks together.
2. A failure's row says whether the same target, another target, another provider, a larger context or nobody may be
   asked.
3. Targets that rest are passed over while another is left. When only resting ones are left: wait if the end is known
   and fits the deadline; if the end is our own guess, the first is tried at once (a wrong guess must not cause an
   outage).
4. Asking the same key of the same target again costs a token of the retry budget and a wait; so does, after a failure,
   a target that rests or is not known healthy. Another healthy target, or another key of this one, is free.
   The same target is not asked again when the attempts that are left are needed for healthy ones.
5. A target that is not healthy is passed over while a healthy one is left, unless it is to be probed. When no healthy
   one is left, the least bad is tried. A request that has met one target that was not healthy asks no second one: in an
   outage of everything each request makes one call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from modelroute.resilience.backoff import BASE, LONGEST_HINT, wait_before_retry
from modelroute.resilience.breaker import Outcome
from modelroute.resilience.experience import Hold
from modelroute.types.failure import Breaker, Failure, Kind, Retry

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from modelroute.engine.plan import Leg, Plan
    from modelroute.resilience.breaker import Permit

__all__ = ["CUT", "HEDGE", "Progress", "Step", "Stop", "Try", "Wait"]

CUT = "length"
"""Provider code of an answer that is invalid because the output cap cut it off: the finish reason that says so."""

HEDGE = "hedge"
"""Why an attempt was made that runs beside another."""

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
    permit: Permit | None = None


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

    __slots__ = (
        "_asked", "_doubted", "_excluded", "_failed_places", "_last_provider", "_met_unhealthy",
        "_over", "_panicked", "_rests", "_retry", "_tries", "attempts", "plan",
    )  # fmt: skip

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.attempts = 0
        self._tries: dict[str, int] = {}
        self._asked: set[tuple[str, int]] = set()
        self._excluded: set[str] = set()
        self._retry: tuple[Leg, float] | None = None
        self._panicked: set[str] = set()
        self._rests: dict[tuple[str, int], Hold] = {}
        self._last_provider: str | None = None
        self._over = False
        self._met_unhealthy = False
        self._doubted: str | None = None
        self._failed_places: set[tuple[str, int]] = set()

    def next(self, now: float) -> Step:
        """Return what to do at `now`."""
        if self._over or self.attempts >= self.plan.retry.attempts:
            return Stop(self._soonest())
        if self._retry is not None:
            leg, not_before = self._retry
            if now < not_before:
                return Wait(not_before - now)
            self._retry = None
            again = self._try(leg, self.plan.wall(), "retry", known_healthy=True)
            if again is not None:
                return again
            self._excluded.add(leg.ranked.target)
        resting: list[tuple[float, Leg, bool]] = []
        doubtful: list[Leg] = []
        wall = self.plan.wall()
        for leg in self._left():
            target = leg.ranked.target
            hold = self._resting(leg, wall)
            if hold is not None:
                resting.append((hold.until - wall, leg, hold.known))
                continue
            lane = self._lane(leg)
            if (target, lane) in self._asked and not self.plan.retry_budget.withdraw(now):
                self._excluded.add(target)
                continue
            step = self._try(leg, wall, self._why(leg))
            if step is not None:
                return step
            doubtful.append(leg)
        return self._least_bad(doubtful, wall) or self._among_resting(resting, now)

    def _try(self, leg: Leg, wall: float, why: str, *, known_healthy: bool = False) -> Try | None:
        """Return the attempt on `leg` if it is healthy or its probe is due; `known_healthy`: only if it is healthy."""
        target, breakers = leg.ranked.target, self.plan.breakers
        lane = self._lane(leg)
        if breakers is None:
            return Try(leg, lane, why)
        healthy = breakers.is_healthy(target)
        if not healthy and (known_healthy or self._met_unhealthy or (self.attempts and self._has_none_to_spare(leg))):
            return None
        permit = breakers.admit(target, leg.place(lane), wall)
        if permit is None or not (healthy or permit.is_probe):
            return None  # a suspect's permit need not be handed back: only a probe's is counted
        self._doubted = None if healthy else target
        return Try(leg, lane, why, permit)

    def _least_bad(self, doubtful: list[Leg], wall: float) -> Try | None:
        """Return an attempt on the least bad of `doubtful`, when nothing better was or can be tried."""
        breakers = self.plan.breakers
        if breakers is None or not doubtful or self._met_unhealthy:
            return None
        legs = {leg.ranked.target: leg for leg in doubtful}
        name = breakers.least_bad(legs, wall)
        return None if name is None else self._panic(legs[name], wall)

    def _panic(self, leg: Leg, wall: float) -> Try | None:
        """Return an attempt on `leg` although it is not well: nothing better is left, and a retry may be afforded."""
        if self.attempts and not self.plan.retry_budget.withdraw(self.plan.clock()):
            return None
        target, lane, breakers = leg.ranked.target, self._lane(leg), self.plan.breakers
        if breakers is None:
            return Try(leg, lane, self._why(leg))
        permit = breakers.admit(target, leg.place(lane), wall, anyway=True)
        if permit is None:
            return None
        self._doubted = None if breakers.is_healthy(target) else target
        return Try(leg, lane, self._why(leg), permit)

    def _among_resting(self, resting: list[tuple[float, Leg, bool]], now: float) -> Step:
        wall = self.plan.wall()
        for _, leg, known in resting:
            target = leg.ranked.target
            if known or target in self._panicked or target in self._tries:
                continue
            if self._met_unhealthy and not self._is_healthy(leg):
                continue
            self._panicked.add(target)
            step = self._panic(leg, wall)
            if step is not None:
                return step
        waits = [seconds for seconds, _, known in resting if known]
        if waits:
            wait = min(waits)
            latest = (self.plan.deadline - now) * _LATEST_START
            if wait <= min(LONGEST_HINT, latest):
                return Wait(min(wait * (1 + self.plan.draw() / 2), latest))
        return Stop(self._soonest())

    def _permit(self, leg: Leg, lane: int) -> Permit | None:
        breakers = self.plan.breakers
        return None if breakers is None else breakers.admit(leg.ranked.target, leg.place(lane), self.plan.wall())

    def _is_healthy(self, leg: Leg) -> bool:
        return self.plan.breakers is None or self.plan.breakers.is_healthy(leg.ranked.target)

    def began(self, leg: Leg) -> None:
        """Count an attempt on `leg`: it is about to be sent."""
        target = leg.ranked.target
        self.attempts += 1
        self._tries[target] = self._tries.get(target, 0) + 1
        self._met_unhealthy |= target == self._doubted

    def not_tried(self, step: Try) -> None:
        """Hand back the leave of an attempt that is not made after all: a probe's would be missed."""
        if self.plan.breakers is not None and step.permit is not None:
            target, plan = step.leg.ranked.target, self.plan
            self.plan.breakers.record(
                target, step.leg.place(step.lane), step.permit, Outcome.IGNORED, now=plan.wall(), draw=plan.draw
            )

    def not_begun(self, leg: Leg) -> None:
        """Take back `began`: nothing was sent."""
        target = leg.ranked.target
        self.attempts -= 1
        self._tries[target] -= 1
        if not self._tries[target]:
            del self._tries[target]
        self._met_unhealthy &= target != self._doubted

    def pass_over(self, leg: Leg) -> None:
        """Leave `leg` out for the rest of this request: it does not fit what is left of the money."""
        self._excluded.add(leg.ranked.target)

    def rest(self, leg: Leg, lane: int, until: float) -> None:
        """Let one lane of `leg` rest until `until`, Unix seconds, for this request alone: its rate window is full."""
        self._rests[leg.ranked.target, lane] = Hold(until, known=True)

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
        elif self._has_other_key_or_place(leg, lane, failure):
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
            if other is not leg and self._resting(other, wall) is None and self._may_follow(other, wall):
                yield other

    def rivals(self, running: Collection[str]) -> Iterator[Try]:
        """Yield what may be tried beside the targets `running`: others that are well and were not asked before."""
        if self._over or self._last_provider is not None or self.attempts >= self.plan.retry.attempts:
            return
        wall, breakers = self.plan.wall(), self.plan.breakers
        for leg in self._left():
            target = leg.ranked.target
            if target in running or self._resting(leg, wall) is not None:
                continue
            lane = self._lane(leg)
            if (target, lane) in self._asked or not self._is_healthy(leg):
                continue
            step = Try(leg, lane, HEDGE, self._permit(leg, lane))
            if step.permit is not None and step.permit.is_probe:
                self.not_tried(step)
            elif breakers is None or step.permit is not None:
                yield step

    def beaten(self, leg: Leg, lane: int) -> None:
        """Take in that an attempt on `leg` was ended because another was faster: asking it again is a retry."""
        self._asked.add((leg.ranked.target, lane))

    def _may_follow(self, leg: Leg, wall: float) -> bool:
        """Whether `leg` is well enough to be tried after another: healthy, or the first that is not and not ejected."""
        breakers = self.plan.breakers
        if breakers is None or breakers.is_healthy(leg.ranked.target):
            return True
        return not self._met_unhealthy and leg.ranked.target not in breakers.ejected(wall)

    def others(self, leg: Leg) -> list[str]:
        """Return the targets beside `leg` that may still be tried."""
        return [other.ranked.target for other in self._left() if other is not leg]

    def _left(self) -> Iterator[Leg]:
        """Yield the legs that may still be tried, in order. One that was tried stays only while its key may be free."""
        return (leg for leg in self.plan.legs if leg.ranked.target not in self._excluded)

    def _resting(self, leg: Leg, wall: float) -> Hold | None:
        """Return the hold that ends first when every lane of `leg` rests, `None` when one is free."""
        holds = self._holds(leg, wall)
        return None if None in holds else min(filter(None, holds), key=_end)

    def _holds(self, leg: Leg, wall: float) -> list[Hold | None]:
        """Return, by lane, the hold in force: everybody's, or this request's own where that ends later."""
        target = leg.ranked.target
        holds = self.plan.experience.holds_of(target, leg.lanes, wall)
        for lane in range(leg.lanes) if self._rests else ():
            own, shared = self._rests.get((target, lane)), holds[lane]
            if own is not None and own.rests(wall) and (shared is None or own.until > shared.until):
                holds[lane] = own
        return holds

    def _free_lane(self, leg: Leg) -> int | None:
        holds = self._holds(leg, self.plan.wall())
        return next((lane for lane, hold in enumerate(holds) if hold is None), None)

    def _lane(self, leg: Leg) -> int:
        """Return the lane to use: of those that are free and well the least loaded, else the one that is free first."""
        if leg.lanes == 1:
            return 0
        plan, target, wall = self.plan, leg.ranked.target, self.plan.wall()
        holds = self._holds(leg, wall)
        free = [lane for lane, hold in enumerate(holds) if hold is None]
        if not free:
            return min(range(leg.lanes), key=lambda lane: -math.inf if (hold := holds[lane]) is None else hold.until)
        if plan.breakers is not None:
            usable = plan.breakers.usable(target, wall)
            free = [lane for lane in free if leg.place(lane) in usable] or free
        if self._failed_places:
            free = [lane for lane in free if (target, leg.place(lane)) not in self._failed_places] or free
        return plan.least_loaded(target, free)

    def _why(self, leg: Leg) -> str:
        if not self._tries:
            return "first"
        return "retry" if leg.ranked.target in self._tries else "fallback"

    def _has_other_key_or_place(self, leg: Leg, lane: int, failure: Failure) -> bool:
        """Whether the target may be asked again at once, by another key or at another endpoint."""
        if failure.kind in _OF_ONE_KEY and self._free_lane(leg) is not None:
            return True
        return failure.retry is Retry.SAME_ONCE and self._fails_at(leg, lane, failure)

    def _fails_at(self, leg: Leg, lane: int, failure: Failure) -> bool:
        """Note where the target failed, and say whether another of its endpoints may be asked at once."""
        if leg.places == 1 or failure.kind is Kind.INVALID_OUTPUT:
            return False
        target = leg.ranked.target
        self._failed_places.add((target, leg.place(lane)))
        return any(
            hold is None and (target, leg.place(other)) not in self._failed_places
            for other, hold in enumerate(self._holds(leg, self.plan.wall()))
        )

    def _retry_same(self, leg: Leg, failure: Failure, now: float) -> None:
        target = leg.ranked.target
        tries = self._tries[target]
        elsewhere = failure.kind is not Kind.INVALID_OUTPUT and self._is_better_elsewhere(leg, failure)
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

    def _is_better_elsewhere(self, leg: Leg, failure: Failure) -> bool:
        """Whether another attempt on `leg` would be wasted: it is ill, asks for a rest, or others need what is left."""
        if not self._is_healthy(leg) or self._has_none_to_spare(leg):
            return True
        return failure.retry_after is not None and self.has_alternative(leg)

    def _has_none_to_spare(self, leg: Leg) -> bool:
        """Whether the attempts that are left are needed for healthy ones beside `leg`."""
        well = sum(1 for other in self.alternatives(leg) if self._is_healthy(other))
        return self.plan.retry.attempts - self.attempts <= well

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
        usual = _UNTOLD_HOLD[failure.kind] * (1 + self.plan.draw() / 2)
        known = failure.kind is Kind.RATE_LIMITED or (told is not None and told >= usual)
        # Only a rate limit ends as soon as it is told to: an empty account or a dead key does not mend in a second.
        least = _LEAST_HOLD if failure.kind is Kind.RATE_LIMITED else usual
        seconds = usual if told is None else max(told, least)
        lanes = range(leg.lanes) if failure.kind is Kind.NOT_SERVED else (lane,)
        for each in lanes:
            now = self.plan.wall()
            self.plan.held(target, each, self.plan.experience.hold(target, each, now + seconds, known=known, since=now))

    def _soonest(self) -> float | None:
        wall = self.plan.wall()
        holds = [self._resting(leg, wall) for leg in self.plan.legs]
        ends = [hold.until - wall for hold in holds if hold is not None and hold.known]
        return max(0.0, min(ends)) if ends else None


def _end(hold: Hold) -> float:
    return hold.until
