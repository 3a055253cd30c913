"""What the environment says: which providers have a key here, and where they are. Read when asked, never on import."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from modelroute.errors import ConfigurationError, NoProviderError
from modelroute.providers.key import Key
from modelroute.providers.provider import Provider

if TYPE_CHECKING:
    from modelroute.catalog.catalog import Catalog
    from modelroute.catalog.model import ProviderRow

__all__ = ["providers_from"]


def providers_from(catalog: Catalog, environ: Mapping[str, str] | None = None) -> list[Provider]:
    """Return every provider of `catalog` whose key is set, where the environment says it is.

    Left out are those that the catalog lists no target of, and those whose host only the user knows and has not said.
    Raises `NoProviderError` naming the variables looked for, `ConfigurationError` for one that cannot be meant.
    """
    values = os.environ if environ is None else environ
    serving = {target.provider for target in catalog.targets.values()}
    rows = [row for row in catalog.providers.values() if row.keys and row.needs_key and row.name in serving]
    found: list[Provider] = []
    for row in rows:
        variable = _first_set(row.keys, values)
        if variable is not None and _is_placed(row, values):
            # A mapping of the caller's own is where its keys are, at each attempt as now.
            key = None if environ is None else Key(partial(environ.__getitem__, variable))
            found.append(_provider(row, key, values))
    if not found:
        raise NoProviderError(variable for row in rows for variable in (*row.keys, *(() if row.urls else row.url_env)))
    return found


def _first_set(variables: tuple[str, ...], values: Mapping[str, str]) -> str | None:
    return next((name for name in variables if str(values.get(name, "")).strip()), None)


def _is_placed(row: ProviderRow, values: Mapping[str, str]) -> bool:
    return bool(row.urls or _first_set(row.url_env, values) or _first_set(row.region_env, values))


def _provider(row: ProviderRow, key: Key | None, values: Mapping[str, str]) -> Provider:
    """Return the provider at the URL that the environment gives, else in the region it gives, else at its usual one."""
    url, region = _first_set(row.url_env, values), _first_set(row.region_env, values)
    try:
        if url is not None:
            return Provider(row.name, key=key, url=str(values[url]).strip())
        if region is not None:
            return Provider(row.name, key=key, region=row.url(str(values[region]).strip())[0])
    except ConfigurationError as error:
        raise ConfigurationError(f"the environment variable {url or region}: {error}") from error
    return Provider(row.name, key=key)
