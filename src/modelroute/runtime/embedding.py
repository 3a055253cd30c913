"""From a call of `embed` to its plan and back to vectors: one more kind of request, on the same way as every other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict, cast

from modelroute.errors import RequestError, shown
from modelroute.runtime.calls import options_from
from modelroute.runtime.words import refuse_misspelled
from modelroute.types.embedding import Embeddings
from modelroute.types.facts import AUTO
from modelroute.types.failure import Failure, Kind
from modelroute.types.request import Embedding, Request

if TYPE_CHECKING:
    from modelroute.engine.assembly import Assembly
    from modelroute.engine.plan import Plan
    from modelroute.engine.route import Answered
    from modelroute.money import MoneyLike
    from modelroute.policy.objective import Prefer
    from modelroute.resilience.backoff import Retry
    from modelroute.runtime.core import Prepared, RouterCore
    from modelroute.runtime.options import CallOptions, Names
    from modelroute.types.reply import Reply
    from modelroute.types.timeouts import Timeouts

__all__ = ["MOST_TEXTS", "Dimensions", "EmbedAsking", "embedding_from", "embedding_plan", "embeddings_from"]

MOST_TEXTS = 2_048
"""Texts of one call, as many as OpenAI takes: more is refused here and not by a provider, after it was sent."""

_LARGEST = 65_536
"""Dimensions that no model has."""


class EmbedAsking(TypedDict, total=False):
    """The keywords of `embed` beside its model: how to route, whom it is for, and what to send unread."""

    task: str | None
    tags: Names
    max_cost: MoneyLike | None
    jurisdictions: Names | None
    licences: Names | None
    vendors: Names | None
    providers: Names | None
    without: Names
    allow_unbounded: bool
    prefer: Prefer | None
    deadline: float | None
    timeouts: Timeouts | None
    max_attempts: int | None
    retry: Retry | None
    user: str | None
    extra_body: Mapping[str, object] | None


_SENT = frozenset({"user", "extra_body"})
_KEYWORDS = frozenset(EmbedAsking.__annotations__)
_OURS = frozenset({"model", "input", "inputs", "dimensions", "content", "requests", "max_cost"})
_INSTEAD: Mapping[str, str] = {
    "idempotency_key": "only the replies of chat() and parse() are kept; the same text has the same vector",
    "encoding_format": "vectors come as numbers, in whatever form they travel",
    "input": "the texts are the first argument",
    "floor": "the model is named, and scores say nothing of vectors",
    "needs": "the model is named",
    "stream": "vectors come whole",
}


class Dimensions:
    """How many numbers the vectors of each model had, so that all of them have as many, whoever gives them."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[tuple[str, int | None], int] = {}

    def check(self, model: str, asked: int | None, texts: int, answer: Assembly) -> Failure | None:
        """Return why the vectors of a finished answer do not go with those before, or `None`. Thread-safe."""
        vectors = answer.vectors
        if len(vectors) != texts:
            return Failure(Kind.GARBLED, f"{len(vectors)} vectors for {texts} texts")
        has = len(vectors[0])
        usual = self._known.setdefault((model, asked), has)
        if has == usual:
            return None
        return Failure(Kind.GARBLED, f"vectors of {has} dimensions, and those of {model} had {usual} here before")


def embedding_from(
    inputs: str | Iterable[str], model: str, dimensions: int | None, asking: Mapping[str, object]
) -> tuple[Request, CallOptions]:
    """Return the request and the options that a call of `embed` states. Raises `RequestError`, and sends nothing."""
    for name in asking:
        if name in _INSTEAD:
            raise RequestError(f"{name}= is not for embed(): {_INSTEAD[name]}; leave it out")
    unknown = asking.keys() - _KEYWORDS
    if unknown:
        refuse_misspelled(unknown)
        raise RequestError(
            f"unknown option {min(unknown)!r} of embed(); what a provider takes beside texts and dimensions goes into "
            "extra_body={...}"
        )
    if not isinstance(model, str) or not model or model == AUTO:
        raise RequestError(
            f"model= of embed() must name a model or a target (model@provider), not {shown(model)}: vectors of "
            "different models cannot be compared, so none is chosen for you"
        )
    routing = {name: value for name, value in asking.items() if name not in _SENT}
    request = Request(
        messages=tuple({"role": "user", "content": text} for text in _texts(inputs)),
        parameters=_parameters(asking),
        embedding=Embedding(_dimensions(dimensions)),
    )
    return request, options_from(model=model, **routing)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def embedding_plan(core: RouterCore, prepared: Prepared) -> Plan:
    """Return the plan of a prepared request for vectors: like any other, but its answer is measured, not remembered."""
    plan = core.plan(prepared, streaming=False)
    embedding, model = prepared.request.embedding, plan.decision.ranked[0].model
    asked = None if embedding is None else embedding.dimensions
    texts = len(prepared.request.messages)

    def check(answer: Assembly) -> Failure | None:
        return core.dimensions.check(model, asked, texts, answer)

    return replace(plan, check=check, answered=_no_conversation)


def embeddings_from(answered: Answered) -> Embeddings:
    """Return what the caller gets."""
    reply, vectors = answered.reply, answered.vectors
    return Embeddings(
        vectors=vectors,
        dimensions=len(vectors[0]),
        target=reply.target,
        model=reply.model,
        cost=reply.cost,
        cost_basis=reply.cost_basis,
        usage=reply.usage,
        attempts=reply.attempts,
        decision=reply.decision,
        id=reply.id,
        served_model=reply.served_model,
    )


def _no_conversation(_reply: Reply) -> None:
    """Texts that were embedded are no conversation that could go on."""


def _texts(inputs: object) -> list[str]:
    listed: list[object]
    kind = type(inputs).__name__
    if isinstance(inputs, str):
        listed = [inputs]
    elif isinstance(inputs, bytes | bytearray | Mapping) or not isinstance(inputs, Iterable):
        raise RequestError(f"embed() takes a text or a list of texts, not {kind}")
    else:
        listed = list(cast("Iterable[object]", inputs))
    if not listed:
        raise RequestError("embed() was given no text")
    if len(listed) > MOST_TEXTS:
        raise RequestError(
            f"embed() takes at most {MOST_TEXTS} texts in one call, and these are {len(listed)}: "
            "call it with one batch after the other"
        )
    texts: list[str] = []
    for place, text in enumerate(listed):
        if not isinstance(text, str):
            raise RequestError(f"text {place} of embed() is {shown(text)}: each must be a text, not tokens")
        if not text:
            raise RequestError(f"text {place} of embed() is empty, and nothing has no vector: leave it out")
        texts.append(text)
    return texts


def _dimensions(value: object) -> int | None:
    if value is None or (type(value) is int and 0 < value <= _LARGEST):
        return value
    raise RequestError(f"dimensions= must be a whole number of at least 1, such as 256, not {shown(value)}")


def _parameters(asking: Mapping[str, object]) -> Mapping[str, object]:
    extra, user = asking.get("extra_body"), asking.get("user")
    sent: dict[str, object] = {} if user is None else {"user": user}
    if extra is None:
        return sent
    if not isinstance(extra, Mapping) or not all(isinstance(name, str) for name in cast("Iterable[object]", extra)):
        raise RequestError("extra_body= must be a mapping of parameters to send as they are, by name")
    written = cast("Mapping[str, object]", extra)
    taken = sorted(written.keys() & (_OURS | _KEYWORDS))
    if taken:
        raise RequestError(f"extra_body= cannot hold {taken[0]!r}: that is an argument of embed() itself")
    return {**sent, **{name: value for name, value in written.items() if value is not None}}
