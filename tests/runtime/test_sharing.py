"""What routers on one store learn from each other, and that nothing they are told can harm or hold them up."""

from __future__ import annotations

import gc
import json
import logging
import math
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute import AttemptsFailedError, Catalog, Model, ModelRouteError, Price, Provider
from modelroute.errors import StoreUnavailableError
from modelroute.resilience.experience import Experience, Hold
from modelroute.resilience.health import Breakers
from modelroute.runtime import sharing as sharing_module
from modelroute.runtime.clocks import Clocks
from modelroute.runtime.keeping import StoreRunner
from modelroute.runtime.sharing import FIRST_LOOK, INTERVAL, Sharing
from modelroute.testing import Answer, Fails, Failure, Kind, ScriptedRouter
from modelroute.testing.script import Step
from modelroute.testing.scripted import EPOCH
from modelroute.types.facts import Affinity
from modelroute.types.signals import Signal
from tests.runtime.shared_store import SharedStore, until

A, B = "m@a", "m@b"
WELL: dict[str, Sequence[Step]] = {A: [Answer("one")], B: [Answer("two")]}


@contextmanager
def router_over(store: SharedStore, script: dict[str, Sequence[Step]] | None = None) -> Iterator[ScriptedRouter]:
    prices = {"a": Price(input=1, output=1), "b": Price(input=2, output=2)}
    providers = [
        Provider.compatible(
            f"https://{name}.scripted.test/v1",
            name=name,
            key="k",
            models=[Model("m", context_window=128_000, max_output=16_000)],
            price=price,
        )
        for name, price in prices.items()
    ]
    with ScriptedRouter(script or WELL, providers=providers, catalog=Catalog(), store=store) as router:
        yield router


def shared(router: ScriptedRouter) -> Sharing:
    found = router._core.sharing
    assert found is not None
    return found


def rests(router: ScriptedRouter, target: str = A) -> Hold | None:
    return router._core.experience.resting(target, 1, router._core.clocks.wall())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    closing = StoreRunner.close
    monkeypatch.setattr(StoreRunner, "close", lambda self, timeout=0.2: closing(self, timeout))


# ---------------------------------------------------------------------------------------- what is learned


def test_a_hold_is_learned_within_one_look() -> None:
    store = SharedStore()
    limited = Fails(Failure(Kind.RATE_LIMITED, retry_after=30))
    with router_over(store, {A: [limited], B: [Answer("two")]}) as one, router_over(store) as other:
        assert one.chat("hi").target == B
        shared(one).look()
        shared(other).look()
        hold, own = rests(other), rests(one)
        assert hold is not None
        assert own is not None
        assert (hold.until, hold.known) == (own.until, True)
        assert other.chat("hi").target == B
        assert [call.target for call in other.calls] == [B]
        other.clock.sleep(31)
        assert rests(other) is None
        assert other.chat("hi").target == A


def test_a_tripped_breaker_is_learned_within_one_look() -> None:
    store = SharedStore()
    ill = Fails(Failure(Kind.UNAVAILABLE))
    with router_over(store, {A: [ill], B: [Answer("two")]}) as one, router_over(store) as other:
        for _ in range(6):
            one.chat("hi")
        assert A in one._core.breakers.ejected(one._core.clocks.wall())
        shared(one).look()
        other.clock.sleep(one.clock.now() - other.clock.now())
        shared(other).look()
        assert A in other._core.breakers.ejected(other._core.clocks.wall())
        assert other.chat("hi").target == B


def test_where_a_conversation_is_is_learned_within_one_look() -> None:
    store = SharedStore()
    with router_over(store) as one, router_over(store) as other:
        one.chat("hi", conversation="c", model=B)
        shared(one).look()
        shared(other).look()
        assert other._core.experience.affinity("c") == one._core.experience.affinity("c") != None  # noqa: E711


def test_the_thread_looks_without_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert INTERVAL == 1.0
    monkeypatch.setattr(sharing_module, "INTERVAL", 0.01)
    store = SharedStore()
    limited = Fails(Failure(Kind.RATE_LIMITED, retry_after=30))
    with router_over(store, {A: [limited], B: [Answer("two")]}) as one, router_over(store) as other:
        other.chat("hi")
        one.chat("hi")
        until(lambda: rests(other) is not None)


