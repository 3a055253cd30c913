"""Worlds in which providers fail and heal by the clock: what `tests/sim/test_outage.py` runs its load against."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from modelroute import (
    Attempt,
    Catalog,
    Model,
    ModelRouteError,
    Money,
    Policy,
    Price,
    Provider,
    Retry,
    Scenario,
    cheapest,
)
from modelroute.testing import run_simulated
from modelroute.testing.checks import Lived, check_c1, check_s6
from modelroute.testing.script import Answer, Cuts, Fails, Garbles, Script, Step
from modelroute.testing.scripted import EPOCH, ScriptedAsyncRouter, SeenCall
from modelroute.types.failure import Failure, Kind
from modelroute.types.notices import Attempted, Tripped

__all__ = [
    "EPOCH", "FAULTS", "SEEDS", "Condition", "Service", "down", "ends", "flapping", "providers_of", "simulated", "up",
]  # fmt: skip

WORLDS = int(os.environ.get("MODELROUTE_OUTAGES", "16"))
"""Random worlds of each kind."""

FROM = int(os.environ.get("MODELROUTE_SEEDS_FROM", "0"))
SEEDS = range(FROM, FROM + WORLDS)

Condition = Callable[[float], Step]
"""What a target does with a call that comes at that virtual second."""

FAULTS: Mapping[str, Callable[[random.Random], Step]] = {
    "unreachable": lambda rng: Fails(Failure(Kind.UNREACHABLE), _soon(rng)),
    "transient": lambda rng: Fails(Failure(Kind.TRANSIENT, status=500), _soon(rng)),
    "unavailable": lambda rng: Fails(Failure(Kind.UNAVAILABLE, status=503), _soon(rng)),
    "overloaded": lambda rng: Fails(Failure(Kind.UNAVAILABLE, status=503, retry_after=2.0), _soon(rng)),
    "interrupted": lambda rng: Cuts(rng.randrange(3), Answer(delay=_soon(rng))),
    "garbled": lambda rng: Garbles(rng.randrange(3), True, Answer(delay=_soon(rng))),
}
"""Every kind of failure that counts against its target, as it comes soon after the call."""


def _soon(rng: random.Random) -> float:
    return rng.uniform(0.01, 0.3)


def up(rng: random.Random, *, least: float = 0.05, most: float = 0.3) -> Condition:
    """Answer, always."""
    return lambda _: Answer(delay=rng.uniform(least, most))


def down(rng: random.Random, kind: str, since: float, until: float) -> Condition:
    """Answer, but not from `since` to `until`. `kind`: one of `FAULTS`, or ``any`` of them each time."""
    well = up(rng)

    def act(now: float) -> Step:
        if not since <= now < until:
            return well(now)
        return FAULTS[rng.choice(sorted(FAULTS)) if kind == "any" else kind](rng)

    return act


def flapping(rng: random.Random, kind: str, period: float, *, share: float = 0.5) -> Condition:
    """Be down for a share of each period."""
    well, ill = up(rng), FAULTS[kind]
    return lambda now: ill(rng) if now % period < share * period else well(now)


def providers_of(targets: int, providers: int) -> tuple[list[Provider], list[str]]:
    """Return so many targets over so many providers, and their names from the cheapest to the dearest."""
    made: list[Provider] = []
    named: list[tuple[int, str]] = []
    for number in range(min(providers, targets)):
        places = range(number, targets, providers)
        models = [Model(f"m{place}", context_window=32_000, max_output=4_000) for place in places]
        prices = {f"m{place}": Price(input=1 + place, output=1 + place) for place in places}
        url = f"https://p{number}.scripted.test/v1"
        made.append(Provider.compatible(url, name=f"p{number}", key="key", models=models, prices=prices))
        named += [(place, f"m{place}@p{number}") for place in places]
    return made, [name for _, name in sorted(named)]


class Upstream(Script):
    """Providers that do what their condition says at the moment of the call."""

    def __init__(self, conditions: Mapping[str, Condition]) -> None:
        super().__init__({name: [Answer()] for name in conditions})
        self.conditions = dict(conditions)

    def take(self, target: str) -> Step:
        return self.conditions[target](asyncio.get_running_loop().time())


class Notices:
    """Stands in the sink's place: a run of many thousand notices drops none, and no thread is needed."""

    def __init__(self, ejected: Callable[[], int]) -> None:
        self.tripped: list[Tripped] = []
        self.attempts: list[Attempt] = []
        self.ejected: list[int] = []
        self._ejected = ejected

    def emit(self, event: object) -> None:
        if isinstance(event, Tripped):
            self.tripped.append(event)
            self.ejected.append(self._ejected())
        elif isinstance(event, Attempted):
            self.attempts.append(event.attempt)

    def close(self) -> None:
        pass


