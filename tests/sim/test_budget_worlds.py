"""Seeded worlds with budgets: random limits, windows and views over random faults, cancellations and a store that is
slow, fails, or fails after it has done what was asked.

What is checked: M1 at every step of the store and from the providers' bills, M2 wherever a hard budget promised, M3
once everything is over, M5 (counters are the sums of what was settled), T3 and C1, and all that is checked of any
request.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar, get_args

import pytest

from modelroute import (
    Budget,
    BudgetExceededError,
    Catalog,
    Money,
    Policy,
    Retry,
    Scenario,
    StoreLostError,
    StoreUnavailableError,
    cheapest,
)
from modelroute.money import ZERO
from modelroute.policy.budget import Each, OnExceeded, Subject
from modelroute.runtime.clocks import Clocks
from modelroute.runtime.keeping import StoreRunner
from modelroute.stores.memory import MemoryStore
from modelroute.testing import ScriptedAsyncRouter, run_simulated
from modelroute.testing.checks import (
    InvariantViolatedError,
    Observed,
    WatchedStore,
    check_all,
    check_c1,
    check_m3,
    check_s6,
)
from modelroute.testing.scripted import EPOCH, SeenCall
from modelroute.types.claims import Balance, Claim, Granted, Limited, RateClaim, Refused
from modelroute.types.ledger import Entry
from modelroute.types.notices import BudgetRefused, RouterEvent, StoreFailed
from tests.sim.seeds import reached
from tests.sim.world import Laggy, RandomScript, Request, World, _number, random_providers, random_requests

SEEDS = int(os.environ.get("MODELROUTE_SEEDS", "1000"))
FROM = int(os.environ.get("MODELROUTE_SEEDS_FROM", "0"))
PARTS = 3

SOMETIMES = (
    "answered",
    "cancelled",
    "left early",
    "dropped",
    "fell back",
    "refused",
    "refused after an attempt",
    "moved to what fits",
    "capped by a budget",
    "window rolled over",
    "view exhausted",
    "view in a view refused",
    "a user's account refused",
    "soft went over",
    "hard refused without a store",
    "refused for a store that lost",
    "went on without a store",
    "late grant given back",
    "settlement tried again",
    "store rested",
    "reservation presumed and corrected",
)
"""States that a run of all seeds must have reached, or it proves less than it says."""

MIDNIGHT_AFTER = 10.0
"""Seconds after a world's beginning at which its day ends, in the middle of its requests."""

BEHIND = 0.12
"""Seconds a slow shared store may add to a wait: settlements are waited for 50 ms each."""

LAGGING = 0.6
"""The same where even closing a connection is slow."""

R = TypeVar("R")


class Watching(WatchedStore):
    """Keeps what it finds: who asks a store takes any of our errors for the store's own trouble.

    `charged`: what was settled, by account.
    """

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.memory = store
        self.violations: list[InvariantViolatedError] = []
        self.charged: dict[str, Money] = {}
        self._scopes: dict[str, tuple[str, ...]] = {}
        self.presumed = 0

    def reserve(
        self,
        reservation: str,
        claims: Sequence[Claim],
        *,
        lease: float,
        now: float,
        rates: Sequence[RateClaim] = (),
        entry: Entry | None = None,
    ) -> Granted | Refused | Limited:
        known = reservation in self._scopes or reservation in self.settled
        answer = self._noting(
            lambda: super(Watching, self).reserve(reservation, claims, lease=lease, now=now, rates=rates, entry=entry)
        )
        if isinstance(answer, Granted) and not known:
            self._scopes[reservation] = tuple(dict.fromkeys(claim.scope for claim in claims))
        return answer

    def settle(
        self,
        reservation: str,
        cost: Money,
        *,
        now: float,
        final: bool = False,
        sent: bool = True,
        tokens: int | None = None,
        entry: Entry | None = None,
    ) -> None:
        self.presumed += reservation in self.memory._accounts._presumed
        self._noting(
            lambda: super(Watching, self).settle(
                reservation, cost, now=now, final=final, sent=sent, tokens=tokens, entry=entry
            )
        )
        for scope in self._scopes.pop(reservation, ()):
            self.charged[scope] = self.charged.get(scope, ZERO) + cost

    def forget(self, scope: str) -> None:
        self.memory.forget(scope)

    def _noting(self, act: Callable[[], R]) -> R:
        try:
            return act()
        except InvariantViolatedError as violation:
            self.violations.append(violation)
            raise


