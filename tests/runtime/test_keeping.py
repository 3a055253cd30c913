"""The runner of a store's operations: bounded patience, nothing lost, nothing asked in vain, nothing that hangs."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import pytest

from modelroute.errors import RequestError, StoreLostError, StoreUnavailableError
from modelroute.runtime import keeping
from modelroute.runtime.behind import Behind
from modelroute.runtime.clocks import Clocks
from modelroute.runtime.keeping import StoreRunner
from modelroute.stores.memory import MemoryStore
from tests.runtime.shared_store import SharedStore, until

AT_ONCE = 0.02


@dataclass
class Hands:
    """A clock that stands still until it is moved."""

    now: float = 100.0

    def clocks(self) -> Clocks:
        return Clocks(lambda: self.now, lambda: self.now, lambda: 0.5, lambda seconds: None)


class Sleepy:
    """An operation that waits at a gate, then counts how often it was done."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        self.done = 0

    def __call__(self) -> str:
        self.begun.release()
        assert self.gate.wait(30)
        self.done += 1
        return "done"


class Flaky:
    """An operation that fails so often, then is done."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        self.left = failures
        self.error = error or StoreUnavailableError("fake: gone")
        self.tried = 0
        self.done = 0

    def __call__(self) -> None:
        self.tried += 1
        if self.left > 0:
            self.left -= 1
            raise self.error
        self.done += 1


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def runner(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> Iterator[StoreRunner]:
    monkeypatch.setattr(keeping, "_REST", 0.01)
    made = StoreRunner(SharedStore(), hands.clocks())
    yield made
    made.close(1.0)


def test_what_is_in_this_process_runs_in_this_thread(hands: Hands) -> None:
    runner = StoreRunner(MemoryStore(), hands.clocks())
    assert runner.run(threading.current_thread, timeout=0) is threading.current_thread()
    seen: list[threading.Thread] = []
    assert runner.settle(lambda: seen.append(threading.current_thread())).done()
    assert seen == [threading.current_thread()]
    assert runner.close(0.0)


async def test_what_is_in_this_process_never_waits(hands: Hands) -> None:
    runner = StoreRunner(MemoryStore(), hands.clocks())
    assert await runner.arun(threading.current_thread, timeout=0) is threading.current_thread()


def test_answers_and_errors_of_a_shared_store_come_through(runner: StoreRunner) -> None:
    assert runner.run(lambda: 7, timeout=5) == 7
    assert runner.run(threading.current_thread, timeout=5) is not threading.current_thread()
    with pytest.raises(StoreUnavailableError, match="fake: gone"):
        runner.run(Flaky(1), timeout=5)


async def test_answers_and_errors_come_through_on_a_loop(runner: StoreRunner) -> None:
    async def seven() -> int:
        return await runner.arun(lambda: 7, timeout=5)

    assert await asyncio.gather(*(seven() for _ in range(20))) == [7] * 20
    with pytest.raises(StoreUnavailableError, match="fake: gone"):
        await runner.arun(Flaky(1), timeout=5)


def test_nobody_waits_longer_than_said_and_what_comes_late_is_handed_on(runner: StoreRunner) -> None:
    operation, late = Sleepy(), list[str]()
    with pytest.raises(StoreUnavailableError, match=r"fake did not answer within 0\.02 s"):
        runner.run(operation, timeout=AT_ONCE, late=late.append)
    assert late == []
    operation.gate.set()
    until(lambda: late == ["done"])


async def test_nobody_waits_longer_than_said_on_a_loop(runner: StoreRunner) -> None:
    operation, late = Sleepy(), list[str]()
    with pytest.raises(StoreUnavailableError, match=r"within 0\.02 s"):
        await runner.arun(operation, timeout=AT_ONCE, late=late.append)
    operation.gate.set()
    until(lambda: late == ["done"])


async def test_what_comes_after_its_caller_was_cancelled_is_handed_on(runner: StoreRunner) -> None:
    operation, late = Sleepy(), list[str]()
    task = asyncio.ensure_future(runner.arun(operation, timeout=30, late=late.append))
    await asyncio.to_thread(operation.begun.acquire)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    operation.gate.set()
    until(lambda: late == ["done"])


class _Interrupted(BaseException):
    """Stands for KeyboardInterrupt."""


def test_what_came_just_as_its_caller_was_interrupted_is_handed_on(
    runner: StoreRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grant is there, but the thread that waited for it was interrupted before it could take it."""
    late: list[str] = []
    usual, interruptions = Future.result, [1]

    def interrupted(self: Future[str], timeout: float | None = None) -> str:
        if interruptions:
            until(self.done)
            interruptions.clear()
            raise _Interrupted
        return usual(self, timeout)

    monkeypatch.setattr(Future, "result", interrupted)
    with pytest.raises(_Interrupted):
        runner.run(lambda: "granted", timeout=5, late=late.append)
    assert late == ["granted"]


