"""Sliding windows kept in buckets: what was spent or counted in the last so many seconds, in bounded memory.

A bucket is a sixty-fourth of its window. It leaves as a whole, once its *last* instant is older than the window: a
window may remember a little longer than its name says, and never a moment less.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["BUCKETS", "Window", "bucket_end"]

BUCKETS = 64
"""Buckets in a window: the most a window can be late to forget is one of them, under 2 % of it."""


def bucket_end(now: float, width: float) -> float:
    """Return when the bucket of `width` seconds that holds the moment `now` ends."""
    return (now // width + 1.0) * width


@dataclass(slots=True)
class Window:
    """Amounts of the last `period` seconds, in buckets at least `finest` seconds wide, each keyed by its end."""

    period: float
    finest: float = 0.0
    buckets: dict[float, int] = field(default_factory=dict[float, int])

    def used(self, now: float, period: float | None = None) -> int:
        """Return what has not left the last `period` seconds; `None`, and at most, the window's own."""
        buckets = self.buckets
        gone = now - self.period
        while buckets:
            oldest = next(iter(buckets))
            if oldest > gone:
                break
            del buckets[oldest]
        if period is None or period >= self.period:
            return sum(buckets.values())
        return sum(amount for end, amount in buckets.items() if end > now - period)

    def add(self, amount: int, now: float) -> float:
        """Count `amount` at `now`; return the end of its bucket, by which it can be changed later."""
        end = bucket_end(now, max(self.finest, self.period / BUCKETS))
        self.buckets[end] = self.buckets.get(end, 0) + amount
        return end

    def change(self, end: float, by: int) -> None:
        """Change the bucket that ends at `end`, never below nothing; without effect once it has left."""
        known = self.buckets.get(end)
        if known is not None:
            self.buckets[end] = max(0, known + by)

    def wait(self, needed: int, now: float) -> float:
        """Return the seconds until `needed` of what is counted now has left."""
        freed = 0
        for end, amount in sorted(self.buckets.items()):
            freed += amount
            if freed >= needed:
                return max(0.0, end + self.period - now)
        return self.period

    @property
    def ends(self) -> float:
        """When nothing that is counted is left in the window."""
        return max(self.buckets, default=0.0) + self.period
