"""The samples under tests/data, decoded: what is expected of each, and the answer its events add up to."""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from modelroute import Catalog
from modelroute.providers.call import Decoder
from modelroute.providers.dialects import DIALECTS
from modelroute.providers.profiles import PROFILES
from modelroute.types.events import (
    Blocks,
    Ended,
    Fault,
    Finish,
    ReasoningDelta,
    Refusal,
    ServedBy,
    Skipped,
    TextDelta,
    ToolCallDelta,
    UsageReport,
    WireEvent,
)
from modelroute.types.failure import Failure
from modelroute.types.usage import Usage

Given: TypeAlias = Any
"""What a test passes on unread."""

Json: TypeAlias = dict[str, Any]
"""A JSON object as tests write and read it."""

ROOT = Path(__file__).parents[1] / "data" / "wire_samples"

COMPOSED = Path(__file__).parents[1] / "data" / "composed"

ROWS = {"gemini": "google", "dashscope": "alibaba", "generic": "compatible"}
"""Folders of samples that are not called what the catalog calls the provider; generic ones are of no provider."""


def spoken(folder: str, name: str) -> tuple[str, str, str]:
    """Return what a sample is of: the provider's row, the dialect, and the profile of that dialect there."""
    row = ROWS.get(folder, folder)
    if folder == "anthropic":
        return (row, "openai-chat", "anthropic-openai") if "compat" in name else (row, "anthropic-messages", row)
    if folder == "gemini":
        return (row, "gemini", row) if name.startswith("native") else (row, "openai-chat", "google-openai")
    return row, "openai-responses" if "responses" in name else "openai-chat", row


@lru_cache
def profile_of(row: str, dialect: str) -> str:
    """Return the profile of a dialect at a provider of the catalog."""
    return row if row == "compatible" else Catalog.builtin().provider(row).speaking(dialect).profile


KINDS = {
    "rate_limit": {"rate_limited"},
    "quota_period": {"exhausted"},
    "overloaded": {"unavailable"},
    "loading": {"unavailable"},
    "billing": {"exhausted"},
    "auth": {"denied"},
    "permission": {"denied"},
    "context_length": {"too_long"},
    "request_too_large": {"too_long"},
    "content_filter": {"refused"},
    "model_not_found": {"not_served"},
    "wrong_api": {"not_served"},
    "tool_use_failed": {"invalid_output"},
    "invalid_request": {"invalid", "unsupported", "unproved"},
    "server_error": {"transient", "unavailable", "interrupted"},
    "stream_truncated": {"interrupted"},
}
"""The samples' words for failures in ours; an error inside a 200 interrupts an answer that had begun."""


@dataclass(frozen=True, slots=True)
class Sample:
    provider: str
    file: str
    status: int
    headers: dict[str, str]
    body: bytes
    expect: Json
    dialect: str = ""
    """Stated where the folder and the name do not say it."""

    @property
    def streamed(self) -> bool:
        return self.file.endswith(".sse")

    @property
    def spoken(self) -> tuple[str, str, str]:
        """The provider's row, the dialect and the profile."""
        if self.dialect:
            return self.provider, self.dialect, profile_of(self.provider, self.dialect)
        return spoken(self.provider, self.file.partition("/")[2])

    def decoder(self) -> Decoder:
        provider, dialect, profile = self.spoken
        return DIALECTS[dialect].decoder(provider, PROFILES[profile])


def samples(root: Path = ROOT) -> list[Sample]:
    found = []
    for entry in json.loads((root / "index.json").read_text("utf-8"))["samples"]:
        path, dialect = root / entry["file"], entry.get("dialect", "")
        if path.suffix == ".sse":
            found.append(
                Sample(
                    entry["provider"], entry["file"], entry["status"], entry["headers"], path.read_bytes(),
                    entry["expect"], dialect,
                )
            )  # fmt: skip
            continue
        response = json.loads(path.read_text("utf-8"))
        raw = response["raw_body"] if "raw_body" in response else json.dumps(response["body"], ensure_ascii=False)
        headers = {name.lower(): value for name, value in response["headers"].items()}
        found.append(
            Sample(
                entry["provider"], entry["file"], response["status"], headers, raw.encode(), entry["expect"], dialect
            )
        )
    return found


def answers() -> list[Sample]:
    """Every sample of status 200."""
    return [sample for sample in samples() if sample.status == 200]


def errors() -> list[Sample]:
    return [sample for sample in samples() if sample.status != 200]


def decode(decoder: Decoder, chunks: Iterable[bytes]) -> list[WireEvent]:
    events: list[WireEvent] = []
    for chunk in chunks:
        events += decoder.feed(chunk)
    return events + decoder.end()


def by_event(body: bytes) -> Iterator[bytes]:
    """Cut behind every blank line."""
    while body:
        end = body.find(b"\n\n")
        cut = len(body) if end < 0 else end + 2
        yield body[:cut]
        body = body[cut:]


def by_byte(body: bytes) -> Iterator[bytes]:
    return (body[at : at + 1] for at in range(len(body)))


def at(body: bytes, cuts: Sequence[int]) -> Iterator[bytes]:
    edges = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    return (body[start:end] for start, end in itertools.pairwise(edges))


@dataclass
class Answer:
    """What events add up to, by the rules of `types.events`, checked while they are added."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    usage: Usage | None = None
    counted_whole: bool = False
    """Whether the usage was reported after the finish."""
    finish: str = ""
    blocks: Json = field(default_factory=dict)
    served: ServedBy | None = None
    skipped: int = 0
    failure: Failure | None = None
    ended: bool = False

    @property
    def tool_calls(self) -> list[Json]:
        return [{"name": name, "arguments": json.loads(arguments)} for _, name, arguments in self.calls.values()]


def answer_of(events: Sequence[WireEvent]) -> Answer:  # noqa: PLR0912 - one branch per event
    answer = Answer()
    for event in events:
        assert not answer.ended, "something follows the end"
        assert not answer.failure, "something follows the fault"
        match event:
            case TextDelta(text):
                assert text
                answer.text += text
            case ReasoningDelta(text):
                assert text
                answer.reasoning += text
            case Refusal(text):
                answer.refusal += text
            case ToolCallDelta(index, identity, name, arguments):
                if index not in answer.calls:
                    assert identity, "the first delta of a call carries its id"
                    assert index == len(answer.calls), "calls are numbered in order"
                    answer.calls[index] = (identity, name, arguments)
                else:
                    known, named, written = answer.calls[index]
                    assert not identity
                    if named:
                        assert not name, "a name comes once"
                    answer.calls[index] = (known, named or name, written + arguments)
            case UsageReport(usage):
                answer.usage = usage
                answer.counted_whole = bool(answer.finish)
            case Finish(reason):
                assert not answer.finish
                answer.finish = reason
            case Blocks(blocks):
                answer.blocks.update(blocks)
            case ServedBy():
                assert answer.served is None
                answer.served = event
            case Skipped():
                answer.skipped += 1
            case Fault(failure):
                answer.failure = failure
            case Ended():
                assert answer.finish
                answer.ended = True
    assert answer.ended != bool(answer.failure), "exactly one end"
    return answer
