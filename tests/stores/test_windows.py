"""Windows in buckets: never a moment too short, at most two buckets too long."""

from hypothesis import given
from hypothesis import strategies as st

from modelroute.stores.windows import BUCKETS, Window, bucket_end

moments = st.lists(st.tuples(st.floats(0, 5000), st.integers(0, 100)), max_size=40)
periods = st.floats(1, 2000)


def inside(spent: list[tuple[float, int]], now: float, period: float) -> int:
    return sum(amount for at, amount in spent if at > now - period)


@given(moments, periods, st.floats(0, 5000), st.sampled_from([0.0, 1.0]))
def test_what_is_in_the_window_is_counted_and_little_else(
    spent: list[tuple[float, int]], period: float, after: float, finest: float
) -> None:
    window = Window(period, finest)
    for at, amount in sorted(spent):
        window.add(amount, at)
    now = 5000 + after
    slack = 2 * max(finest, period / BUCKETS)
    assert inside(spent, now, period) <= window.used(now) <= inside(spent, now, period + slack)
    assert len(window.buckets) <= BUCKETS + 2
    assert window.used(window.ends + 1e-6) == 0


@given(moments, periods, periods)
def test_a_shorter_look_back_sees_no_less_than_the_truth(
    spent: list[tuple[float, int]], period: float, shorter: float
) -> None:
    window = Window(max(period, shorter))
    for at, amount in sorted(spent):
        window.add(amount, at)
    assert inside(spent, 5000, shorter) <= window.used(5000, shorter) <= window.used(5000)


@given(moments.filter(bool), periods, st.integers(1, 100))
def test_after_the_wait_there_is_room_and_a_moment_before_there_is_none(
    spent: list[tuple[float, int]], period: float, needed: int
) -> None:
    window = Window(period)
    for at, amount in sorted(spent):
        window.add(amount, at)
    used = window.used(5000)
    if used < needed:
        return
    wait = window.wait(needed, 5000)
    early = Window(period, 0.0, dict(window.buckets))
    assert early.used(5000 + wait - 1e-3) > used - needed or wait == 0
    assert window.used(5000 + wait + 1e-6) <= used - needed


def test_a_change_reaches_its_bucket_only_while_it_is_there() -> None:
    window = Window(64.0)
    end = window.add(50, 10.5)
    assert end == bucket_end(10.5, 1.0) == 11.0
    window.change(end, -20)
    assert window.used(74.9) == 30
    assert window.used(75.0) == 0
    window.change(end, 20)
    assert (window.used(75.0), window.buckets) == (0, {})


def test_a_clock_that_goes_back_frees_nothing_early() -> None:
    window = Window(64.0)
    window.add(1, 100.0)
    window.add(1, 50.0)
    assert window.used(50.0) == 2
    assert window.used(120.0) == 2
    assert window.used(200.0) == 0
