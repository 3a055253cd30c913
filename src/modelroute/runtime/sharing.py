"""What processes on one store learn from each other: a hold, a tripped breaker, where a conversation has been.

It is advice, told and heard on a thread of its own: no request waits for it, and losing it costs a rediscovery. Own
trips and holds are told at once, the rest with the next look, a second later at most.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import threading
import weakref
from typing import TYPE_CHECKING, cast

from modelroute.errors import ModelRouteError
from modelroute.types.facts import Affinity
from modelroute.types.signals import Signal

if TYPE_CHECKING:
    from modelroute.resilience.experience import Experience, Hold
    from modelroute.resilience.health import Breakers
    from modelroute.runtime.clocks import Clocks
    from modelroute.stores.store import Store

__all__ = ["INTERVAL", "Sharing"]

INTERVAL = 1.0
"""Seconds between two looks at what others tell."""

FIRST_LOOK = 0.05
"""Seconds that a process's first request waits to hear what others know."""

_CONVERSATION_KEPT = 3_600.0
_MOST_UNTOLD = 1_000
_MOST_CACHED = 10**9
_LANE = re.compile("[0-9]{1,4}")
_HOLD, _CONVERSATION = "hold:", "conversation:"

_LOGGER = logging.getLogger("modelroute")


class Sharing:
    """Tells the store what this router learns, and the router what others told. One thread, begun by the first call."""

    def __init__(self, store: Store, clocks: Clocks, experience: Experience, breakers: Breakers) -> None:
        self._store = store
        self._clocks = clocks
        self._experience = experience
        self._breakers = breakers
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew in a forked child: the thread stayed with the parent, and what it tells is another's word here."""
        self._name = os.urandom(6).hex()
        self._lock = threading.Lock()
        self._untold: dict[str, Signal] = {}
        self._mark = 0
        self._wake = threading.Event()
        self._looked = threading.Event()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._failing = False

    def begin(self, *, wait: bool = True) -> None:
        """See to it that the thread runs; the first time, `wait` a moment for what others know."""
        if self._thread is not None or self._closed:
            return
        with self._lock:
            if self._thread is not None or self._closed:
                return
            thread = threading.Thread(
                target=_run, args=(weakref.ref(self), self._wake), name="modelroute-sharing", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # no more threads, or the interpreter is ending: what others know is not heard
                return
            self._thread = thread
        if wait:
            self._looked.wait(FIRST_LOOK)

    def held(self, target: str, lane: int, hold: Hold) -> None:
        """Tell that a lane of `target` rests."""
        value = {"known": hold.known, "by": self._name}
        self._tell(Signal(f"{_HOLD}{target}#{lane}", json.dumps(value), hold.until, extends=True))
        self._wake.set()

    def tripped(self) -> None:
        """Tell, soon, what changed with the breakers."""
        self._wake.set()

    def remembered(self, conversation: str, affinity: Affinity) -> None:
        """Tell where a conversation has been."""
        value = json.dumps({"target": affinity.target, "cached": affinity.cached_tokens, "by": self._name})
        until = self._clocks.wall() + _CONVERSATION_KEPT
        self._tell(Signal(f"{_CONVERSATION}{conversation}", value, until))

    def close(self, timeout: float = 1.0) -> None:
        """Tell what is untold and end the thread."""
        with self._lock:
            self._closed = True
            thread = self._thread
        self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def look(self) -> bool:
        """Tell and hear once; say whether to go on. Never raises."""
        closed = self._closed
        try:
            self._exchange()
            self._failing = False
        except ModelRouteError as error:
            if not self._failing:
                self._failing = True
                _LOGGER.warning("what others know cannot be read or told: %s", error)
        except Exception:
            _LOGGER.exception("sharing what was learned failed")
        self._looked.set()
        return not closed

    def _exchange(self) -> None:
        now = self._clocks.wall()
        with self._lock:
            untold, self._untold = self._untold, {}
        signals = [*untold.values(), *self._breakers.to_tell(now)]
        if signals:
            self._store.publish(signals, now=now)
        self._mark, heard = self._store.signals(self._mark, now=now)
        for signal in heard:
            self._hear(signal, now)
        self._breakers.heard(heard, now, self._clocks.draw)

    def _hear(self, signal: Signal, now: float) -> None:
        kind = next((kind for kind in (_HOLD, _CONVERSATION) if signal.key.startswith(kind)), None)
        if kind is None:
            return
        try:
            read: object = json.loads(signal.value)
        except (ValueError, RecursionError):
            return
        value = cast("dict[str, object]", read) if isinstance(read, dict) else {}
        if not value or value.get("by") == self._name:
            return
        name = signal.key.removeprefix(kind)
        if kind == _HOLD:
            target, _, lane = name.rpartition("#")
            if _LANE.fullmatch(lane) and math.isfinite(signal.until):
                self._experience.hold(target, int(lane), signal.until, known=value.get("known") is True, since=now)
            return
        where, cached = value.get("target"), value.get("cached")
        if isinstance(where, str) and isinstance(cached, int) and 0 <= cached < _MOST_CACHED:
            self._experience.remember(name, Affinity(where, int(cached)))

    def _tell(self, signal: Signal) -> None:
        with self._lock:
            if len(self._untold) < _MOST_UNTOLD or signal.key in self._untold:
                self._untold[signal.key] = signal


def _run(of: weakref.ref[Sharing], wake: threading.Event) -> None:
    """Look again and again, for as long as the router lives."""
    while True:
        sharing = of()
        if sharing is None or not sharing.look():
            return
        del sharing
        wake.wait(INTERVAL)
        wake.clear()
