"""Exchanges on asyncio over our own lanes of connections, each bounded by a limit that may move."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from typing import Literal

from modelroute.runtime.http.async_backend import AsyncBackend, AsyncStream
from modelroute.runtime.http.core import Address, AsyncConnection, AsyncFactory, AsyncResponse, Core, choose_core
from modelroute.runtime.http.errors import HttpError, HttpTimeout, HttpUnreachable
from modelroute.runtime.http.exchange import AsyncExchange, folded
from modelroute.runtime.http.lanes import Lane
from modelroute.runtime.http.options import HttpOptions, HttpRequest, Limit
from modelroute.runtime.http.routes import MAX_ROUTES, Route, proxy_for, tls_context
from modelroute.runtime.http.supplied import SuppliedAsyncClient
from modelroute.runtime.http.wire import AsyncWire, translated

__all__ = ["AsyncHttp"]

AsyncLane = Lane[AsyncConnection, AsyncStream]
AsyncRoute = Route[AsyncConnection, AsyncStream, AsyncFactory]

_LEFTOVERS = 8  # as in sync_http


class _LoopState:
    """What belongs to one event loop, and ends with it: the loop's shutdown of its generators runs our `finally`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, core: Core) -> None:
        self.loop = loop
        self.core = core
        self.backend = AsyncBackend(core)
        self.routes: dict[tuple[str, str, int], AsyncRoute] = {}
        self.guard = self._until_shutdown()

    async def _until_shutdown(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self.close_idle()
            for stream in list(self.backend.streams):  # of exchanges that somebody dropped
                stream.abort()
            await asyncio.sleep(0)  # the transports let go of their sockets in the next turn

    def close_idle(self) -> None:
        while self.routes:
            _, route = self.routes.popitem()
            route.lane.closed = True
            route.lane.drain()

    def is_busy(self) -> bool:
        """Whether an exchange is under way."""
        return any(stream.is_open for stream in self.backend.streams)

    def close_descriptors(self) -> None:
        """Close the sockets when the loop cannot be asked to: it is closed, or it is the parent process's."""
        self.routes.clear()
        for stream in list(self.backend.streams):
            stream.close_descriptor()


class AsyncHttp:
    """Sends requests for one provider, on any number of event loops, one after another or at once in threads."""

    def __init__(self, options: HttpOptions, *, core: Core | None = None) -> None:
        """Open nothing yet. `core` chooses between httpx's and httpx2's core; the default is `choose_core()`."""
        self._options = options
        self._core = core
        self._supplied = None if options.async_client is None else SuppliedAsyncClient(options.async_client)
        self._states: dict[int, _LoopState] = {}
        self._closed = False
        self._pid = os.getpid()

    @property
    def deadlines(self) -> Literal["exact", "best-effort"]:
        """Whether every fault ends at the limit, or a client of the user's own decides when."""
        return "exact" if self._supplied is None else "best-effort"

    async def open(self, request: HttpRequest, limit: Limit) -> AsyncExchange:
        """Send `request`; return when the status line and headers have arrived. As `SyncHttp.open`.

        A cancelled task sees its own `CancelledError`, after the socket was closed; the limit never cancels the task.
        """
        if self._supplied is not None:
            return await self._supplied.open(request, limit)
        core = self._core or choose_core()
        loop = asyncio.get_running_loop()
        use_idle = True
        while True:
            wire = AsyncWire(limit, loop)
            try:
                return await self._attempt(request, wire, core, use_idle=use_idle)
            except Exception as error:  # noqa: BLE001 - the border of the library
                wire.disarm()
                wire.abort()
                failure = translated(error, wire, core)
            except BaseException:
                wire.disarm()
                wire.abort()
                raise
            if wire.reused and not wire.received and not isinstance(failure, HttpTimeout):
                self._lost(request, wire, core)
                if not wire.sent:
                    use_idle = False
                    continue
            raise failure

    def _lost(self, request: HttpRequest, wire: AsyncWire, core: Core) -> None:
        """Let the lane of a kept connection that turned out to be closed learn from it."""
        state = self._states.get(id(wire.loop))
        route = None if state is None else state.routes.get(core.address(request.url).key)
        if route is not None:
            route.lane.lost(wire.idle, wire.loop.time())

    async def _attempt(self, request: HttpRequest, wire: AsyncWire, core: Core, *, use_idle: bool) -> AsyncExchange:
        now = wire.loop.time()
        if now >= wire.limit.at:
            raise HttpTimeout("connect")
        if self._closed:
            raise HttpUnreachable("the connections are closed")
        state = self._states.get(id(wire.loop))
        if state is None or state.loop is not wire.loop or self._pid != os.getpid():
            state = await self._begin(wire.loop, core)
        address = core.address(request.url)
        route = state.routes.get(address.key) or self._add_route(state, address, core)
        kept = route.lane.take(now) if use_idle else None
        if kept is None:
            wire.tls = address.tls
            connection = route.factory.create_connection(address.origin)
        else:
            wire.reuse(kept.stream, now - kept.since)
            connection = kept.connection
        response = await connection.handle_async_request(core.request(request, address, wire))
        if wire.received == 0 and wire.stream is not None:  # left over from the exchange before: not our answer
            raise wire.broken("the server had answered before it was asked")
        headers = folded(response.headers)
        wire.phase = "body"
        return AsyncExchange(response.status, headers, _LaneBody(connection, response, wire, route.lane, state))

    async def _begin(self, loop: asyncio.AbstractEventLoop, core: Core) -> _LoopState:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            for state in self._states.values():
                state.close_descriptors()
            self._states.clear()
        for state in list(self._states.values()):
            if state.loop.is_closed():
                state.close_descriptors()
                self._states.pop(id(state.loop), None)
        state = self._states[id(loop)] = _LoopState(loop, core)
        await anext(
            state.guard
        )  # does not wait; from now on the loop knows the generator and ends it when it shuts down
        return state

    def _add_route(self, state: _LoopState, address: Address, core: Core) -> AsyncRoute:
        if len(state.routes) >= MAX_ROUTES:
            state.close_idle()
        factory = core.async_pool(
            ssl_context=tls_context(self._options, core) if address.tls else None,
            proxy=proxy_for(self._options, address, core),
            network_backend=state.backend,
        )
        lane = AsyncLane(keepalive=self._options.keepalive, max_idle=self._options.max_idle)
        route = state.routes[address.key] = Route(factory, lane)
        return route

    async def aclose(self) -> None:
        """Close what is idle, on every loop; exchanges that run end undisturbed, unkept. Closing twice is fine."""
        self._closed = True
        here = asyncio.get_running_loop()
        for key, state in list(self._states.items()):
            if state.loop is here:
                state.close_idle()
                if not state.is_busy():
                    self._states.pop(key, None)
                    await state.guard.aclose()
            elif state.loop.is_closed() or self._pid != os.getpid():
                self._states.pop(key, None)
                state.close_descriptors()
            else:
                try:
                    state.loop.call_soon_threadsafe(state.close_idle)
                except RuntimeError:  # closed this very moment; its shutdown has run
                    state.close_descriptors()


class _LaneBody:
    """The body of a response on one of our own connections."""

    __slots__ = ("_chunks", "_connection", "_lane", "_over", "_response", "_state", "_wire")

    def __init__(
        self, connection: AsyncConnection, response: AsyncResponse, wire: AsyncWire, lane: AsyncLane, state: _LoopState
    ) -> None:
        self._connection = connection
        self._response = response
        self._wire = wire
        self._lane = lane
        self._state = state  # whose end would close this connection, so it must not end before
        self._chunks = aiter(response.stream)
        self._over = False

    async def read(self) -> bytes:
        failure: HttpError
        try:
            if self._wire.loop.time() >= self._wire.limit.at:  # one network read may hold thousands of chunks
                raise HttpTimeout("body")
            async for chunk in self._chunks:
                return chunk
            await self._release()
        except Exception as error:  # noqa: BLE001 - the border of the library
            self.abort()
            failure = translated(error, self._wire, self._state.core)
        else:
            return b""
        raise failure

    async def aclose(self) -> None:
        """As in sync: keep the connection when the end of the body is here already."""
        if self._over:
            return
        self._wire.patient = False
        try:
            for _ in range(_LEFTOVERS):
                if await anext(self._chunks, None) is None:
                    await self._release()
                    return
        except Exception:  # noqa: BLE001 - the border of the library
            return  # there is more to come: the reader does not want it
        finally:
            self.abort()
            try:
                await self._chunks.aclose()
            except RuntimeError:  # another task is reading: its read has just been ended
                pass

    async def _release(self) -> None:
        if self._over:
            return
        await self._response.stream.aclose()
        self._over = True
        self._wire.disarm()
        stream, connection = self._wire.stream, self._connection
        fit = connection.is_idle() and not self._state.core.holds_bytes(connection)
        if fit and isinstance(stream, AsyncStream):
            self._lane.give(connection, stream, self._wire.loop.time())
        else:
            self._wire.abort()

    def abort(self) -> None:
        if not self._over:
            self._over = True
            self._wire.disarm()
            self._wire.abort()
