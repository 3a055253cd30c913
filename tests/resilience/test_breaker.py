"""A breaker against a trivial model, and the promises on it: INVARIANTS H1, H2, H5, H6."""

from __future__ import annotations

import math
import random
import threading
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from modelroute.errors import ConfigurationError
from modelroute.resilience.breaker import Breaker, Health, Outcome, Permit, Thresholds, outcome_of
from modelroute.types.failure import TABLE, Failure, Kind
from modelroute.types.failure import Breaker as Consequence

outcomes = st.sampled_from(
    [Outcome.SUCCESS, Outcome.FAILURE, Outcome.FAILURE, Outcome.FAILURE, Outcome.SLOW, Outcome.IGNORED]
)
draws = st.floats(0, 1, exclude_max=True)


@dataclass
class Call:
    """A call under way, as the model knows it."""

    permit: Permit
    epoch: int
    probe: int | None


class AgainstModel(RuleBasedStateMachine):
    """The model keeps every outcome since it last closed, and recounts."""

    @initialize(start=st.sampled_from([0.0, 1_795_305_600.5, 1_795_305_629.999]))
    def begin(self, start: float) -> None:
        self.breaker = Breaker()
        self.now = start
        self.state, self.epoch, self.trips, self.until = "closed", 0, 0, 0.0
        self.counted: list[tuple[float, Outcome]] = []
        self.probe: tuple[int, float] | None = None
        self.probes = 0
        self.calls: list[Call] = []

    def is_probing(self) -> bool:
        return self.probe is not None and self.now < self.probe[1] + 120.0

    @rule(anyway=st.booleans(), may_probe=st.booleans())
    def admit(self, anyway: bool, may_probe: bool) -> None:
        permit = self.breaker.admit(self.now, anyway=anyway, may_probe=may_probe)
        if self.state == "closed":
            assert permit is not None
            assert not permit.is_probe
        elif (self.state == "open" and self.now < self.until) or self.is_probing() or not may_probe:
            assert (permit is not None) == anyway
            assert permit is None or not permit.is_probe
        else:
            assert permit is not None
            assert permit.is_probe
            self.state = "half_open"
            self.probes += 1
            self.probe = (self.probes, self.now)
        if permit is not None:
            self.calls.append(Call(permit, self.epoch, self.probes if permit.is_probe else None))

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), outcome=outcomes, draw=draws)
    def record(self, data: st.DataObject, outcome: Outcome, draw: float) -> None:
        call = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        self.hand_back(call, outcome, draw)

    @precondition(lambda self: self.state == "closed")
    @rule(outcomes=st.lists(outcomes, min_size=1, max_size=8), draw=draws)
    def several(self, outcomes: list[Outcome], draw: float) -> None:
        for outcome in outcomes:
            permit = self.breaker.admit(self.now)
            if permit is not None:
                self.hand_back(Call(permit, self.epoch, None), outcome, draw)

    def hand_back(self, call: Call, outcome: Outcome, draw: float) -> None:
        self.breaker.record(call.permit, outcome, self.now, lambda: draw)
        if call.epoch != self.epoch or outcome is Outcome.IGNORED:
            if call.epoch == self.epoch and call.probe is not None and self.probe and call.probe == self.probe[0]:
                self.probe = None
        elif self.state == "closed":
            self.counted.append((self.now, outcome))
            if outcome is not Outcome.SUCCESS and self.must_trip():
                self.open(draw)
        elif outcome is Outcome.SUCCESS:
            self.state, self.trips, self.counted, self.probe = "closed", 0, [], None
            self.epoch += 1
        elif self.probe is not None and call.probe == self.probe[0]:
            self.open(draw)

    def must_trip(self) -> bool:
        hard = [outcome for _, outcome in self.counted if outcome is not Outcome.SLOW]
        recent = [outcome for at, outcome in self.counted if math.floor(at) > math.floor(self.now) - 30]
        share = recent.count(Outcome.SUCCESS) / len(recent)
        return hard[-5:] == [Outcome.FAILURE] * 5 or (len(recent) >= 10 and share < 0.8 - 1e-9)

    def open(self, draw: float) -> None:
        self.trips += 1
        most = min(5.0, 4.0 * 2 ** (self.trips - 1))
        self.state, self.until, self.probe = "open", self.now + most * (1 + 3 * draw) / 4, None
        self.epoch += 1

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.5, 1.0, 1.5, 3.0, 5.0, 12.0, 30.0, 130.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def agrees(self) -> None:
        health = self.breaker.health(self.now)
        if self.state == "closed":
            assert health == Health("closed")
            assert not self.breaker.is_open(self.now)
        elif self.state == "open" and self.now < self.until:
            assert health.state == "open"
            assert health.until == pytest.approx(self.until)
            assert 0 < self.until - self.now <= 5.0
            assert health.why
            assert self.breaker.is_open(self.now)
        else:
            assert health.state == "half_open"
            assert self.breaker.is_open(self.now) == self.is_probing() == self.breaker.is_probing(self.now)


