"""A provider for long runs, in a process of its own: good answers, and one fault in a hundred.

``python -m harnesses.faulty`` prints its base URL and serves until its standard input ends, so it never outlives the
program that started it. What it costs in memory and time is not that program's.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import count

from harnesses.result import ROOT
from modelroute.testing.exchange import Exchange
from modelroute.testing.faults import custom, find, ok
from modelroute.testing.server import FaultServer

__all__ = ["faulty_server"]

FAULTS = (
    "503", "reset_before_headers", "cut", "429_retry_after_fraction", "malformed_first", "500", "error_event",
    "garbage", "usage_missing", "empty", "error_event_first", "529", "eof_without_finish", "html", "stream_reset",
    "no_done",
)  # fmt: skip
"""Faults that end at once: a run of many requests measures what they leave behind, not how long they wait."""

_REMEMBERED = 100


@contextmanager
def faulty_server(one_in: int = 100) -> Generator[str]:
    """Run the provider meanwhile; give its base URL. One request in `one_in` meets a fault, 0 for none."""
    command = [sys.executable, "-m", "harnesses.faulty", str(one_in)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()


def main(arguments: Sequence[str]) -> int:
    """Serve until standard input ends."""
    one_in = int(arguments[0]) if arguments else 100
    turns = count(1)
    faults = [find(name) for name in FAULTS]
    well = ok("A short answer in a few pieces.", pieces=4)

    async def play(exchange: Exchange) -> None:
        turn = next(turns)
        chosen = faults[turn // one_in % len(faults)] if one_in and turn % one_in == 0 else well
        await chosen.play(exchange)

    with FaultServer(default=custom("one_in_so_many", play), remember=_REMEMBERED, only=[]) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
