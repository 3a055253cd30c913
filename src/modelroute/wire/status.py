"""From a response that is no answer to the one `Failure` it is: the rules all providers share.

Codes are believed before sentences, sentences before the status. A provider's own table (`providers.errors`) comes
before all of this, since one word can mean two things: ``insufficient_quota`` is a bill at one and a minute's wait at
another. Vague words (Google's ``RESOURCE_EXHAUSTED``) come last.

```
200 with an error in it      by code, sentence or the status it names, else unproved where
                             it blames the request, else interrupted: an answer had begun
other 1xx 2xx, 0, 999        garbled
3xx 404 405 410              not_served, unless a 404 only says what the model lacks
401 403                      denied, unless too_long, refused or exhausted
402                          exhausted, or rate_limited when it names a wait
408 409 425                  transient
413                          too_long
429                          rate_limited, unless unavailable, or exhausted (out of money, or a day's quota is used up)
400 422, any other 4xx       by code and sentence, else unproved
500                          transient, unless too_long, exhausted, not_served, ...
502 503 504 529, other 5xx   unavailable, with the same exceptions
```
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from modelroute.types.failure import Failure, Kind, Seen
from modelroute.wire.envelope import ErrorInfo, parse_error, read_error
from modelroute.wire.spellings import (
    blamed_feature,
    is_context_overflow,
    is_lacking,
    is_larger_than_a_window,
    is_spent_for_a_period,
    kind_of_codes,
    kind_of_text,
    names_in_front,
    normal,
)
from modelroute.wire.waits import header, header_wait, read_wait, retry_after, should_retry

__all__ = ["ErrorInfo", "generic", "is_context_overflow", "is_spent", "parse_error", "read_error"]

_TRANSIENT = frozenset({408, 409, 425, 500})
_NOT_SERVED = frozenset({404, 405, 410})
_DENIED = frozenset({401, 403})
_WAITING = frozenset({Kind.RATE_LIMITED, Kind.UNAVAILABLE, Kind.TRANSIENT, Kind.EXHAUSTED})

# What a code may overrule, by status. A 403 may be about length, content or money, but never about the server's
# health; a 500 is the server's own word on itself, against which only what a retry cannot mend is believed.
_BELIEVED_WHEN_DENIED = frozenset({Kind.TOO_LONG, Kind.REFUSED, Kind.EXHAUSTED})
_BELIEVED_WHEN_BROKEN = frozenset(
    {Kind.TOO_LONG, Kind.EXHAUSTED, Kind.UNAVAILABLE, Kind.NOT_SERVED, Kind.INVALID_OUTPUT, Kind.UNSUPPORTED}
)
_BELIEVED_WHEN_LIMITED = frozenset({Kind.EXHAUSTED, Kind.UNAVAILABLE, Kind.TOO_LONG})

_VAGUE: Mapping[str, Kind] = MappingProxyType(
    {
        "resourceexhausted": Kind.RATE_LIMITED,
        "someresourcehasbeenexhausted": Kind.RATE_LIMITED,
        "theserviceiscurrentlyunavailable": Kind.UNAVAILABLE,
        "somerequestedentitywasnotfound": Kind.NOT_SERVED,
    }
)
"""Words of the RPC layers behind Google and xAI: they name the class of an error, of which the sentence knows more."""

_BLAMING = frozenset({"invalidrequesterror", "invalidrequest", "invalidargument", "badrequest", "badrequesterror"})
"""Words for a 400 in an answer of status 200. They accompany every other code too, so they say nothing but that."""

_LEAST_OF_A_PERIOD = 600.0
"""Seconds. Beside a day's quota Google names the minute's wait; what is less than this is not the day's."""


def generic(status: int, info: ErrorInfo, headers: Mapping[str, str], now: float) -> Failure:
    """Return the `Failure` a response means by rules that hold everywhere. Total: any arguments give exactly one.

    `info`: its body as `parse_error` read it; `now`: Unix seconds, against which waits are reckoned.
    """
    amazon = header(headers, "x-amzn-errortype")
    named = [amazon.split(":")[0].rpartition("#")[2]] if amazon else names_in_front(info.message)
    codes = (*info.codes, *named) if named else info.codes
    wait = _wait(info, headers, now)
    kind = _kind(status, info, codes, wait, is_spent(info, headers))
    if kind is Kind.EXHAUSTED and info.quotas and wait is not None and wait < _LEAST_OF_A_PERIOD:
        wait = None
    return Failure(
        kind,
        info.message,
        info.label or (codes[-1] if codes else None),
        status=status if 100 <= status <= 599 else None,
        retry_after=wait if kind in _WAITING else None,
        seen=Seen.YES if status == 200 and kind is Kind.UNAVAILABLE else None,
        feature=blamed_feature(info.param, info.message) if kind is Kind.UNSUPPORTED else None,
        again=should_retry(headers),
    )


