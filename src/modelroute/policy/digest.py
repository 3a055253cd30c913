"""A short name for what a decision knew, so that a ledger can say which decisions saw the same world."""

from __future__ import annotations

import hashlib
import json

from modelroute.types.facts import Snapshot

__all__ = ["digest_of"]


def digest_of(snapshot: Snapshot) -> str:
    """Return twelve hex digits of all that a snapshot holds: equal for equal ones, in any order of insertion."""
    affinity = snapshot.affinity
    content = {
        "now": snapshot.now,
        "draw": snapshot.draw,
        "holds": dict(snapshot.holds),
        "missing": {target: sorted(features) for target, features in snapshot.missing.items()},
        "outputs": dict(snapshot.outputs),
        "default_output": snapshot.default_output,
        "likely": dict(snapshot.likely),
        "longest": dict(snapshot.longest),
        "latency": dict(snapshot.latency),
        "affinity": None if affinity is None else [affinity.target, affinity.cached_tokens, affinity.bound_by_tools],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:12]
