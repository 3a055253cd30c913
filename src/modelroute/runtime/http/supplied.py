"""Exchanges over a client the user handed in, `httpx` or `httpx2`: its transport, pool, proxies and mocks are used.

Internal. Limits are told to the client as best its interface takes them, and checked between reads: a fault that its
transport cannot see (a byte drip, a name lookup) may outlast them in sync. Neither package is imported; both have the
same shape, and errors are known by the names of their classes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from typing import Protocol, cast

from modelroute.runtime.http.errors import HttpBroken, HttpError, HttpTimeout, HttpUnreachable, Phase
from modelroute.runtime.http.exchange import AsyncExchange, SyncExchange, folded
from modelroute.runtime.http.options import HttpRequest, Limit

__all__ = ["SuppliedAsyncClient", "SuppliedClient"]

_TIMEOUTS: dict[str, Phase] = {
    "ConnectTimeout": "connect",
    "PoolTimeout": "connect",
    "WriteTimeout": "send",
    "ReadTimeout": "headers",
    "TimeoutException": "headers",
}
_NOT_SENT = {"ConnectError", "ProxyError", "UnsupportedProtocol", "InvalidURL"}
_LEAST = 0.001  # a timeout of zero means "at once" to a socket, and "now" is what is meant
_MOST = 86_400.0


class _Headers(Protocol):
    @property
    def raw(self) -> list[tuple[bytes, bytes]]: ...


class _Response(Protocol):
    status_code: int

    @property
    def headers(self) -> _Headers: ...
    @property
    def content(self) -> bytes: ...

    is_stream_consumed: bool


class _SyncResponse(_Response, Protocol):
    def iter_raw(self) -> Generator[bytes]: ...
    def close(self) -> None: ...


class _AsyncResponse(_Response, Protocol):
    def aiter_raw(self) -> AsyncGenerator[bytes]: ...
    async def aclose(self) -> None: ...


class _Builder(Protocol):
    def build_request(
        self, method: str, url: str, *, headers: list[tuple[str, str]], content: bytes, extensions: dict[str, object]
    ) -> object: ...


class _SyncClient(_Builder, Protocol):
    def send(self, request: object, *, stream: bool, follow_redirects: bool) -> _SyncResponse: ...


class _AsyncClient(_Builder, Protocol):
    async def send(self, request: object, *, stream: bool, follow_redirects: bool) -> _AsyncResponse: ...


class _Timeouts(dict[str, object]):
    """The ``timeout`` extension of one request; transports look values up when an operation begins."""

    def refresh(self, limit: Limit, now: float) -> None:
        left = min(max(limit.at - now, _LEAST), _MOST)
        connect = min(max(limit.connect_at - now, _LEAST), left)
        self.update(connect=connect, pool=connect, read=left, write=left)


def _built(client: _Builder, request: HttpRequest, timeouts: _Timeouts) -> object:
    """Return the client's own request. A refusal is reported without its text, which may quote a header."""
    headers = list(request.headers)
    if not any(name.lower() == "accept-encoding" for name, _ in headers):
        headers.append(("accept-encoding", "identity"))
    refusal = ""
    try:
        return client.build_request(
            request.method, request.url, headers=headers, content=request.body, extensions={"timeout": timeouts}
        )
    except Exception as error:  # noqa: BLE001 - the border of the library
        refusal = type(error).__name__
    if refusal in _NOT_SENT:
        raise HttpUnreachable(f"the client refused the URL ({refusal})")
    raise HttpBroken("send", sent=False, any_bytes=False, message=f"the client could not build the request ({refusal})")


def _translated(error: Exception, phase: Phase) -> HttpError:
    """Return `error` as one of ours; `phase` is ``headers`` while opening and ``body`` after."""
    if isinstance(error, HttpTimeout):
        return HttpTimeout(error.phase)
    if isinstance(error, HttpBroken):
        return HttpBroken(error.phase, sent=error.sent, any_bytes=error.any_bytes, message=error.message)
    if isinstance(error, HttpUnreachable):
        return HttpUnreachable(error.message)
    names = [ancestor.__name__ for ancestor in type(error).__mro__]
    for name in names:
        if name in _TIMEOUTS:
            told = _TIMEOUTS[name]
            return HttpTimeout(phase if told == "headers" else told)
    message = f"{names[0]}: {error}"[:300]
    if not _NOT_SENT.isdisjoint(names) or (names[0] == "RuntimeError" and "closed" in message):
        return HttpUnreachable(message)
    if "LocalProtocolError" in names:  # its text may quote a header value
        return HttpBroken("send", sent=False, any_bytes=False, message="the request cannot be written as HTTP/1.1")
    return HttpBroken(phase, sent=True, any_bytes=phase == "body", message=message)


