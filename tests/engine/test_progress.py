"""Where a request goes next, for any sequence of failures (INVARIANTS T1, T4-T6, H3, H4; DESIGN section 5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelroute.engine.plan import Leg, Plan
from modelroute.engine.progress import CUT, Progress, Stop, Try, Wait
from modelroute.resilience.breaker import Outcome
from modelroute.resilience.health import Breakers
from modelroute.types.failure import TABLE, Breaker, Failure, Kind, Retry
from tests.engine.plans import EPOCH, World, leg

OK = None
Script = Callable[[Leg, int, int], Failure | None]


@dataclass
class Course:
    """What a request did: the tries with their moments, the waits, and how it ended."""

    tries: list[tuple[str, int, str, float]] = field(default_factory=list)
    waits: list[tuple[float, float]] = field(default_factory=list)
    failures: list[Failure | None] = field(default_factory=list)
    stop: Stop | None = None

    @property
    def targets(self) -> list[str]:
        return [target for target, *_ in self.tries]


def course(world: World, plan: Plan, script: Script, *, takes: float = 0.5) -> Course:
    """Play the route: at most 200 steps, or this is an endless loop."""
    progress, made = Progress(plan), Course()
    for _ in range(200):
        if world.now >= plan.deadline:
            made.stop = Stop()
            return made
        step = progress.next(world.now)
        if isinstance(step, Stop):
            made.stop = step
            return made
        if isinstance(step, Wait):
            made.waits.append((step.seconds, plan.deadline - world.now))
            world.now += step.seconds
            continue
        progress.began(step.leg)
        made.tries.append((step.leg.ranked.target, step.lane, step.why, world.now))
        world.now += takes
        failure = script(step.leg, step.lane, len(made.tries))
        made.failures.append(failure)
        if failure is None:
            return made
        progress.failed(step.leg, step.lane, failure, world.now)
    raise AssertionError("an endless loop")


def listed(*failures: Failure | Kind | None) -> Script:
    made = [Failure(each) if isinstance(each, Kind) else each for each in failures]
    return lambda leg, lane, number: made[number - 1]


def always(failure: Failure | Kind) -> Script:
    made = Failure(failure) if isinstance(failure, Kind) else failure
    return lambda leg, lane, number: made


any_failure = st.builds(
    Failure,
    st.sampled_from(Kind),
    retry_after=st.none() | st.sampled_from([0.0, 0.3, 2.0, 20.0, 59.0, 300.0, 1e9]),
    feature=st.none() | st.just("tools"),
)
worlds = st.lists(
    st.builds(
        leg,
        st.sampled_from(["a@p", "b@p", "a@q", "c@q", "d@r"]),
        lanes=st.integers(1, 3),
        window=st.none() | st.sampled_from([1000, 2000, 4000]),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda leg: leg.ranked.target,
)


@given(
    worlds,
    st.lists(any_failure, min_size=12, max_size=12),
    st.integers(1, 10),
    st.floats(0.1, 700),
    st.floats(0, 1, exclude_max=True),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.floats(0.1, 400), st.booleans()), max_size=4),
    st.booleans(),
    st.floats(0, 3),
)
def test_the_laws_hold_for_any_course(  # noqa: PLR0917 - what is drawn, one by one
    legs: list[Leg],
    failures: list[Failure],
    max_attempts: int,
    deadline: float,
    draw: float,
    held: list[tuple[int, int, float, bool]],
    moves_on: bool,
    takes: float,
) -> None:
    world = World(draw=draw)
    for which, lane, seconds, known in held:
        world.experience.hold(legs[which % len(legs)].ranked.target, lane, EPOCH + seconds, known=known)
    plan = world.plan(legs, max_attempts=max_attempts, deadline=deadline, refusal_moves_on=moves_on)
    made = course(world, plan, lambda leg, lane, number: failures[number - 1], takes=takes)
    assert made.stop is not None
    assert len(made.tries) <= max_attempts, "T1"
    for seconds, remaining in made.waits:
        assert 0 <= seconds <= remaining, "T4: never sleeps past what remains"
    by_name = {each.ranked.target: each for each in legs}
    for position, failure in enumerate(made.failures):
        assert failure is not None
        target, lane, _, at = made.tries[position]
        later = made.tries[position + 1 :]
        row, asked = TABLE[failure.kind], [name for name, *_ in later]
        if row.retry is Retry.NEVER and not (failure.kind is Kind.REFUSED and moves_on):
            assert later == [], "nobody is asked after a failure that is the request's own"
        elif row.retry is Retry.OTHER and failure.kind is not Kind.EXHAUSTED:
            assert target not in asked, "T6: other, never same"
        elif row.retry is Retry.LARGER_CONTEXT:
            window = by_name[target].ranked.context_window
            for name in asked:
                larger = by_name[name].ranked.context_window
                assert window is not None
                assert larger is not None
                assert larger > window, "T5"
        elif row.retry is Retry.ONE_OTHER_PROVIDER:
            assert len(later) <= 1
            assert all(by_name[name].ranked.provider != by_name[target].ranked.provider for name in asked)
        elif failure.kind in (Kind.DENIED, Kind.EXHAUSTED):
            assert (target, lane) not in [(name, key) for name, key, *_ in later], "a dead key is not asked again"
        elif failure.kind is Kind.RATE_LIMITED:
            again = [moment for name, key, _, moment in later if (name, key) == (target, lane)]
            assert all(moment >= at + takes + (failure.retry_after or 0) - 1e-3 for moment in again), "before its time"
    for name in by_name:
        once = [f.kind for (target, *_), f in zip(made.tries, made.failures, strict=True) if target == name and f]
        soon = [kind for kind in once if TABLE[kind].retry is Retry.SAME_ONCE]
        if len(soon) == len(once):
            assert len(once) <= 2, "the same once more, then other"


@given(any_failure, st.floats(0, 1, exclude_max=True), st.floats(0, 400), st.floats(0, 400))
def test_holds_only_extend(failure: Failure, draw: float, first: float, second: float) -> None:
    world = World(draw=draw)
    until = EPOCH + max(first, second)
    for seconds in (first, second):
        world.experience.hold("a@p", 0, EPOCH + seconds, known=True)
    only = leg("a@p")
    progress = Progress(world.plan([only]))
    progress.began(only)
    progress.failed(only, 0, failure, 0.0)
    resting = world.experience.resting("a@p", 1, EPOCH)
    assert until <= EPOCH or (resting is not None and resting.until >= until)
    if TABLE[failure.kind].breaker is Breaker.HOLDS:
        assert resting is not None
        assert resting.until >= EPOCH + (failure.retry_after or 0)
    elif max(first, second) == 0:
        assert resting is None


def test_the_first_answer_ends_it() -> None:
    world = World()
    made = course(world, world.plan([leg("a@p"), leg("b@q")]), listed(OK))
    assert [(target, why) for target, _, why, _ in made.tries] == [("a@p", "first")]


@pytest.mark.parametrize("kind", [Kind.UNREACHABLE, Kind.TRANSIENT, Kind.UNAVAILABLE, Kind.INVALID_OUTPUT])
def test_the_same_once_then_another(kind: Kind) -> None:
    world = World(draw=0.5)
    made = course(world, world.plan([leg("a@p"), leg("b@q")]), always(kind))
    assert [(target, why) for target, _, why, _ in made.tries] == [
        ("a@p", "first"), ("a@p", "retry"), ("b@q", "fallback"), ("b@q", "retry"),
    ]  # fmt: skip
    assert bool(made.waits) == (kind is not Kind.INVALID_OUTPUT), "output is mended at once, trouble is waited for"


def test_without_a_token_the_same_is_not_asked_again_but_another_is() -> None:
    world = World()
    while world.budget.withdraw(0.0):
        pass
    made = course(world, world.plan([leg("a@p"), leg("b@q")]), always(Kind.TRANSIENT), takes=0.0)
    assert made.targets == ["a@p", "b@q"]


@pytest.mark.parametrize("kind", [Kind.SILENT, Kind.INTERRUPTED, Kind.GARBLED, Kind.UNSUPPORTED, Kind.NOT_SERVED])
def test_other_never_same(kind: Kind) -> None:
    world = World()
    assert course(world, world.plan([leg("a@p", lanes=3)]), always(kind)).targets == ["a@p"]
    world = World()
    assert course(world, world.plan([leg("a@p"), leg("b@p")]), always(kind)).targets == ["a@p", "b@p"]


@pytest.mark.parametrize("kind", [Kind.INVALID, Kind.REFUSED, Kind.CANCELLED, Kind.LATE])
def test_nobody_else_is_asked(kind: Kind) -> None:
    world = World()
    assert course(world, world.plan([leg("a@p"), leg("b@q")]), always(kind)).targets == ["a@p"]


def test_a_scenario_may_move_on_after_a_refusal() -> None:
    world = World()
    plan = world.plan([leg("a@p"), leg("b@q")], refusal_moves_on=True)
    assert course(world, plan, always(Kind.REFUSED)).targets == ["a@p", "b@q"]


def test_an_answer_that_its_cap_cut_off_is_asked_for_elsewhere() -> None:
    """The same target under the same cap would be cut off again; what fits no schema for another reason is not this."""
    cut = Failure(Kind.INVALID_OUTPUT, "cut off", provider_code=CUT)
    legs = [leg("a@p"), leg("b@q")]
    world = World()
    assert course(world, world.plan(legs), always(cut)).targets == ["a@p", "b@q"]
    world = World()
    assert course(world, world.plan(legs), always(Kind.INVALID_OUTPUT)).targets == ["a@p", "a@p", "b@q", "b@q"]


def test_an_unproved_refusal_tries_exactly_one_other_provider() -> None:
    legs = [leg("a@p"), leg("b@p"), leg("c@q"), leg("d@r")]
    world = World()
    assert course(world, world.plan(legs), always(Kind.UNPROVED)).targets == ["a@p", "c@q"]
    world = World()
    assert course(world, world.plan(legs), listed(Kind.UNPROVED, Kind.TRANSIENT)).targets == ["a@p", "c@q"]
    world = World()
    assert course(world, world.plan(legs), listed(Kind.SILENT, Kind.UNPROVED, OK)).targets == ["a@p", "b@p", "c@q"]


def test_too_long_goes_only_to_a_larger_context() -> None:
    legs = [leg("a@p", window=2000), leg("b@p"), leg("c@q", window=2000), leg("d@r", window=4000), leg("e@r", window=1)]
    world = World()
    assert course(world, world.plan(legs), listed(Kind.TOO_LONG, OK)).targets == ["a@p", "d@r"]
    world = World()
    assert course(world, world.plan(legs[1:]), always(Kind.TOO_LONG)).targets == ["b@p"], "unknown is not larger"


def test_a_dead_key_gives_way_to_the_next_and_then_to_another_provider() -> None:
    world = World()
    legs = [leg("a@p", lanes=2), leg("b@p"), leg("c@q")]
    made = course(world, world.plan(legs), listed(Kind.DENIED, Kind.DENIED, OK))
    assert [(target, lane) for target, lane, *_ in made.tries] == [("a@p", 0), ("a@p", 1), ("c@q", 0)]
    again = course(world, world.plan(legs), listed(OK))
    assert again.targets == ["b@p"], "the next request does not begin with dead keys"


def test_a_lane_that_is_free_costs_no_token() -> None:
    world = World()
    while world.budget.withdraw(0.0):
        pass
    made = course(world, world.plan([leg("a@p", lanes=2)]), listed(Kind.RATE_LIMITED, OK), takes=0.0)
    assert [lane for _, lane, *_ in made.tries] == [0, 1]


def test_rate_limited_goes_elsewhere_at_once() -> None:
    for told in (None, 0.0, 5.0):
        world = World()
        made = course(
            world, world.plan([leg("a@p"), leg("b@q")]), listed(Failure(Kind.RATE_LIMITED, retry_after=told), OK)
        )
        assert made.targets == ["a@p", "b@q"], told
        assert made.waits == []


def test_a_single_rate_limited_target_is_waited_for_with_jitter() -> None:
    """A herd told the same moment must not come back in it: up to half of the wait is added."""
    back = list[float]()
    for draw in (0.0, 0.5, 0.99):
        world = World(draw=draw)
        made = course(world, world.plan([leg("a@p")]), listed(Failure(Kind.RATE_LIMITED, retry_after=8.0), OK))
        assert made.targets == ["a@p", "a@p"]
        back.append(made.tries[1][3] - 0.5)
    assert back == pytest.approx([8.0, 10.0, 8 * 1.495], abs=0.01)


def test_a_wait_that_does_not_fit_is_an_error_with_the_time() -> None:
    for told, deadline in ((20.0, 10.0), (61.0, 600.0)):
        world = World()
        plan = world.plan([leg("a@p")], deadline=deadline)
        made = course(world, plan, always(Failure(Kind.RATE_LIMITED, retry_after=told)))
        assert made.targets == ["a@p"]
        assert made.waits == []
        assert made.stop is not None
        assert made.stop.retry_after == pytest.approx(told, abs=0.01)


def test_rate_limited_again_and_again_costs_the_retry_budget() -> None:
    """The module's fourth rule; without it an outage that says 429 would be multiplied by `max_attempts`."""
    world = World()
    while world.budget.withdraw(0.0):
        pass
    limited = always(Failure(Kind.RATE_LIMITED, retry_after=0.2))
    made = course(world, world.plan([leg("a@p")], max_attempts=50), limited, takes=0.0)
    assert len(made.tries) <= 2


