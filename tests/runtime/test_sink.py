"""Notices go out behind the caller: nobody who listens can slow or fail a request (INVARIANTS C6)."""

import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import pytest

from modelroute.money import Money
from modelroute.runtime import sink as sink_module
from modelroute.runtime.sink import QUEUE, Sink
from modelroute.types.attempt import Attempt
from modelroute.types.failure import Failure, Kind
from modelroute.types.notices import (
    Attempted,
    BudgetRefused,
    Decided,
    Dropped,
    Finished,
    Held,
    Overrun,
    RouterEvent,
    Settled,
    StoreFailed,
    Tripped,
)
from tests.runtime.flows import DECISION

FAILURE = Failure(Kind.RATE_LIMITED, "slow down", status=429)


def finished(number: int) -> Finished:
    return Finished(f"r{number}", "m@p", None, Money(1), 0.5, 1)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name == "modelroute-events":
            thread.join(timeout=5)
            assert not thread.is_alive(), "the sink's thread outlives the test"


@pytest.fixture
def quiet_logger(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="modelroute")


class Stuck:
    """A listener that waits until it is let go."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()
        self.heard = list[RouterEvent]()

    def __call__(self, event: RouterEvent) -> None:
        self.began.set()
        assert self.go_on.wait(30)
        self.heard.append(event)


def test_everything_is_heard_in_order() -> None:
    heard = list[RouterEvent]()
    sink = Sink(heard.append)
    sent = [finished(number) for number in range(500)]
    for event in sent:
        sink.emit(event)
    assert sink.flush()
    assert heard == sent
    sink.close()
    assert sink.dropped == 0


def test_flush_means_heard() -> None:
    """Notice by notice: what was emitted before `flush` has been handed on when it returns, every time."""
    heard = list[RouterEvent]()
    sink = Sink(heard.append)
    for number in range(300):
        sink.emit(finished(number))
        assert sink.flush()
        assert len(heard) == number + 1
    sink.close()


def test_close_hands_on_the_last_and_closes_twice() -> None:
    heard = list[RouterEvent]()
    sink = Sink(heard.append)
    for number in range(100):
        sink.emit(finished(number))
    sink.close()
    sink.close()
    assert len(heard) == 100
    sink.emit(finished(100))
    assert sink.dropped == 1, "nobody ends a thread that begins after the end"
    assert not any(thread.name == "modelroute-events" for thread in threading.enumerate())


def test_a_stuck_listener_costs_notices_and_nothing_else() -> None:
    stuck = Stuck()
    sink = Sink(stuck)
    sink.emit(finished(0))
    assert stuck.began.wait(5)
    for number in range(1, QUEUE + 51):
        sink.emit(finished(number))
    assert sink.dropped == 50
    assert not sink.flush(timeout=0.0)
    stuck.go_on.set()
    sink.close()
    assert stuck.heard == [*(finished(number) for number in range(QUEUE + 1)), Dropped(50)]


def test_what_is_missing_is_told_once_and_under_lasting_load_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gap is told before the listeners have caught up, and no oftener than its telling is worth."""
    monkeypatch.setattr(sink_module, "QUEUE", 10)
    monkeypatch.setattr(sink_module, "UNTOLD", 5)
    stuck = Stuck()
    sink = Sink(stuck)
    sink.emit(finished(0))
    assert stuck.began.wait(5)
    for number in range(1, 18):
        sink.emit(replace(finished(number), at=float(number)))
    stuck.go_on.set()
    assert sink.flush()
    assert [event.at for event in stuck.heard if not isinstance(event, Dropped)] == list(range(11))
    assert [event for event in stuck.heard if isinstance(event, Dropped)] == [Dropped(7, 1.0)]
    sink.emit(finished(0))
    sink.close()
    sink.emit(finished(0))
    assert (sink.dropped, sum(isinstance(event, Dropped) for event in stuck.heard)) == (8, 1)


