"""Which store a command looks at: one that is there. Looking never makes one."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from modelroute.errors import ConfigurationError, RequestError
from modelroute.stores.opening import MEMORY, open_store

if TYPE_CHECKING:
    from modelroute.stores.store import Store

__all__ = ["VARIABLE", "StorePlace", "ledger_of", "opened"]

VARIABLE = "MODELROUTE_STORE"
"""The environment variable that names the store where `--store` does not."""

StorePlace: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="PLACE", envvar=VARIABLE, help="A file such as spend.db, or redis://host:6379/0.",
    ),
]  # fmt: skip


@contextmanager
def opened(place: str | None, *, create: bool = False) -> Generator[Store, None, None]:
    """Open the store at `place`, and close it. Raises `ConfigurationError` where there is none and none may be made."""
    if place is None or not place.strip():
        raise RequestError(f"which store? Write --store spend.db, or set {VARIABLE}")
    if place == MEMORY:
        raise ConfigurationError("store 'memory' is gone with its process; name a file or a server")
    store = open_store(place, create=create)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def ledger_of(place: str | None) -> Generator[Store, None, None]:
    """The same for a store whose ledger is wanted. Raises `ConfigurationError` where none is kept."""
    with opened(place) as store:
        if not store.keeps_ledger:
            raise ConfigurationError(f"{store.name} keeps no ledger; a file does: Router(..., store='spend.db')")
        yield store
