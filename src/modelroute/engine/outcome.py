"""How a request ends: the reply, or the error that says what happened and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelroute.engine.progress import CUT
from modelroute.errors import (
    AttemptsFailedError,
    BudgetExceededError,
    DeadlineExceededError,
    InvalidOutputError,
    NoEligibleTargetError,
    StoreLostError,
    StoreUnavailableError,
    StreamInterruptedError,
)
from modelroute.policy.budget import VIEW
from modelroute.types.decision_text import exactly
from modelroute.types.failure import Failure, Kind
from modelroute.types.reply import Reply

if TYPE_CHECKING:
    from modelroute.engine.assembly import Assembly
    from modelroute.engine.plan import Allowance, Leg, Plan
    from modelroute.money import Money
    from modelroute.policy.budget import Account, Budget
    from modelroute.types.attempt import Attempt
    from modelroute.types.claims import Refused, Unavailable
    from modelroute.types.decision import Decision
    from modelroute.types.reply import Partial

__all__ = ["exceeded", "failed", "nothing_eligible", "nothing_fits", "reply_from", "unavailable"]

_UNSURE = ("reservation", "estimate")

_WHAT_NEXT = {
    Kind.SATURATED: "Lower the concurrency or raise the limit.",
    Kind.UNREACHABLE: "Check the base URL, the network and the proxy settings.",
    Kind.RATE_LIMITED: "Wait, raise the provider's limit, or add another target or key.",
    Kind.EXHAUSTED: "Top up the account at the provider or add another provider.",
    Kind.DENIED: "Check the key, its region and its permissions.",
    Kind.NOT_SERVED: "Check the model's name and the base URL at that provider.",
    Kind.INVALID: "Correct the request; the provider's words say what it refuses.",
    Kind.UNPROVED: "Two providers refused the request: look at the provider's words.",
    Kind.UNSUPPORTED: "Leave the feature out or add a target that takes it.",
    Kind.TOO_LONG: "Shorten the prompt or add a target with a larger context.",
    Kind.REFUSED: "Rephrase the request, or ask another model; `.failure.refusal` holds the model's words, if any.",
    Kind.LATE: "Give the call a longer deadline=, or prefer a faster target.",
    Kind.SILENT: "Raise Timeouts(first_token=...) if the model needs longer to begin.",
    Kind.INVALID_OUTPUT: "Simplify the schema or prefer a stronger target.",
}

_CUT_OFF = "Raise max_tokens=, or max_cost= where that lowered the cap, or ask for a shorter answer."


def _was_cut(failure: Failure) -> bool:
    return failure.kind is Kind.INVALID_OUTPUT and failure.provider_code == CUT


def reply_from(  # noqa: PLR0917 - what a reply is made of, in the order it came about
    plan: Plan, leg: Leg, assembly: Assembly, allowance: Allowance, attempts: tuple[Attempt, ...], spent: Money
) -> Reply:
    """Return the reply of the attempt that answered."""
    bases = {attempt.basis for attempt in attempts if attempt.basis != "unbilled"}
    unsure = next((basis for basis in _UNSURE if basis in bases), None)
    return Reply(
        text=assembly.text,
        message=assembly.message(leg.provenance),
        finish=assembly.finish,
        target=leg.ranked.target,
        model=leg.ranked.model,
        cost=spent,
        cost_basis=unsure or next(attempt.basis for attempt in attempts if attempt.succeeded),
        attempts=attempts,
        decision=plan.decision,
        usage=assembly.usage,
        reasoning=assembly.reasoning,
        refusal=assembly.refusal,
        tool_calls=assembly.tool_calls,
        capped_by=allowance.capped_by,
        left_out=leg.ranked.left_out,
        degraded=assembly.degraded,
        logprobs=assembly.logprobs,
        raw=assembly.raw,
        id=assembly.id,
        served_model=assembly.model,
        conversation=plan.conversation,
    )


def nothing_eligible(decision: Decision) -> NoEligibleTargetError:
    """Return the error for a request that no target may serve."""
    return NoEligibleTargetError(
        "no target is eligible for this request; nothing was sent. Relax what rejected them, or add a provider.\n"
        + decision.table(),
        decision=decision,
    )


def nothing_fits(plan: Plan, refused: Refused | None, retry_after: float | None) -> NoEligibleTargetError:
    """Return the error for a request of which nothing was sent."""
    if refused is not None:
        wanted, left = refused.wanted, refused.left
        why = f"no attempt fits the money that is left: {refused.scope} has {left} of the {wanted} wanted."
    elif retry_after is not None:
        why = f"every eligible target rests; the first is back in {retry_after:.1f} s. Retry then, or add a target."
    elif plan.max_cost is None:
        why = (
            "the request may take more tokens than the tpm= of any target allows in a minute. Cap the output "
            "(max_tokens=), shorten the prompt, or raise tpm=."
        )
    else:
        why = f"no attempt fits under max_cost={plan.max_cost}. Raise it, shorten the prompt, or cap the output."
    return NoEligibleTargetError(f"{why}\n{plan.decision.table()}", decision=plan.decision, retry_after=retry_after)


def exceeded(  # noqa: PLR0917 - what an error is made of, in the order it came about
    plan: Plan, budget: Budget, account: Account, refused: Refused, attempts: tuple[Attempt, ...], spent: Money
) -> BudgetExceededError:
    """Return the error for a request that a budget has no room for."""
    retry_after = None if account.resets is None else max(0.0, account.resets - plan.wall())
    less = ", cap the output (max_tokens=)" if budget.hard else ""
    if refused.wanted > budget.limit:
        when = f"That is more than the whole budget: raise its limit{less}, or send the request elsewhere."
    elif account.rolling is not None:
        when = "It has room again as what was spent leaves its window."
    elif retry_after is None:
        when = f"Raise its limit{less}, or send the request elsewhere."
    else:
        when = f"Its window ends in {retry_after:.0f} s. Retry then{less}, or raise its limit."
    begun = f" After {len(attempts)} attempt{'' if len(attempts) == 1 else 's'} ({spent})." if attempts else ""
    what, where = f"budget {budget.name!r}", f" ({account.scope})"
    if budget.name.startswith(VIEW):
        what, where = "the budget of this view", ""
    return BudgetExceededError(
        f"{what} has {exactly(refused.left)} of {budget.limit} left, and {exactly(refused.wanted)} "
        f"must be set aside{where}.{begun} {when}\n{plan.decision.table()}",
        budget=budget.name,
        scope=account.scope,
        limit=budget.limit,
        left=refused.left,
        wanted=refused.wanted,
        retry_after=retry_after,
        decision=plan.decision,
        attempts=attempts,
        cost=spent,
    )


def unavailable(plan: Plan, refused: Unavailable, attempts: tuple[Attempt, ...], spent: Money) -> StoreUnavailableError:
    """Return the error for a request whose hard budgets cannot be asked."""
    begun = f" {len(attempts)} attempts were made before ({spent})." if attempts else ""
    budgets = ", ".join(budget.name for budget in plan.budgets if budget.hard)
    kind = StoreLostError if refused.lost else StoreUnavailableError
    return kind(
        f"the store that keeps the budgets ({budgets}) cannot be asked, so nothing is sent: {refused.why}.{begun} "
        "Mend the store, or make the budgets soft (hard=False), which then go on unrecorded."
    )


def failed(  # noqa: PLR0917 - what an error is made of, in the order it came about
    plan: Plan,
    failure: Failure,
    attempts: tuple[Attempt, ...],
    spent: Money,
    partial: Partial | None,
    retry_after: float | None,
) -> AttemptsFailedError:
    """Return the error for a request whose attempts all failed."""
    count = len(attempts)
    head = f"no answer after {count} attempt{'' if count == 1 else 's'} ({spent}): {str(failure).rstrip('.')}."
    lines = [head, *(f"  {attempt}" for attempt in attempts)]
    if retry_after is not None:
        lines.append(f"The first target is back in {retry_after:.1f} s.")
    advice = _CUT_OFF if _was_cut(failure) else _WHAT_NEXT.get(failure.kind)
    if advice is not None:
        lines.append(advice)
    lines.append(plan.decision.table())
    message = "\n".join(lines)
    if partial is not None:
        return StreamInterruptedError(
            message,
            decision=plan.decision,
            attempts=attempts,
            failure=failure,
            cost=spent,
            partial=partial,
            retry_after=retry_after,
        )
    if failure.kind is Kind.INVALID_OUTPUT:
        return InvalidOutputError(
            message,
            decision=plan.decision,
            attempts=attempts,
            failure=failure,
            cost=spent,
            problems=tuple(failure.message.split("; ")),
            retry_after=retry_after,
        )
    kind = DeadlineExceededError if failure.kind is Kind.LATE else AttemptsFailedError
    return kind(
        message, decision=plan.decision, attempts=attempts, failure=failure, cost=spent, retry_after=retry_after
    )
