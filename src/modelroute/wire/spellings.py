"""The words errors are written in: which codes and sentences mean which kind of failure, as far as all providers agree.

Codes are compared without case and punctuation (`RateLimitExceeded`, ``rate_limit_exceeded``, ``RATE_LIMIT_EXCEEDED``
are one). A provider that means something else by a word says so in its own table, which is asked first
(`providers.errors`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from modelroute.types.failure import Kind

__all__ = [
    "KIND_OF_CODE",
    "blamed_feature",
    "is_context_overflow",
    "is_lacking",
    "is_larger_than_a_window",
    "is_spent_for_a_period",
    "kind_of_codes",
    "kind_of_text",
    "names_in_front",
    "normal",
]

_LONGEST_READ = 4_000


def normal(code: str) -> str:
    """Return `code` in small letters and digits only, the form in which codes are compared."""
    return "".join(filter(str.isalnum, code)).lower()


_CODES: Mapping[Kind, str] = {
    Kind.TOO_LONG: """context_length_exceeded exceed_context_size_error context_window_exceeded request_too_large
        model_context_window_exceeded string_too_long_for_context prompt_too_long max_tokens_exceeded_context
        ContextWindowExceededError""",
    Kind.REFUSED: """content_filter content_policy_violation ResponsibleAIPolicyViolation data_inspection_failed
        moderation_blocked content_moderation content_blocked safety prohibited_content invalid_prompt
        cyber_policy cyber_policy_violation bio_policy misalignment_policy_violation image_content_policy_violation
        ContentPolicyViolationError""",
    Kind.INVALID_OUTPUT: """tool_use_failed json_validate_failed output_parse_failed malformed_function_call
        unexpected_tool_call""",
    Kind.EXHAUSTED: """insufficient_quota credit_balance_exhausted organization_spend_limit_exceeded
        project_spend_limit_exceeded organization_usage_limit_exceeded enforced_spend_limit_reached billing_error
        billing_hard_limit_reached billing_not_active exceeded_current_quota_error insufficient_balance
        insufficient_credits insufficient_funds payment_required payment_required_error arrearage account_suspended
        account_deactivated_for_billing out_of_credits quota_exceeded_permanently insufficient_balance_error
        AllocationQuota.FreeTierOnly ServiceQuotaExceededException credit_limit_exceeded budget_exceeded
        BudgetExceededError""",
    Kind.UNAVAILABLE: """overloaded overloaded_error engine_overloaded engine_overloaded_error server_is_overloaded
        server_overloaded service_unavailable service_unavailable_error unavailable unavailable_error queue_exceeded
        capacity_exceeded no_capacity model_overloaded ModelNotReadyException ServiceUnavailableException
        insufficient_system_resource bad_gateway gateway_timeout model_is_loading model_loading
        service_tier_capacity_exceeded ModelStreamErrorException""",
    Kind.TRANSIENT: """ModelErrorException ModelTimeoutException InternalServerException""",
    Kind.RATE_LIMITED: """rate_limit_exceeded rate_limit_error rate_limit_reached_error rate_limited rate_limit
        RateLimitReached too_many_requests too_many_requests_error ThrottlingException throttling throttled
        Throttling.RateQuota Throttling.AllocationQuota Throttling.User limit_requests limit_tokens limit_burst_rate
        slow_down token_quota_exceeded request_quota_exceeded tokens_limit_reached
        openrouter_in_flight_budget""",
    Kind.DENIED: """invalid_api_key API_KEY_INVALID incorrect_api_key authentication_error auth_error unauthorized
        unauthenticated invalid_authentication invalid_authentication_error permission_denied permission_error
        permission_denied_error access_denied AccessDeniedException UnrecognizedClientException account_deactivated
        unsupported_country_region_territory ip_not_authorized invalid_organization missing_api_key forbidden
        API_KEY_SERVICE_BLOCKED SERVICE_DISABLED organization_restricted ExpiredTokenException
        InvalidSignatureException MissingAuthenticationTokenException API_KEY_EXPIRED wrong_api_key
        data_residency_mismatch no_db_connection""",
    Kind.NOT_SERVED: """model_not_found not_found not_found_error DeploymentNotFound model_not_supported unknown_model
        invalid_model model_not_available model_decommissioned model_deprecated unknown_url unsupported_api_version
        ResourceNotFoundException model_terms_required model_permission_blocked_org model_not_exist endpoint_not_found
        method_not_allowed unsupported_legacy_model OperationNotSupported""",
    Kind.UNSUPPORTED: """unsupported_parameter unsupported_value unknown_parameter extra_forbidden unsupported_feature
        unsupported_modality unsupported_content_type unrecognized_parameter not_supported_error
        UnsupportedParamsError""",
    Kind.INVALID: """invalid_json invalid_base64 invalid_base64_image invalid_image invalid_image_format
        invalid_image_mode invalid_image_url image_parse_error image_too_large image_too_small image_file_too_large
        image_file_not_found empty_image_file failed_to_download_image unsupported_image_media_type
        invalid_function_parameters""",
}

KIND_OF_CODE: Mapping[str, Kind] = MappingProxyType(
    {normal(code): kind for kind, codes in _CODES.items() for code in codes.split()}
)
"""Normal form of a code to the kind of failure it means, where providers agree."""


_IN_FRONT = re.compile(r"(?:litellm\.\w{1,60}: ?){1,8}", re.ASCII)


def names_in_front(text: str) -> list[str]:
    """Return the names of errors that a proxy put in front of a message: ``litellm.RateLimitError: ...``."""
    found = _IN_FRONT.match(text)
    return [name.removeprefix("litellm.").strip() for name in found.group().split(":") if name] if found else []


def kind_of_codes(codes: Iterable[str]) -> Kind | None:
    """Return the kind that the first known of `codes` (most specific first) means, or `None`."""
    return next((KIND_OF_CODE[code] for code in map(normal, codes) if code in KIND_OF_CODE), None)


_CONTEXT = re.compile(
    r"prompt is too long"
    r"|prompt too long"
    r"|input (?:is |was )?too long"
    r"|input token length too long"
    r"|input token count .{0,40}exceeds"
    r"|maximum (?:model )?context (?:length|window|size)"
    r"|max(?:imum)?[ _](?:prompt|input|sequence|model) (?:length|tokens?) (?:is|of)\b"
    r"|exceed\w* (?:the |its |this )?(?:model'?s? |available |maximum |configured )*(?:context|token limit)"
    r"|exceed\w* (?:the )?(?:model'?s? )?max(?:imum)? (?:number of )?(?:allowed |input |prompt |context ){0,3}"
    r"(?:tokens|length)"
    r"|context (?:length|window|size|limit) (?:is |was |has been )?exceed"
    r"|(?:longer|greater|larger) than the (?:model'?s? )?(?:maximum )?context"
    r"|less than the (?:model'?s? )?context length"
    r"|context the overflows|context[ _-]overflow"
    r"|reduce the length of (?:the |your )?(?:messages|prompt|input)"
    r"|too large for model with \d+ maximum context"
    r"|`?inputs`? tokens \+ `?max_new_tokens`? must be"
    r"|input \(\d+ tokens\) is too large to process"
    r"|input tokens exceed"
    r"|too many (?:input |prompt )?tokens (?:in|for) (?:the )?(?:prompt|context|request|model)"
    r"|range of input length should be",
    re.IGNORECASE,
)
_PER_TIME = re.compile(r"\bper[ -]?(?:min|sec|hour|day)|\b[TRI][TP]?[MDS]\b:|rate limit", re.IGNORECASE)
_LARGER = re.compile(r"\brequest (?:is )?too large\b", re.IGNORECASE)


def is_context_overflow(text: str) -> bool:
    """Return whether `text` says, in any provider's words, that the prompt does not fit the model's context.

    A limit of tokens *per minute* is not one: a larger context would not help, a wait would.
    """
    text = _without_quotations(text[:_LONGEST_READ])
    return bool(_CONTEXT.search(text)) and not _PER_TIME.search(text)


def is_larger_than_a_window(text: str) -> bool:
    """Return whether `text` says that this one request is larger than a minute's limit: no wait makes it fit."""
    return bool(_LARGER.search(_without_quotations(text[:_LONGEST_READ])))