TestAgainstModel = AgainstModel.TestCase


def half() -> float:
    return 0.5


def told(breaker: Breaker, outcome: Outcome, now: float, times: int = 1) -> None:
    for _ in range(times):
        permit = breaker.admit(now)
        assert permit is not None
        breaker.record(permit, outcome, now, half)


def tripped(now: float = 0.0, draw: float = 0.5) -> Breaker:
    breaker = Breaker()
    for _ in range(5):
        permit = breaker.admit(now)
        assert permit is not None
        breaker.record(permit, Outcome.FAILURE, now, lambda: draw)
    assert breaker.is_open(now)
    return breaker


@pytest.mark.parametrize("kind", Kind)
def test_only_what_the_table_says_counts(kind: Kind) -> None:
    """H5: caller errors, cancellations, budget refusals and rests never count."""
    expected = {
        Consequence.COUNTS: Outcome.FAILURE,
        Consequence.SLOW: Outcome.SLOW,
        Consequence.HOLDS: Outcome.IGNORED,
        Consequence.NO: Outcome.IGNORED,
    }
    assert outcome_of(Failure(kind)) is expected[TABLE[kind].breaker]
    assert outcome_of(Failure(kind), slow=True) is expected[TABLE[kind].breaker]


def test_an_answer_is_a_success_unless_it_was_slow() -> None:
    assert outcome_of(None) is Outcome.SUCCESS
    assert outcome_of(None, slow=True) is Outcome.SLOW


def test_what_does_not_count_neither_trips_nor_breaks_a_streak() -> None:
    breaker = Breaker()
    told(breaker, Outcome.FAILURE, 0.0, 4)
    told(breaker, Outcome.IGNORED, 0.0, 60)
    assert not breaker.is_open(0.0)
    told(breaker, Outcome.FAILURE, 0.0)
    assert breaker.is_open(0.0)


def test_slow_calls_count_for_the_rate_only() -> None:
    breaker = Breaker()
    told(breaker, Outcome.SLOW, 0.0, 9)
    assert not breaker.is_open(0.0)
    told(breaker, Outcome.SLOW, 0.0)
    assert breaker.health(0.0).why == "10 of 10 calls failed or were slow in 30 s"


