"""Threads, forks, interrupts, several event loops: what outlives what, and without noise."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import traceback
import warnings

import pytest

from modelroute.runtime.http import AsyncExchange, HttpBroken, HttpOptions, HttpRequest, Limit, SyncHttp
from tests.runtime.http.peers import (
    CERTIFICATE,
    OK,
    STREAM,
    AsyncSide,
    Line,
    Peer,
    Side,
    SyncSide,
    chunk,
    polite,
    until,
    whole,
)

CORES = ["httpcore", "httpcore2"]


def tokens(line: Line) -> None:
    while True:
        line.request()
        line.send(STREAM + chunk(b"data: x\n\n"))
        line.send(b"0\r\n\r\n")


def exchanged(side: SyncSide, url: str) -> bytes:
    exchange = side.http.open(HttpRequest(url=url, body=b"{}"), Limit(side.now() + 5))
    body = b""
    while data := exchange.read():
        body += data
    return body


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_several_event_loops_one_after_another(core: str, tls: bool) -> None:
    """Idle connections and a dropped exchange end with their loop: no ResourceWarning, no closed loop met."""
    side = AsyncSide(core=core)
    dropped: list[AsyncExchange] = []
    with Peer(tokens, tls=tls) as peer, warnings.catch_warnings():
        warnings.simplefilter("error")

        async def use() -> None:
            request = HttpRequest(url=peer.url, body=b"{}")
            await asyncio.gather(*[whole(await side.open(request)) for _ in range(3)])
            dropped.append(await side.open(request))

        for _ in range(3):
            asyncio.run(use())
            gc.collect()
            assert until(lambda: peer.open == 0)
        dropped.clear()
        asyncio.run(side.aclose())
        asyncio.run(side.aclose())
        gc.collect()


@pytest.mark.parametrize("core", CORES)
def test_event_loops_in_several_threads(core: str) -> None:
    side = AsyncSide(core=core)
    bodies: list[bytes] = []

    async def use(url: str) -> None:
        request = HttpRequest(url=url, body=b"{}")
        bodies.extend([await whole(await side.open(request)) for _ in range(10)])

    with Peer(tokens) as peer:
        threads = [threading.Thread(target=lambda: asyncio.run(use(peer.url))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert bodies == [b"data: x\n\n"] * 40
        assert peer.accepted == 4


async def test_closing_reaches_the_loop_of_another_thread() -> None:
    side = AsyncSide()
    ready, over = threading.Event(), threading.Event()

    async def use(url: str) -> None:
        await whole(await side.open(HttpRequest(url=url)))
        ready.set()
        while not over.is_set():  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0.005)

    with Peer() as peer:
        thread = threading.Thread(target=lambda: asyncio.run(use(peer.url)))
        thread.start()
        assert ready.wait(3)
        assert peer.open == 1
        await side.aclose()
        assert until(lambda: peer.open == 0)
        over.set()
        thread.join()


@pytest.mark.parametrize("then", ["closed", "used again"])
def test_a_loop_closed_without_its_shutdown_leaves_no_descriptor(then: str) -> None:
    side = AsyncSide()
    with Peer() as peer, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # asyncio's own, of a transport whose loop was closed under it
        loop = asyncio.new_event_loop()
        loop.run_until_complete(side.http.open(HttpRequest(url=peer.url), Limit(loop.time() + 5)))
        loop.close()
        if then == "used again":

            async def use() -> None:
                await whole(await side.open(HttpRequest(url=peer.url)))

            asyncio.run(use())
        else:
            asyncio.run(side.aclose())
        assert until(lambda: peer.open == 0)
        gc.collect()


@pytest.mark.parametrize("core", CORES)
async def test_slow_readers_hold_the_server_back(core: str) -> None:
    """What waits for a reader stays bounded, and all of it arrives in the end."""

    def script(line: Line) -> None:
        line.request()
        line.send(STREAM)
        for _ in range(64):
            line.send(chunk(bytes(100_000)))
        line.send(b"0\r\n\r\n")

    side = AsyncSide(core=core)
    with Peer(script) as peer:
        exchange = await side.open(HttpRequest(url=peer.url))
        size = len(await exchange.read())
        for _ in range(20):
            await asyncio.sleep(0.005)
            waiting = [stream._size for state in side.http._states.values() for stream in state.backend.streams]
            assert max(waiting) <= 1024 * 1024
        assert size + len(await whole(exchange)) == 6_400_000
    await side.aclose()


async def test_dropped_object_closes_its_idle_connections() -> None:
    with Peer() as peer:
        side = AsyncSide()
        await whole(await side.open(HttpRequest(url=peer.url)))
        del side
        gc.collect()
        await asyncio.sleep(0.02)
        assert until(lambda: peer.open == 0)


@pytest.mark.parametrize("core", CORES)
def test_thirty_two_threads_share_one(core: str) -> None:
    side = SyncSide(core=core)
    failures: list[str] = []

    def use(url: str) -> None:
        try:
            for _ in range(50):
                assert exchanged(side, url) == b"{}"
        except BaseException:  # noqa: BLE001 - a thread reports whatever it was
            failures.append(traceback.format_exc())

    with Peer() as peer:
        threads = [threading.Thread(target=use, args=(peer.url,)) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len(peer.requests) == 32 * 50
        assert peer.accepted <= 32
        side.http.close()
        assert until(lambda: peer.open == 0)


@pytest.mark.parametrize("phase", ["headers", "body"])
@pytest.mark.parametrize("core", CORES)
def test_keyboard_interrupt_closes_the_socket(core: str, phase: str) -> None:
    noticed: list[bool] = []

    def script(line: Line) -> None:
        line.request()
        if phase == "body":
            line.send(STREAM + chunk(b"x"))
        noticed.append(line.sock.recv(1) == b"")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    side = SyncSide(core=core)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with Peer(script) as peer:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(KeyboardInterrupt):
                exchanged(side, peer.url)
            assert until(lambda: noticed == [True])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    side.http.close()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_fork(core: str, tls: bool) -> None:
    """A child goes on with the same object on connections of its own; the parent's, idle and running, live on."""
    side = SyncSide(core=core)
    with Peer(tokens, tls=tls) as peer:
        assert exchanged(side, peer.url) == b"data: x\n\n"
        running = side.http.open(HttpRequest(url=peer.url, body=b"{}"), Limit(side.now() + 5))
        idle = side.http.open(HttpRequest(url=peer.url, body=b"{}"), Limit(side.now() + 5))
        while idle.read():
            pass
        assert peer.accepted == 2
        child = os.fork()
        if child == 0:
            try:
                ok = exchanged(side, peer.url) == exchanged(side, peer.url) == b"data: x\n\n"
                running.close()
                side.http.close()
                os._exit(0 if ok else 1)
            except BaseException:  # noqa: BLE001 - the child must not go on as a second test run
                traceback.print_exc()
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert peer.accepted == 3
        body = b""
        while data := running.read():
            body += data
        assert body == b"data: x\n\n"
        assert exchanged(side, peer.url) == b"data: x\n\n"
        assert peer.accepted == 3
        side.http.close()


