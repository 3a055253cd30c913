"""Hard constraints as one value: what rules, scenarios, `with_options` and a call each add. Together they intersect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelroute.errors import ConfigurationError

if TYPE_CHECKING:
    from modelroute.money import Money

__all__ = ["INTELLIGENCE", "Constraints", "Floor"]

INTELLIGENCE = "intelligence"
"""The scale a bare number names: the index as the article quotes it."""


@dataclass(frozen=True, slots=True)
class Floor:
    """The least score a target's model must have on a named scale.

    ``Floor(54)`` is on `intelligence` and accepts estimated scores; ``Floor(54, estimated=False)`` counts quoted ones
    only; ``Floor(1500, scale="arena_coding")`` names another scale.
    """

    value: float
    scale: str = INTELLIGENCE
    estimated: bool = True

    def __post_init__(self) -> None:
        number = self.value
        if isinstance(number, bool) or not isinstance(number, int | float) or not (-1e9 < number < 1e9):
            raise ConfigurationError(f"a floor must be a finite number, not {number!r}")


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a target must satisfy; nothing here is ever a preference. `None` means "no constraint of this kind".

    `floors`: all must hold. `max_cost`: most money the whole request may cost, every attempt included.
    `needs`: features of model and target, e.g. ``tools``, ``json_schema``, ``vision``, ``open_weights``, ``reasoning``.
    `jurisdictions`, `licences`, `vendors`, `providers`: allowed sets; an empty one, which is what two sets without a
    common name intersect to, allows nothing. `without`: names of targets, models or providers ruled out.
    `allow_unbounded`: accept targets and parameters whose cost cannot be bounded, under a ceiling.
    `min_context`: least context window, in tokens.
    """

    floors: tuple[Floor, ...] = ()
    max_cost: Money | None = None
    needs: frozenset[str] = frozenset()
    jurisdictions: frozenset[str] | None = None
    licences: frozenset[str] | None = None
    vendors: frozenset[str] | None = None
    providers: frozenset[str] | None = None
    without: frozenset[str] = frozenset()
    allow_unbounded: bool = False
    min_context: int | None = None

    def __post_init__(self) -> None:
        if self.max_cost is not None and self.max_cost.pico < 0:
            raise ConfigurationError(f"max_cost must not be negative, got {self.max_cost}")

    def __and__(self, other: Constraints) -> Constraints:
        """Return the intersection: least ceiling, highest floor per scale (quoted-only wins), all needs, common sets.

        `allow_unbounded` is a permission, not a constraint: either side may give it.
        """
        if other == NONE:
            return self
        if self == NONE:
            return other
        return Constraints(
            floors=_highest(self.floors + other.floors),
            max_cost=_least(self.max_cost, other.max_cost),
            needs=self.needs | other.needs,
            jurisdictions=_common(self.jurisdictions, other.jurisdictions),
            licences=_common(self.licences, other.licences),
            vendors=_common(self.vendors, other.vendors),
            providers=_common(self.providers, other.providers),
            without=self.without | other.without,
            allow_unbounded=self.allow_unbounded or other.allow_unbounded,
            min_context=max(self.min_context or 0, other.min_context or 0) or None,
        )


def _least(one: Money | None, other: Money | None) -> Money | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other, key=lambda money: money.pico)


def _common(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _highest(floors: tuple[Floor, ...]) -> tuple[Floor, ...]:
    """Keep the highest per (scale, estimated): a quoted-only floor and a higher estimated one both bind."""
    best: dict[tuple[str, bool], Floor] = {}
    for floor in floors:
        key = (floor.scale, floor.estimated)
        if key not in best or floor.value > best[key].value:
            best[key] = floor
    return tuple(best[key] for key in sorted(best))


NONE = Constraints()
"""No constraint at all."""
