"""The invariants of health as named checkers: outages, failover, recovery (docs/explanation/failover.md).

Each takes what was observed from outside: what callers lived, attempts with their moments, notices of breakers. All
moments of one call are on one clock. A checker that finds nothing to look at fails, too: it would prove nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from modelroute.resilience.breaker import Outcome, Thresholds, outcome_of
from modelroute.resilience.health import MOST_EJECTED
from modelroute.resilience.latency import LEAST_SLOW
from modelroute.testing.violation import require

if TYPE_CHECKING:
    from modelroute.types.attempt import Attempt
    from modelroute.types.notices import Tripped

__all__ = [
    "BACK_IN_SERVICE",
    "CALLS_IN_AN_OUTAGE",
    "PEAK",
    "Lived",
    "check_h1",
    "check_h2",
    "check_h3",
    "check_h4",
    "check_h5",
    "check_h6",
    "check_t2",
]

CALLS_IN_AN_OUTAGE = 1.02
"""Upstream calls per request while every target is down, from ten seconds after the onset."""

BACK_IN_SERVICE = 6.0
"""Seconds after the heal within which requests are answered again."""

PEAK = 0.06
"""Share of the clients that may come within 100 ms."""

_BUCKET = 0.1
_SAME = 1e-5
"""Seconds within which two moments are one: Unix seconds in a float are no finer than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lived:
    """One request as its caller lived it. `calls`: how often providers were called for it, as they counted."""

    began: float
    ended: float
    answered: bool
    calls: int = 0


def check_t2(lived: Collection[Lived], most: float = CALLS_IN_AN_OUTAGE) -> None:
    """In an outage of every target a request makes hardly more than one call. `lived`: requests begun meanwhile."""
    require(bool(lived), "T2", "no request was seen")
    calls = sum(request.calls for request in lived)
    require(calls <= most * len(lived), "T2", f"{calls} calls for {len(lived)} requests, more than {most} each")


def check_h1(
    attempts: Iterable[Attempt],
    notices: Iterable[Tripped],
    *,
    thresholds: Thresholds | None = None,
    panic: bool = False,
) -> None:
    """Every trip is due, none is overdue, and an ejected target is left alone but for one probe at a time.

    For targets with one endpoint. `panic`: more targets were ill than may be ejected, so that calls pass all the same.
    """
    limits = Thresholds() if thresholds is None else thresholds
    made, told = list(attempts), list(notices)
    require(bool(made), "H1", "no attempt was seen")
    for target in sorted({attempt.target for attempt in made}):
        own = sorted((each for each in made if each.target == target), key=_end)
        turns = [notice for notice in told if notice.target == target]
        for begin, end in _closed_times(turns):
            _check_trips(target, [each for each in own if each.at >= begin - _SAME], end, limits)
        if not panic:
            _check_rests(target, own, turns)


def check_h2(lived: Iterable[Lived], healed: float, within: float = BACK_IN_SERVICE) -> None:
    """Service is back `within` so many seconds of the heal, and from then on no request fails."""
    later = [request for request in lived if request.began >= healed]
    back = min((request.ended for request in later if request.answered), default=None)
    require(back is not None, "H2", f"nothing was answered after the heal at {healed:.3f}")
    assert back is not None
    require(back - healed <= within, "H2", f"back in service {back - healed:.3f} s after the heal")
    failed = [request.began for request in later if request.began >= back and not request.answered]
    require(not failed, "H2", f"requests begun at {failed[:5]} failed, though service was back at {back:.3f}")


def check_h3(lived: Collection[Lived], *, targets: int = 0, ejected: Iterable[int] = ()) -> None:
    """Requests that a healthy eligible target could serve are answered, and the ceiling of ejection holds.

    `lived`: those requests. `ejected`: how many of the `targets` were seen ejected at any one moment.
    """
    require(bool(lived), "H3", "no request was seen")
    failed = [request.began for request in lived if not request.answered]
    require(not failed, "H3", f"requests begun at {failed[:5]} failed, though a healthy target was there")
    most = max(0, min(int(targets * MOST_EJECTED), targets - 1))
    seen = max(ejected, default=0)
    require(seen <= most, "H3", f"{seen} of {targets} targets were ejected at once, at most {most} may be")


def check_h4(holds: Sequence[tuple[float, float]]) -> None:
    """A hold only extends. `holds`: the moments at which one lane was looked at, and until when it then rested."""
    until = float("-inf")
    for moment, end in holds:
        require(end >= until or moment >= until, "H4", f"at {moment:.3f} it rests until {end:.3f}, not {until:.3f}")
        until = max(until, end)


