"""Accounts, reservations and rate windows as tables: the steps of one transaction, in which nobody else writes.

The arithmetic is that of `Account` and `Window`; here they are loaded, and stored again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import inf
from sqlite3 import Connection

from modelroute.stores.account import FINEST, Account, weigh
from modelroute.stores.cells import cell, whole
from modelroute.stores.rates import Counted, limited
from modelroute.stores.replay import Place, Replay
from modelroute.stores.windows import Window
from modelroute.types.claims import Claim, Limited, RateClaim, Refused

__all__ = ["SWEPT", "Reservation", "Tables"]

SWEPT = 64
"""What is forgotten at most at once, so that no call pays for a long pause."""

_ACCOUNTS = "SELECT number, ends, total, reserved, presumed, holders, rolling, buckets, rebuilt, scope FROM accounts"
_RESERVATIONS = "SELECT id, state, amount, held, counted, entry FROM reservations"
_ACCOUNT = f"{_ACCOUNTS} WHERE scope = ?"
_FORGET = (
    "DELETE FROM reservations WHERE id IN (SELECT id FROM reservations WHERE state <> 'held' AND until <= ? LIMIT ?)",
    "DELETE FROM accounts WHERE number IN (SELECT number FROM accounts WHERE holders = 0 AND ends <= ? LIMIT ?)",
    "DELETE FROM rates WHERE scope IN (SELECT scope FROM rates WHERE ends <= ? LIMIT ?)",
)
_CREATE = "INSERT INTO accounts (scope, total, reserved, presumed, holders, ends, rebuilt) VALUES (?, 0, 0, 0, 0, ?, 0)"
_SAVE = """UPDATE accounts SET total = ?, reserved = ?, presumed = ?, holders = ?, ends = ?, rolling = ?, buckets = ?,
    rebuilt = ? WHERE number = ?"""
_SETTLED_KEPT = 60.0
_PRESUMED_KEPT = 90 * 86_400.0


@dataclass(slots=True)
class Reservation:
    """One row: `held`, `presumed` or `settled`. `amount` is the largest of its claims, `entry` its presumed row."""

    id: str
    state: str
    amount: int = 0
    held: dict[str, int] = field(default_factory=dict[str, int])
    places: dict[str, Place] = field(default_factory=dict[str, Place])
    counted: tuple[Counted, ...] = ()
    entry: str | None = None


class Tables:
    """The money of the file, within one transaction on `connection`."""

    __slots__ = ("_execute", "connection")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._execute = connection.execute

    # Accounts

    def account(self, scope: str) -> Account | None:
        """Return the account as it is stored."""
        row = self._execute(_ACCOUNT, (scope,)).fetchone()
        return None if row is None else _account(row)

    def accounts(self, scopes: Sequence[str]) -> dict[str, Account]:
        """Return those of `scopes` that are there."""
        found = ((scope, self.account(scope)) for scope in scopes)
        return {scope: account for scope, account in found if account is not None}

    def remembered(self, now: float) -> dict[str, Account]:
        """Return every account whose time is not over."""
        rows = self._execute(f"{_ACCOUNTS} WHERE holders > 0 OR ends > ? ORDER BY number", (now,)).fetchall()
        return {row[-1]: _account(row) for row in rows}

    def save(self, account: Account) -> None:
        """Store what became of an account."""
        window = account.window
        self._execute(
            _SAVE,
            (
                cell(account.total), cell(account.reserved), cell(account.presumed), account.holders, account.ends,
                None if window is None else window.period, None if window is None else _buckets_text(window.buckets),
                account.rebuilt, account.number,
            ),
        )  # fmt: skip

    def take(self, claims: Sequence[Claim], lease: float, now: float) -> dict[str, int] | Refused:
        """Set `claims` aside, all or none."""
        accounts = self.accounts(tuple(dict.fromkeys(claim.scope for claim in claims)))
        for scope in [scope for scope, account in accounts.items() if account.is_over(now)]:
            self._execute("DELETE FROM accounts WHERE number = ?", (accounts.pop(scope).number,))
        amounts = weigh(accounts, claims, now)
        if isinstance(amounts, Refused):
            return amounts
        for claim in claims:
            ends = max(claim.ends, lease)
            account = accounts.get(claim.scope)
            if account is None:
                account = accounts[claim.scope] = self._create(claim.scope, ends)
            account.admit(claim, ends)
        for scope, amount in amounts.items():
            accounts[scope].set_aside(amount)
            self.save(accounts[scope])
        return amounts

    def release(self, held: Mapping[str, int], cost: int, now: float, forgotten: Sequence[str]) -> None:
        """Charge `cost` to each account in place of what it held; those `forgotten` go when nobody holds them."""
        for scope, account in self.accounts(tuple(held)).items():
            account.release(held[scope])
            if scope in forgotten and not account.holders:
                self._execute("DELETE FROM accounts WHERE number = ?", (account.number,))
            else:
                account.charge(cost, now)
                self.save(account)

    def presume(self, held: Mapping[str, int], amount: int, now: float) -> dict[str, Place]:
        """Charge `amount` to each account in place of what it held; return where."""
        places: dict[str, Place] = {}
        for scope, account in self.accounts(tuple(held)).items():
            places[scope] = account.presume(held[scope], amount, now)
            self.save(account)
        return places

    def correct(self, places: Mapping[str, Place], presumed: int, cost: int, now: float) -> None:
        """Charge `cost` to each account in place of what was presumed."""
        for scope, account in self.accounts(tuple(places)).items():
            if account.number == places[scope].account:
                account.correct(places[scope], presumed, cost, now)
                self.save(account)

    # Reservations

    def reservation(self, reservation: str) -> Reservation | None:
        """Return the reservation, `None` when its id is not known."""
        row = self._execute(f"{_RESERVATIONS} WHERE id = ?", (reservation,)).fetchone()
        return None if row is None else _reservation(row)

    def overdue(self, now: float) -> list[Reservation]:
        """Return held reservations past their lease, the longest past first."""
        rows = self._execute(
            f"{_RESERVATIONS} WHERE state = 'held' AND until <= ? ORDER BY until, id LIMIT {SWEPT}", (now,)
        ).fetchall()
        return [_reservation(row) for row in rows]

    def hold(self, reservation: Reservation, lease: float) -> None:
        """Remember a new reservation until `lease`."""
        self._execute(
            "INSERT INTO reservations VALUES (?, 'held', ?, ?, ?, ?, ?)",
            (
                reservation.id, lease, cell(reservation.amount), json.dumps(reservation.held),
                json.dumps([asdict(each) for each in reservation.counted]) if reservation.counted else None,
                reservation.entry,
            ),
        )  # fmt: skip

    def remember_presumed(self, reservation: str, amount: int, places: Mapping[str, Place], now: float) -> None:
        """Keep presumed spend open to correction for ninety days."""
        text = json.dumps({scope: [place.account, place.bucket] for scope, place in places.items()})
        self._execute(
            "REPLACE INTO reservations VALUES (?, 'presumed', ?, ?, ?, NULL, NULL)",
            (reservation, now + _PRESUMED_KEPT, cell(amount), text),
        )

    def remember_settled(self, reservation: str, now: float) -> None:
        """Know the id for a minute, in which a reservation that was given up on may still arrive."""
        self._execute(
            "REPLACE INTO reservations VALUES (?, 'settled', ?, 0, NULL, NULL, NULL)",
            (reservation, now + _SETTLED_KEPT),
        )

    def forget(self, now: float) -> None:
        """Drop settled ids, accounts and rate windows whose time is over, some at a time."""
        for statement in _FORGET:
            self._execute(statement, (now, SWEPT))

    # Rates

    def refuse(self, rates: Sequence[RateClaim], now: float) -> tuple[dict[str, Window], Limited | None]:
        """Return the windows of `rates`, and why there is no room in them."""
        windows: dict[str, Window] = {}
        for rate in rates:
            row = self._execute("SELECT seconds, buckets FROM rates WHERE scope = ?", (rate.scope,)).fetchone()
            if row is not None:
                windows[rate.scope] = Window(row[0], 0.0, _buckets(row[1]))
        return windows, limited(windows, rates, now)

    def count(self, rates: Sequence[RateClaim], windows: dict[str, Window], now: float) -> tuple[Counted, ...]:
        """Count `rates` in their `windows`."""
        counted: list[Counted] = []
        for rate in rates:
            window = windows.setdefault(rate.scope, Window(rate.seconds))
            counted.append(Counted(rate.scope, window.add(rate.amount, now), rate.amount, rate.counts))
        for scope, window in windows.items():
            self._save_window(scope, window)
        return tuple(counted)

    def recount(self, counted: Sequence[Counted], changes: Sequence[int]) -> None:
        """Change what was counted."""
        for one, by in zip(counted, changes, strict=True):
            row = self._execute("SELECT seconds, buckets FROM rates WHERE scope = ?", (one.scope,)).fetchone()
            if by and row is not None:
                window = Window(row[0], 0.0, _buckets(row[1]))
                window.change(one.bucket, by)
                self._save_window(one.scope, window)

    def rebuild(self, replayed: Replay, now: float) -> None:
        """Replace accounts, reservations and rates by what the ledger says."""
        for statement in ("DELETE FROM accounts", "DELETE FROM reservations", "DELETE FROM rates"):
            self._execute(statement)
        numbers: dict[str, int] = {}
        for scope, found in replayed.accounts.items():
            account = self._create(scope, inf)
            account.total, account.presumed, account.rebuilt = found.total, found.presumed, True
            account.window = Window(inf, FINEST, found.buckets)
            self.save(account)
            numbers[scope] = account.number
        for reservation, spend in replayed.presumed.items():
            places = {scope: Place(numbers.get(scope, 0), place.bucket) for scope, place in spend.places.items()}
            self.remember_presumed(reservation, spend.amount, places, now)

    def _create(self, scope: str, ends: float) -> Account:
        number = self._execute(_CREATE, (scope, ends)).lastrowid
        return Account(number or 0, ends)

    def _save_window(self, scope: str, window: Window) -> None:
        self._execute(
            "REPLACE INTO rates VALUES (?, ?, ?, ?)",
            (scope, window.period, _buckets_text(window.buckets), window.ends),
        )


def _account(row: tuple[object, ...]) -> Account:
    number, ends, total, reserved, presumed, holders, rolling, buckets, rebuilt, _ = row
    return Account(
        whole(number), float(str(ends)), whole(total), whole(reserved), whole(presumed), whole(holders),
        None if rolling is None else Window(float(str(rolling)), FINEST, _buckets(buckets)), bool(rebuilt),
    )  # fmt: skip


def _reservation(row: tuple[object, ...]) -> Reservation:
    name, state, amount, held, counted, entry = row
    found = Reservation(str(name), str(state), whole(amount), entry=None if entry is None else str(entry))
    if found.state == "held":
        found.held = json.loads(str(held))
        found.counted = () if counted is None else tuple(Counted(**each) for each in json.loads(str(counted)))
    elif found.state == "presumed":
        found.places = {scope: Place(*place) for scope, place in json.loads(str(held)).items()}
    return found


def _buckets(text: object) -> dict[float, int]:
    return {float(end): amount for end, amount in json.loads(str(text))} if text else {}


def _buckets_text(buckets: Mapping[float, int]) -> str:
    return json.dumps(list(buckets.items()))
