"""``make fuzz``: coverage-guided fuzzing of everything that reads bytes of strangers or values of users.

``python -m harnesses.fuzz --seconds 20`` for a look. Each target of `harnesses.fuzz_targets` runs in a process of its
own, guided by `atheris`; where that is not installed, hypothesis draws the inputs, unguided. An input that breaks a
target is written to ``tests/data/fuzz/<target>/``, where tests/harnesses/test_fuzz.py runs it for ever after.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

from harnesses.result import RESULTS, ROOT, Promise, Result, write

__all__ = ["CRASHES", "Outcome", "main"]

CRASHES = ROOT / "tests" / "data" / "fuzz"
"""Where inputs that broke a target become tests."""

NAMES = (
    "sse", "json", "status", "waits", "openai_chat", "anthropic_messages", "declarations", "catalog", "money",
)  # fmt: skip
"""The targets, named here too: importing them here would keep atheris from instrumenting them."""

_LONGEST_INPUT = 4_096
_SLOWEST = 20
"""Seconds after which one input counts as a hang."""
_MEGABYTES = 2_048
_EXECUTED = re.compile(r"number_of_executed_units: (\d+)")
_GRACE = 120
_GUIDED = importlib.util.find_spec("atheris") is not None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one target: inputs tried, and the last words of what broke it, if anything did."""

    target: str
    executions: int
    finding: str | None = None


# ------------------------------------------------------------------------------------------- in a target's own process


def _guided(name: str, seconds: int, corpus: Path, crashes: Path) -> None:
    """Fuzz one target until time is up or it breaks; does not return."""
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

    with atheris.instrument_imports(include=["modelroute"]):
        from harnesses.fuzz_targets import SEEDS, TARGETS
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={_LONGEST_INPUT}",
        f"-timeout={_SLOWEST}",
        f"-rss_limit_mb={_MEGABYTES}",
        f"-artifact_prefix={crashes}/",
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[name])
    atheris.Fuzz()


class _TimeUpError(Exception):
    """Ends a search that has no other end."""


def _drawn(name: str, seconds: int, crashes: Path) -> None:
    """Try seeds and drawn inputs until time is up; write the input that breaks the target, and raise what it raised."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st

    from harnesses.fuzz_targets import SEEDS, TARGETS

    target, end, executed = TARGETS[name], time.monotonic() + seconds, 0
    seeds = SEEDS[name]
    spliced = st.tuples(st.sampled_from(seeds), st.integers(0, 4_096), st.integers(0, 64), st.binary(max_size=16)).map(
        lambda drawn: drawn[0][: drawn[1]] + drawn[3] + drawn[0][drawn[1] + drawn[2] :]
    )

    @settings(
        max_examples=1_000_000_000,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(spliced | st.binary(max_size=_LONGEST_INPUT))
    def search(data: bytes) -> None:
        nonlocal executed
        if time.monotonic() > end:
            raise _TimeUpError
        executed += 1
        try:
            target(data)
        except BaseException:
            (crashes / f"crash-{sha256(data).hexdigest()[:16]}").write_bytes(data)
            raise

    try:
        search()
    except _TimeUpError:
        pass
    finally:
        sys.stderr.write(f"\nstat::number_of_executed_units: {executed}\n")


# --------------------------------------------------------------------------------------------------------- all of them


def _run(name: str, seconds: int, crashes: Path) -> Outcome:
    """Fuzz one target in a process of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        corpus, broken = Path(temporary, "corpus"), Path(temporary, "broken")
        corpus.mkdir()
        broken.mkdir()
        command = [
            sys.executable, "-m", "harnesses.fuzz", "--one", name, "--seconds", str(seconds),
            "--corpus", str(corpus), "--crashes", str(broken),
        ]  # fmt: skip
        ended = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds * 3 + _GRACE,
            check=False,
        )
        executed = _EXECUTED.findall(ended.stderr)
        inputs = sorted(broken.iterdir())
        for one in inputs:
            (crashes / name).mkdir(parents=True, exist_ok=True)
            (crashes / name / one.name).write_bytes(one.read_bytes())
    count = int(executed[-1]) if executed else 0
    if ended.returncode == 0 and not inputs:
        return Outcome(name, count)
    return Outcome(name, count, _last_words(ended.stderr + ended.stdout) + "".join(f" [{one.name}]" for one in inputs))


def _last_words(text: str) -> str:
    """Return the line that names the exception, or that libFuzzer ends with."""
    told = re.findall(r"^(?:[\w.]*(?:Error|Exception|Interrupt)\b.*|==\d+== ?ERROR.*)$", text, re.MULTILINE)
    return told[-1][:300] if told else text.strip()[-300:]


def result_of(outcomes: Sequence[Outcome], seconds: int) -> Result:
    """Return what the run shows."""
    executions = sum(outcome.executions for outcome in outcomes)
    findings = [outcome for outcome in outcomes if outcome.finding]
    idle = [outcome.target for outcome in outcomes if not outcome.executions]
    guide = "guided by coverage" if _GUIDED else "unguided"
    figure = f"{len(findings)} findings in {executions:,} executions of {len(outcomes)} targets, {seconds} s, {guide}"
    broken = "".join(f"; {outcome.target}: {outcome.finding}" for outcome in findings)
    promise = "whatever bytes arrive and values are declared, only errors of ours leave, and limits hold"
    return Result("fuzz", "make fuzz", [Promise("P3", promise, figure + broken, holds=not findings and not idle)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz every target for its share of the time; 1 when anything was found."""
    parser = argparse.ArgumentParser(prog="python -m harnesses.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=1800, help="how long, for all targets together (default 30 min)")
    parser.add_argument("--targets", nargs="+", choices=NAMES, default=list(NAMES), metavar="NAME", help="only these")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets at a time")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the result is written")
    parser.add_argument("--crashes", type=Path, default=CRASHES, help="where inputs that break a target are written")
    parser.add_argument("--one", choices=NAMES, help=argparse.SUPPRESS)
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.one:
        search: Callable[[], None] = partial(_drawn, chosen.one, chosen.seconds, chosen.crashes)
        if _GUIDED:
            search = partial(_guided, chosen.one, chosen.seconds, chosen.corpus, chosen.crashes)
        search()
        return 0
    jobs = max(1, min(chosen.jobs, len(chosen.targets)))
    share = max(1, chosen.seconds * jobs // len(chosen.targets))
    with ThreadPoolExecutor(jobs) as pool:
        outcomes = list(pool.map(lambda name: _run(name, share, chosen.crashes), chosen.targets))
    for outcome in outcomes:
        sys.stdout.write(
            f"{outcome.target:<20}{outcome.executions:>12,} executions  {outcome.finding or 'nothing found'}\n"
        )
    result = result_of(outcomes, chosen.seconds)
    path = write(result, directory=chosen.results, details=[asdict(outcome) for outcome in outcomes])
    sys.stdout.write(f"{result.promises[0].figure}\n{path}\n")
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
