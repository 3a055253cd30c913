"""What providers mean by their own words, which is not what others mean by them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.providers.errors import CODES, classify, failure_inside, speaker_of
from modelroute.types.failure import Failure, Kind
from modelroute.wire.secrets import redact
from tests.providers.samples import Json


def said(speaker: str, status: int, headers: dict[str, str] | None = None, **error: object) -> Failure:
    return classify(speaker, status, headers or {}, json.dumps({"error": error}).encode(), 1_795_000_000.0)


@pytest.mark.parametrize(
    ("speaker", "status", "error", "kind"),
    [
        ("openai", 429, {"type": "insufficient_quota", "code": "insufficient_quota"}, Kind.EXHAUSTED),
        ("alibaba", 429, {"type": "insufficient_quota", "code": "insufficient_quota"}, Kind.RATE_LIMITED),
        ("alibaba", 429, {"code": "insufficient_quota"}, Kind.RATE_LIMITED),
        ("openai", 429, {"code": "organization_spend_limit_exceeded", "type": "insufficient_quota"}, Kind.EXHAUSTED),
        ("openai", 429, {"code": "slow_down"}, Kind.RATE_LIMITED),
        ("openai", 429, {"code": None, "type": "tokens", "message": "Rate limit reached"}, Kind.RATE_LIMITED),
        ("anthropic", 529, {"type": "overloaded_error"}, Kind.UNAVAILABLE),
        ("anthropic", 402, {"type": "billing_error"}, Kind.EXHAUSTED),
        ("anthropic", 500, {"type": "api_error"}, Kind.TRANSIENT),
        ("anthropic", 401, {"type": "authentication_error"}, Kind.DENIED),
        (
            "anthropic",
            400,
            {"type": "invalid_request_error", "message": "Your credit balance is too low"},
            Kind.EXHAUSTED,
        ),
        ("deepseek", 402, {"message": "Insufficient Balance"}, Kind.EXHAUSTED),
        ("deepseek", 422, {"message": "Invalid parameters"}, Kind.UNPROVED),
        ("moonshot", 403, {"type": "exceeded_current_quota_error"}, Kind.EXHAUSTED),
        ("moonshot", 429, {"type": "engine_overloaded_error"}, Kind.UNAVAILABLE),
        ("moonshot", 401, {"type": "invalid_authentication_error"}, Kind.DENIED),
        ("moonshot", 400, {"type": "content_filter", "message": "high risk"}, Kind.REFUSED),
        ("zai", 429, {"code": "1302"}, Kind.RATE_LIMITED),
        ("zai", 429, {"code": "1113"}, Kind.EXHAUSTED),
        ("zai", 429, {"code": "1305"}, Kind.UNAVAILABLE),
        ("zai", 434, {"message": "no"}, Kind.DENIED),
        ("minimax", 200, {"code": 1002}, Kind.RATE_LIMITED),
        ("minimax", 200, {"code": 1004}, Kind.DENIED),
        ("mistral", 429, {"code": "1300"}, Kind.RATE_LIMITED),
        ("mistral", 503, {"code": "3505"}, Kind.UNAVAILABLE),
        ("fireworks", 412, {"code": "PRECONDITION_FAILED", "message": "x"}, Kind.EXHAUSTED),
        ("groq", 498, {"code": "capacity_exceeded"}, Kind.UNAVAILABLE),
        ("compatible", 429, {"code": "1113"}, Kind.RATE_LIMITED),
    ],
)
def test_a_word_means_what_its_provider_means(speaker: str, status: int, error: Json, kind: Kind) -> None:
    assert said(speaker, status, **error).kind is kind


def test_a_prompt_too_long_is_that_under_any_code() -> None:
    for speaker in CODES:
        for status in (400, 403, 422):
            failure = said(speaker, status, code="insufficient_quota", message="maximum context length is 5 tokens")
            assert failure.kind is Kind.TOO_LONG


def test_an_input_a_server_cannot_take_is_not_asked_again_even_under_a_500() -> None:
    words = "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"
    failure = said("compatible", 500, code=500, message=words, type="server_error")

    assert (failure.kind, failure.feature) == (Kind.UNSUPPORTED, "vision")


def test_a_bill_in_flight_is_a_wait() -> None:
    failure = said(
        "openrouter", 402, {"retry-after": "3"}, code=402, metadata={"limit_source": "openrouter_in_flight_budget"}
    )

    assert (failure.kind, failure.retry_after) == (Kind.RATE_LIMITED, 3)


def test_what_is_refused_carries_no_wait() -> None:
    assert said("zai", 400, {"retry-after": "3"}, code="1301").retry_after is None


def test_a_table_is_found_by_the_providers_own_name_first() -> None:
    assert speaker_of("zai", "openai") == "zai"
    assert speaker_of("my-proxy", "openai") == "openai"


def test_an_answer_is_no_error_and_an_error_event_always_is() -> None:
    assert failure_inside("openai", {"choices": []}) is None
    assert failure_inside("openai", {"error": None, "choices": []}) is None
    event = failure_inside("openai", {"anything": 1}, is_error=True)
    assert event is not None
    assert event.kind is Kind.INTERRUPTED


@given(
    st.sampled_from([*CODES, "fireworks", "compatible", "new"]),
    st.integers(-10, 1_000),
    st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "x-should-retry"]), st.text(max_size=10)),
    st.binary(max_size=100) | st.builds(
        lambda code, kind, words: json.dumps({"error": {"code": code, "type": kind, "message": words}}).encode(),
        st.one_of(st.none(), st.integers(), st.text(max_size=10), st.sampled_from(["1113", "content_filter"])),
        st.none() | st.text(max_size=10),
        st.text(max_size=40),
    ),
)  # fmt: skip
def test_anything_is_exactly_one_failure(speaker: str, status: int, headers: dict[str, str], body: bytes) -> None:
    failure = classify(speaker, status, headers, body, 1_795_000_000.0)

    assert failure.kind in Kind
    assert failure.retry_after is None or 0 <= failure.retry_after <= 86_400
    assert failure.message == redact(failure.message)
