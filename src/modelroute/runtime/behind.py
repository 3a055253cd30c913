"""Work that finishes behind its caller: tracked, so that closing a router waits for it and no failure goes unheard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

__all__ = ["PATIENCE", "Behind"]

PATIENCE = 5.0
"""Seconds that closing a router waits for settlements."""

_LOGGER = logging.getLogger("modelroute")


class Behind:
    """Settlements that were slow, on the running loop."""

    def __init__(self) -> None:
        self._work: set[asyncio.Future[None]] = set()

    def keep(self, work: Awaitable[None]) -> None:
        """Track `work` to its end; a failure is logged."""
        task = asyncio.ensure_future(work)
        self._work.add(task)
        task.add_done_callback(self._ended)

    async def settle_behind(self, timeout: float = PATIENCE) -> None:
        """Wait for everything that is still under way, at most `timeout` seconds: a store may hang."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while self._work and loop.time() < end:
            await asyncio.wait(tuple(self._work), timeout=end - loop.time())
        for work in tuple(self._work):
            work.cancel()  # the waiting for it, that is: the settlement goes on, on a thread of the store's own

    def _ended(self, task: asyncio.Future[None]) -> None:
        self._work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOGGER.error("a settlement failed behind its caller: %s", type(error).__name__)
