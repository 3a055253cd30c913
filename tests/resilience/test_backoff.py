"""How long to wait before the same target is asked again (INVARIANTS T4, section 3)."""

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st

from modelroute.errors import ConfigurationError
from modelroute.resilience.backoff import Retry, wait_before_retry
from modelroute.types.failure import Failure, Kind

draws = st.floats(0, 1, exclude_max=True)
seconds = st.floats(0, 1e9)
failures = st.builds(Failure, st.sampled_from(Kind), retry_after=st.none() | seconds)
strategies = st.sampled_from(
    [None, tenacity.wait_fixed(3), tenacity.wait_exponential(max=60), tenacity.wait_random(0, 5), tenacity.wait_none()]
)


@given(failures, st.integers(1, 5000), st.floats(-100, 1e6), draws, strategies)
def test_it_never_sleeps_past_half_of_what_remains(
    failure: Failure, tries: int, remaining: float, draw: float, wait: tenacity.wait.wait_base | None
) -> None:
    waited = wait_before_retry(failure, tries=tries, remaining=remaining, draw=lambda: draw, wait=wait)
    if waited is not None:
        assert 0 <= waited <= remaining / 2
    if remaining <= 0:
        assert waited is None


@given(failures.filter(lambda failure: failure.retry_after is not None), st.floats(0.1, 1e6), draws)
def test_a_providers_own_wait_is_honoured_or_refused_never_shortened(
    failure: Failure, remaining: float, draw: float
) -> None:
    told = failure.retry_after
    assert told is not None
    waited = wait_before_retry(failure, tries=1, remaining=remaining, draw=lambda: draw)
    if told > 60 or told > remaining / 2:
        assert waited is None
    else:
        assert waited is not None
        assert told <= waited <= told * 1.5


@given(st.sampled_from(Kind), st.integers(1, 100), draws)
def test_full_jitter_by_class_of_failure(kind: Kind, tries: int, draw: float) -> None:
    base = 1.0 if kind in (Kind.RATE_LIMITED, Kind.SATURATED) else 0.1
    waited = wait_before_retry(Failure(kind), tries=tries, remaining=1e6, draw=lambda: draw)
    assert waited == pytest.approx(draw * min(8.0, base * 2 ** min(tries - 1, 60)))


def test_a_strategy_of_tenacity_counts_the_tries_and_does_not_fit_for_ever() -> None:
    growing = tenacity.wait_exponential(multiplier=1, max=100)
    waits = [
        wait_before_retry(Failure(Kind.TRANSIENT), tries=tries, remaining=20, draw=lambda: 0.0, wait=growing)
        for tries in (1, 2, 3, 4, 5)
    ]
    assert waits == [1, 2, 4, 8, None]


@pytest.mark.parametrize("attempts", [0, -1, True, 1.5, "4"])
def test_attempts_are_a_whole_number(attempts: object) -> None:
    with pytest.raises(ConfigurationError, match="max_attempts"):
        Retry(max_attempts=attempts)  # type: ignore[arg-type]


def test_a_wait_is_a_strategy() -> None:
    with pytest.raises(ConfigurationError, match="tenacity"):
        Retry(wait=5)  # type: ignore[arg-type]
    assert Retry().attempts == 4
    assert Retry().over(Retry(2, tenacity.wait_none())).over(Retry(7)).attempts == 2


def waited(failure: Failure, *, tries: int = 1, remaining: float = 1e6, draw: float = 0.5) -> float | None:
    return wait_before_retry(failure, tries=tries, remaining=remaining, draw=lambda: draw)


def test_the_waits_of_the_documentation() -> None:
    assert [waited(Failure(Kind.TRANSIENT), tries=tries) for tries in (1, 2, 3)] == [0.05, 0.1, 0.2]
    assert [waited(Failure(Kind.RATE_LIMITED), tries=tries) for tries in (1, 2, 3, 4, 5)] == [0.5, 1, 2, 4, 4]
    assert waited(Failure(Kind.RATE_LIMITED, retry_after=10)) == 12.5
    assert waited(Failure(Kind.RATE_LIMITED, retry_after=60), draw=0) == 60
    assert waited(Failure(Kind.RATE_LIMITED, retry_after=10), remaining=20) == 10
    assert waited(Failure(Kind.TRANSIENT), remaining=0.02) == 0.01


def test_a_strategy_that_wants_just_what_there_is_may_have_it() -> None:
    for remaining, expected in ((6.0, 3.0), (5.9, None)):
        fixed = tenacity.wait_fixed(3)
        found = wait_before_retry(Failure(Kind.TRANSIENT), tries=1, remaining=remaining, draw=lambda: 0.5, wait=fixed)
        assert found == expected


def test_what_is_said_first_counts() -> None:
    assert Retry(1).attempts == 1
    first, second = tenacity.wait_fixed(1), tenacity.wait_fixed(2)
    assert Retry(wait=first).over(Retry(2, second)) == Retry(2, first)
    assert Retry(3).over(Retry(2, second)) == Retry(3, second)


def test_a_strategy_that_looks_at_what_there_is_not_is_refused_by_name() -> None:
    class Reads(tenacity.wait.wait_base):
        def __call__(self, retry_state: tenacity.RetryCallState) -> float:
            assert retry_state.outcome is not None
            return 1.0

    class Backwards(tenacity.wait.wait_base):
        def __call__(self, retry_state: tenacity.RetryCallState) -> float:
            return -1.0

    assert wait_before_retry(Failure(Kind.TRANSIENT), tries=1, remaining=9, draw=lambda: 0.5, wait=Backwards()) == 0
    with pytest.raises(ConfigurationError, match=r"wait=Reads.*AssertionError"):
        wait_before_retry(Failure(Kind.TRANSIENT), tries=1, remaining=9, draw=lambda: 0.5, wait=Reads())