def test_an_error_is_nothing_to_hand_on(runner: StoreRunner) -> None:
    late: list[None] = []
    with pytest.raises(StoreUnavailableError):
        runner.run(Flaky(1), timeout=5, late=late.append)
    assert late == []


def test_what_nobody_waits_for_any_more_is_not_begun(runner: StoreRunner) -> None:
    """A hung store has few workers: what queues behind them is taken back, not done for nobody."""
    hung = [Sleepy() for _ in range(4)]
    for each in hung:
        runner.settle(each)
        each.begun.acquire()
    queued = Sleepy()
    queued.gate.set()
    with pytest.raises(StoreUnavailableError):
        runner.run(queued, timeout=AT_ONCE)
    for each in hung:
        each.gate.set()
    assert runner.run(lambda: "next", timeout=5) == "next"
    assert queued.done == 0


# ------------------------------------------------------------------------------------------------------------ resting


def test_a_store_that_failed_rests_for_a_second(hands: Hands) -> None:
    runner = StoreRunner(SharedStore(), hands.clocks())
    assert not runner.rests()
    with pytest.raises(StoreUnavailableError):
        runner.run(Flaky(1), timeout=5)
    assert runner.rests()
    hands.now += 0.99
    assert runner.rests()
    hands.now += 0.02
    assert not runner.rests()
    runner.close()


@pytest.mark.parametrize("error", [StoreUnavailableError("fake: refused"), StoreLostError("fake: flushed")])
def test_while_it_rests_it_says_what_it_said(hands: Hands, error: StoreUnavailableError) -> None:
    """A store that has lost its money is not one that is slow: the words that help differ."""
    runner = StoreRunner(SharedStore(), hands.clocks())
    with pytest.raises(StoreUnavailableError):
        runner.run(Flaky(1, error), timeout=5)
    assert runner.why is error
    runner.close()


def test_a_callers_own_short_patience_says_nothing_of_the_store(runner: StoreRunner) -> None:
    """One call with a deadline of 20 ms must not have everybody else refused for a second."""
    operation = Sleepy()
    with pytest.raises(StoreUnavailableError):
        runner.run(operation, timeout=AT_ONCE)
    assert not runner.rests()
    operation.gate.set()


def test_a_store_that_was_waited_for_long_enough_rests(
    hands: Hands, runner: StoreRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "_SLOW", AT_ONCE)
    operation = Sleepy()
    with pytest.raises(StoreUnavailableError):
        runner.run(operation, timeout=AT_ONCE)
    assert runner.rests()
    assert "did not answer" in str(runner.why)
    operation.gate.set()


def test_what_a_store_should_not_raise_becomes_what_it_may(runner: StoreRunner, hands: Hands) -> None:
    for each in (runner, StoreRunner(MemoryStore(), hands.clocks())):
        with pytest.raises(StoreUnavailableError, match="failed with OSError") as caught:
            each.run(Flaky(1, OSError("secret words")), timeout=5)
        assert "secret" not in str(caught.value)
        assert isinstance(caught.value.__cause__, OSError)


# -------------------------------------------------------------------------------------------------------- settlements


@pytest.mark.parametrize("error", [StoreUnavailableError("fake: gone"), OSError("gone"), ValueError("odd")])
def test_a_settlement_that_failed_is_tried_until_it_is_done(runner: StoreRunner, error: Exception) -> None:
    operation = Flaky(3, error)
    done = runner.settle(operation)
    assert done.result(5) is None
    until(lambda: operation.done == 1)
    assert operation.tried == 4
    assert runner.close(1.0)
    assert runner.lost_settlements == 0


