"""What is left of a limit is read as each provider says it; what cannot be read is not said, and nothing breaks."""

from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelroute.types.limits import RateLimits
from modelroute.wire.limits import rate_limits
from modelroute.wire.waits import LONGEST_WAIT

NOW = 1_795_000_000.0  # 2026-11-18T11:06:40Z

SAID: dict[str, tuple[dict[str, str], RateLimits]] = {
    "openai": (
        {
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-limit-tokens": "150000",
            "x-ratelimit-remaining-requests": "59",
            "x-ratelimit-remaining-tokens": "149984",
            "x-ratelimit-reset-requests": "1s",
            "x-ratelimit-reset-tokens": "6m0s",
        },
        RateLimits(requests_left=59, requests_reset=1, tokens_left=149_984, tokens_reset=360),
    ),
    "groq": (
        {
            "x-ratelimit-remaining-requests": "14370",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-requests": "2m59.56s",
            "x-ratelimit-reset-tokens": "120ms",
        },
        RateLimits(requests_left=14_370, requests_reset=179.56, tokens_left=0, tokens_reset=0.12),
    ),
    "azure": (
        {
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-remaining-tokens": "480",
            "x-ratelimit-reset-tokens": "7",
        },
        RateLimits(requests_left=0, tokens_left=480, tokens_reset=7),
    ),
    "azure counts nothing": (
        {
            "x-ratelimit-limit-requests": "-1",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-limit-tokens": "0",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-remaining-tokens-minute": "-1",
        },
        RateLimits(),
    ),
    "cerebras": (
        {
            "x-ratelimit-limit-requests-day": "1440",
            "x-ratelimit-remaining-requests-day": "1439",
            "x-ratelimit-reset-requests-day": "33011.382867097855",
            "x-ratelimit-remaining-tokens-minute": "59998",
            "x-ratelimit-reset-tokens-minute": "11.382867",
        },
        RateLimits(requests_left=1_439, requests_reset=33_011.382867, tokens_left=59_998, tokens_reset=11.382867),
    ),
    "mistral": (
        {"x-ratelimit-remaining-req-minute": "5", "x-ratelimit-remaining-tokens-minute": "0"},
        RateLimits(requests_left=5, tokens_left=0),
    ),
    "openai, usage based": (
        {"x-ratelimit-remaining-tokens_usage_based": "7", "x-ratelimit-reset-tokens_usage_based": "6m0s"},
        RateLimits(tokens_left=7, tokens_reset=360),
    ),
    "mistral, a month": (
        {"x-ratelimit-remaining-tokens-minute": "500", "x-ratelimit-remaining-tokens-month": "0"},
        RateLimits(tokens_left=0),
    ),
    "xai": (
        {"x-ratelimit-limit-requests": "480", "x-ratelimit-remaining-requests": "479"},
        RateLimits(requests_left=479),
    ),
    "moonshot": (
        {"x-ratelimit-limit": "3", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"},
        RateLimits(requests_left=0, requests_reset=1),
    ),
    "fireworks, all well": (
        {"x-ratelimit-remaining-requests": "10", "x-ratelimit-over-limit": "no"},
        RateLimits(requests_left=10),
    ),
    "fireworks, over": ({"x-ratelimit-over-limit": "yes"}, RateLimits(requests_left=0)),
    "together, tokens": (
        {"x-ratelimit-remaining": "9", "x-tokenlimit-remaining": "0", "x-tokenlimit-reset": "12"},
        RateLimits(requests_left=9, tokens_left=0, tokens_reset=12),
    ),
    "anthropic's priority is no limit": (
        {
            "anthropic-priority-input-tokens-remaining": "0",
            "anthropic-priority-input-tokens-reset": "2027-01-01T00:00:00Z",
        },
        RateLimits(),
    ),
    "openrouter": (
        {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1795000030000"},
        RateLimits(requests_left=0, requests_reset=30),
    ),
    "together": (
        {"x-ratelimit-remaining": "1.0", "x-ratelimit-reset": "1.5"},
        RateLimits(requests_left=1, requests_reset=1.5),
    ),
    "anthropic": (
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": "2026-11-18T11:06:50Z",
            "anthropic-ratelimit-tokens-remaining": "48000",
            "anthropic-ratelimit-tokens-reset": "2026-11-18T11:06:41Z",
            "anthropic-ratelimit-input-tokens-remaining": "40000",
            "anthropic-ratelimit-input-tokens-reset": "2026-11-18T11:06:42Z",
            "anthropic-ratelimit-output-tokens-remaining": "8000",
            "anthropic-ratelimit-output-tokens-reset": "2026-11-18T11:06:43+00:00",
        },
        RateLimits(requests_left=0, requests_reset=10, tokens_left=8_000, tokens_reset=3),
    ),
    "the reset has passed": (
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2026-11-18T11:06:39Z"},
        RateLimits(requests_left=0, requests_reset=0),
    ),
}


def nearly(said: RateLimits | None) -> RateLimits | None:
    """Return `said` to the microsecond, as floats of moments cannot be compared closer."""
    if said is None:
        return None
    resets = [None if reset is None else round(reset, 6) for reset in (said.requests_reset, said.tokens_reset)]
    return RateLimits(
        requests_left=said.requests_left,
        requests_reset=resets[0],
        tokens_left=said.tokens_left,
        tokens_reset=resets[1],
    )


@pytest.mark.parametrize("provider", SAID)
def test_what_each_provider_says_is_read(provider: str) -> None:
    headers, expected = SAID[provider]
    assert nearly(rate_limits(headers, NOW)) == (None if expected == RateLimits() else nearly(expected))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/json", "retry-after": "3"},
        {"x-ratelimit-limit-requests": "60", "x-ratelimit-reset-requests": "1s"},
        {"anthropic-priority-input-tokens-remaining": "0"},
    ],
)
def test_nothing_said_is_none(headers: dict[str, str]) -> None:
    assert rate_limits(headers, NOW) is None


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (("0", "30s"), ("5", "2s"), (0, 30)),
        (("5", "2s"), ("0", "30s"), (0, 30)),
        (("0", "30s"), ("0", "2s"), (0, 30)),
        (("0", "2s"), ("0", "30s"), (0, 30)),
        (("0", "soon"), ("0", "30s"), (0, 30)),
        (("0", "30s"), ("0", "soon"), (0, 30)),
        (("lots", "30s"), ("7", "2s"), (7, 2)),
        (("7", "2s"), ("lots", "30s"), (7, 2)),
    ],
)
def test_of_several_windows_the_scarcest_counts(
    first: tuple[str, str], second: tuple[str, str], expected: tuple[int, float]
) -> None:
    headers = {
        "x-ratelimit-remaining-requests-day": first[0],
        "x-ratelimit-reset-requests-day": first[1],
        "x-ratelimit-remaining-requests-minute": second[0],
        "x-ratelimit-reset-requests-minute": second[1],
    }
    assert rate_limits(headers, NOW) == RateLimits(requests_left=expected[0], requests_reset=expected[1])


