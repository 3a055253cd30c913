"""What the caller gets: a `Reply`, with everything that explains it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelroute.money import Money
    from modelroute.types.attempt import Attempt
    from modelroute.types.decision import Decision
    from modelroute.types.logprobs import TokenLogprob
    from modelroute.types.usage import Usage

__all__ = ["Parsed", "Partial", "Reply", "ToolCall"]

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the model wants called. `arguments` is the JSON text as the model wrote it; it may be malformed."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer.

    - `text` (empty when the model only called tools), `reasoning` (what it showed of its thinking), `tool_calls`.
    - `finish`: ``stop``, ``length``, ``tool_calls``; there is no reply without one.
    - `message`: append it to the conversation to go on. OpenAI-shaped, plus one key ``modelroute`` with what its own
      provider wants back (signatures, reasoning); JSON-serialisable.
    - `usage`; `cost` of the whole request, failed attempts included; `cost_basis`: ``"catalog 2026-10-09"``,
      ``"provider"``, ``"estimate"`` or, where an outcome stayed unknown, ``"reservation"``.
    - `target` and `model` that answered, `attempts` in order, `decision` that was executed.
    - `capped_by`: what lowered the output cap below the caller's (``"max_cost"``, ``"budget"``), else `None`.
    - `left_out`: parameters named in ``optional=`` that the target was not sent, since it refuses them;
      ``"effort=high"``: it was sent that effort in place of the one asked for, which it does not know.
    - `degraded`: an event of the stream made no sense and was skipped.
    - `logprobs`: how probable each token of the text was, where ``logprobs=True`` asked for it and the provider told;
      else `None`, as in a `degraded` reply.
    - `raw`: the body as the provider sent it, for what has no field here (fingerprints, timings); empty beyond 1 MiB.
    - `id`, `served_model`: as the provider reported them. `conversation`: as the caller named it.
    - `replayed`: it was stored under the call's `idempotency_key`; `cost` is what the first call cost, and nothing was
      charged again.
    """

    text: str
    message: Mapping[str, object]
    finish: str
    target: str
    model: str
    cost: Money
    cost_basis: str
    attempts: tuple[Attempt, ...]
    decision: Decision
    usage: Usage | None
    reasoning: str = ""
    refusal: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    capped_by: str | None = None
    left_out: tuple[str, ...] = ()
    degraded: bool = False
    logprobs: tuple[TokenLogprob, ...] | None = field(default=None, repr=False)
    raw: bytes = field(default=b"", repr=False)
    id: str = ""
    served_model: str = ""
    conversation: str = ""
    replayed: bool = False

    def __str__(self) -> str:
        """The answer's text."""
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed(Reply, Generic[T_co]):
    """A `Reply` whose text was validated: `value` is the instance."""

    value: T_co


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """What had arrived when a stream broke. Not an answer: it has no finish reason."""

    text: str
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    target: str = ""
