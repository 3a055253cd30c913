"""``make chaos``: the project's own tests of what must never happen, at sizes that do not fit into a gate.

A hundred thousand simulated worlds, 200 kills of a writing process, eight processes with a hundred thousand operations
each on SQLite and on Redis, every fault over real sockets, every command made to fail. ``--share 0.1`` for a tenth of
it. Sizes reach the tests by environment variables; what pytest reports is the result.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from harnesses.result import RESULTS, ROOT, Promise, Result, write

__all__ = ["Job", "Outcome", "Sizes", "jobs_of", "main", "outcome_of", "result_of", "run"]

CORES = 2
"""Jobs that need one core run so many at a time."""

PARTS = 10
"""Parts of the simulation, so that no single test runs for ever."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is run."""

    seeds: int = 100_000
    outages: int = 500
    kills: int = 200
    processes: int = 8
    operations: int = 100_000

    def times(self, share: float) -> Sizes:
        """Return a share of it: of everything but the processes, which are what is tested."""
        return Sizes(
            seeds=max(PARTS, round(self.seeds * share) // PARTS * PARTS),
            outages=max(2, round(self.outages * share)),
            kills=max(2, round(self.kills * share)),
            processes=self.processes,
            operations=max(10_000, round(self.operations * share)),
        )


@dataclass(frozen=True, slots=True)
class Job:
    """Some tests at some size. `alone`: they use all cores themselves, or measure time. `only`: pytest's ``-k``."""

    name: str
    files: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    only: str = ""
    alone: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What pytest reported of a job. `printed`: lines in which tests say what they counted."""

    passed: int = 0
    failed: tuple[str, ...] = ()
    skipped: int = 0
    seconds: float = 0.0
    printed: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether everything ran and nothing failed."""
        return self.passed > 0 and not self.failed and not self.skipped

    def with_(self, other: Outcome) -> Outcome:
        """Return both together."""
        return Outcome(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.seconds + other.seconds,
            self.printed + other.printed,
        )


def jobs_of(sizes: Sizes) -> list[Job]:
    """Return what is run. Jobs of one name are parts of one figure."""
    part = sizes.seeds // PARTS
    simulations = [
        Job(
            "simulation",
            ("tests/sim/test_simulation.py",),
            {"MODELROUTE_SEEDS": str(part), "MODELROUTE_SEEDS_FROM": str(number * part)},
            alone=False,
        )
        for number in range(PARTS)
    ]
    crowd = {"MODELROUTE_PROCESSES": str(sizes.processes), "MODELROUTE_OPERATIONS": str(sizes.operations)}
    kills = {"MODELROUTE_KILLS": str(sizes.kills)}
    processes = "tests/stores/test_sqlite_processes.py"
    return [
        *simulations,
        Job(
            "outages",
            ("tests/sim/test_outage.py", "tests/sim/test_health.py"),
            {"MODELROUTE_OUTAGES": str(sizes.outages)},
            alone=False,
        ),
        Job("sweep", ("tests/sim/test_sweep.py",), alone=False),
        Job("kills", (processes,), kills, only="acknowledged"),
        Job("sqlite", (processes,), crowd | kills, only="not acknowledged"),
        Job("redis", ("tests/stores/test_redis_chaos.py",), crowd),
        Job("sockets", ("tests/e2e/test_faults.py",)),
    ]


def run(job: Job) -> Outcome:
    """Run the tests of a job in a process of their own."""
    with tempfile.TemporaryDirectory() as home:
        report = Path(home) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--timeout=3600",
            *job.files,
            f"--junitxml={report}",
        ]
        command += ["-o", "junit_logging=system-out", *(["-k", job.only] if job.only else [])]
        begun = time.monotonic()
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **job.settings}, capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - begun
        if not report.exists():
            return Outcome(failed=(f"pytest ended with {done.returncode}: {done.stdout[-500:]}",), seconds=seconds)
        return outcome_of(report, seconds)


def outcome_of(report: Path, seconds: float = 0.0) -> Outcome:
    """Return what a JUnit report says."""
    passed, skipped = 0, 0
    failed: list[str] = []
    printed: list[str] = []
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 - pytest wrote it
        bad = [each for each in case if each.tag in {"failure", "error"}]
        if bad:
            failed.append(f"{case.get('name')}: {(bad[0].get('message') or '')[:300]}")
        elif case.find("skipped") is not None:
            skipped += 1
        else:
            passed += 1
        out = case.findtext("system-out") or ""
        printed += [line for line in out.splitlines() if line.strip() and not line.startswith("---")]
    return Outcome(passed, tuple(failed), skipped, seconds, tuple(printed))


