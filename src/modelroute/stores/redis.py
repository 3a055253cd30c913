"""What is remembered on a Redis or Valkey server, for the processes of many machines.

Every operation is one Lua script: one atomic step, one round trip. The server's own clock counts for leases, windows
and ends; of a caller's clock only distances are used, so one that runs an hour ahead takes nobody's reservation away.

A server can forget: it is flushed, restarted without persistence, replaced by a replica that lagged behind. It carries
an epoch and a count of its writes, and every process remembers the highest of both it was ever told. A server that
knows less has lost something: from then on every process is refused until `rebuild`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Literal, TypeVar, cast

from modelroute.errors import ConfigurationError, RequestError, StoreLostError, StoreUnavailableError, shown
from modelroute.money import Money
from modelroute.stores.redis_link import Argument, Link, script
from modelroute.stores.redis_rows import ROW_FIELDS, entry_read, entry_written
from modelroute.stores.replay import replay, reservation_of
from modelroute.types.claims import Balance, Claim, Granted, Limited, RateClaim, Refused
from modelroute.types.keyed import Begun, Different, Running, Stored
from modelroute.types.ledger import Entry, EntryKind
from modelroute.types.signals import Signal

__all__ = ["RedisStore"]

_GRANTED, _BEGUN, _DIFFERENT = Granted(), Begun(), Different()
_MOST = 10**24
"""Pico-dollars, a trillion dollars: sums of thousands of such amounts are still exact in the server's numbers."""

_PAGE = 200
_REMEMBERED = 100_000
_LOST = {
    b"empty": "holds nothing, although it did, or was not to be begun here",
    b"older": "has fallen back to an older state",
    b"behind": "has forgotten its latest writes",
    b"anew": "was emptied, and begun anew by a process that could not know",
    b"evicted": "has thrown keys away; set its maxmemory-policy to noeviction",
    b"rebuilding": "is being rebuilt",
}
_Item = TypeVar("_Item")


