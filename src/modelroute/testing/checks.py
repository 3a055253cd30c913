"""The invariants as named checkers: written once, used by every harness.

Each takes what was *observed*, from the provider's side wherever it can, and raises `InvariantViolatedError` with the
invariant's name. None looks inside the router.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

from modelroute.errors import StreamInterruptedError
from modelroute.money import ZERO, Money
from modelroute.stores.store import Store
from modelroute.testing.checks_health import Lived, check_h1, check_h2, check_h3, check_h4, check_h5, check_h6, check_t2
from modelroute.testing.script import Answer, Garbles, Slow, Step
from modelroute.testing.scripted import SeenCall
from modelroute.testing.violation import InvariantViolatedError, require
from modelroute.types.claims import Balance, Claim, Granted, Limited, RateClaim, Refused
from modelroute.types.keyed import Begun, Different, Running, Stored
from modelroute.types.ledger import Entry
from modelroute.types.signals import Signal

if TYPE_CHECKING:
    from modelroute.types.attempt import Attempt
    from modelroute.types.reply import Reply, ToolCall

__all__ = [
    "LATENESS",
    "InvariantViolatedError",
    "Lived",
    "Observed",
    "WatchableStore",
    "WatchedStore",
    "check_all",
    "check_c1",
    "check_h1",
    "check_h2",
    "check_h3",
    "check_h4",
    "check_h5",
    "check_h6",
    "check_m2",
    "check_m3",
    "check_m4",
    "check_s1",
    "check_s2",
    "check_s3",
    "check_s6",
    "check_t1",
    "check_t2",
    "check_t3",
]

LATENESS = 0.001
"""Virtual seconds by which a simulated request may pass its deadline: rounding, nothing else."""


@dataclass(slots=True)
class Observed:
    """One request as it was seen from outside.

    `calls`: what the providers saw of it, in order. `streamed`: the caller took it piece by piece; `received`: the
    pieces of text; `restarts`: for each `Restarted`, how many pieces had come before it.
    `waits`: for each wait of the caller, when it began, when it ended, and by when it had to (`None`: no promise).
    `charge(call)` is what the provider truly bills for a call. `recorded`: what the library says it spent, `None` when
    it could not say (cancelled).
    """

    max_attempts: int
    max_cost: Money | None
    charge: Callable[[SeenCall], Money]
    streamed: bool = False
    calls: list[SeenCall] = field(default_factory=list[SeenCall])
    received: list[str] = field(default_factory=list[str])
    restarts: list[int] = field(default_factory=list[int])
    waits: list[tuple[float, float, float | None]] = field(default_factory=list[tuple[float, float, float | None]])
    reply: Reply | None = None
    error: BaseException | None = None
    attempts: tuple[Attempt, ...] = ()
    recorded: Money | None = None

    @property
    def truth(self) -> Money:
        """What the providers bill for this request."""
        return sum((self.charge(call) for call in self.calls), ZERO)

    @property
    def texts(self) -> list[str]:
        """The text received, from the beginning and from each `Restarted` on: all but the last were taken back."""
        ends = [0, *self.restarts, len(self.received)]
        return ["".join(self.received[begin:end]) for begin, end in pairwise(ends)]

    @property
    def answering(self) -> Step:
        """What the provider whose attempt is the reply was doing: of attempts that raced, not always the last."""
        attempts = self.attempts if self.reply is None else self.reply.attempts
        places = [place for place, attempt in enumerate(attempts) if attempt.succeeded]
        return self.calls[places[0] if places else -1].step


class WatchableStore(Store, Protocol):
    """A store that can say what is set aside on all of its accounts together."""

    @property
    def reserved(self) -> Money:
        """All that is set aside now."""
        ...


class WatchedStore:
    """A store that checks M1 at every instant: no account holds more than the hard limit it last granted money under.

    `settled` is what each reservation was settled at, `refusals` counts what was not granted.
    """

    def __init__(self, store: WatchableStore) -> None:
        self._store = store
        self._limits: dict[str, Claim] = {}
        self._held: dict[str, tuple[str, ...]] = {}
        self.settled: dict[str, Money] = {}
        self.refusals = 0

    @property
    def name(self) -> str:
        """What the store is called."""
        return self._store.name

    @property
    def shared(self) -> bool:
        """Whether other processes see it."""
        return self._store.shared

    @property
    def keeps_ledger(self) -> bool:
        """Whether it keeps entries."""
        return self._store.keeps_ledger

    @property
    def reserved(self) -> Money:
        """All that is set aside now."""
        return self._store.reserved

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
        """Set money aside, and look."""
        answer = self._store.reserve(reservation, claims, lease=lease, now=now, rates=rates, entry=entry)
        if not isinstance(answer, Granted):
            self.refusals += 1
        elif reservation not in self._held and reservation not in self.settled:
            self._held[reservation] = tuple(dict.fromkeys(claim.scope for claim in claims))
            self._limits.update((claim.scope, claim) for claim in claims)
        self._look((claim.scope for claim in claims), now)
        return answer

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
        """Settle, and look; a second settlement of one id with another cost is a violation of M3."""
        known = self.settled.setdefault(reservation, cost)
        require(known == cost, "M3", f"{reservation} was settled at {known} and again at {cost}")
        self._store.settle(reservation, cost, now=now, final=final, sent=sent, tokens=tokens, entry=entry)
        self._look(self._held.pop(reservation, ()), now)

    def reverse(self, reservation: str, *, now: float) -> Money | None:
        """Take presumed spend back."""
        return self._store.reverse(reservation, now=now)

    def balance(self, scope: str, *, now: float) -> Balance | None:
        """Return one account."""
        return self._store.balance(scope, now=now)

    def balances(self, *, now: float) -> Mapping[str, Balance]:
        """Return every account but those of single requests."""
        return self._store.balances(now=now)

    def entries(self, *, since: float | None = None, until: float | None = None) -> Iterator[Entry]:
        """Yield the ledger's rows."""
        return self._store.entries(since=since, until=until)

    def rebuild(self, entries: Iterable[Entry], *, now: float) -> None:
        """Make the accounts anew."""
        self._store.rebuild(entries, now=now)

    def publish(self, signals: Sequence[Signal], *, now: float) -> None:
        """Tell other processes."""
        self._store.publish(signals, now=now)

    def signals(self, after: int, *, now: float) -> tuple[int, Sequence[Signal]]:
        """Return the signals newer than `after`, and the new mark."""
        return self._store.signals(after, now=now)

    def begin(
        self, key: str, fingerprint: str, *, owner: str, lease: float, now: float
    ) -> Begun | Running | Stored | Different:
        """Take an idempotency key."""
        return self._store.begin(key, fingerprint, owner=owner, lease=lease, now=now)

    def keep_reply(self, key: str, *, owner: str, reply: bytes, until: float, now: float) -> None:
        """Store a reply."""
        self._store.keep_reply(key, owner=owner, reply=reply, until=until, now=now)

    def free_key(self, key: str, *, owner: str) -> None:
        """Let go of a key."""
        self._store.free_key(key, owner=owner)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def after_fork(self) -> None:
        """Renew the store in a forked child."""
        self._store.after_fork()

    def _look(self, scopes: Iterable[str], now: float) -> None:
        for scope in scopes:
            claim, balance = self._limits.get(scope), self._store.balance(scope, now=now)
            if claim is None or balance is None:
                self._limits.pop(scope, None)
            elif claim.hard:
                total = balance.spent + balance.reserved
                require(total <= claim.limit, "M1", f"{scope} holds {total} of {claim.limit}")


