"""DeepSeek: V3.2 and later, which want the reasoning of every turn with tools back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from modelroute.providers.profile import Echo, Profile, Sampling, Schemas
from modelroute.providers.vendors.knobs import AUTO_ONLY, CHOICES, TEXT, TEXT_AND_IMAGE, THINK, Table, switch

__all__ = ["MODELS", "PROFILES"]

_AT_REST = Sampling(fixed=MappingProxyType({"n": 1.0}))

PROFILES: tuple[Profile, ...] = (
    Profile(
        "deepseek",
        sampling=replace(_AT_REST, refused=frozenset({"logprobs", "top_logprobs"})),
        sampling_at_rest=_AT_REST,
        refuses=frozenset({"seed"}),
        reasons_by_default=True,
        efforts=switch("low", "medium", "high", "xhigh", "max", knob="reasoning_effort"),
        tool_choices=CHOICES,
        reasoning_tool_choices=AUTO_ONLY,
        parts=TEXT,
        text_lists=frozenset(),
        tool_parts=TEXT,
        schemas=Schemas.OBJECT,
        reasoning_tags=THINK,
        echo=Echo.WITH_TOOLS,
    ),
)

MODELS: Mapping[str, Table] = MappingProxyType(
    {
        "deepseek": (
            # V4.1-Flash sees; the dated and "-exp" names are aliases of it.
            ("deepseek-flash*", {"parts": TEXT_AND_IMAGE}),
            ("deepseek-v4-flash*", {"parts": TEXT_AND_IMAGE}),
            ("deepseek-v4.1-flash*", {"parts": TEXT_AND_IMAGE}),
            ("*r1*", {"echo": Echo.NEVER}),  # refuses what later ones miss
        )
    }
)
