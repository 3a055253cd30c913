"""Mutants: which changes are made, that each is one, and that tests are what decides."""

import ast
import runpy
from pathlib import Path

import pytest

from harnesses import mutate
from harnesses.mutants import Mutant, mutants_of
from harnesses.mutate import Verdict, modules_named, stages_for

MODULE = '''"""What it says stays."""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = ["f"]
Name: TypeAlias = "Decimal"


def f(a: int, b: int = 2) -> int | None:
    """So does this: 1 + 1."""
    total = é = 0
    if a < b and not total:
        total += a * 2.5  # a remark
    while a:
        a -= 1
        if a in (b,):
            break
    if total is None:
        raise ValueError("what is said: " + str(1))
    print(f"{total + 1}")
    return "x" if é else -total
'''


def changes(source: str) -> set[tuple[str, str]]:
    return {(mutant.before, mutant.after) for mutant in mutants_of(source)}


def test_every_kind_of_change_is_made_and_no_other() -> None:
    assert changes(MODULE) == {
        ("2", "3"),
        ("0", "1"),
        ("a < b and not total", "a < b or not total"),
        ("a < b", "a <= b"),
        ("a < b", "a >= b"),
        ("not total", "total"),
        ("total += a * 2.5", "pass"),
        ("a * 2.5", "a + 2.5"),
        ("2.5", "5.0"),
        ("a", "not a"),
        ("a -= 1", "pass"),
        ("1", "2"),
        ("a in (b,)", "a not in (b,)"),
        ("break", "continue"),
        ("total is None", "total is not None"),
        ('raise ValueError("what is said: " + str(1))', "pass"),
        ('print(f"{total + 1}")', "pass"),
        ('return "x" if é else -total', "return None"),
        ('"x" if é else -total', "-total if é else 'x'"),
        ('"x"', "'xXX'"),
        ("é", "not é"),
        ("-total", "total"),
    }


def test_each_mutant_is_another_program_that_differs_in_one_place() -> None:
    original = ast.dump(ast.parse(MODULE))
    mutants = mutants_of(MODULE)
    for mutant in mutants:
        assert ast.dump(ast.parse(mutant.source)) != original
        assert "# a remark" in mutant.source or "2.5" in mutant.before
        assert mutant.where == "f"
    assert len({mutant.source for mutant in mutants}) == len(mutants)
    assert mutants_of(MODULE) == mutants


def test_modules_and_the_tests_that_are_about_them() -> None:
    assert modules_named(["resilience/backoff.py", "wire/sse.py"]) == ["resilience/backoff.py", "wire/sse.py"]
    assert "engine/route.py" in modules_named(["engine"])
    assert not any(name.endswith("__init__.py") for name in modules_named(["engine"]))
    with pytest.raises(SystemExit, match="no/such"):
        modules_named(["no/such.py"])
    assert stages_for("wire/sse.py") == [["tests/wire/test_sse.py"], ["tests/wire"]]
    assert stages_for("engine/route.py")[-1] == list(mutate.WIDER["engine"])
    assert stages_for("money.py")[0] == ["tests/test_money.py"]


