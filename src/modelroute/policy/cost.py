"""One cost model chooses and bills: the catalog's rates applied to tokens, with three inputs.

- An *estimate* takes the estimated prompt, the forecast of the answer and the rates of this moment. It ranks.
- A *bound* takes the most prompt tokens that can be billed, all at the dearest input rate, an output cap that is sent
  and binds, and the dearest rates from now to the deadline. It promises.
- A *bill* takes the usage that came back and the rates of the moment it was asked for. It records.

How much output a ceiling affords is decided here too, once for the decision and once per attempt with what is then
left.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from modelroute.catalog.model import Target
from modelroute.money import ZERO, Money
from modelroute.policy.candidate import Candidate
from modelroute.types.facts import Affinity, RequestFacts, Snapshot
from modelroute.types.usage import Usage

__all__ = [
    "BUDGET",
    "CEILING",
    "FORECASTS_BEFORE_HOLDING",
    "LEAST_BUDGET_CAP",
    "NO_CEILING",
    "UNPRICED",
    "Fit",
    "Terms",
    "attempt_budget",
    "bill",
    "bound",
    "estimate",
    "fit",
    "fit_within",
    "forecast_tokens",
    "likely",
    "max_output_of",
    "terms",
    "unlimited",
    "window_of",
]

FORECASTS_BEFORE_HOLDING = 2
"""Money is held for a fallback only above so many times the forecast: an answer of more than twice the usual length
is rare, and a cut answer is worth less than a second try that is seldom needed."""

LEAST_BUDGET_CAP = 4_096
"""Output tokens that a hard budget allows where the caller sets no cap; more where 99.9 % of the target's answers need
more: setting the longest answer aside for every request would leave a budget blocked that is hardly spent."""

BUDGET = "budget"
"""What `capped_by` says when a budget set the cap."""

CEILING = "max_cost"
"""What `capped_by` says when the ceiling lowered the cap."""

NO_CEILING = 10**30
"""Pico-dollars, more than there are: a hard budget without a ceiling demands the same of targets, but not less."""

UNPRICED = "unpriced"
"""Basis of a bill for which no price is known: its amount is 0 and says nothing."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a request means at one target, before any ceiling.

    `tokens`, `bound_tokens`: the prompt's estimate and bound. `forecast`: output tokens expected of one answer.
    `limit`: most output tokens one answer can have, `limited_by` what sets it (`None`: the caller's own cap or the
    dialect's). `fixed`: pico-dollars the prompt can cost at most; `per_token`: pico-dollars of one output token in
    every answer asked for; both `None` without a price. `is_bounded`: whether a cap that is sent makes the bound a
    promise.
    """

    tokens: int
    bound_tokens: int
    forecast: int
    limit: int | None
    limited_by: str | None
    fixed: int | None
    per_token: int | None
    is_bounded: bool

    @property
    def least(self) -> int | None:
        """Pico-dollars that must be free before an attempt may start: the bound with the forecast as its cap."""
        if self.fixed is None or self.per_token is None:
            return None
        return self.fixed + self.forecast * self.per_token


@dataclass(frozen=True, slots=True)
class Fit:
    """How an attempt uses the money there is.

    `cap`: output cap to send, `None` for none. `bound`: what the attempt can cost at most, `None` when that cannot be
    promised. `held`: left aside for a fallback. `capped_by`: what lowered the cap below what was asked for.
    """

    cap: int | None
    bound: Money | None
    held: Money | None
    capped_by: str | None


def forecast_tokens(candidate: Candidate, facts: RequestFacts, snapshot: Snapshot) -> int:
    """Return the output tokens expected of one answer: learned or default, within every cap that will hold."""
    expected = max(1, math.ceil(snapshot.outputs.get(candidate.name, snapshot.default_output)))
    cap = facts.output_cap if facts.output_cap is not None else candidate.always_capped
    for limit in (cap, max_output_of(candidate.target)):
        if limit is not None:
            expected = min(expected, limit)
    return expected


def max_output_of(target: Target) -> int | None:
    """Return the most output tokens the target gives in one answer, `None` when unknown."""
    return target.max_output if target.max_output is not None else target.model.max_output


def window_of(target: Target) -> int | None:
    """Return the target's context window, `None` when unknown."""
    return target.context_window if target.context_window is not None else target.model.context_window


def terms(candidate: Candidate, facts: RequestFacts, snapshot: Snapshot) -> Terms:
    """Return what the request means at `candidate`."""
    target = candidate.target
    count = facts.count(target.model.vocabulary)
    forecast = forecast_tokens(candidate, facts, snapshot)
    limit, limited_by = _limit(candidate, facts, snapshot, count.estimate, forecast)
    rates = None if target.price is None else target.price.dearest(snapshot.now, facts.seconds, count.bound)
    return Terms(
        tokens=count.estimate,
        bound_tokens=count.bound,
        forecast=forecast,
        limit=limit,
        limited_by=limited_by,
        fixed=None if rates is None else count.bound * rates.dearest_input,
        per_token=None if rates is None else rates.output * facts.choices,
        is_bounded=candidate.honours_output_cap and not facts.unbounded,
    )


def _limit(
    candidate: Candidate, facts: RequestFacts, snapshot: Snapshot, tokens: int, forecast: int
) -> tuple[int | None, str | None]:
    limit = facts.output_cap if facts.output_cap is not None else candidate.always_capped
    limited_by = None
    most = max_output_of(candidate.target)
    if most is not None and (limit is None or most < limit):
        limit, limited_by = most, "max_output"
    window = window_of(candidate.target)
    if window is not None:
        # Many providers refuse a cap that does not fit beside the prompt: leave room for a fifth more than estimated.
        room = max(forecast, window - tokens - tokens // 5)
        if limit is None or room < limit:
            limit, limited_by = room, "context_window"
    if facts.output_cap is None and candidate.name in facts.hard_budget:
        usual = max(forecast, LEAST_BUDGET_CAP, snapshot.longest.get(candidate.name, 0))
        if limit is None or usual < limit:
            limit, limited_by = usual, BUDGET
    return limit, limited_by


def estimate(
    candidate: Candidate, facts: RequestFacts, snapshot: Snapshot, *, affinity: Affinity | None = None
) -> Money | None:
    """Return what the request is expected to cost at `candidate`, `None` without a price in force.

    `affinity`: the conversation's place so far; prompt tokens in its cache are priced as cache reads there.
    """
    price = candidate.target.price
    tokens = facts.count(candidate.target.model.vocabulary).estimate
    rates = None if price is None else price.at(snapshot.now, tokens)
    if rates is None:
        return None
    cached = min(affinity.cached_tokens, tokens) if affinity is not None and affinity.target == candidate.name else 0
    output = forecast_tokens(candidate, facts, snapshot) * facts.choices
    return Money.from_pico(rates.cost(Usage(input_tokens=tokens, output_tokens=output, cached_tokens=cached)))


def likely(candidate: Candidate, facts: RequestFacts, snapshot: Snapshot) -> Money | None:
    """Return what 95 % of such requests at `candidate` do not exceed, `None` without a price in force.

    Twice the forecast is taken for the answer while its lengths are not known.
    """
    forecast = forecast_tokens(candidate, facts, snapshot)
    output = max(forecast, snapshot.likely.get(candidate.name, 2 * forecast))
    for limit in (facts.output_cap, max_output_of(candidate.target)):
        output = output if limit is None else min(output, limit)
    price = candidate.target.price
    tokens = facts.count(candidate.target.model.vocabulary).estimate
    rates = None if price is None else price.at(snapshot.now, tokens)
    return None if rates is None else Money.from_pico(rates.cost(Usage(tokens, output * facts.choices)))


def bound(candidate: Candidate, facts: RequestFacts, snapshot: Snapshot, output_cap: int | None) -> Money | None:
    """Return the most that one attempt at `candidate` with `output_cap` can be billed, `None`: no such promise.

    Without a cap the target's own limit on output counts, where it is known.
    """
    return _promise(terms(candidate, facts, snapshot), candidate, output_cap)


def fit(at: Terms, room: int, hold: int | None) -> tuple[int | None, int, int | None] | None:
    """Return (cap, bound, held) in pico-dollars for an attempt that may use `room`, or `None` when it must not start.

    It must not start when there is no price, or when the forecast does not fit. Otherwise the cap is as high as the
    room allows, up to `at.limit`, less `hold`, the cheapest fallback's least, which is left aside. The attempt's own
    part is never pressed for that below two forecasts, nor below the fallback's part: so a lower ceiling never
    raises the bound, and a dear fallback never starves a cheap attempt. `held` is `None` when less
    than `hold` is left.
    """
    fixed, each, least = at.fixed, at.per_token, at.least
    if fixed is None or each is None or least is None or least > room:
        return None
    own = room
    if hold is not None:
        enough = (
            at.forecast * FORECASTS_BEFORE_HOLDING
            if at.limit is None
            else min(at.limit, at.forecast * FORECASTS_BEFORE_HOLDING)
        )
        own = min(room, max(fixed + enough * each, hold, room - hold))
    cap = at.limit
    if each and (cap is None or fixed + cap * each > own):
        cap = (own - fixed) // each
    most = fixed + (cap or 0) * each
    held = hold if hold is not None and most + hold <= room else None
    return cap, most, held


def attempt_budget(
    candidate: Candidate,
    facts: RequestFacts,
    snapshot: Snapshot,
    room: Money | None,
    *,
    fallbacks: Iterable[Candidate] = (),
) -> Fit | None:
    """Return how one attempt at `candidate` uses what is left of the ceiling, or `None` when it does not fit.

    `room`: what is left, `None` without a ceiling. `fallbacks`: who may still be tried afterwards; room for the
    cheapest of them is left aside where it fits. Pure: the decision and every attempt use this same function.
    """
    at = terms(candidate, facts, snapshot)
    if room is None and candidate.name in facts.hard_budget:
        return fit_within(at, facts, NO_CEILING, None)
    if room is None:
        return unlimited(at, candidate, facts)
    others = (terms(other, facts, snapshot).least for other in fallbacks if other.name != candidate.name)
    hold = min((least for least in others if least is not None and least <= room.pico), default=None)
    return fit_within(at, facts, room.pico, hold)


def fit_within(at: Terms, facts: RequestFacts, room: int, hold: int | None) -> Fit | None:
    """Return `fit` as money, with what lowered the cap below the caller's or the target's own."""
    fitted = fit(at, room, hold)
    if fitted is None:
        return None
    cap, most, held = fitted
    capped_by = at.limited_by if facts.output_cap is not None or at.limited_by == BUDGET else None
    if cap != at.limit:
        capped_by = CEILING
    promised = Money.from_pico(most) if at.is_bounded else None
    return Fit(cap=cap, bound=promised, held=None if held is None else Money.from_pico(held), capped_by=capped_by)


def unlimited(at: Terms, candidate: Candidate, facts: RequestFacts) -> Fit:
    """Return an attempt without a ceiling: the caller's cap, no other, and what it can cost at most, if known."""
    cap = None if facts.output_cap is None else at.limit
    return Fit(
        cap=cap,
        bound=_promise(at, candidate, cap),
        held=None,
        capped_by=None if facts.output_cap is None else at.limited_by,
    )


def _promise(at: Terms, candidate: Candidate, cap: int | None) -> Money | None:
    if not at.is_bounded or at.fixed is None or at.per_token is None:
        return None
    if at.per_token == 0:
        return Money.from_pico(at.fixed)
    if cap is None:
        limits = (candidate.always_capped, max_output_of(candidate.target), window_of(candidate.target))
        cap = min((limit for limit in limits if limit is not None), default=None)
    return None if cap is None else Money.from_pico(at.fixed + cap * at.per_token)


def bill(target: Target, usage: Usage, moment: float, *, by_tokens: bool = True) -> tuple[Money, str]:
    """Return what `usage` of an attempt made at `moment` costs, and what that rests on.

    The provider's own figure wins (``"provider"``); else the price in force then (``"catalog 2026-10-09"``,
    ``"declared by you"``), which is only an ``"estimate"`` unless the request is billed `by_tokens` at that price and
    by nothing else. Without any the amount is 0 and the basis `UNPRICED`.
    """
    if usage.provider_cost is not None:
        return usage.provider_cost, "provider"
    rates = None if target.price is None else target.price.at(moment, usage.input_tokens)
    if target.price is None or rates is None:
        return ZERO, UNPRICED
    return Money.from_pico(rates.cost(usage)), target.price.basis(moment) if by_tokens else "estimate"
