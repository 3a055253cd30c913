"""Which target, and why: rules, scenarios, objectives, and the decision they lead to. Pure: no clock, no socket.

A `Policy` is a value. Compiled against the targets a router holds, it turns the facts of a request and a snapshot of
the world into a `Decision`. Names load when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelroute.policy.candidate import Candidate as Candidate
    from modelroute.policy.compiled import CompiledPolicy as CompiledPolicy
    from modelroute.policy.demands import Within as Within
    from modelroute.policy.findings import Finding as Finding
    from modelroute.policy.objective import Objective as Objective
    from modelroute.policy.objective import Option as Option
    from modelroute.policy.objective import Prefer as Prefer
    from modelroute.policy.objective import best_value as best_value
    from modelroute.policy.objective import cheapest as cheapest
    from modelroute.policy.objective import fastest as fastest
    from modelroute.policy.objective import strongest as strongest
    from modelroute.policy.policy import Policy as Policy
    from modelroute.policy.rule import Rule as Rule
    from modelroute.policy.scenario import Preferences as Preferences
    from modelroute.policy.scenario import Scenario as Scenario
    from modelroute.types.constraints import Floor as Floor

_HOMES = {
    "Candidate": "modelroute.policy.candidate",
    "CompiledPolicy": "modelroute.policy.compiled",
    "Finding": "modelroute.policy.findings",
    "Floor": "modelroute.types.constraints",
    "Objective": "modelroute.policy.objective",
    "Option": "modelroute.policy.objective",
    "Policy": "modelroute.policy.policy",
    "Prefer": "modelroute.policy.objective",
    "Preferences": "modelroute.policy.scenario",
    "Rule": "modelroute.policy.rule",
    "Scenario": "modelroute.policy.scenario",
    "Within": "modelroute.policy.demands",
    "best_value": "modelroute.policy.objective",
    "cheapest": "modelroute.policy.objective",
    "fastest": "modelroute.policy.objective",
    "strongest": "modelroute.policy.objective",
}

__all__ = [
    "Candidate",
    "CompiledPolicy",
    "Finding",
    "Floor",
    "Objective",
    "Option",
    "Policy",
    "Prefer",
    "Preferences",
    "Rule",
    "Scenario",
    "Within",
    "best_value",
    "cheapest",
    "fastest",
    "strongest",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
