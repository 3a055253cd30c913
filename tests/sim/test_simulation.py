"""Thousands of seeded worlds in virtual time, every invariant checked in each (INVARIANTS section 2, harness 3).

A failing seed is a test for ever: put it into `seeds.txt`.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from modelroute.testing import run_simulated
from tests.sim.seeds import reached
from tests.sim.world import World

SEEDS = int(os.environ.get("MODELROUTE_SEEDS", "5000"))
FROM = int(os.environ.get("MODELROUTE_SEEDS_FROM", "0"))
PARTS = 10
KEPT = [int(line) for line in (Path(__file__).parent / "seeds.txt").read_text().split("\n") if line.strip().isdigit()]

SOMETIMES = (
    "answered",
    "cancelled",
    "left early",
    "dropped",
    "interrupted after content",
    "deadline passed",
    "fell back",
    "retried",
    "waited for a hold",
    "buffered past a cut",
    "charged a reservation",
    "capped by the ceiling",
    "silent target passed over",
    "restarted",
    "restarted to the end",
    "hedge won by the first",
    "hedge won by the second",
    "hedge loser billed",
    "hedge went on alone",
)
"""States that a run of all seeds must have reached, or it proves less than it says."""


def run(seed: int) -> Counter[str]:
    """Run one world; its seed says whether the store is slow."""
    world = World(seed, laggy=seed % 2 == 1)
    try:
        run_simulated(world.run, seed)
    except BaseException as error:
        error.add_note(f"seed {seed}")
        raise
    return world.seen


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
def test_every_invariant_holds_in_every_world(part: int) -> None:
    seen = reached(run, range(FROM + part, FROM + SEEDS, PARTS))
    if SEEDS >= 5000:
        missing = [state for state in SOMETIMES if not seen[state]]
        assert not missing, f"never reached: {missing}; {seen}"


@pytest.mark.parametrize("seed", KEPT)
def test_seeds_that_once_failed(seed: int) -> None:
    run(seed)


def test_equal_seeds_give_equal_worlds() -> None:
    assert run(7) == run(7)
