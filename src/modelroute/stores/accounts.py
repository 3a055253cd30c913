"""Money of one process: accounts, reservations by id, presumed spend. The store's lock makes each step atomic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import inf

from modelroute.stores.account import FINEST, Account, largest, weigh
from modelroute.stores.rates import Counted
from modelroute.stores.replay import OWN, PresumedSpend, Replay
from modelroute.stores.windows import Window
from modelroute.types.claims import Balance, Claim, Refused

__all__ = ["Accounts", "Held"]

_PRESUMED_KEPT = 10_000
_SETTLED_KEPT = 5_000


@dataclass(slots=True)
class Held:
    """What a reservation holds: how much on which account, for which claims, until when."""

    amounts: dict[str, int]
    claims: Sequence[Claim]
    lease: float
    counted: tuple[Counted, ...] = ()


@dataclass(slots=True)
class Accounts:
    """Every account, reservation and presumed spend of this process. Not thread-safe by itself."""

    _accounts: dict[str, Account] = field(default_factory=dict[str, Account])
    _held: dict[str, Held] = field(default_factory=dict[str, Held])
    _presumed: dict[str, PresumedSpend] = field(default_factory=dict[str, PresumedSpend])
    _settled: set[str] = field(default_factory=set[str])
    _settled_before: set[str] = field(default_factory=set[str])
    _ends: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    _leases: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    _numbers: int = 0
    _unwanted: set[str] = field(default_factory=set[str])

    def knows(self, reservation: str, now: float) -> bool:
        """Return whether the id is held, was settled or became presumed spend: nothing more is set aside for it."""
        leases, ends = self._leases, self._ends
        if self._unwanted or (leases and leases[0][0] <= now) or (ends and ends[0][0] <= now):
            self.expire(now)
        return (
            reservation in self._held
            or reservation in self._settled
            or reservation in self._settled_before
            or reservation in self._presumed
        )

    def take(self, reservation: str, claims: Sequence[Claim], lease: float, now: float) -> Held | Refused:
        """Set `claims` aside until `lease`, all or none; return what is held, or why it is not."""
        accounts = self._accounts
        amounts = weigh(accounts, claims, now)
        if isinstance(amounts, Refused):
            return amounts
        for claim in claims:
            scope, ends = claim.scope, max(claim.ends, lease)
            account = accounts.get(scope)
            if account is None:
                self._numbers += 1
                account = accounts[scope] = Account(self._numbers, ends)
                heappush(self._ends, (ends, scope))
                if claim.rolling is None:
                    continue
            elif account.rebuilt:
                heappush(self._ends, (ends, scope))
            account.admit(claim, ends)
        for scope, amount in amounts.items():
            accounts[scope].set_aside(amount)
        held = self._held[reservation] = Held(amounts, claims, lease)
        heappush(self._leases, (lease, reservation))
        return held

    def settle(self, reservation: str, cost: int, now: float, *, final: bool) -> tuple[Counted, ...]:
        """Replace what is held, or what was presumed, by `cost`; return what was counted for it in rate windows.

        What was settled before stays as it is.
        """
        held = self._held.pop(reservation, None)
        if held is not None:
            for scope, amount in held.amounts.items():
                account = self._accounts[scope]
                account.release(amount)
                if final and not account.holders and scope.startswith(OWN):
                    del self._accounts[scope]
                else:
                    account.charge(cost, now)
            self._compact()
        elif reservation in self._settled or reservation in self._settled_before:
            return ()
        elif reservation in self._presumed:
            self._correct(self._presumed.pop(reservation), cost, now)
        self._settled.add(reservation)
        if len(self._settled) >= _SETTLED_KEPT:
            self._settled_before, self._settled = self._settled, set()
        return () if held is None else held.counted

    def reverse(self, reservation: str, now: float) -> int | None:
        """Take presumed spend back; return how much, `None` when the id has none."""
        presumed = self._presumed.get(reservation)
        if presumed is None:
            return None
        self.settle(reservation, 0, now, final=False)
        return presumed.amount

    def expire(self, now: float) -> None:
        """Turn overdue reservations into presumed spend, then forget accounts past their end with nothing set aside."""
        leases, ends = self._leases, self._ends
        if self._unwanted:
            self._sweep()
        while leases and leases[0][0] <= now:
            _, reservation = heappop(leases)
            held = self._held.get(reservation)
            if held is not None and held.lease <= now:  # else settled, and perhaps reserved again: that has its own
                del self._held[reservation]
                self._presume(reservation, held, now)
        while ends and ends[0][0] <= now:
            _, scope = heappop(ends)
            known = self._accounts.get(scope)
            if known is None:
                continue
            if known.ends > now:
                heappush(ends, (known.ends, scope))
            else:
                del self._accounts[scope]  # it ends no earlier than the leases on it, so nobody holds money of it

    def forget(self, scope: str) -> None:
        """Forget the account when next something is asked, or when nothing is set aside on it any more.

        Not now: garbage collection calls this, perhaps in the middle of a step of this very thread.
        """
        self._unwanted.add(scope)

    def balance(self, scope: str, now: float) -> Balance | None:
        """Return the account, `None` when it is not known."""
        account = self._accounts.get(scope)
        return None if account is None else account.balance(now)

    def scopes(self) -> Iterator[str]:
        """Yield the scopes of all accounts but those of single requests."""
        return (scope for scope in tuple(self._accounts) if not scope.startswith(OWN))

    def rebuild(self, replayed: Replay) -> None:
        """Forget everything, then remember what the ledger says."""
        for kept in (self._accounts, self._held, self._presumed, self._settled, self._settled_before):
            kept.clear()
        self._ends, self._leases = [], []
        for scope, found in replayed.accounts.items():
            window = Window(inf, FINEST, found.buckets)
            self._accounts[scope] = Account(
                0, inf, total=found.total, presumed=found.presumed, window=window, rebuilt=True
            )
        for reservation, presumed in replayed.presumed.items():
            self._remember(reservation, presumed)

    @property
    def reserved(self) -> int:
        """All that is set aside, over every account."""
        return sum(account.reserved for account in tuple(self._accounts.values()))

    @property
    def count(self) -> int:
        """How many accounts are remembered."""
        self._sweep()
        return len(self._accounts)

    def _presume(self, reservation: str, held: Held, now: float) -> None:
        """Charge each account the largest of the claims: one cost on all of them, as a settlement charges."""
        if not held.amounts:
            self._settled.add(reservation)
            return
        amount = largest(held.claims)
        places = {
            scope: self._accounts[scope].presume(set_aside, amount, now) for scope, set_aside in held.amounts.items()
        }
        self._remember(reservation, PresumedSpend(amount, places))

    def _remember(self, reservation: str, presumed: PresumedSpend) -> None:
        self._presumed[reservation] = presumed
        if len(self._presumed) > _PRESUMED_KEPT:
            del self._presumed[next(iter(self._presumed))]

    def _correct(self, presumed: PresumedSpend, cost: int, now: float) -> None:
        for scope, place in presumed.places.items():
            account = self._accounts.get(scope)
            if account is not None and account.number == place.account:
                account.correct(place, presumed.amount, cost, now)

    def _sweep(self) -> None:
        for scope in self._unwanted.copy():  # in one step: collecting garbage meanwhile may add to it
            account = self._accounts.get(scope)
            if account is None or not account.holders:
                self._accounts.pop(scope, None)
                self._unwanted.discard(scope)

    def _compact(self) -> None:
        """Drop heap entries of what is gone, once they outnumber what is there: memory follows the live."""
        if len(self._leases) > 64 + 2 * len(self._held):
            self._leases = [(held.lease, reservation) for reservation, held in self._held.items()]
            heapify(self._leases)
        if len(self._ends) > 64 + 2 * len(self._accounts):
            self._ends = [(account.ends, scope) for scope, account in self._accounts.items() if not account.rebuilt]
            heapify(self._ends)
