"""Asking the store: at once in this process, on worker threads where it may wait, never for longer than said.

Three promises. A reservation that is granted after its caller stopped waiting is given back. A settlement is never
lost to a slow or broken store: it finishes behind its caller, and one that failed is tried again until it is done. A
store that does not answer costs one caller its patience, not every caller: for a moment after, nobody asks it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitTimeoutError
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from modelroute.errors import ModelRouteError, StoreUnavailableError

if TYPE_CHECKING:
    from modelroute.runtime.clocks import Clocks
    from modelroute.stores.store import Store

__all__ = ["BACKLOG", "STORE_PATIENCE", "StoreRunner"]

R = TypeVar("R")

STORE_PATIENCE = 2.0
"""Seconds a reservation waits for a shared store at most."""

BACKLOG = 10_000
"""Settlements that are kept for another try while the store is down; beyond, the oldest is given up and counted."""

_WORKERS = 4
_REST = 1.0
"""Seconds for which a store that did not answer is not asked for reservations."""

_SLOW = 1.0
"""Seconds without an answer after which a store counts as failing. A caller whose own deadline is nearer says nothing
of the store, and must not have everybody else refused."""

_LOGGER = logging.getLogger("modelroute")


class StoreRunner:
    """Runs operations of one store. Thread-safe, and usable from any event loop."""

    def __init__(self, store: Store, clocks: Clocks) -> None:
        self.store = store
        self.inline = not store.shared
        self.lost_settlements = 0
        self._clocks = clocks
        self._renew()

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._executor: ThreadPoolExecutor | None = None
        self._backlog: deque[Callable[[], object]] = deque()
        self._running = 0
        self._rests_until = -1.0
        self._why: StoreUnavailableError | None = None
        self._retrying = False
        self._closing = threading.Event()

    def after_fork(self) -> None:
        """Begin anew in a forked child: the threads stayed with the parent, and so does what they were to settle."""
        self._renew()

    def rests(self) -> bool:
        """Whether the store failed a moment ago, so that asking it again would only cost patience."""
        return self._clocks.monotonic() < self._rests_until

    @property
    def why(self) -> StoreUnavailableError:
        """Why it rests: what it said, or that it did not answer."""
        return self._why or StoreUnavailableError(f"{self.store.name} did not answer a moment ago")

    def run(self, operation: Callable[[], R], *, timeout: float, late: Callable[[R], object] | None = None) -> R:
        """Return what `operation` returns, waiting at most `timeout` seconds; `StoreUnavailableError` beyond.

        `late` is handed the result that comes after that.
        """
        if self.inline:
            return self._guarded(operation)
        future = self._submit(partial(self._guarded, operation))
        try:
            return future.result(max(0.0, timeout))
        except WaitTimeoutError:
            self._give_up(future, late)
            raise self._slow(timeout) from None
        except BaseException:
            self._give_up(future, late)  # interrupted, perhaps just as the answer came: nobody takes it any more
            raise

    async def arun(self, operation: Callable[[], R], *, timeout: float, late: Callable[[R], object] | None = None) -> R:
        """The same on an event loop, which goes on meanwhile."""
        if self.inline:
            return self._guarded(operation)
        future = self._submit(partial(self._guarded, operation))
        waiter = asyncio.wrap_future(future)
        try:
            done, _ = await asyncio.wait((waiter,), timeout=max(0.0, timeout))
        except BaseException:
            self._give_up(future, late)
            waiter.add_done_callback(_retrieve)
            raise
        if done:
            return waiter.result()
        self._give_up(future, late)
        waiter.add_done_callback(_retrieve)
        raise self._slow(timeout)

    def settle(self, operation: Callable[[], object]) -> Future[None]:
        """Run a settlement to its end: now or, when the store fails, again until it is done. It must be idempotent.

        The future is done when the first try was made; it never fails.
        """
        done: Future[None] = Future()
        done.set_running_or_notify_cancel()  # whoever waits for it may stop waiting, but not stop it

        def attempt() -> None:
            try:
                self._guarded(operation)
            except ModelRouteError as error:
                self._failed(error)
                self._keep(operation)
            finally:
                done.set_result(None)

        if self.inline:
            attempt()
        elif self.rests() or self._running >= BACKLOG:
            self._keep(operation)  # not now: what waits for a store that hangs would pile up behind it
            done.set_result(None)
        else:
            self._submit(attempt)
        return done

    def close(self, timeout: float = 5.0) -> bool:
        """Finish what is under way, try the backlog once more, and end the threads; say whether nothing was left.

        Takes no longer than `timeout` seconds, whatever the store does. What is left is counted in `lost_settlements`:
        those reservations become presumed spend when their lease ends.
        """
        end = time.monotonic() + timeout
        self._closing.set()
        with self._idle:
            idle = self._idle.wait_for(lambda: not self._running, timeout)
        if idle and self._backlog and self.inline:
            self._drain()
        elif idle and self._backlog:
            self._submit(self._drain)
            with self._idle:
                self._idle.wait_for(lambda: not self._running, end - time.monotonic())
        left = len(self._backlog)
        self.lost_settlements += left
        if left:
            _LOGGER.error("%s: %d settlements could not be recorded before closing", self.store.name, left)
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=not self._running, cancel_futures=False)
        return not left and not self._running

    def _guarded(self, operation: Callable[[], R]) -> R:
        """Do it. What a store should not raise becomes what it may: no foreign exception leaves, or ends a thread."""
        try:
            return operation()
        except ModelRouteError:
            raise
        except Exception as error:
            raise StoreUnavailableError(f"{self.store.name} failed with {type(error).__name__}") from error

    def _submit(self, operation: Callable[[], R]) -> Future[R]:
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(_WORKERS, thread_name_prefix="modelroute-store")
            future = self._executor.submit(operation)
            self._running += 1
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: Future[R]) -> None:
        with self._idle:
            self._running -= 1
            if not self._running:
                self._idle.notify_all()
        error = None if future.cancelled() else future.exception()
        if isinstance(error, ModelRouteError):
            self._failed(error)

    def _give_up(self, future: Future[R], late: Callable[[R], object] | None) -> None:
        """Nobody waits for `future` any more: hand a result that still comes to `late`."""

        def came(ended: Future[R]) -> None:
            if late is not None and not ended.cancelled() and ended.exception() is None:
                late(ended.result())

        if not future.cancel():
            future.add_done_callback(came)

    def _slow(self, timeout: float) -> StoreUnavailableError:
        error = StoreUnavailableError(f"{self.store.name} did not answer within {max(0.0, timeout):.2f} s")
        if timeout >= _SLOW:
            self._failed(error)
        return error

    def _failed(self, error: ModelRouteError) -> None:
        if isinstance(error, StoreUnavailableError):
            self._why = error
            self._rests_until = self._clocks.monotonic() + _REST

    def _keep(self, operation: Callable[[], object]) -> None:
        """Try a settlement again later, on a thread of its own that ends when nothing is left."""
        with self._lock:
            if len(self._backlog) >= BACKLOG:
                self._backlog.popleft()
                self.lost_settlements += 1
            self._backlog.append(operation)
            if self._retrying or self.inline or self._closing.is_set():
                return
            self._retrying = True
        threading.Thread(target=self._retry, name="modelroute-settling", daemon=True).start()

    def _retry(self) -> None:
        wait = _REST
        while not self._closing.wait(wait):
            with self._lock:
                if not self._backlog:
                    self._retrying = False
                    return
            wait = 0.0 if self._kept_again() else min(2 * (wait or _REST / 2), 5.0)

    def _drain(self) -> None:
        """Try the whole backlog once more, as far as the store takes it: two failures in a row are the store's."""
        failures = 0
        while self._backlog and failures < 2:
            failures = 0 if self._kept_again() else failures + 1

    def _kept_again(self) -> bool:
        """Try the next settlement of the backlog; say whether the store took it.

        One that fails goes behind the others: if the fault is its own, it holds up none of them.
        """
        with self._lock:
            if not self._backlog:
                return True
            operation = self._backlog[0]
        failed: ModelRouteError | None = None
        try:
            self._guarded(operation)
        except ModelRouteError as error:
            self._failed(error)
            failed = error
        with self._lock:
            if self._backlog and self._backlog[0] is operation:
                self._backlog.popleft()
                if isinstance(failed, StoreUnavailableError):
                    self._backlog.append(operation)
                elif failed is not None:
                    self.lost_settlements += 1
                    _LOGGER.error("%s can never record a settlement: %s", self.store.name, failed)
        return failed is None


def _retrieve(future: asyncio.Future[R]) -> None:
    """Look at a result nobody awaits, so that asyncio does not complain of it."""
    if not future.cancelled():
        future.exception()
