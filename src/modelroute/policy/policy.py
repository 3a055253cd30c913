"""A policy: rules that add up, scenarios tried in order, a default. A value; compiled against a catalog it decides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, cast

from modelroute.catalog.declared import listed
from modelroute.errors import ConfigurationError, shown
from modelroute.policy.demands import Within
from modelroute.policy.findings import Finding
from modelroute.policy.naming import checked_text
from modelroute.policy.objective import cheapest, strongest
from modelroute.policy.rule import Rule
from modelroute.policy.scenario import Preferences, Scenario
from modelroute.policy.tasks import STANDARD_TASKS
from modelroute.types.hedge import Hedge, HedgeLike
from modelroute.types.timeouts import Timeouts

if TYPE_CHECKING:
    from modelroute.catalog.catalog import Catalog
    from modelroute.policy.candidate import Candidate
    from modelroute.policy.compiled import CompiledPolicy

__all__ = ["DEFAULT", "GAP", "Policy"]

Part = TypeVar("Part", Rule, Scenario)

DEFAULT = "default"
"""Name of the scenario that is used when no other matches."""

GAP = 6
"""Points by which open models trail closed ones on `intelligence`: the gap of the article's last quarter."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Policy:
    """Which target may serve which request, and which is best.

    Every rule that matches applies; of the scenarios the first that matches is used, else `default` (left out: the
    cheapest eligible target within six points of the best). Hard constraints of rules, scenario and call intersect.
    `timeouts`, `max_attempts`, `on_interrupt`, `on_refusal`, `hedge` are preferences for every request: scenario and
    call win over them.

    Immutable, comparable, picklable (its callables permitting); its `repr` is the policy as one types it.

    Raises `ConfigurationError` for scenarios without a name or with the same one. What needs a catalog to be checked
    (names of models, providers, vendors, features, scales) is checked by `compile`.
    """

    rules: tuple[Rule, ...]
    scenarios: tuple[Scenario, ...]
    otherwise: Scenario
    name: str
    preferences: Preferences

    def __init__(
        self,
        *,
        rules: Iterable[Rule] | None = (),
        scenarios: Iterable[Scenario] | None = (),
        default: Scenario | None = None,
        name: str = "",
        timeouts: Timeouts | None = None,
        max_attempts: int | None = None,
        on_interrupt: str | None = None,
        on_refusal: str | None = None,
        hedge: HedgeLike = None,
    ) -> None:
        ruled = _all(rules, Rule, "rules")
        ordered = _all(scenarios, Scenario, "scenarios")
        if default is not None and not isinstance(default, Scenario):
            raise ConfigurationError(f"default must be a Scenario, not {type(default).__name__}")
        chosen = Scenario(floor=Within(GAP), prefer=cheapest) if default is None else default
        if not chosen.conditions.always:
            raise ConfigurationError(
                "the default scenario must match every request; put one with conditions into scenarios=[...]"
            )
        _check_names(ordered, chosen.name or DEFAULT)
        put = object.__setattr__
        put(self, "rules", ruled)
        put(self, "scenarios", ordered)
        put(self, "otherwise", chosen)
        put(self, "name", checked_text(name, "the name of a policy"))
        put(self, "preferences", Preferences(timeouts, max_attempts, on_interrupt, on_refusal, hedge))

    @classmethod
    def default(cls) -> Policy:
        """Return the policy of a router that was given none: the cheapest eligible within six points of the best."""
        return cls(default=Scenario(floor=Within(GAP), prefer=cheapest))

    @property
    def tasks(self) -> frozenset[str]:
        """Tasks a call may name: the standard ones, and all that a rule or scenario names."""
        parts: tuple[Rule | Scenario, ...] = (*self.rules, *self.scenarios)
        declared = (part.conditions.tasks or frozenset() for part in parts)
        return STANDARD_TASKS.union(*declared)

    @property
    def hedges(self) -> bool:
        """Whether some of its requests may run attempts beside each other."""
        parts: tuple[Policy | Scenario, ...] = (self, *self.scenarios, self.otherwise)
        return any(isinstance(part.preferences.hedge, Hedge) for part in parts)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What a linter would say, as far as it shows without a catalog; a compiled policy says more."""
        found = list(_unreachable(self.scenarios))
        for scenario in (*self.scenarios, self.otherwise):
            if not scenario.has_floor and strongest not in scenario.prefer:
                label = scenario.name or DEFAULT
                found.append(
                    Finding(
                        "no_floor",
                        f"Scenario {label!r} has no floor, so the weakest target may win.",
                        "Give it floor=... (a score, or Within(6)).",
                    )
                )
        return tuple(found)

    @property
    def digest(self) -> str:
        """Twelve hex digits of its repr: equal policies have equal digests, on any machine."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:12]

    def compile(self, candidates: Sequence[Candidate], catalog: Catalog) -> CompiledPolicy:
        """Return the policy ready to decide among `candidates`, everything precomputed that no request changes.

        Raises `UnknownNameError` for names the catalog does not know, `ConfigurationError` for a ceiling under which no
        candidate has a price.
        """
        from modelroute.policy.compiled import CompiledPolicy

        return CompiledPolicy(self, candidates, catalog)

    def __repr__(self) -> str:
        parts = [f"rules=[{', '.join(map(repr, self.rules))}]"] if self.rules else []
        parts += [f"scenarios=[{', '.join(map(repr, self.scenarios))}]"] if self.scenarios else []
        parts.append(f"default={self.otherwise!r}")
        parts += [f"name={self.name!r}"] if self.name else []
        return f"Policy({', '.join([*parts, *self.preferences.arguments()])})"


def _all(parts: Iterable[Part] | None, kind: type[Part], argument: str) -> tuple[Part, ...]:
    if parts is None:
        return ()
    if isinstance(parts, Rule | Scenario):
        raise ConfigurationError(f"{argument} must be a list; wrap the single {type(parts).__name__} in one")
    checked = listed(parts)
    if checked is None:
        raise ConfigurationError(f"{argument} must be a list such as [{kind.__name__}(...)], not {shown(parts)}")
    for part in checked:
        if not isinstance(part, kind):
            raise ConfigurationError(f"{argument} must hold only {kind.__name__}(...), not {type(part).__name__}")
    return cast("tuple[Part, ...]", checked)


def _check_names(scenarios: Sequence[Scenario], default: str) -> None:
    seen: set[str] = set()
    for position, scenario in enumerate(scenarios):
        if not scenario.name:
            raise ConfigurationError(
                f"scenarios[{position}] has no name; a decision names its scenario: Scenario('name', ...)"
            )
        if scenario.name in seen or scenario.name == default:
            reserved = " (it names the default scenario)" if scenario.name == default else ""
            raise ConfigurationError(f"the scenario name {scenario.name!r} is used twice{reserved}; rename one")
        seen.add(scenario.name)


def _unreachable(scenarios: Sequence[Scenario]) -> Iterable[Finding]:
    for position, scenario in enumerate(scenarios):
        earlier = next((one for one in scenarios[:position] if one.conditions.covers(scenario.conditions)), None)
        if earlier is not None:
            yield Finding(
                "unreachable",
                f"Scenario {scenario.name!r} is never used: {earlier.name!r} before it matches all that it matches.",
                "Put it earlier, or narrow the one before.",
            )
