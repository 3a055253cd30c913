"""The whole library against a real model: SmolLM2 under a real llama.cpp server, through Router and AsyncRouter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from pydantic import BaseModel

from modelroute import (
    AsyncRouter,
    Model,
    NoEligibleTargetError,
    Policy,
    Price,
    Provider,
    Reply,
    Router,
    Scenario,
    TextDelta,
    cheapest,
)
from modelroute.testing.faults import dead_port
from modelroute.testing.local_model import LocalModelServer
from modelroute.types.failure import Kind

POLICY = Policy(default=Scenario(prefer=cheapest))
"""All is free here, so ties go by name: `small` before `smollm2`."""


class City(BaseModel):
    """A schema small enough for a small model."""

    name: str
    inhabitants: int


def provider(
    server: LocalModelServer, name: str = "local", *, model: str = "smollm2", window: int | None = None
) -> Provider:
    """The local model as a user would declare it."""
    declared = Model(
        model,
        context_window=server.n_ctx if window is None else window,
        max_output=256,
        features=frozenset({"json_schema"}),
    )
    return Provider.compatible(server.url, name=name, price=Price.free(), models=[declared], profile="llamacpp")


@pytest.fixture
def dead() -> Iterator[Provider]:
    """A target that is down: nobody listens on its port."""
    model = Model("small", context_window=2048, max_output=256)
    with dead_port() as port:
        yield Provider.compatible(f"http://127.0.0.1:{port}/v1", name="dead", price=Price.free(), models=[model])


Ask = Callable[..., Reply]


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Iterator[Callable[[list[Provider]], Ask]]:
    """Make `chat` of a router over the given providers, sync or async: the tests cannot tell them apart."""
    routers: list[Router] = []

    def make(providers: list[Provider]) -> Ask:
        if request.param == "sync":
            router = Router(providers, policy=POLICY)
            routers.append(router)
            return router.chat

        def chat(messages: str, **asking: object) -> Reply:
            async def run() -> Reply:
                async with AsyncRouter(providers, policy=POLICY) as router:
                    return await router.chat(messages, **asking)  # type: ignore[arg-type]

            return asyncio.run(run())

        return chat

    yield make
    for router in routers:
        router.close()


def test_a_plain_answer(ask: Callable[[list[Provider]], Ask], local_model: LocalModelServer) -> None:
    reply = ask([provider(local_model)])("Say hello.", max_tokens=16, max_cost=0.01, temperature=0)
    assert reply.text
    assert reply.target == "smollm2@local"
    assert reply.finish in {"stop", "length"}
    assert reply.usage is not None
    assert 0 < reply.usage.output_tokens <= 16
    assert reply.cost.pico == 0
    assert [attempt.why for attempt in reply.attempts] == ["first"]


def test_sync_and_async_streams_say_the_same(local_model: LocalModelServer) -> None:
    asked = {"max_tokens": 24, "temperature": 0, "seed": 1}
    with Router([provider(local_model)], policy=POLICY) as router, router.stream("Count to five.", **asked) as stream:  # type: ignore[arg-type]
        pieces = [event.text for event in stream if isinstance(event, TextDelta)]
        reply = stream.reply
    assert "".join(pieces) == reply.text
    assert len(pieces) > 3

    async def run() -> str:
        async with (
            AsyncRouter([provider(local_model)], policy=POLICY) as router,
            router.stream("Count to five.", **asked) as stream,  # type: ignore[arg-type]
        ):
            return "".join([piece async for piece in stream.text])

    assert asyncio.run(run()) == reply.text


def test_a_schema_is_held_to(local_model: LocalModelServer) -> None:
    with Router([provider(local_model)], policy=POLICY) as router:
        parsed = router.parse("Paris has 2000000 inhabitants.", City, max_tokens=64, temperature=0)
    assert isinstance(parsed.value, City)
    assert parsed.value.name
    assert parsed.target == "smollm2@local"


def test_a_schema_is_held_to_async(local_model: LocalModelServer) -> None:
    async def run() -> City:
        async with AsyncRouter([provider(local_model)], policy=POLICY) as router:
            return (await router.parse("Paris has 2000000 inhabitants.", City, max_tokens=64, temperature=0)).value

    assert asyncio.run(run()).name


def test_context_overflow_falls_back_to_more_context(
    ask: Callable[[list[Provider]], Ask], local_model: LocalModelServer, cramped_local_model: LocalModelServer
) -> None:
    """The cramped server really answers 400 `exceed_context_size_error`: its window is declared too large on
    purpose.
    """
    cramped = provider(cramped_local_model, "cramped", model="small", window=1024)
    prompt = "All work and no play makes Jack a dull boy. " * 40
    reply = ask([cramped, provider(local_model)])(prompt, max_tokens=8)
    assert [attempt.target for attempt in reply.attempts] == ["small@cramped", "smollm2@local"]
    failure = reply.attempts[0].failure
    assert failure is not None
    assert failure.kind is Kind.TOO_LONG
    assert reply.target == "smollm2@local"


def test_a_known_window_is_not_even_tried(local_model: LocalModelServer, cramped_local_model: LocalModelServer) -> None:
    prompt = "All work and no play makes Jack a dull boy. " * 40
    with Router([provider(cramped_local_model, "cramped"), provider(local_model)], policy=POLICY) as router:
        decision = router.explain(prompt, max_tokens=8)
    assert [ranked.target for ranked in decision.ranked] == ["smollm2@local"]


def test_a_dead_port_fails_over(
    ask: Callable[[list[Provider]], Ask], dead: Provider, local_model: LocalModelServer
) -> None:
    reply = ask([dead, provider(local_model)])("Say hello.", max_tokens=8)
    assert reply.target == "smollm2@local"
    assert [attempt.target for attempt in reply.attempts] == ["small@dead", "small@dead", "smollm2@local"]
    assert all(
        attempt.failure is not None and attempt.failure.kind is Kind.UNREACHABLE for attempt in reply.attempts[:2]
    )


def test_nothing_is_sent_when_nothing_is_eligible(local_model: LocalModelServer) -> None:
    with Router([provider(local_model)], policy=POLICY) as router, pytest.raises(NoEligibleTargetError, match="tools"):
        router.chat("Say hello.", needs={"tools"})


def test_a_conversation_goes_on(local_model: LocalModelServer) -> None:
    with Router([provider(local_model)], policy=POLICY) as router:
        messages: list[dict[str, object]] = [{"role": "user", "content": "My name is Ada."}]
        reply = router.chat(messages, max_tokens=16)
        messages += [dict(reply.message), {"role": "user", "content": "What is my name?"}]
        again = router.chat(messages, max_tokens=16)
    assert again.usage is not None
    assert again.usage.cached_tokens > 0
