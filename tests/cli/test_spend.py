"""`modelroute spend`: the same sums for a person, a spreadsheet and a program."""

import csv
import importlib
import io
import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from modelroute.cli import opened
from modelroute.money import Money
from tests.cli.conftest import Command
from tests.stores.rowbook import NOON, RowBook, row

ROWS = [
    row(1, tags=("eu", "web"), user="ada"),
    row(2, at=NOON + 86_400, user="bob", cost=Money("0.000000000001")),
    row(3, target="gpt-5.5@openai", failure="silent", finish=None, input_tokens=None, output_tokens=None),
]


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> RowBook:
    kept = RowBook(ROWS)
    monkeypatch.setattr(opened, "open_store", lambda place, create: kept)
    monkeypatch.delenv(opened.VARIABLE, raising=False)
    return kept


def run(modelroute: Command, *words: str, status: int = 0) -> str:
    result = modelroute("spend", "--store", "redis://host", *words)
    assert result.exit_code == status, result.output
    return result.stdout if status == 0 else result.stderr


def cells(output: str) -> list[list[str]]:
    return [line.split() for line in output.split("\n\n", maxsplit=1)[0].splitlines()]


def test_without_headings_it_says_the_sum(modelroute: Command, book: RowBook) -> None:
    output = run(modelroute)
    assert cells(output) == [
        ["attempts", "answers", "tokens", "in", "cached", "tokens", "out", "cost", "per", "answer"],
        ["3", "2", "200", "30", "40", "$0.02", "$0.01"],
    ]
    assert "Without a report of tokens: 1 attempt." in output
    assert book.closed == 1


def test_headings_combine(modelroute: Command, book: RowBook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "150")
    output = run(modelroute, "--by", "day,target", "--by", "user")
    assert [line[:4] for line in cells(output)] == [
        ["day", "target", "user", "attempts"],
        ["2026-11-01", "gpt-5.5@openai", "(none)", "1"],
        ["2026-11-01", "kimi-k2.6@moonshot", "ada", "1"],
        ["2026-11-02", "kimi-k2.6@moonshot", "bob", "1"],
        ["total", "3", "2", "200"],
    ]


def test_tags_say_that_they_overlap(modelroute: Command, book: RowBook) -> None:
    output = run(modelroute, "--by", "tag")
    assert "several tags is in the row of each; the total counts it once" in output
    assert cells(output)[-1][:2] == ["total", "3"]


def test_an_answer_has_no_failure(modelroute: Command, book: RowBook) -> None:
    assert {line[0] for line in cells(run(modelroute, "--by", "failure"))} == {
        "failure",
        "silent",
        "(answered)",
        "total",
    }


def test_csv_is_exact(modelroute: Command, book: RowBook) -> None:
    lines = list(csv.DictReader(io.StringIO(run(modelroute, "--by", "user", "--format", "csv"))))
    assert [line["user"] for line in lines] == ["ada", "", "bob"]
    assert lines[2]["cost"] == "0.000000000001"
    assert sum(Decimal(line["cost"]) for line in lines) == Decimal("0.020000000001")
    assert [line["cost_pico"] for line in lines] == ["10000000000", "10000000000", "1"]
    assert lines[1]["mean_cost"] == ""


def test_json_is_exact_and_dated(modelroute: Command, book: RowBook) -> None:
    document = json.loads(run(modelroute, "--by", "user", "--format", "json", "--since", "2026-11-01"))
    assert (document["version"], document["store"], document["by"]) == (1, "rows", ["user"])
    assert (document["since"], document["until"], document["zone"]) == ("2026-11-01", None, "UTC")
    assert [line["user"] for line in document["rows"]] == ["ada", None, "bob"]
    assert document["total"]["cost"] == "0.020000000001"
    assert document["total"]["cost_pico"] == 20_000_000_001
    assert document["total"]["mean_cost_pico"] == 10_000_000_000


@pytest.mark.parametrize(
    ("words", "attempts"),
    [
        (("--since", "2026-11-02"), 1), (("--until", "2026-11-02"), 2), (("--since", "2026-11-01T12:00:01"), 1),
        (("--since", "2026-11-01T13:00+01:00"), 3), (("--since", "2026-11-01", "--until", "2026-11-03"), 3),
        (("--since", "2026-11-01T13:00", "--zone", "Europe/Berlin"), 3),
    ],
)  # fmt: skip
def test_a_time_is_that_of_the_zone(modelroute: Command, book: RowBook, words: tuple[str, ...], attempts: int) -> None:
    assert json.loads(run(modelroute, *words, "--format", "json"))["total"]["attempts"] == attempts


def test_a_time_without_attempts_says_so(modelroute: Command, book: RowBook) -> None:
    assert "nothing was spent" in run(modelroute, "--since", "2027-01-01", "--by", "day")
    assert run(modelroute, "--since", "2027-01-01", "--format", "csv", "--by", "day").count("\n") == 1


def test_it_goes_into_a_file(modelroute: Command, book: RowBook, tmp_path: Path) -> None:
    for form in ("table", "csv", "json"):
        file = tmp_path / f"spend.{form}"
        file.write_text("what stood there before, much longer than what comes" * 100)
        assert run(modelroute, "--format", form, "--output", str(file)) == ""
        assert file.read_text(encoding="utf-8") == run(modelroute, "--format", form)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--by", "dya"), "Did you mean 'day'"), (("--format", "xml"), "table, csv, json, parquet"),
        (("--since", "yesterday"), "2026-11-01"), (("--zone", "Europe/Bonn"), "Europe/Berlin"),
        (("--zone", "../etc"), "Europe/Berlin"), (("--since", "2026-11-02", "--until", "2026-11-02"), "not after"),
        (("--format", "parquet"), "--output"), (("--output", "/nowhere/at/all"), "cannot be written"),
    ],
    ids=str,
)  # fmt: skip
def test_what_was_asked_wrongly(modelroute: Command, book: RowBook, words: tuple[str, ...], told: str) -> None:
    assert told in run(modelroute, *words, status=2)


# ---------------------------------------------------------------------------------------------------------- parquet


def test_parquet_needs_pyarrow(
    modelroute: Command, book: RowBook, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    told = run(modelroute, "--format", "parquet", "--output", str(tmp_path / "spend.parquet"), status=2)
    assert "pip install pyarrow" in told
    assert not list(tmp_path.iterdir())
    assert book.closed == 0, "it is said before the ledger is read"


def test_parquet_is_exact(modelroute: Command, book: RowBook, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow.parquet")
    parquet: Any = importlib.import_module("pyarrow.parquet")
    file = tmp_path / "spend.parquet"
    run(modelroute, "--by", "user", "--format", "parquet", "--output", str(file))
    rows = parquet.read_table(file).to_pylist()
    assert [line["user"] for line in rows] == ["ada", None, "bob"]
    assert sum(line["cost"] for line in rows) == Decimal("0.020000000001")
    assert rows[1]["mean_cost"] is None
    assert sum(line["attempts"] for line in rows) == 3
    assert "cannot be written" in run(modelroute, "--format", "parquet", "--output", "/nowhere/x", status=2)


# ------------------------------------------------------------------------------------------------- which store it is


def test_the_store_stands_in_the_environment(
    modelroute: Command, book: RowBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(opened.VARIABLE, "redis://host")
    assert modelroute("spend").exit_code == 0
    monkeypatch.delenv(opened.VARIABLE)
    result = modelroute("spend")
    assert result.exit_code == 2
    assert "--store spend.db" in result.stderr


def test_looking_makes_no_store(modelroute: Command, tmp_path: Path) -> None:
    missing, other, folder = tmp_path / "missing.db", tmp_path / "notes.txt", tmp_path / "folder.d"
    other.write_text("SQLite format 4")
    folder.mkdir()
    for path, told in ((missing, "no store at"), (other, "is no store"), (folder, "directory")):
        result = modelroute("spend", "--store", str(path))
        assert result.exit_code == 2, result.output
        assert told in result.stderr
    assert not missing.exists()
    assert other.read_text() == "SQLite format 4"


def test_a_store_without_a_ledger_says_so(modelroute: Command, book: RowBook) -> None:
    book.keeps_ledger = False
    assert "keeps no ledger" in run(modelroute, status=2)
    assert book.closed == 1
    result = modelroute("spend", "--store", "memory")
    assert result.exit_code == 2
    assert "gone with its process" in result.stderr
