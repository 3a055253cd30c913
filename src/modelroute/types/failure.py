"""The one failure table: every status, body, byte sequence and exception maps to exactly one `Failure`.

Retry, fallback, breaker and billing all read `TABLE`; nothing else decides (docs/reference/failures.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TABLE", "Breaker", "Charge", "Failure", "Kind", "Retry", "Row", "Seen"]


class Kind(StrEnum):
    """What happened, in one word."""

    SATURATED = "saturated"
    UNREACHABLE = "unreachable"
    TRANSIENT = "transient"
    UNAVAILABLE = "unavailable"
    RATE_LIMITED = "rate_limited"
    EXHAUSTED = "exhausted"
    DENIED = "denied"
    NOT_SERVED = "not_served"
    UNSUPPORTED = "unsupported"
    INVALID = "invalid"
    UNPROVED = "unproved"
    TOO_LONG = "too_long"
    REFUSED = "refused"
    INVALID_OUTPUT = "invalid_output"
    SILENT = "silent"
    INTERRUPTED = "interrupted"
    GARBLED = "garbled"
    CANCELLED = "cancelled"
    LATE = "late"


class Seen(StrEnum):
    """Whether the provider may have processed (and so billed) the request."""

    NO = "no"
    MAYBE = "maybe"
    YES = "yes"


_CERTAINTY: Mapping[Seen, int] = MappingProxyType({Seen.NO: 0, Seen.MAYBE: 1, Seen.YES: 2})


class Retry(StrEnum):
    """Where the request may go next."""

    NEVER = "never"
    """Stop: another target would answer the same, or nobody wants the answer any more."""
    SAME_ONCE = "same_once"
    """The same target once more after a backoff, then another."""
    SAME_AFTER_WAIT = "same_after_wait"
    """Another target now; the same one after the wait only when nothing else is left and it fits the deadline."""
    OTHER = "other"
    """Another target; never the same."""
    OTHER_PROVIDER = "other_provider"
    """A target of another provider; never the same provider."""
    ONE_OTHER_PROVIDER = "one_other_provider"
    """One target of another provider, then stop: if two providers refuse, the request is at fault."""
    LARGER_CONTEXT = "larger_context"
    """Only a target with more room for the prompt."""


class Breaker(StrEnum):
    """What a failure does to the target's health."""

    NO = "no"
    COUNTS = "counts"
    HOLDS = "holds"
    SLOW = "slow"


class Charge(StrEnum):
    """What is charged when the provider's own usage is not known."""

    NOTHING = "nothing"
    RESERVATION = "reservation"
    UNLESS_UNBILLED = "unless_unbilled"
    """The reservation; nothing where the provider documents errors as unbilled."""
    REPORTED = "reported"
    """Reported usage; the reservation when none was reported."""
    OBSERVED = "observed"
    """Usage reported before the end; the reservation when none was."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: the consequences of a kind of failure."""

    seen: Seen
    retry: Retry
    breaker: Breaker
    charge: Charge


