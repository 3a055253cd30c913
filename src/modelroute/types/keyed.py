"""What a store says of an idempotency key."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Begun", "Different", "Running", "Stored"]


@dataclass(frozen=True, slots=True)
class Begun:
    """The key was free and is the caller's now, until its lease ends or it stores or frees it."""


@dataclass(frozen=True, slots=True)
class Running:
    """Another request with this key is under way; ask again. Its lease ends at `until`, Unix seconds."""

    until: float


@dataclass(frozen=True, slots=True)
class Stored:
    """The reply that was stored under the key, as bytes."""

    reply: bytes


@dataclass(frozen=True, slots=True)
class Different:
    """The key was used for another request."""
