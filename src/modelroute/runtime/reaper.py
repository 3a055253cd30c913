"""Ends the flows of streams that were dropped without being closed: their reservations become presumed spend.

A dropped stream is noticed by the garbage collector, in any thread and at any point, so nothing is done there but
cutting its connection and noting the flow down; the flow is ended at the router's next call or when the router is
closed. The lease is the guarantee, this is the courtesy.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from modelroute.engine.commands import Next, Race
from modelroute.runtime.drive import unwind

if TYPE_CHECKING:
    from collections.abc import Generator

    from modelroute.engine.commands import Command
    from modelroute.runtime.performers import SyncPerformer

__all__ = ["Reaper"]


class Reaper:
    """Flows nobody will drive any more, to be ended with `performer`."""

    __slots__ = ("_abandoned", "_performer", "count")

    def __init__(self, performer: SyncPerformer) -> None:
        self._performer = performer
        self._abandoned: deque[tuple[Generator[Command, object, object], Command]] = deque()
        self.count = 0

    def adopt(self, flow: Generator[Command, object, object], command: Command) -> None:
        """Take over `flow`, which waits at `command`, and cut its connection. Safe to call from a finalizer."""
        self._abandoned.append((flow, command))
        for read in command.commands if isinstance(command, Race) else (command,):
            if isinstance(read, Next):
                read.exchange.cut()

    def collect(self) -> None:
        """End every flow taken over so far."""
        while self._abandoned:
            try:
                flow, command = self._abandoned.popleft()
            except IndexError:
                return
            self.count += 1
            unwind(flow, command, self._performer)
