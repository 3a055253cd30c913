"""Where notices go: the listeners of `on_event` and the logger, on a thread of their own, behind every request.

None of them can slow or fail a request, nor keep another listener from hearing what happened; a slow one delays the
others, for they share the thread. The queue holds 10,000 notices. Beyond that, and after the router was closed, they
are dropped and counted, and the gap is told as a `Dropped` notice. The thread starts with the first notice anybody
listens to, and again in a forked child.
"""

from __future__ import annotations

import inspect
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from modelroute.errors import ConfigurationError
from modelroute.resilience.bounded import Bounded
from modelroute.types.failure import Kind
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

__all__ = ["QUEUE", "Listener", "Listeners", "Sink", "listeners_of"]

QUEUE = 10_000

UNTOLD = 1_000
"""Notices that may be missing before it is told in the middle of a full queue: telling takes a listener's time too."""

_LOGGER = logging.getLogger("modelroute")
_LOGGER.addHandler(logging.NullHandler())  # whether anything is shown is the application's choice

Listener: TypeAlias = Callable[[RouterEvent], object]
"""Is called with one notice at a time.

One that also has `capture()` and `receive(event, captured)` is called by these instead: `capture` in the caller's own
thread and context when its request is decided, so it must be quick; `receive` with every notice of that request and
what `capture` returned for it (`None` where it raised, and for notices that belong to no request).
"""

Listeners: TypeAlias = Listener | Sequence[Listener] | None
"""What `on_event` takes: one listener, a list or tuple of them, or nobody."""


@dataclass(slots=True)
class _Ear:
    """One listener as the sink calls it."""

    receive: Callable[[RouterEvent, object], object]
    capture: Callable[[], object] | None = None
    told: bool = field(default=False, compare=False)
    """Whether it was said that `capture` raised: said once, it may raise for every request."""


