"""Outages in virtual time: what a request costs, when service is back, who is asked (INVARIANTS T2, H1-H3, H6).

`MODELROUTE_OUTAGES` says how many random worlds each of these runs, `MODELROUTE_SEEDS_FROM` where their seeds begin.
"""

from __future__ import annotations

import asyncio
import os
import random

import pytest

from modelroute import AttemptsFailedError
from modelroute.engine.progress import Progress, Try, Wait
from modelroute.resilience.breaker import outcome_of
from modelroute.resilience.health import Breakers
from modelroute.testing import Fails, Failure, Hangs, Kind, Slow
from modelroute.testing.checks import (
    Lived,
    check_h1,
    check_h2,
    check_h3,
    check_h5,
    check_h6,
    check_t2,
)
from tests.engine.plans import World, leg
from tests.sim.outage import EPOCH, FAULTS, SEEDS, Condition, Service, down, ends, flapping, providers_of, simulated, up

BUSY = float(os.environ.get("MODELROUTE_BUSY", "100"))
"""Requests a second of the busiest worlds."""

pytestmark = pytest.mark.timeout(600)


# --------------------------------------------------------------------------------------------- (a), (b): total outage


async def total_outage(service: Service, names: list[str], *, rate: float, onset: float, heal: float) -> None:
    """Everything is down from `onset` to `heal`: one call per request, quick errors that say what was tried."""
    await service.load(rate, heal + 8)
    meanwhile = service.between(onset + 10, heal - 0.5)
    check_t2(meanwhile)
    assert not any(each.answered for each in meanwhile)
    assert max(each.ended - each.began for each in meanwhile) < 1, "nobody waits for what is not there"
    for error in service.errors.values():
        assert isinstance(error, AttemptsFailedError)
        assert error.attempts
        assert names[0] in str(error)
    check_h1(service.notices.attempts, service.notices.tripped, panic=True)
    check_h2(service.between(0), heal)
    check_h3(service.between(0, onset - 0.5), targets=len(names), ejected=service.notices.ejected)
    check_h5(service.notices.attempts, service.notices.tripped)
    await ends(service)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_total_outage_is_not_multiplied_and_ends_with_the_heal(seed: int) -> None:
    rng = random.Random(seed)
    targets = (1, 2, 3, 5)[seed % 4]
    made, names = providers_of(targets, rng.randrange(1, 4))
    kind = rng.choice([*FAULTS, "any"])
    rate = rng.choice((5, 5, 10, 20))
    service_of = {name: down(rng, kind, 2, 16) for name in names}

    async def main() -> None:
        await total_outage(Service(service_of, made, seed), names, rate=rate, onset=2, heal=16)

    simulated(seed, main)


@pytest.mark.parametrize("targets", [1, 3])
def test_a_total_outage_of_a_busy_service(targets: int) -> None:
    rng = random.Random(targets)
    made, names = providers_of(targets, 2)
    service_of = {name: down(rng, "any", 1, 13) for name in names}

    async def main() -> None:
        await total_outage(Service(service_of, made, targets), names, rate=BUSY, onset=1, heal=13)

    simulated(targets, main)


def test_targets_that_fall_silent_are_not_asked_for_long() -> None:
    """Silence shows only when patience ends, so it takes longer to be known than what fails at once."""
    rng = random.Random(1)
    made, names = providers_of(2, 2)
    well = up(rng)
    service_of: dict[str, Condition] = {name: lambda now: Hangs() if 5 <= now < 75 else well(now) for name in names}

    async def main() -> None:
        service = Service(service_of, made, 1, {"deadline": 25.0})
        await service.load(5, 85)
        check_t2(service.between(40, 74), most=1.05)
        check_h2(service.between(0), 75)
        assert all(isinstance(error, AttemptsFailedError) for error in service.errors.values())
        await ends(service)

    simulated(1, main)


# ------------------------------------------------------------------------------------------------------ (b): no herd


class Client:
    """One of many routers that know nothing of each other: two targets, the first of them down until the heal."""

    def __init__(self, number: int) -> None:
        self.rng = random.Random(number)
        self.world = World()
        self.breakers = Breakers({"a@p": 1, "b@q": 1})

    def calls(self, now: float, *, healed: bool) -> bool:
        """Make a request at `now`; say whether the first target was called."""
        permit = self.breakers.admit("a@p", 0, EPOCH + now)
        if permit is None:
            return False
        failure = None if healed else Failure(Kind.UNAVAILABLE)
        outcome = outcome_of(failure)
        self.breakers.record("a@p", 0, permit, outcome, now=EPOCH + now, draw=self.rng.random)
        return True

    def comes_back(self, now: float) -> float:
        """Return when it would be let in again, to ask in that very moment."""
        return self.breakers.ejected(EPOCH + now).get("a@p", EPOCH + now) - EPOCH


def test_a_thousand_clients_that_trip_at_once_do_not_come_back_at_once() -> None:
    """The worst crowd: all trip in one moment, and each asks again the very moment it may."""
    clients = [Client(number) for number in range(1000)]
    for client in clients:
        for _ in range(5):
            assert client.calls(0.0, healed=False)
    back: list[float] = []
    probes: list[float] = []
    heal = 13.0
    for client in clients:
        now = client.comes_back(0.0)
        while now < heal:
            assert client.calls(now, healed=False)
            probes.append(now)
            now = client.comes_back(now)
        assert client.calls(now, healed=True)
        back.append(now)
    check_h6(probes, 1000)
    check_h6(back, 1000)
    check_h2([Lived(began=moment, ended=moment + 0.2, answered=True) for moment in back], heal)
    assert max(back) - heal <= 6, "every one of them"