def test_a_new_process_hears_what_is_known_before_its_first_decision() -> None:
    store = SharedStore()
    limited = Fails(Failure(Kind.RATE_LIMITED, retry_after=30))
    with router_over(store, {A: [limited], B: [Answer("two")]}) as one:
        one.chat("hi")
        shared(one).look()
        with router_over(store) as other:
            assert other.chat("hi").target == B


def test_only_holds_that_last_longer_are_heard() -> None:
    """H4: what others tell extends a hold, and never ends one."""
    store = SharedStore()
    with router_over(store) as router:
        experience, now = router._core.experience, router._core.clocks.wall()
        experience.hold(A, 0, now + 60, known=True, since=now)
        store.inner.publish([Signal(f"hold:{A}#0", '{"known": true}', now + 5)], now=now)
        shared(router).look()
        hold = rests(router)
        assert hold is not None
        assert hold.until == now + 60


def sharing_over(store: SharedStore, name: str = "") -> tuple[Sharing, Experience]:
    clocks = Clocks(lambda: 0.0, lambda: EPOCH, lambda: 0.5, lambda seconds: None)
    experience = Experience()
    made = Sharing(store, clocks, experience, Breakers({A: 1, B: 1}))
    made._name = name or made._name
    return made, experience


def test_own_words_are_not_heard_as_anothers() -> None:
    store = SharedStore()
    one, experience = sharing_over(store)
    one.held(A, 0, Hold(EPOCH + 30, known=True, since=EPOCH))
    one.remembered("c", Affinity(A, 5))
    one.look()
    one.look()
    assert experience.resting(A, 1, EPOCH) is None
    assert experience.affinity("c") is None
    two, theirs = sharing_over(store)
    two.look()
    assert theirs.resting(A, 1, EPOCH) is not None
    assert theirs.affinity("c") == Affinity(A, 5)


def test_forked_children_hear_each_other_and_their_parent() -> None:
    """They are copies of one router: a name they all kept would make every word of one an echo to the others."""
    store = SharedStore()
    parent, _ = sharing_over(store)
    children = [sharing_over(store, parent._name) for _ in range(2)]
    for child, _ in children:
        child.after_fork()
    parent.held(A, 0, Hold(EPOCH + 30, known=True, since=EPOCH))
    parent.look()
    children[0][0].held(B, 0, Hold(EPOCH + 30, known=True, since=EPOCH))
    children[0][0].look()
    children[1][0].look()
    assert children[0][1].resting(A, 1, EPOCH) is not None
    assert children[1][1].resting(A, 1, EPOCH) is not None
    assert children[1][1].resting(B, 1, EPOCH) is not None


