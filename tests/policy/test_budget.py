"""Budgets as values: what they cover, where they book, and windows that fit together without gap or overlap."""

from __future__ import annotations

import copy
import math
import pickle
import re
from collections import defaultdict
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute import Budget, ConfigurationError, Money
from modelroute.money import ZERO
from modelroute.policy.budget import KEPT, Each, OnExceeded, Per, Subject, view_budget
from modelroute.stores.memory import MemoryStore
from modelroute.types.claims import Claim, Granted

ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",  # until 2011 its clocks were set at a minute past midnight: yesterday began again
    "America/Sao_Paulo",  # had no midnight when its summer began
    "America/Havana",  # has two midnights when its summer ends
    "Asia/Beirut",
    "Asia/Amman",
    "Africa/Cairo",
    "Asia/Gaza",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",  # half an hour
    "Antarctica/Troll",  # two hours
    "Pacific/Apia",  # left out 30 December 2011
    "Pacific/Kwajalein",  # left out 21 August 1993
)
FIRST, LAST = 315_532_800, 2_145_916_800  # 1980 to 2038
DAY = 86_400.0
CALENDAR: tuple[Per, ...] = ("hour", "day", "week", "month")
WORDS = ("coding", "eu", "ada", "default", "m@p", "m", "p", "other")

subjects = st.builds(
    Subject,
    task=st.sampled_from([None, *WORDS]),
    tags=st.frozensets(st.sampled_from(WORDS), max_size=3),
    user=st.sampled_from([None, *WORDS]),
    scenario=st.sampled_from(WORDS),
    target=st.sampled_from(WORDS),
    model=st.sampled_from(WORDS),
    provider=st.sampled_from(WORDS),
)
some_names = st.none() | st.sampled_from(WORDS) | st.sets(st.sampled_from(WORDS), min_size=1, max_size=3)
eaches: tuple[Each, ...] = ("user", "tag", "task", "scenario", "target", "model", "provider")


@st.composite
def budgets(draw: st.DrawFn) -> Budget:
    per: Per = draw(st.sampled_from(("total", *CALENDAR)))
    exceeded: tuple[OnExceeded, ...] = ("refuse", "cheaper")
    return Budget(
        draw(st.sampled_from(("team-a", "a b", "größer", "x'y"))),
        Money.from_pico(draw(st.integers(0, 10**15))),
        per=per,
        rolling=per != "total" and draw(st.booleans()),
        zone=draw(st.sampled_from(ZONES)),
        task=draw(some_names),
        tag=draw(some_names),
        user=draw(some_names),
        scenario=draw(some_names),
        target=draw(some_names),
        each=draw(st.none() | st.sampled_from(eaches)),
        hard=draw(st.booleans()),
        on_exceeded=draw(st.sampled_from(exceeded)),
    )


SUBJECT = Subject("coding", frozenset({"eu"}), "ada", "default", "m@p", "m", "p")


def window(budget: Budget, now: float) -> tuple[str, float]:
    """The account's name and when its window ends."""
    (account,) = budget.accounts(SUBJECT, now)
    assert account.resets is not None
    assert account.rolling is None
    assert account.ends == account.resets + KEPT
    return account.scope, account.resets


@cache
def transitions(zone: str) -> tuple[float, ...]:
    """When the clocks of `zone` were set, to the second."""
    known = ZoneInfo(zone)

    def offset(at: float) -> object:
        return datetime.fromtimestamp(at, known).utcoffset()

    found: list[float] = []
    step = 7 * 86_400
    for week in range(FIRST, LAST, step):
        low, high = week, week + step
        if offset(low) == offset(high):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
        found.append(float(high))
    return tuple(found)


@st.composite
def moments(draw: st.DrawFn, zone: str) -> float:
    """Any instant, often one near which the clocks are set."""
    near = transitions(zone)
    if near and draw(st.sampled_from((0, 1))):
        return draw(st.sampled_from(near)) + draw(st.floats(-2 * DAY, 2 * DAY) | st.floats(-7_200, 7_200))
    return draw(st.floats(FIRST, LAST))


