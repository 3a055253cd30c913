"""What one HTTP exchange costs in CPU, ours and the client library's, in the same run against the same server.

`python -m benchmarks.http [calls]`. The server runs in a process of its own and answers without thinking. Figures are
process CPU time per call (and per streamed event), the best of three rounds; only their ratio means anything.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection

import httpx

from modelroute.runtime.http import AsyncHttp, HttpOptions, HttpRequest, Limit, SyncHttp

_BODY = b'{"model":"m","messages":[{"role":"user","content":"Why does this deadlock?"}]}'
_HEADERS = (("authorization", "Bearer k"), ("content-type", "application/json"))
_EVENTS = 200
_EVENT = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":" tok"}}]}\n\n'
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
_ROUNDS = 3


class _Server(asyncio.Protocol):
    """Answers each request: ``/stream`` with events, one write each, everything else with two bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found or len(rest) < len(_BODY):
            return
        self._buffer = rest[len(_BODY) :]
        if head.startswith(b"POST /stream"):
            asyncio.get_running_loop().create_task(self._stream())
        else:
            self._transport.write(_ANSWER)

    async def _stream(self) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        self._transport.write(head)
        for _ in range(_EVENTS):
            self._transport.write(b"%x\r\n%b\r\n" % (len(_EVENT), _EVENT))
            await asyncio.sleep(0.0002)
        self._transport.write(b"0\r\n\r\n")


def _serve(port: Connection) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", 0, backlog=512)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def _best(once: Callable[[], None], count: int) -> float:
    """Return microseconds of CPU per unit: the best of the rounds, after one to warm up."""
    once()
    spent = []
    for _ in range(_ROUNDS):
        begun = time.process_time()
        once()
        spent.append(time.process_time() - begun)
    return min(spent) / count * 1e6


def _sync(url: str, calls: int) -> tuple[float, float]:
    ours, theirs = SyncHttp(HttpOptions()), httpx.Client()
    request = HttpRequest(url=url, headers=_HEADERS, body=_BODY)

    def with_ours() -> None:
        for _ in range(calls):
            exchange = ours.open(request, Limit(time.monotonic() + 30))
            while exchange.read():
                pass

    def with_theirs() -> None:
        for _ in range(calls):
            with theirs.stream("POST", url, headers=dict(_HEADERS), content=_BODY) as response:
                for _ in response.iter_raw():
                    pass

    units = calls * _EVENTS if url.endswith("/stream") else calls
    result = _best(with_ours, units), _best(with_theirs, units)
    ours.close()
    theirs.close()
    return result


def _async(url: str, calls: int, at_once: int) -> tuple[float, float]:
    request = HttpRequest(url=url, headers=_HEADERS, body=_BODY)
    units = calls * _EVENTS if url.endswith("/stream") else calls
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        ours, theirs = AsyncHttp(HttpOptions()), httpx.AsyncClient(timeout=30)

        async def one_of_ours() -> None:
            exchange = await ours.open(request, Limit(loop.time() + 30))
            while await exchange.read():
                pass

        async def one_of_theirs() -> None:
            async with theirs.stream("POST", url, headers=dict(_HEADERS), content=_BODY) as response:
                async for _ in response.aiter_raw():
                    pass

        async def all_of(one: Callable[[], Awaitable[None]]) -> None:
            async def some() -> None:
                for _ in range(calls // at_once):
                    await one()

            await asyncio.gather(*[some() for _ in range(at_once)])

        result = (
            _best(lambda: runner.run(all_of(one_of_ours)), units),
            _best(lambda: runner.run(all_of(one_of_theirs)), units),
        )
        runner.run(ours.aclose())
        runner.run(theirs.aclose())
    return result


def main(calls: int = 1_000) -> None:
    """Print the table."""
    mine, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    server = context.Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{mine.recv()}"
    streams = max(calls // 50, 4)
    rows = [
        ("sync, per call", _sync(url, calls)),
        ("sync, per streamed event", _sync(url + "/stream", streams)),
        ("async, 1 in flight, per call", _async(url, calls, 1)),
        ("async, 64 in flight, per call", _async(url, calls // 64 * 64 or 64, 64)),
        ("async, per streamed event", _async(url + "/stream", streams, 4)),
    ]
    server.terminate()
    server.join()
    print(f"{'CPU in microseconds':32}{'modelroute':>12}{'httpx':>10}{'ratio':>8}")
    for name, (ours, httpx_cost) in rows:
        print(f"{name:32}{ours:12.1f}{httpx_cost:10.1f}{ours / httpx_cost:8.2f}")


if __name__ == "__main__":
    main(*[int(argument) for argument in sys.argv[1:2]])
