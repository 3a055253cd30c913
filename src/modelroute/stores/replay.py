"""What the rows of a ledger add up to: the accounts as they would be, had nothing been lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import frexp

from modelroute.stores.windows import BUCKETS, bucket_end
from modelroute.types.ledger import Entry, EntryKind

__all__ = ["OWN", "Place", "PresumedSpend", "Replay", "ReplayedAccount", "once", "replay", "reservation_of"]

OWN = "request:"
"""What the scopes of accounts begin with that belong to a single request; they are gone when it is."""


@dataclass(slots=True)
class ReplayedAccount:
    """One account: what was settled on it in all, the part that is presumed, and when, by the ends of buckets."""

    total: int = 0
    presumed: int = 0
    buckets: dict[float, int] = field(default_factory=dict[float, int])


@dataclass(frozen=True, slots=True)
class Place:
    """Where an amount was charged: the number of the account, and the end of the bucket of its window.

    The number tells it from a later account of the same scope, which has never seen the amount. Rebuilt: 0.
    """

    account: int
    bucket: float


@dataclass(frozen=True, slots=True)
class PresumedSpend:
    """Presumed spend of one reservation that nobody corrected: the amount, and where it was charged, by scope."""

    amount: int
    places: dict[str, Place]


@dataclass(frozen=True, slots=True)
class Replay:
    """Accounts by scope, and open presumed spend by reservation."""

    accounts: dict[str, ReplayedAccount] = field(default_factory=dict[str, ReplayedAccount])
    presumed: dict[str, PresumedSpend] = field(default_factory=dict[str, PresumedSpend])


def reservation_of(entry: Entry) -> str:
    """Return the id of the reservation the row is about."""
    return entry.id if entry.kind is EntryKind.ATTEMPT else entry.id.removesuffix(f"/{entry.kind}")


def once(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield each row once, whatever was exported twice."""
    seen = set[str]()
    for entry in entries:
        if entry.id not in seen:
            seen.add(entry.id)
            yield entry


def replay(entries: Iterable[Entry], now: float) -> Replay:
    """Add up `entries`, each given once and in the order they were appended.

    The buckets are as wide as a sixty-fourth of their age asks for, so that they serve a rolling window of any period
    as exactly as buckets of its own would, and are a few hundred however long the ledger is.
    """
    found = Replay()
    for entry in entries:
        end = _bucket(entry, now)
        reservation = reservation_of(entry)
        corrected = found.presumed.pop(reservation, None) if entry.kind is EntryKind.CORRECTION else None
        cost = entry.cost.pico
        for scope in entry.accounts:
            if scope.startswith(OWN):
                continue
            account = found.accounts.setdefault(scope, ReplayedAccount())
            account.total += cost
            into = end
            if corrected is not None:
                account.presumed -= corrected.amount
                if cost < 0 and scope in corrected.places:
                    into = corrected.places[scope].bucket
            elif entry.kind is EntryKind.PRESUMED:
                account.presumed += cost
            account.buckets[into] = account.buckets.get(into, 0) + cost
        if entry.kind is EntryKind.PRESUMED:
            found.presumed[reservation] = PresumedSpend(cost, dict.fromkeys(entry.accounts, Place(0, end)))
    for account in found.accounts.values():
        account.buckets = dict(sorted(account.buckets.items()))
    return found


def _bucket(entry: Entry, now: float) -> float:
    """Return the end of a bucket whose width is a power of two of seconds, at most a sixty-fourth of the row's age."""
    ended = entry.at + (entry.seconds or 0.0)
    age = (now - ended) / BUCKETS
    width = 1.0 if age < 2.0 else 2.0 ** (frexp(age)[1] - 1)
    return bucket_end(ended, width)
