"""One answer for one key: asked once, replayed to everybody else, freed when there was none."""

import asyncio
import json
import logging
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.errors import IdempotencyError, RequestError, StoreUnavailableError
from modelroute.policy.objective import cheapest, strongest
from modelroute.runtime.calls import options_from, request_from
from modelroute.runtime.clocks import Clocks
from modelroute.runtime.keeping import StoreRunner
from modelroute.runtime.options import CallOptions
from modelroute.runtime.replay import (
    GRACE,
    KEPT,
    Keyed,
    KeyedReplies,
    check_again,
    fingerprint_of,
    keyed_from,
    refuse_key,
)
from modelroute.runtime.structured import Shape
from modelroute.testing.loop import VirtualClock, run_simulated
from modelroute.types.keyed import Begun, Different, Running, Stored
from modelroute.types.reply import Reply
from tests.runtime.replies import a_reply


@dataclass
class Row:
    fingerprint: str
    owner: str
    ends: float
    reply: bytes | None = None


@dataclass
class KeyStore:
    """The keyed half of a store, as its contract says it."""

    shared: bool = False
    name: str = "fake"
    rows: dict[str, Row] = field(default_factory=dict[str, Row])
    asked: list[float] = field(default_factory=list[float])
    fails: set[str] = field(default_factory=set[str])
    before: Callable[[str], object] = lambda what: None

    def _enter(self, what: str) -> None:
        self.before(what)
        if what in self.fails:
            raise StoreUnavailableError(f"fake does not {what}")

    def begin(
        self, key: str, fingerprint: str, *, owner: str, lease: float, now: float
    ) -> Begun | Running | Stored | Different:
        self._enter("begin")
        self.asked.append(now)
        row = self.rows.get(key)
        if row is None or row.ends <= now:
            self.rows[key] = Row(fingerprint, owner, lease)
            return Begun()
        if row.fingerprint != fingerprint:
            return Different()
        return Running(row.ends) if row.reply is None else Stored(row.reply)

    def keep_reply(self, key: str, *, owner: str, reply: bytes, until: float, now: float) -> None:
        self._enter("keep")
        row = self.rows.get(key)
        if row is not None and row.owner == owner and row.ends > now:
            self.rows[key] = replace(row, reply=reply, ends=until)

    def free_key(self, key: str, *, owner: str) -> None:
        self._enter("free")
        row = self.rows.get(key)
        if row is not None and row.owner == owner and row.reply is None:
            del self.rows[key]


ORDER = Keyed(key="order-17", fingerprint="f", deadline=10.0)
REPLY = a_reply()


def replies_of(store: KeyStore, clock: VirtualClock) -> KeyedReplies:
    clocks = Clocks(monotonic=clock.now, wall=clock.now, draw=lambda: 0.5, sleep=clock.sleep)
    return KeyedReplies(StoreRunner(store, clocks), clocks)  # type: ignore[arg-type]  # the keyed half is asked for alone


class Asked:
    """Asks for real, and counts."""

    def __init__(self, outcome: Reply | BaseException = REPLY, *, takes: Callable[[], object] = lambda: None) -> None:
        self.deadlines: list[float | None] = []
        self._outcome = outcome
        self._takes = takes

    def __call__(self, deadline: float | None) -> Reply:
        self.deadlines.append(deadline)
        self._takes()
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    async def later(self, deadline: float | None) -> Reply:
        await asyncio.sleep(0)
        return self(deadline)


def answer(store: KeyStore, ask: Asked, keyed: Keyed = ORDER, clock: VirtualClock | None = None) -> Reply:
    return replies_of(store, clock or VirtualClock()).answer(keyed, ask)


def test_the_second_call_gets_the_stored_reply() -> None:
    store, ask = KeyStore(), Asked()
    assert answer(store, ask) is REPLY
    again = answer(store, ask)
    assert again == replace(REPLY, replayed=True)
    assert again.cost == REPLY.cost
    assert ask.deadlines == [None], "asked once, with the call's own deadline"


def test_it_is_kept_for_a_day() -> None:
    store, ask, clock = KeyStore(), Asked(), VirtualClock()
    answer(store, ask, clock=clock)
    clock.sleep(KEPT - 1)
    assert answer(store, ask, clock=clock).replayed
    clock.sleep(2)
    assert not answer(store, ask, clock=clock).replayed


def test_a_key_of_another_request_is_refused() -> None:
    store, ask = KeyStore(), Asked()
    answer(store, ask)
    with pytest.raises(IdempotencyError, match=r"order-17.*different request"):
        answer(store, ask, replace(ORDER, fingerprint="g"))
    assert len(ask.deadlines) == 1


