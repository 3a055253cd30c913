"""What a user's type checker sees. Nothing here runs: mypy and pyright read it, and each `assert_type` is a test.

A line marked `type: ignore` must be an error: mypy, told to warn of unused marks, fails when it is none.
"""

from array import array
from typing import assert_type

from pydantic import BaseModel

from modelroute import (
    AsyncRouter,
    Decision,
    Embeddings,
    Money,
    Parsed,
    Policy,
    Provider,
    Reply,
    Router,
    Scenario,
    TokenLogprob,
    cheapest,
)


class Invoice(BaseModel):
    """What `parse` is to return."""

    number: str
    total: float


def uses_a_router() -> None:
    with Router.from_env() as router:
        assert_type(router, Router)
        reply = router.chat("hello", task="coding", max_cost=0.02)
        assert_type(reply, Reply)
        assert_type(reply.text, str)
        assert_type(reply.cost, Money)
        assert_type(reply.decision, Decision)
        with router.stream("hello") as stream:
            for text in stream.text:
                assert_type(text, str)
            assert_type(stream.reply, Reply)
        assert_type(router.explain("hello"), Decision)
        parsed = router.parse("hello", Invoice)
        assert_type(parsed, Parsed[Invoice])
        assert_type(parsed.value, Invoice)
        found = router.embed(["one", "two"], model="small", dimensions=256, max_cost="0.01")
        assert_type(found, Embeddings)
        assert_type(found[0], array[float])
        router.embed("one")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # whose vectors?
        assert_type(reply.logprobs, tuple[TokenLogprob, ...] | None)


async def uses_an_async_router() -> None:
    async with AsyncRouter.from_env() as router:
        assert_type(router, AsyncRouter)
        assert_type(await router.chat("hello", max_cost="0.02"), Reply)
        async with router.stream("hello") as stream:
            async for text in stream.text:
                assert_type(text, str)
            assert_type(stream.reply, Reply)
        assert_type((await router.parse("hello", Invoice)).value, Invoice)
        assert_type(await router.embed("one", model="small"), Embeddings)


def builds_a_policy() -> None:
    policy = Policy(scenarios=[Scenario("daily", task="coding", floor=50, prefer=cheapest, max_cost=0.02)])
    assert_type(policy, Policy)
    Router([Provider("deepseek")], policy=policy)
    Scenario("daily", flor=50)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # a misspelt word
    Router([Provider("deepseek")], policy="cheap")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
