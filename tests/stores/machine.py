"""One machine for every store: what it answers and remembers is what the model answers and remembers.

A store is put to it by a subclass (see `machine_of`). Ids, scopes and keys are few on purpose: settled ids are reserved
again, forgotten accounts come back, reservations are settled after their lease.
"""

from collections.abc import Callable
from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from modelroute.money import ZERO, Money
from modelroute.stores.store import Store
from modelroute.types.claims import Balance, Claim, Limited, RateClaim
from modelroute.types.ledger import Entry, EntryKind
from modelroute.types.signals import Signal
from tests.stores.model import ModelStore

LIMITS = {"team": 100, "user": 60, "rolling": 80, "slow": 120, "request:1": 50}
ROLLING = {"rolling": 64.0, "slow": 640.0}
SOFT = {"slow"}
RATES = {
    "requests/minute": RateClaim("requests/minute", 4, 1, "requests", 64.0),
    "tokens/minute": RateClaim("tokens/minute", 100, 0, "tokens", 32.0),
}
START = 1_000_000.0

scopes = st.lists(st.sampled_from(sorted(LIMITS)), max_size=3)
ids = st.integers(0, 11).map(lambda number: f"r{number}")
keys = st.sampled_from(["k", "l"])
owners = st.sampled_from(["a", "b"])


def row(reservation: str, cost: int, accounts: tuple[str, ...] = (), *, at: float = START, number: int = 1) -> Entry:
    """Return a row of the ledger with every kind of value in it."""
    money = Money.from_pico(cost)
    return Entry(
        id=reservation, kind=EntryKind.ATTEMPT, request=f"q{reservation}", number=number, at=at, scenario="daily",
        task=None if cost % 2 else "coding", tags=("a", "b, \"ü\"")[: cost % 3], user=None, target="m@p", why="first",
        decision="d1", snapshot="s1", input_tokens=cost, output_tokens=None, cached_tokens=0, cache_write_tokens=None,
        reasoning_tokens=7, estimate=None if cost % 2 else money, reserved=money, cost=money, basis="catalog",
        failure=None, finish="stop", seconds=0.5, first_token=None, accounts=accounts, content=None,
    )  # fmt: skip


