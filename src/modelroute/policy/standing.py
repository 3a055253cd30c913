"""How budgets stand: for whoever wants to see one run out before it refuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelroute.money import ZERO, Money
from modelroute.types.claims import Balance

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modelroute.policy.budget import Budget

__all__ = ["BudgetBalance", "standing"]

_UNTOUCHED = Balance(ZERO, ZERO, ZERO, ZERO)


@dataclass(frozen=True, slots=True)
class BudgetBalance:
    """One account of a budget in the window that runs: how much of `limit` is `spent` and set aside (`reserved`).

    `budget` names the budget, `scope` the account, as `BudgetExceededError` does. `resets`: Unix second at which the
    window ends, `None` when it never does or rolls.
    """

    budget: str
    scope: str
    limit: Money
    spent: Money
    reserved: Money
    resets: float | None

    @property
    def left(self) -> Money:
        """What may still be set aside."""
        return max(ZERO, self.limit - self.spent - self.reserved)

    def __str__(self) -> str:
        aside = f", {self.reserved} set aside" if self.reserved else ""
        return f"{self.scope}: {self.spent} of {self.limit} spent{aside}, {self.left} left"


def standing(budgets: Iterable[Budget], balances: Mapping[str, Balance], now: float) -> tuple[BudgetBalance, ...]:
    """Return every account of `budgets` whose window runs at `now`: by budget, then by name.

    A budget with one account has it even before its first request; of one with `each`, those that were used.
    """
    found: list[BudgetBalance] = []
    for budget in budgets:
        window, resets = budget.window(now)
        begin = f"budget:{budget.name}"
        if budget.each is None:
            scopes = [begin + window]
        else:
            scopes = sorted(
                scope for scope in balances if scope.startswith(f"{begin}[") and scope.endswith(f"]{window}")
            )
        for scope in scopes:
            balance = balances.get(scope, _UNTOUCHED)
            found.append(BudgetBalance(budget.name, scope, budget.limit, balance.spent, balance.reserved, resets))
    return tuple(found)
