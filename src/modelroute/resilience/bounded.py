"""A mapping that forgets what was longest unused: the bound of every cache that grows with traffic."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

__all__ = ["Bounded"]

K = TypeVar("K")
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """At most `size` entries, the least recently used forgotten first. Not locked: its owner is."""

    __slots__ = ("_entries", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._entries: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        """Return the value and mark it used, or `None`."""
        entries = self._entries
        value = entries.get(key)
        if value is not None:
            entries.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        """Remember `value`, forgetting the least recently used beyond `size`."""
        entries = self._entries
        entries[key] = value
        entries.move_to_end(key)
        if len(entries) > self.size:
            entries.popitem(last=False)

    def drop(self, key: K) -> None:
        """Forget `key`, if it is there."""
        self._entries.pop(key, None)

    def __len__(self) -> int:
        return len(self._entries)

    def snapshot(self) -> dict[K, V]:
        """Return a copy of what is remembered."""
        return dict(self._entries)
