"""What a driver needs done: one method per command, for sync and for async.

Simulators and the real runtime both implement it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from modelroute.engine.commands import Batch, Close, Failed, Next, Open, Opened, Reserve, Reserved, Settle, Sleep

__all__ = ["AsyncPerformer", "SyncPerformer"]


class SyncPerformer(Protocol):
    """Executes commands by blocking. Every method answers; only `KeyboardInterrupt` and its like may leave one."""

    def reserve(self, command: Reserve) -> Reserved:
        """Set money aside. Idempotent by reservation id."""
        ...

    def open(self, command: Open) -> Opened | Failed:
        """Send the call and wait for its status; closes what it opened when interrupted."""
        ...

    def next(self, command: Next) -> Batch:
        """Read events until there is one, the end, or a limit."""
        ...

    def close(self, command: Close) -> None:
        """End the exchange. Idempotent."""
        ...

    def settle(self, command: Settle) -> None:
        """Replace the reservation by its cost. Idempotent."""
        ...

    def sleep(self, command: Sleep) -> None:
        """Wait."""
        ...


class AsyncPerformer(Protocol):
    """Executes commands on an event loop. What is done at once is returned, what takes time is awaited.

    `open` and `next` must undo themselves when cancelled; `reserve`, `close` and `settle` are run to their end by the
    driver.
    """

    def reserve(self, command: Reserve) -> Reserved | Awaitable[Reserved]:
        """Set money aside. Idempotent by reservation id."""
        ...

    async def open(self, command: Open) -> Opened | Failed:
        """Send the call and wait for its status; closes what it opened when cancelled."""
        ...

    async def next(self, command: Next) -> Batch:
        """Read events until there is one, the end, or a limit."""
        ...

    def close(self, command: Close) -> Awaitable[None] | None:
        """End the exchange. Idempotent."""
        ...

    def settle(self, command: Settle) -> Awaitable[None] | None:
        """Replace the reservation by its cost. Idempotent."""
        ...

    async def sleep(self, command: Sleep) -> None:
        """Wait."""
        ...

    def keep(self, work: Awaitable[None]) -> None:
        """Track work that finishes behind the caller, so that closing the router waits for it."""
        ...
