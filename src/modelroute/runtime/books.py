"""The books of one router: what is this request's own stays in this process, what is shared goes to the store.

A request's ceiling and the budget of a bound view concern nobody else, so they cost no trip to a disk or a server.
Both parts are granted or neither is.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, wait
from functools import partial
from typing import TYPE_CHECKING

from modelroute.errors import ModelRouteError, StoreLostError
from modelroute.money import ZERO
from modelroute.policy.budget import VIEW
from modelroute.runtime.keeping import STORE_PATIENCE, StoreRunner
from modelroute.types.claims import Granted, Limited, Refused, Unavailable
from modelroute.types.notices import StoreFailed

if TYPE_CHECKING:
    from modelroute.engine.commands import Reserve, Reserved, Settle
    from modelroute.runtime.clocks import Clocks
    from modelroute.stores.memory import MemoryStore
    from modelroute.stores.sqlite import SqliteStore
    from modelroute.stores.store import Store
    from modelroute.types.claims import Balance, Claim
    from modelroute.types.notices import RouterEvent

__all__ = ["SETTLEMENT_PATIENCE", "Books"]

SETTLEMENT_PATIENCE = 0.05
"""Seconds a caller waits for a settlement; a slower one finishes behind it."""

_LOGGER = logging.getLogger("modelroute")
_OWN = ("request:", VIEW)
_GRANTED = Granted()


def _is_own(claim: Claim) -> bool:
    return claim.scope.startswith(_OWN)


def _is_promised(command: Reserve) -> bool:
    """Whether a hard budget of the shared store is claimed from."""
    return any(claim.hard for claim in command.claims if not _is_own(claim))


class Books:
    """Where reservations and settlements go. `local` is this process's; `runner` asks the shared store, if any."""

    def __init__(
        self,
        local: MemoryStore,
        clocks: Clocks,
        emit: Callable[[RouterEvent], None],
        *,
        store: Store | None = None,
        ledger: SqliteStore | None = None,
        owns_store: bool = False,
    ) -> None:
        self.local = local
        self.clocks = clocks
        self.runner = None if store is None else StoreRunner(store, clocks)
        self._ledger = ledger
        self._ledger_runner = None if ledger is None else StoreRunner(ledger, clocks)
        self._emit = emit
        self._owns_store = owns_store

    @property
    def store(self) -> Store:
        """The store of budgets: the shared one, else this process's own."""
        return self.local if self.runner is None else self.runner.store

    @property
    def may_wait(self) -> bool:
        """Whether closing may have to wait for a disk or a server."""
        return bool(self._runners())

    @property
    def keeps_ledger(self) -> bool:
        """Whether attempts leave rows anywhere."""
        return self._ledger is not None or self.store.keeps_ledger

    def after_fork(self) -> None:
        """Renew in a forked child what a thread of the parent may have held."""
        self.local.after_fork()
        for runner in self._runners():
            runner.store.after_fork()
            runner.after_fork()

    def close(self) -> None:
        """Finish settlements, then close files and connections; a store that was handed in stays open."""
        for runner in self._runners():
            runner.close()
            if runner is self._ledger_runner or self._owns_store:
                try:
                    runner.store.close()
                except ModelRouteError as error:  # a thread hangs in it: the rest of the router is closed all the same
                    _LOGGER.warning("%s was not closed: %s", runner.store.name, error)

    def balances(self) -> Mapping[str, Balance]:
        """Return every account of the store, waiting in this thread. Raises `StoreUnavailableError`."""
        ask = partial(self.store.balances, now=self.clocks.wall())
        return ask() if self.runner is None else self.runner.run(ask, timeout=STORE_PATIENCE)

    async def abalances(self) -> Mapping[str, Balance]:
        """The same on an event loop."""
        ask = partial(self.store.balances, now=self.clocks.wall())
        return ask() if self.runner is None else await self.runner.arun(ask, timeout=STORE_PATIENCE)

    def reserve(self, command: Reserve) -> Reserved:
        """Set money and rate aside, waiting in this thread."""
        answer = self._reserve_own(command)
        if answer is not None or self.runner is None:
            return answer or _GRANTED
        if self.runner.rests():
            return self._unanswered(command, self.runner.why, asked=False)
        try:
            found = self.runner.run(self._asking(command), timeout=self._patience(command), late=self._undoing(command))
        except ModelRouteError as error:
            return self._unanswered(command, error)
        return self._answered(command, found)

    def areserve(self, command: Reserve) -> Reserved | Awaitable[Reserved]:
        """The same on an event loop: at once where nothing shared is claimed."""
        answer = self._reserve_own(command)
        if answer is not None or self.runner is None:
            return answer or _GRANTED
        if self.runner.rests():
            return self._unanswered(command, self.runner.why, asked=False)
        return self._areserve(command, self.runner)

    async def _areserve(self, command: Reserve, runner: StoreRunner) -> Reserved:
        try:
            found = await runner.arun(
                self._asking(command), timeout=self._patience(command), late=self._undoing(command)
            )
        except ModelRouteError as error:
            return self._unanswered(command, error)
        return self._answered(command, found)

    def settle(self, command: Settle, *, patience: float = SETTLEMENT_PATIENCE) -> None:
        """Replace the reservation by its cost, waiting at most `patience` seconds; the rest goes on behind."""
        under_way = self._settle(command)
        if under_way:
            wait(under_way, patience)

    def asettle(self, command: Settle) -> Awaitable[None] | None:
        """The same on an event loop; `None` when it is done already."""
        waiting = [done for done in self._settle(command) if not done.done()]
        return _all(waiting) if waiting else None

    def _settle(self, command: Settle) -> list[Future[None]]:
        runner, now = self.runner, self.clocks.wall()
        under_way: list[Future[None]] = []
        self._settle_in(self.local, command, now)
        if runner is not None and (command.booked or (command.entry is not None and runner.store.keeps_ledger)):
            under_way.append(runner.settle(partial(self._settle_in, runner.store, command, now)))
        if self._ledger is not None and self._ledger_runner is not None and command.entry is not None:
            under_way.append(self._ledger_runner.settle(partial(self._ledger.append, (command.entry,))))
        return under_way

    @staticmethod
    def _settle_in(store: Store, command: Settle, now: float) -> None:
        store.settle(
            command.reservation,
            command.cost,
            now=now,
            final=command.final,
            sent=command.sent,
            tokens=command.tokens,
            entry=command.entry,
        )

    def _reserve_own(self, command: Reserve) -> Reserved | None:
        """Set aside what concerns only this process. `None`: granted so far, and the shared store is to be asked."""
        claims, shared = command.claims, self.runner is not None
        own = tuple(filter(_is_own, claims)) if shared else claims
        rates = () if shared else command.rates
        wall = self.clocks.wall()
        if own or rates:
            answer = self.local.reserve(command.reservation, own, lease=command.lease, now=wall, rates=rates)
            if not isinstance(answer, Granted):
                return answer
        if shared and (len(own) < len(claims) or command.rates):
            return None
        return _GRANTED

    def _asking(self, command: Reserve) -> Callable[[], Granted | Refused | Limited]:
        claims = tuple(claim for claim in command.claims if not _is_own(claim))
        return partial(
            self.store.reserve,
            command.reservation,
            claims,
            lease=command.lease,
            now=self.clocks.wall(),
            rates=command.rates,
            entry=command.entry,
        )

    def _patience(self, command: Reserve) -> float:
        left = STORE_PATIENCE if command.until is None else command.until - self.clocks.monotonic()
        return min(STORE_PATIENCE, left)

    def _undoing(self, command: Reserve) -> Callable[[Reserved], object] | None:
        """Return what gives back a grant that came after its caller stopped waiting: nothing was sent.

        `None` where the request went on without an answer: its own settlement is still to come, and counts.
        """
        if not _is_promised(command):
            return None

        def undo(answer: Reserved) -> None:
            if isinstance(answer, Granted):
                self._undo_shared(command)

        return undo

    def _undo_shared(self, command: Reserve) -> None:
        if self.runner is not None:
            store, now = self.runner.store, self.clocks.wall()
            self.runner.settle(partial(store.settle, command.reservation, ZERO, now=now, sent=False))

    def _answered(self, command: Reserve, answer: Granted | Refused | Limited) -> Reserved:
        if not isinstance(answer, Granted):
            self._undo_own(command)
        return answer

    def _unanswered(self, command: Reserve, error: ModelRouteError, *, asked: bool = True) -> Reserved:
        """A hard budget that cannot be asked refuses; everything else goes on without a record. Both are told.

        A store that was `asked` may have done it before it failed: what is refused is given back there, too.
        """
        refused = _is_promised(command)
        why = str(error)
        request, _, _ = command.reservation.rpartition(".")
        self._emit(StoreFailed(request, self.store.name, why, refused, self.clocks.wall()))
        if not refused:
            return _GRANTED
        self._undo_own(command)
        if asked and not isinstance(error, StoreLostError):
            self._undo_shared(command)
        return Unavailable(why, lost=isinstance(error, StoreLostError))

    def _undo_own(self, command: Reserve) -> None:
        self.local.settle(command.reservation, ZERO, now=self.clocks.wall(), sent=False)

    def _runners(self) -> list[StoreRunner]:
        return [runner for runner in (self.runner, self._ledger_runner) if runner is not None]


async def _all(under_way: list[Future[None]]) -> None:
    for done in under_way:
        await asyncio.wrap_future(done)
