"""The eight commands a flow may yield, what each answers, and typed ways to yield them.

A flow is a generator: it yields commands and is sent their results; a driver in `runtime` executes them. The contract:

- A driver never `close()`s a flow. To cancel, it **throws** `Cancelled` into it, so that ``finally: yield
  Settle(...)`` is legal, and executes the commands that still come shielded, even when cancelled again.
- `Reserve`, `Close`, `Drop` and `Settle` are never interrupted: the driver finishes them, hands the flow the result
  and only then throws. So a granted reservation is always known to its owner.
- A command's limits are computed when it is yielded; `Next.idle` runs from when the driver starts to read, which may
  be later: with `deliver` the caller is handed events first and may take any time over them.
- The losers of a `Race` keep running. Yielding a loser again (the same object) picks it up; `Close` ends those of its
  exchange, `Drop` any other; what is left is ended with the flow.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from modelroute.types.claims import Claim, Granted, Limited, RateClaim, Refused, Unavailable

if TYPE_CHECKING:
    from modelroute.money import Money
    from modelroute.providers.call import Call
    from modelroute.types.events import StreamEvent, WireEvent
    from modelroute.types.failure import Failure
    from modelroute.types.ledger import Entry
    from modelroute.types.limits import RateLimits

__all__ = [
    "Batch", "Cancelled", "Close", "Command", "Drop", "Exchange", "Failed", "Fate", "Flow", "Next", "Open", "Opened",
    "Race", "Reserve", "Reserved", "Settle", "Sleep", "Won", "close", "next_events", "open_exchange", "race", "reserve",
    "settle", "sleep",
]  # fmt: skip

R = TypeVar("R")


class Cancelled(Exception):
    """Thrown into a flow to make it stop: the caller is gone. Never leaves the library."""


class Exchange:
    """One open upstream call, as the driver knows it; a flow only passes it on."""

    __slots__ = ()

    def cut(self) -> None:
        """Cut its connection, if it holds one. Never waits: a finalizer calls it, from any thread."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """Set money and rate aside, all claims or none, in one atomic step. Answers `Granted`, or why not.

    `lease`: Unix seconds after which an unsettled reservation becomes presumed spend; `entry` is its row in the ledger
    then. `until`: the end of the wait for a store that is slow, in the clock's time.
    """

    reservation: str
    claims: tuple[Claim, ...]
    lease: float
    rates: tuple[RateClaim, ...] = ()
    entry: Entry | None = None
    until: float | None = None


class Fate:
    """What is known of a call whose opening nobody waits for any more. `unsent`: it certainly was not begun."""

    __slots__ = ("unsent",)

    def __init__(self) -> None:
        self.unsent = False


@dataclass(frozen=True, slots=True)
class Open:
    """Connect, send, and wait for the status: answers `Opened` or `Failed`.

    `lane` selects the key. `connect`: seconds for DNS, TCP and TLS. `until`: the end of all of it, in the clock's time.
    `queue`: seconds to wait for a free slot of the target, `None` until `until`; then it is `Failed` as saturated.
    `fate`: kept up to date by who executes it, for a flow that is cancelled meanwhile: what was not sent costs nothing.
    """

    target: str
    call: Call
    lane: int
    connect: float
    until: float
    queue: float | None = None
    fate: Fate = field(default_factory=Fate, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Next:
    """Hand `deliver` to the caller, then read until there is at least one event, the end, or a limit. Answers `Batch`.

    `idle`: seconds from the start of the read. `until`: in the clock's time. The earlier one ends it; `None` means no
    limit.
    """

    exchange: Exchange
    deliver: Sequence[StreamEvent] = ()
    idle: float | None = None
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """End the exchange: reusable when it was read to its end, else cut at once. Answers `None`."""

    exchange: Exchange


@dataclass(frozen=True, slots=True)
class Settle:
    """Replace the reservation by what is charged. Idempotent by id. Answers `None`.

    `final`: the request reserves no more. `sent`: the attempt was begun, so it counts against rates; `tokens` it used,
    `None` when not known. `entry`: its row in the ledger. `booked`: accounts of budgets or rate windows are concerned.
    """

    reservation: str
    cost: Money
    final: bool
    sent: bool = True
    tokens: int | None = None
    entry: Entry | None = None
    booked: bool = False


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait. Answers `None`."""

    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Race:
    """Run commands at once until the first is done: answers `Won`. Async only."""

    commands: tuple[Open | Next | Sleep, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Drop:
    """End a loser of a `Race` that will not be picked up; what it opened is closed. Answers `None`."""

    loser: Open | Next | Sleep


@dataclass(frozen=True, slots=True)
class Opened:
    """The provider accepted the call; events can be read. `limits`: what it said is left of the lane's rate limits.

    `waited`: seconds that passed before it was sent, in the queue for a slot.
    """

    exchange: Exchange
    limits: RateLimits | None = None
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class Failed:
    """The call could not be opened, and why."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Batch:
    """All events of one network read, in order, and its bytes.

    `timed_out`: the limit came first, and there are no events.
    """

    events: Sequence[WireEvent]
    timed_out: bool = False
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Won:
    """The command at `index` was done first, with `result`."""

    index: int
    result: object


Reserved: TypeAlias = Granted | Refused | Limited | Unavailable
"""What `Reserve` answers."""

Command: TypeAlias = Reserve | Open | Next | Close | Settle | Sleep | Race | Drop
Flow: TypeAlias = Generator[Command, object, R]
"""A generator of commands that returns R."""


def reserve(command: Reserve) -> Flow[Reserved]:
    """Yield `command`, typed."""
    answer = yield command
    assert isinstance(answer, Granted | Refused | Limited | Unavailable)
    return answer


def open_exchange(command: Open) -> Flow[Opened | Failed]:
    """Yield `command`, typed."""
    answer = yield command
    assert isinstance(answer, Opened | Failed)
    return answer


def next_events(command: Next) -> Flow[Batch]:
    """Yield `command`, typed."""
    answer = yield command
    assert isinstance(answer, Batch)
    return answer


def race(command: Race) -> Flow[Won]:
    """Yield `command`, typed."""
    answer = yield command
    assert isinstance(answer, Won)
    return answer


def close(exchange: Exchange) -> Flow[None]:
    """Yield `Close`."""
    yield Close(exchange)


def settle(command: Settle) -> Flow[None]:
    """Yield `command`."""
    yield command


def sleep(seconds: float) -> Flow[None]:
    """Yield `Sleep`."""
    yield Sleep(seconds)
