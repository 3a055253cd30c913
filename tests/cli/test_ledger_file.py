"""The ledger of a real file: what a crash leaves is found, mended, exported and rebuilt, to the last pico-dollar."""

import json
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from modelroute.cli.opened import VARIABLE
from modelroute.money import Money
from modelroute.stores.rows import entry_of
from modelroute.stores.sqlite import SqliteStore
from modelroute.types.claims import Claim, Granted
from modelroute.types.ledger import Entry, EntryKind
from tests.cli.conftest import Command
from tests.stores.rowbook import row


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with three attempts that were settled, one of them before its time, and one that nobody settled."""
    path = tmp_path / "spend.db"
    monkeypatch.setenv(VARIABLE, str(path))
    now = time.time()
    store = SqliteStore(path)
    for number, cost in enumerate(("0.013", "0.000000000001", "0"), 1):
        claims = [Claim("team", Money(1), Money("0.02"), now + 1e6), Claim("all", Money(9), Money("0.02"), now + 1e6)]
        entry = row(number, at=now, cost=Money(cost), accounts=("team", "all"))
        assert store.reserve(entry.id, claims, lease=now + 60, now=now, entry=_draft(entry)) == Granted()
        store.settle(entry.id, entry.cost, now=now, entry=entry)
    lost = row(4, at=now - 100, accounts=("team",))
    claims = [Claim("team", Money(1), Money("0.02"), now + 1e6)]
    assert store.reserve(lost.id, claims, lease=now - 50, now=now - 100, entry=_draft(lost)) == Granted()
    store.close()
    return path


def _draft(entry: Entry) -> Entry:
    return replace(
        entry, id=f"{entry.id}/presumed", kind=EntryKind.PRESUMED, cost=entry.reserved, basis="reservation",
        failure=None, finish=None, input_tokens=None, output_tokens=None, cached_tokens=None,
    )  # fmt: skip


def run(modelroute: Command, *words: str) -> str:
    result = modelroute(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_crash_is_found_mended_and_rebuilt(modelroute: Command, file: Path, tmp_path: Path) -> None:
    checked = json.loads(run(modelroute, "ledger", "check", "--format", "json"))
    assert {each["account"]: each["recorded_pico"] for each in checked["accounts"]} == {
        "all": 13_000_000_001,
        "team": 33_000_000_001,
    }
    assert {each["verdict"] for each in checked["accounts"]} == {"equal"}
    assert [each["reservation"] for each in checked["presumed"]] == ["r-4"]

    run(modelroute, "ledger", "reverse", "r-4", "--yes")
    assert run(modelroute, "ledger", "presumed") == "no presumed spend\n"
    assert "all equal to the last pico-dollar" in run(modelroute, "ledger", "check")
    total = json.loads(run(modelroute, "spend", "--format", "json"))["total"]
    assert (total["cost_pico"], total["attempts"], total["answers"]) == (13_000_000_001, 4, 3)

    exported, anew = tmp_path / "ledger.jsonl", tmp_path / "anew.db"
    run(modelroute, "ledger", "export", "--output", str(exported))
    run(modelroute, "ledger", "rebuild", "--yes", "--store", str(anew), str(exported), str(file))
    assert "all equal" in run(modelroute, "ledger", "check", "--store", str(anew))
    original, copy = SqliteStore(file), SqliteStore(anew)
    try:
        assert list(copy.entries()) == list(original.entries())
        assert [entry_of(json.loads(line)) for line in exported.read_text().splitlines()] == list(copy.entries())
        assert {
            scope: balance.total for scope, balance in copy.balances(now=time.time()).items()
        } == {scope: balance.total for scope, balance in original.balances(now=time.time()).items()}  # fmt: skip
    finally:
        original.close()
        copy.close()


def test_a_counter_that_somebody_changed_is_found(modelroute: Command, file: Path) -> None:
    run(modelroute, "ledger", "check")
    connection = sqlite3.connect(file)
    connection.execute("UPDATE accounts SET total = total + 1 WHERE scope = 'team'")
    connection.commit()
    connection.close()
    result = modelroute("ledger", "check")
    assert result.exit_code == 1
    assert "1 account not equal to their rows" in result.stdout
    run(modelroute, "ledger", "rebuild", "--yes", str(file))
    assert "all equal" in run(modelroute, "ledger", "check")


def test_a_database_of_something_else_is_left_alone(modelroute: Command, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE mine (x)")
    connection.commit()
    connection.close()
    before = other.read_bytes()
    result = modelroute("spend", "--store", str(other))
    assert result.exit_code != 0
    assert "something else" in result.stderr
    assert other.read_bytes() == before
