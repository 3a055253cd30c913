"""What is remembered of requests under way is bounded, and may be asked for by many threads."""

import os
import threading

import pytest

from modelroute.integrations.in_flight import InFlight


def test_a_value_is_remembered_until_its_request_ends() -> None:
    known: InFlight[int] = InFlight()
    assert known.begin("a", 1) is None
    assert known.get("a") == 1
    assert known.end("a") == 1
    assert known.get("a") is None
    assert known.end("a") is None


def test_the_oldest_is_forgotten_and_handed_back() -> None:
    known: InFlight[int] = InFlight(2)
    assert [known.begin(name, number) for number, name in enumerate("abcd")] == [None, None, 0, 1]
    assert (len(known), known.get("b"), known.get("c")) == (2, None, 2)


def test_many_threads_share_one() -> None:
    known: InFlight[int] = InFlight(50)
    start = threading.Barrier(8)
    problems = list[BaseException]()

    def use(thread: int) -> None:
        try:
            start.wait()
            for number in range(500):
                known.begin(f"{thread}:{number}", number)
                if number % 3:
                    known.end(f"{thread}:{number}")
        except BaseException as problem:  # noqa: BLE001 - looked at below
            problems.append(problem)

    threads = [threading.Thread(target=use, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(known) <= 50


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_no_requests_and_no_lock_of_its_parent() -> None:
    known: InFlight[int] = InFlight()
    known.begin("a", 1)
    with known._lock:
        child = os.fork()
        if child == 0:
            threading.Timer(10, os._exit, [3]).start()
            known.begin("b", 2)
            os._exit(0 if len(known) == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
