"""One request as a server sees it, and raw control over every byte that answers it.

`Link` is the connection: it reads on its own, so that a client that leaves is noticed at once. `Exchange` is one
request on it, handed to the behaviour that answers. What an answer is, `modelroute.testing.faults` knows.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias, cast

from modelroute.testing.replies import Dialect

__all__ = ["ClientGoneError", "Ending", "Exchange", "Head", "Headers", "Link", "Record", "SeenRequest", "fingerprint"]

Headers: TypeAlias = Sequence[tuple[str, str]]
"""Headers in the order in which they are sent, repeats included."""

Ending: TypeAlias = Literal["under way", "answered", "closed", "reset", "client left", "stopped"]
"""How an exchange ended: ``answered``, all was said and the connection waits on; ``closed`` or ``reset`` by the
behaviour, with FIN or RST; ``client left`` before all was said; ``stopped`` when the server itself ended."""

SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"})
"""Headers of which the log keeps a fingerprint only: a test's log must be printable."""

_READ = 16_384
_UNREAD_AT_MOST = 65_536
_REASONS = {
    200: "OK",
    301: "Moved Permanently",
    400: "Bad Request",
    429: "Too Many Requests",
    503: "Service Unavailable",
}
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ClientGoneError(Exception):
    """The client closed its side. Ends the behaviour that is being played; never leaves the server."""


