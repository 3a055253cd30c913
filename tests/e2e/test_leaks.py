"""Nothing of a request stays when it is over, whatever became of it: objects, memory, descriptors, tasks, threads.

`make soak` is the long form. LEAK_REQUESTS sets the size of each run (20,000 for a thorough look).
"""

import asyncio
import logging
import os
import sys
import threading

import pytest

from harnesses.faulty import faulty_server
from harnesses.soak import Measured, soak

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="memory and descriptors are read from /proc"),
    pytest.mark.timeout(600),
]

SIZES = {"plain": 4_000, "dead-sink": 3_500, "dead-store": 1_500}
"""Enough that one object left behind per request shows many times over; the sink's queue is full before that counts."""

MOST_OBJECTS = 30
"""Of one type: what is in flight at two moments differs a little, one in a hundred requests is more than that."""

MOST_MEMORY = 6.0
"""MiB by which memory may rise after the warm-up. What is smaller shows in the objects, or in `make soak`."""


@pytest.mark.parametrize("variant", SIZES)
def test_requests_leave_nothing_behind(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("modelroute"), "propagate", False)  # pytest keeps every record of a test
    requests = int(os.environ.get("LEAK_REQUESTS", SIZES[variant]))

    async def run() -> Measured:
        with faulty_server() as url:
            return await soak(url, requests=requests, variant=variant, prompts=500, warm=0.7, every=0.25)

    threads = threading.active_count()
    measured = asyncio.run(run())
    assert measured.answered + sum(measured.failed.values()) == requests
    assert measured.answered >= requests * 0.99
    assert measured.samples
    assert (measured.descriptors, measured.tasks) == (0, 0)
    assert {name: count for name, count in measured.grown.items() if count > MOST_OBJECTS} == {}
    assert measured.risen < MOST_MEMORY
    assert threading.active_count() <= threads + (variant == "dead-sink"), "the listener that blocks keeps its thread"