def test_eighty_per_cent_is_enough() -> None:
    for calls in range(10, 200, 5):
        breaker = Breaker()
        told(breaker, Outcome.SUCCESS, 0.0, calls * 4 // 5)
        told(breaker, Outcome.SLOW, 0.0, calls // 5)
        assert not breaker.is_open(0.0), calls
        told(breaker, Outcome.SLOW, 0.0)
        assert breaker.is_open(0.0), calls


def test_a_share_that_is_no_exact_number_is_met_exactly() -> None:
    breaker = Breaker(Thresholds(success=0.07, calls=100))
    told(breaker, Outcome.SUCCESS, 0.0, 7)
    told(breaker, Outcome.SLOW, 0.0, 93)
    assert not breaker.is_open(0.0)
    told(breaker, Outcome.SLOW, 0.0)
    assert breaker.is_open(0.0)


@pytest.mark.parametrize(("later", "trips"), [(29.9, True), (30.0, False)])
def test_the_window_slides(later: float, trips: bool) -> None:
    breaker = Breaker()
    told(breaker, Outcome.SLOW, 0.0, 9)
    told(breaker, Outcome.SLOW, later)
    assert breaker.is_open(later) == trips


def test_a_probe_that_says_nothing_leaves_it_half_open() -> None:
    breaker = tripped()
    probe = breaker.admit(5.0)
    assert probe is not None
    assert probe.is_probe
    assert breaker.admit(5.0) is None
    breaker.record(probe, Outcome.IGNORED, 5.0, half)
    assert breaker.health(5.0) == Health("half_open", None, "5 failures in a row")
    again = breaker.admit(5.0)
    assert again is not None
    assert again.is_probe


@pytest.mark.parametrize("outcome", [Outcome.FAILURE, Outcome.SLOW])
def test_open_times_grow_and_a_success_resets_them(outcome: Outcome) -> None:
    breaker, now, opens = tripped(draw=1.0), 0.0, list[float]()
    for _ in range(4):
        until = breaker.health(now).until
        assert until is not None
        opens.append(until - now)
        now = until
        probe = breaker.admit(now)
        assert probe is not None
        breaker.record(probe, outcome, now, lambda: 1.0)
    assert opens == pytest.approx([4.0, 5.0, 5.0, 5.0])
    now += 5.0
    told(breaker, Outcome.SUCCESS, now)
    assert breaker.health(now) == Health("closed")
    told(breaker, Outcome.FAILURE, now, 4)
    permit = breaker.admit(now)
    assert permit is not None
    breaker.record(permit, Outcome.FAILURE, now, lambda: 0.0)
    assert breaker.health(now).until == pytest.approx(now + 1.0)


def test_late_results_of_older_calls_change_nothing() -> None:
    breaker = Breaker()
    early = [breaker.admit(0.0) for _ in range(20)]
    assert all(early)
    told(breaker, Outcome.FAILURE, 0.0, 5)
    for permit in early[:5]:
        assert permit is not None
        breaker.record(permit, Outcome.SUCCESS, 0.5, half)
    assert breaker.is_open(0.5)
    told(breaker, Outcome.SUCCESS, 5.0)
    for permit in early[5:]:
        assert permit is not None
        breaker.record(permit, Outcome.FAILURE, 5.0, half)
    assert breaker.health(5.0) == Health("closed")


def test_a_probe_nobody_ended_is_taken_for_lost() -> None:
    breaker = tripped()
    assert breaker.admit(5.0) is not None
    assert breaker.admit(124.9) is None
    again = breaker.admit(125.1)
    assert again is not None
    assert again.is_probe


@given(st.floats(0, 5), st.floats(0.3, 1e6), draws)
def test_a_clock_set_back_ends_the_open_time(after: float, back: float, draw: float) -> None:
    """However it is set back, what the clock is seen to pass while open never exceeds the open time."""
    breaker = tripped(1_000_000.0, draw)
    breaker.is_open(1_000_000.0 + after)
    assert not breaker.is_open(1_000_000.0 + after - back)
    probe = breaker.admit(1_000_000.0 + after - back)
    assert probe is not None
    assert probe.is_probe


@given(st.integers(0, 2**32), st.floats(0.1, 40), st.sampled_from([0.01, 0.1, 0.5]), st.floats(0, 0.5))
def test_back_in_service_within_six_seconds(seed: int, heals: float, every: float, answer: float) -> None:
    """H2: within the open time and one probe of the heal, for a caller who asks every so often."""
    rng = random.Random(seed)
    breaker, now = Breaker(), 0.0
    pending: tuple[Permit, float, Outcome] | None = None
    while True:
        if pending is not None and now >= pending[1]:
            breaker.record(pending[0], pending[2], now, rng.random)
            pending = None
            if now > heals and breaker.health(now).state == "closed":
                break
        if pending is None:
            permit = breaker.admit(now)
            if permit is not None:
                pending = (permit, now + answer, Outcome.SUCCESS if now >= heals else Outcome.FAILURE)
        now += every
    assert now - heals <= 5.0 + 2 * (answer + every) <= 7.0
    if answer <= 0.3 and every <= 0.1:
        assert now - heals <= 6.0


def peak_after(outage: float, rng: random.Random) -> float:
    """The share of 1,000 clients that are back within the busiest 100 ms after the heal."""
    back: Counter[int] = Counter()
    for _ in range(1_000):
        breaker, now = Breaker(), rng.random() / 10
        while True:
            permit = breaker.admit(now)
            if permit is None:
                until = breaker.health(now).until
                assert until is not None
                now = until
            elif now >= outage:
                back[int((now - outage) * 10)] += 1
                break
            else:
                breaker.record(permit, Outcome.FAILURE, now, rng.random)
                now += rng.expovariate(10)
    assert max(back) <= 50
    return max(back.values()) / 1_000


@pytest.mark.parametrize("outage", [2.0, 5.0, 10.0, 30.0])
def test_a_crowd_does_not_come_back_in_one_moment(outage: float) -> None:
    """H6: of 1,000 independent clients at most 6 % in any 100 ms, all of them within 5 s."""
    assert peak_after(outage, random.Random(1)) <= 0.06


def test_what_others_say_opens_it_for_no_longer_and_keeps_its_own_probe() -> None:
    breaker = Breaker()
    assert breaker.heard_open(9.0, 13.0, "elsewhere", 10.0, 0.999)
    health = breaker.health(10.0)
    assert health.state == "open"
    assert health.until is not None
    assert 12.9 < health.until <= 13.0
    probe = breaker.admit(13.0)
    assert probe is not None
    assert probe.is_probe
    assert not breaker.heard_open(12.0, 17.0, "elsewhere", 13.0, 0.0), "a probe of our own outweighs it"
    breaker.record(probe, Outcome.SUCCESS, 13.1, half)
    assert not breaker.heard_open(13.05, 17.0, "elsewhere", 13.2, 0.0), "our own success is newer"
    assert breaker.heard_open(13.15, 1e9, "elsewhere", 13.2, 0.999)
    until = breaker.health(13.2).until
    assert until is not None
    assert until <= 18.2
    assert not breaker.heard_open(13.2, 17.0, "elsewhere", 13.3, 0.0), "an open time is not extended"


def test_what_is_over_elsewhere_is_not_repeated_here() -> None:
    breaker = Breaker()
    assert not breaker.heard_open(0.0, 10.0, "elsewhere", 10.0, 0.5)
    assert breaker.health(10.0) == Health("closed")


def test_isolated_by_hand_nothing_passes_and_nothing_heals() -> None:
    breaker = Breaker()
    before = breaker.admit(0.0)
    assert before is not None
    breaker.force_open(100.0, 0.0)
    assert breaker.is_forced
    breaker.record(before, Outcome.SUCCESS, 1.0, half)
    assert breaker.admit(99.0, anyway=True) is None
    probe = breaker.admit(100.0)
    assert probe is not None
    assert probe.is_probe
    breaker.force_open(math.inf, 100.0)
    assert breaker.admit(1e12) is None
    breaker.force_closed()
    assert breaker.health(100.0) == Health("closed")


def test_after_a_fork_the_probe_is_free_again() -> None:
    breaker = tripped()
    assert breaker.admit(5.0) is not None
    assert breaker.admit(5.0) is None
    breaker.after_fork()
    assert breaker.admit(5.0) is not None


@pytest.mark.parametrize(
    "wrong",
    [{"in_a_row": 0}, {"calls": 0}, {"success": 1.1}, {"window": 0.0}, {"shortest": 0.0}, {"longest": 0.5},
     {"longest": math.inf}],
)  # fmt: skip
def test_senseless_thresholds_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        Thresholds(**wrong)  # type: ignore[arg-type]


def test_one_probe_for_many_threads() -> None:
    breaker = tripped()
    start, probes = threading.Barrier(8), list[Permit]()

    def ask() -> None:
        start.wait()
        for _ in range(50):
            permit = breaker.admit(5.0)
            if permit is not None:
                probes.append(permit)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(probes) == 1