def test_parents_close_is_noticed_although_a_child_holds_the_socket() -> None:
    noticed: list[bool] = []

    def script(line: Line) -> None:
        line.request()
        line.send(STREAM + chunk(b"x"))
        noticed.append(line.sock.recv(1) == b"")

    side = SyncSide()
    with Peer(script) as peer:
        exchange = side.http.open(HttpRequest(url=peer.url), Limit(side.now() + 5))
        exchange.read()
        inherited = os.dup(exchange._source._wire.stream._sock.fileno())  # type: ignore[attr-defined]
        exchange.close()
        assert until(lambda: noticed == [True])
        os.close(inherited)
    side.http.close()


def test_a_connection_of_the_parent_is_never_kept_by_a_child() -> None:
    """Not even when the child reads the parent's exchange to its end: both would then send on one socket."""
    side = SyncSide()
    with Peer() as peer:
        exchange = side.http.open(HttpRequest(url=peer.url), Limit(side.now() + 5))
        stream = exchange._source._wire.stream  # type: ignore[attr-defined]
        stream._pid = -1
        while exchange.read():
            pass
        assert exchanged(side, peer.url) == b"{}"
        assert peer.accepted == 2
    side.http.close()


def test_idle_connections_grow_old_and_are_bounded() -> None:
    with Peer(polite) as peer:
        options = HttpOptions(verify=CERTIFICATE, trust_env=False, keepalive=0)
        side = SyncSide(options)
        assert exchanged(side, peer.url) + exchanged(side, peer.url) == b"{}{}"
        assert peer.accepted == 2
        bounded = SyncSide(HttpOptions(verify=CERTIFICATE, trust_env=False, max_idle=1))
        both = [bounded.http.open(HttpRequest(url=peer.url), Limit(side.now() + 5)) for _ in range(2)]
        for exchange in both:
            while exchange.read():
                pass
        assert until(lambda: peer.open == 1)
        bounded.http.close()


def test_many_origins_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelroute.runtime.http.sync_http.MAX_ROUTES", 2)
    side = SyncSide()
    with Peer() as one, Peer() as two, Peer() as three:
        for peer in (one, two, three, one):
            assert exchanged(side, peer.url) == b"{}"
        assert len(side.http._routes) <= 2
        side.http.close()


def test_nothing_happens_before_the_first_use() -> None:
    before = threading.active_count()
    http = SyncHttp(HttpOptions(verify=CERTIFICATE))
    assert threading.active_count() == before
    http.close()


async def test_a_server_that_closes_once_it_has_answered_costs_one_request(side: Side) -> None:
    """As llama.cpp does after a stream, without having said so: a request that was on its way is lost."""

    def script(line: Line) -> None:
        line.request()
        line.send(OK)
        line.request()

    lost = 0
    with Peer(script) as peer:
        for _ in range(6):
            try:
                await whole(await side.open(HttpRequest(url=peer.url, body=b"{}")))
            except HttpBroken:
                lost += 1
    assert lost == 1
