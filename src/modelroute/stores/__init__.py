"""What is remembered about money. `MemoryStore` lives in this process."""

from __future__ import annotations

from modelroute.stores.memory import MemoryStore

__all__ = ["MemoryStore"]
