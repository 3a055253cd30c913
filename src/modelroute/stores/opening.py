"""From what somebody writes for a store to the store: ``"spend.db"``, ``"redis://host:6379/0"``, ``"memory"``."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from modelroute.errors import ConfigurationError, did_you_mean, shown

if TYPE_CHECKING:
    from modelroute.stores.store import Store

__all__ = ["MEMORY", "file_of", "is_database", "open_store"]

MEMORY = "memory"

_SERVER = frozenset({"redis", "rediss", "valkey", "valkeys", "unix"})
_FILE = "sqlite"
_MAGIC = b"SQLite format 3\0"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: one alone is a drive
_WRITE = (
    "write a file such as 'spend.db' for the processes of one machine, 'redis://host:6379/0' for those of many, "
    f"or {MEMORY!r}"
)


def open_store(place: str | os.PathLike[str], *, create: bool = True) -> Store:
    """Return the store at `place`: ``memory``, a file (also ``sqlite:path``), or a URL of Redis or Valkey.

    With `create` a file that is not there is made, and an empty server begun. A name without a dot or a slash is no
    file: write ``./name``. Raises `ConfigurationError` saying what to write for anything else, never with a password of
    the URL.
    """
    path = file_of(place)
    if path is not None:
        if not create:
            _check_database(path)
        from modelroute.stores.sqlite import SqliteStore

        return SqliteStore(path)
    if place == MEMORY:
        from modelroute.stores.memory import MemoryStore

        return MemoryStore()
    from modelroute.stores.redis import RedisStore

    return RedisStore(str(place), create=create)


def file_of(place: str | os.PathLike[str]) -> Path | None:
    """Return the file that `place` names, `None` where it names none. Raises `ConfigurationError` as opening does."""
    if isinstance(place, os.PathLike):
        return _checked(os.fspath(place))
    if not isinstance(place, str) or not place.strip():
        raise ConfigurationError(f"store={shown(place)} names no store; {_WRITE}")
    scheme = _SCHEME.match(place)
    if scheme is None:
        return None if place == MEMORY else _checked(place)
    word = scheme.group(1).lower()
    if word in _SERVER:
        return None
    rest = place[scheme.end() :]
    if word != _FILE:
        near = did_you_mean(word, (*_SERVER, _FILE))
        raise ConfigurationError(f"no store is written {word}:...{near} {_sentence(_WRITE)}")
    if rest.startswith("//"):
        raise ConfigurationError(f"a store's file is written '{_FILE}:spend.db' or '{_FILE}:/var/lib/spend.db', no URL")
    return _checked(rest, named=True)


def _checked(text: object, *, named: bool = False) -> Path:
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise ConfigurationError(f"store={shown(text)} names no file; {_WRITE}")
    if text == ":memory:":
        raise ConfigurationError(f"write store={MEMORY!r} for a store of this process alone")
    if not named and not any(sign in text for sign in (".", "/", os.sep)):
        near = did_you_mean(text, (MEMORY,))
        raise ConfigurationError(f"store={shown(text)} is no store.{near} For a file of that name write './{text:.40}'")
    path = Path(text)
    if path.is_dir():
        raise ConfigurationError(f"{path} is a directory; name a file in it, such as '{path / 'spend.db'}'")
    return path


def is_database(path: Path) -> bool:
    """Return whether the file begins as a store's does. Raises `OSError` for one that cannot be read."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def _check_database(path: Path) -> None:
    try:
        found = is_database(path)
    except FileNotFoundError:
        raise ConfigurationError(
            f"there is no store at {path}: Router(..., store={str(path)!r}) makes it, looking at it does not"
        ) from None
    except OSError as error:
        raise ConfigurationError(f"the store at {path} cannot be read: {error.strerror}") from None
    if not found:
        raise ConfigurationError(f"{path} is no store: that is a database made by Router(..., store=...)")


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."