@given(st.data(), st.sampled_from(ZONES), st.sampled_from(CALENDAR))
def test_every_instant_lies_in_exactly_one_window(data: st.DataObject, zone: str, per: Per) -> None:
    """Two instants share a window, or the earlier one's is over when the later one comes: no gap, no overlap."""
    budget = Budget("b", 1, per=per, zone=zone)
    first = data.draw(moments(zone))
    second = first + data.draw(st.floats(0, 3 * DAY) | st.floats(0, 5_000) | st.floats(0, 70 * DAY))
    name, ends = window(budget, first)
    later, later_ends = window(budget, second)
    assert first < ends
    assert (name == later) == (second < ends) == (ends == later_ends)
    assert ends <= later_ends


@given(st.data(), st.sampled_from(ZONES), st.sampled_from(CALENDAR))
def test_a_window_resets_when_the_next_one_begins(data: st.DataObject, zone: str, per: Per) -> None:
    budget = Budget("b", 1, per=per, zone=zone)
    name, ends = window(budget, data.draw(moments(zone)))
    assert window(budget, math.nextafter(ends, 0.0)) == (name, ends)
    following, _ = window(budget, ends)
    assert following != name
    if per == "hour":
        assert ends % 3_600 == 0
        return
    local = datetime.fromtimestamp(ends, ZoneInfo(zone))
    set_there = datetime.fromtimestamp(ends - 1, ZoneInfo(zone)).utcoffset() != local.utcoffset()
    assert set_there or (local.hour, local.minute, local.second) == (0, 0, 0)
    if not set_there:
        assert {"day": True, "week": local.weekday() == 0, "month": local.day == 1}[per]


@given(st.data(), st.sampled_from(ZONES), st.sampled_from(CALENDAR))
def test_no_two_windows_have_one_name(data: st.DataObject, zone: str, per: Per) -> None:
    budget = Budget("b", 1, per=per, zone=zone)
    now = data.draw(moments(zone))
    names: list[str] = []
    for _ in range(60):
        name, now = window(budget, now)
        names.append(name)
    assert len(set(names)) == len(names)


def at(zone: str, *when: int, fold: int = 0) -> float:
    return datetime(*when, fold=fold, tzinfo=ZoneInfo(zone)).timestamp()  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("per", "zone", "now", "name", "ends"),
    [
        ("day", "UTC", at("UTC", 2026, 11, 22, 23, 59, 59), "2026-11-22", at("UTC", 2026, 11, 23)),
        ("week", "UTC", at("UTC", 2026, 11, 22, 12), "2026-W47", at("UTC", 2026, 11, 23)),
        ("week", "UTC", at("UTC", 2027, 1, 1), "2026-W53", at("UTC", 2027, 1, 4)),
        ("month", "UTC", at("UTC", 2026, 12, 31, 23), "2026-12", at("UTC", 2027, 1, 1)),
        ("month", "UTC", at("UTC", 2028, 2, 29), "2028-02", at("UTC", 2028, 3, 1)),
        # 23 hours and 25 hours
        ("day", "Europe/Berlin", at("Europe/Berlin", 2026, 3, 29, 1), "2026-03-29", at("Europe/Berlin", 2026, 3, 30)),
        ("day", "Europe/Berlin", at("Europe/Berlin", 2026, 10, 25, 1), "2026-10-25", at("Europe/Berlin", 2026, 10, 26)),
        # no midnight: the day begins at one
        ("day", "America/Sao_Paulo", at("America/Sao_Paulo", 2018, 11, 3, 23), "2018-11-03", at("UTC", 2018, 11, 4, 3)),
        # two midnights: the day begins with the first
        ("day", "America/Havana", at("America/Havana", 2026, 10, 31, 23), "2026-10-31", at("UTC", 2026, 11, 1, 4)),
        # a minute past midnight the clock was set back: what shows yesterday's date again is today
        ("day", "America/St_Johns", at("UTC", 2010, 11, 7, 2, 45), "2010-11-07", at("America/St_Johns", 2010, 11, 8)),
        # the day that was left out has no instant
        ("day", "Pacific/Apia", at("UTC", 2011, 12, 30, 9, 59), "2011-12-29", at("UTC", 2011, 12, 30, 10)),
        ("day", "Pacific/Apia", at("UTC", 2011, 12, 30, 10), "2011-12-31", at("UTC", 2011, 12, 31, 10)),
        # the last instant before a day that was left out, as near as a float comes to it
        ("day", "Pacific/Kwajalein", math.nextafter(745_934_400.0, 0.0), "1993-08-20", 745_934_400.0),
        # the hour that comes twice is two
        ("hour", "Europe/Berlin", at("UTC", 2026, 10, 25, 0, 30), "2026-10-25T02+0200", at("UTC", 2026, 10, 25, 1)),
        ("hour", "Europe/Berlin", at("UTC", 2026, 10, 25, 1, 30), "2026-10-25T02+0100", at("UTC", 2026, 10, 25, 2)),
    ],
)
def test_windows_by_the_calendar(per: Per, zone: str, now: float, name: str, ends: float) -> None:
    assert window(Budget("b", 1, per=per, zone=zone), now) == (f"budget:b@{name}", ends)


