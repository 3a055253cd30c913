"""The async twin of `runtime.stream`: the same flow, the same promises, on the running loop."""

from __future__ import annotations

import asyncio
import warnings
from collections import deque
from typing import TYPE_CHECKING

from modelroute.engine.commands import Next
from modelroute.errors import RequestError
from modelroute.runtime.drive_async import AsyncRun
from modelroute.runtime.stream import kept, no_reply, no_text
from modelroute.types.events import TextDelta

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType
    from typing import Self

    from modelroute.engine.commands import Flow
    from modelroute.engine.route import Answered
    from modelroute.errors import ModelRouteError
    from modelroute.runtime.performers import AsyncPerformer
    from modelroute.runtime.reaper import Reaper
    from modelroute.types.decision import Decision
    from modelroute.types.events import StreamEvent
    from modelroute.types.reply import Reply

__all__ = ["AsyncStream"]


class AsyncStream:
    """A streamed answer on the running loop: `async with` it and iterate it with `async for`.

    Everything else is as in `Stream`. Not for use by two tasks at once: the second one's read is a `RequestError`.
    Closing it while another task reads is fine: that task's iteration ends there.
    """

    __slots__ = (
        "_begin", "_busy", "_error", "_left", "_over", "_performer", "_queue", "_reader", "_reaper", "_reply",
        "_restarts", "_run", "decision",
    )  # fmt: skip

    def __init__(
        self,
        decision: Decision,
        begin: Callable[[], tuple[Decision, Flow[Answered]]],
        performer: AsyncPerformer,
        reaper: Reaper,
        *,
        restarts: bool = False,
    ) -> None:
        self.decision = decision
        self._restarts = restarts
        self._begin = begin
        self._performer = performer
        self._reaper = reaper
        self._run: AsyncRun[Answered] | None = None
        self._queue: deque[StreamEvent] = deque()
        self._reply: Reply | None = None
        self._error: ModelRouteError | None = None
        self._over = False
        self._busy = False
        self._reader: asyncio.Task[object] | None = None
        self._left: asyncio.Event | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[StreamEvent]:
        return self

    async def __anext__(self) -> StreamEvent:
        queue = self._queue
        if queue:
            return queue.popleft()
        if not self._over:
            await self._advance()
            if queue:
                return queue.popleft()
        raise StopAsyncIteration

    @property
    def text(self) -> AsyncIterator[str]:
        """The answer's text, piece by piece.

        Raises `RequestError` with ``on_interrupt="restart"``: text alone cannot take words back.
        """
        if self._restarts:
            raise no_text()
        return self._texts()

    async def _texts(self) -> AsyncIterator[str]:
        async for event in self:
            if isinstance(event, TextDelta):
                yield event.text

    @property
    def reply(self) -> Reply:
        """The whole answer.

        Raises `RequestError` while the stream has not been read to its end, and when it was closed or failed before; an
        error that the iteration raised is its `__cause__`.
        """
        if self._reply is None:
            raise no_reply(self._over, self._error) from self._error
        return self._reply

    async def aclose(self) -> None:
        """End the stream and free what it holds. Closing twice, or after the end, does nothing."""
        if self._over:
            return
        self._over = True
        self._queue.clear()
        if self._busy and self._reader is not None:
            self._left = asyncio.Event()
            self._reader.cancel()
            await self._left.wait()
        elif self._run is not None:
            await self._run.unwind()

    async def _advance(self) -> None:
        """Drive the flow until there is something to hand over, or the end."""
        if self._busy:
            raise RequestError("the stream is being read by another task; give each task its own stream")
        self._busy = True
        reader = self._reader = asyncio.current_task()
        try:
            await self._drive()
        except asyncio.CancelledError:
            closed, self._over = self._over, True
            # Closed by another task, which cancelled us for that; a cancellation of our own on top goes on.
            if not closed or reader is None or reader.uncancel() > 0:
                raise
        except BaseException as error:
            self._over = True
            self._error = kept(error)
            raise
        finally:
            self._busy = False
            self._reader = None
            if self._left is not None:
                self._left.set()

    async def _drive(self) -> None:
        run = self._run
        if run is None:
            self.decision, flow = self._begin()
            run = self._run = AsyncRun(flow, self._performer, self._reaper)
            run.start()
        while not run.done:
            await run.step()
            command = run.command
            if not run.done and isinstance(command, Next) and command.deliver:
                self._queue.extend(command.deliver)
                return
        answered = run.value
        self._reply = answered.reply
        self._queue.extend(answered.undelivered)
        self._over = True

    def __del__(self) -> None:
        if getattr(self, "_over", True) or self._run is None:
            return
        self._over = True
        left = self._run.abandon()
        if left is None:
            return
        self._reaper.adopt(*left)
        warnings.warn(
            "a modelroute AsyncStream was dropped before its end; use `async with router.stream(...) as stream:`",
            ResourceWarning,
            stacklevel=2,
            source=self,
        )
