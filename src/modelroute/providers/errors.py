"""What errors mean where a provider uses a word in its own way; the rest is the rules all share (`wire.status`).

Classified by provider *and* code, never by status alone: one word is a bill at OpenAI and a minute's wait at DashScope,
and 429 says "too fast", "out of money" and "our engine is busy" (facts as of 2026-11-21).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType

from modelroute.types.failure import Failure, Kind, Seen
from modelroute.wire.envelope import ErrorInfo, parse_error, read_error
from modelroute.wire.spellings import blamed_feature, normal
from modelroute.wire.status import generic, is_spent

__all__ = ["CODES", "classify", "failure_inside", "inside", "speaker_of"]

_WAITING = frozenset({Kind.RATE_LIMITED, Kind.UNAVAILABLE, Kind.TRANSIENT, Kind.EXHAUSTED})

_OPENAI = {
    Kind.RATE_LIMITED: "rate_limit_exceeded slow_down",
    Kind.EXHAUSTED: """insufficient_quota credit_balance_exhausted organization_spend_limit_exceeded
        project_spend_limit_exceeded organization_usage_limit_exceeded billing_hard_limit_reached""",
    Kind.UNAVAILABLE: "server_is_overloaded",
}

_SPELLINGS: Mapping[str, Mapping[Kind, str]] = {
    "openai": _OPENAI,
    "azure": {
        **_OPENAI,
        Kind.RATE_LIMITED: "rate_limit_exceeded RateLimitReached too_many_requests",
        Kind.NOT_SERVED: "DeploymentNotFound OperationNotSupported unavailable_model",
        Kind.REFUSED: "content_filter ResponsibleAIPolicyViolation",
    },
    "anthropic": {
        Kind.EXHAUSTED: "enforced_spend_limit_reached billing_error",
        Kind.UNAVAILABLE: "overloaded_error",
        Kind.TOO_LONG: "request_too_large",
    },
    "google": {
        Kind.DENIED: "API_KEY_INVALID API_KEY_EXPIRED",
        Kind.UNAVAILABLE: "UNAVAILABLE",
    },
    "deepseek": {
        Kind.UNAVAILABLE: "insufficient_system_resource service_unavailable_error",
    },
    "moonshot": {
        Kind.RATE_LIMITED: "rate_limit_reached_error",
        Kind.UNAVAILABLE: "engine_overloaded_error",
        Kind.EXHAUSTED: "exceeded_current_quota_error",
        Kind.REFUSED: "content_filter",
        Kind.NOT_SERVED: "resource_not_found_error",
        Kind.DENIED: "invalid_authentication_error incorrect_api_key_error permission_denied_error",
    },
    # Throttling lasts a minute here, whatever the word says elsewhere.
    "alibaba": {
        Kind.RATE_LIMITED: """insufficient_quota limit_requests limit_burst_rate Throttling Throttling.RateQuota
            Throttling.AllocationQuota Throttling.BurstRate""",
        Kind.EXHAUSTED: "Arrearage AllocationQuota.FreeTierOnly",
        Kind.REFUSED: "data_inspection_failed DataInspectionFailed",
        Kind.NOT_SERVED: "ModelNotFound model_not_supported",
    },
    "zai": {
        Kind.EXHAUSTED: "1113 1304 1308 1310",
        Kind.RATE_LIMITED: "1302 1303",
        Kind.UNAVAILABLE: "1305 1312 1234",
        Kind.REFUSED: "1301",
        Kind.DENIED: "434 1000 1001 1002 1003 1004 1110 1111 1112 1121 1220",
        Kind.NOT_SERVED: "1211 1212 1221 1222",
        Kind.TOO_LONG: "1261",
    },
    "minimax": {
        Kind.EXHAUSTED: "1008 2056",
        Kind.RATE_LIMITED: "1002 1039 1041 2045",
        Kind.UNAVAILABLE: "1000 1001 1024 1033",
        Kind.REFUSED: "1026 1027",
        Kind.DENIED: "1004 2049",
        Kind.UNPROVED: "2013",
    },
    "mistral": {
        Kind.RATE_LIMITED: "1300",
        Kind.UNAVAILABLE: "3505",
        Kind.TOO_LONG: "3051",
    },
    "groq": {
        Kind.INVALID_OUTPUT: "tool_use_failed json_validate_failed",
        Kind.UNAVAILABLE: "capacity_exceeded",
    },
    "cerebras": {
        Kind.UNAVAILABLE: "queue_exceeded",
        Kind.RATE_LIMITED: "token_quota_exceeded request_quota_exceeded",
    },
    "bedrock": {
        Kind.RATE_LIMITED: "ThrottlingException",
        Kind.UNAVAILABLE: "ModelNotReadyException ServiceUnavailableException",
        Kind.DENIED: "AccessDeniedException UnrecognizedClientException ExpiredTokenException",
    },
    "openrouter": {
        Kind.RATE_LIMITED: "openrouter_in_flight_budget",
    },
}

_ALSO: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("gemini", "google-openai", "vertex"), "google"),
        **dict.fromkeys(("dashscope", "qwen"), "alibaba"),
        **dict.fromkeys(("kimi", "moonshotai"), "moonshot"),
        **dict.fromkeys(("glm", "zhipu", "z.ai", "zhipuai"), "zai"),
        **dict.fromkeys(("azure-openai", "azure-anthropic"), "azure"),
        **dict.fromkeys(("aws", "amazon-bedrock"), "bedrock"),
        "anthropic-openai": "anthropic",
        "mimo": "xiaomi",
        "togetherai": "together",
        "fireworks-ai": "fireworks",
        "mistralai": "mistral",
        "x-ai": "xai",
    }
)
"""Other names of the same speakers: what providers are called elsewhere, and their other APIs."""

CODES: Mapping[str, Mapping[str, Kind]] = MappingProxyType(
    {
        provider: MappingProxyType({normal(code): kind for kind, codes in kinds.items() for code in codes.split()})
        for provider, kinds in _SPELLINGS.items()
    }
)
"""Speaker to its codes, in small letters and digits, to what they mean there whatever the status."""

_BY_STATUS: Mapping[str, Mapping[int, Kind]] = MappingProxyType(
    {
        "fireworks": MappingProxyType({412: Kind.EXHAUSTED}),
        "zai": MappingProxyType({434: Kind.DENIED, 435: Kind.TOO_LONG}),
        "together": MappingProxyType({402: Kind.EXHAUSTED}),
        "xiaomi": MappingProxyType({402: Kind.EXHAUSTED, 403: Kind.DENIED}),
    }
)
"""Statuses that only one provider uses, or uses in its own way."""

_WITHOUT_A_WORD: Mapping[str, Mapping[int, Kind]] = MappingProxyType(
    {"cerebras": MappingProxyType({400: Kind.TOO_LONG})}
)
"""What a status means there when the body is empty."""

_IN_WORDS: Mapping[str, re.Pattern[str]] = MappingProxyType({"minimax": re.compile(r"\((\d{4,5})\)", re.ASCII)})
"""Where a provider puts its code at the end of the message: MiniMax does, on its Anthropic API and in 4xx."""

_NO_SUCH_INPUT = re.compile(r"\b(?:image|audio|video) input is not supported", re.IGNORECASE)
"""llama.cpp says so with a 500, which would be tried again."""


@lru_cache(maxsize=1_024)
def speaker_of(provider: str, profile: str) -> str:
    """Return whose table holds: the provider's by its own name, else that of the profile it is said to speak by."""
    named, spoken = _ALSO.get(provider, provider), _ALSO.get(profile, profile)
    return named if named in CODES or named in _BY_STATUS else spoken


