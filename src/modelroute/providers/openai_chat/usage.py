"""Usage of Chat Completions in one arithmetic: the prompt includes its cached part, the output its reasoning."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal, InvalidOperation

from modelroute.money import PICO_PER_DOLLAR, Money
from modelroute.providers.profile import Profile
from modelroute.types.usage import Usage
from modelroute.wire.fields import MOST_TOKENS, as_count, as_mapping

__all__ = ["read_usage"]

_LARGEST_COST = 1_000_000
_CACHE_DETAILS = ("prompt_tokens_details", "prompt_token_details")
_CACHE_READS = ("cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens")
_CACHE_WRITES = ("cache_write_tokens", "cache_creation_input_tokens")


def read_usage(raw: Mapping[str, object], profile: Profile, timings: Mapping[str, object]) -> Usage | None:
    """Return the usage that `raw` reports, or `None` when it does not say how long prompt and answer were.

    Counts that cannot be counts (negative, fractional, enormous, text) are unknown, never zero. `timings` is
    llama.cpp's own report beside the usage.
    """
    prompt = as_count(raw.get("prompt_tokens"))
    output = as_count(raw.get("completion_tokens"))
    if prompt is None or output is None:
        return None
    inside = as_mapping(next((raw[name] for name in _CACHE_DETAILS if raw.get(name)), None))
    # The top level wins where a provider states both (Moonshot).
    cached = _first(raw, _CACHE_READS, _first(inside, _CACHE_READS, as_count(timings.get("cache_n")) or 0))
    written = _first(inside, _CACHE_WRITES, _first(raw, _CACHE_WRITES, 0))
    if cached + written > prompt:
        prompt += cached + written  # a part cannot be larger than the whole, so it was left out of it (xAI)
    reasoning = _first(
        as_mapping(raw.get("completion_tokens_details")),
        ("reasoning_tokens",),
        as_count(raw.get("reasoning_tokens")) or 0,
    )
    output = _with_reasoning(raw, profile, output, reasoning)
    if prompt > MOST_TOKENS or output > MOST_TOKENS:
        return None
    return Usage(prompt, output, cached, written, min(reasoning, output), _stated_cost(raw, profile))


def _first(fields: Mapping[str, object], names: tuple[str, ...], otherwise: int) -> int:
    for name in names:
        count = as_count(fields.get(name))
        if count is not None:
            return count
    return otherwise


def _with_reasoning(raw: Mapping[str, object], profile: Profile, output: int, reasoning: int) -> int:
    """Add reasoning tokens that the output count leaves out: the total tells, else the profile."""
    if not reasoning:
        return output
    total = as_count(raw.get("total_tokens"))
    prompt = as_count(raw.get("prompt_tokens")) or 0
    if total == prompt + output:
        return output
    if profile.reasoning_excluded or reasoning > output or total == prompt + output + reasoning:
        return output + reasoning
    return output


def _stated_cost(raw: Mapping[str, object], profile: Profile) -> Money | None:
    if not profile.cost_field:
        return None
    stated = raw.get(profile.cost_field)
    if isinstance(stated, bool) or not isinstance(stated, int | float):
        return None
    try:
        dollars = Decimal(str(stated)) / profile.cost_units
        if not 0 <= dollars <= _LARGEST_COST:
            return None
        return Money.from_pico(int((dollars * PICO_PER_DOLLAR).to_integral_value(ROUND_CEILING)))
    except InvalidOperation:
        return None