class Moody:
    """A shared store that fails at times: before it did what was asked, or after."""

    shared = True
    name = "moody"
    keeps_ledger = False

    def __init__(self, store: Watching, rng: random.Random) -> None:
        self.store = store
        self.rng = rng
        self.before, self.after = rng.choice((0.0, 0.05, 0.5)), rng.choice((0.0, 0.05, 0.3))
        self.outage = (begin := rng.uniform(0, 25), begin + rng.choice((0.0, 3.0, 60.0)))
        self.takes_no_settlements = rng.random() < 0.4
        self.loses = rng.random() < 0.5
        self.settled_again = 0
        self._settling: set[str] = set()

    def heal(self) -> None:
        self.before = self.after = 0.0
        self.outage = (0.0, 0.0)
        self.takes_no_settlements = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def reserve(self, *arguments: Any, **said: Any) -> Any:
        return self._perhaps(lambda: self.store.reserve(*arguments, **said))

    def settle(self, reservation: str, cost: Money, **said: Any) -> None:
        self.settled_again += reservation in self._settling
        self._settling.add(reservation)
        if self.takes_no_settlements:
            raise StoreUnavailableError("moody: read-only")
        self._perhaps(lambda: self.store.settle(reservation, cost, **said))

    def _perhaps(self, act: Callable[[], R]) -> R:
        now = asyncio.get_running_loop().time()
        if self.outage[0] <= now < self.outage[1]:
            raise (StoreLostError if self.loses else StoreUnavailableError)("moody: not now")
        if self.rng.random() < self.before:
            raise StoreUnavailableError("moody: refused")
        done = act()
        if self.rng.random() < self.after:
            raise StoreUnavailableError("moody: reset")
        return done


class VirtualRunner(StoreRunner):
    """The runner of a shared store in virtual time: its worker threads are timers, everything else is the real one."""

    def __init__(self, store: Any, clocks: Clocks, rng: random.Random) -> None:
        super().__init__(store, clocks)
        self._rng = rng
        self._lags = rng.choice(((0.0,), (0.0, 0.01, 0.04), (0.0, 0.2, 1.5), (0.1, 3.0, 40.0)))
        self.given_back = 0
        self.rested = 0

    def rests(self) -> bool:
        resting = super().rests()
        self.rested += resting
        return resting

    @property
    def is_idle(self) -> bool:
        return not self._running and not self._backlog

    def _submit(self, operation: Callable[[], R]) -> Future[R]:
        future: Future[R] = Future()
        loop = asyncio.get_running_loop()

        def act() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = operation()
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits
                loop.call_later(self._rng.choice(self._lags), future.set_exception, error)
            else:
                loop.call_later(self._rng.choice(self._lags), future.set_result, result)

        self._running += 1
        future.add_done_callback(self._ended)
        loop.call_later(self._rng.choice(self._lags), act)
        return future

    def _give_up(self, future: Future[R], late: Callable[[R], object] | None) -> None:
        def counted(result: R) -> None:
            self.given_back += 1
            assert late is not None
            late(result)

        super()._give_up(future, None if late is None else counted)

    def _keep(self, operation: Callable[[], object]) -> None:
        self._backlog.append(operation)
        if not self._retrying:
            self._retrying = True
            asyncio.get_running_loop().call_later(1.0, self._again, 1.0)

    def _again(self, waited: float) -> None:
        while self._backlog:
            if not self._kept_again():
                wait = min(2 * waited, 5.0)
                asyncio.get_running_loop().call_later(wait, self._again, wait)
                return
        self._retrying = False


class Heard:
    """Takes every notice at once; a real sink has a thread."""

    dropped = 0

    def __init__(self, events: list[RouterEvent]) -> None:
        self.emit = events.append

    def close(self) -> None:
        """There is nothing to hand on."""


class Evening(ScriptedAsyncRouter):
    """A router whose day ends soon."""

    def _clocks(self) -> Clocks:
        clocks = super()._clocks()
        return Clocks(clocks.monotonic, lambda: clocks.wall() - MIDNIGHT_AFTER, clocks.draw)


@dataclass(frozen=True, slots=True)
class Asked(Request):
    """A request with what budgets look at."""

    tags: frozenset[str]
    user: str | None
    view: int | None

    @property
    def options(self) -> dict[str, Any]:
        asked: dict[str, Any] = {**Request.options.fget(self), "tags": self.tags}  # type: ignore[attr-defined]
        return asked if self.user is None else asked | {"user": self.user}


def random_asked(rng: random.Random, count: int) -> list[Asked]:
    spread = rng.choice((1, 1, 9))
    return [
        Asked(
            **{each.name: getattr(request, each.name) for each in fields(request)}
            | {"arrives": request.arrives * spread},
            tags=frozenset(tag for tag in ("eu", "us") if rng.random() < 0.4),
            user=rng.choice((None, "ada", "bob")),
            view=rng.choice((None, None, None, 0, 1)),
        )
        for request in random_requests(rng, count)
    ]


