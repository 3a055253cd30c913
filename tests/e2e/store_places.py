"""What the tests of real stores stand on: a store to start, a provider that bills differently, the books compared."""

# ruff: noqa: ANN401
# Options are handed through to calls that check them, and JSON is what it is.

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from modelroute import Money
from modelroute.cli.app import app
from modelroute.stores.opening import open_store
from modelroute.stores.redis import RedisStore
from modelroute.stores.sqlite import SqliteStore
from modelroute.testing.faults import custom, ok, rate_limited
from modelroute.testing.server import FaultServer
from modelroute.types.ledger import Entry, EntryKind
from tests.e2e.places import Place, place
from tests.stores.redis_server import running

ROOT = Path(__file__).parents[2]
STORES = ("sqlite", "redis")

BILLS = ((2, 1), (8, 10), (5, 2), (1, 7), (8, 3))
"""Input and output tokens that answers report in turn, each at most what a call of `CAP` sets aside."""

CAP = 10
"""Output cap of the calls that meet `billing`."""


@contextmanager
def store_at(kind: str, home: Path) -> Iterator[str]:
    """Give what a user writes as ``store=``, with a server behind it where it takes one."""
    if kind == "sqlite":
        yield str(home / "spend.db")
        return
    with running("redis") as server:
        yield server.url


def ahead(where: str, seconds: float) -> None:
    """Let time pass in the store, so that leases end."""
    store = RedisStore(where, clock="caller") if "://" in where else SqliteStore(where)
    store.balances(now=time.time() + seconds)
    store.close()


def billing(server: FaultServer, *, delay: float = 0.0, **declared: Any) -> Place:
    """Return a provider whose answers report the usage of `BILLS` in turn; its log names each as it bills."""
    # The last is refused and costs nothing. A script's last repeats, so this is longer than any test.
    turn = [custom(f"{taken}/{given}", ok(usage=(taken, given), delay=delay).play) for taken, given in BILLS]
    return place(server, [*turn, *turn, rate_limited("0.02")] * 100, **declared)


def billed(one: Place) -> Counter[Money]:
    """Return what each request to `one` truly costs, by the server's log alone."""
    price = one.provider.price
    assert price is not None
    assert not isinstance(price, dict)
    found = Counter[Money]()
    for seen in one.seen:
        taken, _, given = seen.behaviour.partition("/")
        cost = int(taken) * 1_000_000 + int(given) * 4_000_000 if given else 0
        found[Money.from_pico(cost)] += 1
    return found


def rows_of(where: str) -> list[Entry]:
    store = open_store(where, create=False)
    rows = list(store.entries())
    store.close()
    return rows


def total(costs: Counter[Money]) -> Money:
    return Money.from_pico(sum(cost.pico * times for cost, times in costs.items()))


def command(*words: str, code: int = 0) -> str:
    """Return what `modelroute` prints, as somebody at a terminal runs it."""
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert done.exit_code == code, done.output
    return done.stdout


def checked(where: str) -> dict[str, Any]:
    """Run `ledger check`, which must agree, with nothing left set aside; return its JSON."""
    found: dict[str, Any] = json.loads(command("ledger", "check", "--store", where, "--format", "json"))
    assert found["agrees"]
    assert all(account["verdict"] == "equal" for account in found["accounts"])
    assert all(account["reserved_pico"] == 0 for account in found["accounts"])
    return found


def books_agree(where: str, limit: Money, places: Sequence[Place]) -> None:
    """What the servers truly billed is what the budget says, row for row, and no more than `limit`."""
    costs = sum(map(billed, places), Counter[Money]())
    found = checked(where)
    (account,) = found["accounts"]
    assert account["counted_pico"] == total(costs).pico <= limit.pico
    rows = rows_of(where)
    assert all(row.kind is EntryKind.ATTEMPT for row in rows)
    assert Counter(row.cost for row in rows) == costs
    assert Counter(row.target for row in rows) == {one.target: len(one.seen) for one in places if one.seen}
    assert len({row.id for row in rows}) == len(rows)


def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for what goes on behind."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


class Other:
    """Another process with a router on the same store and provider: see `store_worker.py`."""

    def __init__(self, part: str, where: str, *places: Place, **options: object) -> None:
        said = {"store": where, "places": [one.server.url_for(one.prefix) for one in places], **options}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.store_worker", part, json.dumps(said)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    def told(self) -> Any:
        """Return the next thing that it says."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"it ended with {self._process.wait()}"
        return json.loads(line)

    def go_on(self) -> None:
        """Let it take its next step."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """End it as kill -9 does."""
        self._process.kill()
        self._close()

    def end(self) -> None:
        """See it end well."""
        self._close()
        assert self._process.returncode == 0

    def _close(self) -> None:
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
