"""What a listener remembers of requests that are under way: bounded, for not every request is known to end.

One listener may serve several routers, whose notices come on a thread each, and may live through a fork.
"""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from modelroute.runtime.forking import renew_after_fork

__all__ = ["MOST", "InFlight"]

T = TypeVar("T")

MOST = 10_000
"""Requests remembered at once; beyond it the oldest is forgotten."""


class InFlight(Generic[T]):
    """One value for each request under way, the oldest forgotten beyond `most`."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._values: dict[str, T] = {}
        self._lock = threading.Lock()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Forget, in a forked child, the requests of its parent: they end there."""
        self._values = {}
        self._lock = threading.Lock()

    def begin(self, request: str, value: T) -> T | None:
        """Remember `value`; return one that had to be forgotten for it, if any."""
        with self._lock:
            self._values[request] = value
            if len(self._values) <= self._most:
                return None
            return self._values.pop(next(iter(self._values)))

    def get(self, request: str) -> T | None:
        """Return what is remembered of a request, `None` when nothing is."""
        return self._values.get(request)

    def end(self, request: str) -> T | None:
        """Return what was remembered of a request and forget it."""
        with self._lock:
            return self._values.pop(request, None)

    def __len__(self) -> int:
        return len(self._values)
