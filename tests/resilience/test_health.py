"""All breakers of a router: the ejection ceiling, one probe per target, what processes tell each other (H1, H3, H6)."""

from __future__ import annotations

import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from modelroute.resilience.breaker import Outcome, Permit
from modelroute.resilience.health import Breakers
from modelroute.types.notices import Tripped
from modelroute.types.signals import Signal

outcomes = st.sampled_from([Outcome.SUCCESS, Outcome.FAILURE, Outcome.FAILURE, Outcome.SLOW, Outcome.IGNORED])


def half() -> float:
    return 0.5


def fails(breakers: Breakers, target: str, now: float = 0.0, *, place: int = 0, times: int = 5) -> None:
    for _ in range(times):
        permit = breakers.admit(target, place, now, anyway=True)
        assert permit is not None
        breakers.record(target, place, permit, Outcome.FAILURE, now=now, draw=half)


def answers(breakers: Breakers, target: str, now: float, *, place: int = 0) -> None:
    permit = breakers.admit(target, place, now, anyway=True)
    assert permit is not None
    breakers.record(target, place, permit, Outcome.SUCCESS, now=now, draw=half)


class Ceiling(RuleBasedStateMachine):
    """Whatever happens, and whatever others say: the ceiling holds, and what is not ejected lets calls pass."""

    @initialize(places=st.lists(st.integers(1, 3), min_size=1, max_size=5), seed=st.integers(0, 2**32))
    def begin(self, places: list[int], seed: int) -> None:
        self.places = {f"t{number}": count for number, count in enumerate(places)}
        self.told: list[Tripped] = []
        self.breakers = Breakers(self.places, listener=self.told.append)
        self.rng = random.Random(seed)
        self.now = 1_000.0
        self.isolated: set[str] = set()
        self.probes: dict[str, list[Permit]] = {}
        self.out: list[tuple[str, int, Permit]] = []

    def a_place(self, data: st.DataObject) -> tuple[str, int]:
        target = data.draw(st.sampled_from(sorted(self.places)))
        return target, data.draw(st.integers(0, self.places[target] - 1))

    @rule(data=st.data(), anyway=st.booleans())
    def admit(self, data: st.DataObject, anyway: bool) -> None:
        target, place = self.a_place(data)
        ejected, usable = self.breakers.ejected(self.now), self.breakers.usable(target, self.now)
        permit = self.breakers.admit(target, place, self.now, anyway=anyway)
        if target in self.isolated:
            assert permit is None
            return
        if anyway or (place in usable and target not in ejected):
            assert permit is not None
        elif target in ejected:
            assert permit is None
        if permit is not None:
            self.out.append((target, place, permit))
            if permit.is_probe:
                self.probes.setdefault(target, []).append(permit)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), outcome=outcomes)
    def record(self, data: st.DataObject, outcome: Outcome) -> None:
        target, place, permit = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.breakers.record(target, place, permit, outcome, now=self.now, draw=self.rng.random)
        if permit.is_probe:
            self.probes[target] = [probe for probe in self.probes[target] if probe is not permit]

    @rule(data=st.data(), times=st.integers(1, 12))
    def falls_ill(self, data: st.DataObject, times: int) -> None:
        target, place = self.a_place(data)
        for _ in range(times):
            permit = self.breakers.admit(target, place, self.now)
            if permit is not None:
                self.breakers.record(target, place, permit, Outcome.FAILURE, now=self.now, draw=self.rng.random)

    @rule(data=st.data(), until=st.floats(-10, 20), since=st.floats(-10, 5))
    def hears(self, data: st.DataObject, until: float, since: float) -> None:
        target, place = self.a_place(data)
        value = f'{{"state": "open", "since": {self.now + since:.6f}, "why": "x"}}'
        self.breakers.heard([Signal(f"breaker:{target}#{place}", value, self.now + until)], self.now, self.rng.random)

    @rule(data=st.data())
    def isolate(self, data: st.DataObject) -> None:
        target, _ = self.a_place(data)
        self.breakers.isolate(target, now=self.now)
        self.isolated.add(target)
        self.probes.pop(target, None)
        self.out = [each for each in self.out if each[0] != target]

    @precondition(lambda self: self.isolated)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        target = data.draw(st.sampled_from(sorted(self.isolated)))
        self.breakers.release(target, now=self.now)
        self.isolated.discard(target)
        assert self.breakers.is_healthy(target)

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.0, 5.0, 31.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def the_ceiling_holds(self) -> None:
        """H3: at most half of those not isolated are ejected, and one of them is left."""
        ejected = self.breakers.ejected(self.now)
        assert self.isolated <= set(ejected)
        by_health = set(ejected) - self.isolated
        left = len(self.places) - len(self.isolated)
        assert len(by_health) <= left / 2
        assert all(until >= self.now for until in ejected.values())
        for target in set(self.places) - set(ejected):
            usable = self.breakers.usable(target, self.now)
            assert usable

    @invariant()
    def one_probe_at_a_time(self) -> None:
        """H1."""
        under_way = {key[0] for key in self.breakers.report(self.now)}
        for target in under_way:
            probing = [b for b in self.breakers._of(target) if b is not None and b.is_probing(self.now)]
            assert len(probing) <= 1

    @invariant()
    def a_last_resort_is_found(self) -> None:
        names = sorted(self.places)
        best = self.breakers.least_bad(names, self.now)
        assert (best is None) == (self.isolated == set(names))
        assert best not in self.isolated
        healthy = [name for name in names if self.breakers.is_healthy(name)]
        assert not healthy or best in healthy

    @invariant()
    def every_change_is_told(self) -> None:
        """The last notice of a place says what it is; the same is not said twice in a row, but of reopenings."""
        last = {(notice.target, notice.place): notice.state for notice in self.told}
        for key, breaker in self.breakers._breakers.items():
            assert last.get(key, "closed") == breaker.state


