"""Money, the ledger, rates, signals and keys in one file, shared by the processes of one machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from modelroute.errors import ConfigurationError
from modelroute.money import ZERO, Money
from modelroute.stores.account import largest
from modelroute.stores.board_table import after_mark, publish
from modelroute.stores.database import Database
from modelroute.stores.keys_table import begin, free_key, keep_reply
from modelroute.stores.ledger_table import append, entry_of_text, find, rows, text_of_entry
from modelroute.stores.money_tables import Reservation, Tables
from modelroute.stores.rates import counted_change
from modelroute.stores.replay import OWN, replay
from modelroute.types.claims import Balance, Claim, Granted, Limited, RateClaim, Refused
from modelroute.types.keyed import Begun, Different, Running, Stored
from modelroute.types.ledger import Entry, EntryKind
from modelroute.types.signals import Signal

__all__ = ["SqliteStore"]

_GRANTED = Granted()


class SqliteStore:
    """The `Store` of one machine: a file, made with mode 0600, that many processes and threads use at once.

    `timeout` bounds, in seconds, the wait for other threads and that for other processes. A router waits two seconds
    for its store: with less here it learns what kept it. A commit survives kill -9 as it is; `durable=True` has it
    survive a power cut too, at the price of a disk flush each. The ledger is the table ``ledger``, and in dollars the
    view ``spend``. The file belongs on a local disk: SQLite's log works on no network file system.

    Also a ledger by itself, for routers that count elsewhere: `append`.

    Raises `StoreUnavailableError`, when it is made and from every method, saying what to do; the next call tries again.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 1.5, durable: bool = False) -> None:
        if not os.fspath(path) or str(path) == ":memory:":
            raise ConfigurationError("SqliteStore needs the path of a file; MemoryStore() lives in this process")
        if not timeout > 0:
            raise ConfigurationError(f"timeout={timeout!r}: seconds above 0")
        self._database = Database(path, timeout=timeout, durable=durable)

    def __repr__(self) -> str:
        return f"SqliteStore({str(self._database.path)!r})"

    @property
    def name(self) -> str:
        """What and where it is, for messages."""
        return f"sqlite {self._database.path}"

    @property
    def shared(self) -> bool:
        """Other processes may see it, so its operations may wait."""
        return True

    @property
    def keeps_ledger(self) -> bool:
        """Entries are kept."""
        return True

    def reserve(
        self,
        reservation: str,
        claims: Sequence[Claim],
        *,
        lease: float,
        now: float,
        rates: Sequence[RateClaim] = (),
        entry: Entry | None = None,
    ) -> Granted | Refused | Limited:
        """Set `claims` and `rates` aside, as `Store.reserve` says."""
        if not claims and not rates and entry is None:
            return _GRANTED
        with self._database.write() as connection:
            tables = Tables(connection)
            self._expire(tables, now)
            if tables.reservation(reservation) is not None:
                return _GRANTED
            windows, refused = tables.refuse(rates, now)
            if refused is not None:
                return refused
            amounts = tables.take(claims, lease, now)
            if isinstance(amounts, Refused):
                return amounts
            amount = largest(claims)
            row = None if entry is None else _presumed_row(entry, reservation, claims, amount)
            text = None if row is None else text_of_entry(row)
            counted = tables.count(rates, windows, now)
            tables.hold(Reservation(reservation, "held", amount, amounts, counted=counted, entry=text), lease)
            tables.forget(now)
            return _GRANTED

    def settle(
        self,
        reservation: str,
        cost: Money,
        *,
        now: float,
        final: bool = False,
        sent: bool = True,
        tokens: int | None = None,
        entry: Entry | None = None,
    ) -> None:
        """Replace what `reservation` holds by `cost`, as `Store.settle` says.

        A row names those of its accounts that were charged: none for an id that held nothing.
        """
        with self._database.write() as connection:
            tables = Tables(connection)
            known = tables.reservation(reservation)
            if known is None or known.state == "held":
                held = {} if known is None else known.held
                own = [scope for scope in held if scope.startswith(OWN)] if final else []
                tables.release(held, cost.pico, now, own)
                if known is not None and known.counted:
                    changes = [counted_change(each, sent=sent, tokens=tokens) for each in known.counted]
                    tables.recount(known.counted, changes)
                if entry is not None:
                    charged = tuple(scope for scope in entry.accounts if scope in held)
                    if (entry.cost, entry.accounts) != (cost, charged):
                        entry = replace(entry, cost=cost, accounts=charged)
                    append(connection, entry)
                tables.remember_settled(reservation, now)
            elif known.state == "presumed":
                self._correct(tables, known, cost, now, entry)

    def reverse(self, reservation: str, *, now: float) -> Money | None:
        """Take presumed spend of `reservation` back; return the amount, `None` if there is none."""
        with self._database.write() as connection:
            tables = Tables(connection)
            self._expire(tables, now)
            known = tables.reservation(reservation)
            if known is None or not known.places:
                return None
            self._correct(tables, known, ZERO, now, None)
            return Money.from_pico(known.amount)

    def balance(self, scope: str, *, now: float) -> Balance | None:
        """Return the account `scope`, or `None` when nothing was ever reserved on it or it was forgotten."""
        self._presume_overdue(now)
        account = self._database.read(lambda connection: Tables(connection).account(scope))
        return None if account is None or account.is_over(now) else account.balance(now)

    def balances(self, *, now: float) -> Mapping[str, Balance]:
        """Return every account that is remembered but those of single requests."""
        self._presume_overdue(now)
        accounts = self._database.read(lambda connection: Tables(connection).remembered(now))
        return {scope: account.balance(now) for scope, account in accounts.items() if not scope.startswith(OWN)}

    def entries(self, *, since: float | None = None, until: float | None = None) -> Iterator[Entry]:
        """Yield the ledger's rows with ``since <= at < until``, in the order they were appended."""
        return rows(self._database, since, until)

    def append(self, entries: Iterable[Entry]) -> None:
        """Append rows as they are, in one step, without touching an account. A row whose id is known stays as it is."""
        with self._database.write() as connection:
            for entry in entries:
                append(connection, entry)

    def rebuild(self, entries: Iterable[Entry], *, now: float) -> None:
        """Append those of `entries` it does not have, then make the accounts anew from the whole ledger.

        The file that is at the path now counts from here on, whatever was there before.
        """
        self._database.moved()
        with self._database.write() as connection:
            for entry in entries:
                append(connection, entry)
            Tables(connection).rebuild(replay(self.entries(), now), now)

    def publish(self, signals: Sequence[Signal], *, now: float) -> None:
        """Tell other processes."""
        if signals:
            with self._database.write() as connection:
                publish(connection, signals, now)

    def signals(self, after: int, *, now: float) -> tuple[int, Sequence[Signal]]:
        """Return the signals in force that are newer than the mark `after`, and the new mark."""
        return self._database.read(lambda connection: after_mark(connection, after, now))

    def begin(
        self, key: str, fingerprint: str, *, owner: str, lease: float, now: float
    ) -> Begun | Running | Stored | Different:
        """Take the idempotency `key` for `owner`, or say why not. Taking it again renews the lease."""
        with self._database.write() as connection:
            return begin(connection, key, fingerprint, owner, lease=lease, now=now)

    def keep_reply(self, key: str, *, owner: str, reply: bytes, until: float, now: float) -> None:
        """Store the reply under the key that `owner` holds, until `until`."""
        with self._database.write() as connection:
            keep_reply(connection, key, owner, reply, until=until, now=now)

    def free_key(self, key: str, *, owner: str) -> None:
        """Let go of a key nothing was stored under."""
        with self._database.write() as connection:
            free_key(connection, key, owner)

    def close(self) -> None:
        """Close the connection; the last process to do so folds the log into the file."""
        self._database.close()

    def after_fork(self) -> None:
        """Renew lock and connection in a forked child."""
        self._database.after_fork()

    def _presume_overdue(self, now: float) -> None:
        """Presume all that is past its lease, some at a time; without writing when nothing is."""
        while self._database.read(lambda connection: Tables(connection).overdue(now)):
            with self._database.write() as connection:
                self._expire(Tables(connection), now)

    def _expire(self, tables: Tables, now: float) -> None:
        """Turn overdue reservations into presumed spend."""
        for known in tables.overdue(now):
            places = tables.presume(known.held, known.amount, now)
            tables.remember_presumed(known.id, known.amount, places, now)
            if known.entry is not None:
                append(tables.connection, entry_of_text(known.entry))

    def _correct(self, tables: Tables, known: Reservation, cost: Money, now: float, entry: Entry | None) -> None:
        """Settle presumed spend: the accounts and the ledger get the difference."""
        tables.correct(known.places, known.amount, cost.pico, now)
        presumed = find(tables.connection, f"{known.id}/{EntryKind.PRESUMED}")
        row = entry or presumed
        if row is not None:
            append(
                tables.connection,
                replace(
                    row,
                    id=f"{known.id}/{EntryKind.CORRECTION}",
                    kind=EntryKind.CORRECTION,
                    cost=cost if presumed is None else cost - presumed.cost,
                    accounts=tuple(scope for scope in row.accounts if scope in known.places),
                ),
            )
        tables.remember_settled(known.id, now)


def _presumed_row(entry: Entry, reservation: str, claims: Sequence[Claim], amount: int) -> Entry:
    """Return the row that is appended if nobody settles: what was set aside, presumed spent."""
    scopes = {claim.scope for claim in claims}
    cost = Money.from_pico(amount) if claims else entry.cost
    return replace(
        entry,
        id=f"{reservation}/{EntryKind.PRESUMED}",
        kind=EntryKind.PRESUMED,
        cost=cost,
        reserved=cost,
        accounts=tuple(scope for scope in entry.accounts if scope in scopes),
    )
