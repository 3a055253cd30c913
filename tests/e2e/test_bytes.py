"""Whatever bytes a server sends, only our own errors leave, and they leave in time (INVARIANTS P3, T3)."""

# ruff: noqa: BLE001
# What left the library is what is looked at.

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from modelroute import AsyncRouter, Catalog, Model, ModelRouteError, Price, Provider, Router
from modelroute.testing.replies import anthropic_body, anthropic_stream, error_body, openai_body, openai_stream
from tests.e2e.places import KEY, POLICY, PROMPT

DEADLINE = 1.0
LATE = 0.5
"""How late it may be on a busy machine; a hang would be far later."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the server does with every request: the pieces it sends, and whether it then closes, resets or stays."""

    pieces: tuple[bytes, ...]
    then: str = "close"


class RawServer:
    """Answers every request on loopback with the same bytes, whatever they are."""

    def __init__(self) -> None:
        self.said = Said((b"",))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._accept, name="raw-server", daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = self._listening.accept()
                threading.Thread(target=self._answer, args=(accepted, self.said), daemon=True).start()

    def _answer(self, accepted: socket.socket, said: Said) -> None:
        with closing(accepted), suppress(OSError):
            accepted.settimeout(5.0)
            request = b""
            while b"\r\n\r\n" not in request:
                request += accepted.recv(65_536)
            head, _, body = request.partition(b"\r\n\r\n")
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            while len(body) < int(lengths[0].partition(b":")[2]):
                body += accepted.recv(65_536)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for place, piece in enumerate(said.pieces):
                if place:
                    time.sleep(0.001)
                accepted.sendall(piece)
            if said.then == "stay":
                while accepted.recv(65_536):
                    pass
            elif said.then == "reset":
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def close(self) -> None:
        self._listening.close()


@pytest.fixture(scope="module")
def raw() -> Iterator[RawServer]:
    server = RawServer()
    yield server
    server.close()


def providers(raw: RawServer) -> list[Provider]:
    """Two targets in two dialects, so that failures travel through retry and fallback too."""
    known = Model("small", context_window=32_000, max_output=4_000)
    return [
        Provider.compatible(
            f"http://127.0.0.1:{raw.port}/{dialect}/v1", name=dialect.partition("-")[0], price=Price(input=1, output=4),
            models=[known], key=KEY, dialect=dialect,
        )
        for dialect in ("openai-chat", "anthropic-messages")
    ]  # fmt: skip


OPTIONS = {"deadline": DEADLINE, "max_attempts": 2}


def try_sync(raw: RawServer, mode: str) -> BaseException | None:
    with Router(providers(raw), policy=POLICY, catalog=Catalog()) as router:
        try:
            if mode == "chat":
                router.chat(PROMPT, **OPTIONS)  # type: ignore[arg-type]
            else:
                with router.stream(PROMPT, **OPTIONS) as stream:  # type: ignore[arg-type]
                    for _ in stream:
                        pass
        except Exception as error:
            return error
    return None


async def try_async(raw: RawServer, mode: str) -> BaseException | None:
    async with AsyncRouter(providers(raw), policy=POLICY, catalog=Catalog()) as router:
        try:
            if mode == "chat":
                await router.chat(PROMPT, **OPTIONS)  # type: ignore[arg-type]
            else:
                async with router.stream(PROMPT, **OPTIONS) as stream:  # type: ignore[arg-type]
                    async for _ in stream:
                        pass
        except Exception as error:
            return error
    return None


def check(raw: RawServer, said: Said, way: str) -> None:
    raw.said = said
    colour, mode = way.split(" ")
    begun = time.monotonic()
    error = try_sync(raw, mode) if colour == "sync" else asyncio.run(try_async(raw, mode))
    took = time.monotonic() - begun
    event(type(error).__name__)
    if error is not None and not isinstance(error, ModelRouteError):
        raise AssertionError(f"{type(error).__name__} left the library") from error
    assert took < DEADLINE + LATE


# ---------------------------------------------------------------------------------------------------- what is sent