def check_m2(observed: Observed) -> None:
    """True spend <= recorded spend, wherever money was promised."""
    if observed.max_cost is not None and observed.recorded is not None:
        require(observed.truth <= observed.recorded, "M2", f"billed {observed.truth}, recorded {observed.recorded}")
        require(observed.recorded <= observed.max_cost, "M2", f"recorded {observed.recorded} of {observed.max_cost}")


def check_m3(store: WatchableStore) -> None:
    """Nothing is set aside when nothing is under way."""
    require(store.reserved == ZERO, "M3", f"{store.reserved} is still set aside at quiescence")


def check_m4(observed: Observed) -> None:
    """Under a ceiling every reservation bounds what its provider can bill."""
    if observed.max_cost is None:
        return
    for call, attempt in zip(observed.calls, observed.attempts, strict=False):
        billed = observed.charge(call)
        require(billed <= attempt.reserved, "M4", f"{call.target} billed {billed}, reserved {attempt.reserved}")


def check_t1(observed: Observed) -> None:
    """No more upstream attempts than allowed, as the providers counted."""
    count = len(observed.calls)
    require(count <= observed.max_attempts, "T1", f"{count} calls upstream, {observed.max_attempts} allowed")


def check_t3(observed: Observed, slack: float = LATENESS) -> None:
    """No wait of the caller outlasts its limit."""
    for began, ended, limit in observed.waits:
        if limit is not None:
            late = ended - max(began, limit)
            require(late <= slack, "T3", f"a wait from {began:.3f} to {ended:.3f} is {late:.3f} s late")


