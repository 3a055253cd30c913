"""Slots are taken before every call and released whatever becomes of it: INVARIANTS C1, C2 and S6 for the limiter."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
import warnings
from collections import Counter

import pytest

from modelroute import AsyncRouter, AttemptsFailedError, Catalog, Policy, Router, Scenario, cheapest
from modelroute.engine.commands import Close, Failed, Open, Opened
from modelroute.resilience.limiter import Concurrency, Limiter
from modelroute.runtime.admission import Admitted, AsyncAdmission, SyncAdmission
from modelroute.runtime.clocks import Clocks
from modelroute.testing import Answer, Fails, Failure, Kind, ScriptedAsyncRouter, ScriptedRouter, run_simulated
from modelroute.testing.script import Hangs, Step
from modelroute.testing.server import FaultServer
from tests.e2e.places import PROMPT, place, routing
from tests.runtime.flows import CALL

POLICY = Policy(default=Scenario(prefer=cheapest))
TARGET = "m@p"


def opening(until: float, queue: float | None = None, lane: int = 0) -> Open:
    return Open(TARGET, CALL, lane, 5.0, until, queue)


def saturated(answer: Opened | Failed) -> bool:
    return isinstance(answer, Failed) and answer.failure.kind is Kind.SATURATED


class Loopy(AsyncAdmission):
    """Calls take as long to open as they are told to, and count themselves."""

    def __init__(self, concurrency: Concurrency, rng: random.Random) -> None:
        super().__init__(Limiter(concurrency))
        self._clocks = Clocks(monotonic=lambda: asyncio.get_running_loop().time())
        self._rng = rng
        self.sent = 0
        self.most = 0

    async def _open(self, command: Open) -> Opened | Failed:
        self.sent += 1
        self.most = max(self.most, self.limiter.in_flight(TARGET))
        assert self.limiter.in_flight(TARGET, command.lane) >= 1
        await asyncio.sleep(self._rng.choice([0.0, 0.0, 0.5]))
        return Failed(Failure(Kind.TRANSIENT)) if self._rng.random() < 0.2 else Opened(Admitted())


@pytest.mark.parametrize("block", range(4))
def test_cancelled_at_any_moment_no_slot_survives(block: int) -> None:
    """C1 over random worlds: callers that wait, time out, are cancelled once or twice, drop what they opened."""
    reached: Counter[str] = Counter()

    async def world(seed: int) -> None:
        rng = random.Random(seed)
        limit, queue = rng.randrange(1, 4), rng.randrange(0, 5)
        performer = Loopy(Concurrency(limit=limit, queue=queue), rng)

        async def caller() -> None:
            await asyncio.sleep(rng.choice([0.0, 0.0, 1.0, 2.0]))
            now = asyncio.get_running_loop().time()
            patience = rng.choice([None, 0.0, 0.5, 1.0])
            answer = await performer.open(opening(now + rng.choice([0.5, 1.0, 30.0]), patience, rng.randrange(2)))
            if isinstance(answer, Failed):
                reached["saturated" if saturated(answer) else "failed"] += 1
                return
            exchange = answer.exchange
            assert isinstance(exchange, Admitted)
            try:
                await asyncio.sleep(rng.choice([0.0, 0.5, 1.0]))
                exchange.answered = True
                reached["answered"] += 1
            finally:
                if rng.random() < 0.8:
                    rng.choice([exchange.let_go, exchange.cut])()
                    exchange.let_go()

        tasks = [asyncio.ensure_future(caller()) for _ in range(10)]
        loop = asyncio.get_running_loop()
        for task in tasks:
            for _ in range(rng.choice([0, 0, 1, 2])):
                loop.call_later(rng.choice([0.0, 0.5, 1.0, 1.5, 2.0]), task.cancel)
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        reached["cancelled"] += sum(isinstance(each, asyncio.CancelledError) for each in ended)
        assert not [each for each in ended if isinstance(each, Exception)]
        assert performer.most <= limit
        del tasks, task, ended
        await asyncio.sleep(3.0)  # timers hold their tasks
        if performer.limiter.in_flight(TARGET):
            gc.collect()  # tracebacks hold what was dropped
        assert performer.limiter.in_flight(TARGET) == performer.limiter.waiting(TARGET) == 0, seed
        assert all(performer.limiter.in_flight(TARGET, lane) == 0 for lane in range(2))

    for number in range(60):
        run_simulated(lambda: world(block * 1_000 + number), seed=number)  # noqa: B023 - run at once
    assert all(reached[state] > 5 for state in ("saturated", "failed", "answered", "cancelled")), reached


def test_who_is_cancelled_in_the_instant_of_its_turn_passes_it_on() -> None:
    async def main() -> None:
        performer = Loopy(Concurrency(limit=1), random.Random(1))
        first = performer.limiter.enter(TARGET, 0)
        assert first is not None
        tasks = [asyncio.ensure_future(performer.open(opening(100.0))) for _ in range(2)]
        await asyncio.sleep(0.1)
        assert performer.limiter.waiting(TARGET) == 2
        first.leave()
        tasks[0].cancel()
        await asyncio.wait(tasks)
        assert tasks[0].cancelled()
        assert performer.sent == 1
        tasks.clear()
        gc.collect()
        assert performer.limiter.in_flight(TARGET) == 0

    for seed in range(5):
        run_simulated(main, seed=seed)


def test_a_wait_ends_with_the_queue_patience_or_with_all_patience() -> None:
    async def main() -> None:
        performer = Loopy(Concurrency(limit=1, queue=1), random.Random(1))
        held = performer.limiter.enter(TARGET, 0)
        now = asyncio.get_running_loop().time
        assert saturated(await performer.open(opening(9.0, 2.0)))
        assert now() == pytest.approx(2.0)
        assert saturated(await performer.open(opening(9.0)))
        assert now() == pytest.approx(9.0)
        assert saturated(await performer.open(opening(8.0)))
        assert now() == pytest.approx(9.0)
        waiting = asyncio.ensure_future(performer.open(opening(20.0)))
        await asyncio.sleep(0)
        shed = await performer.open(opening(20.0))
        assert isinstance(shed, Failed)
        assert shed.failure.message.startswith("1 calls to m@p are in flight and 1 wait")
        assert now() == pytest.approx(9.0)
        assert performer.sent == 0
        assert held is not None
        held.leave()
        await waiting
        assert performer.sent == 1

    run_simulated(main, seed=1)


class Interrupted(BaseException):
    """Stands for KeyboardInterrupt, without pytest taking it for a real one."""


class Blocking(SyncAdmission):
    """Calls of threads, which count themselves."""

    def __init__(self, concurrency: Concurrency) -> None:
        super().__init__(Limiter(concurrency))
        self._clocks = Clocks()
        self._guard = threading.Lock()
        self.problem: BaseException | None = None
        self.inside = 0
        self.most = 0

    def _open(self, command: Open) -> Opened | Failed:
        if self.problem is not None:
            raise self.problem
        with self._guard:
            self.inside += 1
            self.most = max(self.most, self.inside)
        return Opened(Admitted())

    def close(self, command: Close) -> None:
        with self._guard:
            self.inside -= 1
        assert isinstance(command.exchange, Admitted)
        command.exchange.let_go()


def test_threads_wait_for_each_other() -> None:
    performer, answers = Blocking(Concurrency(limit=2, queue=100)), list[Opened | Failed]()

    def work() -> None:
        for _ in range(50):
            answer = performer.open(opening(time.monotonic() + 30))
            answers.append(answer)
            if isinstance(answer, Opened):
                performer.close(Close(answer.exchange))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 400
    assert all(isinstance(answer, Opened) for answer in answers)
    assert performer.most <= 2
    answers.clear()
    assert performer.limiter.in_flight(TARGET) == 0


def test_an_interrupt_while_opening_releases_the_slot() -> None:
    performer = Blocking(Concurrency(limit=1))
    performer.problem = Interrupted()
    for _ in range(3):
        with pytest.raises(Interrupted):
            performer.open(opening(time.monotonic() + 30))
    assert performer.limiter.in_flight(TARGET) == 0


def test_an_interrupt_while_waiting_gives_up_the_place() -> None:
    class Impatient(Blocking):
        def _await_slot(self, woken: threading.Lock, seconds: float) -> None:
            raise Interrupted

    performer = Impatient(Concurrency(limit=1))
    held = performer.limiter.enter(TARGET, 0)
    assert held is not None
    with pytest.raises(Interrupted):
        performer.open(opening(time.monotonic() + 30))
    assert performer.limiter.waiting(TARGET) == 0
    assert performer.limiter.in_flight(TARGET) == 1


def test_a_thread_that_waits_in_vain_is_saturated() -> None:
    performer = Blocking(Concurrency(limit=1))
    held = performer.limiter.enter(TARGET, 0)
    assert saturated(performer.open(opening(time.monotonic() + 0.01)))
    assert saturated(performer.open(opening(0.0)))
    assert performer.limiter.waiting(TARGET) == 0
    assert held is not None


# ------------------------------------------------------------------------------------------------ in whole routers


def limited(router: ScriptedRouter | ScriptedAsyncRouter, limit: int, queue: int = 256) -> Limiter:
    """Give a router another limiter."""
    limiter = router._performer.limiter = Limiter(Concurrency(limit=limit, queue=queue))
    return limiter


def test_a_full_target_is_passed_over_for_another() -> None:
    script: dict[str, list[Step]] = {"a@one": [Answer("a", between=0.1)], "b@two": [Answer("b")]}
    with ScriptedRouter(script, policy=POLICY, catalog=Catalog()) as router:
        limiter = limited(router, 1, queue=0)
        with router.stream("hello") as stream:
            next(stream)
            reply = router.chat("hello")
            assert reply.text == "b"
            assert [attempt.failure and attempt.failure.kind for attempt in reply.attempts] == [Kind.SATURATED, None]
            assert reply.attempts[0].cost.pico == 0
        assert limiter.in_flight("a@one") == limiter.in_flight("b@two") == 0
        assert router.chat("hello").text == "a"
        assert [call.target for call in router.calls] == ["a@one", "b@two", "a@one"]


def test_with_nothing_else_left_it_waits_until_the_deadline() -> None:
    with ScriptedRouter({"a@one": [Answer(between=0.1)]}, policy=POLICY, catalog=Catalog()) as router:
        limiter = limited(router, 1)
        with router.stream("hello") as stream:
            next(stream)
            before = router.clock.now()
            with pytest.raises((AttemptsFailedError, TimeoutError)):
                router.chat("hello", deadline=20.0)
            assert router.clock.now() - before == pytest.approx(20.0)
            assert len(router.calls) == 1
        assert limiter.in_flight("a@one") == limiter.waiting("a@one") == 0


@pytest.mark.parametrize("step", [Answer("hi"), Hangs(), Fails(Failure(Kind.TRANSIENT))])
def test_every_end_of_a_call_frees_its_slot(step: Step) -> None:
    with ScriptedRouter({"a@one": [step]}, policy=POLICY, catalog=Catalog()) as router:
        limiter = limited(router, 1)
        for _ in range(3):
            try:
                router.chat("hello", deadline=30.0)
            except AttemptsFailedError:
                pass
        assert router.calls
        assert limiter.in_flight("a@one") == 0


@pytest.mark.parametrize("seed", range(5))
def test_many_callers_and_few_slots(seed: int) -> None:
    """Every caller is answered, never more at once than allowed; a storm of cancellations leaves nothing behind."""

    async def main() -> None:
        script: dict[str, list[Step]] = {"a@one": [Answer("hello", delay=1.0, between=0.1)]}
        async with ScriptedAsyncRouter(script, policy=POLICY, catalog=Catalog(), seed=seed) as router:
            limiter = limited(router, 3)
            most = 0

            async def watch() -> None:
                nonlocal most
                while True:
                    most = max(most, sum(call.opened and not call.closed for call in router.calls))
                    await asyncio.sleep(0.05)

            watching = asyncio.ensure_future(watch())
            calls = [asyncio.ensure_future(router.chat("hello")) for _ in range(20)]
            rng = random.Random(seed)
            for call in rng.sample(calls, 8):
                asyncio.get_running_loop().call_later(rng.random() * 5, call.cancel)
            ended = await asyncio.gather(*calls, return_exceptions=True)
            watching.cancel()
            kinds = Counter(type(each).__name__ for each in ended)
            assert kinds["Reply"] >= 12
            assert set(kinds) <= {"Reply", "CancelledError"}
            assert 1 <= most <= 3
            assert limiter.in_flight("a@one") == limiter.waiting("a@one") == 0

    run_simulated(main, seed=seed)


def test_a_dropped_stream_frees_its_slot_with_its_last_reference() -> None:
    async def asynchronous() -> None:
        async with ScriptedAsyncRouter({"a@one": [Answer(between=0.1)]}, policy=POLICY, catalog=Catalog()) as router:
            limiter = limited(router, 1)
            stream = router.stream("hello")
            await anext(stream)
            assert limiter.in_flight("a@one") == 1
            del stream
            gc.collect()
            assert limiter.in_flight("a@one") == 0
            assert (await router.chat("hello")).text == "Hello world"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        run_simulated(asynchronous, seed=1)
        with ScriptedRouter({"a@one": [Answer(between=0.1)]}, policy=POLICY, catalog=Catalog()) as router:
            limiter = limited(router, 1)
            stream = router.stream("hello")
            next(stream)
            assert limiter.in_flight("a@one") == 1
            del stream
            gc.collect()
            assert limiter.in_flight("a@one") == 0


def test_a_recovered_target_starts_slowly_and_answers_let_it_grow() -> None:
    async def main() -> None:
        script: dict[str, list[Step]] = {"a@one": [Answer(delay=1.0)]}
        async with ScriptedAsyncRouter(script, policy=POLICY, catalog=Catalog()) as router:
            limiter = limited(router, 64)
            limiter.recovering("a@one")
            calls = [asyncio.ensure_future(router.chat("hello")) for _ in range(40)]
            seen = list[int]()
            for _ in range(4):
                await asyncio.sleep(0.5)
                seen.append(limiter.in_flight("a@one"))
                await asyncio.sleep(0.5)
            await asyncio.gather(*calls)
            assert seen == [4, 8, 16, 12]

    run_simulated(main, seed=2)


# ------------------------------------------------------------------------------------------------- over real sockets


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_over_sockets_every_end_of_a_call_frees_its_slot(kind: str) -> None:
    """Answered, refused, left, dropped: counted while it lasts, free when it is over."""
    counts = list[int]()
    with FaultServer() as server, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        one = place(server, ["ok", "400", "endless", "endless"])

        def sync() -> None:
            with Router(**routing(one)) as router:
                limiter = router._performer.limiter
                router.chat(PROMPT)
                counts.append(limiter.in_flight(one.target))
                with pytest.raises(AttemptsFailedError):
                    router.chat(PROMPT, max_attempts=1)
                counts.append(limiter.in_flight(one.target))
                with router.stream(PROMPT) as stream:
                    next(stream)
                    counts.append(limiter.in_flight(one.target))
                counts.append(limiter.in_flight(one.target))
                held = [router.stream(PROMPT)]
                next(held[0])
                counts.append(limiter.in_flight(one.target))
                held.clear()
                counts.append(limiter.in_flight(one.target))

        async def asynchronous() -> None:
            async with AsyncRouter(**routing(one)) as router:
                limiter = router._performer.limiter
                await router.chat(PROMPT)
                counts.append(limiter.in_flight(one.target))
                with pytest.raises(AttemptsFailedError):
                    await router.chat(PROMPT, max_attempts=1)
                counts.append(limiter.in_flight(one.target))
                async with router.stream(PROMPT) as stream:
                    await anext(stream)
                    counts.append(limiter.in_flight(one.target))
                counts.append(limiter.in_flight(one.target))
                held = [router.stream(PROMPT)]
                await anext(held[0])
                counts.append(limiter.in_flight(one.target))
                held.clear()
                counts.append(limiter.in_flight(one.target))

        if kind == "sync":
            sync()
        else:
            asyncio.run(asynchronous())
    assert counts == [0, 0, 1, 0, 1, 0]
