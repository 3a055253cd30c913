"""The real performers: commands executed over HTTP, with this process's store, clocks and environment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING

from modelroute.engine.commands import Batch, Failed, Opened
from modelroute.runtime.admission import AsyncAdmission, SyncAdmission
from modelroute.runtime.behind import Behind
from modelroute.runtime.http import HttpError, HttpOptions, HttpTimeout, Limit
from modelroute.runtime.upstream import (
    DRAIN_SECONDS,
    ERROR_BODY_LIMIT,
    AsyncUpstream,
    KeyFailure,
    SyncUpstream,
    authorized,
    classified,
    ended_by,
    opening_failure,
    over,
    resolve_key,
    stalled,
)
from modelroute.types.claims import Granted
from modelroute.types.events import Fault
from modelroute.types.failure import Failure, Kind
from modelroute.wire.limits import rate_limits

if TYPE_CHECKING:
    from modelroute.engine.commands import Close, Next, Open, Reserve, Reserved, Settle, Sleep
    from modelroute.providers.endpoint import Endpoint
    from modelroute.resilience.limiter import Limiter
    from modelroute.runtime.books import Books
    from modelroute.runtime.routes import AsyncConnections, AsyncSource, SyncConnections, SyncSource

__all__ = ["AsyncPerforming", "AsyncStoreKeeping", "Ending", "StoreKeeping", "SyncPerforming", "read_until"]

_NEVER = float("inf")


def read_until(now: float, command: Next) -> float:
    """Return the moment that ends this read, in the clock `now` is of."""
    idle = _NEVER if command.idle is None else now + command.idle
    return idle if command.until is None else min(idle, command.until)


class StoreKeeping:
    """Money goes to the books, in this thread."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._clocks = books.clocks

    def reserve(self, command: Reserve) -> Reserved:
        """Set money aside."""
        return self._books.reserve(command)

    def settle(self, command: Settle) -> None:
        """Replace the reservation by its cost; what takes long goes on behind the caller."""
        self._books.settle(command)


class AsyncStoreKeeping:
    """Money goes to the books; where those wait, the loop goes on meanwhile."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._clocks = books.clocks

    def reserve(self, command: Reserve) -> Reserved | Awaitable[Reserved]:
        """Set money aside."""
        return self._books.areserve(command)

    def settle(self, command: Settle) -> Awaitable[None] | None:
        """Replace the reservation by its cost."""
        return self._books.asettle(command)


class Ending(StoreKeeping):
    """Ends flows that nobody drives any more: money and sockets are put in order, nothing is sent or awaited."""

    def reserve(self, command: Reserve) -> Reserved:
        """Ask nobody: the settlement that follows gives back what was set aside, or keeps it from being so."""
        return Granted()

    def settle(self, command: Settle) -> None:
        """Replace the reservation by its cost, without waiting: this may be an event loop's thread."""
        self._books.settle(command, patience=0.0)

    def open(self, command: Open) -> Opened | Failed:
        """Refuse: an ended flow opens nothing."""
        return Failed(Failure(Kind.CANCELLED, "the flow is being ended"))

    def next(self, command: Next) -> Batch:
        """Say that nothing more comes."""
        return Batch((), timed_out=True)

    def close(self, command: Close) -> None:
        """Cut the connection."""
        upstream = command.exchange
        assert isinstance(upstream, AsyncUpstream)
        upstream.let_go()
        upstream.source.abort()

    def sleep(self, command: Sleep) -> None:
        """Wait for nothing."""


class SyncPerforming(SyncAdmission, StoreKeeping):
    """Executes commands by blocking this thread. Shared by all threads of a router."""

    def __init__(
        self,
        books: Books,
        routes: Mapping[str, tuple[Endpoint, SyncConnections]],
        limiter: Limiter | None = None,
    ) -> None:
        SyncAdmission.__init__(self, limiter)
        StoreKeeping.__init__(self, books)
        self._routes = routes

    def _open(self, command: Open) -> Opened | Failed:
        """Send the call and wait for its status."""
        endpoint, http = self._routes[command.target]
        limit = Limit(command.until, self._clocks.monotonic() + command.connect)
        secret = None
        try:
            secret = resolve_key(endpoint, command.lane)
            source = http.open(authorized(endpoint, command, secret), limit)
        except KeyFailure as denied:
            return Failed(denied.failure)
        except HttpError as error:
            return Failed(opening_failure(error, secret))
        if source.status == 200:
            supplied = isinstance(endpoint.http, HttpOptions) and endpoint.http.client is not None
            upstream = SyncUpstream(source, command.call.decoder(), limit, secret, supplied=supplied)
            return Opened(upstream, rate_limits(source.headers, self._clocks.wall()))
        body = _error_body(source)
        return Failed(
            classified(command, source.status, dict(source.headers), body, now=self._clocks.wall(), secret=secret)
        )

    def next(self, command: Next) -> Batch:
        """Read until there is an event, the end, or the limit."""
        upstream = command.exchange
        assert isinstance(upstream, SyncUpstream)
        upstream.limit.at = read_until(self._clocks.monotonic(), command)
        decoder = upstream.decoder
        try:
            while True:
                data = upstream.source.read()
                events = decoder.feed(data) if data else decoder.end()
                if events:
                    upstream.ended = over(events)
                    return Batch(upstream.cleaned(events), data=data)
                if not data:
                    return Batch((Fault(Failure(Kind.INTERRUPTED, "the stream ended without a word")),))
        except HttpTimeout:
            return stalled(decoder)
        except HttpError as error:
            return Batch(upstream.cleaned(ended_by(decoder, error)))

    def close(self, command: Close) -> None:
        """End the exchange; the connection is kept when its body ends at once."""
        upstream = command.exchange
        assert isinstance(upstream, SyncUpstream)
        try:
            if upstream.ended:
                upstream.limit.at = self._clocks.monotonic() + DRAIN_SECONDS
                try:
                    while upstream.source.read():
                        pass
                except HttpError:
                    pass
            upstream.source.close()
        finally:
            upstream.let_go()

    def sleep(self, command: Sleep) -> None:
        """Wait."""
        self._clocks.sleep(max(0.0, command.seconds))


