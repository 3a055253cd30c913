"""A shared store that does as it is told: answers, waits at a gate, fails, or does it and fails then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from modelroute.errors import StoreUnavailableError
from modelroute.money import Money
from modelroute.stores.memory import MemoryStore
from modelroute.types.claims import Balance, Claim, Granted, Limited, RateClaim, Refused
from modelroute.types.keyed import Begun, Different, Running, Stored
from modelroute.types.ledger import Entry
from modelroute.types.signals import Signal

__all__ = ["SharedStore", "until"]

R = TypeVar("R")


class SharedStore:
    """`asked` logs every operation by name. `gate`: operations wait until it is set. `fails`: what they raise."""

    def __init__(self, *, keeps_ledger: bool = False) -> None:
        self.inner = MemoryStore()
        self.asked: list[str] = []
        self.rows: list[Entry] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.fails: Exception | None = None
        self.fails_after: Exception | None = None
        self.closed = 0
        self._keeps_ledger = keeps_ledger

    def down(self) -> None:
        """Fail from now on, as a store that cannot be reached."""
        self.fails = StoreUnavailableError("fake: connection refused")

    @property
    def name(self) -> str:
        return "fake"

    @property
    def shared(self) -> bool:
        return True

    @property
    def keeps_ledger(self) -> bool:
        return self._keeps_ledger

    def _do(self, what: str, act: Callable[[], R]) -> R:
        self.asked.append(what)
        self.entered.release()
        assert self.gate.wait(30)
        if self.fails is not None:
            raise self.fails
        done = act()
        if self.fails_after is not None:
            raise self.fails_after
        return done

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
        return self._do("reserve", lambda: self.inner.reserve(reservation, claims, lease=lease, now=now, rates=rates))

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
        def act() -> None:
            self.inner.settle(reservation, cost, now=now, final=final, sent=sent, tokens=tokens)
            if entry is not None:
                self.rows.append(entry)

        self._do("settle", act)

    def reverse(self, reservation: str, *, now: float) -> Money | None:
        return self.inner.reverse(reservation, now=now)

    def balance(self, scope: str, *, now: float) -> Balance | None:
        return self.inner.balance(scope, now=now)

    def balances(self, *, now: float) -> Mapping[str, Balance]:
        return self.inner.balances(now=now)

    def entries(self, *, since: float | None = None, until: float | None = None) -> Iterator[Entry]:
        return iter(self.rows)

    def rebuild(self, entries: Iterable[Entry], *, now: float) -> None:
        self.inner.rebuild(entries, now=now)

    def publish(self, signals: Sequence[Signal], *, now: float) -> None:
        self._do("publish", lambda: self.inner.publish(signals, now=now))

    def signals(self, after: int, *, now: float) -> tuple[int, Sequence[Signal]]:
        return self._do("signals", lambda: self.inner.signals(after, now=now))

    def begin(
        self, key: str, fingerprint: str, *, owner: str, lease: float, now: float
    ) -> Begun | Running | Stored | Different:
        return self._do("begin", lambda: self.inner.begin(key, fingerprint, owner=owner, lease=lease, now=now))

    def keep_reply(self, key: str, *, owner: str, reply: bytes, until: float, now: float) -> None:
        self._do("keep_reply", lambda: self.inner.keep_reply(key, owner=owner, reply=reply, until=until, now=now))

    def free_key(self, key: str, *, owner: str) -> None:
        self._do("free_key", lambda: self.inner.free_key(key, owner=owner))

    def close(self) -> None:
        self.closed += 1

    def after_fork(self) -> None:
        self.inner.after_fork()


def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for what another thread is about to do."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.002)):
        if holds():
            return
        pause.wait(0.002)
    raise AssertionError("it did not come about")
