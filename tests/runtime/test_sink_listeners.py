"""Several listeners, and what one may capture of the caller: each hears its own, and none disturbs another."""

import functools
import logging
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar, copy_context
from typing import Any, cast
from unittest.mock import MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.errors import ConfigurationError
from modelroute.money import Money
from modelroute.runtime import sink as sink_module
from modelroute.runtime.sink import Listeners, Sink, listeners_of
from modelroute.testing import Answer, ScriptedRouter
from modelroute.types.notices import Decided, Dropped, Finished, RouterEvent, Settled, StoreFailed, Tripped
from tests.runtime.flows import DECISION

CALLER: ContextVar[str] = ContextVar("CALLER", default="nobody")


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not any(thread.name == "modelroute-events" for thread in threading.enumerate())


def decided(name: str) -> Decided:
    return Decided(name, DECISION)


def settled(name: str) -> Settled:
    return Settled(name, f"{name}.1", "m@p", Money(1), Money(1), "estimate")


def finished(name: str) -> Finished:
    return Finished(name, "m@p", None, Money(1), 0.5, 1)


class Capturing:
    """Captures who calls, and the thread it is called on."""

    def __init__(self, capture: Callable[[], object] = CALLER.get) -> None:
        self._capture = capture
        self.threads = set[int]()
        self.heard = list[tuple[RouterEvent, object]]()

    def __call__(self, event: RouterEvent) -> None:
        raise AssertionError("who captures is told by receive()")

    def capture(self) -> object:
        self.threads.add(threading.get_ident())
        return self._capture()

    def receive(self, event: RouterEvent, captured: object) -> None:
        self.heard.append((event, captured))


# ------------------------------------------------------------------------------------------------- several listeners


@pytest.mark.parametrize("kind", [list, tuple])
def test_each_of_several_hears_everything_in_order(kind: Callable[[list[Any]], Any]) -> None:
    heard = list[tuple[str, RouterEvent]]()
    sink = Sink(kind([lambda event: heard.append(("one", event)), lambda event: heard.append(("two", event))]))
    sent: list[RouterEvent] = [decided("a"), settled("a"), finished("a")]
    for event in sent:
        sink.emit(event)
    sink.close()
    assert heard == [(name, event) for event in sent for name in ("one", "two")]


@pytest.mark.parametrize("problem", [ValueError("private"), SystemExit(3), KeyboardInterrupt()])
def test_one_that_raises_does_not_disturb_the_next(problem: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: RouterEvent) -> None:
        raise problem

    heard = list[RouterEvent]()
    sink = Sink([broken, heard.append])
    sink.emit(finished("a"))
    sink.emit(finished("b"))
    sink.close()
    assert heard == [finished("a"), finished("b")]
    assert caplog.text.count("the request is not affected") == 2


def test_one_that_blocks_delays_the_others_and_what_is_lost_is_told_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_module, "QUEUE", 5)
    began, go_on = threading.Event(), threading.Event()

    def stuck(event: RouterEvent) -> None:
        began.set()
        assert go_on.wait(30)

    heard = list[RouterEvent]()
    sink = Sink([stuck, heard.append])
    sink.emit(finished("0"))
    assert began.wait(5)
    for number in range(1, 9):
        sink.emit(finished(str(number)))
    assert heard == []
    go_on.set()
    sink.close()
    assert heard == [*(finished(str(number)) for number in range(6)), Dropped(3)]


@pytest.mark.parametrize("nobody", [None, [], ()])
def test_nobody_listens_and_nothing_is_queued(nobody: Listeners, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="modelroute")
    with ScriptedRouter({"m@p": [Answer()]}, on_event=nobody) as router:
        router.chat("Hello")
        sink = router._core.sink
        assert sink._thread is None
        assert len(sink._queue) == 0
        assert sink.dropped == 0


# ----------------------------------------------------------------------------------------------- what can be a listener


async def awaited(event: RouterEvent) -> None:
    """A coroutine function, which nobody would await."""


class AwaitedCall:
    async def __call__(self, event: RouterEvent) -> None:
        """The same as a method."""


class Deaf:
    def __call__(self, event: RouterEvent) -> None: ...

    def capture(self) -> int:
        return 1


class AwaitedReceive(Capturing):
    async def receive(self, event: RouterEvent, captured: object) -> None:  # type: ignore[override]
        """Would never be awaited either."""


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (3, "must be callable, not int"),
        ("print", "must be callable, not str"),
        ([print, 3], "must be callable, not int"),
        ([[print]], "must be callable, not list"),
        ({print}, "must be callable, not set.*give a list"),
        (awaited, "not awaited"),
        (functools.partial(awaited), "not awaited"),
        (AwaitedCall(), "not awaited"),
        (AwaitedReceive(), "not awaited"),
        (Capturing, r"write Capturing\(\)"),
        (Deaf(), r"no receive\(event, captured\)"),
    ],
    ids=range(11),
)  # fmt: skip
def test_what_cannot_be_told_is_refused_when_the_router_is_made(given: object, says: str) -> None:
    wrong = cast("Listeners", given)
    with pytest.raises(ConfigurationError, match=says):
        ScriptedRouter({"m@p": [Answer()]}, on_event=wrong)
    with pytest.raises(ConfigurationError, match=says):
        Sink(wrong)


