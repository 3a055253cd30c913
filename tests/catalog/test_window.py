from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog import DAYS, Rates, Window
from modelroute.errors import ConfigurationError

RATES = Rates(2, 2)
ZONES = ("UTC", "Asia/Shanghai", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu")


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@st.composite
def windows(draw: st.DrawFn) -> Window:
    hours: list[str] = []
    for _ in range(draw(st.integers(1, 2))):
        opens, closes = draw(st.lists(st.integers(0, 1439), min_size=2, max_size=2, unique=True))
        hours.append(f"{opens // 60:02}:{opens % 60:02}-{closes // 60:02}:{closes % 60:02}")
    days = tuple(draw(st.lists(st.sampled_from(DAYS), unique=True, max_size=7)))
    return Window(RATES, tuple(hours), days, zone=draw(st.sampled_from(ZONES)))


# Around the clock changes of 2026 in every zone above, where wall clocks jump or repeat.
moments = st.sampled_from(["2026-03-08", "2026-03-29", "2026-04-04", "2026-10-03", "2026-10-25", "2026-11-01"]).flatmap(
    lambda day: st.floats(at(day) - 172_800, at(day) + 172_800)
)


@given(windows(), moments)
def test_a_window_holds_exactly_when_the_wall_clock_of_its_zone_is_inside(window: Window, moment: float) -> None:
    """Against a slow oracle that reads the clock as a person would."""
    wall = datetime.fromtimestamp(moment, ZoneInfo(window.zone))
    minute = wall.hour * 60 + wall.minute
    today, yesterday = DAYS[wall.weekday()], DAYS[wall.weekday() - 1]
    days = window.days or DAYS
    expected = False
    for span in window.hours:
        opens, closes = (int(part[:2]) * 60 + int(part[3:]) for part in span.split("-"))
        if opens < closes:
            expected |= today in days and opens <= minute < closes
        else:
            expected |= (today in days and minute >= opens) or (yesterday in days and minute < closes)
    assert window.holds(moment) == expected


@given(windows(), moments, st.floats(0, 900_000), st.floats(0, 1))
def test_a_window_that_holds_somewhere_in_a_span_touches_it(
    window: Window, start: float, seconds: float, share: float
) -> None:
    end = start + seconds
    moment = min(end, start + share * seconds)
    if window.holds(moment):
        assert window.touches(start, end)


@given(windows(), moments, st.floats(0, 90_000))
def test_in_utc_a_span_is_touched_only_if_the_window_holds_in_it(window: Window, start: float, seconds: float) -> None:
    """Sampled by the minute: a bound must not be dearer than it need be either."""
    window = Window(RATES, window.hours, window.days)
    start = start // 60 * 60
    samples = [start + 60 * step for step in range(int(seconds // 60) + 1)]
    assert window.touches(samples[0], samples[-1]) == any(window.holds(sample) for sample in samples)


def test_the_first_second_is_inside_and_the_last_is_not() -> None:
    window = Window(RATES, ("01:00-04:00",))
    assert [window.holds(at(f"2026-11-18 {clock}")) for clock in ("00:59:59", "01:00:00", "03:59:59", "04:00:00")] == [
        False,
        True,
        True,
        False,
    ]


def test_a_window_past_midnight_belongs_to_the_day_it_begins_on() -> None:
    window = Window(RATES, ("22:00-02:00",), ("sun",))
    assert window.holds(at("2026-11-22 23:00"))
    assert window.holds(at("2026-11-23 01:59:59"))
    assert not window.holds(at("2026-11-22 01:00"))
    assert not window.holds(at("2026-11-23 02:00"))
    assert window.touches(at("2026-11-21 00:00"), at("2026-11-22 22:00"))


def test_a_window_until_midnight_is_no_window_past_it() -> None:
    for hours in ("20:00-24:00", "20:00-00:00"):
        window = Window(RATES, (hours,), ("mon",))
        assert window.holds(at("2026-11-23 23:59:59"))
        assert not window.holds(at("2026-11-24 00:00"))


def test_an_excepted_day_is_off_but_still_counts_for_a_bound() -> None:
    window = Window(RATES, ("22:00-02:00", "09:00-10:00"), zone="Asia/Shanghai", except_dates=("2026-10-01",))
    assert not window.holds(at("2026-10-01 09:30", "Asia/Shanghai"))
    assert not window.holds(at("2026-10-02 01:00", "Asia/Shanghai")), "it began on the holiday"
    assert window.holds(at("2026-10-01 01:00", "Asia/Shanghai")), "it began on the day before"
    assert window.holds(at("2026-10-02 09:30", "Asia/Shanghai"))
    noon = at("2026-10-01 09:30", "Asia/Shanghai")
    assert window.touches(noon, noon)


def test_a_span_of_a_week_touches_everything_even_without_end() -> None:
    window = Window(RATES, ("01:00-01:01",), ("mon",), zone="Asia/Shanghai")
    assert window.touches(0.0, 604_800.0)
    assert window.touches(at("2026-11-18"), float("inf"))
    assert not window.touches(at("2026-11-23 12:00"), at("2026-11-29 12:00"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hours": ()}, "needs hours"),
        ({"hours": ("1-4",)}, "must look like"),
        ({"hours": ("03:00-03:00",)}, "different times"),
        ({"hours": ("24:00-03:00",)}, "different times"),
        ({"hours": ("01:00-24:30",)}, "different times"),
        ({"days": ("monday",)}, "unknown weekday 'monday'"),
        (
            {"zone": "Asia/Shanghia"},
            "unknown time zone 'Asia/Shanghia' in a price window. Did you mean 'Asia/Shanghai'",
        ),
        ({"zone": "../../etc/passwd"}, "unknown time zone"),
        ({"except_dates": ("1.10.2026",)}, "not an ISO date"),
    ],
)
def test_nonsense_is_refused(change: dict[str, tuple[str, ...] | str], says: str) -> None:
    wanted: dict[str, object] = {"hours": ("01:00-04:00",), **change}
    with pytest.raises(ConfigurationError, match=says):
        Window(RATES, **wanted)  # type: ignore[arg-type]


def test_utc_needs_no_zone_data() -> None:
    assert Window(RATES, ("01:00-04:00",))._zone is None
    assert datetime.fromtimestamp(at("2026-11-18 01:00"), UTC).hour == 1
