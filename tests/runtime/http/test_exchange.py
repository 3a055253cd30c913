"""What an exchange does when all goes well, and what it says when not, in both colours over both cores."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import zlib
from collections.abc import Callable

import pytest

from modelroute.runtime.http import HttpBroken, HttpRequest, HttpUnreachable, Limit
from modelroute.runtime.http.async_backend import AsyncStream
from modelroute.runtime.http.core import Core
from modelroute.runtime.http.sync_backend import SyncStream
from tests.runtime.http.peers import OK, STREAM, Line, Peer, Script, Side, chunk, deaf_port, until, whole


def answering(response: bytes) -> Script:
    def run(line: Line) -> None:
        while True:
            line.request()
            line.send(response)

    return run


def closing(response: bytes) -> Script:
    def run(line: Line) -> None:
        line.request()
        line.send(response)

    return run


async def broken(side: Side, url: str, request: HttpRequest | None = None) -> HttpBroken:
    with pytest.raises(HttpBroken) as caught:
        await whole(await side.open(request or HttpRequest(url=url, body=b"{}")))
    return caught.value


async def test_request_as_sent_and_in_one_piece(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    sends: list[bytes] = []
    for stream in (SyncStream, AsyncStream):

        def send(self: object, data: bytes, wire: object, sent: Callable[..., object] = stream._send) -> object:
            sends.append(data)
            return sent(self, data, wire)

        monkeypatch.setattr(stream, "_send", send)
    with Peer() as peer:
        request = HttpRequest(url=peer.url + "/v1/chat?q=a b&ü=1", headers=(("Authorization", "Bearer k"),), body=b"{}")
        exchange = await side.open(request)
        assert await whole(exchange) == b"{}"
        assert sends == peer.requests
        lines = peer.requests[0].split(b"\r\n")
        assert lines[0] == b"POST /v1/chat?q=a%20b&%C3%BC=1 HTTP/1.1"
        assert set(lines[1:5]) == {
            b"host: 127.0.0.1:%d" % peer.port,
            b"Authorization: Bearer k",
            b"accept-encoding: identity",
            b"content-length: 2",
        }
        assert lines[5:] == [b"", b"{}"]


async def test_method_and_own_headers_win(side: Side) -> None:
    with Peer() as peer:
        headers = (("Host", "api.example"), ("Accept-Encoding", "gzip"))
        await whole(await side.open(HttpRequest(url=peer.url, method="GET", headers=headers)))
        assert peer.requests == [b"GET / HTTP/1.1\r\nHost: api.example\r\nAccept-Encoding: gzip\r\n\r\n"]


async def test_large_request_arrives_whole(side: Side) -> None:
    with Peer() as peer:
        body = bytes(range(256)) * 12_000
        await whole(await side.open(HttpRequest(url=peer.url, body=body)))
        assert peer.requests[0].endswith(body)


async def test_over_tls(side: Side) -> None:
    with Peer(tls=True) as peer:
        for _ in range(2):
            assert await whole(await side.open(HttpRequest(url=peer.url, body=b"x" * 100_000))) == b"{}"
        assert peer.accepted == 1


async def test_headers_are_lower_case_joined_and_frozen(side: Side) -> None:
    with Peer(answering(b"HTTP/1.1 429 No\r\nX-A: 1\r\nx-a: 2\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n")) as peer:
        exchange = await side.open(HttpRequest(url=peer.url))
        assert exchange.status == 429
        assert dict(exchange.headers) == {"x-a": "1, 2", "retry-after": "3", "content-length": "0"}
        with pytest.raises(TypeError):
            exchange.headers["x-a"] = "3"  # type: ignore[index]
        assert await exchange.read() == b""


async def test_redirects_are_not_followed(side: Side) -> None:
    with (
        Peer() as other,
        Peer(answering(b"HTTP/1.1 307 Go\r\nlocation: %b\r\ncontent-length: 0\r\n\r\n" % other.url.encode())) as peer,
    ):
        exchange = await side.open(HttpRequest(url=peer.url))
        assert (exchange.status, await whole(exchange)) == (307, b"")
        assert other.accepted == 0


async def test_chunks_are_handed_over_as_they_come(side: Side) -> None:
    def script(line: Line) -> None:
        line.request()
        line.send(STREAM + chunk(b"one"))
        line.sock.recv(1)

    with Peer(script) as peer:
        exchange = await side.open(HttpRequest(url=peer.url))
        assert await exchange.read() == b"one"
        await exchange.aclose()


async def test_read_to_the_end_keeps_the_connection(side: Side) -> None:
    with Peer(answering(STREAM + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")) as peer:
        for _ in range(5):
            exchange = await side.open(HttpRequest(url=peer.url))
            assert await whole(exchange) == b"data: [DONE]\n\n"
            assert await exchange.read() == b""
            await exchange.aclose()
            await exchange.aclose()
        assert (peer.accepted, len(peer.requests)) == (1, 5)


async def test_left_at_the_last_event_keeps_the_connection_when_the_end_is_here(side: Side) -> None:
    with Peer(answering(STREAM + chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")) as peer:
        for _ in range(3):
            exchange = await side.open(HttpRequest(url=peer.url))
            await exchange.read()
            await exchange.aclose()
        assert peer.accepted == 1


@pytest.mark.parametrize("how", ["aclose", "abort"])
async def test_left_in_the_middle_the_provider_notices(side: Side, how: str) -> None:
    noticed: list[bool] = []

    def script(line: Line) -> None:
        line.request()
        line.send(STREAM + chunk(b"one"))
        noticed.append(line.sock.recv(1) == b"")

    with Peer(script) as peer:
        exchange = await side.open(HttpRequest(url=peer.url))
        await exchange.read()
        if how == "abort":
            exchange.abort()
            exchange.abort()
        await exchange.aclose()
        await side.aclose()  # lets the loop turn once
        assert until(lambda: noticed == [True])
        with pytest.raises(HttpBroken, match="closed"):
            await exchange.read()


async def test_left_before_the_body_was_looked_at(side: Side) -> None:
    with Peer(closing(STREAM)) as peer:
        exchange = await side.open(HttpRequest(url=peer.url))
        await exchange.aclose()
        assert until(lambda: peer.open == 0)


async def test_connection_close_is_obeyed(side: Side) -> None:
    with Peer(answering(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}")) as peer:
        for _ in range(2):
            assert await whole(await side.open(HttpRequest(url=peer.url))) == b"{}"
        assert peer.accepted == 2


async def test_idle_connection_closed_by_the_server_is_not_used(side: Side) -> None:
    with Peer(closing(OK)) as peer:
        for _ in range(3):
            assert await whole(await side.open(HttpRequest(url=peer.url))) == b"{}"
            assert until(lambda: peer.open == 0)
        assert peer.accepted == 3


LEFT_OVER = {
    "answer": OK.replace(b"{}", b"no"),
    "line": b"\r\n",
    "letter": b"}",
    "half": b"HTTP/1.1 200 OK\r\ncontent-le",
}
ENDED = {"length": OK, "chunks": STREAM + chunk(b"{}") + b"0\r\n\r\n"}


@pytest.mark.parametrize("left", LEFT_OVER)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("ended", ENDED)
async def test_a_connection_with_bytes_left_over_is_closed(side: Side, ended: str, tls: bool, left: str) -> None:
    """They come in the same packet as the answer before, and the server would take another request on it."""
    with Peer(answering(ENDED[ended] + LEFT_OVER[left]), tls=tls) as peer:
        for _ in range(3):
            assert await whole(await side.open(HttpRequest(url=peer.url, body=b"{}"))) == b"{}"
        assert (peer.accepted, len(peer.requests)) == (3, 3), "a request was spent on a spoilt connection"


async def test_bytes_left_over_when_the_reader_leaves_close_the_connection(side: Side) -> None:
    """As readers of streams do: at the last event, before the end of the body was looked at."""
    with Peer(answering(ENDED["chunks"] + LEFT_OVER["answer"])) as peer:
        for _ in range(2):
            exchange = await side.open(HttpRequest(url=peer.url, body=b"{}"))
            assert await exchange.read() == b"{}"
            await exchange.aclose()
        assert (peer.accepted, len(peer.requests)) == (2, 2)


async def test_bytes_nobody_asked_for_are_not_taken_for_an_answer(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where the core underneath does not let us see them."""
    monkeypatch.setattr(Core, "holds_bytes", staticmethod(lambda _: False))
    with Peer(answering(OK + OK.replace(b"{}", b"no"))) as peer:
        assert await whole(await side.open(HttpRequest(url=peer.url))) == b"{}"
        error = await broken(side, peer.url)
        assert "before it was asked" in error.message
        assert await whole(await side.open(HttpRequest(url=peer.url))) == b"{}"


