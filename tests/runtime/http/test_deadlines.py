"""Eighteen faults, each ended at its limit, in both colours over both cores.

How late is too late depends on the machine, so every lateness is compared with that of a bare timer of the same
length, running in the same test at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from modelroute.runtime.http import HttpRequest, HttpTimeout, Limit
from tests.runtime.http.peers import STREAM, AsyncSide, Line, Peer, Script, Side, chunk, deaf_port, polite, whole

LIMIT = 0.15
SLACK = 0.15
TRIES = 3  # a busy machine may rob one attempt of its time; a fault that is not ended robs every one


def silent(line: Line) -> None:
    line.request()
    line.until_closed()


def header_hang(line: Line) -> None:
    line.request()
    line.send(b"HTTP/1.1 200 OK\r\ncontent-ty")
    line.until_closed()


def header_drip(line: Line) -> None:
    line.request()
    line.send(b"HTTP/1.1 200 OK\r\nx-drip: ")
    line.drip(b"a")


def interim_drip(line: Line) -> None:
    line.request()
    line.drip(b"HTTP/1.1 100 Continue\r\n\r\n")


def body_silence(line: Line) -> None:
    line.request()
    line.send(STREAM)
    line.until_closed()


def byte_drip(line: Line) -> None:
    line.request()
    line.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    line.drip(b"x")


def comment_drip(line: Line) -> None:
    line.request()
    line.send(STREAM)
    line.drip(chunk(b": keep-alive\n\n"))


def comment_flood(line: Line) -> None:
    line.request()
    line.send(STREAM)
    line.drip(chunk(b": keep-alive\n\n") * 2000, pause=0)


def token_then_comments(line: Line) -> None:
    line.request()
    line.send(STREAM + chunk(b"data: token\n\n"))
    line.drip(chunk(b": keep-alive\n\n"))


def reads_nothing(line: Line) -> None:
    line.peer.over.wait(5)


def once_then(script: Script) -> Script:
    def run(line: Line) -> None:
        line.request()
        line.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        script(line)

    return run


def handshake_drip(line: Line) -> None:
    line.send(b"\x16\x03\x03\x40\x00")
    line.drip(b"\x02")


class BareTimer:
    """How late a timer is here and now that does nothing else."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.late = 0.0
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        end = time.monotonic() + self._seconds
        time.sleep(self._seconds)
        self.late = time.monotonic() - end

    def __enter__(self) -> BareTimer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One exchange: its limit, in seconds from its start, and the limit that its first token brings, if any."""

    url: str
    body: bytes = b"{}"
    limit: float = LIMIT
    from_token: float | None = None
    reused: bool = False


async def ended(side: Side, attempt: Attempt) -> tuple[HttpTimeout, float, float]:
    """Exchange until the limit ends it; return the error, and how late it and a bare timer were."""
    if attempt.reused:
        await whole(await side.open(HttpRequest(url=attempt.url)))
    begun = side.now()
    limit = Limit(begun + attempt.limit)

    async def exchanged() -> None:
        exchange = await side.open(HttpRequest(url=attempt.url, body=attempt.body), limit)
        try:
            while data := await exchange.read():
                if attempt.from_token is not None and b"data:" in data:
                    limit.at = begun + attempt.from_token
        finally:
            await exchange.aclose()

    with BareTimer(attempt.from_token or attempt.limit) as bare, pytest.raises(HttpTimeout) as caught:
        await exchanged()
    return caught.value, side.now() - limit.at, bare.late


async def check(side: Side, attempt: Attempt, phase: str) -> None:
    """The limit ends it, never early, and in one of a few tries in that phase, no later than a bare timer and slack."""
    tries = []
    for _ in range(TRIES):
        error, late, bare = await ended(side, attempt)
        assert late >= -0.001
        if error.phase == phase and late - bare <= SLACK:
            return
        tries.append((error.phase, late - bare))
    pytest.fail(f"not ended in the {phase}, or late by so many seconds: {tries}")


PLAIN = [
    (silent, "headers"),
    (header_hang, "headers"),
    (header_drip, "headers"),
    (interim_drip, "headers"),
    (body_silence, "body"),
    (byte_drip, "body"),
    (comment_drip, "body"),
    (comment_flood, "body"),
]


@pytest.mark.parametrize(("script", "phase"), PLAIN, ids=[script.__name__ for script, _ in PLAIN])
async def test_plain(side: Side, script: Script, phase: str) -> None:
    with Peer(script) as peer:
        await check(side, Attempt(url=peer.url), phase)
        assert peer.accepted == len(peer.requests)


@pytest.mark.parametrize(("script", "phase"), [(silent, "headers"), (header_drip, "headers"), (comment_drip, "body")])
async def test_tls(side: Side, script: Script, phase: str) -> None:
    with Peer(script, tls=True) as peer:
        await check(side, Attempt(url=peer.url), phase)


@pytest.mark.parametrize("script", [silent, header_drip])
async def test_reused_connection(side: Side, script: Script) -> None:
    with Peer(once_then(script)) as peer:
        await check(side, Attempt(url=peer.url, reused=True), "headers")
        assert len(peer.requests) == 2 * peer.accepted


async def test_limit_moved_nearer_by_a_token_is_not_fed_by_comments(side: Side) -> None:
    with Peer(token_then_comments) as peer:
        await check(side, Attempt(url=peer.url, limit=5, from_token=LIMIT), "body")


async def test_request_body_nobody_reads(side: Side) -> None:
    with Peer(reads_nothing) as peer:
        await check(side, Attempt(url=peer.url, body=bytes(12_000_000)), "send")


@pytest.mark.parametrize("script", [reads_nothing, handshake_drip])
async def test_tls_handshake(side: Side, script: Script) -> None:
    with Peer(script) as peer:
        await check(side, Attempt(url=f"https://localhost:{peer.port}"), "connect")
        assert peer.requests == []


async def test_connect(side: Side) -> None:
    with deaf_port() as port:
        await check(side, Attempt(url=f"http://127.0.0.1:{port}"), "connect")


@contextlib.contextmanager
def hung_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A resolver that answers nobody until the test is over."""
    over = threading.Event()

    def getaddrinfo(*_: object) -> list[object]:
        over.wait(5)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    try:
        yield
    finally:
        over.set()
        for thread in threading.enumerate():
            if thread.name == "modelroute-resolve":
                thread.join()