TestCeiling = Ceiling.TestCase
TestCeiling.settings = settings(max_examples=settings().max_examples // 2)


@pytest.mark.parametrize(("targets", "most"), [(1, 0), (2, 1), (3, 1), (4, 2), (5, 2)])
def test_when_all_are_down_half_are_ejected(targets: int, most: int) -> None:
    names = [f"t{number}" for number in range(targets)]
    breakers = Breakers(dict.fromkeys(names, 1))
    for name in names:
        fails(breakers, name)
    ejected = breakers.ejected(0.0)
    assert len(ejected) == most
    for name in names:
        assert (breakers.admit(name, 0, 0.0) is None) == (name in ejected)
        assert not breakers.is_healthy(name)


@pytest.mark.parametrize(("ill", "worse"), [("a", "b"), ("b", "a")])
def test_the_worst_are_ejected_and_the_least_bad_is_the_last_resort(ill: str, worse: str) -> None:
    breakers = Breakers({"a": 1, "b": 1})
    fails(breakers, worse)
    probe = breakers.admit(worse, 0, 3.0)
    assert probe is not None
    assert probe.is_probe
    breakers.record(worse, 0, probe, Outcome.FAILURE, now=3.0, draw=half)
    fails(breakers, ill, 3.0)
    assert set(breakers.report(4.0)) == {("a", 0), ("b", 0)}
    assert set(breakers.ejected(4.0)) == {worse}
    assert breakers.least_bad([worse, ill], 4.0) == ill
    assert breakers.least_bad([worse], 4.0) == worse
    assert breakers.least_bad([], 4.0) is None


@pytest.mark.parametrize("targets", [1, 2, 3])
def test_one_is_always_left(targets: int) -> None:
    names = [f"t{number}" for number in range(targets)]
    breakers = Breakers(dict.fromkeys(names, 1), most_ejected=1.0)
    for name in names:
        fails(breakers, name)
    assert len(breakers.ejected(0.0)) == targets - 1


def test_a_suspect_that_answers_is_well_again() -> None:
    breakers = Breakers({"only": 1})
    fails(breakers, "only")
    assert breakers.ejected(0.0) == {}
    permit = breakers.admit("only", 0, 0.0)
    assert permit is not None
    assert not permit.is_probe
    breakers.record("only", 0, permit, Outcome.SUCCESS, now=0.1, draw=half)
    assert breakers.is_healthy("only")
    assert breakers.report(0.1) == {}


def test_a_target_is_out_only_when_all_its_places_are() -> None:
    breakers = Breakers({"a": 2, "b": 1, "c": 1})
    fails(breakers, "a", place=0)
    assert breakers.ejected(0.0) == {}
    assert list(breakers.usable("a", 0.0)) == [1]
    assert breakers.admit("a", 0, 0.0) is None
    assert breakers.is_healthy("a")
    fails(breakers, "a", place=1)
    assert list(breakers.ejected(0.0)) == ["a"]
    assert breakers.admit("a", 0, 0.0) is None
    assert list(breakers.usable("a", 0.0)) == [0, 1]
    with pytest.raises(IndexError, match="a has 2 places"):
        breakers.admit("a", 2, 0.0)


def test_one_probe_at_a_time_over_all_places_of_a_target() -> None:
    breakers = Breakers({"a": 2, "b": 1, "c": 1})
    fails(breakers, "a", place=0)
    fails(breakers, "a", place=1)
    probe = breakers.admit("a", 0, 5.0)
    assert probe is not None
    assert probe.is_probe
    assert breakers.admit("a", 1, 5.0) is None
    assert "a" in breakers.ejected(5.0)
    breakers.record("a", 0, probe, Outcome.IGNORED, now=5.0, draw=half)
    other = breakers.admit("a", 1, 5.0)
    assert other is not None
    assert other.is_probe


def test_a_listener_hears_of_every_change() -> None:
    heard: list[Tripped] = []
    breakers = Breakers({"a": 1, "b": 1}, listener=heard.append)
    fails(breakers, "a", 10.0)
    probe = breakers.admit("a", 0, 13.0)
    assert probe is not None
    breakers.record("a", 0, probe, Outcome.SUCCESS, now=13.2, draw=half)
    assert [(notice.state, notice.until, notice.at) for notice in heard] == [
        ("open", 12.5, 10.0),
        ("half_open", None, 13.0),
        ("closed", None, 13.2),
    ]
    assert heard[0].why == "5 failures in a row"


def test_ten_processes_do_not_each_rediscover_an_outage() -> None:
    here, there = Breakers({"a": 1, "b": 1}), Breakers({"a": 1, "b": 1})
    answers(there, "a", 9.0)
    fails(here, "a", 10.0)
    (signal,) = here.to_tell(10.0)
    assert (signal.key, signal.until) == ("breaker:a#0", 12.5)
    assert here.to_tell(10.0) == ()
    there.heard([signal], 10.1, half)
    ejected = there.ejected(10.1)
    assert 10.1 < ejected["a"] <= 12.5
    assert there.to_tell(10.1) == (), "what was heard is not passed on"
    assert there.admit("a", 0, 10.2) is None
    probe = there.admit("a", 0, 12.5)
    assert probe is not None
    assert probe.is_probe
    there.record("a", 0, probe, Outcome.SUCCESS, now=12.6, draw=half)
    there.heard([signal], 12.6, half)
    assert there.ejected(12.6) == {}
    (closed,) = there.to_tell(12.6)
    assert closed.key == signal.key
    fails(here, "a", 12.6, times=1)
    before = here.report(12.7)
    here.heard([closed], 12.7, half)
    assert here.report(12.7) == before, "that it closed elsewhere closes nothing here"


def test_a_success_of_our_own_since_then_outweighs_what_others_say() -> None:
    here, there = Breakers({"a": 1, "b": 1}), Breakers({"a": 1, "b": 1})
    fails(here, "a", 10.0)
    answers(there, "a", 10.05)
    there.heard(here.to_tell(10.0), 10.1, half)
    assert there.ejected(10.1) == {}


def test_what_is_heard_by_a_crowd_does_not_end_in_one_moment() -> None:
    rng = random.Random(3)
    signal = Signal("breaker:a#0", '{"state": "open", "since": 10.0, "why": "x"}', 14.0)
    ends = list[float]()
    for _ in range(300):
        breakers = Breakers({"a": 1, "b": 1})
        breakers.heard([signal], 10.0, rng.random)
        ends.append(breakers.ejected(10.0)["a"])
    assert max(ends) <= 14.0
    buckets = [int(end * 10) for end in ends]
    assert max(buckets.count(bucket) for bucket in set(buckets)) <= 0.06 * 300


@given(
    st.sampled_from(["breaker:a#0", "breaker:a#1", "breaker:z#0", "hold:a#0", "breaker:a", "breaker:a#-1", "breaker:#"])
    | st.text(max_size=20).map("breaker:".__add__),
    st.sampled_from(
        ["", "[", "null", "[]", '{"state": "open"}', '{"state": "open", "since": "x", "why": ""}', "[" * 100_000,
         '{"state": "open", "since": NaN, "why": ""}', '{"state": "open", "since": 1e999, "why": ""}',
         '{"state": "closed"}', '{"state": "open", "since": 1, "why": ""}', "1" * 5000]
    ) | st.text(max_size=40),
    st.floats(),
)  # fmt: skip
def test_what_makes_no_sense_is_passed_over(key: str, value: str, until: float) -> None:
    breakers = Breakers({"a": 1, "b": 1})
    breakers.heard([Signal(key, value, until)], 10.0, half)
    assert breakers.report(10.0) == {}


def test_what_was_isolated_by_hand_is_not_told_and_never_passes() -> None:
    breakers = Breakers({"a": 1})
    breakers.isolate("a", now=0.0, until=100.0)
    assert breakers.to_tell(0.0) == ()
    assert breakers.ejected(0.0) == {"a": 100.0}
    assert breakers.admit("a", 0, 0.0, anyway=True) is None
    assert list(breakers.usable("a", 0.0)) == []
    assert breakers.least_bad(["a"], 0.0) is None
    assert breakers.least_bad(["a"], 100.0) == "a"
    breakers.release("a", now=50.0)
    assert breakers.admit("a", 0, 50.0) is not None


def test_after_a_fork_everything_can_be_asked_again() -> None:
    breakers = Breakers({"a": 1, "b": 1})
    fails(breakers, "a")
    assert breakers.admit("a", 0, 5.0) is not None
    breakers._lock.acquire()
    breakers.after_fork()
    assert breakers.admit("a", 0, 5.0) is not None


def test_threads_share_it() -> None:
    """The ceiling holds at every instant any thread looks, and nothing raises."""
    names = [f"t{number}" for number in range(4)]
    breakers = Breakers(dict.fromkeys(names, 2), listener=lambda _: None)
    start, wrong = threading.Barrier(6), list[object]()

    def work(worker: int) -> None:
        rng = random.Random(worker)
        try:
            start.wait()
            for step in range(400):
                name, place, now = rng.choice(names), rng.randrange(2), step / 20
                permit = breakers.admit(name, place, now)
                if len(breakers.ejected(now)) > 2:
                    wrong.append("too many are out")
                if permit is not None:
                    outcome = rng.choice([Outcome.FAILURE, Outcome.FAILURE, Outcome.FAILURE, Outcome.SUCCESS])
                    breakers.record(name, place, permit, outcome, now=now, draw=rng.random)
        except BaseException as error:  # noqa: BLE001 - collected for the assertion
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
