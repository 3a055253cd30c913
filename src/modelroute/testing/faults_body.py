"""Faults of the body: lies about its length, encodings that are not what they seem, more than anyone can swallow."""

from __future__ import annotations

import zlib
from functools import cache

from modelroute.testing.answers import EVENT_STREAM, answer, whole
from modelroute.testing.exchange import Exchange, head_bytes
from modelroute.testing.fault import Play, When, fault
from modelroute.types.failure import Kind

__all__ = [
    "bad_chunk_size",
    "bad_gzip",
    "bomb",
    "deep_json",
    "empty_answer",
    "gzip_bomb",
    "gzipped",
    "header_flood",
    "html",
    "huge_body",
    "length_too_long",
    "length_too_short",
    "not_http",
]

_BEFORE: When = "before content"
_AFTER: When = "after content"
_GARBLED_OR_CUT = frozenset({Kind.GARBLED, Kind.INTERRUPTED, Kind.TRANSIENT})

# ------------------------------------------------------------------------------------------------- lies about lengths


@fault(
    "length_too_long",
    "Content-Length promises more than comes",
    None,
    plain=Kind.INTERRUPTED,
    also=frozenset({None, Kind.INTERRUPTED, Kind.GARBLED}),
)
def length_too_long(extra: int = 100) -> Play:
    """Promise `extra` bytes that never come; a stream's finish and end do come, so it may count as whole."""

    async def play(exchange: Exchange) -> None:
        kind, data = whole(exchange)
        await exchange.begin(200, (("content-type", kind),), framing=(("content-length", str(len(data) + extra)),))
        await exchange.send(data)
        exchange.close()

    return play


@fault(
    "length_too_short",
    "Content-Length promises less than comes: the answer is cut, and the rest poisons the connection",
    Kind.INTERRUPTED,
    _AFTER,
    plain=Kind.GARBLED,
    also=_GARBLED_OR_CUT,
)
def length_too_short(share: float = 0.7) -> Play:
    """Promise `share` of the bytes that come."""

    async def play(exchange: Exchange) -> None:
        kind, data = whole(exchange)
        length = ("content-length", str(int(len(data) * share)))
        await exchange.send(head_bytes(200, (("content-type", kind), length)) + data)

    return play


@fault("bad_chunk_size", "a chunk whose size is no number", Kind.GARBLED, _BEFORE, also=_GARBLED_OR_CUT)
def bad_chunk_size() -> Play:
    """Break the framing of the body."""

    async def play(exchange: Exchange) -> None:
        await exchange.begin(200, EVENT_STREAM)
        await exchange.send(b"zz\r\nwhat\r\n")
        exchange.close()

    return play


# -------------------------------------------------------------------------------------------------- not what it seems


@fault("gzip", "a good answer, compressed")
def gzipped() -> Play:
    """Compress, though nobody asked."""

    async def play(exchange: Exchange) -> None:
        kind, data = whole(exchange)
        packer = zlib.compressobj(wbits=31)
        packed = packer.compress(data) + packer.flush()
        await exchange.reply(200, packed, (("content-encoding", "gzip"),), kind=kind)

    return play


@fault("not_http", "the greeting of another protocol", Kind.GARBLED, _BEFORE, also=_GARBLED_OR_CUT)
def not_http() -> Play:
    """Be another kind of server."""

    async def play(exchange: Exchange) -> None:
        await exchange.send(b"SSH-2.0-OpenSSH_9.6\r\n")
        exchange.close()

    return play


@fault("html", "200 with a page of HTML", Kind.GARBLED, _BEFORE, also=frozenset({Kind.UNAVAILABLE, Kind.INTERRUPTED}))
def html() -> Play:
    """Be a login page."""

    async def play(exchange: Exchange) -> None:
        page = b"<!doctype html><html><body><p>Please sign in to the network.</p></body></html>"
        await exchange.reply(200, page, kind="text/html; charset=utf-8")

    return play


@fault("empty", "200 with nothing in it", Kind.INTERRUPTED, _BEFORE, plain=Kind.GARBLED, also=_GARBLED_OR_CUT)
def empty_answer() -> Play:
    """Say nothing, successfully."""

    async def play(exchange: Exchange) -> None:
        await exchange.reply(200, b"", kind="text/event-stream" if exchange.streamed else "application/json")

    return play


@fault("bad_gzip", "a body that says it is gzip and is not", Kind.GARBLED, _BEFORE, also=_GARBLED_OR_CUT)
def bad_gzip() -> Play:
    """Lie about the encoding."""

    async def play(exchange: Exchange) -> None:
        kind, data = whole(exchange)
        await exchange.reply(200, data, (("content-encoding", "gzip"),), kind=kind)

    return play


@fault("gzip_bomb", "a small body that unpacks to 64 MiB", Kind.GARBLED, _BEFORE, also=frozenset({Kind.INTERRUPTED}))
def gzip_bomb(mebibytes: int = 64) -> Play:
    """Fill the client's memory."""

    async def play(exchange: Exchange) -> None:
        kind, _ = whole(exchange)
        await exchange.reply(200, bomb(mebibytes), (("content-encoding", "gzip"),), kind=kind)

    return play


@cache
def bomb(mebibytes: int) -> bytes:
    """Return gzip that unpacks to so many MiB of spaces, made from one repeated block."""
    spaces = b" " * (1 << 20)
    packer = zlib.compressobj(9, wbits=-15)
    packer.compress(spaces)
    packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(spaces) + packer.flush(zlib.Z_FULL_FLUSH)  # depends on nothing before it
    check = 0
    for _ in range(mebibytes):
        check = zlib.crc32(spaces, check)
    ending = packer.flush(zlib.Z_FINISH) + check.to_bytes(4, "little") + (mebibytes << 20).to_bytes(4, "little")
    return b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + block * mebibytes + ending


@fault("header_flood", "a megabyte of headers", Kind.GARBLED, _BEFORE, also=_GARBLED_OR_CUT)
def header_flood(count: int = 16_000) -> Play:
    """Drown the client in headers."""

    async def play(exchange: Exchange) -> None:
        kind, data = whole(exchange)
        flood = tuple((f"x-flood-{number}", "drowning drowning drowning drowning") for number in range(count))
        await exchange.reply(200, data, flood, kind=kind)

    return play


@fault("huge_body", "a good answer of 33 MiB", Kind.GARBLED, _BEFORE, also=frozenset({Kind.INTERRUPTED}))
def huge_body(mebibytes: int = 33) -> Play:
    """Answer at a length nobody can want, in one event or one body."""

    async def play(exchange: Exchange) -> None:
        await answer(exchange, "long " * ((mebibytes << 20) // 5), pieces=1)

    return play


@fault("deep_json", "JSON nested 100,000 deep", Kind.GARBLED, _BEFORE, also=frozenset({Kind.INTERRUPTED}))
def deep_json(depth: int = 100_000) -> Play:
    """Overflow a recursive parser."""

    async def play(exchange: Exchange) -> None:
        deep = b"[" * depth + b"]" * depth
        if exchange.streamed:
            await exchange.stream([b"data: " + deep + b"\n\n"])
        else:
            await exchange.reply(200, deep)

    return play
