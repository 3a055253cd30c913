"""Xiaomi: MiMo, which wants the reasoning of every turn back while it thinks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from modelroute.providers.profile import Echo, Profile, Sampling, Schemas
from modelroute.providers.vendors.knobs import CHOICES, TEXT, THINK, Table, switch

__all__ = ["MODELS", "PROFILES"]

_SAMPLING = Sampling(ranges=MappingProxyType({"temperature": (0.0, 1.5), "top_p": (0.01, 1.0)}))

PROFILES: tuple[Profile, ...] = (
    Profile(
        "xiaomi",
        output_cap="max_completion_tokens",
        sampling=_SAMPLING,
        sampling_at_rest=_SAMPLING,
        reasons_by_default=True,
        efforts=switch("high"),
        tool_choices=CHOICES,
        reasoning_tool_choices=CHOICES,
        schemas=Schemas.OBJECT,
        tool_parts=TEXT,
        reasoning_tags=THINK,
        echo=Echo.ALWAYS,
    ),
)

MODELS: Mapping[str, Table] = MappingProxyType(
    {"xiaomi": (("*flash*", {"reasons_by_default": False, "any_effort": True}),)}
)  # fmt: skip
