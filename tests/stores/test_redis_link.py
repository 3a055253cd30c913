"""Whatever the link to the server does, an operation ends in time, says why, and sets nothing aside twice."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import TypeVar

import pytest

from modelroute.errors import StoreUnavailableError
from modelroute.money import Money
from modelroute.stores.redis import RedisStore
from modelroute.types.claims import Claim, Granted
from tests.stores.link import Link
from tests.stores.machine import row
from tests.stores.redis_server import Server, running

_PREFIXES = count()
_Answer = TypeVar("_Answer")
PATIENCE = 0.25
"""The store's timeout in these tests."""

SLACK = 1.0
"""What a busy machine may add before the test calls it late."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running("redis") as found:
        yield found


@pytest.fixture
def link(server: Server) -> Iterator[Link]:
    with Link(str(server.socket)) as found:
        yield found


def opened(link: Link, timeout: float = PATIENCE) -> RedisStore:
    return RedisStore(f"redis://127.0.0.1:{link.port}/0", prefix=f"link{next(_PREFIXES)}", timeout=timeout)


def reserve(store: RedisStore, name: str, amount: int = 1) -> object:
    now = time.time()
    claims = [Claim("team", Money.from_pico(100), Money.from_pico(amount), now + 900)]
    return store.reserve(name, claims, lease=now + 60, now=now)


def settle(store: RedisStore, name: str, cost: int) -> None:
    now = time.time()
    store.settle(name, Money.from_pico(cost), now=now, entry=row(name, cost, ("team",)))


def figures(store: RedisStore) -> tuple[int, int]:
    found = store.balance("team", now=time.time())
    assert found is not None
    return found.total.pico, found.reserved.pico


def in_time(operation: Callable[[], object]) -> StoreUnavailableError:
    """Return the error an operation ends with, in time."""
    start = time.monotonic()
    with pytest.raises(StoreUnavailableError) as failed:
        operation()
    assert time.monotonic() - start <= PATIENCE + SLACK
    return failed.value


def answered(operation: Callable[[], _Answer]) -> _Answer:
    """Return what an operation on a good link answers, on a machine that may be too busy to answer at once."""
    end = time.monotonic() + 20
    while True:
        try:
            return operation()
        except StoreUnavailableError:
            if time.monotonic() > end:
                raise


def _sets(**faults: object) -> Callable[[Link], None]:
    def apply(link: Link) -> None:
        for name, value in faults.items():
            setattr(link, name, value)

    return apply


FAULTS = {
    "delayed": (_sets(delay=3.0), "did not answer within 0.25 s"),
    "dripping": (_sets(drip=0.1), "did not answer within 0.25 s"),
    "silent": (_sets(swallow=True), "did not answer within 0.25 s"),
    "deaf": (_sets(deaf=True), "did not answer within 0.25 s"),
    "reset at once": (_sets(cut_asking=0), "cannot be reached"),
    "reset in the answer": (_sets(cut_answering=5), "cannot be reached"),
    "garbled": (_sets(garble=b"?"), "does not answer as Redis"),
    "endless": (_sets(garble=b"$9999999999999\r\n"), "does not answer as Redis|did not answer|cannot be reached"),
    "another protocol": (_sets(garble=b"+"), "does not answer as Redis|cannot be reached"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("connected", [True, False])
def test_an_operation_ends_in_time_and_the_store_works_once_the_link_does(
    link: Link, fault: str, *, connected: bool
) -> None:
    store, (apply, why) = opened(link), FAULTS[fault]
    if connected:
        answered(lambda: reserve(store, "before", 10))
    apply(link)
    error = in_time(lambda: reserve(store, "during", 10))
    assert str(error).startswith(f"redis 127.0.0.1:{link.port}/0 ")
    assert any(part in str(error) for part in why.split("|")), str(error)
    in_time(lambda: settle(store, "during", 1))
    link.heal()
    assert answered(lambda: reserve(store, "during", 10)) == Granted()
    answered(lambda: settle(store, "during", 3))
    total, reserved = answered(lambda: figures(store))
    assert total in (1, 3)  # the settlement that went unanswered may have been done
    assert reserved == (10 if connected else 0)
    store.close()


def test_a_server_that_is_down_is_told_apart_at_once(link: Link) -> None:
    store = opened(link, timeout=5)
    reserve(store, "before")
    port = link.port
    link.close()
    start = time.monotonic()
    with pytest.raises(StoreUnavailableError, match="cannot be reached; start it"):
        reserve(store, "during")
    assert time.monotonic() - start < 1.0
    with Link(link.behind, port=port):
        assert reserve(store, "after") == Granted()
        store.close()


@pytest.mark.parametrize("side", ["cut_asking", "cut_answering"])
def test_wherever_a_connection_is_cut_nothing_is_set_aside_or_charged_twice(link: Link, side: str) -> None:
    """After every number of bytes: the caller asks again by the same id until it is answered."""
    store, total, failures = opened(link, timeout=5.0), 0, 0
    operations: tuple[Callable[[str], object], ...] = (
        lambda name: reserve(store, name),
        lambda name: settle(store, name, 1),
    )
    reserve(store, "first", 0)
    for number, cut in enumerate([*range(1, 60, 9), *range(80, 700, 120)]):
        for operation in operations:
            setattr(link, side, cut)
            link.reset()
            try:
                operation(f"r{number}")
            except StoreUnavailableError:
                failures += 1
                link.heal()
                operation(f"r{number}")
            link.heal()
        total += 1
    assert failures > 5
    assert figures(store) == (total, 0)
    assert sum(entry.cost.pico for entry in store.entries()) == total
    store.close()


def test_connections_a_restarted_server_left_behind_are_made_anew_without_anybody_noticing(link: Link) -> None:
    store = opened(link, timeout=5)
    threads = [threading.Thread(target=reserve, args=(store, f"r{number}")) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    link.reset()
    assert reserve(store, "after") == Granted()
    assert figures(store) == (0, 9)
    store.close()


def test_taking_presumed_spend_back_is_not_asked_twice(link: Link) -> None:
    """A second asking would find nothing to take back, and say so."""
    store, now = opened(link, timeout=5.0), time.time()
    store.reserve("r", [Claim("team", Money.from_pico(9), Money.from_pico(5), now + 9)], lease=now, now=now)
    link.cut_replies = True
    link.reset()
    with pytest.raises(StoreUnavailableError):
        store.reverse("r", now=now)
    link.heal()
    assert store.reverse("r", now=now) is None
    assert figures(store) == (0, 0)
    store.close()


def test_a_name_that_does_not_resolve_in_time_does_not_hold_anybody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow(*_: object, **__: object) -> list[object]:
        asked.set()
        go_on.wait(10)
        raise socket.gaierror("no such name")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    store = RedisStore("redis://nowhere.test:6379/0", timeout=PATIENCE)
    assert "did not answer within" in str(in_time(lambda: reserve(store, "r")))
    assert asked.is_set()
    go_on.set()
    store.close()


def test_a_connection_that_comes_too_late_is_closed(link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the thread that made it: an unclosed socket would be a ResourceWarning, which fails the test."""
    real, late = socket.getaddrinfo, threading.Event()

    def slow(*arguments: object, **options: object) -> object:
        time.sleep(2 * PATIENCE)
        late.set()
        return real(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    store = opened(link)
    in_time(lambda: reserve(store, "r"))
    assert late.wait(5)
    for thread in threading.enumerate():
        if thread.name == "modelroute-redis-connect":
            thread.join()
    store.close()


def test_who_waits_for_a_connection_waits_no_longer_than_for_an_answer(link: Link) -> None:
    store = opened(link)
    store._link._connections = 2
    store.after_fork()
    link.swallow = True
    errors: list[StoreUnavailableError] = []
    threads = [
        threading.Thread(target=lambda n=n: errors.append(in_time(lambda: reserve(store, f"r{n}")))) for n in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(errors) == 6
    store.close()
