"""Faults inside a good connection: streams that break off, stand still or talk nonsense.

A plain request meets the nearest thing: an answer that breaks off, stands still, or is no JSON. What only looks odd and
must be understood is in `modelroute.testing.oddities`.
"""

from __future__ import annotations

from typing import Literal

from modelroute.testing.answers import EVENT_STREAM, answer, parts, plain
from modelroute.testing.exchange import Exchange
from modelroute.testing.fault import Play, When, fault
from modelroute.testing.replies import error_body, event
from modelroute.types.failure import Kind

__all__ = [
    "comment_drip",
    "comment_flood",
    "cut",
    "cut_before_content",
    "endless",
    "eof_without_finish",
    "error_event",
    "error_event_first",
    "filtered_midway",
    "garbage",
    "long_line",
    "malformed_first",
    "stalled",
    "stream_reset",
]

_BEFORE: When = "before content"
_AFTER: When = "after content"
_WAITED = frozenset({Kind.SILENT, Kind.INTERRUPTED, Kind.LATE})
_ERROR_SAID = frozenset({Kind.TRANSIENT, Kind.UNAVAILABLE, Kind.INTERRUPTED, Kind.GARBLED})

BROKEN_EVENT = b'data: {"id":"chatcmpl-test","choices":[{"index":0,"delta":{"content":\n\n'
"""An event whose JSON stops in the middle."""


