"""What a stream says: events for the caller, and reports that stay inside.

Decoders turn bytes into both kinds; `Stream` hands the public ones on: `TextDelta`, `ReasoningDelta`, `ToolCallDelta`
and, where a call asked for it, `Restarted`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from array import array
    from collections.abc import Mapping

    from modelroute.types.failure import Failure
    from modelroute.types.logprobs import TokenLogprob
    from modelroute.types.usage import Usage

__all__ = [
    "Blocks",
    "Content",
    "Ended",
    "Fault",
    "Finish",
    "Logprobs",
    "ReasoningDelta",
    "Refusal",
    "Restarted",
    "ServedBy",
    "Skipped",
    "StreamEvent",
    "TextDelta",
    "ToolCallDelta",
    "UsageReport",
    "Vectors",
    "WireEvent",
]


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the answer's text. Never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """The next piece of visible reasoning. Never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """The next piece of a tool call.

    `index` numbers the calls of this answer from 0, whatever the provider's own numbering. The first delta of a call
    carries `id` (never empty; made up when the provider gives none); `name` comes once; `arguments` pieces concatenate.
    """

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Restarted:
    """All that was handed over before is void: what follows is another attempt's answer, from its beginning.

    Only with ``on_interrupt="restart"``. It comes together with the first content of `target`, whose attempt is number
    `attempt` of ``reply.attempts``. `failure`: what broke the attempt whose words are void.
    """

    target: str
    failure: Failure
    attempt: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Words in which the model declined (OpenAI's `refusal` field)."""

    text: str


@dataclass(frozen=True, slots=True)
class UsageReport:
    """The usage so far; a later report replaces an earlier one, never adds to it."""

    usage: Usage


@dataclass(frozen=True, slots=True)
class Finish:
    """The model is done. `reason`: stop, length, tool_calls, content_filter, refusal; `raw` is the provider's word."""

    reason: str
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Blocks:
    """Opaque parts that this provider wants back with the next request (signatures, reasoning): in `reply.message`."""

    blocks: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Logprobs:
    """How probable the next tokens of the answer were, and what else could have stood there."""

    tokens: tuple[TokenLogprob, ...]


@dataclass(frozen=True, slots=True)
class Vectors:
    """The embeddings of all texts that were sent, in their order: of finite numbers, all equally long, none empty."""

    vectors: tuple[array[float], ...]


@dataclass(frozen=True, slots=True)
class ServedBy:
    """The response's own id and the model name it reports (which may differ from what was asked)."""

    id: str
    model: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """One event of the wire made no sense and was left out; the reply will say `degraded`."""

    why: str


@dataclass(frozen=True, slots=True)
class Fault:
    """The stream failed. Nothing follows."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Ended:
    """The stream ended as it should: a finish reason was seen. Nothing follows."""


Content: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta
"""What commits an attempt when handed to the caller."""

StreamEvent: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta | Restarted
"""What iterating a `Stream` yields."""

WireEvent: TypeAlias = (
    TextDelta
    | ReasoningDelta
    | ToolCallDelta
    | Refusal
    | UsageReport
    | Finish
    | Blocks
    | Logprobs
    | Vectors
    | ServedBy
    | Skipped
    | Fault
    | Ended
)
"""All that a decoder may say."""
