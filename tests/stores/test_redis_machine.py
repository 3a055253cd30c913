"""A store on a real Redis and on a real Valkey answers and remembers what the model does."""

from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import settings

from modelroute.stores.redis import RedisStore
from modelroute.stores.store import Store
from tests.stores.machine import machine_of
from tests.stores.redis_server import Server

_SERVERS: dict[str, Server] = {}
_PREFIXES = count()
_LESS = settings(max_examples=max(5, settings.default.max_examples // 5)) if settings.default else settings()


@pytest.fixture(scope="module", autouse=True)
def _servers_end() -> Iterator[None]:
    yield
    while _SERVERS:
        _SERVERS.popitem()[1].close()


def _opened(kind: str, prefix: str) -> Store:
    server = _SERVERS.get(kind)
    if server is None:
        server = _SERVERS[kind] = Server(kind)
    return RedisStore(server.url, prefix=prefix, timeout=30, clock="caller")


def _machine(kind: str) -> type:
    """Return the machine for a kind of server. Coming back is what another process, on another machine, would see."""
    latest = [""]

    def make() -> Store:
        latest[0] = f"machine{next(_PREFIXES)}"
        return _opened(kind, latest[0])

    def reopen(store: Store) -> Store:
        store.close()
        return _opened(kind, latest[0])

    case: type = machine_of(make, reopen).TestCase
    case.settings = _LESS  # type: ignore[attr-defined]
    return case


TestRedis = _machine("redis")
TestValkey = _machine("valkey")
