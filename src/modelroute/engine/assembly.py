"""The answer of *one* attempt, put together from its events: text, tool calls, usage, what its provider wants back.

An assembly never sees events of another attempt, so fragments of two attempts can never meet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelroute.types.events import (
    Blocks,
    Ended,
    Fault,
    Finish,
    Logprobs,
    ReasoningDelta,
    Refusal,
    ServedBy,
    Skipped,
    TextDelta,
    ToolCallDelta,
    UsageReport,
    Vectors,
)
from modelroute.types.failure import Failure, Kind
from modelroute.types.messages import PROVENANCE
from modelroute.types.reply import Partial, ToolCall
from modelroute.types.usage import Usage

if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping, Sequence

    from modelroute.types.events import StreamEvent, WireEvent
    from modelroute.types.logprobs import TokenLogprob

__all__ = ["Assembly"]

LARGEST_RAW = 1024 * 1024
"""Bytes of an answer that are kept as they came (memory per open stream is bounded)."""

LONGEST_REFUSAL = 4_096
"""Characters of a refusal that its failure keeps."""

_DECLINED = frozenset({"content_filter", "refusal"})


class _Call:
    __slots__ = ("arguments", "id", "name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.arguments: list[str] = []


class Assembly:
    """What one attempt has said so far."""

    __slots__ = (
        "_calls", "_logprobs", "_raw", "_raw_size", "_reasoning", "_refusal", "_text", "blocks", "degraded", "ended",
        "failure", "finish", "id", "model", "usage", "usage_is_final", "vectors",
    )  # fmt: skip

    def __init__(self) -> None:
        self._text: list[str] = []
        self._raw: list[bytes] = []
        self._raw_size = 0
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._calls: dict[int, _Call] = {}
        self._logprobs: list[TokenLogprob] = []
        self.vectors: tuple[array[float], ...] = ()
        self.blocks: dict[str, object] = {}
        self.usage: Usage | None = None
        self.usage_is_final = False
        self.finish = ""
        self.failure: Failure | None = None
        self.ended = False
        self.degraded = False
        self.id = ""
        self.model = ""

    def keep(self, data: bytes) -> None:
        """Keep bytes as they came, as long as they are not more than `LARGEST_RAW` together."""
        self._raw_size += len(data)
        if self._raw_size <= LARGEST_RAW:
            self._raw.append(data)
        else:
            self._raw.clear()

    @property
    def raw(self) -> bytes:
        """The body as it came; empty when it was larger than `LARGEST_RAW`."""
        return b"".join(self._raw)

    def take(self, events: Sequence[WireEvent]) -> list[StreamEvent]:
        """Take the events of one read; return those that are content, in order. Stops at the end or the first fault."""
        content: list[StreamEvent] = []
        for event in events:
            if isinstance(event, TextDelta):
                self._text.append(event.text)
                content.append(event)
            elif isinstance(event, ReasoningDelta):
                self._reasoning.append(event.text)
                content.append(event)
            elif isinstance(event, ToolCallDelta):
                self._take_call(event)
                content.append(event)
            elif self._take_report(event):
                break
        return content

    def _take_call(self, delta: ToolCallDelta) -> None:
        call = self._calls.get(delta.index)
        if call is None:
            call = self._calls[delta.index] = _Call()
        call.id = call.id or delta.id
        call.name = call.name or delta.name
        if delta.arguments:
            call.arguments.append(delta.arguments)

    def _take_report(self, event: WireEvent) -> bool:
        """Take what is not content; say whether nothing follows."""
        if isinstance(event, UsageReport):
            self.usage = _greater(self.usage, event.usage)
            self.usage_is_final = bool(self.finish)
        elif isinstance(event, Finish):
            self.finish = self.finish or event.reason
        elif isinstance(event, Refusal):
            self._refusal.append(event.text)
        elif isinstance(event, Blocks):
            self.blocks.update(event.blocks)
        elif isinstance(event, ServedBy):
            self.id = self.id or event.id
            self.model = self.model or event.model
        elif isinstance(event, Skipped):
            self.degraded = True
        elif isinstance(event, Logprobs):
            self._logprobs.extend(event.tokens)
        elif isinstance(event, Vectors):
            self.vectors = event.vectors
        elif isinstance(event, Fault):
            self.failure = event.failure
            return True
        elif isinstance(event, Ended):
            self.ended = True
            if not self.finish:
                self.failure = Failure(Kind.INTERRUPTED, "the stream ended without a finish reason")
            return True
        return False

    @property
    def has_content(self) -> bool:
        """Whether anything of the answer arrived."""
        return bool(self._text or self._reasoning or self._calls)

    @property
    def text(self) -> str:
        """The answer's text so far."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """The visible reasoning so far."""
        return "".join(self._reasoning)

    @property
    def refusal(self) -> str | None:
        """The model's words of refusal, if it declined."""
        return "".join(self._refusal) or None

    @property
    def logprobs(self) -> tuple[TokenLogprob, ...] | None:
        """How probable the tokens so far were, `None` where nothing was told, or some of it was left out."""
        return None if self.degraded else tuple(self._logprobs) or None

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls so far, in the order of their first fragment."""
        return tuple(ToolCall(call.id, call.name, "".join(call.arguments)) for call in self._calls.values())

    @property
    def output_text(self) -> str:
        """Everything that was billed as output and can be seen: for estimates where usage is missing."""
        arguments = "".join(piece for call in self._calls.values() for piece in (call.name, *call.arguments))
        return self.reasoning + self.text + arguments

    def declined(self) -> Failure | None:
        """Return the failure of an answer that is a refusal, else `None`."""
        if self.finish in _DECLINED or (self._refusal and not self._text and not self._calls):
            # The model's words may repeat the prompt: they are kept, and never printed.
            words = "".join(self._refusal)[:LONGEST_REFUSAL] or None
            if self.finish == "content_filter":
                return Failure(Kind.REFUSED, "a filter ended the answer", provider_code=self.finish, refusal=words)
            return Failure(Kind.REFUSED, "the model declined to answer", refusal=words)
        return None

    def message(self, provenance: Mapping[str, object]) -> dict[str, object]:
        """Return the assistant message to append: OpenAI-shaped, and `provenance` with the blocks under one key."""
        message: dict[str, object] = {"role": "assistant", "content": self.text or None}
        calls = self.tool_calls
        if calls:
            message["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in calls
            ]
        elif not self._text:
            message["content"] = ""
        if self._refusal:
            message["refusal"] = self.refusal
        message[PROVENANCE] = {**provenance, "blocks": self.blocks} if self.blocks else dict(provenance)
        return message

    def partial(self, target: str) -> Partial:
        """Return what has arrived, for an error."""
        return Partial(
            text=self.text, reasoning=self.reasoning, tool_calls=self.tool_calls, usage=self.usage, target=target
        )


def _greater(known: Usage | None, told: Usage) -> Usage:
    """Return a later report, which replaces an earlier one but never takes back tokens already counted."""
    if known is None or known == told:
        return told
    return Usage(
        input_tokens=max(known.input_tokens, told.input_tokens),
        output_tokens=max(known.output_tokens, told.output_tokens),
        cached_tokens=max(known.cached_tokens, told.cached_tokens),
        cache_write_tokens=max(known.cache_write_tokens, told.cache_write_tokens),
        reasoning_tokens=max(known.reasoning_tokens, told.reasoning_tokens),
        provider_cost=known.provider_cost if told.provider_cost is None else told.provider_cost,
        hour_write_tokens=max(known.hour_write_tokens, told.hour_write_tokens),
    )
