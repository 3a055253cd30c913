"""Every test that asks for `side` runs in both colours over both cores."""

from collections.abc import AsyncIterator

import pytest

from tests.runtime.http.peers import AsyncSide, Side, SyncSide

SIDES = [(side, core) for side in (SyncSide, AsyncSide) for core in ("httpcore", "httpcore2")]


@pytest.fixture(params=SIDES, ids=[f"{side.colour}-{core}" for side, core in SIDES])
async def side(request: pytest.FixtureRequest) -> AsyncIterator[Side]:
    made, core = request.param
    one: Side = made(core=core)
    yield one
    await one.aclose()
