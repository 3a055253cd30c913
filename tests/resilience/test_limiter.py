"""Slots and queues against a trivial model: first come, first served, nothing lost, nothing leaked (INVARIANTS C1)."""

from __future__ import annotations

import gc
import random
import threading
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from modelroute.errors import ConfigurationError
from modelroute.resilience.limiter import AT_FIRST, Concurrency, Limiter, Ticket

LANES = 3


@dataclass(eq=False)
class Caller:
    """One caller, as the model knows it."""

    lane: int
    ticket: Ticket | None = None
    woken: list[bool] = field(default_factory=list)


class AgainstModel(RuleBasedStateMachine):
    """The model: who is in, who waits, in order. After each step it lets in as many as fit."""

    @initialize(limit=st.integers(1, 6), queue=st.integers(0, 4))
    def begin(self, limit: int, queue: int) -> None:
        self.limit, self.most_waiting = limit, queue
        self.limiter = Limiter(Concurrency(limit=limit, queue=queue))
        self.allowed = limit
        self.inside: list[Caller] = []
        self.line: list[Caller] = []
        self.gone: list[Caller] = []

    @rule(lane=st.integers(0, LANES - 1))
    def enter(self, lane: int) -> None:
        ticket = self.limiter.enter("a", lane)
        assert (ticket is not None) == (not self.line and len(self.inside) < self.allowed)
        if ticket is not None:
            self.inside.append(Caller(lane, ticket))

    @rule(lane=st.integers(0, LANES - 1))
    def queue(self, lane: int) -> None:
        caller = Caller(lane)
        caller.ticket = self.limiter.queue("a", lane, lambda: caller.woken.append(True))
        if not self.line and len(self.inside) < self.allowed:
            assert caller.ticket is not None
            assert caller.ticket.is_admitted
            self.inside.append(caller)
        elif len(self.line) < self.most_waiting:
            assert caller.ticket is not None
            assert not caller.ticket.is_admitted
            self.line.append(caller)
        else:
            assert caller.ticket is None

    @precondition(lambda self: self.inside)
    @rule(data=st.data(), succeeded=st.booleans(), dropped=st.booleans())
    def leave(self, data: st.DataObject, succeeded: bool, dropped: bool) -> None:
        caller = self.inside.pop(data.draw(st.integers(0, len(self.inside) - 1)))
        assert caller.ticket is not None
        if dropped:
            caller.ticket = None
        else:
            caller.ticket.leave(succeeded=succeeded)
            self.gone.append(caller)
            if succeeded:
                self.allowed = min(self.limit, self.allowed + 1)
        while self.line and len(self.inside) < self.allowed:
            first = self.line.pop(0)
            assert first.woken == [True]
            self.inside.append(first)

    @precondition(lambda self: self.line)
    @rule(data=st.data(), claims=st.booleans())
    def gives_up(self, data: st.DataObject, claims: bool) -> None:
        caller = self.line.pop(data.draw(st.integers(0, len(self.line) - 1)))
        assert caller.ticket is not None
        if claims:
            assert not caller.ticket.claim()
        else:
            caller.ticket.leave()
        self.gone.append(caller)

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def leaves_again(self, data: st.DataObject) -> None:
        caller = data.draw(st.sampled_from(self.gone))
        assert caller.ticket is not None
        caller.ticket.leave(succeeded=True)
        assert not caller.ticket.claim()

    @rule()
    def recovers(self) -> None:
        self.limiter.recovering("a")
        self.allowed = min(AT_FIRST, self.limit)

    @invariant()
    def agrees(self) -> None:
        limiter = self.limiter
        assert limiter.in_flight("a") == len(self.inside)
        assert limiter.waiting("a") == len(self.line)
        assert limiter.allowed("a") == self.allowed
        lanes = Counter(caller.lane for caller in self.inside)
        assert [limiter.in_flight("a", lane) for lane in range(LANES)] == [lanes[lane] for lane in range(LANES)]
        assert limiter.least_loaded("a", range(LANES)) == min(range(LANES), key=lambda lane: lanes[lane])
        for caller in self.inside:
            assert caller.ticket is not None
            assert caller.ticket.claim()
        for caller in self.line:
            assert caller.ticket is not None
            assert not caller.ticket.is_admitted
            assert caller.woken == []


TestAgainstModel = AgainstModel.TestCase


def unwoken() -> None:
    raise AssertionError("nobody waits here")


def test_the_defaults_are_those_of_the_contract() -> None:
    limiter = Limiter()
    tickets = [limiter.enter("a", 0) for _ in range(64)]
    assert all(tickets)
    assert limiter.enter("a", 0) is None
    waiting = [limiter.queue("a", 0, lambda: None) for _ in range(256)]
    assert all(waiting)
    assert limiter.queue("a", 0, unwoken) is None
    assert limiter.enter("b", 0) is not None, "targets are apart"