def classify(speaker: str, status: int, headers: Mapping[str, str], body: bytes, now: float) -> Failure:
    """Return the failure that a response means. Total: anything gives exactly one.

    `speaker` as `speaker_of` says; `headers` by lower-case name; `now` in Unix seconds, from which waits are reckoned.
    """
    info = parse_error(body)
    silent = _WITHOUT_A_WORD.get(speaker, {}).get(status)
    if silent is not None and not info.found and not info.message:
        return replace(generic(status, info, headers, now), kind=silent, retry_after=None)
    return _classified(speaker, status, info, headers, now)


def failure_inside(speaker: str, value: object, *, is_error: bool = False) -> Failure | None:
    """Return the failure that the JSON of a 200 body or event means, or `None` when it is no error.

    `is_error`: the event is called an error, so it is one whatever its data says.
    """
    info = read_error(value)
    if not info.found and not is_error:
        return None
    return inside(speaker, info)


def inside(speaker: str, info: ErrorInfo) -> Failure:
    """Return the failure of an error in place of an answer: one that broke off, unless the code says more."""
    failure = _classified(speaker, 200, replace(info, found=True), {}, 0.0)
    return replace(failure, kind=Kind.INTERRUPTED) if failure.kind is Kind.GARBLED else failure


def _classified(speaker: str, status: int, info: ErrorInfo, headers: Mapping[str, str], now: float) -> Failure:
    failure = generic(status, info, headers, now)
    if failure.kind is Kind.TOO_LONG or (failure.kind is Kind.RATE_LIMITED and status == 402):
        return failure  # recognised by its words, whatever its code: a prompt too long, a bill that is only in flight
    if failure.kind is Kind.TRANSIENT and _NO_SUCH_INPUT.search(info.message):
        return replace(failure, kind=Kind.UNSUPPORTED, feature=blamed_feature(info.param, info.message))
    kind = _kind_of_code(speaker, info) or _BY_STATUS.get(speaker, {}).get(status)
    if kind is Kind.RATE_LIMITED and is_spent(info, headers):
        kind = Kind.EXHAUSTED
    if kind is None or kind is failure.kind:
        return failure
    return replace(
        failure,
        kind=kind,
        retry_after=failure.retry_after if kind in _WAITING else None,
        seen=Seen.YES if status == 200 and kind is Kind.UNAVAILABLE else failure.seen,
        feature=None,
    )


def _kind_of_code(speaker: str, info: ErrorInfo) -> Kind | None:
    kinds = CODES.get(speaker)
    if kinds is None:
        return None
    pattern = _IN_WORDS.get(speaker)
    codes = (*info.codes, *pattern.findall(info.message)) if pattern else info.codes
    return next((kinds[code] for code in map(normal, codes) if code in kinds), None)
