"""Routers whose providers are a `Script`: all of the library runs, but no socket is opened and waiting costs nothing.

```python
from modelroute.testing import Answer, Failure, Fails, Kind, ScriptedRouter

limited = Fails(Failure(Kind.RATE_LIMITED))
with ScriptedRouter({"kimi-k2.6@moonshot": [limited], "glm-5.1@zai": [Answer("Hello")]}) as router:
    reply = router.chat("Say hello")
assert reply.target == "glm-5.1@zai"
```

A target of the built-in catalog keeps its price, scores and limits; any other name gets plain ones. `ScriptedRouter`
runs on a virtual clock; `ScriptedAsyncRouter` on the loop it is used in, which `run_simulated` makes virtual.
"""

from __future__ import annotations

import asyncio
import math
import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelroute.async_router import AsyncRouter
from modelroute.catalog.catalog import Catalog
from modelroute.catalog.model import Model
from modelroute.catalog.price import Price
from modelroute.engine.commands import Batch, Close, Failed, Next, Open, Opened
from modelroute.errors import ConfigurationError
from modelroute.providers.provider import Provider
from modelroute.router import Router
from modelroute.runtime.admission import Admitted, AsyncAdmission, SyncAdmission
from modelroute.runtime.behind import Behind
from modelroute.runtime.clocks import Clocks
from modelroute.runtime.facade import Facade
from modelroute.runtime.performing import AsyncStoreKeeping, Ending, StoreKeeping, read_until
from modelroute.runtime.reaper import Reaper
from modelroute.testing.loop import VirtualClock
from modelroute.testing.script import Fails, Script, Step
from modelroute.types.events import Ended, Finish, WireEvent
from modelroute.types.failure import Failure, Kind
from modelroute.types.usage import Usage
from modelroute.wire.fields import as_mapping
from modelroute.wire.json import loads

if TYPE_CHECKING:
    from os import PathLike

    from modelroute.engine.commands import Sleep
    from modelroute.policy.budget import Budget
    from modelroute.policy.policy import Policy
    from modelroute.resilience.backoff import Retry
    from modelroute.resilience.limiter import Limiter
    from modelroute.runtime.books import Books
    from modelroute.runtime.budgeting import StoreLike
    from modelroute.runtime.sink import Listeners
    from modelroute.types.timeouts import Timeouts

__all__ = ["EPOCH", "ScriptedAsyncRouter", "ScriptedRouter", "SeenCall", "scripted_providers"]

EPOCH = 1_795_305_600.0
"""Unix seconds at which scripted time begins: 2026-11-22T00:00:00Z, a Sunday."""


@dataclass(slots=True)
class SeenCall:
    """One call as the scripted provider saw it: what no client can argue with.

    `sent`: the request's body, parsed. `opened`: it was accepted, so `billed` is owed. `closed`: the client has ended
    it.
    """

    target: str
    sent: Mapping[str, object]
    at: float
    step: Step
    opened: bool = False
    closed: bool = False
    billed: Usage | None = None


class _Exchange(Admitted):
    """An open scripted call: its events with the moments they are due."""

    __slots__ = ("due", "position", "seen")

    def __init__(self, seen: SeenCall, due: list[tuple[float, WireEvent]]) -> None:
        super().__init__()
        self.seen = seen
        self.due = due
        self.position = 0

    def ready(self, now: float) -> list[WireEvent]:
        """Take every event that is due by `now`: they come in one read."""
        taken: list[WireEvent] = []
        while self.position < len(self.due) and self.due[self.position][0] <= now:
            taken.append(self.due[self.position][1])
            self.position += 1
        self.answered = bool(taken) and isinstance(taken[-1], Ended)
        return taken

    def end(self) -> None:
        """Note that the client is gone."""
        self.seen.closed = True
        self.let_go()

    def stalled(self) -> Batch:
        """Return what silence amounts to: the end when the model had said that it is done, as over real connections."""
        if any(isinstance(event, Finish) for _, event in self.due[: self.position]):
            return Batch((Ended(),))
        return Batch((), timed_out=True)

    def next_due(self) -> float:
        """The moment of the next event; infinite when nothing more comes."""
        return self.due[self.position][0] if self.position < len(self.due) else math.inf


