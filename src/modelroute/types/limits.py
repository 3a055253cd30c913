"""What a provider says is left of a rate limit, so that a lane rests before it is refused. Internal."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RateLimits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """What was left of a lane's limits when it answered; `None` where it did not say.

    Of several windows (a minute, a day; input, output) the scarcest counts: the one with least left and, of equal
    ones, the last to be reset. Resets are seconds from the answer, at most a day.
    """

    requests_left: int | None = None
    requests_reset: float | None = None
    tokens_left: int | None = None
    tokens_reset: float | None = None
