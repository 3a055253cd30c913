"""Usage of Chat Completions in one arithmetic: the prompt includes its cached part, the output its reasoning."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal, InvalidOperation

from modelroute.money import PICO_PER_DOLLAR, Money
from modelroute.providers.profile import Profile
from modelroute.types.usage import Usage
from modelroute.wire.fields import MOST_TOKENS, as_count, as_mapping

__all__ = ["read_usage", "stated_cost"]

_LARGEST_COST = 1_000_000
_CACHE_READS = ("cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens")
_CACHE_WRITES = ("cache_write_tokens", "cache_creation_input_tokens")
_NEVER_CACHED = frozenset({"prompt_tokens", "completion_tokens", "total_tokens", "completion_tokens_details"})
"""Fields that tell nothing of a cache: most usages have no others."""


def read_usage(raw: Mapping[str, object], profile: Profile, timings: Mapping[str, object]) -> Usage | None:
    """Return the usage that `raw` reports, or `None` when it does not say how long prompt and answer were.

    Counts that cannot be counts (negative, fractional, enormous, text) are unknown, never zero. `timings` is
    llama.cpp's own report beside the usage.
    """
    prompt, output = _counts(raw, timings)
    if prompt is None or output is None:
        return None
    cached = written = 0
    inside = as_mapping(raw.get("prompt_tokens_details") or raw.get("prompt_token_details"))
    if inside or timings or not _NEVER_CACHED.issuperset(raw):
        # The top level wins where a provider states both (Moonshot).
        cached = _first(raw, _CACHE_READS, _first(inside, _CACHE_READS, as_count(timings.get("cache_n")) or 0))
        written = _first(inside, _CACHE_WRITES, _first(raw, _CACHE_WRITES, _written_by_age(inside)))
        if cached + written > prompt:
            prompt += cached + written  # a part cannot be larger than the whole, so it was left out of it (xAI)
    reasoning = as_count(as_mapping(raw.get("completion_tokens_details")).get("reasoning_tokens"))
    if reasoning is None:
        reasoning = as_count(raw.get("reasoning_tokens")) or 0
    if not reasoning and profile.reasoning_excluded:
        reasoning = _unsaid_reasoning(raw, output)
    output = _with_reasoning(raw, profile, output, reasoning)
    if prompt > MOST_TOKENS or output > MOST_TOKENS:
        return None
    return Usage(prompt, output, cached, written, min(reasoning, output), stated_cost(raw, profile))


def _counts(raw: Mapping[str, object], timings: Mapping[str, object]) -> tuple[int | None, int | None]:
    """Return the tokens of prompt and answer; one that is left out is what the other leaves of the total."""
    prompt, output = as_count(raw.get("prompt_tokens")), as_count(raw.get("completion_tokens"))
    if prompt is not None and output is not None:
        return prompt, output
    total = as_count(raw.get("total_tokens"))
    if total is not None and (prompt is None) != (output is None):
        rest = total - (prompt or 0) - (output or 0)
        missing = "prompt_tokens" if prompt is None else "completion_tokens"
        if rest >= 0 and raw.get(missing) is None:
            return (rest, output) if prompt is None else (prompt, rest)
    if not raw and timings:
        read, cached = as_count(timings.get("prompt_n")), as_count(timings.get("cache_n")) or 0
        return None if read is None else read + cached, as_count(timings.get("predicted_n"))
    return prompt, output


def _written_by_age(inside: Mapping[str, object]) -> int:
    """Return the cache writes that are only told by how long they live (DashScope)."""
    ages = as_mapping(inside.get("cache_creation"))
    return sum(as_count(count) or 0 for name, count in ages.items() if name.startswith("ephemeral_"))


def _first(fields: Mapping[str, object], names: tuple[str, ...], otherwise: int) -> int:
    for name in names:
        count = as_count(fields.get(name))
        if count is not None:
            return count
    return otherwise


def _unsaid_reasoning(raw: Mapping[str, object], output: int) -> int:
    """Return the reasoning that only the total tells of (Gemini): what it has beyond prompt and answer."""
    prompt, total = as_count(raw.get("prompt_tokens")), as_count(raw.get("total_tokens"))
    return 0 if prompt is None or total is None else max(0, total - prompt - output)


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


def stated_cost(raw: Mapping[str, object], profile: Profile) -> Money | None:
    """Return the cost that is stated, `None` where none is believed.

    A cost of nothing is not: an answer that costs nothing has a price of nothing in the catalog. Of a request on the
    user's own key (OpenRouter's ``is_byok``) only the fee is stated, and the upstream's bill beside it.
    """
    if not profile.cost_field:
        return None
    stated = _dollars(raw.get(profile.cost_field), profile.cost_units)
    if stated is None:
        return None
    if raw.get("is_byok") is True:
        upstream = _dollars(as_mapping(raw.get("cost_details")).get("upstream_inference_cost"), 1)
        if not upstream:
            return None
        stated += upstream
    if not 0 < stated <= _LARGEST_COST:
        return None
    return Money.from_pico(int((stated * PICO_PER_DOLLAR).to_integral_value(ROUND_CEILING)))


def _dollars(stated: object, units: int) -> Decimal | None:
    if isinstance(stated, bool) or not isinstance(stated, int | float):
        return None
    try:
        dollars = Decimal(str(stated)) / units
    except InvalidOperation:
        return None
    return dollars if 0 <= dollars <= _LARGEST_COST else None
