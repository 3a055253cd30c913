"""Where notices go: `on_event` and the logger, on a thread of their own: neither can slow or fail a request.

The queue holds 10,000 notices; beyond that, and after the router was closed, they are dropped and
counted. The thread starts with the first notice anybody listens to, and again in a forked child.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from typing import TYPE_CHECKING

from modelroute.types.notices import Attempted, Decided, Finished, Held, RouterEvent

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["QUEUE", "Sink"]

QUEUE = 10_000

_LOGGER = logging.getLogger("modelroute")
_LOGGER.addHandler(logging.NullHandler())  # whether anything is shown is the application's choice


class Sink:
    """Hands notices to `on_event` and to the logger, in order, behind the caller. `dropped` counts those lost."""

    __slots__ = ("_closed", "_lock", "_on_event", "_process", "_queue", "_thread", "_wake", "dropped")

    def __init__(self, on_event: Callable[[RouterEvent], object] | None) -> None:
        self._on_event = on_event
        self._closed = False
        self.dropped = 0
        self._renew()

    def _renew(self) -> None:
        """Begin anew: a forked child has not its parent's thread, and the locks may have been held by it."""
        self._process = os.getpid()
        self._queue: deque[RouterEvent | threading.Event] = deque()
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def emit(self, event: RouterEvent) -> None:
        """Queue a notice. Never waits, never raises."""
        if self._on_event is None and not _LOGGER.isEnabledFor(_level(event)):
            return
        if self._process != os.getpid():
            self._renew()
        if self._closed or len(self._queue) >= QUEUE or (self._thread is None and not self._start()):
            with self._lock:
                self.dropped += 1
            return
        self._queue.append(event)
        self._wake.set()

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until every notice so far was handed on; say whether that was so within `timeout` seconds."""
        thread = self._thread
        if thread is None or self._process != os.getpid():
            return True
        if thread is threading.current_thread():
            return False  # `on_event` itself asks: it would wait for its own end
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
        while True:
            wake.wait()
            wake.clear()
            while queue:
                entry = queue.popleft()
                if isinstance(entry, threading.Event):
                    entry.set()
                else:
                    self._hand_on(entry)
            if self._closed and not queue:
                return

    def _hand_on(self, event: RouterEvent) -> None:
        _tell(_log, event)
        if self._on_event is not None:
            _tell(self._on_event, event)


def _tell(listener: Callable[[RouterEvent], object], event: RouterEvent) -> None:
    try:
        listener(event)
    except BaseException:  # noqa: BLE001 - even SystemExit of a listener must not end the thread of all notices
        try:
            _LOGGER.exception("a listener to notices raised; the request is not affected")
        except Exception:  # noqa: BLE001, S110 - the logger's own handler is what raises: nobody is left to tell
            pass


def _level(event: RouterEvent) -> int:
    if isinstance(event, Held):
        return logging.WARNING
    if isinstance(event, Attempted) and event.attempt.failure is not None:
        return logging.WARNING
    return logging.INFO if isinstance(event, Finished) else logging.DEBUG


def _log(event: RouterEvent) -> None:
    """Say the same as the event, without prompts or keys."""
    level = _level(event)
    if not _LOGGER.isEnabledFor(level):
        return
    name = event.request
    if isinstance(event, Decided):
        _LOGGER.log(level, "%s decided: %s", name, event.decision.sentence())
    elif isinstance(event, Attempted):
        _LOGGER.log(level, "%s attempt %s", name, event.attempt)
    elif isinstance(event, Held):
        held = "%s holds %s lane %d until %.0f: %s"
        _LOGGER.log(level, held, name, event.target, event.lane, event.until, event.failure)
    elif isinstance(event, Finished):
        outcome = event.target or f"failed: {event.failure}"
        finished = "%s finished in %.2f s, %s, %d attempts: %s"
        _LOGGER.log(level, finished, name, event.seconds, event.cost, event.attempts, outcome)
    else:
        _LOGGER.log(level, "%s settled %s at %s by %s", name, event.reservation, event.cost, event.basis)
