"""Rows of a ledger, made up; and a store that has nothing but rows."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st

from modelroute.money import ZERO, Money
from modelroute.stores.replay import replay, reservation_of
from modelroute.types.claims import Balance
from modelroute.types.ledger import Entry, EntryKind

NOON = 1_793_534_400.0
"""2026-11-01, 12:00 UTC."""

text = st.text(max_size=6)
counts = st.none() | st.integers(0, 10**6)
money = st.integers(0, 10**15).map(Money.from_pico)

entries = st.builds(
    Entry,
    id=st.uuids().map(str), kind=st.just(EntryKind.ATTEMPT), request=text, number=st.integers(1, 9),
    at=st.floats(NOON - 1e6, NOON + 1e6), scenario=st.sampled_from(["default", "daily-dev", "caf\u00e9"]),
    task=st.none() | st.sampled_from(["coding", "reasoning"]),
    tags=st.lists(st.sampled_from("abc"), unique=True, max_size=3).map(tuple), user=st.sampled_from([None, "u", "v"]),
    target=st.sampled_from(["m@p", "m@q", "n@x@q"]), why=text, decision=text, snapshot=text, input_tokens=counts,
    output_tokens=counts, cached_tokens=counts, cache_write_tokens=counts, reasoning_tokens=counts,
    estimate=st.none() | money, reserved=money, cost=money, basis=st.sampled_from(["catalog 2026-10", "unpriced"]),
    failure=st.none() | st.sampled_from(["unavailable", "silent"]), finish=st.none() | st.just("stop"),
    seconds=st.none() | st.floats(0, 100), first_token=st.none() | st.floats(0, 100),
    accounts=st.lists(st.sampled_from(["team/2026-11-01", "all", "request:1"]), unique=True, max_size=3).map(tuple),
    content=st.none() | text,
)  # fmt: skip


def row(number: int = 1, **changes: Any) -> Entry:  # noqa: ANN401 - the fields of an entry
    """Return an answered attempt at noon that cost $0.01, with `changes`."""
    usual = Entry(
        id=f"r-{number}", kind=EntryKind.ATTEMPT, request=f"q-{number}", number=1, at=NOON, scenario="default",
        task=None, tags=(), user=None, target="kimi-k2.6@moonshot", why="first", decision="d", snapshot="s",
        input_tokens=100, output_tokens=20, cached_tokens=10, cache_write_tokens=None, reasoning_tokens=None,
        estimate=Money("0.009"), reserved=Money("0.02"), cost=Money("0.01"), basis="catalog 2026-10", failure=None,
        finish="stop", seconds=1.5, first_token=0.5, accounts=("team/2026-11-01",),
    )  # fmt: skip
    return replace(usual, **changes)


def presumed(number: int, cost: str = "0.02", **changes: Any) -> Entry:  # noqa: ANN401 - the fields of an entry
    """Return a row of presumed spend."""
    return row(
        number,
        **{
            "id": f"r-{number}/presumed", "kind": EntryKind.PRESUMED, "cost": Money(cost), "basis": "reservation",
            "input_tokens": None, "output_tokens": None, "cached_tokens": None, "finish": None, "seconds": None,
            "first_token": None, **changes,
        },
    )  # fmt: skip


def correction(number: int, cost: str, **changes: Any) -> Entry:  # noqa: ANN401 - the fields of an entry
    """Return what corrects it: settled after all, with a report of tokens."""
    return row(number, id=f"r-{number}/correction", kind=EntryKind.CORRECTION, cost=Money(cost), **changes)


@dataclass
class RowBook:
    """A store with a ledger and no promises: its counters are its rows added up, and what is `added` to be wrong."""

    rows: list[Entry] = field(default_factory=list[Entry])
    keeps_ledger: bool = True
    name: str = "rows"
    shared: bool = False
    closed: int = 0
    added: dict[str, int] = field(default_factory=dict[str, int])
    reserved: dict[str, Money] = field(default_factory=dict[str, Money])
    arriving: list[Entry] = field(default_factory=list[Entry])
    rebuilt: list[Entry] | None = None

    def balances(self, *, now: float) -> Mapping[str, Balance]:
        found = {
            scope: Balance(
                ZERO,
                self.reserved.get(scope, ZERO),
                Money.from_pico(account.total + self.added.get(scope, 0)),
                Money.from_pico(account.presumed),
            )
            for scope, account in replay(self.rows, now).accounts.items()
        }
        return {scope: balance for scope, balance in found.items() if not scope.startswith("closed")}

    def entries(self, *, since: float | None = None, until: float | None = None) -> Iterator[Entry]:
        yield from [
            entry
            for entry in self.rows
            if (since is None or since <= entry.at) and (until is None or entry.at < until)
        ]  # fmt: skip
        if self.arriving:
            self.rows.append(self.arriving.pop(0))

    def reverse(self, reservation: str, *, now: float) -> Money | None:
        for entry in self.rows:
            if entry.kind is EntryKind.PRESUMED and reservation_of(entry) == reservation:
                self.rows.append(
                    replace(entry, id=f"{reservation}/correction", kind=EntryKind.CORRECTION, cost=-entry.cost)
                )
                return entry.cost
        return None

    def rebuild(self, entries: Iterable[Entry], *, now: float) -> None:
        self.rebuilt = list(entries)
        self.rows += self.rebuilt

    def close(self) -> None:
        self.closed += 1
