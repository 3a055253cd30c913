"""Answers that are good, whatever they look like: a client must understand every one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, Unpack

from modelroute.testing.answers import TEXT, answer, parts, plain
from modelroute.testing.exchange import Exchange
from modelroute.testing.fault import Play, When, fault
from modelroute.testing.faults_stream import BROKEN_EVENT
from modelroute.testing.replies import Said, StreamParts, event, openai_chunk
from modelroute.types.failure import Kind
from modelroute.types.reply import ToolCall
from modelroute.types.usage import Usage

__all__ = [
    "byte_order_mark",
    "carriage_returns",
    "duplicated",
    "empty_chunks",
    "finish_without_content",
    "interleaved_tools",
    "line_endings",
    "malformed_event",
    "no_done",
    "nul_bytes",
    "nul_text",
    "ok",
    "ok_stream",
    "reordered",
    "slow_first_token",
    "slow_tokens",
    "split_utf8",
    "surrogates",
    "two_finishes",
    "unknown_events",
    "usage_huge",
    "usage_missing",
    "usage_negative",
    "usage_zero",
]

_AFTER: When = "after content"

Arrange: TypeAlias = Callable[[StreamParts], Sequence[bytes]]
"""How a good stream is put together otherwise."""


def arranged(arrange: Arrange, text: str = TEXT, **said: Unpack[Said]) -> Play:
    """Answer a stream as arranged, and a plain request well."""

    async def play(exchange: Exchange) -> None:
        if exchange.streamed:
            await exchange.stream(arrange(parts(exchange, text, **said)))
        else:
            await answer(exchange, text, **said)

    return play


# -------------------------------------------------------------------------------------------------------------- good


@fault("ok", "a good answer")
def ok(text: str = TEXT, *, delay: float = 0.0, between: float = 0.0, **said: Unpack[Said]) -> Play:
    """Answer well after `delay` seconds; the events of a stream come `between` seconds apart."""

    async def play(exchange: Exchange) -> None:
        if delay:
            await exchange.pause(delay)
        await answer(exchange, text, between=between, **said)

    return play


@fault("ok_stream", "a good answer in many pieces, with reasoning before it")
def ok_stream(text: str = "The quick brown fox jumps over the lazy dog", pieces: int = 20) -> Play:
    """Answer at length."""
    return ok(text, pieces=pieces, reasoning="A pangram, then", usage=Usage(12, 29, reasoning_tokens=20)).play


@fault("slow_first_token", "headers at once, the first content after a while")
def slow_first_token(delay: float = 0.2) -> Play:
    """Think between the headers and the first content; a plain body comes after the same while."""

    async def play(exchange: Exchange) -> None:
        if not exchange.streamed:
            data = plain(exchange)
            length = ("content-length", str(len(data)))
            await exchange.begin(200, (("content-type", "application/json"),), framing=(length,))
            await exchange.pause(delay)
            await exchange.send(data)
            return
        good = parts(exchange)
        await exchange.begin_stream()
        await exchange.chunks(good.opening)
        await exchange.pause(delay)
        await exchange.chunks(good.events[len(good.opening) :])
        await exchange.end()

    return play


@fault("slow_tokens", "a pause between any two events")
def slow_tokens(between: float = 0.03) -> Play:
    """Answer slowly, but steadily."""
    return ok(between=between, pieces=5).play


@fault("finish_without_content", "a finish reason and no content at all")
def finish_without_content() -> Play:
    """Have nothing to say."""
    return ok("", usage=(12, 0)).play


# ----------------------------------------------------------------------------------------------- events out of order


@fault("no_done", "a finish reason, but no last word ([DONE], message_stop)")
def no_done() -> Play:
    """Finish without saying goodbye."""
    return arranged(lambda good: [*good.opening, *good.content, *good.finish, *good.usage])


@fault(
    "malformed_event",
    "one malformed event after the first content, in an otherwise good stream",
    None,
    _AFTER,
    also=frozenset({Kind.GARBLED}),
)
def malformed_event() -> Play:
    """Stumble once; the reply should say that it is degraded."""
    return arranged(lambda good: [*good.opening, *good.content[:1], BROKEN_EVENT, *_after_first(good)], pieces=5)


def _after_first(good: StreamParts) -> list[bytes]:
    return good.events[len(good.opening) + 1 :]


@fault("duplicated", "opening and first content twice")
def duplicated() -> Play:
    """Repeat itself; what is said twice cannot be told from what is meant twice."""
    return arranged(
        lambda good: [good.opening[0], *good.opening[:1], *good.opening[1:], good.content[0], *_content_on(good)]
    )


def _content_on(good: StreamParts) -> list[bytes]:
    return good.events[len(good.opening) :]


@fault("reordered", "usage first, neighbouring pieces swapped")
def reordered() -> Play:
    """Mix up the order."""

    def arrange(good: StreamParts) -> Sequence[bytes]:
        pairs = [good.content[place : place + 2][::-1] for place in range(0, len(good.content), 2)]
        swapped = [piece for pair in pairs for piece in pair]
        return [*good.usage, *good.opening, *swapped, *good.finish, *good.end]

    return arranged(arrange, pieces=4)


@fault("empty_chunks", "events that say nothing between those that do")
def empty_chunks() -> Play:
    """Send empty choices, empty deltas, empty data, comments and blank lines."""
    openai = (openai_chunk(), openai_chunk({}), openai_chunk({"content": ""}), openai_chunk({"content": None}))
    silence = (b":\n\n", b"\n\n", b"data:\n\n", b"\n")
    ping = event({"type": "ping"}, name="ping")

    def arrange(good: StreamParts) -> Sequence[bytes]:
        between = (*silence, ping) if good.opening[0].startswith(b"event:") else (*silence, *openai)
        return [part for said in good.events for part in (*between, said)]

    return arranged(arrange)


@fault("unknown_events", "events and fields nobody has heard of")
def unknown_events() -> Play:
    """Be newer than the client."""
    news = event(
        {"type": "weather_report", "object": "weather", "temperature": 21, "choices": []}, name="weather_report"
    )
    fields = b"id: 7\nretry: 3000\nmood: fine\n\n"
    return arranged(
        lambda good: [*good.opening, news, fields, *good.content, news, *good.finish, *good.usage, *good.end]
    )


@fault("two_finishes", "two finish reasons: stop, then length")
def two_finishes() -> Play:
    """Finish twice."""

    async def play(exchange: Exchange) -> None:
        if not exchange.streamed:
            await answer(exchange)
            return
        first, second = parts(exchange), parts(exchange, finish="length")
        again = second.finish[-1:]
        await exchange.stream([*first.opening, *first.content, *first.finish, *again, *first.usage, *first.end])

    return play


@fault("interleaved_tools", "two tool calls whose fragments come in turn, told apart by index")
def interleaved_tools() -> Play:
    """Call two tools at once: ``add({"a":1,"b":2})`` and ``multiply({"a":3,"b":4})``."""
    calls = (ToolCall("call_1", "add", '{"a":1,"b":2}'), ToolCall("call_2", "multiply", '{"a":3,"b":4}'))

    def arrange(good: StreamParts) -> Sequence[bytes]:
        # OpenAI: both calls open with their first fragment. Anthropic: the second block opens, then all fragments.
        order = (3, 0, 4, 1, 5, 2) if len(good.content) == 6 else (0, 2, 1, 3)
        return [*good.opening, *(good.content[place] for place in order), *good.finish, *good.usage, *good.end]

    return arranged(arrange, "", tool_calls=calls)


# --------------------------------------------------------------------------------------------------------------- bytes


def _rewritten(rewrite: Callable[[bytes], bytes], text: str = TEXT) -> Play:
    return arranged(lambda good: [rewrite(b"".join(good.events))], text)


@fault("cr_only", "lines that end in CR alone")
def carriage_returns() -> Play:
    """Write lines as in the eighties."""
    return _rewritten(lambda data: data.replace(b"\n", b"\r"))


@fault("crlf", "lines that end in CR LF, cut between the two")
def line_endings() -> Play:
    """Write lines as on the wire, and cut the stream where it hurts."""

    def arrange(good: StreamParts) -> Sequence[bytes]:
        pieces = b"".join(good.events).replace(b"\n", b"\r\n").split(b"\r")
        return [pieces[0] + b"\r", *(piece + b"\r" for piece in pieces[1:-1]), pieces[-1]]

    return arranged(arrange)


@fault("bom", "a byte order mark before the first event")
def byte_order_mark() -> Play:
    """Begin with U+FEFF; a plain body stays without, where it would be an error."""
    return arranged(lambda good: [b"\xef\xbb\xbf", *good.events])


@fault("split_utf8", "chunks that end in the middle of a character")
def split_utf8(text: str = "héllo wörld, 日本語 🙂", between: float = 0.002) -> Play:
    """Cut the body before every continuation byte of UTF-8."""

    async def play(exchange: Exchange) -> None:
        data = b"".join(parts(exchange, text).events) if exchange.streamed else plain(exchange, text)
        kind = "text/event-stream" if exchange.streamed else "application/json"
        await exchange.begin(200, (("content-type", kind),))
        begun = 0
        for place, byte in enumerate(data):
            if 0x80 <= byte < 0xC0:
                await exchange.chunk(data[begun:place])
                await exchange.pause(between)
                begun = place
        await exchange.chunk(data[begun:])
        await exchange.end()

    return play


@fault("nul_bytes", "a NUL byte inside one event", None, _AFTER, plain=Kind.GARBLED, also=frozenset({Kind.GARBLED}))
def nul_bytes() -> Play:
    """Say something with a raw NUL in it, which no JSON may hold: one event is lost, the rest is good."""

    async def play(exchange: Exchange) -> None:
        if not exchange.streamed:
            await exchange.reply(200, plain(exchange).replace(b"Hello", b"He\x00lo"))
            return
        good = parts(exchange, pieces=5)
        spoiled = good.content[1].replace(b'"delta":{', b'"delta":{\x00')
        await exchange.stream([*good.opening, good.content[0], spoiled, *good.events[len(good.opening) + 2 :]])

    return play


@fault("nul_text", "text that holds U+0000, properly escaped")
def nul_text() -> Play:
    """Say NUL as JSON may say it."""
    return ok("before\x00after", pieces=1).play


@fault("surrogates", "text that holds half a surrogate pair, escaped, and the other half one event later")
def surrogates() -> Play:
    """Cut an emoji in two, as a provider does that counts in UTF-16."""

    async def play(exchange: Exchange) -> None:
        if not exchange.streamed:
            await exchange.reply(200, plain(exchange, "fine <HIGH>").replace(b"<HIGH>", b"\\ud83d"))
            return
        good = parts(exchange, "<HIGH><LOW>!", pieces=1)
        whole_event = good.content[0]
        high = whole_event.replace(b"<HIGH><LOW>!", b"fine \\ud83d")
        low = whole_event.replace(b"<HIGH><LOW>!", b"\\ude42!")
        await exchange.stream([*good.opening, high, low, *good.content[1:], *good.finish, *good.usage, *good.end])

    return play


# --------------------------------------------------------------------------------------------------------------- usage


@fault("usage_missing", "no usage")
def usage_missing() -> Play:
    """Forget to count."""
    return ok(usage=None).play


@fault("usage_zero", "a usage of zero tokens")
def usage_zero() -> Play:
    """Count to zero: zero is zero."""
    return ok(usage=(0, 0)).play


@fault("usage_negative", "a usage of fewer than zero tokens")
def usage_negative() -> Play:
    """Count backwards."""
    return ok(usage=(-12, -3)).play


@fault("usage_huge", "a usage of a quintillion tokens")
def usage_huge(tokens: int = 10**18) -> Play:
    """Count beyond belief."""
    return ok(usage=(tokens, tokens)).play
