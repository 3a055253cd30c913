"""The flow of one request: try targets in the decision's order until one answers or nobody may be asked any more.

One generator serves sync and async, plain and streamed, real and virtual time. It does no I/O: it yields the commands
of `engine.commands`, and a driver in `runtime` executes them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from modelroute.engine.attempt import AttemptFlow
from modelroute.engine.booking import subject_of
from modelroute.engine.commands import Cancelled, sleep
from modelroute.engine.hedge import hedged
from modelroute.engine.outcome import exceeded, failed, nothing_fits, reply_from, unavailable
from modelroute.engine.progress import HEDGE, Progress, Stop, Try, Wait
from modelroute.errors import RouterClosedError
from modelroute.money import ZERO
from modelroute.policy.cost import BUDGET, CEILING
from modelroute.types.claims import Limited, Refused, Unavailable
from modelroute.types.failure import Failure, Kind, Retry
from modelroute.types.notices import BudgetRefused, Decided, Finished, Held

if TYPE_CHECKING:
    from array import array
    from collections.abc import Sequence

    from modelroute.engine.commands import Flow
    from modelroute.engine.plan import Allowance, Leg, Plan
    from modelroute.errors import BudgetExceededError, ModelRouteError
    from modelroute.money import Money
    from modelroute.policy.budget import Account, Budget
    from modelroute.types.attempt import Attempt
    from modelroute.types.events import StreamEvent
    from modelroute.types.reply import Reply
    from modelroute.types.request import Request

__all__ = ["MOST_REFUSALS", "Answered", "route"]

MOST_REFUSALS = 8
"""Times that a request asks budgets anew for less, before it looks elsewhere: others spend from them meanwhile."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The request was answered.

    `undelivered`: content of the last read that a stream has yet to hand over. `vectors`: what came where embeddings
    were asked for.
    """

    reply: Reply
    undelivered: Sequence[StreamEvent]
    vectors: tuple[array[float], ...] = ()


def route(plan: Plan) -> Flow[Answered]:
    """Return the flow of one request.

    Ends with `Answered`, or raises `AttemptsFailedError` and its kinds, `NoEligibleTargetError` when no attempt fits
    the ceiling, or `commands.Cancelled` when that was thrown in.
    """
    course = _Course(plan)
    plan.emit(
        Decided(
            plan.id,
            plan.decision,
            plan.wall(),
            task=plan.decision.task,
            tags=plan.tags,
            user=plan.user,
            conversation=plan.conversation,
            stream=plan.streaming,
            embeds=plan.request.embedding is not None,
        )
    )
    plan.retry_budget.deposit()
    try:
        while True:
            now = plan.clock()
            if now >= course.plan.deadline:
                raise course.give_up(Failure(Kind.LATE, "the deadline passed"))
            if course.attempts and plan.is_closed():
                raise course.closed()
            step = course.progress.next(now)
            if isinstance(step, Wait):
                yield from sleep(min(step.seconds, course.plan.deadline - now))
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

    __slots__ = (
        "_broken", "_handed", "_hedges", "_last", "_patience", "attempts", "exceeded", "left", "plan", "progress",
        "refusals", "refused", "request", "serial", "spent",
    )  # fmt: skip

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.progress = Progress(plan)
        self.request = plan.request
        self.attempts: list[Attempt] = []
        self.spent = ZERO
        self.refused: Refused | None = None
        self.exceeded: tuple[Budget, Account, Refused] | None = None
        self.left: dict[str, Money] = {}
        self.refusals = 0
        self.serial = 0
        self._patience = plan.deadline - plan.started
        self._hedges = 0
        self._last: AttemptFlow | None = None
        self._handed: AttemptFlow | None = None
        self._broken: Failure | None = None

    @property
    def made(self) -> tuple[Attempt, ...]:
        """The attempts that ended, in the order in which they began."""
        return tuple(sorted(self.attempts, key=lambda attempt: attempt.number))

    def attempt(self, step: Try) -> Flow[Answered | None]:
        """Make the attempt of `step`; `None` means: go on."""
        leg = step.leg
        request = self._request_for(leg)
        allowance = self._allowance(step, request)
        if allowance is None:
            self.progress.not_tried(step)
            self.progress.pass_over(leg)
            return None
        flow = self._begun(step, request, allowance)
        others = self._has_alternative(leg, allowance)
        delay = self.hedge_delay(leg) if others else None
        if delay is None:
            try:
                yield from flow.run(others)
            finally:
                self._book(flow)
            self._take_in(flow)
        else:
            flow = yield from hedged(self, flow, others, delay)
        if flow.refused is not None:
            self._not_granted(flow, flow.lane, flow.refused)
            return None
        if flow.failure is None:
            return self._answered(flow)
        if flow.failure.kind is Kind.LATE or (flow.committed and not self._may_restart(flow.failure)):
            raise self.give_up(flow.failure)
        return None

    def _begun(
        self, step: Try, request: Request, allowance: Allowance, beside: Sequence[AttemptFlow] = ()
    ) -> AttemptFlow:
        self.serial += 1
        flow = AttemptFlow(
            self.plan,
            step.leg,
            step.lane,
            number=len(self.attempts) + len(beside) + 1,
            serial=self.serial,
            why=step.why,
            request=request,
            allowance=allowance,
            broken=self._broken,
            permit=step.permit,
        )
        self.progress.began(step.leg)
        return flow

    def hedge_delay(self, leg: Leg) -> float | None:
        """Return the seconds to wait for content of `leg` before another target is asked, too; `None`: none is."""
        hedge = self.plan.hedge
        if hedge is None or self._hedges >= hedge.max_extra:
            return None
        return self._usual(leg) if hedge.after is None else hedge.after

    def _usual(self, leg: Leg) -> float | None:
        """The seconds within which 95 % of the target's answers begin, as far as that is known."""
        return self.plan.experience.answers.p95(leg.ranked.target, self.plan.wall())

    def challenger(self, running: Sequence[AttemptFlow]) -> tuple[AttemptFlow, bool] | None:
        """Return an attempt to run beside those that run, and whether yet others remain; `None` when none may.

        What it may cost must fit beside what the others may, and it costs a token of the retry budget.
        """
        plan = self.plan
        busy = [each.leg.ranked.target for each in running]
        for step in self.progress.rivals(busy):
            ranked = step.leg.ranked
            room = self._room(step.leg)
            if room is not None:
                reserved = _together(running)
                if reserved is None:
                    return None
                room -= reserved
            others = [name for name in self.progress.others(step.leg) if name not in busy]
            if room is not None and room.pico < 0:
                continue
            allowance = self._named(step.leg, plan.allow(ranked, room, others.copy, False, plan.request))
            if allowance is None:
                continue
            if not plan.retry_budget.withdraw(plan.clock()):
                return None
            self._hedges += 1
            flow = self._begun(step, plan.request, allowance, running)
            return flow, self._has_alternative(step.leg, allowance, running)
        return None

    def ended(self, attempt: AttemptFlow) -> None:
        """Take note of an attempt of a race that is over, however it ended."""
        self._book(attempt)
        self._take_in(attempt)
        refused = attempt.refused
        if attempt.why == HEDGE and isinstance(refused, Refused) and (booked := attempt.booked(refused.scope)):
            plan, (budget, account) = self.plan, booked
            plan.emit(
                BudgetRefused(plan.id, budget.name, account.scope, refused.wanted, refused.left, True, plan.wall())
            )

    def _take_in(self, flow: AttemptFlow) -> None:
        """Learn from an attempt that is over. One that was cancelled says nothing."""
        leg, failure = flow.leg, flow.failure
        if flow.refused is not None:
            self.progress.not_begun(leg)
        elif flow.is_beaten:
            self.progress.beaten(leg, flow.lane)
            if flow.record is not None:
                learn, wall = self.plan.experience.answers.answered, self.plan.wall()
                learn(leg.ranked.target, wall, first_token=flow.record.seconds, output_tokens=None)
        elif failure is not None and failure.kind is not Kind.CANCELLED:
            self._failed(flow, failure)

    def _allowance(self, step: Try, request: Request) -> Allowance | None:
        leg, room = step.leg, self._room(step.leg)
        if room is None:
            return self.plan.allow(leg.ranked, None, list, False, request)
        if room.pico < 0:
            return None
        others = partial(self.progress.others, leg)
        return self._named(leg, self.plan.allow(leg.ranked, room, others, step.why == "retry", request))

    def _named(self, leg: Leg, allowance: Allowance | None) -> Allowance | None:
        """Return `allowance`, which says that a budget lowered the cap where less is left of it than of the ceiling."""
        if allowance is None or allowance.capped_by != CEILING:
            return allowance
        left, limit = self._left_of_budgets(leg), self.plan.max_cost
        by_budget = left is not None and (limit is None or left < limit - self.spent)
        return replace(allowance, capped_by=BUDGET) if by_budget else allowance

    def _has_alternative(self, leg: Leg, allowance: Allowance, beside: Sequence[AttemptFlow] = ()) -> bool:
        """Whether another target can be tried, and paid for, if this attempt and those `beside` it come to nothing."""
        if not self.progress.has_alternative(leg):
            return False
        busy = [each.leg for each in beside]
        others = (other for other in self.progress.alternatives(leg) if other not in busy)
        limit, reserved = self.plan.max_cost, _together(beside)
        if limit is None or allowance.bound is None or reserved is None:
            return not busy or any(True for _ in others)
        room = limit - self.spent - allowance.bound - reserved
        plan = self.plan
        return any(plan.allow(other.ranked, room, list, False, plan.request) is not None for other in others)

    def _room(self, leg: Leg) -> Money | None:
        """What an attempt on `leg` may cost: what is left of the ceiling, and of budgets that asked for less."""
        limit, left = self.plan.max_cost, self._left_of_budgets(leg)
        rooms = (None if limit is None else limit - self.spent, left)
        return min((room for room in rooms if room is not None), default=None)

    def _left_of_budgets(self, leg: Leg) -> Money | None:
        """What those accounts have left that an attempt on `leg` was refused by, or would be booked on, too."""
        if not self.left:
            return None
        plan, subject = self.plan, subject_of(self.plan, leg.ranked)
        now = plan.wall()
        booked = (
            account for budget in plan.budgets if budget.covers(subject) for account in budget.accounts(subject, now)
        )
        return min((self.left[account.scope] for account in booked if account.scope in self.left), default=None)

    def _not_granted(self, flow: AttemptFlow, lane: int, refused: Refused | Limited | Unavailable) -> None:
        """Go elsewhere, or raise, where nothing could be set aside for an attempt."""
        plan, leg = self.plan, flow.leg
        if isinstance(refused, Unavailable):
            raise self._refusing(unavailable(plan, refused, self.made, self.spent))
        if isinstance(refused, Limited):
            if refused.retry_after is None:
                self.progress.pass_over(leg)
            else:
                self.progress.rest(leg, lane, plan.wall() + refused.retry_after)
            return
        self.refused = refused
        booked = flow.booked(refused.scope)
        if booked is None:
            self.progress.pass_over(leg)
            return
        budget, account = booked
        self.exceeded = budget, account, refused
        name, scope, moved_on = budget.name, account.scope, budget.moves_on
        plan.emit(BudgetRefused(plan.id, name, scope, refused.wanted, refused.left, moved_on, plan.wall()))
        if not moved_on:
            raise self._refusing(self._over_budget(budget, account, refused))
        self.refusals += 1
        if budget.on_exceeded == "cheaper" and self.refusals <= MOST_REFUSALS:
            self.left[scope] = min(refused.left, self.left.get(scope, refused.left))
        else:
            self.progress.pass_over(leg)

    def _over_budget(self, budget: Budget, account: Account, refused: Refused) -> BudgetExceededError:
        return exceeded(self.plan, budget, account, refused, self.made, self.spent)

    def _refusing(self, error: ModelRouteError) -> ModelRouteError:
        """Tell that the request is over because money could not be set aside."""
        last = self.attempts[-1].failure if self.attempts else None
        if self._handed is not None:
            return self.give_up(last)  # the caller holds words that nothing replaces: what arrived must not be lost
        self.finished(None, last or Failure(Kind.SATURATED, "no money could be set aside"))
        return error

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

    def _failed(self, flow: AttemptFlow, failure: Failure) -> None:
        leg, lane = flow.leg, flow.lane
        if flow.committed:
            self._handed = flow
            if self._may_restart(failure):
                self._restart(failure)
        plan = self.plan
        self.progress.failed(leg, lane, failure, plan.clock())
        hold = plan.experience.resting(leg.ranked.target, leg.lanes, plan.wall())
        if hold is not None:
            plan.emit(Held(plan.id, leg.ranked.target, lane, hold.until, failure, plan.wall()))

    def _may_restart(self, failure: Failure) -> bool:
        """Whether the caller takes words back, and the failure lets another attempt be made."""
        return self.plan.on_interrupt == "restart" and failure.retry is not Retry.NEVER

    def _restart(self, failure: Failure) -> None:
        """Begin anew: unless the caller bounded everything, as long may pass to the first content as at first."""
        self._broken = failure
        if not self.plan.explicit:
            self.plan = self.progress.plan = replace(self.plan, deadline=self.plan.clock() + self._patience)

    def _answered(self, flow: AttemptFlow) -> Answered:
        plan, leg, allowance = self.plan, flow.leg, flow.allowance
        usage = flow.assembly.usage
        target = leg.ranked.target
        plan.experience.answered(target, plan.wall(), None if usage is None else usage.output_tokens, flow.first_token)
        reply = reply_from(plan, leg, flow.assembly, allowance, self.made, self.spent)
        plan.answered(reply)
        self.finished(target, None)
        return Answered(reply, flow.undelivered, flow.assembly.vectors)

    def give_up(self, failure: Failure | None, retry_after: float | None = None) -> ModelRouteError:
        """Return the error that ends the request."""
        plan = self.plan
        failure = failure or (self.attempts[-1].failure if self.attempts else None)
        self.finished(None, failure)
        if self.exceeded is not None and (failure is None or not self.attempts):
            return self._over_budget(*self.exceeded)
        if failure is None:
            return nothing_fits(plan, self.refused, retry_after)
        held = self._handed
        partial = held.assembly.partial(held.leg.ranked.target) if held is not None else None
        return failed(plan, failure, self.made, self.spent, partial, retry_after)

    def closed(self) -> ModelRouteError:
        """Return the error of a request whose router was closed between two attempts."""
        failure = self.attempts[-1].failure
        if self._handed is not None:
            return self.give_up(failure)
        self.finished(None, failure)
        return RouterClosedError("this router was closed while the call was under way; make a new one")

    def finished(self, target: str | None, failure: Failure | None) -> None:
        """Tell that the request is over."""
        plan = self.plan
        seconds = plan.clock() - plan.started
        plan.emit(Finished(plan.id, target, failure, self.spent, seconds, len(self.attempts), plan.wall()))


def _together(attempts: Sequence[AttemptFlow]) -> Money | None:
    """Return the most that attempts which run may cost together, `None` when one of them is not bounded."""
    total = ZERO
    for attempt in attempts:
        if attempt.allowance.bound is None:
            return None
        total += attempt.allowance.bound
    return total