def test_a_thousand_clients_that_are_told_to_wait_do_not_come_back_at_once() -> None:
    back: list[float] = []
    for number in range(1000):
        world = World(draw=random.Random(number).random())
        only = leg("a@p")
        progress = Progress(world.plan([only]))
        assert isinstance(progress.next(0.0), Try)
        progress.began(only)
        progress.failed(only, 0, Failure(Kind.RATE_LIMITED, retry_after=5.0), 0.0)
        step = progress.next(0.0)
        assert isinstance(step, Wait)
        back.append(step.seconds)
    assert min(back) >= 5
    check_h6(back, 1000)


def test_a_thousand_tasks_of_one_router_do_not_come_back_at_once() -> None:
    """They all wait for one rate limit; what they then send is spread, and slots bound it besides."""
    rng = random.Random(1)
    made, (name,) = providers_of(1, 1)
    well = up(rng, least=0.02, most=0.1)
    limited = Fails(Failure(Kind.RATE_LIMITED, retry_after=6.0))

    async def main() -> None:
        service = Service({name: lambda now: limited if now < 1 else well(now)}, made, 1, {"deadline": 60.0})
        await service.ask(0, deadline=1.0)
        await asyncio.gather(*(service.ask(number) for number in range(1, 1001)))
        check_h3(service.between(0)[1:])
        check_h6([call.at for call in service.router.calls if call.at > 1], 1000)
        await ends(service)

    simulated(1, main)


# ----------------------------------------------------------------------------------- (c), (d): some are down, not all


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_well_answers_whatever_the_others_do(seed: int) -> None:
    """H3: random topologies, up to all but one target down or flapping; not one request fails."""
    rng = random.Random(seed)
    targets = rng.randrange(2, 6)
    made, names = providers_of(targets, rng.randrange(1, 4))
    conditions: dict[str, Condition] = {}
    for name in names:
        kind, since = rng.choice(sorted(FAULTS)), rng.uniform(0, 8)
        conditions[name] = rng.choice(
            (
                up(rng),
                down(rng, kind, since, since + rng.uniform(1, 9)),
                down(rng, "any", 0, 99),
                flapping(rng, kind, rng.uniform(0.5, 6)),
            )
        )
    conditions[rng.choice(names)] = up(rng)

    async def main() -> None:
        service = Service(conditions, made, seed, {"max_attempts": max(4, targets)})
        await service.load(rng.choice((5, 10)), 14)
        check_h3(service.between(0), targets=targets, ejected=service.notices.ejected)
        check_h1(service.notices.attempts, service.notices.tripped, panic=True)
        check_h5(service.notices.attempts, service.notices.tripped)
        await ends(service)

    simulated(seed, main)


@pytest.mark.parametrize("seed", SEEDS[: max(4, len(SEEDS) // 4)])
def test_from_the_trip_on_an_outage_of_one_costs_nothing_but_probes(seed: int) -> None:
    rng = random.Random(seed)
    targets = (2, 3, 5)[seed % 3]
    made, names = providers_of(targets, rng.randrange(1, 4))
    ill = rng.choice(names[:2])
    conditions = {name: up(rng) for name in names} | {ill: down(rng, rng.choice(sorted(FAULTS)), 2, 15)}

    async def main() -> None:
        service = Service(conditions, made, seed)
        await service.load(15, 22)
        check_h1(service.notices.attempts, service.notices.tripped)
        check_h3(service.between(0), targets=targets, ejected=service.notices.ejected)
        trips = [notice for notice in service.notices.tripped if notice.state == "open"]
        if ill == names[0]:
            tripped = trips[0].at - EPOCH
            since = service.between(tripped, 15)
            extra = sum(each.calls for each in since) - len(since)
            assert extra <= len(trips), "one probe for each open time, and nothing else"
            assert len(trips) <= 1 + (15 - tripped) / 1, "an open time lasts a second at least"
            back = [call.at for call in service.router.calls if call.target == ill and call.at > 15]
            assert back, "once it is well it is used again"
            assert back[0] - 15 <= 6
            tail = [call.target for call in service.router.calls if call.at > 21.5]
            assert set(tail) == {ill}
        else:
            assert not trips, "what nobody needs nobody asks"
        assert {notice.target for notice in trips} <= {ill}
        await ends(service)

    simulated(seed, main)


def test_a_target_that_becomes_slow_is_left_for_one_that_is_not() -> None:
    rng = random.Random(1)
    made, names = providers_of(2, 2)
    quick, slow = up(rng), Slow(5.0, 0.0)

    async def main() -> None:
        service = Service({names[0]: lambda now: quick(now) if now < 20 else slow, names[1]: quick}, made, 1)
        await service.load(5, 60)
        check_h3(service.between(0), targets=2, ejected=service.notices.ejected)
        (first, *_) = [notice for notice in service.notices.tripped if notice.state == "open"]
        assert first.at - EPOCH < 40
        assert "slow" in first.why
        late = [each for each in service.between(first.at - EPOCH, 60) if each.ended - each.began > 2]
        assert len(late) <= 0.1 * len(service.between(first.at - EPOCH, 60)), "only probes are slow"
        await ends(service)

    simulated(1, main)


@pytest.mark.parametrize("targets", [1, 2, 3, 4, 5, 9])
def test_at_most_half_are_ejected_and_one_is_always_left(targets: int) -> None:
    rng = random.Random(targets)
    made, names = providers_of(targets, 3)

    async def main() -> None:
        service = Service({name: down(rng, "any", 0, 99) for name in names}, made, targets)
        await service.load(10, 8)
        check_h3([Lived(began=0, ended=0, answered=True)], targets=targets, ejected=service.notices.ejected)
        assert max(service.notices.ejected, default=0) == targets // 2, "and that many are"
        await ends(service)

    simulated(targets, main)
