"""CPU per call and per streamed chunk, against the bare HTTP client in the same run.

Sync and async, 1 and 64 in flight.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

from benchmarks.upstream import CHUNKS, upstream
from modelroute import AsyncRouter, Model, Policy, Price, Provider, Router, Scenario

__all__ = ["Row", "measure"]

ROUNDS = 5
CALLS = 400
STREAMS = 40


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: microseconds of CPU, ours and the bare client's, medians over interleaved rounds."""

    what: str
    ours: float
    bare: float

    @property
    def ratio(self) -> float:
        """Ours over the bare client's."""
        return self.ours / self.bare


_BODY = json.dumps({"model": "bench", "messages": [{"role": "user", "content": "hello"}], "stream": True}).encode()
_HEADERS = {"content-type": "application/json", "authorization": "Bearer sk-bench"}


def _providers(url: str) -> list[Provider]:
    return [
        Provider.compatible(
            url, name="bench", key="sk-bench", price=Price(input=1, output=2),
            models=[Model("bench", context_window=100_000, max_output=8_000)],
        )
    ]  # fmt: skip


_POLICY = Policy(default=Scenario())


def _cpu(run: Callable[[], None], calls: int) -> float:
    started = time.process_time()
    run()
    return (time.process_time() - started) / calls * 1e6


def _paired(what: str, ours: Callable[[], None], bare: Callable[[], None], calls: int) -> Row:
    ours()
    bare()
    pairs = [(_cpu(ours, calls), _cpu(bare, calls)) for _ in range(ROUNDS)]
    return Row(what, statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs))


def _sync_rows(url: str) -> list[Row]:
    rows: list[Row] = []
    with (
        Router(_providers(url), policy=_POLICY) as router,
        Router(_providers(f"{url}/long"), policy=_POLICY) as long,
        httpx.Client(timeout=30) as client,
    ):

        def bare() -> None:
            for _ in range(CALLS):
                client.post(f"{url}/chat/completions", content=_BODY, headers=_HEADERS).read()

        def bare_long() -> None:
            for _ in range(STREAMS):
                with client.stream("POST", f"{url}/long/chat/completions", content=_BODY, headers=_HEADERS) as response:
                    for line in response.iter_lines():
                        if line.startswith("data: {"):
                            json.loads(line[6:])

        def plain() -> None:
            for _ in range(CALLS):
                router.chat("hello")

        def ceiling() -> None:
            for _ in range(CALLS):
                router.chat("hello", max_cost=0.1)

        def streamed() -> None:
            for _ in range(STREAMS):
                with long.stream("hello") as stream:
                    for _ in stream:
                        pass

        rows.append(_paired("sync chat, 1 in flight", plain, bare, CALLS))
        rows.append(_paired("sync chat under a ceiling", ceiling, bare, CALLS))
        rows.append(_paired("sync stream, per chunk", streamed, bare_long, STREAMS * CHUNKS))
    return rows


async def _flood(one: Callable[[], Awaitable[object]], calls: int, in_flight: int) -> None:
    async def worker(share: int) -> None:
        for _ in range(share):
            await one()

    await asyncio.gather(*(worker(calls // in_flight) for _ in range(in_flight)))


async def _async_pair(  # noqa: PLR0917 - one row of the table, read as one line
    what: str, ours: Callable[[], Awaitable[object]], bare: Callable[[], Awaitable[object]], calls: int, in_flight: int,
    per: int = 1,
) -> Row:  # fmt: skip
    found: list[tuple[float, float]] = []
    for number in range(ROUNDS + 1):
        figures: list[float] = []
        for one in (ours, bare):
            started = time.process_time()
            await _flood(one, calls, in_flight)
            figures.append((time.process_time() - started) / calls / per * 1e6)
        if number:
            found.append((figures[0], figures[1]))
    return Row(what, statistics.median(pair[0] for pair in found), statistics.median(pair[1] for pair in found))


async def _async_rows(url: str) -> list[Row]:
    rows: list[Row] = []
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with (
        AsyncRouter(_providers(url), policy=_POLICY) as router,
        AsyncRouter(_providers(f"{url}/long"), policy=_POLICY) as long,
        httpx.AsyncClient(timeout=30, limits=limits) as client,
    ):

        async def bare() -> None:
            await (await client.post(f"{url}/chat/completions", content=_BODY, headers=_HEADERS)).aread()

        async def bare_long() -> None:
            async with client.stream(
                "POST", f"{url}/long/chat/completions", content=_BODY, headers=_HEADERS
            ) as response:
                async for line in response.aiter_lines():
                    if line.startswith("data: {"):
                        json.loads(line[6:])

        async def streamed() -> None:
            async with long.stream("hello") as stream:
                async for _ in stream:
                    pass

        async def plain() -> None:
            await router.chat("hello")

        rows.append(await _async_pair("async chat, 1 in flight", plain, bare, CALLS, 1))
        rows.append(await _async_pair("async chat, 64 in flight", plain, bare, 640, 64))
        rows.append(await _async_pair("async stream, per chunk", streamed, bare_long, STREAMS, 1, CHUNKS))
        rows.append(await _async_pair("async stream, per chunk, 64 in flight", streamed, bare_long, 128, 64, CHUNKS))
    return rows


def measure() -> list[Row]:
    """Run every comparison and return its rows."""
    with upstream() as url:
        rows = _sync_rows(url)
        rows += asyncio.run(_async_rows(url))
    return rows


if __name__ == "__main__":
    for row in measure():
        print(f"{row.what:40s} {row.ours:9.1f} us {row.bare:9.1f} us  x{row.ratio:.2f}")
