"""One account of money and the arithmetic on it, the same in whatever store keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from modelroute.money import Money
from modelroute.stores.replay import Place
from modelroute.stores.windows import Window
from modelroute.types.claims import Balance, Claim, Refused

__all__ = ["FINEST", "Account", "largest", "weigh"]

FINEST = 1.0
"""The narrowest bucket of a rolling window of money, in seconds."""


@dataclass(slots=True)
class Account:
    """What was settled in all, what is set aside by how many holders, what is presumed; a window if it is rolling.

    `number` tells it from a later account of the same scope. `rebuilt`: made from a ledger, which does not say when it
    ends nor whether it is rolling; its first claim does.
    """

    number: int
    ends: float
    total: int = 0
    reserved: int = 0
    presumed: int = 0
    holders: int = 0
    window: Window | None = None
    rebuilt: bool = False

    def spent(self, now: float, rolling: float | None) -> int:
        """Return what counts against a limit."""
        window = self.window
        return self.total if window is None or rolling is None else window.used(now, rolling)

    def is_over(self, now: float) -> bool:
        """Whether it may be forgotten."""
        return self.ends <= now and not self.holders

    def admit(self, claim: Claim, ends: float) -> None:
        """Live as long as `claim` wants, and remember as far back as it looks."""
        rolling = claim.rolling
        if self.rebuilt:
            self.rebuilt, self.ends = False, ends
            if rolling is None:
                self.window = None
            elif self.window is not None:
                self.window.period = rolling
                self.ends = max(ends, self.window.ends)
        elif self.ends < ends:
            self.ends = ends
        if rolling is None:
            return
        if self.window is None:
            self.window = Window(rolling, FINEST)
        elif self.window.period < rolling:
            self.window.period = rolling

    def set_aside(self, amount: int) -> None:
        """Hold `amount` for one more reservation."""
        self.reserved += amount
        self.holders += 1

    def release(self, amount: int) -> None:
        """Let go of what one reservation held."""
        self.reserved -= amount
        self.holders -= 1

    def charge(self, amount: int, now: float) -> float:
        """Add `amount` to what was spent; return the end of the bucket it went into, 0 without a window."""
        self.total += amount
        window = self.window
        if window is None:
            return 0.0
        end = window.add(amount, now)
        self.ends = max(self.ends, end + window.period)
        return end

    def presume(self, set_aside: int, amount: int, now: float) -> Place:
        """Charge `amount` for a reservation nobody settled, in place of what it held."""
        self.release(set_aside)
        self.presumed += amount
        return Place(self.number, self.charge(amount, now))

    def correct(self, place: Place, presumed: int, cost: int, now: float) -> None:
        """Charge `cost` instead of what was presumed: less leaves the bucket it was in, more is spent now."""
        self.presumed -= presumed
        by = cost - presumed
        if by > 0:
            self.charge(by, now)
            return
        self.total += by
        if self.window is not None:
            self.window.change(place.bucket, by)

    def balance(self, now: float) -> Balance:
        """Return the account as it is now."""
        amounts = (self.spent(now, inf), self.reserved, self.total, self.presumed)
        return Balance(*map(Money.from_pico, amounts))


def weigh(accounts: Mapping[str, Account], claims: Sequence[Claim], now: float) -> dict[str, int] | Refused:
    """Return what `claims` together set aside on each scope, or the first that has no room."""
    amounts: dict[str, int] = {}
    left: dict[str, int] = {}
    for claim in claims:
        scope, amount, free = claim.scope, claim.amount.pico, claim.limit.pico
        account = accounts.get(scope)
        if account is not None:
            free -= account.spent(now, claim.rolling) + account.reserved
        if scope in amounts:
            amount += amounts[scope]
            free = min(free, left[scope])
        amounts[scope], left[scope] = amount, free
        if amount > free:
            return Refused(scope, Money.from_pico(amount), Money.from_pico(max(0, free)))
    return amounts


def largest(claims: Sequence[Claim]) -> int:
    """Return the largest of `claims`: what a reservation can have cost at most."""
    return max((claim.amount.pico for claim in claims), default=0)
