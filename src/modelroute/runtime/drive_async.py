"""The async driver: executes a flow's commands on the running loop, and keeps four promises.

- `Reserve`, `Close` and `Settle` are carried through, however often the task is cancelled meanwhile.
- Cancelled anywhere else, it throws `Cancelled` into the flow, carries out what the flow still wants done, and only
  then lets the cancellation go on.
- The losers of a race are ended with the flow, and what they opened is closed.
- A settlement that is slow finishes behind the caller: it is waited for at most `SETTLE_PATIENCE`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from modelroute.engine.commands import (
    Cancelled,
    Close,
    Command,
    Drop,
    Next,
    Open,
    Opened,
    Race,
    Reserve,
    Settle,
    Sleep,
    Won,
)
from modelroute.errors import ModelRouteError, RouterClosedError

if TYPE_CHECKING:
    from modelroute.engine.commands import Flow
    from modelroute.runtime.performers import AsyncPerformer
    from modelroute.runtime.reaper import Reaper

__all__ = ["SETTLE_PATIENCE", "AsyncRun"]

R = TypeVar("R")

SETTLE_PATIENCE = 0.05
"""Seconds a caller waits for a settlement; a slower one finishes behind it, tracked."""


class AsyncRun(Generic[R]):
    """One flow being driven: `start`, then `step` until `done`, then `value`; `unwind` ends it early.

    Not for use by two tasks at once.
    """

    __slots__ = ("_flow", "_pending", "_performer", "_reaper", "_returned", "_was_cancelled", "command", "done")

    def __init__(self, flow: Flow[R], performer: AsyncPerformer, reaper: Reaper | None = None) -> None:
        self._flow = flow
        self._performer = performer
        self._reaper = reaper
        self._pending: dict[int, tuple[Command, asyncio.Task[object]]] = {}
        self._returned: tuple[R] | None = None
        self._was_cancelled = False
        self.command: Command | None = None
        self.done = False

    @property
    def value(self) -> R:
        """What the flow returned. Raises `RouterClosedError` when it was ended before it could."""
        if self._returned is None:
            raise RouterClosedError("the call was ended before it had an answer")
        return self._returned[0]

    def start(self) -> None:
        """Run the flow to its first command."""
        self._send(None)

    async def to_end(self) -> R:
        """Drive the flow to its end and return what it returns; raises what it raises."""
        self._send(None)
        while not self.done:
            await self.step()
        return self.value

    async def step(self) -> None:
        """Execute the command the flow waits at and hand it the result."""
        command = self.command
        if command is None or self.done:
            return
        try:
            if isinstance(command, Next) and not self._pending:
                result: object = await self._performer.next(command)
            else:
                result = await self._perform(command)
        except (asyncio.CancelledError, Exception):
            await self.unwind()
            raise
        except BaseException:
            # The loop is gone or going: nothing can be awaited here any more.
            left = self.abandon()
            if left is not None and self._reaper is not None:
                self._reaper.adopt(*left)
            raise
        try:
            self._send(result)
        except ModelRouteError:
            await self._drop_pending()
            if self._was_cancelled:
                raise asyncio.CancelledError from None
            raise
        if self.done and self._pending:
            await self._drop_pending()
        if self._was_cancelled:
            if isinstance(self.command, Open):
                self.command.fate.unsent = True
            await self.unwind()
            raise asyncio.CancelledError

    async def unwind(self) -> None:
        """End the flow: carry a protected command through, throw `Cancelled`, do what it still wants done.

        Nothing interrupts this; a cancellation that came meanwhile is raised once it is over.
        """
        if self.done or self.command is None:
            return
        before, self._was_cancelled = self._was_cancelled, False
        await self._drop_pending()
        told = False
        waiting = self.command
        try:
            while True:
                if not told and (
                    not isinstance(self.command, Reserve | Close | Drop | Settle)
                    or (isinstance(self.command, Reserve) and self.command is not waiting)
                ):
                    told = True
                    if isinstance(self.command, Open) and self.command is not waiting:
                        self.command.fate.unsent = True
                    self.command = self._flow.throw(Cancelled())
                result = await self._insist(self.command)
                if result is None and isinstance(self.command, Reserve):
                    told = True  # whether it was granted is not known; the lease would end it
                    self.command = self._flow.throw(Cancelled())
                else:
                    self.command = self._flow.send(result)
        except (StopIteration, Cancelled, ModelRouteError):
            pass
        finally:
            self.done = True
            interrupted, self._was_cancelled = self._was_cancelled, before or self._was_cancelled
        if interrupted:
            raise asyncio.CancelledError

    def abandon(self) -> tuple[Flow[R], Command] | None:
        """Give up the flow for another to end, when no loop can run here any more; `None` when it has ended."""
        if self.done or self.command is None:
            return None
        self.done = True
        for _, task in self._pending.values():
            opened = task.result() if task.done() and not task.cancelled() and task.exception() is None else None
            if isinstance(opened, Opened):
                opened.exchange.cut()
        self._pending.clear()
        return self._flow, self.command

    def _send(self, result: object) -> None:
        try:
            self.command = self._flow.send(result)
        except StopIteration as finished:
            self.done = True
            self._returned = (finished.value,)
        except BaseException:
            self.done = True
            raise

    async def _perform(self, command: Command) -> object:
        performer = self._performer
        if isinstance(command, Reserve):
            return await self._carried_through(performer.reserve(command))
        if isinstance(command, Settle):
            return await self._carried_through(performer.settle(command), patience=SETTLE_PATIENCE)
        if isinstance(command, Close):
            await self._drop_pending(command)
            return await self._carried_through(performer.close(command))
        if isinstance(command, Race):
            return await self._race(command)
        if isinstance(command, Drop):
            await self._drop_pending(command)
            return None
        waiting = self._pending.get(id(command))
        if waiting is None:
            return await self._begin(command)
        result = await waiting[1]  # known as pending until here: what it opens while we are cancelled is closed
        del self._pending[id(command)]
        return result

    async def _insist(self, command: Command) -> object:
        """Execute `command` whatever happens to this task, once more when it fails; `None` when it fails again."""
        for _ in range(2):
            try:
                if isinstance(command, Next | Open | Sleep):
                    return await self._carried_through(self._begin(command))
                return await self._perform(command)
            except Exception:  # noqa: BLE001, S112 - the flow is ended whatever is raised; what began this is raised later
                continue
        return None

    def _begin(self, command: Next | Open | Sleep) -> Coroutine[object, object, object]:
        if isinstance(command, Next):
            return self._performer.next(command)
        if isinstance(command, Open):
            return self._performer.open(command)
        return self._performer.sleep(command)

    async def _carried_through(self, answer: object, *, patience: float | None = None) -> object:
        """Wait for `answer` whatever happens to this task; remember that it was cancelled.

        Beyond `patience` it goes on alone.
        """
        if not isinstance(answer, Awaitable):
            return answer
        task: asyncio.Future[object] = asyncio.ensure_future(cast(Awaitable[object], answer))
        loop = asyncio.get_running_loop()
        end = None if patience is None else loop.time() + patience
        while not task.done():
            left = None if end is None else end - loop.time()
            if left is not None and left <= 0:
                self._performer.keep(cast("asyncio.Future[None]", task))
                return None
            try:
                await asyncio.wait((task,), timeout=left)
            except asyncio.CancelledError:
                self._was_cancelled = True
        return task.result()

    async def _race(self, command: Race) -> Won:
        tasks: list[asyncio.Task[object]] = []
        for entrant in command.commands:
            waiting = self._pending.get(id(entrant))
            task = asyncio.ensure_future(self._begin(entrant)) if waiting is None else waiting[1]
            self._pending[id(entrant)] = (entrant, task)
            tasks.append(task)
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        index = next(index for index, task in enumerate(tasks) if task.done())
        del self._pending[id(command.commands[index])]
        return Won(index, tasks[index].result())

    async def _drop_pending(self, of: Close | Drop | None = None) -> None:
        """End losers of races: those that read the exchange being closed, the one named, or all.

        What they opened is closed.
        """
        for key, (command, task) in list(self._pending.items()):
            if isinstance(of, Drop) and command is not of.loser:
                continue
            if isinstance(of, Close) and not (isinstance(command, Next) and command.exchange is of.exchange):
                continue
            task.cancel()
            while not task.done():
                try:
                    await asyncio.wait((task,))
                except asyncio.CancelledError:
                    self._was_cancelled = True
            self._pending.pop(key, None)
            if not task.cancelled() and task.exception() is None:
                result = task.result()
                if isinstance(result, Opened):
                    await self._carried_through(self._performer.close(Close(result.exchange)))
