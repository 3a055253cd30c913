"""Faults said in words: an error status, a redirect, or an error where an answer belongs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from modelroute.testing.answers import answer
from modelroute.testing.exchange import Exchange, Headers
from modelroute.testing.fault import Fault, Play, When, fault, register
from modelroute.testing.replies import body, error_body, openai_error, stream_parts
from modelroute.types.failure import Kind

__all__ = [
    "bad_status",
    "broken_once",
    "content_filter",
    "context_length",
    "disguised_error",
    "error_without_body",
    "flapping",
    "model_not_found",
    "out_of_quota",
    "prefill_refused",
    "rate_limited",
    "redirect",
    "unavailable_502",
    "unsupported_parameter",
]

_BEFORE: When = "before content"


def refuse(status: int, *, code: str | None = None, message: str = "", headers: Headers = ()) -> Play:
    """Answer every request with an error of its dialect."""

    async def play(exchange: Exchange) -> None:
        await exchange.reply(status, error_body(exchange.dialect, status, code=code, message=message), headers)

    return play


# -------------------------------------------------------------------------------------------------------- rate limits


@fault("429", "429 that does not say how long to wait", Kind.RATE_LIMITED, _BEFORE)
def rate_limited(retry_after: str | None = None, code: str = "rate_limit_exceeded") -> Play:
    """Refuse by rate; `retry_after` is the header's text, sent as it is."""
    headers = () if retry_after is None else (("retry-after", retry_after),)

    async def play(exchange: Exchange) -> None:
        known = code if exchange.dialect == "openai" else None
        await exchange.reply(429, error_body(exchange.dialect, 429, code=known, message="Rate limit reached"), headers)

    return play


RETRY_AFTER: Mapping[str, tuple[str, str]] = {
    "429_retry_after": ("1", "429 with Retry-After in seconds"),
    "429_retry_after_fraction": ("0.25", "429 with Retry-After in fractions of a second"),
    "429_retry_after_date": ("Fri, 31 Dec 2100 23:59:59 GMT", "429 with Retry-After as a date far ahead"),
    "429_retry_after_past": ("Thu, 01 Jan 2015 00:00:00 GMT", "429 with Retry-After as a date long past"),
    "429_retry_after_negative": ("-5", "429 with a negative Retry-After"),
    "429_retry_after_nan": ("NaN", "429 with Retry-After: NaN"),
    "429_retry_after_infinite": ("Infinity", "429 with Retry-After: Infinity"),
    "429_retry_after_huge": ("1e9", "429 with a Retry-After of thirty years"),
    "429_retry_after_words": ("in a moment", "429 with a Retry-After that is no time"),
}
"""What else a Retry-After may hold: name of the fault to the header's text and what it is."""

# ----------------------------------------------------------------------------------------------------------- by table


@dataclass(frozen=True, slots=True)
class Refusal:
    """A fault that is a status and a sentence, and how a client should take it."""

    what: str
    expect: Kind
    status: int
    message: str
    also: frozenset[Kind | None] = frozenset()


REFUSALS: Mapping[str, Refusal] = {
    "500": Refusal("500 for ever", Kind.TRANSIENT, 500, "The server had an error"),
    "503": Refusal("503 for ever", Kind.UNAVAILABLE, 503, "The engine is currently overloaded, please try again later"),
    "529": Refusal("529 for ever, Anthropic's word for overloaded", Kind.UNAVAILABLE, 529, "Overloaded"),
    "504": Refusal("504 from a gateway", Kind.UNAVAILABLE, 504, "upstream timed out"),
    "408": Refusal("408: the server gave up waiting for the request", Kind.TRANSIENT, 408, "request timed out"),
    "409": Refusal("409: a conflict that passes", Kind.TRANSIENT, 409, "conflict"),
    "425": Refusal("425: too early", Kind.TRANSIENT, 425, "too early"),
    "401": Refusal("401: the key is wrong", Kind.DENIED, 401, "Incorrect API key provided"),
    "403": Refusal("403: the key may not do this", Kind.DENIED, 403, "Your account may not use this"),
    "402": Refusal("402: out of credit", Kind.EXHAUSTED, 402, "Insufficient balance"),
    "413": Refusal("413: the request is too large", Kind.TOO_LONG, 413, "Request exceeds the maximum size"),
    "400": Refusal(
        "400 that nobody can explain", Kind.UNPROVED, 400, "something is odd", also=frozenset({Kind.INVALID})
    ),
    "422": Refusal(
        "422: the request does not fit the provider's schema",
        Kind.INVALID,
        422,
        "body.messages.0.role: unexpected value",
        also=frozenset({Kind.UNPROVED}),
    ),
}
"""Refusals without more to them, by name."""


def _register_tables() -> None:
    for name, (text, what) in RETRY_AFTER.items():
        play = refuse(429, message="Rate limit reached", headers=(("retry-after", text),))
        register(Fault(name, what, Kind.RATE_LIMITED, Kind.RATE_LIMITED, frozenset(), _BEFORE, play))
    for name, row in REFUSALS.items():
        play = refuse(row.status, message=row.message)
        register(Fault(name, row.what, row.expect, row.expect, row.also, _BEFORE, play))


_register_tables()


@fault("429_quota", "429 insufficient_quota: waiting does not help", Kind.EXHAUSTED, _BEFORE)
def out_of_quota() -> Play:
    """Refuse for want of money, with the status of a rate limit."""

    async def play(exchange: Exchange) -> None:
        message = "You exceeded your current quota, please check your plan and billing details."
        if exchange.dialect == "openai":
            said = openai_error(429, code="insufficient_quota", kind="insufficient_quota", message=message)
        else:
            said = error_body("anthropic", 429, code="billing_error", message="Your credit balance is too low")
        await exchange.reply(429, said)

    return play