def test_a_guess_does_not_cause_an_outage() -> None:
    """A hold of our own guessing is passed over while others are left, and tried when none is."""
    world = World()
    world.experience.hold("a@p", 0, EPOCH + 300, known=False)
    assert course(world, world.plan([leg("a@p"), leg("b@q")]), listed(OK)).targets == ["b@q"]
    assert course(world, world.plan([leg("a@p")]), listed(OK)).targets == ["a@p"]
    made = course(world, world.plan([leg("a@p")]), always(Kind.EXHAUSTED))
    assert made.targets == ["a@p"], "and only once"


def test_our_own_limiter_is_waited_for_only_when_nothing_else_is_left() -> None:
    world = World(draw=0.5)
    assert course(world, world.plan([leg("a@p"), leg("b@q")]), listed(Kind.SATURATED, OK)).targets == ["a@p", "b@q"]
    world = World(draw=0.5)
    made = course(world, world.plan([leg("a@p")]), listed(Kind.SATURATED, OK))
    assert made.targets == ["a@p", "a@p"]
    assert made.waits


def test_a_missing_feature_is_remembered() -> None:
    world = World()
    course(world, world.plan([leg("a@p")]), always(Failure(Kind.UNSUPPORTED, feature="temperature")))
    snapshot = world.experience.snapshot(EPOCH, draw=0.0, lanes={}, affinity=None)
    assert snapshot.missing == {"a@p": {"temperature"}}


