"""Whether a request may ask a second target while the first is slow to begin, and how long it waits before it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from modelroute.errors import ConfigurationError, shown

__all__ = ["Hedge", "HedgeLike", "hedge_from"]


@dataclass(frozen=True, slots=True)
class Hedge:
    """Ask another target beside one that is slow to begin; the first to have content answers. `AsyncRouter` only.

    `after`: seconds without content (reasoning is content) before the second is asked; `None`: the time within which
    the first target began 95 % of its last answers, and no hedge before 20 of them are known. `max_extra`: attempts
    that one request may make beside others. The loser is cancelled, and what it costs is counted.

    Raises `ConfigurationError` for what cannot be meant.
    """

    after: float | None = None
    max_extra: int = 1

    def __post_init__(self) -> None:
        after, extra = self.after, self.max_extra
        if after is not None and (
            isinstance(after, bool) or not isinstance(after, int | float) or not 0 < after < float("inf")
        ):
            raise ConfigurationError(f"Hedge(after=...) must be a positive number of seconds, not {shown(after)}")
        if isinstance(extra, bool) or not isinstance(extra, int) or extra < 1:
            raise ConfigurationError(f"Hedge(max_extra=...) must be a whole number of at least 1, not {shown(extra)}")


HedgeLike: TypeAlias = Hedge | bool | None
"""A `Hedge`, ``True`` for ``Hedge()``, ``False`` for none; `None` leaves it to who else says it."""


def hedge_from(said: object) -> Hedge | bool | None:
    """Return what was said of hedging, ``True`` made a `Hedge()`. Raises `ConfigurationError` for anything else."""
    if said is True:
        return Hedge()
    if said is None or said is False or isinstance(said, Hedge):
        return said
    raise ConfigurationError(f"hedge= must be True, False or Hedge(after=...), not {shown(said)}")
