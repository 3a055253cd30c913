"""Signals as a table: the newest under each key, marked in the order they came."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection

from modelroute.stores.board import SIGNALS_KEPT
from modelroute.types.signals import Signal

__all__ = ["after_mark", "publish"]


def publish(connection: Connection, signals: Sequence[Signal], now: float) -> None:
    """Put `signals` up, unless a longer one stays, and forget what is over and what is too old."""
    for signal in signals:
        if signal.extends:
            known = connection.execute("SELECT until FROM signals WHERE key = ?", (signal.key,)).fetchone()
            if known is not None and known[0] > signal.until:
                continue
        connection.execute(
            "REPLACE INTO signals (key, value, until, extends) VALUES (?, ?, ?, ?)",
            (signal.key, signal.value, signal.until, signal.extends),
        )
    connection.execute(
        "DELETE FROM signals WHERE mark IN (SELECT mark FROM signals WHERE until <= ? ORDER BY mark LIMIT 64)", (now,)
    )
    connection.execute(
        "DELETE FROM signals WHERE mark IN (SELECT mark FROM signals ORDER BY mark DESC LIMIT -1 OFFSET ?)",
        (SIGNALS_KEPT,),
    )


def after_mark(connection: Connection, mark: int, now: float) -> tuple[int, tuple[Signal, ...]]:
    """Return the signals in force newer than `mark`, oldest first, and the newest mark.

    A mark from the future is of another life of the file: then all are new.
    """
    newest = connection.execute("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'signals'").fetchone()[
        0
    ]
    rows = connection.execute(
        "SELECT key, value, until, extends FROM signals WHERE mark > ? AND mark <= ? AND until > ? ORDER BY mark",
        (mark if mark <= newest else 0, newest, now),
    )
    return newest, tuple(Signal(key, value, until, bool(extends)) for key, value, until, extends in rows)