def test_every_settlement_survives_an_outage_and_is_done_once(runner: StoreRunner) -> None:
    store = runner.store
    assert isinstance(store, SharedStore)
    store.down()
    operations = [Flaky(0) for _ in range(200)]

    def through(each: Flaky) -> Callable[[], None]:
        return lambda: store._do("settle", each)

    for each in operations:
        runner.settle(through(each))
    until(lambda: len(store.asked) > 3)
    assert not any(each.done for each in operations)
    store.fails = None
    until(lambda: all(each.done for each in operations))
    assert all(each.done == 1 for each in operations)
    assert runner.close(1.0)


@pytest.mark.parametrize("closing", [False, True])
def test_a_settlement_that_can_never_be_made_holds_up_no_other(
    runner: StoreRunner, hands: Hands, closing: bool
) -> None:
    if closing:
        runner = StoreRunner(SharedStore(), hands.clocks())  # its retry comes in a second: closing does not wait for it
    never, operations = Flaky(10**9), [Flaky(0) for _ in range(5)]
    for each in (never, *operations):
        runner.settle(each).result(5)
    if closing:
        assert not runner.close(5.0)
    else:
        until(lambda: all(each.done for each in operations))
    assert [each.done for each in operations] == [1] * 5


def test_a_settlement_that_the_store_refuses_for_itself_is_given_up(
    runner: StoreRunner, caplog: pytest.LogCaptureFixture
) -> None:
    """More than a store can count, say: it would be refused for ever, and others must not wait for that."""
    refused = Flaky(10**9, RequestError("more than it can count"))
    with caplog.at_level(logging.ERROR, "modelroute"):
        runner.settle(refused).result(5)
        until(lambda: runner.lost_settlements == 1)
    assert "fake can never record a settlement: more than it can count" in caplog.text
    assert not runner.rests()
    assert runner.close(1.0)


def test_settlements_of_a_second_outage_are_not_forgotten(runner: StoreRunner) -> None:
    for _ in range(3):
        operation = Flaky(2)
        runner.settle(operation)
        until(lambda operation=operation: operation.done == 1)  # type: ignore[misc]


def test_who_waits_for_a_settlement_cannot_stop_it(runner: StoreRunner) -> None:
    operation = Sleepy()
    done = runner.settle(operation)
    assert not done.cancel()
    operation.gate.set()
    assert done.result(5) is None
    assert operation.done == 1


