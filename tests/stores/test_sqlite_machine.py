"""The store of a file against the model, closed and opened again in the middle."""

import shutil
import tempfile
from pathlib import Path

from modelroute.stores.sqlite import SqliteStore
from modelroute.stores.store import Store
from tests.stores.machine import machine_of

_MEMORY = Path("/dev/shm")
"""A disk in memory, where there is one: what is tested is what is remembered, not how fast a disk is."""


class _Temporary(SqliteStore):
    """A store that takes its directory with it."""

    def __init__(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="modelroute-", dir=_MEMORY if _MEMORY.is_dir() else None)
        super().__init__(Path(self.directory, "spend.db"))

    def close(self) -> None:
        super().close()
        shutil.rmtree(self.directory, ignore_errors=True)


def reopen(store: Store) -> Store:
    assert isinstance(store, _Temporary)
    SqliteStore.close(store)
    return store


TestSqliteStore = machine_of(_Temporary, reopen).TestCase
