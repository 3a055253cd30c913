"""Where a provider is reached: a base URL that holds no secret, and whether it is the user's own machine or network."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from typing import cast
from urllib.parse import urlsplit

from modelroute.catalog.declared import listed
from modelroute.errors import ConfigurationError
from modelroute.providers.call import Headers

__all__ = ["checked_headers", "checked_url", "checked_urls", "is_plaintext", "is_private", "with_path"]

_PRIVATE = tuple(
    ip_network(block)
    for block in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
        "0.0.0.0/32",
    )
)
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_OPERATIONS = ("/chat/completions", "/completions", "/messages", "/responses")
_PORTS = {"http": 80, "https": 443}
_RESERVED = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "content-type", "accept", "te", "upgrade", "expect"}
)


def checked_url(url: object) -> str:
    """Return the base URL without a slash at its end.

    Raises `ConfigurationError`, which shows the host at most, for anything but ``http(s)://host[:port][/path]``: user
    names and query strings are where keys leak from. So for the URL of one operation, such as ``.../chat/completions``.
    """
    if not isinstance(url, str):
        raise ConfigurationError(
            f"a provider's URL must be text (or a list of several, one per replica), not {type(url).__name__}"
        )
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigurationError(
            "the provider's URL holds a space, a control character or one outside ASCII (not shown)"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigurationError(
            "the provider's URL cannot be read (not shown); write https://host[:port]/path"
        ) from None
    if parts.scheme not in {"http", "https"} or not host:
        raise ConfigurationError("the provider's URL must begin with http:// or https:// and name a host (not shown)")
    if "@" in parts.netloc:
        raise ConfigurationError(
            "the provider's URL holds a user name or password (not shown): pass the key as key=..."
        )
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise ConfigurationError(
            "the provider's URL holds a query or fragment (not shown): pass a key as key=..., the rest as headers"
        )
    literal = f"[{host}]" if ":" in host else host
    if not _HOST.fullmatch(literal) or port == 0:
        raise ConfigurationError(
            "the provider's URL has no usable host and port (not shown); write https://host[:port]/path"
        )
    base = url.rstrip("/")
    ending = next((path for path in _OPERATIONS if base.endswith(path)), None)
    if ending is not None:
        raise ConfigurationError(
            f"the provider's URL ends in {ending} (the rest is not shown), which is appended to it at each call: "
            f"give the base URL, which is all before {ending}"
        )
    return base


def checked_urls(urls: object) -> tuple[str, ...]:
    """Return base URLs, of one text or of several in a list, each as `checked_url` returns it; a set is sorted.

    Raises `ConfigurationError` for an empty list, and for one place given twice: it would be asked twice as often, and
    again after it has failed.
    """
    given = (urls,) if isinstance(urls, str) else listed(urls)
    if given is None:
        return (checked_url(urls),)  # which refuses it
    checked = tuple(checked_url(url) for url in given)
    if not checked:
        raise ConfigurationError("the list of URLs is empty: give at least one")
    if len({_place(url) for url in checked}) < len(checked):
        raise ConfigurationError("the same URL is given twice (not shown): each replica is listed once")
    return tuple(sorted(checked)) if isinstance(urls, set | frozenset) else checked


def _place(url: str) -> tuple[str, str | None, int, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS[parts.scheme], parts.path


def with_path(url: str, path: str) -> str:
    """Return the base `url`, with `path` after it where it has none of its own: people often give the host alone."""
    return url if urlsplit(url).path else url + path


def is_private(url: str) -> bool:
    """Return whether `url` is of this machine or a private network: by its address, or ``localhost`` and ``*.local``.

    A name that would have to be looked up is public: what it resolves to can change between the check and the call.
    """
    host = (urlsplit(url).hostname or "").rstrip(".").lower()
    if host == "localhost" or host.endswith((".localhost", ".local")):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in block for block in _PRIVATE)


def is_plaintext(url: str) -> bool:
    """Return whether what is sent to `url` can be read on the way."""
    return url.startswith("http:") and not is_private(url)


def checked_headers(headers: Mapping[str, str] | Iterable[tuple[str, str]] | None) -> Headers:
    """Return `headers`, a mapping or pairs, in order and checked.

    Raises `ConfigurationError` naming the header and never its value.
    """
    checked: list[tuple[str, str]] = []
    seen: set[str] = set()
    for name, value in _pairs(headers):
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ConfigurationError("a header's name holds a character that HTTP does not allow (not shown)")
        if name.lower() in _RESERVED:
            raise ConfigurationError(f"the header {name} is set by the router itself; leave it out")
        if name.lower() in seen:
            raise ConfigurationError(f"the header {name} is given twice")
        if not isinstance(value, str):
            raise ConfigurationError(f"the value of the header {name} must be text, not {type(value).__name__}")
        if not value.isascii() or not value.isprintable() or value != value.strip():
            raise ConfigurationError(
                f"the value of the header {name} holds a control character, white space at an end, or a "
                "character outside ASCII (not shown)"
            )
        seen.add(name.lower())
        checked.append((name, value))
    return tuple(checked)


def _pairs(headers: Mapping[str, str] | Iterable[tuple[str, str]] | None) -> Iterable[tuple[object, object]]:
    if headers is None:
        return ()
    if isinstance(headers, Mapping):
        return cast("Mapping[object, object]", headers).items()
    given = listed(headers)
    pairs = [listed(pair) for pair in given or ()]
    if given is None or not all(pair is not None and len(pair) == 2 for pair in pairs):
        raise ConfigurationError("headers takes a dict, or a list of pairs: headers={'x-team': 'search'}")
    return cast("list[tuple[object, object]]", pairs)
