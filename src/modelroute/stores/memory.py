"""Money in this process: accounts with a limit, reservations by id, settled exactly once.

The unit of atomicity is one lock around plain integers, so that a reservation is granted in one step or not at all,
for any threads and tasks.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from modelroute.money import Money
from modelroute.types.claims import Claim, Granted, Refused

__all__ = ["AccountView", "MemoryStore"]

_GRANTED = Granted()


@dataclass(slots=True)
class _Account:
    limit: int
    ends: float
    spent: int = 0
    reserved: int = 0
    holders: int = 0


@dataclass(slots=True)
class _Reservation:
    amounts: dict[str, int]
    lease: float


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account at one moment. ``spent + reserved <= limit`` holds unless a provider billed beyond its bound."""

    limit: Money
    spent: Money
    reserved: Money


@dataclass(slots=True)
class MemoryStore:
    """Accounts and reservations of one process. Thread-safe; nothing here waits."""

    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    _accounts: dict[str, _Account] = field(default_factory=dict[str, _Account], repr=False)
    _reservations: dict[str, _Reservation] = field(default_factory=dict[str, _Reservation], repr=False)
    _ends: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]], repr=False)
    _leases: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]], repr=False)

    def after_fork(self) -> None:
        """Renew the lock in a forked child: the thread that may have held it is not there."""
        self._lock = threading.RLock()

    def reserve(self, reservation: str, claims: tuple[Claim, ...], *, lease: float, now: float) -> Granted | Refused:
        """Set `claims` aside under the id `reservation`, all or none, until `lease` (Unix seconds).

        An id that is already held is granted again without setting anything more aside. An account keeps the least of
        the limits it was ever granted money under, and lives at least as long as what is set aside on it.
        """
        if not claims:
            return _GRANTED
        with self._lock:
            self._expire(now)
            if reservation in self._reservations:
                return _GRANTED
            amounts: dict[str, int] = {}
            left: dict[str, int] = {}
            for claim in claims:
                scope = claim.scope
                amounts[scope] = amounts.get(scope, 0) + claim.amount.pico
                left[scope] = min(self._left(claim), left.get(scope, claim.limit.pico))
                if amounts[scope] > left[scope]:
                    return Refused(scope, claim.amount, Money.from_pico(max(0, left[scope])))
            for claim in claims:
                ends = max(claim.ends, lease)
                account = self._accounts.get(claim.scope)
                if account is None:
                    account = self._accounts[claim.scope] = _Account(claim.limit.pico, ends)
                    heappush(self._ends, (ends, claim.scope))
                account.limit = min(account.limit, claim.limit.pico)
                account.ends = max(account.ends, ends)
            for scope, amount in amounts.items():
                self._accounts[scope].reserved += amount
                self._accounts[scope].holders += 1
            self._reservations[reservation] = _Reservation(amounts, lease)
            heappush(self._leases, (lease, reservation))
            return _GRANTED

    def settle(self, reservation: str, cost: Money, *, final: bool = False) -> None:
        """Replace what `reservation` holds by `cost`. A second settlement of the same id changes nothing.

        `final` forgets accounts on which nothing else is set aside; only a request's own accounts are settled so.
        """
        with self._lock:
            held = self._reservations.pop(reservation, None)
            if held is None:
                return
            for scope, amount in held.amounts.items():
                account = self._accounts[scope]
                account.reserved -= amount
                account.holders -= 1
                account.spent += cost.pico
                if final and not account.holders:
                    del self._accounts[scope]
            self._compact()

    def account(self, scope: str) -> AccountView | None:
        """Return the account `scope`, or `None` when nothing was ever reserved on it or it was forgotten."""
        with self._lock:
            account = self._accounts.get(scope)
            if account is None:
                return None
            return AccountView(*(Money.from_pico(pico) for pico in (account.limit, account.spent, account.reserved)))

    @property
    def reserved(self) -> Money:
        """All that is set aside now, over every account; zero when no request is under way."""
        with self._lock:
            return Money.from_pico(sum(account.reserved for account in self._accounts.values()))

    @property
    def open_accounts(self) -> int:
        """How many accounts are remembered."""
        return len(self._accounts)

    def _left(self, claim: Claim) -> int:
        """Return what is left of the claim's account, in pico-dollars."""
        account = self._accounts.get(claim.scope)
        if account is None:
            return claim.limit.pico
        return min(claim.limit.pico, account.limit) - account.spent - account.reserved

    def _compact(self) -> None:
        """Drop heap entries of what is gone, once they outnumber what is there: memory follows the live."""
        if len(self._leases) > 64 + 2 * len(self._reservations):
            self._leases = [(held.lease, reservation) for reservation, held in self._reservations.items()]
            heapify(self._leases)
        if len(self._ends) > 64 + 2 * len(self._accounts):
            self._ends = [(account.ends, scope) for scope, account in self._accounts.items()]
            heapify(self._ends)

    def _expire(self, now: float) -> None:
        """Turn overdue reservations into presumed spend, then forget accounts past their end with nothing set aside."""
        while self._leases and self._leases[0][0] <= now:
            _, reservation = heappop(self._leases)
            held = self._reservations.get(reservation)
            if held is None or held.lease > now:
                continue  # settled, or settled and reserved again: then it has an entry of its own
            del self._reservations[reservation]
            for scope, amount in held.amounts.items():
                account = self._accounts[scope]
                account.reserved -= amount
                account.holders -= 1
                account.spent += amount
        while self._ends and self._ends[0][0] <= now:
            _, scope = heappop(self._ends)
            known = self._accounts.get(scope)
            if known is None:
                continue
            if known.ends > now:
                heappush(self._ends, (known.ends, scope))
            elif not known.holders:
                del self._accounts[scope]
