"""Where an attempt is booked: the claims it makes before it is sent, and the row it leaves in the ledger."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from modelroute.money import ZERO
from modelroute.policy.budget import VIEW, Subject
from modelroute.types.claims import Claim, RateClaim
from modelroute.types.ledger import Entry, EntryKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelroute.engine.plan import Allowance, Leg, Plan
    from modelroute.money import Money
    from modelroute.policy.budget import Account, Budget
    from modelroute.types.attempt import Attempt
    from modelroute.types.decision import Decision, Ranked

__all__ = ["Booking", "booking_of", "decision_digest", "draft_of", "row_of", "subject_of"]


@dataclass(frozen=True, slots=True)
class Booking:
    """What one attempt claims. `budgets`: by the scope of each claim, the budget it is for and the account."""

    claims: tuple[Claim, ...]
    rates: tuple[RateClaim, ...]
    budgets: Mapping[str, tuple[Budget, Account]]

    @property
    def accounts(self) -> tuple[str, ...]:
        """Scopes of the budget accounts the attempt is charged to, but those of views: they die with their view."""
        return tuple(scope for scope in self.budgets if not scope.startswith(VIEW))


def booking_of(plan: Plan, leg: Leg, lane: int, allowance: Allowance, lease: float) -> Booking:
    """Return what an attempt on `leg` claims: all of it is granted in one step, or nothing."""
    claims: list[Claim] = []
    if plan.max_cost is not None and allowance.bound is not None:
        claims.append(Claim(f"request:{plan.id}", plan.max_cost, allowance.bound, lease))
    budgets: dict[str, tuple[Budget, Account]] = {}
    if plan.budgets:
        now = plan.wall()
        subject = subject_of(plan, leg.ranked)
        for budget in plan.budgets:
            if not budget.covers(subject):
                continue
            amount = _amount(plan, leg.ranked, allowance, hard=budget.hard)
            for account in budget.accounts(subject, now):
                ends = max(account.ends, lease)
                claims.append(Claim(account.scope, budget.limit, amount, ends, account.rolling, budget.hard))
                budgets[account.scope] = budget, account
    return Booking(tuple(claims), _rates(leg, lane, allowance), budgets)


def draft_of(plan: Plan, leg: Leg, booking: Booking, *, reservation: str, number: int, why: str) -> Entry:
    """Return the row that is appended should nobody live to settle the attempt."""
    decision, ranked = plan.decision, leg.ranked
    return Entry(
        id=reservation,
        kind=EntryKind.PRESUMED,
        request=plan.id,
        number=number,
        at=plan.wall(),
        scenario=decision.scenario,
        task=decision.task,
        tags=tuple(sorted(plan.tags)),
        user=plan.user,
        target=ranked.target,
        why=why,
        decision=decision_digest(decision),
        snapshot=decision.snapshot,
        input_tokens=None,
        output_tokens=None,
        cached_tokens=None,
        cache_write_tokens=None,
        reasoning_tokens=None,
        estimate=ranked.estimate,
        reserved=ZERO,
        cost=ZERO,
        basis="reservation",
        failure="lost",
        finish=None,
        seconds=None,
        first_token=None,
        accounts=booking.accounts,
    )


def row_of(draft: Entry, attempt: Attempt, content: str | None) -> Entry:
    """Return the row of an attempt that ended; `content` only where it is to be recorded."""
    usage = attempt.usage
    return replace(
        draft,
        kind=EntryKind.ATTEMPT,
        at=attempt.at,
        input_tokens=None if usage is None else usage.input_tokens,
        output_tokens=None if usage is None else usage.output_tokens,
        cached_tokens=None if usage is None else usage.cached_tokens,
        cache_write_tokens=None if usage is None else usage.cache_write_tokens,
        reasoning_tokens=None if usage is None else usage.reasoning_tokens,
        reserved=attempt.reserved,
        cost=attempt.cost,
        basis=attempt.basis,
        failure=None if attempt.failure is None else attempt.failure.kind.value,
        finish=attempt.finish or None,
        seconds=attempt.seconds,
        first_token=attempt.first_token,
        content=content,
    )


def decision_digest(decision: Decision) -> str:
    """Return twelve hex digits of what makes a decision: equal for equal ones, with equal snapshots."""
    parts = (
        decision.policy, decision.catalog, decision.snapshot, decision.scenario, decision.rules, decision.constraints,
        decision.objective, decision.task, decision.selector, decision.target,
    )  # fmt: skip
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


def subject_of(plan: Plan, ranked: Ranked) -> Subject:
    """Return the attempt as budgets see it."""
    decision = plan.decision
    return Subject(
        task=decision.task,
        tags=plan.tags,
        user=plan.user,
        scenario=decision.scenario,
        target=ranked.target,
        model=ranked.model,
        provider=ranked.provider,
    )


def _amount(plan: Plan, ranked: Ranked, allowance: Allowance, *, hard: bool) -> Money:
    """Return what to set aside: the bound under a promise, else what will probably be spent, which a low cap lowers.

    Where the caller accepted that the cost is not bounded there is no bound, and where there is no price, nothing.
    """
    likely = plan.likely(ranked) or ZERO
    if allowance.bound is None:
        return likely
    return allowance.bound if hard else min(likely, allowance.bound)


def _rates(leg: Leg, lane: int, allowance: Allowance) -> tuple[RateClaim, ...]:
    name = f"rate:{leg.ranked.target}#{lane}"
    rates: list[RateClaim] = []
    if leg.rpm is not None:
        rates.append(RateClaim(f"{name}:requests", leg.rpm, 1, "requests"))
    if leg.tpm is not None:
        answer = leg.ranked.output_tokens
        if allowance.output_cap is not None:
            answer = min(answer, allowance.output_cap)
        rates.append(RateClaim(f"{name}:tokens", leg.tpm, leg.ranked.input_tokens + answer, "tokens"))
    return tuple(rates)