_PERIOD = re.compile(
    r"\bper[ -](?:day|week|month)\b|\b[RT]PD\b"
    r"|\b(?:daily|weekly|monthly)\b[^.]{0,40}\b(?:limit|quota|cap|allowance|allocation)"
    r"|\bfree (?:allocated |tier |trial )*(?:quota|tier|credits?)\b[^.]{0,40}\b(?:exceeded|exhausted|used up|expired)",
    re.IGNORECASE,
)
_PER_MOMENT = re.compile(r"\bper[ -](?:min|sec)|\b[RT]P[MS]\b", re.IGNORECASE)


def is_spent_for_a_period(text: str) -> bool:
    """Return whether `text` says that what may be used in a day or longer, and no shorter time, is used up."""
    text = _without_quotations(text[:_LONGEST_READ])
    return bool(_PERIOD.search(text)) and not _PER_MOMENT.search(text)


_LACKING = re.compile(r"no endpoints found that (?:support|can handle)|does not support image", re.IGNORECASE)


def is_lacking(text: str) -> bool:
    """Return whether `text` of a 404 says that only what was asked of the model is missing, not the model."""
    return bool(_LACKING.search(text[:_LONGEST_READ]))


_MONEY = re.compile(
    r"insufficient (?:account )?(?:balance|credits?|funds)|credit balance is too low|please recharge|\btop[ -]?up\b"
    r"|account is (?:suspended|not active|in arrears)|monthly spend(?:ing)? limit|payment (?:is )?required"
    r"|past invoices|out of credits|no (?:remaining )?credits|good standing|billing hard limit"
    r"|used all (?:of )?(?:your )?available credits|n[o']t have any credits"
    r"|credits? (?:are|is|have been) (?:all )?depleted"
    r"|reached your (?:specified )?(?:api )?(?:usage|spend\w*) limit|enter a payment method"
    r"|(?:credit|key) limit exceeded",
    re.IGNORECASE,
)
_FILTER = re.compile(
    r"content management policy|content[ _-]filter|content policy|usage polic(?:y|ies)"
    r"|(?:usage|community|content|safety) guidelines|content exists risk"
    r"|considered high risk|safety (?:system|filter)"
    r"|unsafe or sensitive|new_sensitive|inappropriate content|flagged (?:as|by|for)|moderation",
    re.IGNORECASE,
)
_BUSY = re.compile(
    r"overload|high (?:demand|traffic|load)|capacity exceeded|at capacity|out of capacity|getting ready|loading model"
    r"|(?:model|service|server|engine)s? (?:is |are )?(?:currently |too |temporarily )*(?:busy|loading|being loaded)"
    r"|(?:temporarily|currently) (?:unavailable|unable)|no available (?:model )?provider|no healthy upstream",
    re.IGNORECASE,
)
_KEY = re.compile(
    r"api[ -_]?key (?:is )?(?:not valid|invalid|expired)|invalid api[ -_]?key|incorrect api[ -_]?key"
    r"|location is not supported|not available in (?:your|the current|this) (?:country|region)",
    re.IGNORECASE,
)
_ABSENT = re.compile(
    r"(?:use|try|via|to) `?/?v\d/(?:responses|chat/completions|messages|completions)"
    r"|supported (?:on|in|for|by) this (?:route|endpoint|api)"
    r"|\bmodel:?(?: [`'\"]?[\w.:/@-]{1,80}[`'\"]?)?,?"
    r" (?:does not exist|(?:is )?not (?:found|available|loaded)"
    r"|(?:is no longer|has been|was) (?:available|served|supported|decommissioned|retired))"
    r"|do(?:es)? not have access to (?:it|the model|this model)\b"
    r"|model not exist|invalid model name"
    r"|not a valid model|unknown model|no such model|not a chat model|requires more system memory"
    r"|model identifier is invalid|on-demand throughput isn.t supported"
    r"|no models? (?:is |are )?(?:currently )?loaded|model (?:was |is )?unloaded",
    re.IGNORECASE,
)
_UNTAKEN = re.compile(
    r"(?:does|do) not (?:currently )?support|doesn'?t support|not support(?:ed)? (?:by|for|with|in) (?:this|the) model"
    r"|(?:is|are) (?:not (?:currently )?supported|unsupported)|(?:isn|aren)'t supported"
    r"|unsupported (?:parameter|value|content|image|media|feature|role)|must be set to (?:true|false) for"
    r"|tool choice requires|unrecognized (?:request )?(?:argument|parameter|field)"
    r"|unknown (?:parameter|field|argument|name)"
    r"|extra inputs are not permitted|unexpected keyword|additional properties are not allowed",
    re.IGNORECASE,
)
# Money first: a suspended account is "temporarily unavailable" too.
_TEXTS: tuple[tuple[Kind, re.Pattern[str], frozenset[int]], ...] = (
    (Kind.EXHAUSTED, _MONEY, frozenset({200, 400, 401, 402, 403, 412, 422, 429})),
    (Kind.UNAVAILABLE, _BUSY, frozenset({200, 400, 429, 498, 500})),
    (Kind.REFUSED, _FILTER, frozenset({200, 400, 403, 422})),
    (Kind.DENIED, _KEY, frozenset({200, 400, 422})),
    (Kind.NOT_SERVED, _ABSENT, frozenset({200, 400, 422, 500})),
    (Kind.UNSUPPORTED, _UNTAKEN, frozenset({200, 400, 422})),
)
_QUOTATION = re.compile(r"(?<!\w)([\"'`])(?:(?!\1(?!\w)).){0,4000}?\1(?!\w)")


