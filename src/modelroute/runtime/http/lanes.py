"""Idle connections of one origin: a stack without lock or queue, so that taking one costs the same at any number.

Internal. Measured: a pool that searches its connections costs a request 45 ms of CPU at 1,000 in flight, this one
0.2 ms. How many connections there may be is the limiter's business, above; only idle ones are bounded here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

__all__ = ["REMEMBERED", "Kept", "Lane"]

REMEMBERED = 600.0
"""Seconds for which a lane remembers how soon its server closes connections."""

_AT_ONCE = 1.0
"""Seconds. Whoever closes sooner does so after every answer: there is no time left in which to use the connection."""


class IdleStream(Protocol):
    """What a lane asks of a connection's stream."""

    def is_usable(self) -> bool: ...
    def abort(self) -> None: ...


ConnectionT = TypeVar("ConnectionT")
StreamT = TypeVar("StreamT", bound=IdleStream)


@dataclass(frozen=True, slots=True)
class Kept(Generic[ConnectionT, StreamT]):
    """A connection, the stream under it, and since when it has been idle."""

    connection: ConnectionT
    stream: StreamT
    since: float


class Lane(Generic[ConnectionT, StreamT]):
    """The idle connections of one origin, the youngest on top. Safe in threads: each step is one call on a deque.

    Some servers close a connection when they have answered, without having said so (llama.cpp does, after a stream), or
    sooner than others: a request sent meanwhile is lost, and nobody knows whether it was read. So a lane learns.
    """

    __slots__ = ("_idle", "_keepalive", "_learned", "_max_idle", "closed")

    def __init__(self, *, keepalive: float, max_idle: int) -> None:
        self._idle: deque[Kept[ConnectionT, StreamT]] = deque()
        self._keepalive = keepalive
        self._max_idle = max_idle
        self._learned = (keepalive, 0.0)
        self.closed = False

    def __len__(self) -> int:
        return len(self._idle)

    def take(self, now: float) -> Kept[ConnectionT, StreamT] | None:
        """Return the youngest connection that is fit for use; those found unfit are closed."""
        while True:
            try:
                kept = self._idle.pop()
            except IndexError:
                return None
            if now - kept.since < self._bound(now) and kept.stream.is_usable():
                return kept
            kept.stream.abort()

    def lost(self, idle: float, now: float) -> None:
        """Note that one was closed after `idle` seconds: for a while, none is used that has been idle half as long."""
        bearable = idle / 2 if idle >= _AT_ONCE else 0.0
        self._learned = (min(bearable, self._bound(now)), now + REMEMBERED)

    def _bound(self, now: float) -> float:
        """Return how long a connection may have been idle to be used."""
        longest, until = self._learned
        return longest if now < until else self._keepalive

    def give(self, connection: ConnectionT, stream: StreamT, now: float) -> None:
        """Keep a connection; the oldest are closed when they are too old or too many."""
        self._idle.append(Kept(connection, stream, now))
        while True:
            try:
                oldest = self._idle.popleft()
            except IndexError:
                break
            if now - oldest.since < self._keepalive and len(self._idle) < self._max_idle:
                self._idle.appendleft(oldest)
                break
            oldest.stream.abort()
        if self.closed:  # closed in another thread while this one was giving
            self.drain()

    def drain(self) -> None:
        """Close all that are idle."""
        while True:
            try:
                self._idle.pop().stream.abort()
            except IndexError:
                return
