"""The shared retry budget: retries may be a small share of requests, so that an outage is not multiplied.

A token bucket: every request puts in a tenth of a token, every second one whole token, and at most 100 are kept
(Google SRE: 10 %, Finagle: 20 %). It gates retries of the same target and attempts on targets not
known healthy; the first attempt on another healthy target is free of it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

__all__ = ["RetryBudget"]


@dataclass(slots=True)
class RetryBudget:
    """Tokens for retries, shared by all requests of a router. Thread-safe.

    `per_request`, `per_second`, `capacity` in tokens; it starts with ten, or with `capacity` when that is less.
    """

    per_request: float = 0.1
    per_second: float = 1.0
    capacity: float = 100.0
    _tokens: float = field(default=10.0, repr=False)
    _at: float | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        self._tokens = min(self._tokens, self.capacity)

    def after_fork(self) -> None:
        """Renew the lock in a forked child: the thread that may have held it is not there."""
        self._lock = threading.Lock()

    def deposit(self) -> None:
        """Count a request."""
        with self._lock:
            self._tokens = min(self.capacity, self._tokens + self.per_request)

    def withdraw(self, now: float) -> bool:
        """Take one token for a retry at `now` (any clock that never goes back), or say no."""
        with self._lock:
            if self._at is not None and now > self._at:
                self._tokens = min(self.capacity, self._tokens + (now - self._at) * self.per_second)
            self._at = now if self._at is None else max(now, self._at)
            if self._tokens < 1.0:
                return False
            self._tokens -= 1.0
            return True