def kind_of_text(text: str, status: int) -> Kind | None:
    """Return the kind that the sentence `text` of a response with `status` means, or `None`.

    Each sentence counts only under the statuses it has been seen with: "not supported" in a 500 proves nothing. Quoted
    sentences do not count: servers quote the prompt, and a prompt about overdue payments must not rest a target.
    """
    text = _without_quotations(text[:_LONGEST_READ])
    if not text:
        return None
    return next((kind for kind, pattern, statuses in _TEXTS if status in statuses and pattern.search(text)), None)


def _without_quotations(text: str) -> str:
    """Leave out what is quoted unless it is a single word, which names a model or a parameter."""
    return _QUOTATION.sub(lambda found: "…" if " " in found.group() else found.group(), text)


_FEATURE_WORDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(words, re.IGNORECASE), feature)
    for words, feature in (
        (r"\bimages?\b|\bvision\b|image_url", "vision"),
        (r"\bresponse_format\b|response[ _]mime[ _]type|json[ _]schema|structured output", "json_schema"),
        (r"\beffort\b|reasoning_effort|\bthinking\b|enable_thinking", "reasoning"),
        (r"\btools?\b|function call", "tools"),
        (r"\baudio\b", "audio"),
        (r"\bpdfs?\b|\bdocuments?\b", "pdf"),
        (r"\bprefill|assistant message prefill", "prefill"),
    )
)
_PARAMETER = re.compile(
    r"[`'\"]?\b([a-z][a-z0-9]*(?:_[a-z0-9]+)+|temperature|seed|stop|logprobs|n|top_p|user)\b[`'\"]?"
)
_QUOTED = re.compile(r"[`'\"]([A-Za-z][A-Za-z0-9_.\[\]]{0,59})[`'\"]")


def blamed_feature(param: str | None, text: str) -> str | None:
    """Return the parameter or feature an `unsupported` error names: `param`, else one named in `text`, else `None`."""
    if param:
        return param[:60]
    text = text[:_LONGEST_READ]
    quoted = _QUOTED.search(text)
    if quoted and _PARAMETER.fullmatch(quoted.group(1)):
        return quoted.group(1)
    named = _PARAMETER.search(text)
    if named and len(named.group(1)) > 1:
        return named.group(1)
    return next((feature for words, feature in _FEATURE_WORDS if words.search(text)), None)
