"""What `embed` gives: vectors, with everything that explains where they came from and what they cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from modelroute.errors import RequestError

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterator

    from modelroute.money import Money
    from modelroute.types.attempt import Attempt
    from modelroute.types.decision import Decision
    from modelroute.types.usage import Usage

__all__ = ["Embeddings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Embeddings:
    """The vectors of the texts that were given, in their order.

    `len`, indexing and iteration are those of `vectors`.

    - `vectors`: one `array('f')` for each text: as compact as the provider's own numbers, which are of single
      precision. `numpy.asarray` takes one without a copy, `list` makes plain floats of it.
    - `dimensions`: how many numbers each has.
    - `model` and `target` that answered. Vectors of two models cannot be compared, whatever their length.
    - `usage`; `cost` of the whole request, failed attempts included; `cost_basis`, `attempts` and `decision` as of a
      `Reply`. `id`, `served_model`: as the provider reported them, empty when it did not.
    """

    vectors: tuple[array[float], ...] = field(repr=False)
    dimensions: int
    target: str
    model: str
    cost: Money
    cost_basis: str
    usage: Usage | None
    attempts: tuple[Attempt, ...] = field(repr=False)
    decision: Decision = field(repr=False)
    id: str = ""
    served_model: str = ""

    @property
    def vector(self) -> array[float]:
        """The vector of the only text. Raises `RequestError` where several were given."""
        if len(self.vectors) != 1:
            raise RequestError(f".vector is for one text, and {len(self.vectors)} were given: use .vectors")
        return self.vectors[0]

    def __len__(self) -> int:
        return len(self.vectors)

    def __iter__(self) -> Iterator[array[float]]:
        return iter(self.vectors)

    def __getitem__(self, place: int) -> array[float]:
        return self.vectors[place]
