"""A cancelled exchange closes its socket, leaks nothing, and is never mistaken for one whose limit passed."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from pathlib import Path

import pytest

from modelroute.runtime.http import HttpRequest, HttpTimeout, Limit
from tests.runtime.http.peers import STREAM, AsyncSide, Line, Peer, chunk, until, whole

DESCRIPTORS = Path("/proc/self/fd")
CORES = ["httpcore", "httpcore2"]


def descriptors() -> int:
    return len(list(DESCRIPTORS.iterdir()))


def tokens(line: Line) -> None:
    """Answer every request with a few events in several sends."""
    while True:
        line.request()
        line.send(STREAM)
        for _ in range(4):
            line.send(chunk(b"data: x\n\n"))
        line.send(b"0\r\n\r\n")


async def cancelled_after(turns: int, side: AsyncSide, url: str, *, twice: bool) -> None:
    """Cancel an exchange `turns` turns of the loop after its start, and once more in the turn after."""

    async def one() -> None:
        exchange = await side.open(HttpRequest(url=url, body=b"{}"), Limit(side.now() + 5))
        try:
            await whole(exchange)
        finally:
            await exchange.aclose()

    task = asyncio.create_task(one())
    for turn in range(turns):
        await asyncio.sleep(0 if turn % 3 else 0.0002)
    task.cancel()
    if twice:
        await asyncio.sleep(0)
        task.cancel()
    result = (await asyncio.gather(task, return_exceptions=True))[0]
    assert result is None or isinstance(result, asyncio.CancelledError), result


@pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="counts descriptors the Linux way")
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("warm", [False, True], ids=["fresh", "reused"])
@pytest.mark.parametrize("twice", [False, True], ids=["once", "twice"])
async def test_sweep(core: str, tls: bool, warm: bool, twice: bool) -> None:
    """Cancelled after each of sixty turns, once or twice: what was open is closed, and the next exchange works."""
    side = AsyncSide(core=core)
    with Peer(tokens, tls=tls) as peer:
        request = HttpRequest(url=peer.url, body=b"{}")
        await whole(await side.open(request))
        clients = descriptors() - peer.open
        for turns in range(60):
            if not warm:
                for route in next(iter(side.http._states.values())).routes.values():
                    route.lane.drain()
            await cancelled_after(turns, side, peer.url, twice=twice)
        await asyncio.sleep(0.01)
        assert await whole(await side.open(request)) == b"data: x\n\n" * 4
        gc.collect()
        for _ in range(500):  # the server's own threads close their ends
            if descriptors() - peer.open <= clients and peer.open <= 1:
                break
            await asyncio.sleep(0.005)
        assert peer.open <= 1
        assert descriptors() - peer.open <= clients
        assert len(asyncio.all_tasks()) == 1
        await side.aclose()


@pytest.mark.parametrize("core", CORES)
async def test_cancelled_while_reading_the_provider_notices_at_once(core: str) -> None:
    noticed: list[bool] = []

    def script(line: Line) -> None:
        line.request()
        line.send(STREAM + chunk(b"x"))
        noticed.append(line.sock.recv(1) == b"")

    side = AsyncSide(core=core)
    with Peer(script) as peer:
        exchange = await side.open(HttpRequest(url=peer.url))
        assert await exchange.read() == b"x"
        task = asyncio.create_task(exchange.read())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert until(lambda: noticed == [True])
    await side.aclose()


@pytest.mark.parametrize("core", CORES)
async def test_cancel_and_limit_in_the_same_turn(core: str) -> None:
    """Whichever is seen, it is one of the two, and the task's own count of cancels is left as the caller made it."""

    def silent(line: Line) -> None:
        line.request()
        line.until_closed()

    side = AsyncSide(core=core)
    with Peer(silent) as peer:
        for late in (-0.002, 0.0, 0.002):
            end = side.now() + 0.05

            async def one(end: float = end) -> None:
                task = asyncio.current_task()
                assert task is not None
                try:
                    await side.open(HttpRequest(url=peer.url), Limit(end))
                except HttpTimeout:
                    assert task.cancelling() == 0
                    raise
                except asyncio.CancelledError:
                    assert task.cancelling() == 1
                    raise

            running = asyncio.create_task(one())
            asyncio.get_running_loop().call_at(end + late, running.cancel)
            with pytest.raises((HttpTimeout, asyncio.CancelledError)):
                await running
    await side.aclose()


@pytest.mark.parametrize("core", CORES)
async def test_an_outer_timeout_is_not_ours(core: str) -> None:
    def silent(line: Line) -> None:
        line.request()
        line.until_closed()

    side = AsyncSide(core=core)
    with Peer(silent) as peer, pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await side.open(HttpRequest(url=peer.url), Limit(side.now() + 5))
    await side.aclose()


@pytest.mark.parametrize("core", CORES)
async def test_cancelled_during_a_lookup(core: str, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def getaddrinfo(*_: object) -> list[object]:
        over.wait(3)
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    side = AsyncSide(core=core)
    task = asyncio.create_task(side.open(HttpRequest(url="http://slow.example"), Limit(side.now() + 5)))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    over.set()
    await side.aclose()
    for thread in threading.enumerate():
        if thread.name == "modelroute-resolve":
            thread.join()
    await asyncio.sleep(0)  # the late answer finds nobody