@dataclass(frozen=True, slots=True)
class _Raised:
    """What stands in the place of a capture that raised."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class _Begun:
    """A `Decided` in the queue, with what each ear captured of its caller."""

    event: Decided
    captured: tuple[object, ...]


class Sink:
    """Hands notices to the listeners and to the logger, in order, behind the caller. `dropped` counts those lost.

    Raises `ConfigurationError` for listeners that cannot be called.
    """

    __slots__ = (
        "_captured", "_captures", "_closed", "_ears", "_lock", "_process", "_queue", "_thread", "_told", "_wake",
        "dropped",
    )  # fmt: skip

    def __init__(self, on_event: Listeners) -> None:
        self._ears = tuple(_ear(listener) for listener in listeners_of(on_event))
        self._captures = any(ear.capture is not None for ear in self._ears)
        self._closed = False
        self.dropped = 0
        self._told = 0
        self._renew()

    def _renew(self) -> None:
        """Begin anew: a forked child has not its parent's thread, and the locks may have been held by it."""
        self._process = os.getpid()
        self._queue: deque[RouterEvent | _Begun | threading.Event] = deque()
        self._captured: Bounded[str, tuple[object, ...]] = Bounded(QUEUE)  # only the sink's own thread touches it
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def emit(self, event: RouterEvent) -> None:
        """Queue a notice. Never waits, never raises."""
        if not self._ears and not _LOGGER.isEnabledFor(_level(event)):
            return
        if self._process != os.getpid():
            self._renew()
        if self._closed or len(self._queue) >= QUEUE or (self._thread is None and not self._start()):
            with self._lock:
                self.dropped += 1
            return
        if self._captures and isinstance(event, Decided):
            self._queue.append(_Begun(event, tuple(_capture(ear) for ear in self._ears)))
        else:
            self._queue.append(event)
        self._wake.set()

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until every notice so far was handed on; say whether that was so within `timeout` seconds."""
        thread = self._thread
        if thread is None or self._process != os.getpid():
            return True
        if thread is threading.current_thread():
            return False  # a listener itself asks: it would wait for its own end
        reached = threading.Event()
        self._queue.append(reached)
        self._wake.set()
        return reached.wait(timeout)

    def close(self) -> None:
        """Hand on what is queued and end the thread. Closing twice does nothing."""
        if self._process != os.getpid():
            self._renew()
        flushed = self.flush()
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
        self._wake.set()
        if flushed and thread is not None:
            thread.join(timeout=5.0)

    def _start(self) -> bool:
        with self._lock:
            if self._thread is not None or self._closed:
                return not self._closed
            thread = threading.Thread(target=self._run, name="modelroute-events", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads, or the interpreter is ending
                return False
            self._thread = thread
            return True

    def _run(self) -> None:
        queue, wake = self._queue, self._wake
        at = 0.0
        while True:
            wake.wait()
            wake.clear()
            while queue:
                entry = queue.popleft()
                if isinstance(entry, threading.Event):
                    self._tell_dropped(at)
                    entry.set()
                    continue
                event = entry.event if isinstance(entry, _Begun) else entry
                at = event.at
                if self.dropped - self._told >= UNTOLD:
                    self._tell_dropped(at)
                self._hand_on(event, self._of_the_request(entry))
            self._tell_dropped(at)
            if self._closed and not queue:
                return

    def _tell_dropped(self, at: float) -> None:
        missing = self.dropped - self._told
        if missing:
            self._told += missing
            self._hand_on(Dropped(missing, at), ())

    def _of_the_request(self, entry: RouterEvent | _Begun) -> tuple[object, ...]:
        """Return what each ear captured for the request of this notice; nothing when that is not known."""
        if not self._captures or isinstance(entry, Tripped | Dropped):
            return ()
        if isinstance(entry, _Begun):
            captured = tuple(_unless_raised(ear, part) for ear, part in zip(self._ears, entry.captured, strict=True))
            self._captured.put(entry.event.request, captured)
            return captured
        known = self._captured.get(entry.request) or ()
        if isinstance(entry, Finished):
            self._captured.drop(entry.request)
        return known

    def _hand_on(self, event: RouterEvent, captured: tuple[object, ...]) -> None:
        _tell(_log, event, None)
        for place, ear in enumerate(self._ears):
            _tell(ear.receive, event, captured[place] if captured else None)


def listeners_of(on_event: object) -> tuple[Listener, ...]:
    """Return who is to be told, from what a user gave as `on_event`.

    Raises `ConfigurationError` for what cannot be called with a notice, or would have to be awaited.
    """
    if on_event is None:
        return ()
    given = cast("Sequence[object]", on_event) if isinstance(on_event, list | tuple) else (on_event,)
    return tuple(_checked(listener) for listener in given)


def _checked(listener: object) -> Listener:
    if not callable(listener):
        raise ConfigurationError(
            f"on_event= must be callable, not {type(listener).__name__}: it is called with one notice at a time; "
            "to have several told, give a list of callables"
        )
    if isinstance(listener, type) and hasattr(listener, "receive"):
        raise ConfigurationError(f"on_event= must be callable, not a class of such: write {listener.__name__}()")
    captures, receives = _captures(listener), getattr(listener, "receive", None)
    if captures and not callable(receives):
        raise ConfigurationError(
            "on_event= has a listener with capture() but no receive(event, captured): it would never be given "
            "what it captured"
        )
    for called in (listener, type(listener).__call__, *((receives,) if captures else ())):
        if inspect.iscoroutinefunction(called):
            raise ConfigurationError(
                "on_event= must be a plain function: it is called on a thread of its own, not awaited"
            )
    return listener


def _captures(listener: object) -> bool:
    """Whether it really has `capture`: what makes up an attribute when it is asked for (a mock) has none."""
    return inspect.getattr_static(listener, "capture", None) is not None


def _ear(listener: Listener) -> _Ear:
    if _captures(listener):
        return _Ear(listener.receive, listener.capture)  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]
    return _Ear(lambda event, _: listener(event))


def _capture(ear: _Ear) -> object:
    """Call `capture` in the caller's context; what it raises is kept for the sink's thread to say."""
    if ear.capture is None:
        return None
    try:
        return ear.capture()
    except KeyboardInterrupt:  # the caller's own
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a listener raises, the request goes on
        return _Raised(error)


def _unless_raised(ear: _Ear, part: object) -> object:
    if not isinstance(part, _Raised):
        return part
    if not ear.told:
        ear.told = True
        try:
            _LOGGER.error("a listener's capture() raised; it is not said again", exc_info=part.error)
        except Exception:  # noqa: BLE001, S110 - the logger's own handler is what raises: nobody is left to tell
            pass
    return None


def _tell(listener: Callable[[RouterEvent, object], object], event: RouterEvent, captured: object) -> None:
    try:
        listener(event, captured)
    except BaseException:  # noqa: BLE001 - even SystemExit of a listener must not end the thread of all notices
        try:
            _LOGGER.exception("a listener to notices raised; the request is not affected")
        except Exception:  # noqa: BLE001, S110 - the logger's own handler is what raises: nobody is left to tell
            pass


def _level(event: RouterEvent) -> int:
    if isinstance(event, StoreFailed | Overrun):
        return logging.ERROR
    if isinstance(event, Held | Dropped):
        return logging.WARNING
    if isinstance(event, Attempted):
        failure = event.attempt.failure
        if failure is None:
            return logging.DEBUG
        return logging.INFO if failure.kind is Kind.CANCELLED else logging.WARNING
    if isinstance(event, Tripped):
        return logging.WARNING if event.state == "open" else logging.INFO
    if isinstance(event, BudgetRefused):
        return logging.INFO if event.moved_on else logging.WARNING
    return logging.INFO if isinstance(event, Finished) else logging.DEBUG


def _log(event: RouterEvent, _: object) -> None:
    """Say the same as the event, without prompts or keys."""
    level = _level(event)
    if not _LOGGER.isEnabledFor(level):
        return
    if isinstance(event, Tripped | BudgetRefused | Overrun | StoreFailed | Dropped):
        _LOGGER.log(level, *_trouble(event))
    else:
        _LOGGER.log(level, *_course(event))


def _course(event: Decided | Attempted | Settled | Held | Finished) -> tuple[str, *tuple[object, ...]]:
    """Return what happened in the course of a request: the sentence for the logger, then what stands in it."""
    name = event.request
    match event:
        case Decided():
            return "%s decided: %s", name, event.decision.sentence()
        case Attempted():
            return "%s attempt %s", name, event.attempt
        case Settled():
            return "%s settled %s at %s by %s", name, event.reservation, event.cost, event.basis
        case Held():
            held = "%s holds %s lane %d until %.0f: %s"
            return held, name, event.target, event.lane, event.until, event.failure
        case Finished():
            outcome = event.target or f"failed: {event.failure}"
            finished = "%s finished in %.2f s, %s, %d attempts: %s"
            return finished, name, event.seconds, event.cost, event.attempts, outcome


def _trouble(event: Tripped | BudgetRefused | Overrun | StoreFailed | Dropped) -> tuple[str, *tuple[object, ...]]:
    """Return what an operator should know of, in the same form."""
    match event:
        case Tripped():
            state = event.state.replace("_", "-") + ("" if event.until is None else f" until {event.until:.0f}")
            return "the breaker of %s place %d is %s: %s", event.target, event.place, state, event.why
        case BudgetRefused():
            refused = "%s does not fit budget %s (%s), which has %s left of the %s wanted; %s"
            then = "something cheaper is tried" if event.moved_on else "refused"
            return refused, event.request, event.budget, event.scope, event.left, event.wanted, then
        case Overrun():
            overran = "%s overran: %s billed %s where at most %s was expected; check its price and output cap"
            return overran, event.request, event.target, event.cost, event.reserved
        case StoreFailed():
            then = "refused" if event.refused else "not recorded"
            return "%s: the store %s failed, so it is %s: %s", event.request, event.store, then, event.why
        case Dropped():
            return "%d notices were dropped: a listener or a handler of the logger is too slow", event.count
