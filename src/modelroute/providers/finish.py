"""The words for "the model is done" in every dialect, and what they mean: an end of five kinds, or no end at all."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from modelroute.types.failure import Failure, Kind, Seen

__all__ = ["BROKEN", "CANONICAL", "broken", "canonical"]

CANONICAL: Mapping[str, str] = MappingProxyType(
    {
        "stop": "stop",
        "end_turn": "stop",
        "stop_sequence": "stop",
        "pause_turn": "stop",
        "compaction": "stop",
        "length": "length",
        "max_tokens": "length",
        "model_length": "length",
        "max_output_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_calls": "tool_calls",
        "tool_use": "tool_calls",
        "function_call": "tool_calls",
        "refusal": "refusal",
        "content_filter": "content_filter",
        "content_filtered": "content_filter",
        "sensitive": "content_filter",
        "safety": "content_filter",
        "recitation": "content_filter",
        "blocklist": "content_filter",
        "prohibited_content": "content_filter",
        "spii": "content_filter",
        "language": "content_filter",
        "image_safety": "content_filter",
        "image_prohibited_content": "content_filter",
        "image_recitation": "content_filter",
        "guardrail_intervened": "content_filter",
    }
)
"""A provider's word, in small letters, to `Finish.reason`. An unknown word is ``stop``: it did say it was done."""

BROKEN: Mapping[str, Kind] = MappingProxyType(
    {
        "insufficient_system_resource": Kind.UNAVAILABLE,
        "network_error": Kind.UNAVAILABLE,
        "abort": Kind.UNAVAILABLE,
        "error": Kind.INTERRUPTED,
        "malformed_function_call": Kind.INVALID_OUTPUT,
        "unexpected_tool_call": Kind.INVALID_OUTPUT,
        "too_many_tool_calls": Kind.INVALID_OUTPUT,
    }
)
"""Words in the place of a finish reason that say the engine gave up: what came before them is no answer."""


def canonical(word: str) -> str:
    """Return what a finish reason means: stop, length, tool_calls, content_filter or refusal."""
    return CANONICAL.get(word) or CANONICAL.get(word.lower(), "stop")


def broken(word: str) -> Failure | None:
    """Return the failure a finish reason stands for, or `None` when it is an end."""
    kind = BROKEN.get(word) or BROKEN.get(word.lower())
    if kind is None:
        return None
    return Failure(kind, f"the provider ended the answer with {word[:60]!r}", word[:60], status=200, seen=Seen.YES)