class StoreMachine(RuleBasedStateMachine):
    """Drives a store and the model side by side. `make` opens a fresh store, `reopen` closes it and opens it again."""

    make: Callable[[], Store]
    reopen: Callable[[Store], Store] | None = None

    @initialize()
    def begin(self) -> None:
        self.store = type(self).make()
        self.model = ModelStore(keeps_ledger=self.store.keeps_ledger)
        self.now = START
        self.mark = 0
        self.numbers = count()
        self.overruns = False
        self.generations: dict[str, int] = {}

    def fresh(self, reservation: str) -> str:
        """A settled id is known for a while only, so that nobody has to remember all: then the next one is used."""
        name = f"{reservation}.{self.generations.setdefault(reservation, 0)}"
        known = self.model.reservations.get(name)
        if known is not None and known.state == "settled" and known.settled < self.now - 30:
            self.generations[reservation] += 1
            return self.fresh(reservation)
        return name

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()

    @rule(
        reservation=ids,
        scopes=scopes,
        bound=st.integers(0, 50),
        less=st.integers(0, 10),
        lease=st.integers(1, 60),
        ends=st.integers(0, 90),
        rates=st.lists(st.tuples(st.sampled_from(sorted(RATES)), st.integers(0, 60)), max_size=2),
        recorded=st.booleans(),
    )
    def reserve(
        self,
        *,
        reservation: str,
        scopes: list[str],
        bound: int,
        less: int,
        lease: int,
        ends: int,
        rates: list[tuple[str, int]],
        recorded: bool,
    ) -> None:
        """A hard claim is for the bound, a soft one may be for less."""
        reservation = self.fresh(reservation)
        claims = [
            Claim(
                scope,
                Money.from_pico(LIMITS[scope]),
                Money.from_pico(max(0, bound - less) if scope in SOFT else bound),
                self.now + ends,
                rolling=ROLLING.get(scope),
                hard=scope not in SOFT,
            )
            for scope in scopes
        ]
        asked = [
            RateClaim(
                name, RATES[name].limit, amount if "tokens" in name else 1, RATES[name].counts, RATES[name].seconds
            )
            for name, amount in rates
        ]
        entry = row(reservation, bound, tuple(dict.fromkeys(scopes)), at=self.now) if recorded else None
        until = self.now + lease
        expected = self.model.reserve(reservation, claims, lease=until, now=self.now, rates=asked, entry=entry)
        answer = self.store.reserve(reservation, claims, lease=until, now=self.now, rates=asked, entry=entry)
        if isinstance(expected, Limited) and expected.retry_after is not None:
            assert isinstance(answer, Limited)
            assert answer.scope == expected.scope
            assert answer.retry_after is not None
            assert abs(answer.retry_after - expected.retry_after) < 1e-6
        else:
            assert answer == expected

    @rule(
        reservation=ids,
        part=st.sampled_from([0.0, 0.3, 0.8, 1.0, 1.0, 1.3]),
        final=st.booleans(),
        sent=st.booleans(),
        tokens=st.none() | st.integers(0, 70),
        recorded=st.booleans(),
    )
    def settle(
        self, *, reservation: str, part: float, final: bool, sent: bool, tokens: int | None, recorded: bool
    ) -> None:
        """Mostly within what is set aside; sometimes a provider bills beyond it."""
        reservation = self.fresh(reservation)
        held = self.model.reservations.get(reservation)
        bound = 20 if held is None else held.most
        cost = int(bound * part)
        accounts = () if held is None else tuple(dict.fromkeys(claim.scope for claim in held.claims))
        entry = row(reservation, cost, accounts, at=self.now) if recorded else None
        if held is not None and held.state != "settled":
            self.overruns |= cost > bound
        for store in (self.model, self.store):
            store.settle(
                reservation,
                Money.from_pico(cost),
                now=self.now,
                final=final,
                sent=sent,
                tokens=tokens,
                entry=entry,
            )

    @rule(reservation=ids)
    def reverse(self, reservation: str) -> None:
        reservation = self.fresh(reservation)
        expected = self.model.reverse(reservation, now=self.now)
        assert self.store.reverse(reservation, now=self.now) == expected

    @rule(seconds=st.sampled_from([0.25, 1, 3, 7, 20, 64, 300]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(
        signals=st.lists(
            st.builds(
                lambda key, until, extends: (key, until, extends),
                st.sampled_from(["hold:a", "hold:b", "breaker:a"]),
                st.integers(0, 40),
                st.booleans(),
            ),
            max_size=2,
        )
    )
    def publish(self, signals: list[tuple[str, int, bool]]) -> None:
        told = [
            Signal(key, f'{{"number": {next(self.numbers)}}}', self.now + until, extends)
            for key, until, extends in signals
        ]
        self.model.publish(told, now=self.now)
        self.store.publish(told, now=self.now)

    @rule(again=st.booleans())
    def listen(self, again: bool) -> None:
        """Marks are the store's own: what is compared is what is news to one who listens from time to time."""
        if again:
            self.mark, self.model_mark = 0, 0
        mark, signals = self.store.signals(self.mark, now=self.now)
        model_mark, expected = self.model.signals(getattr(self, "model_mark", 0), now=self.now)
        assert list(signals) == expected
        self.mark, self.model_mark = mark, model_mark

    @rule(key=keys, fingerprint=st.sampled_from(["f", "g"]), owner=owners, lease=st.integers(1, 40))
    def begin_key(self, key: str, fingerprint: str, owner: str, lease: int) -> None:
        until = self.now + lease
        expected = self.model.begin(key, fingerprint, owner=owner, lease=until, now=self.now)
        assert self.store.begin(key, fingerprint, owner=owner, lease=until, now=self.now) == expected

    @rule(key=keys, owner=owners, until=st.integers(1, 60))
    def keep_reply(self, key: str, owner: str, until: int) -> None:
        reply = bytes([0, 255, next(self.numbers) % 256])
        for store in (self.model, self.store):
            store.keep_reply(key, owner=owner, reply=reply, until=self.now + until, now=self.now)

    @rule(key=keys, owner=owners)
    def free_key(self, key: str, owner: str) -> None:
        for store in (self.model, self.store):
            store.free_key(key, owner=owner)

    @precondition(lambda self: type(self).reopen is not None)
    @rule()
    def come_back(self) -> None:
        """Everything is remembered by a store that outlives its process."""
        reopen = type(self).reopen
        assert reopen is not None
        self.store = reopen(self.store)

    @invariant()
    def it_remembers_what_the_model_remembers(self) -> None:
        for scope in LIMITS:
            balance = self.store.balance(scope, now=self.now)
            assert balance == self.model.balance(scope, now=self.now), scope
            if balance is not None and scope not in SOFT and not self.overruns:
                self.m1(scope, balance)
        assert self.store.balances(now=self.now) == self.model.balances(now=self.now)
        assert list(self.store.entries()) == self.model.entries()

    def m1(self, scope: str, balance: Balance) -> None:
        """Within the limit by the store's own account, and by what was spent in the last seconds to the moment."""
        assert balance.spent + balance.reserved <= Money.from_pico(LIMITS[scope])
        truly = self.model.accounts[scope].truly_spent(self.now)
        assert truly + balance.reserved.pico <= LIMITS[scope]

    @invariant()
    def m5_the_ledger_adds_up_to_the_accounts(self) -> None:
        """What was recorded; a forgotten account leaves its rows behind."""
        rows = self.model.entries()  # the store's, as was just seen
        for scope, account in self.model.accounts.items():
            charged = {charge.reservation for charge in account.charges}
            costs = [
                (e.id.split("/")[0], e.cost) for e in rows if scope in e.accounts and e.id.split("/")[0] in charged
            ]
            recorded = {reservation for reservation, _ in costs}
            spent = sum(charge.amount for charge in account.charges if charge.reservation in recorded)
            assert sum((cost for _, cost in costs), ZERO) == Money.from_pico(spent)


def machine_of(make: Callable[[], Store], reopen: Callable[[Store], Store] | None = None) -> type[StoreMachine]:
    """Return the machine for the stores `make` opens: name its `TestCase` ``Test...`` and pytest runs it."""
    return type(
        "StoreMachine",
        (StoreMachine,),
        {"make": staticmethod(make), "reopen": None if reopen is None else staticmethod(reopen)},
    )