# ---------------------------------------------------------------------------------------- garbage

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.just(10**400)
    | st.sampled_from([A, "open", "closed"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
keys = st.builds(
    lambda kind, name, lane: f"{kind}{name}{lane}",
    st.sampled_from(["hold:", "breaker:", "conversation:", "", "hold", "holdx:"]),
    st.sampled_from([A, B, "m@elsewhere", "", "#", "@"]),
    st.sampled_from(["#0", "#1", "#", "#-1", "#99999999", "#" + "9" * 5_000, "#²", "#٣", ""]),
)
values = st.builds(
    json.dumps,
    st.dictionaries(
        st.sampled_from(["known", "since", "by", "target", "cached", "state", "why"]), json_values, max_size=6
    )
    | json_values,
) | st.sampled_from(["", "{", "[" * 100_000, '{"since": 1e999}', '{"cached": NaN, "target": "m@a"}', "\x00", "{}"])
ends = st.sampled_from([EPOCH + 5, EPOCH + 1e9, math.inf])


@given(st.lists(st.builds(Signal, keys, values, ends, st.booleans()), max_size=6))
def test_garbage_is_ignored_and_hides_nothing(garbage: list[Signal]) -> None:
    """Whatever others say, looking goes on, the rest of the batch is heard, and what is remembered can be used."""
    store = SharedStore()
    one, experience = sharing_over(store)
    good = Signal("hold:m@good#0", json.dumps({"known": True, "since": EPOCH, "by": "x"}), EPOCH + 30)
    last = Signal("conversation:good", json.dumps({"target": B, "cached": 7, "by": "x"}), EPOCH + 30)
    store.inner.publish([good, *(each for each in garbage if each.key != good.key), last], now=EPOCH)
    assert one.look()
    assert experience.resting("m@good", 1, EPOCH) is not None
    assert experience.affinity("good") == Affinity(B, 7)
    snapshot = experience.snapshot(EPOCH, draw=0.5, lanes={A: 1, B: 1}, affinity=experience.affinity(A))
    assert all(math.isfinite(until_then) for until_then in snapshot.holds.values())
    for name in (A, B, "", "good"):
        affinity = experience.affinity(name)
        assert affinity is None or 0 <= affinity.cached_tokens < 10**10


# ---------------------------------------------------------------------------------------- threads, closing, trouble


def test_closing_tells_the_rest() -> None:
    store = SharedStore()
    one, _ = sharing_over(store)
    one.begin()
    one.remembered("c", Affinity(A, 5))
    one.close()
    _, signals = store.inner.signals(0, now=EPOCH)
    assert [signal.key for signal in signals] == ["conversation:c"]
    assert one._thread is not None
    one._thread.join(10)
    assert not one._thread.is_alive()
    one.begin()
    assert not one._thread.is_alive()


def test_closing_is_not_held_up_by_a_store_that_hangs() -> None:
    store = SharedStore()
    store.gate.clear()
    one, _ = sharing_over(store)
    began = time.monotonic()
    one.begin()
    one.close(0.05)
    assert time.monotonic() - began < 5
    assert FIRST_LOOK == 0.05
    store.gate.set()
    assert one._thread is not None
    one._thread.join(10)
    assert not one._thread.is_alive()


def test_the_first_call_waits_a_moment_and_no_longer() -> None:
    store = SharedStore()
    store.gate.clear()
    with router_over(store) as router:
        assert router.chat("hi").text == "one"
        store.gate.set()


def test_the_thread_ends_when_its_router_is_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing_module, "INTERVAL", 0.01)
    one, _ = sharing_over(SharedStore())
    one.begin()
    thread, gone = one._thread, weakref.ref(one)
    assert thread is not None
    del one
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
    assert gone() is None


def test_a_router_that_is_dropped_unclosed_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing_module, "INTERVAL", 0.01)
    router = ScriptedRouter({A: [Answer("one")]}, store=SharedStore())
    router.chat("hi")
    thread, core = shared(router)._thread, weakref.ref(router._core)
    assert thread is not None
    del router
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
    assert core() is None


def test_a_store_that_fails_is_told_of_once_and_heard_again_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    store = SharedStore()
    one, experience = sharing_over(store)
    store.fails = StoreUnavailableError("fake: connection refused")
    with caplog.at_level(logging.WARNING, "modelroute"):
        assert all(one.look() for _ in range(5))
    assert caplog.text.count("connection refused") == 1
    store.fails = None
    store.inner.publish([Signal(f"hold:{A}#0", '{"known": true}', EPOCH + 9)], now=EPOCH)
    assert one.look()
    assert experience.resting(A, 1, EPOCH) is not None
    store.fails = ValueError("odd")
    assert one.look()


def test_what_is_untold_is_bounded() -> None:
    one, _ = sharing_over(SharedStore())
    for number in range(5_000):
        one.remembered(f"c{number}", Affinity(A, 1))
    assert len(one._untold) <= 1_000


def test_two_threads_begin_one_thread() -> None:
    one, _ = sharing_over(SharedStore())
    barrier = threading.Barrier(8)

    def begin() -> None:
        barrier.wait(10)
        one.begin()

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(10)
    ours = [each for each in threading.enumerate() if each.name == "modelroute-sharing"]
    assert sum(each is one._thread for each in ours) == 1
    one.close()


def test_a_request_is_not_failed_by_what_is_shared() -> None:
    store = SharedStore()
    with router_over(store, {A: [Fails(Failure(Kind.RATE_LIMITED))], B: [Fails(Failure(Kind.UNAVAILABLE))]}) as router:
        store.fails = ValueError("odd")
        with pytest.raises(ModelRouteError) as caught:
            router.chat("hi", deadline=5)
        assert isinstance(caught.value, AttemptsFailedError)
        store.fails = None
