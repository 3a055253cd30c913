"""Reading and printing the names a policy is written with: one, several, and how they appear in a repr."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import cast

from modelroute.catalog.declared import listed
from modelroute.catalog.jurisdictions import checked_jurisdiction
from modelroute.errors import ConfigurationError, shown

__all__ = ["checked_text", "jurisdictions_of", "label", "names_of", "shown_names"]


def checked_text(value: object, argument: str) -> str:
    """Return the text of `argument`; `ConfigurationError` for what is none."""
    if not isinstance(value, str):
        raise ConfigurationError(f"{argument} must be text, not {shown(value)}")
    return value


def names_of(value: str | Iterable[str] | None, argument: str) -> frozenset[str] | None:
    """Return one name or several as a set, `None` for `None`.

    Raises `ConfigurationError` for what is no collection of names, and for a name that is empty or no string.
    """
    if value is None:
        return None
    names = (value,) if isinstance(value, str) else listed(value)
    if names is None:
        raise ConfigurationError(f"{argument}={shown(value)}: give a name or several, such as {argument}={{'...'}}")
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise ConfigurationError(f"{argument} must hold non-empty names, not {shown(name)}")
    return cast("frozenset[str]", frozenset(names))


def jurisdictions_of(value: str | Iterable[str] | None) -> frozenset[str] | None:
    """Return jurisdictions as a set; `ConfigurationError` for one that is no two-letter code nor ``self-hosted``."""
    names = names_of(value, "jurisdictions")
    for name in sorted(names or ()):
        checked_jurisdiction(name)
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
