"""Which connections each target uses: one HTTP client per set of options, shared by the targets that have the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from modelroute.errors import ConfigurationError
from modelroute.runtime.http import AsyncHttp, HttpOptions, SyncHttp

if TYPE_CHECKING:
    from modelroute.providers.endpoint import Endpoint
    from modelroute.runtime.http import HttpRequest, Limit

__all__ = [
    "AsyncConnections",
    "AsyncRoutes",
    "AsyncSource",
    "SyncConnections",
    "SyncRoutes",
    "SyncSource",
    "async_routes",
    "sync_routes",
]


class SyncSource(Protocol):
    """The answer to one request: its status, headers by lower-case name, and its body piece by piece."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Values by lower-case name."""
        ...

    def read(self) -> bytes:
        """Return the next bytes of the body, ``b""`` at its end."""
        ...

    def close(self) -> None:
        """End it; the connection is kept when the body was read to its end."""
        ...

    def abort(self) -> None:
        """Cut it now, from any thread."""
        ...


class SyncConnections(Protocol):
    """What sends requests: `SyncHttp`, or a script in its place. Raises `HttpError`s and nothing else."""

    def open(self, request: HttpRequest, limit: Limit) -> SyncSource:
        """Send `request` and return the answer once its headers are here."""
        ...

    def close(self) -> None:
        """Close idle connections."""
        ...


class AsyncSource(Protocol):
    """`SyncSource` on an event loop; `abort` cuts it from anywhere."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Values by lower-case name."""
        ...

    async def read(self) -> bytes:
        """Return the next bytes of the body, ``b""`` at its end."""
        ...

    async def aclose(self) -> None:
        """End it; the connection is kept when the body was read to its end."""
        ...

    def abort(self) -> None:
        """Cut the connection, from any thread."""
        ...


class AsyncConnections(Protocol):
    """`SyncConnections` on an event loop."""

    async def open(self, request: HttpRequest, limit: Limit) -> AsyncSource:
        """Send `request` and return the answer once its headers are here."""
        ...

    async def aclose(self) -> None:
        """Close idle connections."""
        ...


class SyncRoutes(dict[str, "tuple[Endpoint, SyncConnections]"]):
    """Endpoint and connections by target."""

    def close(self) -> None:
        """Close every idle connection."""
        for http in {id(http): http for _, http in self.values()}.values():
            http.close()


class AsyncRoutes(dict[str, "tuple[Endpoint, AsyncConnections]"]):
    """Endpoint and connections by target, on event loops."""

    async def aclose(self) -> None:
        """Close every idle connection."""
        for http in {id(http): http for _, http in self.values()}.values():
            await http.aclose()


def sync_routes(endpoints: Mapping[str, Endpoint]) -> SyncRoutes:
    """Return the connections of every endpoint; opens nothing."""
    made: dict[HttpOptions, SyncHttp] = {}
    routes = SyncRoutes()
    for name, endpoint in endpoints.items():
        options = _options(endpoint)
        if options not in made:
            made[options] = SyncHttp(options)
        routes[name] = (endpoint, made[options])
    return routes


def async_routes(endpoints: Mapping[str, Endpoint]) -> AsyncRoutes:
    """Return the connections of every endpoint; opens nothing."""
    made: dict[HttpOptions, AsyncHttp] = {}
    routes = AsyncRoutes()
    for name, endpoint in endpoints.items():
        options = _options(endpoint)
        if options not in made:
            made[options] = AsyncHttp(options)
        routes[name] = (endpoint, made[options])
    return routes


def _options(endpoint: Endpoint) -> HttpOptions:
    options = endpoint.http
    if options is None:
        return _DEFAULT
    if not isinstance(options, HttpOptions):
        raise ConfigurationError(
            f"http= of {endpoint.target.provider} must be HttpOptions(...), not {type(options).__name__}"
        )
    return options


_DEFAULT = HttpOptions()
