"""Hosts of open models: Groq, Together, Fireworks, Cerebras, DeepInfra. How a model is steered depends on the model."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from modelroute.providers.profile import Departure, Echo, EchoAs, Profile, Schemas
from modelroute.providers.vendors.knobs import (
    ANY_EFFORT,
    AUTO_ONLY,
    CHOICES,
    NOT_SAID,
    ONE_CHOICE,
    TEXT,
    THINK,
    Table,
    enabled,
    knob,
    without,
)

__all__ = ["MODELS", "PROFILES"]

PROFILES: tuple[Profile, ...] = (
    Profile(
        "groq",
        output_cap="max_completion_tokens",
        sampling=ONE_CHOICE,
        sampling_at_rest=ONE_CHOICE,
        refuses=frozenset({"logprobs", "top_logprobs", "logit_bias"}),
        efforts=NOT_SAID,
        tool_choices=CHOICES,
        reasoning_tool_choices=CHOICES,
        # Some models enforce a schema, but it is not settled which of them do while they stream.
        schemas=Schemas.OBJECT,
        message_fields=frozenset({"role", "content", "tool_calls", "tool_call_id", "reasoning"}),
        tool_parts=TEXT,
        reasoning_tags=THINK,
        echo_field="reasoning",
    ),
    Profile(
        "together",
        efforts=NOT_SAID,
        tool_choices=CHOICES,
        reasoning_tool_choices=CHOICES,
        tool_parts=TEXT,
        reasoning_tags=THINK,
    ),
    Profile(
        "fireworks",
        efforts=NOT_SAID,
        tool_choices=CHOICES,
        reasoning_tool_choices=CHOICES,
        tool_parts=TEXT,
        reasoning_tags=THINK,
    ),
    Profile(
        "cerebras",
        output_cap="max_completion_tokens",
        refuses=frozenset({"presence_penalty", "frequency_penalty", "logit_bias"}),
        efforts=NOT_SAID,
        tool_choices=CHOICES,
        reasoning_tool_choices=CHOICES,
        strict_schemas=True,
        tool_parts=TEXT,
        reasoning_tags=THINK,
        echo_field="reasoning",
    ),
    Profile(
        "deepinfra",
        efforts=without(ANY_EFFORT, "minimal", "max"),
        tool_choices=AUTO_ONLY,
        reasoning_tool_choices=AUTO_ONLY,
        tool_parts=TEXT,
        reasoning_tags=THINK,
        cost_field="estimated_cost",
    ),
)

_LEVELS: Departure = {"reasons_by_default": True, "efforts": knob("low", "medium", "high")}
_SWITCH: Departure = {"efforts": knob("none", "high"), "any_effort": True}
_HIGH_OR_MAX: Departure = {"efforts": knob("none", "high", "max"), "any_effort": True}
_ENABLED: Departure = {"efforts": enabled(), "any_effort": True}
_PARSED = MappingProxyType({"reasoning_format": "parsed"})

_ANY_WORD: Departure = {"any_effort": True}

_GROQ: Table = (
    ("*gpt-oss*", {**_LEVELS, "echo": Echo.OPTIONAL}),
    (
        "*qwen3*",
        {
            "reasons_by_default": True,
            "efforts": MappingProxyType(
                {
                    "none": MappingProxyType({"reasoning_effort": "none"}),
                    "high": MappingProxyType({"reasoning_effort": "default"}),
                }
            ),
            "any_effort": True,
            "extras": _PARSED,
        },
    ),
)

# DeepSeek takes five words for two levels, and so do these, which take two words.
_HIGH_MAX = enabled("high", "max")
_DEEPSEEK_AT_TOGETHER = MappingProxyType(
    {**_HIGH_MAX, "low": _HIGH_MAX["high"], "medium": _HIGH_MAX["high"], "xhigh": _HIGH_MAX["max"]}
)
_UP_TO_XHIGH = knob("none", "low", "medium", "high", "xhigh")
_DEEPSEEK_AT_DEEPINFRA = MappingProxyType({**_UP_TO_XHIGH, "max": _UP_TO_XHIGH["xhigh"]})

_TOGETHER: Table = (
    ("*gpt-oss*", _LEVELS),
    ("*deepseek-v4*", {"efforts": _DEEPSEEK_AT_TOGETHER, "any_effort": True}),
    ("*glm-5.[2-9]*", {"efforts": _HIGH_MAX, "any_effort": True}),
    ("*qwen3*", _ENABLED),
    ("*kimi-k2.[56]*", _ENABLED),
    ("*glm-*", _ENABLED),
)

_FIREWORKS: Table = (
    ("*gpt-oss*", _LEVELS),
    ("*glm-5p[2-9]*", _HIGH_OR_MAX),
    ("*deepseek-v4*", _HIGH_OR_MAX),
    ("*kimi-k2p[56]*", _SWITCH),
    ("*glm-*", _SWITCH),
    ("*qwen3*", _SWITCH),
)

_CEREBRAS: Table = (
    ("*gpt-oss*", {**_LEVELS, "echo": Echo.OPTIONAL}),
    ("*gemma-4*", {"efforts": knob("low", "medium", "high")}),
    (
        "*glm*",
        {
            "reasons_by_default": True,
            "efforts": MappingProxyType(
                {"none": MappingProxyType({"reasoning_effort": "none"}), "high": MappingProxyType({})}
            ),
            "any_effort": True,
            "extras": MappingProxyType({"clear_thinking": False}),
            "echo": Echo.OPTIONAL,
            "echo_as": EchoAs.TAGS,
        },
    ),
)

MODELS: Mapping[str, Table] = MappingProxyType(
    {
        "groq": _GROQ,
        "together": _TOGETHER,
        "fireworks": _FIREWORKS,
        "cerebras": _CEREBRAS,
        "deepinfra": (
            ("*gpt-oss*", _LEVELS),
            ("*deepseek-v4*", {"efforts": _DEEPSEEK_AT_DEEPINFRA}),
            *((family, _ANY_WORD) for family in ("*deepseek-v3.[12]*", "*glm-[45]*", "*kimi-k2.[56]*", "*qwen3*")),
        ),
    }
)
