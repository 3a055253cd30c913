"""What `on_event` is told: frozen facts about a request's course. Never a prompt, never a key.

`at` is the Unix second it happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from modelroute.money import Money
    from modelroute.types.attempt import Attempt
    from modelroute.types.decision import Decision
    from modelroute.types.failure import Failure

__all__ = [
    "Attempted", "BudgetRefused", "Decided", "Dropped", "Finished", "Held", "Overrun", "RouterEvent", "Settled",
    "StoreFailed", "Tripped",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decided:
    """A request was decided; nothing has been sent yet.

    `stream`: its content goes to the caller as it comes. `embeds`: it asks for vectors, and no answer.
    """

    request: str
    decision: Decision
    at: float = 0.0
    task: str | None = None
    tags: frozenset[str] = frozenset()
    user: str | None = None
    conversation: str = ""
    stream: bool = False
    embeds: bool = False


@dataclass(frozen=True, slots=True)
class Attempted:
    """An attempt ended, well or not."""

    request: str
    attempt: Attempt
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Settled:
    """A reservation was replaced by what is charged."""

    request: str
    reservation: str
    target: str
    reserved: Money
    cost: Money
    basis: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Held:
    """A target (one lane of it) rests until `until`, Unix seconds."""

    request: str
    target: str
    lane: int
    until: float
    failure: Failure
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Tripped:
    """The breaker of a target (one place of it) changed: ``open`` until `until`, ``half_open``, or ``closed`` again."""

    target: str
    place: int
    state: Literal["open", "half_open", "closed"]
    why: str
    until: float | None = None
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class BudgetRefused:
    """A budget had no room: account `scope` has `left` of the `wanted`. `moved_on`: something cheaper is tried."""

    request: str
    budget: str
    scope: str
    wanted: Money
    left: Money
    moved_on: bool
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Overrun:
    """A provider billed more than the bound that was reserved: its price, cap or count is not what we were told."""

    request: str
    target: str
    reserved: Money
    cost: Money
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class StoreFailed:
    """The store did not do what it was asked. `refused`: a hard budget refused; else it went on unrecorded."""

    request: str
    store: str
    why: str
    refused: bool
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Finished:
    """The request is over: `failure` is `None` when `target` answered. `cost` is the whole request's."""

    request: str
    target: str | None
    failure: Failure | None
    cost: Money
    seconds: float
    attempts: int
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Dropped:
    """So many notices are missing since the last `Dropped`: the listeners were too slow, and the queue was full."""

    count: int
    at: float = 0.0


RouterEvent: TypeAlias = (
    Decided | Attempted | Settled | Held | Tripped | BudgetRefused | Overrun | StoreFailed | Finished | Dropped
)
"""All that `on_event` receives."""