def test_a_core_whose_inside_has_other_names_is_lived_with() -> None:
    assert not Core.holds_bytes(object())


async def test_bytes_that_come_while_idle_end_the_connection(side: Side) -> None:
    def script(line: Line) -> None:
        line.request()
        line.send(OK)
        line.peer.over.wait(0.02)
        line.send(b"HTTP/1.1 408 Late\r\ncontent-length: 0\r\n\r\n")
        line.until_closed()

    with Peer(script) as peer:
        for _ in range(2):
            exchange = await side.open(HttpRequest(url=peer.url))
            assert (exchange.status, await whole(exchange)) == (200, b"{}")
            await asyncio.sleep(0.1)
        assert peer.accepted == 2


async def test_idle_connection_with_unasked_bytes_is_not_used(side: Side) -> None:
    with Peer(closing(OK + b"HTTP/1.1 408 Late\r\ncontent-length: 0\r\n\r\n")) as peer:
        for _ in range(2):
            exchange = await side.open(HttpRequest(url=peer.url))
            assert (exchange.status, await whole(exchange)) == (200, b"{}")
            assert until(lambda: peer.open == 0)


async def test_a_request_on_a_reused_connection_is_never_sent_twice(side: Side) -> None:
    """The server takes the second request and hangs up: that may have been served, so it is told and not repeated."""

    def script(line: Line) -> None:
        line.request()
        line.send(OK)
        line.request()

    with Peer(script) as peer:
        await whole(await side.open(HttpRequest(url=peer.url)))
        error = await broken(side, peer.url)
        assert (error.phase, error.sent, error.any_bytes) == ("headers", True, False)
        assert (peer.accepted, len(peer.requests)) == (1, 2)