def a_package(folder: Path) -> Path:
    """Make a repository of one module with a test that notices its comparison, and not its constant."""
    (folder / "src/modelroute/resilience").mkdir(parents=True)
    (folder / "src/modelroute/__init__.py").touch()
    (folder / "src/modelroute/resilience/__init__.py").touch()
    (folder / "src/modelroute/resilience/limit.py").write_text("def ok(a):\n    spare = 1\n    return a < 5\n")
    (folder / "tests/resilience").mkdir(parents=True)
    test = "from modelroute.resilience.limit import ok\n\n\ndef test_it():\n    assert ok(4) and not ok(5)\n"
    (folder / "tests/resilience/test_limit.py").write_text(test)
    (folder / "pyproject.toml").write_text(
        "[tool.pytest.ini_options]\naddopts = ['--strict-markers']\nmarkers = ['local_llm: x']\n"
    )
    return folder


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand `a_package` in the place of this repository."""
    root = a_package(tmp_path / "repository")
    monkeypatch.setattr(mutate, "ROOT", root)
    monkeypatch.setattr(mutate, "PACKAGE", root / "src/modelroute")
    monkeypatch.setattr(mutate, "WIDER", {})
    monkeypatch.setattr(mutate.modules_named, "__defaults__", (root / "src/modelroute",))
    monkeypatch.setattr(mutate.stages_for, "__defaults__", (root,))
    return root


@pytest.mark.timeout(120)
def test_a_workplace_runs_tests_against_its_copy(package: Path, tmp_path: Path) -> None:
    place = mutate._Workplace(tmp_path / "place")
    asked = [(["tests/resilience/test_limit.py"], 60.0)]
    noticed, unnoticed = (Mutant("ok", 3, "x", "x", "y", f"def ok(a):\n    return a {op} 5\n") for op in ("<=", "<"))
    assert place.judge("resilience/limit.py", noticed, asked).by == "tests/resilience/test_limit.py"
    assert place.judge("resilience/limit.py", unnoticed, asked).by == ""
    endless = Mutant("ok", 3, "x", "x", "y", "while True:\n    pass\n")
    assert place.judge("resilience/limit.py", endless, [(asked[0][0], 0.2)]).by
    assert (package / "src/modelroute/resilience/limit.py").read_text().endswith("return a < 5\n")


def test_survivors_are_listed(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def test(place: mutate._Workplace, *_: object) -> bool:
        module = runpy.run_path(str(place._source / "modelroute/resilience/limit.py"))
        return module["ok"](4) is True and module["ok"](5) is False

    monkeypatch.setattr(mutate._Workplace, "test", test)
    results = tmp_path / "results"
    asked = ["--modules", "resilience/limit.py", "--sample", "0", "--jobs", "2", "--results", str(results)]
    assert mutate.main(asked) == 1
    assert "80.0% of 5 mutants noticed (1 not, 0 " in capsys.readouterr().out
    listed = (results / "mutate.md").read_text()
    assert "## resilience/limit.py:2 ok (constant)\n\nno test notices\n\n```diff\n- 1\n+ 2\n```" in listed
    (package / "src/modelroute/resilience/limit.py").write_text("def ok(a):\n    return a < 6\n")
    with pytest.raises(SystemExit, match="without any mutant these tests fail"):
        mutate.main([*asked, "--sample", "1"])


def test_survivors_that_do_what_the_original_does_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "equivalent.toml"
    assert mutate.equivalents(path) == {}
    row = '[[mutant]]\nmodule = "m.py"\nwhere = "f"\nbefore = "1"\nafter = "2"\nwhy = "nobody reads it"\n'
    path.write_text(row)
    known = mutate.equivalents(path)
    survivors = [Verdict("m.py", Mutant("f", 1, "constant", "1", "2", ""), ""), KILLED]
    assert (
        mutate.result_of(survivors, known).promises[0].figure.startswith("100.0% of 1 mutants noticed (0 not, 1 that")
    )
    assert "nobody reads it" in mutate.report(survivors, known)
    assert "no test notices" in mutate.report(survivors, {})


KILLED = Verdict("m.py", Mutant("g", 1, "constant", "1", "2", ""), "tests")


def test_the_goal_is_a_share_of_what_can_be_noticed() -> None:
    mutant = Mutant("f", 1, "constant", "1", "2", "")
    verdicts = [Verdict("m.py", mutant, "tests")] * 85 + [Verdict("m.py", mutant, "")] * 15
    assert mutate.result_of(verdicts, {}).holds
    assert not mutate.result_of(verdicts[1:], {}).holds
    assert mutate.result_of(verdicts[80:], {("m.py", "f", "1", "2"): "the same"}).holds
    assert not mutate.result_of([], {}).holds


def test_every_mutant_said_to_be_equivalent_is_still_there() -> None:
    """A reason for a mutant that can no longer be made is no reason."""
    for module, *key in mutate.equivalents():
        mutants = mutants_of((mutate.PACKAGE / module).read_text(encoding="utf-8"))
        assert tuple(key) in {mutant.key for mutant in mutants}, (module, key)
