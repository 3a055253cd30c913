"""Which httpcore stands underneath, and the few public names of it that are used.

Internal. httpx2's core is taken when httpx2 is installed, httpx's else; both have the same names. Neither `httpx` nor
`httpx2` itself is imported: on our own path a client object would cost about half of all CPU.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote, urlsplit

from modelroute.runtime.http.errors import HttpBroken, HttpUnreachable

if TYPE_CHECKING:
    import ssl

    from modelroute.runtime.http.options import HttpRequest
    from modelroute.runtime.http.wire import Wire

__all__ = [
    "Address",
    "AsyncConnection",
    "AsyncResponse",
    "Core",
    "SyncConnection",
    "SyncResponse",
    "choose_core",
    "load_core",
]

_PORTS = {"http": 80, "https": 443}
_NOTHING = (b"", False)  # as h11 says that it holds no bytes, and has not met the end of the connection
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"<>\\^`{|}')
_HEADER_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[ \t\x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")


class SyncBody(Protocol):
    """The body of a response: iterated once, by a generator, and closed."""

    def __iter__(self) -> Generator[bytes]: ...
    def close(self) -> None: ...


class AsyncBody(Protocol):
    """The body of a response: iterated once, by an asynchronous generator, and closed."""

    def __aiter__(self) -> AsyncGenerator[bytes]: ...
    async def aclose(self) -> None: ...


class SyncResponse(Protocol):
    """What httpcore answers."""

    status: int
    headers: list[tuple[bytes, bytes]]
    stream: SyncBody


class AsyncResponse(Protocol):
    """What httpcore answers."""

    status: int
    headers: list[tuple[bytes, bytes]]
    stream: AsyncBody


class SyncConnection(Protocol):
    """One connection, as httpcore's pool makes it."""

    def handle_request(self, request: object, /) -> SyncResponse:
        """Send, and return when the headers have arrived."""
        ...

    def is_idle(self) -> bool:
        """Whether it may carry another request."""
        ...


class AsyncConnection(Protocol):
    """One connection, as httpcore's pool makes it."""

    async def handle_async_request(self, request: object, /) -> AsyncResponse:
        """Send, and return when the headers have arrived."""
        ...

    def is_idle(self) -> bool:
        """Whether it may carry another request."""
        ...


class SyncFactory(Protocol):
    """httpcore's pool, used for nothing but making connections: TLS and proxies come with it."""

    def create_connection(self, origin: object, /) -> SyncConnection: ...


class AsyncFactory(Protocol):
    """httpcore's pool, used for nothing but making connections: TLS and proxies come with it."""

    def create_connection(self, origin: object, /) -> AsyncConnection: ...


@dataclass(frozen=True, slots=True)
class Address:
    """A URL, taken apart once. `url` and `origin` are httpcore's own values; `key` names the lane."""

    scheme: str
    host: str
    port: int
    host_header: bytes
    url: object
    origin: object

    @property
    def tls(self) -> bool:
        """Whether the origin is spoken to through TLS."""
        return self.scheme == "https"

    @property
    def key(self) -> tuple[str, str, int]:
        """What two URLs share when they may share a connection."""
        return (self.scheme, self.host, self.port)


