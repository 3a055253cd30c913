"""`Embeddings`: as handy as a list of vectors, and honest about which one is meant."""

from array import array

import pytest

from modelroute import Catalog, Embeddings, Policy, RequestError, Scenario
from modelroute.testing.script import Answer
from modelroute.testing.scripted import ScriptedRouter

TARGET = "small@mine"
OPEN = Policy(default=Scenario())


def embeddings(*vectors: list[float]) -> Embeddings:
    with ScriptedRouter({TARGET: [Answer("never mind")]}, policy=OPEN, catalog=Catalog()) as router:
        reply = router.chat("Hello")
    return Embeddings(
        vectors=tuple(array("f", vector) for vector in vectors),
        dimensions=len(vectors[0]),
        target=TARGET,
        model="small",
        cost=reply.cost,
        cost_basis=reply.cost_basis,
        usage=reply.usage,
        attempts=reply.attempts,
        decision=reply.decision,
    )


def test_it_is_its_vectors() -> None:
    found = embeddings([1.0, 2.0], [3.0, 4.0])
    assert len(found) == 2
    assert [list(vector) for vector in found] == [[1.0, 2.0], [3.0, 4.0]]
    assert list(found[-1]) == [3.0, 4.0]


def test_the_vector_of_the_only_text() -> None:
    assert list(embeddings([1.0, 2.0]).vector) == [1.0, 2.0]
    with pytest.raises(RequestError, match=r"2 were given: use \.vectors"):
        assert embeddings([1.0], [2.0]).vector


def test_a_vector_lends_its_memory() -> None:
    """What numpy.asarray builds on: single precision, no copy."""
    found = embeddings([1.0, 2.0], [3.0, 4.0])
    lent = memoryview(found[0])
    assert (lent.format, lent.shape) == ("f", (2,))
    found[0][0] = 9.0
    assert lent[0] == 9.0


def test_its_repr_holds_no_vector() -> None:
    assert "0.125" not in repr(embeddings([0.125] * 1_000))
    assert len(repr(embeddings([0.125] * 1_000))) < 1_000
