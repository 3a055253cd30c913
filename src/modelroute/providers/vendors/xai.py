"""xAI: Grok."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from modelroute.providers.profile import Departure, Profile, Sampling
from modelroute.providers.vendors.knobs import ANY_EFFORT, CHOICES, NOT_SAID, ON_ONLY, TEXT, Table, knob

__all__ = ["MODELS", "PROFILES"]

_REASONING = Sampling(refused=frozenset({"presence_penalty", "frequency_penalty", "stop"}))

PROFILES: tuple[Profile, ...] = (
    Profile(
        "xai",
        output_cap="max_completion_tokens",
        sampling=_REASONING,
        efforts=ANY_EFFORT,
        tool_choices=CHOICES,
        reasoning_tool_choices=CHOICES,
        renames=MappingProxyType({"parallel_tool_calls": "parallel_function_calling"}),
        tool_parts=TEXT,
        reasoning_excluded=True,
        cost_field="cost_in_usd_ticks",
        cost_units=10_000_000_000,
    ),
)

_THINKS: Departure = {"reasons_by_default": True, "sampling_at_rest": _REASONING}

MODELS: Mapping[str, Table] = MappingProxyType(
    {
        "xai": (
            ("grok-4.3*", {"efforts": knob("none", "low", "medium", "high")}),
            ("grok-4.5*", {**_THINKS, "efforts": knob("low", "medium", "high")}),
            ("grok-4.[67]*", {**_THINKS, "efforts": knob("low", "medium", "high", "xhigh")}),
            # These refuse the parameter, whatever it says.
            ("grok-4.20*non-reasoning*", {"efforts": NOT_SAID}),
            ("grok-4.20*", {**_THINKS, "efforts": ON_ONLY}),
        )
    }
)
