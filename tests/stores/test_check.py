"""The check finds a difference of one pico-dollar, and none where there is none."""

from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelroute.money import Money
from modelroute.stores.check import LedgerCheck, Verdict, check_ledger, presumed_in
from modelroute.stores.replay import OWN
from modelroute.stores.sqlite import SqliteStore
from modelroute.stores.store import Store
from modelroute.types.claims import Claim
from modelroute.types.ledger import Entry
from tests.stores.rowbook import NOON, RowBook, correction, entries, presumed, row


def check(book: RowBook) -> LedgerCheck:
    return check_ledger(cast(Store, book), now=NOON)


@given(st.lists(entries, max_size=6), st.integers(-2, 2))
@settings(max_examples=60)
def test_one_pico_dollar_is_found(rows: list[Entry], added: int) -> None:
    book = RowBook(rows)
    scopes = {scope for entry in rows for scope in entry.accounts if not scope.startswith(OWN)}
    book.added = dict.fromkeys(list(scopes)[:1], added)
    found = check(book)
    assert {account.scope for account in found.accounts} == scopes
    assert found.agrees == (added == 0 or not scopes)
    assert found.rows == len(rows)


def test_each_window_is_an_account_of_its_own() -> None:
    monday, tuesday = row(1), row(2, accounts=("team/2026-11-02", "all"))
    found = check(RowBook([monday, tuesday], added={"all": 1}, reserved={"all": Money(2)}))
    assert {account.scope: account.verdict for account in found.accounts} == {
        "all": Verdict.DIFFERS,
        "team/2026-11-01": Verdict.EQUAL,
        "team/2026-11-02": Verdict.EQUAL,
    }
    (wrong,) = [account for account in found.accounts if account.scope == "all"]
    assert wrong.counted - wrong.recorded == Money.from_pico(1)
    assert wrong.reserved == Money(2)


def test_a_window_that_is_over_is_told_and_nothing_wrong() -> None:
    found = check(RowBook([row(accounts=("closed/2026-10",))]))
    assert [account.verdict for account in found.accounts] == [Verdict.CLOSED]
    assert found.agrees


@pytest.mark.parametrize("wrong", [0, 1])
def test_a_rolling_window_that_began_anew_is_compared_from_there(tmp_path: Path, wrong: int) -> None:
    """After an idle hour its account is forgotten, and the next attempt opens another: that is no difference."""
    store = SqliteStore(tmp_path / "spend.db")
    scope, now = "budget:team@rolling-hour", NOON
    for number, hours in enumerate((0, 0, 3, 3, 7)):
        now = NOON + hours * 3600.0
        entry = row(number, at=now, accounts=(scope,), cost=Money.from_pico(10 + number))
        store.reserve(entry.id, [Claim(scope, Money(1), entry.cost, now + 3600, 3600.0)], lease=now + 9, now=now)
        store.settle(entry.id, entry.cost, now=now, entry=entry)
    if wrong:
        store.append([row(9, at=now, accounts=(scope,), cost=Money.from_pico(wrong))])
    found = check_ledger(store, now=now)
    assert found.agrees is not bool(wrong)
    (account,) = found.accounts
    assert (account.counted.pico, account.recorded.pico) == (14, 61 if wrong else 14)
    store.close()


def test_an_account_that_is_charged_meanwhile_is_looked_at_again() -> None:
    """A row that arrives after the rows were read, with its charge: either counter may be the right one."""
    found = check(RowBook([row(1)], arriving=[row(2)]))
    assert found.agrees
    busy = RowBook([row(1)], arriving=[row(number) for number in (2, 3, 4)], added={"team/2026-11-01": 5})
    never_still = check(busy)
    assert [account.verdict for account in never_still.accounts] == [Verdict.MOVING]
    assert not never_still.agrees
    assert [account.verdict for account in check(busy).accounts] == [Verdict.DIFFERS]


def test_presumed_spend_is_listed_until_it_is_corrected() -> None:
    rows = [presumed(1), presumed(2), row(3), correction(1, "-0.01")]
    assert presumed_in(rows) == (rows[1],)
    found = check(RowBook(rows))
    assert found.presumed == (rows[1],)
    assert found.agrees
    (account,) = found.accounts
    assert account.presumed_recorded == account.presumed_counted == Money("0.02")
    assert account.recorded == Money("0.04")
