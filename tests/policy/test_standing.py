from collections.abc import Mapping
from typing import Any

import pytest

from modelroute import Budget, Money, RouterClosedError, StoreUnavailableError
from modelroute.money import ZERO
from modelroute.policy.standing import BudgetBalance, standing
from modelroute.testing import Answer, ScriptedAsyncRouter, ScriptedRouter
from modelroute.types.claims import Balance
from tests.runtime.shared_store import SharedStore

DAY = 86_400.0
NOON = 20_000 * DAY + DAY / 2


def balance(spent: str, reserved: str = "0") -> Balance:
    return Balance(Money(spent), Money(reserved), Money(spent), ZERO)


def test_only_accounts_of_the_window_that_runs_are_told_and_of_these_budgets() -> None:
    per_user = Budget("per-user", 1, per="day", each="user")
    today = per_user.window(NOON)[0]
    known = {
        f"budget:per-user[user=ada]{today}": balance("0.3", "0.2"),
        f"budget:per-user[user=bob]{per_user.window(NOON - DAY)[0]}": balance("0.9"),
        f"budget:per-user-too[user=bob]{today}": balance("0.9"),
        "budget:all": balance("2"),
        "budget:all[user=ada]": balance("0.9"),
    }
    found = standing([Budget("all", 5), per_user, Budget("unused", 3, per="hour", rolling=True)], known, NOON)
    assert [(one.budget, one.spent, one.reserved, one.left, one.resets) for one in found] == [
        ("all", Money(2), ZERO, Money(3), None),
        ("per-user", Money("0.3"), Money("0.2"), Money("0.5"), NOON + DAY / 2),
        ("unused", ZERO, ZERO, Money(3), None),
    ]
    assert str(found[1]) == f"budget:per-user[user=ada]{today}: $0.30 of $1.00 spent, $0.20 set aside, $0.50 left"


def test_nothing_is_left_of_a_limit_that_was_lowered() -> None:
    assert BudgetBalance("a", "budget:a", Money(1), Money(3), ZERO, None).left == ZERO


class Unreadable(SharedStore):
    """Everything works but looking."""

    def balances(self, *, now: float) -> Mapping[str, Balance]:
        raise ValueError(f"unreadable at {now}")


SCRIPT: dict[str, list[Any]] = {"m@p": [Answer("hi")]}


@pytest.mark.parametrize("shared", [False, True])
def test_a_router_tells_how_its_budgets_stand(shared: bool) -> None:
    store = SharedStore() if shared else None
    budgets = [Budget("all", 5, per="day"), Budget("each", 1, each="tag")]
    with ScriptedRouter(SCRIPT, store=store, budgets=budgets) as router:
        cost = router.chat("hi", tags=["x", "y"]).cost
        with router.budget(1) as capped:
            cost += capped.chat("hi", tags="x").cost
        told = {one.scope.partition("@")[0]: one for one in router.balances()}
        assert set(told) == {"budget:all", "budget:each[tag=x]", "budget:each[tag=y]"}
        assert told["budget:all"].spent == told["budget:each[tag=x]"].spent == cost
        assert told["budget:all"].left == Money(5) - cost
    with pytest.raises(RouterClosedError):
        router.balances()


@pytest.mark.parametrize("shared", [False, True])
async def test_an_async_router_tells_the_same(shared: bool) -> None:
    store = SharedStore() if shared else None
    async with ScriptedAsyncRouter(SCRIPT, store=store, budgets=[Budget("all", 5)]) as router:
        cost = (await router.chat("hi")).cost
        (one,) = await router.balances()
        assert (one.scope, one.spent, one.left) == ("budget:all", cost, Money(5) - cost)


async def test_a_store_that_cannot_be_looked_at_says_so() -> None:
    with (
        ScriptedRouter(SCRIPT, store=Unreadable(), budgets=[Budget("all", 5)]) as router,
        pytest.raises(StoreUnavailableError, match="fake failed with ValueError"),
    ):
        router.balances()
    async with ScriptedAsyncRouter(SCRIPT, store=Unreadable(), budgets=[Budget("all", 5)]) as asking:
        with pytest.raises(StoreUnavailableError, match="fake failed with ValueError"):
            await asking.balances()
