"""Plans on a virtual clock, for tests of the engine: made of plain values, with nothing behind them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from modelroute.engine.plan import Allowance, Leg, Plan
from modelroute.money import ZERO, Money
from modelroute.providers.call import Call
from modelroute.resilience.backoff import Retry
from modelroute.resilience.experience import Experience
from modelroute.resilience.retry_budget import RetryBudget
from modelroute.types.decision import Decision, Ranked
from modelroute.types.notices import RouterEvent
from modelroute.types.request import Request
from modelroute.types.timeouts import Timeouts
from modelroute.types.usage import Usage

EPOCH = 1_800_000_000.0


REQUEST = Request(({"role": "user", "content": "x"},))


def bill(target: str, usage: Usage, moment: float) -> tuple[Money, str]:
    """One dollar a token, so that a sum can be read off."""
    if usage.provider_cost is not None:
        return usage.provider_cost, "provider"
    return Money(usage.input_tokens + usage.output_tokens), "catalog 2026-10-09"


def presume(target: str, text: str, request: Request, moment: float) -> Money:
    """A prompt of ten tokens, and a token a character."""
    return Money(10 + len(text))


def never(request: Request, output_cap: int | None) -> Call:
    raise AssertionError("nothing is called in this test")


def leg(name: str, *, lanes: int = 1, window: int | None = None, charges_errors: bool = True) -> Leg:
    """A leg for ``model@provider``."""
    model, _, provider = name.partition("@")
    return Leg(
        ranked=Ranked(name, model, provider, "vendor", context_window=window),
        prepare=never,
        provenance={"target": name},
        lanes=lanes,
        charges_errors=charges_errors,
    )


@dataclass
class World:
    """A clock that moves when told to, and everything a plan wants."""

    now: float = 0.0
    draw: float = 0.0
    heard: list[RouterEvent] = field(default_factory=list)
    experience: Experience = field(default_factory=Experience)
    budget: RetryBudget = field(default_factory=RetryBudget)

    def clock(self) -> float:
        return self.now

    def wall(self) -> float:
        return EPOCH + self.now

    def plan(
        self,
        legs: Sequence[Leg],
        *,
        deadline: float = 600.0,
        max_attempts: int = 4,
        max_cost: Money | None = None,
        refusal_moves_on: bool = False,
        streaming: bool = False,
    ) -> Plan:
        ranked = tuple(each.ranked for each in legs)
        return Plan(
            id="r1",
            request=REQUEST,
            decision=Decision(ranked=ranked, reject=(), scenario="default", max_cost=max_cost),
            legs=tuple(legs),
            streaming=streaming,
            on_interrupt="raise",
            clock=self.clock,
            wall=self.wall,
            draw=lambda: self.draw,
            started=self.now,
            deadline=self.now + deadline,
            explicit=False,
            timeouts=Timeouts(),
            retry=Retry(max_attempts=max_attempts),
            experience=self.experience,
            retry_budget=self.budget,
            allow=lambda *_: Allowance(None, ZERO),
            bill=bill,
            presume=presume,
            emit=self.heard.append,
            answered=lambda reply: None,
            refusal_moves_on=refusal_moves_on,
        )
