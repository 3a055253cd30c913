"""What a request needs, how long it is, and what in it could cost more than its tokens: a policy's view of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from modelroute.catalog.model import EMBEDDING
from modelroute.errors import RequestError
from modelroute.providers.fit import HINTS, OURS
from modelroute.providers.parts import called_names, fields, parts_of, text, tool_calls_of
from modelroute.providers.profile import Overhead
from modelroute.providers.schema import closed_schema, inlined_schema, instruction, moonshot_schema, strict_schema
from modelroute.types.facts import ANY_VOCABULARY
from modelroute.types.messages import PROVENANCE
from modelroute.types.usage import TokenCount
from modelroute.wire.json import dumps
from modelroute.wire.tokens import bound, count, estimate

if TYPE_CHECKING:
    from modelroute.types.messages import Message
    from modelroute.types.request import Request

__all__ = ["PRICE_NEUTRAL", "billed_by_tokens", "counts", "estimate_text", "needs", "unbounded", "worst"]

_PART_NEEDS: Mapping[str, str] = {
    "image_url": "vision",
    "input_audio": "audio",
    "file": "pdf",
    "video_url": "video",
}

_VECTORS = frozenset({EMBEDDING})

PRICE_NEUTRAL = frozenset(
    {"temperature", "top_p", "top_k", "min_p", "stop", "seed", "presence_penalty", "frequency_penalty", "logit_bias",
     "repetition_penalty", "logprobs", "top_logprobs", "response_format", "parallel_tool_calls", "metadata", "user",
     "safety_identifier", "verbosity", "store", "prompt_cache_key", "thinking"}
)  # fmt: skip
"""Parameters that change no price: what they add is input that was counted, or output that the cap bounds."""

_PLAIN_TIERS = frozenset({"default", "standard", "standard_only", "flex"})
_BOUNDED_PARTS = frozenset({"text", "refusal", "image_url"})
_PRICED_APART = frozenset({"service_tier", "content input_audio", "audio", "web_search_options"})
_CLIENT_TOOLS = frozenset({"function", "custom"})
_SHORT_CACHES: tuple[object, ...] = (None, "", "5m")

_PAYLOADS: Mapping[str, str] = {"image_url": "url", "input_audio": "data", "file": "file_data", "video_url": "url"}
"""By type of part, what in it is no text to the model: an image has a bound of its own, the others have none."""

_TEXTS = ("text", "refusal")
_DETAILS: tuple[object, ...] = (None, "auto", "low", "high")
_COUNTED_APART = frozenset({"role", "content", "tool_calls", PROVENANCE})
_SPOKEN = ("name", "reasoning_content")
_ELSEWHERE = ("audio", "attachments", "file_ids", "images")
"""Fields of a message that name what is kept elsewhere or heard: their own bytes bound nothing."""

_CALL, _FUNCTION = frozenset({"id", "type", "function"}), frozenset({"name", "arguments"})
_UNREAD = HINTS | {"stop", "logit_bias", "service_tier", "parallel_tool_calls"}
"""Parameters that are settings of the call, not words to the model."""

# Tokens around one tool call of the history, at most: the names of its fields, and a template's marks.
_CALL_FRAME = 64

# For ranking only: a photograph of about a megapixel, and the markers around a message.
_IMAGE_ESTIMATE, _LOW_IMAGE_ESTIMATE, _MESSAGE_ESTIMATE = 1_000, 100, 4


def needs(request: Request) -> frozenset[str]:
    """Return the features a model must have for `request`: tools, vision, audio, pdf, video, json_schema, embedding.

    ``json_schema`` only where the caller wrote a ``response_format`` of that type: a schema the router was given can go
    down a profile's ladder to an instruction, and its answer is validated anyway.
    """
    if request.embedding is not None:
        return _VECTORS
    found = {"tools"} if request.tools else set[str]()
    if text(fields(request.parameters.get("response_format")).get("type")) == "json_schema":
        found.add("json_schema")
    for message in request.messages:
        if not isinstance(message.get("content"), str):
            found.update(
                _PART_NEEDS[kind] for part in parts_of(message) if (kind := text(part.get("type"))) in _PART_NEEDS
            )
    return frozenset(found)


def worst(overheads: Iterable[Overhead]) -> Overhead:
    """Return the most that any of `overheads` adds, figure by figure; the default for none."""
    found = tuple(overheads)
    if not found:
        return Overhead()
    return Overhead(
        per_request=max(overhead.per_request for overhead in found),
        per_message=max(overhead.per_message for overhead in found),
        tools=max(overhead.tools for overhead in found),
        per_tool=max(overhead.per_tool for overhead in found),
        low_image=max(overhead.low_image for overhead in found),
        image=max(overhead.image for overhead in found),
    )


def counts(request: Request, vocabularies: Iterable[str], overhead: Overhead | None = None) -> Mapping[str, TokenCount]:
    """Return the prompt's tokens by vocabulary, and for those not known under `ANY_VOCABULARY`.

    The estimate is for ranking. The bound is never less than what is billed: exact where the vocabulary is loaded, else
    no more tokens than bytes, and on top what `overhead` (default: the plain dialect's; `worst` for several profiles)
    adds for templates and images. Parts that no number of tokens bounds (audio, video, files) are `unbounded`'s to name
    and count nothing here.

    Raises `RequestError`, naming the place, where tools or schema hold what JSON cannot.
    """
    added = Overhead() if overhead is None else overhead
    read = _Read()
    try:
        for message in request.messages:
            read.message(message)
        rules = "\n".join(read.rules + _rules(request))
    except RequestError:
        _write(request)
        raise
    words = "\n".join(read.words)
    messages, tools = len(request.messages), len(request.tools or called_names(request.messages))
    framed = (
        added.per_request + added.per_message * messages + _CALL_FRAME * read.calls
        + added.low_image * read.low_images + added.image * read.images
    )  # fmt: skip
    if tools:
        framed += added.tools + added.per_tool * tools
    shown = _MESSAGE_ESTIMATE * messages + _LOW_IMAGE_ESTIMATE * read.low_images + _IMAGE_ESTIMATE * read.images
    found: dict[str, TokenCount] = {}
    for vocabulary in {ANY_VOCABULARY, *vocabularies}:
        spoken = count(words, vocabulary)
        # Providers write tools and schemas out anew, so no count of our JSON is exact; its bytes still bound it.
        found[vocabulary] = TokenCount(
            spoken.estimate + estimate(rules, vocabulary) + shown, spoken.bound + bound(rules, vocabulary) + framed
        )
    return found


def _write(request: Request) -> None:
    """Raise the error of what cannot be written with its place in the request, not in the piece that was counted."""
    dumps(
        {"messages": request.messages, "tools": request.tools, "tool_choice": request.tool_choice, **request.parameters}
    )


class _Read:
    """What the messages say, gathered: all that is sent, but for role, provenance and the payload of media.

    `words`: text as the model reads it, counted exactly where that can be. `rules`: every other field, as JSON.
    """

    __slots__ = ("calls", "images", "low_images", "rules", "words")

    def __init__(self) -> None:
        self.words: list[str] = []
        self.rules: list[str] = []
        self.images = self.low_images = self.calls = 0

    def message(self, message: Message) -> None:
        """Take one message."""
        content = message.get("content")
        if isinstance(content, str):
            self.words.append(content)
            if len(message) == 2 and "role" in message:  # nearly every message: nothing but role and text
                return
        else:
            for part in parts_of(message):
                self._part(part)
                if message.get("role") == "tool" and part.get("type") not in _TEXTS:
                    # Where a result takes none, it moves to a message that says which result it is of.
                    self.words.append(text(message.get("tool_call_id")))
                    self.calls += 1
        rest = {name: value for name, value in message.items() if name not in _COUNTED_APART}
        for name in _SPOKEN:
            if isinstance(rest.get(name), str):
                self.words.append(text(rest.pop(name)))
        self._rest(rest)
        if message.get("tool_calls"):
            self._tool_calls(message["tool_calls"])
        for block in fields(fields(message.get(PROVENANCE)).get("blocks")).values():
            self.words.append(block if isinstance(block, str) else dumps(block).decode())

    def _part(self, part: Mapping[str, object]) -> None:
        kind = text(part.get("type"))
        if kind == "image_url":
            if text(fields(part.get(kind)).get("detail")) == "low":
                self.low_images += 1
            else:
                self.images += 1
        rest = {name: value for name, value in part.items() if name != "type"}
        for name in _TEXTS:
            if isinstance(rest.get(name), str):
                self.words.append(text(rest.pop(name)))
        if kind in _PAYLOADS:
            self._rest(_without_payload(rest, kind))
        elif kind in _BOUNDED_PARTS:
            self._rest(rest)

    def _tool_calls(self, calls: object) -> None:
        if not isinstance(calls, Sequence) or isinstance(calls, str | bytes | bytearray):
            self._rest({"tool_calls": calls})
            return
        for call in cast(Sequence[object], calls):
            stated, function = fields(call), fields(fields(call).get("function"))
            pieces = [stated.get("id"), function.get("name"), function.get("arguments")]
            usual = stated.get("type") == "function" and stated.keys() == _CALL and function.keys() == _FUNCTION
            if usual and all(isinstance(piece, str) for piece in pieces):
                self.words += filter(None, map(text, pieces))
            else:
                self.rules.append(dumps(call).decode())
            self.calls += 1

    def _rest(self, rest: Mapping[str, object]) -> None:
        if rest:
            self.rules.append(dumps(rest).decode())


def _without_payload(rest: Mapping[str, object], kind: str) -> Mapping[str, object]:
    """Return what a part of media says beside the media itself."""
    media = rest.get(kind)
    others = {name: value for name, value in rest.items() if name != kind}
    if media is None or isinstance(media, str):
        return others
    if not isinstance(media, Mapping):
        return rest
    said = {
        name: value
        for name, value in fields(cast(object, media)).items()
        if not (name == _PAYLOADS[kind] and isinstance(value, str)) and not (name == "detail" and value in _DETAILS)
    }
    return {**others, kind: said} if said else others


def _rules(request: Request) -> list[str]:
    """Return what is sent beside the messages and may be read by the model: tools, schemas, parameters, as JSON."""
    pieces: list[str] = []
    if request.tools:
        pieces.extend(map(_longest_tool, request.tools))
        if request.tool_choice is not None and not isinstance(request.tool_choice, str):
            pieces.append(dumps(request.tool_choice).decode())
    else:
        pieces.extend(called_names(request.messages))  # declared again where a history with calls demands it
    if request.schema is not None:
        pieces.append(_longest_form(request.schema.name, request.schema.schema))
    for name, value in request.parameters.items():
        if name in OURS or name in _UNREAD or value is None or isinstance(value, bool | int | float):
            continue
        pieces.append(dumps({name: value}).decode())
        described = fields(fields(value).get("json_schema"))
        if name == "response_format" and isinstance(described.get("schema"), Mapping):
            pieces.append(_longest_form(text(described.get("name")), fields(described["schema"])))
    return pieces


def _longest_form(name: str, schema: Mapping[str, object]) -> str:
    """Return a schema as the longest of the ways it may be sent; which one it is depends on the target."""
    narrowed = [
        dumps({"name": name, "schema": form}).decode()
        for form in (strict_schema(schema), closed_schema(schema), inlined_schema(schema), moonshot_schema(schema))
        if form is not None
    ]
    return max([f"{name}\n{instruction(schema)}", *narrowed], key=lambda form: len(form.encode()))


def _longest_tool(tool: Mapping[str, object]) -> str:
    """Return a tool as the longest of the ways it may be sent: a schema is longer with what it refers to in its place.

    What is said of types grows only where there are branches.
    """
    written = dumps(tool).decode()
    if '"$ref"' not in written and '"anyOf"' not in written:
        return written
    function = fields(tool.get("function"))
    parameters = fields(function.get("parameters"))
    forms = [form for form in (inlined_schema(parameters), moonshot_schema(parameters)) if form is not None]
    others = [dumps({**tool, "function": {**function, "parameters": form}}).decode() for form in forms]
    return max([written, *others], key=lambda form: len(form.encode()))


def estimate_text(words: str, vocabulary: str = ANY_VOCABULARY) -> int:
    """Return about how many tokens `words` are in `vocabulary`."""
    return estimate(words, vocabulary)


def unbounded(request: Request) -> tuple[str, ...]:
    """Return the names of what could cost more than the bound on tokens says, sorted: refused under a ceiling.

    Parameters not known to be price-neutral, tools that run at the provider, audio, video and files (billed by rates
    the catalog does not hold, or by a length nobody can tell), and cache marks of long life.
    """
    found: set[str] = set()
    for name, value in request.parameters.items():
        if value is None or name in OURS or name in PRICE_NEUTRAL:
            continue
        plain = name == "service_tier" and isinstance(value, str) and value in _PLAIN_TIERS
        counted = name == "n" and type(value) is int and value > 0  # every choice is reserved for
        if not (plain or counted):
            found.add(name)
    for tool in request.tools:
        kind = text(tool.get("type")) or "function"
        if kind not in _CLIENT_TOOLS:
            found.add(f"tool {kind}")
        if _caches_long(tool) or _caches_long(fields(tool.get("function"))):
            found.add("cache_control.ttl")
    for message in request.messages:
        found.update(_unbounded_in(message))
    return tuple(sorted(found))


def billed_by_tokens(unbounded: Iterable[str]) -> bool:
    """Return whether the tokens of a request are all that is billed, at the usual price; `unbounded` as above.

    Not where another service tier was asked for, a tool runs at the provider, or there is audio, which is dearer.
    """
    return not any(name in _PRICED_APART or name.startswith("tool ") for name in unbounded)


def _unbounded_in(message: Message) -> set[str]:
    found: set[str] = set()
    marked: list[Mapping[str, object]] = []
    if len(message) > 2:  # more than role and content
        found.update(f"message {name}" for name in _ELSEWHERE if message.get(name) is not None)
        marked += (message, *tool_calls_of(message))
    if not isinstance(message.get("content"), str):
        for part in parts_of(message):
            kind = text(part.get("type"))
            if kind not in _BOUNDED_PARTS:
                found.add(f"content {kind or 'without a type'}")
            marked.append(part)
    if any(map(_caches_long, marked)):
        found.add("cache_control.ttl")
    return found


def _caches_long(marked: Mapping[str, object]) -> bool:
    """Whether a cache write is asked for that costs more than the one a price row holds, or may."""
    mark = marked.get("cache_control")
    if mark is None:
        return False
    return not isinstance(mark, Mapping) or fields(cast(object, mark)).get("ttl") not in _SHORT_CACHES
