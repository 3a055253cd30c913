"""From a response that is no answer to the one `Failure` it is: the rules all providers share.

Codes are believed before sentences, sentences before the status. A provider's own table (`providers.errors`) comes
before all of this, since one word can mean two things: ``insufficient_quota`` is a bill at one and a minute's wait at
another.

```
200 with an error in it      by code, sentence or the status it names, else interrupted: an answer had begun
other 1xx 2xx, 0, 999        garbled
3xx 404 405 410              not_served
401 403                      denied, unless too_long, refused or exhausted
402                          exhausted, or rate_limited when it names a wait
408 409 425                  transient
413                          too_long
429                          rate_limited, unless unavailable or exhausted
400 422, any other 4xx       by code and sentence, else unproved
500                          transient, unless too_long, exhausted, not_served, ...
502 503 504 529, other 5xx   unavailable, with the same exceptions
```
"""

from __future__ import annotations

from collections.abc import Mapping

from modelroute.types.failure import Failure, Kind, Seen
from modelroute.wire.envelope import ErrorInfo, parse_error, read_error
from modelroute.wire.spellings import blamed_feature, is_context_overflow, kind_of_codes, kind_of_text
from modelroute.wire.waits import header, read_wait, retry_after

__all__ = ["ErrorInfo", "generic", "is_context_overflow", "parse_error", "read_error"]

_TRANSIENT = frozenset({408, 409, 425, 500})
_NOT_SERVED = frozenset({404, 405, 410})
_DENIED = frozenset({401, 403})
_WAITING = frozenset({Kind.RATE_LIMITED, Kind.UNAVAILABLE, Kind.TRANSIENT, Kind.EXHAUSTED})

# What a code may overrule, by status. A 403 may be about length, content or money, but never about the server's
# health; a 500 is the server's own word on itself, against which only what a retry cannot mend is believed.
_BELIEVED_WHEN_DENIED = frozenset({Kind.TOO_LONG, Kind.REFUSED, Kind.EXHAUSTED})
_BELIEVED_WHEN_BROKEN = frozenset(
    {Kind.TOO_LONG, Kind.EXHAUSTED, Kind.UNAVAILABLE, Kind.NOT_SERVED, Kind.INVALID_OUTPUT}
)
_BELIEVED_WHEN_LIMITED = frozenset({Kind.EXHAUSTED, Kind.UNAVAILABLE, Kind.TOO_LONG})


def generic(status: int, info: ErrorInfo, headers: Mapping[str, str], now: float) -> Failure:
    """Return the `Failure` a response means by rules that hold everywhere. Total: any arguments give exactly one.

    `info`: its body as `parse_error` read it; `now`: Unix seconds, against which waits are reckoned.
    """
    amazon = header(headers, "x-amzn-errortype")
    codes = (*info.codes, amazon.split(":")[0]) if amazon else info.codes
    wait = _wait(info, headers, now)
    kind = _kind(status, info, codes, wait)
    if kind is Kind.EXHAUSTED and _is_spent_for_the_period(info):
        wait = None  # the short wait named beside a day's quota is the minute's; the day is what is spent
    return Failure(
        kind,
        info.message,
        info.label or (codes[-1] if codes else None),
        status=status if 100 <= status <= 599 else None,
        retry_after=wait if kind in _WAITING else None,
        seen=Seen.YES if status == 200 and kind is Kind.UNAVAILABLE else None,
        feature=blamed_feature(info.param, info.message) if kind is Kind.UNSUPPORTED else None,
    )


def _wait(info: ErrorInfo, headers: Mapping[str, str], now: float) -> float | None:
    if info.delay and header(headers, "retry-after") is None and header(headers, "retry-after-ms") is None:
        delay = read_wait(info.delay, now)
        if delay is not None:
            return delay
    return retry_after(headers, info.message, now)


def _is_spent_for_the_period(info: ErrorInfo) -> bool:
    return any("PerDay" in quota or "PerMonth" in quota for quota in info.quotas)


def _kind(status: int, info: ErrorInfo, codes: tuple[str, ...], wait: float | None) -> Kind:
    if status == 200 and info.found:
        return _kind_inside_an_answer(info, codes)
    if not 300 <= status <= 599:
        return Kind.GARBLED
    if status < 400 or status in _NOT_SERVED:
        return Kind.NOT_SERVED
    if status == 413:
        return Kind.TOO_LONG
    if status >= 500:
        return _kind_of_broken(status, info, codes)
    return _kind_of_refused(status, info, codes, wait)


def _kind_inside_an_answer(info: ErrorInfo, codes: tuple[str, ...]) -> Kind:
    """An error in the body or the stream of a 200: the code may itself be the status it should have had."""
    told = _told(200, info, codes)
    if told is not None:
        return told
    meant = int(info.code) if info.code and info.code.isascii() and info.code.isdigit() and len(info.code) == 3 else 0
    if not 400 <= meant <= 599:
        return Kind.INTERRUPTED
    kind = _kind(meant, info, codes, None)
    return Kind.INTERRUPTED if kind in {Kind.TRANSIENT, Kind.UNPROVED} else kind


def _kind_of_broken(status: int, info: ErrorInfo, codes: tuple[str, ...]) -> Kind:
    told = _told(status, info, codes)
    if told is not None and told in _BELIEVED_WHEN_BROKEN:
        return told
    return Kind.TRANSIENT if status == 500 else Kind.UNAVAILABLE


def _kind_of_refused(status: int, info: ErrorInfo, codes: tuple[str, ...], wait: float | None) -> Kind:
    told = _told(status, info, codes)
    if status == 402:
        return Kind.RATE_LIMITED if told is Kind.RATE_LIMITED or (wait is not None and wait > 0) else Kind.EXHAUSTED
    if status == 429:
        if _is_spent_for_the_period(info):
            return Kind.EXHAUSTED
        return told if told is not None and told in _BELIEVED_WHEN_LIMITED else Kind.RATE_LIMITED
    if status in _DENIED:
        return told if told is not None and told in _BELIEVED_WHEN_DENIED else Kind.DENIED
    if status in _TRANSIENT:
        return Kind.TRANSIENT
    return told or Kind.UNPROVED


def _told(status: int, info: ErrorInfo, codes: tuple[str, ...]) -> Kind | None:
    """Return what codes and words say. Length comes first: it hides behind every code, even behind a 403."""
    if status != 429 and is_context_overflow(info.message):
        return Kind.TOO_LONG
    return kind_of_codes(codes) or kind_of_text(info.message, status)
