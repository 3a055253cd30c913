"""What installed packages add to a catalog, by the entry points of the group ``modelroute.providers``.

Nothing is loaded until somebody asks for it, and a package can only add: what is there already stays as it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from os import PathLike
from typing import TypeVar, cast

from modelroute.catalog.catalog import Catalog
from modelroute.catalog.declared import listed
from modelroute.catalog.load import load_file
from modelroute.catalog.model import ProviderRow
from modelroute.errors import ConfigurationError, shown

__all__ = ["GROUP", "PluginWarning", "with_installed"]

GROUP = "modelroute.providers"
"""The group of entry points that is looked for."""

_WANTED = "a ProviderRow, a list of them, a Catalog or the path of a catalog file (or a function that returns one)"

Item = TypeVar("Item")


class PluginWarning(UserWarning):
    """What an installed package adds to the catalog could not be used, and was left out."""


def with_installed(onto: Catalog, *, strict: bool) -> Catalog:
    """Return `onto` with what installed packages add, in the order of their names.

    What cannot be used is left out whole with a `PluginWarning` naming its package; with `strict` it raises
    `ConfigurationError`.
    """
    catalog = onto
    for point in sorted(entry_points(group=GROUP), key=lambda point: (_package(point), point.name, point.value)):
        try:
            catalog = _with(catalog, point)
        except (Exception, SystemExit) as error:  # a package's code may do anything, and is nobody else's fault
            problem = (
                f"the package {_package(point)!r} adds nothing to the catalog: its entry point {point.name!r} "
                f"({point.value}) failed: {type(error).__name__}: {_words(error)}. Update or uninstall it."
            )
            if strict:
                raise ConfigurationError(problem) from error
            warnings.warn(problem, PluginWarning, stacklevel=3)
    return catalog


def _words(error: BaseException) -> str:
    """Return an error's own words, shortened; its text may raise as well."""
    try:
        return str(error)[:500]
    except Exception:  # noqa: BLE001 - as above
        return "(it cannot be shown)"


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value


def _with(catalog: Catalog, point: EntryPoint) -> Catalog:
    value: object = point.load()
    if callable(value):
        value = cast("Callable[[], object]", value)()
    merged = _merged(catalog, value)
    for kind in ("models", "providers", "targets", "aliases"):
        before: Mapping[str, object] = getattr(catalog, kind)
        after: Mapping[str, object] = getattr(merged, kind)
        for name, item in before.items():
            if after[name] is not item and after[name] != item:
                raise ConfigurationError(
                    f"it changes {name!r} of {kind}, which is there already; a package may only add"
                )
    return merged


def _merged(catalog: Catalog, value: object) -> Catalog:
    if isinstance(value, str | PathLike):
        return load_file(cast("str | PathLike[str]", value), catalog)
    if isinstance(value, Catalog):
        return catalog.with_(
            models=value.models.values(),
            providers=value.providers.values(),
            targets=value.targets.values(),
            aliases=value.aliases,
        )
    rows = (value,) if isinstance(value, ProviderRow) else listed(value)
    if not rows or not all(isinstance(row, ProviderRow) for row in rows):
        raise ConfigurationError(f"it gives {shown(value)}, which is not {_WANTED}")
    return catalog.with_(providers=cast("tuple[ProviderRow, ...]", rows))
