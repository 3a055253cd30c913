"""The tables of a SQLite store, for the library and for people with a SQL shell.

Money is in whole pico-dollars: an integer, or beyond 63 bits (nine million dollars in one cell) its digits as text, so
that nothing is ever rounded. The view ``spend`` shows the ledger in dollars.
"""

from __future__ import annotations

__all__ = ["APPLICATION", "LEDGER", "SCHEMA", "VERSION"]

APPLICATION = 0x4D525453
"""Says in the file's header whose it is."""

VERSION = 1
"""The schema this code reads and writes. Another one: a step from the last to it is added to `SCHEMA`'s place."""

LEDGER = (
    "id", "kind", "request", "number", "at", "scenario", "task", "tags", "user", "target", "why", "decision",
    "snapshot", "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "estimate",
    "reserved", "cost", "basis", "failure", "finish", "seconds", "first_token", "accounts", "content",
)  # fmt: skip
"""Columns of the ledger: the fields of `Entry`, in their order."""

SCHEMA = (
    """CREATE TABLE accounts (
        number INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL UNIQUE, total NOT NULL, reserved NOT NULL,
        presumed NOT NULL, holders INTEGER NOT NULL, ends REAL NOT NULL, rolling REAL, buckets TEXT,
        rebuilt INTEGER NOT NULL)""",
    "CREATE INDEX accounts_idle ON accounts (ends) WHERE holders = 0",
    """CREATE TABLE reservations (
        id TEXT PRIMARY KEY, state TEXT NOT NULL, until REAL NOT NULL, amount NOT NULL, held TEXT, counted TEXT,
        entry TEXT) WITHOUT ROWID""",
    "CREATE INDEX reservations_held ON reservations (until) WHERE state = 'held'",
    "CREATE INDEX reservations_past ON reservations (until) WHERE state <> 'held'",
    "CREATE TABLE rates (scope TEXT PRIMARY KEY, seconds REAL NOT NULL, buckets TEXT NOT NULL, ends REAL NOT NULL)",
    "CREATE INDEX rates_ends ON rates (ends)",
    """CREATE TABLE ledger (
        position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, request TEXT NOT NULL,
        number INTEGER NOT NULL, at REAL NOT NULL, scenario TEXT NOT NULL, task TEXT, tags TEXT NOT NULL, user TEXT,
        target TEXT NOT NULL, why TEXT NOT NULL, decision TEXT NOT NULL, snapshot TEXT NOT NULL, input_tokens,
        output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, estimate,
        reserved NOT NULL, cost NOT NULL, basis TEXT NOT NULL, failure TEXT, finish TEXT, seconds REAL,
        first_token REAL, accounts TEXT NOT NULL, content TEXT)""",
    "CREATE INDEX ledger_at ON ledger (at)",
    """CREATE VIEW spend AS SELECT datetime(at, 'unixepoch') AS utc, date(at, 'unixepoch') AS day, kind, request,
        number, scenario, task, tags, user, target, input_tokens, output_tokens, cost / 1e12 AS dollars,
        reserved / 1e12 AS reserved_dollars, estimate / 1e12 AS estimate_dollars, basis, failure, finish, seconds,
        accounts, id FROM ledger""",
    """CREATE TABLE signals (
        mark INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE, value TEXT NOT NULL, until REAL NOT NULL,
        extends INTEGER NOT NULL)""",
    """CREATE TABLE keys (
        position INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, fingerprint TEXT NOT NULL, owner TEXT NOT NULL,
        until REAL NOT NULL, reply BLOB)""",
    "CREATE INDEX keys_until ON keys (until)",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)
"""Makes a new file into a store."""
