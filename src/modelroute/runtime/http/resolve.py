"""Names to addresses within a limit: `getaddrinfo` cannot be interrupted, so a daemon thread runs it or is left behind.

Internal. Not the loop's executor: `asyncio.run` joins that one at exit, and a hung resolver would hang the program.
The number of threads is capped; who finds all of them hung waits for one until his limit, which is what a hung resolver
deserves. Literal addresses, and so most tests and local servers, take no thread.
"""

from __future__ import annotations

import asyncio
import os
import queue
import socket
import threading
import time
from collections.abc import Callable

from modelroute.runtime.http.errors import HttpTimeout

__all__ = ["Endpoint", "resolve", "resolve_async"]

Endpoint = tuple[int, int, int, tuple[str | int | bytes, ...]]
"""Family, type, protocol and socket address, as `socket.socket` and `connect` take them."""

_THREADS = 32
_Outcome = list[Endpoint] | Exception


class _Slots:
    """How many lookups may run. A child process starts anew: its parent's threads are not in it."""

    def __init__(self) -> None:
        self._free = (os.getpid(), threading.BoundedSemaphore(_THREADS))

    def current(self) -> threading.BoundedSemaphore:
        pid, free = self._free
        if pid != os.getpid():
            pid, free = self._free = (os.getpid(), threading.BoundedSemaphore(_THREADS))
        return free


_slots = _Slots()


def _lookup(host: str, port: int) -> list[Endpoint]:
    found = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    return [(family, kind, protocol, address) for family, kind, protocol, _, address in found]


def _is_literal(host: str) -> bool:
    bare = host.partition("%")[0]
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, bare)
        except (OSError, ValueError):
            continue
        return True
    return False


def _start(host: str, port: int, slots: threading.BoundedSemaphore, deliver: Callable[[_Outcome], None]) -> None:
    """Look up in a thread that owns the slot its starter took."""

    def run() -> None:
        outcome: _Outcome
        try:
            outcome = _lookup(host, port)
        except Exception as error:  # noqa: BLE001 - gaierror, UnicodeError of a label, ValueError of a NUL
            outcome = error
        finally:
            slots.release()
        deliver(outcome)

    try:
        threading.Thread(target=run, name="modelroute-resolve", daemon=True).start()
    except BaseException:
        slots.release()
        raise


def resolve(host: str, port: int, at: float) -> list[Endpoint]:
    """Return the addresses of `host`; `HttpTimeout` at `at` (`time.monotonic()`). Raises what the lookup raised."""
    if _is_literal(host):
        return _lookup(host, port)
    slots = _slots.current()
    if not slots.acquire(timeout=_left(at)):
        raise HttpTimeout("connect")
    answers: queue.SimpleQueue[_Outcome] = queue.SimpleQueue()
    _start(host, port, slots, answers.put)
    try:
        outcome = answers.get(timeout=_left(at))
    except queue.Empty:
        raise HttpTimeout("connect") from None
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _left(at: float) -> float:
    return min(max(at - time.monotonic(), 0.0), 86_400.0)


async def resolve_async(host: str, port: int) -> list[Endpoint]:
    """Return the addresses of `host`. The caller bounds the wait; a thread still looking is left behind."""
    if _is_literal(host):
        return _lookup(host, port)
    slots = _slots.current()
    while not slots.acquire(blocking=False):  # noqa: ASYNC110 - every thread hangs in the system's resolver: rare
        await asyncio.sleep(0.05)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_Outcome] = loop.create_future()

    def settle(outcome: _Outcome) -> None:
        if not answer.done():
            answer.set_result(outcome)

    def deliver(outcome: _Outcome) -> None:
        try:
            loop.call_soon_threadsafe(settle, outcome)
        except RuntimeError:  # the loop closed in the meantime: nobody waits
            return

    _start(host, port, slots, deliver)
    outcome = await answer
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