def run_all(jobs: Sequence[Job], tell: Callable[[Job, Outcome], None]) -> dict[str, Outcome]:
    """Run the jobs, those that need one core side by side, and return the outcomes by name."""
    found: dict[str, Outcome] = {}

    def note(job: Job, outcome: Outcome) -> None:
        tell(job, outcome)
        found[job.name] = found[job.name].with_(outcome) if job.name in found else outcome

    together = [job for job in jobs if not job.alone]
    with ThreadPoolExecutor(CORES) as pool:
        for job, outcome in zip(together, pool.map(run, together), strict=True):
            note(job, outcome)
    for job in jobs:
        if job.alone:
            note(job, run(job))
    return found


def _figure(outcome: Outcome, what: str, nothing: str) -> str:
    if outcome.failed:
        return f"{what}: {len(outcome.failed)} tests failed, the first {outcome.failed[0]}"
    if not outcome.holds:
        return f"{what}: not shown, {outcome.passed} tests passed and {outcome.skipped} were skipped"
    return f"{what}: {nothing}"


def result_of(found: Mapping[str, Outcome], sizes: Sizes, command: str) -> Result:
    """Return what the outcomes show."""
    crowd = f"{sizes.processes} processes x {sizes.operations:,} operations"
    told = [
        (
            "simulation", "M1", "no world overspends, leaks, hangs or joins two answers",
            f"{sizes.seeds:,} simulated worlds", "0 violations",
        ),
        (
            "outages", "H3", "failover, recovery and holds keep their promises",
            f"{sizes.outages:,} seeds of each kind of outage", "0 violations",
        ),
        (
            "sweep", "C1", "nothing is left behind whichever command fails, times out or is cancelled",
            f"every command of {found['sweep'].passed if 'sweep' in found else 0} scenarios", "0 left",
        ),
        (
            "kills", "M8", "what was acknowledged survives a kill, once",
            f"{sizes.kills:,} kills", "0 lost, 0 duplicated",
        ),
        ("sqlite", "M1", "processes on one SQLite file overspend nothing", crowd, "0 overspent"),
        (
            "redis", "M1", "processes on one Redis overspend nothing, whatever dies",
            f"{crowd} with kills, restarts and losses", "0 overspent, 0 lost",
        ),
        (
            "sockets", "T1", "every fault over real sockets ends as told, in time, with attempts as the server counts",
            f"{found['sockets'].passed if 'sockets' in found else 0} tests", "0 failed",
        ),
    ]  # fmt: skip
    promises = [
        Promise(invariant, promise, _figure(found[name], what, nothing), holds=found[name].holds)
        for name, invariant, promise, what, nothing in told
        if name in found
    ]
    return Result("chaos", command, promises)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it and write the result; 1 when something did not hold, or was not shown."""
    parser = argparse.ArgumentParser(prog="python -m harnesses.chaos", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--share", type=float, default=1.0, help="share of all sizes (default 1)")
    parser.add_argument("--only", action="append", default=[], metavar="JOB", help="only this job (may be repeated)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the result is written")
    chosen = parser.parse_args(arguments)
    if not chosen.share > 0:
        parser.error("--share must be above 0")
    sizes = Sizes().times(chosen.share)
    jobs = jobs_of(sizes)
    unknown = set(chosen.only) - {job.name for job in jobs}
    if unknown:
        parser.error(f"--only knows {', '.join(dict.fromkeys(job.name for job in jobs))}, not {', '.join(unknown)}")

    def tell(job: Job, outcome: Outcome) -> None:
        how = f"{outcome.passed} passed, {len(outcome.failed)} failed, {outcome.skipped} skipped"
        sys.stdout.write(f"{job.name}: {how} in {outcome.seconds:.0f} s\n")
        sys.stdout.writelines(f"  {line}\n" for line in (*outcome.printed, *outcome.failed))
        sys.stdout.flush()

    found = run_all([job for job in jobs if not chosen.only or job.name in chosen.only], tell)
    command = "make chaos" if chosen.share == 1.0 else f"python -m harnesses.chaos --share {chosen.share:g}"
    result = result_of(found, sizes, command)
    details = {
        name: {"passed": each.passed, "seconds": round(each.seconds), "told": each.printed}
        for name, each in found.items()
    }
    sys.stdout.write(f"{write(result, directory=chosen.results, details=details)}\n")
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
