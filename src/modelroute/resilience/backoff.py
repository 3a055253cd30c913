"""How long to wait before the same target is asked again: full jitter, by class of failure, never past what remains.

Numbers: docs/reference/defaults.md (base 0.1 s, 1 s when throttled, cap 8 s, never more than half of what remains; a
provider's own wait is honoured with up to half of it as jitter, up to 60 s). `Retry(wait=...)` takes tenacity's
strategies instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelroute.errors import ConfigurationError
from modelroute.types.failure import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tenacity.wait import wait_base

    from modelroute.types.failure import Failure

__all__ = ["BASE", "CAP", "LONGEST_HINT", "MAX_ATTEMPTS", "THROTTLED_BASE", "Retry", "wait_before_retry"]

MAX_ATTEMPTS = 4
"""Upstream calls of one request, over retries and fallbacks together."""

BASE = 0.1
THROTTLED_BASE = 1.0
CAP = 8.0
LONGEST_HINT = 60.0

_DOUBLINGS = 10
"""More take any base past the cap, and enough of them past what a float holds."""

_THROTTLED = frozenset({Kind.RATE_LIMITED, Kind.SATURATED})


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how patiently a request is tried.

    `max_attempts` bounds upstream calls over retries and fallbacks together; `None` leaves it to who else says one, and
    is 4 in the end. `wait`: a tenacity strategy such as ``tenacity.wait_random_exponential(max=8)`` for asking the same
    target again after a failure (rate limits rest their target instead); `None` is full jitter by class of failure. A
    wait that does not fit the deadline is never begun: another target is tried, or the request fails.
    """

    max_attempts: int | None = None
    wait: wait_base | None = None

    def __post_init__(self) -> None:
        attempts = self.max_attempts
        if attempts is not None and (isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1):
            raise ConfigurationError(
                f"Retry(max_attempts=...) must be a whole number of at least 1, not {self.max_attempts!r}"
            )
        if self.wait is not None and not callable(self.wait):
            raise ConfigurationError(
                "Retry(wait=...) takes a tenacity wait strategy, such as tenacity.wait_exponential()"
            )

    @property
    def attempts(self) -> int:
        """Upstream calls at most: what was said, else `MAX_ATTEMPTS`."""
        return MAX_ATTEMPTS if self.max_attempts is None else self.max_attempts

    def over(self, other: Retry) -> Retry:
        """Return what this says, and what `other` says where this says nothing."""
        return Retry(
            other.max_attempts if self.max_attempts is None else self.max_attempts,
            other.wait if self.wait is None else self.wait,
        )


def wait_before_retry(
    failure: Failure, *, tries: int, remaining: float, draw: Callable[[], float], wait: wait_base | None = None
) -> float | None:
    """Return the seconds to wait before asking the same target again, or `None` when waiting does not fit.

    `tries`: attempts already made on that target. `remaining`: seconds to the deadline. `draw`: uniform in [0, 1).
    """
    half = remaining / 2
    if half <= 0:
        return None
    if failure.retry_after is not None:
        if failure.retry_after > min(half, LONGEST_HINT):
            return None
        return min(failure.retry_after * (1 + draw() / 2), half)
    if wait is not None:
        seconds = _strategy_wait(wait, tries)
        return seconds if seconds <= half else None
    base = THROTTLED_BASE if failure.kind in _THROTTLED else BASE
    return min(draw() * min(CAP, base * 2.0 ** min(tries - 1, _DOUBLINGS)), half)


def _strategy_wait(wait: wait_base, tries: int) -> float:
    from tenacity import RetryCallState, Retrying

    state = RetryCallState(retry_object=Retrying(), fn=None, args=(), kwargs={})
    state.attempt_number = tries
    try:
        return max(0.0, float(wait(state)))
    except Exception as error:  # noqa: BLE001 - a strategy of the user's may raise anything
        raise ConfigurationError(
            f"Retry(wait={type(wait).__name__}) gave no number of seconds: {type(error).__name__}. "
            "Only strategies that look at the number of the attempt can be used here."
        ) from None
