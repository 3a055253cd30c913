"""How long targets take to their first token and how much they write, learned from the last answers of each.

Quantiles tell what an average hides: how long to wait before calling a target slow (p95), which is usually fastest
(p50), how much money an answer may need (p95 and the longest of the last thousand). All of it is bounded, and what is
told of speed comes from the last minutes only.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence

__all__ = ["ANSWERS", "KNOWN", "LEAST_SLOW", "OLDEST", "RISE", "SLOW", "Answers", "Recent"]

ANSWERS = 128
"""Answers of a target that are remembered."""

OLDEST = 600.0
"""Seconds after which a first token says nothing any more of how fast its target is."""

KNOWN = 20
"""Answers from which on a target's p95 counts as known."""

SLOW = 3.0
"""Times the p95 after which a call is slow."""

LEAST_SLOW = 1.0
"""Seconds within which no first token is slow: of a target that answers at once, thrice as long is still at once."""

RISE = 1.25
"""Times which what is usual may rise in ten seconds: a target that turns slow is noticed before slow is usual."""

_RISES = 10.0
_MOST_RISES = 100
_SMOOTHING = 0.2
_BLOCKS = 8
_CLOCK_STEPS = 1.0
_ROUNDING = 1e-9


class Recent:
    """The last `size` values of something, none older than `oldest` seconds, in the order of time and of size.

    Not locked: its owner is. Values are finite and not negative; others are passed over.
    """

    __slots__ = ("_mean", "_oldest", "_ordered", "_size", "_timed")

    def __init__(self, size: int = ANSWERS, oldest: float = math.inf) -> None:
        self._size = size
        self._oldest = oldest
        self._timed: deque[tuple[float, float]] = deque()
        self._ordered: list[float] = []
        self._mean: float | None = None

    def add(self, value: float, now: float) -> None:
        """Remember `value`, seen at `now` (Unix seconds)."""
        if not 0 <= value < math.inf:
            return
        self._forget(now)
        if len(self._timed) == self._size:
            self._drop()
        self._timed.append((now, value))
        insort(self._ordered, value)
        self._mean = value if self._mean is None else self._mean + _SMOOTHING * (value - self._mean)

    def count(self, now: float) -> int:
        """Return how many values count at `now`."""
        self._forget(now)
        return len(self._ordered)

    def quantile(self, share: float, now: float) -> float | None:
        """Return the least value that `share` of them do not exceed, `None` when there is none."""
        self._forget(now)
        ordered = self._ordered
        return ordered[max(0, math.ceil(share * len(ordered) - _ROUNDING) - 1)] if ordered else None

    def mean(self, now: float) -> float | None:
        """Return the smoothed mean, in which newer values weigh more; `None` when there is none."""
        self._forget(now)
        return self._mean

    def _forget(self, now: float) -> None:
        """Drop what is too old, and what lies in the future since the clock was set back."""
        timed = self._timed
        while timed and not now - self._oldest < timed[0][0] <= now + _CLOCK_STEPS:
            self._drop()
        if not timed:
            self._mean = None

    def _drop(self) -> None:
        _, value = self._timed.popleft()
        del self._ordered[bisect_left(self._ordered, value)]


class _Longest:
    """The greatest of about the last thousand values: what one answer in a thousand exceeds."""

    __slots__ = ("_blocks", "_seen")

    def __init__(self) -> None:
        self._blocks: deque[int] = deque(maxlen=_BLOCKS)
        self._seen = 0

    def add(self, value: int) -> None:
        if self._seen % ANSWERS == 0:
            self._blocks.append(value)
        else:
            self._blocks[-1] = max(self._blocks[-1], value)
        self._seen += 1

    @property
    def value(self) -> int | None:
        return max(self._blocks, default=None)


