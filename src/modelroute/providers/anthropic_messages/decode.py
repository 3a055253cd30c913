"""What a Messages response says: named events of a stream, and whole bodies, block by block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from modelroute.providers.anthropic_messages.blocks import KEPT, Skeleton
from modelroute.providers.errors import failure_inside, inside, speaker_of
from modelroute.providers.finish import broken, canonical
from modelroute.providers.openai_chat.usage import stated_cost
from modelroute.providers.reader import Reader
from modelroute.providers.shape import a_list, a_mapping, a_text, written
from modelroute.types.events import (
    Blocks,
    Finish,
    ReasoningDelta,
    Refusal,
    ServedBy,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from modelroute.types.usage import Usage
from modelroute.wire.envelope import parse_error
from modelroute.wire.errors import GarbledError
from modelroute.wire.fields import MOST_TOKENS, as_count, as_list, as_mapping, as_text

if TYPE_CHECKING:
    from modelroute.providers.call import Decoder
    from modelroute.providers.profile import Profile
    from modelroute.types.events import WireEvent
    from modelroute.types.failure import Failure

__all__ = ["decoder", "read_usage"]

_COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_MOST_CALLS = 1_024
_MOST_ROUNDS = 256


def decoder(provider: str, profile: Profile) -> Decoder:
    """Return a decoder for one response of `provider`, which departs from the dialect as `profile` says."""
    return Reader(_Message(provider, profile))


def read_usage(counts: Mapping[str, int]) -> Usage | None:
    """Return the usage of what the events have stated so far: `input_tokens` leaves both cache counts out."""
    plain, output = counts.get("input_tokens"), counts.get("output_tokens")
    if plain is None or output is None:
        return None
    cached, written = counts.get("cache_read_input_tokens", 0), counts.get("cache_creation_input_tokens", 0)
    whole = plain + cached + written
    if whole > MOST_TOKENS:
        return None
    thinking = min(counts.get("thinking_tokens", 0), output)
    hour = min(counts.get("hour_write_tokens", 0), written)
    return Usage(whole, output, cached, written, thinking, hour_write_tokens=hour)


class _Message:
    """A `Speech`: one message."""

    __slots__ = (
        "_argued",
        "_calls",
        "_counts",
        "_ids",
        "_input",
        "_name",
        "_profile",
        "_said",
        "_skeleton",
        "_speaker",
        "_usage",
        "ended",
        "finished",
        "tool_open",
    )  # fmt: skip

    def __init__(self, provider: str, profile: Profile) -> None:
        self._speaker = speaker_of(provider, profile.name)
        self._profile = profile
        self._counts: dict[str, int] = {}
        self._usage: Usage | None = None
        self._skeleton = Skeleton()
        self._calls = 0
        self._ids: set[str] = set()
        self._input: Mapping[str, object] = {}
        self._argued = self._said = False
        self.finished = self.ended = self.tool_open = False

    def take(self, value: object, name: str, out: list[WireEvent]) -> Failure | None:
        """Take one event. Its type is in its data; events and blocks of types nobody knows are passed over."""
        fields = a_mapping(value, "an event")
        kind = fields.get("type")
        if kind == "content_block_delta":
            self._delta(as_mapping(fields.get("delta")), out)
        elif kind == "content_block_start":
            self._start(fields.get("content_block"), out)
        elif kind == "content_block_stop":
            self._stop(out)
        elif kind == "message_start":
            message = as_mapping(fields.get("message"))
            self._served(message, out)
            self._count(as_mapping(message.get("usage")), out)
        elif kind == "message_delta":
            return self._end(as_mapping(fields.get("delta")), fields.get("usage"), out)
        elif kind == "message_stop":
            self.ended = True
        elif kind == "error" or name == "error" or not isinstance(kind, str):
            return failure_inside(self._speaker, value, is_error="error" in (kind, name))
        return None

    def body(self, value: object, out: list[WireEvent]) -> Failure | None:
        """Take a whole body."""
        message = as_mapping(value)
        if message.get("type") != "message" or message.get("error"):
            failure = failure_inside(self._speaker, value)
            if failure is not None:
                return failure
            raise GarbledError("a body without an answer")
        self._served(message, out)
        try:
            for block in a_list(message.get("content"), "content"):
                self._start(block, out)
                self._stop(out)
        except GarbledError:
            self._count(as_mapping(message.get("usage")), out)
            raise
        return self._end(message, message.get("usage"), out)

    def last(self, out: list[WireEvent]) -> None:
        """Say what the provider wants back: its thinking, signed, and where it stood among the rest."""
        kept = self._skeleton.blocks()
        if kept:
            out.append(Blocks({KEPT: kept}))

    def failed(self, text: str) -> Failure:
        """Return the failure of an error event that is not JSON."""
        return inside(self._speaker, parse_error(text))

    def _served(self, message: Mapping[str, object], out: list[WireEvent]) -> None:
        identity, model = as_text(message.get("id")), as_text(message.get("model"))
        if identity or model:
            out.append(ServedBy(identity, model))

    def _start(self, block: object, out: list[WireEvent]) -> None:
        """Open a block; in a whole body it comes with all its content."""
        fields = a_mapping(block, "a content block")
        kind = as_text(fields.get("type"))
        if self.tool_open:
            self._stop(out)
        if kind == "tool_use":
            self._open_call(fields, out)
        elif kind == "text":
            self._text(as_text(fields.get("text")), out)
        elif kind == "thinking":
            self._skeleton.think(as_text(fields.get("signature")))
            self._think(as_text(fields.get("thinking")), out)
        elif kind == "redacted_thinking":
            self._skeleton.redact(as_text(fields.get("data")))

    def _open_call(self, fields: Mapping[str, object], out: list[WireEvent]) -> None:
        if self._calls >= _MOST_CALLS:
            raise GarbledError(f"more than {_MOST_CALLS} tool calls in one answer")
        identity = as_text(fields.get("id"))
        if not identity or identity in self._ids:
            identity = f"toolu_{self._calls}"
            while identity in self._ids:
                identity += "_"
        self._ids.add(identity)
        self._skeleton.call(identity)
        self._input = as_mapping(fields.get("input"))
        self._argued = False
        self.tool_open = self._said = True
        out.append(ToolCallDelta(self._calls, identity, as_text(fields.get("name"))))
        self._calls += 1

    def _delta(self, delta: Mapping[str, object], out: list[WireEvent]) -> None:
        kind = delta.get("type")
        if kind == "text_delta":
            self._text(a_text(delta.get("text"), "a delta's text"), out)
        elif kind == "thinking_delta":
            self._think(a_text(delta.get("thinking"), "a delta's thinking"), out)
        elif kind == "signature_delta":
            self._skeleton.sign(a_text(delta.get("signature"), "a delta's signature"))
        elif kind == "input_json_delta" and self.tool_open:
            piece = a_text(delta.get("partial_json"), "a delta's partial_json")
            if piece:
                self._argued = True
                out.append(ToolCallDelta(self._calls - 1, arguments=piece))
        elif not isinstance(kind, str):
            raise GarbledError("a delta has no type")

    def _stop(self, out: list[WireEvent]) -> None:
        if self.tool_open:
            self.tool_open = False
            if not self._argued:
                out.append(ToolCallDelta(self._calls - 1, arguments=written(self._input)))

    def _text(self, text: str, out: list[WireEvent]) -> None:
        if text:
            self._said = True
            self._skeleton.text(len(text))
            out.append(TextDelta(text))

    def _think(self, text: str, out: list[WireEvent]) -> None:
        if text:
            self._said = True
            self._skeleton.thought(text)
            out.append(ReasoningDelta(text))

    def _count(self, raw: Mapping[str, object], out: list[WireEvent]) -> None:
        """Take counts, which are cumulative: a later one replaces, one left out stays.

        From the end on, a report needs the output counted anew: what the start said of it is no count of the whole.
        """
        self._counts.update(_stated(raw))
        usage = read_usage(self._counts)
        if usage is not None and self._profile.cost_field:
            usage = replace(usage, provider_cost=stated_cost(raw, self._profile))
        if usage is None or (self._said and self.finished and not (usage.output_tokens and usage.input_tokens)):
            return  # words that cost nothing are not believed
        again = self.finished and as_count(raw.get("output_tokens")) is not None
        if again or (not self.finished and usage != self._usage):
            self._usage = usage
            out.append(UsageReport(usage))

    def _end(self, message: Mapping[str, object], usage: object, out: list[WireEvent]) -> Failure | None:
        """Say the end, if it is one, and then its usage: only what was counted at the end counts everything."""
        try:
            return self._finish(message.get("stop_reason"), as_mapping(message.get("stop_details")), out)
        finally:
            self._count(as_mapping(usage), out)

    def _finish(self, word: object, details: Mapping[str, object], out: list[WireEvent]) -> Failure | None:
        if word is None:
            return None
        reason = a_text(word, "a stop reason")
        failure = broken(reason)
        if failure is None and not self.finished:
            self.finished = True
            if self.tool_open:
                self._stop(out)
            why = as_text(details.get("explanation"))
            if why and reason == "refusal":
                out.append(Refusal(why))
            out.append(Finish(canonical(reason), reason))
        return failure


def _stated(raw: Mapping[str, object]) -> Mapping[str, int]:
    """Return the counts that a usage states.

    Where it lists its rounds (`iterations`: a compaction, an advisor), the totals beside them leave some out, and all
    are billed. Cache writes may be told by how long they live only.
    """
    rounds = [as_mapping(each) for each in as_list(raw.get("iterations"))[:_MOST_ROUNDS]]
    counts: dict[str, int] = {}
    for name in _COUNTS:
        known = [count for count in (as_count(each.get(name)) for each in rounds) if count is not None]
        stated = as_count(raw.get(name))
        if name == "cache_creation_input_tokens" and stated is None and raw.get(name) is None:
            stated = _written_by_age(raw)
        if known or stated is not None:
            counts[name] = max(stated or 0, sum(known))
    thinking = as_count(as_mapping(raw.get("output_tokens_details")).get("thinking_tokens"))
    if thinking is not None:
        counts["thinking_tokens"] = thinking
    hours = [
        as_count(as_mapping(each.get("cache_creation")).get("ephemeral_1h_input_tokens")) for each in (raw, *rounds)
    ]
    if any(hours):
        counts["hour_write_tokens"] = max(hours[0] or 0, sum(hour or 0 for hour in hours[1:]))
    return counts


def _written_by_age(raw: Mapping[str, object]) -> int | None:
    ages = as_mapping(raw.get("cache_creation"))
    known = [as_count(count) for name, count in ages.items() if name.startswith("ephemeral_")]
    return sum(count or 0 for count in known) if known else None
