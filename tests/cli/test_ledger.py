"""`modelroute ledger`: what it finds, what it mends, and what it leaves alone."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelroute.cli import opened
from modelroute.errors import StoreLostError
from modelroute.money import Money
from modelroute.stores.rows import entry_of, row_of
from modelroute.types.ledger import EntryKind
from tests.cli.conftest import Command
from tests.stores.rowbook import RowBook, correction, presumed, row


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> RowBook:
    kept = RowBook([row(1), presumed(2), presumed(3), correction(3, "-0.01"), row(4, accounts=("closed/2026-10",))])
    monkeypatch.setattr(opened, "open_store", lambda place, create: kept)
    monkeypatch.setenv(opened.VARIABLE, "redis://host")
    return kept


def run(modelroute: Command, *words: str, status: int = 0, typed: str | None = None) -> str:
    result = modelroute("ledger", *words, typed=typed)
    assert result.exit_code == status, result.output
    return result.stdout if status == 0 else result.output


def test_check_finds_all_equal(modelroute: Command, book: RowBook) -> None:
    output = run(modelroute, "check")
    assert "5 rows, 1 account: all equal to the last pico-dollar" in output
    assert "no counter here" in output
    assert "r-2 " in output, "presumed spend is listed"
    assert "r-3" not in output


def test_check_finds_one_pico_dollar(modelroute: Command, book: RowBook) -> None:
    book.added = {"team/2026-11-01": 1}
    output = run(modelroute, "check", status=1)
    assert "1 account not equal to their rows" in output
    assert "$0.04 " in output
    assert "$0.040000000001" in output


def test_a_ledger_alone_has_nothing_to_compare(modelroute: Command, book: RowBook) -> None:
    book.rows = [row(4, accounts=("closed/2026-10",))]
    assert "1 row, and no counter to compare them with" in run(modelroute, "check")


def test_check_for_machines(modelroute: Command, book: RowBook) -> None:
    book.reserved = {"team/2026-11-01": Money("0.5")}
    document: dict[str, Any] = json.loads(run(modelroute, "check", "--format", "json"))
    assert (document["version"], document["store"], document["agrees"], document["rows"]) == (1, "rows", True, 5)
    account, closed = sorted(document["accounts"], key=lambda each: str(each["account"]), reverse=True)
    assert account == {
        "account": "team/2026-11-01", "verdict": "equal", "recorded_pico": 40_000_000_000,
        "counted_pico": 40_000_000_000, "presumed_recorded_pico": 20_000_000_000,
        "presumed_counted_pico": 20_000_000_000, "reserved_pico": 500_000_000_000,
    }  # fmt: skip
    assert closed["verdict"] == "closed"
    assert [each["reservation"] for each in document["presumed"]] == ["r-2"]
    book.added = {"team/2026-11-01": -1}
    assert json.loads(run(modelroute, "check", "--format", "json", status=1))["agrees"] is False


def test_a_lost_store_is_a_failure_in_words(
    modelroute: Command, book: RowBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(**_: object) -> None:
        raise StoreLostError("redis host:6379/0 has lost what it knew; modelroute ledger rebuild")

    monkeypatch.setattr(book, "balances", lost)
    assert "has lost what it knew" in run(modelroute, "check", status=1)
    assert book.closed == 1


def test_presumed_lists_what_is_not_corrected(modelroute: Command, book: RowBook) -> None:
    output = run(modelroute, "presumed")
    assert "r-2" in output
    assert "kimi-k2.6@moonshot" in output
    assert "r-3" not in output
    (listed,) = json.loads(run(modelroute, "presumed", "--format", "json"))["presumed"]
    assert (listed["reservation"], listed["cost"], listed["cost_pico"]) == ("r-2", "0.02", 20_000_000_000)
    book.rows = [row(1)]
    assert run(modelroute, "presumed") == "no presumed spend\n"


def test_reverse_asks_first(modelroute: Command, book: RowBook) -> None:
    before = list(book.rows)
    assert "nothing was done" in run(modelroute, "reverse", "r-2", typed="n\n", status=2)
    assert book.rows == before
    assert "$0.02 of r-2" in modelroute("ledger", "reverse", "r-2", typed="y\n").stderr
    assert book.rows[-1].kind is EntryKind.CORRECTION
    assert book.rows[-1].cost == Money("-0.02")


def test_reverse_takes_the_id_of_the_row_too(modelroute: Command, book: RowBook) -> None:
    run(modelroute, "reverse", "r-2/presumed", "--yes")
    assert book.rows[-1].id == "r-2/correction"


@pytest.mark.parametrize("reservation", ["r-1", "r-3", "r-9"])
def test_what_is_not_presumed_cannot_be_reversed(modelroute: Command, book: RowBook, reservation: str) -> None:
    before = list(book.rows)
    assert "no presumed spend" in run(modelroute, "reverse", reservation, "--yes", status=2)
    assert book.rows == before


# --------------------------------------------------------------------------------------------- export and rebuild


def test_export_leaves_content_out_unless_asked(modelroute: Command, book: RowBook) -> None:
    book.rows[0] = replace(book.rows[0], content="a prompt")
    for form in ("jsonl", "csv"):
        assert "a prompt" not in run(modelroute, "export", "--format", form)
        assert "a prompt" in run(modelroute, "export", "--format", form, "--content")


def test_export_as_csv(modelroute: Command, book: RowBook) -> None:
    book.rows = [row(1, tags=("a", "b"))]
    (line,) = csv.DictReader(io.StringIO(run(modelroute, "export", "--format", "csv")))
    assert (line["id"], line["cost"], line["cost_pico"]) == ("r-1", "0.01", "10000000000")
    assert (json.loads(line["tags"]), line["user"]) == (["a", "b"], "")


def test_export_of_a_time(modelroute: Command, book: RowBook) -> None:
    assert run(modelroute, "export", "--until", "2026-11-01") == ""
    assert run(modelroute, "export", "--since", "2026-11-01").count("\n") == len(book.rows)


def test_what_is_exported_rebuilds(modelroute: Command, book: RowBook, tmp_path: Path) -> None:
    rows, files = list(book.rows), [str(tmp_path / name) for name in ("one.jsonl", "two.jsonl")]
    run(modelroute, "export", "--output", files[0])
    Path(files[1]).write_text("\n" + "".join(json.dumps(row_of(each)) + "\n" for each in [rows[0], row(9)]))
    book.rows = []
    result = modelroute("ledger", "rebuild", *files, "--yes")
    assert result.exit_code == 0, result.output
    assert book.rebuilt == [*rows, row(9)], "a row in both files counts once"
    assert "rebuilt 1 account of rows from 6 rows" in result.stderr


def test_rebuild_asks_first(modelroute: Command, book: RowBook, tmp_path: Path) -> None:
    file = tmp_path / "one.jsonl"
    file.write_text(json.dumps(row_of(row(9))))
    assert "nothing was done" in run(modelroute, "rebuild", str(file), typed="\n", status=2)
    assert book.rebuilt is None


@pytest.mark.parametrize("line", ["{", "[]", "5", '{"id": "r"}', "\x00\ufffd", '{"a":' * 2000, "NaN"])
def test_a_bad_line_rebuilds_nothing(modelroute: Command, book: RowBook, tmp_path: Path, line: str) -> None:
    file = tmp_path / "one.jsonl"
    file.write_text(json.dumps(row_of(row(9))) + "\n" + line + "\n", encoding="utf-8")
    told = run(modelroute, "rebuild", str(file), "--yes", status=2)
    assert "one.jsonl:2: " in told
    assert "Nothing was rebuilt" in told
    assert book.rebuilt is None


def test_a_missing_ledger_file_is_said(modelroute: Command, book: RowBook, tmp_path: Path) -> None:
    assert "no ledger file" in run(modelroute, "rebuild", str(tmp_path / "none.jsonl"), "--yes", status=2)
    assert entry_of(row_of(row())) == row()