@pytest.mark.parametrize("failure", [RuntimeError("x"), KeyboardInterrupt(), asyncio.CancelledError(), SystemExit()])
def test_what_ended_without_an_answer_frees_the_key(failure: BaseException) -> None:
    store = KeyStore()
    with pytest.raises(type(failure)):
        answer(store, Asked(failure))
    assert not store.rows
    assert not answer(store, Asked()).replayed


def test_a_dead_owner_keeps_its_key_until_its_lease_ends() -> None:
    store, clock = KeyStore(), VirtualClock()
    clocks = Clocks(monotonic=clock.now, wall=clock.now)
    store.begin("order-17", "f", owner="dead", lease=clock.now() + ORDER.deadline + GRACE, now=clock.now())
    with pytest.raises(IdempotencyError, match=r"still under way after 10 s.*within 30 s"):
        answer(store, Asked(), clock=clock)
    assert clocks.monotonic() == ORDER.deadline, "it waited no longer than its own deadline"
    clock.sleep(GRACE)
    assert answer(store, Asked(), clock=clock) is REPLY


def test_waiting_asks_less_and_less_often() -> None:
    store, clock = KeyStore(), VirtualClock()
    store.begin("order-17", "f", owner="other", lease=1e9, now=0.0)
    store.asked.clear()
    with pytest.raises(IdempotencyError):
        answer(store, Asked(), clock=clock)
    pauses = [round(after - before, 6) for before, after in zip(store.asked, store.asked[1:], strict=False)]
    assert pauses[:6] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0]
    assert max(pauses) == 1.0
    assert len(store.asked) < 16


def test_one_who_waited_gets_the_reply_of_the_other() -> None:
    store, clock, first, second = KeyStore(), VirtualClock(), Asked(), Asked()
    store.begin("order-17", "f", owner="other", lease=1e9, now=0.0)

    def other_answers(what: str) -> None:
        if clock.now() > 2:
            store.before = lambda what: None
            store.free_key("order-17", owner="other")
            answer(store, first, clock=clock)

    store.before = other_answers
    assert answer(store, second, clock=clock).replayed
    assert (len(first.deadlines), len(second.deadlines)) == (1, 0)
    assert 2 < clock.now() < 3.1


def test_one_who_waited_for_a_failure_asks_with_what_is_left() -> None:
    store, clock, ask = KeyStore(), VirtualClock(), Asked()
    store.begin("order-17", "f", owner="other", lease=4.0, now=0.0)
    assert answer(store, ask, clock=clock) is REPLY
    (deadline,) = ask.deadlines
    assert deadline == pytest.approx(ORDER.deadline - clock.now())
    assert clock.now() >= 4


def test_the_lease_is_the_deadline_and_thirty_seconds() -> None:
    store, clock = KeyStore(), VirtualClock(100.0)
    ask = Asked(takes=lambda: leases.append(store.rows["order-17"].ends))
    leases: list[float] = []
    answer(store, ask, clock=clock)
    assert leases == [100 + 10 + 30]


# ------------------------------------------------------------------------------------------------------ a bad store


def test_nothing_is_sent_when_the_store_cannot_say() -> None:
    ask = Asked()
    with pytest.raises(StoreUnavailableError):
        answer(KeyStore(fails={"begin"}), ask)
    assert not ask.deadlines


def test_a_store_that_just_failed_is_not_asked_again_at_once() -> None:
    store, clock = KeyStore(fails={"begin"}, shared=True), VirtualClock()
    replies = replies_of(store, clock)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            replies.answer(ORDER, Asked())
    store.fails.clear()
    with pytest.raises(StoreUnavailableError, match="failed a moment ago"):
        replies.answer(ORDER, Asked())
    assert not store.asked
    clock.sleep(2)
    assert replies.answer(ORDER, Asked()) is REPLY
    replies._runner.close()


def test_a_reply_that_was_paid_for_is_handed_over_though_it_cannot_be_stored() -> None:
    store = KeyStore(fails={"keep"})
    assert answer(store, Asked()) is REPLY
    assert store.rows["order-17"].reply is None


def test_a_reply_that_cannot_be_written_is_handed_over_and_told(caplog: pytest.LogCaptureFixture) -> None:
    odd = replace(REPLY, message={"content": object()})
    store = KeyStore()
    with caplog.at_level(logging.WARNING, "modelroute"):
        assert answer(store, Asked(odd)) is odd
    assert "cannot be stored" in caplog.text
    assert not store.rows


def test_a_reply_nobody_can_read_is_not_asked_for_again() -> None:
    store, ask = KeyStore(), Asked()
    answer(store, ask)
    store.rows["order-17"].reply = json.dumps({"version": 99, "reply": {}}).encode()
    with pytest.raises(IdempotencyError, match=r"was answered, but .* version 99.*new key"):
        answer(store, ask)
    assert len(ask.deadlines) == 1


