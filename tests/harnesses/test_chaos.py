"""`make chaos`: sizes reach the tests, what pytest reports is the result, and what did not run is not shown."""

from pathlib import Path

import pytest

from harnesses import chaos
from harnesses.chaos import Job, Outcome, Sizes, jobs_of, outcome_of, result_of
from harnesses.result import ROOT

REPORT = """<testsuites><testsuite>
<testcase name="good"><system-out>--------- Captured Out ---------
8 processes: 0 overspent
</system-out></testcase>
<testcase name="bad"><failure message="M1: 3 of 2">...</failure></testcase>
<testcase name="broken"><error message="no server">...</error></testcase>
<testcase name="left out"><skipped message="no redis"/></testcase>
</testsuite></testsuites>"""


def test_sizes_reach_the_tests_and_no_seed_twice() -> None:
    jobs = jobs_of(Sizes())
    seeds: list[int] = []
    for job in jobs:
        if job.name == "simulation":
            begin = int(job.settings["MODELROUTE_SEEDS_FROM"])
            seeds += range(begin, begin + int(job.settings["MODELROUTE_SEEDS"]))
    assert sorted(seeds) == list(range(100_000))
    redis = next(job for job in jobs if job.name == "redis")
    assert redis.settings == {"MODELROUTE_PROCESSES": "8", "MODELROUTE_OPERATIONS": "100000"}
    assert next(job for job in jobs if job.name == "kills").settings == {"MODELROUTE_KILLS": "200"}


def test_every_file_that_is_named_is_there_and_reads_its_variables() -> None:
    for job in jobs_of(Sizes()):
        text = "".join((ROOT / file).read_text(encoding="utf-8") for file in (*job.files, "tests/sim/outage.py"))
        assert all(f'"{name}"' in text for name in job.settings), job


def test_a_share_scales_all_but_the_processes() -> None:
    tenth = Sizes().times(0.1)
    assert (tenth.seeds, tenth.outages, tenth.kills, tenth.operations) == (10_000, 50, 20, 10_000)
    assert tenth.processes == Sizes().processes
    assert Sizes().times(1e-9).seeds == chaos.PARTS


def test_a_report_is_read(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    path.write_text(REPORT, encoding="utf-8")
    outcome = outcome_of(path, 2.5)
    assert (outcome.passed, outcome.skipped, outcome.seconds) == (1, 1, 2.5)
    assert outcome.failed == ("bad: M1: 3 of 2", "broken: no server")
    assert outcome.printed == ("8 processes: 0 overspent",)
    assert not outcome.holds


@pytest.mark.parametrize(
    ("outcome", "holds", "said"),
    [
        (Outcome(passed=3), True, "0 violations"),
        (Outcome(passed=3, skipped=1), False, "not shown, 3 tests passed and 1 were skipped"),
        (Outcome(), False, "not shown"),
        (Outcome(passed=3, failed=("world: M1",)), False, "1 tests failed, the first world: M1"),
    ],
)
def test_only_what_ran_and_did_not_fail_holds(outcome: Outcome, holds: bool, said: str) -> None:
    (promise,) = result_of({"simulation": outcome}, Sizes(), "make chaos").promises
    assert promise.holds is holds
    assert said in promise.figure
    assert "100,000" in promise.figure


def test_parts_of_a_figure_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos, "run", lambda job: Outcome(passed=1, failed=() if job.files else ("none",)))
    told: list[str] = []
    jobs = [Job("simulation", ("a",), alone=False), Job("simulation", (), alone=False), Job("kills", ("b",))]
    found = chaos.run_all(jobs, lambda job, outcome: told.append(job.name))
    assert told == ["simulation", "simulation", "kills"]
    assert found["simulation"].passed == 2
    assert not found["simulation"].holds
    assert found["kills"].holds