@pytest.mark.parametrize("problem", [ValueError("private"), SystemExit(3), KeyboardInterrupt()])
def test_a_listener_that_raises_hears_the_next(problem: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    heard = list[RouterEvent]()

    def listen(event: RouterEvent) -> None:
        heard.append(event)
        raise problem

    sink = Sink(listen)
    sink.emit(finished(0))
    sink.emit(finished(1))
    sink.close()
    assert len(heard) == 2
    assert "the request is not affected" in caplog.text


def test_a_logger_that_raises_does_not_starve_the_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise OSError("disk full")

    heard = list[RouterEvent]()
    logger, handler = logging.getLogger("modelroute"), Broken()
    monkeypatch.setattr(logger, "propagate", False)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        sink = Sink(heard.append)
        sink.emit(finished(0))
        sink.emit(finished(1))
        sink.close()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert len(heard) == 2


def test_a_listener_may_flush_and_close() -> None:
    """It runs on the sink's own thread: waiting for itself would take for ever."""
    answers = list[bool]()

    def listen(event: RouterEvent) -> None:
        answers.append(sink.flush())
        sink.close()

    sink = Sink(listen)
    sink.emit(finished(0))
    for thread in threading.enumerate():
        if thread.name == "modelroute-events":
            thread.join(timeout=4)
            assert not thread.is_alive()
    assert answers == [False]


def test_no_thread_to_be_had_drops_the_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    sink = Sink(lambda event: None)
    sink.emit(finished(0))
    assert sink.dropped == 1
    assert sink.flush()
    sink.close()


@pytest.mark.usefixtures("quiet_logger")
def test_without_a_listener_there_is_no_thread() -> None:
    sink = Sink(None)
    sink.emit(finished(0))
    assert not any(thread.name == "modelroute-events" for thread in threading.enumerate())
    assert sink.flush()
    sink.close()


def test_the_logger_says_the_same(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="modelroute")
    failed = Attempt(2, "m@p", "retry", FAILURE, Money(1), Money(0), "unbilled", None, 0.2, None)
    sink = Sink(None)
    for event in (
        Decided("r1", DECISION),
        Attempted("r1", failed),
        Attempted("r1", replace(failed, failure=None, why="first")),
        Settled("r1", "r1.1", "m@p", Money(1), Money("0.5"), "estimate"),
        Held("r1", "m@p", 1, 1_800_000_000.0, FAILURE),
        finished(1),
        Finished("r2", None, FAILURE, Money(0), 1.25, 3),
        Tripped("m@p", 1, "open", "5 failures in a row", 1_800_000_000.0),
        Tripped("m@p", 1, "half_open", "its time is up"),
        Tripped("m@p", 1, "closed", "the probe was answered"),
        BudgetRefused("r1", "team", "team:2026-10", Money(1), Money("0.5"), moved_on=True),
        BudgetRefused("r1", "team", "team:2026-10", Money(1), Money("0.5"), moved_on=False),
        Overrun("r1", "m@p", Money(1), Money(2)),
        StoreFailed("r1", "redis", "no answer within 1 s", refused=True),
        StoreFailed("r1", "redis", "no answer within 1 s", refused=False),
    ):
        sink.emit(event)
    sink.close()
    no_room = "r1 does not fit budget team (team:2026-10), which has $0.50 left of the $1.00 wanted"
    assert [(record.levelname, record.getMessage()) for record in caplog.records][1:] == [
        ("WARNING", "r1 attempt 2. m@p (retry): rate_limited HTTP 429: slow down in 0.20 s, $0 (unbilled)"),
        ("DEBUG", "r1 attempt 2. m@p (first): answered in 0.20 s, $0 (unbilled)"),
        ("DEBUG", "r1 settled r1.1 at $0.50 by estimate"),
        ("WARNING", "r1 holds m@p lane 1 until 1800000000: rate_limited HTTP 429: slow down"),
        ("INFO", "r1 finished in 0.50 s, $1.00, 1 attempts: m@p"),
        ("INFO", "r2 finished in 1.25 s, $0, 3 attempts: failed: rate_limited HTTP 429: slow down"),
        ("WARNING", "the breaker of m@p place 1 is open until 1800000000: 5 failures in a row"),
        ("INFO", "the breaker of m@p place 1 is half-open: its time is up"),
        ("INFO", "the breaker of m@p place 1 is closed: the probe was answered"),
        ("INFO", f"{no_room}; something cheaper is tried"),
        ("WARNING", f"{no_room}; refused"),
        ("ERROR", "r1 overran: m@p billed $2.00 where at most $1.00 was expected; check its price and output cap"),
        ("ERROR", "r1: the store redis failed, so it is refused: no answer within 1 s"),
        ("ERROR", "r1: the store redis failed, so it is not recorded: no answer within 1 s"),
    ]  # fmt: skip
    assert caplog.records[0].getMessage().startswith("r1 decided: ")


def test_every_notice_has_words_and_a_level(caplog: pytest.LogCaptureFixture) -> None:
    """One that was added and forgotten would be an error of the logger in every request."""
    caplog.set_level(logging.DEBUG, logger="modelroute")
    failed = Attempt(2, "m@p", "retry", FAILURE, Money(1), Money(0), "unbilled", None, 0.2, None)
    told: dict[type, RouterEvent] = {
        type(event): event
        for event in (
            Decided("r1", DECISION), Attempted("r1", failed), Held("r1", "m@p", 1, 1.0, FAILURE), finished(1),
            Settled("r1", "r1.1", "m@p", Money(1), Money(1), "estimate"), Tripped("m@p", 1, "open", "why"),
            BudgetRefused("r1", "team", "team", Money(1), Money(1), moved_on=True), Dropped(1),
            Overrun("r1", "m@p", Money(1), Money(2)), StoreFailed("r1", "redis", "why", refused=True),
        )
    }  # fmt: skip
    assert set(told) == set(get_args(RouterEvent))
    sink = Sink(None)
    for event in told.values():
        sink.emit(event)
    sink.close()
    assert len(caplog.records) == len(told)
    assert not any(record.exc_info for record in caplog.records)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_begins_anew_whatever_was_locked() -> None:
    """The parent is in the middle of something, holding its locks: the child hears its own notices and no others."""
    stuck = Stuck()
    sink = Sink(stuck)
    sink.emit(finished(0))
    assert stuck.began.wait(5)
    sink.emit(finished(1))
    with sink._lock, sink._wake._cond:  # type: ignore[attr-defined]
        child = os.fork()
    if child == 0:
        heard = list[RouterEvent]()
        sink._ears = Sink(heard.append)._ears
        threading.Timer(10, os._exit, [3]).start()
        sink.emit(finished(2))
        sink.close()
        os._exit(0 if heard == [finished(2)] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    stuck.go_on.set()
    sink.close()
    assert stuck.heard == [finished(0), finished(1)]


def test_threads_emit_at_once() -> None:
    heard = list[RouterEvent]()
    sink = Sink(heard.append)
    start = threading.Barrier(8)

    def emit() -> None:
        start.wait()
        for number in range(200):
            sink.emit(finished(number))

    threads = [threading.Thread(target=emit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.close()
    assert len(heard) + sink.dropped == 1600
    assert sink.dropped == 0
