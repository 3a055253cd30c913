"""A guard that keeps a page on this machine: whatever it asks for beyond loopback fails, and is told at the end.

Raising alone would not do: to a router a refused connection is one more target that is down, and it would move on.
"""

import ipaddress
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import cast

import pytest


class LeftTheMachineError(AssertionError):
    """Something tried to reach an address that is not loopback."""


def is_local(host: object) -> bool:
    """Tell whether a host, as sockets take it, stays on this machine; a name other than localhost does not."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host is None or host in {"", "localhost"}:
        return True
    try:
        address = ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


@contextmanager
def loopback_only(patch: pytest.MonkeyPatch) -> Generator[None, None, None]:
    """Refuse connections and look-ups beyond loopback while the block runs.

    Raises:
        LeftTheMachineError: at the end of the block, naming every host that was tried.
    """
    tried: list[str] = []

    def check(host: object) -> None:
        if not is_local(host):
            tried.append(str(host))
            raise OSError(f"a page may reach loopback only, not {host}")

    real_connect, real_connect_ex = socket.socket.connect, socket.socket.connect_ex
    real_sendto, real_getaddrinfo = socket.socket.sendto, socket.getaddrinfo

    def host_of(address: object) -> object:
        return cast("tuple[object, ...]", address)[0] if isinstance(address, tuple) else None

    def connect(self: socket.socket, address: object) -> None:
        check(host_of(address))
        real_connect(self, address)  # type: ignore[arg-type]  # handed on as it came

    def connect_ex(self: socket.socket, address: object) -> int:
        check(host_of(address))
        return real_connect_ex(self, address)  # type: ignore[arg-type]  # handed on as it came

    def sendto(self: socket.socket, *arguments: object) -> int:
        check(host_of(arguments[-1]))
        return real_sendto(self, *arguments)  # type: ignore[call-overload,no-any-return]  # handed on as it came

    def getaddrinfo(host: object, *arguments: object, **options: object) -> object:
        check(host)
        return real_getaddrinfo(host, *arguments, **options)  # type: ignore[arg-type]  # handed on as it came

    patch.setattr(socket.socket, "connect", connect)
    patch.setattr(socket.socket, "connect_ex", connect_ex)
    patch.setattr(socket.socket, "sendto", sendto)
    patch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield
    if tried:
        raise LeftTheMachineError(f"tried to reach {', '.join(sorted(set(tried)))}")
