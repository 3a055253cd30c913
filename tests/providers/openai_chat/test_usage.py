"""Usage as each provider reports it, in one arithmetic; a report that would make words free is not believed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.money import Money
from modelroute.providers.openai_chat.usage import read_usage
from modelroute.providers.profiles import PROFILES
from modelroute.types.usage import Usage
from tests.providers.openai_chat.test_decode import STOP, content, said
from tests.providers.samples import Given, Json

BASE: Json = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}


def read(provider: str, **more: object) -> Usage | None:
    return read_usage({**BASE, **more}, PROFILES[provider], {})


@pytest.mark.parametrize(
    ("provider", "reported", "expected"),
    [
        ("openai", {"prompt_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 30}}, Usage(100, 20, 64, 30)),
        ("openai", {"completion_tokens_details": {"reasoning_tokens": 15}}, Usage(100, 20, 0, 0, 15)),
        ("google-openai", {}, Usage(100, 20)),
        ("google-openai", {"completion_tokens": 20, "total_tokens": 150,
                           "completion_tokens_details": {"reasoning_tokens": 30}}, Usage(100, 50, 0, 0, 30)),
        ("moonshot", {"cached_tokens": 64}, Usage(100, 20, 64)),
        ("moonshot", {"cached_tokens": 64, "prompt_tokens_details": {"cached_tokens": 60}}, Usage(100, 20, 64)),
        ("deepseek", {"prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36,
                      "prompt_tokens_details": {"cached_tokens": 64}}, Usage(100, 20, 64)),
        ("xiaomi", {"prompt_tokens_details": {"cached_tokens": 32}}, Usage(100, 20, 32)),
        ("zai", {"prompt_tokens_details": {"cached_tokens": 0}}, Usage(100, 20)),
        ("minimax", {"total_characters": 0, "prompt_tokens_details": {"cached_tokens": 64}}, Usage(100, 20, 64)),
        ("alibaba", {"prompt_tokens_details": {"cached_tokens": 50, "cache_creation_input_tokens": 40,
                     "cache_creation": {"ephemeral_5m_input_tokens": 40}, "cache_type": "ephemeral"}},
         Usage(100, 20, 50, 40)),
        ("alibaba", {"prompt_tokens_details": {"cache_creation": {"ephemeral_5m_input_tokens": 40}}},
         Usage(100, 20, 0, 40)),
        ("groq", {"queue_time": 0.1, "prompt_time": 0.2}, Usage(100, 20)),
        ("together", {"cached_tokens": 64}, Usage(100, 20, 64)),
        ("fireworks", {"prompt_tokens_details": {"cached_tokens": 16}}, Usage(100, 20, 16)),
        ("cerebras", {"prompt_tokens_details": {"cached_tokens": 16}}, Usage(100, 20, 16)),
        ("mistral", {"num_cached_tokens": 64}, Usage(100, 20, 64)),
        ("mistral", {"prompt_tokens_details": {"cached_tokens": 64}}, Usage(100, 20, 64)),
        ("mistral", {"prompt_token_details": {"cached_tokens": 64}}, Usage(100, 20, 64)),
        ("xai", {"prompt_tokens_details": {"cached_tokens": 64}, "total_tokens": 150,
                 "completion_tokens_details": {"reasoning_tokens": 30}}, Usage(100, 50, 64, 0, 30)),
        ("xai", {"prompt_tokens_details": {"cached_tokens": 200}}, Usage(300, 20, 200)),
        ("xai", {"completion_tokens_details": {"reasoning_tokens": 5}, "total_tokens": None},
         Usage(100, 25, 0, 0, 5)),
        ("xai", {"completion_tokens_details": {"reasoning_tokens": 15}}, Usage(100, 20, 0, 0, 15)),
        ("openrouter", {"prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 50}, "is_byok": False,
                        "cost": 0.000669}, Usage(100, 20, 40, 50, 0, Money("0.000669"))),
        ("deepinfra", {"estimated_cost": 4.8e-06, "prompt_tokens_details": None},
         Usage(100, 20, provider_cost=Money("0.0000048"))),
        ("xai", {"cost_in_usd_ticks": 1_399_000}, Usage(100, 20, provider_cost=Money("0.0001399"))),
        ("sglang", {"reasoning_tokens": 4, "prompt_tokens_details": None}, Usage(100, 20, 0, 0, 4)),
        ("vllm", {"prompt_tokens_details": {"cached_tokens": 16}}, Usage(100, 20, 16)),
        ("vllm", {"prompt_tokens": 100.0, "completion_tokens": 20.0}, Usage(100, 20)),
        ("ollama", {}, Usage(100, 20)),
        ("compatible", {"completion_tokens": None}, Usage(100, 20)),
        ("compatible", {"prompt_tokens": None}, Usage(100, 20)),
    ],
)  # fmt: skip
def test_each_provider_counts_the_same_in_the_end(provider: str, reported: Json, expected: Usage) -> None:
    assert read(provider, **reported) == expected


@pytest.mark.parametrize("count", [-1, None, "20", True, 1.5, float("inf"), float("nan"), 10**12, [], {}])
def test_what_is_no_count_is_unknown_and_never_zero(count: Given) -> None:
    assert read("openai", completion_tokens=count, total_tokens=None) is None
    assert read("openai", prompt_tokens=count, total_tokens=None) is None
    assert read("openai", cached_tokens=count, prompt_tokens_details=count, completion_tokens_details=count) == Usage(
        100, 20
    )


def test_a_total_that_cannot_be_fills_no_gap() -> None:
    for total in (5, -1, "120", None):
        assert read("openai", prompt_tokens=None, total_tokens=total) is None
    assert read("openai", prompt_tokens="100") is None


def test_llamacpps_own_report_stands_in_for_usage() -> None:
    timings: Json = {"cache_n": 12, "prompt_n": 8, "predicted_n": 9}

    assert read_usage({}, PROFILES["llamacpp"], timings) == Usage(20, 9, 12)
    assert read_usage(BASE, PROFILES["llamacpp"], timings) == Usage(100, 20, 12)
    assert said(content("A"), {**STOP, "timings": timings}, profile="llamacpp").usage == Usage(20, 9, 12)


@pytest.mark.parametrize(
    ("stated", "cost"),
    [
        ({"cost": 0}, None),
        ({"cost": 0.0}, None),
        ({"cost": "0.1"}, None),
        ({"cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.02}}, Money("0.021")),
        ({"cost": 0, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.02}}, Money("0.02")),
        ({"cost": 0.001, "is_byok": True}, None),
        ({"cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": None}}, None),
        ({"cost": 0.001, "is_byok": True, "cost_details": {"upstream_inference_cost": 0}}, None),
        ({"cost": 0.001, "is_byok": None, "cost_details": {"upstream_inference_cost": 0.02}}, Money("0.001")),
        ({"cost": 1e300}, None),
    ],
)
def test_a_stated_cost_is_the_whole_cost_or_none(stated: Json, cost: Money | None) -> None:
    usage = read("openrouter", **stated)

    assert usage is not None
    assert usage.provider_cost == cost


@pytest.mark.parametrize("usage", [(0, 0), (10, 0), (0, 5)])
def test_words_that_cost_nothing_are_not_believed(usage: tuple[int, int]) -> None:
    reported = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}

    assert said(content("A"), {**STOP, "usage": reported}).usage is None
    assert said({**STOP, "usage": reported}).usage == Usage(*usage)
    early = {"choices": [{"index": 0, "delta": {"content": "A"}}], "usage": {**reported}}
    assert said(early, {**STOP, "usage": {"prompt_tokens": 10, "completion_tokens": 5}}).usage == Usage(10, 5)


def test_usage_is_found_where_each_provider_puts_it() -> None:
    end = STOP["choices"][0]
    places: list[list[Json]] = [
        [{**STOP, "usage": BASE}],
        [STOP, {"choices": [], "usage": BASE}],
        [{"choices": [{**end, "usage": BASE}]}],
        [{"choices": [{**end, "usage": BASE}]}, {"choices": [], "usage": BASE}],
        [{**STOP, "x_groq": {"id": "r", "usage": BASE}, "usage": None}],
        [STOP, {**STOP, "usage": BASE}],
        [STOP, {"choices": [{"index": 0, "message": {"content": "A"}, "finish_reason": "stop"}], "usage": BASE}],
    ]
    for events in places:
        answer = said(content("A"), *events)
        assert (answer.text, answer.usage, answer.counted_whole) == ("A", Usage(100, 20), True)


COUNTS = st.none() | st.booleans() | st.integers(-5, 10**6) | st.floats() | st.text(max_size=2)
NAMES = st.sampled_from(
    ["prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "prompt_cache_hit_tokens", "cost",
     "num_cached_tokens", "reasoning_tokens", "estimated_cost", "cost_in_usd_ticks", "is_byok"]
)  # fmt: skip
DETAILS = st.dictionaries(
    st.sampled_from(["cached_tokens", "cache_write_tokens", "cache_creation_input_tokens", "reasoning_tokens"]), COUNTS
)


@given(
    st.dictionaries(NAMES, COUNTS),
    st.dictionaries(st.sampled_from(["prompt_tokens_details", "completion_tokens_details"]), DETAILS | COUNTS),
    st.sampled_from(["openai", "xai", "openrouter", "deepinfra", "mistral", "llamacpp"]),
    st.dictionaries(st.sampled_from(["cache_n", "prompt_n", "predicted_n"]), COUNTS),
)
def test_whatever_is_reported_the_parts_fit_the_whole(raw: Json, details: Json, provider: str, timings: Json) -> None:
    usage = read_usage({**raw, **details}, PROFILES[provider], timings)

    if usage is not None:
        assert 0 <= usage.cached_tokens + usage.cache_write_tokens <= usage.input_tokens
        assert 0 <= usage.reasoning_tokens <= usage.output_tokens
        assert usage.provider_cost is None or usage.provider_cost > Money(0)
        assert json.dumps([usage.input_tokens, usage.output_tokens])


@pytest.mark.parametrize(
    ("word", "native", "reason"),
    [
        ("stop", "refusal", "refusal"),
        ("stop", "SAFETY", "content_filter"),
        ("stop", "end_turn", "stop"),
        ("stop", "max_tokens", "stop"),
        ("length", "refusal", "length"),
        ("stop", None, "stop"),
        ("stop", 7, "stop"),
    ],
)
def test_the_upstreams_own_word_counts_where_it_says_more(word: str, native: object, reason: str) -> None:
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": word, "native_finish_reason": native}]}

    assert said(content("A"), end, profile="openrouter").finish == reason


def test_an_upstream_that_made_no_call_is_known_by_its_own_word() -> None:
    def kind(native: object) -> str:
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "error", "native_finish_reason": native}]}
        failure = said(content("A"), end, profile="openrouter").failure
        assert failure is not None
        return failure.kind

    assert kind("MALFORMED_FUNCTION_CALL") == "invalid_output"
    assert kind("insufficient_system_resource") == "unavailable"
    assert kind("whatever") == kind(None) == "interrupted"


def test_an_error_inside_a_choice_is_a_failure_with_its_usage() -> None:
    broken = {"choices": [{"index": 0, "delta": {"content": "B"}, "error": {"code": 502, "message": "gone"}}]}
    answer = said(content("A"), {**broken, "usage": BASE}, profile="openrouter")

    assert answer.failure is not None
    assert (answer.text, answer.failure.kind, answer.usage) == ("AB", "unavailable", Usage(100, 20))
