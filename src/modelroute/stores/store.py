"""The one protocol of everything that is remembered: money, rates, the ledger, health signals, idempotency keys.

Every operation is one atomic step. All times are Unix seconds handed in (`now`): a store reads no clock. Operations of
a `shared` store may wait on a disk or a network, bounded by the store's own timeout; the runtime calls them away from
the event loop and gives up on them when the caller's deadline says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from modelroute.money import Money
    from modelroute.types.claims import Balance, Claim, Granted, Limited, RateClaim, Refused
    from modelroute.types.keyed import Begun, Different, Running, Stored
    from modelroute.types.ledger import Entry
    from modelroute.types.signals import Signal

__all__ = ["Store"]


class Store(Protocol):
    """Where money and what else outlives a request is kept.

    Every method may raise `StoreUnavailableError` (does not answer) or its kind `StoreLostError` (answers, but has
    lost what it knew: hard budgets refuse until it is rebuilt from the ledger). `MemoryStore` never does.
    """

    @property
    def name(self) -> str:
        """What and where it is, for messages: ``memory``, ``sqlite spend.db``, ``redis host:6379/0``. No secret."""
        ...

    @property
    def shared(self) -> bool:
        """Whether other processes may see it, so that its operations may wait."""
        ...

    @property
    def keeps_ledger(self) -> bool:
        """Whether entries are kept; else they are dropped and `entries` is empty."""
        ...

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
        """Set `claims` and `rates` aside under the id `reservation`, all or none, until `lease`.

        An id already held is granted again without setting anything more aside; an id that was settled is granted
        without setting anything aside. Two claims on one scope add up. Rates are looked at first. A claim's own `limit`
        is what counts, whatever earlier claims said. Reservations past their lease, of anybody, become presumed spend
        first; `entry` is the row that is then appended (kind PRESUMED, cost and reserved as set aside). What is then
        presumed is one cost on all of its accounts, as a settlement is: the largest of the reservation's claims.
        One scope has one rolling period.
        """
        ...

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
        """Replace what `reservation` holds by `cost` on each of its accounts, and append `entry`, in one step.

        A second settlement of the same id changes nothing. Of an id that became presumed spend, the accounts are
        corrected to `cost`, the presumed row stays, and a row of kind CORRECTION with the difference is appended
        instead of `entry`'s own kind. Of an id never reserved, only `entry` is appended. Not `sent`: its requests
        and tokens are given back to the rate windows; `tokens`: what was really used, `None` leaves what was set aside.
        `final`: accounts of this request alone (scope ``request:...``) are forgotten.
        """
        ...

    def reverse(self, reservation: str, *, now: float) -> Money | None:
        """Take presumed spend of `reservation` back, with a CORRECTION row; return the amount, `None` if there is none.

        The reservation is settled with it, at nothing: settling it later changes nothing.
        """
        ...

    def balance(self, scope: str, *, now: float) -> Balance | None:
        """Return the account `scope`, or `None` when nothing was ever reserved on it or it was forgotten.

        What is past its lease is presumed spent first, here and in `balances` and `reverse`.
        """
        ...

    def balances(self, *, now: float) -> Mapping[str, Balance]:
        """Return every account that is remembered but those of single requests."""
        ...

    def entries(self, *, since: float | None = None, until: float | None = None) -> Iterator[Entry]:
        """Yield the ledger's rows with ``since <= at < until``, in the order they were appended."""
        ...

    def rebuild(self, entries: Iterable[Entry], *, now: float) -> None:
        """Make the accounts anew from `entries` (appending those it does not have), after the store was lost.

        What was reserved is forgotten: it is in the rows of those who settled, or was presumed.
        """
        ...

    def publish(self, signals: Sequence[Signal], *, now: float) -> None:
        """Tell other processes."""
        ...

    def signals(self, after: int, *, now: float) -> tuple[int, Sequence[Signal]]:
        """Return the signals in force that are newer than the mark `after` (0: all), oldest first, and the new mark."""
        ...

    def begin(
        self, key: str, fingerprint: str, *, owner: str, lease: float, now: float
    ) -> Begun | Running | Stored | Different:
        """Take the idempotency `key` for `owner`, or say why not. `fingerprint` names what is asked.

        The owner of a running key may take it again, which renews its lease.
        """
        ...

    def keep_reply(self, key: str, *, owner: str, reply: bytes, until: float, now: float) -> None:
        """Store the reply under the key that `owner` holds, until `until`; without effect when it holds it no more."""
        ...

    def free_key(self, key: str, *, owner: str) -> None:
        """Let go of a key nothing was stored under."""
        ...

    def close(self) -> None:
        """Close files and connections. Closing twice does nothing."""
        ...

    def after_fork(self) -> None:
        """Renew in a forked child what cannot be shared with the parent: locks, connections."""
        ...