def test_a_slow_store_finishes_behind_the_caller(caplog: pytest.LogCaptureFixture) -> None:
    """The deadline has passed when the reply is there: it goes out at once, and is stored a moment later."""
    let, clock = threading.Event(), VirtualClock()
    store = KeyStore(shared=True, before=lambda what: what == "keep" and let.wait(10))
    replies = replies_of(store, clock)
    with caplog.at_level(logging.WARNING, "modelroute"):
        assert replies.answer(ORDER, Asked(takes=lambda: clock.sleep(ORDER.deadline))) is REPLY
    assert "slow to store" in caplog.text
    assert store.rows["order-17"].reply is None
    let.set()
    replies._runner.close()
    assert store.rows["order-17"].reply is not None


# ---------------------------------------------------------------------------------------------------------- asyncio


def simulate(main: Callable[[], Awaitable[None]], seed: int = 1) -> None:
    async def run() -> None:
        await main()

    run_simulated(run, seed=seed)


def async_replies(store: KeyStore) -> KeyedReplies:
    clock = asyncio.get_running_loop().time
    clocks = Clocks(monotonic=clock, wall=clock, draw=lambda: 0.5)
    return KeyedReplies(StoreRunner(store, clocks), clocks)  # type: ignore[arg-type]  # the keyed half is asked for alone


@pytest.mark.parametrize("seed", range(5))
def test_of_ten_tasks_one_asks(seed: int) -> None:
    async def main() -> None:
        store, asked = KeyStore(), 0

        async def ask(deadline: float | None) -> Reply:
            nonlocal asked
            asked += 1
            await asyncio.sleep(3)
            return REPLY

        replies = async_replies(store)
        found = await asyncio.gather(*(replies.answer_async(ORDER, ask) for _ in range(10)))
        assert asked == 1
        assert [reply.replayed for reply in found].count(False) == 1
        assert {reply.text for reply in found} == {REPLY.text}

    simulate(main, seed)


@pytest.mark.parametrize("when", [0.0, 0.02, 0.5, 2.9, 3.1])
def test_a_cancelled_call_frees_the_key_for_those_who_wait(when: float) -> None:
    async def main() -> None:
        store, asked = KeyStore(), 0

        async def ask(deadline: float | None) -> Reply:
            nonlocal asked
            asked += 1
            await asyncio.sleep(3)
            return REPLY

        replies = async_replies(store)
        first = asyncio.ensure_future(replies.answer_async(ORDER, ask))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(replies.answer_async(ORDER, ask))
        await asyncio.sleep(when)
        first.cancel()
        reply = await second
        assert reply.text == REPLY.text
        assert reply.replayed == (when > 3)
        assert asked == (1 if when > 3 else 2)
        assert asyncio.get_running_loop().time() < 7.2

    simulate(main)


def test_who_is_cancelled_while_waiting_frees_nothing_of_the_other() -> None:
    async def main() -> None:
        store = KeyStore()
        store.begin("order-17", "f", owner="other", lease=1e9, now=0.0)
        waiting = asyncio.ensure_future(async_replies(store).answer_async(ORDER, Asked().later))
        await asyncio.sleep(1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert store.rows["order-17"].owner == "other"

    simulate(main)


async def test_a_key_that_comes_when_nobody_waits_any_more_is_given_back() -> None:
    let, entered = threading.Event(), threading.Event()

    def before(what: str) -> None:
        if what == "begin":
            entered.set()
            let.wait(10)

    store = KeyStore(shared=True, before=before)
    replies = async_replies(store)
    call = asyncio.ensure_future(replies.answer_async(ORDER, Asked().later))
    assert await asyncio.to_thread(entered.wait, 10)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    let.set()
    await asyncio.to_thread(replies._runner.close)
    assert store.asked, "it was taken"
    assert not store.rows, "and given back"


async def test_the_loop_goes_on_while_a_shared_store_is_asked() -> None:
    store, ask = KeyStore(shared=True), Asked()
    replies = async_replies(store)
    assert await replies.answer_async(ORDER, ask.later) is REPLY
    assert (await replies.answer_async(ORDER, ask.later)).replayed
    with pytest.raises(RuntimeError):
        await replies.answer_async(replace(ORDER, key="other"), Asked(RuntimeError("x")).later)
    await asyncio.to_thread(replies._runner.close)
    assert store.rows.keys() == {"order-17"}
    assert ask.deadlines == [None]


# ----------------------------------------------------------------------------------------------------- fingerprints


def fingerprint(messages: object = "hello", **asking: object) -> str:
    request, options = request_from(messages, asking)  # type: ignore[arg-type]
    return fingerprint_of(request, options)


@pytest.mark.parametrize(
    "other",
    [
        {"messages": "hallo"}, {"messages": [{"role": "system", "content": "hello"}]}, {"temperature": 0.5},
        {"max_tokens": 5}, {"tools": [{"type": "function", "function": {"name": "look"}}]}, {"tool_choice": "none"},
        {"effort": "low"}, {"seed": 1}, {"task": "coding"}, {"tags": "eu"}, {"model": "m"}, {"max_cost": 0.02},
        {"floor": 54}, {"needs": "tools"}, {"jurisdictions": "EU"}, {"licences": "MIT"}, {"vendors": "v"},
        {"providers": "p"}, {"without": "p"}, {"allow_unbounded": True}, {"prefer": cheapest}, {"conversation": "c"},
        {"prefer": [strongest, cheapest]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}},
    ],
    ids=str,
)  # fmt: skip
def test_what_may_change_the_answer_changes_the_fingerprint(other: dict[str, object]) -> None:
    assert fingerprint(**{"messages": "hello", **other}) != fingerprint()


