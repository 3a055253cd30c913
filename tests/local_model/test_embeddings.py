"""`embed` and log probabilities against a real llama.cpp server, as its users have it; OpenAI's own client beside."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator
from typing import Any

import openai
import pytest

from modelroute import (
    AsyncRouter,
    AttemptsFailedError,
    Catalog,
    Embeddings,
    Model,
    Policy,
    Price,
    Provider,
    Reply,
    Router,
    Scenario,
)
from modelroute.testing import local_model as serving
from modelroute.testing.local_model import LocalModelServer
from tests.local_model.conftest import HERE

TEXTS = ["A cat sat on the mat.", "A kitten lay on the rug.", "Interest rates rose by a quarter point."]
SETTINGS: dict[str, Any] = {"policy": Policy(default=Scenario()), "catalog": Catalog()}


@pytest.fixture(scope="module")
def embedding_model() -> Iterator[LocalModelServer]:
    """The same weights as a server of embeddings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serving, "_CHILD", HERE / "embedding.py")
        server = LocalModelServer(n_ctx=256)
    with server:
        yield server


def provider(server: LocalModelServer, profile: str = "llamacpp") -> Provider:
    model = Model("smollm2", features=frozenset({"embedding"}), context_window=server.n_ctx)
    return Provider.compatible(
        server.url, name="local", price=Price(input=1, output=0), models=[model], profile=profile
    )  # fmt: skip


def cosine(one: Iterable[float], other: Iterable[float]) -> float:
    one, other = list(one), list(other)
    dot = sum(a * b for a, b in zip(one, other, strict=True))
    return dot / math.sqrt(sum(a * a for a in one) * sum(b * b for b in other))


def test_vectors_of_a_real_server_mean_something(embedding_model: LocalModelServer) -> None:
    with Router([provider(embedding_model)], **SETTINGS) as router:
        found = router.embed(TEXTS, model="smollm2", max_cost=0.01)
    cat, kitten, rates = found
    assert found.dimensions == 576
    assert cosine(cat, kitten) > cosine(cat, rates)
    assert found.usage is not None
    assert 10 < found.usage.input_tokens < 100
    assert found.cost.pico == found.usage.input_tokens * 1_000_000
    assert found.cost <= found.attempts[0].reserved


def test_every_form_and_every_client_give_the_same(embedding_model: LocalModelServer) -> None:
    async def run() -> Embeddings:
        async with AsyncRouter([provider(embedding_model)], **SETTINGS) as router:
            return await router.embed(TEXTS, model="smollm2")

    digits = asyncio.run(run())
    with Router([provider(embedding_model, "openai")], **SETTINGS) as router:
        packed = router.embed(TEXTS, model="smollm2")
    with openai.OpenAI(base_url=embedding_model.url, api_key="none") as sdk:
        theirs = sdk.embeddings.create(model="smollm2", input=TEXTS)  # base64, which it asks for unasked
    assert digits.vectors == packed.vectors
    assert [list(vector) for vector in packed] == [each.embedding for each in theirs.data]


def test_dimensions_that_the_server_overlooks_are_noticed(embedding_model: LocalModelServer) -> None:
    with (
        Router([provider(embedding_model)], **SETTINGS) as router,
        pytest.raises(AttemptsFailedError, match="has 576 dimensions, and 64 were asked for"),
    ):
        router.embed(TEXTS, model="smollm2", dimensions=64)


def test_log_probabilities_of_a_real_server(local_model: LocalModelServer) -> None:
    asked: dict[str, Any] = {"max_tokens": 6, "temperature": 0, "seed": 1, "logprobs": True, "top_logprobs": 3}
    model = Model("smollm2", context_window=local_model.n_ctx, max_output=256)
    there = Provider.compatible(local_model.url, name="local", price=Price.free(), models=[model], profile="llamacpp")

    async def run() -> Reply:
        async with AsyncRouter([there], **SETTINGS) as router, router.stream("Count to five.", **asked) as stream:
            async for _ in stream:
                pass
            return stream.reply

    with Router([there], **SETTINGS) as router:
        reply = router.chat("Count to five.", **asked)
    streamed = asyncio.run(run())
    for each in (reply, streamed):
        assert each.logprobs is not None
        assert "".join(token.token for token in each.logprobs) == each.text
        assert b"".join(token.bytes or b"" for token in each.logprobs) == each.text.encode()
        for token in each.logprobs:
            assert len(token.top) == 3
            assert token.logprob <= 0
            assert [other.logprob for other in token.top] == sorted(
                (other.logprob for other in token.top), reverse=True
            )
            assert token.top[0].token == token.token  # nothing likelier is passed over at temperature 0
    with openai.OpenAI(base_url=local_model.url, api_key="none") as sdk:
        theirs = (
            sdk.chat.completions.create(
                model="smollm2", messages=[{"role": "user", "content": "Count to five."}], **asked
            )
            .choices[0]
            .logprobs
        )
    assert theirs is not None
    assert theirs.content is not None
    assert [token.token for token in reply.logprobs or ()] == [token.token for token in theirs.content]
