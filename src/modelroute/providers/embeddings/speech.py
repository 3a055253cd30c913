"""What a response with vectors says: all of it at once, and nothing unless every text has its vector."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelroute.providers.embeddings.vectors import as_vectors
from modelroute.providers.errors import failure_inside, inside
from modelroute.providers.shape import a_mapping
from modelroute.types.events import Finish, ServedBy, UsageReport, Vectors
from modelroute.types.failure import Failure, Kind
from modelroute.wire.envelope import parse_error
from modelroute.wire.errors import GarbledError
from modelroute.wire.fields import as_text

if TYPE_CHECKING:
    from modelroute.types.events import WireEvent
    from modelroute.types.usage import Usage

__all__ = ["Expected", "VectorSpeech"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What an answer must hold: the vectors of `count` texts, each of `dimensions` numbers where that was asked for.

    `entries(answer, count)`: the raw vectors in the order of the texts. `usage(answer)`: what was billed.
    """

    count: int
    dimensions: int | None
    entries: Callable[[Mapping[str, object], int], Sequence[object]]
    usage: Callable[[Mapping[str, object]], Usage | None]


class VectorSpeech:
    """A `Speech`: one body. What was billed is told even of vectors that cannot be used."""

    __slots__ = ("_expected", "_speaker", "ended", "finished", "tool_open")

    def __init__(self, speaker: str, expected: Expected) -> None:
        self._speaker = speaker
        self._expected = expected
        self.finished = self.ended = self.tool_open = False

    def take(self, value: object, name: str, out: list[WireEvent]) -> Failure | None:
        """Take an event of a stream, which was not asked for and can only be an error."""
        del out
        failure = failure_inside(self._speaker, value, is_error=name == "error")
        if failure is None:
            raise GarbledError("an event stream in place of vectors")
        return failure

    def body(self, value: object, out: list[WireEvent]) -> Failure | None:
        """Take the whole body; some put an error in a list."""
        failure = failure_inside(self._speaker, value)
        if failure is not None:
            return failure
        answer, expected = a_mapping(value, "an answer"), self._expected
        out.append(ServedBy(as_text(answer.get("id")), as_text(answer.get("model"))))
        try:
            vectors = as_vectors(expected.entries(answer, expected.count), expected.dimensions)
        except GarbledError as error:
            failure = Failure(Kind.GARBLED, str(error), status=200)
        else:
            out.append(Vectors(vectors))
        self.finished = True
        out.append(Finish("stop"))
        usage = expected.usage(answer)
        if usage is not None:
            out.append(UsageReport(usage))
        return failure

    def last(self, out: list[WireEvent]) -> None:
        """Nothing is known later."""

    def failed(self, text: str) -> Failure:
        """Return the failure of an error event that is not JSON."""
        return inside(self._speaker, parse_error(text))
