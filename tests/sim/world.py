"""One simulated world per seed: random targets, faults, requests, cancellations; everything of the library but the
sockets.
"""

from __future__ import annotations

import asyncio
import gc
import random
import warnings
from collections import Counter
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from modelroute import (
    Attempt,
    AttemptsFailedError,
    Catalog,
    Hedge,
    Model,
    ModelRouteError,
    Money,
    Policy,
    Price,
    Provider,
    Restarted,
    Retry,
    Scenario,
    StreamInterruptedError,
    TextDelta,
    cheapest,
)
from modelroute.engine.commands import Close, Reserve, Settle
from modelroute.resilience.latency import KNOWN
from modelroute.testing.checks import LATENESS, Observed, WatchedStore, check_all, check_c1, check_m3, check_s6
from modelroute.testing.script import Answer, Fails, Script, Step, random_step, swarm
from modelroute.testing.scripted import EPOCH, ScriptedAsyncRouter, SeenCall
from modelroute.types.failure import Kind
from modelroute.types.timeouts import STREAM_DEADLINE

__all__ = ["Request", "World", "random_providers", "random_requests", "tagged"]

PROMPT = "pay no heed " * 200
"""Longer in bytes than any scripted bill has input tokens, so that bounds are true bounds."""

IDLE = 10.0

SILENT_EVENTS = 4
"""A caller may wait over several events that are not content: one left out, the finish, the usage, the end."""

SLOW_STORE = 0.6
"""Seconds a slow store may add to a wait: a reservation and a close that take up to 0.21 s each, a settlement 0.05
s.
"""


SLOW_RACE = 0.5
"""Seconds more where attempts race: another reservation, and another attempt to close and settle."""

RESTARTED = STREAM_DEADLINE
"""Seconds that a stream which begins anew may take to its first content."""


@dataclass(frozen=True, slots=True)
class Request:
    """What one caller does."""

    number: int
    arrives: float
    mode: str
    max_cost: Money | None
    deadline: float | None
    max_attempts: int
    cancel_after: float | None
    cancel_again: float | None
    leaves_after: int | None
    drops: bool
    pauses: float

    @property
    def prompt(self) -> str:
        """The message; its head says whose it is."""
        return f"[{self.number}] {PROMPT}"

    @property
    def options(self) -> dict[str, Any]:
        """The call's keywords."""
        asked: dict[str, Any] = {
            "max_cost": self.max_cost,
            "deadline": self.deadline,
            "max_attempts": self.max_attempts,
        }
        if self.mode in {"buffer", "restart"}:
            asked["on_interrupt"] = self.mode
        return asked


class RandomScript(Script):
    """Draws every step, and marks its text so that two attempts never say the same."""

    def __init__(self, rng: random.Random, targets: list[str]) -> None:
        super().__init__({target: [Answer()] for target in targets})
        self._rng = rng
        self._weights = swarm(rng)

    def take(self, target: str) -> Step:
        super().take(target)
        longer = self._rng.choice((0, 0, 400, 2_000))
        step = tagged(random_step(self._rng, self._weights), f"<{len(self.taken)}>", longer)
        self.taken[-1] = (target, step)
        return step


def tagged(step: Step, tag: str, longer: int) -> Step:
    """Return `step` with `tag` at the head of its text and `longer` more tokens of output to bill."""
    if isinstance(step, Answer):
        usage = replace(step.usage, output_tokens=step.usage.output_tokens + longer)
        return replace(step, text=tag + step.text, usage=usage)
    if isinstance(step, Fails):
        return step
    answer = tagged(step.answer, tag, longer)
    return replace(step, answer=answer) if isinstance(answer, Answer) else step


def random_providers(rng: random.Random) -> list[Provider]:
    """A few providers with a few models each, at random prices."""
    providers: list[Provider] = []
    for number in range(rng.randrange(1, 5)):
        models = [
            Model(f"m{number}{letter}", context_window=rng.choice((8_000, 32_000, 128_000)), max_output=4_000)
            for letter in "ab"[: rng.randrange(1, 3)]
        ]
        price = Price(input=rng.choice((0.1, 1, 3)), output=rng.choice((0.5, 2, 15)))
        keys = ["key-one", "key-two"][: rng.randrange(1, 3)]
        url = f"https://p{number}.scripted.test/v1"
        providers.append(Provider.compatible(url, name=f"p{number}", models=models, price=price, key=keys))
    return providers