def check_h5(attempts: Iterable[Attempt], notices: Iterable[Tripped]) -> None:
    """Nothing trips but by an attempt that speaks against its target: that failed by its fault, or was slow."""
    made = list(attempts)
    require(bool(made), "H5", "no attempt was seen")
    for notice in notices:
        if notice.state == "open":
            ended = [each for each in made if each.target == notice.target and abs(_end(each) - notice.at) <= _SAME]
            why = [str(each.failure) for each in ended]
            require(any(map(_speaks_against, ended)), "H5", f"{notice.target} tripped at {notice.at:.3f} by {why}")


def check_h6(moments: Collection[float], clients: int, most: float = PEAK) -> None:
    """No 100 ms see more than a small share of the clients. `moments`: when they came."""
    require(bool(moments), "H6", "nobody came")
    buckets = Counter(int(moment / _BUCKET) for moment in moments)
    place, peak = buckets.most_common(1)[0]
    require(peak <= most * clients, "H6", f"{peak} of {clients} clients came within 100 ms from {place * _BUCKET:.1f}")


def _end(attempt: Attempt) -> float:
    return attempt.at + attempt.seconds


def _speaks_against(attempt: Attempt) -> bool:
    slow = attempt.first_token is not None and attempt.first_token > LEAST_SLOW
    return outcome_of(attempt.failure, slow=slow) in {Outcome.FAILURE, Outcome.SLOW}


def _closed_times(turns: Sequence[Tripped]) -> list[tuple[float, float]]:
    """Return when a breaker was closed, from and to."""
    begin: float | None = float("-inf")
    times: list[tuple[float, float]] = []
    for turn in turns:
        if turn.state == "closed":
            begin = turn.at
        elif begin is not None:
            times.append((begin, turn.at))
            begin = None
    return times if begin is None else [*times, (begin, float("inf"))]


def _check_trips(target: str, own: Sequence[Attempt], end: float, limits: Thresholds) -> None:
    """Between two closings: a trip at `end` is due, and none was before. `own`: begun since, in the order of ends."""
    counted = [each for each in own if outcome_of(each.failure) is not Outcome.IGNORED]
    before = [each for each in counted if _end(each) < end - _SAME]
    at_the_end = [each for each in counted if abs(_end(each) - end) <= _SAME]
    for place in range(1, len(before) + 1):
        why = _surely_due(before[:place], limits)
        require(why is None, "H1", f"{target} did not trip at {_end(before[place - 1]):.3f}: {why}")
    if end < float("inf"):
        require(_may_be_due([*before, *at_the_end], limits), "H1", f"{target} tripped at {end:.3f} too early")


def _failures_in_a_row(results: Sequence[Attempt]) -> int:
    row = 0
    for each in reversed(results):
        if outcome_of(each.failure) is Outcome.SUCCESS:
            break
        row += outcome_of(each.failure) is Outcome.FAILURE
    return row


def _share(results: Sequence[Attempt], window: float) -> tuple[int, float]:
    """Return how many of the results ended in the window before the last, and the share of successes among them."""
    recent = [each for each in results if _end(each) > _end(results[-1]) - window]
    good = sum(outcome_of(each.failure) is Outcome.SUCCESS for each in recent)
    return len(recent), good / len(recent)


def _surely_due(results: Sequence[Attempt], limits: Thresholds) -> str | None:
    if _failures_in_a_row(results) >= limits.in_a_row:
        return f"{limits.in_a_row} failures in a row"
    if outcome_of(results[-1].failure) is Outcome.SUCCESS:
        return None  # an answer trips nothing, whatever the share
    part = limits.window / 30
    for window in (limits.window - part, limits.window):  # what is counted leaves the window part by part
        calls, share = _share(results, window)
        if calls < limits.calls or share >= limits.success:
            return None
    return f"success fell below {limits.success:.0%}"


def _may_be_due(results: Sequence[Attempt], limits: Thresholds) -> bool:
    if not results:
        return False
    if _failures_in_a_row(results) >= limits.in_a_row:
        return True
    part = limits.window / 30
    shares = [_share(results, window) for window in (limits.window - part, limits.window)]
    return any(calls >= limits.calls and share < limits.success for calls, share in shares)


def _check_rests(target: str, own: Sequence[Attempt], turns: Sequence[Tripped]) -> None:
    """While it is open no call begins; while it is half-open one at a time."""
    begun = sorted(own, key=lambda each: each.at)
    for turn, following in zip(turns, [*turns[1:], None], strict=False):
        if turn.state == "closed":
            continue
        until = float("inf") if following is None else following.at
        within = [each for each in begun if turn.at + _SAME < each.at < until - _SAME]
        if turn.state == "open":
            early = [each.at for each in within if turn.until is not None and each.at < turn.until - _SAME]
            require(not early, "H1", f"{target} was called at {early[:3]}, though open until {turn.until}")
        for one, other in pairwise(within):
            apart = other.at >= _end(one) - _SAME
            require(apart, "H1", f"{target} was probed at {other.at:.3f} beside a probe since {one.at:.3f}")
