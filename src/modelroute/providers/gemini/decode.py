"""What a `generateContent` response says: chunks of a stream, whole bodies, and the list of chunks that is both."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from modelroute.providers.errors import failure_inside, inside, speaker_of
from modelroute.providers.gemini.blocks import KEPT, PROVIDERS_OWN, SIGNATURE, Skeleton
from modelroute.providers.gemini.usage import read_usage
from modelroute.providers.logprobs import add_logprobs, gemini_logprobs
from modelroute.providers.reader import Reader
from modelroute.providers.shape import a_list, a_mapping, a_text, written
from modelroute.types.events import (
    Blocks,
    Finish,
    ReasoningDelta,
    ServedBy,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)
from modelroute.types.failure import Failure, Kind, Seen
from modelroute.wire.envelope import parse_error
from modelroute.wire.errors import GarbledError
from modelroute.wire.fields import as_mapping, as_text

if TYPE_CHECKING:
    from modelroute.providers.call import Decoder
    from modelroute.providers.profile import Profile
    from modelroute.types.events import WireEvent
    from modelroute.types.usage import Usage

__all__ = ["decoder"]

_UNSPECIFIED = "UNSPECIFIED"
_MOST_CALLS = 1_024
_LONGEST_WORD = 60

_ENDS: Mapping[str, str] = MappingProxyType(
    {
        "STOP": "stop",
        "MAX_TOKENS": "length",
        "CONTINUATION": "length",
        **dict.fromkeys(
            ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR",
             "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "ESCALATION", "PUP_LIMITED_DISABLED"),
            "content_filter",
        ),
    }
)  # fmt: skip
"""A finish reason to `Finish.reason`; an unknown one is ``stop``: it did say it was done."""

_BROKEN: Mapping[str, Kind] = MappingProxyType(
    {
        "MALFORMED_FUNCTION_CALL": Kind.INVALID_OUTPUT,
        "UNEXPECTED_TOOL_CALL": Kind.INVALID_OUTPUT,
        "TOO_MANY_TOOL_CALLS": Kind.INVALID_OUTPUT,
        "MALFORMED_RESPONSE": Kind.INVALID_OUTPUT,
        "MISSING_THOUGHT_SIGNATURE": Kind.UNPROVED,
        # It stopped and does not say why: whether what came is whole nobody knows.
        "OTHER": Kind.INTERRUPTED,
    }
)
"""Finish reasons that say the engine gave up: what came before them is no answer."""

_UNREAD = (*PROVIDERS_OWN, "inlineData", "fileData", "functionResponse")


def decoder(provider: str, profile: Profile) -> Decoder:
    """Return a decoder for one response of `provider`, which departs from the dialect as `profile` says."""
    return Reader(_Generation(provider, profile))


class _Generation:
    """A `Speech`: one answer, its first candidate only. It has no last event: the connection closes."""

    __slots__ = (
        "_calls",
        "_ids",
        "_served",
        "_skeleton",
        "_speaker",
        "_spoken",
        "_unread",
        "_usage",
        "ended",
        "finished",
        "tool_open",
    )  # fmt: skip

    def __init__(self, provider: str, profile: Profile) -> None:
        self._speaker = speaker_of(provider, profile.name)
        self._skeleton = Skeleton()
        self._usage: Usage | None = None
        self._calls = 0
        self._ids: set[str] = set()
        self._unread = ""
        self._served = self._spoken = False
        self.finished = self.ended = self.tool_open = False

    def take(self, value: object, name: str, out: list[WireEvent]) -> Failure | None:
        """Take one chunk, or several in a list: an error is written so too."""
        if isinstance(value, list):
            return self._take_all(cast(list[object], value), out)
        chunk = a_mapping(value, "an event")
        if chunk.get("error") or name == "error" or not ("candidates" in chunk or "promptFeedback" in chunk):
            failure = failure_inside(self._speaker, chunk, is_error=name == "error")
            if failure is not None:
                self._count(as_mapping(chunk.get("usageMetadata")), out)
                return failure
        if not self._served:
            self._serve(chunk, out)
        self._blocked(as_mapping(chunk.get("promptFeedback")), out)
        try:
            return self._candidate(chunk, out)
        finally:
            self._count(as_mapping(chunk.get("usageMetadata")), out)

    def body(self, value: object, out: list[WireEvent]) -> Failure | None:
        """Take a whole body: one response, or what would have been its stream as a list."""
        failure = self.take(value, "", out)
        if failure is None and not self.finished and not self._spoken:
            raise GarbledError("a body without an answer")
        return failure

    def last(self, out: list[WireEvent]) -> None:
        """Say what the provider wants back: its signatures, and where they stood."""
        kept = self._skeleton.blocks()
        if kept:
            out.append(Blocks({KEPT: kept}))

    def failed(self, text: str) -> Failure:
        """Return the failure of an error event that is not JSON."""
        return inside(self._speaker, parse_error(text))

    def _take_all(self, chunks: list[object], out: list[WireEvent]) -> Failure | None:
        for chunk in chunks:
            failure = self.take(a_mapping(chunk, "a chunk in a list"), "", out)
            if failure is not None:
                return failure
        return None

    def _serve(self, chunk: Mapping[str, object], out: list[WireEvent]) -> None:
        identity, model = as_text(chunk.get("responseId")), as_text(chunk.get("modelVersion"))
        if identity or model:
            self._served = True
            out.append(ServedBy(identity, model))

    def _blocked(self, feedback: Mapping[str, object], out: list[WireEvent]) -> None:
        """Say that the prompt was refused, which is all the answer there is then."""
        word = as_text(feedback.get("blockReason"))
        if word and not word.endswith(_UNSPECIFIED) and not self.finished:
            self.finished = True
            out.append(Finish("content_filter", word))

    def _candidate(self, chunk: Mapping[str, object], out: list[WireEvent]) -> Failure | None:
        candidates = chunk.get("candidates")
        if candidates is None:
            return None
        for each in a_list(candidates, "candidates"):
            candidate = a_mapping(each, "a candidate")
            if candidate.get("index") in (None, 0):
                self._content(candidate, out)
                return self._finish(candidate.get("finishReason"), out)
        return None

    def _content(self, candidate: Mapping[str, object], out: list[WireEvent]) -> None:
        content = candidate.get("content")
        parts = None if content is None else a_mapping(content, "content").get("parts")
        if parts is not None:
            for part in a_list(parts, "parts"):
                self._part(a_mapping(part, "a part"), out)
        logprobs = candidate.get("logprobsResult")
        if logprobs is not None:
            add_logprobs(gemini_logprobs, logprobs, out)

    def _part(self, part: Mapping[str, object], out: list[WireEvent]) -> None:
        signature = as_text(part.get(SIGNATURE))
        call = part.get("functionCall")
        if call is not None:
            self._call(call, signature, out)
            return
        for name in _UNREAD:
            if part.get(name) is not None:
                self._unread = self._unread or name
                if name in PROVIDERS_OWN:
                    self._skeleton.other(part)
                return
        stated = part.get("text")
        text = "" if stated is None else a_text(stated, "the text of a part")
        if part.get("thought") is True:
            self._skeleton.thought(text, signature)
            if text:
                self._spoken = True
                out.append(ReasoningDelta(text))
            return
        self._skeleton.text(len(text), signature)
        if text:
            self._spoken = True
            out.append(TextDelta(text))

    def _call(self, value: object, signature: str, out: list[WireEvent]) -> None:
        """Say a call, which comes whole. One that makes no sense cannot be left out."""
        self._spoken = self.tool_open = True
        call = a_mapping(value, "a function call")
        name = a_text(call.get("name"), "the name of a function call")
        if call.get("partialArgs") or call.get("willContinue") is True:
            raise GarbledError("a function call in pieces, which were not asked for")
        if not name or self._calls >= _MOST_CALLS:
            raise GarbledError("a function call without a name" if not name else f"more than {_MOST_CALLS} calls")
        stated = call.get("args")
        arguments = "{}" if stated is None else written(a_mapping(stated, "the args of a function call"))
        identity = as_text(call.get("id"))
        if not identity or identity in self._ids:
            identity = f"call_{self._calls}"
            while identity in self._ids:
                identity += "_"
        self._ids.add(identity)
        self._skeleton.call(identity, signature)
        out.append(ToolCallDelta(self._calls, identity, name, arguments))
        self._calls += 1
        self.tool_open = False

    def _finish(self, stated: object, out: list[WireEvent]) -> Failure | None:
        if stated is None:
            return None
        word = a_text(stated, "a finish reason")
        if not word or word.endswith(_UNSPECIFIED) or self.finished:
            return None
        kind = _BROKEN.get(word)
        if kind is None and self._unread and not self._spoken:
            return _failure(Kind.INVALID_OUTPUT, f"the answer is nothing but a part that is not read: {self._unread}")
        if kind is not None:
            shown = word[:_LONGEST_WORD]
            return _failure(kind, f"the provider ended the answer with {shown!r}", shown)
        self.finished = True
        reason = _ENDS.get(word, "stop")
        out.append(Finish("tool_calls" if reason == "stop" and self._calls else reason, word))
        return None

    def _count(self, raw: Mapping[str, object], out: list[WireEvent]) -> None:
        """Report usage, which is cumulative: while the answer grows what is new, from its end on what is confirmed."""
        if not raw:
            return
        usage = read_usage(raw, spoken=self._spoken)
        if usage is not None and (self.finished or usage != self._usage):
            self._usage = usage
            out.append(UsageReport(usage))


def _failure(kind: Kind, message: str, code: str | None = None) -> Failure:
    return Failure(kind, message, code, status=200, seen=Seen.YES)
