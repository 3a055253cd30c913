"""Plays another process: ``python -m tests.e2e.store_worker <part> <options as JSON>``. It says one JSON a line."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from modelroute import (
    AsyncRouter,
    Budget,
    Catalog,
    Model,
    ModelRouteError,
    Policy,
    Price,
    Provider,
    Router,
    Scenario,
    cheapest,
)
from tests.e2e.places import CHEAP, KEY, PROMPT


def say(told: object) -> None:
    print(json.dumps(told), flush=True)  # noqa: T201


def declared(said: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a router on the same store, with the places of the test and their names."""
    named = [("first", "small", CHEAP), ("second", "large", Price(input=2, output=8))]
    providers = [
        Provider.compatible(
            url, name=name, price=price, key=KEY, models=[Model(model, context_window=32_000, max_output=4_000)]
        )
        for url, (name, model, price) in zip(said["places"], named, strict=False)
    ]
    limit = said.get("limit")
    budgets = [] if limit is None else [Budget("all", limit)]
    policy = Policy(default=Scenario(prefer=cheapest))
    return {
        "providers": providers, "store": said["store"], "budgets": budgets, "policy": policy, "catalog": Catalog(),
    }  # fmt: skip


def stream(said: dict[str, Any]) -> None:
    """Begin to read an answer that never ends, say so, and be killed."""
    with Router(**declared(said)) as router, router.stream(PROMPT, max_tokens=said["cap"], deadline=5) as answer:
        for text in answer.text:
            say(text)


def stream_async(said: dict[str, Any]) -> None:
    """The same on an event loop."""

    async def main() -> None:
        async with (
            AsyncRouter(**declared(said)) as router,
            router.stream(PROMPT, max_tokens=said["cap"], deadline=5) as answer,
        ):
            async for text in answer.text:
                say(text)

    asyncio.run(main())


def listen(said: dict[str, Any]) -> None:
    """Say when the first target is known to rest, without ever having asked it."""
    with Router(**declared(said)) as router:
        say(router.chat(PROMPT, model=said["pin"]).target)  # what it hears, it hears as any router that is used
        while not any(ranked.resting_until for ranked in router.explain(PROMPT).ranked):
            time.sleep(0.02)
        say(time.time())
        say(router.chat(PROMPT).target)


def ask(said: dict[str, Any]) -> None:
    """Ask under a key, once each time that the test says so."""
    with Router(**declared(said)) as router:
        say("ready")
        for _ in sys.stdin:
            try:
                reply = router.chat(PROMPT, idempotency_key=said["key"], deadline=5)
            except ModelRouteError as error:
                say([type(error).__name__, str(error)])
            else:
                say([reply.text, reply.replayed])


if __name__ == "__main__":
    {"stream": stream, "stream_async": stream_async, "listen": listen, "ask": ask}[sys.argv[1]](json.loads(sys.argv[2]))
