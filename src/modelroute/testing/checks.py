"""The invariants as named checkers: written once, used by every harness.

Each takes what was *observed*, from the provider's side wherever it can, and raises `InvariantViolatedError` with the
invariant's name. None looks inside the router.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelroute.errors import ModelRouteError
from modelroute.money import ZERO, Money
from modelroute.testing.script import Answer, Garbles, Slow, Step
from modelroute.testing.scripted import SeenCall
from modelroute.types.claims import Claim, Granted, Refused

if TYPE_CHECKING:
    from modelroute.stores.memory import MemoryStore
    from modelroute.types.attempt import Attempt
    from modelroute.types.reply import Reply, ToolCall

__all__ = [
    "LATENESS",
    "InvariantViolatedError",
    "Observed",
    "WatchedStore",
    "check_all",
    "check_c1",
    "check_m2",
    "check_m3",
    "check_m4",
    "check_s1",
    "check_s2",
    "check_s3",
    "check_s6",
    "check_t1",
    "check_t3",
]

LATENESS = 0.001
"""Virtual seconds by which a simulated request may pass its deadline: rounding, nothing else."""


class InvariantViolatedError(ModelRouteError, AssertionError):
    """An invariant does not hold. The message begins with its name."""


def _require(holds: bool, name: str, text: str) -> None:
    if not holds:
        raise InvariantViolatedError(f"{name}: {text}")


@dataclass(slots=True)
class Observed:
    """One request as it was seen from outside.

    `calls`: what the providers saw of it. `streamed`: the caller took it piece by piece; `received`: the pieces.
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
    waits: list[tuple[float, float, float | None]] = field(default_factory=list[tuple[float, float, float | None]])
    reply: Reply | None = None
    error: BaseException | None = None
    attempts: tuple[Attempt, ...] = ()
    recorded: Money | None = None

    @property
    def truth(self) -> Money:
        """What the providers bill for this request."""
        return sum((self.charge(call) for call in self.calls), ZERO)


class WatchedStore:
    """A store that checks M1 at every instant: spent and reserved together never exceed the limit of any account."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._held: dict[str, tuple[Claim, ...]] = {}
        self.settled: dict[str, Money] = {}
        self.refusals = 0

    def reserve(self, reservation: str, claims: tuple[Claim, ...], *, lease: float, now: float) -> Granted | Refused:
        """Set money aside, and look."""
        answer = self._store.reserve(reservation, claims, lease=lease, now=now)
        if isinstance(answer, Granted):
            self._held[reservation] = claims
        else:
            self.refusals += 1
        self._look(claims)
        return answer

    def settle(self, reservation: str, cost: Money, *, final: bool = False) -> None:
        """Settle, and look; a second settlement of one id with another cost is a violation of M3."""
        known = self.settled.setdefault(reservation, cost)
        _require(known == cost, "M3", f"{reservation} was settled at {known} and again at {cost}")
        self._store.settle(reservation, cost, final=final)
        self._look(self._held.get(reservation, ()))

    @property
    def reserved(self) -> Money:
        """All that is set aside now."""
        return self._store.reserved

    def _look(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            account = self._store.account(claim.scope)
            if account is not None:
                total = account.spent + account.reserved
                _require(total <= account.limit, "M1", f"{claim.scope} holds {total} of {account.limit}")


def check_m2(observed: Observed) -> None:
    """True spend <= recorded spend, wherever money was promised."""
    if observed.max_cost is not None and observed.recorded is not None:
        _require(observed.truth <= observed.recorded, "M2", f"billed {observed.truth}, recorded {observed.recorded}")
        _require(observed.recorded <= observed.max_cost, "M2", f"recorded {observed.recorded} of {observed.max_cost}")


def check_m3(store: WatchedStore | MemoryStore) -> None:
    """Nothing is set aside when nothing is under way."""
    _require(store.reserved == ZERO, "M3", f"{store.reserved} is still set aside at quiescence")


def check_m4(observed: Observed) -> None:
    """Under a ceiling every reservation bounds what its provider can bill."""
    if observed.max_cost is None:
        return
    for call, attempt in zip(observed.calls, observed.attempts, strict=False):
        billed = observed.charge(call)
        _require(billed <= attempt.reserved, "M4", f"{call.target} billed {billed}, reserved {attempt.reserved}")


def check_t1(observed: Observed) -> None:
    """No more upstream attempts than allowed, as the providers counted."""
    count = len(observed.calls)
    _require(count <= observed.max_attempts, "T1", f"{count} calls upstream, {observed.max_attempts} allowed")


def check_t3(observed: Observed, slack: float = LATENESS) -> None:
    """No wait of the caller outlasts its limit."""
    for began, ended, limit in observed.waits:
        if limit is not None:
            late = ended - max(began, limit)
            _require(late <= slack, "T3", f"a wait from {began:.3f} to {ended:.3f} is {late:.3f} s late")


def check_s1(observed: Observed) -> None:
    """What the caller received is a prefix of one attempt's text, and the whole of it when the stream succeeded."""
    text = "".join(observed.received)
    reply = observed.reply
    if reply is not None and observed.streamed:
        _require(text == reply.text, "S1", f"received {text!r}, the reply says {reply.text!r}")
    said = [_text(call.step) for call in observed.calls]
    _require(any(each.startswith(text) for each in said) or not text, "S1", f"{text!r} is a prefix of none of {said}")


def check_s2(observed: Observed) -> None:
    """A success has a finish reason and is the whole text of the attempt that gave it."""
    reply = observed.reply
    if reply is None:
        return
    _require(bool(reply.finish), "S2", "a reply without a finish reason")
    step = observed.calls[-1].step
    _require(isinstance(step, Answer | Slow | Garbles), "S2", f"a success made of {step}")
    _require(reply.text == _text(step), "S2", f"{reply.text!r} is not the whole of {_text(step)!r}")


def check_s3(observed: Observed) -> None:
    """The tool calls of a reply are those of one attempt."""
    if observed.reply is not None:
        wanted = _tool_calls(observed.calls[-1].step)
        _require(observed.reply.tool_calls == wanted, "S3", f"{observed.reply.tool_calls} is not {wanted}")


def check_s6(calls: Sequence[SeenCall]) -> None:
    """Every exchange that was opened is closed."""
    left = [call.target for call in calls if call.opened and not call.closed]
    _require(not left, "S6", f"still open: {left}")


def check_c1(expected: int = 1) -> None:
    """No task of ours survives: call it on the loop when everything is over. `expected`: tasks of the harness."""
    tasks = [task.get_name() for task in asyncio.all_tasks()]
    _require(len(tasks) <= expected, "C1", f"tasks left: {tasks}")


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
