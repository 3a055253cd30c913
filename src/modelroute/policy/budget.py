"""A budget: how much money the requests it covers may cost together, within a window of time."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from modelroute.errors import ConfigurationError, did_you_mean, shown
from modelroute.money import ZERO, Money, MoneyLike
from modelroute.policy.naming import names_of, shown_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["VIEW", "Account", "Budget", "Each", "OnExceeded", "Per", "Subject", "view_budget"]

Per: TypeAlias = Literal["hour", "day", "week", "month", "total"]
"""The window a budget's limit is for; a week begins on Monday."""

Each: TypeAlias = Literal["user", "tag", "task", "scenario", "target", "model", "provider"]
"""What has an account of its own."""

OnExceeded: TypeAlias = Literal["refuse", "cheaper"]
"""What becomes of a request the budget has no room for: it is refused, or goes to what still fits."""

NOBODY = "(none)"
"""The account of requests that do not say what `each` asks for: leaving the user out is no way around a budget."""

KEPT = 3_600.0
"""Seconds an account is remembered after its window has ended, for whoever asks what was spent."""

VIEW = "view:"
"""How the names of budgets begin that belong to a bound view, not to a router: their accounts die with it."""

_ROLLING = {"hour": 3_600.0, "day": 86_400.0, "week": 7 * 86_400.0, "month": 30 * 86_400.0}

_OF_TARGETS = frozenset({"target", "model", "provider"})


@dataclass(frozen=True, slots=True)
class Subject:
    """An attempt, as budgets see it: who asks, for what, and where it would go."""

    task: str | None
    tags: frozenset[str]
    user: str | None
    scenario: str
    target: str
    model: str
    provider: str


@dataclass(frozen=True, slots=True)
class Account:
    """Where an attempt is booked: the account's name, when it may be forgotten, when its window ends.

    `resets`: Unix seconds, `None` for windows without an end. `rolling`: seconds that count, `None` for all.
    """

    scope: str
    ends: float
    resets: float | None
    rolling: float | None


