"""What a harness leaves behind: one small JSON file that says which promises were put to the test, and how it went.

```json
{
  "harness": "soak",
  "command": "make soak",
  "machine": "2 cores, Linux x86_64, CPython 3.11",
  "promises": [
    {"invariant": "C4", "promise": "memory does not grow", "figure": "0.1 MiB per 100,000 requests", "holds": true}
  ]
}
```

It lies at ``harnesses/results/<harness>.json``. Any other top-level key (``"details"`` by custom) is the harness's own
and is ignored here. `figure` is one short sentence of what was measured, with how much was run ("0 findings in 91
million executions"); no dates, so that a run that finds the same leaves the same file but for its figures.

```python
write(Result("soak", "make soak", [Promise("C4", "memory does not grow", "0.1 MiB per 100,000 requests", holds=True)]))
```
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

__all__ = ["RESULTS", "Promise", "Result", "machine", "read", "read_all", "write"]

ROOT = Path(__file__).resolve().parent.parent
"""The top of the repository."""

RESULTS = ROOT / "harnesses" / "results"
"""Where results lie, one file for each harness."""


def machine() -> str:
    """Return what the figures depend on, in a few words: cores, system, interpreter."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    version = ".".join(platform.python_version_tuple()[:2])
    noun = "core" if cores == 1 else "cores"
    return f"{cores} {noun}, {platform.system()} {platform.machine()}, {platform.python_implementation()} {version}"


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise that was tested. `invariant` names it (``"M1"``), `figure` is what was measured, in a sentence."""

    invariant: str
    promise: str
    figure: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What one harness found. `command` repeats it; `machine` says where it ran, without a date."""

    harness: str
    command: str
    promises: Sequence[Promise]
    machine: str = field(default_factory=machine)

    @property
    def holds(self) -> bool:
        """Whether every promise held."""
        return all(promise.holds for promise in self.promises)


def write(result: Result, *, directory: Path = RESULTS, details: object = None) -> Path:
    """Write a result, replacing the last of the same harness, and return the file. `details`: any JSON of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{result.harness}.json"
    content = asdict(result) | {"promises": [asdict(promise) for promise in result.promises]}
    if details is not None:
        content["details"] = details
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read(path: Path) -> Result:
    """Return the result in one file. Raises `ValueError`, naming the file, when it has another shape."""
    try:
        content = cast("Mapping[str, object]", json.loads(path.read_text(encoding="utf-8")))
        promises = [Promise(**promise) for promise in cast("Sequence[Mapping[str, str]]", content["promises"])]  # type: ignore[arg-type]
        result = Result(
            harness=str(content["harness"]),
            command=str(content["command"]),
            promises=promises,
            machine=str(content.get("machine", "")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name} is no result as harnesses/result.py describes it: {error!r}") from None
    texts = [
        result.harness,
        result.command,
        *(text for one in promises for text in (one.invariant, one.promise, one.figure)),
    ]
    if not promises or not all(isinstance(text, str) and text.strip() for text in texts):
        raise ValueError(f"{path.name} has an empty text, or no promise")
    if not all(isinstance(promise.holds, bool) for promise in promises):
        raise ValueError(f'{path.name}: "holds" is true or false')
    return result


def read_all(directory: Path = RESULTS) -> list[Result]:
    """Return every result there is, by the harness's name."""
    return [read(path) for path in sorted(directory.glob("*.json"))]
