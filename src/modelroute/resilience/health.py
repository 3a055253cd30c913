"""The breakers of all targets of a router, and what no single one can know: how many may be out at once.

At most half of the targets are ejected and one is always left, so that a signal gone wrong, or an outage of our own
network, does not become an outage of the router. Where more are ill, the worst are ejected; the others are *suspect*:
their breakers are open, yet calls pass. When a request finds nothing but ejected targets, the least bad one is tried.

What other processes tell is evidence of the second rank. A breaker that tripped elsewhere opens here, too, for no
longer than there; then this process makes its own probe. A success of our own since the trip there, a probe of our own
under way, or an open time of our own outweighs it. That one closed elsewhere closes nothing here: a crowd that heard
of it would come back at once. (docs/explanation/failover.md)
"""

from __future__ import annotations

import json
import math
import threading
from typing import TYPE_CHECKING

from modelroute.resilience.breaker import Breaker, Health, Outcome, Permit, Thresholds
from modelroute.types.notices import Tripped
from modelroute.types.signals import Signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["MOST_EJECTED", "Breakers"]

MOST_EJECTED = 0.5
"""Share of a router's targets that may be ejected at once (docs/reference/defaults.md)."""

_PREFIX = "breaker:"
_LONGEST_WHY = 200
_NONE: Mapping[str, float] = {}