def check_s1(observed: Observed) -> None:
    """What the caller received is a prefix of one attempt's text, and the whole of it when the stream succeeded.

    Each `Restarted` begins a text anew: that of a later attempt.
    """
    texts, reply = observed.texts, observed.reply
    if reply is not None and observed.streamed:
        require(texts[-1] == reply.text, "S1", f"received {texts[-1]!r}, the reply says {reply.text!r}")
    said = [_text(call.step) for call in observed.calls]
    left: Sequence[str] = said
    for text in texts:
        places = [place for place, each in enumerate(left) if text and each.startswith(text)]
        require(bool(places) or not text, "S1", f"{text!r} is a prefix of none that is left of {said}")
        left = left[places[0] + 1 :] if places else left
    if isinstance(observed.error, StreamInterruptedError):
        partial = observed.error.partial.text
        require(partial.startswith(texts[-1]), "S1", f"received {texts[-1]!r}, the error says {partial!r}")


def check_s2(observed: Observed) -> None:
    """A success has a finish reason and is the whole text of the attempt that gave it."""
    reply = observed.reply
    if reply is None:
        return
    require(bool(reply.finish), "S2", "a reply without a finish reason")
    step = observed.answering
    require(isinstance(step, Answer | Slow | Garbles), "S2", f"a success made of {step}")
    require(reply.text == _text(step), "S2", f"{reply.text!r} is not the whole of {_text(step)!r}")


def check_s3(observed: Observed) -> None:
    """The tool calls of a reply are those of one attempt."""
    if observed.reply is not None:
        wanted = _tool_calls(observed.answering)
        require(observed.reply.tool_calls == wanted, "S3", f"{observed.reply.tool_calls} is not {wanted}")


def check_s6(calls: Sequence[SeenCall]) -> None:
    """Every exchange that was opened is closed."""
    left = [call.target for call in calls if call.opened and not call.closed]
    require(not left, "S6", f"still open: {left}")


def check_c1(expected: int = 1) -> None:
    """No task of ours survives: call it on the loop when everything is over. `expected`: tasks of the harness."""
    tasks = [task.get_name() for task in asyncio.all_tasks()]
    require(len(tasks) <= expected, "C1", f"tasks left: {tasks}")


def check_all(observed: Observed, *, slack: float = LATENESS) -> None:
    """Run every checker of a single request; `slack` as for `check_t3`."""
    check_t3(observed, slack)
    for check in (check_m2, check_m4, check_t1, check_s1, check_s2, check_s3):
        check(observed)


def _answer(step: Step) -> Answer | None:
    return step if isinstance(step, Answer) else getattr(step, "answer", None)


def _text(step: Step) -> str:
    answer = _answer(step)
    return "" if answer is None else answer.text


def _tool_calls(step: Step) -> tuple[ToolCall, ...]:
    answer = _answer(step)
    return () if answer is None else answer.tool_calls
