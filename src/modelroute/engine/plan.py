"""All that one request's flow needs, handed to it: what was decided, how to call, how to count, and the clocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from modelroute.engine.assembly import Assembly
    from modelroute.money import Money
    from modelroute.policy.budget import Budget
    from modelroute.providers.call import Call
    from modelroute.resilience.backoff import Retry
    from modelroute.resilience.experience import Experience, Hold
    from modelroute.resilience.health import Breakers
    from modelroute.resilience.retry_budget import RetryBudget
    from modelroute.types.decision import Decision, Ranked
    from modelroute.types.failure import Failure
    from modelroute.types.hedge import Hedge
    from modelroute.types.notices import RouterEvent
    from modelroute.types.reply import Reply
    from modelroute.types.request import Request
    from modelroute.types.timeouts import Timeouts
    from modelroute.types.usage import Usage

__all__ = ["Allowance", "Leg", "Legs", "OnInterrupt", "Plan"]

OnInterrupt = Literal["raise", "buffer", "restart"]
"""What a stream does when it breaks after content: raise with what arrived, hold everything back until it is whole, or
say `Restarted` and begin anew elsewhere.
"""


def _first(target: str, lanes: Sequence[int]) -> int:
    return lanes[0]


def _never() -> bool:
    return False


def _ignored(target: str, lane: int, hold: Hold) -> None:
    pass


def _no_price(ranked: Ranked) -> Money | None:
    return None


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one attempt may cost: the output cap to send, and the most the provider can then bill.

    `bound` is `None` where that is not bounded.
    """

    output_cap: int | None
    bound: Money | None
    capped_by: str | None = None


@dataclass(frozen=True, slots=True)
class Leg:
    """One ranked target, ready to be tried.

    `prepare` encodes the request for it. `charges_errors` is false where the provider
    documents failed requests as unbilled. `silent`: it reasons without showing it, so its first token comes late.
    `provenance` is what `reply.message` says of where it came from. `lanes` counts keys
    times endpoints, `places` the endpoints. `rpm`, `tpm`: requests and tokens a minute that each
    lane may use, as far as declared.
    """

    ranked: Ranked
    prepare: Callable[[Request, int | None], Call]
    provenance: Mapping[str, object]
    lanes: int = 1
    charges_errors: bool = True
    silent: bool = False
    rpm: int | None = None
    tpm: int | None = None
    places: int = 1

    def place(self, lane: int) -> int:
        """Which of the target's endpoints the lane goes to."""
        return lane % self.places


class Legs(Sequence[Leg]):
    """The legs of a decision in its order, each made when first looked at: most requests need only the first."""

    __slots__ = ("_made", "_make", "_ranked")

    def __init__(self, ranked: Sequence[Ranked], make: Callable[[Ranked], Leg]) -> None:
        self._ranked = ranked
        self._make = make
        self._made: list[Leg] = []

    def __len__(self) -> int:
        return len(self._ranked)

    @overload
    def __getitem__(self, index: int) -> Leg: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Leg]: ...
    def __getitem__(self, index: int | slice) -> Leg | Sequence[Leg]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = index if index >= 0 else len(self) + index
        if not 0 <= place < len(self):
            raise IndexError(index)
        while len(self._made) <= place:
            self._made.append(self._make(self._ranked[len(self._made)]))
        return self._made[place]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One request as it will be executed.

    - `legs`: the decision's ranked targets in order. `streaming`: content goes to the caller as it comes.
    - `clock`: seconds that never go back; `wall`: Unix seconds; `draw`: uniform in [0, 1).
    - `deadline`: in the clock's time, to the reply (`chat`) or to the commit (`stream`); `explicit`: it bounds
      everything.
    - `allow(ranked, room, others, again, request)`: what an attempt with `request` may cost with `room` of the ceiling
      left (`None`: no ceiling) when the targets `others()` may be tried after it; asking the same target `again` never
      takes what one of them needs. `None`: does not fit.
    - `bill(target, usage, moment)`: the cost of usage reported for a call made at `moment`, Unix seconds, and how it
      is known; `presume(target, text, request, moment)`: the cost of what was seen when nothing was reported.
    - `check(answer)`: a failure when the finished answer is not acceptable; `repair` then makes the request to
      try again with.
    - `budgets`: those that may cover the request; `tags`, `user`: whom they know it by. `likely(ranked)`: what an
      attempt will probably cost, `None` without a price. `strict`: targets at which a hard budget may cover it.
      `records`: a ledger is kept; `content`: with prompts and answers.
    - `breakers`: the health of targets, `None` where it is not watched; `least_loaded(target, lanes)`: the lane with
      the fewest calls in flight.
    - `is_closed()`: the router was closed meanwhile, so nothing more can be sent.
    - `held(target, lane, hold)` hears that a lane was found to rest.
    - `hedge`: whether another target may be asked beside a slow one.
    - `emit` hears of everything and never waits; `answered` is told the reply.
    """

    id: str
    request: Request
    decision: Decision
    legs: Sequence[Leg]
    streaming: bool
    on_interrupt: OnInterrupt
    clock: Callable[[], float]
    wall: Callable[[], float]
    draw: Callable[[], float]
    started: float
    deadline: float
    explicit: bool
    timeouts: Timeouts
    retry: Retry
    experience: Experience
    retry_budget: RetryBudget
    allow: Callable[[Ranked, Money | None, Callable[[], Sequence[str]], bool, Request], Allowance | None]
    bill: Callable[[str, Usage, float], tuple[Money, str]]
    presume: Callable[[str, str, Request, float], Money]
    emit: Callable[[RouterEvent], None]
    answered: Callable[[Reply], None]
    check: Callable[[Assembly], Failure | None] | None = None
    repair: Callable[[Request, str, Failure], Request] | None = None
    conversation: str = ""
    refusal_moves_on: bool = False
    hedge: Hedge | None = None
    breakers: Breakers | None = None
    held: Callable[[str, int, Hold], None] = _ignored
    is_closed: Callable[[], bool] = _never
    least_loaded: Callable[[str, Sequence[int]], int] = _first
    budgets: tuple[Budget, ...] = ()
    tags: frozenset[str] = frozenset()
    user: str | None = None
    likely: Callable[[Ranked], Money | None] = _no_price
    strict: frozenset[str] = frozenset()
    records: bool = False
    content: bool = False

    def is_strict(self, target: str) -> bool:
        """Whether a promise on money is to be kept at `target`: what may cost as much is charged whole."""
        return self.decision.max_cost is not None or target in self.strict

    @property
    def max_cost(self) -> Money | None:
        """The ceiling of the whole request."""
        return self.decision.max_cost
