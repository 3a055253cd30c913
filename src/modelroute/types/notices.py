"""What `on_event` is told: frozen facts about a request's course. Never a prompt, never a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from modelroute.money import Money
    from modelroute.types.attempt import Attempt
    from modelroute.types.decision import Decision
    from modelroute.types.failure import Failure

__all__ = ["Attempted", "Decided", "Finished", "Held", "RouterEvent", "Settled"]


@dataclass(frozen=True, slots=True)
class Decided:
    """A request was decided; nothing has been sent yet."""

    request: str
    decision: Decision


@dataclass(frozen=True, slots=True)
class Attempted:
    """An attempt ended, well or not."""

    request: str
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Settled:
    """A reservation was replaced by what is charged."""

    request: str
    reservation: str
    target: str
    reserved: Money
    cost: Money
    basis: str


@dataclass(frozen=True, slots=True)
class Held:
    """A target (one lane of it) rests until `until`, Unix seconds."""

    request: str
    target: str
    lane: int
    until: float
    failure: Failure


@dataclass(frozen=True, slots=True)
class Finished:
    """The request is over: `failure` is `None` when `target` answered. `cost` is the whole request's."""

    request: str
    target: str | None
    failure: Failure | None
    cost: Money
    seconds: float
    attempts: int


RouterEvent: TypeAlias = Decided | Attempted | Settled | Held | Finished
"""All that `on_event` receives."""
