"""``make soak``: a hundred thousand requests, two hundred at a time, one in a hundred broken; what do they leave?

``python -m harnesses.soak --requests 20000`` for a look. Memory is sampled every second and fitted with a straight line
(least squares, the first fifth left out: pools and caches fill); objects by type, descriptors and tasks are counted
before and after. ``--dead-sink``, ``--dead-store`` and ``--scopes N`` run the same with a listener that blocks for
ever, a store that never answers, and so many users with an account each. Linux only: it reads /proc.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from harnesses.faulty import faulty_server
from harnesses.result import RESULTS, Promise, Result, write
from modelroute import AsyncRouter, Catalog, HttpOptions, Model, Policy, Price, Provider, Scenario, cheapest
from modelroute.errors import ModelRouteError, StoreUnavailableError
from modelroute.policy.budget import Budget
from modelroute.runtime.sharing import INTERVAL

__all__ = ["Measured", "Sample", "main", "slope", "soak"]

PAGE = os.sysconf("SC_PAGE_SIZE")
MIB = 1 << 20
_WARM = 0.2
"""The share of the run after which memory is looked at."""
_MAX_IDLE = 16
"""Connections kept for each provider: few, so that how many there are at a moment is no growth."""
_MOST_SLOPE = 1.0
"""MiB per 100,000 requests."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at one moment: requests done, bytes resident, descriptors, tasks."""

    seconds: float
    requests: int
    resident: int
    descriptors: int
    tasks: int


