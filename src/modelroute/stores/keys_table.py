"""Idempotency keys as a table."""

from __future__ import annotations

from sqlite3 import Connection

from modelroute.stores.keys import KEYS_KEPT
from modelroute.types.keyed import Begun, Different, Running, Stored

__all__ = ["begin", "free_key", "keep_reply"]


def begin(
    connection: Connection, key: str, fingerprint: str, owner: str, *, lease: float, now: float
) -> Begun | Running | Stored | Different:
    """Take `key` for `owner`, or say why not; forget expired keys, and the oldest when there are too many."""
    known = connection.execute(
        "SELECT fingerprint, owner, until, reply FROM keys WHERE key = ? AND until > ?", (key, now)
    ).fetchone()
    if known is not None:
        if known[0] != fingerprint:
            return Different()
        if known[3] is not None:
            return Stored(bytes(known[3]))
        if known[1] != owner:
            return Running(known[2])
    connection.execute(
        "REPLACE INTO keys (key, fingerprint, owner, until) VALUES (?, ?, ?, ?)", (key, fingerprint, owner, lease)
    )
    connection.execute(
        "DELETE FROM keys WHERE position IN (SELECT position FROM keys WHERE until <= ? LIMIT 64)", (now,)
    )
    connection.execute("DELETE FROM keys WHERE position <= (SELECT max(position) FROM keys) - ?", (KEYS_KEPT,))
    return Begun()


def keep_reply(connection: Connection, key: str, owner: str, reply: bytes, *, until: float, now: float) -> None:
    """Store `reply` under the key `owner` holds."""
    connection.execute(
        "UPDATE keys SET reply = ?, until = ? WHERE key = ? AND owner = ? AND until > ? AND reply IS NULL",
        (reply, until, key, owner, now),
    )


def free_key(connection: Connection, key: str, owner: str) -> None:
    """Let go of the key if `owner` holds it and nothing is stored under it."""
    connection.execute("DELETE FROM keys WHERE key = ? AND owner = ? AND reply IS NULL", (key, owner))