class SuppliedClient:
    """Opens exchanges through the user's blocking client, which the user closes."""

    def __init__(self, client: object) -> None:
        self._client = cast("_SyncClient", client)  # HttpOptions has checked its class

    def open(self, request: HttpRequest, limit: Limit) -> SyncExchange:
        """As `SyncHttp.open`."""
        timeouts = _Timeouts()
        response: _SyncResponse | None = None
        try:
            if time.monotonic() >= limit.at:
                raise HttpTimeout("connect")
            timeouts.refresh(limit, time.monotonic())
            response = self._client.send(_built(self._client, request, timeouts), stream=True, follow_redirects=False)
            decoded = response.is_stream_consumed  # a mock's response arrives whole, and decoded
            headers = folded(response.headers.raw)
            return SyncExchange(response.status_code, headers, _SyncBody(response, limit, timeouts), decoded=decoded)
        except Exception as error:  # noqa: BLE001 - the border of the library
            failure = _translated(error, "headers")
        except BaseException:
            if response is not None:
                response.close()
            raise
        if response is not None:
            response.close()
        raise failure


class _SyncBody:
    """The body of a response of the user's client."""

    def __init__(self, response: _SyncResponse, limit: Limit, timeouts: _Timeouts) -> None:
        self._response = response
        self._limit = limit
        self._timeouts = timeouts
        self._chunks = _whole(response.content) if response.is_stream_consumed else response.iter_raw()

    def read(self) -> bytes:
        try:
            now = time.monotonic()
            if now >= self._limit.at:
                raise HttpTimeout("body")
            self._timeouts.refresh(self._limit, now)
            return next(filter(None, self._chunks), b"")
        except Exception as error:  # noqa: BLE001 - the border of the library
            failure = _translated(error, "body")
        raise failure

    def close(self) -> None:
        try:
            self._chunks.close()
            self._response.close()
        except Exception:  # noqa: BLE001 - its connection is gone either way, and nobody waits for more
            return

    abort = close


def _whole(content: bytes) -> Generator[bytes]:
    yield content


async def _whole_async(content: bytes) -> AsyncGenerator[bytes]:
    yield content


class SuppliedAsyncClient:
    """Opens exchanges through the user's asynchronous client, which the user closes."""

    def __init__(self, client: object) -> None:
        self._client = cast("_AsyncClient", client)  # HttpOptions has checked its class

    async def open(self, request: HttpRequest, limit: Limit) -> AsyncExchange:
        """As `AsyncHttp.open`."""
        timeouts = _Timeouts()
        patience = asyncio.timeout_at(limit.at)
        response: _AsyncResponse | None = None
        try:
            now = asyncio.get_running_loop().time()
            if now >= limit.at:
                raise HttpTimeout("connect")
            timeouts.refresh(limit, now)
            built = _built(self._client, request, timeouts)
            async with patience:
                response = await self._client.send(built, stream=True, follow_redirects=False)
            decoded = response.is_stream_consumed
            headers = folded(response.headers.raw)
            return AsyncExchange(response.status_code, headers, _AsyncBody(response, limit, timeouts), decoded=decoded)
        except TimeoutError as error:
            failure = HttpTimeout("headers") if patience.expired() else _translated(error, "headers")
        except Exception as error:  # noqa: BLE001 - the border of the library
            failure = _translated(error, "headers")
        except BaseException:
            if response is not None:
                await response.aclose()
            raise
        if response is not None:
            await response.aclose()
        raise failure


class _AsyncBody:
    """The body of a response of the user's client."""

    def __init__(self, response: _AsyncResponse, limit: Limit, timeouts: _Timeouts) -> None:
        self._response = response
        self._limit = limit
        self._timeouts = timeouts
        self._chunks = _whole_async(response.content) if response.is_stream_consumed else response.aiter_raw()
        self._closing: asyncio.Task[None] | None = None

    async def read(self) -> bytes:
        patience = asyncio.timeout_at(self._limit.at)
        try:
            now = asyncio.get_running_loop().time()
            if now >= self._limit.at:
                raise HttpTimeout("body")
            self._timeouts.refresh(self._limit, now)
            async with patience:
                async for chunk in self._chunks:
                    if chunk:
                        return chunk
            return b""
        except TimeoutError as error:
            failure = HttpTimeout("body") if patience.expired() else _translated(error, "body")
        except Exception as error:  # noqa: BLE001 - the border of the library
            failure = _translated(error, "body")
        raise failure

    async def aclose(self) -> None:
        try:
            await self._chunks.aclose()
            await self._response.aclose()
        except Exception:  # noqa: BLE001 - its connection is gone either way, and nobody waits for more
            return

    def abort(self) -> None:
        """Ask for the close; the client's interface has no way to close without waiting."""
        try:
            self._closing = asyncio.get_running_loop().create_task(self.aclose())
        except RuntimeError:  # no loop runs here: the client's own close must do
            pass