def is_spent(info: ErrorInfo, headers: Mapping[str, str]) -> bool:
    """Return whether the error, or the headers beside it, say that the quota of a day or longer is used up."""
    if info.quotas:
        return any("PerDay" in quota or "PerMonth" in quota for quota in info.quotas)
    return is_spent_for_a_period(info.message) or _is_day_spent(headers)


def _is_day_spent(headers: Mapping[str, str]) -> bool:
    """Return whether the headers say that nothing is left of a day's limit, and of no shorter one's."""
    spent = [
        name.lower()
        for name, value in headers.items()
        if "ratelimit-remaining" in name.lower() and value.strip() in {"0", "0.0"}
    ]
    return bool(spent) and all(name.endswith(("-day", "-month")) for name in spent)


def _wait(info: ErrorInfo, headers: Mapping[str, str], now: float) -> float | None:
    if info.delay and header_wait(headers, now) is None:
        delay = read_wait(info.delay, now)
        if delay is not None:
            return delay
    return retry_after(headers, info.message, now)


def _kind(status: int, info: ErrorInfo, codes: tuple[str, ...], wait: float | None, spent: bool) -> Kind:
    if status == 200 and info.found:
        return _kind_inside_an_answer(info, codes, spent)
    if not 300 <= status <= 599:
        return Kind.GARBLED
    if status == 404 and is_lacking(info.message):
        return Kind.UNSUPPORTED
    if status < 400 or status in _NOT_SERVED:
        return Kind.NOT_SERVED
    if status == 413:
        return Kind.TOO_LONG
    if status >= 500:
        return _kind_of_broken(status, info, codes)
    if status == 429:
        return _kind_of_limited(info, codes, wait, spent)
    return _kind_of_refused(status, info, codes, wait)


def _kind_inside_an_answer(info: ErrorInfo, codes: tuple[str, ...], spent: bool) -> Kind:
    """An error in the body or the stream of a 200: it may itself say which status it should have had."""
    told = _told(200, info, codes)
    if told is None and info.meant >= 400:
        told = _kind(info.meant, info, codes, None, spent)
    if told is Kind.RATE_LIMITED and spent:
        return Kind.EXHAUSTED
    if told is None and not info.meant and any(normal(code) in _BLAMING for code in codes):
        return Kind.UNPROVED
    return Kind.INTERRUPTED if told is None or told is Kind.TRANSIENT else told


def _kind_of_broken(status: int, info: ErrorInfo, codes: tuple[str, ...]) -> Kind:
    told = _told(status, info, codes)
    if told is not None and told in _BELIEVED_WHEN_BROKEN:
        return told
    return Kind.TRANSIENT if status == 500 else Kind.UNAVAILABLE


def _kind_of_limited(info: ErrorInfo, codes: tuple[str, ...], wait: float | None, spent: bool) -> Kind:
    if is_larger_than_a_window(info.message):
        return Kind.TOO_LONG
    told = _told(429, info, codes)
    if told is not None and told in _BELIEVED_WHEN_LIMITED:
        return told
    # Anthropic calls its spend limit a rate limit too, and then names no wait.
    unpaid = wait is None and kind_of_text(info.message, 429) is Kind.EXHAUSTED
    return Kind.EXHAUSTED if unpaid or spent else Kind.RATE_LIMITED


def _kind_of_refused(status: int, info: ErrorInfo, codes: tuple[str, ...], wait: float | None) -> Kind:
    told = _told(status, info, codes)
    if status == 402:
        return Kind.RATE_LIMITED if told is Kind.RATE_LIMITED or (wait is not None and wait > 0) else Kind.EXHAUSTED
    if status in _DENIED:
        return told if told is not None and told in _BELIEVED_WHEN_DENIED else Kind.DENIED
    if status in _TRANSIENT:
        return Kind.TRANSIENT
    return told or Kind.UNPROVED


def _told(status: int, info: ErrorInfo, codes: tuple[str, ...]) -> Kind | None:
    """Return what codes and words say. Length comes first: it hides behind every code, even behind a 403."""
    if status != 429 and is_context_overflow(info.message):
        return Kind.TOO_LONG
    vague = next((_VAGUE[code] for code in map(normal, codes) if code in _VAGUE), None)
    return kind_of_codes(codes) or kind_of_text(info.message, status) or vague
