"""Every error that leaves the library, as one tree. Catch `ModelRouteError` and you have caught them all.

```
ModelRouteError
├── ConfigurationError (ValueError)    something declared wrongly (policy, provider, price, key); raised when built
│   ├── UnknownNameError               a name nobody knows, with "did you mean"
│   └── NoProviderError                no provider has a key; lists the variables that were looked for
├── RequestError (ValueError)          a call that cannot be made as written; nothing was sent
├── NoEligibleTargetError              every target was rejected; `.decision` holds each reason; nothing was sent
├── BudgetExceededError                a budget has no room for this request: `.budget`, `.limit`, `.left`, ...
├── StoreUnavailableError              what keeps the money cannot be asked, so a hard budget refuses
│   └── StoreLostError                 it answers but has lost what it knew; rebuild it from the ledger
├── IdempotencyError (ValueError)      an idempotency key that was used for another request, or is still in use
├── AttemptsFailedError                attempts were made, none succeeded: `.failure`, `.attempts`, `.cost`, ...
│   ├── DeadlineExceededError (TimeoutError)   the caller's deadline passed first
│   ├── StreamInterruptedError         a stream broke after content was handed over; `.partial` is what arrived
│   └── InvalidOutputError             `parse`: no target gave output that fits the schema
├── RouterClosedError (RuntimeError)   a call on a closed router
└── LocalModelUnavailableError         the local test model cannot be had (`modelroute.testing.local_model`)
```

Fields are structured, messages end with what to do next, instances pickle, and no message or field holds a key or,
unless asked, a prompt.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modelroute.money import Money
    from modelroute.types.attempt import Attempt
    from modelroute.types.decision import Decision
    from modelroute.types.failure import Failure
    from modelroute.types.reply import Partial

__all__ = [
    "AttemptsFailedError",
    "BudgetExceededError",
    "ConfigurationError",
    "DeadlineExceededError",
    "IdempotencyError",
    "InvalidOutputError",
    "LocalModelUnavailableError",
    "ModelRouteError",
    "NoEligibleTargetError",
    "NoProviderError",
    "RequestError",
    "RouterClosedError",
    "StoreLostError",
    "StoreUnavailableError",
    "StreamInterruptedError",
    "UnknownNameError",
    "did_you_mean",
]


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known names, or ``""`` when nothing is near.

    Letters count as equal in either case. What is no text is near nothing.
    """
    if not isinstance(name, str):
        return ""
    spelt: dict[str, str] = {}
    for candidate in known:
        spelt.setdefault(candidate.lower(), candidate)
    near = get_close_matches(name.lower(), list(spelt), n=3, cutoff=0.6)
    if not near:
        return ""
    return " Did you mean " + " or ".join(repr(spelt[match]) for match in near) + "?"


def shown(value: object, most: int = 60) -> str:
    """Return `value` as a message quotes it: its repr in at most `most` characters, or its type. Internal."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a message about a value must not fail on that value
        return f"<{type(value).__name__}>"
    return text if len(text) <= most else text[: most - 3] + "..."


def _rebuild(cls: type[ModelRouteError], message: str, state: Mapping[str, object]) -> ModelRouteError:
    error = cls.__new__(cls, message)
    Exception.__init__(error, message)
    for field, value in state.items():
        setattr(error, field, value)
    return error


class ModelRouteError(Exception):
    """Base of every error the library raises. `str(error)` is one readable message; subclasses add fields."""

    fields: ClassVar[tuple[str, ...]] = ()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by class, message and declared fields: subclasses take keywords, which the default cannot replay."""
        state = {field: getattr(self, field) for field in self.fields}
        return (_rebuild, (type(self), str(self), state))


class ConfigurationError(ModelRouteError, ValueError):
    """Something was declared wrongly. Raised when it is built, never at request time."""


class UnknownNameError(ConfigurationError):
    """A name that nothing declares. `.name` is what was asked for, `.kind` what it should have named.

    What is no text at all was asked for as its repr.
    """

    fields = ("name", "kind")

    def __init__(self, kind: str, name: object, known: Iterable[str], *, hint: str = "") -> None:
        self.kind = kind
        self.name = name if isinstance(name, str) else shown(name)
        listed = sorted(known)
        few = ", ".join(listed[:12]) + (f", and {len(listed) - 12} more" if len(listed) > 12 else "")
        near = did_you_mean(name, listed) if isinstance(name, str) else " A name is text."
        tail = f" {hint}" if hint else ""
        super().__init__(f"unknown {kind} {shown(name, 200)}.{near} Known: {few or 'none'}.{tail}")


