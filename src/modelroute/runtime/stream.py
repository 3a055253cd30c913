"""A streamed answer in the caller's hands: typed events as they come, text alone, and the whole reply at the end.

A stream opens when it is first read. Leaving its block frees connection, slot and reservation at once; dropping it
without does so when the last reference goes, with a `ResourceWarning`.
"""

from __future__ import annotations

import warnings
from collections import deque
from copy import copy
from typing import TYPE_CHECKING

from modelroute.engine.commands import Next
from modelroute.errors import ModelRouteError, RequestError
from modelroute.runtime.drive import perform, unwind
from modelroute.types.events import TextDelta

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Self

    from modelroute.engine.commands import Command, Flow
    from modelroute.engine.route import Answered
    from modelroute.runtime.performers import SyncPerformer
    from modelroute.runtime.reaper import Reaper
    from modelroute.types.decision import Decision
    from modelroute.types.events import StreamEvent
    from modelroute.types.reply import Reply

__all__ = ["Stream", "kept", "no_reply", "no_text"]


def kept(error: BaseException) -> ModelRouteError | None:
    """Return an error of ours to keep: a copy, whose traceback does not hold the stream that holds it."""
    return copy(error) if isinstance(error, ModelRouteError) else None


def no_reply(over: bool, error: ModelRouteError | None) -> RequestError:
    """Return the error for a stream without a reply, which says why there is none."""
    if not over:
        return RequestError("the stream has not been read to its end: iterate it first, then read .reply")
    if error is None:
        return RequestError("the stream was closed before its end, so there is no reply")
    return RequestError(f"the stream failed with {type(error).__name__}, so there is no reply; its iteration raised it")


def no_text() -> RequestError:
    """Return the error for reading the text alone of a stream that may take words back."""
    return RequestError(
        'with on_interrupt="restart" this stream may begin anew, and .text could not say so: iterate the stream itself '
        'and void what you have at Restarted, or ask with on_interrupt="buffer" or "raise"'
    )


class Stream:
    """A streamed answer. Use it as a context manager and iterate it.

    Iterating yields `TextDelta`, `ReasoningDelta` and `ToolCallDelta`, and with ``on_interrupt="restart"`` a
    `Restarted` where all before it is void; `text` iterates the text alone. `reply` is the whole `Reply` once the
    iteration has ended. `decision` is known from the start.

    Iterating raises what `chat` raises; after content was handed over a failure is a `StreamInterruptedError` whose
    `.partial` holds what arrived. Not for use by two threads at once.
    """

    __slots__ = (
        "_begin", "_command", "_error", "_flow", "_over", "_performer", "_queue", "_reaper", "_reply", "_restarts",
        "decision",
    )  # fmt: skip

    def __init__(
        self,
        decision: Decision,
        begin: Callable[[], tuple[Decision, Flow[Answered]]],
        performer: SyncPerformer,
        reaper: Reaper,
        *,
        restarts: bool = False,
    ) -> None:
        self.decision = decision
        self._restarts = restarts
        self._begin = begin
        self._performer = performer
        self._reaper = reaper
        self._flow: Flow[Answered] | None = None
        self._command: Command | None = None
        self._queue: deque[StreamEvent] = deque()
        self._reply: Reply | None = None
        self._error: ModelRouteError | None = None
        self._over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    def __next__(self) -> StreamEvent:
        queue = self._queue
        if queue:
            return queue.popleft()
        if not self._over:
            self._advance()
            if queue:
                return queue.popleft()
        raise StopIteration

    @property
    def text(self) -> Iterator[str]:
        """The answer's text, piece by piece.

        Raises `RequestError` with ``on_interrupt="restart"``: text alone cannot take words back.
        """
        if self._restarts:
            raise no_text()
        return (event.text for event in self if isinstance(event, TextDelta))

    @property
    def reply(self) -> Reply:
        """The whole answer.

        Raises `RequestError` while the stream has not been read to its end, and when it was closed or failed before; an
        error that the iteration raised is its `__cause__`.
        """
        if self._reply is None:
            raise no_reply(self._over, self._error) from self._error
        return self._reply

    def close(self) -> None:
        """End the stream and free what it holds. Closing twice, or after the end, does nothing."""
        if self._over:
            return
        self._over = True
        self._queue.clear()
        flow, command = self._flow, self._command
        if flow is not None and command is not None:
            unwind(flow, command, self._performer)

    def _advance(self) -> None:
        """Drive the flow until there is something to hand over, or the end."""
        flow, command = self._flow, self._command
        try:
            if flow is None or command is None:
                self.decision, flow = self._begin()
                self._flow = flow
                command = self._command = next(flow)
            while True:
                try:
                    result = perform(self._performer, command)
                except BaseException:
                    self._over = True
                    unwind(flow, command, self._performer)
                    raise
                command = self._command = flow.send(result)
                if isinstance(command, Next) and command.deliver:
                    self._queue.extend(command.deliver)
                    return
        except StopIteration as finished:
            answered: Answered = finished.value
            self._reply = answered.reply
            self._queue.extend(answered.undelivered)
            self._over = True
        except BaseException as error:
            self._over = True
            self._error = kept(error)
            raise

    def __del__(self) -> None:
        if getattr(self, "_over", True) or self._flow is None or self._command is None:
            return
        self._over = True
        self._reaper.adopt(self._flow, self._command)
        warnings.warn(
            "a modelroute Stream was dropped before its end; use `with router.stream(...) as stream:`",
            ResourceWarning,
            stacklevel=2,
            source=self,
        )
