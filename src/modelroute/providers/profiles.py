"""The profiles that are known, as one readable table: providers first, then the models that depart from their provider.

Facts as of 2026-11-21. Where a departure is only said to exist it is left out: asking for too much ends in an
`unsupported` failure that moves on and is remembered, while a wrong entry here would bar a target for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from types import MappingProxyType
from typing import TypedDict

from modelroute.catalog.model import ProviderRow, Target
from modelroute.errors import UnknownNameError
from modelroute.providers.profile import FREE, NO_FIELDS, Echo, Overhead, Profile, Sampling, Schemas, Tools

__all__ = ["MODELS", "PROFILES", "profile_for", "profile_named"]

_Fields = Mapping[str, object]
_WORDS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def _knob(words: tuple[str, ...]) -> Mapping[str, _Fields]:
    return MappingProxyType({word: MappingProxyType({"reasoning_effort": word}) for word in words})


def _switch(words: tuple[str, ...], **more: str) -> Mapping[str, _Fields]:
    """``thinking`` on for `words`, off for ``none``; `more` names a field that carries the word as well."""
    efforts: dict[str, _Fields] = {"none": MappingProxyType({"thinking": {"type": "disabled"}})}
    for word in words:
        efforts[word] = MappingProxyType({"thinking": {"type": "enabled"}, **dict.fromkeys(more.values(), word)})
    return MappingProxyType(efforts)


def _adaptive(words: tuple[str, ...]) -> Mapping[str, _Fields]:
    efforts: dict[str, _Fields] = {"none": MappingProxyType({"thinking": {"type": "disabled"}})}
    for word in words:
        efforts[word] = MappingProxyType({"thinking": {"type": "adaptive"}, "output_config": {"effort": word}})
    return MappingProxyType(efforts)


def _without(efforts: Mapping[str, _Fields], *words: str) -> Mapping[str, _Fields]:
    return MappingProxyType({word: fields for word, fields in efforts.items() if word not in words})


_ANY = _knob(_WORDS)
_ADAPTIVE = _adaptive(("low", "medium", "high", "xhigh", "max"))
_DEEPSEEK = _switch(("low", "medium", "high", "xhigh", "max"), knob="reasoning_effort")
_KIMI_SWITCH = _switch(("high",))
_KIMI_ALWAYS = MappingProxyType({"high": NO_FIELDS})

_AUTO_ONLY = frozenset({"auto", "none"})
_CHOICES = frozenset({"auto", "none", "required", "named"})
_TEXT = frozenset({"text", "refusal"})
_TEXT_AND_IMAGE = frozenset({"text", "refusal", "image_url"})
_EVERY_ROLE = frozenset({"system", "developer", "user", "assistant", "tool"})
_INLINE = frozenset({"data", "ms"})

# OpenAI takes the default value of what it refuses: "Only the default (1) value is supported".
_OPENAI_REASONING = Sampling(
    fixed=MappingProxyType({"temperature": 1.0, "top_p": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}),
    refused=frozenset({"logprobs", "top_logprobs", "logit_bias"}),
)
_CLAUDE = Sampling(ranges=MappingProxyType({"temperature": (0.0, 1.0)}))
_CLAUDE_REASONING = Sampling(fixed=MappingProxyType({"temperature": 1.0}), refused=frozenset({"top_k"}))
_CLAUDE_FIXED = Sampling(fixed=MappingProxyType({"temperature": 1.0, "top_p": 1.0}), refused=frozenset({"top_k"}))
_DEEPSEEK_AT_REST = Sampling(fixed=MappingProxyType({"n": 1.0}), refused=frozenset({"seed"}))
_DEEPSEEK_REASONING = replace(_DEEPSEEK_AT_REST, refused=frozenset({"seed", "logprobs", "top_logprobs"}))
_KIMI_PENALTIES = {"top_p": 0.95, "presence_penalty": 0.0, "frequency_penalty": 0.0, "n": 1.0}
_KIMI = Sampling(MappingProxyType({"temperature": 1.0, **_KIMI_PENALTIES}), refused=frozenset({"seed"}))
_KIMI_AT_REST = Sampling(MappingProxyType({"temperature": 0.6, **_KIMI_PENALTIES}), refused=frozenset({"seed"}))
_MOONSHOT_V1 = Sampling(ranges=MappingProxyType({"temperature": (0.0, 1.0)}), refused=frozenset({"seed"}))
_ONE_CHOICE = Sampling(fixed=MappingProxyType({"n": 1.0}))

# Image tokens. OpenAI: at most 10,000 patches, of which the small models bill 1.62 tokens each; gpt-4o-mini bills 2,833
# and 5,667 a tile of 512 px, at most 8 tiles. Anthropic: at most 4,784. Elsewhere nothing is published; 16,384 is the
# most that an open vision model takes.
_MINI_OVERHEAD = Overhead(low_image=2_833, image=48_169)
_CLAUDE_OVERHEAD = Overhead(tools=1_024, low_image=4_784, image=4_784)

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {
        profile.name: profile
        for profile in (
            Profile(
                "openai",
                output_cap="max_completion_tokens",
                efforts=_ANY,
                strict_schemas=True,
                developer_role="developer",
                text_lists=_EVERY_ROLE,
            ),
            Profile(
                "anthropic",
                default_output_cap=8_192,
                sampling=_CLAUDE_REASONING,
                sampling_at_rest=_CLAUDE,
                efforts=_ADAPTIVE,
                tool_choices=_CHOICES,
                reasoning_tool_choices=_CHOICES,
                parts=frozenset({"text", "refusal", "image_url", "file"}),
                echo=Echo.OPTIONAL,
                cache_marks=True,
                text_lists=_EVERY_ROLE,
                overhead=_CLAUDE_OVERHEAD,
            ),
            Profile(
                "deepseek",
                sampling=_DEEPSEEK_REASONING,
                sampling_at_rest=_DEEPSEEK_AT_REST,
                reasons_by_default=True,
                efforts=_DEEPSEEK,
                tool_choices=_CHOICES,
                reasoning_tool_choices=_AUTO_ONLY,
                parts=_TEXT,
                text_lists=frozenset(),
                schemas=Schemas.OBJECT,
                echo=Echo.WITH_TOOLS,
            ),
            Profile(
                "moonshot",
                sampling=_KIMI,
                sampling_at_rest=_KIMI_AT_REST,
                tool_choices=_AUTO_ONLY,
                reasoning_tool_choices=_AUTO_ONLY,
                parts=frozenset({"text", "refusal", "image_url", "video_url"}),
                image_schemes=_INLINE,
                blank_content=" ",
                echo=Echo.WITH_TOOLS,
            ),
            Profile("compatible", efforts=_ANY),
            Profile("vllm", efforts=_ANY),
            Profile("sglang", efforts=_ANY),
            Profile("llamacpp", efforts=_ANY, sampling=_ONE_CHOICE, sampling_at_rest=_ONE_CHOICE),
            Profile(
                "ollama",
                efforts=_knob(("none", "low", "medium", "high", "max")),
                sampling=_ONE_CHOICE,
                sampling_at_rest=_ONE_CHOICE,
                tool_choices=_AUTO_ONLY,
                reasoning_tool_choices=_AUTO_ONLY,
            ),
            Profile("lmstudio", sampling=_ONE_CHOICE, sampling_at_rest=_ONE_CHOICE),
            # Services that add a cost or count differently; all else is as the plain dialect.
            Profile("openrouter", efforts=_ANY, any_effort=True, cost_field="cost", cache_marks=True),
            Profile("deepinfra", efforts=_ANY, cost_field="estimated_cost"),
            Profile("xai", output_cap="max_completion_tokens", efforts=_ANY, reasoning_excluded=True),
        )
    }
)
"""Profiles by name: what `ProviderRow.profile`, `Target.profile` and `Provider.compatible(profile=...)` may say."""


class Departure(TypedDict, total=False):
    """The fields of a `Profile` that a model may change."""

    output_cap: str
    sampling: Sampling
    sampling_at_rest: Sampling
    reasons_by_default: bool
    efforts: Mapping[str, _Fields]
    tools: Tools
    tool_choices: frozenset[str]
    reasoning_tool_choices: frozenset[str]
    parts: frozenset[str]
    prefill: bool
    schemas: Schemas
    developer_role: str
    overhead: Overhead


_THINKS: Departure = {"sampling": _OPENAI_REASONING, "reasons_by_default": True}
_ONLY_THINKS: Departure = {**_THINKS, "sampling_at_rest": _OPENAI_REASONING}
_NEVER_RESTS: Departure = {
    **_THINKS,
    "sampling_at_rest": _OPENAI_REASONING,
    "efforts": _without(_ANY, "none", "minimal"),
}
_NEW_CLAUDE: Departure = {"sampling": _CLAUDE_FIXED, "sampling_at_rest": _CLAUDE_FIXED, "prefill": False}
_ALWAYS_THINKING: Departure = {**_NEW_CLAUDE, "reasons_by_default": True, "efforts": _without(_ADAPTIVE, "none")}
_NO_FORCED_TOOL: Departure = {**_ALWAYS_THINKING, "tool_choices": _AUTO_ONLY, "reasoning_tool_choices": _AUTO_ONLY}
_BUDGET_CLAUDE: Departure = {"efforts": MappingProxyType({"none": NO_FIELDS})}
_KIMI_K3: Departure = {
    "output_cap": "max_completion_tokens",
    "reasons_by_default": True,
    "sampling_at_rest": _KIMI,
    "efforts": _knob(("low", "medium", "high", "xhigh", "max")),
}

MODELS: Mapping[str, tuple[tuple[str, Departure], ...]] = MappingProxyType(
    {
        "openai": (
            # Chat Completions takes tools only from models at rest from 5.6 on, and not at all where they cannot rest.
            ("gpt-6.1-sol*", {**_NEVER_RESTS, "tools": Tools.NEVER}),
            ("gpt-6.[2-9]*", {**_NEVER_RESTS, "tools": Tools.NEVER}),
            ("gpt-6-astra*", {**_NEVER_RESTS, "tools": Tools.NEVER}),
            ("gpt-6*", {**_THINKS, "tools": Tools.AT_REST}),
            ("gpt-5.6*", {**_THINKS, "efforts": _without(_ANY, "minimal"), "tools": Tools.AT_REST}),
            ("*-chat-latest", {**_ONLY_THINKS, "efforts": MappingProxyType({"medium": NO_FIELDS})}),
            ("gpt-5.5*", {**_THINKS, "efforts": _without(_ANY, "minimal", "max")}),
            ("gpt-5.[2-4]*", {"sampling": _OPENAI_REASONING, "efforts": _without(_ANY, "minimal", "max")}),
            ("gpt-5.1*", {"sampling": _OPENAI_REASONING, "efforts": _knob(("none", "low", "medium", "high"))}),
            ("gpt-5*", {**_ONLY_THINKS, "efforts": _knob(("minimal", "low", "medium", "high"))}),
            ("o1-mini*", {**_ONLY_THINKS, "developer_role": "user"}),
            ("o[1-9]*", {**_ONLY_THINKS, "efforts": _knob(("low", "medium", "high"))}),
            ("gpt-4o-mini*", {"efforts": MappingProxyType({"none": NO_FIELDS}), "overhead": _MINI_OVERHEAD}),
            ("gpt-[34]*", {"sampling": FREE, "efforts": MappingProxyType({"none": NO_FIELDS})}),
        ),
        "anthropic": (
            ("*fable*", _NO_FORCED_TOOL),
            ("*mythos*", _NO_FORCED_TOOL),
            ("*opus-5-5*", _ALWAYS_THINKING),
            ("*opus-5*", _NEW_CLAUDE),
            ("*sonnet-5*", _NEW_CLAUDE),
            ("*opus-4-[78]*", _NEW_CLAUDE),
            ("*opus-4-6*", {"efforts": _without(_ADAPTIVE, "xhigh"), "prefill": False}),
            ("*sonnet-4-6*", {"efforts": _without(_ADAPTIVE, "xhigh")}),
            ("*haiku-5*", {}),
            # Older ones think by a token budget, for which an effort has no agreed size.
            ("*-4-[15]*", _BUDGET_CLAUDE),
            ("claude-[1-4]*", {**_BUDGET_CLAUDE, "schemas": Schemas.INSTRUCTION}),
            ("*opus-4*", {**_BUDGET_CLAUDE, "schemas": Schemas.INSTRUCTION}),
            ("*sonnet-4*", {**_BUDGET_CLAUDE, "schemas": Schemas.INSTRUCTION}),
        ),
        "deepseek": (
            # V4.1-Flash sees; the dated and "-exp" names are aliases of it.
            ("deepseek-flash*", {"parts": _TEXT_AND_IMAGE}),
            ("deepseek-v4-flash*", {"parts": _TEXT_AND_IMAGE}),
        ),
        "moonshot": (
            ("kimi-k3*", _KIMI_K3),
            ("kimi-k2.7*", {"reasons_by_default": True, "sampling_at_rest": _KIMI, "efforts": _KIMI_ALWAYS}),
            ("kimi-k2-thinking*", {"reasons_by_default": True, "sampling_at_rest": _KIMI, "efforts": _KIMI_ALWAYS}),
            ("kimi-k2.[56]*", {"reasons_by_default": True, "efforts": _KIMI_SWITCH}),
            ("*", {"sampling": _MOONSHOT_V1, "sampling_at_rest": _MOONSHOT_V1}),
        ),
    }
)  # fmt: skip
"""Per profile, patterns over the provider's name of a model, most specific first: the first that matches is applied."""


def profile_named(name: str) -> Profile:
    """Return the profile called `name`, or raise `UnknownNameError`."""
    profile = PROFILES.get(name) if isinstance(name, str) else None
    if profile is None:
        raise UnknownNameError("profile", name, PROFILES)
    return profile


@lru_cache(maxsize=4_096)
def _for_model(name: str, wire_name: str) -> Profile:
    profile = profile_named(name)
    for pattern, departure in MODELS.get(name, ()):
        if fnmatchcase(wire_name.lower(), pattern):
            return replace(profile, **departure)
    return profile


def profile_for(target: Target, row: ProviderRow) -> Profile:
    """Return how `target` departs: its own profile's name or its provider's, then what the table says of the model."""
    return _for_model(target.profile or row.profile, target.wire_name)
