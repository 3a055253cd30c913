"""How each dialect asks for vectors, and what its answers must hold: in any chunking, of any bytes."""

from __future__ import annotations

import base64
import json
import struct
from array import array
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog.model import Model, Target
from modelroute.providers.embeddings.embedder import EMBEDDERS, obstacle
from modelroute.providers.profiles import profile_named
from modelroute.types.events import Ended, Fault, Finish, ServedBy, UsageReport, Vectors, WireEvent
from modelroute.types.failure import Kind
from modelroute.types.request import Embedding, Request
from modelroute.types.usage import Usage

MODEL = Model("embed-small", features={"embedding"})  # type: ignore[arg-type]
TARGET = Target.of(MODEL, "somewhere", wire_name="vendor/embed-small")
OPENAI, GEMINI = EMBEDDERS["openai-chat"], EMBEDDERS["gemini"]


def asking(*texts: str, dimensions: int | None = None, **parameters: object) -> Request:
    return Request(
        messages=tuple({"role": "user", "content": text} for text in texts),
        parameters=parameters,
        embedding=Embedding(dimensions),
    )


def encoded(dialect: str, request: Request, profile: str = "compatible", target: Target = TARGET) -> dict[str, object]:
    body: dict[str, object] = json.loads(EMBEDDERS[dialect].encode(request, target, profile_named(profile)))
    return body


def heard(
    answer: object,
    texts: int = 1,
    dimensions: int | None = None,
    dialect: str = "openai-chat",
    cuts: Sequence[int] = (),
) -> list[WireEvent]:
    data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    request = asking(*["text"] * texts, dimensions=dimensions)
    decoder = EMBEDDERS[dialect].decoder(request, "somewhere", profile_named("compatible"))
    events: list[WireEvent] = []
    start = 0
    for cut in (*sorted(cuts), len(data)):
        events += decoder.feed(data[start:cut])
        start = max(start, cut)
    return events + decoder.end()


def openai(*vectors: object, indices: Sequence[object] | None = None, **more: object) -> dict[str, object]:
    numbers = range(len(vectors)) if indices is None else indices
    data = [{"object": "embedding", "index": at, "embedding": each} for at, each in zip(numbers, vectors, strict=True)]
    return {"object": "list", "data": data, "model": "embed-small-1", **more}


def the_failure(events: list[WireEvent]) -> str:
    last = events[-1]
    assert isinstance(last, Fault)
    assert not any(isinstance(event, Vectors) for event in events)
    assert last.failure.kind is Kind.GARBLED
    return last.failure.message


# ------------------------------------------------------------------------------------------------------------ OpenAI


def test_openai_is_asked_for_base64() -> None:
    asked = asking("one", "two", dimensions=256, user="ann")
    assert OPENAI.path(TARGET, asked) == "/embeddings"
    expected = {"model": "vendor/embed-small", "input": ["one", "two"], "dimensions": 256, "user": "ann"}
    assert encoded("openai-chat", asked, "openai") == {**expected, "encoding_format": "base64"}
    assert encoded("openai-chat", asked) == expected


def test_one_text_is_a_list_of_one() -> None:
    assert encoded("openai-chat", asking("one")) == {"model": "vendor/embed-small", "input": ["one"]}


def test_what_the_caller_sends_goes_before_what_we_would() -> None:
    assert encoded("openai-chat", asking("one", encoding_format="float"), "openai")["encoding_format"] == "float"


def test_an_answer_of_openai() -> None:
    two = base64.b64encode(struct.pack("<2f", 0.5, -0.25)).decode()
    events = heard(openai([1, 0.125], two, usage={"prompt_tokens": 7, "total_tokens": 7}), texts=2)
    assert events == [
        ServedBy("", "embed-small-1"),
        Vectors((array("f", [1, 0.125]), array("f", [0.5, -0.25]))),
        Finish("stop"),
        UsageReport(Usage(7, 0)),
        Ended(),
    ]


@given(st.permutations(range(6)))
def test_the_order_is_that_of_the_indices(order: Sequence[int]) -> None:
    events = heard(openai(*[[float(at)] for at in order], indices=order), texts=6)
    [vectors] = [event.vectors for event in events if isinstance(event, Vectors)]
    assert [vector[0] for vector in vectors] == [0, 1, 2, 3, 4, 5]


