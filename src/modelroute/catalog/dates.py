"""How old a fact is: what the catalog says is dated, and what is old may no longer hold."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time
from functools import lru_cache

from modelroute.errors import ConfigurationError, shown

__all__ = ["STALE_AFTER", "age", "checked_day", "is_stale", "midnight"]

STALE_AFTER = 60
"""Days after which nobody should trust a price that he has not looked up again."""

_DAY = 86_400.0


def age(as_of: str, moment: float) -> int | None:
    """Return whole days from `as_of` (a day, a month or a year) to `moment` in Unix seconds; `None` without a date.

    A month or year counts from its last day: the fact is at least so old. What is dated later is of no age.
    """
    return None if not as_of else max(0, int((moment - _last_midnight(as_of)) // _DAY))


def is_stale(as_of: str, moment: float) -> bool:
    """Whether a fact of that date is older than `STALE_AFTER` days at `moment`; what has no date never is."""
    return bool(as_of) and moment - _last_midnight(as_of) > STALE_AFTER * _DAY


def checked_day(day: object) -> date:
    """Return a `date`, given as one or as ISO text; `ConfigurationError` for anything else."""
    if isinstance(day, date):
        return day.date() if isinstance(day, datetime) else day
    try:
        return date.fromisoformat(day if isinstance(day, str) else "")
    except ValueError:
        raise ConfigurationError(f"{shown(day)} is no day: give a date, or text such as '2026-11-22'") from None


def midnight(day: date) -> float:
    """Return the first moment of `day` in UTC, in Unix seconds."""
    return datetime.combine(day, time(), UTC).timestamp()


@lru_cache(maxsize=1_024)
def _last_midnight(as_of: str) -> float:
    year, month, day = (*(int(part) for part in as_of.split("-")), 0, 0)[:3]
    month = month or 12
    return midnight(date(year, month, day or monthrange(year, month)[1]))
