"""What a caller may say about connections (`HttpOptions`), what is sent (`HttpRequest`) and until when (`Limit`)."""

from __future__ import annotations

import math
import ssl
import sys
from dataclasses import dataclass, field
from types import UnionType
from typing import cast
from urllib.parse import urlsplit

from modelroute.errors import ConfigurationError, shown

__all__ = ["HttpOptions", "HttpRequest", "Limit"]

_MOST = 1 << 53
"""No number of seconds or connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """How the connections of one provider are made.

    - `proxy`: ``http://[user:password@]host:port``; HTTPS goes through it by CONNECT. It wins over the environment.
    - `verify`: check certificates against the default authorities (`True`), a PEM file or directory (`str`), by an
      `ssl.SSLContext` of yours, or not at all (`False`: only for a server of your own).
    - `trust_env`: honour HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE and SSL_CERT_DIR.
    - `client`, `async_client`: an `httpx` or `httpx2` client of yours, which then makes the connections and which you
      close; the fields above and below are then its business, and deadlines are best effort.
    - `keepalive`: seconds an idle connection is kept. `max_idle`: how many are kept per origin.

    Raises `ConfigurationError` when built.
    """

    proxy: str | None = field(default=None, repr=False)
    verify: bool | str | ssl.SSLContext = True
    trust_env: bool = True
    client: object | None = field(default=None, repr=False)
    async_client: object | None = field(default=None, repr=False)
    keepalive: float = 60.0
    max_idle: int = 256

    def __post_init__(self) -> None:
        if self.proxy is not None:
            _check_proxy(self.proxy)
        if not isinstance(self.verify, bool | str | ssl.SSLContext):
            raise ConfigurationError(
                f"verify is {type(self.verify).__name__}; give True, False, a path as text or an ssl.SSLContext."
            )
        if not isinstance(self.trust_env, bool):
            raise ConfigurationError(f"trust_env={shown(self.trust_env)}; give True or False.")
        if not _is_number(self.keepalive, int | float):
            raise ConfigurationError(f"keepalive={shown(self.keepalive)}; give seconds, 0 or more.")
        if not _is_number(self.max_idle, int):
            raise ConfigurationError(f"max_idle={shown(self.max_idle)}; give a number of connections, 0 or more.")
        _check_client("client", self.client, "Client")
        _check_client("async_client", self.async_client, "AsyncClient")


def _is_number(value: object, kind: type | UnionType) -> bool:
    """Whether `value` is a finite number, 0 or more. A truth value is no number."""
    return isinstance(value, kind) and not isinstance(value, bool) and 0 <= cast("float", value) < _MOST


def _check_proxy(proxy: object) -> None:
    if not isinstance(proxy, str):
        raise ConfigurationError(f"proxy must be text, not {type(proxy).__name__}: 'http://[user:password@]host:port'.")
    try:
        parts = urlsplit(proxy)
        sound = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:  # the text may hold a password: it is not echoed
        raise ConfigurationError(
            "proxy is not of the form http://[user:password@]host:port. "
            "For another kind of proxy pass client=httpx.Client(proxy=...)."
        )


def _check_client(option: str, client: object | None, kind: str) -> None:
    """Accept an instance of httpx's or httpx2's class without importing either: whoever made the client has done so."""
    if client is None:
        return
    for name in ("httpx", "httpx2"):
        made_by = getattr(sys.modules.get(name), kind, None)
        if isinstance(made_by, type) and isinstance(client, made_by):
            return
    raise ConfigurationError(f"{option} is {type(client).__name__}; give an httpx.{kind} or httpx2.{kind}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One request, ready to send. `host`, `content-length` and `accept-encoding: identity` are added when absent."""

    method: str = "POST"
    url: str
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)


class Limit:
    """Until when one attempt may run; may be moved earlier or later between two reads.

    Both moments are absolute, in the clock of whoever opens the exchange: `time.monotonic()` for `SyncHttp`,
    `loop.time()` for `AsyncHttp`. `at` bounds everything; `connect_at` also bounds DNS, connect, proxy and TLS.
    """

    __slots__ = ("at", "connect_at")

    def __init__(self, at: float, connect_at: float = math.inf) -> None:
        self.at = at
        self.connect_at = connect_at

    def __repr__(self) -> str:
        return f"Limit(at={self.at!r}, connect_at={self.connect_at!r})"
