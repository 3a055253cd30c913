"""``make mutate``: change the code in small ways, one at a time, and see whether a test notices.

``python -m harnesses.mutate --modules resilience/backoff.py --sample 50 --seed 1`` for a look. A mutant is first shown
to the tests that mirror its module (``tests/resilience/test_backoff.py``), then, if it survives, to all of its package,
then to the wider ones of `WIDER`. The working tree is never touched: each worker has a copy of the package.

Survivors are listed in ``harnesses/results/mutate.md``. Those that no test can notice, since they do what the original
does, are named in ``harnesses/equivalent_mutants.toml`` with the reason, and do not count.
"""

from __future__ import annotations

import argparse
import difflib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from harnesses.mutants import Mutant, mutants_of
from harnesses.result import RESULTS, ROOT, Promise, Result, write

__all__ = ["Verdict", "main", "modules_named", "stages_for"]

PACKAGE = ROOT / "src" / "modelroute"
EQUIVALENT = ROOT / "harnesses" / "equivalent_mutants.toml"
"""Mutants that do what the original does, and why."""

MODULES = ("engine", "resilience", "policy", "wire/sse.py", "stores")
"""What is mutated unless said otherwise."""

WIDER: Mapping[str, tuple[str, ...]] = {
    "engine": ("tests/sim/test_sweep.py", "tests/sim/test_parity.py", "tests/runtime/test_drive.py"),
    "policy": ("tests/engine/test_ceiling.py",),
    "stores": ("tests/engine/test_money_and_time.py",),
}
"""Tests outside a package's own that are also about it; asked last, since they take longest."""

GOAL = 0.85
_GRACE = 20.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one mutant of `module`: `by` is the stage that killed it, ``""`` when nothing did."""

    module: str
    mutant: Mutant
    by: str

    @property
    def place(self) -> str:
        """Module, line and function."""
        return f"{self.module}:{self.mutant.line} {self.mutant.where}"


def modules_named(names: Iterable[str], package: Path = PACKAGE) -> list[str]:
    """Return the modules that files and folders name, relative to the package. Raises `SystemExit` for others."""
    found: list[str] = []
    for name in names:
        path = package / name
        if path.is_file():
            found.append(name)
        elif path.is_dir():
            found += [inner.relative_to(package).as_posix() for inner in sorted(path.rglob("*.py"))]
        else:
            raise SystemExit(f"no such module or package under src/modelroute: {name}")
    return [name for name in dict.fromkeys(found) if not name.endswith("__init__.py")]


def stages_for(module: str, root: Path = ROOT) -> list[list[str]]:
    """Return the tests to show a mutant of `module` to, nearest first."""
    package, _, name = module.rpartition("/")
    stem = name.removesuffix(".py")
    folder = root / "tests" / package
    mirrored = sorted(path.relative_to(root).as_posix() for path in folder.glob(f"test_{stem}*.py"))
    stages = [mirrored, [f"tests/{package}"] if package else ["tests"], list(WIDER.get(package.partition("/")[0], ()))]
    stages = [[path for path in stage if (root / path).exists()] for stage in stages]
    return [stage for stage in stages if stage]


class _Workplace:
    """A copy of the package in which one mutant at a time stands, and the tests run against it."""

    def __init__(self, folder: Path) -> None:
        self._source = folder / "src"
        self._scratch = folder / "scratch"
        shutil.copytree(PACKAGE, self._source / "modelroute", ignore=shutil.ignore_patterns("__pycache__"))

    def test(self, tests: Sequence[str], limit: float | None) -> bool:
        """Run tests against the copy; whether all passed within `limit` seconds."""
        # A fixed seed, so that the same mutants survive in every run; a store of its own, so that none are remembered.
        command = [
            sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider",
            "--hypothesis-seed=0", "-m", "not local_llm", *tests,
        ]  # fmt: skip
        environment = {
            **os.environ,
            "PYTHONPATH": str(self._source),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(self._scratch),
        }
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return process.wait(limit) == 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            return False

    def judge(self, module: str, mutant: Mutant, stages: Sequence[tuple[Sequence[str], float]]) -> Verdict:
        """Put the mutant in its module's place, ask the tests, and take it out again."""
        path = self._source / "modelroute" / module
        original = path.read_text(encoding="utf-8")
        path.write_text(mutant.source, encoding="utf-8")
        try:
            for tests, limit in stages:
                if not self.test(tests, limit):
                    return Verdict(module, mutant, " ".join(tests))
        finally:
            path.write_text(original, encoding="utf-8")
        return Verdict(module, mutant, "")


def equivalents(path: Path = EQUIVALENT) -> Mapping[tuple[str, str, str, str], str]:
    """Return the mutants known to do what the original does, by module, function, before and after, with the reason."""
    if not path.exists():
        return {}
    rows = tomllib.loads(path.read_text(encoding="utf-8")).get("mutant", [])
    return {(row["module"], row["where"], row["before"], row["after"]): row["why"] for row in rows}


