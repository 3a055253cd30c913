"""A store too simple to be wrong: lists that are added up anew for every question, nothing pruned, nothing bounded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from modelroute.money import ZERO, Money
from modelroute.types.claims import Balance, Claim, Granted, Limited, RateClaim, Refused
from modelroute.types.keyed import Begun, Different, Running, Stored
from modelroute.types.ledger import Entry, EntryKind
from modelroute.types.signals import Signal


def bucket_end(moment: float, period: float, finest: float) -> float:
    width = max(finest, period / 64)
    return (moment // width + 1) * width


@dataclass
class Charge:
    """Money that was spent: by whom, when, how much; `presumed` until it is corrected."""

    reservation: str
    at: float
    amount: int
    presumed: bool = False


@dataclass
class Account:
    ends: float
    rolling: float | None
    charges: list[Charge] = field(default_factory=list[Charge])
    held: dict[str, int] = field(default_factory=dict[str, int])

    def spent(self, now: float) -> int:
        """What counts against the limit."""
        if self.rolling is None:
            return self.total
        gone = now - self.rolling
        return sum(c.amount for c in self.charges if bucket_end(c.at, self.rolling, 1.0) > gone)

    def truly_spent(self, now: float) -> int:
        """What was spent in the last `rolling` seconds, to the moment: what M1 is about."""
        return sum(c.amount for c in self.charges if self.rolling is None or c.at > now - self.rolling)

    @property
    def total(self) -> int:
        return sum(c.amount for c in self.charges)

    @property
    def reserved(self) -> int:
        return sum(self.held.values())

    @property
    def presumed(self) -> int:
        return sum(c.amount for c in self.charges if c.presumed)


@dataclass
class Reservation:
    claims: tuple[Claim, ...]
    lease: float
    entry: Entry | None
    counted: list["Counted"]
    state: str = "held"
    row: Entry | None = None
    settled: float = 0.0

    @property
    def most(self) -> int:
        return max((claim.amount.pico for claim in self.claims), default=0)


@dataclass
class Counted:
    scope: str
    at: float
    amount: int
    counts: str


class ModelStore:
    """The protocol, in as few words as it can be said."""

    def __init__(self, *, keeps_ledger: bool) -> None:
        self.keeps_ledger = keeps_ledger
        self.accounts: dict[str, Account] = {}
        self.reservations: dict[str, Reservation] = {}
        self.counted: list[Counted] = []
        self.ledger: list[Entry] = []
        self.posted: dict[str, tuple[int, Signal]] = {}
        self.mark = 0
        self.keys: dict[str, tuple[str, str, float, bytes | None]] = {}

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
        self.expire(now)
        if reservation in self.reservations:
            return Granted()
        asked: dict[str, int] = {}
        for rate in rates:
            asked[rate.scope] = asked.get(rate.scope, 0) + rate.amount
            if asked[rate.scope] > rate.limit:
                return Limited(rate.scope, None)
            inside = sorted(
                (end, c.amount)
                for c in self.counted
                if c.scope == rate.scope and (end := bucket_end(c.at, rate.seconds, 0.0)) > now - rate.seconds
            )
            over = sum(amount for _, amount in inside) + asked[rate.scope] - rate.limit
            if over > 0:
                gone = 0
                for end, amount in inside:
                    gone += amount
                    if gone >= over:
                        return Limited(rate.scope, end + rate.seconds - now)
        wanted: dict[str, int] = {}
        left: dict[str, int] = {}
        for claim in claims:
            known = self.accounts.get(claim.scope)
            free = claim.limit.pico - (0 if known is None else known.spent(now) + known.reserved)
            free = left[claim.scope] = min(free, left.get(claim.scope, free))
            total = wanted[claim.scope] = wanted.get(claim.scope, 0) + claim.amount.pico
            if total > free:
                return Refused(claim.scope, Money.from_pico(total), Money.from_pico(max(0, free)))
        if not (claims or rates or (entry and self.keeps_ledger)):
            return Granted()
        for claim in claims:
            account = self.accounts.setdefault(claim.scope, Account(claim.ends, claim.rolling))
            account.ends = max(account.ends, claim.ends, lease)
            account.held[reservation] = wanted[claim.scope]
        counted = [Counted(rate.scope, now, rate.amount, rate.counts) for rate in rates]
        self.counted += counted
        self.reservations[reservation] = Reservation(tuple(claims), lease, entry, counted)
        return Granted()

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
        known = self.reservations.get(reservation)
        if known is None:
            self.reservations[reservation] = Reservation((), now, None, [], "settled", settled=now)
            self.append(entry)
        elif known.state == "presumed":
            self.correct(reservation, known, cost.pico, now, entry)
        elif known.state == "held":
            known.state, known.settled = "settled", now
            for scope, account in list(self.accounts.items()):
                if account.held.pop(reservation, None) is None:
                    continue
                if final and scope.startswith("request:") and not account.held:
                    del self.accounts[scope]
                else:
                    self.charge(account, Charge(reservation, now, cost.pico))
            for counted in known.counted:
                if not sent:
                    counted.amount = 0
                elif tokens is not None and counted.counts == "tokens":
                    counted.amount = tokens
            self.append(entry)

    def reverse(self, reservation: str, *, now: float) -> Money | None:
        self.expire(now)
        known = self.reservations.get(reservation)
        if known is None or known.state != "presumed" or not known.claims:
            return None
        self.correct(reservation, known, 0, now, None)
        return Money.from_pico(known.most)

    def balance(self, scope: str, *, now: float) -> Balance | None:
        self.expire(now)
        account = self.accounts.get(scope)
        if account is None:
            return None
        return Balance(*map(Money.from_pico, (account.spent(now), account.reserved, account.total, account.presumed)))

    def balances(self, *, now: float) -> dict[str, Balance]:
        self.expire(now)
        found = {scope: self.balance(scope, now=now) for scope in self.accounts if not scope.startswith("request:")}
        return {scope: balance for scope, balance in found.items() if balance is not None}

    def entries(self) -> list[Entry]:
        return self.ledger if self.keeps_ledger else []

    def publish(self, signals: Iterable[Signal], *, now: float) -> None:
        for signal in signals:
            _, known = self.posted.get(signal.key, (0, None))
            if known is None or not signal.extends or known.until <= max(now, signal.until):
                self.mark += 1
                self.posted[signal.key] = (self.mark, signal)

    def signals(self, after: int, *, now: float) -> tuple[int, list[Signal]]:
        marked = sorted((mark, signal.key) for mark, signal in self.posted.values())
        found = [self.posted[key][1] for mark, key in marked if mark > after]
        return self.mark, [signal for signal in found if signal.until > now]

    def begin(
        self, key: str, fingerprint: str, *, owner: str, lease: float, now: float
    ) -> Begun | Running | Stored | Different:
        known = self.keys.get(key)
        if known is not None and known[2] > now:
            if known[0] != fingerprint:
                return Different()
            if known[3] is not None:
                return Stored(known[3])
            if known[1] != owner:
                return Running(known[2])
        self.keys[key] = (fingerprint, owner, lease, None)
        return Begun()

    def keep_reply(self, key: str, *, owner: str, reply: bytes, until: float, now: float) -> None:
        known = self.keys.get(key)
        if known is not None and known[1] == owner and known[2] > now and known[3] is None:
            self.keys[key] = (known[0], owner, until, reply)

    def free_key(self, key: str, *, owner: str) -> None:
        known = self.keys.get(key)
        if known is not None and known[1] == owner and known[3] is None:
            del self.keys[key]

    def expire(self, now: float) -> None:
        """Presume what is overdue, then forget accounts past their end."""
        overdue = sorted((r.lease, name) for name, r in self.reservations.items() if r.state == "held")
        for lease, name in overdue:
            if lease > now:
                continue
            known = self.reservations[name]
            known.state = "presumed"
            for account in self.accounts.values():
                if account.held.pop(name, None) is not None:
                    self.charge(account, Charge(name, now, known.most, presumed=True))
            if known.entry is not None:
                cost = Money.from_pico(known.most) if known.claims else known.entry.cost
                known.row = replace(
                    known.entry, id=f"{name}/presumed", kind=EntryKind.PRESUMED, cost=cost, reserved=cost
                )
                self.append(known.row)
        for scope, account in list(self.accounts.items()):
            if account.ends <= now and not account.held:
                del self.accounts[scope]

    def correct(self, name: str, known: Reservation, cost: int, now: float, entry: Entry | None) -> None:
        """Replace presumed spend by `cost`: less is taken from when it was presumed, more is spent now."""
        known.state, known.settled = "settled", now
        for account in self.accounts.values():
            for charge in [c for c in account.charges if c.reservation == name and c.presumed]:
                charge.presumed = False
                if cost <= charge.amount:
                    charge.amount = cost
                else:
                    self.charge(account, Charge(name, now, cost - charge.amount))
        before = ZERO if known.row is None else known.row.cost
        row = entry or known.row
        if row is not None:
            by = Money.from_pico(cost) - before
            self.append(replace(row, id=f"{name}/correction", kind=EntryKind.CORRECTION, cost=by))

    def charge(self, account: Account, charge: Charge) -> None:
        account.charges.append(charge)
        if account.rolling is not None:
            account.ends = max(account.ends, bucket_end(charge.at, account.rolling, 1.0) + account.rolling)

    def append(self, entry: Entry | None) -> None:
        if entry is not None and entry.id not in {row.id for row in self.ledger}:
            self.ledger.append(entry)