async def test_dead_idle_connection_found_before_a_byte_left_is_replaced(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even when the look before use was fooled: nothing was sent, so sending afresh is safe."""
    monkeypatch.setattr("modelroute.runtime.http.sync_backend.SyncStream.is_usable", lambda _: True)
    monkeypatch.setattr("modelroute.runtime.http.async_backend.AsyncStream.is_usable", lambda _: True)

    def script(line: Line) -> None:
        line.request()
        line.send(OK)
        line.reset()

    with Peer(script) as peer:
        await whole(await side.open(HttpRequest(url=peer.url, body=b"first")))
        assert until(lambda: peer.open == 0)
        await whole(await side.open(HttpRequest(url=peer.url, body=b"again")))
        assert [request[-5:] for request in peer.requests] == [b"first", b"again"]


async def test_answer_before_the_request_was_read(side: Side) -> None:
    """A server may refuse a large body early; its answer counts, or at least it is known that something was sent."""

    def script(line: Line) -> None:
        line.sock.recv(1000)
        line.send(b"HTTP/1.1 413 Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")

    with Peer(script) as peer:
        try:
            exchange = await side.open(HttpRequest(url=peer.url, body=bytes(8_000_000)))
            assert (exchange.status, await whole(exchange)) == (413, b"")
        except HttpBroken as error:
            if not error.sent:
                raise


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_compressed_all_the_same(side: Side, coding: str) -> None:
    body = b'{"a": "%b"}' % (b"words " * 5_000)
    packed = gzip.compress(body) if coding == "gzip" else zlib.compress(body)
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: %b\r\ncontent-length: %d\r\n\r\n" % (coding.encode(), len(packed))
    with Peer(answering(head + packed)) as peer:
        for _ in range(2):
            assert await whole(await side.open(HttpRequest(url=peer.url))) == body
        assert peer.accepted == 1


async def test_the_next_address_is_tried(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer() as peer:
        where = [("127.0.0.1", 1), ("127.0.0.1", peer.port)]
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", at) for at in where]
        )
        assert await whole(await side.open(HttpRequest(url="http://two.example"))) == b"{}"
        with deaf_port() as deaf:
            where[0] = ("127.0.0.1", deaf)
            exchange = await side.open(HttpRequest(url="http://half.example"), Limit(side.now() + 5, side.now() + 0.8))
            assert await whole(exchange) == b"{}"
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [])
        with pytest.raises(HttpUnreachable, match="no address"):
            await side.open(HttpRequest(url="http://none.example"))


async def test_closed_twice_and_then_refuses(side: Side) -> None:
    """What runs goes on to its end, and is not kept then."""
    closed = threading.Event()

    def script(line: Line) -> None:
        line.request()
        line.send(STREAM + chunk(b"a"))
        closed.wait(3)
        line.send(chunk(b"b") + b"0\r\n\r\n")
        line.until_closed()

    with Peer(script) as peer:
        running = await side.open(HttpRequest(url=peer.url))
        assert await running.read() == b"a"
        await side.aclose()
        await side.aclose()
        with pytest.raises(HttpUnreachable, match="closed"):
            await side.open(HttpRequest(url=peer.url))
        closed.set()
        assert await whole(running) == b"b"
        await side.aclose()
        assert until(lambda: peer.open == 0)


async def test_the_one_limit_object_of_an_attempt_is_not_changed(side: Side) -> None:
    with Peer() as peer:
        limit = Limit(side.now() + 3, side.now() + 2)
        before = repr(limit)
        await whole(await side.open(HttpRequest(url=peer.url), limit))
        assert repr(limit) == before
