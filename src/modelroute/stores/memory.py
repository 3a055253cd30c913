"""What is remembered in this process: money, rates, signals and keys of one router, gone when it is.

The unit of atomicity is one lock around plain integers, so that a reservation is granted in one step or not at all,
for any threads and tasks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

from modelroute.money import Money
from modelroute.stores.accounts import Accounts
from modelroute.stores.board import Board
from modelroute.stores.keys import Keys
from modelroute.stores.rates import Rates
from modelroute.stores.replay import once, replay
from modelroute.types.claims import Balance, Claim, Granted, Limited, RateClaim, Refused
from modelroute.types.keyed import Begun, Different, Running, Stored
from modelroute.types.ledger import Entry
from modelroute.types.signals import Signal

__all__ = ["MemoryStore"]

_GRANTED = Granted()


class MemoryStore:
    """The `Store` of one process. Thread-safe; nothing here waits or fails. It keeps no ledger.

    Bounded, whatever it is asked: accounts and rate windows are forgotten past their end; 20,000 signals, 10,000 keys
    with 64 MiB of replies, 10,000 presumed reservations and as many settled ids are kept, the newest of each.
    """

    __slots__ = ("__weakref__", "_accounts", "_board", "_keys", "_lock", "_rates")

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._accounts = Accounts()
        self._rates = Rates()
        self._board = Board()
        self._keys = Keys()

    def __repr__(self) -> str:
        return "MemoryStore()"

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return "memory"

    @property
    def shared(self) -> bool:
        """No other process sees it."""
        return False

    @property
    def keeps_ledger(self) -> bool:
        """Entries are dropped."""
        return False

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
        """Set `claims` and `rates` aside, as `Store.reserve` says; `entry` is dropped."""
        if not claims and not rates:
            return _GRANTED
        accounts = self._accounts
        with self._lock:
            if accounts.knows(reservation, now):
                return _GRANTED
            if rates and (limited := self._rates.refuse(rates, now)):
                return limited
            held = accounts.take(reservation, claims, lease, now)
            if isinstance(held, Refused):
                return held
            if rates:
                held.counted = self._rates.count(rates, now)
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
        """Replace what `reservation` holds by `cost`, as `Store.settle` says; `entry` is dropped."""
        with self._lock:
            counted = self._accounts.settle(reservation, cost.pico, now, final=final)
            if counted:
                self._rates.settle(counted, sent=sent, tokens=tokens)

    def reverse(self, reservation: str, *, now: float) -> Money | None:
        """Take presumed spend of `reservation` back; return the amount, `None` if there is none."""
        with self._lock:
            self._accounts.expire(now)
            amount = self._accounts.reverse(reservation, now)
        return None if amount is None else Money.from_pico(amount)

    def balance(self, scope: str, *, now: float) -> Balance | None:
        """Return the account `scope`, or `None` when nothing was ever reserved on it or it was forgotten."""
        with self._lock:
            self._accounts.expire(now)
            return self._accounts.balance(scope, now)

    def balances(self, *, now: float) -> Mapping[str, Balance]:
        """Return every account but those of single requests."""
        with self._lock:
            self._accounts.expire(now)
            found = ((scope, self._accounts.balance(scope, now)) for scope in self._accounts.scopes())
            return {scope: balance for scope, balance in found if balance is not None}

    def entries(self, *, since: float | None = None, until: float | None = None) -> Iterator[Entry]:
        """Yield nothing: no ledger is kept here."""
        return iter(())

    def rebuild(self, entries: Iterable[Entry], *, now: float) -> None:
        """Make the accounts anew from `entries`."""
        replayed = replay(once(entries), now)
        with self._lock:
            self._accounts.rebuild(replayed)

    def publish(self, signals: Sequence[Signal], *, now: float) -> None:
        """Put `signals` up for the routers that share this store."""
        with self._lock:
            self._board.publish(signals, now)

    def signals(self, after: int, *, now: float) -> tuple[int, Sequence[Signal]]:
        """Return the signals in force that are newer than the mark `after`, and the new mark."""
        with self._lock:
            return self._board.after(after, now)

    def begin(
        self, key: str, fingerprint: str, *, owner: str, lease: float, now: float
    ) -> Begun | Running | Stored | Different:
        """Take the idempotency `key` for `owner`, or say why not. Taking it again renews the lease."""
        with self._lock:
            return self._keys.begin(key, fingerprint, owner=owner, lease=lease, now=now)

    def keep_reply(self, key: str, *, owner: str, reply: bytes, until: float, now: float) -> None:
        """Store the reply under the key that `owner` holds, until `until`."""
        with self._lock:
            self._keys.keep(key, reply, owner=owner, until=until, now=now)

    def free_key(self, key: str, *, owner: str) -> None:
        """Let go of a key nothing was stored under."""
        with self._lock:
            self._keys.free(key, owner=owner)

    def forget(self, scope: str) -> None:
        """Forget an account nobody will claim from again, once nothing is set aside on it. Takes no lock."""
        self._accounts.forget(scope)

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def after_fork(self) -> None:
        """Renew the lock in a forked child: the thread that may have held it is not there."""
        self._lock = threading.RLock()

    @property
    def reserved(self) -> Money:
        """All that is set aside now, over every account; zero when no request is under way."""
        with self._lock:
            return Money.from_pico(self._accounts.reserved)

    @property
    def open_accounts(self) -> int:
        """How many accounts are remembered."""
        with self._lock:
            return self._accounts.count
