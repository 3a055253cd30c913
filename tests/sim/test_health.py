"""Probes that callers leave, what never trips, holds, and that all is well again in the end (INVARIANTS H3-H5)."""

from __future__ import annotations

import asyncio
import random

import pytest

from modelroute import ModelRouteError, Money, NoEligibleTargetError
from modelroute.testing import Answer, Fails, Failure, Hangs, Kind
from modelroute.testing.checks import (
    check_h1,
    check_h3,
    check_h4,
    check_h5,
)
from modelroute.testing.script import STEP_KINDS, Step, random_step, swarm
from modelroute.types.claims import Refused
from tests.sim.outage import EPOCH, SEEDS, Service, down, ends, providers_of, simulated, up

pytestmark = pytest.mark.timeout(600)


# -------------------------------------------------------------------------------------------------- (e): probes return


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cancelled_probe_returns_its_permit(seed: int) -> None:
    """Callers go away at every moment while the ill target hangs; once it is well the next request is its probe."""
    rng = random.Random(seed)
    made, names = providers_of(2, 2)
    ill = names[0]

    def first(now: float) -> Step:
        return Fails(Failure(Kind.UNAVAILABLE)) if now < 2 else Hangs(rng.randrange(3)) if now < 9 else Answer("back")

    async def main() -> None:
        service = Service({ill: first, names[1]: up(rng)}, made, seed)
        await service.load(5, 2)
        assert not service.router._core.breakers.is_healthy(ill)
        number = 1000
        while asyncio.get_running_loop().time() < 9:
            number += 1
            options = {"deadline": rng.choice((0.05, 30.0)), "max_cost": rng.choice((None, "0.5"))}
            task = asyncio.ensure_future(service.ask(number, **options))
            await asyncio.sleep(rng.choice((0.0, 0.001, rng.uniform(0, 0.3))))
            task.cancel()
            if rng.random() < 0.5:
                await asyncio.sleep(0)
                task.cancel()
            await asyncio.wait([task])
        await asyncio.sleep(5)
        await service.ask(2000)
        assert service.router.calls[-1].target == ill, "its probe was not given back"
        assert service.router._core.breakers.is_healthy(ill)
        check_h1(service.notices.attempts, service.notices.tripped)
        check_h5(service.notices.attempts, service.notices.tripped)
        await ends(service)

    simulated(seed, main)


def test_a_probe_that_money_forbids_returns_its_permit() -> None:
    rng = random.Random(1)
    made, names = providers_of(2, 2)

    async def main() -> None:
        service = Service({names[0]: down(rng, "transient", 0, 2), names[1]: up(rng)}, made, 1)
        await service.load(5, 2)
        await asyncio.sleep(6)
        reserve = service.router._performer.reserve
        service.router._performer.reserve = lambda command: Refused("team", Money(1), Money(0))  # type: ignore[method-assign]
        await service.ask(1000, max_cost="0.5")
        assert isinstance(service.errors[1000], ModelRouteError)
        service.router._performer.reserve = reserve  # type: ignore[method-assign]
        await service.ask(1001)
        assert service.router.calls[-1].target == names[0]
        await ends(service)

    simulated(1, main)


# ------------------------------------------------------------------------------------------------ (f): what never trips

HARMLESS = (
    Kind.INVALID, Kind.UNPROVED, Kind.TOO_LONG, Kind.REFUSED, Kind.INVALID_OUTPUT, Kind.UNSUPPORTED, Kind.SATURATED,
    Kind.RATE_LIMITED, Kind.EXHAUSTED, Kind.DENIED, Kind.NOT_SERVED,
)  # fmt: skip


@pytest.mark.parametrize("kind", HARMLESS)
def test_what_is_not_ill_health_never_trips(kind: Kind) -> None:
    made, names = providers_of(2, 2)

    async def main() -> None:
        service = Service({name: lambda _: Fails(Failure(kind), 0.01) for name in names}, made, 1, {"deadline": 3.0})
        for number in range(15):
            await service.ask(number)
        assert service.router.calls
        assert service.notices.tripped == []
        await ends(service)

    simulated(1, main)


