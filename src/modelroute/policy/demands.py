"""What a rule or scenario demands: floors, ceilings and allowed sets as they are typed, read into one value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from modelroute.catalog.declared import is_count, listed
from modelroute.errors import ConfigurationError, shown
from modelroute.money import Money, MoneyLike
from modelroute.policy.naming import jurisdictions_of, names_of, shown_names
from modelroute.types.constraints import INTELLIGENCE, Constraints, Floor

__all__ = ["FloorLike", "Names", "Within", "arguments", "in_words", "read", "read_floors"]

Names: TypeAlias = str | Iterable[str] | None
"""One name, several, or `None` for no constraint."""


@dataclass(frozen=True, slots=True)
class Within:
    """A floor relative to the best: at most `points` below the best score among the targets this request could use.

    The best is looked for among the targets the router holds that satisfy every other constraint but the ceiling, so
    that a lower ceiling does not lower the bar. Where none of them has a score there is no best, and nothing is ruled
    out.
    """

    points: float
    scale: str = INTELLIGENCE
    estimated: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.points, bool) or not isinstance(self.points, int | float) or not 0 <= self.points < 1e9:
            raise ConfigurationError(f"Within needs a number of points that is not negative, not {shown(self.points)}")
        _check_scaled(self)

    def __repr__(self) -> str:
        return "Within(" + _scaled(self.points, self.scale, self.estimated) + ")"


FloorLike: TypeAlias = float | Floor | Within | Mapping[str, float] | Sequence[float | Floor | Within] | None
"""A number on `intelligence`, a `Floor`, a `Within`, scores by scale, several of these, or `None`."""


def read(
    *,
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
) -> tuple[Constraints, tuple[Within, ...]]:
    """Return the constraints as typed, and the floors that are relative.

    Raises `ConfigurationError` for what cannot be meant: a negative ceiling, an empty set of allowed names, no number.
    """
    floors, within = read_floors(floor)
    if min_context is not None and not is_count(min_context, 1):
        raise ConfigurationError(f"min_context must be a number of tokens, not {shown(min_context)}")
    if not isinstance(allow_unbounded, bool):
        raise ConfigurationError(f"allow_unbounded must be True or False, not {shown(allow_unbounded)}")
    constraints = Constraints(
        floors=floors,
        max_cost=None if max_cost is None else Money(max_cost),
        needs=names_of(needs, "needs") or frozenset(),
        jurisdictions=_some(jurisdictions_of(jurisdictions), "jurisdictions"),
        licences=_some(names_of(licences, "licences"), "licences"),
        vendors=_some(names_of(vendors, "vendors"), "vendors"),
        providers=_some(names_of(providers, "providers"), "providers"),
        without=names_of(without, "without") or frozenset(),
        allow_unbounded=allow_unbounded,
        min_context=min_context,
    )
    return constraints, within


def read_floors(floor: FloorLike) -> tuple[tuple[Floor, ...], tuple[Within, ...]]:
    """Return absolute and relative floors; raises `ConfigurationError` for what is no floor."""
    if floor is None:
        return (), ()
    if isinstance(floor, Mapping):
        return tuple(Floor(value, scale=_scale(scale)) for scale, value in floor.items()), ()
    several = listed(floor)
    parts = (floor,) if several is None else several
    floors: list[Floor] = []
    within: list[Within] = []
    for part in parts:
        if isinstance(part, Within):
            within.append(part)
        elif isinstance(part, Floor):
            _check_scaled(part)
            floors.append(part)
        elif isinstance(part, int | float) and not isinstance(part, bool):
            floors.append(Floor(part))
        else:
            raise ConfigurationError(
                f"floor={shown(part)} is no floor. "
                "Write 54, Floor(54, estimated=False), {'arena_coding': 1500} or Within(6)."
            )
    return tuple(floors), tuple(within)


def arguments(constraints: Constraints, within: tuple[Within, ...] = ()) -> Iterable[str]:
    """Yield the keyword arguments that state these constraints, for a repr one can read."""
    floors = [_floor_argument(floor) for floor in constraints.floors] + [repr(relative) for relative in within]
    if floors:
        yield "floor=" + (floors[0] if len(floors) == 1 else "[" + ", ".join(floors) + "]")
    if constraints.max_cost is not None:
        yield f"max_cost='{constraints.max_cost.dollars.normalize():f}'"
    if constraints.needs:
        yield f"needs={shown_names(constraints.needs)}"
    for name in ("jurisdictions", "licences", "vendors", "providers"):
        allowed: frozenset[str] | None = getattr(constraints, name)
        if allowed is not None:
            yield f"{name}={shown_names(allowed)}"
    if constraints.without:
        yield f"without={shown_names(constraints.without)}"
    if constraints.allow_unbounded:
        yield "allow_unbounded=True"
    if constraints.min_context is not None:
        yield f"min_context={constraints.min_context}"


def in_words(constraints: Constraints, within: tuple[Within, ...] = ()) -> str:
    """Return what had to hold as a decision says it: ``"floor 50, ceiling $0.02, needs tools"``; ``""`` for nothing."""
    parts = [_floor_words(floor) for floor in constraints.floors]
    parts += [f"floor within {relative.points:g} of the best{_on(relative.scale)}" for relative in within]
    if constraints.max_cost is not None:
        parts.append(f"ceiling {constraints.max_cost}")
    if constraints.needs:
        parts.append("needs " + "+".join(sorted(constraints.needs)))
    for word, allowed in (
        ("jurisdiction", constraints.jurisdictions),
        ("licence", constraints.licences),
        ("vendor", constraints.vendors),
        ("provider", constraints.providers),
    ):
        if allowed is not None:
            parts.append(
                f"{word} " + ("/".join(sorted(allowed)) if allowed else "none (nothing is left of the allowed sets)")
            )
    if constraints.without:
        parts.append("without " + "/".join(sorted(constraints.without)))
    if constraints.min_context is not None:
        parts.append(f"context {constraints.min_context}")
    return ", ".join(parts)


def _floor_words(floor: Floor) -> str:
    return f"floor {floor.value:g}" + _on(floor.scale) + ("" if floor.estimated else " quoted")


def _on(scale: str) -> str:
    return "" if scale == INTELLIGENCE else f" on {scale}"


def _floor_argument(floor: Floor) -> str:
    if floor.scale == INTELLIGENCE and floor.estimated:
        return _number(floor.value)
    return "Floor(" + _scaled(floor.value, floor.scale, floor.estimated) + ")"


def _scaled(number: float, scale: str, estimated: bool) -> str:
    parts = [_number(number)]
    if scale != INTELLIGENCE:
        parts.append(f"scale={scale!r}")
    if not estimated:
        parts.append("estimated=False")
    return ", ".join(parts)


def _number(value: float) -> str:
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def _scale(scale: object) -> str:
    if not isinstance(scale, str) or not scale:
        raise ConfigurationError(f"a floor by scale maps a scale's name to a score; {shown(scale)} is no name")
    return scale


def _check_scaled(floor: Floor | Within) -> None:
    _scale(floor.scale)
    if not isinstance(floor.estimated, bool):
        raise ConfigurationError(
            f"{type(floor).__name__}(estimated=...) is True or False, not {shown(floor.estimated)}"
        )


def _some(names: frozenset[str] | None, argument: str) -> frozenset[str] | None:
    if names is not None and not names:
        raise ConfigurationError(
            f"{argument} is an empty set, which no target could satisfy; leave it out to allow any"
        )
    return names
