"""What a call of `embed` may say, and what the vectors of one model must have in common."""

from __future__ import annotations

from array import array
from typing import Any

import pytest

from modelroute.engine.assembly import Assembly
from modelroute.errors import RequestError
from modelroute.runtime.embedding import MOST_TEXTS, Dimensions, embedding_from
from modelroute.types.events import Vectors
from modelroute.types.failure import Kind
from modelroute.types.request import Embedding


def read(inputs: Any, model: Any = "embed-small", dimensions: Any = None, **asking: Any) -> Any:  # noqa: ANN401
    return embedding_from(inputs, model, dimensions, asking)


def test_a_text_and_several() -> None:
    request, options = read("one")
    assert [message["content"] for message in request.messages] == ["one"]
    assert request.embedding == Embedding(None)
    assert options.model == "embed-small"
    request, _ = read((text for text in ("one", "two")), dimensions=256)
    assert [message["content"] for message in request.messages] == ["one", "two"]
    assert request.embedding == Embedding(256)


def test_what_is_sent_and_what_routes() -> None:
    request, options = read("one", user="ann", tags=["a"], deadline=3, extra_body={"input_type": "query", "x": None})
    assert request.parameters == {"user": "ann", "input_type": "query"}
    assert options.tags == {"a"}
    assert options.deadline == 3


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ([], "no text"),
        ("", "text 0 of embed.* is empty"),
        (["a", ""], "text 1 of embed.* is empty"),
        (["a", 7], "text 1 of embed.* each must be a text, not tokens"),
        ([[1, 2, 3]], "text 0 of embed.* not tokens"),
        (b"bytes", "takes a text or a list of texts"),
        ({"a": 1}, "takes a text or a list of texts"),
        (None, "takes a text or a list of texts"),
        (7, "takes a text or a list of texts"),
        (["x"] * (MOST_TEXTS + 1), "at most 2048 texts in one call, and these are 2049"),
    ],
)
def test_what_is_no_text(inputs: object, why: str) -> None:
    with pytest.raises(RequestError, match=why):
        read(inputs)


def test_as_many_as_fit() -> None:
    assert len(read(["x"] * MOST_TEXTS)[0].messages) == MOST_TEXTS


@pytest.mark.parametrize("model", [None, "", "auto", 7, ["embed-small"]])
def test_a_model_is_named(model: object) -> None:
    with pytest.raises(RequestError, match=r"model= of embed\(\) must name"):
        read("one", model)


@pytest.mark.parametrize("dimensions", [0, -1, 1.5, True, "256", 10**6])
def test_dimensions_are_a_number(dimensions: object) -> None:
    with pytest.raises(RequestError, match="dimensions="):
        read("one", dimensions=dimensions)


@pytest.mark.parametrize(
    ("asking", "why"),
    [
        ({"idempotency_key": "a"}, "only the replies of chat"),
        ({"encoding_format": "base64"}, "whatever form they travel"),
        ({"floor": 50}, "the model is named"),
        ({"stream": True}, "vectors come whole"),
        ({"budget": 3}, "Write max_cost="),
        ({"max_costs": 3}, "Did you mean 'max_cost'"),
        ({"temperature": 0}, "unknown option 'temperature' of embed.*extra_body"),
        ({"taskType": "x"}, "extra_body"),
        ({"extra_body": {"input": "x"}}, "cannot hold 'input'"),
        ({"extra_body": {"deadline": 3}}, "cannot hold 'deadline'"),
        ({"extra_body": {7: 3}}, "must be a mapping"),
        ({"extra_body": "x"}, "must be a mapping"),
        ({"deadline": -1}, "deadline= must be"),
        ({"max_cost": "much"}, "no amount|not an amount"),
    ],
)
def test_what_cannot_be_meant(asking: dict[str, object], why: str) -> None:
    with pytest.raises(RequestError, match=why):
        read("one", **asking)


def answer(*vectors: list[float]) -> Assembly:
    assembly = Assembly()
    assembly.take([Vectors(tuple(array("f", vector) for vector in vectors))])
    return assembly


def test_vectors_of_one_model_have_the_same_dimensions() -> None:
    known = Dimensions()
    assert known.check("small", None, 1, answer([1.0, 2.0])) is None
    assert known.check("small", None, 2, answer([1.0, 2.0], [3.0, 4.0])) is None
    failure = known.check("small", None, 1, answer([1.0, 2.0, 3.0]))
    assert failure is not None
    assert failure.kind is Kind.GARBLED
    assert failure.message == "vectors of 3 dimensions, and those of small had 2 here before"
    # Other dimensions that were asked for, and other models, have their own.
    assert known.check("small", 3, 1, answer([1.0, 2.0, 3.0])) is None
    assert known.check("large", None, 1, answer([1.0, 2.0, 3.0])) is None
    assert known.check("small", None, 1, answer([5.0, 6.0])) is None


def test_a_text_without_a_vector_is_no_answer() -> None:
    known = Dimensions()
    assert known.check("small", None, 1, Assembly()) is not None
    assert known.check("small", None, 2, answer([1.0])) is not None