def test_an_attempt_that_was_refused_money_does_not_count() -> None:
    world = World()
    legs = [leg("a@p"), leg("b@q")]
    progress = Progress(world.plan(legs, max_attempts=1))
    first = progress.next(0.0)
    assert isinstance(first, Try)
    progress.began(first.leg)
    progress.not_begun(first.leg)
    progress.pass_over(first.leg)
    second = progress.next(0.0)
    assert isinstance(second, Try)
    assert (second.leg, second.why) == (legs[1], "first")


def test_an_alternative_is_one_that_can_be_tried_next() -> None:
    def alternative(legs: Sequence[Leg], *, resting: str = "", failure: Kind | None = None, attempts: int = 4) -> bool:
        world = World()
        if resting:
            world.experience.hold(resting, 0, EPOCH + 50, known=True)
        progress = Progress(world.plan(legs, max_attempts=attempts))
        progress.began(legs[0])
        if failure is not None:
            progress.failed(legs[0], 0, Failure(failure), 0.0)
        return progress.has_alternative(legs[0])

    two = [leg("a@p"), leg("b@q")]
    assert alternative(two)
    assert not alternative(two[:1])
    assert not alternative(two, attempts=1)
    assert not alternative(two, resting="b@q")
    assert not alternative(two, failure=Kind.INVALID)
    assert not alternative([leg("a@p"), leg("b@p")], failure=Kind.DENIED)


