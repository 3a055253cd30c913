"""What the environment says: which providers have a key here. Read when asked, never on import."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from modelroute.errors import NoProviderError
from modelroute.providers.key import Key
from modelroute.providers.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelroute.catalog.catalog import Catalog

__all__ = ["providers_from"]


def providers_from(catalog: Catalog, environ: Mapping[str, str] | None = None) -> list[Provider]:
    """Return every provider of `catalog` whose key is set. Raises `NoProviderError` naming the variables looked for."""
    values = os.environ if environ is None else environ
    rows = [row for row in catalog.providers.values() if row.keys and row.needs_key]
    found: list[Provider] = []
    for row in rows:
        variable = next((name for name in row.keys if str(values.get(name, "")).strip()), None)
        if variable is not None:
            # A mapping of the caller's own is where its keys are, at each attempt as now.
            key = None if environ is None else Key(partial(environ.__getitem__, variable))
            found.append(Provider(row.name, key=key))
    if not found:
        raise NoProviderError(variable for row in rows for variable in row.keys)
    return found