def random_requests(rng: random.Random, count: int) -> list[Request]:
    """What `count` callers do."""
    made: list[Request] = []
    for number in range(count):
        cancel = rng.uniform(0, 12) if rng.random() < 0.35 else None
        streamed = rng.choice(("chat", "stream", "stream", "buffer"))
        made.append(
            Request(
                number=number,
                arrives=rng.uniform(0, 20),
                mode=streamed,
                max_cost=rng.choice((None, Money("0.003"), Money("0.02"), Money("0.5"))),
                deadline=rng.choice((None, 0.5, 3.0, 12.0, 40.0)),
                max_attempts=rng.randrange(1, 5),
                cancel_after=cancel,
                cancel_again=rng.uniform(0, 0.03) if cancel is not None and rng.random() < 0.6 else None,
                leaves_after=rng.randrange(0, 4) if streamed != "chat" and rng.random() < 0.2 else None,
                drops=streamed != "chat" and rng.random() < 0.1,
                pauses=rng.choice((0.0, 0.0, 0.2, 11.0)),
            )
        )
    return made


def some_restart(requests: list[Request], rng: random.Random) -> list[Request]:
    """Return `requests`, a few of the streamed ones asking to begin anew when they break."""
    return [
        replace(request, mode="restart") if request.mode == "stream" and rng.random() < 0.4 else request
        for request in requests
    ]


def random_hedge(rng: random.Random) -> Hedge | None:
    """Whether a world hedges, and how soon."""
    if rng.random() < 0.7:
        return None
    after = rng.choice((None, 0.02, 0.3, 2.0, 6.0))
    return Hedge(after, max_extra=rng.choice((1, 1, 2)))


class Laggy:
    """A performer whose store takes its time: reserving and settling can then be cancelled in the middle."""

    def __init__(self, performer: Any, rng: random.Random) -> None:
        self._performer = performer
        self._rng = rng

    def __getattr__(self, name: str) -> Any:
        return getattr(self._performer, name)

    def reserve(self, command: Reserve) -> Awaitable[Any]:
        return self._later(partial(self._performer.reserve, command))

    def settle(self, command: Settle) -> Awaitable[Any]:
        return self._later(partial(self._performer.settle, command))

    def close(self, command: Close) -> Awaitable[Any]:
        return self._later(partial(self._performer.close, command))

    async def _later(self, act: Any) -> Any:
        await asyncio.sleep(self._rng.random() * 0.01)
        answer = act()
        await asyncio.sleep(self._rng.choice((0.0, 0.01, 0.2)))
        return answer


