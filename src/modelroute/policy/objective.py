"""What orders the eligible targets: objectives, names, callables, or several of them one after another.

An objective is a key on a fixed grid, compared before the next key and never added to it. A sum of normalised numbers
would depend on who else is in the comparison; a key does not, so an irrelevant target never changes the winner.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from modelroute.catalog.model import Model
from modelroute.errors import ConfigurationError, shown
from modelroute.money import Money
from modelroute.policy.naming import label
from modelroute.policy.scoring import score_of
from modelroute.types.constraints import INTELLIGENCE

__all__ = [
    "Chooser",
    "Element",
    "Objective",
    "Option",
    "Prefer",
    "as_typed",
    "best_value",
    "cheapest",
    "elements_of",
    "fastest",
    "in_words",
    "strongest",
]


class Objective(Enum):
    """An order of preference.

    - `cheapest`: least estimated cost of this request, in 5 % steps.
    - `strongest`: highest score on the scenario's scale.
    - `best_value`: most points per dollar of this request, in 5 % steps; what is free comes first. Needs a floor, below
      which no price is a bargain.
    - `fastest`: least median seconds to the first token seen in own traffic, in 5 % steps.

    What an objective needs and does not know ranks last. Ties go to the cheaper, then the stronger, then by name.
    """

    CHEAPEST = "cheapest"
    STRONGEST = "strongest"
    BEST_VALUE = "best_value"
    FASTEST = "fastest"

    def __repr__(self) -> str:
        return self.value

    def __str__(self) -> str:
        return self.value


cheapest = Objective.CHEAPEST
strongest = Objective.STRONGEST
best_value = Objective.BEST_VALUE
fastest = Objective.FASTEST


@dataclass(frozen=True, slots=True)
class Option:
    """An eligible target as a callable objective sees it.

    `estimate`: what this request is expected to cost there, `None` without a price. `input_tokens`, `output_tokens`:
    the estimate's. `latency`: median seconds to the first token, `None` when unknown. `effort`: as the caller asked.
    `about`: the catalog's row for the model.
    """

    target: str
    model: str
    provider: str
    vendor: str
    estimate: Money | None
    input_tokens: int
    output_tokens: int
    context_window: int | None
    latency: float | None
    features: frozenset[str]
    effort: str | None
    about: Model

    def score(self, scale: str = INTELLIGENCE) -> float | None:
        """Return the model's score on `scale`, quoted or estimated; `None` without one."""
        found = score_of(self.about, scale, effort=self.effort, estimated=True)
        return None if found is None else found.value


Chooser: TypeAlias = Callable[[Option], object]
"""An objective of your own: the option with the least key is preferred. Keys must compare with each other."""

Element: TypeAlias = Objective | str | Chooser
"""One step of a preference: an objective, the name of a target or model that comes first, or a callable."""

Prefer: TypeAlias = Element | Sequence[Element]
"""What a scenario or a call prefers: one element, or several, each deciding between what the ones before left equal."""


def elements_of(prefer: Prefer) -> tuple[Element, ...]:
    """Return a preference as its elements; an objective's name as text counts as the objective.

    Raises `ConfigurationError` for what is no preference.
    """
    if isinstance(prefer, str | Objective) or callable(prefer):
        return (_element(prefer),)
    if not isinstance(prefer, Sequence):
        raise ConfigurationError(_not_a_preference(prefer))
    if not prefer:
        raise ConfigurationError("prefer is empty: name an objective (cheapest, strongest, best_value, fastest)")
    return tuple(_element(part) for part in prefer)


def _element(part: Element) -> Element:
    if isinstance(part, str):
        if not part.strip():
            raise ConfigurationError("prefer holds an empty name")
        return next((objective for objective in Objective if objective.value == part), part)
    if isinstance(part, Objective) or callable(part):
        return part
    raise ConfigurationError(_not_a_preference(part))


def _not_a_preference(value: object) -> str:
    return (
        f"prefer={shown(value)} is no preference. Use cheapest, strongest, best_value, fastest, "
        "the name of a model or target, a callable of an Option, or a sequence of these."
    )


def as_typed(elements: Sequence[Element]) -> str:
    """Return elements as they are typed in a policy."""
    texts = [label(part) if callable(part) else repr(part) for part in elements]
    return texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"


def in_words(elements: Sequence[Element]) -> str:
    """Return elements as a decision says them: ``"cheapest"``, ``"strongest, then cheapest"``."""
    return ", then ".join(label(part).strip("<>") if callable(part) else _word(part) for part in elements)


def _word(part: Objective | str) -> str:
    if isinstance(part, Objective):
        return "best value" if part is best_value else part.value
    return part