def random_budgets(rng: random.Random, targets: Sequence[str]) -> list[Budget]:
    made: list[Budget] = []
    for number in range(rng.randrange(0, 4)):
        per = rng.choice(("total", "total", "hour", "day", "week"))
        made.append(
            Budget(
                f"b{number}",
                rng.choice(("0", "0.004", "0.02", "0.08", "0.3", "2", "2")),
                per=per,  # type: ignore[arg-type]
                rolling=per != "total" and rng.random() < 0.4,
                tag=rng.choice((None, None, "eu", ("eu", "us"))),
                user=rng.choice((None, None, None, "ada")),
                target=rng.choice((None, None, None, rng.choice(targets), rng.choice(targets).partition("@")[2])),
                each=rng.choice((None, None, *get_args(Each))),
                hard=rng.random() < 0.7,
                on_exceeded="cheaper" if rng.random() < 0.5 else "refuse",
            )
        )
    return made


@dataclass(slots=True)
class BudgetWorld(World):
    """One seed's run. `store`: ``quick`` and ``slow`` are this process's own, ``shared`` is moody."""

    store: str = "quick"
    events: list[RouterEvent] = field(default_factory=list)

    async def run(self) -> None:
        rng = random.Random(f"budgets {self.seed}")
        providers = random_providers(rng)
        targets = [f"{model.name}@{provider.name}" for provider in providers for model in provider.models]  # type: ignore[union-attr]
        budgets = random_budgets(rng, targets)
        prefer = rng.choice((cheapest, rng.sample(targets, len(targets))))
        router = Evening(
            RandomScript(rng, targets),
            providers=providers,
            policy=Policy(default=Scenario(prefer=prefer)),
            catalog=Catalog(),
            retry=Retry(),
            budgets=budgets,
            seed=self.seed,
        )
        books = router._core.books
        local = Watching(books.local)
        stores, moody, runner = [local], None, None
        books.local = local  # type: ignore[assignment]
        if self.store == "shared":
            watching = Watching(MemoryStore())
            stores.append(watching)
            moody = Moody(watching, rng)
            books.runner = runner = VirtualRunner(moody, router._core.clocks, rng)
        elif self.store == "slow":
            router._performer = Laggy(router._performer, rng)  # type: ignore[assignment]
        router._core.sink = Heard(self.events)  # type: ignore[assignment]
        books._emit = self.events.append
        hard = rng.random() < 0.8
        outer = router.budget(rng.choice(("0.003", "0.05", "0.2", "1")), hard=hard)
        exceeded: OnExceeded = rng.choice(("refuse", "cheaper"))
        views = [outer, outer.budget(rng.choice(("0.003", "0.05", "0.2", "1")), on_exceeded=exceeded)]
        requests = random_asked(rng, 6)
        observed = [self._observed(router, request) for request in requests]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            await asyncio.gather(
                *(
                    self._caller(router if request.view is None else views[request.view], request, each)
                    for request, each in zip(requests, observed, strict=True)
                )
            )
            if any(request.drops for request in requests):
                gc.collect()
                router._reaper.collect()
        if moody is not None and runner is not None:
            moody.heal()
            for _ in range(400):
                if runner.is_idle:
                    break
                await asyncio.sleep(1.0)
        await router.aclose()
        for request, each in zip(requests, observed, strict=True):
            each.calls = [call for call in router.calls if _number(call) == request.number]
            check_all(each, slack=LAGGING if self.store == "slow" else BEHIND)
            self._note_budgets(request, each)
        self._check_money(router, requests, observed, stores, promised_views=views if hard else views[1:])
        check_s6(router.calls)
        check_c1()
        self._note_world(router, budgets, stores, moody, runner)

    # ------------------------------------------------------------------------------------------------------- checks

    def _check_money(
        self,
        router: Evening,
        requests: Sequence[Asked],
        observed: Sequence[Observed],
        stores: Sequence[Watching],
        *,
        promised_views: Sequence[ScriptedAsyncRouter],
    ) -> None:
        now = router._core.clocks.wall()
        for store in stores:
            if store.violations:
                raise store.violations[0]
            check_m3(store)
            balances = store.balances(now=now)
            assert not store._scopes, f"M3: never settled: {store._scopes}"
            for scope, balance in balances.items():
                charged = store.charged.get(scope, ZERO)
                assert balance.total == charged, f"M5: {scope} counts {balance.total}, settled {charged}"
        balances = stores[-1].balances(now=now)
        budgets = router._core.budgets
        for budget in budgets:
            self._check_budget(budget, requests, observed, balances)
        for view in promised_views:
            assert view.spent <= view._budget.limit, "M1: a view is overspent"  # type: ignore[union-attr]
        for request, each in zip(requests, observed, strict=True):
            wide = any(
                budget.hard and budget.target is None and budget.may_cover(None, request.tags, request.user)
                for budget in budgets
            )
            if wide and each.recorded is not None:
                assert each.truth <= each.recorded, f"M2: billed {each.truth}, recorded {each.recorded}"

    def _check_budget(
        self,
        budget: Budget,
        requests: Sequence[Asked],
        observed: Sequence[Observed],
        balances: Mapping[str, Balance],
    ) -> None:
        """M1 and M2 of one hard budget, by the providers' bills: within the limit, and no more than is recorded."""
        if not budget.hard:
            return
        billed: dict[str, Money] = {}
        for request, each in zip(requests, observed, strict=True):
            for call in each.calls:
                subject = subject_of(call, request)
                if not budget.covers(subject):
                    continue
                for account in budget.accounts(subject, call.at + EPOCH - MIDNIGHT_AFTER):
                    billed[account.scope] = billed.get(account.scope, ZERO) + each.charge(call)
        owned = {scope: found for scope, found in balances.items() if owner_of(scope) == budget.name}
        recorded = sum((found.total for found in owned.values()), ZERO)
        told = sum(billed.values(), ZERO)
        assert told <= recorded, f"M2: {budget!r} was billed {told}, recorded {recorded}"
        for scope, amount in billed.items():
            if (
                not budget.rolling and "@" not in scope.rpartition("]")[2]
            ):  # a window's edge may fall between two clocks
                assert amount <= budget.limit, f"M1: {scope} was billed {amount} of {budget.limit}"

    # -------------------------------------------------------------------------------------------------------- notes

    def _note_budgets(self, request: Asked, observed: Observed) -> None:
        self._note(request, observed)
        seen, error, reply = self.seen, observed.error, observed.reply
        if isinstance(error, BudgetExceededError):
            seen["refused"] += 1
            seen["refused after an attempt"] += bool(error.attempts)
            assert error.attempts == () or error.cost >= ZERO
            assert len(error.attempts) == len(observed.calls)
            seen["view exhausted"] += error.budget.startswith("view:")
            seen["view in a view refused"] += error.budget.startswith("view:") and request.view == 1
            seen["a user's account refused"] += "[user=" in error.scope
        if isinstance(error, StoreUnavailableError):
            seen["hard refused without a store"] += 1
            seen["refused for a store that lost"] += isinstance(error, StoreLostError)
        refused = [event for event in self.events if isinstance(event, BudgetRefused)]
        if reply is not None:
            seen["capped by a budget"] += reply.capped_by == "budget"
            seen["moved to what fits"] += any(event.moved_on for event in refused)

    def _note_world(
        self,
        router: Evening,
        budgets: Sequence[Budget],
        stores: Sequence[Watching],
        moody: Moody | None,
        runner: VirtualRunner | None,
    ) -> None:
        seen, now = self.seen, router._core.clocks.wall()
        balances = stores[-1].balances(now=now)
        for budget in budgets:
            scopes = [scope for scope in balances if owner_of(scope) == budget.name]
            windows = {scope.rpartition("@")[2] for scope in scopes}
            seen["window rolled over"] += not budget.rolling and budget.per != "total" and len(windows) > 1
            if not budget.hard:
                seen["soft went over"] += any(balances[scope].spent > budget.limit for scope in scopes)
        failed = [event for event in self.events if isinstance(event, StoreFailed)]
        seen["went on without a store"] += any(not event.refused for event in failed)
        seen["reservation presumed and corrected"] += any(store.presumed for store in stores)
        if moody is not None and runner is not None:
            seen["late grant given back"] += runner.given_back > 0
            seen["settlement tried again"] += moody.settled_again > 0
            seen["store rested"] += runner.rested > 0


def owner_of(scope: str) -> str:
    """The name of the budget whose account `scope` is."""
    name = scope.removeprefix("budget:")
    return min(name.partition("[")[0], name.partition("@")[0], key=len)


def subject_of(call: SeenCall, request: Asked) -> Subject:
    model, _, provider = call.target.rpartition("@")
    return Subject(None, request.tags, request.user, "default", call.target, model, provider)


STORES = ("quick", "slow", "shared", "shared")


def run(seed: int) -> Counter[str]:
    """Run one world; its seed says what its store is like."""
    world = BudgetWorld(seed, store=STORES[seed % len(STORES)])
    try:
        run_simulated(world.run, seed)
    except BaseException as error:
        error.add_note(f"seed {seed}, {world.store}")
        raise
    return world.seen


@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
def test_money_is_kept_in_every_world(part: int) -> None:
    seen = reached(run, range(FROM + part, FROM + SEEDS, PARTS))
    if SEEDS >= 1000:
        missing = [state for state in SOMETIMES if not seen[state]]
        assert not missing, f"never reached: {missing}; {seen}"


def test_equal_seeds_give_equal_worlds() -> None:
    assert [run(seed) for seed in range(8)] == [run(seed) for seed in range(8)]
