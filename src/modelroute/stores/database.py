"""One SQLite file shared by the processes and threads of one machine: opening it, transactions, and what goes wrong.

A process has one connection and one lock: threads that each had their own would wait for each other all the same, and
by polling the file instead of by a lock.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar
from weakref import WeakSet

from modelroute.errors import StoreLostError, StoreUnavailableError
from modelroute.stores.schema import APPLICATION, SCHEMA, VERSION

__all__ = ["Database"]

_Result = TypeVar("_Result")

_SLICE = 8
"""Milliseconds SQLite itself waits for a lock, in growing steps (1, 2, 5): left to itself it would go on to steps of
100 ms, and a process among eight busy ones would starve."""

_DO: dict[int, str] = {
    sqlite3.SQLITE_BUSY: "another process kept it locked: end the backup or the shell that holds it, or give a longer "
    "timeout=",
    sqlite3.SQLITE_LOCKED: "it is locked by another connection: end the backup or the shell that holds it",
    sqlite3.SQLITE_READONLY: "it cannot be written: give this user the right to write the file and its directory",
    sqlite3.SQLITE_PERM: "it cannot be written: give this user the right to write the file and its directory",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: see that its directory is there and that this user may write both",
    sqlite3.SQLITE_FULL: "the disk is full: make room; nothing that was acknowledged is lost",
    sqlite3.SQLITE_IOERR: "it could not be read or written: see that the disk is sound and local, and that neither it "
    "nor a limit on the size of files (ulimit -f) is full",
    sqlite3.SQLITE_CORRUPT: "it is damaged: move it away, salvage its ledger with sqlite3's `.recover`, and rebuild "
    "with `modelroute ledger rebuild`",
    sqlite3.SQLITE_NOTADB: "it is no database: name another file, or move it away",
}


class Database:
    """The file at `path`, made with mode 0600 when it is not there.

    `timeout` bounds the wait for other threads of this process, and that for other processes. `durable` waits for the
    disk at every commit: without it a commit survives the end of the process however it comes, but the last ones before
    a power cut may be missing. Every failure is a `StoreUnavailableError`, after which the next operation opens anew.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float, durable: bool) -> None:
        self.path = Path(path)
        self._timeout = timeout
        self._durable = durable
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._process = os.getpid()
        self._held_for_fork: bool | None = None
        self._broken = ""
        _open_databases.add(self)
        if hasattr(os, "register_at_fork") and not _registered:
            _registered.append(True)
            os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
        with self._locked():
            self._guard(self._connected)

    @contextmanager
    def write(self) -> Generator[sqlite3.Connection, None, None]:
        """Run the block as one transaction that nobody else writes in: all of it is committed, or nothing."""
        with self._locked():
            if self._connection is not None and self._connection.in_transaction:
                yield self._connection  # a transaction of this thread's own, further out
                return
            connection = self._guard(self._begun)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise self._unavailable(error) from None
                if isinstance(error, OverflowError | UnicodeError):
                    raise self._told(f"what was to be written does not fit a column: {error}") from None
                raise

    def read(self, run: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Return what `run` reads; it is run again when the file was locked."""
        with self._locked():
            return self._guard(lambda: run(self._connected()))

    def close(self) -> None:
        """Close the connection; the last one of all processes folds the log into the file. Safe to do twice."""
        with self._locked():
            self._drop()

    def before_fork(self) -> None:
        """Close: a connection that two processes hold damages the file. A transaction under way here cannot be."""
        self._held_for_fork = self._lock.acquire(timeout=self._timeout)
        if self._held_for_fork and not (self._connection is not None and self._connection.in_transaction):
            self._drop()

    def after_fork(self) -> None:
        """Go on, in the parent as in the child; in the child with a lock of its own."""
        held, self._held_for_fork = self._held_for_fork, None
        if os.getpid() == self._process:
            if held:
                self._lock.release()
            return
        self._process = os.getpid()
        self._lock = threading.RLock()
        if self._connection is not None or held is False:
            _abandoned.append(self._connection)
            self._connection = None
            self._broken = "this process was forked in the middle of a transaction on it: start it anew"

    def moved(self) -> None:
        """Take the file that is at the path now for the right one."""
        with self._locked():
            self._drop()
            self._file = None

    @contextmanager
    def _locked(self) -> Generator[None, None, None]:
        if os.getpid() != self._process:
            self.after_fork()  # forked behind Python's back
        if not self._lock.acquire(timeout=self._timeout):
            raise self._told("other threads of this process kept it busy: give a longer timeout= or write less")
        try:
            yield
        finally:
            self._lock.release()

    def _guard(self, run: Callable[[], _Result]) -> _Result:
        """Run again what found the file locked, for as long as the timeout; turn errors into ours."""
        tries = max(1, round(self._timeout * 1000 / _SLICE))
        for left in range(tries, 0, -1):
            try:
                return run()
            except sqlite3.Error as error:
                if left == 1 or _primary(error) not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
                    raise self._unavailable(error) from None
            except OSError as error:
                raise self._told(f"{error.strerror or error}: give this user the right to make and write it") from None
        raise AssertionError("unreachable")  # pragma: no cover

    def _begun(self) -> sqlite3.Connection:
        connection = self._connected()
        connection.execute("BEGIN IMMEDIATE")
        return connection

    def _connected(self) -> sqlite3.Connection:
        """Return the connection, opened if need be, to the very file that was opened first."""
        if self._broken:
            raise self._told(self._broken)
        connection = self._connection
        if connection is None:
            connection = self._connection = self._opened()
        elif self._file != _identity(self.path):
            self._drop()
            raise self._gone()
        return connection

    def _gone(self) -> StoreLostError:
        return StoreLostError(
            f"{self.path} was deleted or replaced while it was in use, so what it knew is lost. Put it back, or "
            "rebuild it from the ledger: modelroute ledger rebuild"
        )

    def _opened(self) -> sqlite3.Connection:
        found = _identity(self.path)
        if self._file is not None and found != self._file:
            raise self._gone()
        if found is None:
            if not self.path.parent.is_dir():
                raise self._told("its directory does not exist: make it")
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        connection = sqlite3.connect(self.path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._file = _identity(self.path)
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Set the connection up, and the file if it is new."""
        connection.execute(f"PRAGMA busy_timeout = {_SLICE}")
        version, application = _number(connection, "user_version"), _number(connection, "application_id")
        if application not in {0, APPLICATION} or (application == 0 and _number(connection, "schema_version")):
            raise self._told("it is a database of something else: name another file")
        if version > VERSION:
            raise self._told(
                f"a newer modelroute wrote it (schema {version}; this one knows {VERSION}): upgrade modelroute"
            )
        if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise self._told("its file system has no shared memory for a write-ahead log: put it on a local disk")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        connection.execute("PRAGMA temp_store = MEMORY")
        if version < VERSION:
            connection.execute("BEGIN IMMEDIATE")
            if _number(connection, "user_version") < VERSION:
                for statement in SCHEMA:
                    connection.execute(statement)
            connection.execute("COMMIT")

    def _unavailable(self, error: sqlite3.Error) -> StoreUnavailableError:
        """Return `error` as ours. The connection is dropped: the next operation opens anew."""
        self._drop()
        primary = _primary(error)
        return self._told(f"{_DO.get(primary, 'SQLite refused')} (SQLite: {error})")

    def _told(self, what: str) -> StoreUnavailableError:
        return StoreUnavailableError(f"the store {self.path} cannot be used: {what}")

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()


_abandoned: list[sqlite3.Connection | None] = []
"""Connections of a parent process: closing one in the child would tear down the parent's locks."""
_open_databases: WeakSet[Database] = WeakSet()
_registered: list[bool] = []


def _before_fork() -> None:
    for database in list(_open_databases):
        database.before_fork()


def _after_fork() -> None:
    for database in list(_open_databases):
        database.after_fork()


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells the file from another that takes its name later, `None` where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    found: int = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    return found


def _primary(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code, whatever detail it came with."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF
