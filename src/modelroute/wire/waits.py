"""How long to wait, in every form servers say it: headers, JSON details, sentences; seconds, durations, dates, epochs.

Sources: providers write ``retry-after-ms``, ``retry-after`` (integer or fractional seconds, HTTP date), Go durations
(``2m59.56s``), protobuf durations (``"36s"``), RFC 3339 and Unix times in reset headers, and prose ("try again in
1.4s").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["LONGEST_WAIT", "header", "header_wait", "read_wait", "retry_after", "should_retry"]

LONGEST_WAIT = 86_400.0
"""Seconds. A longer wait is cut to a day, not dropped: 1e9 says "not soon", and a probe a day costs nothing."""

_NUMBER = re.compile(r"[+-]?(?:\d{1,400}(?:\.\d{0,400})?|\.\d{1,400})(?:[eE][+-]?\d{1,4})?", re.ASCII)
_UNIT_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_DURATION_PART = re.compile(r"(\d{1,20}(?:\.\d{1,20})?)(ms|us|µs|μs|ns|h|m|s)", re.ASCII)
_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern}){{1,6}}", re.ASCII)
_RETRY_DELAY = re.compile(r'"retryDelay"\s{0,8}:\s{0,8}"([0-9.]{1,40})s"')
_PROSE = re.compile(
    r"(?:try(?:\s+(?:your|the|this)\s+requests?)?\s+again|retry(?:ing|-after)?|wait|available|resets?)(?:\s+|:\s*)"
    r"(?:(?:your|the|this)\s+requests?\s+)?(?:again\s+|at\s+least\s+)?(?:(?:in|after|for)\s+)?"
    r"(?:about\s+|approximately\s+|~\s?)?(\d{1,12}(?:\.\d{1,12})?)"
    r"((?:\s{0,2}[a-zµμ]{1,12}(?:\s{0,2}(?:and\s)?\d{1,12}(?:\.\d{1,12})?\s{0,2}[a-zµμ]{1,12}){0,4})?)",
    re.IGNORECASE | re.ASCII,
)
_PROSE_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)\s{0,2}([a-zµμ]{1,12})", re.IGNORECASE | re.ASCII)
_PROSE_UNITS = {
    **_UNIT_SECONDS,
    **dict.fromkeys(("sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86_400.0),
    **dict.fromkeys(("msec", "millisecond", "milliseconds"), 1e-3),
}
_PROSE_MOMENT = re.compile(
    r"(?:try\s+again|retry|available|resets?|access|until)\s+(?:again\s+)?(?:(?:on|at|after|until)\s+)?"
    r"(\d{4}-\d\d-\d\d)(?:(?:T|\s+at\s+|\s+)(\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)\s?(Z|UTC|[+-]\d\d:?\d\d)?)?",
    re.IGNORECASE | re.ASCII,
)
_YEAR = 366 * 86_400.0
_PROSE_READ = 8_192


def header(headers: Mapping[str, str], name: str) -> str | None:
    """Return the header `name` (lower case), however the mapping spells it."""
    value = headers.get(name)
    if value is not None:
        return value
    return next((value for key, value in headers.items() if key.lower() == name), None)


def retry_after(headers: Mapping[str, str], body: str, now: float) -> float | None:
    """Return the seconds a response asks us to wait, in [0, `LONGEST_WAIT`], or `None` when it does not.

    `headers` of the response, `body` its text (or only its message), `now` in Unix seconds. The first that can be
    read of: the headers of `header_wait`; Google's ``RetryInfo.retryDelay`` in the body; a sentence in the
    body; the reset of a rate limit of which the headers say nothing is left. Times in the past are 0. Never raises.
    """
    stated = header_wait(headers, now)
    if stated is not None:
        return stated
    if body:
        delay = _RETRY_DELAY.search(body)
        wait = read_wait(delay.group(1), now) if delay else _prose(body[:_PROSE_READ], now)
        if wait is not None:
            return wait
    return _spent_limit(headers, now)


def header_wait(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that ``retry-after-ms`` says, else ``retry-after``, else `None`.

    A proxy puts its own name before what the provider behind it said (LiteLLM): that counts where it says nothing.
    """
    for said_by in ("", "llm_provider-"):
        milliseconds = (header(headers, f"{said_by}retry-after-ms") or "").strip()
        if _NUMBER.fullmatch(milliseconds):
            return _bounded(float(milliseconds) / 1000)
        stated = header(headers, f"{said_by}retry-after")
        wait = None if stated is None else read_wait(stated, now)
        if wait is not None:
            return wait
    return None


def read_wait(text: str, now: float) -> float | None:
    """Return one stated wait as seconds from `now`, in [0, `LONGEST_WAIT`], or `None` if it has none of the forms."""
    text = text.strip()
    if not text or len(text) > 128:
        return None
    if _NUMBER.fullmatch(text):
        return _bounded(_from_number(float(text), now))
    if _DURATION.fullmatch(text):
        return _bounded(sum(float(amount) * _UNIT_SECONDS[unit] for amount, unit in _DURATION_PART.findall(text)))
    moment = _moment(text)
    return None if moment is None else _bounded(moment - now)


def should_retry(headers: Mapping[str, str]) -> bool | None:
    """Return what ``x-should-retry`` says: the server's own word on sending the same request again, or `None`."""
    stated = header(headers, "x-should-retry")
    return None if stated is None else {"true": True, "false": False}.get(stated.strip().lower())


def _bounded(seconds: float) -> float | None:
    if seconds != seconds:  # noqa: PLR0124 - NaN is the one number that differs from itself
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _from_number(value: float, now: float) -> float:
    """Read a number within a year of now as a Unix time, in seconds or milliseconds; any other as seconds."""
    for moment in (value, value / 1000):
        if moment > _YEAR and abs(moment - now) < _YEAR:
            return moment - now
    return value


def _moment(text: str) -> float | None:
    try:
        if text[4:5] == "-":
            moment = datetime.fromisoformat(text)
        elif text[:1].isalpha() or text[:1].isdigit():
            moment = parsedate_to_datetime(text)
        else:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _prose(text: str, now: float) -> float | None:
    said = _PROSE_MOMENT.search(text)
    if said is not None:
        day, time, zone = said.groups()
        moment = _moment(f"{day}T{time or '00:00'}{'+00:00' if zone is None or not zone[1:2].isdigit() else zone}")
        return None if moment is None else _bounded(moment - now)
    found = _PROSE.search(text)
    if found is None:
        return None
    amount, units = found.groups()
    if not units:
        return _bounded(float(amount))
    parts = _PROSE_PART.findall(amount + units)
    seconds = [float(number) * _PROSE_UNITS[unit.lower()] for number, unit in parts if unit.lower() in _PROSE_UNITS]
    return _bounded(sum(seconds)) if seconds else None


def _spent_limit(headers: Mapping[str, str], now: float) -> float | None:
    """Return the longest reset among limits with nothing left; the others did not cause this refusal."""
    longest: float | None = None
    for key, value in headers.items():
        name = key.lower()
        if "limit" not in name or "remaining" not in name or value.strip() not in {"0", "0.0"}:
            continue
        reset = header(headers, name.replace("remaining", "reset"))
        wait = None if reset is None else read_wait(reset, now)
        if wait:
            longest = wait if longest is None else max(longest, wait)
    return longest