# ------------------------------------------------------------------------------------------------------------- health


def ill(*names: str, of: Sequence[str], at: float = EPOCH) -> Breakers:
    """Breakers of targets, those of `names` tripped just now."""
    breakers = Breakers(dict.fromkeys(of, 1))
    for name in names:
        for _ in range(5):
            permit = breakers.admit(name, 0, at, anyway=True)
            assert permit is not None
            breakers.record(name, 0, permit, Outcome.FAILURE, now=at, draw=lambda: 0.0)
    return breakers


def watched(world: World, breakers: Breakers, names: Sequence[str], *, max_attempts: int = 4) -> Plan:
    return replace(world.plan([leg(name) for name in names], max_attempts=max_attempts), breakers=breakers)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
def test_a_healthy_target_is_never_kept_waiting_by_a_retry_of_another(count: int) -> None:
    """Of as many targets as attempts, each is asked; only what is left over goes to the same one again."""
    world = World()
    names = [f"m{number}@p{number}" for number in range(count)]
    made = course(world, world.plan([leg(name) for name in names]), always(Kind.TRANSIENT))
    assert set(made.targets) == set(names[:4])
    assert len(made.targets) == 4


def test_healthy_targets_come_before_suspects_and_ejected_ones() -> None:
    names = ["a@p", "b@q", "c@r", "d@s"]
    for sick in (names[:1], names[:2], names[:3]):
        world = World()
        plan = watched(world, ill(*sick, of=names), names)
        assert course(world, plan, listed(OK)).targets == [names[len(sick)]]