@dataclass(slots=True)
class Service:
    """A router under load, and all that was seen of it. Used on a simulated loop."""

    conditions: Mapping[str, Condition]
    providers: Sequence[Provider]
    seed: int
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    policy: Policy | None = None
    lived: dict[int, Lived] = field(default_factory=dict[int, Lived])
    errors: dict[int, BaseException] = field(default_factory=dict[int, BaseException])
    router: ScriptedAsyncRouter = field(init=False)
    notices: Notices = field(init=False)
    _numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.router = ScriptedAsyncRouter(
            Upstream(self.conditions),
            providers=self.providers,
            policy=self.policy or Policy(default=Scenario(prefer=cheapest)),
            catalog=Catalog(),
            retry=Retry(),
            seed=self.seed,
        )
        core = self.router._core
        self.notices = Notices(lambda: len(core.breakers.ejected(core.clocks.wall())))
        core.sink = self.notices  # type: ignore[assignment]

    async def load(self, rate: float, seconds: float) -> None:
        """Send `rate` requests a second, spaced at random, and wait for the last."""
        rng = random.Random(-1 - self.seed)
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        tasks: set[asyncio.Task[None]] = set()
        while loop.time() < end:
            tasks.add(asyncio.ensure_future(self.ask(next(self._numbers))))
            tasks = {task for task in tasks if not task.done()}
            await asyncio.sleep(rng.expovariate(rate))
        await asyncio.gather(*tasks)

    async def ask(self, number: int, **options: Any) -> None:
        """Make one request and note how it went."""
        now = asyncio.get_running_loop().time
        began, answered = now(), False
        try:
            await self.router.chat(f"[{number}] Hello", **{**self.options, **options})
            answered = True
        except ModelRouteError as error:
            self.errors[number] = error
        finally:
            self.lived[number] = Lived(began=began, ended=now(), answered=answered)

    def between(self, since: float, until: float = float("inf")) -> list[Lived]:
        """Return the requests begun meanwhile, with the calls that the providers counted for each."""
        calls = Counter(number_of(call) for call in self.router.calls)
        return [
            Lived(began=each.began, ended=each.ended, answered=each.answered, calls=calls[number])
            for number, each in sorted(self.lived.items())
            if since <= each.began < until
        ]


def number_of(call: SeenCall) -> int:
    """Return whose call it was."""
    messages: Any = call.sent["messages"]
    head: str = messages[0]["content"]
    return int(head[1 : head.index("]")])


def simulated(seed: int, main: Callable[[], Awaitable[None]]) -> None:
    """Run a world; what fails names its seed."""

    async def run() -> None:
        await main()

    try:
        run_simulated(run, seed)
    except BaseException as error:
        error.add_note(f"seed {seed}")
        raise


async def ends(service: Service) -> None:
    """Close the router; nothing is left open, set aside or running."""
    await service.router.aclose()
    check_s6(service.router.calls)
    assert service.router._core.books.local.reserved == Money(0)
    check_c1(2)
