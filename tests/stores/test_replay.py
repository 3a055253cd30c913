"""What a ledger adds up to is what the accounts were, and no rolling window is shorter than the truth."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from modelroute.money import Money
from modelroute.stores.memory import MemoryStore
from modelroute.stores.replay import once, replay
from modelroute.stores.windows import Window
from modelroute.types.claims import Claim
from modelroute.types.ledger import Entry, EntryKind
from tests.stores.machine import row

NOW = 2e9

ages = st.lists(st.tuples(st.floats(0, 1e8) | st.floats(0, 300), st.integers(0, 100)), max_size=40)


def at(number: int, age: float, cost: int) -> Entry:
    return replace(row(f"r{number}", cost, ("team",), at=NOW - age), seconds=None)


@given(ages, st.floats(1, 1e8))
def test_any_rolling_window_sees_all_that_is_in_it_and_little_else(
    spent: list[tuple[float, int]], period: float
) -> None:
    found = replay([at(number, age, cost) for number, (age, cost) in enumerate(spent)], NOW).accounts
    if not spent:
        assert found == {}
        return
    window = Window(period, 1.0, found["team"].buckets)
    within = sum(cost for age, cost in spent if age < period)
    nearly = sum(cost for age, cost in spent if age < period * (1 + 1 / 16) + 3)
    assert within <= window.used(NOW) <= nearly
    assert found["team"].total == sum(cost for _, cost in spent)


def test_a_year_of_rows_is_a_few_hundred_buckets() -> None:
    rows = [at(number, number * 2000.0, 1) for number in range(16_000)]
    assert len(replay(rows, NOW).accounts["team"].buckets) < 1500


def test_presumed_spend_is_open_until_it_is_corrected() -> None:
    presumed = [replace(row(f"{name}/presumed", 10, ("team", "request:1")), kind=EntryKind.PRESUMED) for name in "ab"]
    correction = replace(row("a/correction", 0, ("team",)), kind=EntryKind.CORRECTION, cost=Money.from_pico(-4))
    found = replay(once([*presumed, correction, correction]), NOW)
    assert found.presumed.keys() == {"b"}
    assert found.accounts.keys() == {"team"}
    assert (found.accounts["team"].total, found.accounts["team"].presumed) == (16, 10)
    assert sum(found.accounts["team"].buckets.values()) == 16


def test_a_rebuilt_account_learns_from_its_first_claim_what_it_is() -> None:
    """The same rows bind a total for ever, and a rolling window for as long as it looks back."""
    rows = [at(0, 100.0, 60), at(1, 10.0, 30)]
    for rolling, left in ((None, 10), (64.0, 70), (1000.0, 10)):
        store = MemoryStore()
        store.rebuild(rows, now=NOW)
        one = Claim("team", Money.from_pico(100), Money.from_pico(left), NOW + 5, rolling)
        more = replace(one, amount=Money.from_pico(left + 1))
        assert store.reserve("a", [more], lease=NOW + 9, now=NOW) != store.reserve("b", [one], lease=NOW + 9, now=NOW)
        balance = store.balance("team", now=NOW + 20)
        if rolling is None:
            assert balance is None  # the claim said when the account ends
        else:
            assert balance is not None
            assert balance.presumed == Money.from_pico(left)