def test_in_an_outage_of_everything_each_request_makes_one_call() -> None:
    names = ["a@p", "b@q", "c@r"]
    breakers = ill(*names, of=names)
    for seconds in (0.0, 0.1, 20.0):  # twenty seconds later the probes of all are due
        world = World(now=seconds)
        made = course(world, watched(world, breakers, names), always(Kind.UNAVAILABLE), takes=0.0)
        assert len(made.tries) == 1
        assert made.waits == [], "and nobody waits for a retry that is not to be"


def test_a_due_probe_keeps_its_place() -> None:
    names = ["a@p", "b@q"]
    breakers = ill("a@p", of=names)
    world = World()
    assert course(world, watched(world, breakers, names), listed(OK)).targets == ["b@q"]
    world = World(now=5.0)
    probing = Progress(watched(world, breakers, names)).next(5.0)
    assert isinstance(probing, Try)
    assert probing.permit is not None
    assert probing.permit.is_probe
    assert probing.leg.ranked.target == "a@p"
    assert course(world, watched(world, breakers, names), listed(OK)).targets == ["b@q"], "one probe at a time"


def test_an_ill_target_that_money_forbids_was_not_met() -> None:
    """What was not sent proves nothing, and leaves the next its turn."""
    names = ["a@p", "b@q"]
    world = World()
    progress = Progress(watched(world, ill(*names, of=names), names))
    first = progress.next(0.0)
    assert isinstance(first, Try)
    progress.began(first.leg)
    progress.not_begun(first.leg)
    progress.not_tried(first)
    progress.pass_over(first.leg)
    second = progress.next(0.0)
    assert isinstance(second, Try)
    assert second.leg is not first.leg


def test_a_last_resort_beyond_healthy_ones_costs_a_token_and_an_isolated_target_is_none() -> None:
    names = ["a@p", "b@q"]
    world = World()
    made = course(world, watched(world, ill("b@q", of=names), names), always(Kind.SILENT))
    assert made.targets == ["a@p", "b@q"]
    world = World()
    while world.budget.withdraw(0.0):
        pass
    assert course(world, watched(world, ill("b@q", of=names), names), always(Kind.SILENT), takes=0.0).targets == ["a@p"]
    breakers = Breakers({"a@p": 1})
    breakers.isolate("a@p", now=EPOCH)
    world = World()
    assert course(world, watched(world, breakers, ["a@p"]), listed(OK)).targets == []
    world.experience.hold("a@p", 0, EPOCH + 300, known=False)
    assert course(world, watched(world, breakers, ["a@p"]), listed(OK)).targets == [], "nor where it rests by a guess"


def test_a_rest_longer_than_was_told_is_our_own_guess() -> None:
    """An empty account does not mend in the second that was named; but if nobody else is left it is asked."""
    world = World()
    plan = world.plan([leg("a@p")])
    course(world, plan, always(Failure(Kind.EXHAUSTED, retry_after=1.0)))
    assert world.experience.resting("a@p", 1, EPOCH + 200) is not None
    assert course(world, world.plan([leg("a@p"), leg("b@q")]), listed(OK)).targets == ["b@q"]
    assert course(world, world.plan([leg("a@p")]), listed(OK)).targets == ["a@p"]


@given(
    st.integers(1, 5),
    st.sets(st.integers(0, 4)),
    st.lists(st.sampled_from([None, Kind.TRANSIENT, Kind.SILENT, Kind.GARBLED]), min_size=5, max_size=5),
    st.sampled_from([0.0, 0.5, 2.0, 6.0]),
)
@example(5, {0}, [Kind.TRANSIENT, Kind.TRANSIENT, Kind.TRANSIENT, Kind.TRANSIENT, None], 0.0)
def test_whoever_is_healthy_and_answers_is_found(
    count: int, sick: set[int], kinds: list[Kind | None], later: float
) -> None:
    """H3 for any state of health: as many attempts as targets suffice, and one unhealthy target at most is met."""
    names = [f"m{number}@p{number}" for number in range(count)]
    breakers = ill(*(names[place] for place in sick if place < count), of=names)
    well = {name for name in names if breakers.is_healthy(name)}
    world = World(now=later)
    plan = watched(world, breakers, names, max_attempts=max(4, count))
    does = {name: None if kind is None else Failure(kind) for name, kind in zip(names, kinds, strict=False)}
    made = course(world, plan, lambda leg, lane, number: does[leg.ranked.target])
    assert len({name for name in made.targets if name not in well}) <= 1
    if any(does[name] is None for name in well):
        assert made.failures[-1] is None
