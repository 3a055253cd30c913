"""One attempt as the network sees it: the limit it obeys, and what has provably happened so far.

Internal. httpcore reads its timeouts once per phase and hands them on as numbers. A `Wire` *is* such a number, so it
reaches every connect, TLS start, read and write of our backends unread, and tells each what is left at that moment.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from modelroute.runtime.http.errors import HttpBroken, HttpError, HttpTimeout, HttpUnreachable

if TYPE_CHECKING:
    from modelroute.runtime.http.core import Core
    from modelroute.runtime.http.errors import Phase
    from modelroute.runtime.http.options import Limit

__all__ = ["HEADER_BYTES", "AsyncWire", "Socket", "Wire", "translated", "wire_of"]

HEADER_BYTES = 64 * 1024
"""The largest header block accepted (memory is bounded); nginx and the large providers send a tenth of it."""
_READ_BEFORE_HEADERS = 4 * HEADER_BYTES  # interim responses and the first of the body come in the same reads


class Socket(Protocol):
    """What an attempt asks of its connection's stream."""

    def abort(self) -> None:
        """Close the socket now."""
        ...


class Wire(float):
    """The state of one attempt. As a number it means nothing."""

    __slots__ = ("connected", "idle", "limit", "patient", "phase", "received", "reused", "sent", "stream", "tls")

    limit: Limit
    phase: Phase
    stream: Socket | None

    def __new__(cls, limit: Limit) -> Wire:
        """Begin unconnected."""
        return float.__new__(cls, 0.0)

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.phase = "connect"
        self.tls = False
        self.connected = False
        self.reused = False
        self.idle = 0.0
        self.sent = False
        self.received = 0
        self.patient = True
        self.stream = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} in {self.phase}>"

    def bound(self) -> float:
        """Return the moment this operation must end at."""
        limit = self.limit
        return limit.at if self.connected else min(limit.at, limit.connect_at)

    def connect_done(self, stream: Socket) -> None:
        """Note that request bytes may flow over `stream` from now on."""
        self.stream = stream
        self.connected = True
        self.phase = "send"

    def reuse(self, stream: Socket, idle: float) -> None:
        """Note that a connection is taken that has been idle for so many seconds."""
        self.reused = True
        self.idle = idle
        self.connect_done(stream)

    def reading(self) -> None:
        """Note that a read begins; raises when a server has said too much without having answered."""
        if self.phase == "send":
            self.phase = "headers"
        if self.received > _READ_BEFORE_HEADERS and self.phase == "headers":
            raise self.broken("the headers are too long")

    def arrived(self, count: int) -> None:
        """Note that `count` bytes came; those of a proxy's tunnel are not a response."""
        if self.connected:
            self.received += count

    def broken(self, message: str) -> HttpBroken:
        """Return the error for a failure at this point."""
        return HttpBroken(self.phase, sent=self.sent, any_bytes=self.received > 0, message=message)

    def abort(self) -> None:
        """Close the socket now, wherever the attempt is."""
        if self.stream is not None:
            self.stream.abort()


class AsyncWire(Wire):
    """An attempt on an event loop: one timer, which arms itself again when it fires and finds the end has moved."""

    __slots__ = ("_armed_at", "_timer", "_waiter", "loop")

    def __new__(cls, limit: Limit, loop: asyncio.AbstractEventLoop) -> AsyncWire:
        """Begin unconnected."""
        return float.__new__(cls, 0.0)

    def __init__(self, limit: Limit, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit)
        self.loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._armed_at = 0.0
        self._waiter: asyncio.Future[None] | None = None

    async def wait(self, waiter: asyncio.Future[None]) -> None:
        """Wait for `waiter`, or until the limit, whichever is first; the caller looks at the clock again.

        The limit wakes a future of ours and never cancels the task, so it cannot be mistaken for the caller's cancel.
        """
        bound = self.bound()
        if self._timer is None or bound < self._armed_at:
            self._arm(bound)
        self._waiter = waiter
        try:
            await waiter
        finally:
            self._waiter = None

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_at = at
        self._timer = self.loop.call_at(at, self._fire)

    def _fire(self) -> None:
        self._timer = None
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        bound = self.bound()
        if self.loop.time() < bound:
            self._arm(bound)
        else:
            waiter.set_result(None)

    def disarm(self) -> None:
        """Drop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def wire_of(timeout: float | None) -> Wire:
    """Return the attempt behind a timeout that httpcore handed on."""
    if not isinstance(timeout, Wire):
        raise TypeError("these backends serve only requests made by modelroute")
    return timeout


def translated(error: Exception, wire: Wire, core: Core) -> HttpError:
    """Return `error` as one of ours: fresh, without traceback, cause or context.

    The caller raises it outside its handler, so that no frame holding a header value hangs on it.
    """
    if isinstance(error, HttpTimeout):
        return HttpTimeout(error.phase)
    if isinstance(error, HttpUnreachable):
        return HttpUnreachable(error.message)
    if isinstance(error, HttpBroken):
        return HttpBroken(error.phase, sent=error.sent, any_bytes=error.any_bytes, message=error.message)
    if isinstance(error, core.local_protocol_error):  # its text may quote a header value
        return wire.broken("the request cannot be written as HTTP/1.1")
    message = f"{type(error).__name__}: {error}"[:300]
    if not wire.connected:
        return HttpUnreachable(message)
    # From here on only the system's own words are repeated: a protocol error quotes what the other side sent.
    return wire.broken(message if isinstance(error, OSError) else type(error).__name__)
