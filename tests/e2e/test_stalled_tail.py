"""An answer whose model has said that it is done is whole, even when the connection then says nothing more."""

from __future__ import annotations

import asyncio
import time

import pytest

from modelroute import AsyncRouter, Model, Policy, Price, Provider, Router, Scenario, cheapest
from modelroute.testing.exchange import Exchange
from modelroute.testing.faults import custom
from modelroute.testing.replies import stream_parts
from modelroute.testing.server import FaultServer

POLICY = Policy(default=Scenario(prefer=cheapest))


async def _stall(exchange: Exchange) -> None:
    parts = stream_parts("openai", "Hello world")
    await exchange.begin_stream()
    await exchange.chunks([*parts.opening, *parts.content, *parts.finish, *parts.usage])
    await exchange.hang()


STALLS = custom("stalls_after_finish", _stall, what="silent after finish and usage, without [DONE] or close")


def provider(server: FaultServer, prefix: str) -> Provider:
    model = Model("m", context_window=8000, max_output=1000)
    return Provider.compatible(server.url_for(prefix), name=prefix[1:], models=[model], price=Price(input=1, output=2))


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("is_async", [False, True])
def test_it_is_neither_waited_for_nor_asked_again(alone: bool, is_async: bool) -> None:
    with FaultServer() as server:
        server.script("/a", [STALLS])
        providers = [provider(server, "/a")] + ([] if alone else [provider(server, "/b")])
        began = time.monotonic()
        if is_async:

            async def ask() -> str:
                async with AsyncRouter(providers, policy=POLICY) as router:
                    return (await router.chat("hi", model="m@a" if alone else "auto")).text

            text = asyncio.run(ask())
        else:
            with Router(providers, policy=POLICY) as router:
                text = router.chat("hi").text
        assert text == "Hello world"
        assert time.monotonic() - began < 5
        assert len(server.requests) == 1
