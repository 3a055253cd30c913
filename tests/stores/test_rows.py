"""A row that is exported is the row that comes back."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelroute.errors import ConfigurationError
from modelroute.money import Money
from modelroute.stores.rows import COLUMNS, dollars, entry_of, row_of
from modelroute.types.ledger import Entry
from tests.stores.rowbook import entries, row


@given(entries)
@settings(max_examples=80)
def test_a_row_comes_back_as_it_was(entry: Entry) -> None:
    written = row_of(entry)
    assert tuple(written) == COLUMNS
    assert entry_of(json.loads(json.dumps(written))) == entry


@given(st.integers(-(10**24), 10**24))
def test_dollars_are_exact(pico: int) -> None:
    assert Money(dollars(Money.from_pico(pico))).pico == pico


def test_a_row_without_its_content_is_a_row() -> None:
    written = row_of(row(content="secret"))
    del written["content"]
    assert entry_of(written) == row()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("cost_pico", "5"), ("cost_pico", 1.0), ("cost_pico", None), ("cost_pico", True), ("reserved_pico", None),
        ("kind", "refund"), ("kind", 5), ("tags", "eu"), ("tags", [1]), ("at", "noon"), ("at", None), ("number", True),
        ("id", None), ("input_tokens", 1.5), ("accounts", None), ("user", 7),
    ],
)  # fmt: skip
def test_what_is_no_row_is_refused(column: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match="no row of a ledger"):
        entry_of({**row_of(row()), column: value})


@pytest.mark.parametrize(
    "column", [column for column in COLUMNS if column not in ("content", "cost", "estimate", "reserved")]
)
def test_what_is_missing_is_refused(column: str) -> None:
    written = row_of(row())
    del written[column]
    with pytest.raises(ConfigurationError):
        entry_of(written)
