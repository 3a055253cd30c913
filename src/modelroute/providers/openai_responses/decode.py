"""What a Responses answer says: typed events of a stream, and whole bodies, item by item.

Only the type inside an event's data counts, since some servers name the event after its data. The last event repeats
the whole answer: what was not streamed is taken from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from modelroute.providers.errors import failure_inside, inside, speaker_of
from modelroute.providers.finish import CANONICAL, broken
from modelroute.providers.logprobs import add_logprobs, listed_logprobs
from modelroute.providers.openai_chat.usage import read_usage
from modelroute.providers.openai_responses.blocks import CALLS, KEPT, item_text, skeleton
from modelroute.providers.openai_responses.calls import Calls
from modelroute.providers.openai_responses.said import Said
from modelroute.providers.profile import Echo, Profile
from modelroute.providers.reader import Reader
from modelroute.providers.shape import a_mapping, a_text
from modelroute.types.events import Blocks, Finish, ReasoningDelta, Refusal, ServedBy, TextDelta, UsageReport
from modelroute.types.failure import Failure, Kind, Seen
from modelroute.wire.envelope import parse_error
from modelroute.wire.errors import GarbledError
from modelroute.wire.fields import as_list, as_mapping, as_text

if TYPE_CHECKING:
    from modelroute.providers.call import Decoder
    from modelroute.types.events import WireEvent

__all__ = ["decoder"]

_Fields: TypeAlias = Mapping[str, object]

_SUMMARY, _CONTENT = "summary", "content"
_ENDS = MappingProxyType(
    {
        "response.completed": "completed", "response.done": "completed", "response.incomplete": "incomplete",
        "response.failed": "failed", "response.cancelled": "cancelled",
    }
)  # fmt: skip
"""The events that end a stream, to the status they leave unsaid."""

_DONE = frozenset({"completed", "incomplete", "failed", "cancelled"})


def decoder(provider: str, profile: Profile) -> Decoder:
    """Return a decoder for one response of `provider`, which departs from the dialect as `profile` says."""
    return Reader(_Answer(provider, profile))


class _Answer:
    """A `Speech`: one response."""

    __slots__ = (
        "_calls", "_figured", "_figures", "_items", "_kept", "_profile", "_refused", "_served", "_speaker", "_taken",
        "_text", "_thinks_in", "_thought", "ended", "finished", "tool_open",
    )  # fmt: skip

    def __init__(self, provider: str, profile: Profile) -> None:
        self._speaker = speaker_of(provider, profile.name)
        self._profile = profile
        self._text, self._refused, self._thought = Said(), Said(), Said()
        self._thinks_in = ""
        self._calls = Calls()
        self._items: list[_Fields] = []
        self._taken: set[tuple[str, str, str]] = set()
        self._kept: list[_Fields] = []
        self._served = False
        self._figures = self._figured = False
        self.finished = self.ended = self.tool_open = False

    def take(self, value: object, name: str, out: list[WireEvent]) -> Failure | None:
        """Take one event; those of types nobody knows, and of tools that run at the provider, are passed over."""
        event = a_mapping(value, "an event")
        kind = as_text(event.get("type"))
        if kind == "response.output_text.delta":  # nearly every event of nearly every stream
            _append(TextDelta, self._text.add(a_text(event.get("delta"), "a delta")), out)
            if event.get("logprobs"):
                self._figure([event], out)
            return None
        handle = _HANDLERS.get(kind)
        if handle is not None:
            handle(self, event, out)
            return None
        if kind in _ENDS:
            response = as_mapping(event.get("response")) or event
            return self._end(response, _ENDS[kind], as_mapping(event.get("timings")), out)
        is_error = "error" in (name, kind.removeprefix("response."))
        if is_error or not kind or event.get("error"):
            return failure_inside(self._speaker, event, is_error=is_error)
        return None

    def body(self, value: object, out: list[WireEvent]) -> Failure | None:
        """Take a whole body; some put an error in a list."""
        response = as_mapping(value)
        stated = as_text(response.get("status"))
        if stated not in {"failed", "cancelled"} and (
            response.get("error") or not isinstance(response.get("output"), list)
        ):
            failure = failure_inside(self._speaker, value)
            if failure is not None:
                self._count(response, {}, out)
                return failure
            raise GarbledError("a body without an answer")
        if stated and stated not in _DONE:
            raise GarbledError(f"an answer that is still {stated[:20]}; ask for one in the foreground")
        return self._end(response, stated or "completed", {}, out)

    def last(self, out: list[WireEvent]) -> None:
        """Say what the provider wants back: its reasoning, and what each piece of it led to."""
        if self._kept:
            out.append(Blocks({KEPT: self._kept}))

    def failed(self, text: str) -> Failure:
        """Return the failure of an error event that is not JSON."""
        return inside(self._speaker, parse_error(text))

    def serve(self, event: _Fields, out: list[WireEvent]) -> None:
        """Take the event of a response that was created, or goes on."""
        self._serve(as_mapping(event.get("response")), out)

    def begin(self, event: _Fields, out: list[WireEvent]) -> None:
        """Take the event of an item that begins."""
        item = as_mapping(event.get("item"))
        kind = as_text(item.get("type"))
        if kind in CALLS:
            self.tool_open = True
            self._calls.begin(item, event.get("output_index"), out)
        elif kind == "reasoning":
            self._thinks_in = ""

    def close(self, event: _Fields, out: list[WireEvent]) -> None:
        """Take the event of an item that is whole."""
        self._take(a_mapping(event.get("item"), "an item"), event.get("output_index"), out)

    def say_rest(self, event: _Fields, out: list[WireEvent]) -> None:
        """Take the whole text of a content part."""
        _append(TextDelta, self._text.rest_of_part(as_text(event.get("text"))), out)

    def refuse(self, event: _Fields, out: list[WireEvent]) -> None:
        """Take a piece of a refusal."""
        _append(Refusal, self._refused.add(a_text(event.get("delta"), "a delta")), out)

    def refuse_rest(self, event: _Fields, out: list[WireEvent]) -> None:
        """Take the whole of a refusal."""
        _append(Refusal, self._refused.rest_of_part(as_text(event.get("refusal"))), out)

    def summarise(self, event: _Fields, out: list[WireEvent]) -> None:
        """Take a piece of the summary of the reasoning."""
        self._think(_SUMMARY, event, out)

    def think(self, event: _Fields, out: list[WireEvent]) -> None:
        """Take a piece of the reasoning itself."""
        self._think(_CONTENT, event, out)

    def argue(self, event: _Fields, out: list[WireEvent]) -> None:
        """Take a piece of a call's arguments."""
        self.tool_open = True
        self._calls.grow(event, out)

    def argue_rest(self, event: _Fields, out: list[WireEvent]) -> None:
        """Take the whole of a call's arguments."""
        self._calls.close(event, "arguments" if "arguments" in event else "input", out)

    def _think(self, where: str, event: _Fields, out: list[WireEvent]) -> None:
        """Say a piece of reasoning. Where it comes both in full and as a summary, one of the two is enough."""
        piece = a_text(event.get("delta"), "a delta")
        self._thinks_in = self._thinks_in or where
        if self._thinks_in == where:
            _append(ReasoningDelta, self._thought.add(piece), out)

    def _figure(self, places: Sequence[_Fields], out: list[WireEvent]) -> None:
        """Say how probable the tokens were: of the open item, and so of the answer."""
        for place in places:
            if place.get("logprobs"):
                self._figures = self._figured = True
                add_logprobs(listed_logprobs, place["logprobs"], out)

    def _serve(self, response: _Fields, out: list[WireEvent]) -> None:
        identity, model = as_text(response.get("id")), as_text(response.get("model"))
        if not self._served and (identity or model):
            self._served = True
            out.append(ServedBy(identity, model))

    def _take(self, item: _Fields, index: object, out: list[WireEvent]) -> None:
        """Take an item that is whole, and say what of it was not said in pieces."""
        kind = as_text(item.get("type"))
        identity = (kind, as_text(item.get("id")), as_text(item.get("call_id")))
        if any(identity[1:]):
            if identity in self._taken:
                return  # told twice
            self._taken.add(identity)
        self._items.append(item)
        if kind == "message":
            _append(TextDelta, self._text.rest_of_item(item_text(item)), out)
            _append(Refusal, self._refused.rest_of_item(item_text(item, "refusal", "refusal")), out)
            if not self._figured:
                self._figure(_parts(item), out)
            self._figured = False
        elif kind == "reasoning":
            self._thinks_in = ""
            _append(ReasoningDelta, self._thought.rest_of_item(_content(item), _summary(item)), out)
        elif kind in CALLS:
            self._calls.take(item, index, out)
            self.tool_open = self._calls.growing

    def _repeat(self, items: Sequence[_Fields], out: list[WireEvent]) -> None:
        """Take all items once more, and say what of them was never said."""
        thoughts = [item for item in items if item.get("type") == "reasoning"]
        contents, summaries = [_content(item) for item in thoughts], [_summary(item) for item in thoughts]
        either = [content or summary for content, summary in zip(contents, summaries, strict=True)]
        _append(ReasoningDelta, self._thought.rest(*map("".join, (either, contents, summaries))), out)
        messages = [item for item in items if item.get("type") == "message"]
        _append(TextDelta, self._text.rest("".join(map(item_text, messages))), out)
        refusals = [item_text(item, "refusal", "refusal") for item in messages]
        _append(Refusal, self._refused.rest("".join(refusals)), out)
        if not self._figures:
            self._figure([part for item in messages for part in _parts(item)], out)

    def _end(self, response: _Fields, status: str, timings: _Fields, out: list[WireEvent]) -> Failure | None:
        self._serve(response, out)
        stated = as_text(response.get("status"))
        status = stated if stated in _DONE else status
        if status in {"failed", "cancelled"} or response.get("error"):
            self._count(response, timings, out)
            if status == "cancelled":
                return Failure(Kind.INTERRUPTED, "the provider cancelled the answer", status, status=200, seen=Seen.YES)
            return failure_inside(self._speaker, response, is_error=True)
        try:
            self._hear(response, out)
            return self._finish(response, status, out)
        finally:
            self._count(response, timings, out)

    def _hear(self, response: _Fields, out: list[WireEvent]) -> None:
        """Take the answer as it is in the end."""
        output = [as_mapping(item) for item in as_list(response.get("output"))]
        if self._items or self._text or self._thought or self._refused or self._calls.begun:
            self._repeat(output, out)
        else:
            for item in output:
                self._take(item, None, out)
        items = output or self._items
        ids = self._calls.settle([item for item in items if item.get("type") in CALLS], out)
        self._kept = skeleton(items, ids, readable=self._profile.echo is not Echo.NEVER)

    def _finish(self, response: _Fields, status: str, out: list[WireEvent]) -> Failure | None:
        word, reason = status, "stop"
        if status == "incomplete":
            word = as_text(as_mapping(response.get("incomplete_details")).get("reason")) or status
            failure = broken(word)
            if failure is not None:
                return failure
            reason = CANONICAL.get(word, "length")  # whatever stopped it: it is not all there
        elif self._refused:
            reason = "refusal"
        elif self._calls.begun:
            reason = "tool_calls"
        self.finished = self.ended = True
        self.tool_open = False
        out.append(Finish(reason, word))
        return None

    def _count(self, response: _Fields, timings: _Fields, out: list[WireEvent]) -> None:
        raw = as_mapping(response.get("usage"))
        # Whatever Chat leaves out of its counts at a provider, in Responses the output holds the reasoning.
        profile = replace(self._profile, reasoning_excluded=False)
        usage = read_usage({**raw, **_in_words_of_chat(raw)}, profile, timings) if raw else None
        if usage is not None:
            out.append(UsageReport(usage))