def test_a_total_has_one_account_for_ever() -> None:
    (account,) = Budget("b", 1).accounts(SUBJECT, 5.0)
    assert (account.scope, account.ends, account.resets, account.rolling) == ("budget:b", math.inf, None, None)


@pytest.mark.parametrize(("per", "seconds"), [("hour", 3_600), ("day", DAY), ("week", 7 * DAY), ("month", 30 * DAY)])
def test_a_rolling_window_has_one_account_that_looks_back(per: Per, seconds: float) -> None:
    budget = Budget("b", 1, per=per, rolling=True, zone="Asia/Kolkata")
    for now in (0.0, 1e9, 1e9 + 1):
        (account,) = budget.accounts(SUBJECT, now)
        assert account.scope == f"budget:b@rolling-{per}"
        assert (account.resets, account.rolling) == (None, seconds)
        assert account.ends == now + seconds


def book(store: MemoryStore, budget: Budget, number: int, amount: int, now: float) -> list[str]:
    """Reserve and settle `amount` pico-dollars; the scopes that were charged, none when it was refused."""
    scopes: list[str] = []
    claims: list[Claim] = []
    for account in budget.accounts(SUBJECT, now):
        claims.append(
            Claim(account.scope, budget.limit, Money.from_pico(amount), account.ends, account.rolling, budget.hard)
        )
        scopes.append(account.scope)
    if not isinstance(store.reserve(str(number), claims, lease=now + 60, now=now), Granted):
        return []
    store.settle(str(number), Money.from_pico(amount), now=now + 1)
    return scopes


@given(
    st.lists(st.tuples(st.floats(0, 5 * DAY), st.integers(0, 40)), max_size=30),
    st.sampled_from(ZONES),
    st.sampled_from(("hour", "day", "week", "total")),
)
def test_roll_over_loses_nothing(spends: list[tuple[float, int]], zone: str, per: Per) -> None:
    """The sum of all windows is the sum of all costs, to the last pico-dollar, and none holds more than the limit."""
    budget = Budget("b", Money.from_pico(100), per=per, zone=zone)
    store, kept = MemoryStore(), defaultdict[str, int](int)
    now = 1_289_080_000.0  # a day before the clocks of St John's showed yesterday again
    for number, (pause, amount) in enumerate(spends):
        now += pause / 10
        for scope in book(store, budget, number, amount, now):
            kept[scope] += amount
        balances = store.balances(now=now + 2)
        latest = max(kept, key=list(kept).index) if kept else None
        assert all(kept[scope] == balance.spent.pico for scope, balance in balances.items())
        assert all(balance.spent <= budget.limit and balance.reserved == ZERO for balance in balances.values())
        assert latest is None or latest in balances, "a window is forgotten only once it is over"


@given(st.lists(st.tuples(st.floats(0, 3_000), st.integers(1, 60)), max_size=40))
def test_a_rolling_limit_holds_in_any_stretch_of_its_length(spends: list[tuple[float, int]]) -> None:
    budget = Budget("b", Money.from_pico(100), per="hour", rolling=True)
    store, made, now = MemoryStore(), list[tuple[float, int]](), 1e9
    refused = 0
    for number, (pause, amount) in enumerate(spends):
        now += pause
        if book(store, budget, number, amount, now):
            made.append((now, amount))
        else:
            refused += 1
    for start, _ in made:
        assert sum(amount for when, amount in made if start <= when < start + 3_600) <= 100
    if now - 1e9 < 3_500 and sum(amount for _, amount in spends) > 100:
        assert refused


