"""``python -m harnesses.outage``: what an outage costs over real sockets, and how soon it is over.

A service of two targets at a provider in a process of its own, about fifty requests a second, half from threads, half
from an event loop. First one target goes down and comes back, then both do. The provider counts its calls.
``--seconds 45`` for a shorter one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO, Any, cast

from harnesses.result import RESULTS, ROOT, Promise, Result, write
from modelroute import AsyncRouter, Catalog, Model, Policy, Price, Provider, Router, Scenario, cheapest
from modelroute.errors import ModelRouteError
from modelroute.testing.exchange import Exchange
from modelroute.testing.faults import custom, find, ok
from modelroute.testing.server import FaultServer

__all__ = ["Seen", "figures", "main", "measure"]

RATE = 25.0
"""Requests a second, of each kind of client."""

FAULTS = ("503", "reset_before_headers", "500", "cut", "529", "garbage", "error_event_first")
"""What a target that is down does, in turn."""

LEAST = 40.0
"""Seconds below which a run would show nothing: an outage is looked at from its tenth second on."""

_CALM, _FAILOVER, _BACK, _AFTER = 4.0, 10.0, 8.0, 8.0
_WORKERS = 64
_MOST_CALLS, _MOST_BACK, _MOST_CROWD = 1.02, 6.0, 4.0
_DETECTED = 10.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One request of a client: its number, when it began and ended, whether it was answered."""

    number: int
    began: float
    ended: float
    answered: bool


@dataclass(slots=True)
class Measured:
    """A run: what each kind of client lived, what the provider counted, and when what happened."""

    clients: dict[str, list[Seen]] = field(default_factory=lambda: {"threads": [], "event loop": []})
    calls: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    moments: dict[str, float] = field(default_factory=dict[str, float])


# --------------------------------------------------------------------------------------------------------- the provider


def serve() -> int:
    """Be the provider: read who is down from standard input, and at its end tell every call."""
    down: frozenset[str] = frozenset()
    calls: list[tuple[float, int]] = []
    turns = count()
    faults, well = [find(name) for name in FAULTS], ok("A short answer in a few pieces.", pieces=3)

    async def play(exchange: Exchange) -> None:
        messages = cast("Sequence[dict[str, str]]", exchange.settings["messages"])
        calls.append((time.time(), int(messages[0]["content"].partition("]")[0].removeprefix("["))))
        ill = exchange.model in down
        await (faults[next(turns) % len(faults)] if ill else well).play(exchange)

    with FaultServer(default=custom("by_command", play), remember=100, only=[]) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        for line in sys.stdin:
            down = frozenset(line.split())
    sys.stdout.write(json.dumps(calls))
    return 0


@dataclass(frozen=True, slots=True)
class _Upstream:
    """The provider's process, seen from here."""

    url: str
    commands: IO[str]

    def down(self, *models: str) -> float:
        """Let these models be down and no others; return the moment."""
        self.commands.write(" ".join(models) + "\n")
        self.commands.flush()
        return time.time()


