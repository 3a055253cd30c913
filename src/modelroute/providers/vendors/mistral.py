"""Mistral: fields it does not know, ids it does not like and turns out of order are refused."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from modelroute.providers.profile import Echo, EchoAs, Profile, Sampling
from modelroute.providers.vendors.knobs import CHOICES, NOT_SAID, ON_ONLY, THINK, Table, knob

__all__ = ["MODELS", "PROFILES"]

_SAMPLING = Sampling(ranges=MappingProxyType({"temperature": (0.0, 1.0)}))
_UNKNOWN = frozenset(
    {"audio", "function_call", "functions", "logit_bias", "logprobs", "metadata", "modalities", "moderation",
     "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning", "safety_identifier",
     "service_tier", "store", "top_logprobs", "user", "verbosity", "web_search_options"}
)  # fmt: skip

PROFILES: tuple[Profile, ...] = (
    Profile(
        "mistral",
        sampling=_SAMPLING,
        sampling_at_rest=_SAMPLING,
        refuses=_UNKNOWN,
        efforts=NOT_SAID,
        tool_choices=CHOICES,
        reasoning_tool_choices=CHOICES,
        renames=MappingProxyType({"seed": "random_seed"}),
        needs_parameters=True,
        message_fields=frozenset({"role", "content", "tool_calls", "tool_call_id", "prefix"}),
        blank_content=" ",
        bridge="Done.",
        prefill_mark="prefix",
        tool_ids="[a-zA-Z0-9]{9}",
        stream_usage=False,  # it always comes, with the last chunk
        reasoning_tags=THINK,
        echo=Echo.OPTIONAL,
        echo_as=EchoAs.PARTS,
    ),
)

_SWITCH = knob("none", "high")

MODELS: Mapping[str, Table] = MappingProxyType(
    {
        "mistral": (
            ("mistral-medium-3.5*", {"efforts": _SWITCH, "any_effort": True}),
            ("mistral-medium-2[6-9]*", {"efforts": _SWITCH, "any_effort": True}),
            ("mistral-small-2[6-9]*", {"efforts": _SWITCH, "any_effort": True}),
            ("magistral*", {"efforts": ON_ONLY, "reasons_by_default": True}),
        )
    }
)
