"""What importing costs: `from modelroute import Router` against `import httpx`, each in a fresh interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

__all__ = ["measure"]

ROUNDS = 9


def _seconds(statement: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)  # noqa: S603 - our own statements
    return time.perf_counter() - started


def measure() -> dict[str, float]:
    """Return milliseconds by statement: medians over interleaved rounds, less those of an empty program."""
    statements = ("pass", "import modelroute", "from modelroute import Router", "import httpx")
    found: dict[str, list[float]] = {statement: [] for statement in statements}
    for _ in range(ROUNDS):
        for statement in statements:
            found[statement].append(_seconds(statement))
    empty = statistics.median(found.pop("pass"))
    return {statement: (statistics.median(times) - empty) * 1000 for statement, times in found.items()}
