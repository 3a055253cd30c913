"""Reading and printing the names a policy is written with: one, several, and how they appear in a repr."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

from modelroute.catalog.model import SELF_HOSTED
from modelroute.errors import ConfigurationError, did_you_mean

__all__ = ["jurisdictions_of", "label", "names_of", "shown_names"]

_CODE = re.compile(r"[A-Z]{2}")
_COMMON = ("EU", "US", "CN", "UK", "CH", "JP", "SG", "CA", SELF_HOSTED)


def names_of(value: str | Iterable[str] | None, argument: str) -> frozenset[str] | None:
    """Return one name or several as a set, `None` for `None`.

    Raises `ConfigurationError` for a name that is empty or no string.
    """
    if value is None:
        return None
    names = frozenset([value] if isinstance(value, str) else value)
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise ConfigurationError(f"{argument} must hold non-empty names, not {name!r}")
    return names


def jurisdictions_of(value: str | Iterable[str] | None) -> frozenset[str] | None:
    """Return jurisdictions as a set; `ConfigurationError` for one that is no two-letter code nor ``self-hosted``."""
    names = names_of(value, "jurisdictions")
    for name in sorted(names or ()):
        if name != SELF_HOSTED and not _CODE.fullmatch(name):
            near = did_you_mean(name.upper() if len(name) == 2 else name, _COMMON)
            raise ConfigurationError(
                f"jurisdiction {name!r} is not known.{near} "
                f"Use a two-letter code in capitals such as 'EU', 'US' or 'CN', or {SELF_HOSTED!r}."
            )
    return names


def label(function: Callable[..., object]) -> str:
    """Return a callable's name with its module: stable over runs, unlike its repr."""
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"<{getattr(function, '__module__', '?')}.{name}>"


def shown_names(names: Collection[str], *, single: bool = False) -> str:
    """Return names as they are typed: ``{'a', 'b'}`` sorted, or ``'a'`` alone where one may stand for a set."""
    if single and len(names) == 1:
        return repr(next(iter(names)))
    return "{" + ", ".join(repr(name) for name in sorted(names)) + "}" if names else "set()"
