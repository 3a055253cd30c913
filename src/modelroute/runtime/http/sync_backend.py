"""Blocking sockets whose every step is bounded by the attempt's own moving limit.

Internal. A network backend for httpcore's synchronous pool: each connect, handshake, send and receive asks the `Wire`
for what is left at that moment, so a server that drips bytes cannot stretch the whole. The head and the body of a
request, which httpcore writes apart, leave in one send.
"""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Iterable

from modelroute.runtime.http.core import Core
from modelroute.runtime.http.errors import HttpTimeout, HttpUnreachable
from modelroute.runtime.http.resolve import Endpoint, resolve
from modelroute.runtime.http.wire import Wire, wire_of

__all__ = ["SyncBackend", "SyncStream", "has_ended", "tune"]

_LONGEST_WAIT = 86_400.0  # settimeout refuses infinity
_KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5))


def tune(sock: socket.socket) -> None:
    """Send at once, and notice a peer that vanished during a long silence (a model may think for minutes)."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        option = getattr(socket, name, None)
        if isinstance(option, int):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def has_ended(sock: socket.socket) -> bool:
    """Whether an idle, non-blocking socket is of no more use: closed, broken, or holding bytes nobody asked for."""
    try:
        socket.socket.recv(sock, 1, socket.MSG_PEEK)  # the plain method: an SSLSocket refuses flags
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:
        return True
    return True


def _left(wire: Wire) -> float:
    """Return the seconds this operation may take; raises when there are none."""
    left = wire.bound() - time.monotonic()
    if left <= 0.0:
        raise HttpTimeout(wire.phase)
    return min(left, _LONGEST_WAIT)


def _limit_passed(error: OSError) -> bool:
    """Tell our own timeout from the kernel's ETIMEDOUT, which Python gives the same class."""
    return isinstance(error, TimeoutError) and error.errno is None


class SyncStream:
    """One connected socket, as httpcore uses it."""

    __slots__ = ("_core", "_held", "_pid", "_sock")

    def __init__(self, core: Core, sock: socket.socket) -> None:
        self._core = core
        self._sock = sock
        self._held: bytes | None = None  # None: nothing written since the last read; b"": the held head has left
        self._pid = os.getpid()

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what arrives next, ``b""`` at the end."""
        wire = wire_of(timeout)
        if self._held:
            head, self._held = self._held, b""
            self._send(head, wire)
        self._held = None
        wire.reading()
        left = _left(wire)
        sock = self._sock
        sock.settimeout(left if wire.patient else 0.0)
        try:
            data = sock.recv(max_bytes)
        except (BlockingIOError, ssl.SSLWantReadError):
            raise HttpTimeout(wire.phase) from None
        except OSError as error:
            if _limit_passed(error):
                raise HttpTimeout(wire.phase) from None
            raise
        wire.arrived(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send `buffer`; the first after a read waits for the second, or the next read, to leave in one piece."""
        if not buffer:
            return
        held = self._held
        if held is None:
            self._held = bytes(buffer)
            return
        self._held = b""
        self._send(held + buffer if held else buffer, wire_of(timeout))

    def _send(self, data: bytes, wire: Wire) -> None:
        sock = self._sock
        view = memoryview(data)
        while view:
            sock.settimeout(_left(wire))
            try:
                count = sock.send(view)
            except OSError as error:
                if _limit_passed(error):
                    raise HttpTimeout(wire.phase) from None
                raise self._core.write_error(str(error)) from None  # httpcore then looks for an early answer
            if wire.connected:
                wire.sent = True
            view = view[count:]

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> SyncStream:
        """Do the TLS handshake within the limit."""
        wire = wire_of(timeout)
        try:
            self._sock.settimeout(_left(wire))
            # The handshake happens inside: contexts that verify by the system's own means check right after it.
            self._sock = ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
        except OSError as error:
            self.close()
            if _limit_passed(error):
                raise HttpTimeout("connect") from None
            raise
        except BaseException:
            self.close()
            raise
        self._held = None
        wire.connect_done(self)
        return self

    def get_extra_info(self, info: str) -> object:
        """Return the TLS object; httpcore asks for nothing else on our path."""
        return self._sock if info == "ssl_object" and isinstance(self._sock, ssl.SSLSocket) else None

    def is_usable(self) -> bool:
        """Whether this idle connection may carry another request."""
        try:
            self._sock.settimeout(0.0)
        except OSError:
            return False
        return not has_ended(self._sock)

    @property
    def is_inherited(self) -> bool:
        """Whether this process got the socket from its parent, which goes on using it."""
        return self._pid != os.getpid()

    def close(self) -> None:
        """Close the socket now; the peer sees it whatever other process inherited it, unless this is that process."""
        if not self.is_inherited:
            try:
                self._sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # not connected any more
        self._close_descriptor()

    def _close_descriptor(self) -> None:
        try:
            self._sock.close()
        except OSError:  # a reset reported by close itself
            pass

    abort = close


class SyncBackend:
    """Makes connections for httpcore."""

    __slots__ = ("_core",)

    def __init__(self, core: Core) -> None:
        self._core = core

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[object] | None = None,
    ) -> SyncStream:
        """Connect to the first address that answers; each gets an equal share of what is left."""
        wire = wire_of(timeout)
        _left(wire)
        endpoints = resolve(host, port, wire.bound())
        failure: OSError | None = None
        for index, endpoint in enumerate(endpoints):
            left = _left(wire)
            try:
                sock = _connected(endpoint, left / (len(endpoints) - index))
            except OSError as error:
                failure = error
                continue
            stream = SyncStream(self._core, sock)
            if wire.tls:
                wire.stream = stream
            else:
                wire.connect_done(stream)
            return stream
        if failure is None:
            raise HttpUnreachable("the host name has no address")
        if _limit_passed(failure):
            raise HttpTimeout("connect")
        raise failure

    def sleep(self, seconds: float) -> None:
        """Never called: httpcore's own retries are off."""
        raise NotImplementedError


def _connected(endpoint: Endpoint, timeout: float) -> socket.socket:
    family, kind, protocol, address = endpoint
    sock = socket.socket(family, kind, protocol)
    try:
        sock.settimeout(timeout)
        sock.connect(address)
        tune(sock)
    except BaseException:
        sock.close()
        raise
    return sock