@contextmanager
def _upstream(measured: Measured) -> Generator[_Upstream]:
    command = [sys.executable, "-m", "harnesses.outage", "--serve"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield _Upstream(process.stdout.readline().strip(), process.stdin)
        finally:
            process.stdin.close()
            told = process.stdout.read()
        measured.calls = [(moment, number) for moment, number in json.loads(told)]


# ---------------------------------------------------------------------------------------------------------- the clients


def _settings(url: str) -> dict[str, Any]:
    providers = [
        Provider.compatible(
            url,
            name=name,
            key="k",
            price=Price(input=price, output=price),
            models=[Model(f"model-{name}", context_window=32_000, max_output=4_000)],
        )
        for name, price in (("first", 1), ("second", 2))
    ]
    return {"providers": providers, "policy": Policy(default=Scenario(prefer=cheapest)), "catalog": Catalog()}


def _threads(url: str, seen: list[Seen], numbers: Callable[[], int], over: threading.Event) -> None:
    """Send requests at a steady pace from a pool of threads."""

    def ask(router: Router, number: int) -> None:
        began, answered = time.time(), True
        try:
            router.chat(f"[{number}] Hello", deadline=30)
        except ModelRouteError:
            answered = False
        seen.append(Seen(number, began, time.time(), answered))

    with Router(**_settings(url)) as router, ThreadPoolExecutor(_WORKERS) as pool:
        due = time.monotonic()
        while not over.is_set():
            pool.submit(ask, router, numbers())
            due += 1 / RATE
            over.wait(max(0.0, due - time.monotonic()))


async def _event_loop(url: str, seen: list[Seen], numbers: Callable[[], int], over: threading.Event) -> None:
    """The same from one event loop."""
    router = AsyncRouter(**_settings(url))

    async def ask(number: int) -> None:
        began, answered = time.time(), True
        try:
            await router.chat(f"[{number}] Hello", deadline=30)
        except ModelRouteError:
            answered = False
        seen.append(Seen(number, began, time.time(), answered))

    tasks: set[asyncio.Task[None]] = set()
    due = time.monotonic()
    while not over.is_set():
        task = asyncio.ensure_future(ask(numbers()))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        due += 1 / RATE
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    await asyncio.gather(*tasks)
    await router.aclose()


def measure(seconds: float) -> Measured:
    """Run it all, in about so many seconds."""
    measured = Measured()
    numbers, over = count(), threading.Event()
    with _upstream(measured) as upstream:

        def take() -> int:
            return next(numbers)

        one = threading.Thread(target=_threads, args=(upstream.url, measured.clients["threads"], take, over))
        two = threading.Thread(
            target=lambda: asyncio.run(_event_loop(upstream.url, measured.clients["event loop"], take, over))
        )
        one.start()
        two.start()
        try:
            _happenings(upstream, measured.moments, seconds - _CALM - _FAILOVER - _BACK - _AFTER)
        finally:
            over.set()
            one.join()
            two.join()
    return measured


def _happenings(upstream: _Upstream, moments: dict[str, float], outage: float) -> None:
    time.sleep(_CALM)
    moments["one down"] = upstream.down("model-first")
    time.sleep(_FAILOVER)
    moments["one back"] = upstream.down()
    time.sleep(_BACK)
    moments["all down"] = upstream.down("model-first", "model-second")
    time.sleep(outage)
    moments["all back"] = upstream.down()
    time.sleep(_AFTER)


# ---------------------------------------------------------------------------------------------------------- the figures


@dataclass(frozen=True, slots=True)
class Figures:
    """What one kind of client found. Times in seconds; `added_p50`, `added_p99`: by failover, over calm times."""

    requests: int
    calls_per_request: float
    slowest_failure: float
    back_after: float
    failed_when_back: int
    added_p50: float
    added_p99: float
    failed_while_one_was_down: int


def figures(seen: Sequence[Seen], calls: Counter[int], moments: dict[str, float]) -> Figures:
    """Return the figures of one kind of client. `calls`: how often the provider was called for each request."""

    def begun(since: str, until: str | None = None, *, later: float = 0.0) -> list[Seen]:
        end = moments[until] if until is not None else float("inf")
        return [each for each in seen if moments[since] + later <= each.began < end - 0.5]

    outage, after = begun("all down", "all back", later=_DETECTED), begun("all back")
    back = min((each.ended for each in after if each.answered), default=float("inf"))
    calm = [each.ended - each.began for each in seen if each.ended < moments["one down"]][20:]
    usual = statistics.median(calm)
    moved = sorted(each.ended - each.began - usual for each in begun("one down", "one back"))
    return Figures(
        requests=len(outage),
        calls_per_request=round(sum(calls[each.number] for each in outage) / len(outage), 4),
        slowest_failure=round(max(each.ended - each.began for each in outage), 3),
        back_after=round(back - moments["all back"], 3),
        failed_when_back=sum(not each.answered for each in after if each.began >= back),
        added_p50=round(statistics.median(moved), 4),
        added_p99=round(moved[int(len(moved) * 0.99)], 4),
        failed_while_one_was_down=sum(not each.answered for each in begun("one down", "one back")),
    )


def crowd(calls: Sequence[tuple[float, int]], since: float) -> int:
    """Return the most calls within 100 ms after the heal."""
    buckets = Counter(int((moment - since) * 10) for moment, _ in calls if moment >= since)
    return max(buckets.values(), default=0)


def result_of(found: dict[str, Figures], peak: int) -> Result:
    """Return what the figures show."""

    def told(form: Callable[[Figures], str]) -> str:
        return "; ".join(f"{kind}: {form(each)}" for kind, each in found.items())

    usual = 2 * RATE / 10
    promises = [
        Promise(
            "T2",
            f"with all targets down, at most {_MOST_CALLS} upstream calls per request from the tenth second on",
            told(lambda each: f"{each.calls_per_request:.3f} over {each.requests:,} requests, the slowest failed in "
                              f"{each.slowest_failure * 1000:.0f} ms"),
            holds=all(each.calls_per_request <= _MOST_CALLS for each in found.values()),
        ),
        Promise(
            "H2",
            f"back in service within {_MOST_BACK:.0f} s of the heal, and then no request fails",
            told(lambda each: f"{each.back_after:.2f} s, {each.failed_when_back} failed after"),
            holds=all(each.back_after <= _MOST_BACK and not each.failed_when_back for each in found.values()),
        ),
        Promise(
            "H3",
            "while one of two targets is down every request is answered by the other",
            told(lambda each: f"{each.failed_while_one_was_down} failed, {each.added_p50 * 1000:+.0f} ms p50, "
                              f"{each.added_p99 * 1000:+.0f} ms p99"),
            holds=not any(each.failed_while_one_was_down for each in found.values()),
        ),
        Promise(
            "H6",
            f"no crowd after the heal: at most {_MOST_CROWD:.0f} times the usual calls within 100 ms",
            f"{peak} calls at most, where clients send {usual:.0f}",
            holds=peak <= _MOST_CROWD * usual,
        ),
    ]  # fmt: skip
    return Result("outage", "python -m harnesses.outage", promises)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it and write the result; 1 when a promise did not hold."""
    parser = argparse.ArgumentParser(prog="python -m harnesses.outage", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=90.0, help="in all (default 90, an outage of 60)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the result is written")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.serve:
        return serve()
    if chosen.seconds < LEAST:
        parser.error(f"--seconds must be at least {LEAST:.0f}: an outage is looked at from its tenth second on")
    measured = measure(chosen.seconds)
    calls = Counter(number for _, number in measured.calls)
    found = {kind: figures(seen, calls, measured.moments) for kind, seen in measured.clients.items()}
    result = result_of(found, crowd(measured.calls, measured.moments["all back"]))
    for promise in result.promises:
        sys.stdout.write(f"{promise.invariant} {'holds' if promise.holds else 'DOES NOT HOLD'}: {promise.figure}\n")
    details = {"outage_seconds": round(measured.moments["all back"] - measured.moments["all down"], 1)}
    sys.stdout.write(f"{write(result, directory=chosen.results, details=details)}\n")
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
