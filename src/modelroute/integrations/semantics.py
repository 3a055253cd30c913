"""The names under which telemetry leaves: attributes, metrics, units and buckets (docs/reference/telemetry.md).

Names that begin with ``gen_ai.`` are those of the OpenTelemetry conventions for generative AI, copied as of
semantic-conventions 0.66b2: they are still in development there, and a package of names is no reason to depend on one.
All others are ours. An amount of money is two attributes, dollars as a double and exact pico-dollars as an integer.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["PROVIDER_NAMES", "operation", "provider_name", "split_target"]

# ---------------------------------------------------------------------------------- the conventions for generative AI

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
FINISH_REASONS = "gen_ai.response.finish_reasons"
TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk"
CONVERSATION = "gen_ai.conversation.id"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ_TOKENS = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE_TOKENS = "gen_ai.usage.cache_creation.input_tokens"
REASONING_TOKENS = "gen_ai.usage.reasoning.output_tokens"
TOKEN_TYPE = "gen_ai.token.type"  # noqa: S105 - the name of an attribute
ERROR_TYPE = "error.type"
STATUS_CODE = "http.response.status_code"

CHAT = "chat"
EMBEDDINGS = "embeddings"
"""The two operations there are."""

# ---------------------------------------------------------------------------------------------------------- our spans

ROUTE_SPAN = "modelroute.route"

REQUEST = "modelroute.request.id"
TASK = "modelroute.task"
TAGS = "modelroute.tags"
STREAM = "modelroute.stream"
SELECTOR = "modelroute.selector"
SCENARIO = "modelroute.scenario"
RULES = "modelroute.rules"
POLICY = "modelroute.policy"
FLOOR = "modelroute.floor"
OBJECTIVE = "modelroute.objective"
REASON = "modelroute.reason"
RANKED = "modelroute.ranked.count"
REJECTED = "modelroute.rejected.count"
ATTEMPTS_MADE = "modelroute.attempts.count"
FALLBACKS_MADE = "modelroute.fallbacks.count"
ABANDONED = "modelroute.abandoned"

TARGET = "modelroute.target"
LANE = "modelroute.lane"
NUMBER = "modelroute.attempt.number"
WHY = "modelroute.attempt.why"
FAILURE = "modelroute.failure.kind"
PROVIDER_CODE = "modelroute.failure.provider_code"
COST_BASIS = "modelroute.cost.basis"

CEILING = "modelroute.ceiling"
ESTIMATE = "modelroute.estimate"
BOUND = "modelroute.bound"
RESERVED = "modelroute.reserved"
COST = "modelroute.cost"
WANTED = "modelroute.wanted"
LEFT = "modelroute.left"
DOLLARS = ".dollars"
PICO_DOLLARS = ".pico_dollars"

HELD_EVENT = "modelroute.held"
BUDGET_EVENT = "modelroute.budget.refused"
OVERRUN_EVENT = "modelroute.overrun"
STORE_EVENT = "modelroute.store.failed"

UNTIL = "modelroute.until"
BUDGET = "modelroute.budget"
MOVED_ON = "modelroute.moved_on"
STORE = "modelroute.store"
REFUSED = "modelroute.refused"
STATE = "modelroute.breaker.state"

# -------------------------------------------------------------------------------------------------------- our metrics

OPERATION_DURATION = "gen_ai.client.operation.duration"
TOKEN_USAGE = "gen_ai.client.token.usage"  # noqa: S105 - the name of a metric
FIRST_CHUNK_DURATION = "gen_ai.client.operation.time_to_first_chunk"
REQUEST_DURATION = "modelroute.request.duration"
COST_TOTAL = "modelroute.cost"
ATTEMPTS = "modelroute.attempts"
FAILURES = "modelroute.failures"
FALLBACKS = "modelroute.fallbacks"
BUDGET_REFUSALS = "modelroute.budget.refusals"
TRANSITIONS = "modelroute.breaker.transitions"
OVERRUNS = "modelroute.overruns"
STORE_FAILURES = "modelroute.store.failures"
EVENTS_DROPPED = "modelroute.events.dropped"

# ------------------------------------------------------------------------------------------------------------ buckets

OPERATION_BUCKETS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
"""Seconds of an operation, as the conventions advise."""

FIRST_CHUNK_BUCKETS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds to the first chunk, as the conventions advise."""

TOKEN_BUCKETS = tuple(4**power for power in range(14))
"""Tokens, as the conventions advise: 1 to 67,108,864 by fours."""

REQUEST_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds of a whole request, up to the usual deadline of 600 s."""

FIRST_TOKEN_BUCKETS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0, 120.0)
"""Seconds to the first token, up to the longest a silent reasoner is waited for."""

# ---------------------------------------------------------------------------------------------------------- providers

PROVIDER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "azure": "azure.ai.openai",
        "bedrock": "aws.bedrock",
        "google": "gcp.gemini",
        "mistral": "mistral_ai",
        "vertex": "gcp.vertex_ai",
        "xai": "x_ai",
    }
)
"""Providers that the conventions call otherwise than we do; all others keep their name."""


def operation(*, embeds: bool) -> str:
    """Return what the conventions call a request for an answer, or for vectors."""
    return EMBEDDINGS if embeds else CHAT


def split_target(target: str) -> tuple[str, str]:
    """Return the model and the provider of a target's name, split at the last ``@``."""
    model, _, provider = target.rpartition("@")
    return model, provider


def provider_name(provider: str) -> str:
    """Return what the conventions call this provider."""
    return PROVIDER_NAMES.get(provider, provider)