_OF_CHAT = MappingProxyType(
    {
        "input_tokens": "prompt_tokens", "input_tokens_details": "prompt_tokens_details",
        "output_tokens": "completion_tokens", "output_tokens_details": "completion_tokens_details",
    }
)  # fmt: skip


def _in_words_of_chat(raw: _Fields) -> _Fields:
    """Return a usage by the names of Chat Completions: the arithmetic is the same."""
    return {_OF_CHAT[name]: count for name, count in raw.items() if name in _OF_CHAT}


def _parts(item: _Fields) -> Sequence[_Fields]:
    return [as_mapping(part) for part in as_list(item.get("content"))]


def _content(item: _Fields) -> str:
    return item_text(item, "reasoning_text")


def _summary(item: _Fields) -> str:
    return "".join(as_text(as_mapping(part).get("text")) for part in as_list(item.get("summary")))


def _append(event: Callable[[str], TextDelta | ReasoningDelta | Refusal], piece: str, out: list[WireEvent]) -> None:
    if piece:
        out.append(event(piece))


_Handler: TypeAlias = Callable[[_Answer, _Fields, list["WireEvent"]], None]

_HANDLERS: Mapping[str, _Handler] = MappingProxyType(
    {
        "response.created": _Answer.serve,
        "response.queued": _Answer.serve,
        "response.in_progress": _Answer.serve,
        "response.output_item.added": _Answer.begin,
        "response.output_item.done": _Answer.close,
        "response.output_text.done": _Answer.say_rest,
        "response.refusal.delta": _Answer.refuse,
        "response.refusal.done": _Answer.refuse_rest,
        "response.reasoning_summary_text.delta": _Answer.summarise,
        "response.reasoning_text.delta": _Answer.think,
        "response.function_call_arguments.delta": _Answer.argue,
        "response.function_call_arguments.done": _Answer.argue_rest,
        "response.custom_tool_call_input.delta": _Answer.argue,
        "response.custom_tool_call_input.done": _Answer.argue_rest,
    }
)
"""What each event is to an answer, but for pieces of text and the events that end it."""
