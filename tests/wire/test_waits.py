"""A stated wait is read in every form servers use, is never negative or absurd, and never breaks anything."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.wire.waits import LONGEST_WAIT, header_wait, read_wait, retry_after, should_retry

NOW = 1_795_000_000.0

FORMS = [
    ("0", 0),
    ("2", 2),
    (" 2 ", 2),
    ("2.5", 2.5),
    (".5", 0.5),
    ("1e1", 10),
    ("-3", 0),
    ("12ms", 0.012),
    ("1s", 1),
    ("36s", 36),
    ("36.000000500s", 36.0000005),
    ("7.66s", 7.66),
    ("6m0s", 360),
    ("1m0.4s", 60.4),
    ("2m59.56s", 179.56),
    ("1h2m3s", 3723),
    ("500us", 0.0005),
    ("500µs", 0.0005),
    ("2026-11-18T11:06:50Z", 10),
    ("2026-11-18T11:06:50+00:00", 10),
    ("2026-11-18T13:06:50.500+02:00", 10.5),
    ("2020-01-01T00:00:00Z", 0),
    ("Wed, 18 Nov 2026 11:06:50 GMT", 10),
    ("Wednesday, 18-Nov-26 11:06:50 GMT", 10),
    ("Tue, 01 Jan 2019 00:00:00 GMT", 0),
    ("1795000020", 20),
    ("1795000020000", 20),
    ("1794999990", 0),
    ("1e9", LONGEST_WAIT),
    ("1000000000", LONGEST_WAIT),
    ("9" * 100, LONGEST_WAIT),
    ("1e999", LONGEST_WAIT),
    ("Wed, 18 Nov 2099 11:06:50 GMT", LONGEST_WAIT),
    ("9999-12-31T23:59:59Z", LONGEST_WAIT),
    ("99999999h", LONGEST_WAIT),
]
NOT_FORMS = [
    "",
    " ",
    "nan",
    "NaN",
    "inf",
    "-inf",
    "soon",
    "1 2",
    "5 apples",
    "s",
    "--1",
    "0x10",
    "1m 2",
    "²",
    "٣",
    "2026-13-45",
]


@pytest.mark.parametrize(("text", "seconds"), FORMS)
def test_every_form_of_a_wait_is_read(text: str, seconds: float) -> None:
    assert read_wait(text, NOW) == pytest.approx(seconds)
    assert retry_after({"retry-after": text}, "", NOW) == pytest.approx(seconds)
    assert retry_after({"Retry-After": text}, "", NOW) == pytest.approx(seconds)


@pytest.mark.parametrize("text", NOT_FORMS)
def test_what_is_no_wait_is_not_one(text: str) -> None:
    assert read_wait(text, NOW) is None
    assert retry_after({"retry-after": text, "retry-after-ms": text}, text, NOW) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please try again in 1.4s.", 1.4),
        ("Please try again in 20ms.", 0.02),
        ("Please try again in 6m0s", 360),
        ("Please try again in 1m2s. Visit the site", 62),
        ("Please retry after 20 seconds.", 20),
        ("please try again after 1 seconds", 1),
        ("Please retry in 36.5s.", 36.5),
        ("Retry in 2 minutes and 5 seconds", 125),
        ("Try again in about 1 hour", 3600),
        ("Please wait 30 seconds before retrying", 30),
        ("Please wait for 30s", 30),
        ("limit resets in 2 days", LONGEST_WAIT),
        ("Retry after 20.", 20),
        ("retry after 7", 7),
        ("TRY AGAIN IN 3 SECONDS", 3),
        ("try again in 5 business days", None),
        ("Please try again later", None),
        ("Please try again in 7m12s.", 432),
        ("Please retry after 26 seconds.", 26),
        ("Please retry your requests after 5 seconds", 5),
        ("retry-after: 30", 30),
        ("You will regain access on 2026-11-18 at 12:00 UTC.", 3_200),
        ("the limit resets at 2026-11-18T11:06:50Z", 10),
        ("try again at 2026-11-18 12:06:50+01:00", 10),
        ("available again until 2026-11-17", 0),
        ("try again on 2026-99-99", None),
        ("within the last 5 minutes, please wait a moment and try again", None),
        ("Limit 8000, Used 7900, Requested 400", None),
        ('"retryDelay": "36s"', 36),
        ('{"@type": "RetryInfo", "retryDelay":"3.25s"} try again in 99s', 3.25),
        ('"retryDelay": "..s" try again in 2s', None),
    ],
)
def test_a_wait_in_the_body_is_read(text: str, seconds: float | None) -> None:
    assert retry_after({}, text, NOW) == seconds


def test_the_more_exact_source_wins() -> None:
    headers = {"retry-after-ms": "1400", "retry-after": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"}

    assert retry_after(headers, "try again in 5s", NOW) == 1.4
    del headers["retry-after-ms"]
    assert retry_after(headers, "try again in 5s", NOW) == 2
    del headers["retry-after"]
    assert retry_after(headers, "try again in 5s", NOW) == 5
    assert retry_after(headers, "", NOW) == 9


def test_a_source_that_cannot_be_read_gives_way() -> None:
    assert retry_after({"retry-after-ms": "soon", "retry-after": "2"}, "", NOW) == 2
    assert retry_after({"retry-after": "soon"}, "try again in 5s", NOW) == 5


def test_what_a_proxy_heard_counts_where_it_says_nothing_itself() -> None:
    heard = {"llm_provider-retry-after-ms": "1500", "llm_provider-retry-after": "13"}

    assert retry_after(heard, "", NOW) == 1.5
    assert retry_after({**heard, "retry-after": "2"}, "", NOW) == 2
    assert header_wait({**heard, "retry-after": "soon"}, NOW) == 1.5
    assert header_wait({"x-other-retry-after": "2"}, NOW) is None


def test_only_the_reset_of_a_limit_with_nothing_left_is_a_wait() -> None:
    headers = {
        "x-ratelimit-remaining-requests": "14370",
        "x-ratelimit-reset-requests": "2m59.56s",
        "x-ratelimit-remaining-tokens": "0",
        "x-ratelimit-reset-tokens": "7.66s",
    }

    assert retry_after(headers, "", NOW) == 7.66
    headers["x-ratelimit-remaining-requests"] = "0"
    assert retry_after(headers, "", NOW) == 179.56
    assert retry_after({"x-ratelimit-reset-tokens": "7.66s"}, "", NOW) is None
    assert retry_after({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "-1"}, "", NOW) is None


def test_the_reset_of_each_provider_is_found() -> None:
    assert retry_after(
        {
            "anthropic-ratelimit-input-tokens-remaining": "0",
            "anthropic-ratelimit-input-tokens-reset": "2026-11-18T11:06:45Z",
        },
        "",
        NOW,
    ) == pytest.approx(5)
    assert retry_after({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1795000005000"}, "", NOW) == 5


@given(st.floats(0, LONGEST_WAIT))
def test_seconds_are_read_exactly(seconds: float) -> None:
    assert read_wait(repr(seconds), NOW) == seconds


@given(st.integers(0, int(LONGEST_WAIT)), st.floats(0, 4e9))
def test_dates_and_epochs_mean_the_same_moment(seconds: int, now: float) -> None:
    """Whatever the clock says; at a virtual clock's zero, epochs cannot be told from seconds and dates still can."""
    now = float(int(now))
    moment = datetime.fromtimestamp(now + seconds, UTC)

    assert read_wait(moment.isoformat(), now) == seconds
    assert read_wait(format_datetime(moment, usegmt=True), now) == seconds
    if now > 1e9:
        assert read_wait(str(int(now) + seconds), now) == seconds
        assert read_wait(str((int(now) + seconds) * 1000), now) == seconds


@given(
    st.dictionaries(
        st.sampled_from(["retry-after", "retry-after-ms", "X-RateLimit-Reset", "x-ratelimit-remaining"]), st.text()
    ),
    st.text() | st.text("0123456789.smhd retryagainin"),
    st.floats(),
)
def test_anything_gives_a_sane_wait_or_none(headers: dict[str, str], body: str, now: float) -> None:
    wait = retry_after(headers, body, now)

    assert wait is None or 0 <= wait <= LONGEST_WAIT
    assert should_retry(headers) is None


@pytest.mark.parametrize(
    "hostile", ["1" * 100_000, "1m" * 50_000, "try again in " * 10_000, " " * 100_000, "9s" * 100_000]
)
@pytest.mark.timeout(2)
def test_long_nonsense_costs_nothing(hostile: str) -> None:
    retry_after({"retry-after": hostile, "retry-after-ms": hostile}, hostile, NOW)


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"x-should-retry": "true"}, True),
        ({"X-Should-Retry": " False "}, False),
        ({"x-should-retry": "maybe"}, None),
        ({}, None),
    ],
)
def test_the_servers_own_word_on_retrying(headers: dict[str, str], told: bool | None) -> None:
    assert should_retry(headers) is told
