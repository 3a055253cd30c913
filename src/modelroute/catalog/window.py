"""Prices by the clock: hours of the week, in a time zone, at which other rates hold."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo

from modelroute.catalog import declared
from modelroute.catalog.rates import Rates, Tier, longest_first
from modelroute.errors import ConfigurationError, did_you_mean

__all__ = ["DAYS", "Window"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DAY = 86_400
_WEEK = 7 * _DAY
_EPOCH_TO_MONDAY = 3 * _DAY  # 1970-01-01 was a Thursday
_EPOCH = date(1970, 1, 1).toordinal()
_HOURS = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Window:
    """Rates that hold at certain hours of certain weekdays, as wall clocks in `zone` show them.

    `hours`: ``("01:00-04:00", ...)``: from the first minute until just before the last; ``"22:00-02:00"`` runs past
    midnight and belongs to the day it begins on. `days`: of `DAYS`; empty means every day. `tiers`: by prompt length,
    as in a price. `except_dates`: ISO dates (in `zone`) on which the window does not hold, such as public holidays. A
    bound ignores them: which days will be holidays is for others to say, so an unknown day counts as dear.
    """

    rates: Rates
    hours: tuple[str, ...]
    days: tuple[str, ...] = ()
    zone: str = "UTC"
    tiers: tuple[Tier, ...] = ()
    except_dates: tuple[str, ...] = ()
    label: str = ""
    _spans: tuple[tuple[int, int, int], ...] = field(init=False, repr=False, compare=False)
    _except: frozenset[int] = field(init=False, repr=False, compare=False)
    _zone: tzinfo | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        declared.instance(self, "rates", Rates, "Rates.per_million(input, output)")
        object.__setattr__(self, "tiers", longest_first(self.tiers))
        for name in ("hours", "days", "except_dates"):
            declared.texts(self, name)
        declared.text(self, "zone", "label")
        object.__setattr__(self, "_spans", tuple(sorted(_week_spans(self.days, self.hours))))
        object.__setattr__(self, "_except", frozenset(_day_number(day) for day in self.except_dates))
        object.__setattr__(self, "_zone", _time_zone(self.zone))

    def holds(self, moment: float) -> bool:
        """Whether the window is open at `moment` (Unix seconds)."""
        wall = moment + self._offset(moment)
        second = (wall + _EPOCH_TO_MONDAY) % _WEEK
        for opens, closes, days_before in self._spans:
            if opens <= second < closes:
                return not self._except or math.floor(wall / _DAY) - days_before not in self._except
        return False

    def touches(self, start: float, end: float) -> bool:
        """Whether the window may be open at some moment of ``[start, end]``; excepted dates count as open."""
        if end - start >= _WEEK:
            return True
        first, last = self._offset(start), self._offset(end)
        # Where the clocks change in between, both offsets together cover every wall time that is shown.
        begin = start + min(first, last) + _EPOCH_TO_MONDAY
        finish = end + max(first, last) + _EPOCH_TO_MONDAY
        week = math.floor(begin / _WEEK) * _WEEK
        begin, finish = begin - week, finish - week
        return any((opens <= finish and begin < closes) or opens + _WEEK <= finish for opens, closes, _ in self._spans)

    def _offset(self, moment: float) -> float:
        if self._zone is None:
            return 0.0
        offset = datetime.fromtimestamp(moment, self._zone).utcoffset()
        return offset.total_seconds() if offset is not None else 0.0


def _week_spans(days: Sequence[str], hours: Sequence[str]) -> Iterable[tuple[int, int, int]]:
    """Yield (first second of the week, second after the last, days since the window began): one piece per day."""
    if not hours:
        raise ConfigurationError("a price window needs hours, such as '01:00-04:00'")
    for day in days:
        if day not in DAYS:
            raise ConfigurationError(f"unknown weekday {day!r} in a price window; use {', '.join(DAYS)}")
    numbers = [DAYS.index(day) for day in days] or range(7)
    for text in hours:
        if not _HOURS.fullmatch(text):
            raise ConfigurationError(f"hours {text!r} of a price window must look like '01:00-04:00'")
        opens, closes = (_second(part) for part in text.split("-"))
        if opens in {closes, _DAY} or max(opens, closes) > _DAY:
            raise ConfigurationError(f"hours {text!r} of a price window must begin and end at different times of a day")
        for number in numbers:
            midnight = number * _DAY
            if opens < closes:
                yield midnight + opens, midnight + closes, 0
                continue
            yield midnight + opens, midnight + _DAY, 0
            if closes:
                following = (number + 1) % 7 * _DAY
                yield following, following + closes, 1


def _second(clock: str) -> int:
    return int(clock[:2]) * 3600 + int(clock[3:]) * 60


def _day_number(text: str) -> int:
    try:
        return date.fromisoformat(text).toordinal() - _EPOCH
    except ValueError:
        raise ConfigurationError(f"{text!r} is not an ISO date such as 2026-10-01") from None


def _time_zone(name: str) -> tzinfo | None:
    """Return the zone, or `None` for UTC, which needs no look-up."""
    if name == "UTC":
        return None
    from zoneinfo import ZoneInfo, available_timezones

    try:
        zone = ZoneInfo(name)
        datetime(2026, 1, 1, tzinfo=UTC).astimezone(zone)
    except (KeyError, ValueError, OSError):
        near = did_you_mean(name, available_timezones())
        raise ConfigurationError(
            f"unknown time zone {name!r} in a price window.{near} "
            "Use an IANA name; where the system has no zone data, install tzdata."
        ) from None
    return zone
