"""asyncio's own transports beneath httpcore: no anyio stream, no thread, no timeout object per read.

Internal. A network backend for httpcore's asynchronous pool. A stream is the protocol itself; it keeps what arrived and
one future that whoever reads (or waits for room to write) sleeps on. The limit wakes that same future (`AsyncWire`).
Connecting, which happens once per connection, uses `asyncio.timeout_at`, which tells its own cancel from the caller's.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import cast

from modelroute.runtime.http.core import Core
from modelroute.runtime.http.errors import HttpTimeout, HttpUnreachable
from modelroute.runtime.http.resolve import Endpoint, resolve_async
from modelroute.runtime.http.sync_backend import has_ended, tune
from modelroute.runtime.http.wire import AsyncWire, wire_of

__all__ = ["AsyncBackend", "AsyncStream"]

_STOP_READING = 256 * 1024
_READ_AGAIN = 64 * 1024


def _wire_of(timeout: float | None) -> AsyncWire:
    wire = wire_of(timeout)
    if not isinstance(wire, AsyncWire):
        raise TypeError("this backend serves only asynchronous attempts")
    return wire


class AsyncStream(asyncio.Protocol):
    """One connected transport: asyncio's protocol and httpcore's stream in one object."""

    def __init__(self, core: Core, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self._core = core
        self._sock = sock
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._lost = False
        self._error: Exception | None = None
        self._reading_paused = False
        self._choked = False
        self._held: bytes | None = None  # as in SyncStream
        self._waiter: asyncio.Future[None] | None = None

    # asyncio calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        # Not every loop's transports derive from asyncio's class: uvloop's only behave like it.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:  # noqa: D102
        self._chunks.append(data)
        self._size += len(data)
        if self._size > _STOP_READING and not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:  # noqa: D102
        self._ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        self._ended = self._lost = True
        self._error = exc
        self._wake()

    def pause_writing(self) -> None:  # noqa: D102
        self._choked = True

    def resume_writing(self) -> None:  # noqa: D102
        self._choked = False
        self._wake()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _wait(self, wire: AsyncWire) -> None:
        waiter = self._waiter = self._loop.create_future()
        try:
            await wire.wait(waiter)
        finally:
            self._waiter = None

    # httpcore calls these.

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what arrives next, ``b""`` at the end."""
        wire = _wire_of(timeout)
        if self._held:
            head, self._held = self._held, b""
            await self._send(head, wire)
        self._held = None
        wire.reading()
        while True:
            if self._loop.time() >= wire.bound():
                raise HttpTimeout(wire.phase)
            if self._chunks:
                return self._taken(max_bytes, wire)
            if self._ended:
                if self._error is not None:
                    raise ConnectionError(str(self._error) or type(self._error).__name__)
                return b""
            if not wire.patient:
                raise HttpTimeout(wire.phase)
            await self._wait(wire)

    def _taken(self, max_bytes: int, wire: AsyncWire) -> bytes:
        chunk = self._chunks.popleft()
        if len(chunk) > max_bytes:
            self._chunks.appendleft(chunk[max_bytes:])
            chunk = chunk[:max_bytes]
        self._size -= len(chunk)
        if self._reading_paused and self._size < _READ_AGAIN and self._transport is not None and not self._lost:
            self._reading_paused = False
            self._transport.resume_reading()
        wire.arrived(len(chunk))
        return chunk

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send `buffer`; the first after a read waits for the second, or the next read, to leave in one piece."""
        if not buffer:
            return
        held = self._held
        if held is None:
            self._held = bytes(buffer)
            return
        self._held = b""
        await self._send(held + buffer if held else buffer, _wire_of(timeout))

    async def _send(self, data: bytes, wire: AsyncWire) -> None:
        transport = self._transport
        if transport is None or self._lost or transport.is_closing():
            raise self._core.write_error("the connection is closed")
        if self._loop.time() >= wire.bound():
            raise HttpTimeout(wire.phase)
        transport.write(data)
        if transport.is_closing():  # the kernel refused at once: it took nothing
            raise self._core.write_error("the connection is closed")
        if wire.connected:
            wire.sent = True
        while self._choked and not self._lost:
            if self._loop.time() >= wire.bound():
                raise HttpTimeout(wire.phase)
            await self._wait(wire)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> AsyncStream:
        """Do the TLS handshake within the limit."""
        wire = _wire_of(timeout)
        plain = self._transport
        if plain is None:
            raise ConnectionError("the connection is closed")
        patience = asyncio.timeout_at(wire.bound())
        try:
            async with patience:
                secure = await self._loop.start_tls(plain, self, ssl_context, server_hostname=server_hostname)
        except TimeoutError:
            plain.abort()
            if patience.expired():
                raise HttpTimeout("connect") from None
            raise
        except BaseException:
            plain.abort()
            raise
        if secure is None:
            raise ConnectionError("the connection was closed during the TLS handshake")
        self._transport = secure
        self._held = None
        wire.connect_done(self)
        return self

    def get_extra_info(self, info: str) -> object:
        """Return the TLS object; httpcore asks for nothing else on our path."""
        if info == "ssl_object" and self._transport is not None:
            found: object = self._transport.get_extra_info("ssl_object")
            return found
        return None

    @property
    def is_open(self) -> bool:
        """Whether the connection stands."""
        return not self._lost

    def is_usable(self) -> bool:
        """Whether this idle connection may carry another request."""
        if self._chunks or self._ended or self._transport is None or self._transport.is_closing():
            return False
        return not has_ended(self._sock)  # the loop may not have looked since the peer closed

    def abort(self) -> None:
        """Close the socket now, without waiting. To be called in the loop's thread, or after the loop closed."""
        self._lost = self._ended = True
        self._chunks.clear()
        self._wake()
        if self._transport is None or self._loop.is_closed():
            self.close_descriptor()
        else:
            self._transport.abort()

    def close_descriptor(self) -> None:
        """Close the socket under a transport whose loop is gone."""
        try:
            self._sock.close()
        except OSError:
            pass

    async def aclose(self) -> None:
        """Close the socket now."""
        self.abort()