HOSTILE = [
    "",
    " ",
    "nan",
    "NaN",
    "inf",
    "-1",
    "-0.5",
    "1e9",
    "9" * 16,
    "9" * 5000,
    "lots",
    "1,000",
    "0x10",
    "1_0",
    "٣",
    "²",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_count_that_makes_no_sense_is_not_said(text: str) -> None:
    assert rate_limits({"x-ratelimit-remaining-tokens": text, "x-ratelimit-reset-tokens": "1s"}, NOW) is None


@pytest.mark.parametrize(
    "text", [*HOSTILE, "-3s", "24h0m0s", "86400", "1000000000", "2099-01-01T00:00:00Z", "1" * 40 + "h", "0, 0"]
)
def test_a_reset_that_makes_no_sense_holds_nobody(text: str) -> None:
    headers = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": text}
    assert rate_limits(headers, NOW) == RateLimits(tokens_left=0)


NAMES = [
    name
    for kind in ("", "-requests", "-tokens", "-requests-day", "-tokens-minute", "-req-minute")
    for name in (f"x-ratelimit-remaining{kind}", f"x-ratelimit-reset{kind}", f"x-ratelimit-limit{kind}")
] + [
    f"anthropic-ratelimit-{kind}-{what}"
    for kind, what in product(("requests", "tokens", "input-tokens", "output-tokens"), ("remaining", "reset", "limit"))
]
VALUES = st.one_of(
    st.text(max_size=20),
    st.text("0123456789.-+eEhms:TZ ", max_size=12),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["0", "1s", "2026-11-18T11:06:50Z", *HOSTILE]),
)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=12), st.floats(0, 4e9))
@example({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "0001-01-01T00:00:00+23:59"}, NOW)
def test_whatever_is_said_is_bounded_or_not_said(headers: dict[str, str], now: float) -> None:
    said = rate_limits(headers, now)
    if said is None:
        return
    assert said != RateLimits()
    for left, reset in ((said.requests_left, said.requests_reset), (said.tokens_left, said.tokens_reset)):
        assert left is None or 0 <= left < 10**15
        assert reset is None or (0 <= reset < LONGEST_WAIT and left is not None)
