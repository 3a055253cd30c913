"""Alibaba's DashScope: Qwen, and the open models of others beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from modelroute.providers.profile import Departure, Profile, Sampling, Schemas
from modelroute.providers.vendors.knobs import CHOICES, NOT_SAID, ON_ONLY, TEXT, THINK, Table, knob

__all__ = ["MODELS", "PROFILES"]

_SAMPLING = Sampling(ranges=MappingProxyType({"temperature": (0.0, 1.999)}))

# The budgets are ours: no size is published for an effort. Without one the model takes all it may.
_EFFORTS = MappingProxyType(
    {
        "none": MappingProxyType({"enable_thinking": False}),
        "low": MappingProxyType({"enable_thinking": True, "thinking_budget": 2_048}),
        "medium": MappingProxyType({"enable_thinking": True, "thinking_budget": 8_192}),
        "high": MappingProxyType({"enable_thinking": True}),
    }
)

_CHAT = Profile(
    "alibaba",
    # Its max_tokens leaves the thinking out, and so its bill. What older models have in place of this is below.
    output_cap="max_completion_tokens",
    output_slack=10,
    sampling=_SAMPLING,
    sampling_at_rest=_SAMPLING,
    efforts=_EFFORTS,
    any_effort=True,
    tool_choices=CHOICES,
    reasoning_tool_choices=CHOICES,
    parts=frozenset({"text", "refusal", "image_url", "input_audio", "video_url", "video"}),
    # Which models enforce a schema depends on the model and its mode; any of them knows "some JSON object".
    schemas=Schemas.OBJECT,
    tool_parts=TEXT,
    prefill_mark="partial",
    reasoning_tags=THINK,
)

PROFILES: tuple[Profile, ...] = (
    _CHAT,
    # Its Responses say an effort as OpenAI's do.
    replace(_CHAT, name="alibaba-responses", efforts=knob("none", "low", "medium", "high")),
)

_NAMED = CHOICES - {"required"}
_OPEN: Departure = {"reasons_by_default": True}

_APART: Departure = {"output_cap": "max_tokens", "reasoning_cap": "thinking_budget"}
_AT_REST: Departure = {"output_cap": "max_tokens", "efforts": NOT_SAID}
_UNBOUNDED: Departure = {"output_cap": "max_tokens", "honours_output_cap": False}

_QWEN: Table = (
    # Nothing bounds how long these think.
    ("qwq*", _UNBOUNDED),
    ("qvq*", _UNBOUNDED),
    ("deepseek-r1*", _UNBOUNDED),
    ("deepseek-v3*", _UNBOUNDED),
    ("glm-4*", _UNBOUNDED),
    ("kimi-k2-thinking*", {**_UNBOUNDED, **_OPEN, "efforts": ON_ONLY}),
    ("*coder*", {**_AT_REST, "tool_choices": _NAMED, "reasoning_tool_choices": _NAMED}),
    ("*instruct*", _AT_REST),
    ("*thinking*", {**_APART, **_OPEN, "efforts": ON_ONLY}),
    # The open ones, which are called by their size, think unless told not to; the others only when told to.
    ("qwen3*-[0-9]*b*", {**_APART, **_OPEN}),
    ("qwen-*", _APART),
    ("qwen[23]-*", _APART),
    ("qwen2.5-*", _APART),
)

MODELS: Mapping[str, Table] = MappingProxyType({"alibaba": _QWEN, "alibaba-responses": _QWEN})
