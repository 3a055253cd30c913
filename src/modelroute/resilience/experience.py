"""What a router has learned in this process: holds, missing features, lengths of answers, latency, conversations.

All of it is advice that makes the next decision better; losing it costs quality, never correctness. Everything is
bounded.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelroute.resilience.bounded import Bounded
from modelroute.resilience.latency import Answers
from modelroute.types.facts import Affinity, Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CONVERSATIONS", "USUAL_OUTPUT", "Experience", "Hold"]

CONVERSATIONS = 10_000
"""How many conversations are remembered."""

USUAL_OUTPUT = 500
"""Tokens an answer is expected to have before any was seen. A target not tried yet is expected to answer as the others
did: else whatever answered first would look cheap for ever."""

_MOST_MISSING = 32
"""How many features of one target are remembered as missing."""

_SMOOTHING = 0.2
"""Weight of the newest answer in the forecast of output tokens."""


@dataclass(frozen=True, slots=True)
class Hold:
    """One lane of a target rests from `since` until `until`. `known`: the provider said when it ends; else we guess.

    A wall clock that was set back to before it began ends it: else a second's rest could last for hours.
    """

    until: float
    known: bool
    since: float = -math.inf

    def rests(self, now: float) -> bool:
        """Whether it is in force at `now`."""
        return self.since - _CLOCK_STEPS <= now < self.until


_CLOCK_STEPS = 1.0
"""Seconds by which two threads' readings of the wall clock may differ."""

_NOTHING: Mapping[str, float] = {}

_FREE = Hold(0.0, known=False)


@dataclass(frozen=True, slots=True)
class _View:
    """What a snapshot says that changes only with an answer or a refusal."""

    missing: Mapping[str, frozenset[str]]
    outputs: Mapping[str, float]
    likely: Mapping[str, int]
    longest: Mapping[str, int]
    latency: Mapping[str, float]


