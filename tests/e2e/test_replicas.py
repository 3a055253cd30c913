"""Replicas behind one target, over real sockets: a place that limits or is down does not cost the caller an answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from modelroute import AsyncRouter, Model, Price, Provider, Reply, Router
from modelroute.testing.fault import Fault
from modelroute.testing.faults import dead_port, ok
from modelroute.testing.server import FaultServer
from tests.e2e.places import KEY, KINDS, PROMPT, QUICK, in_loop, routing


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as serving:
        yield serving


def fleet(*urls: str, key: str | list[str] = KEY) -> Provider:
    known = Model("small", context_window=32_000, max_output=4_000)
    return Provider.compatible(list(urls), name="fleet", models=[known], price=Price(input=1, output=4), key=key)


def served(server: FaultServer, prefix: str, behaviours: list[Fault | str]) -> str:
    server.script(prefix, behaviours)
    return server.url_for(prefix)


def asked(server: FaultServer) -> list[str]:
    """The prefixes of the requests the server received, in order."""
    return [seen.path.split("/")[1] for seen in server.requests]


def answers(kind: str, provider: Provider, count: int) -> list[Reply]:
    """`count` replies of one router, one after the other."""
    settings = {"providers": [provider], "timeouts": QUICK}

    async def asynchronous() -> list[Reply]:
        async with AsyncRouter(**(routing() | settings)) as router:
            return [await router.chat(PROMPT, deadline=3.0) for _ in range(count)]

    if kind != "sync":
        replies: list[Reply] = in_loop(kind, asynchronous)
        return replies
    with Router(**(routing() | settings)) as router:
        return [router.chat(PROMPT, deadline=3.0) for _ in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_replica_that_limits_rests_alone(kind: str, server: FaultServer) -> None:
    """The next attempt goes to the other place at once, with the key, and so do the requests after it."""
    provider = fleet(served(server, "/a", ["429_retry_after"]), served(server, "/b", [ok("from b")]))
    first, second = answers(kind, provider, 2)

    assert [reply.text for reply in (first, second)] == ["from b", "from b"]
    assert [len(reply.attempts) for reply in (first, second)] == [2, 1]
    assert asked(server) == ["a", "b", "b"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_is_tried_at_every_place(kind: str, server: FaultServer) -> None:
    limits: list[Fault | str] = ["429_retry_after"]
    provider = fleet(served(server, "/a", limits), served(server, "/b", [*limits, ok("from b")]), key=["k1", "k2"])
    [reply] = answers(kind, provider, 1)

    assert reply.text == "from b"
    assert asked(server) == ["a", "b", "a", "b"]
    first, again, second, last = (seen.headers["authorization"] for seen in server.requests)
    assert first == again != second == last


@pytest.mark.parametrize("kind", KINDS)
def test_a_replica_that_is_down_is_left_for_another(kind: str, server: FaultServer) -> None:
    with dead_port() as port:
        provider = fleet(f"http://127.0.0.1:{port}/v1", served(server, "/b", [ok("from b")]))
        [reply] = answers(kind, provider, 1)
    assert reply.text == "from b"