@pytest.mark.parametrize(
    "other",
    [{"deadline": 5}, {"max_attempts": 2}, {"on_interrupt": "buffer"}, {"idempotency_key": "k"}, {"model": "auto"}],
    ids=str,
)
def test_what_does_not_change_the_answer_does_not(other: dict[str, object]) -> None:
    assert fingerprint(**other) == fingerprint()


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    asking: dict[str, object] = {"tags": ["b", "a"], "needs": ["tools", "vision"], "without": ["x", "y"]}
    one = fingerprint([{"role": "user", "content": "hello"}], **asking, extra_body={"a": 1, "b": {"c": 2, "d": 3}})
    other = fingerprint([{"content": "hello", "role": "user"}], **asking, extra_body={"b": {"d": 3, "c": 2}, "a": 1})
    assert one == other


def test_a_fingerprint_outlives_a_release() -> None:
    """With another digest for the same request, every key in use during an upgrade would be refused."""
    asking: dict[str, object] = {"tags": "eu", "max_cost": 0.02, "floor": 54, "temperature": 0.5, "prefer": cheapest}
    assert fingerprint("hello", **asking) == "4fc240c2acbe23601aae801a083183096272c0139161bbafea6389a5e9d75ceb"


def test_what_no_provider_could_be_sent_has_no_fingerprint() -> None:
    with pytest.raises(RequestError, match="their_own"):
        fingerprint(extra_body={"their_own": float("nan")})


# ------------------------------------------------------------------------------------------------------ the keyword


def test_a_call_s_key_is_read() -> None:
    request, options = request_from("hello", {"idempotency_key": "order-17", "deadline": 5, "temperature": 0.5})
    assert options.idempotency_key == "order-17"
    assert request.parameters == {"temperature": 0.5}, "it is not sent"
    keyed = keyed_from(request, options)
    assert keyed == Keyed(key="order-17", fingerprint=fingerprint_of(request, options), deadline=5)
    assert keyed_from(*request_from("hello", {})) is None
    unlimited = keyed_from(*request_from("hello", {"idempotency_key": "k"}))
    assert unlimited is not None
    assert unlimited.deadline == 600


@pytest.mark.parametrize("wrong", ["", "x" * 256, 5, b"k", True, "\ud800"], ids=repr)
def test_a_key_that_is_none(wrong: object) -> None:
    with pytest.raises(RequestError, match="idempotency_key="):
        request_from("hello", {"idempotency_key": wrong})


@given(st.text(min_size=1, max_size=255))
def test_any_text_is_a_key(key: str) -> None:
    assert request_from("hello", {"idempotency_key": key})[1].idempotency_key == key


def test_a_key_belongs_to_one_call() -> None:
    with pytest.raises(RequestError, match=r"chat\(\) or parse\(\)"):
        options_from(idempotency_key="k")  # type: ignore[call-arg]
    with pytest.raises(RequestError, match="extra_body"):
        request_from("hello", {"extra_body": {"idempotency_key": "k"}})


def test_the_nearer_key_wins() -> None:
    one, other = CallOptions(idempotency_key="a"), CallOptions(idempotency_key="b", task="t")
    assert (one | other).idempotency_key == "b"
    assert (one | CallOptions(task="t")).idempotency_key == "a"


@pytest.mark.parametrize("method", ["stream", "explain"])
def test_where_no_reply_is_kept_a_key_is_refused(method: str) -> None:
    refuse_key(CallOptions(), method)
    with pytest.raises(RequestError, match=rf"{method}\(\).*chat\(\) and parse\(\)"):
        refuse_key(CallOptions(idempotency_key="k"), method)


def test_a_stored_answer_is_validated_again() -> None:
    assert check_again(a_reply("12"), Shape(int)) == 12
    with pytest.raises(IdempotencyError, match="new key"):
        check_again(a_reply("twelve"), Shape(int))
