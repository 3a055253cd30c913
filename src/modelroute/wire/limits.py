"""What is left of a rate limit, as the headers of an answer say it; whatever they say, nothing raises.

Sources: OpenAI, Groq, Azure, Fireworks and xAI write ``x-ratelimit-remaining-requests`` and ``-tokens``, OpenAI also
with ``_usage_based`` behind; Cerebras names the window too (``-requests-day``, ``-tokens-minute``), Mistral likewise in
short (``-req-minute``); Moonshot, Together and OpenRouter count requests without saying so (``x-ratelimit-remaining``);
Anthropic writes ``anthropic-ratelimit-requests-remaining``, and the same for all, input and output tokens. Fireworks
says ``x-ratelimit-over-limit`` where nothing is left. Resets come in every form of `modelroute.wire.waits`.

Anthropic's ``anthropic-priority-...`` is not read: who has used up his priority is served all the same, as others are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from modelroute.types.limits import RateLimits
from modelroute.wire.waits import LONGEST_WAIT, read_wait

__all__ = ["rate_limits"]

_COUNT = re.compile(r"\d{1,15}(?:\.\d{1,15})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Window:
    """The names of one window's headers."""

    remaining: str
    reset: str
    limit: str


def _common(suffix: str) -> _Window:
    return _Window(f"x-ratelimit-remaining{suffix}", f"x-ratelimit-reset{suffix}", f"x-ratelimit-limit{suffix}")


def _anthropic(kind: str) -> _Window:
    name = f"anthropic-ratelimit-{kind}"
    return _Window(f"{name}-remaining", f"{name}-reset", f"{name}-limit")


_REQUESTS = (
    *map(_common, ("-requests", "-requests-day", "-requests-minute", "-req-day", "-req-minute")),
    *map(_common, ("-requests_usage_based", "")),
    _anthropic("requests"),
)
_TOKENS = (
    *map(_common, ("-tokens", "-tokens-day", "-tokens-minute", "-tokens-month", "-tokens_usage_based")),
    _Window("x-tokenlimit-remaining", "x-tokenlimit-reset", "x-tokenlimit-limit"),
    *map(_anthropic, ("tokens", "input-tokens", "output-tokens")),
)
_OVER = "x-ratelimit-over-limit"


def rate_limits(headers: Mapping[str, str], now: float) -> RateLimits | None:
    """Return what is left of the limits of whoever sent `headers` (lower-case names), or `None` where nothing is said.

    `now` in Unix seconds. What is negative, too large, not finite or otherwise no count or wait is not said. A window
    whose own limit is not above zero says nothing (Azure sends ``-1`` and ``0`` where it counts nothing).
    """
    requests_left, requests_reset = _scarcest(_REQUESTS, headers, now)
    tokens_left, tokens_reset = _scarcest(_TOKENS, headers, now)
    if requests_left is None and headers.get(_OVER, "").strip().lower() in {"yes", "true"}:
        requests_left = 0
    if requests_left is None and tokens_left is None:
        return None
    return RateLimits(
        requests_left=requests_left,
        requests_reset=requests_reset,
        tokens_left=tokens_left,
        tokens_reset=tokens_reset,
    )


def _scarcest(windows: Iterable[_Window], headers: Mapping[str, str], now: float) -> tuple[int | None, float | None]:
    left: int | None = None
    reset: float | None = None
    for window in windows:
        said = headers.get(window.remaining)
        if said is None:
            continue
        count = _count(said)
        limit = headers.get(window.limit)
        if count is None or (limit is not None and not _count(limit)):
            continue
        until = _reset(headers.get(window.reset), now)
        if left is None or count < left or (count == left and (until or 0.0) > (reset or 0.0)):
            left, reset = count, until
    return left, reset


def _count(text: str) -> int | None:
    text = text.strip()
    return int(text.partition(".")[0]) if _COUNT.fullmatch(text) else None


def _reset(text: str | None, now: float) -> float | None:
    """Return the seconds to a reset; 0 when its moment has passed.

    Unlike a wait that we are asked for, one of a day or more is not cut to a day but dropped: nobody asked us to rest.
    """
    if text is None or text.lstrip().startswith("-"):
        return None
    wait = read_wait(text, now)
    return None if wait is None or wait >= LONGEST_WAIT else wait
