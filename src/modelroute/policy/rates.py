"""Rates of many targets at one moment, looked up once per change of a price list instead of once per request.

A row without windows and tiers charges the same until the next row begins; only prices by the clock, and prompts long
enough to reach a tier, are asked for anew.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from modelroute.catalog.price import Price
from modelroute.catalog.rates import Rates

__all__ = ["Bill", "RateTable"]

Bill: TypeAlias = tuple[int, int] | None
"""Pico-dollars per input and per output token, `None` without a price in force."""


@dataclass(frozen=True, slots=True)
class _Epoch:
    """What is charged from one beginning of a price row to the next.

    `now`, `dearest`: by position, valid for prompts that reach no tier. `special`: (position, its price, its
    vocabulary, prompt tokens up to which these hold; -1 for a price by the clock).
    """

    ends: float
    now: list[Bill]
    dearest: list[Bill]
    special: tuple[tuple[int, Price, str, int], ...]


class RateTable:
    """The rates of targets by position: `prices` with the vocabulary in which each counts its prompt."""

    __slots__ = ("_epochs", "_moments", "_prices")

    def __init__(self, prices: Sequence[tuple[Price | None, str]]) -> None:
        self._prices = tuple(prices)
        self._moments = sorted({row.since for price, _ in prices if price is not None for row in price.rows})
        self._epochs: dict[int, _Epoch] = {}

    def at(self, moment: float, tokens: Mapping[str, int]) -> Sequence[Bill]:
        """Return the rates at `moment` for a prompt of so many `tokens` in each vocabulary that is asked about."""
        epoch = self._epoch(moment)
        bills = epoch.now
        for position, price, vocabulary, reach in epoch.special:
            prompt = tokens.get(vocabulary)
            if prompt is not None and prompt > reach:
                if bills is epoch.now:
                    bills = list(bills)
                bills[position] = _plain(price.at(moment, prompt))
        return bills

    def dearest(self, start: float, seconds: float, tokens: Mapping[str, int]) -> Sequence[Bill]:
        """Return the dearest rates from `start` for `seconds`; the input rate is that of the dearest kind of input."""
        epoch = self._epoch(start)
        if start + seconds >= epoch.ends:
            return [
                None if price is None else _dear(price.dearest(start, seconds, tokens.get(vocabulary, 0)))
                for price, vocabulary in self._prices
            ]
        bills = epoch.dearest
        for position, price, vocabulary, reach in epoch.special:
            prompt = tokens.get(vocabulary)
            if prompt is not None and prompt > reach:
                if bills is epoch.dearest:
                    bills = list(bills)
                bills[position] = _dear(price.dearest(start, seconds, prompt))
        return bills

    def _epoch(self, moment: float) -> _Epoch:
        number = bisect_right(self._moments, moment)
        epoch = self._epochs.get(number)
        if epoch is None:
            epoch = self._epochs[number] = self._make_epoch(number, moment)
        return epoch

    def _make_epoch(self, number: int, moment: float) -> _Epoch:
        now: list[Bill] = []
        dearest: list[Bill] = []
        special: list[tuple[int, Price, str, int]] = []
        for position, (price, vocabulary) in enumerate(self._prices):
            row = None if price is None else price.row_at(moment)
            rates = None if row is None else row.rates
            now.append(_plain(rates))
            dearest.append(_dear(rates))
            if price is not None and row is not None and (row.windows or row.tiers):
                reach = -1 if row.windows else min(tier.above for tier in row.tiers)
                special.append((position, price, vocabulary, reach))
        ends = self._moments[number] if number < len(self._moments) else float("inf")
        return _Epoch(ends=ends, now=now, dearest=dearest, special=tuple(special))


def _plain(rates: Rates | None) -> Bill:
    return None if rates is None else (rates.input, rates.output)


def _dear(rates: Rates | None) -> Bill:
    return None if rates is None else (rates.dearest_input, rates.output)
