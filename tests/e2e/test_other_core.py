"""Every fault once more where httpx2 is not installed: httpx's own core underneath, found as an installation finds it.

The suite of `test_faults` runs on whichever core is preferred; tests/runtime/http runs on both.
"""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from modelroute.runtime.http.core import choose_core, load_core
from modelroute.testing.faults import FAULTS, ok
from modelroute.testing.server import FaultServer
from tests.e2e.places import Case, make, place
from tests.e2e.test_faults import cases_of, check

ABSENT = ("httpx2", "httpcore2")


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    gc.collect()
    gc.freeze()  # so that the collection after every test costs little
    with FaultServer() as serving:
        yield serving
    gc.unfreeze()


@pytest.fixture(autouse=True)
def without_httpx2(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in sys.modules if name.partition(".")[0] in ABSENT] + list(ABSENT):
        monkeypatch.setitem(sys.modules, name, None)  # which makes an import fail as if it were not there
    load_core.cache_clear()
    choose_core.cache_clear()
    assert choose_core().name == "httpcore"
    yield
    load_core.cache_clear()
    choose_core.cache_clear()


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_fault_on_the_other_core(name: str, kind: str, server: FaultServer) -> None:
    cases = cases_of(server, FAULTS[name])
    check(server, FAULTS[name], [case for case in cases if len(case.places) == 2], kind)
    assert sys.modules["httpcore2"] is None, "it was imported after all"


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("dialect", ["openai-chat", "anthropic-messages"])
def test_every_dialect_on_the_other_core(dialect: str, kind: str, server: FaultServer) -> None:
    cases = [Case([place(server, [ok("Well.")], dialect=dialect)], mode, {}) for mode in ("chat", "stream")]
    make(kind, cases)
    assert [case.reply.text for case in cases if case.reply is not None] == ["Well.", "Well."]


_WITHOUT = """
import asyncio, sys
for name in ("httpx2", "httpcore2"):
    sys.modules[name] = None
import httpx
from modelroute import AsyncRouter, HttpOptions, Model, Price, Provider, Router

def provider(**connected):
    models = [Model("small", context_window=8000, max_output=100)]
    return Provider.compatible(
        sys.argv[1], name="local", models=models, price=Price.free(), http=HttpOptions(**connected)
    )

async def asynchronous(**connected):
    async with AsyncRouter([provider(**connected)]) as router:
        return (await router.chat("Say hello.")).text

async def supplied():
    async with httpx.AsyncClient() as client:
        return await asynchronous(async_client=client)

with Router([provider()]) as router:
    print(router.chat("Say hello.").text)
with httpx.Client() as client, Router([provider(client=client)]) as router:
    print(router.chat("Say hello.").text)
print(asyncio.run(asynchronous()))
print(asyncio.run(supplied()))
print(sorted(name for name in sys.modules if name.startswith(("httpx2", "httpcore2")) and sys.modules[name]))
"""


def test_a_process_without_httpx2_lacks_nothing(server: FaultServer) -> None:
    """Our own connections and a client handed in, in both colours."""
    one = place(server, [ok("Well."), ok("Well."), ok("Well."), ok("Well.")])
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", _WITHOUT, one.provider.urls[0]],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.stdout.splitlines() == ["Well."] * 4 + ["[]"], ran.stderr
    assert len(one.seen) == 4
