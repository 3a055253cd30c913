"""What opening an exchange tells the flow beside that it is open: what is left of the lane's limits."""

import time

import pytest

from modelroute.catalog.catalog import Catalog
from modelroute.engine.commands import Open, Opened
from modelroute.providers import Provider
from modelroute.runtime.books import Books
from modelroute.runtime.clocks import Clocks
from modelroute.runtime.http import HttpOptions
from modelroute.runtime.performing import AsyncPerforming, SyncPerforming
from modelroute.runtime.routes import async_routes, sync_routes
from modelroute.runtime.upstream import AsyncUpstream, SyncUpstream
from modelroute.stores.memory import MemoryStore
from modelroute.types.limits import RateLimits
from modelroute.types.request import Request
from tests.runtime.http.peers import Line, Peer

HI = Request(messages=({"role": "user", "content": "Hi"},))
SPENT = b"X-RateLimit-Remaining-Requests: 0\r\nX-RateLimit-Reset-Requests: 1795000007\r\n"


@pytest.mark.parametrize(
    ("headers", "limits"),
    [(b"", None), (SPENT, RateLimits(requests_left=0, requests_reset=7.0))],
    ids=["none", "spent"],
)
async def test_what_is_left_of_the_limits_comes_with_the_exchange(headers: bytes, limits: RateLimits | None) -> None:
    """Both colours; resets are told from the wall clock that the performer was given."""

    def answer(line: Line) -> None:
        while True:
            line.request()
            line.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n" + headers + b"\r\n{}")

    with Peer(answer) as peer:
        provider = Provider.compatible(peer.url, name="p", models=["m"], http=HttpOptions(trust_env=False))
        (endpoint,) = provider.endpoints(Catalog())
        call = endpoint.call(HI, output_cap=None, stream=False)
        command = Open(endpoint.name, call, 0, connect=5.0, until=time.monotonic() + 5)
        books = Books(MemoryStore(), Clocks(wall=lambda: 1_795_000_000.0), lambda _: None)
        sync, loop = sync_routes({endpoint.name: endpoint}), async_routes({endpoint.name: endpoint})
        blocking = SyncPerforming(books, sync).open(command)
        waiting = await AsyncPerforming(books, loop).open(command)
        for opened, kind in ((blocking, SyncUpstream), (waiting, AsyncUpstream)):
            assert isinstance(opened, Opened)
            assert isinstance(opened.exchange, kind)
            assert opened.limits == limits
            opened.exchange.source.abort()
        sync.close()
        await loop.aclose()
