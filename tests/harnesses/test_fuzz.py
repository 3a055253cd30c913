"""What once broke a fuzz target never does again, and every target keeps its promise on what it starts from."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harnesses import fuzz, fuzz_targets
from harnesses.fuzz_targets import SEEDS, TARGETS
from harnesses.result import read
from modelroute.wire.sse import SseDecoder, SseEvent

BROKEN = sorted(path for path in fuzz.CRASHES.rglob("*") if path.is_file())


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_once_broke_a_target(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


def test_every_target_is_run_and_begins_somewhere() -> None:
    assert set(fuzz.NAMES) == set(TARGETS) == set(SEEDS)
    assert all(SEEDS.values())
    assert {path.parent.name for path in BROKEN} <= set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_targets_keep_their_promise_on_their_seeds(name: str) -> None:
    for seed in SEEDS[name]:
        TARGETS[name](seed)


@pytest.mark.parametrize("name", sorted(set(TARGETS) - {"declarations"}))  # which draws for itself
@settings(max_examples=30)
@given(st.data())
def test_and_on_what_is_made_of_them(name: str, data: st.DataObject) -> None:
    seed = data.draw(st.sampled_from(SEEDS[name]))
    place, drawn = data.draw(st.integers(0, len(seed))), data.draw(st.binary(max_size=8))
    TARGETS[name](seed[:place] + drawn + seed[place + data.draw(st.integers(0, 8)) :])


def test_a_target_notices_what_it_is_there_to_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz_targets, "retry_after", lambda *_: 1e9)
    with pytest.raises(AssertionError, match="out of bounds"):
        TARGETS["waits"](b"")
    monkeypatch.setattr(fuzz_targets, "DEEPEST", 2)
    with pytest.raises(AssertionError, match="deeper"):
        TARGETS["json"](b"[[[]]]")
    monkeypatch.setattr(SseDecoder, "feed", lambda _, data: [SseEvent("message", str(len(data)))])
    with pytest.raises(AssertionError, match="chunks"):
        TARGETS["sse"](b"\x01data: " + b"x" * 50)


def test_without_guidance_inputs_are_drawn_and_what_breaks_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(data: bytes) -> None:
        if len(data) > 3:
            raise ZeroDivisionError

    monkeypatch.setattr(fuzz_targets, "TARGETS", {"money": breaks})
    with pytest.raises(ZeroDivisionError):
        fuzz._drawn("money", 30, tmp_path)
    assert len(min(tmp_path.iterdir(), key=lambda path: path.stat().st_size).read_bytes()) > 3
    assert "number_of_executed_units: " in capsys.readouterr().err
    monkeypatch.setattr(fuzz_targets, "TARGETS", {"money": lambda _: None})
    fuzz._drawn("money", 0, tmp_path)


@pytest.mark.timeout(180)
def test_the_program_writes_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directories = ["--results", str(tmp_path), "--crashes", str(tmp_path / "crashes")]
    assert fuzz.main(["--seconds", "1", "--jobs", "1", "--targets", "money", *directories]) == 0, (
        capsys.readouterr().out
    )
    result = read(tmp_path / "fuzz.json")
    assert (result.harness, result.command, result.holds) == ("fuzz", "make fuzz", True)
    assert result.promises[0].figure.startswith("0 findings in ")
    assert not (tmp_path / "crashes").exists()


def test_findings_and_targets_that_never_ran_do_not_hold() -> None:
    ran, broke, idle = fuzz.Outcome("a", 5), fuzz.Outcome("b", 5, "KeyError: 1"), fuzz.Outcome("c", 0)
    assert fuzz.result_of([ran], 9).holds
    assert not fuzz.result_of([ran, broke], 9).holds
    assert not fuzz.result_of([ran, idle], 9).holds
    assert "b: KeyError: 1" in fuzz.result_of([ran, broke], 9).promises[0].figure


def test_the_last_words_of_a_run_are_the_exceptions() -> None:
    told = "INFO: seed\nTraceback (most recent call last):\n  File x\nmodelroute.errors.KeyError: 'a'\nartifact_prefix"
    assert fuzz._last_words(told) == "modelroute.errors.KeyError: 'a'"
    assert fuzz._last_words("killed") == "killed"