def test_what_makes_up_attributes_is_a_plain_listener() -> None:
    """A mock has `capture` as soon as it is asked for it."""
    mock = MagicMock()
    sink = Sink([mock, print])
    assert listeners_of(mock) == (mock,)
    sink.emit(Dropped(1))
    sink.close()
    assert [call.args for call in mock.call_args_list] == [(Dropped(1),)]


# ----------------------------------------------------------------------------------------------------------- capturing


def test_what_is_captured_comes_with_every_notice_of_its_request() -> None:
    ear = Capturing()
    plain = list[RouterEvent]()
    sink = Sink([plain.append, ear])

    def call(name: str) -> None:
        CALLER.set(f"caller {name}")
        sink.emit(decided(name))

    for name in ("a", "b"):
        copy_context().run(call, name)
    events: list[RouterEvent] = [settled("b"), Tripped("m@p", 0, "open", "why"), settled("a"), finished("a")]
    for event in events:
        sink.emit(event)
    sink.emit(StoreFailed("a", "redis", "late", refused=False))
    sink.close()
    assert ear.threads == {threading.get_ident()}, "it is the caller's thread that is looked at"
    assert plain == [event for event, _ in ear.heard]
    assert [captured for _, captured in ear.heard] == [
        *("caller a", "caller b", "caller b", None, "caller a", "caller a"),
        None,  # after the end nothing is remembered
    ]


def test_two_that_capture_get_their_own() -> None:
    numbers = iter(range(100))
    one, two = Capturing(lambda: next(numbers)), Capturing(lambda: "two")
    sink = Sink((one, two))
    sink.emit(decided("a"))
    sink.emit(finished("a"))
    sink.close()
    assert [captured for _, captured in one.heard] == [0, 0]
    assert [captured for _, captured in two.heard] == ["two", "two"]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([decided, settled, finished])), max_size=30))
def test_no_request_is_given_what_was_captured_for_another(course: list[tuple[str, Callable[[str], Any]]]) -> None:
    now = ""
    ear = Capturing(lambda: now)
    sink = Sink(ear)
    known = dict[str, str]()
    expected = list[object]()
    for name, make in course:
        if make is decided:
            known[name] = now = f"{name}{len(expected)}"
        expected.append(known.get(name))
        if make is finished:
            known.pop(name, None)
        sink.emit(make(name))
    sink.close()
    assert [captured for _, captured in ear.heard] == expected


@pytest.mark.parametrize("problem", [ValueError("private"), SystemExit(3), GeneratorExit()])
def test_a_capture_that_raises_is_said_once_and_fails_nothing(
    problem: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> object:
        raise problem

    ear, other = Capturing(broken), Capturing()
    with ScriptedRouter({"m@p": [Answer("Hello")]}, on_event=[ear, other]) as router:
        for _ in range(3):
            assert router.chat("Hello").text == "Hello"
    assert {captured for _, captured in ear.heard} == {None}
    assert {captured for _, captured in other.heard} == {"nobody"}
    said = [record for record in caplog.records if "capture() raised" in record.getMessage()]
    assert [record.threadName for record in said] == ["modelroute-events"], "the caller has no time for handlers"


def test_the_caller_s_own_interrupt_is_not_swallowed() -> None:
    def interrupted() -> object:
        raise KeyboardInterrupt

    sink = Sink(Capturing(interrupted))
    with pytest.raises(KeyboardInterrupt):
        sink.emit(decided("a"))
    sink.close()


def test_requests_that_never_finish_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_module, "QUEUE", 50)
    numbers = iter(range(1_000))
    ear = Capturing(lambda: next(numbers))
    sink = Sink(ear)
    for number in range(200):
        sink.emit(decided(str(number)))
        if number % 25 == 0:
            assert sink.flush()
    assert sink.flush()
    assert len(sink._captured) == 50
    ear.heard.clear()
    sink.emit(settled("199"))
    sink.emit(settled("0"))
    sink.close()
    assert [captured for _, captured in ear.heard] == [199, None]


def test_what_is_dropped_is_not_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full queue costs the caller nothing more."""
    ear = Capturing()
    sink = Sink(ear)
    sink.close()
    sink.emit(decided("a"))
    assert sink.dropped == 1
    assert ear.threads == set()
