"""What a soak measures: the slope of a line, and what does not hold."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harnesses.faulty import faulty_server
from harnesses.soak import MIB, DeadStore, Measured, Sample, result_of, slope, soak
from modelroute.errors import StoreUnavailableError
from modelroute.runtime.core import RouterCore


@settings(max_examples=30)
@given(st.floats(-5, 5), st.floats(-1e6, 1e6), st.lists(st.integers(0, 1000), min_size=2, max_size=20, unique=True))
def test_the_slope_of_a_line_is_its_slope(rise: float, start: float, places: list[int]) -> None:
    assert slope([(x, start + rise * x) for x in places]) == pytest.approx(rise, abs=1e-6)
    assert slope([]) == slope([(3, 4)]) == slope([(3, 4), (3, 5)]) == 0


def measured(*mebibytes: float) -> Measured:
    samples = [Sample(0.0, 10_000 * place, int(MIB * held), 5, 3) for place, held in enumerate(mebibytes)]
    return Measured(100_000, answered=100_000, samples=samples)


def test_memory_counts_after_the_warm_up_and_per_hundred_thousand_requests() -> None:
    warm = measured(1, 50, 80, 80.1, 80.2, 80.3, 80.4, 80.5, 80.6, 80.7, 80.8)
    assert warm.slope == pytest.approx(1.0, abs=0.01)
    assert warm.risen == pytest.approx(0.8, abs=0.01)
    assert measured().risen == 0


def test_what_grows_does_not_hold() -> None:
    flat, steep = measured(*[80.0] * 11), measured(*range(11))
    assert result_of([("plain", flat)]).holds
    assert not result_of([("plain", flat), ("dead", steep)]).holds
    flat.descriptors = 1
    assert not result_of([("plain", flat)]).holds
    assert "+1 descriptors" in result_of([("plain", flat)]).promises[0].figure


def test_a_dead_store_answers_nothing() -> None:
    store = DeadStore()
    assert (store.name, store.shared, store.keeps_ledger) == ("dead", True, False)
    for operation in ("reserve", "settle", "signals"):
        with pytest.raises(StoreUnavailableError, match=operation):
            getattr(store, operation)(1, now=2)


@pytest.mark.timeout(120)
def test_an_object_left_behind_by_each_request_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Left:
        pass

    kept: list[Left] = []
    refuse = RouterCore.refuse_when_closed

    def leaking(core: RouterCore) -> None:
        kept.append(Left())
        refuse(core)

    monkeypatch.setattr(RouterCore, "refuse_when_closed", leaking)

    async def run() -> Measured:
        with faulty_server(0) as url:
            return await soak(url, requests=300, in_flight=20, prompts=20, every=0.02)

    found = asyncio.run(run())
    assert found.answered == 300
    assert found.grown["Left"] > 100