TABLE: Mapping[Kind, Row] = MappingProxyType(
    {
        Kind.SATURATED: Row(Seen.NO, Retry.SAME_AFTER_WAIT, Breaker.NO, Charge.NOTHING),
        Kind.UNREACHABLE: Row(Seen.NO, Retry.SAME_ONCE, Breaker.COUNTS, Charge.NOTHING),
        Kind.TRANSIENT: Row(Seen.MAYBE, Retry.SAME_ONCE, Breaker.COUNTS, Charge.UNLESS_UNBILLED),
        Kind.UNAVAILABLE: Row(Seen.MAYBE, Retry.SAME_ONCE, Breaker.COUNTS, Charge.UNLESS_UNBILLED),
        Kind.RATE_LIMITED: Row(Seen.NO, Retry.SAME_AFTER_WAIT, Breaker.HOLDS, Charge.NOTHING),
        Kind.EXHAUSTED: Row(Seen.NO, Retry.OTHER, Breaker.HOLDS, Charge.NOTHING),
        Kind.DENIED: Row(Seen.NO, Retry.OTHER_PROVIDER, Breaker.HOLDS, Charge.NOTHING),
        Kind.NOT_SERVED: Row(Seen.NO, Retry.OTHER, Breaker.HOLDS, Charge.NOTHING),
        Kind.UNSUPPORTED: Row(Seen.NO, Retry.OTHER, Breaker.NO, Charge.NOTHING),
        Kind.INVALID: Row(Seen.NO, Retry.NEVER, Breaker.NO, Charge.NOTHING),
        Kind.UNPROVED: Row(Seen.NO, Retry.ONE_OTHER_PROVIDER, Breaker.NO, Charge.NOTHING),
        Kind.TOO_LONG: Row(Seen.NO, Retry.LARGER_CONTEXT, Breaker.NO, Charge.NOTHING),
        Kind.REFUSED: Row(Seen.YES, Retry.NEVER, Breaker.NO, Charge.REPORTED),
        Kind.INVALID_OUTPUT: Row(Seen.YES, Retry.SAME_ONCE, Breaker.NO, Charge.REPORTED),
        Kind.SILENT: Row(Seen.MAYBE, Retry.OTHER, Breaker.SLOW, Charge.RESERVATION),
        Kind.INTERRUPTED: Row(Seen.YES, Retry.OTHER, Breaker.COUNTS, Charge.OBSERVED),
        Kind.GARBLED: Row(Seen.YES, Retry.OTHER, Breaker.COUNTS, Charge.RESERVATION),
        Kind.CANCELLED: Row(Seen.MAYBE, Retry.NEVER, Breaker.NO, Charge.OBSERVED),
        Kind.LATE: Row(Seen.MAYBE, Retry.NEVER, Breaker.NO, Charge.OBSERVED),
    }
)
"""As docs/reference/failures.md prints it. UNPROVED: a 400 not proved to be the caller's fault."""


_SAME = frozenset({Retry.SAME_ONCE, Retry.SAME_AFTER_WAIT})


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one attempt did not give an answer.

    `kind` selects the row of `TABLE`; `seen` may only *raise* the row's certainty that the provider saw the request.
    `retry_after`: seconds from when it was classified, `None` when not told. `provider_code` is the provider's own code
    or type, `message` its words (bounded, without secrets), `status` the HTTP status, `feature` what an `unsupported`
    failure named (``"temperature"``, ``"tools"``). `again`: the server's own word on sending it the same request once
    more, `None` when it gave none. `refusal`: the words in which a model declined, which are content and so never
    printed.
    """

    kind: Kind
    message: str = ""
    provider_code: str | None = None
    status: int | None = None
    retry_after: float | None = None
    seen: Seen | None = None
    feature: str | None = None
    again: bool | None = None
    refusal: str | None = field(default=None, repr=False)

    @property
    def row(self) -> Row:
        """The consequences, from `TABLE`."""
        return TABLE[self.kind]

    @property
    def retry(self) -> Retry:
        """Where the request may go next: as `TABLE` has it, unless the server has ruled on the same target itself."""
        usual = TABLE[self.kind].retry
        if self.again is False and usual in _SAME:
            return Retry.OTHER
        if self.again is True and self.kind is Kind.UNPROVED:
            return Retry.SAME_ONCE
        return usual

    @property
    def was_seen(self) -> Seen:
        """Whether the provider may have processed the request."""
        usual = TABLE[self.kind].seen
        return usual if self.seen is None else max(usual, self.seen, key=_CERTAINTY.__getitem__)

    def __str__(self) -> str:
        parts = [self.kind.value]
        if self.status is not None:
            parts.append(f"HTTP {self.status}")
        if self.provider_code and self.provider_code != self.kind.value:
            parts.append(self.provider_code)
        text = " ".join(parts)
        return f"{text}: {self.message}" if self.message else text