class Experience:
    """What is remembered between requests. Thread-safe; times are Unix seconds handed in.

    `answers`: how long targets take to begin, and how long their answers are. All is read as a whole through
    `snapshot`: an immutable view that is rebuilt only when something changed.
    """

    __slots__ = (
        "_conversations",
        "_holds",
        "_lock",
        "_missing",
        "_outputs",
        "_stale_at",
        "_usual_output",
        "_view",
        "answers",
    )

    def __init__(self) -> None:
        self.answers = Answers()
        self._lock = threading.Lock()
        self._holds: dict[tuple[str, int], Hold] = {}
        self._missing: dict[str, dict[str, float]] = {}
        self._stale_at = math.inf
        self._outputs: dict[str, float] = {}
        self._usual_output: float | None = None
        self._conversations: Bounded[str, Affinity] = Bounded(CONVERSATIONS)
        self._view: _View | None = None

    def after_fork(self) -> None:
        """Renew the lock in a forked child: the thread that may have held it is not there."""
        self._lock = threading.Lock()
        self.answers.after_fork()

    def hold(self, target: str, lane: int, until: float, *, known: bool, since: float = -math.inf) -> Hold:
        """Let one lane of `target` rest from `since` until `until`; a hold in force is only ever extended.

        Return the one in force.
        """
        with self._lock:
            current = self._holds.get((target, lane), _FREE)
            if until > current.until or not current.rests(since):
                self._holds[target, lane] = current = Hold(until, known, since)
            return current

    def holds_of(self, target: str, lanes: int, now: float) -> list[Hold | None]:
        """Return, by lane, the hold in force at `now`, or `None`."""
        holds = self._holds
        if not holds:
            return [None] * lanes
        found = (holds.get((target, lane), _FREE) for lane in range(lanes))
        return [hold if hold.rests(now) else None for hold in found]

    def free_lane(self, target: str, lanes: int, now: float) -> int | None:
        """Return the first lane of `target` that does not rest, or `None` when all do."""
        holds = self._holds
        if not holds:
            return 0
        for lane in range(lanes):
            if not holds.get((target, lane), _FREE).rests(now):
                return lane
        return None

    def resting(self, target: str, lanes: int, now: float) -> Hold | None:
        """Return the hold that ends first when every lane of `target` rests, or `None` when one is free."""
        if not self._holds or self.free_lane(target, lanes, now) is not None:
            return None
        return min((self._holds.get((target, lane), _FREE) for lane in range(lanes)), key=_end)

    def lacks(self, target: str, feature: str, until: float) -> None:
        """Remember until `until` that `target` was seen not to take `feature`.

        Not for ever: it may learn, or only one value was the trouble.
        """
        with self._lock:
            known = self._missing.setdefault(target, {})
            if feature in known or len(known) < _MOST_MISSING:
                known[feature] = max(until, known.get(feature, until))
                self._view = None

    def answered(self, target: str, now: float, output_tokens: int | None, first_token: float | None) -> None:
        """Learn from an answer: its length and the seconds to its first token."""
        self.answers.answered(target, now, first_token=first_token, output_tokens=output_tokens)
        with self._lock:
            if output_tokens is not None:
                self._outputs[target] = _smoothed(self._outputs.get(target), float(output_tokens))
                self._usual_output = _smoothed(self._usual_output, float(output_tokens))
            self._view = None

    def remember(self, conversation: str, affinity: Affinity) -> None:
        """Remember where a conversation has been."""
        with self._lock:
            self._conversations.put(conversation, affinity)

    def affinity(self, conversation: str) -> Affinity | None:
        """Return where a conversation has been, or `None`."""
        with self._lock:
            return self._conversations.get(conversation)

    def snapshot(
        self,
        now: float,
        *,
        draw: float,
        lanes: Mapping[str, int],
        affinity: Affinity | None,
        ejected: Mapping[str, float] = _NOTHING,
    ) -> Snapshot:
        """Return all of it as one immutable value.

        `lanes`: how many keys and endpoints each target has. `ejected`: who is taken out for ill health, until when.
        """
        view = self._view if now < self._stale_at else None
        if view is None:
            with self._lock:
                view = self._view = self._look(now)
        holds = dict(ejected)
        if self._holds:
            for target in {target for target, _ in list(self._holds)}:
                hold = self.resting(target, lanes.get(target, 1), now)
                if hold is not None:
                    holds[target] = max(hold.until, holds.get(target, 0.0))
            self._forget_past_holds(now)
        usual = self._usual_output
        return Snapshot(
            now=now,
            draw=draw,
            holds=holds,
            missing=view.missing,
            outputs=view.outputs,
            default_output=USUAL_OUTPUT if usual is None else math.ceil(usual),
            likely=view.likely,
            longest=view.longest,
            latency=view.latency,
            affinity=affinity,
        )

    def _look(self, now: float) -> _View:
        answers = self.answers
        likely: dict[str, int] = {}
        longest: dict[str, int] = {}
        latency: dict[str, float] = {}
        for target in answers.targets():
            usual, most = answers.output(target, 0.95), answers.longest(target)
            median = answers.first_token(target, 0.5, now)
            likely.update({} if usual is None else {target: usual})
            longest.update({} if most is None else {target: most})
            latency.update({} if median is None else {target: median})
        return _View(self._still_missing(now), dict(self._outputs), likely, longest, latency)

    def _still_missing(self, now: float) -> dict[str, frozenset[str]]:
        """Return what is missing at `now`, forget what no longer is, and note when the next of it ends."""
        for target, features in list(self._missing.items()):
            self._missing[target] = {feature: until for feature, until in features.items() if until > now}
            if not self._missing[target]:
                del self._missing[target]
        self._stale_at = min((end for each in self._missing.values() for end in each.values()), default=math.inf)
        return {target: frozenset(features) for target, features in self._missing.items()}

    def _forget_past_holds(self, now: float) -> None:
        with self._lock:
            for key in [key for key, hold in self._holds.items() if not hold.rests(now)]:
                del self._holds[key]


def _smoothed(previous: float | None, value: float) -> float:
    return value if previous is None else previous + _SMOOTHING * (value - previous)


def _end(hold: Hold) -> float:
    return hold.until
