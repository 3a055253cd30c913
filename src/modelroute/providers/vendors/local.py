"""Servers of one's own, and any other OpenAI-compatible one that nothing is known of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from modelroute.providers.profile import Profile, Schemas
from modelroute.providers.vendors.knobs import (
    ANY_EFFORT,
    CHOICES,
    NO_CHOICE,
    ONE_CHOICE,
    TEXT,
    THINK,
    Table,
    knob,
    template,
    template_knob,
)

__all__ = ["MODELS", "PROFILES"]

_LMSTUDIO = Profile(
    "lmstudio",
    sampling=ONE_CHOICE,
    sampling_at_rest=ONE_CHOICE,
    tool_choices=CHOICES,
    reasoning_tool_choices=CHOICES,
    one_system=True,
    tool_parts=TEXT,
    reasoning_tags=THINK,
)

PROFILES: tuple[Profile, ...] = (
    Profile("compatible", efforts=ANY_EFFORT, reasoning_tags=THINK),
    # Many chat templates take one message of the system's, and only in front.
    *(
        Profile(
            name,
            efforts=ANY_EFFORT,
            tool_choices=CHOICES,
            reasoning_tool_choices=CHOICES,
            one_system=True,
            tool_parts=TEXT,
            reasoning_tags=THINK,
        )
        for name in ("vllm", "sglang")
    ),
    Profile(
        "llamacpp",
        efforts=template_knob(*ANY_EFFORT),
        sampling=ONE_CHOICE,
        sampling_at_rest=ONE_CHOICE,
        tool_choices=CHOICES,
        reasoning_tool_choices=CHOICES,
        one_system=True,
        tool_parts=TEXT,
        reasoning_tags=THINK,
    ),
    Profile(
        "ollama",
        efforts=knob("none", "low", "medium", "high", "max"),
        sampling=ONE_CHOICE,
        sampling_at_rest=ONE_CHOICE,
        # Whatever is said of the choice of tools is taken and not heeded.
        refuses=frozenset({"parallel_tool_calls"}),
        tool_choices=NO_CHOICE,
        reasoning_tool_choices=NO_CHOICE,
        tool_parts=TEXT,
        reasoning_tags=THINK,
    ),
    _LMSTUDIO,
    # A word for the effort it has only there.
    replace(_LMSTUDIO, name="lmstudio-responses", efforts=ANY_EFFORT),
)

# Which field of its template a family reads.
_FAMILIES: Table = (
    ("*qwen3*", {"efforts": template("enable_thinking"), "any_effort": True}),
    ("*glm-[45]*", {"efforts": template("enable_thinking"), "any_effort": True}),
    ("*deepseek-v[34]*", {"efforts": template("thinking"), "any_effort": True}),
    ("*kimi-k2.[56]*", {"efforts": template("thinking"), "any_effort": True}),
)
_TEMPLATES: Table = (
    ("*gpt-oss*", {"efforts": knob("low", "medium", "high"), "reasons_by_default": True}),
    *_FAMILIES,
)

MODELS: Mapping[str, Table] = MappingProxyType(
    {
        "vllm": _TEMPLATES,
        "sglang": _TEMPLATES,
        "llamacpp": (
            ("*gpt-oss*", {"efforts": template_knob("low", "medium", "high"), "reasons_by_default": True}),
            *_FAMILIES,
        ),
        "ollama": (
            # What runs in its cloud takes a schema and does not enforce it.
            ("*gpt-oss*cloud", {"efforts": knob("low", "medium", "high"), "schemas": Schemas.INSTRUCTION}),
            ("*cloud", {"schemas": Schemas.INSTRUCTION}),
            ("*gpt-oss*", {"efforts": knob("low", "medium", "high")}),
        ),
    }
)
