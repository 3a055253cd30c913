"""Faults of the connection: it breaks, stands still, drips, or is closed behind the client's back."""

from __future__ import annotations

from modelroute.testing.answers import EVENT_STREAM, answer, whole
from modelroute.testing.exchange import Exchange, head_bytes
from modelroute.testing.fault import Play, When, fault
from modelroute.types.failure import Kind

__all__ = [
    "bare_http10",
    "byte_drip",
    "closed_before_headers",
    "half_close",
    "header_drip",
    "headers_then_silent",
    "idle_close",
    "idle_reset",
    "informational",
    "reset_before_headers",
    "reset_in_headers",
    "silent",
    "slow_headers",
    "slow_reading",
    "stale_connection",
    "trailers",
]

_BEFORE: When = "before content"
_GARBLED_OR_CUT = frozenset({Kind.GARBLED, Kind.INTERRUPTED, Kind.TRANSIENT})
_WAITED = frozenset({Kind.SILENT, Kind.INTERRUPTED, Kind.LATE})
_SILENT_TOO = frozenset({Kind.LATE})


# -------------------------------------------------------------------------------------------------- before any answer


@fault("reset_before_headers", "the connection is reset after the request, before any byte", Kind.TRANSIENT, _BEFORE)
def reset_before_headers() -> Play:
    """Reset (RST) instead of answering."""

    async def play(exchange: Exchange) -> None:
        exchange.reset()

    return play


@fault("closed_before_headers", "the connection is closed after the request, before any byte", Kind.TRANSIENT, _BEFORE)
def closed_before_headers() -> Play:
    """Close (FIN) instead of answering."""

    async def play(exchange: Exchange) -> None:
        exchange.close()

    return play


@fault("half_close", "the server says it will send nothing, and stays", Kind.TRANSIENT, _BEFORE, endless=True)
def half_close() -> Play:
    """Shut the sending side only."""

    async def play(exchange: Exchange) -> None:
        exchange.half_close()
        await exchange.hang()

    return play


@fault(
    "reset_in_headers",
    "the connection is reset in the middle of the headers",
    Kind.TRANSIENT,
    _BEFORE,
    also=_GARBLED_OR_CUT,
)
def reset_in_headers() -> Play:
    """Send half a head, then reset."""

    async def play(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/ev")
        await exchange.pause(0.02)  # else the reset overtakes the bytes
        exchange.reset()

    return play


@fault("silent", "the request is taken, and nothing is ever said", Kind.SILENT, _BEFORE, also=_SILENT_TOO, endless=True)
def silent() -> Play:
    """Accept and say nothing."""

    async def play(exchange: Exchange) -> None:
        await exchange.hang()

    return play


@fault(
    "headers_then_silent",
    "headers at once, then nothing",
    Kind.SILENT,
    _BEFORE,
    also=frozenset({Kind.LATE, Kind.INTERRUPTED}),
    endless=True,
)
def headers_then_silent() -> Play:
    """Send a good head and no body."""

    async def play(exchange: Exchange) -> None:
        await exchange.begin(200, EVENT_STREAM)
        await exchange.hang()

    return play


@fault("slow_headers", "nothing for a while, then a good answer")
def slow_headers(delay: float = 0.2) -> Play:
    """Take time before the first byte."""

    async def play(exchange: Exchange) -> None:
        await exchange.pause(delay)
        await answer(exchange)

    return play


@fault("header_drip", "headers one byte at a time, for ever", Kind.SILENT, _BEFORE, also=_SILENT_TOO, endless=True)
def header_drip(between: float = 0.05) -> Play:
    """Feed a naive read timeout with headers that never end."""

    async def play(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            for byte in b"x-patience: please\r\n":
                await exchange.send(bytes([byte]))
                await exchange.pause(between)

    return play


@fault(
    "byte_drip",
    "a good answer, one byte at a time, too slow to be of use",
    Kind.SILENT,
    _BEFORE,
    also=_WAITED | {None},
)
def byte_drip(between: float = 0.05) -> Play:
    """Feed a naive read timeout with an answer that takes its time."""

    async def play(exchange: Exchange) -> None:
        kind, data = whole(exchange)
        await exchange.begin(200, (("content-type", kind),))
        for byte in data:
            await exchange.chunk(bytes([byte]))
            await exchange.pause(between)
        await exchange.end()

    return play


@fault(
    "slow_reading",
    "the server reads the request's body slowly; choose it by path",
    Kind.SILENT,
    _BEFORE,
    also=_WAITED | {None},
    before_body=True,
)
def slow_reading(bytes_per_second: float = 1_000.0) -> Play:
    """Take the request drop by drop, then answer well. A short request is soon read, and answered."""

    async def play(exchange: Exchange) -> None:
        await exchange.read_body(bytes_per_second=bytes_per_second)
        await answer(exchange)

    return play


# --------------------------------------------------------------------------------------------------- odd, but allowed


@fault("informational", "100, 102 and 103 before the answer")
def informational() -> Play:
    """Say interim things first."""

    async def play(exchange: Exchange) -> None:
        for status in (100, 102):
            await exchange.send(head_bytes(status, ()))
        await exchange.send(head_bytes(103, (("link", "</style.css>; rel=preload"),)))
        await answer(exchange)

    return play


@fault("http10", "an answer without length, ended by closing, as in HTTP/1.0")
def bare_http10() -> Play:
    """Answer as in the nineties."""

    async def play(exchange: Exchange) -> None:
        kind, data = whole(exchange)
        await exchange.send(f"HTTP/1.0 200 OK\r\ncontent-type: {kind}\r\n\r\n".encode() + data)
        exchange.close()

    return play


@fault("trailers", "a good answer with trailers after the last chunk")
def trailers() -> Play:
    """Say more after the end."""

    async def play(exchange: Exchange) -> None:
        kind, data = whole(exchange)
        await exchange.begin(200, (("content-type", kind), ("trailer", "x-checksum")))
        await exchange.chunk(data)
        await exchange.send(b"0\r\nx-checksum: none\r\n\r\n")

    return play


@fault("idle_close", "a good answer, then the kept connection is closed without notice")
def idle_close() -> Play:
    """Close an idle connection that was promised to be kept."""

    async def play(exchange: Exchange) -> None:
        await answer(exchange)
        exchange.close()

    return play


@fault("idle_reset", "a good answer, then the kept connection is reset")
def idle_reset(delay: float = 0.05) -> Play:
    """Reset an idle connection, once the answer has surely been read."""

    async def play(exchange: Exchange) -> None:
        await answer(exchange)
        await exchange.pause(delay)
        exchange.reset()

    return play


@fault("stale_connection", "a good answer; the next request on the same connection is reset unread")
def stale_connection() -> Play:
    """Lose the race between closing an idle connection and its reuse."""

    async def play(exchange: Exchange) -> None:
        await answer(exchange)
        exchange.link.stale = True

    return play
