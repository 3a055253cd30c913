"""Work that finishes behind its caller: tracked, so that closing a router waits for it and no failure goes unheard."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

__all__ = ["Behind"]

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

    async def settle_behind(self) -> None:
        """Wait for everything that is still under way."""
        while self._work:
            await asyncio.wait(tuple(self._work))

    def _ended(self, task: asyncio.Future[None]) -> None:
        self._work.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOGGER.error("a settlement failed behind its caller: %s", type(error).__name__)
