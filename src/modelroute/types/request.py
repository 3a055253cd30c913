"""One call by the user, as it will be offered to every target: immutable, checked, with OpenAI's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelroute.types.messages import Message

__all__ = ["Embedding", "JsonSchema", "Request"]


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """The schema the answer must fit: a name for the wire and a JSON Schema object."""

    name: str
    schema: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Embedding:
    """Vectors are asked for in place of an answer: one of each message's text.

    `dimensions`: how many numbers each is to have, `None` for as many as the model gives.
    """

    dimensions: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, without where it goes.

    `output_cap`: the caller's own limit on output tokens (`max_completion_tokens` or `max_tokens`), `None` for none.
    `tools`, `tool_choice`: as OpenAI writes them. `schema`: structured output wanted. `effort`: how hard to reason.
    `parameters`: every other parameter by OpenAI's name; what we do not know passes through unread.
    `optional`: names of parameters to leave out where a target refuses them, ``effort`` and ``tool_choice`` included.
    `embedding`: vectors are wanted, one of each of `messages`, and no answer.
    """

    messages: tuple[Message, ...]
    output_cap: int | None = None
    tools: tuple[Mapping[str, object], ...] = ()
    tool_choice: str | Mapping[str, object] | None = None
    schema: JsonSchema | None = None
    effort: str | None = None
    parameters: Mapping[str, object] = field(default_factory=dict[str, object])
    optional: frozenset[str] = frozenset()
    embedding: Embedding | None = None
