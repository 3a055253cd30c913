"""Which targets a command decides among: those of the environment, one server, or all that the catalog knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelroute.catalog.catalog import Catalog
from modelroute.catalog.price import Price
from modelroute.providers.address import is_private
from modelroute.providers.key import Key
from modelroute.providers.provider import Provider
from modelroute.router import Router

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelroute.policy.policy import Policy

__all__ = ["SERVER", "as_if_every_key", "catalog_from", "only_server"]

SERVER = "server"
"""Name of the provider that `--url` declares."""

_NO_KEY = Key("no-key-because-nothing-is-sent")


def catalog_from(files: Sequence[str] | None) -> Catalog:
    """Return the built-in catalog with what installed packages add, and the user's `files` on top, in their order."""
    catalog = Catalog.installed()
    for file in files or ():
        catalog = Catalog.load(file, onto=catalog)
    return catalog


def as_if_every_key(policy: Policy | None = None, catalog: Catalog | None = None) -> Router:
    """Return a router over all targets of `catalog` (default: the built-in one), as if each provider had a key.

    Only to explain. Left out are those at a URL that only their user knows.
    """
    catalog = Catalog.builtin() if catalog is None else catalog
    serving = sorted({target.provider for target in catalog.targets.values()})
    placed = [name for name in serving if catalog.provider(name).urls]
    return Router([Provider(name, key=_NO_KEY) for name in placed], policy=policy, catalog=catalog)


def only_server(url: str, model: str, catalog: Catalog | None = None) -> Router:
    """Return a router over one compatible server, without a key.

    Free if it is on this machine or network, else of unknown price.
    """
    price = Price.free() if is_private(url) else None
    return Router([Provider.compatible(url, name=SERVER, models=[model], price=price)], catalog=catalog)
