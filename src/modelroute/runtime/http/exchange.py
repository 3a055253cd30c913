"""The two faces of an exchange that has its headers: read the body, close. Its bytes come from a source.

Internal. Two sources exist, each in two colours: a connection of our own lanes, and a client the user handed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Protocol

from modelroute.runtime.http.decoding import decoder_for
from modelroute.runtime.http.errors import HttpBroken
from modelroute.runtime.http.wire import HEADER_BYTES

__all__ = ["AsyncExchange", "AsyncSource", "SyncExchange", "SyncSource", "folded"]


def folded(raw: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Return headers by lower-case name, repeated ones joined by ``", "``; `HttpBroken` when they exceed 64 KiB."""
    headers: dict[str, str] = {}
    size = 0
    for name, value in raw:
        size += len(name) + len(value) + 4
        key = name.decode("latin-1").lower()
        text = value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    if size > HEADER_BYTES:
        raise HttpBroken("headers", sent=True, any_bytes=True, message="the headers are too long")
    return MappingProxyType(headers)


class SyncSource(Protocol):
    """Raw bytes of one body. Methods raise only `HttpError`; whoever interrupts a read aborts."""

    def read(self) -> bytes:
        """Return the next bytes, ``b""`` at the end."""
        ...

    def close(self) -> None:
        """Release: for reuse when the body was read to its end, else by closing the socket."""
        ...

    def abort(self) -> None:
        """Close the socket now."""
        ...


class AsyncSource(Protocol):
    """As `SyncSource`."""

    async def read(self) -> bytes:
        """Return the next bytes, ``b""`` at the end."""
        ...

    async def aclose(self) -> None:
        """Release."""
        ...

    def abort(self) -> None:
        """Close the socket now."""
        ...


class SyncExchange:
    """A response whose headers have arrived. Read it to the end or close it; closing twice is fine."""

    __slots__ = ("_decoder", "_source", "_state", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], source: SyncSource, *, decoded: bool = False) -> None:
        """`decoded`: the source has undone any compression. `HttpBroken` when the body cannot be understood."""
        self.status = status
        self.headers = headers
        self._source = source
        self._state = "open"
        self._decoder = decoder_for({} if decoded else headers)

    def __repr__(self) -> str:
        return f"<SyncExchange {self.status}, {self._state}>"

    def read(self) -> bytes:
        """Return the next bytes of the body as they come, ``b""`` at the end.

        Raises `HttpTimeout` at the limit and `HttpBroken` when cut; the exchange is closed then.
        """
        if self._state != "open":
            return self._after_end()
        decoder = self._decoder
        try:
            data = b""
            while not data:
                if decoder is not None and decoder.has_more:
                    data = decoder.feed(b"")
                    continue
                data = self._source.read()
                if not data:
                    if decoder is not None:
                        decoder.end()
                    break
                if decoder is not None:
                    data = decoder.feed(data)
        except BaseException:
            self.abort()
            raise
        if not data:
            self._state = "ended"
            self._source.close()
        return data

    def _after_end(self) -> bytes:
        if self._state == "ended":
            return b""
        raise HttpBroken("body", sent=True, any_bytes=True, message="the exchange is closed")

    def close(self) -> None:
        """Release the connection: kept when the body was read to its end, else its socket is closed at once."""
        if self._state == "open":
            self._state = "closed"
            self._source.close()

    def abort(self) -> None:
        """Close the socket at once."""
        if self._state == "open":
            self._state = "closed"
            self._source.abort()


class AsyncExchange:
    """As `SyncExchange`, on an event loop."""

    __slots__ = ("_decoder", "_source", "_state", "headers", "status")

    def __init__(self, status: int, headers: Mapping[str, str], source: AsyncSource, *, decoded: bool = False) -> None:
        """`decoded`: the source has undone any compression. `HttpBroken` when the body cannot be understood."""
        self.status = status
        self.headers = headers
        self._source = source
        self._state = "open"
        self._decoder = decoder_for({} if decoded else headers)

    def __repr__(self) -> str:
        return f"<AsyncExchange {self.status}, {self._state}>"

    async def read(self) -> bytes:
        """Return the next bytes of the body as they come, ``b""`` at the end.

        Raises `HttpTimeout` at the limit and `HttpBroken` when cut; the exchange is closed then, as it is when the
        task is cancelled here.
        """
        if self._state != "open":
            return self._after_end()
        decoder = self._decoder
        try:
            data = b""
            while not data:
                if decoder is not None and decoder.has_more:
                    data = decoder.feed(b"")
                    continue
                data = await self._source.read()
                if not data:
                    if decoder is not None:
                        decoder.end()
                    break
                if decoder is not None:
                    data = decoder.feed(data)
        except BaseException:
            self.abort()
            raise
        if not data:
            self._state = "ended"
            await self._source.aclose()
        return data

    def _after_end(self) -> bytes:
        if self._state == "ended":
            return b""
        raise HttpBroken("body", sent=True, any_bytes=True, message="the exchange is closed")

    async def aclose(self) -> None:
        """Release the connection: kept when the body was read to its end, else its socket is closed at once."""
        if self._state == "open":
            self._state = "closed"
            await self._source.aclose()

    def abort(self) -> None:
        """Close the socket at once, without waiting: for a stream that was dropped. In the loop's own thread."""
        if self._state == "open":
            self._state = "closed"
            self._source.abort()
