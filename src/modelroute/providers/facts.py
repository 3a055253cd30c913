"""What a request needs, how long it is, and what in it could cost more than its tokens: a policy's view of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from modelroute.providers.fit import OURS
from modelroute.providers.parts import fields, parts_of, text, tool_calls_of
from modelroute.providers.profile import Overhead
from modelroute.providers.schema import instruction
from modelroute.types.facts import ANY_VOCABULARY
from modelroute.types.usage import TokenCount
from modelroute.wire.json import dumps
from modelroute.wire.tokens import bound, count, estimate

if TYPE_CHECKING:
    from modelroute.types.request import Request

__all__ = ["PRICE_NEUTRAL", "counts", "estimate_text", "needs", "unbounded", "worst"]

_PART_NEEDS: Mapping[str, str] = {
    "image_url": "vision",
    "input_audio": "audio",
    "file": "pdf",
    "video_url": "video",
}

PRICE_NEUTRAL = frozenset(
    {"temperature", "top_p", "top_k", "min_p", "stop", "seed", "presence_penalty", "frequency_penalty", "logit_bias",
     "repetition_penalty", "logprobs", "top_logprobs", "response_format", "parallel_tool_calls", "metadata", "user",
     "safety_identifier", "verbosity", "store", "prompt_cache_key", "thinking"}
)  # fmt: skip
"""Parameters that change no price: what they add is input that was counted, or output that the cap bounds."""

_PLAIN_TIERS = frozenset({"default", "standard", "standard_only", "flex"})
_BOUNDED_PARTS = frozenset({"text", "refusal", "image_url"})
_CLIENT_TOOLS = frozenset({"function", "custom"})
_SHORT_CACHE = frozenset({"", "5m"})

# For ranking only: a photograph of about a megapixel, and the markers around a message.
_IMAGE_ESTIMATE, _LOW_IMAGE_ESTIMATE, _MESSAGE_ESTIMATE = 1_000, 100, 4


def needs(request: Request) -> frozenset[str]:
    """Return the features a model must have for `request`: tools, vision, audio, pdf, video, json_schema.

    ``json_schema`` only where the caller wrote a ``response_format`` of that type: a schema the router was given can go
    down a profile's ladder to an instruction, and its answer is validated anyway.
    """
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
    pieces: list[str] = []
    images = low_images = 0
    for message in request.messages:
        content = message.get("content")
        if isinstance(content, str):
            pieces.append(content)
        else:
            for part in parts_of(message):
                if part.get("type") != "image_url":
                    pieces.append(text(part.get("text")) or text(part.get("refusal")))
                elif text(fields(part.get("image_url")).get("detail")) == "low":
                    low_images += 1
                else:
                    images += 1
        pieces.extend(_called(message))
    words, rules = "\n".join(pieces), "\n".join(_rules(request))
    messages, tools = len(request.messages), len(request.tools)
    framed = added.per_request + added.per_message * messages + added.low_image * low_images + added.image * images
    if tools:
        framed += added.tools + added.per_tool * tools
    shown = _MESSAGE_ESTIMATE * messages + _LOW_IMAGE_ESTIMATE * low_images + _IMAGE_ESTIMATE * images
    found: dict[str, TokenCount] = {}
    for vocabulary in {ANY_VOCABULARY, *vocabularies}:
        spoken = count(words, vocabulary)
        # Providers write tools and schemas out anew, so no count of our JSON is exact; its bytes still bound it.
        found[vocabulary] = TokenCount(
            spoken.estimate + estimate(rules, vocabulary) + shown, spoken.bound + bound(rules, vocabulary) + framed
        )
    return found


def _rules(request: Request) -> list[str]:
    """Return what is sent beside the messages and read by the model: tools and schemas, as JSON."""
    pieces: list[str] = []
    if request.tools:
        pieces.append(dumps(request.tools).decode())
    if request.schema is not None:
        pieces.append(instruction(request.schema.schema))
    written = fields(request.parameters.get("response_format"))
    if written:
        pieces.append(dumps(written).decode())
    return pieces


def estimate_text(words: str, vocabulary: str = ANY_VOCABULARY) -> int:
    """Return about how many tokens `words` are in `vocabulary`."""
    return estimate(words, vocabulary)


def _called(message: Mapping[str, object]) -> list[str]:
    pieces = [text(message.get("name")), text(message.get("reasoning_content"))]
    for call in tool_calls_of(message):
        function = fields(call.get("function"))
        pieces += (text(call.get("id")), text(function.get("name")), text(function.get("arguments")))
    for block in fields(fields(message.get("modelroute")).get("blocks")).values():
        pieces.append(block if isinstance(block, str) else dumps(block).decode())
    return [piece for piece in pieces if piece]


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
        if _caches_long(tool):
            found.add("cache_control.ttl")
    for message in request.messages:
        if isinstance(message.get("content"), str):
            continue
        for part in parts_of(message):
            kind = text(part.get("type"))
            if kind not in _BOUNDED_PARTS:
                found.add(f"content {kind or 'without a type'}")
            if _caches_long(part):
                found.add("cache_control.ttl")
    return tuple(sorted(found))


def _caches_long(marked: Mapping[str, object]) -> bool:
    """Whether a cache write is asked for that costs more than the one a price row holds."""
    return text(fields(marked.get("cache_control")).get("ttl")) not in _SHORT_CACHE
