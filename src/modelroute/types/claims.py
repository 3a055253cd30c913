"""Money set aside before an attempt: claims on accounts, granted all or none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelroute.money import Money

__all__ = ["Claim", "Granted", "Refused"]


@dataclass(frozen=True, slots=True)
class Claim:
    """`amount` wanted from the account `scope`, of which at most `limit` may ever be spent or set aside.

    `ends` is the moment after which an account nobody holds money of may be forgotten (Unix seconds).
    """

    scope: str
    limit: Money
    amount: Money
    ends: float


@dataclass(frozen=True, slots=True)
class Granted:
    """Every claim was granted."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was set aside: account `scope` has only `left` of the `wanted`."""

    scope: str
    wanted: Money
    left: Money
