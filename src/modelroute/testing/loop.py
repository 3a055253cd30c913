"""Virtual time: hours of retries and timeouts in milliseconds, and every order of events reachable by a number.

`SimLoop` is an asyncio event loop whose clock leaps to the next timer whenever nothing is ready, and which draws the
order of ready tasks from a seed. The same program under the same seed takes the same steps: a failing seed is a test.

```python
async def main() -> str:
    async with asyncio.timeout(3600):
        await asyncio.sleep(1800)      # costs nothing
    return "done"

assert run_simulated(main, seed=7) == "done"
```

`VirtualClock` is the same for code that does not use asyncio.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import random
import threading
from collections.abc import Callable, Coroutine, Generator, Mapping
from concurrent.futures import Executor
from contextvars import Context
from dataclasses import dataclass
from pathlib import Path
from types import CoroutineType
from typing import Any, NoReturn, TypeVar, TypeVarTuple, Unpack

from modelroute.errors import ModelRouteError

__all__ = ["DeadlockError", "SimLoop", "SimulationError", "Step", "VirtualClock", "run_simulated"]

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

EXECUTOR_SECONDS = 0.001
"""Longest virtual time a function handed to an executor takes; the shorter ones are drawn."""

_SHOWN = 10
"""How many waiting tasks a message names; `.waiting` holds them all."""

# What of asyncio's inside the loop stands on. Named here so that a Python without them fails in words, not in hangs.
_STANDS_ON: Mapping[type, tuple[str, ...]] = {
    asyncio.BaseEventLoop: ("_run_once", "_timer_handle_cancelled"),
    asyncio.Handle: ("_run", "_callback"),
}


class SimulationError(ModelRouteError, RuntimeError):
    """The simulated program did what has no place in a simulation, or this Python cannot simulate."""


class DeadlockError(SimulationError):
    """Nothing is ready and no timer is set: nothing will ever happen again. `.waiting` says which task waits where."""

    fields = ("waiting",)

    def __init__(self, message: str, *, waiting: tuple[str, ...] = ()) -> None:
        self.waiting = waiting
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Step:
    """One step the loop took: at which virtual second, and the name of the task (or of the callback) that ran."""

    at: float
    what: str


class SimLoop(asyncio.BaseEventLoop):
    """An event loop with virtual time and seeded order.

    - `time()` starts at 0 and moves only when nothing is ready; then it leaps to the next timer.
    - Tasks that are ready together run in an order drawn from `seed`. Plain callbacks keep the order in which they were
      registered, as asyncio promises; where they stand between the tasks is drawn.
    - A task without a name is called ``task-1``, ``task-2``, ... in the order of creation.
    - Functions handed to an executor (`asyncio.to_thread`) run on the loop itself, up to a drawn millisecond later.
    - Calls from another thread, name resolution and sockets raise `SimulationError`: nothing about them is repeatable.

    `steps` counts what ran; with a list for `trace` each step is also appended to it. More than `max_steps` raise
    `SimulationError`: a loop without end looks busy, not stuck.
    """

    def __init__(self, seed: int, *, trace: list[Step] | None = None, max_steps: int = 5_000_000) -> None:
        super().__init__()
        self.seed = seed
        self.steps = 0
        self.complaints: list[str] = []
        self._random = random.Random(seed)
        self._trace = trace
        self._max_steps = max_steps
        self._step_limit = max_steps
        self._now = 0.0
        self._runnable: list[asyncio.Handle] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers_made = 0
        self._timers_cancelled = 0
        self._tasks_made = 0
        self._owner = threading.get_ident()
        self.set_exception_handler(_complain)
        try:
            check_asyncio()
        except SimulationError:
            self.close()
            raise

    # ------------------------------------------------------------------------------------------- what asyncio calls

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._now

    def call_soon(
        self, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run `callback` in the next round."""
        self._refuse_when_closed()
        handle = asyncio.Handle(callback, args, self, context)
        self._runnable.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run `callback` when virtual time reaches `when`; equal times run in the order they were set."""
        self._refuse_when_closed()
        if math.isnan(when):
            raise ValueError("a timer cannot be set for a moment that is not a number")
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._timers_made += 1
        heapq.heappush(self._timers, (when, self._timers_made, handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run `callback` in `delay` virtual seconds."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """As `call_soon`, from the loop's own thread only: when another thread gets its turn is nobody's to repeat."""
        if threading.get_ident() != self._owner:
            raise SimulationError(
                "a simulation has one thread, and call_soon_threadsafe was called from another: "
                "replace the thread by a task, or by asyncio.to_thread, which a SimLoop runs itself"
            )
        return self.call_soon(callback, *args, context=context)

    def create_task(
        self,
        coro: Generator[Any, None, _T] | Coroutine[Any, Any, _T],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[_T]:
        """Schedule a coroutine; its default name counts within this loop, so that traces of two runs compare."""
        self._tasks_made += 1
        return super().create_task(coro, name=name or f"task-{self._tasks_made}", context=context)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[_Ts]], _T], *args: *_Ts
    ) -> asyncio.Future[_T]:
        """Run `func` on the loop itself, at a drawn moment within `EXECUTOR_SECONDS`."""
        future: asyncio.Future[_T] = self.create_future()

        def run() -> None:
            if future.cancelled():
                return
            try:
                result = func(*args)
            except Exception as error:  # noqa: BLE001 - whatever it raises belongs to who awaits it
                future.set_exception(error)
            else:
                future.set_result(result)

        self.call_later(self._random.random() * EXECUTOR_SECONDS, run)
        return future

    async def getaddrinfo(self, *_: object, **__: object) -> NoReturn:
        """Refuse: a simulation has no network."""
        raise SimulationError("a simulation has no network: script the provider (modelroute.testing.Script) instead")

    async def getnameinfo(self, *_: object, **__: object) -> NoReturn:
        """Refuse: a simulation has no network."""
        raise SimulationError("a simulation has no network: script the provider (modelroute.testing.Script) instead")

    def close(self) -> None:
        """Forget what is still scheduled. Closing twice is harmless."""
        super().close()
        self._runnable.clear()
        self._timers.clear()

    def _refuse_when_closed(self) -> None:
        if self.is_closed():
            raise RuntimeError("Event loop is closed")

    # --------------------------------------------------------------------------------------------------- one round

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self._timers_cancelled += 1
        # Most timers are timeouts that are cancelled long before their time; without this they would pile up.
        if self._timers_cancelled > 100 and self._timers_cancelled * 2 > len(self._timers):
            self._timers = [entry for entry in self._timers if not entry[2].cancelled()]
            heapq.heapify(self._timers)
            self._timers_cancelled = 0

    def _run_once(self) -> None:
        self._collect_due()
        order = self._shuffled()
        try:
            while order:
                handle = order.pop()
                if not handle.cancelled():
                    self._step(handle)
        finally:
            # Only Ctrl-C and the step limit leave a round early; what was ready then still is.
            self._runnable[:0] = reversed(order)

    def _step(self, handle: asyncio.Handle) -> None:
        self.steps += 1
        if self._trace is not None:
            self._trace.append(Step(self._now, _label(handle)))
        handle._run()
        if self.steps >= self._step_limit:
            self._step_limit += self._max_steps  # winding up needs steps too
            raise SimulationError(
                f"the simulation took {self._max_steps:,} steps and is at {self._now:.3f} s: a loop without end? "
                f"Raise max_steps if not. Waiting: {_listed(waiting_tasks(self))}"
            )

    def _collect_due(self) -> None:
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
            self._timers_cancelled = max(0, self._timers_cancelled - 1)
        if not self._runnable:
            if not timers or timers[0][0] == math.inf:
                waiting = waiting_tasks(self)
                raise DeadlockError(
                    f"deadlock at {self._now:.3f} s (seed {self.seed}): nothing is ready and no timer is set. "
                    f"Waiting: {_listed(waiting)}",
                    waiting=waiting,
                )
            self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            handle = heapq.heappop(timers)[2]
            if handle.cancelled():
                self._timers_cancelled = max(0, self._timers_cancelled - 1)
            else:
                self._runnable.append(handle)

    def _shuffled(self) -> list[asyncio.Handle]:
        """Take what is ready, the one to run first at the end."""
        ready, self._runnable = self._runnable, []
        if len(ready) < 2:
            return ready
        plain = [handle for handle in ready if not _is_task_step(handle)]
        self._random.shuffle(ready)
        return [handle if _is_task_step(handle) else plain.pop() for handle in ready]


def run_simulated(
    main: Callable[[], Coroutine[Any, Any, _T]],
    seed: int,
    *,
    trace: list[Step] | None = None,
    max_steps: int = 5_000_000,
) -> _T:
    """Run ``main()`` to its end on a fresh `SimLoop` and return its result, like `asyncio.run`.

    What `main` leaves behind is cancelled and awaited. With a list for `trace`, every step is appended to it.

    Raises:
        DeadlockError: nothing can happen any more; it names the tasks that wait.
        SimulationError: `max_steps` were taken, a callback failed, or a task failed and nobody looked.
    """
    loop: SimLoop | None = None

    def factory() -> asyncio.AbstractEventLoop:
        nonlocal loop
        loop = SimLoop(seed, trace=trace, max_steps=max_steps)
        return loop

    with asyncio.Runner(loop_factory=factory) as runner:
        result = runner.run(main())
    if loop is not None and loop.complaints:
        raise SimulationError(f"errors that nobody looked at (seed {seed}): " + "; ".join(loop.complaints))
    return result


class VirtualClock:
    """A clock for simulations without asyncio: `now()` moves by `sleep()` and by nothing else."""

    __slots__ = ("_now",)

    def __init__(self, start: float = 0.0) -> None:
        self._now = float(start)

    def now(self) -> float:
        """Return the virtual seconds."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass at once. Raises `ValueError` for a negative or endless sleep, as `time.sleep` would."""
        if not 0 <= seconds < math.inf:
            raise ValueError(f"sleep takes a finite number of seconds, not negative, got {seconds!r}")
        self._now += seconds

    def __repr__(self) -> str:
        return f"VirtualClock({self._now!r})"


