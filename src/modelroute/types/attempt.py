"""One upstream call made for a request, as it is kept in replies, errors and events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelroute.money import Money
    from modelroute.types.failure import Failure
    from modelroute.types.usage import Usage

__all__ = ["Attempt"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one attempt.

    `number` counts from 1 within the request. `failure` is `None` for the one that answered. `reserved` is what was set
    aside, `cost` what was charged; `basis` says how it is known: that of the price (``catalog 2026-10-09``, ``declared
    by you``), ``provider``, ``estimate``, ``reservation`` or ``unbilled``. `seconds` is the whole attempt,
    `first_token` the seconds to its first content. `why` says what made it: ``first``, ``retry``, ``fallback``,
    ``hedge``. `at`: Unix seconds when it was sent. `finish`, `response_id`, `served_model`: as the provider reported
    them, empty when it did not. `lane`: which of the target's keys and endpoints it used.
    """

    number: int
    target: str
    why: str
    failure: Failure | None
    reserved: Money
    cost: Money
    basis: str
    usage: Usage | None
    seconds: float
    first_token: float | None
    at: float = 0.0
    finish: str = ""
    response_id: str = ""
    served_model: str = ""
    lane: int = 0

    @property
    def succeeded(self) -> bool:
        """Whether this attempt gave the answer."""
        return self.failure is None

    def __str__(self) -> str:
        outcome = "answered" if self.failure is None else str(self.failure).rstrip(".")
        return (
            f"{self.number}. {self.target} ({self.why}): {outcome} in {self.seconds:.2f} s, {self.cost} ({self.basis})"
        )
