"""Anthropic: the Messages API, its OpenAI-compatible surface, and the Messages API as others serve it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from modelroute.providers.profile import Departure, Echo, Overhead, Profile, Sampling, Schemas
from modelroute.providers.vendors.knobs import (
    AUTO_ONLY,
    CHOICES,
    EVERY_ROLE,
    NO_EFFORTS,
    NOT_SAID,
    TEXT,
    TEXT_AND_IMAGE,
    UNREAD_BY_ANTHROPIC,
    Efforts,
    Table,
    hosted,
    without,
)

__all__ = ["CLAUDE", "MESSAGES", "MODELS", "PROFILES"]

_AT_REST = Sampling(ranges=MappingProxyType({"temperature": (0.0, 1.0)}))
_REASONING = Sampling(fixed=MappingProxyType({"temperature": 1.0}), refused=frozenset({"top_k"}))
_FIXED = Sampling(fixed=MappingProxyType({"temperature": 1.0, "top_p": 1.0}), refused=frozenset({"top_k"}))
_COMPATIBLE = Sampling(
    fixed=MappingProxyType({"n": 1.0}), ranges=MappingProxyType({"temperature": (0.0, 1.0)})
)  # fmt: skip


def _adaptive(*words: str) -> Efforts:
    efforts: dict[str, Mapping[str, object]] = {"none": MappingProxyType({"thinking": {"type": "disabled"}})}
    for word in words:
        efforts[word] = MappingProxyType({"thinking": {"type": "adaptive"}, "output_config": {"effort": word}})
    return MappingProxyType(efforts)


_ADAPTIVE = _adaptive("low", "medium", "high", "xhigh", "max")
_MEDIA = frozenset({"text", "refusal", "image_url", "file"})

# Servers of other vendors that speak Messages: what is Anthropic's own, adaptive thinking and enforced schemas, is
# not asked of them.
MESSAGES = Profile(
    "messages",
    default_output_cap=8_192,
    efforts=NOT_SAID,
    tool_choices=CHOICES,
    reasoning_tool_choices=CHOICES,
    parts=_MEDIA,
    schemas=Schemas.INSTRUCTION,
    echo=Echo.OPTIONAL,
    cache_marks=True,
    text_lists=EVERY_ROLE,
)

PROFILES: tuple[Profile, ...] = (
    Profile(
        "anthropic",
        default_output_cap=8_192,
        blank_stops=False,
        sampling=_REASONING,
        sampling_at_rest=_AT_REST,
        efforts=_ADAPTIVE,
        tool_choices=CHOICES,
        reasoning_tool_choices=CHOICES,
        parts=_MEDIA,
        echo=Echo.OPTIONAL,
        cache_marks=True,
        text_lists=EVERY_ROLE,
        overhead=Overhead(tools=1_024, low_image=4_784, image=4_784),  # an image is at most 4,784 tokens
    ),
    Profile(
        "anthropic-openai",
        blank_stops=False,
        sampling=_COMPATIBLE,
        sampling_at_rest=_COMPATIBLE,
        refuses=UNREAD_BY_ANTHROPIC,
        efforts=MappingProxyType({"none": MappingProxyType({"thinking": {"type": "disabled"}})}),
        tool_choices=CHOICES,
        reasoning_tool_choices=CHOICES,
        parts=TEXT_AND_IMAGE,
        schemas=Schemas.INSTRUCTION,
        tool_parts=TEXT,
        tool_ids="[a-zA-Z0-9_-]+",
        overhead=Overhead(tools=1_024, low_image=4_784, image=4_784),
    ),
    MESSAGES,
)

_NEW: Departure = {"sampling": _FIXED, "sampling_at_rest": _FIXED, "prefill": False}
_ALWAYS_THINKING: Departure = {**_NEW, "reasons_by_default": True, "efforts": without(_ADAPTIVE, "none")}
_NO_FORCED_TOOL: Departure = {**_ALWAYS_THINKING, "tool_choices": AUTO_ONLY, "reasoning_tool_choices": AUTO_ONLY}
# Older ones think by a token budget, for which an effort has no agreed size.
_BUDGET: Departure = {"efforts": NOT_SAID}

CLAUDE: Table = (
    ("*fable*", _NO_FORCED_TOOL),
    ("*mythos*", _NO_FORCED_TOOL),
    ("*opus-5[-.]5*", _ALWAYS_THINKING),
    ("*opus-5*", _NEW),
    ("*sonnet-5*", _NEW),
    ("*opus-4[-.][78]*", _NEW),
    ("*opus-4[-.]6*", {"efforts": without(_ADAPTIVE, "xhigh"), "prefill": False}),
    ("*sonnet-4[-.]6*", {"efforts": without(_ADAPTIVE, "xhigh")}),
    ("*haiku-5*", {}),
    ("*-4[-.][15]*", _BUDGET),
    ("claude-[1-4]*", {**_BUDGET, "schemas": Schemas.INSTRUCTION}),
    ("*opus-4*", {**_BUDGET, "schemas": Schemas.INSTRUCTION}),
    ("*sonnet-4*", {**_BUDGET, "schemas": Schemas.INSTRUCTION}),
)

_SHARED = frozenset(
    {"sampling", "sampling_at_rest", "prefill", "reasons_by_default", "tool_choices", "reasoning_tool_choices"}
)  # fmt: skip


def _compatible(table: Table) -> Table:
    """Return `table` for the compatible surface, where thinking can only be turned off, by those that ever rest."""
    return tuple(
        (pattern, {**shared, "efforts": NO_EFFORTS} if "none" not in departure.get("efforts", _ADAPTIVE) else shared)
        for (pattern, departure), (_, shared) in zip(table, hosted(table, "", fields=_SHARED), strict=True)
    )


MODELS: Mapping[str, Table] = MappingProxyType({"anthropic": CLAUDE, "anthropic-openai": _compatible(CLAUDE)})