@dataclass(frozen=True, slots=True, init=False, repr=False, weakref_slot=True)
class Budget:
    """At most `limit` for all requests it covers together, within each window.

    ``Budget("team-a", 50, per="day", tag="team-a")``

    - `per`: ``hour``, ``day``, ``week``, ``month`` by the calendar of `zone`, or ``total``. `rolling`: the last hour,
      day, 7 or 30 days instead, at any moment.
    - It covers the requests that match all of `task`, `tag`, `user`, `scenario`, `target` (a target, model or
      provider); each takes one name or several; nothing said covers every request.
    - `each`: one account, each with the whole limit, per ``user``, ``tag``, ``target``, ... A request that does not
      say is booked on an account of its own kind: it is not free.
    - `hard` (the default): the limit is a promise. What an attempt can cost at most is set aside before it is sent, an
      output cap is sent with it, and targets without a price are not used. Soft: what it will probably cost is set
      aside; the last requests may go over.
    - `on_exceeded`: ``"refuse"`` raises `BudgetExceededError`; ``"cheaper"`` routes to what still fits.

    A request may be covered by several: it is sent only when all of them have room. Immutable and comparable.

    Raises `ConfigurationError` for what cannot be meant.
    """

    name: str
    limit: Money
    per: Per
    rolling: bool
    zone: str
    task: frozenset[str] | None
    tag: frozenset[str] | None
    user: frozenset[str] | None
    scenario: frozenset[str] | None
    target: frozenset[str] | None
    each: Each | None
    hard: bool
    on_exceeded: OnExceeded

    def __init__(
        self,
        name: str,
        limit: MoneyLike,
        *,
        per: Per = "total",
        rolling: bool = False,
        zone: str = "UTC",
        task: str | Iterable[str] | None = None,
        tag: str | Iterable[str] | None = None,
        user: str | Iterable[str] | None = None,
        scenario: str | Iterable[str] | None = None,
        target: str | Iterable[str] | None = None,
        each: Each | None = None,
        hard: bool = True,
        on_exceeded: OnExceeded = "refuse",
    ) -> None:
        put = object.__setattr__
        put(self, "name", _checked_name(name))
        money = Money(limit)
        if money < ZERO:
            raise ConfigurationError(f"Budget({name!r}) cannot have a limit below zero, {money}")
        put(self, "limit", money)
        put(self, "per", _one_of(per, get_args(Per), "per"))
        put(self, "rolling", _flag(rolling, "rolling"))
        put(self, "zone", zone)
        _zone(zone)
        if rolling and per == "total":
            raise ConfigurationError(f"Budget({name!r}, rolling=True) needs per='hour', 'day', 'week' or 'month'")
        for field, value in (("task", task), ("tag", tag), ("user", user), ("scenario", scenario), ("target", target)):
            names = names_of(value, field)
            if names is not None and not names:
                raise ConfigurationError(
                    f"Budget({name!r}, {field}={shown(value)}) would cover nothing; leave {field}= out to cover all"
                )
            put(self, field, names)
        put(self, "each", None if each is None else _one_of(each, get_args(Each), "each"))
        put(self, "hard", _flag(hard, "hard"))
        put(self, "on_exceeded", _one_of(on_exceeded, get_args(OnExceeded), "on_exceeded"))

    def naming(self, named: Callable[[str], str]) -> Budget:
        """Return the budget with each target, model and provider it covers as `named` calls it."""
        if self.target is None or (target := frozenset(map(named, self.target))) == self.target:
            return self
        renamed = copy(self)
        object.__setattr__(renamed, "target", target)
        return renamed

    @property
    def moves_on(self) -> bool:
        """Whether a refusal only rules out a target: others may be booked elsewhere, or be cheaper."""
        return self.on_exceeded == "cheaper" or self.target is not None or self.each in _OF_TARGETS

    def covers(self, subject: Subject) -> bool:
        """Whether an attempt is booked on this budget."""
        names = {subject.target, subject.model, subject.provider}
        return (
            (self.task is None or subject.task in self.task)
            and (self.tag is None or not self.tag.isdisjoint(subject.tags))
            and (self.user is None or subject.user in self.user)
            and (self.scenario is None or subject.scenario in self.scenario)
            and (self.target is None or not self.target.isdisjoint(names))
        )

    def may_cover(self, task: str | None, tags: frozenset[str], user: str | None) -> bool:
        """Whether some attempt of such a request may be booked on this budget, whatever scenario and target."""
        return (
            (self.task is None or task in self.task)
            and (self.tag is None or not self.tag.isdisjoint(tags))
            and (self.user is None or user in self.user)
        )

    def accounts(self, subject: Subject, now: float) -> tuple[Account, ...]:
        """Return where an attempt at `now` (Unix seconds) is booked; one per tag where `each` is ``tag``."""
        window, ends, rolling = self._window(now)
        ended = math.inf if ends is None else ends + KEPT
        return tuple(
            Account(
                f"{self._prefix}{self.name}{value}{window}", ended if rolling is None else now + rolling, ends, rolling
            )
            for value in self._values(subject)
        )

    def window(self, now: float) -> tuple[str, float | None]:
        """Return how the names of accounts end in the window that runs at `now`, and when it ends."""
        return self._window(now)[:2]

    @property
    def _prefix(self) -> str:
        return "" if self.name.startswith(VIEW) else "budget:"

    def _values(self, subject: Subject) -> list[str]:
        if self.each is None:
            return [""]
        if self.each == "tag":
            covered = subject.tags if self.tag is None else subject.tags & self.tag
            return [f"[tag={tag}]" for tag in sorted(covered)] or [f"[tag={NOBODY}]"]
        return [f"[{self.each}={getattr(subject, self.each) or NOBODY}]"]

    def _window(self, now: float) -> tuple[str, float | None, float | None]:
        """Return the window's name, its end, and the seconds that roll."""
        if self.per == "total":
            return "", None, None
        if self.rolling:
            return f"@rolling-{self.per}", None, _ROLLING[self.per]
        named, ends = _calendar(now, _zone(self.zone), self.per)
        return f"@{named}", ends, None

    def __repr__(self) -> str:
        said = [f"per={self.per!r}"] if self.per != "total" else []
        said += ["rolling=True"] if self.rolling else []
        said += [f"zone={self.zone!r}"] if self.zone != "UTC" else []
        for field in ("task", "tag", "user", "scenario", "target"):
            names: frozenset[str] | None = getattr(self, field)
            if names is not None:
                said.append(f"{field}={shown_names(names, single=True)}")
        said += [f"each={self.each!r}"] if self.each is not None else []
        said += [] if self.hard else ["hard=False"]
        said += [f"on_exceeded={self.on_exceeded!r}"] if self.on_exceeded != "refuse" else []
        return f"Budget({', '.join([repr(self.name), repr(str(self.limit.dollars)), *said])})"


