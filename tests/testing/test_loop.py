"""The simulated loop: time costs nothing, a seed is an order, and what stands still says who waits."""

import asyncio
import gc
import pickle
import threading
import time
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.testing import loop as loop_module
from modelroute.testing.loop import DeadlockError, SimLoop, SimulationError, Step, VirtualClock, run_simulated


def order_of(seed: int, tasks: int = 8) -> list[int]:
    async def main() -> list[int]:
        order = list[int]()

        async def one(number: int) -> None:
            await asyncio.sleep(1)
            order.append(number)
            await asyncio.sleep(0)
            order.append(number)

        await asyncio.gather(*(one(number) for number in range(tasks)))
        return order

    return run_simulated(main, seed)


async def busy() -> float:
    """Use most of asyncio's vocabulary, so that a trace of it says something."""
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)
    lock, opened = asyncio.Lock(), asyncio.Event()

    async def produce() -> None:
        for number in range(5):
            await queue.put(number)
            await asyncio.sleep(0.5)
        opened.set()

    async def consume() -> None:
        while not (opened.is_set() and queue.empty()):
            try:
                async with asyncio.timeout(0.3):
                    await queue.get()
            except TimeoutError:
                continue
            async with lock:
                await asyncio.sleep(0.01)

    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        for _ in range(3):
            group.create_task(consume())
        group.create_task(asyncio.to_thread(sum, [1, 2]))
    return asyncio.get_running_loop().time()


def test_an_hour_costs_nothing() -> None:
    async def main() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    begun = time.monotonic()
    assert run_simulated(main, 1) == 3600.0
    assert time.monotonic() - begun < 5


@given(st.integers())
def test_equal_seeds_take_equal_steps(seed: int) -> None:
    first, second = list[Step](), list[Step]()
    assert run_simulated(busy, seed, trace=first) == run_simulated(busy, seed, trace=second)
    assert first == second
    assert len(first) > 30
    assert [step.at for step in first] == sorted(step.at for step in first)


def test_other_seeds_reach_other_orders() -> None:
    orders = {tuple(order_of(seed, tasks=3)) for seed in range(300)}
    firsts = {order[:3] for order in orders}
    assert len({first for first in firsts if len(set(first)) == 3}) == 6, "some order of three tasks is never tried"


@given(st.integers())
def test_plain_callbacks_keep_the_order_asyncio_promises(seed: int) -> None:
    async def main() -> list[int]:
        seen = list[int]()
        rival = asyncio.create_task(asyncio.sleep(0))
        for number in range(10):
            asyncio.get_running_loop().call_soon(seen.append, number)
        await asyncio.sleep(1)
        await rival
        return seen

    assert run_simulated(main, seed) == list(range(10))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), st.integers())
def test_timers_fire_in_time_and_never_early(delays: list[float], seed: int) -> None:
    async def main() -> list[tuple[float, float]]:
        loop = asyncio.get_running_loop()
        fired = list[tuple[float, float]]()

        def fire(delay: float) -> None:
            fired.append((delay, loop.time()))

        for delay in delays:
            loop.call_later(delay, fire, delay)
        await asyncio.sleep(101)
        return fired

    assert run_simulated(main, seed) == [(delay, delay) for delay in sorted(delays)]


def test_a_deadlock_names_who_waits_and_where() -> None:
    async def main() -> None:
        async def wait_for_nothing() -> None:
            await asyncio.Event().wait()

        await asyncio.gather(asyncio.create_task(wait_for_nothing(), name="patient"), asyncio.Queue[int]().get())

    with pytest.raises(DeadlockError, match="nothing is ready") as caught:
        run_simulated(main, 3)
    waiting = "\n".join(caught.value.waiting)
    assert "patient: " in waiting
    assert "Event.wait (locks.py:" in waiting
    assert "Queue.get (queues.py:" in waiting
    assert "seed 3" in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).waiting == caught.value.waiting


def test_waiting_until_the_end_of_time_is_a_deadlock() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_at(float("inf"), print)
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError):
        run_simulated(main, 0)


def test_a_loop_without_end_is_told_from_a_long_run() -> None:
    async def main() -> None:
        while True:  # noqa: ASYNC110 - the very mistake to be caught
            await asyncio.sleep(0)

    with pytest.raises(SimulationError, match="1,000 steps"):
        run_simulated(main, 0, max_steps=1000)


@pytest.mark.parametrize("seed", range(20))
def test_timeout_shield_and_cancellation(seed: int) -> None:
    async def main() -> list[str]:
        said = list[str]()

        async def work() -> None:
            try:
                await asyncio.sleep(10)
                said.append("worked")
            except asyncio.CancelledError:
                said.append("cancelled")
                raise

        inner = asyncio.create_task(work())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await asyncio.shield(inner)
        assert asyncio.get_running_loop().time() == 1.0
        await inner
        outer = asyncio.create_task(work())
        await asyncio.sleep(0.5)
        outer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await outer
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(work(), 2)
        return said

    assert run_simulated(main, seed) == ["worked", "cancelled", "cancelled"]


