"""A provider on a real socket that behaves as badly as asked, and remembers what it saw.

```python
with FaultServer() as server:
    server.script("gpt-test", ["503", "429_retry_after", ok("Hello", pieces=4)])  # one per request, the last repeats
    ...  # any client, sync or async, at server.url
    server.wait_idle()
    assert [seen.behaviour for seen in server.requests] == ["503", "429_retry_after", "ok"]
```

It speaks OpenAI's chat completions and embeddings and Anthropic's messages, whole and streamed, over plain HTTP/1.1 on
loopback, from a thread of its own. ``python -m modelroute.testing.server --port 0`` serves until interrupted: see
`modelroute.testing.serving`.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self

from modelroute.errors import ConfigurationError, ModelRouteError
from modelroute.testing.exchange import ClientGoneError, Ending, Exchange, Head, Link, Record, SeenRequest
from modelroute.testing.fault import Fault
from modelroute.testing.faults import FAULTS, find

__all__ = ["FaultServer", "SeenRequest", "ServerBusyError", "main"]

TLS_HELLO = b"\x16"


class ServerBusyError(ModelRouteError, TimeoutError):
    """The server did not come to rest in time. The message names what is unfinished."""


class FaultServer:
    """A scripted provider on loopback; a context manager.

    A request is answered by the script of its path's prefix (``"/flaky"``, see `url_for`), else by that of its model,
    else by the fault that its model names, else by `default`. Nothing is shared between two servers.

    All methods may be called from any thread; none needs an event loop. In async code, call `wait_idle`, which blocks,
    through `asyncio.to_thread`.

    `on_ended` gets each request when nothing more will be said to it, on the server's thread. `remember`: how many
    requests `requests` keeps, the latest; `None` for all, as a test wants it. `only`: the faults that a model may name,
    by default every one.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        default: Fault | str = "ok",
        on_ended: Callable[[SeenRequest], object] | None = None,
        remember: int | None = None,
        only: Sequence[Fault | str] | None = None,
    ) -> None:
        self._wanted_port = port
        self._default = find(default)
        self._named = FAULTS if only is None else {one.name: one for one in map(find, only)}
        self._scripts: dict[str, tuple[Fault, ...]] = {}
        self._turns: dict[str, int] = {}
        self._records: deque[Record] = deque(maxlen=remember)
        self._under_way: dict[int, Record] = {}
        self._requests = 0
        self._on_ended = on_ended
        self._open: set[int] = set()
        self._connections = 0
        self._crashes: list[Exception] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._listening: socket.socket | None = None
        self._begun = 0.0

    # ---------------------------------------------------------------------------------------------------- lifecycle

    def start(self) -> Self:
        """Listen and serve. Raises `ConfigurationError` when the server already runs."""
        if self._thread is not None:
            raise ConfigurationError("this FaultServer is already running: one `with` at a time, or make another")
        self._listening = socket.create_server(("127.0.0.1", self._wanted_port), backlog=512)
        self._listening.setblocking(False)
        self._begun = time.monotonic()
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._serve, args=(self._listening, ready), name="fault-server", daemon=True
        )
        self._thread.start()
        ready.wait()
        return self

    def close(self) -> None:
        """Close every connection, hanging ones too, and end the thread. Closing twice is harmless."""
        thread, self._thread = self._thread, None
        if thread is None or self._loop is None or self._stop is None:
            return
        with suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._stop.set)
        thread.join()
        self._loop = self._stop = self._listening = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        if error is None and self._crashes:
            raise self._crashes[0]

    # ------------------------------------------------------------------------------------------------------ scripting

    def script(self, key: str, behaviours: Sequence[Fault | str]) -> None:
        """Set what a model (``"gpt-test"``) or a path prefix (``"/flaky"``) meets: one per request, the last repeats.

        The script starts from its beginning. Raises `ConfigurationError` for no behaviours, `UnknownNameError` for a
        name that is no fault.
        """
        if isinstance(behaviours, str) or not behaviours:
            raise ConfigurationError(
                "a script is a list of one behaviour or more: server.script('model', ['503', 'ok'])"
            )
        found = tuple(find(behaviour) for behaviour in behaviours)
        with self._changed:
            self._scripts[key] = found
            self._turns[key] = 0

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._listening is None:
            raise ConfigurationError("this FaultServer is not running: use it as `with FaultServer() as server:`")
        port: int = self._listening.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """The base URL for a client, ending in ``/v1``."""
        return self.url_for("")

    @property
    def tls_url(self) -> str:
        """The same with ``https``: the server closes in the middle of the handshake."""
        return self.url.replace("http://", "https://", 1)

    def url_for(self, prefix: str) -> str:
        """Return the base URL under a path prefix (``"/flaky"``), whose script then answers whatever the model."""
        return f"http://127.0.0.1:{self.port}{prefix.rstrip('/')}/v1"

    # ------------------------------------------------------------------------------------------------------ observing

    @property
    def requests(self) -> list[SeenRequest]:
        """The requests so far, in the order of arrival, those under way included; the latest `remember` of them."""
        with self._changed:
            return [record.frozen() for record in self._records]

    @property
    def open_connections(self) -> int:
        """Connections that neither side has closed."""
        with self._changed:
            return len(self._open)

    @property
    def connections(self) -> int:
        """Connections accepted so far."""
        with self._changed:
            return self._connections

    def wait_idle(self, timeout: float = 5.0, *, connections: int | None = None) -> None:
        """Wait until no request is under way and, if asked, at most so many `connections` are open.

        Raises `ServerBusyError` after `timeout` seconds, naming what is left.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_idle(connections), timeout):
                left = [f"{one.number} ({one.behaviour or 'unread'})" for one in self._under_way.values()]
                raise ServerBusyError(
                    f"not idle after {timeout} s: requests under way: {', '.join(left) or 'none'}; "
                    f"open connections: {len(self._open)}"
                )

    def _is_idle(self, connections: int | None) -> bool:
        return not self._under_way and (connections is None or len(self._open) <= connections)

    # --------------------------------------------------------------------------------------- the server's own thread

    def _serve(self, listening: socket.socket, ready: threading.Event) -> None:
        # Whatever loop the tested program prefers, sockets are this one's.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._accept(listening, ready))

    async def _accept(self, listening: socket.socket, ready: threading.Event) -> None:
        loop = asyncio.get_running_loop()
        self._loop, self._stop = loop, asyncio.Event()
        tasks = set[asyncio.Task[None]]()
        loop.add_reader(listening, self._accept_all, listening, tasks)
        ready.set()
        await self._stop.wait()
        loop.remove_reader(listening)
        listening.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _accept_all(self, listening: socket.socket, tasks: set[asyncio.Task[None]]) -> None:
        with suppress(BlockingIOError):
            while True:
                accepted, _ = listening.accept()
                accepted.setblocking(False)
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._changed:
                    self._connections += 1
                    link = Link(accepted, self._connections)
                    self._open.add(link.number)
                task = asyncio.get_running_loop().create_task(self._attend(link))
                tasks.add(task)
                # Not in a `finally` of the task: one that is cancelled before its first step has none.
                task.add_done_callback(partial(self._release, link, tasks))

    def _release(self, link: Link, tasks: set[asyncio.Task[None]], task: asyncio.Task[None]) -> None:
        link.close()
        tasks.discard(task)
        with self._changed:
            self._open.discard(link.number)
            self._changed.notify_all()
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._crashes.append(error)

    async def _attend(self, link: Link) -> None:
        while first := await link.wait_for_bytes():
            if link.stale:
                link.close(reset=True)
            elif first != TLS_HELLO and await self._exchange(link):
                continue
            break

    async def _exchange(self, link: Link) -> bool:
        """Answer one request; whether the connection waits for another."""
        try:
            head = Head.parse(await link.take_until(b"\r\n\r\n"))
        except (ClientGoneError, ValueError):
            return False
        with self._changed:
            self._requests += 1
            record = Record(self._requests, link.number, time.monotonic() - self._begun, head)
            self._records.append(record)
            self._under_way[record.number] = record
        exchange = Exchange(link, record, keep_alive=head.headers.get("connection", "").lower() != "close")
        ending: Ending = "stopped"
        try:
            await self._play(exchange)
            ending = "answered"
        except ClientGoneError:
            record.client_closed_early = True
            ending = "client left"
            return False
        finally:
            with self._changed:
                record.end(ending, time.monotonic() - self._begun)
                del self._under_way[record.number]
                self._changed.notify_all()
            if self._on_ended is not None:
                self._on_ended(record.frozen())
        return exchange.keep_alive

    async def _play(self, exchange: Exchange) -> None:
        prefix = self._prefix(exchange.head.path)
        behaviour = self._next(prefix, exchange) if prefix else None
        if behaviour is None or not behaviour.before_body:
            await exchange.read_body()
        if behaviour is None:
            behaviour = self._next(exchange.model, exchange)
        exchange.record.behaviour = behaviour.name
        if exchange.head.method == "GET" and exchange.head.path.endswith("/models"):
            await exchange.reply(200, self._models())
        else:
            await behaviour.play(exchange)

    def _prefix(self, path: str) -> str:
        with self._changed:
            fitting = [key for key in self._scripts if key.startswith("/") and path.startswith(key.rstrip("/") + "/")]
        return max(fitting, key=len, default="")

    def _next(self, key: str, exchange: Exchange) -> Fault:
        with self._changed:
            self._turns[key] = exchange.turn = self._turns.get(key, 0) + 1
            script = self._scripts.get(key) or (self._named.get(key, self._default),)
        return script[min(exchange.turn, len(script)) - 1]

    def _models(self) -> bytes:
        with self._changed:
            names = sorted({*self._named, *(key for key in self._scripts if not key.startswith("/"))})
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "modelroute.testing"} for name in names]
        return json.dumps({"object": "list", "data": data}).encode()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve faults until interrupted, or list them: `modelroute.testing.serving.main`."""
    from modelroute.testing import serving

    return serving.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
