"""The outage harness: what it makes of what was seen. The run itself takes a minute and a half, and is no test."""

from collections import Counter

import pytest

from harnesses.outage import LEAST, Seen, crowd, figures, main, result_of

MOMENTS = {"one down": 100.0, "one back": 110.0, "all down": 118.0, "all back": 150.0}


def seen(since: float, until: float, seconds: float, *, answered: bool, first: int) -> list[Seen]:
    return [
        Seen(first + step, since + step / 10, since + step / 10 + seconds, answered)
        for step in range(round((until - since) * 10))
    ]


def everything(*, back: float = 0.5) -> list[Seen]:
    return [
        *seen(90, 100, 0.01, answered=True, first=0),
        *seen(100, 110, 0.03, answered=True, first=1000),
        *seen(118, 150, 0.02, answered=False, first=2000),
        *seen(150, 150 + back, 0.02, answered=False, first=3000),
        *seen(150 + back, 158, 0.02, answered=True, first=4000),
    ]


def test_figures_are_those_of_what_was_seen() -> None:
    lived = everything()
    found = figures(lived, Counter(each.number for each in lived), MOMENTS)
    assert found.calls_per_request == 1.0
    assert found.requests == pytest.approx(215, abs=2)
    assert found.slowest_failure == 0.02
    assert found.back_after == 0.52
    assert found.failed_when_back == 0
    assert (found.added_p50, found.added_p99) == (0.02, 0.02)
    assert result_of({"threads": found}, 6).holds


def test_each_promise_can_be_broken() -> None:
    lived = everything(back=6.5)
    found = figures(lived, Counter([*(each.number for each in lived), *range(2000, 2320)]), MOMENTS)
    holds = {promise.invariant: promise.holds for promise in result_of({"threads": found}, 100).promises}
    assert holds == {"T2": False, "H2": False, "H3": True, "H6": False}


def test_a_crowd_is_counted_in_tenths_of_a_second() -> None:
    assert crowd([(149.0, 1), (150.01, 2), (150.05, 3), (150.11, 4)], 150.0) == 2
    assert crowd([], 150.0) == 0


def test_a_run_too_short_to_show_anything_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--seconds", str(LEAST - 1)])
    assert "at least 40" in capsys.readouterr().err