@dataclass(slots=True)
class _Providers:
    """The scripted side of every target, and its log."""

    script: Script
    log: list[SeenCall] = field(default_factory=list[SeenCall])

    def begin(self, command: Open, now: float) -> tuple[SeenCall, Step]:
        """Take the call's step, as the output cap it carries leaves it."""
        sent = as_mapping(loads(command.call.body))
        cap = sent.get("max_completion_tokens") or sent.get("max_tokens")
        step = self.script.take(command.target).capped(cap if isinstance(cap, int) else None)
        seen = SeenCall(command.target, sent, now, step)
        self.log.append(seen)
        return seen, step

    @staticmethod
    def refusal(command: Open, step: Step, now: float) -> tuple[float, Failure] | None:
        """Return when and how the call fails before it opens, or `None` when it opens."""
        if not isinstance(step, Fails):
            return None
        late = now + step.delay
        if step.failure.kind is Kind.UNREACHABLE and step.delay > command.connect:
            return min(now + command.connect, command.until), Failure(Kind.UNREACHABLE, "connecting took too long")
        if late > command.until:
            return command.until, Failure(Kind.SILENT, "no response within the limit")
        return late, step.failure

    @staticmethod
    def opened(seen: SeenCall, step: Step, now: float) -> _Exchange:
        """Accept the call: from here on the provider bills it."""
        seen.opened = True
        seen.billed = step.billed
        due: list[tuple[float, WireEvent]] = []
        moment = now
        for delay, event in step.events():
            moment += delay
            due.append((moment, event))
        return _Exchange(seen, due)


def _exchange(command: Next | Close) -> _Exchange:
    assert isinstance(command.exchange, _Exchange)
    return command.exchange


class _SyncScripted(SyncAdmission, StoreKeeping):
    """Executes commands against the script, on a virtual clock."""

    def __init__(self, books: Books, providers: _Providers, limiter: Limiter | None = None) -> None:
        SyncAdmission.__init__(self, limiter)
        StoreKeeping.__init__(self, books)
        self._providers = providers

    def _open(self, command: Open) -> Opened | Failed:
        """Answer as the script says, when it says."""
        now = self._clocks.monotonic()
        seen, step = self._providers.begin(command, now)
        refusal = self._providers.refusal(command, step, now)
        if refusal is None:
            return Opened(self._providers.opened(seen, step, now))
        self._wait_until(refusal[0])
        seen.billed = step.billed
        return Failed(refusal[1])

    def next(self, command: Next) -> Batch:
        """Let time pass to the next event or the limit."""
        exchange = _exchange(command)
        end = read_until(self._clocks.monotonic(), command)
        due = exchange.next_due()
        if due > end:
            self._wait_until(end)
            return exchange.stalled()
        if math.isinf(due):
            raise ConfigurationError("the script hangs and nothing limits the wait: give the call a deadline")
        self._wait_until(due)
        return Batch(exchange.ready(self._clocks.monotonic()))

    def close(self, command: Close) -> None:
        """Note that the client is gone."""
        _exchange(command).end()

    def sleep(self, command: Sleep) -> None:
        """Let time pass."""
        self._clocks.sleep(max(0.0, command.seconds))

    def _await_slot(self, woken: threading.Lock, seconds: float) -> None:
        if not woken.acquire(blocking=False):
            self._clocks.sleep(seconds)

    def _wait_until(self, moment: float) -> None:
        self._clocks.sleep(max(0.0, moment - self._clocks.monotonic()))


class _AsyncScripted(AsyncAdmission, Behind, AsyncStoreKeeping):
    """Executes commands against the script, on the running loop's clock."""

    def __init__(self, books: Books, providers: _Providers, limiter: Limiter | None = None) -> None:
        AsyncAdmission.__init__(self, limiter)
        Behind.__init__(self)
        AsyncStoreKeeping.__init__(self, books)
        self._providers = providers

    async def _open(self, command: Open) -> Opened | Failed:
        """Answer as the script says, when it says."""
        now = self._clocks.monotonic()
        seen, step = self._providers.begin(command, now)
        refusal = self._providers.refusal(command, step, now)
        if refusal is None:
            await asyncio.sleep(0)
            return Opened(self._providers.opened(seen, step, self._clocks.monotonic()))
        seen.billed = step.billed
        await self._wait_until(refusal[0])
        return Failed(refusal[1])

    async def next(self, command: Next) -> Batch:
        """Wait for the next event or the limit."""
        exchange = _exchange(command)
        end = read_until(self._clocks.monotonic(), command)
        due = exchange.next_due()
        if due > end:
            await self._wait_until(end)
            return exchange.stalled()
        await self._wait_until(due)
        return Batch(exchange.ready(max(due, self._clocks.monotonic())))

    def close(self, command: Close) -> None:
        """Note that the client is gone."""
        _exchange(command).end()

    async def sleep(self, command: Sleep) -> None:
        """Wait."""
        await asyncio.sleep(max(0.0, command.seconds))

    async def _wait_until(self, moment: float) -> None:
        if math.isinf(moment):
            await asyncio.Event().wait()
        await asyncio.sleep(max(0.0, moment - self._clocks.monotonic()))


