"""What each attempt of a request may cost: the decision's own figures at first, worked out again once money is gone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from modelroute.engine.plan import Allowance
from modelroute.money import Money
from modelroute.policy.cost import attempt_budget, terms

if TYPE_CHECKING:
    from modelroute.runtime.core import Prepared, RouterCore
    from modelroute.types.decision import Ranked
    from modelroute.types.request import Request

__all__ = ["Allowances"]


class Allowances:
    """What each attempt of one request may cost.

    The decision's own figures at first; worked out again once money is gone.
    """

    __slots__ = ("_core", "_prepared")

    def __init__(self, core: RouterCore, prepared: Prepared) -> None:
        self._core = core
        self._prepared = prepared

    def __call__(
        self,
        ranked: Ranked,
        room: Money | None,
        others: Callable[[], Sequence[str]],
        again: bool,
        request: Request,
    ) -> Allowance | None:
        """Return what an attempt may cost, as `Plan.allow` says; `None` when it does not fit."""
        prepared, candidates = self._prepared, self._core.candidates
        facts, snapshot = prepared.facts, prepared.snapshot
        now = self._core.clocks.wall()
        is_late = now > snapshot.now + facts.seconds  # a stream begins anew long after it was decided: prices moved
        if is_late:
            snapshot = replace(snapshot, now=now)
        if request is not prepared.request:
            facts = replace(facts, tokens=self._core.tokens(request))
            window = ranked.context_window
            if window is not None and facts.count(candidates[ranked.target].target.model.vocabulary).estimate > window:
                return None
        elif not is_late and (
            room is None or (room == prepared.decision.max_cost and ranked is prepared.decision.ranked[0])
        ):
            return Allowance(ranked.output_cap, ranked.bound, ranked.capped_by)
        fallbacks = [candidates[other] for other in others()]
        if again and room is not None:
            room -= _least([terms(other, facts, snapshot).least for other in fallbacks], room)
            fallbacks = []
        found = attempt_budget(candidates[ranked.target], facts, snapshot, room, fallbacks=fallbacks)
        return None if found is None else Allowance(found.cap, found.bound, found.capped_by)


def _least(needed: Sequence[int | None], room: Money) -> Money:
    """Return what the cheapest fallback that fits `room` needs; nothing when none fits."""
    return Money.from_pico(min((pico for pico in needed if pico is not None and pico <= room.pico), default=0))
