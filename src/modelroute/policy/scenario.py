"""A scenario: a way to choose, with floor, ceiling, needs and objective. The first that matches is used."""

from __future__ import annotations

from dataclasses import dataclass

from modelroute.catalog.declared import is_count
from modelroute.errors import ConfigurationError, shown
from modelroute.money import MoneyLike
from modelroute.policy.conditions import Conditions, When
from modelroute.policy.demands import FloorLike, Names, Within, arguments, read
from modelroute.policy.naming import checked_text, names_of
from modelroute.policy.objective import Element, Prefer, as_typed, best_value, cheapest, elements_of
from modelroute.types.constraints import INTELLIGENCE, Constraints
from modelroute.types.hedge import HedgeLike, hedge_from
from modelroute.types.timeouts import Timeouts

__all__ = ["ON_INTERRUPT", "Preferences", "Scenario"]

ON_INTERRUPT = ("raise", "buffer", "restart")
"""What may happen when a stream breaks after content was handed over."""

ON_REFUSAL = ("raise", "fallback")
"""What may happen when a model declines to answer: that is the answer, or another target is asked."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """How a request is carried out, as far as policy or scenario says; `None` leaves it to the next or the default."""

    timeouts: Timeouts | None = None
    max_attempts: int | None = None
    on_interrupt: str | None = None
    on_refusal: str | None = None
    hedge: HedgeLike = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "hedge", hedge_from(self.hedge))
        attempts = self.max_attempts
        if attempts is not None and not is_count(attempts, 1):
            raise ConfigurationError(f"max_attempts must be a whole number of at least 1, not {shown(attempts)}")
        mode = self.on_interrupt
        if mode is not None and not (isinstance(mode, str) and mode in ON_INTERRUPT):
            raise ConfigurationError(f"on_interrupt={shown(mode)} must be one of {', '.join(ON_INTERRUPT)}")
        if self.on_refusal is not None and self.on_refusal not in ON_REFUSAL:
            raise ConfigurationError(f"on_refusal={shown(self.on_refusal)} must be one of {', '.join(ON_REFUSAL)}")
        if self.timeouts is not None and not isinstance(self.timeouts, Timeouts):
            raise ConfigurationError(f"timeouts must be a Timeouts(...), not {type(self.timeouts).__name__}")

    def over(self, other: Preferences) -> Preferences:
        """Return these, with `other` where these say nothing."""
        return Preferences(
            timeouts=other.timeouts if self.timeouts is None else self.timeouts,
            max_attempts=other.max_attempts if self.max_attempts is None else self.max_attempts,
            on_interrupt=other.on_interrupt if self.on_interrupt is None else self.on_interrupt,
            on_refusal=other.on_refusal if self.on_refusal is None else self.on_refusal,
            hedge=other.hedge if self.hedge is None else self.hedge,
        )

    def arguments(self) -> list[str]:
        """Return the keyword arguments that state these preferences, for a repr one can read."""
        names = ("timeouts", "max_attempts", "on_interrupt", "on_refusal", "hedge")
        return [f"{name}={getattr(self, name)!r}" for name in names if getattr(self, name) is not None]


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Scenario:
    """How to choose a target for the requests it matches.

    ``Scenario("core-reasoning", task="reasoning", floor=57, prefer=strongest, max_cost=0.50)``

    Matches and demands as `Rule` does; `floor` may also be ``Within(6)``: at most six points below the best at hand.
    `prefer` orders what satisfies every constraint: `cheapest` (the default), `strongest`, `best_value` (needs a
    floor), `fastest`, the name of a model or target, a callable of an `Option`, or a sequence of these. `timeouts`,
    `max_attempts`, `on_interrupt`, `on_refusal` (``"fallback"`` asks another target when one declines), `hedge` (ask
    another target beside a slow one) are preferences: a call's own win over these, these over the policy's.

    Raises `ConfigurationError` for what cannot be meant.
    """

    name: str
    conditions: Conditions
    constraints: Constraints
    within: tuple[Within, ...]
    prefer: tuple[Element, ...]
    preferences: Preferences

    def __init__(
        self,
        name: str = "",
        *,
        task: Names = None,
        tag: Names = None,
        min_input_tokens: int | None = None,
        max_input_tokens: int | None = None,
        when_needs: Names = None,
        when: When | None = None,
        floor: FloorLike = None,
        max_cost: MoneyLike | None = None,
        needs: Names = None,
        jurisdictions: Names = None,
        licences: Names = None,
        vendors: Names = None,
        providers: Names = None,
        without: Names = None,
        allow_unbounded: bool = False,
        min_context: int | None = None,
        prefer: Prefer = cheapest,
        timeouts: Timeouts | None = None,
        max_attempts: int | None = None,
        on_interrupt: str | None = None,
        on_refusal: str | None = None,
        hedge: HedgeLike = None,
    ) -> None:
        checked_text(name, "the name of a scenario")
        conditions = Conditions(
            tasks=names_of(task, "task"),
            tags=names_of(tag, "tag"),
            min_input_tokens=min_input_tokens,
            max_input_tokens=max_input_tokens,
            needs=names_of(when_needs, "when_needs") or frozenset(),
            when=when,
        )
        constraints, within = read(
            floor=floor,
            max_cost=max_cost,
            needs=needs,
            jurisdictions=jurisdictions,
            licences=licences,
            vendors=vendors,
            providers=providers,
            without=without,
            allow_unbounded=allow_unbounded,
            min_context=min_context,
        )
        elements = elements_of(prefer)
        if best_value in elements and not constraints.floors and not within:
            raise ConfigurationError(
                f"Scenario({name!r}) prefers best_value without a floor: the weakest free model would always win. "
                "Add floor=... (a score, or Within(6))."
            )
        put = object.__setattr__
        put(self, "name", name)
        put(self, "conditions", conditions)
        put(self, "constraints", constraints)
        put(self, "within", within)
        put(self, "prefer", elements)
        put(self, "preferences", Preferences(timeouts, max_attempts, on_interrupt, on_refusal, hedge))

    @property
    def has_floor(self) -> bool:
        """Whether a score is demanded at all."""
        return bool(self.constraints.floors or self.within)

    @property
    def scale(self) -> str:
        """The scale its objective looks at: that of its first floor, else `intelligence`."""
        scales = [floor.scale for floor in self.constraints.floors] + [relative.scale for relative in self.within]
        return scales[0] if scales else INTELLIGENCE

    def __repr__(self) -> str:
        parts = [repr(self.name)] if self.name else []
        parts += [*self.conditions.arguments(), *arguments(self.constraints, self.within)]
        parts += [f"prefer={as_typed(self.prefer)}", *self.preferences.arguments()]
        return f"Scenario({', '.join(parts)})"
