"""Signals of one process, latest first forgotten last: what a shared store would tell the others."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from modelroute.types.signals import Signal

__all__ = ["SIGNALS_KEPT", "Board"]

SIGNALS_KEPT = 20_000
"""Signals remembered at most; the oldest is advice that can be missed."""


@dataclass(slots=True)
class Board:
    """The newest signal under each key, with its mark, in the order of their marks. Not thread-safe by itself."""

    _mark: int = 0
    _signals: OrderedDict[str, tuple[int, Signal]] = field(default_factory=OrderedDict[str, tuple[int, Signal]])

    def publish(self, signals: Sequence[Signal], now: float) -> None:
        """Put `signals` up, unless a longer one stays."""
        for signal in signals:
            known = self._signals.get(signal.key)
            if signal.extends and known is not None and known[1].until > signal.until:
                continue
            self._mark += 1
            self._signals[signal.key] = (self._mark, signal)
            self._signals.move_to_end(signal.key)
        while self._signals:
            oldest = next(iter(self._signals.values()))[1]
            if oldest.until > now and len(self._signals) <= SIGNALS_KEPT:
                break
            self._signals.popitem(last=False)

    def after(self, mark: int, now: float) -> tuple[int, tuple[Signal, ...]]:
        """Return the signals in force that are newer than `mark`, oldest first, and the newest mark.

        A mark from the future is of another life of the store: then all are new.
        """
        if mark > self._mark:
            mark = 0
        found: list[Signal] = []
        for at, signal in reversed(self._signals.values()):
            if at <= mark:
                break
            if signal.until > now:
                found.append(signal)
        return self._mark, tuple(reversed(found))