async def begin_partly(exchange: Exchange, events: int) -> None:
    """Send the opening and the first `events` pieces of content of a good answer, or half of a plain one."""
    if exchange.streamed:
        good = parts(exchange, pieces=5)
        await exchange.begin_stream()
        await exchange.chunks([*good.opening, *good.content[:events]])
    else:
        data = plain(exchange)
        length = ("content-length", str(len(data)))
        await exchange.begin(200, (("content-type", "application/json"),), framing=(length,))
        await exchange.send(data[: len(data) // 2])


# --------------------------------------------------------------------------------------------- broken off, or standing


def _cut(events: int, by: Literal["close", "reset"]) -> Play:
    async def play(exchange: Exchange) -> None:
        await begin_partly(exchange, events)
        if by == "reset":
            await exchange.pause(0.02)  # else the reset overtakes the bytes
            exchange.reset()
        else:
            exchange.close()

    return play


@fault("cut", "the connection is closed after some content", Kind.INTERRUPTED, _AFTER, also=frozenset({Kind.GARBLED}))
def cut(events: int = 2) -> Play:
    """Break off after `events` pieces of content, in the middle of the body."""
    return _cut(events, "close")


@fault("stream_reset", "the connection is reset after some content", Kind.INTERRUPTED, _AFTER)
def stream_reset(events: int = 2) -> Play:
    """Reset after `events` pieces of content."""
    return _cut(events, "reset")


@fault(
    "cut_before_content",
    "the stream begins, and is closed before any content",
    Kind.INTERRUPTED,
    _BEFORE,
    also=frozenset({Kind.GARBLED, Kind.TRANSIENT}),
)
def cut_before_content() -> Play:
    """Break off after the opening."""
    return _cut(0, "close")


@fault(
    "eof_without_finish",
    "the stream ends in good order, but no finish reason was given",
    Kind.INTERRUPTED,
    _AFTER,
    plain=Kind.GARBLED,
)
def eof_without_finish() -> Play:
    """End without finish; a plain body ends in mid-JSON."""

    async def play(exchange: Exchange) -> None:
        if exchange.streamed:
            good = parts(exchange, pieces=5)
            await exchange.stream([*good.opening, *good.content])
        else:
            data = plain(exchange)
            await exchange.reply(200, data[: len(data) // 2])

    return play


@fault("stalled", "some content, then nothing more", Kind.INTERRUPTED, _AFTER, also=_WAITED, endless=True)
def stalled(events: int = 2) -> Play:
    """Stand still after `events` pieces of content."""

    async def play(exchange: Exchange) -> None:
        await begin_partly(exchange, events)
        await exchange.hang()

    return play


def _drip(comment: str, blank: str, between: float) -> Play:
    async def play(exchange: Exchange) -> None:
        kind = EVENT_STREAM if exchange.streamed else (("content-type", "application/json"),)
        await exchange.begin(200, kind)
        while True:
            await exchange.chunk((comment if exchange.streamed else blank).encode())
            await exchange.pause(between)

    return play


@fault("comment_drip", "keep-alive comments for ever, never a token", Kind.SILENT, _BEFORE, also=_WAITED, endless=True)
def comment_drip(between: float = 0.05) -> Play:
    """Feed a naive read timeout with comments; a plain request gets empty lines."""
    return _drip(": keep-alive\n\n", "\n", between)


@fault(
    "comment_flood",
    "keep-alive comments as fast as the client reads, never a token",
    Kind.SILENT,
    _BEFORE,
    also=_WAITED | {Kind.GARBLED},
    endless=True,
)
def comment_flood(comments: int = 1_000) -> Play:
    """Send so many comments at a time, a millisecond apart."""
    return _drip(": keep-alive\n\n" * comments, "\n" * comments, 0.001)


@fault(
    "endless",
    "content without end",
    Kind.LATE,
    _AFTER,
    plain=Kind.SILENT,
    also=frozenset({Kind.LATE, Kind.INTERRUPTED, Kind.CANCELLED}),
    endless=True,
)
def endless(between: float = 0.01) -> Play:
    """Talk until the client leaves; a plain request waits for an answer that is never complete."""

    async def play(exchange: Exchange) -> None:
        if not exchange.streamed:
            await exchange.hang()
        good = parts(exchange, text="again ", pieces=1)
        await exchange.begin_stream()
        await exchange.chunks(good.opening)
        while True:
            await exchange.chunks(good.content)
            await exchange.pause(between)

    return play


# ------------------------------------------------------------------------------------------------------ said midway


def _error_event(exchange: Exchange, status: int, message: str) -> bytes:
    said = error_body(exchange.dialect, status, message=message).decode()
    return event(said, name="error" if exchange.dialect == "anthropic" else "")


def _error_after(events: int, message: str) -> Play:
    async def play(exchange: Exchange) -> None:
        if not exchange.streamed:
            await exchange.reply(200, error_body(exchange.dialect, 500, message=message))
            return
        good = parts(exchange, pieces=5)
        opening = good.opening if events else ()
        await exchange.stream([*opening, *good.content[:events], _error_event(exchange, 500, message)])

    return play


@fault(
    "error_event",
    "an error event after some content",
    Kind.INTERRUPTED,
    _AFTER,
    plain=Kind.TRANSIENT,
    also=_ERROR_SAID,
)
def error_event(events: int = 2, message: str = "upstream exploded") -> Play:
    """Say after `events` pieces of content that it failed."""
    return _error_after(events, message)


@fault(
    "error_event_first",
    "an error event before any content",
    Kind.INTERRUPTED,
    _BEFORE,
    plain=Kind.TRANSIENT,
    also=_ERROR_SAID,
)
def error_event_first(message: str = "upstream exploded") -> Play:
    """Say at once, in a good stream, that it failed."""
    return _error_after(0, message)


@fault("filtered_midway", "some content, then the finish reason of a content filter", Kind.REFUSED, _AFTER)
def filtered_midway() -> Play:
    """Stop for the sake of decency."""

    async def play(exchange: Exchange) -> None:
        await answer(exchange, "Well, first you", finish="content_filter")

    return play


# ---------------------------------------------------------------------------------------------------------- nonsense


@fault(
    "malformed_first",
    "a malformed event before any content, in an otherwise good stream",
    Kind.GARBLED,
    _BEFORE,
    also=frozenset({None}),
)
def malformed_first() -> Play:
    """Begin with nonsense; a plain body is no JSON."""

    async def play(exchange: Exchange) -> None:
        if exchange.streamed:
            await exchange.stream([BROKEN_EVENT, *parts(exchange).events])
        else:
            await exchange.reply(200, plain(exchange)[:-3])

    return play


@fault("garbage", "bytes without any meaning", Kind.GARBLED, _BEFORE, also=frozenset({Kind.INTERRUPTED}))
def garbage(length: int = 4_096) -> Play:
    """Send noise with the right content type; the same noise every time."""

    async def play(exchange: Exchange) -> None:
        noise = bytes((place * place * 31 + place * 7) % 256 for place in range(length))
        if exchange.streamed:
            await exchange.stream([noise, b"\n\n", b"data: " + noise.replace(b"\n", b"") + b"\n\n"])
        else:
            await exchange.reply(200, noise)

    return play


@fault("long_line", "one line of 10 MiB", Kind.GARBLED, _BEFORE, plain=None, also=frozenset({Kind.INTERRUPTED}))
def long_line(mebibytes: int = 10) -> Play:
    """Say it all in one event; a plain answer of that size is only long."""

    async def play(exchange: Exchange) -> None:
        await answer(exchange, "long " * (mebibytes * (1 << 20) // 5), pieces=1)

    return play
