"""Several processes on one server, and everything that can die does: nothing is overspent, lost or left set aside.

MODELROUTE_PROCESSES and MODELROUTE_OPERATIONS make it longer.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from modelroute.errors import StoreLostError, StoreUnavailableError
from modelroute.money import ZERO, Money
from modelroute.stores.check import check_ledger
from modelroute.stores.redis import RedisStore
from modelroute.types.claims import Claim, Granted
from modelroute.types.ledger import EntryKind
from tests.stores.redis_server import Server, running
from tests.stores.redis_worker import BUSY, IN_FLIGHT, LEASE, MOST, WAITING, Progress, billed, entry, mirrored

PROCESSES = int(os.environ.get("MODELROUTE_PROCESSES", "4"))
OPERATIONS = int(os.environ.get("MODELROUTE_OPERATIONS", "20000"))
ROOT = Path(__file__).parents[2]


class Crew:
    """The workers, and whoever kills them."""

    def __init__(self, server: Server, home: Path, operations: int) -> None:
        self.server, self.home, self.operations = server, home, operations
        self.limit = PROCESSES * operations // 2 * MOST * 9 // 40  # they want a tenth more than that
        self.progress = Progress.at(home / "progress", PROCESSES)
        self.store = RedisStore(server.url, timeout=5.0)
        self.store.balances(now=time.time())
        self.workers = [self._hired(worker) for worker in range(PROCESSES)]
        self.draws = random.Random(7)
        self.most = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.store.close()

    def _hired(self, worker: int) -> subprocess.Popen[bytes]:
        arguments = [self.server.url, str(self.home), str(worker), str(self.operations), str(self.limit)]
        return subprocess.Popen([sys.executable, "-m", "tests.stores.redis_worker", *arguments], cwd=ROOT)

    @property
    def done(self) -> float:
        return sum(self.progress.read(worker)[0] for worker in range(PROCESSES)) / (PROCESSES * self.operations)

    def kill(self) -> None:
        """Kill one, if that can be caught between its grant and its settlement, and hire another for the rest."""
        worker = self.draws.randrange(PROCESSES)
        end = time.monotonic() + 0.2
        while self.progress.read(worker)[1] != IN_FLIGHT and time.monotonic() < end:
            pass
        self.workers[worker].send_signal(signal.SIGKILL)
        self.workers[worker].wait()
        self.workers[worker] = self._hired(worker)

    def lose(self, how: Callable[[], object]) -> None:
        """Lose what the server knew, kill one that may be in flight, and rebuild once all the others have noticed."""
        losses = self.progress.losses + 1
        self.progress.write(-1, losses, BUSY)
        how()
        self.kill()
        self._until(
            lambda: all(
                self.progress.read(number)[1] == WAITING + losses or worker.poll() == 0
                for number, worker in enumerate(self.workers)
            ),
            30,
        )
        with pytest.raises(StoreLostError):
            self.store.balances(now=time.time())
        self.store.rebuild(mirrored(self.home), now=time.time())

    def abandon(self) -> None:
        """Reserve and never settle, as one that is killed at that moment."""
        now = time.time()
        claims = [Claim(scope, Money(10**9), Money(1), now + 900) for scope in ("shared", "lately")]
        draft = entry("abandoned", EntryKind.PRESUMED, 0, 0, ("shared", "lately"))
        assert self.store.reserve("abandoned", claims, lease=now + LEASE, now=now, entry=draft) == Granted()

    def look(self) -> None:
        """See that no account is over its limit at this instant."""
        try:
            for scope, balance in self.store.balances(now=time.time()).items():
                used = (balance.spent + balance.reserved).pico
                assert used <= self.limit, scope
                self.most = max(self.most, used)
        except StoreUnavailableError:
            pass

    def until_done(self, part: float) -> None:
        self._until(lambda: self.done >= part, 600, each=self.look)

    def _until(self, reached: Callable[[], bool], seconds: float, each: Callable[[], None] = lambda: None) -> None:
        end = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < end, "the workers are stuck"
            each()
            time.sleep(0.02)

    def end(self) -> None:
        for worker in self.workers:
            assert worker.wait(60) == 0
        end = time.monotonic() + 35
        while any(balance.reserved for balance in self.store.balances(now=time.time()).values()):
            assert time.monotonic() < end, "a lease did not end"
            time.sleep(0.05)


def _emptied(server: Server) -> None:
    """A restart of a server that keeps nothing."""
    server.kill()
    for path in server.home.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    server.start()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kind", "operations"), [("redis", OPERATIONS), ("valkey", OPERATIONS // 10)])
def test_nothing_is_overspent_lost_or_left_set_aside_whatever_dies(kind: str, operations: int, tmp_path: Path) -> None:
    with running(kind, persistent=True) as server, Crew(server, tmp_path, operations) as crew:
        events: list[Callable[[], object]] = [
            crew.kill,
            server.restart,
            crew.kill,
            lambda: crew.lose(lambda: server.ask("FLUSHALL")),
            crew.kill,
            lambda: crew.lose(lambda: _emptied(server)),
            crew.abandon,
            server.restart,
            crew.kill,
        ]
        for number, event in enumerate(events, start=1):
            crew.until_done(number / (len(events) + 1))
            event()
        crew.until_done(1.0)
        store = RedisStore(server.url, timeout=5.0, create=False)
        crew.end()

        bills, now = billed(tmp_path), time.time()
        rows: dict[str, int] = {}
        presumed = set[str]()
        names = set[str]()
        for row in store.entries():
            assert row.id not in names
            names.add(row.id)
            reservation = row.id.split("/")[0]
            rows[reservation] = rows.get(reservation, 0) + row.cost.pico
            (presumed.add if row.kind is EntryKind.PRESUMED else presumed.discard)(reservation)
        balances = store.balances(now=now)
        store.close()

        assert rows["abandoned"] == Money(1).pico
        assert "abandoned" in presumed
        assert sum(bills.values()) <= crew.limit
        assert crew.most <= crew.limit
        assert crew.most > crew.limit * 0.9
        assert {name for name in bills if name not in rows} == set()
        assert {name for name, cost in bills.items() if name not in presumed and rows[name] != cost} == set()
        assert {name for name in presumed if rows[name] < bills.get(name, 0)} == set()
        assert sum(rows.values()) == balances["shared"].total.pico == balances["lately"].total.pico
        assert sum(bills.values()) <= balances["shared"].total.pico
        assert all(balance.reserved == ZERO for balance in balances.values())
        reader = RedisStore(server.url, timeout=5.0, create=False)
        assert check_ledger(reader, now=now).agrees
        reader.close()
        figures = (
            f"{len(bills)} billed, {len(presumed)} presumed, {crew.most / crew.limit:.1%} of the limit used at most"
        )
        sys.stdout.write(f"{kind}, {PROCESSES} processes x {operations} operations: {figures}\n")