def test_after_a_recovery_it_starts_with_four_and_grows_with_every_success() -> None:
    limiter = Limiter()
    limiter.recovering("a")
    for round_ in range(4, 10):
        tickets = [limiter.enter("a", 0) for _ in range(round_)]
        assert all(tickets)
        assert limiter.enter("a", 0) is None
        assert tickets[0] is not None
        tickets[0].leave(succeeded=True)
        for ticket in tickets[1:]:
            assert ticket is not None
            ticket.leave()
    assert limiter.allowed("b") == 64


def test_a_waiter_whose_loop_is_gone_is_passed_over() -> None:
    limiter = Limiter(Concurrency(limit=1))
    woken = list[str]()

    def gone() -> bool:
        woken.append("gone")
        return False

    first = limiter.enter("a", 0)
    dead = limiter.queue("a", 0, gone)
    alive = limiter.queue("a", 0, lambda: woken.append("alive"))
    assert first is not None
    assert dead is not None
    assert alive is not None
    first.leave()
    assert woken == ["gone", "alive"]
    assert alive.claim()
    assert not dead.claim()


def test_a_finalizer_in_the_middle_of_it_neither_hangs_nor_loses_a_slot() -> None:
    """Whoever holds the lock does what a finalizer in its own thread could not."""
    limiter = Limiter(Concurrency(limit=1))
    woken = list[bool]()
    first = limiter.enter("a", 0)
    second = limiter.queue("a", 0, lambda: woken.append(True))
    assert first is not None
    assert second is not None
    with limiter._lock:
        first.leave()
        assert not second.is_admitted
    assert limiter.in_flight("b") == 0
    assert limiter.enter("a", 0) is None
    assert second.is_admitted
    assert woken == [True]


@pytest.mark.parametrize("look", ["least_loaded", "waiting", "allowed"])
def test_a_slot_that_is_freed_while_somebody_only_looks_is_given_on(look: str) -> None:
    """Who could not take the lock relies on its holder: a mere look has to wake who waits, too."""
    limiter = Limiter(Concurrency(limit=1))
    woken = list[bool]()
    first = limiter.enter("a", 0)
    second = limiter.queue("a", 1, lambda: woken.append(True))
    assert first is not None
    assert second is not None
    with limiter._lock:
        first.leave()
    assert limiter.least_loaded("a", [0]) == 0 if look == "least_loaded" else getattr(limiter, look)("a") == 1
    assert woken == [True]
    assert second.is_admitted


def test_a_dropped_ticket_is_let_go_of() -> None:
    limiter = Limiter(Concurrency(limit=1))
    ticket = limiter.enter("a", 0)
    waiting = limiter.queue("a", 0, unwoken)
    assert limiter.waiting("a") == 1
    del waiting
    gc.collect()
    assert limiter.waiting("a") == 0
    assert ticket is not None
    del ticket
    gc.collect()
    assert limiter.in_flight("a") == 0


def test_a_fork_begins_anew_and_old_tickets_count_no_more() -> None:
    limiter = Limiter(Concurrency(limit=1))
    old = limiter.enter("a", 0)
    assert old is not None
    limiter._lock.acquire()
    limiter.after_fork()
    new = limiter.enter("a", 0)
    assert new is not None
    old.leave()
    assert limiter.in_flight("a") == 1
    new.leave()
    assert limiter.in_flight("a") == 0


@pytest.mark.parametrize("seed", range(3))
def test_threads_lose_no_wakeup_and_leak_no_slot(seed: int) -> None:
    """Callers wait on real locks, time out at random instants, and never are more in than allowed."""
    limiter = Limiter(Concurrency(limit=3, queue=5))
    start, errors = threading.Barrier(8), list[object]()
    inside, most, guard = [0], [0], threading.Lock()
    done: Counter[str] = Counter()

    def call(rng: random.Random) -> str:
        ticket = limiter.enter("a", 0)
        if ticket is None:
            woken = threading.Lock()
            woken.acquire()
            ticket = limiter.queue("a", 0, woken.release)
            if ticket is None:
                return "shed"
            patience = rng.choice([0.0, 0.0, 0.0005, 5.0])
            in_time = ticket.is_admitted or woken.acquire(timeout=patience)
            if patience == 5.0 and not in_time:
                errors.append("a wakeup was lost")
            if not ticket.claim():
                return "timed out"
        with guard:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        for _ in range(rng.randrange(200)):
            pass
        with guard:
            inside[0] -= 1
        if rng.random() < 0.8:
            ticket.leave(succeeded=True)
        return "in"

    def work(worker: int) -> None:
        rng, mine = random.Random(seed * 100 + worker), Counter[str]()
        try:
            start.wait()
            for _ in range(300):
                mine[call(rng)] += 1
        except BaseException as error:  # noqa: BLE001 - collected for the assertion
            errors.append(error)
        with guard:
            done.update(mine)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert done.total() == 2400
    assert 1 <= most[0] <= 3
    assert (limiter.in_flight("a"), limiter.waiting("a"), limiter._later) == (0, 0, type(limiter._later)())


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": True}, {"limit": 1.5}, {"queue": -1}, {"queue": "x"}])
def test_senseless_limits_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=rf"Concurrency\({next(iter(wrong))}="):
        Concurrency(**wrong)  # type: ignore[arg-type]
