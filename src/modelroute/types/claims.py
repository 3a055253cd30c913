"""Money and rate set aside before an attempt: claims on accounts and windows, granted all or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from modelroute.money import Money

__all__ = ["Balance", "Claim", "Granted", "Limited", "RateClaim", "Refused", "Unavailable"]


@dataclass(frozen=True, slots=True)
class Claim:
    """`amount` wanted from the account `scope`, of which at most `limit` may ever be spent or set aside.

    `ends` is the moment after which an account nobody holds money of may be forgotten (Unix seconds). `rolling`: only
    what was spent in the last so many seconds counts; `None`: all that was ever spent on the account. `hard`: the
    limit is a promise, so when the store cannot be asked the claim is refused; else it is let through.
    """

    scope: str
    limit: Money
    amount: Money
    ends: float
    rolling: float | None = None
    hard: bool = True


@dataclass(frozen=True, slots=True)
class RateClaim:
    """`amount` requests or tokens wanted from the sliding window `scope`, at most `limit` of them in any `seconds`."""

    scope: str
    limit: int
    amount: int
    counts: Literal["requests", "tokens"]
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Granted:
    """Every claim was granted."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was set aside: account `scope` has only `left` of the `wanted`."""

    scope: str
    wanted: Money
    left: Money


@dataclass(frozen=True, slots=True)
class Limited:
    """Nothing was set aside: the rate window `scope` has room for this again in `retry_after` seconds.

    `None`: never, it asks for more than the whole window.
    """

    scope: str
    retry_after: float | None


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nothing is known to be set aside: the store did not answer in time, or `lost` what it knew. `why` says."""

    why: str
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Balance:
    """One account at one moment.

    `spent` counts against the limit now (for a rolling window: what has not left it), `reserved` is set aside, `total`
    is all that was ever settled on the account, `presumed` the part of it that is presumed spend.
    ``spent + reserved <= limit`` holds at every instant unless a provider billed beyond its bound.
    """

    spent: Money
    reserved: Money
    total: Money
    presumed: Money
