"""A good answer to whatever was asked: as a stream or whole, in the dialect of the path. What faults spoil."""

from __future__ import annotations

from typing import Unpack, cast

from modelroute.testing.exchange import Exchange, Headers
from modelroute.testing.replies import Said, StreamParts, body, openai_embeddings, stream_parts

__all__ = ["EVENT_STREAM", "TEXT", "answer", "parts", "plain", "whole"]

TEXT = "Hello world"
"""What a good answer says unless told otherwise."""

EVENT_STREAM: Headers = (("content-type", "text/event-stream"), ("cache-control", "no-cache"))


def parts(exchange: Exchange, text: str = TEXT, **said: Unpack[Said]) -> StreamParts:
    """Return a streamed answer in parts, in the dialect and from the model that were asked for."""
    return stream_parts(exchange.dialect, text, **_named(exchange, said))


def plain(exchange: Exchange, text: str = TEXT, **said: Unpack[Said]) -> bytes:
    """Return a whole answer, in the dialect and from the model that were asked for."""
    if exchange.head.path.partition("?")[0].endswith("/embeddings"):
        asked = exchange.settings.get("input")
        count = len(cast("list[object]", asked)) if isinstance(asked, list) else 1
        return openai_embeddings([[0.0, 0.6, 0.8]] * count, model=exchange.model or "test-embedding")
    return body(exchange.dialect, text, **_named(exchange, said))


def whole(exchange: Exchange) -> tuple[str, bytes]:
    """Return the content type and all bytes of a good answer, as a stream or whole, as asked."""
    if exchange.streamed:
        return EVENT_STREAM[0][1], b"".join(parts(exchange, pieces=5).events)
    return "application/json", plain(exchange)


async def answer(exchange: Exchange, text: str = TEXT, *, between: float = 0.0, **said: Unpack[Said]) -> None:
    """Answer well; the events of a stream come `between` seconds apart."""
    if exchange.streamed:
        await exchange.stream(parts(exchange, text, **said).events, between=between)
    else:
        await exchange.reply(200, plain(exchange, text, **said))


def _named(exchange: Exchange, said: Said) -> Said:
    if "model" in said or not exchange.model:
        return said
    named = said.copy()
    named["model"] = exchange.model
    return named
