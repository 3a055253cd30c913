"""OpenRouter: what it passes on depends on who serves the model, so it is told to pass on all or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from modelroute.providers.profile import Profile
from modelroute.providers.vendors.anthropic import CLAUDE, MESSAGES
from modelroute.providers.vendors.knobs import ANY_EFFORT, TEXT, THINK, Table, hosted
from modelroute.providers.vendors.openai import GPT

__all__ = ["MODELS", "PROFILES"]

# Fields that an upstream does not take would be dropped without a word.
_ALL_OR_NOTHING = MappingProxyType({"provider": MappingProxyType({"require_parameters": True})})

PROFILES: tuple[Profile, ...] = (
    Profile(
        "openrouter",
        efforts=ANY_EFFORT,
        any_effort=True,
        extras=_ALL_OR_NOTHING,
        cache_marks=True,
        tool_parts=TEXT,
        reasoning_tags=THINK,
        keeps=frozenset({"reasoning_details"}),
        cost_field="cost",
        price_limit="provider",
    ),
    replace(MESSAGES, name="openrouter-messages", extras=_ALL_OR_NOTHING, cost_field="cost", price_limit="provider"),
)

_SAMPLING = frozenset({"sampling", "sampling_at_rest", "reasons_by_default", "prefill"})

MODELS: Mapping[str, Table] = MappingProxyType(
    {
        "openrouter": (
            *hosted(CLAUDE, "anthropic/", fields=_SAMPLING | {"tool_choices", "reasoning_tool_choices"}),
            *hosted(GPT, "openai/", fields=_SAMPLING),
        )
    }
)
