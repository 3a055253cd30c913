"""What a router has learned of its targets in this process: holds, missing features, lengths of answers, latency, conversations.

All of it is advice that makes the next decision better; losing it costs quality, never correctness. Everything is bounded.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelroute.resilience.bounded import Bounded
from modelroute.types.facts import Affinity, Snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CONVERSATIONS", "Experience", "Hold"]

CONVERSATIONS = 10_000
"""How many conversations are remembered."""

_SMOOTHING = 0.2
"""Weight of the newest answer in the forecast of output tokens and in latency."""


@dataclass(frozen=True, slots=True)
class Hold:
    """One lane of a target rests until `until`. `known`: the provider said when it ends; else it is our guess."""

    until: float
    known: bool


_FREE = Hold(0.0, known=False)


class Experience:
    """What is remembered between requests. Thread-safe; times are Unix seconds handed in.

    Read as a whole through `snapshot`: an immutable view that is rebuilt only when something changed.
    """

    __slots__ = ("_conversations", "_holds", "_latency", "_lock", "_missing", "_outputs", "_view")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holds: dict[tuple[str, int], Hold] = {}
        self._missing: dict[str, frozenset[str]] = {}
        self._outputs: dict[str, float] = {}
        self._latency: dict[str, float] = {}
        self._conversations: Bounded[str, Affinity] = Bounded(CONVERSATIONS)
        self._view: tuple[Mapping[str, frozenset[str]], Mapping[str, float], Mapping[str, float]] | None = None

    def hold(self, target: str, lane: int, until: float, *, known: bool) -> Hold:
        """Let one lane of `target` rest until `until`; a hold is only ever extended. Return the one in force."""
        with self._lock:
            current = self._holds.get((target, lane), _FREE)
            if until > current.until:
                self._holds[target, lane] = current = Hold(until, known)
            return current

    def free_lane(self, target: str, lanes: int, now: float) -> int | None:
        """Return the first lane of `target` that does not rest, or `None` when all do."""
        holds = self._holds
        if not holds:
            return 0
        for lane in range(lanes):
            if holds.get((target, lane), _FREE).until <= now:
                return lane
        return None

    def resting(self, target: str, lanes: int, now: float) -> Hold | None:
        """Return the hold that ends first when every lane of `target` rests, or `None` when one is free."""
        if not self._holds or self.free_lane(target, lanes, now) is not None:
            return None
        return min((self._holds.get((target, lane), _FREE) for lane in range(lanes)), key=_end)

    def soonest_lane(self, target: str, lanes: int) -> int:
        """Return the lane that is free first."""
        return min(range(lanes), key=lambda lane: self._holds.get((target, lane), _FREE).until)

    def lacks(self, target: str, feature: str) -> None:
        """Remember that `target` was seen not to take `feature`."""
        with self._lock:
            known = self._missing.get(target, frozenset())
            if len(known) < 32:
                self._missing[target] = known | {feature}
                self._view = None

    def answered(self, target: str, output_tokens: int | None, first_token: float | None) -> None:
        """Learn from an answer: its length and the seconds to its first token."""
        with self._lock:
            if output_tokens is not None:
                self._outputs[target] = _smoothed(self._outputs.get(target), float(output_tokens))
            if first_token is not None:
                self._latency[target] = _smoothed(self._latency.get(target), first_token)
            self._view = None

    def remember(self, conversation: str, affinity: Affinity) -> None:
        """Remember where a conversation has been."""
        with self._lock:
            self._conversations.put(conversation, affinity)

    def affinity(self, conversation: str) -> Affinity | None:
        """Return where a conversation has been, or `None`."""
        with self._lock:
            return self._conversations.get(conversation)

    def snapshot(self, now: float, *, draw: float, lanes: Mapping[str, int], affinity: Affinity | None) -> Snapshot:
        """Return all of it as one immutable value. `lanes`: how many keys each target has."""
        view = self._view
        if view is None:
            with self._lock:
                view = self._view = (dict(self._missing), dict(self._outputs), dict(self._latency))
        holds: dict[str, float] = {}
        if self._holds:
            for target in {target for target, _ in list(self._holds)}:
                hold = self.resting(target, lanes.get(target, 1), now)
                if hold is not None:
                    holds[target] = hold.until
            self._forget_past_holds(now)
        missing, outputs, latency = view
        return Snapshot(
            now=now, draw=draw, holds=holds, missing=missing, outputs=outputs, latency=latency, affinity=affinity
        )

    def _forget_past_holds(self, now: float) -> None:
        with self._lock:
            for key in [key for key, hold in self._holds.items() if hold.until <= now]:
                del self._holds[key]


def _smoothed(previous: float | None, value: float) -> float:
    return value if previous is None else previous + _SMOOTHING * (value - previous)


def _end(hold: Hold) -> float:
    return hold.until
