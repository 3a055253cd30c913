"""One row of the spend ledger: an attempt and what it cost. Never a prompt, unless asked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelroute.money import Money

__all__ = ["Entry", "EntryKind"]


class EntryKind(StrEnum):
    """What a row records. Costs of all kinds add up to the counters."""

    ATTEMPT = "attempt"
    """An attempt that ended, at its cost."""
    PRESUMED = "presumed"
    """A reservation whose lease ended unsettled (a crash): its whole amount is presumed spent."""
    CORRECTION = "correction"
    """The difference (it may be negative) once a presumed attempt was settled after all, or was reversed by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row, append-only.

    - `id`: unique. The reservation's id for an attempt, with ``/presumed`` or ``/correction`` appended for the others:
      appending a known id again changes nothing.
    - `request`, `number`: which attempt of which request. `at`: Unix seconds when it was sent.
    - `scenario`, `task`, `tags`, `user`: as the request was classified. `target` is ``model@provider``.
    - `decision`, `snapshot`: digests of what was decided, and of what was known then.
    - token counts are `None` when the provider reported none; zero is zero.
    - `estimate`: expected cost, `None` without a price. `reserved`: set aside. `cost`: charged. `basis`: how it is
      known.
    - `failure`: kind of the failure, `None` for an answer. `finish`: the answer's finish reason.
    - `seconds`, `first_token`: timings of the attempt, `None` when not known.
    - `accounts`: scopes of the budget accounts its cost was charged to.
    - `content`: prompt and answer as JSON text, only where the router was told to record content.
    """

    id: str
    kind: EntryKind
    request: str
    number: int
    at: float
    scenario: str
    task: str | None
    tags: tuple[str, ...]
    user: str | None
    target: str
    why: str
    decision: str
    snapshot: str
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    estimate: Money | None
    reserved: Money
    cost: Money
    basis: str
    failure: str | None
    finish: str | None
    seconds: float | None
    first_token: float | None
    accounts: tuple[str, ...] = ()
    content: str | None = None
