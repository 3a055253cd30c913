"""Why a target may not serve a request: every hard constraint as a reason. No reason means eligible."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime

from modelroute.catalog.model import EMBEDDING, Model, Score, Target
from modelroute.money import Money
from modelroute.policy.candidate import Candidate
from modelroute.policy.cost import NO_CEILING, Terms, terms, window_of
from modelroute.policy.demand import Demand
from modelroute.policy.demands import Within
from modelroute.policy.scoring import score_of
from modelroute.types.constraints import INTELLIGENCE, Constraints, Floor
from modelroute.types.decision import Reason
from modelroute.types.decision_text import exactly
from modelroute.types.facts import RequestFacts, Snapshot

__all__ = ["features_of", "gone_after", "max_input_of", "relative_reason", "request_reasons", "standing_reasons"]

_DAY = 86_400


def features_of(target: Target) -> frozenset[str]:
    """Return what the target can do: its own features, else its model's; and ``open_weights`` where that is known."""
    features = target.features or target.model.features
    return features | {"open_weights"} if target.model.open_weights else features


def max_input_of(target: Target) -> int | None:
    """Return the longest prompt the target takes, `None` where no limit but the context window is known."""
    return target.max_input if target.max_input is not None else target.model.max_input


def gone_after(target: Target) -> float:
    """Return the Unix second from which the target is gone: when the first day it retires ends (UTC), else infinity."""
    days = [day for day in (target.retires, target.model.retires) if day is not None]
    if not days:
        return math.inf
    first = min(datetime.fromisoformat(day).replace(tzinfo=UTC) for day in days)
    return first.timestamp() + _DAY  # a day added to the calendar's last would not be a date


def standing_reasons(candidate: Candidate, demand: Demand, now: float) -> Iterator[Reason]:
    """Yield the reasons that hold for every request with this demand, whatever its length and cost."""
    target = candidate.target
    if not (target.served and target.model.served):
        yield Reason("not_served", "known, but no one can call it")
    if now >= gone_after(target):
        yield Reason("retired", f"retired after {target.retires or target.model.retires}")
    if demand.selected is not None and target.name not in demand.selected:
        yield Reason("selector", f"the call asks for {demand.selector}")
    for floor in demand.constraints.floors:
        yield from _floor(floor, target.model, demand.effort)
    features = features_of(target)
    if EMBEDDING in features and not demand.embeds:
        yield Reason("needs", "gives vectors, not answers")
    lacking = demand.needs - features
    if lacking:
        yield Reason("needs", f"lacks {', '.join(sorted(lacking))}")
    yield from _allowed(candidate, demand.constraints)
    least = demand.constraints.min_context
    window = window_of(target)
    if least is not None and (window is None or window < least):
        yield Reason("context", f"its context window is {_tokens(window)}, and at least {least} is asked for")


def request_reasons(
    candidate: Candidate, demand: Demand, facts: RequestFacts, snapshot: Snapshot, ceiling: int | None
) -> Iterator[Reason]:
    """Yield the reasons that only this request at this moment gives; `ceiling` in pico-dollars."""
    name = candidate.name
    missing = snapshot.missing.get(name)
    if missing and not missing.isdisjoint(demand.needs):
        yield Reason("needs", f"was seen to lack {', '.join(sorted(missing & demand.needs))}")
    barred = facts.barred.get(name)
    if barred is not None:
        yield Reason("barred", barred)
    at = terms(candidate, facts, snapshot)
    if not demand.embeds:  # a window is that of one text then, which its endpoint looks at
        yield from _context(candidate.target, at)
    if ceiling is not None and (ceiling < NO_CEILING or name in facts.hard_budget):
        yield from _ceiling(candidate, at, facts, demand, ceiling)


def relative_reason(score: Score | None, relative: Within, best: float) -> Reason | None:
    """Return why a target with `score` breaks a floor relative to `best`, or `None`."""
    if score is None:
        lacking = f"has no score{_on(relative.scale, estimated=relative.estimated)}"
        return Reason("floor", f"{lacking}, while the best at hand has {best:g}")
    if score.value >= best - relative.points:
        return None
    return Reason("floor", f"scores {_exactly(score)}, more than {relative.points:g} below the best at hand, {best:g}")