# ---------------------------------------------------------------------------------------------------------- covering


@given(budgets(), subjects)
def test_what_is_covered_may_be_covered(budget: Budget, subject: Subject) -> None:
    """`may_cover` is asked before scenario and target are known: it must not miss anything."""
    if budget.covers(subject):
        assert budget.may_cover(subject.task, subject.tags, subject.user)


@given(budgets(), subjects)
def test_what_may_be_covered_is_at_some_scenario_and_target(budget: Budget, subject: Subject) -> None:
    if budget.may_cover(subject.task, subject.tags, subject.user):
        scenario = min(budget.scenario or {subject.scenario})
        target = min(budget.target or {subject.target})
        assert budget.covers(replace(subject, scenario=scenario, target=target))
        assert budget.covers(replace(subject, scenario=scenario, target="x", model=target))
        assert budget.covers(replace(subject, scenario=scenario, target="x", model="y", provider=target))


@given(subjects)
def test_nothing_said_covers_everything(subject: Subject) -> None:
    assert Budget("all", 1).covers(subject)


@pytest.mark.parametrize("field", ["task", "tag", "user", "scenario", "target"])
def test_every_condition_must_hold(field: str) -> None:
    said: dict[str, Any] = {"task": "coding", "tag": "eu", "user": "ada", "scenario": "default", "target": "m"}
    assert Budget("b", 1, **said).covers(SUBJECT)
    assert Budget("b", 1, **said | {field: [said[field], "another"]}).covers(SUBJECT)
    assert not Budget("b", 1, **said | {field: "another"}).covers(SUBJECT)


@given(budgets(), subjects, st.floats(FIRST, LAST))
def test_an_attempt_is_always_booked_somewhere(budget: Budget, subject: Subject, now: float) -> None:
    """Leaving out what `each` asks for is no way around a budget."""
    accounts = budget.accounts(subject, now)
    scopes = [account.scope for account in accounts]
    assert accounts
    assert len(set(scopes)) == len(scopes)
    assert all(scope.startswith(f"budget:{budget.name}") for scope in scopes)
    assert all(account.ends > now for account in accounts)


@given(st.sampled_from(eaches), subjects, subjects)
def test_each_has_an_account_of_its_own(each: Each, one: Subject, other: Subject) -> None:
    budget = Budget("b", 1, each=each)
    ones = {account.scope for account in budget.accounts(one, 0)}
    others = {account.scope for account in budget.accounts(other, 0)}
    if each == "tag":
        assert len(ones) == max(1, len(one.tags))
        assert ones.isdisjoint(others) == (one.tags.isdisjoint(other.tags) and bool(one.tags or other.tags))
    else:
        assert len(ones) == 1
        assert (ones == others) == (getattr(one, each) == getattr(other, each))


def test_each_tag_counts_only_the_tags_the_budget_is_for() -> None:
    budget = Budget("b", 1, tag={"team-a", "team-b"}, each="tag", per="day")
    subject = replace(SUBJECT, tags=frozenset({"team-a", "eu"}))
    assert [account.scope for account in budget.accounts(subject, 0)] == ["budget:b[tag=team-a]@1970-01-01"]


@pytest.mark.parametrize(
    ("budget", "moves_on"),
    [
        (Budget("b", 1), False),
        (Budget("b", 1, on_exceeded="cheaper"), True),
        (Budget("b", 1, target="m"), True),
        (Budget("b", 1, each="target"), True),
        (Budget("b", 1, each="provider"), True),
        (Budget("b", 1, each="user"), False),
        (Budget("b", 1, tag="x", user="y", scenario="z"), False),
    ],
)
def test_who_moves_on(budget: Budget, moves_on: bool) -> None:
    assert budget.moves_on is moves_on


