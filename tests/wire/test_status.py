"""Every response that is no answer is exactly one failure, and the one that DESIGN section 5 says."""

import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelroute.types.failure import Failure, Kind, Seen
from modelroute.wire.envelope import LONGEST_MESSAGE
from modelroute.wire.status import ErrorInfo, generic, is_context_overflow, parse_error
from modelroute.wire.waits import LONGEST_WAIT
from tests.wire.samples import NOW, ErrorSample, error_samples

KINDS = {
    "rate_limit": {Kind.RATE_LIMITED},
    "quota_period": {Kind.EXHAUSTED},
    "overloaded": {Kind.UNAVAILABLE},
    "loading": {Kind.UNAVAILABLE},
    "billing": {Kind.EXHAUSTED},
    "auth": {Kind.DENIED},
    "permission": {Kind.DENIED},
    "context_length": {Kind.TOO_LONG},
    "request_too_large": {Kind.TOO_LONG},
    "content_filter": {Kind.REFUSED},
    "model_not_found": {Kind.NOT_SERVED},
    "wrong_api": {Kind.NOT_SERVED},
    "tool_use_failed": {Kind.INVALID_OUTPUT},
    "invalid_request": {Kind.INVALID, Kind.UNSUPPORTED, Kind.UNPROVED},
    "server_error": {Kind.TRANSIENT, Kind.UNAVAILABLE},
}
"""The samples' words for failures, in ours."""

WAITS = {"openai/err_429_tokens.json": 1.4}
"""Where `retry-after-ms` is finer than the whole seconds the sample expects."""


def classify(status: int, body: object = b"", headers: dict[str, str] | None = None) -> Failure:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return generic(status, parse_error(data), headers or {}, NOW)


def openai(message: str = "", code: object = None, kind: str | None = None, param: str | None = None) -> object:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


@pytest.mark.parametrize("sample", error_samples(), ids=lambda sample: sample.file)
def test_the_errors_of_every_provider_are_recognised_without_its_own_table(sample: ErrorSample) -> None:
    failure = generic(sample.status, parse_error(sample.body), sample.headers, NOW)

    assert failure.kind in KINDS[sample.kind]
    assert failure.retry_after == WAITS.get(sample.file, sample.wait)


@pytest.mark.parametrize("sample", [s for s in error_samples() if s.code], ids=lambda sample: sample.file)
def test_the_providers_own_code_is_kept(sample: ErrorSample) -> None:
    info = parse_error(sample.body)
    amazon = sample.headers.get("x-amzn-errortype")

    assert sample.code in {*info.codes, amazon, str(sample.status)}
    assert generic(sample.status, info, sample.headers, NOW).provider_code in {*info.codes, amazon}


