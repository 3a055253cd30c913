"""How a call wants to be routed: what `with_options` and a call say, and how the two combine.

Hard constraints intersect (least ceiling, highest floor); preferences are the nearest one's: call, then `with_options`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, TypedDict

from modelroute.errors import ConfigurationError, RequestError, shown
from modelroute.money import MoneyLike
from modelroute.policy.demands import FloorLike, read
from modelroute.resilience.backoff import Retry
from modelroute.types.constraints import Constraints
from modelroute.types.hedge import HedgeLike, hedge_from
from modelroute.types.timeouts import Timeouts

if TYPE_CHECKING:
    from typing import Unpack

    from modelroute.engine.plan import OnInterrupt
    from modelroute.policy.budget import Budget
    from modelroute.policy.objective import Prefer

__all__ = [
    "LONGEST_DEADLINE",
    "LONGEST_KEY",
    "NOTHING_SAID",
    "CallOptions",
    "Demands",
    "Names",
    "constraints_from",
    "names",
]

Names: TypeAlias = str | Iterable[str]
"""One name or several."""


class Demands(TypedDict):
    """A call's own hard constraints, as typed."""

    max_cost: MoneyLike | None
    floor: FloorLike
    needs: Names | None
    jurisdictions: Names | None
    licences: Names | None
    vendors: Names | None
    providers: Names | None
    without: Names | None
    allow_unbounded: bool


_INTERRUPT: tuple[str, ...] = ("raise", "buffer", "restart")

LONGEST_KEY = 255
"""Characters of an idempotency key."""

LONGEST_DEADLINE = 1e7
"""Seconds, about four months: more is a unit mistaken, and far more is past what clocks and sockets can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallOptions:
    """Options of one call or of `with_options`; `None` means "not said here"."""

    task: str | None = None
    tags: frozenset[str] = frozenset()
    model: str | None = None
    optional: frozenset[str] = frozenset()
    constraints: Constraints = field(default_factory=Constraints)
    prefer: Prefer | None = None
    deadline: float | None = None
    timeouts: Timeouts | None = None
    retry: Retry | None = None
    on_interrupt: OnInterrupt | None = None
    hedge: HedgeLike = None
    conversation: str | None = None
    budgets: tuple[Budget, ...] = ()
    idempotency_key: str | None = None

    def __post_init__(self) -> None:
        deadline = self.deadline
        if deadline is not None:
            if isinstance(deadline, bool) or not isinstance(deadline, int | float) or not deadline > 0:
                raise RequestError(f"deadline= must be a positive number of seconds, not {shown(deadline)}")
            if deadline > LONGEST_DEADLINE:
                raise RequestError(
                    f"deadline= is in seconds, at most {LONGEST_DEADLINE:.0f}, not {shown(deadline)}; "
                    "leave it out for the default"
                )
        if self.timeouts is not None and not isinstance(self.timeouts, Timeouts):
            raise RequestError(
                f"timeouts= must be Timeouts(...), not {shown(self.timeouts)}; write timeouts=Timeouts(attempt=...) "
                "for the phases of one attempt, or deadline= for the whole request"
            )
        if self.retry is not None and not isinstance(self.retry, Retry):
            raise RequestError(
                f"retry= must be Retry(...), not {shown(self.retry)}; write max_attempts= or Retry(max_attempts=...)"
            )
        if self.on_interrupt is not None and self.on_interrupt not in _INTERRUPT:
            raise RequestError(f"on_interrupt= must be one of {', '.join(_INTERRUPT)}, not {shown(self.on_interrupt)}")
        try:
            object.__setattr__(self, "hedge", hedge_from(self.hedge))
        except ConfigurationError as error:
            raise RequestError(str(error)) from None
        for said in (*self.tags, self.conversation or ""):
            if not _is_unicode(said):  # no store could write it down, and the row of a call must not be lost for it
                raise RequestError(
                    f"tags= and conversation= must be text that can be written down, and {shown(said)} holds half of a "
                    "surrogate pair; decode it with errors='replace' where it comes from"
                )
        key = self.idempotency_key
        if key is not None and not (isinstance(key, str) and 0 < len(key) <= LONGEST_KEY and _is_unicode(key)):
            raise RequestError(
                f"idempotency_key= must be text of 1 to {LONGEST_KEY} characters, not {shown(key)}; "
                "take what names the request in your own system, such as an order's number"
            )

    def __or__(self, nearer: CallOptions) -> CallOptions:
        """Return both together: `nearer`'s preferences win, constraints intersect, tags add up."""
        if self is nearer or self is NOTHING_SAID:
            return nearer
        return CallOptions(
            task=self.task if nearer.task is None else nearer.task,
            tags=self.tags | nearer.tags,
            model=self.model if nearer.model is None else nearer.model,
            optional=self.optional | nearer.optional,
            constraints=self.constraints & nearer.constraints,
            prefer=self.prefer if nearer.prefer is None else nearer.prefer,
            deadline=self.deadline if nearer.deadline is None else nearer.deadline,
            timeouts=self.timeouts if nearer.timeouts is None else nearer.timeouts,
            retry=_merged(self.retry, nearer.retry),
            on_interrupt=self.on_interrupt if nearer.on_interrupt is None else nearer.on_interrupt,
            hedge=self.hedge if nearer.hedge is None else nearer.hedge,
            conversation=self.conversation if nearer.conversation is None else nearer.conversation,
            budgets=self.budgets + nearer.budgets,
            idempotency_key=self.idempotency_key if nearer.idempotency_key is None else nearer.idempotency_key,
        )


def _is_unicode(text: str) -> bool:
    """Whether `text` can be written down at all: half of a surrogate pair cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _merged(own: Retry | None, nearer: Retry | None) -> Retry | None:
    if own is None or nearer is None:
        return own if nearer is None else nearer
    return nearer.over(own)


NOTHING_SAID = CallOptions()


def constraints_from(**demands: Unpack[Demands]) -> Constraints:
    """Return a call's own hard constraints. Raises `RequestError` for values that cannot be meant."""
    try:
        constraints, within = read(**demands)
    except ConfigurationError as error:
        raise RequestError(str(error)) from None
    except TypeError:  # a number where names belong, a list among the names
        raise RequestError("needs=, without= and the allowed sets each take a name or several names") from None
    if within:
        raise RequestError("a call's floor= cannot be relative: Within(...) belongs to a scenario")
    return constraints


def names(value: Names, argument: str) -> frozenset[str]:
    """Return one name or several as a set; anything else is a `RequestError`."""
    if isinstance(value, str):
        return frozenset((value,))
    try:
        found = frozenset(value)
    except TypeError:  # no iterable, or it holds what cannot be in a set
        found = None
    if found is None or not all(isinstance(each, str) and each for each in found):
        raise RequestError(f"{argument}= takes a name or several names, not {shown(value)}")
    return found