@dataclass(slots=True)
class World:
    """One seed's run. `seen` counts the states it reached, for the "sometimes" assertions."""

    seed: int
    laggy: bool = False
    seen: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Run it, and check everything."""
        rng = random.Random(self.seed)
        providers = random_providers(rng)
        targets = [f"{model.name}@{provider.name}" for provider in providers for model in provider.models]  # type: ignore[union-attr]
        script = RandomScript(rng, targets)
        more = random.Random(-1 - self.seed)  # its own, so that the worlds of older seeds stay as they were
        hedge = random_hedge(more)
        router = ScriptedAsyncRouter(
            script,
            providers=providers,
            policy=Policy(default=Scenario(prefer=cheapest), hedge=hedge),
            catalog=Catalog(),
            retry=Retry(),
            seed=self.seed,
        )
        store = WatchedStore(router._core.books.local)
        router._core.books.local = store  # type: ignore[assignment]
        if self.laggy:
            router._performer = Laggy(router._performer, rng)  # type: ignore[assignment]
        if hedge is not None and hedge.after is None:
            for target in targets:
                for _ in range(KNOWN):
                    router._core.experience.answered(target, EPOCH, None, 0.25)
        requests = some_restart(random_requests(rng, 6), more)
        observed = [self._observed(router, request) for request in requests]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            await asyncio.gather(
                *(self._caller(router, request, each) for request, each in zip(requests, observed, strict=True))
            )
            if any(request.drops for request in requests):
                gc.collect()
        await router.aclose()
        for request, each in zip(requests, observed, strict=True):
            each.calls = [call for call in router.calls if _number(call) == request.number]
            slack = SLOW_STORE + (SLOW_RACE if hedge is not None else 0.0)
            check_all(each, slack=slack if self.laggy else LATENESS)
            self._note(request, each)
        self.seen["refused by the store"] += store.refusals
        check_m3(store)
        check_s6(router.calls)
        check_c1()

    def _observed(self, router: ScriptedAsyncRouter, request: Request) -> Observed:
        def charge(call: SeenCall) -> Money:
            price = router.catalog.targets[call.target].price
            assert price is not None
            if call.billed is None:
                return Money(0)
            rates = price.at(1_795_305_600.0, call.billed.input_tokens)
            assert rates is not None
            return Money.from_pico(rates.cost(call.billed))

        return Observed(request.max_attempts, request.max_cost, charge, streamed=request.mode != "chat")

    async def _caller(self, router: ScriptedAsyncRouter, request: Request, observed: Observed) -> None:
        await asyncio.sleep(request.arrives)
        act = self._chat if request.mode == "chat" else self._stream
        task = asyncio.ensure_future(act(router, request, observed))
        if request.cancel_after is not None:
            await asyncio.sleep(request.cancel_after)
            task.cancel()
            if request.cancel_again is not None:
                await asyncio.sleep(request.cancel_again)
                task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            observed.error = asyncio.CancelledError()
            self.seen["cancelled"] += 1
        except ModelRouteError as error:
            observed.error = error
            if isinstance(error, AttemptsFailedError):
                observed.recorded = error.cost
                observed.attempts = error.attempts

    async def _chat(self, router: ScriptedAsyncRouter, request: Request, observed: Observed) -> None:
        now = asyncio.get_running_loop().time
        began = now()
        try:
            reply = await router.chat(request.prompt, **request.options)
            observed.reply, observed.recorded, observed.attempts = reply, reply.cost, reply.attempts
        finally:
            observed.waits.append((began, now(), began + (request.deadline or 600.0)))

    async def _stream(self, router: ScriptedAsyncRouter, request: Request, observed: Observed) -> None:
        now = asyncio.get_running_loop().time
        stream = router.stream(request.prompt, **request.options)
        deadline = now() + (request.deadline or (600.0 if request.mode == "buffer" else 120.0))
        committed = False
        taken = 0
        try:
            while True:
                began = now()
                try:
                    event = await anext(stream)
                except StopAsyncIteration:
                    break
                finally:
                    bound = deadline if not committed or request.deadline is not None else None
                    idle = began + SILENT_EVENTS * IDLE if committed else None
                    if idle is not None and request.mode == "restart":
                        idle += RESTARTED
                    limits = [limit for limit in (bound, idle) if limit is not None]
                    observed.waits.append((began, now(), min(limits) if limits else None))
                committed = True
                taken += 1
                if isinstance(event, TextDelta):
                    observed.received.append(event.text)
                elif isinstance(event, Restarted):
                    observed.restarts.append(len(observed.received))
                if request.leaves_after is not None and taken > request.leaves_after:
                    self.seen["left early"] += 1
                    return
                await asyncio.sleep(request.pauses)
            observed.reply = stream.reply
            observed.recorded, observed.attempts = stream.reply.cost, stream.reply.attempts
        finally:
            if not request.drops:
                await stream.aclose()
            elif observed.reply is None:
                self.seen["dropped"] += 1

    def _note(self, request: Request, observed: Observed) -> None:
        seen, error, reply = self.seen, observed.error, observed.reply
        attempts = observed.attempts
        seen["answered"] += reply is not None
        seen["interrupted after content"] += isinstance(error, StreamInterruptedError)
        seen["deadline passed"] += isinstance(error, TimeoutError)
        seen["fell back"] += reply is not None and any(attempt.why == "fallback" for attempt in attempts)
        seen["retried"] += any(attempt.why == "retry" for attempt in attempts)
        seen["waited for a hold"] += reply is not None and _waited(observed)
        seen["buffered past a cut"] += request.mode == "buffer" and reply is not None and len(attempts) > 1
        seen["charged a reservation"] += any(attempt.basis == "reservation" for attempt in attempts)
        seen["capped by the ceiling"] += reply is not None and reply.finish == "length"
        seen["restarted"] += bool(observed.restarts)
        seen["restarted to the end"] += reply is not None and bool(observed.restarts)
        seen["hedge won by the second"] += any(a.why == "hedge" and a.succeeded for a in attempts)
        seen["hedge won by the first"] += any(a.why == "hedge" and _lost(a) for a in attempts)
        seen["hedge loser billed"] += any(_lost(attempt) and attempt.cost.pico > 0 for attempt in attempts)
        seen["hedge went on alone"] += any(a.why == "hedge" for a in attempts) and not any(map(_lost, attempts))
        seen["silent target passed over"] += any(
            attempt.failure is not None and attempt.failure.kind is Kind.SILENT for attempt in attempts
        )


def _number(call: SeenCall) -> int:
    messages: Any = call.sent["messages"]
    head: str = messages[0]["content"]
    return int(head[1 : head.index("]")])


def _lost(attempt: Attempt) -> bool:
    return attempt.failure is not None and "lost the race" in attempt.failure.message


def _waited(observed: Observed) -> bool:
    targets = [attempt.target for attempt in observed.attempts]
    limited = [a.target for a in observed.attempts if a.failure is not None and a.failure.kind is Kind.RATE_LIMITED]
    return bool(limited) and targets[-1] in limited
