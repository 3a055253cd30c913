"""One course of a request as notices, for tests that need each kind once."""

from dataclasses import replace

from modelroute.money import Money
from modelroute.types.attempt import Attempt
from modelroute.types.decision import Decision, Ranked, Reason, Rejected
from modelroute.types.failure import Failure, Kind
from modelroute.types.notices import Attempted, Decided, Finished
from modelroute.types.usage import Usage

FIRST = Ranked("kimi@moonshot", "kimi", "moonshot", "moonshot", estimate=Money("0.001"), bound=Money("0.0199"))
DECISION = Decision(
    ranked=(FIRST, Ranked("glm@zai", "glm", "zai", "zai")),
    reject=(Rejected("dear@openai", (Reason("ceiling", "too dear"),)),),
    scenario="daily-dev", rules=("eu",), max_cost=Money("0.02"), objective="cheapest", task="coding", policy="f05c",
    constraints="floor 50, floor within 6 of the best, ceiling $0.02, needs tools", now=998.0,
)  # fmt: skip
FAILURE = Failure(Kind.UNAVAILABLE, "overloaded", status=503, provider_code="engine_overloaded")
USAGE = Usage(1_000, 200, cached_tokens=600, cache_write_tokens=100, reasoning_tokens=50)
ANSWERED = Attempt(
    1, "kimi@moonshot", "first", None, Money("0.02"), Money("0.0011"), "provider", USAGE, 2.5, 0.5, at=1_000.0,
    finish="stop", response_id="resp-1", served_model="kimi-0905", lane=1,
)  # fmt: skip
FAILED = replace(
    ANSWERED, failure=FAILURE, cost=Money(0), basis="unbilled", usage=None, first_token=None, finish="", response_id="",
    served_model="",
)  # fmt: skip


def decided(request: str = "r1", at: float = 999.0) -> Decided:
    return Decided(request, DECISION, at)


def attempted(attempt: Attempt = ANSWERED, request: str = "r1") -> Attempted:
    return Attempted(request, attempt, 1_002.5)


def finished(request: str = "r1", failure: Failure | None = None) -> Finished:
    target = "kimi@moonshot" if failure is None else None
    return Finished(request, target, failure, Money("0.0011"), 4.0, 1, 1_003.0)
