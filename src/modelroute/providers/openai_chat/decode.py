"""What a Chat Completions response says: chunks of a stream and whole bodies, through the same eyes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from modelroute.providers.errors import failure_inside, inside, speaker_of
from modelroute.providers.finish import broken, canonical
from modelroute.providers.logprobs import add_logprobs, chat_logprobs
from modelroute.providers.openai_chat.details import Details
from modelroute.providers.openai_chat.leak import Leak, begins_no_tag, unopened
from modelroute.providers.openai_chat.tool_calls import ToolCalls
from modelroute.providers.openai_chat.usage import read_usage
from modelroute.providers.profile import Echo, Profile
from modelroute.providers.reader import Reader
from modelroute.providers.shape import a_list, a_mapping, a_text
from modelroute.types.events import (
    Blocks,
    Finish,
    ReasoningDelta,
    Refusal,
    ServedBy,
    TextDelta,
    UsageReport,
)
from modelroute.wire.envelope import parse_error
from modelroute.wire.errors import GarbledError
from modelroute.wire.fields import as_list, as_mapping, as_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modelroute.providers.call import Decoder
    from modelroute.providers.openai_chat.leak import Piece
    from modelroute.types.events import WireEvent
    from modelroute.types.failure import Failure
    from modelroute.types.usage import Usage

__all__ = ["decoder"]

_REASONING_FIELDS = ("reasoning_content", "reasoning")


def decoder(provider: str, profile: Profile) -> Decoder:
    """Return a decoder for one response of `provider`, which departs from the dialect as `profile` says."""
    return Reader(_Chat(provider, profile))


class _Chat:
    """A `Speech`: one answer, its first choice only; how many choices are billed is the usage's word."""

    __slots__ = (
        "_calls",
        "_details",
        "_kept",
        "_leak",
        "_profile",
        "_refused",
        "_said",
        "_served",
        "_speaker",
        "_tags",
        "_usage",
        "ended",
        "finished",
        "tool_open",
    )  # fmt: skip

    def __init__(self, provider: str, profile: Profile) -> None:
        self._speaker = speaker_of(provider, profile.name)
        self._profile = profile
        self._calls = ToolCalls()
        self._kept: list[str] | None = None if profile.echo is Echo.NEVER else []
        self._details: Details | None = None
        self._tags = profile.reasoning_tags
        """Tags that thoughts may leak into the text by, none once that is ruled out."""
        self._leak: Leak | None = None
        self._usage: Usage | None = None
        self._served = self._said = self._refused = False
        self.finished = self.ended = self.tool_open = False

    def take(self, value: object, name: str, out: list[WireEvent]) -> Failure | None:
        """Take one chunk; some put an error in a list."""
        if isinstance(value, list):
            failure = failure_inside(self._speaker, cast(object, value), is_error=name == "error")
            if failure is None:
                raise GarbledError("an event is a list")
            return failure
        chunk = a_mapping(value, "an event")
        choices = chunk.get("choices")
        if not choices or chunk.get("error") or name == "error" or "base_resp" in chunk:
            failure = failure_inside(self._speaker, chunk, is_error=name == "error")
            if failure is not None:
                self._report(chunk, out)
                return failure
        if not self._served:
            self._serve(chunk, out)
        word, counted = "", None
        if choices:
            for each in a_list(choices, "choices"):
                choice = a_mapping(each, "a choice")
                if not choice.get("index"):  # the first one is 0, null or not numbered
                    word = self._choice(choice, out) or word
                    counted = choice.get("usage") or counted
                    if choice.get("error"):
                        self._report(chunk, out)
                        return failure_inside(self._speaker, choice, is_error=True)
        # The end before its usage: only what was counted at the end counts everything.
        failure = self._finish(word, out) if word else None
        if counted:
            self._count(as_mapping(counted), {}, out)
        if word or "usage" in chunk or "x_groq" in chunk or "timings" in chunk:
            self._report(chunk, out)
        return failure

    def body(self, value: object, out: list[WireEvent]) -> Failure | None:
        """Take a whole body."""
        failure = self.take(value, "", out)
        if failure is None and not self.finished and not self._said:
            raise GarbledError("a body without an answer")
        return failure

    def last(self, out: list[WireEvent]) -> None:
        """Say what the provider wants back."""
        blocks: dict[str, object] = {}
        if self._kept:
            blocks[self._profile.echo_field] = "".join(self._kept)
        if self._details is not None and "reasoning_details" in self._profile.keeps:
            blocks["reasoning_details"] = self._details.whole()
        if "extra_content" in self._profile.keeps:
            blocks["extra_content"] = self._calls.extras
        blocks = {name: block for name, block in blocks.items() if block}
        if blocks:
            out.append(Blocks(blocks))

    def failed(self, text: str) -> Failure:
        """Return the failure of an error event that is not JSON."""
        return inside(self._speaker, parse_error(text))

    def _serve(self, value: Mapping[str, object], out: list[WireEvent]) -> None:
        identity, model = as_text(value.get("id")), as_text(value.get("model"))
        if identity or model:
            self._served = True
            out.append(ServedBy(identity, model))

    def _choice(self, choice: Mapping[str, object], out: list[WireEvent]) -> str:
        """Say what a choice adds; return its finish reason, ``""`` while it has none."""
        delta = choice.get("delta")
        if delta is None:
            # An aggregate at the end repeats what was streamed (MiniMax); alone it is the answer.
            delta = None if self._said else self._unleaked(choice.get("message"), out)
        if delta is not None:
            self._delta(a_mapping(delta, "a delta"), out)
            if choice.get("logprobs"):
                add_logprobs(chat_logprobs, choice["logprobs"], out)
        word = choice.get("finish_reason")
        return "" if word is None else _more_exact(a_text(word, "a finish reason"), choice)

    def _unleaked(self, message: object, out: list[WireEvent]) -> object:
        """Say the thoughts at the beginning of a whole message whose opening tag was left out; return the rest."""
        fields = as_mapping(message)
        content = fields.get("content")
        if not self._tags or not isinstance(content, str) or any(fields.get(name) for name in _REASONING_FIELDS):
            return message
        split = unopened(content, self._profile.reasoning_tags)
        if split is None:
            return message
        if split[0]:
            self._reason(split[0], out)
        return {**fields, "content": split[1]}

    def _delta(self, delta: Mapping[str, object], out: list[WireEvent]) -> None:
        content = delta.get("content")
        if len(delta) == 1 and content and isinstance(content, str):  # nearly every chunk of nearly every stream
            self._text(content, out)
            return
        details = delta.get("reasoning_details")
        detailed = self._detail(details) if details else ""
        for field in _REASONING_FIELDS:
            text = delta.get(field)
            if text and isinstance(text, str):
                self._reason(text, out)
                break
        else:
            if detailed:
                self._reason(detailed, out)
        if content:
            if isinstance(content, str):
                self._text(content, out)
            else:
                self._parts(content, out)
        refusal = delta.get("refusal")
        if refusal and isinstance(refusal, str):
            self._release(out)
            self._said = self._refused = True
            out.append(Refusal(refusal))
        calls = delta.get("tool_calls")
        if calls:
            self._call(calls, out)
        function = delta.get("function_call")
        if function:
            self._call([{"index": 0, "function": function}], out)

    def _text(self, text: str, out: list[WireEvent]) -> None:
        self._said = True
        if self._tags and self._leak is None:
            if begins_no_tag(text):  # nearly every answer
                self._tags = ()
            else:
                self._leak = Leak(self._tags)
        if self._leak is None:
            out.append(TextDelta(text))
            return
        self._pieces(self._leak.feed(text), out)
        if self._leak.is_over:
            self._leak, self._tags = None, ()

    def _release(self, out: list[WireEvent]) -> None:
        """Say what was held back because it could have become a tag."""
        self._tags = ()
        if self._leak is not None:
            self._pieces(self._leak.end(), out)
            self._leak = None

    def _pieces(self, pieces: Iterable[Piece], out: list[WireEvent]) -> None:
        for piece in pieces:
            if piece.is_reasoning:
                self._reason(piece.text, out)
            else:
                out.append(TextDelta(piece.text))

    def _call(self, fragments: object, out: list[WireEvent]) -> None:
        self._release(out)
        self._said = True
        self.tool_open = (
            not self.finished
        )  # before the fragments are read: one that makes no sense is part of a call too
        self._calls.take(fragments, out)

    def _parts(self, content: object, out: list[WireEvent]) -> None:
        """Say content that comes as a list of parts: text, and thinking as a list within (Mistral)."""
        for part in a_list(content, "content"):
            fields = as_mapping(part)
            text = as_text(fields.get("text"))
            if text:
                self._text(text, out)
            thinking = fields.get("thinking")
            for piece in [{"text": thinking}] if isinstance(thinking, str) else as_list(thinking):
                text = as_text(as_mapping(piece).get("text"))
                if text:
                    self._reason(text, out)

    def _detail(self, details: object) -> str:
        """Take reasoning in detail; return what it adds to the visible reasoning."""
        if self._details is None:
            self._details = Details(repeats=self._speaker == "minimax")
        return self._details.take(details)

    def _reason(self, text: str, out: list[WireEvent]) -> None:
        self._said = True
        out.append(ReasoningDelta(text))
        if self._kept is not None:
            self._kept.append(text)

    def _report(self, value: Mapping[str, object], out: list[WireEvent]) -> None:
        usage = value.get("usage") or as_mapping(value.get("x_groq")).get("usage")
        timings = as_mapping(value.get("timings"))
        if usage or timings:
            self._count(as_mapping(usage), timings, out)

    def _count(self, raw: Mapping[str, object], timings: Mapping[str, object], out: list[WireEvent]) -> None:
        """Report usage: while the answer grows only what is new, from its end on also what confirms the last.

        What says that the words cost nothing is not believed: no usage is an estimate, and none of this is free.
        """
        usage = read_usage(raw, self._profile, timings)
        if usage is None or (self._said and self.finished and not (usage.output_tokens and usage.input_tokens)):
            return
        if self.finished or usage != self._usage:
            self._usage = usage
            out.append(UsageReport(usage))

    def _finish(self, word: str, out: list[WireEvent]) -> Failure | None:
        failure = broken(word)
        if failure is not None:
            return failure
        if not self.finished:
            self._release(out)
            self.finished = True
            self.tool_open = False
            reason = canonical(word)
            if reason == "stop" and self._refused:
                reason = "refusal"
            elif reason == "stop" and self._calls.begun:
                reason = "tool_calls"  # some servers end with "stop" after calls
            if reason != "length":
                self._calls.end(out)
            out.append(Finish(reason, word))
        return None


def _more_exact(word: str, choice: Mapping[str, object]) -> str:
    """Return the upstream's own word where it says more than the one it was mapped to (OpenRouter)."""
    native = as_text(choice.get("native_finish_reason"))
    if word == "error":
        return native if native and broken(native) is not None else word
    return native if word == "stop" and canonical(native) in {"refusal", "content_filter"} else word
