"""The flow of one request: try targets in the decision's order until one answers or nobody may be asked any more.

One generator serves sync and async, plain and streamed, real and virtual time. It does no I/O: it yields the commands
of `engine.commands`, and a driver in `runtime` executes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelroute.engine.attempt import AttemptFlow
from modelroute.engine.commands import Cancelled, sleep
from modelroute.engine.outcome import failed, nothing_fits, reply_from
from modelroute.engine.progress import Progress, Stop, Try, Wait
from modelroute.money import ZERO
from modelroute.types.failure import Failure, Kind
from modelroute.types.notices import Decided, Finished, Held

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelroute.engine.commands import Flow
    from modelroute.engine.plan import Allowance, Leg, Plan
    from modelroute.errors import ModelRouteError
    from modelroute.types.attempt import Attempt
    from modelroute.types.claims import Refused
    from modelroute.types.events import StreamEvent
    from modelroute.types.reply import Reply
    from modelroute.types.request import Request

__all__ = ["Answered", "route"]


@dataclass(frozen=True, slots=True)
class Answered:
    """The request was answered. `undelivered`: content of the last read that a stream has yet to hand over."""

    reply: Reply
    undelivered: Sequence[StreamEvent]


def route(plan: Plan) -> Flow[Answered]:
    """Return the flow of one request.

    Ends with `Answered`, or raises `AttemptsFailedError` and its kinds, `NoEligibleTargetError` when no attempt fits
    the ceiling, or `commands.Cancelled` when that was thrown in.
    """
    course = _Course(plan)
    plan.emit(Decided(plan.id, plan.decision))
    plan.retry_budget.deposit()
    try:
        while True:
            now = plan.clock()
            if now >= plan.deadline:
                raise course.give_up(Failure(Kind.LATE, "the deadline passed"))
            step = course.progress.next(now)
            if isinstance(step, Wait):
                yield from sleep(min(step.seconds, plan.deadline - now))
            elif isinstance(step, Stop):
                raise course.give_up(None, step.retry_after)
            else:
                answered = yield from course.attempt(step)
                if answered is not None:
                    return answered
    except Cancelled:
        course.finished(None, Failure(Kind.CANCELLED, "the caller went away"))
        raise


class _Course:
    """What happened so far in one request, and what is left of its money."""

    __slots__ = ("_last", "attempts", "plan", "progress", "refused", "request", "spent")

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.progress = Progress(plan)
        self.request = plan.request
        self.attempts: list[Attempt] = []
        self.spent = ZERO
        self.refused: Refused | None = None
        self._last: AttemptFlow | None = None

    def attempt(self, step: Try) -> Flow[Answered | None]:
        """Make the attempt of `step`; `None` means: go on."""
        plan, leg = self.plan, step.leg
        request = self._request_for(leg)
        allowance = self._allowance(step, request)
        if allowance is None:
            self.progress.pass_over(leg)
            return None
        flow = AttemptFlow(
            plan,
            leg,
            step.lane,
            number=len(self.attempts) + 1,
            why=step.why,
            request=request,
            allowance=allowance,
        )
        self.progress.began(leg)
        try:
            yield from flow.run(self._has_alternative(leg, allowance))
        finally:
            self._book(flow)
        if flow.refused is not None:
            self.refused = flow.refused
            self.progress.not_begun(leg)
            self.progress.pass_over(leg)
            return None
        if flow.failure is None:
            return self._answered(leg, flow, allowance)
        self._failed(leg, step.lane, flow, flow.failure)
        return None

    def _allowance(self, step: Try, request: Request) -> Allowance | None:
        limit, leg = self.plan.max_cost, step.leg
        if limit is None:
            return self.plan.allow(leg.ranked, None, list, False, request)
        room = limit - self.spent
        if room.pico < 0:
            return None
        return self.plan.allow(leg.ranked, room, lambda: self.progress.others(leg), step.why == "retry", request)

    def _has_alternative(self, leg: Leg, allowance: Allowance) -> bool:
        """Whether another target can be tried, and paid for, if this attempt comes to nothing."""
        if not self.progress.has_alternative(leg):
            return False
        limit = self.plan.max_cost
        if limit is None or allowance.bound is None:
            return True
        room = limit - self.spent - allowance.bound
        plan = self.plan
        return any(
            plan.allow(other.ranked, room, list, False, plan.request) is not None
            for other in self.progress.alternatives(leg)
        )

    def _request_for(self, leg: Leg) -> Request:
        last, repair = self._last, self.plan.repair
        if (
            repair is None
            or last is None
            or last.failure is None
            or last.failure.kind is not Kind.INVALID_OUTPUT
            or last.leg is not leg
        ):
            return self.plan.request
        return repair(self.plan.request, last.assembly.text, last.failure)

    def _book(self, flow: AttemptFlow) -> None:
        """Count the attempt, however it ended."""
        self._last = flow
        if flow.record is not None:
            self.attempts.append(flow.record)
            self.spent = self.spent + flow.record.cost

    def _failed(self, leg: Leg, lane: int, flow: AttemptFlow, failure: Failure) -> None:
        plan = self.plan
        self.progress.failed(leg, lane, failure, plan.clock())
        hold = plan.experience.resting(leg.ranked.target, leg.lanes, plan.wall())
        if hold is not None:
            plan.emit(Held(plan.id, leg.ranked.target, lane, hold.until, failure))
        if flow.committed or failure.kind is Kind.LATE:
            raise self.give_up(failure)

    def _answered(self, leg: Leg, flow: AttemptFlow, allowance: Allowance) -> Answered:
        plan = self.plan
        usage = flow.assembly.usage
        target = leg.ranked.target
        plan.experience.answered(target, None if usage is None else usage.output_tokens, flow.first_token)
        reply = reply_from(plan, leg, flow.assembly, allowance, tuple(self.attempts), self.spent)
        plan.answered(reply)
        self.finished(target, None)
        return Answered(reply, flow.undelivered)

    def give_up(self, failure: Failure | None, retry_after: float | None = None) -> ModelRouteError:
        """Return the error that ends the request."""
        plan = self.plan
        failure = failure or (self.attempts[-1].failure if self.attempts else None)
        self.finished(None, failure)
        if failure is None:
            return nothing_fits(plan, self.refused, retry_after)
        last = self._last
        partial = last.assembly.partial(last.record.target) if last and last.committed and last.record else None
        return failed(plan, failure, tuple(self.attempts), self.spent, partial, retry_after)

    def finished(self, target: str | None, failure: Failure | None) -> None:
        """Tell that the request is over."""
        plan = self.plan
        plan.emit(Finished(plan.id, target, failure, self.spent, plan.clock() - plan.started, len(self.attempts)))
