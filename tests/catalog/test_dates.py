from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog.dates import STALE_AFTER, age, checked_day, is_stale, midnight
from modelroute.errors import ConfigurationError

DAY = 86_400


def test_a_fact_is_stale_from_the_sixty_first_day_on() -> None:
    read = midnight(date(2026, 7, 2))
    assert not is_stale("2026-07-02", read + 60 * DAY)
    assert is_stale("2026-07-02", read + 60 * DAY + 1)
    assert age("2026-07-02", read + 60 * DAY) == 60


@pytest.mark.parametrize(("as_of", "last"), [("2026-02", date(2026, 2, 28)), ("2026", date(2026, 12, 31))])
def test_a_month_or_year_counts_from_its_last_day(as_of: str, last: date) -> None:
    assert age(as_of, midnight(last) + 5 * DAY) == 5


def test_what_has_no_date_or_a_later_one_is_of_no_age() -> None:
    assert age("", 0) is None
    assert not is_stale("", 1e12)
    assert age("2026-11-22", 0) == 0


@given(st.dates(date(1990, 1, 1), date(2200, 1, 1)), st.integers(0, 500))
def test_age_is_the_number_of_days_between(read: date, days: int) -> None:
    moment = midnight(read + timedelta(days=days))
    assert age(read.isoformat(), moment) == days
    assert is_stale(read.isoformat(), moment) == (days > STALE_AFTER)


def test_a_day_is_a_date_or_iso_text() -> None:
    day = date(2026, 11, 22)
    assert checked_day(day) == checked_day("2026-11-22") == checked_day(datetime(2026, 11, 22, 5, tzinfo=UTC)) == day
    for wrong in ("22.11.2026", "2026-11", 5, None):
        with pytest.raises(ConfigurationError, match="is no day"):
            checked_day(wrong)
