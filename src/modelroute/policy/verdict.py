"""From a ranking to what a caller reads: ranked targets with cap and bound, rejected ones with every reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from modelroute.catalog.model import Target
from modelroute.money import Money
from modelroute.policy.cost import NO_CEILING, fit_within, terms, unlimited, window_of
from modelroute.policy.eligibility import gone_after, relative_reason, request_reasons, standing_reasons
from modelroute.policy.ranking import Case, Ranking, best_at_hand
from modelroute.policy.scoring import quote, score_of
from modelroute.policy.view import Row
from modelroute.types.decision import Ranked, Reason, Rejected
from modelroute.types.decision_text import NOT_SET_UP

__all__ = ["kept_words", "make_ranked", "reject_rest"]


def make_ranked(case: Case, ranking: Ranking, number: int) -> Ranked:
    """Return the target that is ranked at `number`, from 0, with its cap and bound as the ceiling leaves them."""
    place = ranking.order[number]
    row = case.view.rows[place]
    candidate, facts, snapshot = row.candidate, case.facts, case.snapshot
    target = candidate.target
    at = terms(candidate, facts, snapshot)
    fitted = None
    if case.ceiling == NO_CEILING:
        fitted = fit_within(at, facts, NO_CEILING, None) if row.name in facts.hard_budget else None
    elif case.ceiling is not None:
        fitted = fit_within(at, facts, case.ceiling, ranking.hold_for(place))
    if fitted is None:
        fitted = unlimited(at, candidate, facts)
    estimate, score = ranking.estimates[place], case.view.scores[place]
    rests_until = snapshot.holds.get(row.name, 0.0)
    answers = facts.choices > 0  # vectors are no output that a cap could shorten
    return Ranked(
        target=row.name,
        model=target.model.name,
        provider=target.provider,
        vendor=target.model.vendor,
        estimate=None if estimate is None else Money.from_pico(estimate),
        bound=fitted.bound,
        output_cap=fitted.cap if answers else None,
        capped_by=fitted.capped_by if answers else None,
        held_for_fallback=fitted.held,
        input_tokens=at.tokens,
        input_bound=at.bound_tokens,
        output_tokens=at.forecast * facts.choices,
        context_window=window_of(target),
        score=None if score is None else quote(score),
        resting_until=rests_until if rests_until > snapshot.now else None,
        left_out=facts.left_out.get(row.name, ()),
    )


def reject_rest(
    case: Case, ranking: Ranking, rows: Sequence[Row], catalog: Mapping[str, Target]
) -> tuple[Rejected, ...]:
    """Return every candidate that is not ranked and every other target of the catalog, by name, with every reason."""
    ranked = {case.view.rows[place].name for place in ranking.order}
    best = best_at_hand(case)
    rejected = [Rejected(row.name, tuple(reasons_of(case, row, best))) for row in rows if row.name not in ranked]
    held = {row.name for row in rows}
    absent = (target for name, target in catalog.items() if name not in held)
    rejected += [Rejected(target.name, tuple(_absence(target, case.snapshot.now))) for target in absent]
    return tuple(sorted(rejected, key=lambda entry: entry.target))


def reasons_of(case: Case, row: Row, best: Sequence[float | None]) -> Iterator[Reason]:
    """Yield every reason against one candidate, each once; `best` as `best_at_hand` has it."""
    return iter(dict.fromkeys(_all_reasons(case, row, best)))


def _all_reasons(case: Case, row: Row, best: Sequence[float | None]) -> Iterator[Reason]:
    demand, model = case.view.demand, row.candidate.target.model
    yield from standing_reasons(row.candidate, demand, case.snapshot.now)
    absolute = {floor.scale for floor in demand.constraints.floors}
    for relative, high in zip(demand.within, best, strict=True):
        score = score_of(model, relative.scale, effort=demand.effort, estimated=relative.estimated)
        said = score is None and relative.estimated and relative.scale in absolute  # a floor has found it without one
        reason = None if high is None or said else relative_reason(score, relative, high)
        if reason is not None:
            yield reason
    yield from request_reasons(row.candidate, demand, case.facts, case.snapshot, case.ceiling)


def _absence(target: Target, now: float) -> Iterator[Reason]:
    if not (target.served and target.model.served):
        yield Reason("not_served", "known, but no one can call it")
    if now >= gone_after(target):
        yield Reason("retired", f"retired after {target.retires or target.model.retires}")
    yield Reason(NOT_SET_UP, f"this router does not have it: no key for {target.provider}, or it was not listed")


def kept_words(case: Case, ranking: Ranking) -> str | None:
    """Return why a conversation stays on its target though a new one would go elsewhere, or `None`."""
    affinity = case.snapshot.affinity
    if ranking.kept is None or affinity is None:
        return None
    _, winner = ranking.kept
    other = case.view.rows[winner].name
    if affinity.bound_by_tools:
        return f"It stays with its conversation, whose last message is a tool result; a new one would go to {other}"
    return (
        f"It stays with its conversation: {affinity.cached_tokens} cached tokens are worth more than moving to {other}"
    )
