"""Results of harnesses: one shape, and the page of promises is what they render to."""

import json
from pathlib import Path

import pytest

from harnesses import promises
from harnesses.promises import PAGE, render
from harnesses.result import RESULTS, Promise, Result, machine, read, read_all, write

MONEY = Promise("M1", "never above the limit", "0 violations in 5,000 seeds", holds=True)
MEMORY = Promise("C4", "memory is | bounded", "0.1 MiB per\n100,000 requests", holds=True)
TIME = Promise("T10", "in time", "10 ms", holds=True)
EARLIER = Promise("T2", "few calls", "1.1", holds=True)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    result = Result("soak", "make soak", [MONEY, MEMORY])
    path = write(result, directory=tmp_path / "new", details={"samples": [1, 2]})
    assert path == tmp_path / "new" / "soak.json"
    assert read(path) == result
    assert json.loads(path.read_text())["details"] == {"samples": [1, 2]}
    assert result.machine == machine()
    assert "core" in machine()
    assert read_all(tmp_path / "new") == [result]


@pytest.mark.parametrize(
    "change",
    [
        {"promises": []},
        {"promises": None},
        {"promises": [{"invariant": "M1"}]},
        {"promises": [{"invariant": "M1", "promise": "x", "figure": " ", "holds": True}]},
        {"promises": [{"invariant": "M1", "promise": "x", "figure": "y", "holds": "yes"}]},
        {"harness": ""},
    ],
)
def test_other_shapes_are_refused_by_the_files_name(tmp_path: Path, change: dict[str, object]) -> None:
    path = write(Result("soak", "make soak", [MONEY]), directory=tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ValueError, match=r"soak\.json"):
        read(path)


def test_the_page_has_a_row_for_each_promise_in_one_order() -> None:
    results = [
        Result("a", "make a", [TIME, MEMORY], machine="2 cores"),
        Result("b", "make b", [EARLIER, MONEY], machine="2 cores"),
    ]
    page = render(results)
    assert page == render(results[::-1])
    rows = [line for line in page.splitlines() if line.startswith("| ") and "`make" in line]
    assert rows == [
        "| M1 | never above the limit | 0 violations in 5,000 seeds | `make b` |",
        "| T2 | few calls | 1.1 | `make b` |",
        "| T10 | in time | 10 ms | `make a` |",
        "| C4 | memory is \\| bounded | 0.1 MiB per 100,000 requests | `make a` |",
    ]
    assert "- 2 cores: `make a`, `make b`\n" in page


def test_a_promise_that_does_not_hold_is_said_not_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = Promise("M1", "never above the limit", "3 violations", holds=False)
    assert "| **does not hold**: 3 violations |" in render([Result("a", "make a", [broken])])
    write(Result("a", "make a", [broken]), directory=tmp_path)
    page = tmp_path / "page.md"
    where = ["--results", str(tmp_path), "--page", str(page)]
    assert promises.main(where) == 1
    assert "M1 does not hold" in capsys.readouterr().out
    write(Result("a", "make a", [MONEY]), directory=tmp_path)
    assert promises.main([*where, "--check"]) == 1, "the page is of the old result"
    assert "never above" in page.read_text()
    assert promises.main(where) == 0
    assert promises.main([*where, "--check"]) == 0
    page.unlink()
    assert promises.main([*where, "--check"]) == 1


def test_the_page_of_promises_is_what_the_results_render_to() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(read_all(RESULTS)), "run python -m harnesses.promises"
