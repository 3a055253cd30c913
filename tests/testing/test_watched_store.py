"""The store that watches another catches it when it lies."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from modelroute.money import ZERO, Money
from modelroute.stores.memory import MemoryStore
from modelroute.stores.store import Store
from modelroute.testing.checks import InvariantViolatedError, WatchedStore, check_m3
from modelroute.types.claims import Claim, Granted, Limited, RateClaim, Refused
from modelroute.types.ledger import Entry

CLAIM = Claim("team", Money(10), Money(6), 1e9)


class Generous(MemoryStore):
    """Grants twice what it may."""

    __slots__ = ()

    def reserve(
        self,
        reservation: str,
        claims: Sequence[Claim],
        *,
        lease: float,
        now: float,
        rates: Sequence[RateClaim] = (),
        entry: Entry | None = None,
    ) -> Granted | Refused | Limited:
        twice = [replace(each, limit=each.limit * 2) for each in claims]
        return super().reserve(reservation, twice, lease=lease, now=now, rates=rates, entry=entry)


@pytest.mark.parametrize("rolling", [None, 60.0])
def test_more_than_a_hard_limit_is_a_violation_of_m1(rolling: float | None) -> None:
    store = WatchedStore(Generous())
    claim = replace(CLAIM, rolling=rolling)
    assert store.reserve("a", [claim], lease=9, now=0) == Granted()
    with pytest.raises(InvariantViolatedError, match=r"M1: team holds \$12\.00 of \$10\.00"):
        store.reserve("b", [claim], lease=9, now=0)


def test_what_has_left_a_rolling_window_is_no_violation() -> None:
    store = WatchedStore(MemoryStore())
    claim = replace(CLAIM, rolling=64.0)
    for number, now in enumerate((0.0, 65.0, 130.0)):
        assert store.reserve(str(number), [claim], lease=1e9, now=now) == Granted()
        store.settle(str(number), Money(6), now=now)
    assert store.refusals == 0


def test_a_soft_limit_may_be_passed_and_a_hard_one_not_by_a_settlement_either() -> None:
    store = WatchedStore(MemoryStore())
    store.reserve("soft", [replace(CLAIM, scope="soft", hard=False)], lease=9, now=0)
    store.settle("soft", Money(11), now=0)
    store.reserve("hard", [CLAIM], lease=9, now=0)
    with pytest.raises(InvariantViolatedError, match="M1"):
        store.settle("hard", Money(11), now=0)


def test_the_limit_that_counts_is_the_one_money_was_last_granted_under() -> None:
    store = WatchedStore(MemoryStore())
    store.reserve("a", [CLAIM], lease=9, now=0)
    assert store.reserve("b", [replace(CLAIM, limit=Money(20))], lease=9, now=0) == Granted()
    assert isinstance(store.reserve("c", [CLAIM], lease=9, now=0), Refused)
    assert store.refusals == 1


def test_two_costs_for_one_reservation_and_money_left_over_violate_m3() -> None:
    store = WatchedStore(MemoryStore())
    store.reserve("a", [CLAIM], lease=9, now=0)
    with pytest.raises(InvariantViolatedError, match=r"M3: .* still set aside"):
        check_m3(store)
    store.settle("a", Money(5), now=0)
    check_m3(store)
    with pytest.raises(InvariantViolatedError, match="M3: a was settled"):
        store.settle("a", Money(4), now=0)


def test_everything_else_is_the_stores_own() -> None:
    inner = MemoryStore()
    store: Store = WatchedStore(inner)
    assert (store.name, store.shared, store.keeps_ledger) == (inner.name, inner.shared, inner.keeps_ledger)
    rate = RateClaim("rpm", 1, 1, "requests")
    store.reserve("a", [CLAIM], rates=[rate], lease=9, now=0)
    assert store.balances(now=10) == {"team": inner.balance("team", now=10)}
    assert store.reverse("a", now=10) == Money(6)
    store.rebuild([], now=10)
    assert (store.balance("team", now=10), list(store.entries()), inner.reserved) == (None, [], ZERO)
    mark, _ = store.signals(0, now=0)
    store.publish([], now=0)
    assert store.signals(mark, now=0) == (mark, ())
    store.begin("k", "f", owner="a", lease=9, now=0)
    store.keep_reply("k", owner="a", reply=b"r", until=9, now=0)
    store.free_key("k", owner="a")
    store.after_fork()
    store.close()
