"""AWS Bedrock's OpenAI-compatible endpoint: GPT with OpenAI's own departures, gpt-oss, and other open models."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from modelroute.providers.profile import Profile
from modelroute.providers.vendors.knobs import CHOICES, NOT_SAID, TEXT, Table, hosted, knob
from modelroute.providers.vendors.openai import GPT

__all__ = ["MODELS", "PROFILES"]

PROFILES: tuple[Profile, ...] = (
    Profile(
        "bedrock",
        efforts=NOT_SAID,
        tools_dialect="openai-responses",
        tool_choices=CHOICES,
        reasoning_tool_choices=CHOICES,
        tool_parts=TEXT,
        reasoning_tags=("think", "reasoning"),
    ),
)

MODELS: Mapping[str, Table] = MappingProxyType(
    {
        "bedrock": (
            ("*gpt-oss*", {"reasons_by_default": True, "efforts": knob("low", "medium", "high")}),
            *hosted(GPT, "openai.", "*.openai.", more={"output_cap": "max_completion_tokens"}),
        )
    }
)  # fmt: skip
