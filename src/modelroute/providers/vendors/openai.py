"""OpenAI, and Azure, which serves its models under names of the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from modelroute.providers.profile import FREE, NO_FIELDS, Departure, Overhead, Profile, Sampling, Tools
from modelroute.providers.vendors.knobs import ANY_EFFORT, EVERY_ROLE, NOT_SAID, TEXT, Table, knob, without

__all__ = ["GPT", "MODELS", "PROFILES"]

# OpenAI takes the default value of what it refuses: "Only the default (1) value is supported".
_REASONING = Sampling(
    fixed=MappingProxyType({"temperature": 1.0, "top_p": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}),
    refused=frozenset({"logprobs", "top_logprobs", "logit_bias"}),
)

# Image tokens: at most 10,000 patches, of which the small models bill 1.62 tokens each; gpt-4o-mini bills 2,833 and
# 5,667 a tile of 512 px, at most 8 tiles.
_MINI_OVERHEAD = Overhead(low_image=2_833, image=48_169)

_OPENAI = Profile(
    "openai",
    output_cap="max_completion_tokens",
    efforts=ANY_EFFORT,
    tools_dialect="openai-responses",
    most_stops=4,
    strict_schemas=True,
    developer_role="developer",
    text_lists=EVERY_ROLE,
    tool_parts=TEXT,
    # An id of more than 40 characters is refused, and vLLM's are longer.
    tool_ids=r"[\s\S]{1,40}",
)

PROFILES: tuple[Profile, ...] = (
    _OPENAI,
    replace(
        _OPENAI,
        name="azure",
        key_header="api-key",
        parts=frozenset({"text", "refusal", "image_url", "input_audio"}),
    ),
)

_THINKS: Departure = {"sampling": _REASONING, "reasons_by_default": True}
_ONLY_THINKS: Departure = {**_THINKS, "sampling_at_rest": _REASONING}
_NEVER_RESTS: Departure = {**_ONLY_THINKS, "tools": Tools.NEVER}
_LOW_TO_MAX = without(ANY_EFFORT, "none", "minimal")
_LOW_TO_XHIGH = without(_LOW_TO_MAX, "max")
_NONE_TO_MAX = without(ANY_EFFORT, "minimal")
_NONE_TO_XHIGH = without(_NONE_TO_MAX, "max")

GPT: Table = (
    # Chat Completions takes tools only from models at rest from 5.6 on, and not at all where they cannot rest.
    ("gpt-6.1-sol*", {**_NEVER_RESTS, "efforts": _LOW_TO_MAX}),
    ("gpt-6.[2-9]*", {**_NEVER_RESTS, "efforts": _LOW_TO_XHIGH}),
    ("gpt-6-astra*", {**_NEVER_RESTS, "efforts": _LOW_TO_XHIGH}),
    ("gpt-6.1*", {**_THINKS, "efforts": _NONE_TO_MAX, "tools": Tools.AT_REST}),
    ("gpt-6*", {**_THINKS, "efforts": _NONE_TO_XHIGH, "tools": Tools.AT_REST}),
    ("gpt-5.6*", {**_THINKS, "efforts": _NONE_TO_MAX, "tools": Tools.AT_REST}),
    ("*-chat-latest", {**_ONLY_THINKS, "efforts": MappingProxyType({"medium": NO_FIELDS})}),
    ("gpt-5.5*", {**_THINKS, "efforts": _NONE_TO_XHIGH}),
    ("gpt-5.[2-4]*", {"sampling": _REASONING, "efforts": _NONE_TO_XHIGH}),
    ("gpt-5.1*", {"sampling": _REASONING, "efforts": knob("none", "low", "medium", "high")}),
    ("gpt-5*", {**_ONLY_THINKS, "efforts": knob("minimal", "low", "medium", "high")}),
    ("o1-mini*", {**_ONLY_THINKS, "developer_role": "user"}),
    ("o[1-9]*", {**_ONLY_THINKS, "efforts": knob("low", "medium", "high")}),
    ("gpt-4o-mini*", {"efforts": NOT_SAID, "overhead": _MINI_OVERHEAD}),
    ("gpt-[34]*", {"sampling": FREE, "efforts": NOT_SAID}),
)

MODELS: Mapping[str, Table] = MappingProxyType({"openai": GPT, "azure": GPT})
