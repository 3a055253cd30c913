"""What every provider says in place of an answer, row by row: the kind, who is asked next, the wait, the code."""

import json
from dataclasses import dataclass, field

import pytest

from modelroute.providers.errors import classify, failure_inside, speaker_of
from modelroute.types.failure import Failure, Kind, Retry
from tests.providers.samples import Json

NOW = 1_795_000_000.0  # 2026-11-18T11:06:40Z
UNTOLD: float | None = None


@dataclass(frozen=True)
class Row:
    """`provider` answered `status` with `body`."""

    provider: str
    status: int
    body: object
    kind: Kind
    wait: float | None = None
    code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    retry: Retry | None = None
    feature: str | None = None

    def failure(self) -> Failure:
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return classify(speaker_of(self.provider, "compatible"), self.status, self.headers, body, NOW)


def error(message: str = "m", code: object = None, kind: str | None = None, **more: object) -> Json:
    return {"error": {"message": message, "type": kind, "param": None, "code": code, **more}}


def flat(message: object, code: object = None, kind: str | None = None) -> Json:
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}


def said(message: str, code: str = "") -> Json:
    """xAI's."""
    return {"code": code, "error": message}


def google(code: int, status: str, message: str = "m", *details: Json) -> Json:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def anthropic(kind: str, message: str = "m", **more: object) -> Json:
    return {"type": "error", "error": {"type": kind, "message": message, **more}, "request_id": "req_1"}


def quota(*ids: str) -> Json:
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": each} for each in ids]}


def delay(wait: str) -> Json:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": wait}