def test_a_task_group_cancels_its_siblings() -> None:
    async def main() -> float:
        async def fail() -> None:
            await asyncio.sleep(1)
            raise ValueError("boom")

        async def siblings() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(100))
                group.create_task(fail())

        with pytest.raises(ExceptionGroup):
            await siblings()
        return asyncio.get_running_loop().time()

    assert run_simulated(main, 0) == 1.0


def test_what_main_leaves_behind_is_cancelled() -> None:
    ended = list[str]()

    async def left() -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            ended.append("ended")

    kept = set[asyncio.Task[None]]()

    async def main() -> None:
        kept.add(asyncio.create_task(left()))
        await asyncio.sleep(1)

    run_simulated(main, 0)
    assert ended == ["ended"]


def test_an_error_nobody_looked_at_fails_the_run() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(int, "no number")
        await asyncio.sleep(1)

    with pytest.raises(SimulationError, match="no number"):
        run_simulated(main, 0)


def test_a_lost_task_that_failed_fails_the_run() -> None:
    async def fail() -> None:
        raise ValueError("lost")

    async def main() -> None:
        task = asyncio.create_task(fail())
        await asyncio.sleep(1)
        del task
        gc.collect()

    with pytest.raises(SimulationError, match="lost"):
        run_simulated(main, 0)


def test_the_callers_own_errors_pass_unchanged() -> None:
    async def main() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        run_simulated(main, 0)


def test_threads_cannot_reach_in() -> None:
    async def main() -> BaseException | None:
        loop, caught = asyncio.get_running_loop(), list[BaseException]()

        def reach() -> None:
            try:
                loop.call_soon_threadsafe(print)
            except SimulationError as error:
                caught.append(error)

        thread = threading.Thread(target=reach)
        thread.start()
        thread.join()
        seen = list[int]()
        loop.call_soon_threadsafe(seen.append, 1)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert seen == [1]
        return caught[0]

    assert "another" in str(run_simulated(main, 0))


def test_to_thread_stays_on_the_one_thread_and_repeats() -> None:
    async def main() -> tuple[list[int], int]:
        order = list[int]()

        def work(number: int) -> int:
            order.append(number)
            return threading.get_ident()

        threads = await asyncio.gather(*(asyncio.to_thread(work, number) for number in range(6)))
        assert set(threads) == {threading.get_ident()}
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(divmod, 1, 0)
        return order, len(set(threads))

    orders = [run_simulated(main, seed) for seed in (1, 1, 2, 3)]
    assert orders[0] == orders[1]
    assert len({tuple(order) for order, _ in orders}) > 1


def test_there_is_no_network() -> None:
    async def main() -> None:
        await asyncio.open_connection("localhost", 1)

    with pytest.raises(SimulationError, match="no network"):
        run_simulated(main, 0)


def test_ten_thousand_tasks_are_quick() -> None:
    async def main() -> int:
        async def one(number: int) -> int:
            async with asyncio.timeout(60):
                await asyncio.sleep(number % 7)
            return 1

        return sum(await asyncio.gather(*(one(number) for number in range(10_000))))

    begun = time.process_time()
    assert run_simulated(main, 0) == 10_000
    assert time.process_time() - begun < 5


def test_cancelled_timers_do_not_pile_up() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        for _ in range(5_000):
            async with asyncio.timeout(1e6):
                await asyncio.sleep(0.001)
        return len(loop._timers)

    assert run_simulated(main, 0) < 500


def test_a_python_without_what_the_loop_stands_on_fails_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    loop_module.check_asyncio()
    monkeypatch.setitem(loop_module._STANDS_ON, asyncio.Handle, ("_run", "_gone"))
    with pytest.raises(SimulationError, match=r"Handle\._gone"):
        SimLoop(0)


def test_this_python_steps_through_our_rounds() -> None:
    """What no list of names can show: the rounds are ours, and a task's step can be told from a callback."""

    async def main() -> None:
        asyncio.get_running_loop().call_soon(marked)
        await asyncio.create_task(asyncio.sleep(1), name="sleeper")

    def marked() -> None:
        pass

    trace = list[Step]()
    run_simulated(main, 0, trace=trace)
    labels = [step.what for step in trace]
    assert labels.count("sleeper") == 2
    assert any("marked" in label for label in labels)
    assert trace[-1].at == 1.0


def test_a_timer_needs_a_moment() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_later(float("nan"), print)

    with pytest.raises(ValueError, match="not a number"):
        run_simulated(main, 0)


@given(st.lists(st.floats(0, 1e6)))
def test_a_virtual_clock_moves_by_sleep_alone(naps: list[float]) -> None:
    clock = VirtualClock(start=5)
    expected = 5.0
    for nap in naps:
        assert clock.now() == clock.now() == expected
        clock.sleep(nap)
        expected += nap
    assert clock.now() == expected


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_a_virtual_clock_refuses_what_no_sleep_is(seconds: float) -> None:
    clock = VirtualClock()
    with pytest.raises(ValueError, match="finite"):
        clock.sleep(seconds)
    assert clock.now() == 0


def test_main_may_be_any_callable() -> None:
    async def add(left: int, right: int) -> int:
        return left + right

    def main() -> Coroutine[Any, Any, int]:
        return add(1, 2)

    assert run_simulated(main, 0) == 3
