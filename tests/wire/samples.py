"""The recorded shapes of errors and streams under tests/data/wire_samples: invented texts in documented envelopes."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1] / "data" / "wire_samples"
NOW = 1_795_000_000.0


@dataclass(frozen=True, slots=True)
class ErrorSample:
    file: str
    status: int
    headers: dict[str, str]
    body: bytes
    kind: str
    code: str | None
    wait: float | None


def index() -> list[dict[str, Any]]:
    samples: list[dict[str, Any]] = json.loads((ROOT / "index.json").read_text("utf-8"))["samples"]
    return samples


def error_samples() -> list[ErrorSample]:
    """Every error that is a whole response (errors inside streams are the decoders' to find)."""
    found = []
    for sample in index():
        error = sample.get("expect", {}).get("error")
        if error is None or not sample["file"].endswith(".json"):
            continue
        response = json.loads((ROOT / sample["file"]).read_text("utf-8"))
        body = response["raw_body"] if "raw_body" in response else json.dumps(response["body"])
        code = error.get("provider_code")
        found.append(
            ErrorSample(
                file=sample["file"],
                status=response["status"],
                headers={name.lower(): value for name, value in response["headers"].items()},
                body=body.encode(),
                kind=error["kind"],
                code=None if code is None else str(code),
                wait=error.get("retry_after_s"),
            )
        )
    return found


def streams() -> list[str]:
    """The files of every stream sample."""
    return [sample["file"] for sample in index() if sample["file"].endswith(".sse")]
