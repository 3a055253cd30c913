"""What the environment says: which providers have a key here. Read when asked, never on import."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from modelroute.errors import NoProviderError
from modelroute.providers.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelroute.catalog.catalog import Catalog

__all__ = ["providers_from"]


def providers_from(catalog: Catalog, environ: Mapping[str, str] | None = None) -> list[Provider]:
    """Return every provider of `catalog` whose key is set. Raises `NoProviderError` naming the variables looked for."""
    values = os.environ if environ is None else environ
    rows = [row for row in catalog.providers.values() if row.keys and row.needs_key]
    found = [Provider(row.name) for row in rows if any(values.get(variable, "").strip() for variable in row.keys)]
    if not found:
        raise NoProviderError(variable for row in rows for variable in row.keys)
    return found