def aws(name: str) -> dict[str, str]:
    return {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"}


LIMITED = [
    Row("openai", 429, error("Rate limit reached. Please try again in 1.4s.", "rate_limit_exceeded", "tokens"),
        Kind.RATE_LIMITED, 1.4, "rate_limit_exceeded", retry=Retry.SAME_AFTER_WAIT),
    Row("openai", 429, error("m", "rate_limit_exceeded"), Kind.RATE_LIMITED, 0.02,
        headers={"retry-after-ms": "20", "retry-after": "2"}),
    Row("openai", 429, error("m", "slow_down"), Kind.RATE_LIMITED, 60.4,
        headers={"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m0.4s",
                 "x-ratelimit-remaining-requests": "9", "x-ratelimit-reset-requests": "6m0s"}),
    Row("openai", 429, error(), Kind.RATE_LIMITED, 20, headers={"retry-after": "Wed, 18 Nov 2026 11:07:00 GMT"}),
    Row("openai", 429, error("Please try again in 7m12s."), Kind.RATE_LIMITED, 432),
    Row("azure", 429, error("have exceeded call rate limit. Please retry after 26 seconds.", "RateLimitReached"),
        Kind.RATE_LIMITED, 26, "RateLimitReached"),
    Row("azure", 429, error("have exceeded token rate limit", "429"), Kind.RATE_LIMITED, 20, "429",
        headers={"retry-after": "20"}),
    Row("anthropic", 429, anthropic("rate_limit_error"), Kind.RATE_LIMITED, 17, headers={"retry-after": "17"}),
    Row("anthropic", 429, anthropic("rate_limit_error"), Kind.RATE_LIMITED, 10,
        headers={"anthropic-ratelimit-input-tokens-remaining": "0",
                 "anthropic-ratelimit-input-tokens-reset": "2026-11-18T11:06:50Z",
                 "anthropic-ratelimit-requests-remaining": "3999",
                 "anthropic-ratelimit-requests-reset": "2026-11-18T12:06:50Z"}),
    Row("google", 429, google(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, check your billing details.",
        quota("GenerateRequestsPerMinutePerProjectPerModel"), delay("36s")), Kind.RATE_LIMITED, 36,
        "RESOURCE_EXHAUSTED"),
    Row("gemini", 429, [google(429, "RESOURCE_EXHAUSTED", "m", delay("36.5s"))], Kind.RATE_LIMITED, 36.5),
    Row("google", 429, google(429, "RESOURCE_EXHAUSTED", "Please retry in 36.5s."), Kind.RATE_LIMITED, 36.5),
    Row("moonshot", 429, error("max organization concurrency: 3, please try again after 1 seconds",
        kind="rate_limit_reached_error"), Kind.RATE_LIMITED, 1, "rate_limit_reached_error"),
    Row("kimi", 429, error("m", kind="rate_limit_reached_error"), Kind.RATE_LIMITED, 3,
        headers={"x-ratelimit-limit": "3", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "3"}),
    Row("deepseek", 429, error("Concurrency limit exceeded", "rate_limit_exceeded"), Kind.RATE_LIMITED),
    Row("deepseek", 429, b"", Kind.RATE_LIMITED),
    Row("zai", 429, error("m", "1302"), Kind.RATE_LIMITED, code="1302"),
    Row("glm", 429, error("m", 1303), Kind.RATE_LIMITED, code="1303"),
    Row("alibaba", 429, error("You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
        Kind.RATE_LIMITED, code="insufficient_quota"),
    Row("qwen", 429, {"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded", "request_id": "r"},
        Kind.RATE_LIMITED, code="Throttling.RateQuota"),
    Row("dashscope", 429, error("m", "Throttling.AllocationQuota"), Kind.RATE_LIMITED),
    Row("dashscope", 429, error("m", "limit_requests", "limit_requests"), Kind.RATE_LIMITED, code="limit_requests"),
    Row("groq", 429, error("on tokens per minute (TPM): Limit 8000. Please try again in 2.25s.", "rate_limit_exceeded"),
        Kind.RATE_LIMITED, 3, headers={"retry-after": "3"}),
    Row("groq", 429, error("on requests per minute (RPM): Limit 30", "rate_limit_exceeded"), Kind.RATE_LIMITED, 7.66,
        headers={"x-ratelimit-remaining-requests": "9", "x-ratelimit-reset-requests": "2m59.56s",
                 "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "7.66s"}),
    Row("mistral", 429, {**flat("Rate limit exceeded", "1300", "rate_limited"), "raw_status_code": 429},
        Kind.RATE_LIMITED, code="1300"),
    Row("mistral", 429, flat("Rate limit exceeded", 1300), Kind.RATE_LIMITED, 4, headers={"retry-after": "4"}),
    Row("minimax", 200, {"choices": None, "base_resp": {"status_code": 1002, "status_msg": "rate limit"}},
        Kind.RATE_LIMITED, code="1002"),
    Row("minimax", 429, anthropic("rate_limit_error", "rate limit exceeded (1039)"), Kind.RATE_LIMITED),
    Row("xai", 429, said("Too many requests for team t. Requests per Second: 3/2", "Some resource has been exhausted"),
        Kind.RATE_LIMITED, code="Some resource has been exhausted"),
    Row("xai", 429, {"error": "Tokens per Minute: 10/5"}, Kind.RATE_LIMITED),
    Row("cerebras", 429, {"message": "Tokens per minute limit exceeded", "type": "too_many_tokens_error",
        "param": "quota", "code": "token_quota_exceeded"}, Kind.RATE_LIMITED, 11.382867,
        headers={"x-ratelimit-remaining-tokens-minute": "0", "x-ratelimit-reset-tokens-minute": "11.382867"}),
    Row("openrouter", 429, error("Provider returned error", 429, metadata={"raw": "x is temporarily rate-limited"}),
        Kind.RATE_LIMITED, 5, headers={"retry-after": "5"}),
    Row("openrouter", 402, error("In-flight spending budget exhausted", 402,
        metadata={"limit_source": "openrouter_in_flight_budget"}), Kind.RATE_LIMITED, 3,
        "openrouter_in_flight_budget", {"retry-after": "3"}),
    Row("openrouter", 429, error("Rate limit exceeded: limit_rpm/x", 429,
        metadata={"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795000030000"}}),
        Kind.RATE_LIMITED, 30),
    Row("bedrock", 429, {"message": "Too many requests"}, Kind.RATE_LIMITED, code="ThrottlingException",
        headers=aws("ThrottlingException")),
    Row("bedrock", 400, {"__type": "com.amazon.coral.service#ThrottlingException", "message": "Rate exceeded"},
        Kind.RATE_LIMITED, code="ThrottlingException"),
    Row("together", 429, error("m", kind="rate_limit"), Kind.RATE_LIMITED, 1.5,
        headers={"x-ratelimit-limit": "1", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1.5"}),
    Row("fireworks", 429, error("Request rate limit exceeded", "RATE_LIMIT_EXCEEDED"), Kind.RATE_LIMITED,
        code="RATE_LIMIT_EXCEEDED", headers={"x-ratelimit-over-limit": "yes", "x-ratelimit-remaining-requests": "0"}),
    Row("xiaomi", 429, error("Too many requests", "429"), Kind.RATE_LIMITED),
    Row("compatible", 429, b"<html><title>429 Too Many Requests</title></html>", Kind.RATE_LIMITED),
]  # fmt: skip

SPENT = [
    Row("google", 429, google(429, "RESOURCE_EXHAUSTED", "Quota exceeded.",
        quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier"), delay("20s")), Kind.EXHAUSTED, None,
        "RESOURCE_EXHAUSTED"),
    Row("google", 429, google(429, "RESOURCE_EXHAUSTED", "m", quota("TokensPerMonth"), delay("41400s")),
        Kind.EXHAUSTED, 41_400),
    Row("groq", 429, error("on requests per day (RPD): Limit 1000. Please try again in 1h26m24.5s.",
        "rate_limit_exceeded", "requests"), Kind.EXHAUSTED, 5_184.5, "rate_limit_exceeded"),
    Row("groq", 429, error("on tokens per day (TPD): Limit 100000", "rate_limit_exceeded"), Kind.EXHAUSTED, 685,
        headers={"retry-after": "685"}),
    Row("cerebras", 429, {"message": "Tokens per day limit exceeded", "code": "token_quota_exceeded"}, Kind.EXHAUSTED),
    Row("cerebras", 429, {"message": "Quota exceeded", "code": "request_quota_exceeded"}, Kind.EXHAUSTED,
        33_011.38, headers={"x-ratelimit-remaining-requests-day": "0",
        "x-ratelimit-reset-requests-day": "33011.38", "x-ratelimit-remaining-tokens-minute": "59998"}),
    Row("moonshot", 429, error("Your account reached organization TPD rate limit", kind="rate_limit_reached_error"),
        Kind.EXHAUSTED),
    Row("openrouter", 429, error("Rate limit exceeded: free-models-per-day", 429,
        metadata={"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795040000000"}}),
        Kind.EXHAUSTED, 40_000),
    Row("bedrock", 429, {"message": "Too many tokens per day, please wait before trying again."}, Kind.EXHAUSTED,
        headers=aws("ThrottlingException")),
    Row("ollama", 429, {"error": "you have reached your weekly usage limit"}, Kind.EXHAUSTED),
    Row("zai", 429, error("m", "1304"), Kind.EXHAUSTED),
]  # fmt: skip

UNPAID = [
    *(Row("openai", 429, error("m", code, "insufficient_quota"), Kind.EXHAUSTED, code=code, retry=Retry.OTHER)
      for code in ("insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
                   "project_spend_limit_exceeded", "organization_usage_limit_exceeded")),
    Row("anthropic", 402, anthropic("billing_error"), Kind.EXHAUSTED, code="billing_error"),
    Row("anthropic", 429, anthropic("rate_limit_error", "reached its monthly spend limit.",
        details={"error_code": "enforced_spend_limit_reached"}), Kind.EXHAUSTED, code="enforced_spend_limit_reached"),
    Row("anthropic", 429, anthropic("rate_limit_error", "Your organization reached its monthly spend limit."),
        Kind.EXHAUSTED, code="rate_limit_error"),
    Row("anthropic", 400, anthropic("invalid_request_error", "Your credit balance is too low to access the API."),
        Kind.EXHAUSTED),
    Row("anthropic", 400, anthropic("invalid_request_error", "You have reached your specified API usage limits. You "
        "will regain access on 2026-11-18 at 12:00 UTC."), Kind.EXHAUSTED, 3_200),
    Row("deepseek", 402, error("Insufficient Balance", "invalid_request_error"), Kind.EXHAUSTED),
    Row("xiaomi", 402, error("Insufficient account balance", "402", "billing_error"), Kind.EXHAUSTED),
    Row("mimo", 402, b"", Kind.EXHAUSTED),
    Row("openrouter", 402, error("Insufficient credits. Add more", 402), Kind.EXHAUSTED, code="402"),
    Row("together", 402, error("m"), Kind.EXHAUSTED),
    Row("fireworks", 402, error("m"), Kind.EXHAUSTED),
    Row("cerebras", 402, b"", Kind.EXHAUSTED),
    Row("mistral", 402, flat("Payment required"), Kind.EXHAUSTED),
    Row("google", 402, google(402, "FAILED_PRECONDITION"), Kind.EXHAUSTED),
    Row("google", 429, google(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted."), Kind.EXHAUSTED),
    Row("deepinfra", 402, {"detail": {"error": "inference prohibited, please enter a payment method or top up"}},
        Kind.EXHAUSTED),
    Row("zai", 429, error("Insufficient balance or no resource package. Please recharge.", "1113"), Kind.EXHAUSTED,
        code="1113"),
    Row("zhipu", 429, error("余额不足", "1113"), Kind.EXHAUSTED, code="1113"),
    Row("moonshot", 429, error("m", kind="exceeded_current_quota_error"), Kind.EXHAUSTED),
    Row("moonshot", 403, error("m", kind="exceeded_current_quota_error"), Kind.EXHAUSTED),
    Row("alibaba", 400, error("account is in good standing", "Arrearage", "Arrearage"), Kind.EXHAUSTED,
        code="Arrearage"),
    Row("alibaba", 403, {"code": "AllocationQuota.FreeTierOnly", "message": "The free tier of the model has been "
        "exhausted."}, Kind.EXHAUSTED),
    Row("fireworks", 412, error("Account is suspended", "PRECONDITION_FAILED"), Kind.EXHAUSTED),
    Row("xai", 403, said("Your newly created team doesn't have any credits yet.", "The caller does not have permission "
        "to execute the specified operation"), Kind.EXHAUSTED),
    Row("xai", 429, said("Your team t has either used all available credits or reached its monthly spending limit.",
        "Some resource has been exhausted"), Kind.EXHAUSTED),
    Row("minimax", 200, {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
        Kind.EXHAUSTED, code="1008"),
    Row("minimax", 500, anthropic("api_error", "insufficient balance (1008)"), Kind.EXHAUSTED),
]  # fmt: skip

BUSY = [
    Row("openai", 503, error("m", "server_is_overloaded"), Kind.UNAVAILABLE, retry=Retry.SAME_ONCE),
    Row("anthropic", 529, anthropic("overloaded_error"), Kind.UNAVAILABLE, code="overloaded_error"),
    Row("google", 503, google(503, "UNAVAILABLE", "The model is overloaded."), Kind.UNAVAILABLE),
    Row("moonshot", 429, error("m", kind="engine_overloaded_error"), Kind.UNAVAILABLE),
    Row("deepseek", 503, b"", Kind.UNAVAILABLE),
    Row("zai", 429, error("The service is busy", "1305"), Kind.UNAVAILABLE, code="1305"),
    Row("together", 503, error("overloaded", "engine_overloaded"), Kind.UNAVAILABLE),
    Row("groq", 498, error("Flex tier capacity exceeded", "capacity_exceeded"), Kind.UNAVAILABLE),
    Row("groq", 503, b"", Kind.UNAVAILABLE),
    Row("cerebras", 429, {"message": "high traffic", "param": "queue", "code": "queue_exceeded"}, Kind.UNAVAILABLE),
    Row("mistral", 503, flat("unavailable"), Kind.UNAVAILABLE),
    Row("mistral", 429, flat("Service tier capacity exceeded for this model.", "3505"), Kind.UNAVAILABLE, code="3505"),
    Row("openrouter", 502, error("Provider returned error", 502), Kind.UNAVAILABLE),
    Row("openrouter", 503, error("No available model provider meets your routing requirements", 503), Kind.UNAVAILABLE),
    Row("azure", 429, error("The system is experiencing high demand. Please try again later.", "429"),
        Kind.UNAVAILABLE),
    Row("bedrock", 429, {"message": "m"}, Kind.UNAVAILABLE, code="ModelNotReadyException",
        headers=aws("ModelNotReadyException")),
    Row("bedrock", 529, b"", Kind.UNAVAILABLE),
    Row("bedrock", 503, {"message": "m"}, Kind.UNAVAILABLE, headers=aws("ServiceUnavailableException")),
    Row("llamacpp", 503, error("Loading model", 503, "unavailable_error"), Kind.UNAVAILABLE, code="unavailable_error"),
    *(Row("minimax", 200, {"base_resp": {"status_code": code, "status_msg": "m"}}, Kind.UNAVAILABLE, code=str(code))
      for code in (1000, 1001, 1024, 1033)),
    Row("deepinfra", 429, error("Model busy, retry later", "engine_overloaded"), Kind.UNAVAILABLE),
    Row("xai", 200, said("The model is temporarily unable to serve this request",
        "The service is currently unavailable"), Kind.UNAVAILABLE),
    Row("xai", 503, said("m", "The service is currently unavailable"), Kind.UNAVAILABLE),
    Row("bedrock", 424, {"message": "m"}, Kind.TRANSIENT, headers=aws("ModelErrorException")),
    Row("moonshot", 500, error("m", kind="server_error"), Kind.TRANSIENT),
]  # fmt: skip

SHUT = [
    Row("openai", 401, error("Incorrect API key provided", "invalid_api_key"), Kind.DENIED, code="invalid_api_key",
        retry=Retry.OTHER_PROVIDER),
    Row("openai", 403, error("m", "unsupported_country_region_territory"), Kind.DENIED),
    Row("google", 400, google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.",
        {"reason": "API_KEY_INVALID"}), Kind.DENIED, code="API_KEY_INVALID"),
    Row("google", 400, [google(400, "INVALID_ARGUMENT", "API key expired. Please renew the API key.")], Kind.DENIED),
    Row("google", 400, google(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
        Kind.DENIED),
    Row("google", 403, google(403, "PERMISSION_DENIED"), Kind.DENIED),
    Row("xiaomi", 401, error("Invalid API Key", "401"), Kind.DENIED),
    Row("xiaomi", 403, error("The service is not available in the current region", "403"), Kind.DENIED),
    Row("moonshot", 401, error("m", kind="invalid_authentication_error"), Kind.DENIED),
    Row("moonshot", 403, error("only available for coding agents"), Kind.DENIED),
    Row("bedrock", 403, {"Message": "Authentication failed: Please make sure your API Key is valid."}, Kind.DENIED),
    Row("bedrock", 403, {"message": "not authorized"}, Kind.DENIED, code="AccessDeniedException",
        headers=aws("AccessDeniedException")),
    Row("mistral", 401, {"detail": "Unauthorized"}, Kind.DENIED),
    Row("azure", 401, {"statusCode": 401, "message": "Access denied due to invalid subscription key"}, Kind.DENIED),
    Row("zai", 434, error("No API permission", "434"), Kind.DENIED),
    Row("zai", 401, error("token expired or incorrect", "1000"), Kind.DENIED),
    Row("minimax", 200, {"base_resp": {"status_code": 1004, "status_msg": "login fail"}}, Kind.DENIED, code="1004"),
    Row("xai", 400, said("Incorrect API key provided: xa***.", "Client specified an invalid argument"), Kind.DENIED),
    Row("alibaba", 401, error("Incorrect API key provided.", "invalid_api_key"), Kind.DENIED),
    Row("alibaba", 403, {"code": "AccessDenied", "message": "Access denied."}, Kind.DENIED),
    Row("llamacpp", 401, error("Invalid API Key", 401, "authentication_error"), Kind.DENIED,
        code="authentication_error"),
    Row("cerebras", 401, {"message": "Wrong API Key", "code": "wrong_api_key"}, Kind.DENIED),
    Row("deepseek", 401, error("Authentication Fails", "invalid_request_error"), Kind.DENIED),
]  # fmt: skip

LENGTHS = [
    *(Row(provider, 400, error("m", "context_length_exceeded"), Kind.TOO_LONG, code="context_length_exceeded",
          retry=Retry.LARGER_CONTEXT) for provider in ("openai", "openrouter")),
    Row("cerebras", 400, {"message": "Please reduce the length of the messages", "code": "context_length_exceeded"},
        Kind.TOO_LONG),
    Row("cerebras", 400, b"", Kind.TOO_LONG),
    Row("cerebras", 413, b"", Kind.TOO_LONG),
    Row("anthropic", 400, anthropic("invalid_request_error", "prompt is too long: 213462 tokens > 200000 maximum"),
        Kind.TOO_LONG),
    Row("anthropic", 400, anthropic("invalid_request_error",
        "input length and `max_tokens` exceed context limit: 188240 + 20000 > 200000"), Kind.TOO_LONG),
    Row("anthropic", 413, b"<html>413</html>", Kind.TOO_LONG),
    Row("google", 400, google(400, "INVALID_ARGUMENT", "The input token count (1196265) exceeds the maximum number of "
        "tokens allowed (1048575)."), Kind.TOO_LONG),
    Row("xai", 400, said("This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
        "Client specified an invalid argument"), Kind.TOO_LONG),
    Row("groq", 400, error("Please reduce the length of the messages or completion.", "context_length_exceeded"),
        Kind.TOO_LONG),
    Row("groq", 413, error("Request too large for model `m` on tokens per minute (TPM): Limit 8000, Requested 9000",
        "rate_limit_exceeded", "tokens"), Kind.TOO_LONG, code="rate_limit_exceeded", retry=Retry.LARGER_CONTEXT),
    Row("openai", 429, error("Request too large for gpt-x on tokens per min (TPM): Limit 30000, Requested 40000.",
        "rate_limit_exceeded", "tokens"), Kind.TOO_LONG, retry=Retry.LARGER_CONTEXT),
    Row("mistral", 400, flat("Prompt contains 140000 tokens and 0 draft tokens, too large for model with 131072 maximum"
        " context length", "3051"), Kind.TOO_LONG, code="3051"),
    Row("moonshot", 400, error("Your request exceeded model token limit : 262144"), Kind.TOO_LONG),
    Row("moonshot", 400, error("Input token length too long"), Kind.TOO_LONG),
    Row("minimax", 400, anthropic("invalid_request_error", "invalid params, context window exceeds limit (2013)"),
        Kind.TOO_LONG),
    Row("minimax", 200, {"base_resp": {"status_code": 2013, "status_msg": "context window exceeds limit"}},
        Kind.TOO_LONG),
    *(Row(provider, 400, error("This model's maximum context length is 32768 tokens. However, you requested 40000.",
          400, "BadRequestError"), Kind.TOO_LONG) for provider in ("vllm", "together", "openrouter", "deepseek")),
    Row("vllm", 400, error("The decoder prompt (length 40000) is longer than the maximum model length of 32768."),
        Kind.TOO_LONG),
    Row("openrouter", 400, error("Provider returned error", 400,
        metadata={"raw": json.dumps({"error": {"message": "prompt is too long: 9 tokens > 5 maximum"}})}),
        Kind.TOO_LONG),
    Row("openrouter", 400, error("Provider returned error", 400,
        metadata={"raw": json.dumps({"error": {"message": "m", "code": "context_length_exceeded"}})}),
        Kind.TOO_LONG, code="context_length_exceeded"),
    *(Row("together", status, error("Input token count + max_tokens parameter must be less than the context length of "
          "the model being queried."), Kind.TOO_LONG) for status in (403, 422)),
    Row("together", 422, error("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 131073."),
        Kind.TOO_LONG),
    Row("bedrock", 400, {"message": "Input is too long for requested model."}, Kind.TOO_LONG,
        headers=aws("ValidationException")),
    Row("llamacpp", 400, error("request (5000 tokens) exceeds the available context size (4096 tokens)", 400,
        "exceed_context_size_error", n_prompt_tokens=5000, n_ctx=4096), Kind.TOO_LONG,
        code="exceed_context_size_error"),
    Row("lmstudio", 400, {"error": "The number of tokens to keep from the initial prompt is greater than the context "
        "length."}, Kind.TOO_LONG),
    Row("lmstudio", 400, {"error": "Trying to keep the first 5000 tokens when context the overflows."}, Kind.TOO_LONG),
    Row("sglang", 400, flat("The input (40000 tokens) is longer than the model's context length (32768 tokens).", 400),
        Kind.TOO_LONG),
    Row("sglang", 400, flat("Input length (40000 tokens) exceeds the maximum allowed length (32768 tokens).", 400),
        Kind.TOO_LONG),
    Row("alibaba", 400, error("Range of input length should be [1, 129024]", "invalid_parameter_error"), Kind.TOO_LONG),
    Row("zai", 400, error("Prompt exceeds max length", "1261"), Kind.TOO_LONG, code="1261"),
    Row("zai", 435, error("m", "435"), Kind.TOO_LONG),
]  # fmt: skip

FILTERED = [
    Row("openai", 400, error("m", "content_policy_violation"), Kind.REFUSED, retry=Retry.NEVER),
    Row("azure", 400, error("The response was filtered", "content_filter", status=400,
        innererror={"code": "ResponsibleAIPolicyViolation"}), Kind.REFUSED, code="ResponsibleAIPolicyViolation"),
    Row("moonshot", 400, error("considered high risk", kind="content_filter"), Kind.REFUSED, code="content_filter"),
    Row("zai", 400, {**error("unsafe or sensitive content", "1301"), "contentFilter": [{"role": "user", "level": 1}]},
        Kind.REFUSED, code="1301"),
    Row("alibaba", 400, error("m", "data_inspection_failed"), Kind.REFUSED, code="data_inspection_failed"),
    Row("alibaba", 400, {"code": "DataInspectionFailed", "message": "inappropriate content"}, Kind.REFUSED),
    *(Row("minimax", 200, {"choices": [], "base_resp": {"status_code": code, "status_msg": "new_sensitive"}},
          Kind.REFUSED, code=str(code)) for code in (1026, 1027)),
    Row("openrouter", 403, error("m requires moderation. Your input was flagged", 403,
        metadata={"reasons": ["violence"], "flagged_input": "...", "provider_name": "p"}), Kind.REFUSED, code="403"),
    Row("openrouter", 403, error("Forbidden", 403, metadata={"reasons": ["violence"], "flagged_input": "."}),
        Kind.REFUSED),
    Row("xai", 403, said("Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO"), Kind.REFUSED),
    Row("deepseek", 400, error("Content Exists Risk", "invalid_request_error"), Kind.REFUSED),
]  # fmt: skip

UNTAKEN = [
    Row("openai", 400, error("Unsupported value: 'temperature' does not support 0.2", "unsupported_value",
        param="temperature"), Kind.UNSUPPORTED, feature="temperature", retry=Retry.OTHER),
    Row("mistral", 422, flat({"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are "
        "not permitted", "input": 7}]}, kind="invalid_request_error"), Kind.UNSUPPORTED, feature="seed"),
    Row("openrouter", 404, error("No endpoints found that support tool use.", 404), Kind.UNSUPPORTED, feature="tools"),
    Row("vllm", 400, error('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'),
        Kind.UNSUPPORTED),
    Row("llamacpp", 501, error("This server does not support images.", 501, "not_supported_error"), Kind.UNSUPPORTED),
    Row("ollama", 400, error("registry.ollama.ai/library/x does not support tools"), Kind.UNSUPPORTED),
    Row("alibaba", 400, error("parameter.enable_thinking must be set to false for non-streaming calls"),
        Kind.UNSUPPORTED, feature="enable_thinking"),
    Row("deepseek", 400, error("The `reasoning_content` in the thinking mode must be passed back"), Kind.UNPROVED,
        retry=Retry.ONE_OTHER_PROVIDER),
    *(Row(provider, 422, error("bad"), Kind.UNPROVED) for provider in ("deepseek", "mistral", "together", "cerebras")),
    Row("zai", 400, error("bad", "1210"), Kind.UNPROVED, code="1210"),
    Row("groq", 400, error("m", "tool_use_failed", failed_generation="{"), Kind.INVALID_OUTPUT,
        code="tool_use_failed"),
]  # fmt: skip

ABSENT = [
    Row("openai", 404, error("m", "model_not_found"), Kind.NOT_SERVED, code="model_not_found", retry=Retry.OTHER),
    Row("openai", 400, error("The requested model 'm' does not exist.", "model_not_found"), Kind.NOT_SERVED),
    Row("openai", 400, error("Function tools with reasoning_effort are not supported for gpt-x in "
        "/v1/chat/completions. Please use /v1/responses instead."), Kind.NOT_SERVED),
    Row("anthropic", 404, anthropic("not_found_error", "model: x"), Kind.NOT_SERVED, code="not_found_error"),
    Row("azure", 404, error("m", "DeploymentNotFound"), Kind.NOT_SERVED, code="DeploymentNotFound"),
    Row("google", 404, [google(404, "NOT_FOUND", "is not found for API version v1beta")], Kind.NOT_SERVED),
    Row("bedrock", 400, error("model `m` isn't supported on this route", "validation_error"), Kind.NOT_SERVED),
    Row("bedrock", 400, {"message": "The provided model identifier is invalid."}, Kind.NOT_SERVED,
        headers=aws("ValidationException")),
    Row("ollama", 500, error("model requires more system memory (8.3 GiB) than is available (5.6 GiB)"),
        Kind.NOT_SERVED, retry=Retry.OTHER),
    Row("ollama", 404, {"error": "model 'x' not found, try pulling it first"}, Kind.NOT_SERVED),
    Row("lmstudio", 404, {"error": "Model not loaded"}, Kind.NOT_SERVED),
    Row("lmstudio", 400, {"error": "No models loaded. Please load a model in the developer page."}, Kind.NOT_SERVED),
    Row("fireworks", 404, error("Model not found, inaccessible, and/or not deployed", "NOT_FOUND"), Kind.NOT_SERVED),
    Row("moonshot", 404, error("m", kind="resource_not_found_error"), Kind.NOT_SERVED),
    Row("vllm", 404, flat("The model `m` does not exist.", 404, "NotFoundError"), Kind.NOT_SERVED),
    Row("zai", 400, error("Unknown Model", "1211"), Kind.NOT_SERVED),
]  # fmt: skip

ROWS = [*LIMITED, *SPENT, *UNPAID, *BUSY, *SHUT, *LENGTHS, *FILTERED, *UNTAKEN, *ABSENT]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.provider} {row.status} {row.kind}")
def test_a_row_is_one_failure(row: Row) -> None:
    failure = row.failure()

    assert (failure.kind, failure.retry_after) == (row.kind, None if row.wait is None else pytest.approx(row.wait))
    assert row.code in {None, failure.provider_code}
    assert row.retry in {None, failure.retry}
    assert row.feature in {None, failure.feature}


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.wait is None and row.status != 200], ids=lambda row: row.provider
)
def test_a_wait_in_a_header_is_read_wherever_a_wait_means_anything(row: Row) -> None:
    headers = {**row.headers, "retry-after": "700"}
    failure = Row(row.provider, row.status, row.body, row.kind, headers=headers).failure()

    assert failure.retry_after in {None, 700}
    assert (failure.retry_after is not None) == (
        failure.kind in {Kind.RATE_LIMITED, Kind.UNAVAILABLE, Kind.TRANSIENT, Kind.EXHAUSTED}
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.provider} {row.status} {row.kind}")
def test_a_server_that_rules_on_the_same_request_is_heard(row: Row) -> None:
    again = Row(
        row.provider, row.status, row.body, row.kind, headers={**row.headers, "x-should-retry": "true"}
    ).failure()
    never = Row(
        row.provider, row.status, row.body, row.kind, headers={**row.headers, "x-should-retry": "false"}
    ).failure()

    assert (again.again, never.again) == (True, False)
    assert (again.kind, never.kind) == (row.kind, row.kind)
    assert never.retry not in {Retry.SAME_ONCE, Retry.SAME_AFTER_WAIT}
    if row.kind is Kind.UNPROVED:
        assert again.retry is Retry.SAME_ONCE
    else:
        assert again.retry is again.row.retry


@pytest.mark.parametrize(
    ("provider", "value", "kind"),
    [
        ("xai", said("temporarily unable to serve", "The service is currently unavailable"), Kind.UNAVAILABLE),
        ("xai", said("m", "Some resource has been exhausted"), Kind.RATE_LIMITED),
        ("xai", {"error": "anything"}, Kind.INTERRUPTED),
        ("openrouter", {**error("Provider disconnected", 502), "choices": [{"finish_reason": "error"}]},
         Kind.UNAVAILABLE),
        ("openrouter", error("Rate limited", 429), Kind.RATE_LIMITED),
        ("openrouter", error("No credits", 402), Kind.EXHAUSTED),
        ("openrouter", error("server", "server_error"), Kind.INTERRUPTED),
        ("groq", error("m", "tool_use_failed", status_code=400), Kind.INVALID_OUTPUT),
        ("groq", error("m", status_code=503), Kind.UNAVAILABLE),
        ("anthropic", anthropic("overloaded_error"), Kind.UNAVAILABLE),
        ("anthropic", anthropic("api_error"), Kind.INTERRUPTED),
        ("vllm", error("m", 500, "InternalServerError"), Kind.INTERRUPTED),
        ("vllm", flat("m", 400), Kind.UNPROVED),
        ("lmstudio", {"error": "The model crashed"}, Kind.INTERRUPTED),
        ("minimax", {"base_resp": {"status_code": 2049, "status_msg": "invalid api key"}}, Kind.DENIED),
        ("minimax", {"base_resp": {"status_code": "1027", "status_msg": "x"}}, Kind.REFUSED),
        ("google", google(429, "RESOURCE_EXHAUSTED"), Kind.RATE_LIMITED),
        ("google", google(429, "RESOURCE_EXHAUSTED", "m", quota("RequestsPerDay")), Kind.EXHAUSTED),
        ("mistral", {**flat("m"), "raw_status_code": 503}, Kind.UNAVAILABLE),
    ],
)  # fmt: skip
def test_an_error_inside_a_200_is_what_it_says(provider: str, value: Json, kind: Kind) -> None:
    failure = failure_inside(speaker_of(provider, "compatible"), value)

    assert failure is not None
    assert failure.kind is kind


@pytest.mark.parametrize("code", [0, "0", None, [], {}, True])
def test_a_status_that_says_all_is_well_is_no_error(code: object) -> None:
    assert failure_inside("minimax", {"choices": [], "base_resp": {"status_code": code}}) is None


@pytest.mark.parametrize(
    ("name", "own"),
    [("gemini", "google"), ("dashscope", "alibaba"), ("qwen", "alibaba"), ("kimi", "moonshot"), ("glm", "zai"),
     ("zhipu", "zai"), ("mimo", "xiaomi"), ("togetherai", "together"), ("amazon-bedrock", "bedrock")],
)  # fmt: skip
def test_providers_are_known_by_every_name(name: str, own: str) -> None:
    assert speaker_of(name, "compatible") == speaker_of(own, "compatible") == own
    assert speaker_of("my-proxy", name) == own