@given(st.lists(st.one_of(st.integers(-2, 5), st.none(), st.text(max_size=2), st.just(0.5)), min_size=2, max_size=4))
def test_indices_that_are_no_numbering_give_no_vectors(indices: list[object]) -> None:
    events = heard(openai(*[[1.0]] * len(indices), indices=indices), texts=len(indices))
    numbered = sorted(indices, key=str) == list(range(len(indices)))
    assert any(isinstance(event, Vectors) for event in events) is numbered


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (openai([1.0]), "1 vectors for 2 texts"),
        (openai([1.0], [1.0], [1.0]), "3 vectors for 2 texts"),
        (openai([1.0], [1.0], indices=[0, 0]), "two vectors of text 0"),
        (openai([1.0], [1.0], indices=[0, 2]), "its index is 2, of 2"),
        (openai([1.0], [1.0], indices=[None, None]), "its index is None"),
        (openai([1.0], [1.0], indices=[False, True]), "its index is False"),
        (openai([1.0], []), "a vector is empty"),
        (openai([1.0], [1.0, 2.0]), "the first has 1"),
        ({"data": {"0": [1.0]}}, "data is not a list"),
        ({"data": [[1.0], [2.0]]}, "an embedding is not an object"),
        ({"object": "list"}, "data is not a list"),
        ([[1.0], [2.0]], "not an object"),
        (b'{"data": [', "not JSON"),
        (b'{"data": [{"index": 0, "embedding": [NaN]}, {"index": 1, "embedding": [1]}]}', "not JSON"),
    ],
)
def test_an_answer_that_is_not_what_was_asked_for(answer: object, why: str) -> None:
    assert why in the_failure(heard(answer, texts=2))


def test_other_dimensions_than_asked_for() -> None:
    said = openai([1.0, 2.0], usage={"prompt_tokens": 3, "total_tokens": 3})
    events = heard(said, dimensions=3)
    assert "has 2 dimensions, and 3 were asked for" in the_failure(events)
    # It was computed and is billed: what it cost is known, and counts as final.
    assert events[1:3] == [Finish("stop"), UsageReport(Usage(3, 0))]


def test_one_vector_needs_no_index() -> None:
    assert Vectors((array("f", [1.0]),)) in heard({"data": [{"embedding": [1.0]}]})


@pytest.mark.parametrize(
    "usage", [None, {}, {"prompt_tokens": 0, "total_tokens": 0}, {"prompt_tokens": -3}, {"prompt_tokens": "7"}, [], 7]
)
def test_a_count_of_nothing_is_no_count(usage: object) -> None:
    events = heard(openai([1.0], usage=usage))
    assert isinstance(events[-1], Ended)
    assert not any(isinstance(event, UsageReport) for event in events)


def test_a_total_alone_is_the_prompt() -> None:
    assert UsageReport(Usage(9, 0)) in heard(openai([1.0], usage={"total_tokens": 9}))


def test_the_providers_own_cost() -> None:
    profile = profile_named("deepinfra")
    said = openai([1.0], usage={"prompt_tokens": 10, "total_tokens": 10, "estimated_cost": 0.0001})
    decoder = OPENAI.decoder(asking("x"), "deepinfra", profile)
    decoder.feed(json.dumps(said).encode())
    [usage] = [event.usage for event in decoder.end() if isinstance(event, UsageReport)]
    assert usage.provider_cost is not None
    assert usage.provider_cost.pico == 100_000_000


def test_an_error_inside_an_answer_keeps_its_meaning() -> None:
    said = {"error": {"message": "Rate limit reached", "type": "rate_limit_exceeded", "code": "rate_limit_exceeded"}}
    [fault] = heard(said)
    assert isinstance(fault, Fault)
    assert fault.failure.kind is Kind.RATE_LIMITED


def test_a_stream_in_place_of_vectors() -> None:
    last = heard(b'data: {"choices": []}\n\ndata: [DONE]\n\n')[-1]
    assert isinstance(last, Fault)
    failed = heard(b'event: error\ndata: {"error": {"message": "overloaded", "type": "overloaded_error"}}\n\n')[-1]
    assert isinstance(failed, Fault)


