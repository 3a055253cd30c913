"""Moonshot: Kimi, whose sampling is fixed, and whose schemas have a flavour of their own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from modelroute.providers.profile import Departure, Echo, Profile, Sampling, SchemaForm
from modelroute.providers.vendors.knobs import AUTO_ONLY, ON_ONLY, TEXT, THINK, Table, knob, switch

__all__ = ["MODELS", "PROFILES"]

_PENALTIES = {"top_p": 0.95, "presence_penalty": 0.0, "frequency_penalty": 0.0, "n": 1.0}
_THINKING = Sampling(MappingProxyType({"temperature": 1.0, **_PENALTIES}))
_AT_REST = Sampling(MappingProxyType({"temperature": 0.6, **_PENALTIES}))
_V1 = Sampling(ranges=MappingProxyType({"temperature": (0.0, 1.0)}))

PROFILES: tuple[Profile, ...] = (
    Profile(
        "moonshot",
        sampling=_THINKING,
        sampling_at_rest=_AT_REST,
        refuses=frozenset({"seed"}),
        tool_choices=AUTO_ONLY,
        reasoning_tool_choices=AUTO_ONLY,
        parts=frozenset({"text", "refusal", "image_url", "video_url"}),
        image_schemes=frozenset({"data", "ms"}),
        most_stops=5,
        longest_stop=32,
        schema_form=SchemaForm.MOONSHOT,
        tool_parts=TEXT,
        blank_content=" ",
        prefill_mark="partial",
        reasoning_tags=THINK,
        echo=Echo.WITH_TOOLS,
    ),
)

_THINKS: Departure = {"reasons_by_default": True}
_ONLY_THINKS: Departure = {**_THINKS, "sampling_at_rest": _THINKING, "efforts": ON_ONLY}
_K3: Departure = {
    **_ONLY_THINKS,
    "output_cap": "max_completion_tokens",
    # Three levels: medium is taken as high, xhigh as max.
    "efforts": knob("low", "medium", "high", "xhigh", "max"),
    "echo": Echo.ALWAYS,
}

MODELS: Mapping[str, Table] = MappingProxyType(
    {
        "moonshot": (
            ("kimi-k3*", _K3),
            ("kimi-k2.7*", _ONLY_THINKS),
            ("kimi-k2-thinking*", _ONLY_THINKS),
            ("kimi-k2.[56]*", {**_THINKS, "efforts": switch("high")}),
            ("*", {"sampling": _V1, "sampling_at_rest": _V1, "echo": Echo.NEVER}),
        )
    }
)
