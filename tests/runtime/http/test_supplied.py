"""The user's own client: httpx or httpx2, blocking or not, on sockets or mocked."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable

import httpx
import httpx2
import pytest
import respx

from modelroute.runtime.http import (
    AsyncHttp,
    HttpBroken,
    HttpOptions,
    HttpRequest,
    HttpTimeout,
    HttpUnreachable,
    Limit,
    SyncHttp,
)
from tests.runtime.http.peers import OK, STREAM, AsyncSide, Line, Peer, Side, SyncSide, chunk, until, whole

PACKAGES = [httpx, httpx2]
REQUEST = HttpRequest(url="https://api.example/v1", headers=(("authorization", "Bearer k"),), body=b"{}")


def supplied(colour: str, package: object, **keywords: object) -> Side:
    """Return a side over a client of `package`."""
    side: Side
    if colour == "sync":
        side = SyncSide()
        side.http = SyncHttp(HttpOptions(client=package.Client(**keywords)))  # type: ignore[attr-defined]
    else:
        side = AsyncSide()
        side.http = AsyncHttp(HttpOptions(async_client=package.AsyncClient(**keywords)))  # type: ignore[attr-defined]
    return side


async def end(side: Side) -> None:
    await side.aclose()
    if isinstance(side, SyncSide):
        side.http._options.client.close()  # type: ignore[attr-defined]
    else:
        await side.http._options.async_client.aclose()  # type: ignore[attr-defined]


both = pytest.mark.parametrize("colour", ["sync", "async"])
packages = pytest.mark.parametrize("package", PACKAGES, ids=["httpx", "httpx2"])


@both
@packages
async def test_over_sockets(colour: str, package: object) -> None:
    def script(line: Line) -> None:
        while True:
            line.request()
            line.send(STREAM + chunk(b"data: x\n\n") + b"0\r\n\r\n")

    with Peer(script) as peer:
        side = supplied(colour, package)
        for _ in range(2):
            exchange = await side.open(HttpRequest(url=peer.url, headers=(("authorization", "Bearer k"),), body=b"{}"))
            assert (exchange.status, exchange.headers["content-type"]) == (200, "text/event-stream")
            assert await whole(exchange) == b"data: x\n\n"
            assert await exchange.read() == b""
            await exchange.aclose()
        assert peer.accepted == 1
        assert b"accept-encoding: identity" in peer.requests[0].lower()
        await end(side)


@both
@packages
@pytest.mark.parametrize("how", ["aclose", "abort"])
async def test_left_in_the_middle_the_provider_notices(colour: str, package: object, how: str) -> None:
    noticed: list[bool] = []

    def script(line: Line) -> None:
        line.request()
        line.send(STREAM + chunk(b"x"))
        noticed.append(line.sock.recv(1) == b"")

    with Peer(script) as peer:
        side = supplied(colour, package)
        exchange = await side.open(HttpRequest(url=peer.url))
        assert await exchange.read() == b"x"
        if how == "abort":
            exchange.abort()
            await asyncio.sleep(0.02)
        await exchange.aclose()
        assert until(lambda: noticed == [True])
        await end(side)


def drip(line: Line) -> None:
    line.request()
    line.send(STREAM)
    line.drip(chunk(b": x\n\n"))


def silent(line: Line) -> None:
    line.request()
    line.until_closed()


def cut(line: Line) -> None:
    line.request()
    line.send(STREAM + chunk(b"x"))


def hang_up(line: Line) -> None:
    line.request()


def bomb(line: Line) -> None:
    line.request()
    packed = gzip.compress(bytes(40_000_000))
    line.send(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed) + packed)


@both
@packages
@pytest.mark.parametrize(("script", "phase"), [(silent, "headers"), (drip, "body")])
async def test_limits(colour: str, package: object, script: Callable[[Line], None], phase: str) -> None:
    with Peer(script) as peer:
        side = supplied(colour, package)
        begun = side.now()
        with pytest.raises(HttpTimeout) as caught:
            await whole(await side.open(HttpRequest(url=peer.url), Limit(begun + 0.15)))
        assert caught.value.phase == phase
        assert side.now() - begun < 1
        await end(side)


@both
@packages
@pytest.mark.parametrize(
    ("script", "phase", "any_bytes"), [(cut, "body", True), (hang_up, "headers", False), (bomb, "body", True)]
)
async def test_broken(
    colour: str, package: object, script: Callable[[Line], None], phase: str, any_bytes: bool
) -> None:
    with Peer(script) as peer:
        side = supplied(colour, package)
        with pytest.raises(HttpBroken) as caught:
            await whole(await side.open(HttpRequest(url=peer.url)))
        assert (caught.value.phase, caught.value.sent, caught.value.any_bytes) == (phase, True, any_bytes)
        assert caught.value.__context__ is None
        assert until(lambda: peer.open == 0)
        await end(side)


@both
@packages
@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://x", "http://", "https://[::1"])
async def test_unreachable(colour: str, package: object, url: str) -> None:
    side = supplied(colour, package, trust_env=False)
    with pytest.raises(HttpUnreachable):
        await side.open(HttpRequest(url=url))
    await end(side)
    with pytest.raises(HttpUnreachable, match="closed"):
        await side.open(REQUEST)


@both
@packages
@pytest.mark.parametrize("value", ["sk-secret\n", "sk-secret\N{LEFT DOUBLE QUOTATION MARK}"])
async def test_a_header_that_cannot_be_sent_is_not_echoed(colour: str, package: object, value: str) -> None:
    with Peer() as peer:
        side = supplied(colour, package)
        with pytest.raises(HttpBroken) as caught:
            await side.open(HttpRequest(url=peer.url, headers=(("authorization", value),)))
        assert not caught.value.sent
        assert "secret" not in str(caught.value)
        assert caught.value.__context__ is None
        await end(side)


@both
@packages
async def test_a_limit_that_has_passed_sends_nothing(colour: str, package: object) -> None:
    with Peer() as peer:
        side = supplied(colour, package)
        with pytest.raises(HttpTimeout):
            await side.open(HttpRequest(url=peer.url), Limit(side.now()))
        assert peer.accepted == 0
        await end(side)


@both
@packages
async def test_redirects_are_not_followed_even_if_the_client_would(colour: str, package: object) -> None:
    def script(line: Line) -> None:
        line.request()
        line.send(OK.replace(b"200 OK", b"302 Go\r\nlocation: /x"))

    with Peer(script) as peer:
        side = supplied(colour, package, follow_redirects=True)
        exchange = await side.open(HttpRequest(url=peer.url))
        assert exchange.status == 302
        await exchange.aclose()
        await end(side)
        assert len(peer.requests) == 1


@both
@packages
async def test_a_mock_transport(colour: str, package: object) -> None:
    def handler(request: object) -> object:
        assert request.headers["authorization"] == "Bearer k"  # type: ignore[attr-defined]
        packed = gzip.compress(b'{"ok":1}')
        return package.Response(200, headers={"content-encoding": "gzip"}, content=packed)  # type: ignore[attr-defined]

    side = supplied(colour, package, transport=package.MockTransport(handler))  # type: ignore[attr-defined]
    exchange = await side.open(REQUEST)
    assert (exchange.status, await whole(exchange)) == (200, b'{"ok":1}')
    await end(side)


@both
@packages
@pytest.mark.parametrize("error", [RuntimeError("odd"), ValueError("odd"), OSError("odd"), TimeoutError("odd")])
async def test_whatever_a_transport_of_the_users_raises(colour: str, package: object, error: Exception) -> None:
    def handler(_: object) -> object:
        raise error

    side = supplied(colour, package, transport=package.MockTransport(handler))  # type: ignore[attr-defined]
    with pytest.raises(HttpBroken, match="odd") as caught:
        await side.open(REQUEST)
    assert caught.value.sent  # nobody knows: so it may have been
    await end(side)


@both
async def test_respx_with_a_supplied_client(colour: str) -> None:
    with respx.mock() as router:
        route = router.post("https://api.example/v1").mock(
            side_effect=[httpx.Response(200, json={"ok": 1}), httpx.ReadTimeout("slow"), httpx.ConnectError("down")]
        )
        side = supplied(colour, httpx)
        exchange = await side.open(REQUEST)
        assert (exchange.status, await whole(exchange)) == (200, b'{"ok":1}')
        with pytest.raises(HttpTimeout) as caught:
            await side.open(REQUEST)
        assert caught.value.phase == "headers"
        with pytest.raises(HttpUnreachable):
            await side.open(REQUEST)
        assert route.call_count == 3
        assert route.calls[0].request.content == b"{}"
        await end(side)


@both
async def test_respx_without_one(colour: str) -> None:
    """respx replaces httpcore's own connections, and so reaches even our path over it."""
    with respx.mock() as router:
        router.post("https://api.example/v1").mock(return_value=httpx.Response(429, json={"error": 1}))
        side: Side = SyncSide() if colour == "sync" else AsyncSide()
        exchange = await side.open(REQUEST)
        assert (exchange.status, await whole(exchange)) == (429, b'{"error":1}')
        await exchange.aclose()
        await side.aclose()


@packages
async def test_cancelled(package: object) -> None:
    with Peer(silent) as peer:
        side = supplied("async", package)
        task = asyncio.create_task(side.open(HttpRequest(url=peer.url)))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert until(lambda: peer.open == 0)
        await end(side)