@dataclass(slots=True)
class Measured:
    """What a run left behind.

    `grown`: types of which the garbage collector knows more than after the warm-up, with how many more.
    """

    requests: int
    warm: float = _WARM
    answered: int = 0
    failed: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0
    samples: list[Sample] = field(default_factory=list[Sample])
    grown: Counter[str] = field(default_factory=Counter[str])
    descriptors: int = 0
    tasks: int = 0
    threads: int = 0

    @property
    def slope(self) -> float:
        """MiB per 100,000 requests, by least squares."""
        warm = [sample for sample in self.samples if sample.requests >= self.requests * self.warm]
        return slope([(sample.requests, sample.resident) for sample in warm]) * 100_000 / MIB

    def as_json(self) -> dict[str, object]:
        """Return it for a file: a sample in ten seconds, the ten types that grew most."""
        return {
            "requests": self.requests,
            "answered": self.answered,
            "failed": dict(self.failed),
            "seconds": round(self.seconds, 1),
            "slope": round(self.slope, 3),
            "grown": dict(self.grown.most_common(10)),
            "samples": [asdict(sample) for sample in self.samples[::10]],
        }

    @property
    def risen(self) -> float:
        """MiB between the first and the last tenth of the warm samples, which noise moves less than the slope."""
        warm = [sample.resident for sample in self.samples if sample.requests >= self.requests * self.warm]
        part = max(1, len(warm) // 10)
        return (sum(warm[-part:]) - sum(warm[:part])) / part / MIB if warm else 0.0


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the straight line nearest to `points`; 0 when they have no width."""
    count = len(points)
    middle_x = sum(x for x, _ in points) / count if count else 0.0
    middle_y = sum(y for _, y in points) / count if count else 0.0
    width = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / width if width else 0.0


def resident() -> int:
    """Return the bytes of memory this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def descriptors() -> int:
    """Return the open descriptors of this process."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def objects() -> Counter[str]:
    """Return the objects the garbage collector knows, by type."""
    gc.collect()
    return Counter(type(one).__name__ for one in gc.get_objects())


class DeadStore:
    """A store that never answers: every operation raises `StoreUnavailableError`."""

    name = "dead"
    shared = True
    keeps_ledger = False

    def __getattr__(self, operation: str) -> Callable[..., NoReturn]:
        """Return an operation that fails."""
        if operation.startswith("__"):
            raise AttributeError(operation)

        def refuse(*_: object, **__: object) -> NoReturn:
            raise StoreUnavailableError(f"the store is dead: {operation}")

        return refuse


def _router(url: str, variant: str, scopes: int) -> AsyncRouter:
    """Return a router over two providers of that server, as the variant wants it."""
    providers = [
        Provider.compatible(
            url,
            name=name,
            key="k",
            price=Price(input=price, output=price),
            models=[Model(f"model-{name}", context_window=32_000, max_output=4_000)],
            http=HttpOptions(max_idle=_MAX_IDLE),
        )
        for name, price in (("first", 1), ("second", 2))
    ]
    settings: dict[str, Any] = {"policy": Policy(default=Scenario(prefer=cheapest)), "catalog": Catalog()}
    if variant == "dead-sink":
        settings["on_event"] = lambda _: threading.Event().wait()
    elif variant == "dead-store":
        settings["store"] = DeadStore()
    elif scopes:
        settings["budgets"] = [Budget("each-user", 5, per="day", each="user")]
    return AsyncRouter(providers, **settings)


async def soak(
    url: str,
    *,
    requests: int,
    in_flight: int = 200,
    variant: str = "plain",
    scopes: int = 0,
    prompts: int | None = None,
    warm: float = _WARM,
    every: float = 1.0,
) -> Measured:
    """Send `requests` requests, `in_flight` at a time, half of them streamed, and return what they left behind.

    `variant`: ``plain``, ``dead-sink``, ``dead-store``. `prompts`: how many different ones there are, by default every
    one is another. `warm`: the share of the run after which growth counts. `every`: seconds between two samples.
    """
    measured = Measured(requests, warm=warm)
    router = _router(url, variant, scopes)
    begun = time.monotonic()
    before: Counter[str] = Counter()
    descriptors_before, tasks_before = descriptors(), len(asyncio.all_tasks())
    taken = done = 0

    async def work() -> None:
        nonlocal taken, done
        while taken < requests:
            number = taken
            taken += 1
            try:
                await _ask(router, number, number % (prompts or requests), scopes)
                measured.answered += 1
            except ModelRouteError as error:
                measured.failed[type(error).__name__] += 1
            done += 1

    async def watch() -> None:
        while True:
            await asyncio.sleep(every)
            if not before and done >= requests * warm:
                before.update(objects())
            tasks = len(asyncio.all_tasks())
            measured.samples.append(Sample(time.monotonic() - begun, done, resident(), descriptors(), tasks))

    watching = asyncio.ensure_future(watch())
    await asyncio.gather(*(work() for _ in range(in_flight)))
    watching.cancel()
    await asyncio.wait([watching])
    measured.seconds = time.monotonic() - begun
    await asyncio.sleep(INTERVAL * 1.5)  # what processes tell each other waits for the next look: that is no leak
    measured.grown = objects() - before if before else Counter()
    measured.grown.pop(Sample.__name__, None)
    await router.aclose()
    await asyncio.sleep(0.2)
    gc.collect()
    measured.descriptors = descriptors() - descriptors_before
    measured.tasks = len(asyncio.all_tasks()) - tasks_before
    return measured


async def _ask(router: AsyncRouter, number: int, topic: int, scopes: int) -> None:
    options: dict[str, Any] = {"max_tokens": 100, "deadline": 60}
    if scopes:
        options["user"] = f"user-{number % scopes}"
    prompt = f"Topic {topic}: say something short."
    if number % 2:
        await router.chat(prompt, **options)
        return
    async with router.stream(prompt, **options) as stream:
        async for _ in stream:
            pass


def _said(measured: Measured) -> str:
    failed = ", ".join(f"{count} {name}" for name, count in measured.failed.most_common()) or "none failed"
    return (
        f"{measured.slope:+.2f} MiB per 100,000 requests over {measured.requests:,} ({measured.answered:,} answered, "
        f"{failed}); {measured.descriptors:+d} descriptors, {measured.tasks:+d} tasks"
    )


def result_of(runs: Sequence[tuple[str, Measured]]) -> Result:
    """Return what the runs show."""
    promises = [
        Promise(
            "C4",
            f"memory, descriptors and tasks do not grow with requests: {what}",
            _said(measured),
            holds=measured.slope <= _MOST_SLOPE and measured.descriptors <= 0 and measured.tasks <= 0,
        )
        for what, measured in runs
    ]
    return Result("soak", "make soak", promises)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the variants asked for, by default the plain one and both dead ones; 1 when something grew."""
    parser = argparse.ArgumentParser(prog="python -m harnesses.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--requests", type=int, default=100_000, help="of each run (default 100,000)")
    parser.add_argument("--in-flight", type=int, default=200, help="at a time (default 200)")
    parser.add_argument("--one-in", type=int, default=100, help="one request in so many meets a fault (default 100)")
    parser.add_argument("--plain", action="store_true", help="only this: nothing dead")
    parser.add_argument("--dead-sink", action="store_true", help="only this: a listener that blocks for ever")
    parser.add_argument("--dead-store", action="store_true", help="only this: a store that never answers")
    parser.add_argument("--scopes", type=int, default=0, help="only this: so many users with an account each")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the result is written")
    chosen = parser.parse_args(arguments)
    asked = [("plain", chosen.plain), ("dead-sink", chosen.dead_sink), ("dead-store", chosen.dead_store)]
    variants = [name for name, wanted in asked if wanted]
    if not variants and not chosen.scopes:
        variants = [name for name, _ in asked]
    told = {
        "plain": "one in a hundred broken",
        "dead-sink": "a listener that blocks for ever",
        "dead-store": "a store that never answers",
    }
    runs: list[tuple[str, Measured]] = []
    with faulty_server(chosen.one_in) as url:
        for variant in variants:
            run = soak(url, requests=chosen.requests, in_flight=chosen.in_flight, variant=variant)
            runs.append((told[variant], asyncio.run(run)))
            sys.stdout.write(f"{variant}: {_said(runs[-1][1])}, {runs[-1][1].seconds:.0f} s\n")
            sys.stdout.flush()
        if chosen.scopes:
            run = soak(url, requests=chosen.requests, in_flight=chosen.in_flight, scopes=chosen.scopes)
            runs.append((f"{chosen.scopes:,} users with an account each", asyncio.run(run)))
            sys.stdout.write(f"scopes: {_said(runs[-1][1])}, {runs[-1][1].seconds:.0f} s\n")
    for what, measured in runs:
        sys.stdout.write(f"{what}: more objects: {dict(measured.grown.most_common(8))}\n")
    result = result_of(runs)
    details = [{"run": what} | measured.as_json() for what, measured in runs]
    sys.stdout.write(f"{write(result, directory=chosen.results, details=details)}\n")
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
