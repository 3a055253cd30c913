"""A slot of the target before every call, and its release whatever becomes of the call: the limiter put to work.

Mixed into the real performers and into the scripted ones alike, so that what a simulation shows is what happens. The
slot's owner is recorded before anything is awaited: while the call is opened it is the frame of `open`, then the
exchange. It is released when the exchange is closed or cut, when opening fails or is cancelled, and when a flow is
ended by the reaper; a ticket that is dropped on any other way (an interrupt between two steps) releases itself.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

from modelroute.engine.commands import Exchange, Failed, Opened
from modelroute.resilience.limiter import Limiter
from modelroute.runtime.forking import renew_after_fork
from modelroute.types.failure import Failure, Kind

if TYPE_CHECKING:
    from modelroute.engine.commands import Open
    from modelroute.resilience.limiter import Ticket
    from modelroute.runtime.clocks import Clocks

__all__ = ["Admitted", "AsyncAdmission", "SyncAdmission"]


class Admitted(Exchange):
    """An exchange that holds a slot of its target. `answered`: it was read to its proper end."""

    __slots__ = ("_ticket", "answered")

    def __init__(self) -> None:
        self._ticket: Ticket | None = None
        self.answered = False

    def admitted_by(self, ticket: Ticket) -> None:
        """Become the owner of the slot."""
        self._ticket = ticket

    def let_go(self) -> None:
        """Release the slot. Doing so again does nothing; a finalizer may call it, from any thread."""
        if self._ticket is not None:
            self._ticket.leave(succeeded=self.answered)

    def cut(self) -> None:
        """Release the slot; what cuts a connection, too, adds that."""
        self.let_go()


class _Admission:
    """What sync and async share: the limiter, and how an opened call takes over its slot."""

    _clocks: Clocks

    def __init__(self, limiter: Limiter | None = None) -> None:
        self.limiter = Limiter() if limiter is None else limiter
        if limiter is None:
            renew_after_fork(self.limiter)

    def _seconds(self, command: Open, now: float) -> float:
        left = command.until - now
        return max(0.0, left if command.queue is None else min(left, command.queue))

    def _saturated(self, command: Open, waited: float | None) -> Failed:
        target = command.target
        most = self.limiter.concurrency(target)
        if waited is None:
            why = f"{most.limit} calls to {target} are in flight and {most.queue} wait: no room in the queue"
        else:
            why = f"no slot of {target} was free within {waited:.1f} s: {most.limit} calls may be in flight at once"
        return Failed(Failure(Kind.SATURATED, f"{why}; raise max_in_flight= of its Provider if it can take more"))

    @staticmethod
    def _handed_over(answer: Opened | Failed, ticket: Ticket, waited: float) -> Opened | Failed:
        if isinstance(answer, Failed):
            ticket.leave()
            return answer
        cast("Admitted", answer.exchange).admitted_by(ticket)
        return replace(answer, waited=waited) if waited else answer


class SyncAdmission(_Admission):
    """`open` for performers that block: waits for a slot, then does `_open`."""

    def open(self, command: Open) -> Opened | Failed:
        """Wait for a free slot, send the call and wait for its status. Saturated when none came free in time."""
        ticket = self.limiter.enter(command.target, command.lane)
        waited = 0.0
        try:
            if ticket is None:
                began = self._clocks.monotonic()
                command.fate.unsent = True
                woken = threading.Lock()
                woken.acquire()
                ticket = self.limiter.queue(command.target, command.lane, woken.release)
                if ticket is None:
                    return self._saturated(command, None)
                seconds = self._seconds(command, began)
                if not ticket.is_admitted:
                    self._await_slot(woken, seconds)
                if not ticket.claim():
                    return self._saturated(command, seconds)
                waited = self._clocks.monotonic() - began
                command.fate.unsent = False
            return self._handed_over(self._open(command), ticket, waited)
        except BaseException:
            if ticket is not None:
                ticket.leave()
            raise

    def _open(self, command: Open) -> Opened | Failed:
        """Send the call and wait for its status; the exchange is an `Admitted`."""
        raise NotImplementedError

    def _await_slot(self, woken: threading.Lock, seconds: float) -> None:
        """Block until `woken` is released, at most `seconds`."""
        woken.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))


class AsyncAdmission(_Admission):
    """`open` for performers on an event loop: waits for a slot, then does `_open`."""

    async def open(self, command: Open) -> Opened | Failed:
        """Wait for a free slot, send the call and wait for its status. Saturated when none came free in time."""
        ticket = self.limiter.enter(command.target, command.lane)
        waited = 0.0
        try:
            if ticket is None:
                began = self._clocks.monotonic()
                command.fate.unsent = True
                loop = asyncio.get_running_loop()
                woken: asyncio.Future[None] = loop.create_future()
                ticket = self.limiter.queue(command.target, command.lane, partial(_wake, loop, woken))
                if ticket is None:
                    return self._saturated(command, None)
                seconds = self._seconds(command, began)
                if not ticket.is_admitted:
                    await asyncio.wait((woken,), timeout=seconds)
                if not ticket.claim():
                    return self._saturated(command, seconds)
                waited = self._clocks.monotonic() - began
                command.fate.unsent = False
            return self._handed_over(await self._open(command), ticket, waited)
        except BaseException:
            if ticket is not None:
                ticket.leave()
            raise

    async def _open(self, command: Open) -> Opened | Failed:
        """Send the call and wait for its status; the exchange is an `Admitted`."""
        raise NotImplementedError


def _wake(loop: asyncio.AbstractEventLoop, woken: asyncio.Future[None]) -> bool:
    """Wake a waiter on its own loop, from any thread; `False` when that loop is closed and nobody waits any more."""
    try:
        loop.call_soon_threadsafe(_resolve, woken)
    except RuntimeError:
        return False
    return True


def _resolve(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
