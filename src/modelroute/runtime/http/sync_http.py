"""Blocking exchanges over our own lanes of connections, each bounded by a limit that may move."""

from __future__ import annotations

import os
import time
from typing import Literal

from modelroute.runtime.http.core import Address, Core, SyncConnection, SyncFactory, SyncResponse, choose_core
from modelroute.runtime.http.errors import HttpError, HttpTimeout, HttpUnreachable
from modelroute.runtime.http.exchange import SyncExchange, folded
from modelroute.runtime.http.lanes import Lane
from modelroute.runtime.http.options import HttpOptions, HttpRequest, Limit
from modelroute.runtime.http.routes import MAX_ROUTES, Route, proxy_for, tls_context
from modelroute.runtime.http.supplied import SuppliedClient
from modelroute.runtime.http.sync_backend import SyncBackend, SyncStream
from modelroute.runtime.http.wire import Wire, translated

__all__ = ["SyncHttp"]

SyncLane = Lane[SyncConnection, SyncStream]
SyncRoute = Route[SyncConnection, SyncStream, SyncFactory]

_LEFTOVERS = 8  # events looked at, without waiting, to find the end of a body that its reader has left


class SyncHttp:
    """Sends requests for one provider. Any number of threads may share it; a forked child may go on using it."""

    def __init__(self, options: HttpOptions, *, core: Core | None = None) -> None:
        """Open nothing yet. `core` chooses between httpx's and httpx2's core; the default is `choose_core()`."""
        self._options = options
        self._core = core
        self._supplied = None if options.client is None else SuppliedClient(options.client)
        self._routes: dict[tuple[str, str, int], SyncRoute] = {}
        self._closed = False
        self._pid = os.getpid()

    @property
    def deadlines(self) -> Literal["exact", "best-effort"]:
        """Whether every fault ends at the limit, or a client of the user's own decides when."""
        return "exact" if self._supplied is None else "best-effort"

    def open(self, request: HttpRequest, limit: Limit) -> SyncExchange:
        """Send `request`; return when the status line and headers have arrived. Redirects are never followed.

        Raises `HttpUnreachable`, `HttpTimeout` or `HttpBroken`. A request is sent again by itself in one case only: an
        idle connection turned out to be dead before the kernel took a byte. Once bytes were taken, a POST may have been
        served and billed, so that is reported (`sent=True`) and left to the engine.
        """
        if self._supplied is not None:
            return self._supplied.open(request, limit)
        if self._pid != os.getpid():
            self._forget_parent()
        core = self._core or choose_core()
        use_idle = True
        while True:
            wire = Wire(limit)
            try:
                return self._attempt(request, wire, core, use_idle=use_idle)
            except Exception as error:  # noqa: BLE001 - the border of the library
                wire.abort()
                failure = translated(error, wire, core)
            except BaseException:
                wire.abort()
                raise
            if wire.reused and not wire.received and not isinstance(failure, HttpTimeout):
                self._lost(request, wire, core)
                if not wire.sent:
                    use_idle = False
                    continue
            raise failure

    def _lost(self, request: HttpRequest, wire: Wire, core: Core) -> None:
        """Let the lane of a kept connection that turned out to be closed learn from it."""
        route = self._routes.get(core.address(request.url).key)
        if route is not None:
            route.lane.lost(wire.idle, time.monotonic())

    def _attempt(self, request: HttpRequest, wire: Wire, core: Core, *, use_idle: bool) -> SyncExchange:
        now = time.monotonic()
        if now >= wire.limit.at:
            raise HttpTimeout("connect")
        if self._closed:
            raise HttpUnreachable("the connections are closed")
        address = core.address(request.url)
        route = self._routes.get(address.key) or self._add_route(address, core)
        kept = route.lane.take(now) if use_idle else None
        if kept is None:
            wire.tls = address.tls
            connection = route.factory.create_connection(address.origin)
        else:
            wire.reuse(kept.stream, now - kept.since)
            connection = kept.connection
        response = connection.handle_request(core.request(request, address, wire))
        if wire.received == 0 and wire.stream is not None:  # left over from the exchange before: not our answer
            raise wire.broken("the server had answered before it was asked")
        headers = folded(response.headers)
        wire.phase = "body"
        return SyncExchange(response.status, headers, _LaneBody(connection, response, wire, route.lane, core))

    def _add_route(self, address: Address, core: Core) -> SyncRoute:
        if len(self._routes) >= MAX_ROUTES:
            self._drain()
        factory = core.sync_pool(
            ssl_context=tls_context(self._options, core) if address.tls else None,
            proxy=proxy_for(self._options, address, core),
            network_backend=SyncBackend(core),
        )
        lane = SyncLane(keepalive=self._options.keepalive, max_idle=self._options.max_idle)
        return self._routes.setdefault(address.key, Route(factory, lane))

    def _drain(self) -> None:
        while self._routes:
            try:
                _, route = self._routes.popitem()
            except KeyError:  # another thread took the last
                return
            route.lane.closed = True
            route.lane.drain()

    def _forget_parent(self) -> None:
        """In a forked child: let go of the parent's idle connections, silently (a stream knows its process)."""
        self._pid = os.getpid()
        self._drain()

    def close(self) -> None:
        """Close what is idle; running exchanges end undisturbed, unkept. Twice is fine; a supplied client stays."""
        self._closed = True
        self._drain()


class _LaneBody:
    """The body of a response on one of our own connections."""

    __slots__ = ("_chunks", "_connection", "_core", "_lane", "_over", "_response", "_wire")

    def __init__(
        self, connection: SyncConnection, response: SyncResponse, wire: Wire, lane: SyncLane, core: Core
    ) -> None:
        self._connection = connection
        self._response = response
        self._wire = wire
        self._lane = lane
        self._core = core
        self._chunks = iter(response.stream)
        self._over = False

    def read(self) -> bytes:
        failure: HttpError
        try:
            if time.monotonic() >= self._wire.limit.at:  # one network read may hold thousands of chunks
                raise HttpTimeout("body")
            for chunk in self._chunks:
                return chunk
            self._release()
        except Exception as error:  # noqa: BLE001 - the border of the library
            self.abort()
            failure = translated(error, self._wire, self._core)
        else:
            return b""
        raise failure

    def close(self) -> None:
        """Keep the connection when the body's end is here already: readers of streams leave at the last event."""
        if self._over:
            return
        if isinstance(self._wire.stream, SyncStream) and self._wire.stream.is_inherited:
            self.abort()  # a look at what is here would take it from the parent
            return
        self._wire.patient = False
        try:
            for _ in range(_LEFTOVERS):
                if next(self._chunks, None) is None:
                    self._release()
                    return
        except Exception:  # noqa: BLE001 - the border of the library
            return  # there is more to come: the reader does not want it
        finally:
            self.abort()

    def _release(self) -> None:
        if self._over:
            return
        self._response.stream.close()
        self._over = True
        stream, connection = self._wire.stream, self._connection
        fit = connection.is_idle() and not self._core.holds_bytes(connection)
        if fit and isinstance(stream, SyncStream) and not stream.is_inherited:
            self._lane.give(connection, stream, time.monotonic())
        else:
            self._wire.abort()

    def abort(self) -> None:
        if not self._over:
            self._over = True
            self._wire.abort()
            try:
                self._chunks.close()
            except ValueError:  # another thread is reading: its read has just been ended
                pass
