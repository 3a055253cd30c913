"""What is remembered: money, rates, the ledger, health signals, idempotency keys.

`MemoryStore` lives in this process, `SqliteStore` in a file for the processes of one machine, `RedisStore` on a server
for those of many. All keep one protocol, `Store`. Names load when first used: a store nobody chose costs no import.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelroute.stores.memory import MemoryStore
    from modelroute.stores.redis import RedisStore
    from modelroute.stores.sqlite import SqliteStore
    from modelroute.stores.store import Store

__all__ = ["MemoryStore", "RedisStore", "SqliteStore", "Store"]

_HOME = {"MemoryStore": "memory", "RedisStore": "redis", "SqliteStore": "sqlite", "Store": "store"}


def __getattr__(name: str) -> object:
    """Import the module a public name lives in when it is first asked for."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
