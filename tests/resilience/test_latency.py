"""Quantiles of the last answers against the plain sorted list; what is old, or of a clock set back, counts no more."""

from __future__ import annotations

import math
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.resilience.latency import ANSWERS, KNOWN, LEAST_SLOW, OLDEST, Answers, Recent

values = st.floats(0, 1e4) | st.sampled_from([0.0, 1.0, 1.0, 2.0])
steps = st.lists(st.tuples(st.integers(0, 200), values), max_size=60)


def nearest(ordered: list[float], share: float) -> float | None:
    """The least value such that at least `share` of all are not greater."""
    enough = (value for value in ordered if sum(other <= value for other in ordered) >= share * len(ordered) - 1e-9)
    return next(enough, None)


@given(steps, st.sampled_from([0.0, 0.05, 0.5, 0.9, 0.95, 0.999, 1.0]), st.integers(1, 40))
def test_quantiles_are_those_of_the_last_values(seen: list[tuple[int, float]], share: float, size: int) -> None:
    recent, now, model = Recent(size, OLDEST), 1_000.0, list[tuple[float, float]]()
    for seconds, value in seen:
        now += seconds
        recent.add(value, now)
        model = [(at, each) for at, each in [*model, (now, value)] if at > now - OLDEST][-size:]
    ordered = sorted(value for _, value in model)
    assert recent.count(now) == len(ordered) <= size
    assert recent.quantile(share, now) == nearest(ordered, share)
    mean = recent.mean(now)
    assert (mean is None) == (not ordered)
    assert recent.count(now + OLDEST + 1) == 0
    assert recent.mean(now + OLDEST + 1) is None


@given(st.lists(values, min_size=1, max_size=200), st.floats(2, 1e6))
def test_a_clock_set_back_does_not_keep_the_past_for_ever(seen: list[float], back: float) -> None:
    recent = Recent(ANSWERS, OLDEST)
    for value in seen:
        recent.add(value, 1e9)
    recent.add(7.0, 1e9 - back)
    assert recent.quantile(0.5, 1e9 - back) == 7.0
    assert recent.count(1e9 - back) == 1


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf, -math.inf])
def test_what_is_no_duration_is_passed_over(value: float) -> None:
    recent = Recent()
    recent.add(value, 0.0)
    assert recent.count(0.0) == 0
    assert recent.quantile(0.5, 0.0) is None


def test_slow_is_known_from_twenty_answers_on() -> None:
    answers = Answers()
    assert answers.slow_after("a", 0.0) is None
    assert answers.first_token_limit("a", 10.0, 0.0) == 10.0
    for number in range(KNOWN - 1):
        answers.answered("a", float(number), first_token=2.0, output_tokens=None)
    assert answers.slow_after("a", 19.0) is None
    assert not answers.is_slow("a", 1e6, 19.0)
    answers.answered("a", 19.0, first_token=9.0, output_tokens=None)
    assert answers.p95("a", 19.0) == 2.0
    assert answers.slow_after("a", 19.0) == 6.0
    assert (answers.is_slow("a", 6.0, 19.0), answers.is_slow("a", 6.1, 19.0)) == (False, True)
    assert not answers.is_slow("a", None, 19.0)
    assert answers.first_token_limit("a", 10.0, 19.0) == 10.0
    answers.answered("a", 20.0, first_token=9.0, output_tokens=None)
    assert answers.first_token_limit("a", 10.0, 20.0) == 27.0
    assert answers.first_token("a", 0.5, 20.0) == 2.0
    assert 2.0 < (answers.mean_first_token("a", 20.0) or 0.0) < 9.0
    assert answers.slow_after("a", 20.0 + OLDEST) is None


def test_thrice_as_long_as_at_once_is_still_at_once() -> None:
    answers = Answers()
    for _ in range(KNOWN):
        answers.answered("a", 0.0, first_token=0.05, output_tokens=None)
    assert answers.slow_after("a", 0.0) == LEAST_SLOW


def test_what_stays_slow_becomes_the_usual_but_not_before_it_was_noticed() -> None:
    """So that a lasting change does not keep a target out, and a target that turns slow is not called usual at once."""
    answers = Answers()
    for _ in range(ANSWERS):
        answers.answered("a", 0.0, first_token=1.0, output_tokens=None)
    assert answers.slow_after("a", 0.0) == 3.0
    now = 0.0
    while answers.is_slow("a", 10.0, now):
        answers.answered("a", now, first_token=10.0, output_tokens=None)
        now += 0.5
    assert 30 <= now <= 70
    assert answers.slow_after("a", now + 500) == 30.0
    for _ in range(ANSWERS):
        answers.answered("a", now, first_token=1.0, output_tokens=None)
    assert answers.slow_after("a", now) == 3.0, "and it falls at once"


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=50))
def test_the_longest_is_that_of_about_the_last_thousand(drawn: list[int]) -> None:
    answers, tokens = Answers(), [count * 7 % 1_013 for count in drawn for _ in range(40)]
    for count in tokens:
        answers.answered("a", 0.0, first_token=None, output_tokens=count)
    longest = answers.longest("a")
    assert longest is not None
    assert max(tokens[-7 * ANSWERS :]) <= longest <= max(tokens[-8 * ANSWERS :])
    assert answers.output("a", 1.0) == max(tokens[-ANSWERS:])
    assert answers.output("a", 0.95) == nearest(sorted(tokens[-ANSWERS:]), 0.95)


def test_nothing_is_said_of_what_was_not_seen() -> None:
    answers = Answers()
    answers.answered("a", 0.0, first_token=None, output_tokens=-5)
    assert answers.targets() == ["a"]
    assert (answers.longest("a"), answers.output("a", 0.95), answers.first_token("a", 0.5, 0.0)) == (None, None, None)
    assert (answers.longest("b"), answers.output("b", 0.95), answers.mean_first_token("b", 0.0)) == (None, None, None)
    answers.answered("a", 0.0, first_token=0.0, output_tokens=0)
    assert (answers.longest("a"), answers.output("a", 0.95), answers.first_token("a", 0.5, 0.0)) == (0, 0, 0.0)


def test_threads_learn_at_once() -> None:
    answers, errors = Answers(), list[BaseException]()
    start = threading.Barrier(4)

    def learn(worker: int) -> None:
        try:
            start.wait()
            for number in range(500):
                answers.answered("a", number / 10, first_token=float(number % 13), output_tokens=number)
                answers.slow_after("a", number / 10 - worker)
        except BaseException as error:  # noqa: BLE001 - collected for the assertion
            errors.append(error)

    threads = [threading.Thread(target=learn, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    answers._lock.acquire()
    answers.after_fork()
    assert answers.longest("a") == 499


def test_a_share_that_is_no_exact_number_is_met_exactly() -> None:
    recent = Recent(100)
    for value in range(100):
        recent.add(float(value), 0.0)
    assert recent.quantile(0.07, 0.0) == 6.0