class Breakers:
    """One breaker for each place of each target, and the ceiling over all. Thread-safe; times are Unix seconds.

    `places`: how many endpoints each target of the router has; there are never more breakers than these. `listener`
    hears of every change, outside the lock.
    """

    __slots__ = ("_breakers", "_ill", "_listener", "_lock", "_most_ejected", "_news", "_places", "thresholds")

    def __init__(
        self,
        places: Mapping[str, int],
        *,
        thresholds: Thresholds | None = None,
        listener: Callable[[Tripped], None] | None = None,
        most_ejected: float = MOST_EJECTED,
    ) -> None:
        self.thresholds = Thresholds() if thresholds is None else thresholds
        self._places = dict(places)
        self._listener = listener
        self._most_ejected = most_ejected
        self._lock = threading.Lock()
        self._breakers: dict[tuple[str, int], Breaker] = {}
        self._ill: set[tuple[str, int]] = set()
        self._news: set[tuple[str, int]] = set()

    def after_fork(self) -> None:
        """Renew the locks in a forked child and forget the parent's probes."""
        self._lock = threading.Lock()
        for breaker in self._breakers.values():
            breaker.after_fork()

    # ------------------------------------------------------------------------------------------------------- calls

    def admit(self, target: str, place: int, now: float, *, anyway: bool = False) -> Permit | None:
        """Return leave for a call on one place of `target`, or `None`: another place or target must be asked.

        A suspect target's calls pass. `anyway`: this target is the least bad of what is left (`least_bad`). Only what
        was isolated by hand never passes. Hand the permit back with `record`, whatever becomes of the call.
        """
        with self._lock:
            breaker = self._breaker(target, place)
            if breaker.state == "closed":
                return breaker.admit(now)
            before = breaker.state
            permit = breaker.admit(
                now,
                anyway=anyway or self._is_suspect(target, now),
                may_probe=not self._is_probed(target, now),
            )
            notice = self._noted(target, place, breaker, before, now)
        self._tell(notice)
        return permit

    def record(
        self, target: str, place: int, permit: Permit, outcome: Outcome, *, now: float, draw: Callable[[], float]
    ) -> None:
        """Hand back the `permit` of a call with what became of it."""
        with self._lock:
            breaker = self._breaker(target, place)
            before = breaker.state
            breaker.record(permit, outcome, now, draw)
            notice = self._noted(target, place, breaker, before, now)
        self._tell(notice)

    # ------------------------------------------------------------------------------------------------------- views

    def ejected(self, now: float) -> Mapping[str, float]:
        """Return the targets no call may be made on, each with the Unix second until which (a guess while probed)."""
        if not self._ill:
            return _NONE
        with self._lock:
            return self._ejected(now)

    def is_healthy(self, target: str) -> bool:
        """Whether `target` has a place whose breaker is closed: neither ejected, nor suspect, nor yet to be probed."""
        if not self._ill:
            return True
        with self._lock:
            return any(breaker is None or breaker.state == "closed" for breaker in self._of(target))

    def usable(self, target: str, now: float) -> Sequence[int]:
        """Return the places of `target` to choose from: those calls pass on; else, as a last resort, all not isolated.

        Empty when all are isolated by hand.
        """
        places = range(self._places[target])
        if not self._ill:
            return places
        with self._lock:
            each, probed = self._of(target), self._is_probed(target, now)
            free = [place for place in places if not _is_shut(each[place], now, probed)]
            return free or [place for place in places if not self._is_isolated(each[place], now)]

    def least_bad(self, names: Iterable[str], now: float) -> str | None:
        """Return the target of `names` that is least ill, the earliest of equals; `None` when all are isolated."""
        with self._lock:
            left = [name for name in names if not all(self._is_isolated(each, now) for each in self._of(name))]
            return min(left, key=self._badness, default=None)

    def report(self, now: float) -> Mapping[tuple[str, int], Health]:
        """Return the health of every place that is not closed, by target and place."""
        with self._lock:
            return {key: self._breakers[key].health(now) for key in sorted(self._ill)}

    # ----------------------------------------------------------------------------------------- operators and others

    def isolate(self, target: str, *, now: float, until: float = math.inf) -> None:
        """Take `target` out by hand until `until`: no call passes, not even as a last resort."""
        notices: list[Tripped | None] = []
        with self._lock:
            for place in range(self._places[target]):
                breaker = self._breaker(target, place)
                breaker.force_open(until, now)
                notices.append(self._noted(target, place, breaker, "", now))
                self._news.discard((target, place))
        self._tell(*notices)

    def release(self, target: str, *, now: float) -> None:
        """Close all breakers of `target` by hand."""
        notices: list[Tripped | None] = []
        with self._lock:
            for place in range(self._places[target]):
                breaker = self._breaker(target, place)
                before = breaker.state
                breaker.force_closed()
                notices.append(self._noted(target, place, breaker, before, now))
        self._tell(*notices)

    def to_tell(self, now: float) -> Sequence[Signal]:
        """Return what other processes should know and have not been told: own trips, and what closed again.

        What was heard from others and what was isolated by hand is not passed on.
        """
        if not self._news:
            return ()
        with self._lock:
            told = [self._signal(key, self._breakers[key], now) for key in sorted(self._news)]
            self._news.clear()
        return [signal for signal in told if signal is not None]

    def heard(self, signals: Iterable[Signal], now: float, draw: Callable[[], float]) -> None:
        """Take in what other processes tell. What is not about a breaker of ours, or makes no sense, is passed over."""
        for signal in signals:
            key = self._named(signal.key)
            told = None if key is None else _parsed(signal.value)
            if key is None or told is None:
                continue
            since, why = told
            with self._lock:
                breaker = self._breaker(*key)
                before = breaker.state
                opened = breaker.heard_open(since, signal.until, f"elsewhere: {why}", now, draw())
                notice = self._noted(*key, breaker, before, now) if opened else None
                if opened:
                    self._news.discard(key)
            self._tell(notice)

    # ---------------------------------------------------------------------------------- all below: under the lock

    def _breaker(self, target: str, place: int) -> Breaker:
        breaker = self._breakers.get((target, place))
        if breaker is None:
            if not 0 <= place < self._places[target]:
                raise IndexError(f"{target} has {self._places[target]} places, not one numbered {place}")
            breaker = self._breakers[target, place] = Breaker(self.thresholds)
        return breaker

    def _of(self, target: str) -> Sequence[Breaker | None]:
        return [self._breakers.get((target, place)) for place in range(self._places[target])]

    def _noted(self, target: str, place: int, breaker: Breaker, before: str, now: float) -> Tripped | None:
        """Remember what changed, and return the notice of it."""
        state = breaker.state
        if state == before:
            return None
        if state == "closed":
            self._ill.discard((target, place))
        else:
            self._ill.add((target, place))
        if state != "half_open":
            self._news.add((target, place))
        health = breaker.health(now)
        until = health.until if state == "open" else None
        return Tripped(target, place, state, health.why, until, now)

    def _tell(self, *notices: Tripped | None) -> None:
        if self._listener is not None:
            for notice in notices:
                if notice is not None:
                    self._listener(notice)

    def _ejected(self, now: float) -> dict[str, float]:
        """Apply the ceiling: of those ill in all places, the worst are out, the others suspect."""
        isolated: dict[str, float] = {}
        shut: dict[str, float] = {}
        for target in {target for target, _ in self._ill}:
            until = self._shut_until(target, now)
            if until is not None:
                by_hand = all(self._is_isolated(breaker, now) for breaker in self._of(target))
                (isolated if by_hand else shut)[target] = until
        left = len(self._places) - len(isolated)
        room = max(0, min(int(left * self._most_ejected), left - 1))
        if len(shut) > room:
            worst = sorted(shut, key=lambda name: (self._badness(name), name), reverse=True)
            shut = {name: shut[name] for name in worst[:room]}
        return shut | isolated

    def _shut_until(self, target: str, now: float) -> float | None:
        """Return when the first place of `target` opens up, `None` when a call would pass on one now."""
        probed = self._is_probed(target, now)
        ends: list[float] = []
        for breaker in self._of(target):
            if breaker is None or not _is_shut(breaker, now, probed):
                return None
            until = breaker.health(now).until
            ends.append(now + self.thresholds.shortest if until is None else until)
        return min(ends)

    def _is_suspect(self, target: str, now: float) -> bool:
        return self._shut_until(target, now) is not None and target not in self._ejected(now)

    def _is_probed(self, target: str, now: float) -> bool:
        return any(breaker is not None and breaker.is_probing(now) for breaker in self._of(target))

    def _badness(self, target: str) -> tuple[int, int, float, float]:
        return min((0, 0, 0.0, 0.0) if breaker is None else breaker.badness() for breaker in self._of(target))

    @staticmethod
    def _is_isolated(breaker: Breaker | None, now: float) -> bool:
        return breaker is not None and breaker.is_forced and breaker.is_open(now)

    def _signal(self, key: tuple[str, int], breaker: Breaker, now: float) -> Signal | None:
        health = breaker.health(now)
        name = f"{_PREFIX}{key[0]}#{key[1]}"
        if health.state == "closed":
            return Signal(name, json.dumps({"state": "closed"}), now + self.thresholds.longest)
        if health.state == "half_open" or health.until is None:
            return None
        value = json.dumps({"state": "open", "since": float(breaker.since), "why": health.why})
        return Signal(name, value, health.until)

    def _named(self, key: str) -> tuple[str, int] | None:
        target, _, place = key.removeprefix(_PREFIX).rpartition("#")
        if not key.startswith(_PREFIX) or not place.isdecimal() or len(place) > 4:
            return None
        return (target, int(place)) if int(place) < self._places.get(target, 0) else None


def _is_shut(breaker: Breaker | None, now: float, probed: bool) -> bool:
    """Whether no call passes; while its target is `probed`, no other place of it may be."""
    return breaker is not None and (breaker.is_open(now) or (probed and breaker.state != "closed"))


def _parsed(value: str) -> tuple[float, str] | None:
    """Return since when and why a breaker is open elsewhere; `None` when it is not, or the text means nothing."""
    try:
        told: object = json.loads(value)
    except (ValueError, RecursionError):
        return None
    match told:
        case {"state": "open", "since": float() as since, "why": str() as why} if math.isfinite(since):
            return since, why[:_LONGEST_WHY]
        case _:
            return None