def judge_all(drawn: Sequence[tuple[str, Mutant]], jobs: int) -> list[Verdict]:
    """Judge every mutant, several at a time. Raises `SystemExit` when the tests fail without any."""
    places: SimpleQueue[_Workplace] = SimpleQueue()
    with tempfile.TemporaryDirectory() as temporary, ThreadPoolExecutor(jobs) as pool:
        for number in range(jobs):
            places.put(_Workplace(Path(temporary, str(number))))

        def timed(stage: tuple[str, ...]) -> float:
            place, begun = places.get(), time.monotonic()
            try:
                if not place.test(stage, None):
                    raise SystemExit(f"without any mutant these tests fail: {' '.join(stage)}")
                return (time.monotonic() - begun) * 4 + _GRACE
            finally:
                places.put(place)

        wanted = sorted({tuple(stage) for module, _ in drawn for stage in stages_for(module)})
        limits = dict(zip(wanted, pool.map(timed, wanted), strict=True))

        def judged(pair: tuple[str, Mutant]) -> Verdict:
            place = places.get()
            try:
                stages = [(stage, limits[tuple(stage)]) for stage in stages_for(pair[0])]
                verdict = place.judge(*pair, stages)
            finally:
                places.put(place)
            sys.stdout.write(
                "." if verdict.by else f"\nsurvived: {verdict.place}: {pair[1].before} -> {pair[1].after}\n"
            )
            sys.stdout.flush()
            return verdict

        return list(pool.map(judged, drawn))


def result_of(verdicts: Sequence[Verdict], known: Mapping[tuple[str, str, str, str], str]) -> Result:
    """Return what the run shows, mutants that no test can notice left out."""
    counted = [one for one in verdicts if one.by or (one.module, *one.mutant.key) not in known]
    killed = sum(1 for one in counted if one.by)
    share = killed / len(counted) if counted else 0.0
    figure = (
        f"{share:.1%} of {len(counted)} mutants noticed ({len(counted) - killed} not, "
        f"{len(verdicts) - len(counted)} that do what the original does left out)"
    )
    looked_at = ", ".join(f"`{module}`" for module in sorted({verdict.module for verdict in verdicts}))
    promise = f"tests notice at least {GOAL:.0%} of small changes; those drawn were in {looked_at}"
    return Result("mutate", "make mutate", [Promise("tests", promise, figure, holds=share >= GOAL)])


def report(verdicts: Sequence[Verdict], known: Mapping[tuple[str, str, str, str], str]) -> str:
    """Return the survivors as a page, with what is known of each."""
    lines = ["# Mutants that survived", ""]
    for verdict in verdicts:
        if verdict.by:
            continue
        mutant = verdict.mutant
        why = known.get((verdict.module, *mutant.key), "no test notices")
        changed = difflib.ndiff([mutant.before], [mutant.after])
        diff = "\n".join(line for line in changed if line[:1] in "+-")
        lines += [f"## {verdict.place} ({mutant.kind})", "", why, "", "```diff", diff, "```", ""]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge a sample of the mutants of the modules asked for; 1 when too many survive."""
    parser = argparse.ArgumentParser(prog="python -m harnesses.mutate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--modules", nargs="+", default=list(MODULES), metavar="PATH", help="under src/modelroute")
    parser.add_argument("--sample", type=int, default=400, help="how many mutants, 0 for all (default 400)")
    parser.add_argument("--seed", type=int, default=1, help="draws the sample")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="mutants at a time")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the result is written")
    chosen = parser.parse_args(arguments)
    known = equivalents()
    found = [
        (module, mutant)
        for module in modules_named(chosen.modules)
        for mutant in mutants_of((PACKAGE / module).read_text(encoding="utf-8"))
    ]
    drawn = found
    if 0 < chosen.sample < len(found):
        drawn = random.Random(chosen.seed).sample(found, chosen.sample)
    sys.stdout.write(f"{len(drawn)} of {len(found)} mutants\n")
    verdicts = sorted(judge_all(drawn, max(1, chosen.jobs)), key=lambda one: (one.module, one.mutant.line))
    result = result_of(verdicts, known)
    details = [
        {
            "module": one.module,
            "line": one.mutant.line,
            "where": one.mutant.where,
            "before": one.mutant.before,
            "after": one.mutant.after,
            "why": known.get((one.module, *one.mutant.key), "no test notices"),
        }
        for one in verdicts
        if not one.by
    ]
    path = write(result, directory=chosen.results, details=details)
    path.with_suffix(".md").write_text(report(verdicts, known), encoding="utf-8")
    sys.stdout.write(f"\n{result.promises[0].figure}\n{path}\n")
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
