"""What is learned of targets: holds only extend (INVARIANTS H4), nothing grows without bound (C4), snapshots are
values.
"""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.resilience.experience import CONVERSATIONS, Experience
from modelroute.types.facts import Affinity, Snapshot

holds = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 2), st.floats(0, 100), st.booleans()), max_size=25
)


def taken(experience: Experience, now: float, lanes: dict[str, int]) -> Snapshot:
    return experience.snapshot(now, draw=0.0, lanes=lanes, affinity=None)


@given(holds, st.floats(0, 120))
def test_holds_only_extend(listed: list[tuple[str, int, float, bool]], now: float) -> None:
    """Against the plain maximum per lane; a target rests only while all its lanes do, until the first is free."""
    experience, ends = Experience(), dict[tuple[str, int], float]()
    for target, lane, until, known in listed:
        in_force = experience.hold(target, lane, until, known=known)
        ends[target, lane] = max(until, ends.get((target, lane), 0.0))
        assert in_force.until == ends[target, lane]
    for target in ("a", "b"):
        for lanes in (1, 2, 3):
            each = [ends.get((target, lane), 0.0) for lane in range(lanes)]
            free = next((lane for lane, until in enumerate(each) if until <= now), None)
            assert experience.free_lane(target, lanes, now) == free
            resting = experience.resting(target, lanes, now)
            assert (None if resting is None else resting.until) == (min(each) if free is None else None)
    expected = {
        target: min(ends.get((target, lane), 0.0) for lane in range(2))
        for target in ("a", "b")
        if all(ends.get((target, lane), 0.0) > now for lane in range(2))
    }
    assert taken(experience, now, {"a": 2, "b": 2}).holds == expected


def test_past_holds_are_forgotten() -> None:
    experience = Experience()
    for number in range(1000):
        experience.hold(f"t{number}", 0, 10.0, known=True)
    taken(experience, 11.0, {})
    assert not experience._holds


def test_a_snapshot_does_not_change_afterwards() -> None:
    experience = Experience()
    experience.lacks("a", "tools", 100.0)
    experience.answered("a", 0.0, 100, 0.5)
    before = taken(experience, 0.0, {})
    experience.lacks("a", "vision", 100.0)
    for _ in range(2):
        experience.answered("a", 0.0, 1000, 5.0)
    experience.hold("a", 0, 50.0, known=True)
    assert before.missing == {"a": frozenset({"tools"})}
    assert (before.outputs, before.latency) == ({"a": 100.0}, {"a": 0.5})
    assert before.holds == {}
    after = taken(experience, 0.0, {})
    assert after.missing["a"] == {"tools", "vision"}
    assert 100 < after.outputs["a"] < 1000
    assert after.latency == {"a": 5.0}


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=50))
def test_a_forecast_lies_between_what_was_seen(lengths: list[int]) -> None:
    experience = Experience()
    for length in lengths:
        experience.answered("a", 0.0, length, None)
    snapshot = taken(experience, 0.0, {})
    assert min(lengths) - 1e-6 <= snapshot.outputs["a"] <= max(lengths) + 1e-6
    assert snapshot.latency == {}


def test_an_answer_of_zero_tokens_is_learned() -> None:
    experience = Experience()
    experience.answered("a", 0.0, 0, 0.0)
    snapshot = taken(experience, 0.0, {})
    assert (snapshot.outputs, snapshot.latency) == ({"a": 0.0}, {"a": 0.0})


def test_everything_that_grows_with_traffic_is_bounded() -> None:
    experience = Experience()
    for number in range(CONVERSATIONS + 50):
        experience.remember(str(number), Affinity("a", number))
    assert experience.affinity("0") is None
    assert experience.affinity(str(CONVERSATIONS + 49)) == Affinity("a", CONVERSATIONS + 49)
    assert len(experience._conversations) == CONVERSATIONS
    for number in range(1000):
        experience.lacks("a", f"feature-{number}", 100.0)
    assert len(taken(experience, 0.0, {}).missing["a"]) <= 32


@pytest.mark.parametrize("seed", range(3))
def test_threads_learn_at_once(seed: int) -> None:
    experience, errors = Experience(), list[BaseException]()
    start = threading.Barrier(6)

    def learn(worker: int) -> None:
        try:
            start.wait()
            for number in range(200):
                experience.hold(f"t{number % 7}", worker % 2, number + seed, known=bool(number % 2))
                experience.answered(f"t{number % 7}", 0.0, number, 0.1)
                experience.remember(f"c{number}", Affinity("a", 1))
                taken(experience, number / 2, {"t1": 2})
        except BaseException as error:  # noqa: BLE001 - collected for the assertion
            errors.append(error)

    threads = [threading.Thread(target=learn, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_what_is_missing_is_missing_for_a_while() -> None:
    """A refusal may have been about one value, or the provider learns: it is asked again after the time told."""
    experience = Experience()
    experience.lacks("a", "temperature", 10.0)
    experience.lacks("a", "seed", 20.0)
    experience.lacks("b", "seed", 15.0)
    assert taken(experience, 9.0, {}).missing == {"a": {"temperature", "seed"}, "b": {"seed"}}
    assert taken(experience, 10.0, {}).missing == {"a": {"seed"}, "b": {"seed"}}
    assert taken(experience, 19.0, {}).missing == {"a": {"seed"}}
    experience.lacks("a", "seed", 5.0)
    assert taken(experience, 20.0, {}).missing == {}