@given(st.data())
def test_any_chunking_says_the_same(data: st.DataObject) -> None:
    answer = json.dumps(openai([1.0, 0.5], [0.25, 2], usage={"prompt_tokens": 2, "total_tokens": 2})).encode()
    cuts = data.draw(st.lists(st.integers(0, len(answer)), max_size=8))
    assert heard(answer, texts=2, cuts=cuts) == heard(answer, texts=2)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda each: (
        st.lists(each, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "index", "embedding", "embeddings", "values", "usage", "error", "usageMetadata"]),
            each,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.sampled_from(sorted(EMBEDDERS)))
def test_nothing_raises_and_one_word_ends_it(answer: object, dialect: str) -> None:
    events = heard(answer, dialect=dialect)
    assert [isinstance(event, Ended | Fault) for event in events] == [False] * (len(events) - 1) + [True]
    assert isinstance(events[-1], Ended) == any(isinstance(event, Vectors) for event in events)


# ------------------------------------------------------------------------------------------------------------ Gemini


def test_gemini_is_asked_for_one() -> None:
    asked = asking("one", dimensions=768, taskType="RETRIEVAL_QUERY", user="ann")
    target = Target.of(MODEL, "google", wire_name="gemini-embedding-001")
    assert GEMINI.path(target, asked) == "/models/gemini-embedding-001:embedContent"
    assert encoded("gemini", asked, target=target) == {
        "model": "models/gemini-embedding-001",
        "content": {"parts": [{"text": "one"}]},
        "taskType": "RETRIEVAL_QUERY",
        "outputDimensionality": 768,
    }


def test_gemini_is_asked_for_several() -> None:
    asked = asking("one", "two")
    target = Target.of(MODEL, "google", wire_name="models/gemini-embedding-001")
    assert GEMINI.path(target, asked) == "/models/gemini-embedding-001:batchEmbedContents"
    body = encoded("gemini", asked, target=target)
    requests = body["requests"]
    assert isinstance(requests, list)
    assert [each["content"]["parts"][0]["text"] for each in requests] == ["one", "two"]
    assert {each["model"] for each in requests} == {"models/gemini-embedding-001"}


def test_answers_of_gemini() -> None:
    one = {"embedding": {"values": [0.5, 0.25]}, "usageMetadata": {"promptTokenCount": 4}}
    assert heard(one, dialect="gemini")[1:] == [
        Vectors((array("f", [0.5, 0.25]),)),
        Finish("stop"),
        UsageReport(Usage(4, 0)),
        Ended(),
    ]
    two = {"embeddings": [{"values": [1.0]}, {"values": [2.0]}]}
    assert heard(two, texts=2, dialect="gemini")[1:] == [
        Vectors((array("f", [1.0]), array("f", [2.0]))),
        Finish("stop"),
        Ended(),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        {"embeddings": [{"values": [1.0]}]},
        {"embedding": {"values": [1.0]}},
        {"embeddings": [{"values": [1.0]}, {"values": []}]},
        {"embeddings": [{"values": [1.0]}, {}]},
        {},
    ],
)
def test_answers_of_gemini_that_are_not_what_was_asked_for(answer: Mapping[str, object]) -> None:
    assert the_failure(heard(answer, texts=2, dialect="gemini"))


# --------------------------------------------------------------------------------------------------------- obstacles


def test_dialects_without_vectors() -> None:
    assert obstacle(asking("one"), TARGET, "openai-chat") is None
    assert obstacle(asking("one"), TARGET, "anthropic-messages") == (
        "gives no vectors in the dialect it speaks here (anthropic-messages)"
    )


def test_more_texts_than_a_call_may_hold() -> None:
    many = asking(*["x"] * 101)
    assert obstacle(many, TARGET, "openai-chat") is None
    assert obstacle(many, TARGET, "gemini") == "takes at most 100 texts in one call, and these are 101"


def test_the_window_is_that_of_one_text() -> None:
    model = Model("embed-small", features={"embedding"}, context_window=20)  # type: ignore[arg-type]
    target = Target.of(model, "somewhere")
    assert obstacle(asking(*["a few words"] * 50), target, "openai-chat") is None
    problem = obstacle(asking("short", "word " * 100), target, "openai-chat")
    assert problem is not None
    assert problem.startswith("takes texts of at most 20 tokens, and the longest has about ")