def view_budget(number: str, limit: MoneyLike, *, hard: bool, on_exceeded: OnExceeded) -> Budget:
    """Return the budget of one bound view: it covers all that goes through it, for as long as it lives."""
    money = Money(limit)
    if money < ZERO:
        raise ConfigurationError(f"budget({money.dollars}) cannot have a limit below zero; write budget(5) for $5")
    budget = Budget("view", money, hard=hard, on_exceeded=on_exceeded)
    object.__setattr__(budget, "name", f"{VIEW}{number}")
    return budget


def _calendar(now: float, zone: tzinfo, per: str) -> tuple[str, float]:
    """Return how the window that `now` lies in is written, and when it ends.

    Hours are those of the absolute clock, so that the hour a clock repeats in autumn is two windows. Any other window
    lasts from one midnight to another: a clock set back over midnight shows yesterday again, but its window is over.
    """
    if per == "hour":
        begins = now // 3_600.0 * 3_600.0
        return f"{datetime.fromtimestamp(begins, zone):%Y-%m-%dT%H%z}", begins + 3_600.0
    local = datetime.fromtimestamp(now // 1.0, zone)  # a fraction would be rounded, perhaps into the next window
    start, end, shown_as = _days(local, per)
    if end.timestamp() <= now:
        start, end, _ = _days(end, per)
    return start.strftime(shown_as), end.timestamp()


def _days(local: datetime, per: str) -> tuple[datetime, datetime, str]:
    """Return the midnights around the date of `local`, and how the first is written."""
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if per == "day":
        return midnight, midnight + timedelta(days=1), "%Y-%m-%d"
    if per == "week":
        monday = midnight - timedelta(days=midnight.weekday())
        return monday, monday + timedelta(days=7), "%G-W%V"
    first = midnight.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1), "%Y-%m"


def _zone(name: object) -> tzinfo:
    if not isinstance(name, str):
        raise ConfigurationError(f"zone must be the name of a time zone such as 'Europe/Berlin', not {shown(name)}")
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(
            f"no time zone is named {name!r}; write 'UTC' or one such as 'Europe/Berlin' "
            "(on a system without time zones, install tzdata)"
        ) from None


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not name or len(name) > 100 or not name.isprintable() or set(name) & set("[]@:"):
        raise ConfigurationError(
            "a budget needs a printable name of at most 100 characters without '[', ']', '@' and ':', not "
            f"{shown(name)}: Budget('team-a', 50, per='day')"
        )
    return name


def _one_of(value: object, allowed: tuple[str, ...], argument: str) -> str:
    if not isinstance(value, str) or value not in allowed:
        hint = did_you_mean(value, allowed)
        raise ConfigurationError(f"{argument}={shown(value)} must be one of {', '.join(allowed)}.{hint}")
    return value


def _flag(value: object, argument: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{argument} must be True or False, not {shown(value)}")
    return value
