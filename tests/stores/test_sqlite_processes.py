"""Many processes on one file, killed in the middle: nothing overspent, nothing leaked, nothing lost (M1, M3, M5, M8).

MODELROUTE_PROCESSES, MODELROUTE_OPERATIONS and MODELROUTE_KILLS enlarge them.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelroute.money import ZERO, Money
from modelroute.stores.sqlite import SqliteStore
from modelroute.types.ledger import EntryKind
from tests.stores.worker import LEASE, limits

PROCESSES = int(os.environ.get("MODELROUTE_PROCESSES", "4"))
OPERATIONS = int(os.environ.get("MODELROUTE_OPERATIONS", "20000"))
KILLS = int(os.environ.get("MODELROUTE_KILLS", "50"))
WORKER = Path(__file__).with_name("worker.py")
ROOT = WORKER.parents[2]

Start = Callable[..., "subprocess.Popen[str]"]


def start(*arguments: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(WORKER), *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def told(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """What a part printed at its end."""
    printed, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, printed
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


@pytest.mark.timeout(1800)
def test_processes_that_are_killed_overspend_nothing_at_any_instant(tmp_path: Path) -> None:
    """Half of the workers are killed once on their way and another takes their place; an observer looks all along."""
    place, wanted = tmp_path / "spend.db", PROCESSES * OPERATIONS
    draw = random.Random(1)
    observer = start("observe", place, wanted)
    assert observer.stdout is not None
    assert observer.stdout.readline() == "looking\n"
    began = time.monotonic()
    workers = [start("spend", place, f"w{number}", OPERATIONS, wanted) for number in range(PROCESSES)]
    for number in range(PROCESSES // 2):
        time.sleep(draw.uniform(0.5, 1.0))
        workers[number].kill()
        workers[number].communicate()
        workers[number] = start("spend", place, f"again{number}", OPERATIONS, wanted)
    spent = [told(worker) for worker in workers]
    seconds = time.monotonic() - began
    seen = told(observer)
    assert seen["violations"] == 0
    assert seen["looks"] > 50

    store, later = SqliteStore(place), time.time() + LEASE + 1
    balances = store.balances(now=later)  # first: what is overdue becomes rows with it
    rows = list(store.entries())
    store.close()
    assert len({row.id for row in rows}) == len(rows)
    for scope, (limit, _) in limits(wanted).items():
        balance = balances[scope]
        assert balance.reserved == ZERO
        assert balance.total == sum((row.cost for row in rows if scope in row.accounts), ZERO)
        assert balance.spent <= limit
    assert sum(row.kind is EntryKind.PRESUMED for row in rows) <= PROCESSES // 2
    survivors = sum(each["spent"] for each in spent)
    assert Money.from_pico(survivors) <= balances["team"].total <= limits(wanted)["team"][0]
    assert sum(each["refused"] for each in spent) > 0
    sys.stdout.write(f"{wanted} operations in {seconds:.1f} s: {spent} {seen}, {len(rows)} rows\n")


def test_what_was_acknowledged_survives_every_kill_once(tmp_path: Path) -> None:
    found = told(start("kills", tmp_path / "spend.db", KILLS, 1))
    sys.stdout.write(f"{found}\n")
    assert found["kills"] == KILLS
    assert found["acknowledged"] > KILLS
    assert (found["lost"], found["duplicated"], found["unequal"]) == (0, 0, 0)


def test_a_process_may_fork_while_its_threads_spend(tmp_path: Path) -> None:
    found = told(start("forks", tmp_path / "spend.db"))
    assert found["failed"] == []
    assert found["rows"] == found["settled"] > 120
    assert found["equal"]