class _Learned:
    """What is known of one target."""

    __slots__ = ("_usual", "_usual_at", "first_tokens", "longest", "outputs")

    def __init__(self) -> None:
        self.first_tokens = Recent(oldest=OLDEST)
        self.outputs = Recent()
        self.longest = _Longest()
        self._usual: float | None = None
        self._usual_at = 0.0

    def usual(self, p95: float, now: float) -> float:
        """Return what counts as usual at `now`: it falls with `p95` at once, and rises towards it by and by."""
        if self._usual is None or p95 <= self._usual:
            self._usual, self._usual_at = p95, now
        elif not 0 <= now - self._usual_at < _RISES:
            rises = min(_MOST_RISES, max(1, int((now - self._usual_at) // _RISES)))
            self._usual, self._usual_at = min(p95, max(self._usual, LEAST_SLOW / SLOW) * RISE**rises), now
        return self._usual


class Answers:
    """What the answers of each target were like. Thread-safe; `now` is Unix seconds.

    Targets are those of a router, so there are no more entries than it has.
    """

    __slots__ = ("_learned", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._learned: dict[str, _Learned] = {}

    def after_fork(self) -> None:
        """Renew the lock in a forked child: the thread that may have held it is not there."""
        self._lock = threading.Lock()

    def targets(self) -> Sequence[str]:
        """Return the targets of which anything was learned."""
        with self._lock:
            return list(self._learned)

    def answered(self, target: str, now: float, *, first_token: float | None, output_tokens: int | None) -> None:
        """Learn from an answer. Slow ones, too: what stays slow becomes the usual by and by, and is slow no more."""
        with self._lock:
            learned = self._learned.get(target)
            if learned is None:
                learned = self._learned[target] = _Learned()
            if first_token is not None:
                learned.first_tokens.add(first_token, now)
            if output_tokens is not None and output_tokens >= 0:
                learned.outputs.add(output_tokens, 0.0)
                learned.longest.add(output_tokens)

    def first_token(self, target: str, share: float, now: float) -> float | None:
        """Return the seconds to the first token that `share` of the recent answers did not exceed, if any is known."""
        with self._lock:
            learned = self._learned.get(target)
            return None if learned is None else learned.first_tokens.quantile(share, now)

    def mean_first_token(self, target: str, now: float) -> float | None:
        """Return the smoothed seconds to the first token, `None` when none is recent."""
        with self._lock:
            learned = self._learned.get(target)
            return None if learned is None else learned.first_tokens.mean(now)

    def p95(self, target: str, now: float) -> float | None:
        """Return the seconds that 19 of 20 first tokens did not exceed; `None` until `KNOWN` recent ones are known."""
        with self._lock:
            learned = self._learned.get(target)
            if learned is None or learned.first_tokens.count(now) < KNOWN:
                return None
            return learned.first_tokens.quantile(0.95, now)

    def slow_after(self, target: str, now: float) -> float | None:
        """Return the seconds to the first token after which a call is slow; `None` until p95 is known."""
        p95 = self.p95(target, now)
        if p95 is None:
            return None
        with self._lock:
            return max(LEAST_SLOW, SLOW * self._learned[target].usual(p95, now))

    def is_slow(self, target: str, first_token: float | None, now: float) -> bool:
        """Whether an answer with this first token was slow. Ask before it is learned from."""
        limit = None if first_token is None else self.slow_after(target, now)
        return limit is not None and first_token is not None and first_token > limit

    def first_token_limit(self, target: str, least: float, now: float) -> float:
        """Return how long to wait for a first token: `least`, or more where the target is known to take its time."""
        return max(least, SLOW * (self.p95(target, now) or 0.0))

    def output(self, target: str, share: float) -> int | None:
        """Return the output tokens that `share` of the last answers did not exceed, `None` when none is known."""
        with self._lock:
            learned = self._learned.get(target)
            tokens = None if learned is None else learned.outputs.quantile(share, 0.0)
            return None if tokens is None else int(tokens)

    def longest(self, target: str) -> int | None:
        """Return the most output tokens of about the last thousand answers (p99.9), `None` when none is known.

        A few answers say little of it: the caller has a floor.
        """
        with self._lock:
            learned = self._learned.get(target)
            return None if learned is None else learned.longest.value
