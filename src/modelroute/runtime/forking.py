"""A fork copies locks as they are, also those held by threads that the child does not have: they are made anew."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet

__all__ = ["renew_after_fork"]


class _Forks(Protocol):
    def after_fork(self) -> None: ...


_alive: WeakSet[_Forks] = WeakSet()
_registered: list[bool] = []


def renew_after_fork(owner: _Forks) -> None:
    """Have `owner.after_fork()` called in every forked child, for as long as `owner` lives."""
    if not _registered and hasattr(os, "register_at_fork"):
        _registered.append(True)
        os.register_at_fork(after_in_child=_renew)
    _alive.add(owner)


def _renew() -> None:
    for owner in list(_alive):
        owner.after_fork()
