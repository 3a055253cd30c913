"""The one exception of this layer. Whoever decodes turns it into a `Failure` of kind garbled."""

from __future__ import annotations

__all__ = ["GarbledError"]


class GarbledError(Exception):
    """Bytes that mean nothing, or more of them than we hold.

    The message says what was wrong and where, never what was read: it may end up in a log (P2).
    """
