"""A lane decides both the place a call goes to and the key it carries, when it is opened."""

import pytest

from modelroute.catalog.catalog import Catalog
from modelroute.engine.commands import Open
from modelroute.providers import Endpoint, Key, Provider
from modelroute.runtime.http import HttpOptions, Limit
from modelroute.runtime.routes import async_routes, sync_routes
from modelroute.runtime.upstream import KeyFailure, authorized, resolve_key
from modelroute.types.failure import Kind
from modelroute.types.request import Request
from tests.runtime.http.peers import AsyncSide, Peer, SyncSide

HI = Request(messages=({"role": "user", "content": "Hi"},))


def endpoint_at(*urls: str, key: str | list[str | Key] | None = None) -> Endpoint:
    provider = Provider.compatible(
        [f"{url}/v1" for url in urls], name="fleet", models=["m"], key=key, http=HttpOptions(trust_env=False)
    )
    (endpoint,) = provider.endpoints(Catalog())
    return endpoint


def opening(endpoint: Endpoint, lane: int) -> Open:
    call = endpoint.call(HI, output_cap=None, stream=False)
    return Open(endpoint.name, call, lane, connect=5.0, until=0.0)


def test_every_lane_is_reached_with_its_own_key() -> None:
    endpoint = endpoint_at("http://10.0.0.1", "http://10.0.0.2", key=["first", "second"])
    reached: list[tuple[str, str]] = []
    for lane in range(endpoint.lanes):
        request = authorized(endpoint, opening(endpoint, lane), resolve_key(endpoint, lane))
        reached.append((request.url, dict(request.headers)["authorization"]))
    assert reached == [
        (f"http://10.0.0.{place}/v1/chat/completions", f"Bearer {key}")
        for key in ("first", "second")
        for place in (1, 2)
    ]


def test_without_keys_no_lane_carries_any() -> None:
    endpoint = endpoint_at("http://10.0.0.1", "http://10.0.0.2")
    for lane in (0, 1):
        assert resolve_key(endpoint, lane) is None
        assert "authorization" not in dict(authorized(endpoint, opening(endpoint, lane), None).headers)


def test_a_key_that_is_not_set_denies_its_own_lanes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    endpoint = endpoint_at("http://10.0.0.1", "http://10.0.0.2", key=["first", Key.env("NOT_SET")])
    for lane in (0, 1):
        assert resolve_key(endpoint, lane) is not None
    for lane in (2, 3):
        with pytest.raises(KeyFailure) as caught:
            resolve_key(endpoint, lane)
        assert caught.value.failure.kind is Kind.DENIED


async def test_replicas_share_a_client_and_never_a_connection() -> None:
    """Both colours: each place has its own idle connections, and keeps them."""
    with Peer() as one, Peer() as two:
        endpoint = endpoint_at(one.url, two.url)
        sync, loop = sync_routes({endpoint.name: endpoint}), async_routes({endpoint.name: endpoint})
        for lane in (0, 1, 0, 1, 1):
            request = authorized(endpoint, opening(endpoint, lane), None)
            blocking = sync[endpoint.name][1].open(request, Limit(SyncSide.now() + 5))
            while blocking.read():
                pass
            waiting = await loop[endpoint.name][1].open(request, Limit(AsyncSide.now() + 5))
            while await waiting.read():
                pass
        assert [(peer.accepted, len(peer.requests)) for peer in (one, two)] == [(2, 4), (2, 6)]
        sync.close()
        await loop.aclose()