@pytest.mark.parametrize(
    ("statuses", "kind"),
    [
        ((408, 409, 425, 500), Kind.TRANSIENT),
        ((502, 503, 504, 529, 501, 520, 524, 599), Kind.UNAVAILABLE),
        ((429,), Kind.RATE_LIMITED),
        ((402,), Kind.EXHAUSTED),
        ((401, 403), Kind.DENIED),
        ((404, 405, 410, 300, 301, 302, 304, 307, 308), Kind.NOT_SERVED),
        ((413,), Kind.TOO_LONG),
        ((400, 422, 406, 412, 418, 424, 431, 434, 435, 451, 499), Kind.UNPROVED),
        ((0, -1, 100, 101, 199, 200, 201, 204, 299, 600, 999, 2**70), Kind.GARBLED),
    ],
    ids=lambda value: str(value) if isinstance(value, Kind) else "",
)
@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"\xff\xfe", b"<html></html>"])
def test_a_status_alone_decides_when_nothing_else_is_said(statuses: tuple[int, ...], kind: Kind, body: bytes) -> None:
    assert {classify(status, body).kind for status in statuses} == {kind}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, openai(code="insufficient_quota", kind="insufficient_quota"), Kind.EXHAUSTED),
        (429, openai("The engine is currently overloaded"), Kind.UNAVAILABLE),
        (
            429,
            openai("You exceeded your current quota, please check your plan and billing details."),
            Kind.RATE_LIMITED,
        ),
        (400, openai("Your credit balance is too low to access the API."), Kind.EXHAUSTED),
        (403, openai("Insufficient balance"), Kind.EXHAUSTED),
        (403, openai("Your chosen model requires moderation and your input was flagged for violence"), Kind.REFUSED),
        (403, openai("prompt is too long: 5 tokens > 4 maximum"), Kind.TOO_LONG),
        (403, openai("The model is overloaded", kind="overloaded_error"), Kind.DENIED),
        (401, openai(code="unsupported_parameter"), Kind.DENIED),
        (500, openai("This model's maximum context length is 8 tokens"), Kind.TOO_LONG),
        (500, openai("model requires more system memory (9 GiB) than is available"), Kind.NOT_SERVED),
        (500, openai("temperature is not supported"), Kind.TRANSIENT),
        (500, openai(code="invalid_api_key"), Kind.TRANSIENT),
        (503, openai(code="slow_down"), Kind.UNAVAILABLE),
        (498, openai("Flex tier capacity exceeded"), Kind.UNAVAILABLE),
        (400, openai("The model is overloaded"), Kind.UNAVAILABLE),
        (500, openai("The model is overloaded"), Kind.UNAVAILABLE),
        (200, openai("The model is overloaded"), Kind.UNAVAILABLE),
        (418, openai("The model is overloaded"), Kind.UNPROVED),
        (404, openai("overloaded", code="overloaded"), Kind.NOT_SERVED),
        (400, openai(code="invalid_base64"), Kind.INVALID),
        (422, openai(code="image_parse_error"), Kind.INVALID),
        (400, openai(code="model_decommissioned"), Kind.NOT_SERVED),
        (400, openai("gpt-9 is not a valid model ID", code=400), Kind.NOT_SERVED),
        (400, openai("no such thing", kind="invalid_request_error"), Kind.UNPROVED),
        (400, openai("prompt flagged", code="invalid_prompt"), Kind.REFUSED),
        (451, openai(code="content_filter"), Kind.REFUSED),
        (200, openai("boom"), Kind.INTERRUPTED),
        (200, openai("boom", code=500), Kind.INTERRUPTED),
        (200, openai("boom", code=400), Kind.UNPROVED),
        (200, openai("boom", kind="invalid_request_error"), Kind.UNPROVED),
        (200, openai("boom", kind="invalid_request_error", code=500), Kind.INTERRUPTED),
        (200, openai("Upstream idle", code=502), Kind.UNAVAILABLE),
        (200, openai("Slow", code=429), Kind.RATE_LIMITED),
        (200, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, Kind.UNAVAILABLE),
        (200, {"choices": [], "error": None}, Kind.GARBLED),
        (201, openai(code="rate_limit_exceeded"), Kind.GARBLED),
    ],
)
def test_codes_and_sentences_overrule_the_status_only_where_they_may(status: int, body: object, kind: Kind) -> None:
    assert classify(status, body).kind is kind


@pytest.mark.parametrize("kind", [Kind.TRANSIENT, Kind.UNAVAILABLE, Kind.RATE_LIMITED])
def test_no_wait_is_invented(kind: Kind) -> None:
    status = {Kind.TRANSIENT: 500, Kind.UNAVAILABLE: 503, Kind.RATE_LIMITED: 429}[kind]
    failure = classify(status, openai("Something went wrong"))

    assert (failure.kind, failure.retry_after) == (kind, None)


def test_a_payment_required_that_names_a_wait_is_a_rate_limit() -> None:
    assert classify(402, b"", {"Retry-After": "3"}).kind is Kind.RATE_LIMITED
    assert classify(402, b"", {"retry-after": "3"}).retry_after == 3
    assert classify(402, b"", {"retry-after": "0"}).kind is Kind.EXHAUSTED


def test_a_days_quota_is_not_waited_out_in_seconds() -> None:
    """Google names the minute's short delay beside the day's quota; believing it would hammer a closed door."""
    quota = {"violations": [{"quotaId": "RequestsPerDayPerProject"}]}
    body = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [quota, {"retryDelay": "20s"}]}}
    failure = classify(429, body)

    assert (failure.kind, failure.retry_after) == (Kind.EXHAUSTED, None)


def test_headers_beat_details_beat_sentences() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}]
    body = {"error": {"message": "try again in 9s", "details": details}}

    assert classify(429, body, {"retry-after": "5"}).retry_after == 5
    assert classify(429, body).retry_after == 7
    assert classify(429, openai("try again in 9s")).retry_after == 9


def test_amazons_error_type_is_a_code() -> None:
    headers = {"x-amzn-ErrorType": "ThrottlingException:http://internal.amazon.com/coral/"}
    failure = classify(400, {"message": "slow"}, headers)

    assert (failure.kind, failure.provider_code) == (Kind.RATE_LIMITED, "ThrottlingException")


def test_an_overload_inside_an_answer_was_seen() -> None:
    """A 200 had been sent: the request was taken on, whatever became of it."""
    assert classify(200, openai(code="overloaded_error")).was_seen is Seen.YES
    assert classify(503, openai(code="overloaded_error")).was_seen is Seen.MAYBE


@pytest.mark.parametrize(
    ("body", "feature"),
    [
        (openai("Unsupported value", code="unsupported_value", param="temperature"), "temperature"),
        (openai("Unsupported parameter: 'top_logprobs' is not supported with this model"), "top_logprobs"),
        (openai("This model does not support image input"), "vision"),
        (openai("tools are not supported by this model"), "tools"),
        (openai("structured outputs are not supported"), "json_schema"),
        (openai("assistant message prefill is not supported"), "prefill"),
        (openai("that is not supported"), None),
        (
            {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]},
            "seed",
        ),
    ],
)
def test_an_unsupported_failure_names_the_feature(body: object, feature: str | None) -> None:
    failure = classify(422, body)

    assert (failure.kind, failure.feature) == (Kind.UNSUPPORTED, feature)


