"""Token usage of one attempt, in one arithmetic whatever the provider's own: totals that contain their parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelroute.money import Money

__all__ = ["TokenCount", "Usage"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens billed for one attempt.

    `input_tokens` is the whole prompt *including* `cached_tokens` (cache reads) and `cache_write_tokens`;
    `output_tokens` is everything billed as output *including* `reasoning_tokens`. Zero means zero, never "unknown":
    an attempt without a report has no `Usage`. `provider_cost` is the provider's own figure where it states one.
    `hour_write_tokens` are those of `cache_write_tokens` that stay for an hour, which Anthropic bills dearer.
    """

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    provider_cost: Money | None = None
    hour_write_tokens: int = 0


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Tokens of a prompt before it is sent: `estimate` for ranking, `bound` for promises (never less than billed)."""

    estimate: int
    bound: int