class AsyncBackend:
    """Makes connections for httpcore on one event loop, and knows those that live."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.streams: weakref.WeakSet[AsyncStream] = weakref.WeakSet()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[object] | None = None,
    ) -> AsyncStream:
        """Connect to the first address that answers; each gets an equal share of what is left."""
        wire = _wire_of(timeout)
        patience = asyncio.timeout_at(wire.bound())
        try:
            async with patience:
                stream = await self._connected(await resolve_async(host, port), wire)
        except TimeoutError:
            if patience.expired():
                raise HttpTimeout("connect") from None
            raise
        if wire.tls:
            wire.stream = stream
        else:
            wire.connect_done(stream)
        return stream

    async def _connected(self, endpoints: list[Endpoint], wire: AsyncWire) -> AsyncStream:
        failure: OSError | None = None
        for others, (family, kind, protocol, address) in zip(range(len(endpoints) - 1, -1, -1), endpoints, strict=True):
            now = wire.loop.time()
            share = now + (wire.bound() - now) / (others + 1) if others else None  # the last one has the caller's bound
            sock = socket.socket(family, kind, protocol)
            try:
                sock.setblocking(False)
                async with asyncio.timeout_at(share):
                    await wire.loop.sock_connect(sock, address)
                tune(sock)
                _, stream = await wire.loop.create_connection(self._protocol(sock, wire.loop), sock=sock)
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
            else:
                self.streams.add(stream)
                return stream
        raise failure or HttpUnreachable("the host name has no address")

    def _protocol(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> Callable[[], AsyncStream]:
        return lambda: AsyncStream(self._core, sock, loop)

    async def sleep(self, seconds: float) -> None:
        """Never called: httpcore's own retries are off."""
        raise NotImplementedError
