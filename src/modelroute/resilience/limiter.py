"""How many calls may be in flight to one target at once, and who waits for a slot: first come, first served.

Beyond the limit a call waits in a bounded queue; beyond the queue it is shed at once. After a target has recovered its
limit starts small and grows with every success, so that what waited for it does not knock it over again.

A `Ticket` is a place in the queue and then a slot. It is let go exactly once, by whoever comes first: its owner, a
finalizer that cuts a dropped stream, or the garbage collector. Finalizers run in any thread at any point, also in the
middle of what is written here, so letting go never waits for the lock: who holds it does it in passing.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from modelroute.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["AT_FIRST", "Concurrency", "Limiter", "Ticket"]

AT_FIRST = 4
"""Calls in flight to a target that has just recovered (docs/reference/defaults.md)."""


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many calls may be in flight to one target at once (`limit`), and how many more may wait (`queue`).

    Raises `ConfigurationError` for a limit below 1 or a queue below 0.
    """

    limit: int = 64
    queue: int = 256

    def __post_init__(self) -> None:
        for name, value, least in (("limit", self.limit, 1), ("queue", self.queue, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigurationError(
                    f"Concurrency({name}=...) must be a whole number of at least {least}, not {value!r}"
                )


class Limiter:
    """The slots and queues of a router's targets. Thread-safe, and pure: who waits is woken by a callable of its own.

    A callable `wake` must neither wait nor raise; it is called outside the lock, from whatever thread freed the slot.
    If it returns `False`, who waited is gone, and the slot goes to the next. `each`: targets with numbers of their own.
    """

    __slots__ = ("__weakref__", "_each", "_later", "_lines", "_lock", "_run", "_usual")

    def __init__(
        self, concurrency: Concurrency | None = None, *, each: Mapping[str, Concurrency] | None = None
    ) -> None:
        self._usual = Concurrency() if concurrency is None else concurrency
        self._each = {} if each is None else dict(each)
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}
        self._later: deque[tuple[_Seat, bool]] = deque()
        self._run = object()

    def after_fork(self) -> None:
        """Begin anew in a forked child: the calls in flight and those who wait are the parent's."""
        self._lock = threading.Lock()
        self._lines = {}
        self._later = deque()
        self._run = object()

    def concurrency(self, target: str) -> Concurrency:
        """Return how many calls `target` may have in flight and waiting."""
        return self._each.get(target, self._usual)

    def enter(self, target: str, lane: int) -> Ticket | None:
        """Take a slot of `target` for its key number `lane`; `None` when none is free or others wait already."""
        ticket = Ticket(self, target, lane)
        with self._lock:
            is_in = self._line(target).let_in(ticket.seat)
        self._catch_up()
        return ticket if is_in else None

    def queue(self, target: str, lane: int, wake: Callable[[], object]) -> Ticket | None:
        """Wait for a slot: `wake()` is called when it is there. `None`: the queue is full, and the call is shed.

        A slot that is free by now is taken at once, and nobody is woken: look at `Ticket.is_admitted`.
        """
        ticket = Ticket(self, target, lane, wake)
        with self._lock:
            line = self._line(target)
            is_taken = line.let_in(ticket.seat) or line.let_wait(ticket.seat, self.concurrency(target).queue)
        self._catch_up()
        return ticket if is_taken else None

    def recovering(self, target: str) -> None:
        """Start `target` slowly: its breaker has just closed."""
        with self._lock:
            self._line(target).allowed = min(AT_FIRST, self.concurrency(target).limit)
        self._catch_up()

    def in_flight(self, target: str, lane: int | None = None) -> int:
        """Return the slots taken of `target`, or of one of its lanes."""
        with self._lock:
            line = self._lines.get(target)
            if line is None:
                return 0
            count = line.in_flight if lane is None else line.lanes.get(lane, 0)
        self._catch_up()
        return count

    def waiting(self, target: str) -> int:
        """Return how many wait for a slot of `target`."""
        with self._lock:
            line = self._lines.get(target)
            count = 0 if line is None else len(line.waiting)
        self._catch_up()
        return count

    def allowed(self, target: str) -> int:
        """Return how many slots `target` has now: the limit, or less while it starts slowly."""
        with self._lock:
            line = self._lines.get(target)
            slots = self.concurrency(target).limit if line is None else line.allowed
        self._catch_up()
        return slots

    def least_loaded(self, target: str, lanes: Iterable[int]) -> int:
        """Return the one of `lanes` with the fewest calls in flight, the first of equals."""
        line = self._lines.get(target)
        if line is None:
            return next(iter(lanes))
        with self._lock:
            least = min(lanes, key=lambda lane: line.lanes.get(lane, 0))
        self._catch_up()
        return least

    def _line(self, target: str) -> _Line:
        line = self._lines.get(target)
        if line is None:
            line = self._lines[target] = _Line(self.concurrency(target).limit)
        return line

    def _claim(self, seat: _Seat) -> bool:
        """Whether `seat` has its slot; if not, it gives up its place in the same instant."""
        with self._lock:
            is_in = seat.state == "in"
            if not is_in:
                self._free(seat, succeeded=False)
        self._catch_up()
        return is_in

    def _let_go(self, seat: _Seat, succeeded: bool) -> None:
        """Let go of `seat`, now or as soon as the lock is free. Safe to call from a finalizer."""
        self._later.append((seat, succeeded))
        self._catch_up()

    def _catch_up(self) -> None:
        """Do what was put off while the lock was held, and wake whom it lets in."""
        while self._later:
            if not self._lock.acquire(blocking=False):
                return  # its holder comes here as soon as it has let go
            woken: list[_Seat] = []
            try:
                while self._later:
                    woken += self._free(*self._later.popleft())
            finally:
                self._lock.release()
            for seat in woken:
                if seat.wake is not None and seat.wake() is False:
                    self._later.append((seat, False))

    def _free(self, seat: _Seat, succeeded: bool) -> list[_Seat]:
        """Take `seat` out, and let in who waits for what that frees. Under the lock."""
        state, seat.state = seat.state, "out"
        if state == "out" or seat.run is not self._run:
            return []
        line = self._line(seat.target)
        if state == "waiting":
            line.waiting.pop(seat, None)
            return []
        line.give_back(seat.lane)
        if succeeded:
            line.allowed = min(self.concurrency(seat.target).limit, line.allowed + 1)
        woken: list[_Seat] = []
        while line.waiting and line.in_flight < line.allowed:
            first, _ = line.waiting.popitem(last=False)
            line.take(first)
            woken.append(first)
        return woken


class Ticket:
    """A place in the queue, then a slot. Let go of it with `leave`; dropped, it is let go of all the same."""

    __slots__ = ("_limiter", "seat")

    def __init__(self, limiter: Limiter, target: str, lane: int, wake: Callable[[], object] | None = None) -> None:
        self._limiter = limiter
        self.seat = _Seat(target, lane, limiter._run, wake)

    @property
    def is_admitted(self) -> bool:
        """Whether it has its slot."""
        return self.seat.state == "in"

    def claim(self) -> bool:
        """Say whether it has its slot; if not, give up the place in the queue, in one step. For when time is up."""
        return self._limiter._claim(self.seat)

    def leave(self, *, succeeded: bool = False) -> None:
        """Free the slot, or the place in the queue. Doing so again does nothing. `succeeded`: its call was answered.

        Never waits: a finalizer may call it, from any thread.
        """
        if self.seat.state != "out":
            self._limiter._let_go(self.seat, succeeded)

    def __del__(self) -> None:
        self.leave()


class _Seat:
    """What a ticket stands for, as the queue knows it: the queue does not keep the ticket alive."""

    __slots__ = ("lane", "run", "state", "target", "wake")

    def __init__(self, target: str, lane: int, run: object, wake: Callable[[], object] | None) -> None:
        self.target = target
        self.lane = lane
        self.run = run
        self.wake = wake
        self.state: Literal["waiting", "in", "out"] = "out"


class _Line:
    """The slots of one target and who waits for them. Locked by its limiter."""

    __slots__ = ("allowed", "in_flight", "lanes", "waiting")

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed
        self.in_flight = 0
        self.lanes: dict[int, int] = {}
        self.waiting: OrderedDict[_Seat, None] = OrderedDict()

    def let_in(self, seat: _Seat) -> bool:
        """Give `seat` a slot if one is free; say whether. While anybody waits, none is."""
        if self.in_flight >= self.allowed:
            return False
        self.take(seat)
        return True

    def let_wait(self, seat: _Seat, most: int) -> bool:
        """Put `seat` at the end of the queue if it has fewer than `most`; say whether."""
        if len(self.waiting) >= most:
            return False
        seat.state = "waiting"
        self.waiting[seat] = None
        return True

    def take(self, seat: _Seat) -> None:
        """Give `seat` a slot."""
        seat.state = "in"
        self.in_flight += 1
        self.lanes[seat.lane] = self.lanes.get(seat.lane, 0) + 1

    def give_back(self, lane: int) -> None:
        """Take a slot back."""
        self.in_flight -= 1
        self.lanes[lane] -= 1