GOOD = [
    b"".join(openai_stream()),
    b"".join(anthropic_stream()),
    openai_body(),
    anthropic_body(),
    error_body("openai", 500),
    error_body("anthropic", 429),
]
FRAGMENTS = [
    *(
        b"data: ",
        b"event: error\n",
        b"\n\n",
        b"\r",
        b"[DONE]",
        b"null",
        b"[]",
        b"{}",
        b"\x00",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
    ),
    *(
        b'{"choices":[',
        b'{"choices":[null]}',
        b'{"choices":[{"delta":null}]}',
        b'{"error":',
        b'{"error":[1,{}]}',
        b'"usage":',
    ),
    *(
        b'{"usage":{"prompt_tokens":"x"}}',
        b'{"choices":[{"finish_reason":7}]}',
        b'{"error":{"message":{}}}',
        b"NaN",
        b"1e999",
    ),
    *(
        b'{"type":"content_block_delta"}',
        b'{"type":"message_delta","delta":5}',
        b'{"type":7}',
        b"<html>",
        b"[" * 200,
        b"9" * 400,
    ),
    *(b'{"choices":[{"delta":{"tool_calls":[{"index":-1}]}}]}', b'{"choices":[{"delta":{"tool_calls":7}}]}'),
]
PIECES = st.one_of(st.sampled_from(FRAGMENTS), st.sampled_from(GOOD), st.binary(max_size=60))
BODIES = st.one_of(
    st.binary(max_size=300),
    st.lists(PIECES, max_size=6).map(b"".join),
    st.tuples(st.sampled_from(GOOD), st.integers(0, 600), st.binary(max_size=6), st.integers(0, 6)).map(
        lambda made: made[0][: made[1]] + made[2] + made[0][made[1] + made[3] :]
    ),
)
TYPES = st.one_of(
    st.sampled_from(
        ["text/event-stream", "application/json", "text/html", "text/event-stream; charset=utf-16", "x", ""]
    ),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=30),
)
NAMES = st.sampled_from(
    ["Retry-After", "retry-after-ms", "Content-Encoding", "Transfer-Encoding", "Content-Length", "Location",
     "x-should-retry",
          "Connection", "Upgrade", "x-ratelimit-reset-requests", "x-amzn-errortype", "Set-Cookie", "", " x", "x:y"]
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        ["1", "-1", "NaN", "1e308", "gzip", "br", "deflate", "gzip, gzip", "chunked", "identity", "chunked, gzip",
         "http://elsewhere.invalid/", "Fri, 31 Dec 9999 23:59:59 GMT", "9" * 20, "1s", "close", "\x00", "é"]
    ),
    st.text(st.characters(max_codepoint=255), max_size=20),
)  # fmt: skip
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=4)
STATUSES = st.one_of(
    st.sampled_from(
        ["200 OK", "200", "204 No Content", "206 Partial", "301 Moved", "304 Not Modified", "400", "401 No"]
    ),
    st.sampled_from(
        ["404 Not Found", "429 Slow", "500 Oh", "503 Busy", "529 Over", "100 Continue", "101 Switching", "000 x"]
    ),
    st.integers(0, 9999).map(str),
    st.text(max_size=8),
)


@st.composite
def responses(draw: st.DrawFn) -> Said:
    """An HTTP response, more or less: some status, headers and body, cut anywhere and ended anyhow."""
    body = draw(BODIES)
    framed = draw(st.sampled_from(["length", "chunked", "none", "wrong length"]))
    head = [f"HTTP/1.1 {draw(STATUSES)}", f"Content-Type: {draw(TYPES)}"]
    head += [f"{name}: {value}" for name, value in draw(HEADERS)]
    if framed == "chunked":
        head.append("Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    elif framed != "none":
        head.append(f"Content-Length: {len(body) + (draw(st.integers(-5, 5)) if framed == 'wrong length' else 0)}")
    data = ("\r\n".join(head) + "\r\n\r\n").encode("utf-8", "replace") + body
    return cut(data, draw(st.lists(st.integers(0, max(1, len(data))), max_size=4)), draw(ENDS))


ENDS = st.sampled_from(["close"] * 6 + ["reset"] * 2 + ["stay"])


def cut(data: bytes, places: list[int], then: str) -> Said:
    bounds = [0, *sorted(places), len(data)]
    pieces = tuple(data[start:end] for start, end in pairwise(bounds) if end > start)
    return Said(pieces or (b"",), then)


WAYS = ["sync chat", "sync stream", "async chat", "async stream"]


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=60)
@given(said=responses())
def test_any_response(raw: RawServer, way: str, said: Said) -> None:
    check(raw, said, way)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=25)
@given(data=st.one_of(st.binary(max_size=200), st.text(max_size=80).map(str.encode)), then=ENDS)
def test_any_bytes_at_all(raw: RawServer, way: str, data: bytes, then: str) -> None:
    check(raw, Said((data,), then), way)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=40)
@given(body=BODIES, places=st.lists(st.integers(0, 800), max_size=5), then=ENDS)
def test_any_body_in_a_good_response(raw: RawServer, way: str, body: bytes, places: list[int], then: str) -> None:
    """The shortest way into the decoders: 200, and a body without any length."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    check(raw, cut(head + body, [min(place, len(head + body)) for place in places], then), way)


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=40)
@given(status=st.integers(300, 599), body=BODIES, headers=HEADERS)
def test_any_error(raw: RawServer, way: str, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
    """The shortest way into the classifiers: an error status, any headers, any body."""
    clean = [(name, "".join(c for c in value if c.isprintable())) for name, value in headers if name.strip(" x:y")]
    told = [f"{name}: {value}" for name, value in clean if name not in {"Content-Length", "Transfer-Encoding"}]
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", *told]
    check(raw, Said((("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace") + body,)), way)
