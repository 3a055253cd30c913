"""How each provider spells its errors: status, body and headers, and what they mean.

The same word means different things at different providers, one thing has a dozen words, and the status often lies.
Every row is made up after the provider's documentation; none is a recording.

```python
server.script("kimi-test", [SPELLINGS["moonshot overloaded"].fault(), "ok"])
```
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from modelroute.testing.exchange import Headers
from modelroute.testing.fault import Fault
from modelroute.testing.faults import says
from modelroute.testing.replies import anthropic_error, openai_error
from modelroute.types.failure import Kind

__all__ = ["SPELLINGS", "Spelling"]


@dataclass(frozen=True, slots=True)
class Spelling:
    """One error as one provider says it: `kind` is what it means there, `wait` the seconds it asks for."""

    provider: str
    kind: Kind
    status: int
    body: bytes
    headers: Headers = ()
    wait: float | None = None

    def fault(self) -> Fault:
        """Return the fault that answers every request with it."""
        return says(self.status, self.body, self.headers, expect=self.kind, name=f"{self.provider} {self.kind}")


def _json(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def _moonshot(kind: str, message: str) -> bytes:
    return _json(error={"type": kind, "message": message})


def _google(status: str, code: int, message: str, *details: Mapping[str, object]) -> bytes:
    return _json(error={"code": code, "message": message, "status": status, "details": list(details)})


_GOOGLE_RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "36s"}
_GOOGLE_BAD_KEY = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}

_RATE_LIMITED: Mapping[str, Spelling] = {
    "openai rate": Spelling(
        "openai",
        Kind.RATE_LIMITED,
        429,
        openai_error(429, code="rate_limit_exceeded", kind="requests", message="Please try again in 1.4s."),
        (("retry-after-ms", "1400"), ("x-ratelimit-reset-requests", "1m0.4s")),
        1.4,
    ),
    "anthropic rate": Spelling(
        "anthropic",
        Kind.RATE_LIMITED,
        429,
        anthropic_error(429, message="This request would exceed your organization's rate limit"),
        (("retry-after", "7"),),
        7.0,
    ),
    "gemini rate": Spelling(
        "gemini", Kind.RATE_LIMITED, 429, _google("RESOURCE_EXHAUSTED", 429, "Quota exceeded", _GOOGLE_RETRY), (), 36.0
    ),
    "groq rate": Spelling(
        "groq",
        Kind.RATE_LIMITED,
        429,
        openai_error(429, code="rate_limit_exceeded", kind="tokens", message="Rate limit reached: tokens per minute"),
        (("retry-after", "3"), ("x-ratelimit-reset-tokens", "2m59.56s")),
        3.0,
    ),
    "moonshot rate": Spelling(
        "moonshot", Kind.RATE_LIMITED, 429, _moonshot("rate_limit_reached_error", "request reached RPM limit")
    ),
    "dashscope quota": Spelling(
        "dashscope",
        Kind.RATE_LIMITED,
        429,
        openai_error(
            429, code="insufficient_quota", kind="insufficient_quota", message="You exceeded your current quota"
        ),
    ),
    "mistral rate": Spelling(
        "mistral",
        Kind.RATE_LIMITED,
        429,
        _json(object="error", message="Rate limit exceeded", type="rate_limited", param=None, code="1300"),
    ),
    "bedrock rate": Spelling(
        "bedrock",
        Kind.RATE_LIMITED,
        429,
        _json(message="Too many requests, please wait before trying again."),
        (("x-amzn-errortype", "ThrottlingException"),),
    ),
    "openrouter in flight": Spelling(
        "openrouter",
        Kind.RATE_LIMITED,
        402,
        _json(
            error={
                "code": 402,
                "message": "Too much in flight",
                "metadata": {"limit_source": "openrouter_in_flight_budget"},
            }
        ),
        (("retry-after", "2"),),
        2.0,
    ),
}

_UNAVAILABLE: Mapping[str, Spelling] = {
    "openai overloaded": Spelling(
        "openai",
        Kind.UNAVAILABLE,
        503,
        openai_error(503, code="server_is_overloaded", message="Servers are overloaded"),
    ),
    "anthropic overloaded": Spelling("anthropic", Kind.UNAVAILABLE, 529, anthropic_error(529, message="Overloaded")),
    "gemini overloaded": Spelling(
        "gemini", Kind.UNAVAILABLE, 503, _google("UNAVAILABLE", 503, "The model is overloaded")
    ),
    "moonshot overloaded": Spelling(
        "moonshot", Kind.UNAVAILABLE, 429, _moonshot("engine_overloaded_error", "The engine is currently overloaded")
    ),
    "cerebras overloaded": Spelling(
        "cerebras",
        Kind.UNAVAILABLE,
        429,
        _json(message="High traffic", type="too_many_requests_error", param="queue", code="queue_exceeded"),
    ),
    "groq overloaded": Spelling("groq", Kind.UNAVAILABLE, 498, openai_error(498, code="capacity_exceeded")),
    "bedrock overloaded": Spelling(
        "bedrock",
        Kind.UNAVAILABLE,
        429,
        _json(message="Model is not ready"),
        (("x-amzn-errortype", "ModelNotReadyException"),),
    ),
    "llamacpp loading": Spelling(
        "llamacpp",
        Kind.UNAVAILABLE,
        503,
        _json(error={"code": 503, "message": "Loading model", "type": "unavailable_error"}),
    ),
}

_EXHAUSTED: Mapping[str, Spelling] = {
    "openai credit": Spelling(
        "openai", Kind.EXHAUSTED, 429, openai_error(429, code="credit_balance_exhausted", kind="insufficient_quota")
    ),
    "anthropic credit": Spelling(
        "anthropic", Kind.EXHAUSTED, 402, anthropic_error(402, message="Credit balance too low")
    ),
    "deepseek credit": Spelling(
        "deepseek", Kind.EXHAUSTED, 402, openai_error(402, code="invalid_request_error", message="Insufficient Balance")
    ),
    "zai credit": Spelling(
        "zai",
        Kind.EXHAUSTED,
        429,
        _json(error={"code": "1113", "message": "Insufficient balance or no resource package"}),
    ),
    "moonshot credit": Spelling(
        "moonshot", Kind.EXHAUSTED, 429, _moonshot("exceeded_current_quota_error", "Your account is not active")
    ),
    "dashscope credit": Spelling(
        "dashscope",
        Kind.EXHAUSTED,
        400,
        openai_error(400, code="Arrearage", message="Access denied, account in arrears"),
    ),
    "minimax credit": Spelling(
        "minimax", Kind.EXHAUSTED, 200, _json(base_resp={"status_code": 1008, "status_msg": "insufficient balance"})
    ),
    "fireworks suspended": Spelling(
        "fireworks",
        Kind.EXHAUSTED,
        412,
        _json(error={"object": "error", "code": "SUSPENDED", "message": "Account suspended"}),
    ),
}

_KEY_OR_MODEL: Mapping[str, Spelling] = {
    "openai key": Spelling("openai", Kind.DENIED, 401, openai_error(401, code="invalid_api_key")),
    "anthropic key": Spelling("anthropic", Kind.DENIED, 401, anthropic_error(401, message="invalid x-api-key")),
    "gemini key": Spelling(
        "gemini", Kind.DENIED, 400, _google("INVALID_ARGUMENT", 400, "API key not valid.", _GOOGLE_BAD_KEY)
    ),
    "mistral key": Spelling("mistral", Kind.DENIED, 401, _json(detail="Unauthorized")),
    "xiaomi region": Spelling("xiaomi", Kind.DENIED, 403, openai_error(403, message="Not available in your region")),
    "openai model": Spelling("openai", Kind.NOT_SERVED, 404, openai_error(404, code="model_not_found", param="model")),
    "anthropic model": Spelling("anthropic", Kind.NOT_SERVED, 404, anthropic_error(404, message="model: claude-none")),
}

_TOO_LONG: Mapping[str, Spelling] = {
    "openai context": Spelling(
        "openai", Kind.TOO_LONG, 400, openai_error(400, code="context_length_exceeded", param="messages")
    ),
    "anthropic context": Spelling(
        "anthropic",
        Kind.TOO_LONG,
        400,
        anthropic_error(400, message="prompt is too long: 210000 tokens > 200000 maximum"),
    ),
    "gemini context": Spelling(
        "gemini",
        Kind.TOO_LONG,
        400,
        _google(
            "INVALID_ARGUMENT",
            400,
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        ),
    ),
    "xai context": Spelling(
        "xai",
        Kind.TOO_LONG,
        400,
        _json(
            code="invalid-argument", error="This model's maximum prompt length is 9 but the request contains 10 tokens."
        ),
    ),
    "moonshot context": Spelling(
        "moonshot",
        Kind.TOO_LONG,
        400,
        _moonshot("invalid_request_error", "Your request exceeded model token limit : 262144"),
    ),
    "mistral context": Spelling(
        "mistral",
        Kind.TOO_LONG,
        400,
        _json(
            object="error",
            type="invalid_request_error",
            code="3051",
            message="Prompt contains 140000 tokens, too large for model with 131072 maximum context length",
        ),
    ),
    "vllm context": Spelling(
        "vllm",
        Kind.TOO_LONG,
        400,
        _json(
            object="error",
            type="BadRequestError",
            code=400,
            message="This model's maximum context length is 8192 tokens.",
        ),
    ),
    "together context": Spelling(
        "together",
        Kind.TOO_LONG,
        422,
        openai_error(
            422, message="`inputs` tokens + `max_new_tokens` must be <= 8193: maximum context length is 8192 tokens"
        ),
    ),
    "llamacpp context": Spelling(
        "llamacpp",
        Kind.TOO_LONG,
        400,
        _json(
            error={
                "code": 400,
                "type": "exceed_context_size_error",
                "message": "the request exceeds the available context size",
                "n_prompt_tokens": 5_000,
                "n_ctx": 4_096,
            }
        ),
    ),
    "lmstudio context": Spelling(
        "lmstudio",
        Kind.TOO_LONG,
        400,
        _json(error="The number of tokens to keep from the initial prompt is greater than the context length"),
    ),
}

_REFUSED: Mapping[str, Spelling] = {
    "openai filter": Spelling("openai", Kind.REFUSED, 400, openai_error(400, code="content_policy_violation")),
    "azure filter": Spelling(
        "azure",
        Kind.REFUSED,
        400,
        _json(
            error={
                "code": "content_filter",
                "message": "The response was filtered",
                "innererror": {"code": "ResponsibleAIPolicyViolation"},
            }
        ),
    ),
    "moonshot filter": Spelling("moonshot", Kind.REFUSED, 400, _moonshot("content_filter", "The request was rejected")),
    "zai filter": Spelling(
        "zai", Kind.REFUSED, 400, _json(error={"code": "1301", "message": "Unsafe or sensitive content"})
    ),
    "dashscope filter": Spelling("dashscope", Kind.REFUSED, 400, openai_error(400, code="data_inspection_failed")),
    "minimax filter": Spelling(
        "minimax", Kind.REFUSED, 200, _json(base_resp={"status_code": 1026, "status_msg": "input new_sensitive"})
    ),
    "groq tool": Spelling(
        "groq",
        Kind.INVALID_OUTPUT,
        400,
        _json(error={"message": "Failed to call a function.", "code": "tool_use_failed", "failed_generation": "<add>"}),
    ),
}

SPELLINGS: Mapping[str, Spelling] = MappingProxyType(
    {**_RATE_LIMITED, **_UNAVAILABLE, **_EXHAUSTED, **_KEY_OR_MODEL, **_TOO_LONG, **_REFUSED}
)
"""Every spelling by provider and what it says, ``"moonshot overloaded"``."""
