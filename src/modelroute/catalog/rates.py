"""What one token costs, as exact integers, and how a long prompt changes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from modelroute.catalog import declared
from modelroute.errors import ConfigurationError, shown
from modelroute.money import Money, MoneyLike

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from modelroute.types.usage import Usage

__all__ = ["Rates", "Tier", "dearest_of", "longest_first", "per_token"]

_TOKENS = 1_000_000
_MOST = 10**36
"""No price of a token: what a million of them cost would be more than any amount of money."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Pico-dollars per token: $1 per million tokens is 1_000_000.

    `cached_input` is the rate of a cache read, `cache_write` of a cache write; `None`: billed as plain input.
    Raises `ConfigurationError` for a negative rate and for what is no integer.
    """

    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None

    def __post_init__(self) -> None:
        for name in ("input", "output", "cached_input", "cache_write"):
            rate = getattr(self, name)
            if type(rate) is int and 0 <= rate < _MOST:
                continue
            if rate is not None or name in ("input", "output"):
                raise _wrong_rate(name, rate)

    @classmethod
    def per_million(
        cls,
        input: MoneyLike,  # noqa: A002 - the word every price list uses
        output: MoneyLike,
        cached_input: MoneyLike | None = None,
        cache_write: MoneyLike | None = None,
    ) -> Rates:
        """Return the rates for prices in dollars per million tokens, taken as typed.

        Raises `ConfigurationError` for a price below zero or one that is no whole number of pico-dollars per token.
        """
        return cls(
            per_token(input, "input"),
            per_token(output, "output"),
            None if cached_input is None else per_token(cached_input, "cached_input"),
            None if cache_write is None else per_token(cache_write, "cache_write"),
        )

    def cost(self, usage: Usage) -> int:
        """Return what `usage` costs in pico-dollars: plain input, cache reads and writes, output, each at its rate.

        Cache writes that stay for an hour cost twice the plain input (Anthropic's price list, as of 2026-11), unless
        the plain ones are dearer still.
        """
        plain = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        cached = self.input if self.cached_input is None else self.cached_input
        written = self.input if self.cache_write is None else self.cache_write
        return (
            max(0, plain) * self.input
            + usage.cached_tokens * cached
            + usage.cache_write_tokens * written
            + usage.hour_write_tokens * max(0, 2 * self.input - written)
            + usage.output_tokens * self.output
        )

    @property
    def dearest_input(self) -> int:
        """The most one prompt token can cost, whether it is plain, read from the cache or written to it."""
        return max(self.input, self.cached_input or 0, self.cache_write or 0)

    @property
    def is_free(self) -> bool:
        """Whether nothing is charged for any token."""
        return not (self.input or self.output or self.cached_input or self.cache_write)

    def __or__(self, other: Rates) -> Rates:
        """Return the dearer of both, rate by rate."""
        return Rates(
            max(self.input, other.input),
            max(self.output, other.output),
            _dearer(self.cached_input, self.input, other.cached_input, other.input),
            _dearer(self.cache_write, self.input, other.cache_write, other.input),
        )


@dataclass(frozen=True, slots=True)
class Tier:
    """Other rates for the *whole* request once its prompt is longer than `above` tokens (cached ones included)."""

    above: int
    rates: Rates

    def __post_init__(self) -> None:
        declared.whole(self, "above", least=0, optional=False)
        declared.instance(self, "rates", Rates, "Rates.per_million(input, output)")


def per_token(amount: MoneyLike, name: str = "rate") -> int:
    """Return dollars per million tokens as exact pico-dollars per token, or raise `ConfigurationError`."""
    pico = Money(amount).pico
    if pico < 0:
        raise ConfigurationError(
            f"the price {name}={amount} is negative; what is unknown is left out, what is free is 0"
        )
    whole, rest = divmod(pico, _TOKENS)
    if rest:
        raise ConfigurationError(
            f"the price {name}={amount} per million tokens is finer than a pico-dollar per token; "
            "give at most six decimals"
        )
    return whole


def dearest_of(rates: Rates, tiers: Sequence[Tier], prompt_tokens: int) -> Rates:
    """Return, rate by rate, the dearest that a prompt of *at most* `prompt_tokens` can meet."""
    for tier in tiers:
        if tier.above < prompt_tokens:
            rates = rates | tier.rates
    return rates


def longest_first(tiers: Iterable[Tier]) -> tuple[Tier, ...]:
    """Return the tiers from the highest `above` down, so that the first one exceeded is the one that counts."""
    read = declared.listed(tiers)
    if read is None or not all(isinstance(tier, Tier) for tier in read):
        raise ConfigurationError(f"tiers={shown(tiers)}: give a list such as [Tier(200_000, Rates.per_million(2, 8))]")
    tiers = cast("tuple[Tier, ...]", read)
    if len({tier.above for tier in tiers}) < len(tiers):
        raise ConfigurationError("two tiers of a price begin above the same number of prompt tokens")
    return tuple(sorted(tiers, key=lambda tier: -tier.above))


def _wrong_rate(name: str, rate: object) -> ConfigurationError:
    if type(rate) is int and rate < 0:
        return ConfigurationError(f"the rate {name}={rate} is negative; what is unknown is left out, what is free is 0")
    return ConfigurationError(
        f"the rate {name}={shown(rate)} is no number of pico-dollars per token; "
        "Rates.per_million(input, output) takes dollars per million tokens"
    )


def _dearer(one: int | None, one_input: int, other: int | None, other_input: int) -> int | None:
    if one is None and other is None:
        return None
    return max(one_input if one is None else one, other_input if other is None else other)