class RedisStore:
    """The `Store` of many machines, on Redis 6.2 or later or Valkey: ``RedisStore("redis://host:6379/0")``.

    - `url`: also ``rediss://`` (TLS), ``unix:///path``, and ``valkey://``; a user and password in it are never shown.
    - `prefix`: of all its keys, as a hash tag, so that a cluster keeps them in one place. Stores with different
      prefixes share nothing.
    - `timeout`: seconds any operation may take, connecting and trying again included.
    - `create`: whether an empty server may be begun. A process that was never here cannot tell an empty server from an
      emptied one: with ``False`` it is refused (`StoreLostError`), until somebody rebuilds the server from a ledger.
    - `clock`: ``caller`` takes each `now` as it is, for simulations.

    The server needs ``maxmemory-policy noeviction`` (thrown-away keys are a loss), and ``appendonly yes`` if a restart
    is not to be one. A ledger kept elsewhere as well, in the file of a `SqliteStore`, is what it is rebuilt from.
    One loss is seen by nobody: of writes whose process is gone or idle, once others have written as many again.

    Amounts are exact; a single one is below a trillion dollars, else `RequestError`. Thread-safe; connects when first
    used. Raises `ConfigurationError` for a URL, prefix or timeout that means nothing, or when redis-py is missing.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "modelroute",
        timeout: float = 1.0,
        create: bool = True,
        clock: Literal["server", "caller"] = "server",
    ) -> None:
        if not 0.0 < timeout <= 3600.0:
            raise ConfigurationError(f"a store's timeout is seconds above 0 and up to an hour, not {shown(timeout)}")
        if not prefix or not set(prefix).isdisjoint("{}"):
            raise ConfigurationError(f"a store's prefix is some text without braces, not {shown(prefix)}")
        self._link = Link(url, timeout=timeout)
        self._key = f"{{{prefix}}}:epoch"
        self._create = int(create)
        self._clock = clock
        self._known = (0, 0)
        self._granted: dict[str, tuple[int, tuple[str, ...]]] = {}
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"RedisStore({self.name})"

    @property
    def name(self) -> str:
        """Which kind of server, and where: ``redis host:6379/0``."""
        return self._link.name

    @property
    def shared(self) -> bool:
        """Other processes see it."""
        return True

    @property
    def keeps_ledger(self) -> bool:
        """Entries are kept, in a stream beside the counters."""
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
        row, cost = ("", "0") if entry is None else (entry_written(entry)[4], _amount(entry.cost))
        arguments: list[Argument] = [reservation, lease, row, cost, len(claims), len(rates)]
        for claim in claims:
            limit = str(max(-_MOST, min(claim.limit.pico, 1000 * _MOST)))
            rolling = "" if claim.rolling is None else claim.rolling
            arguments += (claim.scope, limit, _amount(claim.amount), claim.ends, rolling)
        for rate in rates:
            arguments += (rate.scope, rate.limit, rate.amount, rate.counts, rate.seconds)
        reply = self._run("reserve", now, arguments)
        if reply[0] == b"granted":
            if claims:
                self._remember(reservation, claims)
            return _GRANTED
        scope = _text(reply[1])
        if reply[0] == b"limited":
            return Limited(scope, float(_text(reply[2])) if reply[2] else None)
        return Refused(scope, _money(reply[2]), _money(reply[3]))

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
        """Replace what `reservation` holds by `cost` and append `entry`, as `Store.settle` says.

        What this process was granted before the store was lost and rebuilt is charged as well: the ledger it was
        rebuilt from could not know of it.
        """
        epoch, scopes = self._granted.get(reservation, (0, ()))
        arguments: list[Argument] = [
            reservation,
            _amount(cost),
            int(final),
            int(sent),
            "" if tokens is None else tokens,
        ]
        if entry is None:
            arguments += (0, "", "", "", "", "", "")
        else:
            # An id nothing was set aside for charges no account; written only for those this process was not granted.
            uncharged = "" if scopes else entry_written(replace(entry, accounts=()))[4]
            arguments += (1, *entry_written(entry), uncharged)
        arguments += (epoch or "", *scopes)
        self._run("settle", now, arguments)
        with self._lock:
            self._granted.pop(reservation, None)

    def reverse(self, reservation: str, *, now: float) -> Money | None:
        """Take presumed spend of `reservation` back; return the amount, `None` if there is none."""
        amount = self._run("reverse", now, [reservation], repeatable=False)[0]
        return None if amount is None else _money(amount)

    def balance(self, scope: str, *, now: float) -> Balance | None:
        """Return the account `scope`, or `None` when nothing was ever reserved on it or it was forgotten."""
        return self._balances([scope], now).get(scope)

    def balances(self, *, now: float) -> Mapping[str, Balance]:
        """Return every account but those of single requests."""
        found: dict[str, Balance] = {}
        cursor: object = "0"
        while True:
            cursor, scopes = self._run("scopes", now, [cast(Argument, cursor)])
            names = [_text(scope) for scope in cast(list[object], scopes)]
            if names:
                found.update(self._balances(names, now))
            if cursor == b"0":
                return found

    def entries(self, *, since: float | None = None, until: float | None = None) -> Iterator[Entry]:
        """Yield the ledger's rows with ``since <= at < until``, in the order they were appended."""
        for entry, _ in self._rows("page", 0.0, ()):
            if (since is None or entry.at >= since) and (until is None or entry.at < until):
                yield entry

    def rebuild(self, entries: Iterable[Entry], *, now: float) -> None:
        """Make the accounts anew from the rows that are left here and those of `entries` it does not have.

        Everybody else is refused meanwhile. Rebuild when the requests that were under way have ended: what they spent
        is in no row before. Should it be interrupted, the store stays lost: rebuild it again. A second rebuild takes
        over from the first, which then raises `StoreUnavailableError`.
        """
        token, left = self._run("forget", now, [""])
        while left:
            _, left = self._run("forget", now, [cast(bytes, token)])
        own: tuple[Argument, ...] = (cast(bytes, token),)
        for chunk in _chunks(entries, _PAGE):
            self._run("append", now, [*own, *(part for entry in chunk for part in entry_written(entry))])
        drafts: dict[str, bytes] = {}

        def watched() -> Iterator[Entry]:
            for entry, row in self._rows("old_page", now, own):
                if entry.kind is EntryKind.PRESUMED:
                    drafts[reservation_of(entry)] = row
                elif entry.kind is EntryKind.CORRECTION:
                    drafts.pop(reservation_of(entry), None)
                yield entry

        replayed = replay(watched(), now)
        for scope, account in replayed.accounts.items():
            start: list[Argument] = [*own, scope, str(account.total), str(account.presumed)]
            for part in _chunks(account.buckets.items(), _PAGE) if account.buckets else ((),):
                self._run("account", now, [*start, *(x for end, amount in part for x in (end, str(amount)))])
        for reservation, presumed in replayed.presumed.items():
            ends = (x for scope, place in presumed.places.items() for x in (scope, place.bucket))
            self._run("presumed", now, [*own, reservation, str(presumed.amount), drafts[reservation], *ends])
        self._run("finish", now, own)

    def publish(self, signals: Sequence[Signal], *, now: float) -> None:
        """Put `signals` up for the processes that share this store."""
        if signals:
            told = (x for each in signals for x in (each.key, each.value, each.until, int(each.extends)))
            self._run("publish", now, list(told))

    def signals(self, after: int, *, now: float) -> tuple[int, Sequence[Signal]]:
        """Return the signals in force that are newer than the mark `after`, oldest first, and the new mark."""
        mark, rows = self._run("signals", now, [after])
        found: list[Signal] = []
        for key, value, until in cast(list[tuple[object, object, object]], rows):
            text = _text(value)
            found.append(Signal(_text(key), text[1:], float(_text(until)), extends=text[0] == "1"))
        return int(_text(mark)), tuple(found)

    def begin(
        self, key: str, fingerprint: str, *, owner: str, lease: float, now: float
    ) -> Begun | Running | Stored | Different:
        """Take the idempotency `key` for `owner`, or say why not. Taking it again renews the lease."""
        reply = self._run("begin", now, [key, fingerprint, owner, lease])
        if reply[0] == b"begun":
            return _BEGUN
        if reply[0] == b"different":
            return _DIFFERENT
        return Stored(cast(bytes, reply[1])) if reply[0] == b"stored" else Running(float(_text(reply[1])))

    def keep_reply(self, key: str, *, owner: str, reply: bytes, until: float, now: float) -> None:
        """Store the reply under the key that `owner` holds, until `until`."""
        self._run("keep_reply", now, [key, owner, reply, until])

    def free_key(self, key: str, *, owner: str) -> None:
        """Let go of a key nothing was stored under."""
        self._run("free_key", 0.0, [key, owner])

    def close(self) -> None:
        """Close the connections. Closing twice does nothing."""
        self._link.close()

    def after_fork(self) -> None:
        """Renew locks and connections in a forked child. What the parent was told of the server holds."""
        self._lock = threading.Lock()
        self._link.after_fork()

    def _run(
        self, name: str, now: float, arguments: Sequence[Argument], *, repeatable: bool = True
    ) -> Sequence[object]:
        """Return what the script says beyond the epoch and the mark, both of which are remembered."""
        epoch, mark = self._known
        before: tuple[Argument, ...] = (self._key, epoch or "", mark, self._create, now, self._clock)
        reply = self._link.run(script(name), (*before, *arguments), repeatable=repeatable)
        if reply[0] == b"lost":
            why = _LOST.get(cast(bytes, reply[1]), "has lost what it knew")
            raise StoreLostError(
                f"{self.name} {why}: hard budgets refuse until it is rebuilt; run `modelroute ledger rebuild`"
            )
        if reply[0] == b"superseded":
            raise StoreUnavailableError(f"{self.name} is being rebuilt by another process; wait for it")
        if reply[1]:
            told = int(_text(reply[1])), int(_text(reply[2]))
            with self._lock:
                self._known = max(self._known, told)
        return reply[3:]

    def _balances(self, scopes: Sequence[str], now: float) -> dict[str, Balance]:
        found = cast(list[list[object] | None], self._run("balances", now, scopes)[0])
        return {
            scope: Balance(*map(_money, amounts))
            for scope, amounts in zip(scopes, found, strict=True)
            if amounts is not None
        }

    def _rows(self, name: str, now: float, before: Sequence[Argument]) -> Iterator[tuple[Entry, bytes]]:
        """Yield each row of the ledger, and what of it is kept as text."""
        last = b"-"
        while True:
            page = cast(list[tuple[bytes, list[bytes]]], self._run(name, now, [*before, last, _PAGE])[0])
            for place, fields in page:
                values = dict(zip(fields[::2], fields[1::2], strict=True))
                yield entry_read([values[field] for field in ROW_FIELDS]), values[b"row"]
                last = b"(" + place
            if len(page) < _PAGE:
                return

    def _remember(self, reservation: str, claims: Sequence[Claim]) -> None:
        scopes = tuple(dict.fromkeys(claim.scope for claim in claims))
        with self._lock:
            self._granted[reservation] = (self._known[0], scopes)
            if len(self._granted) > _REMEMBERED:
                del self._granted[next(iter(self._granted))]


def _amount(money: Money) -> str:
    if abs(money.pico) >= _MOST:
        raise RequestError(f"{money} is more than a store on Redis can count; a single amount is below $1e12")
    return str(money.pico)


def _text(part: object) -> str:
    return cast(bytes, part).decode("utf-8", "surrogatepass")


def _money(part: object) -> Money:
    return Money.from_pico(int(cast(bytes, part)))


def _chunks(items: Iterable[_Item], size: int) -> Iterator[tuple[_Item, ...]]:
    rest = iter(items)
    while chunk := tuple(islice(rest, size)):
        yield chunk
