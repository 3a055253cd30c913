"""A link that fails as networks do: a proxy on a socket that delays, drips, cuts, swallows and garbles."""

import contextlib
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Link:
    """Stands between a client and the server on the unix socket `behind`. Its faults are set while it runs.

    `cut_asking`, `cut_answering`: bytes let through in a connection's life before it is reset. `delay`: seconds before
    each piece of an answer. `drip`: answers come a byte at a time, with so many seconds between. `garble`: the first
    byte of each answer is another. `swallow`: nothing is answered. `deaf`: connections are taken and never read.
    `cut_replies`: a reset comes instead of a script's reply, which begins with a star.
    """

    behind: str
    cut_asking: int | None = None
    cut_answering: int | None = None
    delay: float = 0.0
    drip: float = 0.0
    garble: bytes = b""
    swallow: bool = False
    deaf: bool = False
    cut_replies: bool = False
    port: int = 0
    connections: int = 0
    _sockets: list[socket.socket] = field(default_factory=list[socket.socket])

    def __enter__(self) -> Self:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(64)
        self.port = int(self._listener.getsockname()[1])
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        self.reset()
        for thread in self._threads:
            thread.join()

    def heal(self) -> None:
        self.cut_asking = self.cut_answering = None
        self.delay = self.drip = 0.0
        self.garble, self.swallow, self.deaf, self.cut_replies = b"", False, False, False
        self.reset()

    def reset(self) -> None:
        """Reset every connection there is."""
        while self._sockets:
            _reset(self._sockets.pop())

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.behind)
            self._sockets += [client, server]
            for source, sink, asking in ((client, server, True), (server, client, False)):
                thread = threading.Thread(target=self._pass_on, args=(source, sink), kwargs={"asking": asking})
                self._threads.append(thread)
                thread.start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, *, asking: bool) -> None:
        passed = 0
        try:
            while data := source.recv(65536):
                if asking and self.deaf:
                    continue
                cut = self.cut_asking if asking else self.cut_answering
                if cut is not None and passed + len(data) > cut:
                    sink.sendall(data[: max(0, cut - passed)])
                    time.sleep(0.002)  # what was let through arrives before the reset
                    break
                if not asking and self.cut_replies and data.startswith(b"*"):
                    break
                passed += len(data)
                if not asking:
                    self._answer(sink, data)
                else:
                    sink.sendall(data)
        except OSError:
            pass
        _reset(source)
        _reset(sink)

    def _answer(self, sink: socket.socket, data: bytes) -> None:
        if self.swallow:
            return
        if self.garble:
            data = self.garble + data[1:]
        end = time.monotonic() + self.delay
        while self.delay and time.monotonic() < end:
            time.sleep(0.01)
        for byte in data if self.drip else ():
            sink.sendall(bytes([byte]))
            time.sleep(self.drip)
        if not self.drip:
            sink.sendall(data)


def _reset(link: socket.socket) -> None:
    with contextlib.suppress(OSError):
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        link.shutdown(socket.SHUT_RDWR)
    link.close()
