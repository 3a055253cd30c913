"""Retries are a small share of requests, whatever the threads and the clock do (INVARIANTS section 3)."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from modelroute.resilience.retry_budget import RetryBudget


@given(
    st.floats(0, 50),
    st.lists(st.tuples(st.booleans(), st.floats(-5, 30)), max_size=200),
)
def test_no_more_retries_than_what_was_put_in(capacity: float, steps: list[tuple[bool, float]]) -> None:
    """Retries over any run <= what it starts with + a tenth of requests + elapsed seconds; a clock may go back."""
    budget = RetryBudget(capacity=capacity)
    granted, deposits, now, latest, first = 0, 0, 100.0, 100.0, None
    for request, seconds in steps:
        if request:
            budget.deposit()
            deposits += 1
            continue
        now += seconds
        latest = max(latest, now)
        first = now if first is None else first
        granted += budget.withdraw(now)
        assert granted <= min(10.0, capacity) + deposits * 0.1 + (latest - first) + 1e-6


def test_it_is_what_the_contract_says() -> None:
    budget = RetryBudget()
    assert sum(budget.withdraw(0.0) for _ in range(50)) == 10
    assert not budget.withdraw(0.9)
    assert budget.withdraw(1.0)
    for _ in range(10):
        budget.deposit()
    assert sum(budget.withdraw(1.0) for _ in range(5)) in {0, 1}
    assert sum(budget.withdraw(1e6) for _ in range(500)) == 100


def test_requests_pay_for_retries() -> None:
    budget = RetryBudget(per_request=0.25)
    assert sum(budget.withdraw(0.0) for _ in range(50)) == 10
    granted = []
    for _ in range(12):
        budget.deposit()
        granted.append(budget.withdraw(0.0))
    assert granted == [False, False, False, True] * 3
    for _ in range(10_000):
        budget.deposit()
    assert sum(budget.withdraw(0.0) for _ in range(500)) == 100


def test_by_default_ten_requests_pay_for_one() -> None:
    budget = RetryBudget()
    assert sum(budget.withdraw(0.0) for _ in range(50)) == 10
    for _ in range(105):
        budget.deposit()
    assert sum(budget.withdraw(0.0) for _ in range(50)) == 10


def test_a_forked_child_does_not_wait_for_its_parents_thread() -> None:
    budget = RetryBudget()
    budget._lock.acquire()
    budget.after_fork()
    assert budget.withdraw(0.0)


def test_a_bucket_of_nothing_grants_nothing() -> None:
    assert not any(RetryBudget(capacity=0).withdraw(float(now)) for now in range(100))


def test_threads_share_it() -> None:
    budget = RetryBudget()
    granted: list[bool] = []
    start = threading.Barrier(8)

    def take() -> None:
        start.wait()
        granted.extend([budget.withdraw(0.0) for _ in range(100)])

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == 10