class _ScriptedEnding(Ending):
    """Ends abandoned flows of a scripted router."""

    def close(self, command: Close) -> None:
        """Note that the client is gone."""
        _exchange(command).end()


ScriptLike = Script | Mapping[str, Sequence[Step]]


class _Scripted(Facade):
    """What both scripted routers are made of."""

    def __init__(
        self,
        script: ScriptLike,
        *,
        providers: Sequence[Provider] | None = None,
        policy: Policy | None = None,
        catalog: Catalog | None = None,
        retry: Retry | None = None,
        timeouts: Timeouts | None = None,
        on_event: Listeners = None,
        budgets: Sequence[Budget] = (),
        store: StoreLike = None,
        ledger: str | PathLike[str] | None = None,
        record_content: bool = False,
        seed: int = 0,
    ) -> None:
        self._seed = seed
        self._providers = _Providers(script if isinstance(script, Script) else Script(script))
        super().__init__(
            scripted_providers(self._providers.script, catalog) if providers is None else providers,
            policy=policy,
            catalog=catalog,
            retry=retry,
            timeouts=timeouts,
            on_event=on_event,
            budgets=budgets,
            store=store,
            ledger=ledger,
            record_content=record_content,
        )

    @property
    def calls(self) -> Sequence[SeenCall]:
        """Every call the scripted providers saw, in order."""
        return self._providers.log


class ScriptedRouter(_Scripted, Router):
    """A `Router` over a script, on a virtual `clock`. `calls` is what the providers saw, in order.

    `providers`: as for `Router`; by default one for each target the script names. `seed` makes jitter repeatable.
    """

    def _clocks(self) -> Clocks:
        clock = self.clock = VirtualClock()
        return Clocks(clock.now, lambda: EPOCH + clock.now(), random.Random(self._seed).random, clock.sleep)

    def _connect(self) -> None:
        super()._connect()
        self._performer = _SyncScripted(self._core.books, self._providers, self._core.limiter)  # type: ignore[assignment]
        self._reaper = Reaper(self._performer)


class ScriptedAsyncRouter(_Scripted, AsyncRouter):
    """An `AsyncRouter` over a script, on the loop it is used in; under `run_simulated` time is virtual.

    Everything else is as in `ScriptedRouter`.
    """

    def _clocks(self) -> Clocks:
        return Clocks(_loop_time, lambda: EPOCH + _loop_time(), random.Random(self._seed).random)

    def _connect(self) -> None:
        super()._connect()
        self._performer = _AsyncScripted(self._core.books, self._providers, self._core.limiter)  # type: ignore[assignment]
        self._reaper = Reaper(_ScriptedEnding(self._core.books))


def _loop_time() -> float:
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return 0.0


def scripted_providers(script: Script, catalog: Catalog | None = None) -> list[Provider]:
    """Return a provider for each target the script names: the catalog's where it knows it, else one with plain facts.

    Plain facts: $1 and $2 per million tokens, a context of 128,000 tokens, tools, schemas and vision.
    """
    known = Catalog.builtin() if catalog is None else catalog
    listed: dict[str, list[str | Model]] = {}
    for name in script.steps:
        model, at, provider = name.rpartition("@")
        if not at or not model or not provider:
            raise ConfigurationError(f"a script names targets as model@provider, not {name!r}")
        is_known = name in known.targets
        features = frozenset({"tools", "json_schema", "vision"})
        plain = Model(model, context_window=128_000, max_output=16_000, features=features)
        listed.setdefault(provider, []).append(model if is_known else plain)
    providers: list[Provider] = []
    plain_price = Price(input=1, output=2)
    for provider, models in listed.items():
        url = f"https://{provider}.scripted.test/v1"
        if provider in known.providers:
            own = {model.name: plain_price for model in models if isinstance(model, Model)}
            place = None if known.providers[provider].urls else url  # its host is the user's own
            providers.append(Provider(provider, url=place, key="scripted-key", models=models, prices=own or None))
        else:
            providers.append(
                Provider.compatible(url, name=provider, key="scripted-key", models=models, price=plain_price)
            )
    return providers
