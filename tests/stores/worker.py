"""Plays one process of many on a store: ``python tests/stores/worker.py <part> <place> ...`` (see `PARTS`).

Its clock is the real one. It prints one JSON object at its end and dies when its parent kills it.
"""

import json
import os
import random
import resource
import select
import signal
import sys
import threading
import time
from pathlib import Path

from modelroute.errors import StoreUnavailableError
from modelroute.money import ZERO, Money
from modelroute.stores.opening import open_store
from modelroute.stores.sqlite import SqliteStore
from modelroute.stores.store import Store
from modelroute.types.claims import Claim, Granted
from modelroute.types.ledger import Entry, EntryKind

LEASE = 3.0
AMOUNT = 1_000
FOREVER = 4e9


def limits(operations: int) -> dict[str, tuple[Money, float | None]]:
    """Accounts of all workers: one that a little more than half of what they want exhausts, one that rolls."""
    return {"team": (Money.from_pico(operations * AMOUNT // 8), None), "rolling": (Money.from_pico(40 * AMOUNT), 2.0)}


def entry_of(reservation: str, cost: Money, accounts: tuple[str, ...], at: float) -> Entry:
    return Entry(
        id=reservation, kind=EntryKind.ATTEMPT, request=reservation, number=1, at=at, scenario="daily", task=None,
        tags=(), user=None, target="m@p", why="first", decision="d", snapshot="s", input_tokens=1, output_tokens=1,
        cached_tokens=None, cache_write_tokens=None, reasoning_tokens=None, estimate=cost, reserved=cost, cost=cost,
        basis="catalog", failure=None, finish="stop", seconds=0.1, first_token=None, accounts=accounts,
    )  # fmt: skip


def spend(store: Store, name: str, operations: int, wanted: int) -> dict[str, int]:
    """Reserve and settle, `operations` calls in all; a tenth costs all that was set aside, a tenth nothing."""
    accounts, draw = limits(wanted), random.Random(name)
    told = {"granted": 0, "refused": 0, "unavailable": 0, "spent": 0}
    number = calls = 0
    while calls < operations:
        number += 1
        reservation, now = f"{name}.{number}", time.time()
        scopes = ("team", "rolling") if number % 4 == 0 else ("team",)
        bound = Money.from_pico(AMOUNT)
        claims = [Claim(scope, accounts[scope][0], bound, FOREVER, accounts[scope][1]) for scope in scopes]
        cost = Money.from_pico(draw.choice([0, AMOUNT, *(draw.randint(1, AMOUNT) for _ in range(8))]))
        try:
            calls += 1
            presumed = entry_of(reservation, bound, scopes, now)
            if not isinstance(store.reserve(reservation, claims, lease=now + LEASE, now=now, entry=presumed), Granted):
                told["refused"] += 1
                continue
            calls += 1
            store.settle(reservation, cost, now=time.time(), entry=entry_of(reservation, cost, scopes, now))
            told["granted"] += 1
            told["spent"] += cost.pico
        except StoreUnavailableError:
            told["unavailable"] += 1
    return told


def observe(store: Store, wanted: int) -> dict[str, int]:
    """Look at the accounts until standard input closes; count the instants at which one held more than its limit."""
    told = {"looks": 0, "violations": 0, "unavailable": 0}
    while not select.select([sys.stdin], [], [], 0.0)[0]:
        for scope, (limit, _) in limits(wanted).items():
            try:
                balance = store.balance(scope, now=time.time())
            except StoreUnavailableError:
                told["unavailable"] += 1
                continue
            if balance is not None:
                told["looks"] += 1
                told["violations"] += balance.spent + balance.reserved > limit
        time.sleep(0.001)
    return told


def acknowledge(place: str, name: str, pipe: int) -> None:
    """Settle for ever; say so on the pipe each time the store has acknowledged it."""
    store = open_store(place)
    number = 0
    while True:
        number += 1
        reservation, now = f"{name}.{number}", time.time()
        claim = Claim("team", Money(1000), Money.from_pico(AMOUNT), FOREVER)
        presumed = entry_of(reservation, Money.from_pico(AMOUNT), ("team",), now)
        store.reserve(reservation, [claim], lease=now + LEASE, now=now, entry=presumed)
        cost = Money.from_pico(number % AMOUNT)
        store.settle(reservation, cost, now=now, entry=entry_of(reservation, cost, ("team",), now))
        os.write(pipe, f"{reservation}\n".encode())


def kills(place: str, times: int, seed: int) -> dict[str, int]:
    """Kill a settling child `times` times, at any moment: what it had acknowledged is there, once, and adds up."""
    draw = random.Random(seed)
    acknowledged: set[str] = set()
    store = open_store(place)
    told = {"kills": 0, "acknowledged": 0, "lost": 0, "duplicated": 0, "presumed": 0, "unequal": 0}
    for kill in range(times):
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            acknowledge(place, f"kill{kill}", writing)
        os.close(writing)
        time.sleep(draw.uniform(0.001, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(reading, "rb") as pipe:
            acknowledged.update(line.decode().strip() for line in pipe if line.endswith(b"\n"))
        told["kills"] += 1
        if kill % 10 == 9 or kill == times - 1:
            balance = store.balance("team", now=time.time() + LEASE + 1)
            rows = list(store.entries())
            ids = [row.id for row in rows]
            told["lost"] += len(acknowledged - set(ids))
            told["duplicated"] += len(ids) - len(set(ids))
            told["presumed"] = sum(row.kind is EntryKind.PRESUMED for row in rows)
            total = sum((row.cost for row in rows), ZERO)
            told["unequal"] += balance is not None and (balance.total != total or balance.reserved != ZERO)
    told["acknowledged"] = len(acknowledged)
    store.close()
    return told


def full(place: str) -> dict[str, object]:
    """Fill the disk, as a limit on the size of files; make room again."""
    store = SqliteStore(place)
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, most))
    acknowledged: list[str] = []
    said = ""
    for number in range(5000):
        try:
            store.append([entry_of(f"r{number}", Money.from_pico(1), (), 0.0)])
        except StoreUnavailableError as error:
            said = str(error)
            break
        acknowledged.append(f"r{number}")
    kept = {row.id for row in store.entries()} if said else set[str]()
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    store.append([entry_of("after", Money.from_pico(1), (), 0.0)])
    rows = [row.id for row in store.entries()]
    store.close()
    return {"said": said, "acknowledged": len(acknowledged), "kept": len(kept), "rows": len(rows), "last": rows[-1]}


def read_only(place: str) -> dict[str, object]:
    """Open a store that this user may read and not write."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setuid(65534)
    said: list[str] = []
    store: SqliteStore | None = None
    try:
        store = SqliteStore(place)
        store.append([entry_of("r", Money.from_pico(1), (), 0.0)])
    except StoreUnavailableError as error:
        said.append(str(error))
    if store is not None:
        store.close()
    return {"said": said}


def forks(place: str) -> dict[str, object]:
    """Fork again and again while threads spend: parent and children go on, and none loses what it settled."""
    store = SqliteStore(place, timeout=20)
    stop, done = threading.Event(), [0] * 3

    def work(thread: int) -> None:
        while not stop.is_set():
            spend_once(store, f"parent.{thread}.{done[thread]}")
            done[thread] += 1

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(3)]
    for thread in threads:
        thread.start()
    children: list[int] = []
    for number in range(6):
        child = os.fork()
        if not child:
            for each in range(20):
                spend_once(store, f"child.{number}.{each}")
            store.close()
            os._exit(0)
        children.append(child)
        time.sleep(0.01)
    failed = [status for child in children if (status := os.waitpid(child, 0)[1])]
    stop.set()
    for thread in threads:
        thread.join()
    rows, balance = list(store.entries()), store.balance("team", now=1.0)
    store.close()
    assert balance is not None
    total = sum((row.cost for row in rows), ZERO)
    return {
        "failed": failed,
        "rows": len(rows),
        "settled": sum(done) + 120,
        "equal": total == balance.total and balance.reserved == ZERO,
    }


def spend_once(store: Store, reservation: str) -> None:
    amount = Money.from_pico(7)
    store.reserve(reservation, [Claim("team", Money(1000), amount, FOREVER)], lease=100.0, now=1.0)
    store.settle(reservation, amount, now=1.0, entry=entry_of(reservation, amount, ("team",), 1.0))


def main(part: str, place: str, *rest: str) -> None:
    """Play the part and print what came of it."""
    told: object
    if part == "spend":
        store = open_store(place)
        told = spend(store, rest[0], int(rest[1]), int(rest[2]))
        store.close()
    elif part == "observe":
        store = open_store(place)
        print("looking", flush=True)  # noqa: T201
        told = observe(store, int(rest[0]))
        store.close()
    elif part == "kills":
        told = kills(place, int(rest[0]), int(rest[1]))
    else:
        told = {"full": full, "read_only": read_only, "forks": forks}[part](place)
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    assert Path(__file__).is_file()
    main(*sys.argv[1:])