class Core:
    """The public names of one httpcore."""

    def __init__(self, name: str) -> None:
        module = importlib.import_module(name)
        self.name = name
        self.write_error: type[Exception] = module.WriteError
        self.local_protocol_error: type[Exception] = module.LocalProtocolError
        self.default_ssl_context: Callable[[], ssl.SSLContext] = module.default_ssl_context
        self.sync_pool: Callable[..., SyncFactory] = module.ConnectionPool
        self.async_pool: Callable[..., AsyncFactory] = module.AsyncConnectionPool
        self.proxy: Callable[..., object] = module.Proxy
        self.url: Callable[..., object] = module.URL
        self.origin: Callable[..., object] = module.Origin
        self._request: Callable[..., object] = module.Request
        self.address: Callable[[str], Address] = lru_cache(maxsize=1024)(self._address)

    def client_package(self) -> ModuleType:
        """Return the package of clients above this core, imported on first use."""
        return importlib.import_module(self.name.replace("httpcore", "httpx"))

    def _address(self, url: str) -> Address:
        """Take `url` apart. `HttpUnreachable` when it cannot be one of ours."""
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").encode("idna" if not (parts.hostname or "").isascii() else "ascii")
            port = parts.port
        except ValueError:  # UnicodeError is one
            host, port, parts = b"", None, urlsplit("")
        if not host or parts.scheme not in _PORTS or parts.username is not None:
            raise HttpUnreachable("the URL is not of the form http[s]://host[:port]/path (credentials go in headers)")
        target = (quote(parts.path, safe=_PRINTABLE) or "/") + (
            "?" + quote(parts.query, safe=_PRINTABLE) if parts.query else ""
        )
        bare = b"[%b]" % host if b":" in host else host
        usual = _PORTS[parts.scheme]
        actual = usual if port is None else port
        return Address(
            scheme=parts.scheme,
            host=host.decode("ascii"),
            port=actual,
            host_header=bare if actual == usual else b"%b:%d" % (bare, actual),
            url=self.url(scheme=parts.scheme, host=host, port=actual, target=target),
            origin=self.origin(parts.scheme.encode("ascii"), host, actual),
        )

    @staticmethod
    def holds_bytes(connection: object) -> bool:
        """Whether an idle connection has read more than its answer: its next request would meet what is not its own.

        Neither httpcore tells, and the socket is silent about what was read from it already. So this looks below their
        public names, at h11's own `trailing_data`. Where those names are gone it is False, and such a connection shows
        itself one request later, by an answer that is there before anything was received.
        """
        while (inner := getattr(connection, "_connection", None)) is not None:  # under a proxy there are more of them
            connection = inner
        parser: object = getattr(connection, "_h11_state", None)
        return bool(getattr(parser, "trailing_data", _NOTHING) != _NOTHING)

    def request(self, request: HttpRequest, address: Address, wire: Wire) -> object:
        """Return httpcore's request, its limit riding in the timeouts that httpcore hands unread to every operation."""
        return self._request(
            request.method,
            address.url,
            headers=encoded_headers(request, address),
            content=request.body,
            extensions={"timeout": {"connect": wire, "read": wire, "write": wire}},
        )


def encoded_headers(request: HttpRequest, address: Address) -> Sequence[tuple[bytes, bytes]]:
    """Return the header block to send. An illegal header is refused here: h11 would put its value in the message."""
    headers = [(b"host", address.host_header)]
    named = {"host"}
    failed = False
    for name, value in request.headers:
        lower = name.lower()
        try:
            pair = (name.encode("ascii"), value.encode("latin-1"))
        except UnicodeError:
            failed = True
            break
        if not (_HEADER_NAME.fullmatch(pair[0]) and _HEADER_VALUE.fullmatch(pair[1])):
            failed = True
            break
        if lower == "host":
            headers[0] = pair
        else:
            headers.append(pair)
            named.add(lower)
    if failed:  # raised out of the handler: a UnicodeError keeps the whole text it could not encode
        message = (
            "a header has a name or value with characters HTTP cannot carry; look for line breaks or quotes in a key"
        )
        raise HttpBroken("send", sent=False, any_bytes=False, message=message)
    if "accept-encoding" not in named:
        headers.append((b"accept-encoding", b"identity"))
    if "content-length" not in named and (request.body or request.method in ("POST", "PUT", "PATCH")):
        headers.append((b"content-length", b"%d" % len(request.body)))
    return headers


@cache
def load_core(name: str) -> Core:
    """Return the core of that name (``"httpcore"`` or ``"httpcore2"``), imported on first use."""
    return Core(name)


@cache
def choose_core() -> Core:
    """Return the core to use: httpx2's where it is installed."""
    try:
        return load_core("httpcore2")
    except ImportError:
        return load_core("httpcore")
