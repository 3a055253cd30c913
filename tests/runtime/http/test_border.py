"""Whatever a server sends, and whatever lies beneath raises, only `HttpError` leaves this package."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import zlib
from collections import deque

import h11
import httpcore
import httpcore2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelroute.runtime.http import HttpBroken, HttpRequest, HttpTimeout, HttpUnreachable, Limit
from modelroute.runtime.http.core import load_core
from modelroute.runtime.http.wire import Wire, translated
from tests.runtime.http.peers import STREAM, AsyncSide, Line, Peer, Side, SyncSide, chunk, whole

PIECES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 204 \r\n\r\n",
            b"HTTP/1.1 101 Switching\r\n\r\n",
            b"HTTP/1.0 200 OK\r\n\r\n",
            b"content-length: 5\r\n",
            b"content-length: 99\r\n",
            b"content-encoding: gzip\r\n",
            b"content-encoding: deflate\r\n",
            b"transfer-encoding: chunked\r\n",
            b"connection: close\r\n",
            b"\r\n",
            STREAM,
            chunk(b"data: x\n\n"),
            b"0\r\n\r\n",
            b"ffffffffffffffffffff\r\n",
        ]
    ),
)


@pytest.mark.parametrize("made", [SyncSide, AsyncSide])
@pytest.mark.parametrize("core", ["httpcore", "httpcore2"])
def test_any_bytes(made: type[SyncSide | AsyncSide], core: str) -> None:
    """A server that answers with arbitrary pieces, at arbitrary cuts, then closes or resets."""
    scripts: deque[tuple[list[bytes], bool]] = deque()

    def script(line: Line) -> None:
        line.request()
        pieces, resets = scripts.popleft()
        for piece in pieces:
            line.send(piece)
        if resets:
            line.reset()

    with Peer(script) as peer:

        @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
        @given(st.lists(PIECES, max_size=6), st.booleans())
        def attempt(pieces: list[bytes], resets: bool) -> None:
            scripts.clear()
            scripts.append((pieces, resets))

            async def run() -> None:
                side: Side = made(core=core)
                try:
                    exchange = await side.open(HttpRequest(url=peer.url, body=b"{}"), Limit(side.now() + 3))
                    assert 200 <= exchange.status <= 999 or exchange.status == 101
                    await whole(exchange)
                except HttpBroken as error:
                    if not error.sent:  # it answered, so it was sent to
                        raise
                finally:
                    await side.aclose()

            asyncio.run(run())

        attempt()


RAISED = [
    OSError(errno.EPIPE, "pipe"),
    TimeoutError(errno.ETIMEDOUT, "the kernel's own"),
    ConnectionResetError("reset"),
    ssl.SSLError("bad record"),
    ssl.SSLCertVerificationError("expired"),
    socket.gaierror(socket.EAI_NONAME, "unknown"),
    UnicodeError("label too long"),
    ValueError("embedded null"),
    RuntimeError("Event loop is closed"),
    zlib.error("bad"),
    EOFError(),
    asyncio.IncompleteReadError(b"", 1),
    asyncio.InvalidStateError(),
    h11.RemoteProtocolError("odd"),
    httpcore.ReadError("x"),
    httpcore.ProxyError("407"),
    httpcore.ConnectionNotAvailable(),
    httpcore2.RemoteProtocolError("x"),
    MemoryError(),
    KeyError("x"),
]


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
async def test_any_exception_below(side: Side, error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raised while connecting it means unreachable, raised while reading it means broken."""

    def fail(*_: object, **__: object) -> None:
        raise error

    with Peer() as peer:
        for stream in ("sync_backend.SyncStream", "async_backend.AsyncStream"):
            monkeypatch.setattr(f"modelroute.runtime.http.{stream}.read", fail)
        with pytest.raises(HttpBroken) as broken:
            await side.open(HttpRequest(url=peer.url, body=b"{}"))
        assert broken.value.__context__ is None
        monkeypatch.undo()
        for backend in ("sync_backend.SyncBackend", "async_backend.AsyncBackend"):
            monkeypatch.setattr(f"modelroute.runtime.http.{backend}.connect_tcp", fail)
        with pytest.raises(HttpUnreachable) as unreachable:
            await side.open(HttpRequest(url=peer.url, body=b"{}"))
        assert unreachable.value.__context__ is None


@pytest.mark.parametrize("name", ["httpcore", "httpcore2"])
def test_a_local_protocol_error_is_told_without_its_text(name: str) -> None:
    core = load_core(name)
    wire = Wire(Limit(0.0))
    error = translated(core.local_protocol_error("Illegal header value b'sk-secret'"), wire, core)
    assert isinstance(error, HttpBroken)
    assert "secret" not in str(error)


def test_errors_keep_what_they_know() -> None:
    core = load_core("httpcore")
    wire = Wire(Limit(0.0))
    timeout = translated(HttpTimeout("send"), wire, core)
    assert isinstance(timeout, HttpTimeout)
    assert timeout.phase == "send"
    broken = translated(HttpBroken("body", sent=False, any_bytes=True, message="m"), wire, core)
    assert isinstance(broken, HttpBroken)
    assert (broken.phase, broken.sent, broken.any_bytes, broken.message) == ("body", False, True, "m")