def test_nothing_piles_up_behind_a_store_that_hangs(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither threads nor queues grow with the requests: what cannot be settled now waits in a bounded backlog."""
    monkeypatch.setattr(keeping, "BACKLOG", 50)
    runner = StoreRunner(SharedStore(), hands.clocks())
    hung = Sleepy()
    try:
        for _ in range(500):
            runner.settle(hung)
        assert runner._running <= 50
        assert len(runner._backlog) <= 50
        assert runner.lost_settlements == 500 - runner._running - len(runner._backlog) > 0
    finally:
        hung.gate.set()
    until(lambda: runner._running == 0)
    assert runner.close(5.0)


def test_what_is_given_up_is_the_oldest(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "BACKLOG", 3)
    runner = StoreRunner(MemoryStore(), hands.clocks())
    done: list[int] = []
    failing = [True]

    def settlement(number: int) -> Callable[[], None]:
        def act() -> None:
            if failing:
                raise StoreUnavailableError("gone")
            done.append(number)

        return act

    for number in range(5):
        runner.settle(settlement(number))
    assert runner.lost_settlements == 2
    failing.clear()
    assert runner.close()
    assert done == [2, 3, 4]


# ------------------------------------------------------------------------------------------------------------ closing


def test_closing_finishes_what_is_under_way(hands: Hands) -> None:
    runner = StoreRunner(SharedStore(), hands.clocks())
    operation = Sleepy()
    runner.settle(operation)
    operation.begun.acquire()
    threading.Timer(0.05, operation.gate.set).start()
    assert runner.close(10.0)
    assert operation.done == 1


def test_closing_tries_the_backlog_once_more(hands: Hands) -> None:
    runner = StoreRunner(SharedStore(), hands.clocks())  # its retry comes in a second: closing does not wait for it
    operations = [Flaky(number == 0) for number in range(5)]
    for each in operations:
        runner.settle(each).result(5)
    assert [each.done for each in operations] == [0] * 5  # the first failed, so the others are not even asked for
    assert runner.close(5.0)
    assert [each.done for each in operations] == [1] * 5


def test_closing_counts_what_could_not_be_recorded(hands: Hands, caplog: pytest.LogCaptureFixture) -> None:
    runner = StoreRunner(SharedStore(), hands.clocks())
    for _ in range(3):
        runner.settle(Flaky(10**9)).result(5)
    with caplog.at_level(logging.ERROR, "modelroute"):
        assert not runner.close(5.0)
    assert runner.lost_settlements == 3
    assert "fake: 3 settlements could not be recorded before closing" in caplog.text


def test_closing_is_not_held_up_by_a_store_that_hangs(hands: Hands) -> None:
    runner = StoreRunner(SharedStore(), hands.clocks())
    operation = Sleepy()
    runner.settle(operation)
    operation.begun.acquire()
    began = time.monotonic()
    assert not runner.close(0.05)
    assert time.monotonic() - began < 5
    operation.gate.set()
    until(lambda: operation.done == 1)


def test_closing_is_not_held_up_by_a_backlog_that_hangs(hands: Hands) -> None:
    runner = StoreRunner(SharedStore(), hands.clocks())
    operation, failed = Sleepy(), Flaky(1)

    def fails_then_hangs() -> None:
        failed()
        operation()

    runner.settle(fails_then_hangs).result(5)
    assert failed.tried == 1
    began = time.monotonic()
    assert not runner.close(0.05)
    assert time.monotonic() - began < 5
    assert runner.lost_settlements == 1
    operation.gate.set()
    until(lambda: operation.done == 1)


def test_closing_and_trying_again_at_once_lose_nothing(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both take from one backlog: none of it is dropped undone, whoever comes first."""
    monkeypatch.setattr(keeping, "_REST", 0.0)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(60):
            runner = StoreRunner(SharedStore(), hands.clocks())
            operations = [Flaky(1) for _ in range(8)]
            for each in operations:
                runner.settle(each)
            assert runner.close(10.0)
            assert all(each.done for each in operations)
    finally:
        sys.setswitchinterval(before)


def test_what_two_threads_tried_at_once_is_taken_off_the_backlog_once(runner: StoreRunner) -> None:
    gate, trying = threading.Event(), threading.Event()
    failed = Flaky(1)

    def slow_when_tried_again() -> None:
        failed()
        if threading.current_thread().name == "modelroute-settling":
            trying.set()
            assert gate.wait(30)

    runner.settle(slow_when_tried_again).result(5)
    runner.settle(Flaky(10**9)).result(5)
    assert trying.wait(10)
    assert not runner.close(5.0)
    left = tuple(runner._backlog)
    assert len(left) == 1
    settling = [each for each in threading.enumerate() if each.name == "modelroute-settling"]
    gate.set()
    for each in settling:
        each.join(10)
    assert tuple(runner._backlog) == left
    runner._backlog.clear()


def test_what_comes_late_after_closing_is_still_handed_on(hands: Hands) -> None:
    runner = StoreRunner(SharedStore(), hands.clocks())
    operation, given_back = Sleepy(), Flaky(0)
    with pytest.raises(StoreUnavailableError):
        runner.run(operation, timeout=AT_ONCE, late=lambda _: runner.settle(given_back))
    assert not runner.close(0.02)
    operation.gate.set()
    until(lambda: given_back.done == 1)


def test_a_forked_child_begins_anew(hands: Hands) -> None:
    runner = StoreRunner(SharedStore(), hands.clocks())
    hung = [Sleepy() for _ in range(4)]
    for each in hung:
        runner.settle(each)
        each.begun.acquire()
    runner._lock.acquire()  # a thread of the parent may hold it
    parents = runner._lock
    runner.after_fork()
    assert runner.run(lambda: "child", timeout=5) == "child"
    assert runner.close(5.0)
    parents.release()
    for each in hung:
        each.gate.set()
    until(lambda: all(each.done for each in hung))


async def test_a_loop_is_not_held_up_by_what_is_settled_behind_it() -> None:
    """Closing an async router waits for slow settlements, and not for ever."""
    behind = Behind()
    never: Future[None] = Future()
    never.set_running_or_notify_cancel()

    async def settlement() -> None:
        await asyncio.wrap_future(never)

    behind.keep(settlement())
    await asyncio.wait_for(behind.settle_behind(0.02), 10)
    never.set_result(None)
    await asyncio.sleep(0)
    assert not behind._work


async def test_what_is_settled_behind_is_waited_for() -> None:
    behind, done = Behind(), list[str]()

    async def settlement() -> None:
        await asyncio.sleep(0.01)
        done.append("settled")

    behind.keep(settlement())
    await behind.settle_behind()
    assert done == ["settled"]
