"""Cases that a random machine meets too seldom, told on every store that needs no server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelroute.money import ZERO, Money
from modelroute.stores.memory import MemoryStore
from modelroute.stores.sqlite import SqliteStore
from modelroute.stores.store import Store
from modelroute.types.claims import Balance, Claim, Granted
from modelroute.types.keyed import Begun
from modelroute.types.signals import Signal


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    opened: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "spend.db")
    yield opened
    opened.close()


def claim(scope: str, amount: int, *, ends: float = 1e9, rolling: float | None = None) -> Claim:
    return Claim(scope, Money.from_pico(100), Money.from_pico(amount), ends, rolling)


def pico(balance: Balance | None) -> tuple[int, int] | None:
    """What is spent and what is set aside."""
    return None if balance is None else (balance.spent.pico, balance.reserved.pico)


def test_presumed_spend_is_not_taken_back_from_a_later_account_of_the_same_name(store: Store) -> None:
    store.reserve("r", [claim("team", 50, ends=5)], lease=5, now=0)
    assert store.balance("team", now=6) is None
    store.reserve("s", [claim("team", 10)], lease=99, now=7)
    assert store.reverse("r", now=8) == Money.from_pico(50)
    assert store.balance("team", now=8) == Balance(ZERO, Money.from_pico(10), ZERO, ZERO)


def test_a_claim_on_an_account_past_its_end_opens_a_new_one(store: Store) -> None:
    """Even when nobody has looked since, and so nobody has forgotten it."""
    store.reserve("r", [claim("team", 90, ends=5)], lease=5, now=0)
    store.settle("r", Money.from_pico(90), now=1)
    assert store.reserve("s", [claim("team", 90)], lease=99, now=6) == Granted()
    assert pico(store.balance("team", now=6)) == (0, 90)


def test_an_attempt_of_a_request_that_has_ended_keeps_its_account_until_it_is_settled(store: Store) -> None:
    store.reserve("a", [claim("request:1", 30)], lease=50, now=0)
    store.reserve("b", [claim("request:1", 10)], lease=50, now=0)
    store.settle("b", Money.from_pico(5), now=0, final=True)
    assert pico(store.balance("request:1", now=0)) == (5, 30)
    store.settle("a", ZERO, now=0, final=True)
    assert store.balance("request:1", now=0) is None
    assert store.balances(now=0) == {}


def test_a_reservation_that_arrives_after_its_settlement_sets_nothing_aside(store: Store) -> None:
    store.settle("r", ZERO, now=0)
    assert store.reserve("r", [claim("team", 50)], lease=10, now=0) == Granted()
    assert store.balance("team", now=0) is None


def test_a_rolling_account_lives_as_long_as_its_window(store: Store) -> None:
    store.reserve("r", [claim("team", 100, ends=1, rolling=64.0)], lease=5, now=0)
    store.settle("r", Money.from_pico(100), now=4)
    assert pico(store.balance("team", now=68)) == (100, 0)
    assert store.balance("team", now=69) is None


def test_what_extends_is_never_shortened_and_what_does_not_replaces(store: Store) -> None:
    store.publish([Signal("hold:a", "1", 10, extends=True)], now=0)
    store.publish([Signal("hold:a", "2", 5, extends=True)], now=1)
    assert [signal.value for signal in store.signals(0, now=1)[1]] == ["1"]
    store.publish([Signal("hold:a", "3", 15, extends=True)], now=2)
    store.publish([Signal("hold:b", "4", 9)], now=2)
    assert [signal.value for signal in store.signals(0, now=3)[1]] == ["3", "4"]
    store.publish([Signal("hold:a", "5", 4)], now=3)
    assert [signal.value for signal in store.signals(0, now=3)[1]] == ["4", "5"]


def test_a_key_whose_lease_is_over_takes_no_reply(store: Store) -> None:
    store.begin("k", "f", owner="a", lease=5, now=0)
    store.keep_reply("k", owner="a", reply=b"late", until=99, now=6)
    assert store.begin("k", "f", owner="b", lease=9, now=6) == Begun()
    store.keep_reply("k", owner="a", reply=b"late", until=99, now=7)
    store.free_key("k", owner="a")
    assert store.begin("k", "f", owner="b", lease=9, now=7) == Begun()