async def test_names(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    with hung_names(monkeypatch):
        await check(side, Attempt(url="http://slow.example"), "connect")


async def test_more_hung_lookups_than_there_may_be_threads(monkeypatch: pytest.MonkeyPatch, side: Side) -> None:
    monkeypatch.setattr("modelroute.runtime.http.resolve._THREADS", 2)
    monkeypatch.setattr("modelroute.runtime.http.resolve._slots._free", (0, None))
    with hung_names(monkeypatch):
        for _ in range(3):
            await check(side, Attempt(url="http://slow.example"), "connect")
        assert sum(thread.name == "modelroute-resolve" for thread in threading.enumerate()) == 2
    monkeypatch.setattr("modelroute.runtime.http.resolve._slots._free", (0, None))


@pytest.mark.parametrize(("at", "connect_at"), [(5, LIMIT), (LIMIT, 5)])
async def test_connect_limit_is_its_own_but_never_later_than_the_whole(
    side: Side, at: float, connect_at: float
) -> None:
    with deaf_port() as port:
        begun = side.now()
        with pytest.raises(HttpTimeout) as caught:
            await side.open(HttpRequest(url=f"http://127.0.0.1:{port}"), Limit(begun + at, begun + connect_at))
        assert caught.value.phase == "connect"
        assert side.now() - begun < 2


def token_then_silence(line: Line) -> None:
    line.request()
    line.send(STREAM + chunk(b"data: token\n\n"))
    line.until_closed()


@pytest.mark.parametrize(("limit", "moved_to"), [(0.6, 0.8), (5, 0.4)], ids=["further", "nearer"])
async def test_limit_moved_before_a_long_silence(side: Side, limit: float, moved_to: float) -> None:
    """The limit that ends a wait is the one that stands when the wait begins, whatever was armed for the one before."""
    with Peer(token_then_silence) as peer:
        await check(side, Attempt(url=peer.url, limit=limit, from_token=moved_to), "body")


async def test_limit_moved_further_lets_a_slow_answer_through(side: Side) -> None:
    def slow(line: Line) -> None:
        line.request()
        line.send(STREAM + chunk(b"a"))
        line.peer.over.wait(0.2)
        line.send(chunk(b"b") + b"0\r\n\r\n")
        line.until_closed()

    with Peer(slow) as peer:
        limit = Limit(side.now() + 0.1)
        exchange = await side.open(HttpRequest(url=peer.url), limit)
        assert await exchange.read() == b"a"
        limit.at += 4
        assert await exchange.read() == b"b"
        assert await exchange.read() == b""


async def test_a_limit_that_has_passed_sends_nothing(side: Side) -> None:
    with Peer(polite) as peer:
        with pytest.raises(HttpTimeout) as caught:
            await side.open(HttpRequest(url=peer.url), Limit(side.now()))
        assert caught.value.phase == "connect"
        assert peer.accepted == 0


async def test_many_expire_at_once() -> None:
    """One timer each: a hundred waiting exchanges end together, none much later than the first."""
    side = AsyncSide()
    with Peer(silent) as peer:
        end = side.now() + 0.5

        async def one() -> float:
            with pytest.raises(HttpTimeout):
                await side.open(HttpRequest(url=peer.url), Limit(end))
            return side.now() - end

        lateness = await asyncio.gather(*[one() for _ in range(100)])
        assert max(lateness) - min(lateness) <= 2 * SLACK
        assert min(lateness) >= 0
    await side.aclose()