def fingerprint(secret: str) -> str:
    """Return what the log shows instead of a secret: the same text always gives the same ``sha256:`` prefix."""
    return "sha256:" + hashlib.sha256(secret.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request as the server saw it.

    - `number` counts from 1 over the server's life; `connection` names the connection, so reuse shows.
    - `path` is the request target as sent. `headers`: lower-case names; secrets replaced by their `fingerprint`.
    - `body`: the parsed JSON, or the bytes where it is none. `model`: what it asked for, ``""`` when it said nothing.
    - `behaviour`: the name of the fault or reply that was played.
    - `at`: seconds from the server's start to the end of the request's head; `ended`: to the end of the behaviour.
    - `bytes_sent`: what the kernel took of the answer, head included.
    - `finished`: nothing more will be said. `client_closed_early`: because the client left first. `ending`: how.
    """

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: object
    model: str
    behaviour: str
    connection: int
    at: float
    ended: float | None
    bytes_sent: int
    client_closed_early: bool
    finished: bool
    ending: Ending = "under way"

    @property
    def streamed(self) -> bool:
        """Whether it asked for a stream."""
        body = self.body
        return isinstance(body, dict) and cast("dict[str, object]", body).get("stream") is True


@dataclass(slots=True)
class Record:
    """A request in the making; `frozen` is what the log shows."""

    number: int
    connection: int
    at: float
    head: Head
    body: object = b""
    model: str = ""
    behaviour: str = ""
    bytes_sent: int = 0
    ended: float | None = None
    client_closed_early: bool = False
    ending: Ending = "under way"

    def end(self, ending: Ending, at: float) -> None:
        """Note that nothing more will be said, and why; a connection the behaviour itself ended stays so."""
        self.ended = at
        if self.ending == "under way":
            self.ending = ending

    def frozen(self) -> SeenRequest:
        """Return the request as it stands now."""
        shown = {
            name: fingerprint(value) if name in SECRET_HEADERS else value for name, value in self.head.headers.items()
        }
        return SeenRequest(
            number=self.number,
            method=self.head.method,
            path=self.head.path,
            headers=MappingProxyType(shown),
            body=self.body,
            model=self.model,
            behaviour=self.behaviour,
            connection=self.connection,
            at=self.at,
            ended=self.ended,
            bytes_sent=self.bytes_sent,
            client_closed_early=self.client_closed_early,
            finished=self.ended is not None,
            ending=self.ending,
        )


@dataclass(frozen=True, slots=True)
class Head:
    """A request's first line and headers (lower-case names; a repeated header is joined by commas)."""

    method: str
    path: str
    headers: Mapping[str, str]

    @classmethod
    def parse(cls, data: bytes) -> Head:
        """Read the bytes before the empty line. Raises `ValueError` when they are no HTTP."""
        first, *lines = data.decode("latin-1").split("\r\n")
        method, path, version = first.split(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError(f"not HTTP/1: {version!r}")
        headers = dict[str, str]()
        for line in lines:
            name, _, value = line.partition(":")
            lower, value = name.strip().lower(), value.strip()
            headers[lower] = f"{headers[lower]}, {value}" if lower in headers else value
        return cls(method, path, headers)


class Link:
    """A connection to one client. Reads in the background into a small buffer; `gone` is set when the client closed.

    `stale`: the next request on it is to be reset unread.
    """

    def __init__(self, connection: socket.socket, number: int) -> None:
        self.number = number
        self.gone = asyncio.Event()
        self.closed = False
        self.stale = False
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._changed = asyncio.Event()
        self._pump = self._loop.create_task(self._read(), name=f"link-{number}")

    async def _read(self) -> None:
        try:
            while True:
                while len(self._buffer) >= _UNREAD_AT_MOST:
                    await self._change()
                data = await self._loop.sock_recv(self._socket, _READ)
                if not data:
                    break
                self._buffer += data
                self._changed.set()
        except OSError:
            pass  # a reset is a way of leaving
        finally:
            self.gone.set()
            self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def wait_for_bytes(self) -> bytes:
        """Wait for the first byte of what comes next and return it, unread; ``b""`` when the client leaves instead."""
        while not self._buffer and not self.gone.is_set():
            await self._change()
        return bytes(self._buffer[:1])

    async def take(self, count: int) -> bytes:
        """Return exactly `count` bytes. Raises `ClientGoneError` when the client closes first."""
        taken = bytearray()
        while len(taken) < count:
            if not self._buffer:
                if self.gone.is_set():
                    raise ClientGoneError
                await self._change()
                continue
            part = self._buffer[: count - len(taken)]
            del self._buffer[: len(part)]
            self._changed.set()
            taken += part
        return bytes(taken)

    async def take_until(self, mark: bytes) -> bytes:
        """Return the bytes before `mark` and swallow it; at most 64 KiB. Raises `ClientGoneError`, `ValueError`."""
        while mark not in self._buffer:
            if self.gone.is_set():
                raise ClientGoneError
            if len(self._buffer) >= _UNREAD_AT_MOST:
                raise ValueError("no end of the request's head within 64 KiB")
            await self._change()
        end = self._buffer.index(mark)
        taken = bytes(self._buffer[:end])
        del self._buffer[: end + len(mark)]
        self._changed.set()
        return taken

    async def send(self, data: bytes) -> int:
        """Send all of `data`. Raises `ClientGoneError` when the client is known to have left, or leaves meanwhile."""
        if self.gone.is_set() or self.closed:
            raise ClientGoneError
        try:
            await self._loop.sock_sendall(self._socket, data)
        except OSError as error:
            raise ClientGoneError from error
        return len(data)

    def half_close(self) -> None:
        """Say that nothing more will be sent (FIN), and go on reading."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.gone.set()

    def close(self, *, reset: bool = False) -> None:
        """Close, with FIN or with RST, without waiting for anything. Closing twice is harmless."""
        if self.closed:
            return
        self.closed = True
        self._pump.cancel()
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        if reset:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._socket.close()


@dataclass(slots=True)
class Exchange:
    """A request, and the means to answer it byte by byte. What a `Fault` plays on.

    `dialect` follows the path, `streamed` and `model` the body. `turn` counts from 1 the requests that this script was
    asked. `keep_alive`: after the behaviour the connection waits for the next request; else it is closed. Every method
    that waits or sends raises `ClientGoneError` when the client has left.
    """

    link: Link
    record: Record
    turn: int = 1
    keep_alive: bool = True
    raw: bytes = b""
    settings: Mapping[str, object] = field(default_factory=dict[str, object])

    @property
    def head(self) -> Head:
        """The request's first line and headers."""
        return self.record.head

    @property
    def model(self) -> str:
        """The model asked for, ``""`` when the body names none."""
        return self.record.model

    @property
    def streamed(self) -> bool:
        """Whether a stream was asked for."""
        return self.settings.get("stream") is True

    @property
    def dialect(self) -> Dialect:
        """The protocol spoken on this path."""
        return "anthropic" if self.head.path.partition("?")[0].endswith("/messages") else "openai"

    async def read_body(self, *, bytes_per_second: float | None = None) -> None:
        """Read the request's body, slowly if asked; it is then in `raw`, `settings` and the log."""
        length = int(self.head.headers.get("content-length", "0") or 0)
        if "chunked" in self.head.headers.get("transfer-encoding", ""):
            self.raw = await self._read_chunks()
        elif bytes_per_second is None:
            self.raw = await self.link.take(length)
        else:
            step = max(1, int(bytes_per_second / 50))
            while len(self.raw) < length:
                self.raw += await self.link.take(min(step, length - len(self.raw)))
                await self.pause(step / bytes_per_second)
        try:
            body: object = json.loads(self.raw)
        except ValueError:
            body = self.raw
        self.record.body = body
        if isinstance(body, dict):
            self.settings = cast("dict[str, object]", body)
            self.record.model = str(self.settings.get("model", ""))

    async def _read_chunks(self) -> bytes:
        whole = bytearray()
        while size := int((await self.link.take_until(b"\r\n")).partition(b";")[0], 16):
            whole += await self.link.take(size)
            await self.link.take_until(b"\r\n")
        while await self.link.take_until(b"\r\n"):
            pass  # trailers mean nothing to us
        return bytes(whole)

    # ---------------------------------------------------------------------------------------------------- answering

    async def send(self, data: bytes) -> None:
        """Send raw bytes."""
        self.record.bytes_sent += await self.link.send(data)

    async def begin(self, status: int = 200, headers: Headers = (), *, framing: Headers | None = None) -> None:
        """Send a head. `framing` says how the body ends; by default in chunks, for `chunk` and `end`."""
        ending = (("transfer-encoding", "chunked"),) if framing is None else tuple(framing)
        await self.send(head_bytes(status, (*headers, *ending)))

    async def chunk(self, data: bytes) -> None:
        """Send one chunk of a body begun in chunks."""
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def end(self) -> None:
        """Send the chunk that ends the body."""
        await self.send(b"0\r\n\r\n")

    async def reply(self, status: int, body: bytes, headers: Headers = (), *, kind: str = "application/json") -> None:
        """Send a whole answer with its length."""
        framing = (("content-type", kind), ("content-length", str(len(body))))
        await self.send(head_bytes(status, (*headers, *framing)) + body)

    async def stream(self, events: Sequence[bytes], *, between: float = 0.0) -> None:
        """Send a whole stream of events, one chunk each, `between` seconds apart."""
        await self.begin_stream()
        await self.chunks(events, between=between)
        await self.end()

    async def begin_stream(self) -> None:
        """Send the head of a stream of events, in chunks."""
        await self.begin(200, (("content-type", "text/event-stream"), ("cache-control", "no-cache")))

    async def chunks(self, events: Sequence[bytes], *, between: float = 0.0) -> None:
        """Send events, one chunk each."""
        for place, data in enumerate(events):
            if place and between:
                await self.pause(between)
            await self.chunk(data)

    async def pause(self, seconds: float) -> None:
        """Say nothing for a while; ends at once when the client leaves."""
        try:
            async with asyncio.timeout(seconds):
                await self.hang()
        except TimeoutError:
            return

    async def hang(self) -> None:
        """Say nothing until the client leaves."""
        await self.link.gone.wait()
        raise ClientGoneError

    # ------------------------------------------------------------------------------------------------------- ending

    def reset(self) -> None:
        """End the connection with RST: the other side's read fails."""
        self.keep_alive = False
        self.record.ending = "reset"
        self.link.close(reset=True)

    def close(self) -> None:
        """End the connection with FIN, whatever was promised."""
        self.keep_alive = False
        self.record.ending = "closed"
        self.link.close()

    def half_close(self) -> None:
        """Send FIN and go on listening."""
        self.keep_alive = False
        self.record.ending = "closed"
        self.link.half_close()


def head_bytes(status: int, headers: Headers) -> bytes:
    """Return a status line and headers as they stand on the wire."""
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Status')}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
