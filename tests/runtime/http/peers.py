"""Servers on loopback sockets that behave as a test says, byte by byte, and the two colours of client that meet them.

`localhost.pem` is a throw-away key with its own certificate; it protects nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from modelroute.runtime.http import (
    AsyncExchange,
    AsyncHttp,
    HttpOptions,
    HttpRequest,
    Limit,
    SyncExchange,
    SyncHttp,
)
from modelroute.runtime.http.core import load_core

CERTIFICATE = str(Path(__file__).with_name("localhost.pem"))
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Line:
    """One accepted connection, as a script sees it."""

    def __init__(self, peer: Peer, sock: socket.socket) -> None:
        self.peer = peer
        self.sock = sock
        self._buffer = b""

    def request(self) -> bytes:
        """Return the next request whole; `ConnectionError` when the client has closed."""
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        head, _, rest = self._buffer.partition(b"\r\n\r\n")
        length = 0
        for header in head.lower().split(b"\r\n"):
            if header.startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        while len(rest) < length:
            self._more()
            rest = self._buffer.partition(b"\r\n\r\n")[2]
        self._buffer = rest[length:]
        whole = head + b"\r\n\r\n" + rest[:length]
        self.peer.requests.append(whole)
        return whole

    def _more(self) -> None:
        data = self.sock.recv(1 << 20)
        if not data:
            raise ConnectionError
        self._buffer += data

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def until_closed(self) -> None:
        """Wait until the client closes or the test ends."""
        self.sock.settimeout(0.05)
        while not self.peer.over.is_set():
            try:
                if not self.sock.recv(1 << 16):
                    return
            except TimeoutError:
                continue

    def drip(self, data: bytes, pause: float = 0.004) -> None:
        """Repeat `data` until the client closes or the test ends."""
        while not self.peer.over.wait(pause):
            self.sock.sendall(data)

    def reset(self) -> None:
        """Close so that the client gets a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.sock.close()


Script = Callable[[Line], None]


def polite(line: Line) -> None:
    """Answer every request with two bytes of JSON."""
    while True:
        line.request()
        line.send(OK)


class Peer:
    """A server that runs `script` for each connection, in a thread of its own."""

    def __init__(self, script: Script = polite, *, tls: bool = False) -> None:
        self._script = script
        self._tls: ssl.SSLContext | None = None
        if tls:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(CERTIFICATE)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"https://localhost:{self.port}" if tls else f"http://127.0.0.1:{self.port}"
        self.over = threading.Event()
        self.requests: list[bytes] = []
        self.accepted = 0
        self.open = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        until(lambda: self.open == 0)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.accepted += 1
                self.open += 1
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            sock.settimeout(10)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            threading.Thread(target=self._end, args=(sock,), daemon=True).start()
            self._script(Line(self, sock))
        except (OSError, ValueError):
            pass
        finally:
            sock.close()
            with self._lock:
                self.open -= 1

    def _end(self, sock: socket.socket) -> None:
        """Let no script outlive its test."""
        self.over.wait(30)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


def until(holds: Callable[[], bool], seconds: float = 3.0) -> bool:
    """Wait for another thread to have done its part; return whether it has."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


@contextlib.contextmanager
def deaf_port() -> Iterator[int]:
    """A port whose queue of connections is full: whoever connects waits."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    waiting = []
    for _ in range(4):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(listener.getsockname())
        waiting.append(sock)
    time.sleep(0.02)
    try:
        yield listener.getsockname()[1]
    finally:
        for sock in (*waiting, listener):
            sock.close()


class SyncSide:
    """`SyncHttp` behind awaitable methods, so that one test serves both colours. It blocks, as its users do."""

    colour = "sync"

    def __init__(self, options: HttpOptions | None = None, *, core: str = "httpcore") -> None:
        self.http = SyncHttp(options or HttpOptions(verify=CERTIFICATE, trust_env=False), core=load_core(core))

    @staticmethod
    def now() -> float:
        return time.monotonic()

    async def open(self, request: HttpRequest, limit: Limit | None = None) -> SyncReader:
        return SyncReader(self.http.open(request, limit or Limit(self.now() + 5)))

    async def aclose(self) -> None:
        self.http.close()


class SyncReader:
    def __init__(self, exchange: SyncExchange) -> None:
        self.exchange = exchange
        self.status = exchange.status
        self.headers: Mapping[str, str] = exchange.headers

    async def read(self) -> bytes:
        return self.exchange.read()

    async def aclose(self) -> None:
        self.exchange.close()

    def abort(self) -> None:
        self.exchange.abort()


class AsyncSide:
    """`AsyncHttp` with the same interface."""

    colour = "async"

    def __init__(self, options: HttpOptions | None = None, *, core: str = "httpcore") -> None:
        self.http = AsyncHttp(options or HttpOptions(verify=CERTIFICATE, trust_env=False), core=load_core(core))

    @staticmethod
    def now() -> float:
        return asyncio.get_running_loop().time()

    async def open(self, request: HttpRequest, limit: Limit | None = None) -> AsyncExchange:
        return await self.http.open(request, limit or Limit(self.now() + 5))

    async def aclose(self) -> None:
        await self.http.aclose()


Side = SyncSide | AsyncSide
Reader = SyncReader | AsyncExchange


async def whole(reader: Reader) -> bytes:
    """Return the body, read to its end."""
    body = bytearray()
    while data := await reader.read():
        body += data
    return bytes(body)
