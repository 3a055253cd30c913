"""MiniMax: thinking apart from the text only when asked for, and wanted back in its details."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from modelroute.providers.profile import Profile, Sampling, Schemas
from modelroute.providers.vendors.knobs import NO_CHOICE, ON_ONLY, TEXT, THINK, Table

__all__ = ["MODELS", "PROFILES"]

# Temperature 0 is refused, and any value above it taken.
_SAMPLING = Sampling(
    fixed=MappingProxyType({"n": 1.0}),
    ranges=MappingProxyType({"temperature": (0.001, 1.0), "top_p": (0.01, 1.0)}),
)

PROFILES: tuple[Profile, ...] = (
    Profile(
        "minimax",
        sampling=_SAMPLING,
        sampling_at_rest=_SAMPLING,
        reasons_by_default=True,
        efforts=ON_ONLY,
        tool_choices=NO_CHOICE,
        reasoning_tool_choices=NO_CHOICE,
        schemas=Schemas.INSTRUCTION,  # what it enforces is not documented
        extras=MappingProxyType({"reasoning_split": True}),
        tool_parts=TEXT,
        reasoning_tags=THINK,
        keeps=frozenset({"reasoning_details"}),
    ),
)

_M3_SWITCH = MappingProxyType(
    {
        "none": MappingProxyType({"thinking": {"type": "disabled"}}),
        "high": MappingProxyType({"thinking": {"type": "adaptive"}}),
    }
)

MODELS: Mapping[str, Table] = MappingProxyType({"minimax": (("minimax-m3*", {"efforts": _M3_SWITCH}),)})
