"""A row of the ledger in a Redis stream: what the server may have to change stands apart, the rest is JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from modelroute.errors import ConfigurationError
from modelroute.stores.rows import entry_of, row_of
from modelroute.types.ledger import Entry

__all__ = ["ROW_FIELDS", "entry_read", "entry_written"]

ROW_FIELDS = (b"id", b"kind", b"cost", b"reserved", b"row")
"""Fields of a stream's entry, in the order of `entry_written`."""


def entry_written(entry: Entry) -> tuple[str, str, str, str, str]:
    """Return id, kind, cost and reserved (pico-dollars), and the whole row as JSON."""
    row = json.dumps(row_of(entry), separators=(",", ":"))
    return entry.id, str(entry.kind), str(entry.cost.pico), str(entry.reserved.pico), row


def entry_read(parts: Sequence[bytes]) -> Entry:
    """Return the entry; what stands apart counts. Raises `ConfigurationError` for what is no row."""
    name, kind, cost, reserved = (part.decode("utf-8", "surrogatepass") for part in parts[:4])
    try:
        row = json.loads(parts[4])
        row |= {"id": name, "kind": kind, "cost_pico": int(cost), "reserved_pico": int(reserved)}
        return entry_of(row)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"this is no row of a ledger: {error}") from None
