"""Z.ai, and Zhipu in China: GLM."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from modelroute.providers.profile import Departure, Echo, Profile, Sampling, Schemas
from modelroute.providers.vendors.knobs import NO_CHOICE, TEXT, THINK, Table, switch, without

__all__ = ["MODELS", "PROFILES"]

_SAMPLING = Sampling(ranges=MappingProxyType({"temperature": (0.0, 1.0)}))

PROFILES: tuple[Profile, ...] = (
    Profile(
        "zai",
        sampling=_SAMPLING,
        sampling_at_rest=_SAMPLING,
        reasons_by_default=True,
        efforts=switch("high"),
        tool_choices=NO_CHOICE,
        reasoning_tool_choices=NO_CHOICE,
        most_stops=1,
        schemas=Schemas.OBJECT,
        tool_parts=TEXT,
        reasoning_tags=THINK,
        echo=Echo.OPTIONAL,
    ),
)

# Without it the arguments of a call arrive whole, after a silence as long as they are.
_STREAMS_CALLS: Departure = {"tool_stream_extras": MappingProxyType({"tool_stream": True})}
_LEVELS = switch("low", "medium", "high", "xhigh", "max", knob="reasoning_effort")

MODELS: Mapping[str, Table] = MappingProxyType(
    {
        "zai": (
            ("*glm-5.3*", {**_STREAMS_CALLS, "efforts": without(_LEVELS, "none", "medium", "xhigh")}),
            ("*glm-5.2*", {**_STREAMS_CALLS, "efforts": _LEVELS}),
            ("*glm-5*", _STREAMS_CALLS),
            ("*glm-4.[67]*", _STREAMS_CALLS),
        )
    }
)