def _floor(floor: Floor, model: Model, effort: str | None) -> Iterator[Reason]:
    score = score_of(model, floor.scale, effort=effort, estimated=floor.estimated)
    if score is not None:
        if score.value < floor.value:
            yield Reason("floor", f"scores {_exactly(score)}, below floor {floor.value:g}{_on(floor.scale)}")
        return
    guess = None if floor.estimated else score_of(model, floor.scale, effort=effort, estimated=True)
    if guess is not None:
        yield Reason(
            "floor",
            f"has only an estimated score, {_exactly(guess)}, "
            f"and floor {floor.value:g}{_on(floor.scale)} is for quoted ones",
        )
    else:
        yield Reason("floor", f"has no score{_on(floor.scale, always=True)}")


def _allowed(candidate: Candidate, constraints: Constraints) -> Iterator[Reason]:
    target, model = candidate.target, candidate.target.model
    if constraints.jurisdictions is not None and not candidate.is_within(constraints.jurisdictions):
        where = "unknown" if candidate.jurisdiction is None else candidate.jurisdiction
        yield Reason("jurisdiction", f"jurisdiction {where} is not {_one_of(constraints.jurisdictions)}")
    if constraints.licences is not None and model.licence not in constraints.licences:
        yield Reason("licence", f"licence {model.licence or 'unknown'} is not {_one_of(constraints.licences)}")
    if constraints.vendors is not None and model.vendor not in constraints.vendors:
        yield Reason("vendor", f"vendor {model.vendor or 'unknown'} is not {_one_of(constraints.vendors)}")
    if constraints.providers is not None and target.provider not in constraints.providers:
        yield Reason("provider", f"provider {target.provider} is not {_one_of(constraints.providers)}")
    ruled_out = constraints.without & {target.name, model.name, target.provider}
    if ruled_out:
        yield Reason("without", f"{', '.join(sorted(ruled_out))} is ruled out")


def _context(target: Target, at: Terms) -> Iterator[Reason]:
    longest, window = max_input_of(target), window_of(target)
    if longest is not None and at.tokens > longest:
        yield Reason("context", f"the prompt has about {at.tokens} tokens, and it takes {longest}")
    elif window is not None and at.tokens + at.forecast > window:
        yield Reason(
            "context",
            f"about {at.tokens} tokens of prompt and {at.forecast} of answer do not fit its context window of {window}",
        )


def _ceiling(candidate: Candidate, at: Terms, facts: RequestFacts, demand: Demand, ceiling: int) -> Iterator[Reason]:
    if not demand.constraints.allow_unbounded:
        if not candidate.honours_output_cap:
            yield Reason(
                "ceiling", "its cost cannot be bounded: it does not honour an output cap (allow_unbounded accepts it)"
            )
        if facts.unbounded:
            listed = ", ".join(facts.unbounded)
            yield Reason("ceiling", f"its cost cannot be bounded with {listed} (allow_unbounded accepts it)")
    least = at.least
    if candidate.target.price is None or least is None:
        yield Reason("ceiling", "it has no price in force, so no ceiling or hard budget can be kept")
    elif least > ceiling:
        yield Reason(
            "ceiling",
            f"needs {exactly(Money.from_pico(least))} for a forecast of {at.forecast} tokens, "
            f"and the ceiling is {exactly(Money.from_pico(ceiling))}",
        )


def _exactly(score: Score) -> str:
    """A table rounds an estimate; beside the floor it misses, the figure itself must be seen to be below."""
    return f"~{score.value:g} ({score.basis})" if score.estimated else f"{score.value:g}"


def _one_of(names: frozenset[str]) -> str:
    return " or ".join(sorted(names)) if names else "allowed: the allowed sets have nothing in common"


def _on(scale: str, *, always: bool = False, estimated: bool = True) -> str:
    named = f" on {scale}" if always or scale != INTELLIGENCE else ""
    return named + ("" if estimated else " that is quoted")


def _tokens(window: int | None) -> str:
    return "unknown" if window is None else str(window)
