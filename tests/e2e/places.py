"""What every end-to-end test stands on: providers on a fault server, calls seen from outside, a timer to be fair by."""

# ruff: noqa: ANN401, BLE001
# Options are handed through to calls that check them; what left the library is what is looked at.

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import uvloop

from modelroute import (
    AsyncRouter,
    Catalog,
    Decision,
    Model,
    Policy,
    Price,
    Provider,
    Reply,
    Router,
    Scenario,
    TextDelta,
    Timeouts,
    cheapest,
)
from modelroute.testing.exchange import SeenRequest
from modelroute.testing.fault import Fault
from modelroute.testing.faults import ok
from modelroute.testing.server import FaultServer

KEY = "sk-test-0123456789abcdef"
PROMPT = "Say hello."

LOOPS: Mapping[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "async": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}
"""The event loops that async code is tried on."""

LOOP_KINDS = ("async", "uvloop")
"""Names of `LOOPS` for `parametrize`."""

KINDS = ("sync", *LOOP_KINDS)
"""Sync, and async on every loop."""

CHEAP = Price(input=1, output=4)

_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Place:
    """A provider at a path of its own on a shared server, so that the server's log can be read per provider."""

    provider: Provider
    server: FaultServer
    prefix: str

    @property
    def target(self) -> str:
        """Its only target's name."""
        model = self.provider.models[0]
        return f"{model if isinstance(model, str) else model.name}@{self.provider.name}"

    @property
    def seen(self) -> list[SeenRequest]:
        """The requests it received so far."""
        return [one for one in self.server.requests if one.path.startswith(self.prefix + "/")]


def place(
    server: FaultServer,
    behaviours: list[Fault | str],
    *,
    name: str = "first",
    model: str = "small",
    price: Price | None = CHEAP,
    context: int = 32_000,
    max_output: int = 4_000,
    features: frozenset[str] = frozenset({"tools", "json_schema"}),
    **declared: Any,
) -> Place:
    """Return a provider called `name` that meets `behaviours`, one per request."""
    prefix = f"/{name}-{next(_numbers)}"
    server.script(prefix, behaviours)
    known = Model(model, context_window=context, max_output=max_output, features=features)
    settings: dict[str, Any] = {"key": KEY} | declared
    provider = Provider.compatible(server.url_for(prefix), name=name, price=price, models=[known], **settings)
    return Place(provider, server, prefix)


POLICY = Policy(default=Scenario(prefer=cheapest))


def routing(*places: Place, **settings: Any) -> dict[str, Any]:
    """Return a router's arguments: these places, cheapest first, nothing else in the catalog."""
    return {"providers": [each.provider for each in places], "policy": POLICY, "catalog": Catalog()} | settings


def in_loop(kind: str, work: Callable[[], Awaitable[Any]]) -> Any:
    """Run `work` on a new loop of this kind, to the end of the loop."""

    async def main() -> Any:
        return await work()

    with asyncio.Runner(loop_factory=LOOPS[kind]) as runner:
        return runner.run(main())


# -------------------------------------------------------------------------------------------- a call, from outside


@dataclass(slots=True)
class Case:
    """One call to make, and what came of it. `waits`: the seconds of every wait of the caller."""

    places: list[Place]
    mode: str
    options: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    prompt: Any = PROMPT
    received: list[str] = field(default_factory=list[str])
    reply: Reply | None = None
    error: BaseException | None = None
    decision: Decision | None = None
    seconds: float = 0.0
    reserved: int = -1

    def sync(self) -> None:
        """Make the call with a router of its own."""
        with Router(**routing(*self.places, **self.settings)) as router:
            begun = time.monotonic()
            try:
                if self.mode == "chat":
                    self.reply = router.chat(self.prompt, **self.options)
                else:
                    with router.stream(self.prompt, **self.options) as stream:
                        for event in stream:
                            if isinstance(event, TextDelta):
                                self.received.append(event.text)
                        self.reply = stream.reply
            except BaseException as error:
                self.error = error
            self.seconds = time.monotonic() - begun
            self.reserved = router._core.books.local.reserved.pico

    async def asynchronous(self) -> None:
        """The same on the running loop."""
        async with AsyncRouter(**routing(*self.places, **self.settings)) as router:
            begun = time.monotonic()
            try:
                if self.mode == "chat":
                    self.reply = await router.chat(self.prompt, **self.options)
                else:
                    async with router.stream(self.prompt, **self.options) as stream:
                        async for event in stream:
                            if isinstance(event, TextDelta):
                                self.received.append(event.text)
                        self.reply = stream.reply
            except BaseException as error:
                self.error = error
            self.seconds = time.monotonic() - begun
            self.reserved = router._core.books.local.reserved.pico


def make(kind: str, cases: list[Case], *, at_once: bool = True) -> None:
    """Make all calls, at once or one after the other: in threads (`sync`), or on one loop of this kind."""
    if kind == "sync":
        with ThreadPoolExecutor(len(cases) if at_once else 1) as pool:
            list(pool.map(Case.sync, cases))
        return

    async def all_of_them() -> None:
        if at_once:
            await asyncio.gather(*(case.asynchronous() for case in cases))
            return
        for case in cases:
            await case.asynchronous()

    in_loop(kind, all_of_them)


class Noise:
    """A bare timer that runs beside the tested code: `worst` is how late the machine itself is."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._stop = threading.Event()

    def run(self, tick: float = 0.02) -> None:
        """Sleep and look at the clock until told to stop."""
        while not self._stop.is_set():
            begun = time.monotonic()
            time.sleep(tick)
            self.worst = max(self.worst, time.monotonic() - begun - tick)

    def stop(self) -> None:
        """End it."""
        self._stop.set()


@contextmanager
def noise() -> Iterator[Noise]:
    """Measure how late a bare timer is meanwhile."""
    measured = Noise()
    thread = threading.Thread(target=measured.run, name="bare-timer", daemon=True)
    thread.start()
    try:
        yield measured
    finally:
        measured.stop()
        thread.join()


QUICK = Timeouts(connect=1.0, first_token=0.4, idle=0.4, attempt=0.8, silent_reasoning=0.4)


# ---------------------------------------------------------------------------------------------------- what is left

RESCUED = "The second target answers."


@contextmanager
def nothing_left() -> Iterator[None]:
    """No descriptor and no thread more than before."""
    gc.collect()
    before, threads = descriptors(), threading.active_count()
    yield
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        gc.collect()
        if descriptors() <= before and threading.active_count() <= threads:
            return
        time.sleep(0.02)
    left = {name: count - before[name] for name, count in descriptors().items() if count > before[name]}
    pytest.fail(f"left behind: {left}, {threading.active_count() - threads} threads")


def descriptors() -> Counter[str]:
    found = Counter[str]()
    for name in [entry.name for entry in Path("/proc/self/fd").iterdir()]:
        with suppress(OSError):
            found[Path(f"/proc/self/fd/{name}").readlink().as_posix().partition(":")[0]] += 1
    return found


def two(server: FaultServer, *behaviours: Fault | str) -> tuple[Place, Place]:
    second = place(server, [ok(RESCUED)], name="second", model="large", price=Price(input=2, output=8))
    return place(server, list(behaviours)), second