class NoProviderError(ConfigurationError):
    """No provider has a key. `.variables` are the environment variables that were looked for."""

    fields = ("variables",)

    def __init__(self, variables: Iterable[str]) -> None:
        self.variables = tuple(variables)
        super().__init__(
            "no provider has a key: none of these environment variables is set: "
            + ", ".join(self.variables)
            + ". Set one, or build Router([...]) with Provider(name, key=...) or Provider.compatible(url, ...)."
        )


class RequestError(ModelRouteError, ValueError):
    """The call cannot be made as written: no messages, content that is no JSON, an undeclared task.

    Nothing was sent.
    """


class NoEligibleTargetError(ModelRouteError):
    """Every target was rejected. `.decision.rejected` holds every reason; the message prints the table of `explain`."""

    fields = ("decision", "retry_after")

    def __init__(self, message: str, *, decision: Decision, retry_after: float | None = None) -> None:
        self.decision = decision
        self.retry_after = retry_after
        super().__init__(message)


class BudgetExceededError(ModelRouteError):
    """A budget has no room for this request, or for its next attempt.

    `budget` names it, `scope` is the account (one per window and value). `limit`, `left`, `wanted`: money.
    `retry_after`: seconds until the window ends, `None` when it never does or rolls. `decision` is what would have been
    executed; `attempts` and `cost` what was made and charged before, usually nothing.
    """

    fields: ClassVar[tuple[str, ...]] = (
        "budget",
        "scope",
        "limit",
        "left",
        "wanted",
        "retry_after",
        "decision",
        "attempts",
        "cost",
    )

    def __init__(
        self,
        message: str,
        *,
        budget: str,
        scope: str,
        limit: Money,
        left: Money,
        wanted: Money,
        retry_after: float | None,
        decision: Decision,
        attempts: tuple[Attempt, ...],
        cost: Money,
    ) -> None:
        super().__init__(message)
        self.budget = budget
        self.scope = scope
        self.limit = limit
        self.left = left
        self.wanted = wanted
        self.retry_after = retry_after
        self.decision = decision
        self.attempts = attempts
        self.cost = cost


class StoreUnavailableError(ModelRouteError):
    """The store that keeps the money does not answer, so a hard budget refuses. Nothing was sent."""


class StoreLostError(StoreUnavailableError):
    """The store answers but has lost what it knew (it was flushed, or fell back to an older state).

    Hard budgets refuse until it is rebuilt: ``modelroute ledger rebuild``.
    """


class IdempotencyError(ModelRouteError, ValueError):
    """An idempotency key that was used for another request, or whose request is still under way. Nothing was sent."""


class AttemptsFailedError(ModelRouteError):
    """Attempts were made and none succeeded.

    `.failure` is the one that ended it, `.attempts` all of them in order, `.cost` what was spent or must be presumed
    spent (`Money`), `.retry_after` the seconds after which a target is expected back, if known.
    """

    fields: ClassVar[tuple[str, ...]] = ("decision", "attempts", "failure", "cost", "retry_after")

    def __init__(
        self,
        message: str,
        *,
        decision: Decision,
        attempts: tuple[Attempt, ...],
        failure: Failure,
        cost: Money,
        retry_after: float | None = None,
    ) -> None:
        self.decision = decision
        self.attempts = attempts
        self.failure = failure
        self.cost = cost
        self.retry_after = retry_after
        super().__init__(message)


class DeadlineExceededError(AttemptsFailedError, TimeoutError):
    """The deadline passed before an answer was complete (`chat`) or begun (`stream`). Also a `TimeoutError`."""


class StreamInterruptedError(AttemptsFailedError):
    """A stream broke after content had been handed over. `.partial` is the text, tool calls and usage that arrived."""

    fields = (*AttemptsFailedError.fields, "partial")

    def __init__(
        self,
        message: str,
        *,
        decision: Decision,
        attempts: tuple[Attempt, ...],
        failure: Failure,
        cost: Money,
        partial: Partial,
        retry_after: float | None = None,
    ) -> None:
        self.partial = partial
        super().__init__(
            message, decision=decision, attempts=attempts, failure=failure, cost=cost, retry_after=retry_after
        )


class InvalidOutputError(AttemptsFailedError):
    """`parse`: the last answer did not fit the schema. `.problems` is what the validator found, without the values."""

    fields = (*AttemptsFailedError.fields, "problems")

    def __init__(
        self,
        message: str,
        *,
        decision: Decision,
        attempts: tuple[Attempt, ...],
        failure: Failure,
        cost: Money,
        problems: tuple[str, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        self.problems = problems
        super().__init__(
            message, decision=decision, attempts=attempts, failure=failure, cost=cost, retry_after=retry_after
        )


class RouterClosedError(ModelRouteError, RuntimeError):
    """A call on a router that was closed. Make a new one; a router cannot be reopened."""


class LocalModelUnavailableError(ModelRouteError):
    """The local test model or its runtime cannot be had. The message says which command failed and what to do."""
