"""What an exchange says when it fails, and what it never says, in both colours over both cores."""

from __future__ import annotations

import gzip
import socket

import pytest

from modelroute.runtime.http import HttpBroken, HttpRequest, HttpUnreachable, decoding
from tests.runtime.http.peers import STREAM, Line, Peer, Script, Side, chunk, polite, until, whole


def closing(response: bytes) -> Script:
    def run(line: Line) -> None:
        line.request()
        line.send(response)

    return run


async def broken(side: Side, url: str, request: HttpRequest | None = None) -> HttpBroken:
    with pytest.raises(HttpBroken) as caught:
        await whole(await side.open(request or HttpRequest(url=url, body=b"{}")))
    return caught.value


async def test_reset_before_any_byte(side: Side) -> None:
    def script(line: Line) -> None:
        line.request()
        line.reset()

    with Peer(script) as peer:
        error = await broken(side, peer.url)
        assert (error.phase, error.sent, error.any_bytes) == ("headers", True, False)


@pytest.mark.parametrize(
    ("response", "phase"),
    [
        (b"", "headers"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "headers"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345", "body"),
        (STREAM + chunk(b"data: x\n\n"), "body"),
        (STREAM + b"zz\r\n", "body"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "headers"),
        (b"HTTP/2 200\r\n\r\n", "headers"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", "headers"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", "headers"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"a" * 300_000, "headers"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: %b\r\n" % (b"a" * 900) * 80 + b"content-length: 0\r\n\r\n", "headers"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 30_000, "headers"),
    ],
    ids=[
        "nothing",
        "cut-headers",
        "cut-length",
        "cut-chunks",
        "bad-chunk",
        "ssh",
        "http2",
        "length",
        "coding",
        "header-flood",
        "many-headers",
        "interim-flood",
    ],
)
async def test_nonsense(side: Side, response: bytes, phase: str) -> None:
    with Peer(closing(response)) as peer:
        error = await broken(side, peer.url)
        assert (error.phase, error.sent) == (phase, True)
        assert error.any_bytes is (response != b"")
        assert error.__cause__ is None
        assert error.__context__ is None


async def test_interim_responses_without_end(side: Side) -> None:
    """Refused for their amount, long before the limit."""

    def script(line: Line) -> None:
        line.request()
        line.drip(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, pause=0)

    with Peer(script) as peer:
        assert "too long" in (await broken(side, peer.url)).message


async def test_body_that_is_too_large(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "BODY_BYTES", 4 << 20)

    def script(line: Line) -> None:
        line.request()
        line.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        for _ in range(5):
            line.send(bytes(1 << 20))

    with Peer(script) as peer:
        assert "4 MiB" in (await broken(side, peer.url)).message


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(bytes(50_000_000))),
        ("gzip", b"not gzip"),
        ("gzip", gzip.compress(b"cut" * 99)[:-9]),
        ("br", b"x"),
    ],
    ids=["bomb", "bad", "cut", "unknown"],
)
async def test_compression_that_is_refused(side: Side, coding: str, packed: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: %b\r\ncontent-length: %d\r\n\r\n" % (coding.encode(), len(packed))
    with Peer(closing(head + packed)) as peer:
        error = await broken(side, peer.url)
        assert (error.phase, error.any_bytes) == ("body", True)
        assert until(lambda: peer.open == 0)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1",
        "https://127.0.0.1:1",
        "http://no-such-host.invalid",
        "http://a..b",
        "http://" + "a" * 70 + ".example",
        "http://\udcff.example",
        "http://a\x00b",
        "ftp://x",
        "http://",
        "http://x:99999",
        "http://[::1",
        "http://user:secret@127.0.0.1:1/",
        "",
    ],
)
async def test_unreachable(side: Side, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = socket.getaddrinfo

    def getaddrinfo(host: str, *rest: int) -> object:
        if host.endswith((".invalid", ".example")) and len(host) < 60 and host.isascii():
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return asked(host, *rest)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(HttpUnreachable) as caught:
        await side.open(HttpRequest(url=url, body=b"{}"))
    assert "secret" not in str(caught.value)
    assert caught.value.__context__ is None


async def test_tls_failures_are_unreachable(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer(polite, tls=True) as peer:
        here = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", peer.port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: here)
        with pytest.raises(HttpUnreachable, match=r"(?i)mismatch|not valid for"):
            await side.open(HttpRequest(url="https://other.example"))
    monkeypatch.undo()
    for script in (closing_plainly, Line.reset):
        with Peer(script) as peer, pytest.raises(HttpUnreachable):
            await side.open(HttpRequest(url=f"https://localhost:{peer.port}"))


def closing_plainly(line: Line) -> None:
    line.send(b"HTTP/1.1 400 plain\r\n\r\n")


@pytest.mark.parametrize(
    "header",
    [
        ("authorization", "Bearer sk-secret\n"),
        ("authorization", "sk-secret\N{LEFT DOUBLE QUOTATION MARK}"),
        ("x y", "sk-secret"),
    ],
)
async def test_a_header_that_cannot_be_sent_is_not_echoed(side: Side, header: tuple[str, str]) -> None:
    with Peer() as peer:
        request = HttpRequest(url=peer.url, headers=(header,), body=b"{}")
        error = await broken(side, peer.url, request)
        assert (error.phase, error.sent) == ("send", False)
        assert error.__cause__ is None
        assert error.__context__ is None
        trace, shown = error.__traceback__, repr(error) + repr(request)
        while trace is not None:
            if "modelroute" in trace.tb_frame.f_code.co_filename and "tests" not in trace.tb_frame.f_code.co_filename:
                shown += repr(trace.tb_frame.f_locals)
            trace = trace.tb_next
        assert "secret" not in shown


async def test_errors_hold_no_frame_that_saw_a_header(side: Side) -> None:
    """A crash reporter shows the locals of every frame of a traceback."""
    with Peer(closing(b"")) as peer:
        error = await broken(side, peer.url, HttpRequest(url=peer.url, headers=(("authorization", "sk-secret"),)))
        trace, shown = error.__traceback__, ""
        while trace is not None:
            if trace.tb_frame.f_code.co_filename != __file__:
                shown += repr(trace.tb_frame.f_locals)
            trace = trace.tb_next
        assert "HttpRequest" in shown
        assert "secret" not in shown
