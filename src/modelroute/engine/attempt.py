"""One attempt: reserve, open, read, close, settle. Whatever happens in between, the last two are done.

The patience rules: `first_token`, `idle` and `attempt` apply while another eligible target remains; the
last one
may use all that is left of the deadline. After a stream's commit only `idle` runs, while the caller waits for us.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from modelroute.engine.assembly import Assembly
from modelroute.engine.booking import Booking, booking_of, draft_of, row_of
from modelroute.engine.charging import Asked, charge
from modelroute.engine.commands import (
    Cancelled,
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
from modelroute.engine.quoting import without_quotes
from modelroute.money import ZERO, Money
from modelroute.resilience.backoff import LONGEST_HINT
from modelroute.resilience.breaker import Outcome, outcome_of
from modelroute.types.attempt import Attempt
from modelroute.types.claims import Granted, Limited, Refused, Unavailable
from modelroute.types.events import Restarted
from modelroute.types.failure import Failure, Kind
from modelroute.types.notices import Attempted, Overrun, Settled

if TYPE_CHECKING:
    from modelroute.engine.commands import Exchange, Flow
    from modelroute.engine.plan import Allowance, Leg, Plan
    from modelroute.policy.budget import Account, Budget
    from modelroute.resilience.breaker import Permit
    from modelroute.types.events import StreamEvent
    from modelroute.types.ledger import Entry
    from modelroute.types.limits import RateLimits
    from modelroute.types.request import Request

__all__ = ["AFTER_FINISH", "LEASE_GRACE", "QUEUE_PATIENCE", "AttemptFlow"]

LEASE_GRACE = 30.0
"""Seconds a reservation outlives the deadline before it becomes presumed spend (docs/reference/defaults.md)."""

QUEUE_PATIENCE = 1.0
"""Seconds that a slot of a busy target is waited for while another target can be tried."""

AFTER_FINISH = 2.0
"""Seconds that usage and the end are waited for once the model has said that it is done: the answer is whole."""


class AttemptFlow:
    """One attempt in the making.

    `run` is its flow; afterwards `record`, `assembly`, `failure` and `committed` tell what became of it. `broken`: what
    broke an attempt whose words the caller holds, so that the first content of this one says that it begins anew.
    """

    __slots__ = (
        "_allowance", "_asked_at", "_booking", "_draft", "_first_token_at", "_lane", "_opened_at", "_permit", "_plan",
        "_preface", "_request", "_reservation", "_reserved", "_sent", "_undelivered", "_waited", "assembly",
        "committed", "failure", "is_beaten", "leg", "number", "record", "refused", "why",
    )  # fmt: skip

    def __init__(
        self,
        plan: Plan,
        leg: Leg,
        lane: int,
        *,
        number: int,
        serial: int,
        why: str,
        request: Request,
        allowance: Allowance,
        broken: Failure | None = None,
        permit: Permit | None = None,
    ) -> None:
        self._plan = plan
        self.leg = leg
        self._lane = lane
        self._request = request
        self._allowance = allowance
        self._reservation = f"{plan.id}.{serial}"
        self._reserved = allowance.bound if plan.is_strict(leg.ranked.target) else None
        self._booking: Booking | None = None
        self._draft: Entry | None = None
        self._permit = permit
        self._waited = 0.0
        self._sent = False
        self._opened_at = plan.clock()
        self._asked_at = plan.wall()
        self._first_token_at: float | None = None
        self._undelivered: list[StreamEvent] = []
        self._preface: list[StreamEvent] = [] if broken is None else [Restarted(leg.ranked.target, broken, number)]
        self.number = number
        self.why = why
        self.assembly = Assembly()
        self.committed = False
        self.is_beaten = False
        self.failure: Failure | None = Failure(Kind.CANCELLED, "the caller went away")
        self.record: Attempt | None = None
        self.refused: Refused | Limited | Unavailable | None = None

    @property
    def undelivered(self) -> list[StreamEvent]:
        """Content that arrived with the end of the answer and has not been handed over."""
        return [*self._preface, *self._undelivered]

    @property
    def allowance(self) -> Allowance:
        """What it may cost."""
        return self._allowance

    @property
    def lane(self) -> int:
        """The number of the key it uses."""
        return self._lane

    @property
    def has_content(self) -> bool:
        """Whether anything of an answer came."""
        return self._first_token_at is not None

    def lose_to(self, winner: AttemptFlow) -> None:
        """Note, before `Cancelled` is thrown in, that another attempt beside this one was faster."""
        self.is_beaten = True
        self.failure = Failure(Kind.CANCELLED, f"lost the race to {winner.leg.ranked.target}")

    def run(self, others: bool) -> Flow[None]:
        """Make the attempt. `others`: another eligible target remains, so patience is limited."""
        collected = False
        try:
            yield from self._run(others)
        except GeneratorExit:
            collected = True  # by the garbage collector, at any point: a breaker's lock may be held right here
            raise
        finally:
            if not collected:
                self._hand_back()

    def _hand_back(self) -> None:
        """Tell the target's breaker what became of the call."""
        plan, permit, target = self._plan, self._permit, self.leg.ranked.target
        if plan.breakers is None or permit is None:
            return
        now = plan.wall()
        outcome = Outcome.IGNORED
        if self._sent:
            slow = plan.experience.answers.is_slow(target, self.first_token, now)
            outcome = outcome_of(self.failure, slow=slow)
        plan.breakers.record(target, self.leg.place(self._lane), permit, outcome, now=now, draw=plan.draw)

    def _run(self, others: bool) -> Flow[None]:
        plan = self._plan
        call = self.leg.prepare(self._request, self._allowance.output_cap)
        answer = yield from reserve(self._reserving())
        if not isinstance(answer, Granted):
            self.refused = answer
            return
        exchange: Exchange | None = None
        collected = False
        try:
            self._opened_at = now = plan.clock()
            self._asked_at = plan.wall()
            patience = self._patience(now, others, streamed=call.streamed)
            self._sent = True
            command = Open(
                self.leg.ranked.target,
                call,
                self._lane,
                plan.timeouts.connect,
                patience,
                queue=QUEUE_PATIENCE if others else None,
            )
            try:
                opened = yield from open_exchange(command)
            except Cancelled:
                self._sent = not command.fate.unsent
                raise
            if isinstance(opened, Failed):
                self.failure = self._blame_deadline(opened.failure)
                self._sent = opened.failure.kind is not Kind.SATURATED
            else:
                self._waited = opened.waited
                exchange = opened.exchange
                if opened.limits is not None:
                    self._heed(opened.limits)
                yield from self._read(exchange, patience, others)
        except GeneratorExit:
            collected = True  # by the garbage collector, with nobody left to drive: the lease ends the reservation
            raise
        finally:
            if not collected:
                if exchange is not None:
                    yield Close(exchange)
                yield self._settlement()

    def _heed(self, limits: RateLimits) -> None:
        """Let the lane rest when this answer was the last its rate limit allows: the next would only be refused."""
        plan, target = self._plan, self.leg.ranked.target
        for left, reset in ((limits.requests_left, limits.requests_reset), (limits.tokens_left, limits.tokens_reset)):
            if left == 0 and reset:
                now = plan.wall()
                until = now + min(reset, LONGEST_HINT)
                plan.held(target, self._lane, plan.experience.hold(target, self._lane, until, known=True, since=now))

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
                deliver = self.undelivered
                self._undelivered, self._preface = [], []
                self.committed = True

    def _checked(self) -> Failure | None:
        """Look at the finished answer *before* it is settled: a final settlement forgets the request's account."""
        check = self._plan.check
        return None if check is None else check(self.assembly)

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
            first = plan.experience.answers.first_token_limit(self.leg.ranked.target, timeouts.first_token, plan.wall())
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

    def _reserving(self) -> Reserve:
        plan, lease = self._plan, self._lease()
        booking = self._booking = booking_of(plan, self.leg, self._lane, self._allowance, lease)
        if plan.records:
            self._draft = draft_of(
                plan, self.leg, booking, reservation=self._reservation, number=self.number, why=self.why
            )
        return Reserve(self._reservation, booking.claims, lease, booking.rates, self._draft, plan.deadline)

    def booked(self, scope: str) -> tuple[Budget, Account] | None:
        """Return the budget and the account that `scope` names, `None` when it is the request's own ceiling."""
        return None if self._booking is None else self._booking.budgets.get(scope)

    def _lease(self) -> float:
        plan = self._plan
        return plan.wall() + max(0.0, plan.deadline - plan.clock()) + LEASE_GRACE

    def _settlement(self) -> Settle:
        """Close the books of this attempt: its record, its cost, and the notices."""
        plan, leg = self._plan, self.leg
        if self.failure is not None and self.failure.kind is not Kind.INVALID_OUTPUT:  # those words are our own
            self.failure = without_quotes(self.failure, plan.request)
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
            at=self._asked_at,
            finish=self.assembly.finish,
            response_id=self.assembly.id,
            served_model=self.assembly.model,
            lane=self._lane,
        )
        at = plan.wall()
        plan.emit(Attempted(plan.id, self.record, at))
        plan.emit(Settled(plan.id, self._reservation, target, self.record.reserved, charged.cost, charged.basis, at))
        if self._reserved is not None and charged.cost > self._reserved:
            plan.emit(Overrun(plan.id, target, self._reserved, charged.cost, at))
        return self._settle(self.record)

    def _settle(self, record: Attempt) -> Settle:
        usage, booking, draft = self.assembly.usage, self._booking, self._draft
        return Settle(
            self._reservation,
            record.cost,
            final=self.failure is None,
            sent=self._sent,
            tokens=None if usage is None else usage.input_tokens + usage.output_tokens,
            entry=None if draft is None or not self._sent else row_of(draft, record, self._content()),
            booked=booking is not None and bool(booking.budgets or booking.rates),
        )

    def _content(self) -> str | None:
        """Return prompt and answer as JSON, only where the router was told to record them."""
        if not self._plan.content:
            return None
        return json.dumps({"messages": self._request.messages, "answer": self.assembly.text}, default=str)

    @property
    def first_token(self) -> float | None:
        """Seconds from opening to the first content, `None` when none came."""
        return None if self._first_token_at is None else self._first_token_at - self._opened_at - self._waited

    @property
    def cost(self) -> Money:
        """What the attempt was charged."""
        return self.record.cost if self.record is not None else ZERO
