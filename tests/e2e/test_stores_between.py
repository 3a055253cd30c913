"""Processes that share a store: what one learns or was answered the others have, and no secret is kept for them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from modelroute import AsyncRouter, Budget, IdempotencyError, ModelRouteError, Price, Router
from modelroute.testing.fault import Fault
from modelroute.testing.faults import cut, ok, rate_limited, says
from modelroute.testing.server import FaultServer
from modelroute.types.notices import Attempted
from tests.e2e.places import LOOP_KINDS, PROMPT, Place, in_loop, place, routing
from tests.e2e.store_places import STORES, Other, command, rows_of, store_at
from tests.stores.redis_server import free_port, running


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """One for each test: they read its whole log."""
    with FaultServer() as serving:
        yield serving


@pytest.fixture(params=STORES)
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """What stands in ``store=``."""
    with store_at(request.param, tmp_path) as place:
        yield place


# ------------------------------------------------------------------------------------------------ what others learned


@pytest.mark.parametrize("behaviour", [rate_limited("30"), "503"], ids=["hold", "breaker"])
def test_another_process_hears_of_an_outage_without_asking(
    server: FaultServer, where: str, behaviour: Fault | str
) -> None:
    """Within 1.5 s of the hold, or of the trip, another process goes to the second target at once."""
    one = place(server, [behaviour])
    second = place(server, [ok("rescued")], name="second", model="large", price=Price(input=2, output=8))
    asked: list[float] = []

    def notice(event: object) -> None:
        if isinstance(event, Attempted) and event.attempt.target == one.target:
            asked.append(event.at)

    with Router(**routing(one, second, store=where), on_event=notice) as router:
        other = Other("listen", where, one, second, pin=second.target)
        assert other.told() == second.target
        while not any(ranked.resting_until for ranked in router.explain(PROMPT).ranked):
            router.chat(PROMPT)
        learned = time.time()
        with ThreadPoolExecutor(1) as thread:
            hearing = thread.submit(other.told)
            while not hearing.done():  # a breaker's first open time may be shorter than a look: keep it open
                router.chat(PROMPT)
                time.sleep(0.05)
            assert hearing.result() - learned < 1.5
        assert other.told() == second.target
        other.end()
    assert len(one.seen) == len(asked), "every request that the first target saw is ours"
    assert len(one.seen) >= (1 if behaviour != "503" else 5)


# ------------------------------------------------------------------------------------------------------ asked once


def test_another_process_gets_the_stored_reply_through_both_routers(server: FaultServer, where: str) -> None:
    one = place(server, [ok("the only answer", delay=0.5), ok("another")])
    other = Other("ask", where, one, key="order-17")
    assert other.told() == "ready"
    other.go_on()
    while not one.seen:
        time.sleep(0.01)
    settings = routing(one, store=where, budgets=[Budget("all", 1)])
    with Router(**settings) as router:
        waited = router.chat(PROMPT, idempotency_key="order-17")
        assert (waited.text, waited.replayed) == ("the only answer", True)
        assert other.told() == ["the only answer", False]
        with pytest.raises(IdempotencyError, match="different request"):
            router.chat("Say something else.", idempotency_key="order-17")
    for kind in LOOP_KINDS:

        async def main() -> tuple[str, bool]:
            async with AsyncRouter(**settings) as asking:
                reply = await asking.chat(PROMPT, idempotency_key="order-17")
                return reply.text, reply.replayed

        assert in_loop(kind, main) == ("the only answer", True)
    other.go_on()
    assert other.told() == ["the only answer", True]
    other.kill()
    assert len(one.seen) == 1
    (row,) = rows_of(where)
    assert row.failure is None


# --------------------------------------------------------------------------------------------------------- no secret

SECRET = "ZqVx7planted9Krd3Mw2credential"
NEEDLE = "heliotrope-juggernaut-42"
SAID = "obsidian-lighthouse-77"
PASSWORD = "planted8Redis5password"


def busy(one: Place, second: Place, where: str, mirror: Path, *, content: bool) -> None:
    """Make calls that succeed, fail, break, are kept under a key and refused, on both routers."""
    settings = routing(
        one, second, store=where, ledger=mirror, record_content=content, budgets=[Budget("all", 1, each="tag")]
    )
    prompt = f"The planted prompt: {NEEDLE}"
    with Router(**settings) as router:
        router.chat(prompt, tags="web", idempotency_key=None if content else "order")
        for _ in range(6):
            try:
                with router.stream(prompt) as stream:
                    for _ in stream:
                        pass
            except ModelRouteError:
                pass

    async def main() -> None:
        async with AsyncRouter(**settings) as asking:
            await asking.chat(prompt)

    in_loop("uvloop", main)


def stored(home: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in home.rglob("*") if path.is_file()}


@pytest.mark.parametrize("content", [False, True], ids=["as it is", "record_content"])
@pytest.mark.parametrize("kind", STORES)
def test_no_key_and_no_prompt_in_what_is_stored(server: FaultServer, tmp_path: Path, kind: str, content: bool) -> None:
    """Files, the server's own log of every write, and what is exported.

    The log of writes holds all that the server was ever told, in clear.
    """
    echo = json.dumps({"error": {"message": f"bad key {SECRET} of {NEEDLE}", "code": SECRET, "type": NEEDLE}}).encode()
    behaviours: list[Fault | str] = [
        ok(SAID),
        cut(),
        *(says(status, echo) for status in (503, 429, 500, 401)),
        ok(SAID),
    ]
    one = place(server, behaviours, key=SECRET)
    second = place(server, [ok(SAID)], name="second", model="large", price=Price(input=2, output=8), key=SECRET)
    mirror = tmp_path / "mirror.db"
    with running("redis", persistent=True, port=free_port(), password=PASSWORD) as redis:
        where = redis.url if kind == "redis" else str(tmp_path / "spend.db")
        busy(one, second, where, mirror, content=content)
        rows = [command("ledger", "export", "--store", place, "--content") for place in (where, str(mirror))]
        shown = [
            command("ledger", "export", "--store", where, "--format", "csv"),
            command("ledger", "check", "--store", where),
        ]
        kept = stored(tmp_path) | (stored(redis.home) if kind == "redis" else {})
    assert len(one.seen) >= 4
    files = b"".join(kept.values())
    for secret in (SECRET, PASSWORD):
        assert secret.encode() not in files
        assert secret not in "".join(rows + shown)
    assert (NEEDLE.encode() in files) == content
    assert [NEEDLE in row for row in rows] == [content, content]
    assert NEEDLE not in "".join(shown)
    assert all(row["tags"] == ["web"] for row in map(json.loads, rows[0].splitlines()[:1]))
    for path in tmp_path.rglob("*.db*"):
        assert path.stat().st_mode & 0o777 == 0o600, path
