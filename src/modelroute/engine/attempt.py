"""One attempt: reserve, open, read, close, settle. Whatever happens in between, the last two are done.

The patience rules: `first_token`, `idle` and `attempt` apply while another eligible target remains; the
last one
may use all that is left of the deadline. After a stream's commit only `idle` runs, while the caller waits for us.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelroute.engine.assembly import Assembly
from modelroute.engine.charging import Asked, charge
from modelroute.engine.commands import (
    Close,
    Failed,
    Next,
    Open,
    Reserve,
    Settle,
    next_events,
    open_exchange,
    reserve,
)
from modelroute.money import ZERO, Money
from modelroute.types.attempt import Attempt
from modelroute.types.claims import Claim, Refused
from modelroute.types.failure import Failure, Kind
from modelroute.types.notices import Attempted, Settled

if TYPE_CHECKING:
    from modelroute.engine.commands import Exchange, Flow
    from modelroute.engine.plan import Allowance, Leg, Plan
    from modelroute.types.events import StreamEvent
    from modelroute.types.request import Request

__all__ = ["AFTER_FINISH", "LEASE_GRACE", "AttemptFlow"]

LEASE_GRACE = 30.0
"""Seconds a reservation outlives the deadline before it becomes presumed spend (docs/reference/defaults.md)."""

AFTER_FINISH = 2.0
"""Seconds that usage and the end are waited for once the model has said that it is done: the answer is whole."""


class AttemptFlow:
    """One attempt in the making.

    `run` is its flow; afterwards `record`, `assembly`, `failure` and `committed` tell what became of it.
    """

    __slots__ = (
        "_allowance", "_asked_at", "_first_token_at", "_lane", "_opened_at", "_plan", "_request", "_reservation",
        "_reserved", "_sent", "_undelivered", "assembly", "committed", "failure", "leg", "number", "record", "refused",
        "why",
    )  # fmt: skip

    def __init__(
        self, plan: Plan, leg: Leg, lane: int, *, number: int, why: str, request: Request, allowance: Allowance
    ) -> None:
        self._plan = plan
        self.leg = leg
        self._lane = lane
        self._request = request
        self._allowance = allowance
        self._reservation = f"{plan.id}.{number}"
        self._reserved = allowance.bound if plan.max_cost is not None else None
        self._sent = False
        self._opened_at = plan.clock()
        self._asked_at = plan.wall()
        self._first_token_at: float | None = None
        self._undelivered: list[StreamEvent] = []
        self.number = number
        self.why = why
        self.assembly = Assembly()
        self.committed = False
        self.failure: Failure | None = Failure(Kind.CANCELLED, "the caller went away")
        self.record: Attempt | None = None
        self.refused: Refused | None = None

    @property
    def undelivered(self) -> list[StreamEvent]:
        """Content that arrived with the end of the answer and has not been handed over."""
        return self._undelivered

    def run(self, others: bool) -> Flow[None]:
        """Make the attempt. `others`: another eligible target remains, so patience is limited."""
        plan = self._plan
        call = self.leg.prepare(self._request, self._allowance.output_cap)
        answer = yield from reserve(Reserve(self._reservation, self._claims(), self._lease()))
        if isinstance(answer, Refused):
            self.refused = answer
            return
        exchange: Exchange | None = None
        collected = False
        try:
            self._opened_at = now = plan.clock()
            self._asked_at = plan.wall()
            patience = self._patience(now, others, streamed=call.streamed)
            self._sent = True
            opened = yield from open_exchange(
                Open(self.leg.ranked.target, call, self._lane, plan.timeouts.connect, patience)
            )
            if isinstance(opened, Failed):
                self.failure = self._blame_deadline(opened.failure)
            else:
                exchange = opened.exchange
                yield from self._read(exchange, patience, others)
        except GeneratorExit:
            collected = True  # by the garbage collector, with nobody left to drive: the lease ends the reservation
            raise
        finally:
            if not collected:
                if exchange is not None:
                    yield Close(exchange)
                yield self._settlement()

    def _read(self, exchange: Exchange, patience: float, others: bool) -> Flow[None]:
        """Read to the end or the first failure, which lands in `self.failure`."""
        assembly = self.assembly
        deliver: list[StreamEvent] = []
        while True:
            batch = yield from next_events(self._next(exchange, deliver, patience, others))
            if batch.timed_out:
                self.failure = self._timed_out()
                return
            assembly.keep(batch.data)
            content = assembly.take(batch.events)
            deliver = []
            if content:
                if self._first_token_at is None:
                    self._first_token_at = self._plan.clock()
                if self._plan.streaming:
                    self._undelivered.extend(content)
            if assembly.failure is not None:
                self.failure = assembly.failure
                return
            if assembly.ended:
                self.failure = assembly.declined() or self._checked()
                return
            if self._undelivered and self._plan.streaming and self._plan.on_interrupt != "buffer":
                deliver = self._undelivered
                self._undelivered = []
                self.committed = True

    def _checked(self) -> Failure | None:
        """Look at the finished answer *before* it is settled: a final settlement forgets the request's account."""
        check = self._plan.check
        return None if check is None else check(self.assembly.text, self.assembly.finish)

    def _next(self, exchange: Exchange, deliver: list[StreamEvent], patience: float, others: bool) -> Next:
        plan = self._plan
        idle = plan.timeouts.idle
        if self.assembly.finish:
            idle = min(idle, AFTER_FINISH)
        if self.committed:
            until = plan.deadline if plan.explicit else None
            return Next(exchange, deliver, idle, until)
        if self._first_token_at is None:
            return Next(exchange, (), None, patience)
        if not others:
            return Next(exchange, (), idle if self.assembly.finish else None, plan.deadline)
        return Next(exchange, (), idle, min(self._attempt_end(), plan.deadline))

    def _attempt_end(self) -> float:
        return self._opened_at + self._plan.timeouts.attempt

    def _patience(self, now: float, others: bool, *, streamed: bool) -> float:
        """Until when the first content is waited for."""
        plan = self._plan
        if not others:
            return plan.deadline
        timeouts = plan.timeouts
        if not streamed:
            first = timeouts.attempt
        elif self.leg.silent:
            first = timeouts.silent_reasoning
        else:
            first = timeouts.first_token
        return min(now + first, self._attempt_end(), plan.deadline)

    def _timed_out(self) -> Failure:
        plan = self._plan
        bounded = plan.explicit or not self.committed
        if bounded and plan.clock() >= plan.deadline:
            return Failure(Kind.LATE, "the deadline passed")
        if self._first_token_at is None:
            return Failure(Kind.SILENT, f"no content within {plan.clock() - self._opened_at:.1f} s")
        return Failure(Kind.INTERRUPTED, "the stream stalled")

    def _blame_deadline(self, failure: Failure) -> Failure:
        """A limit that ended the call at the deadline is the deadline's doing, not the target's."""
        if failure.kind in (Kind.SILENT, Kind.UNREACHABLE) and self._plan.clock() >= self._plan.deadline:
            return Failure(Kind.LATE, "the deadline passed", seen=failure.was_seen)
        return failure

    def _claims(self) -> tuple[Claim, ...]:
        limit = self._plan.max_cost
        if limit is None or self._reserved is None:
            return ()
        return (Claim(f"request:{self._plan.id}", limit, self._reserved, self._lease()),)

    def _lease(self) -> float:
        plan = self._plan
        return plan.wall() + max(0.0, plan.deadline - plan.clock()) + LEASE_GRACE

    def _settlement(self) -> Settle:
        """Close the books of this attempt: its record, its cost, and the notices."""
        plan, leg = self._plan, self.leg
        charged = charge(
            plan,
            Asked(leg, self._request, self._asked_at),
            reserved=self._reserved,
            assembly=self.assembly,
            failure=self.failure,
            sent=self._sent,
        )
        target = leg.ranked.target
        self.record = Attempt(
            number=self.number,
            target=target,
            why=self.why,
            failure=self.failure,
            reserved=self._reserved or ZERO,
            cost=charged.cost,
            basis=charged.basis,
            usage=self.assembly.usage,
            seconds=plan.clock() - self._opened_at,
            first_token=self.first_token,
        )
        plan.emit(Attempted(plan.id, self.record))
        plan.emit(Settled(plan.id, self._reservation, target, self.record.reserved, charged.cost, charged.basis))
        return Settle(self._reservation, charged.cost, final=self.failure is None)

    @property
    def first_token(self) -> float | None:
        """Seconds from opening to the first content, `None` when none came."""
        return None if self._first_token_at is None else self._first_token_at - self._opened_at

    @property
    def cost(self) -> Money:
        """What the attempt was charged."""
        return self.record.cost if self.record is not None else ZERO