# --------------------------------------------------------------------------------------------------- trouble upstream


@fault("500_once", "500 once, then well", Kind.TRANSIENT, _BEFORE)
def broken_once(times: int = 1) -> Play:
    """Fail the first `times` requests of the script."""

    async def play(exchange: Exchange) -> None:
        await (refuse(500, message="The server had an error")(exchange) if exchange.turn <= times else answer(exchange))

    return play


@fault("flapping", "503 and well in turn", Kind.UNAVAILABLE, _BEFORE, also=frozenset({None}))
def flapping() -> Play:
    """Fail every other request, the first included."""

    async def play(exchange: Exchange) -> None:
        await (refuse(503, message="overloaded")(exchange) if exchange.turn % 2 else answer(exchange))

    return play


@fault("html_error", "500 with a page of HTML", Kind.TRANSIENT, _BEFORE)
def bad_status(status: int = 500) -> Play:
    """Fail with a page for people."""

    async def play(exchange: Exchange) -> None:
        page = f"<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>"
        await exchange.reply(status, page.encode(), kind="text/html")

    return play


@fault("502", "502 from a gateway, in HTML", Kind.UNAVAILABLE, _BEFORE)
def unavailable_502() -> Play:
    """Have a gateway answer."""
    return bad_status(502).play


@fault("empty_error", "503 without a body", Kind.UNAVAILABLE, _BEFORE)
def error_without_body(status: int = 503) -> Play:
    """Fail without a word."""

    async def play(exchange: Exchange) -> None:
        await exchange.reply(status, b"")

    return play


# ------------------------------------------------------------------------------------------------- the caller or key


@fault("404", "404: no such model", Kind.NOT_SERVED, _BEFORE)
def model_not_found() -> Play:
    """Know no such model."""

    async def play(exchange: Exchange) -> None:
        code = "model_not_found" if exchange.dialect == "openai" else None
        message = f"The model {exchange.model!r} does not exist"
        await exchange.reply(404, error_body(exchange.dialect, 404, code=code, message=message))

    return play


@fault("unsupported_parameter", "400: this model does not take `temperature`", Kind.UNSUPPORTED, _BEFORE)
def unsupported_parameter(parameter: str = "temperature") -> Play:
    """Name a parameter that the target does not take."""

    async def play(exchange: Exchange) -> None:
        message = f"Unsupported parameter: '{parameter}' is not supported with this model."
        if exchange.dialect == "openai":
            said = openai_error(400, code="unsupported_parameter", param=parameter, message=message)
        else:
            said = error_body("anthropic", 400, message=message)
        await exchange.reply(400, said)

    return play


@fault("prefill_refused", "400 when the last message is the assistant's, else well", None)
def prefill_refused() -> Play:
    """Refuse to continue a text that someone else began."""

    async def play(exchange: Exchange) -> None:
        messages = cast("Sequence[Mapping[str, object]]", exchange.settings.get("messages") or ())
        if messages and messages[-1].get("role") == "assistant":
            message = "This model does not support assistant message prefill. The last message must be the user's."
            await exchange.reply(400, error_body(exchange.dialect, 400, message=message))
        else:
            await answer(exchange)

    return play


@fault("context_length", "400: the prompt is longer than the context", Kind.TOO_LONG, _BEFORE)
def context_length(tokens: int = 210_000, limit: int = 200_000) -> Play:
    """Have too small a context."""

    async def play(exchange: Exchange) -> None:
        if exchange.dialect == "openai":
            message = f"This model's maximum context length is {limit} tokens. However, you requested {tokens} tokens."
            said = openai_error(400, code="context_length_exceeded", param="messages", message=message)
        else:
            said = error_body("anthropic", 400, message=f"prompt is too long: {tokens} tokens > {limit} maximum")
        await exchange.reply(400, said)

    return play


@fault("content_filter", "400: the prompt was caught by a filter", Kind.REFUSED, _BEFORE)
def content_filter() -> Play:
    """Refuse what the prompt says."""

    async def play(exchange: Exchange) -> None:
        if exchange.dialect == "openai":
            message = "The prompt was filtered: it triggers the content management policy."
            await exchange.reply(400, openai_error(400, code="content_filter", message=message, param="prompt"))
        elif exchange.streamed:
            refused = stream_parts("anthropic", "", finish="content_filter", usage=(12, 1))
            await exchange.stream(refused.events)
        else:
            await exchange.reply(200, body("anthropic", "", finish="content_filter", usage=(12, 1)))

    return play


# --------------------------------------------------------------------------------------------------- not where it is


@fault("redirect", "301 to another host", Kind.NOT_SERVED, _BEFORE)
def redirect(location: str = "http://elsewhere.invalid/v1/chat/completions", status: int = 301) -> Play:
    """Send the client, and its key, elsewhere."""

    async def play(exchange: Exchange) -> None:
        await exchange.reply(status, b"", (("location", location),), kind="text/plain")

    return play


@fault(
    "error_in_200",
    '200 with {"error": ...} where the answer belongs',
    Kind.INTERRUPTED,
    _BEFORE,
    plain=Kind.TRANSIENT,
    also=frozenset({Kind.TRANSIENT, Kind.UNAVAILABLE, Kind.INTERRUPTED, Kind.GARBLED}),
)
def disguised_error(message: str = "upstream exploded") -> Play:
    """Fail with the status of success."""

    async def play(exchange: Exchange) -> None:
        await exchange.reply(200, error_body(exchange.dialect, 500, message=message))

    return play
