"""A client of bytes: what a fault puts on the wire, seen without any library between."""

import json
import socket
import time
from dataclasses import dataclass
from typing import Literal

from modelroute.testing.server import FaultServer

PATHS = {"openai": "/chat/completions", "anthropic": "/messages"}


@dataclass(frozen=True, slots=True)
class Answer:
    """All bytes that came, and how it ended: the server closed, reset, or was left talking (or silent) at the limit."""

    data: bytes
    ended: Literal["closed", "reset", "left"]
    seconds: float

    @property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0]

    @property
    def status(self) -> int:
        return int(self.data.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    @property
    def body(self) -> bytes:
        """The body with its chunks put together, as far as they are whole."""
        rest = self.data.partition(b"\r\n\r\n")[2]
        return unchunked(rest) if "chunked" in self.headers.get("transfer-encoding", "") else rest


def unchunked(rest: bytes) -> bytes:
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        if not size or int(size, 16) == 0:
            break
        body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return body


def request_bytes(
    model: str, *, stream: bool = True, dialect: str = "openai", keep: bool = False, role: str = "user"
) -> bytes:
    body = json.dumps({"model": model, "stream": stream, "messages": [{"role": role, "content": "Hi"}]}).encode()
    lines = [
        f"POST /v1{PATHS[dialect]} HTTP/1.1",
        "Host: localhost",
        "Authorization: Bearer sk-planted",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *([] if keep else ["Connection: close"]),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def read(connection: socket.socket, limit: float) -> Answer:
    begun, data = time.monotonic(), bytearray()
    while (left := begun + limit - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            part = connection.recv(1 << 20)
        except TimeoutError:
            break
        except ConnectionError:
            return Answer(bytes(data), "reset", time.monotonic() - begun)
        if not part:
            return Answer(bytes(data), "closed", time.monotonic() - begun)
        data += part
    return Answer(bytes(data), "left", time.monotonic() - begun)


def ask(
    server: FaultServer,
    model: str,
    *,
    stream: bool = True,
    dialect: str = "openai",
    limit: float = 5.0,
    role: str = "user",
) -> Answer:
    """Ask once on a fresh connection and read until the server ends it, or for `limit` seconds."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(request_bytes(model, stream=stream, dialect=dialect, role=role))
        return read(connection, limit)