class AsyncPerforming(AsyncAdmission, Behind, AsyncStoreKeeping):
    """Executes commands on the running loop."""

    def __init__(
        self,
        books: Books,
        routes: Mapping[str, tuple[Endpoint, AsyncConnections]],
        limiter: Limiter | None = None,
    ) -> None:
        AsyncAdmission.__init__(self, limiter)
        Behind.__init__(self)
        AsyncStoreKeeping.__init__(self, books)
        self._routes = routes

    async def _open(self, command: Open) -> Opened | Failed:
        """Send the call and wait for its status."""
        endpoint, http = self._routes[command.target]
        limit = Limit(command.until, asyncio.get_running_loop().time() + command.connect)
        secret = None
        try:
            secret = resolve_key(endpoint, command.lane)
            source = await http.open(authorized(endpoint, command, secret), limit)
        except KeyFailure as denied:
            return Failed(denied.failure)
        except HttpError as error:
            return Failed(opening_failure(error, secret))
        if source.status == 200:
            upstream = AsyncUpstream(source, command.call.decoder(), limit, secret)
            return Opened(upstream, rate_limits(source.headers, self._clocks.wall()))
        body = await _error_body_async(source)
        return Failed(
            classified(command, source.status, dict(source.headers), body, now=self._clocks.wall(), secret=secret)
        )

    async def next(self, command: Next) -> Batch:
        """Read until there is an event, the end, or the limit."""
        upstream = command.exchange
        assert isinstance(upstream, AsyncUpstream)
        upstream.limit.at = read_until(asyncio.get_running_loop().time(), command)
        decoder = upstream.decoder
        try:
            while True:
                data = await upstream.source.read()
                events = decoder.feed(data) if data else decoder.end()
                if events:
                    upstream.ended = over(events)
                    return Batch(upstream.cleaned(events), data=data)
                if not data:
                    return Batch((Fault(Failure(Kind.INTERRUPTED, "the stream ended without a word")),))
        except HttpTimeout:
            return stalled(decoder)
        except HttpError as error:
            return Batch(upstream.cleaned(ended_by(decoder, error)))

    def close(self, command: Close) -> Awaitable[None]:
        """End the exchange; the connection is kept when its body ends at once."""
        return self._close(command)

    async def _close(self, command: Close) -> None:
        upstream = command.exchange
        assert isinstance(upstream, AsyncUpstream)
        try:
            if upstream.ended:
                upstream.limit.at = asyncio.get_running_loop().time() + DRAIN_SECONDS
                try:
                    while await upstream.source.read():
                        pass
                except HttpError:
                    pass
            await upstream.source.aclose()
        finally:
            upstream.let_go()

    async def sleep(self, command: Sleep) -> None:
        """Wait."""
        await asyncio.sleep(max(0.0, command.seconds))


def _error_body(source: SyncSource) -> bytes:
    """Read an error's body as far as it comes within the limit, and end the exchange."""
    body = bytearray()
    try:
        while len(body) < ERROR_BODY_LIMIT:
            data = source.read()
            if not data:
                break
            body += data
    except HttpError:
        pass
    finally:
        source.close()
    return bytes(body[:ERROR_BODY_LIMIT])


async def _error_body_async(source: AsyncSource) -> bytes:
    """The same on an event loop."""
    body = bytearray()
    try:
        while len(body) < ERROR_BODY_LIMIT:
            data = await source.read()
            if not data:
                break
            body += data
    except HttpError:
        pass
    finally:
        await source.aclose()
    return bytes(body[:ERROR_BODY_LIMIT])