def test_callers_who_go_away_or_run_out_of_time_or_money_never_trip_anything() -> None:
    rng = random.Random(1)
    made, names = providers_of(2, 2)

    async def main() -> None:
        service = Service({name: lambda _: Hangs(rng.randrange(3)) for name in names}, made, 1)
        for number in range(30):
            task = asyncio.ensure_future(service.ask(number))
            await asyncio.sleep(rng.uniform(0, 0.5))
            task.cancel()
            await asyncio.wait([task])
            await service.ask(100 + number, deadline=0.2)
            await service.ask(200 + number, max_cost="0.000001", deadline=0.2)
        assert len(service.router.calls) > 30
        assert service.notices.tripped == []
        await ends(service)

    simulated(1, main)


# ----------------------------------------------------------------------------------------------------------- (g): holds


@pytest.mark.parametrize("seed", SEEDS)
def test_holds_only_extend_and_what_is_known_is_waited_for_if_it_fits(seed: int) -> None:
    rng = random.Random(seed)
    made, (name,) = providers_of(1, 1)
    looks: list[tuple[float, float]] = []

    def limited(now: float) -> Step:
        if now < 3:
            return Fails(Failure(Kind.RATE_LIMITED, retry_after=rng.choice((0.0, 0.5, 2.0, 8.0))), rng.uniform(0, 1))
        return Answer()

    async def main() -> None:
        service = Service({name: limited}, made, seed)
        experience = service.router._core.experience
        loop = asyncio.get_running_loop()

        async def look() -> None:
            while loop.time() < 13:
                hold = experience.holds_of(name, 1, EPOCH + loop.time())[0]
                if hold is not None:
                    looks.append((EPOCH + loop.time(), hold.until))
                await asyncio.sleep(0.05)

        watching = asyncio.ensure_future(look())
        patient = [service.ask(number, deadline=40.0) for number in range(8)]
        hasty = [service.ask(number, deadline=1.0) for number in range(8, 12)]
        asked = asyncio.gather(*patient, *hasty)
        await asyncio.sleep(1.5)
        held = experience.resting(name, 1, EPOCH + loop.time())
        await service.ask(99, deadline=0.01)
        if held is not None and held.until - EPOCH - loop.time() > 0.1:
            error = service.errors[99]
            assert isinstance(error, NoEligibleTargetError), "nothing is sent into a hold whose end is known"
            assert error.retry_after == pytest.approx(held.until - EPOCH - loop.time(), abs=0.05)
        await asked
        await watching
        assert any(service.lived[number].answered for number in range(8)), service.errors
        check_h4(looks)
        assert service.notices.tripped == []
        await ends(service)

    simulated(seed, main)
    assert looks


# -------------------------------------------------------------------------------------------------------- (h): liveness


def _mild(step: Step) -> Step:
    """Return `step`, but that nobody is told to rest for longer than the world lasts."""
    if isinstance(step, Fails) and (step.failure.retry_after or 0) > 5:
        return Fails(Failure(step.failure.kind, step.failure.message, retry_after=5.0), step.delay, step.billed)
    return step


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_seconds_after_the_faults_end_everything_is_answered(seed: int) -> None:
    """Liveness: whatever went wrong, cancelled callers among it; then all are well, and so is the router."""
    rng = random.Random(seed)
    targets = rng.randrange(1, 6)
    made, names = providers_of(targets, rng.randrange(1, 4))
    often = dict.fromkeys(rng.sample(STEP_KINDS[1:], 2), 3.0)
    weights = {**swarm(rng, answering=rng.choice((0.5, 4.0))), **often}
    calm = 12.0

    def act(now: float) -> Step:
        return _mild(random_step(rng, weights)) if now < calm else Answer(delay=rng.uniform(0.01, 0.2))

    async def storm(service: Service) -> None:
        for number in range(5000, 5020):
            task = asyncio.ensure_future(service.ask(number))
            await asyncio.sleep(rng.uniform(0, 0.6))
            task.cancel()
            await asyncio.wait([task])

    async def main() -> None:
        service = Service(dict.fromkeys(names, act), made, seed, {"deadline": 8.0})
        storming = asyncio.ensure_future(storm(service))
        await service.load(5, calm + 12)
        await storming
        check_h3(service.between(calm + 10), targets=targets, ejected=service.notices.ejected)
        check_h5(service.notices.attempts, service.notices.tripped)
        for number, name in enumerate(names, 9000):
            await service.ask(number, model=name)
            assert service.lived[number].answered, f"{name}: {service.errors.get(number)}"
        breakers = service.router._core.breakers
        assert breakers.report(EPOCH + asyncio.get_running_loop().time()) == {}, "every breaker is closed"
        await ends(service)

    simulated(seed, main)
