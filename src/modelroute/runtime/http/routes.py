"""How an origin is reached: directly or through which proxy, and with which certificates. Decided once per origin.

Internal.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar
from urllib.parse import unquote, urlsplit

from modelroute.runtime.http.core import Address, Core
from modelroute.runtime.http.errors import HttpUnreachable
from modelroute.runtime.http.lanes import IdleStream, Lane
from modelroute.runtime.http.options import HttpOptions

__all__ = ["MAX_ROUTES", "Route", "proxy_for", "tls_context"]

MAX_ROUTES = 1024
"""Origins one object remembers; a provider has one or two, or as many as it has replicas."""

ConnectionT = TypeVar("ConnectionT")
StreamT = TypeVar("StreamT", bound=IdleStream)
FactoryT = TypeVar("FactoryT")


@dataclass(frozen=True, slots=True)
class Route(Generic[ConnectionT, StreamT, FactoryT]):
    """The factory that makes connections to one origin, and the lane of those that are idle."""

    factory: FactoryT
    lane: Lane[ConnectionT, StreamT]


def proxy_for(options: HttpOptions, address: Address, core: Core) -> object | None:
    """Return httpcore's proxy for an origin, or `None` for a direct connection."""
    chosen = options.proxy
    if chosen is None and options.trust_env:
        from urllib.request import getproxies, proxy_bypass  # brings half the mail and HTTP of the standard library

        found = getproxies()
        chosen = found.get(address.scheme) or found.get("all")
        if chosen is not None and proxy_bypass(f"{address.host}:{address.port}"):
            chosen = None
    if chosen is None:
        return None
    try:
        parts = urlsplit(chosen if "://" in chosen else f"http://{chosen}")
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        parts, host, port = None, None, 0
    if parts is None or host is None or parts.scheme != "http":  # it may hold a password: not echoed
        raise HttpUnreachable(
            "the proxy named by the environment is not of the form http://host:port; "
            "set NO_PROXY, HttpOptions(trust_env=False), or pass HttpOptions(client=httpx.Client(proxy=...))"
        )
    auth = None
    if parts.username is not None:
        auth = (unquote(parts.username).encode(), unquote(parts.password or "").encode())
    return core.proxy(core.url(scheme="http", host=host, port=port, target="/"), auth=auth)


def tls_context(options: HttpOptions, core: Core) -> ssl.SSLContext:
    """Return the TLS context for `options`: made when first needed and shared, since one takes tens of milliseconds."""
    if isinstance(options.verify, ssl.SSLContext):
        return options.verify
    if options.trust_env:
        return _tls_context(
            options.verify, os.environ.get("SSL_CERT_FILE", ""), os.environ.get("SSL_CERT_DIR", ""), core
        )
    if options.verify is True:
        return _tls_context_without_environment(core)
    return _tls_context(options.verify, "", "", core)


@lru_cache(maxsize=4)
def _tls_context_without_environment(core: Core) -> ssl.SSLContext:
    """OpenSSL's defaults read SSL_CERT_FILE by themselves; the client packages can make one that does not."""
    context: ssl.SSLContext = core.client_package().create_ssl_context(trust_env=False)
    return context


@lru_cache(maxsize=16)
def _tls_context(verify: bool | str, file: str, directory: str, core: Core) -> ssl.SSLContext:
    try:
        if verify is False:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        if isinstance(verify, str):
            file, directory = ("", verify) if Path(verify).is_dir() else (verify, "")
        if file:
            return ssl.create_default_context(cafile=file)
        if directory:
            return ssl.create_default_context(capath=directory)
        return core.default_ssl_context()
    except OSError as error:
        raise HttpUnreachable(
            f"the certificates to verify by cannot be loaded: {error}; see HttpOptions.verify"
        ) from None
