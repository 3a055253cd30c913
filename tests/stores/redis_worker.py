"""One of several processes that spend from the same accounts on one server, until it is killed.

What it was billed is appended to one file per worker *before* it is settled, what it would tell a ledger of its own to
another, a draft before anything is sent. Both are the truth the store is measured by. Its progress is a number in a
file all workers share: it has not been interrupted in the middle of it by anything but a SIGKILL.
"""

import mmap
import os
import random
import struct
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from modelroute.errors import StoreLostError, StoreUnavailableError
from modelroute.money import Money
from modelroute.stores.redis import RedisStore
from modelroute.types.claims import Claim, Granted
from modelroute.types.ledger import Entry, EntryKind

MOST = 3000 * 10**12
"""What one attempt may cost at most: a few of them are beyond what a double counts exactly."""

LEASE = 1.0
SLOT = struct.Struct("=QQ")
BUSY, IN_FLIGHT, WAITING = range(3)


@dataclass(frozen=True)
class Progress:
    """What workers and their killer tell each other: operations done, and what each is in the middle of.

    A worker that waits for a rebuild adds how many losses there were. Those are the killer's to tell, in a last slot.
    """

    memory: mmap.mmap

    @classmethod
    def at(cls, path: Path, workers: int) -> "Progress":
        if not path.exists():
            path.write_bytes(bytes(SLOT.size * (workers + 1)))
        with path.open("r+b") as file:
            return cls(mmap.mmap(file.fileno(), 0))

    def read(self, worker: int) -> tuple[int, int]:
        place = worker * SLOT.size if worker >= 0 else len(self.memory) - SLOT.size
        done, doing = SLOT.unpack_from(self.memory, place)
        return done, doing

    @property
    def losses(self) -> int:
        return self.read(-1)[0]

    def write(self, worker: int, done: int, doing: int) -> None:
        place = worker * SLOT.size if worker >= 0 else len(self.memory) - SLOT.size
        SLOT.pack_into(self.memory, place, done, doing)


def main(url: str, home: Path, worker: int, operations: int, limit: int) -> None:
    store = RedisStore(url, timeout=5.0, create=False)
    progress = Progress.at(home / "progress", 0)
    done = progress.read(worker)[0]
    draws = random.Random(f"{worker}.{os.getpid()}")
    bills, mirror = ((home / f"{name}.{worker}").open("ab", buffering=0) for name in ("bills", "mirror"))
    while done < operations:
        name = f"{worker}.{os.getpid()}.{done}"
        bound = draws.randrange(1, MOST)
        granted = False
        while True:
            try:
                granted = _reserved(store, name, bound, limit=limit, keep=mirror.write)
                break
            except StoreLostError:
                progress.write(worker, done, WAITING + progress.losses)
            except StoreUnavailableError:
                pass
            time.sleep(0.005)
        done += 1
        if granted:
            progress.write(worker, done, IN_FLIGHT)
            cost = draws.choice((0, bound, draws.randrange(bound + 1)))
            bills.write(f"{name} {cost}\n".encode())
            mirror.write(f"{name} {bound} {cost}\n".encode())
            _settled(store, name, bound, cost)
            done += 1
        progress.write(worker, done, BUSY)
    store.close()


def entry(name: str, kind: EntryKind, reserved: int, cost: int, scopes: tuple[str, ...] | None = None) -> Entry:
    """Return a row; the first part of its name is the worker's number."""
    return Entry(
        id=name, kind=kind, request=name, number=1, at=time.time(), scenario="daily", task=None, tags=("a", "b"),
        user=None, target="m@p", why="first", decision="d", snapshot="s", input_tokens=9, output_tokens=None,
        cached_tokens=None, cache_write_tokens=None, reasoning_tokens=None, estimate=None,
        reserved=Money.from_pico(reserved), cost=Money.from_pico(cost), basis="catalog", failure=None, finish=None,
        seconds=None, first_token=None, accounts=scopes or ("shared", f"own{name.split('.', maxsplit=1)[0]}", "lately"),
    )  # fmt: skip


def _reserved(store: RedisStore, name: str, bound: int, *, limit: int, keep: Callable[[bytes], object]) -> bool:
    now, amount, most = time.time(), Money.from_pico(bound), Money.from_pico(limit)
    draft = entry(name, EntryKind.PRESUMED, 0, 0)
    claims = [
        Claim(scope, most, amount, now + 900, rolling=600.0 if scope == "lately" else None) for scope in draft.accounts
    ]
    if not isinstance(store.reserve(name, claims, lease=now + LEASE, now=now, entry=draft), Granted):
        return False
    keep(f"{name} {bound}\n".encode())
    return True


def _settled(store: RedisStore, name: str, bound: int, cost: int) -> None:
    row = entry(name, EntryKind.ATTEMPT, bound, cost)
    while True:
        try:
            return store.settle(name, Money.from_pico(cost), now=time.time(), entry=row)
        except StoreLostError:
            return None  # the mirror has it, and the store will be rebuilt from that
        except StoreUnavailableError:
            time.sleep(0.005)


def mirrored(home: Path) -> Iterator[Entry]:
    """Yield what all workers would tell: settled attempts, and drafts of those that were not."""
    for path in sorted(home.glob("mirror.*")):
        told = {line.split()[0]: [int(part) for part in line.split()[1:]] for line in path.read_text().splitlines()}
        for name, (bound, *cost) in told.items():
            if cost:
                yield entry(name, EntryKind.ATTEMPT, bound, cost[0])
            else:
                yield entry(f"{name}/presumed", EntryKind.PRESUMED, bound, bound)


def billed(home: Path) -> dict[str, int]:
    """Return what every attempt truly cost."""
    lines = (line for path in home.glob("bills.*") for line in path.read_text().splitlines())
    return {name: int(cost) for name, cost in (line.split() for line in lines)}


if __name__ == "__main__":
    _url, _home, *_numbers = sys.argv[1:]
    main(_url, Path(_home), *map(int, _numbers))