@pytest.mark.parametrize(
    "text",
    [
        "prompt is too long: 213462 tokens > 200000 maximum",
        "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
        "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
        "Please reduce the length of the messages or completion.",
        "Prompt contains 140000 tokens and 0 draft tokens, too large for model with 131072 maximum context length",
        "Your request exceeded model token limit : 262144",
        "Input token length too long",
        "invalid params, context window exceeds limit (2013)",
        "This model's maximum context length is 32768 tokens. However, you requested 40000 tokens",
        "input is too long for requested model",
        "the request exceeds the available context size, try increasing it",
        "request (9000 tokens) exceeds the available context size (8192 tokens)",
        "The number of tokens to keep from the initial prompt is greater than the context length",
        "Trying to keep the first 9 tokens when context the overflows. However, the model is loaded with 8",
        "The input (40000 tokens) is longer than the model's context length (32768 tokens).",
        "Input token count + max_tokens parameter must be less than the context length of the model being queried.",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 131073.",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        "Range of input length should be [1, 129024]",
    ],
)
def test_context_overflow_in_every_spelling(text: str) -> None:
    assert is_context_overflow(text)
    assert is_context_overflow(text.upper())
    assert classify(400, openai(text)).kind is Kind.TOO_LONG


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Rate limit reached on tokens per minute (TPM): Limit 8000. Please reduce the length of the messages",
        "Request too large on tokens per min (TPM): Limit 10000, Requested 12000. The input is too long",
        "max_tokens must be at least 1",
        "Invalid 'messages[0].content': string too short",
        "The context of this conversation is unclear",
        'the tool "prompt is too long" is unknown',
    ],
)
def test_what_is_not_a_context_overflow(text: str) -> None:
    assert not is_context_overflow(text)


PROMPTS = (
    "My account is suspended and the balance insufficient: please recharge it",
    "the model x does not exist any more, use /v1/responses",
    "your servers are overloaded, prompt is too long, API key not valid, content policy",
    "temperature is not supported, unknown parameter",
)


@given(st.sampled_from(PROMPTS), st.sampled_from("\"'`"), st.sampled_from([400, 422, 429, 500]))
def test_a_quoted_prompt_decides_nothing(prompt: str, mark: str, status: int) -> None:
    """Servers quote what they refuse. If the quotation counted, one caller's words could rest a target for all (H5)."""
    said = openai(f"Invalid value: {mark}{prompt}{mark} for messages.0.content", kind="invalid_request_error")

    assert classify(status, said).kind is classify(status, openai("Invalid value for messages.0.content")).kind


HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "Retry-After-Ms", "x-amzn-errortype", "x-ratelimit-remaining", "x-ratelimit-reset"])
    | st.text(max_size=10),
    st.text(max_size=20) | st.floats().map(str) | st.integers().map(str),
    max_size=5,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "message",
                    "code",
                    "type",
                    "detail",
                    "details",
                    "param",
                    "status",
                    "base_resp",
                    "status_code",
                    "metadata",
                    "raw",
                    "retryDelay",
                    "violations",
                    "quotaId",
                    "innererror",
                    "loc",
                    "msg",
                    "Message",
                    "reason",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)
BODIES = (
    st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()) | st.text(max_size=200).map(str.encode)
)


@given(
    st.integers() | st.integers(100, 599) | st.just(200),
    BODIES,
    HEADERS,
    st.floats(allow_nan=False, allow_infinity=False),
)
@example(200, b'{"error": {"code": "\xc2\xb2\xc2\xb2\xc2\xb2"}}', {}, 0.0)
@example(429, b'{"error": {"code": 1e999, "message": [[["x"]]]}}', {"retry-after": "nan"}, 0.0)
def test_any_response_is_exactly_one_bounded_failure(
    status: int, body: bytes, headers: dict[str, str], now: float
) -> None:
    failure = generic(status, parse_error(body), headers, now)

    assert isinstance(failure.kind, Kind)
    assert len(failure.message) <= LONGEST_MESSAGE
    assert not any(unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} for character in failure.message)
    assert failure.provider_code is None or len(failure.provider_code) <= 100
    assert failure.feature is None or len(failure.feature) <= 100
    assert failure.retry_after is None or 0 <= failure.retry_after <= LONGEST_WAIT
    assert failure == generic(status, parse_error(body), headers, now)


def test_an_empty_error_info_is_enough() -> None:
    assert generic(503, ErrorInfo(), {}, NOW) == Failure(Kind.UNAVAILABLE, status=503)
