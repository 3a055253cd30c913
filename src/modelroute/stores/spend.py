"""What was spent, by whom and on what: the ledger's rows added up under any combination of headings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from itertools import product

from modelroute.money import Money
from modelroute.types.ledger import Entry, EntryKind

__all__ = ["UNKNOWN_OUTCOME", "By", "Spend", "SpendReport", "SpendRow", "spend_of"]

UNKNOWN_OUTCOME = "presumed"
"""What `By.FAILURE` calls an attempt that was presumed spent, and what corrected it later."""

_UNPRICED = "unpriced"


class By(StrEnum):
    """What spend can be broken down by."""

    DAY = "day"
    MONTH = "month"
    SCENARIO = "scenario"
    TASK = "task"
    TAG = "tag"
    USER = "user"
    TARGET = "target"
    MODEL = "model"
    PROVIDER = "provider"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """Sums over rows.

    `cost`: charged, to the last pico-dollar, presumed spend and corrections included. `attempts` that were made,
    `answers` among them. Tokens are those that providers reported; `unreported` attempts had no report, so the sums
    leave them out. `unpriced` attempts cost what nobody knows: they add nothing to `cost`.
    """

    cost: Money
    attempts: int
    answers: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    unreported: int
    unpriced: int

    @property
    def mean(self) -> Money | None:
        """What an answer cost on average, failed attempts included, rounded down; `None` without an answer."""
        return self.cost // self.answers if self.answers else None


@dataclass(frozen=True, slots=True)
class SpendRow:
    """One combination of headings, in the order they were asked for; `None` where an attempt had none."""

    key: tuple[str | None, ...]
    spend: Spend


@dataclass(frozen=True, slots=True)
class SpendReport:
    """Spend by `by`. `total` counts each attempt once; by tag, one with several tags is in several of the `rows`."""

    by: tuple[By, ...]
    rows: tuple[SpendRow, ...]
    total: Spend


@dataclass(slots=True)
class _Sums:
    cost: int = 0
    attempts: int = 0
    answers: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    unreported: int = 0
    unpriced: int = 0

    def add(self, entry: Entry) -> None:
        made = entry.kind is not EntryKind.CORRECTION  # what corrects an attempt is no second one
        self.cost += entry.cost.pico
        self.attempts += made
        self.answers += _answered(entry)
        self.input_tokens += entry.input_tokens or 0
        self.output_tokens += entry.output_tokens or 0
        self.cached_tokens += entry.cached_tokens or 0
        if entry.input_tokens is None and entry.output_tokens is None:
            self.unreported += made
        elif not made:
            self.unreported -= 1  # the report of what was presumed came after all
        self.unpriced += entry.basis == _UNPRICED

    def frozen(self) -> Spend:
        return Spend(
            cost=Money.from_pico(self.cost),
            attempts=self.attempts,
            answers=self.answers,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            cached_tokens=self.cached_tokens,
            unreported=self.unreported,
            unpriced=self.unpriced,
        )


def _answered(entry: Entry) -> bool:
    """Whether the row tells of an answer. One that corrects presumed spend may: its attempt was settled after all."""
    if entry.failure is not None or entry.kind is EntryKind.PRESUMED:
        return False
    return entry.kind is EntryKind.ATTEMPT or entry.finish is not None


def spend_of(entries: Iterable[Entry], by: Sequence[By] = (), *, zone: tzinfo = UTC) -> SpendReport:
    """Return what `entries` cost by each combination of `by`; days and months are those of `zone`.

    Rows come in the order of time where that is asked for, else the dearest first. Memory follows the number of
    combinations, not of entries.
    """
    headings = tuple(dict.fromkeys(by))
    readers = [_reader(heading, zone) for heading in headings]
    total = _Sums()
    sums: dict[tuple[str | None, ...], _Sums] = {}
    for entry in entries:
        total.add(entry)
        for key in product(*(reader(entry) for reader in readers)):
            found = sums.get(key)
            if found is None:
                found = sums[key] = _Sums()
            found.add(entry)
    times = [place for place, heading in enumerate(headings) if heading in (By.DAY, By.MONTH)]

    def order(row: SpendRow) -> tuple[object, ...]:
        named = tuple((part is None, part or "") for part in row.key)
        return tuple(row.key[place] for place in times), -row.spend.cost.pico, named

    rows = sorted((SpendRow(key, found.frozen()) for key, found in sums.items()), key=order)
    return SpendReport(headings, tuple(rows), total.frozen())


def _reader(heading: By, zone: tzinfo) -> Callable[[Entry], Sequence[str | None]]:
    """Return what finds an entry's values under a heading: one, or several for tags."""
    if heading is By.DAY:
        return lambda entry: (f"{datetime.fromtimestamp(entry.at, zone):%Y-%m-%d}",)
    if heading is By.MONTH:
        return lambda entry: (f"{datetime.fromtimestamp(entry.at, zone):%Y-%m}",)
    return _READERS[heading]


def _failure(entry: Entry) -> tuple[str | None]:
    return (entry.failure if entry.kind is EntryKind.ATTEMPT else UNKNOWN_OUTCOME,)


_READERS: Mapping[By, Callable[[Entry], Sequence[str | None]]] = {
    By.SCENARIO: lambda entry: (entry.scenario,),
    By.TASK: lambda entry: (entry.task,),
    By.TAG: lambda entry: tuple(dict.fromkeys(entry.tags)) or (None,),
    By.USER: lambda entry: (entry.user,),
    By.TARGET: lambda entry: (entry.target,),
    By.MODEL: lambda entry: (entry.target.rpartition("@")[0],),
    By.PROVIDER: lambda entry: (entry.target.rpartition("@")[2],),
    By.FAILURE: _failure,
}
