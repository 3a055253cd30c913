"""The samples under tests/data/wire_samples, decoded: what is expected of each, and the answer its events add up to."""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

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

COST_UNKNOWN = {"xai"}
"""States its cost in ticks whose size is not documented, so it is not believed."""

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

    @property
    def streamed(self) -> bool:
        return self.file.endswith(".sse")

    def decoder(self) -> Decoder:
        native = self.provider == "anthropic" and not self.file.endswith("openai_compat_text.json")
        profile = PROFILES.get(self.provider, PROFILES["compatible"])
        dialect = DIALECTS["anthropic-messages" if native else "openai-chat"]
        return dialect.decoder(self.provider, profile)


def samples() -> list[Sample]:
    found = []
    for entry in json.loads((ROOT / "index.json").read_text("utf-8"))["samples"]:
        path = ROOT / entry["file"]
        if path.suffix == ".sse":
            found.append(Sample(entry["provider"], entry["file"], 200, {}, path.read_bytes(), entry["expect"]))
            continue
        response = json.loads(path.read_text("utf-8"))
        raw = response["raw_body"] if "raw_body" in response else json.dumps(response["body"], ensure_ascii=False)
        headers = {name.lower(): value for name, value in response["headers"].items()}
        found.append(
            Sample(entry["provider"], entry["file"], response["status"], headers, raw.encode(), entry["expect"])
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
