"""Worlds run one after another, and what they reached together."""

import gc
from collections import Counter
from collections.abc import Callable, Iterable

__all__ = ["reached"]


def reached(run: Callable[[int], Counter[str]], seeds: Iterable[int]) -> Counter[str]:
    """Run the world of each seed, and return how often each state was reached."""
    seen: Counter[str] = Counter()
    gc.collect()
    gc.freeze()  # a world with a dropped stream collects garbage: what other tests left need not be looked at again
    try:
        for seed in seeds:
            seen += run(seed)
    finally:
        gc.unfreeze()
    return seen