def check_asyncio() -> None:
    """Raise `SimulationError` when this Python's asyncio lacks what the loop stands on."""
    stands_on = [(kind, name) for kind, names in _STANDS_ON.items() for name in names]
    missing = [f"{kind.__name__}.{name}" for kind, name in stands_on if not hasattr(kind, name)]
    if missing:
        raise SimulationError(
            f"asyncio of this Python has no {', '.join(missing)}, on which SimLoop stands: "
            "use Python 3.11 to 3.13 for simulations, or teach modelroute.testing.loop the new names"
        )


def waiting_tasks(loop: asyncio.AbstractEventLoop) -> tuple[str, ...]:
    """Say of each unfinished task where it waits, outermost call first: ``name: serve > Queue.get (queues.py:158)``."""
    return tuple(sorted(f"{task.get_name()}: {_place(task.get_coro())}" for task in asyncio.all_tasks(loop)))


def _place(awaited: object) -> str:
    names = list[str]()
    where = ""
    while isinstance(awaited, CoroutineType):
        names.append(awaited.__qualname__)
        frame = awaited.cr_frame
        if frame is not None:
            where = f" ({Path(frame.f_code.co_filename).name}:{frame.f_lineno})"
        awaited = awaited.cr_await
    return " > ".join(names) + where


def _listed(waiting: tuple[str, ...]) -> str:
    rest = len(waiting) - _SHOWN
    return "; ".join(waiting[:_SHOWN]) + (f"; and {rest} more" if rest > 0 else "") if waiting else "no task"


def _callback(handle: asyncio.Handle) -> object:
    return getattr(handle, "_callback", None)


def _is_task_step(handle: asyncio.Handle) -> bool:
    return isinstance(getattr(_callback(handle), "__self__", None), asyncio.Task)


def _label(handle: asyncio.Handle) -> str:
    callback = _callback(handle)
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return owner.get_name()
    return getattr(callback, "__qualname__", type(callback).__name__)


def _complain(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    assert isinstance(loop, SimLoop)
    loop.complaints.append(f"{context.get('message', 'error')}" + (f": {error!r}" if error is not None else ""))
