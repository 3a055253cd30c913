"""The report adds up: to the last pico-dollar, whatever it is broken down by."""

from collections.abc import Sequence
from datetime import UTC, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelroute.money import Money
from modelroute.stores.spend import UNKNOWN_OUTCOME, By, SpendReport, spend_of
from modelroute.types.ledger import Entry
from tests.stores.rowbook import NOON, correction, entries, presumed, row

HOUR = 3600.0


def costs(report: SpendReport) -> dict[tuple[str | None, ...], str]:
    return {line.key: str(line.spend.cost) for line in report.rows}


headings = st.lists(st.sampled_from(By), unique=True, max_size=3)


@given(st.lists(entries, max_size=8), headings)
@settings(max_examples=80)
def test_the_rows_add_up_to_the_total(rows: list[Entry], by: list[By]) -> None:
    report = spend_of(rows, by)
    assert report.total.cost.pico == sum(entry.cost.pico for entry in rows)
    assert report.total.attempts == len(rows)
    assert report.total.answers == sum(entry.failure is None for entry in rows)
    assert report.total.input_tokens == sum(entry.input_tokens or 0 for entry in rows)
    assert report.total.unpriced == sum(entry.basis == "unpriced" for entry in rows)
    assert len({line.key for line in report.rows}) == len(report.rows)
    assert all(len(line.key) == len(by) for line in report.rows)
    times = {entry.id: max(1, len(entry.tags)) if By.TAG in by else 1 for entry in rows}
    assert sum(line.spend.cost.pico for line in report.rows) == sum(times[each.id] * each.cost.pico for each in rows)
    assert sum(line.spend.attempts for line in report.rows) == sum(times.values())


@given(st.lists(entries, max_size=8), headings)
@settings(max_examples=50)
def test_the_order_of_the_ledger_does_not_matter(rows: list[Entry], by: list[By]) -> None:
    assert spend_of(rows, by) == spend_of(sorted(rows, key=lambda entry: entry.id), by)


def test_without_headings_one_row_says_all() -> None:
    report = spend_of([row(1), row(2)])
    assert [line.key for line in report.rows] == [()]
    assert report.rows[0].spend == report.total
    assert spend_of([]).rows == ()


@pytest.mark.parametrize(
    ("by", "key"),
    [
        ((By.DAY,), ("2026-11-01",)), ((By.MONTH,), ("2026-11",)), ((By.SCENARIO,), ("default",)),
        ((By.TASK,), (None,)),
        ((By.TAG,), (None,)), ((By.USER,), ("u",)), ((By.TARGET,), ("kimi-k2.6@moonshot",)),
        ((By.MODEL, By.PROVIDER), ("kimi-k2.6", "moonshot")), ((By.FAILURE,), (None,)),
    ],
)  # fmt: skip
def test_each_heading_reads_its_own(by: tuple[By, ...], key: tuple[str | None, ...]) -> None:
    assert spend_of([row(user="u")], by).rows[0].key == key


def test_a_target_is_split_at_its_last_at() -> None:
    (line,) = spend_of([row(target="org@model@host")], (By.MODEL, By.PROVIDER)).rows
    assert line.key == ("org@model", "host")


def test_an_attempt_with_several_tags_is_in_several_rows_and_once_in_the_total() -> None:
    report = spend_of([row(1, tags=("a", "b")), row(2, tags=("b",)), row(3)], [By.TAG])
    assert costs(report) == {("b",): "$0.02", ("a",): "$0.01", (None,): "$0.01"}
    assert report.total.cost == Money("0.03")


@pytest.mark.parametrize(
    ("zone", "days"),
    [
        (UTC, ["2026-11-01", "2026-11-01", "2026-11-02"]),
        (ZoneInfo("Europe/Berlin"), ["2026-11-01", "2026-11-02", "2026-11-02"]),
        (timezone(timedelta(hours=13)), ["2026-11-02", "2026-11-02", "2026-11-02"]),
    ],
    ids=str,
)
def test_a_day_is_that_of_its_zone(zone: tzinfo, days: Sequence[str]) -> None:
    moments = [NOON, NOON + 11.5 * HOUR, NOON + 12 * HOUR]
    assert [spend_of([row(at=at)], [By.DAY], zone=zone).rows[0].key for at in moments] == [(day,) for day in days]


def test_days_come_in_order_and_the_dearest_first_within_them() -> None:
    rows = [
        row(1, at=NOON + 24 * HOUR, user="cheap"), row(2, user="cheap"), row(3, user="dear", cost=Money(3)),
        row(4, user="cheap", task="x"),
    ]  # fmt: skip
    report = spend_of(rows, [By.USER, By.DAY])
    assert [line.key for line in report.rows] == [
        ("dear", "2026-11-01"), ("cheap", "2026-11-01"), ("cheap", "2026-11-02"),
    ]  # fmt: skip
    assert [line.key for line in spend_of(rows, [By.USER]).rows] == [("dear",), ("cheap",)]


def test_a_failure_is_an_attempt_and_no_answer() -> None:
    report = spend_of(
        [row(1), row(2, failure="silent", finish=None), row(3, failure="silent", finish=None)], [By.FAILURE]
    )
    assert {line.key: (line.spend.attempts, line.spend.answers) for line in report.rows} == {
        (None,): (1, 1),
        ("silent",): (2, 0),
    }
    assert report.total.mean == Money("0.03"), "what failed is paid by those that answered"


def test_an_answer_that_cost_an_uneven_amount_is_rounded_down() -> None:
    spent = spend_of([row(number, cost=Money.from_pico(1)) for number in (1, 2)] + [row(3, cost=Money(0))]).total
    assert spent.mean == Money.from_pico(0)
    assert spend_of([row(failure="late", finish=None)]).total.mean is None


def test_what_was_presumed_and_corrected_is_one_attempt() -> None:
    settled = spend_of([presumed(1), correction(1, "-0.015")]).total
    assert (settled.cost, settled.attempts, settled.answers) == (Money("0.005"), 1, 1)
    assert (settled.input_tokens, settled.unreported) == (100, 0)
    failed = spend_of([presumed(1), correction(1, "-0.015", failure="late", finish=None)]).total
    assert (failed.attempts, failed.answers) == (1, 0)
    reversed_by_hand = correction(1, "-0.02", finish=None, input_tokens=None, output_tokens=None)
    undone = spend_of([presumed(1), reversed_by_hand]).total
    assert (undone.cost, undone.attempts, undone.answers, undone.unreported) == (Money(0), 1, 0, 1)
    by_failure = spend_of([presumed(1), reversed_by_hand, row(2)], [By.FAILURE])
    assert costs(by_failure) == {(None,): "$0.01", (UNKNOWN_OUTCOME,): "$0"}


def test_unknown_is_told_and_never_zero() -> None:
    spent = spend_of(
        [row(1), row(2, input_tokens=None, output_tokens=None), row(3, basis="unpriced", cost=Money(0))]
    ).total
    assert (spent.unreported, spent.unpriced) == (1, 1)
    assert spend_of([row(1, input_tokens=0, output_tokens=0)]).total.unreported == 0
