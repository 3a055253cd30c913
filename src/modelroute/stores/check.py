"""Whether the ledger and the counters say the same, to the last pico-dollar; and what in it nobody is sure of."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from modelroute.money import ZERO, Money
from modelroute.stores.replay import replay, reservation_of
from modelroute.types.claims import Balance
from modelroute.types.ledger import Entry, EntryKind

if TYPE_CHECKING:
    from modelroute.stores.replay import ReplayedAccount
    from modelroute.stores.store import Store

__all__ = ["AccountCheck", "LedgerCheck", "Verdict", "check_ledger", "presumed_in"]

_ROLLING = frozenset({"rolling-hour", "rolling-day", "rolling-week", "rolling-month"})
"""How the scope of a budget's rolling window ends: its account is forgotten whenever nothing is left in the window."""

_EMPTY = Balance(spent=ZERO, reserved=ZERO, total=ZERO, presumed=ZERO)


class Verdict(StrEnum):
    """What comparing one account came to."""

    EQUAL = "equal"
    """The rows add up to the counter."""
    DIFFERS = "differs"
    """They do not."""
    MOVING = "moving"
    """It was charged while the rows were read: look again when it is quieter."""
    CLOSED = "closed"
    """It has rows and no counter: its window is over and forgotten, or the file is a ledger alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCheck:
    """One account, which is one window of one budget.

    `recorded` is the sum of its rows, `counted` its counter; the same for the part that is presumed spend. Of a rolling
    window's account, which begins anew after a pause, the rows since then count. `reserved` is set aside at this
    moment, by requests under way.
    """

    scope: str
    verdict: Verdict
    recorded: Money
    counted: Money
    presumed_recorded: Money
    presumed_counted: Money
    reserved: Money


@dataclass(frozen=True, slots=True)
class LedgerCheck:
    """Every account by name, the presumed spend that nobody corrected yet, and how many rows were read."""

    accounts: tuple[AccountCheck, ...]
    presumed: tuple[Entry, ...]
    rows: int

    @property
    def agrees(self) -> bool:
        """Whether every account was compared and none differs."""
        return not any(account.verdict in (Verdict.DIFFERS, Verdict.MOVING) for account in self.accounts)


def check_ledger(store: Store, *, now: float, tries: int = 3) -> LedgerCheck:
    """Compare every account of `store` with its rows; at most `tries` times while others charge it.

    Reading changes no counter; reservations whose lease has ended are presumed spend by then, as for anybody who asks.
    """
    found = _compared(store, now)
    for _ in range(tries - 1):
        if not any(account.verdict is Verdict.MOVING for account in found.accounts):
            break
        found = _compared(store, now)
    return found


def presumed_in(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the rows of presumed spend that no later row corrected, in their order."""
    return tuple(_Presumed().watch_all(entries))


class _Presumed:
    """Looks at rows as they pass."""

    def __init__(self) -> None:
        self.open: dict[str, Entry] = {}
        self.rows = 0

    def watch(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        for entry in entries:
            self.rows += 1
            if entry.kind is EntryKind.PRESUMED:
                self.open[reservation_of(entry)] = entry
            elif entry.kind is EntryKind.CORRECTION:
                self.open.pop(reservation_of(entry), None)
            yield entry

    def watch_all(self, entries: Iterable[Entry]) -> Iterable[Entry]:
        for _ in self.watch(entries):
            pass
        return self.open.values()


def _compared(store: Store, now: float) -> LedgerCheck:
    before = store.balances(now=now)
    presumed = _Presumed()
    recorded = replay(presumed.watch(store.entries()), now).accounts
    after = store.balances(now=now)
    scopes = sorted({*before, *after, *recorded})
    accounts = {scope: _account(scope, recorded.get(scope), before, after) for scope in scopes}
    surplus = {
        scope: {_surplus(account, balances[scope]) for balances in (before, after) if scope in balances}
        for scope, account in accounts.items()
        if account.verdict in (Verdict.DIFFERS, Verdict.MOVING) and scope.rpartition("@")[2] in _ROLLING
    }
    for scope, (total, part) in _begun_anew(store, surplus).items():
        account = accounts[scope]
        accounts[scope] = replace(
            account,
            verdict=Verdict.EQUAL,
            recorded=account.recorded - Money.from_pico(total),
            presumed_recorded=account.presumed_recorded - Money.from_pico(part),
        )
    return LedgerCheck(tuple(accounts.values()), tuple(presumed.open.values()), presumed.rows)


def _surplus(account: AccountCheck, balance: Balance) -> tuple[int, int]:
    """Return by how much the rows are more than the counters."""
    return (
        account.recorded.pico - balance.total.pico,
        account.presumed_recorded.pico - balance.presumed.pico,
    )


def _begun_anew(store: Store, surplus: Mapping[str, Collection[tuple[int, int]]]) -> dict[str, tuple[int, int]]:
    """Return what of `surplus` the first rows of an account add up to: the account began anew after them."""
    found: dict[str, tuple[int, int]] = {}
    sums: dict[str, tuple[int, int]] = dict.fromkeys(surplus, (0, 0))
    unsure: dict[str, int] = {}
    for entry in store.entries() if surplus else ():
        reservation, part = reservation_of(entry), 0
        if entry.kind is EntryKind.PRESUMED:
            part = unsure[reservation] = entry.cost.pico
        elif entry.kind is EntryKind.CORRECTION:
            part = -unsure.pop(reservation, 0)
        for scope in entry.accounts:
            if scope in sums:
                sums[scope] = sums[scope][0] + entry.cost.pico, sums[scope][1] + part
                if sums[scope] in surplus[scope]:
                    found[scope] = sums[scope]
    return found


def _account(
    scope: str, recorded: ReplayedAccount | None, before: Mapping[str, Balance], after: Mapping[str, Balance]
) -> AccountCheck:
    total, presumed = (0, 0) if recorded is None else (recorded.total, recorded.presumed)
    earlier, later = before.get(scope, _EMPTY), after.get(scope, _EMPTY)
    if scope not in after:
        verdict = Verdict.CLOSED
    elif any((total, presumed) == (each.total.pico, each.presumed.pico) for each in (earlier, later)):
        verdict = Verdict.EQUAL
    else:
        verdict = Verdict.DIFFERS if earlier == later else Verdict.MOVING
    return AccountCheck(
        scope=scope,
        verdict=verdict,
        recorded=Money.from_pico(total),
        counted=later.total,
        presumed_recorded=Money.from_pico(presumed),
        presumed_counted=later.presumed,
        reserved=later.reserved,
    )