def test_the_budget_of_a_view_has_names_no_other_can_have() -> None:
    view = view_budget("1-2-3", 5, hard=True, on_exceeded="refuse")
    (account,) = view.accounts(SUBJECT, 0)
    assert account.scope == view.name == "view:1-2-3"
    with pytest.raises(ConfigurationError, match="without"):
        Budget(view.name, 5)
    with pytest.raises(ConfigurationError, match=r"^budget\(-1\) cannot have a limit below zero; write budget\(5\)"):
        view_budget("1-2-4", -1, hard=True, on_exceeded="refuse")


# ------------------------------------------------------------------------------------------------------------ values


@given(budgets())
def test_repr_is_how_it_is_written(budget: Budget) -> None:
    again = eval(repr(budget), {"Budget": Budget})
    assert again == budget
    assert hash(again) == hash(budget)


@given(budgets(), budgets())
def test_budgets_are_equal_when_they_say_the_same(one: Budget, other: Budget) -> None:
    assert (one == other) == (repr(one) == repr(other))
    assert len({one, other}) == (1 if one == other else 2)


@given(budgets())
def test_budgets_are_copied_and_pickled(budget: Budget) -> None:
    assert pickle.loads(pickle.dumps(budget)) == budget
    assert copy.copy(budget) == copy.deepcopy(budget) == budget


def test_how_the_usual_one_is_shown() -> None:
    assert repr(Budget("team-a", 50, per="day", tag="team-a")) == "Budget('team-a', '50', per='day', tag='team-a')"
    assert (
        repr(Budget("b", 0.02, target={"b", "a"}, hard=False)) == "Budget('b', '0.02', target={'a', 'b'}, hard=False)"
    )


def test_a_budget_cannot_be_changed() -> None:
    budget = Budget("b", 1)
    with pytest.raises(FrozenInstanceError):
        budget.limit = Money(2)  # type: ignore[misc]
    with pytest.raises(TypeError, match="not supported"):
        budget < budget  # type: ignore[operator]  # noqa: B015, PLR0124


@pytest.mark.parametrize(
    ("arguments", "said", "words"),
    [
        (("", 1), {}, "needs a printable name"),
        ((None, 1), {}, "not None"),
        (("a@b", 1), {}, "without '[', ']', '@' and ':'"),
        (("a[b", 1), {}, "without"),
        (("request:1", 1), {}, "without"),
        (("a\nb", 1), {}, "printable"),
        (("\ud800", 1), {}, "printable"),
        (("x" * 101, 1), {}, "at most 100 characters"),
        (("b", -1), {}, "below zero"),
        (("b", "much"), {}, "not an amount of US dollars"),
        (("b", math.nan), {}, "finite"),
        (("b", True), {}, "not an amount"),
        (("b", None), {}, "not an amount"),
        (("b", 1), {"per": "dya"}, "must be one of hour, day, week, month, total. Did you mean 'day'?"),
        (("b", 1), {"per": None}, "per=None must be one of"),
        (("b", 1), {"per": ["day"]}, "must be one of"),
        (("b", 1), {"rolling": 1, "per": "day"}, "rolling must be True or False, not 1"),
        (("b", 1), {"rolling": True}, "needs per='hour', 'day', 'week' or 'month'"),
        (("b", 1), {"zone": "Mars/Olympus"}, "no time zone is named 'Mars/Olympus'"),
        (("b", 1), {"zone": ""}, "no time zone is named ''"),
        (("b", 1), {"zone": "Europe"}, "no time zone is named 'Europe'"),
        (("b", 1), {"zone": "../etc/passwd"}, "no time zone"),
        (("b", 1), {"zone": None}, "zone must be the name of a time zone"),
        (("b", 1), {"zone": UTC}, "zone must be the name of a time zone"),
        (("b", 1), {"tag": 5}, "give a name or several"),
        (("b", 1), {"user": ["ada", ""]}, "non-empty names"),
        (("b", 1), {"target": [None]}, "non-empty names"),
        (("b", 1), {"tag": []}, "would cover nothing"),
        (("b", 1), {"each": "users"}, "Did you mean 'user'?"),
        (("b", 1), {"hard": None}, "hard must be True or False, not None"),
        (("b", 1), {"on_exceeded": "cheap"}, "Did you mean 'cheaper'?"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: tuple[Any, ...], said: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        Budget(*arguments, **said)
