"""Budgets on real stores, over real sockets: what servers billed is what is booked, whatever dies on the way."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from modelroute import (
    AsyncRouter,
    Budget,
    BudgetExceededError,
    DeadlineExceededError,
    ModelRouteError,
    Money,
    Reply,
    Router,
    StoreLostError,
    StoreUnavailableError,
)
from modelroute.stores.sqlite import SqliteStore
from modelroute.testing.faults import ok, stalled
from modelroute.testing.server import FaultServer
from modelroute.types.notices import StoreFailed
from tests.e2e.places import LOOP_KINDS, PROMPT, in_loop, noise, place, routing
from tests.e2e.store_places import (
    CAP,
    STORES,
    Other,
    ahead,
    billed,
    billing,
    books_agree,
    checked,
    command,
    rows_of,
    store_at,
    total,
    until,
)
from tests.stores.link import Link
from tests.stores.redis_server import Server, running

ALL = "budget:all"


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


# ------------------------------------------------------------------------------------------------- never overspent

LIMIT = Money("0.003")
"""Enough for about half of what is asked."""


def test_32_threads_spend_what_the_servers_bill_and_no_more(server: FaultServer, where: str) -> None:
    first, second = billing(server), billing(server, name="second", model="large")

    def work(number: int) -> Reply | ModelRouteError:
        try:
            if number % 2:
                return router.chat(PROMPT, max_tokens=CAP)
            with router.stream(PROMPT, max_tokens=CAP) as stream:
                for _ in stream:
                    pass
                return stream.reply
        except ModelRouteError as error:
            return error

    with (
        Router(**routing(first, second, store=where, budgets=[Budget("all", LIMIT)])) as router,
        ThreadPoolExecutor(32) as threads,
    ):
        got = list(threads.map(work, range(240)))
        until(lambda: [one.spent for one in router.balances()] == [total(billed(first) + billed(second))])
    refused = [one for one in got if isinstance(one, BudgetExceededError)]
    assert len(refused) > 20
    assert all(one.limit == LIMIT and one.left < one.wanted for one in refused)
    assert len(got) - len(refused) > 20, "so many bounds fit at once"
    books_agree(where, LIMIT, [first, second])


@pytest.mark.parametrize("kind", LOOP_KINDS)
def test_200_tasks_on_two_loops_spend_what_the_servers_bill_and_no_more(
    server: FaultServer, where: str, kind: str
) -> None:
    first, second = billing(server), billing(server, name="second", model="large")
    router = AsyncRouter(**routing(first, second, store=where, budgets=[Budget("all", LIMIT)]))
    refused: list[ModelRouteError] = []

    async def work(number: int) -> None:
        try:
            if number % 2:
                await router.chat(PROMPT, max_tokens=CAP)
                return
            async with router.stream(PROMPT, max_tokens=CAP) as stream:
                async for _ in stream:
                    pass
        except ModelRouteError as error:
            refused.append(error)

    async def all_of_them(last: bool) -> None:
        await asyncio.gather(*map(work, range(100)))
        if last:
            await router.aclose()

    for last in (False, True):
        in_loop(kind, partial(all_of_them, last))
    assert any(isinstance(error, BudgetExceededError) for error in refused)
    books_agree(where, LIMIT, [first, second])


# ---------------------------------------------------------------------------------------------------------- a death


def test_what_a_killed_process_had_set_aside_is_presumed_spent_and_can_be_taken_back(
    server: FaultServer, where: str
) -> None:
    """The limit has room for one such stream: the presumed one is in the way of the next until it is taken back."""
    one = place(server, [stalled(), ok(usage=(8, 1))])
    with Router(**routing(one)) as asking:
        bound = asking.explain(PROMPT, max_tokens=CAP).ranked[0].bound
    assert bound is not None
    part = "stream_async" if "://" in where else "stream"
    other = Other(part, where, one, limit=str(bound.dollars), cap=CAP)
    assert other.told()
    other.kill()

    with Router(**routing(one, store=where, budgets=[Budget("all", bound)])) as router:
        with pytest.raises(BudgetExceededError, match="must be set aside"):
            router.chat(PROMPT, max_tokens=CAP)
        ahead(where, 36.0)  # its deadline is 5 s, its lease 30 s more
        with pytest.raises(BudgetExceededError):
            router.chat(PROMPT, max_tokens=CAP)
        (row,) = rows_of(where)
        assert (row.kind, row.cost, row.accounts) == ("presumed", bound, (ALL,))
        reservation = row.id.removesuffix("/presumed")
        assert reservation in command("ledger", "presumed", "--store", where)
        assert str(bound) in command("ledger", "check", "--store", where)
        command("ledger", "reverse", reservation, "--store", where, "--yes")
        assert "no presumed spend" in command("ledger", "presumed", "--store", where)
        router.chat(PROMPT, max_tokens=CAP)
    command("ledger", "reverse", reservation, "--store", where, "--yes", code=2)
    (account,) = checked(where)["accounts"]
    assert account["counted_pico"] == 12_000_000
    assert [entry.kind for entry in rows_of(where)] == ["presumed", "correction", "attempt"]
    assert len(one.seen) == 2


# ---------------------------------------------------------------------------------------------- a store that fails


def killed(store: Server) -> None:
    store.kill()


def stopped(store: Server) -> None:
    assert store.process is not None
    store.process.send_signal(signal.SIGSTOP)


def back(store: Server) -> None:
    if store.process is None:
        store.start()
    else:
        store.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("how", [killed, stopped])
@pytest.mark.parametrize("kind", ["sync", "uvloop"])
def test_without_its_store_hard_refuses_soft_goes_on_and_all_is_settled_when_it_is_back(
    server: FaultServer, kind: str, how: Callable[[Server], None]
) -> None:
    """The store goes while answers are under way: their settlements wait for it."""
    hard, soft = billing(server, delay=0.5), place(server, [ok(usage=(8, 1))], name="second")
    notices: list[object] = []
    with running("redis", persistent=True) as store:
        budgets = [Budget("all", 1, target="first"), Budget("soft", 1, hard=False, target="second")]
        settings = routing(hard, soft, store=store.url, budgets=budgets, on_event=notices.append)
        options: dict[str, Any] = {"model": hard.target, "max_tokens": CAP}
        times: list[float] = []

        def lose() -> float:
            until(lambda: len(hard.seen) == 4)
            how(store)
            return time.monotonic()

        def refused(error: BaseException | None, begun: float) -> None:
            times.append(time.monotonic() - begun)
            assert type(error) is StoreUnavailableError, repr(error)

        def settled() -> None:
            until(lambda: len(rows_of(store.url)) == 8)

        if kind == "sync":
            with Router(**settings) as router, ThreadPoolExecutor(4) as threads:
                under_way = [threads.submit(router.chat, PROMPT, **options) for _ in range(4)]
                for _ in range(2):
                    begun = lose()
                    with pytest.raises(StoreUnavailableError) as caught:
                        router.chat(PROMPT, **options)
                    refused(caught.value, begun)
                assert [call.result().text for call in under_way]
                for _ in range(4):
                    assert router.chat(PROMPT, model=soft.target).cost_basis == "declared by you"
                back(store)
                settled()
        else:

            async def main() -> None:
                async with AsyncRouter(**settings) as router:
                    under_way = [asyncio.ensure_future(router.chat(PROMPT, **options)) for _ in range(4)]
                    begun = await asyncio.to_thread(lose)
                    for _ in range(2):
                        begun = time.monotonic()
                        with pytest.raises(StoreUnavailableError) as caught:
                            await router.chat(PROMPT, **options)
                        refused(caught.value, begun)
                    assert [reply.text for reply in await asyncio.gather(*under_way)]
                    for _ in range(4):
                        await router.chat(PROMPT, model=soft.target)
                    back(store)
                    await asyncio.to_thread(settled)

            in_loop(kind, main)
        failed = [one for one in notices if isinstance(one, StoreFailed)]
        assert [one.refused for one in failed] == [True, True, False, False, False, False]
        assert max(times) < 2.5
        assert times[1] < 0.5, "the second asks no store that failed a moment ago"
        assert len(hard.seen) == len(soft.seen) == 4
        (account,) = checked(store.url)["accounts"]
        assert account["counted_pico"] == total(billed(hard)).pico
        assert [row.accounts for row in rows_of(store.url) if row.target == soft.target] == [()] * 4


def lateness_with_a_slow_store(server: FaultServer) -> float:
    """Seconds by which the latest of eight callers outlasts its deadline, above what a bare timer shows meanwhile."""
    one = place(server, [ok(usage=(8, 1))])
    late: list[float] = []
    errors: list[BaseException] = []

    def saw(begun: float, deadline: float, error: BaseException) -> None:
        late.append(time.monotonic() - begun - deadline)
        errors.append(error)

    def work(deadline: float) -> None:
        begun = time.monotonic()
        try:
            router.chat(PROMPT, max_tokens=CAP, deadline=deadline)
        except ModelRouteError as error:
            saw(begun, deadline, error)

    async def work_async(asking: AsyncRouter, deadline: float) -> None:
        begun = time.monotonic()
        try:
            await asking.chat(PROMPT, max_tokens=CAP, deadline=deadline)
        except ModelRouteError as error:
            saw(begun, deadline, error)

    deadlines = [0.1, 0.3, 0.6, 1.2]
    closing: list[float] = []

    async def main() -> None:
        async with AsyncRouter(**settings) as asking:
            await asyncio.gather(*(work_async(asking, deadline) for deadline in deadlines))
            begun = time.monotonic()
        closing.append(time.monotonic() - begun)

    with running("redis") as store, Link(str(store.socket)) as link, noise() as machine:
        link.delay = 5.0
        settings = routing(one, store=f"redis://127.0.0.1:{link.port}/0", budgets=[Budget("all", 1)])
        beside = threading.Thread(target=in_loop, args=("uvloop", main))
        beside.start()
        with Router(**settings) as router:
            with ThreadPoolExecutor(len(deadlines)) as threads:
                list(threads.map(work, deadlines))
            begun = time.monotonic()
        closing.append(time.monotonic() - begun)
        beside.join()
        link.heal()
    assert len(errors) == 2 * len(deadlines)
    assert all(isinstance(error, StoreUnavailableError | DeadlineExceededError) for error in errors)
    assert len(closing) == 2
    assert max(closing) < 6.5, "five seconds for settlements, one for what others are told"
    assert not one.seen
    return max(late) - machine.worst


def test_a_slow_store_makes_nobody_later_than_the_deadline_and_closing_ends(server: FaultServer) -> None:
    """The network delays every answer of the store by five seconds (T3); sync and async.

    A busy machine can only make callers later: one run of three within the limit shows that it is not us.
    """
    assert any(lateness_with_a_slow_store(server) < 0.1 for _ in range(3))


def test_a_flushed_server_is_refused_until_it_is_rebuilt_from_the_mirror(server: FaultServer, tmp_path: Path) -> None:
    one, mirror = billing(server), tmp_path / "mirror.db"
    notices: list[object] = []
    with running("redis") as store:
        settings = routing(one, store=store.url, ledger=mirror, budgets=[Budget("all", LIMIT)])
        with Router(**settings, on_event=notices.append) as router:
            for _ in range(6):
                router.chat(PROMPT, max_tokens=CAP)
            until(lambda: len(rows_of(str(mirror))) == 6)
            store.ask("FLUSHALL")
            for _ in range(2):
                with pytest.raises(StoreLostError, match="modelroute ledger rebuild"):
                    router.chat(PROMPT, max_tokens=CAP)
            assert len(one.seen) == 6
            assert mirror.stat().st_mode & 0o777 == 0o600
            command("ledger", "rebuild", "--store", store.url, "--yes", str(mirror))

            def goes_on() -> bool:
                try:
                    return bool(router.chat(PROMPT, max_tokens=CAP).text)
                except StoreLostError:  # it rests for a second after a refusal
                    return False

            until(goes_on, 2.0)
        assert any(isinstance(one, StoreFailed) and one.refused for one in notices)
        books_agree(store.url, LIMIT, [one])


def test_whoever_looks_sees_no_more_than_the_limit_at_any_instant(server: FaultServer, tmp_path: Path) -> None:
    """Another connection looks at the account, spent and set aside, while 16 threads spend."""
    one, where = billing(server), str(tmp_path / "spend.db")
    seen: list[Money] = []
    looking = SqliteStore(where)
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.002):
            balance = looking.balance(ALL, now=time.time())
            if balance is not None:
                seen.append(balance.spent + balance.reserved)

    watcher = threading.Thread(target=look)
    watcher.start()

    def work(_: int) -> None:
        try:
            router.chat(PROMPT, max_tokens=CAP)
        except BudgetExceededError:
            pass

    with (
        Router(**routing(one, store=where, budgets=[Budget("all", "0.001")])) as router,
        ThreadPoolExecutor(16) as threads,
    ):
        list(threads.map(work, range(80)))
    stop.set()
    watcher.join()
    looking.close()
    assert max(seen) <= Money("0.001")
    assert len(seen) > 10
    books_agree(where, Money("0.001"), [one])
