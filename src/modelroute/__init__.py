"""Send each request to the model that fits it: good enough, affordable, allowed, alive, and then best.

    from modelroute import Router

    with Router.from_env() as router:
        reply = router.chat("Why does this deadlock? ...", task="coding", max_cost=0.02)
    print(reply.text, reply.target, reply.cost)

Names load when first used: importing the package imports no HTTP client and opens nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelroute.async_router import AsyncRouter
    from modelroute.catalog.catalog import Catalog
    from modelroute.catalog.model import Model, Score, Target
    from modelroute.catalog.price import Price
    from modelroute.errors import (
        AttemptsFailedError,
        BudgetExceededError,
        ConfigurationError,
        DeadlineExceededError,
        IdempotencyError,
        InvalidOutputError,
        ModelRouteError,
        NoEligibleTargetError,
        NoProviderError,
        RequestError,
        RouterClosedError,
        StoreLostError,
        StoreUnavailableError,
        StreamInterruptedError,
        UnknownNameError,
    )
    from modelroute.money import Money
    from modelroute.policy.budget import Budget
    from modelroute.policy.demands import Within
    from modelroute.policy.objective import Option, best_value, cheapest, fastest, strongest
    from modelroute.policy.policy import Policy
    from modelroute.policy.rule import Rule
    from modelroute.policy.scenario import Scenario
    from modelroute.policy.standing import BudgetBalance
    from modelroute.providers.key import Key
    from modelroute.providers.provider import Provider
    from modelroute.resilience.backoff import Retry
    from modelroute.router import Router
    from modelroute.runtime.http import HttpOptions
    from modelroute.runtime.stream import Stream
    from modelroute.runtime.stream_async import AsyncStream
    from modelroute.types.attempt import Attempt
    from modelroute.types.constraints import Floor
    from modelroute.types.decision import Decision
    from modelroute.types.embedding import Embeddings
    from modelroute.types.events import ReasoningDelta, Restarted, TextDelta, ToolCallDelta
    from modelroute.types.failure import Failure
    from modelroute.types.hedge import Hedge
    from modelroute.types.logprobs import TokenLogprob, TopLogprob
    from modelroute.types.reply import Parsed, Reply, ToolCall
    from modelroute.types.timeouts import Timeouts
    from modelroute.types.usage import Usage

__version__ = "0.1.0"

_HOME = {
    "AsyncRouter": "async_router",
    "AsyncStream": "runtime.stream_async",
    "Attempt": "types.attempt",
    "AttemptsFailedError": "errors",
    "Budget": "policy.budget",
    "BudgetBalance": "policy.standing",
    "BudgetExceededError": "errors",
    "Catalog": "catalog.catalog",
    "ConfigurationError": "errors",
    "DeadlineExceededError": "errors",
    "Decision": "types.decision",
    "Embeddings": "types.embedding",
    "Failure": "types.failure",
    "Floor": "types.constraints",
    "Hedge": "types.hedge",
    "HttpOptions": "runtime.http.options",
    "IdempotencyError": "errors",
    "InvalidOutputError": "errors",
    "Key": "providers.key",
    "Model": "catalog.model",
    "ModelRouteError": "errors",
    "Money": "money",
    "NoEligibleTargetError": "errors",
    "NoProviderError": "errors",
    "Option": "policy.objective",
    "Parsed": "types.reply",
    "Policy": "policy.policy",
    "Price": "catalog.price",
    "Provider": "providers.provider",
    "ReasoningDelta": "types.events",
    "Reply": "types.reply",
    "RequestError": "errors",
    "Restarted": "types.events",
    "Retry": "resilience.backoff",
    "Router": "router",
    "RouterClosedError": "errors",
    "Rule": "policy.rule",
    "Scenario": "policy.scenario",
    "Score": "catalog.model",
    "StoreLostError": "errors",
    "StoreUnavailableError": "errors",
    "Stream": "runtime.stream",
    "StreamInterruptedError": "errors",
    "Target": "catalog.model",
    "TextDelta": "types.events",
    "Timeouts": "types.timeouts",
    "TokenLogprob": "types.logprobs",
    "ToolCall": "types.reply",
    "ToolCallDelta": "types.events",
    "TopLogprob": "types.logprobs",
    "UnknownNameError": "errors",
    "Usage": "types.usage",
    "Within": "policy.demands",
    "best_value": "policy.objective",
    "cheapest": "policy.objective",
    "fastest": "policy.objective",
    "strongest": "policy.objective",
}

__all__ = [
    "AsyncRouter",
    "AsyncStream",
    "Attempt",
    "AttemptsFailedError",
    "Budget",
    "BudgetBalance",
    "BudgetExceededError",
    "Catalog",
    "ConfigurationError",
    "DeadlineExceededError",
    "Decision",
    "Embeddings",
    "Failure",
    "Floor",
    "Hedge",
    "HttpOptions",
    "IdempotencyError",
    "InvalidOutputError",
    "Key",
    "Model",
    "ModelRouteError",
    "Money",
    "NoEligibleTargetError",
    "NoProviderError",
    "Option",
    "Parsed",
    "Policy",
    "Price",
    "Provider",
    "ReasoningDelta",
    "Reply",
    "RequestError",
    "Restarted",
    "Retry",
    "Router",
    "RouterClosedError",
    "Rule",
    "Scenario",
    "Score",
    "StoreLostError",
    "StoreUnavailableError",
    "Stream",
    "StreamInterruptedError",
    "Target",
    "TextDelta",
    "Timeouts",
    "TokenLogprob",
    "ToolCall",
    "ToolCallDelta",
    "TopLogprob",
    "UnknownNameError",
    "Usage",
    "Within",
    "best_value",
    "cheapest",
    "fastest",
    "strongest",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
