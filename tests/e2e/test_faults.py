"""Every fault of the catalog over real sockets: sync, async, uvloop; chat and stream; with a second target and alone.

What must hold whatever happens: a clear outcome within its limit, attempts as the provider counts them, only our own
errors, nothing left open, nothing left reserved.
"""

from __future__ import annotations

import asyncio
import gc
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest

from modelroute import (
    AsyncRouter,
    Attempt,
    AttemptsFailedError,
    DeadlineExceededError,
    ModelRouteError,
    Money,
    Price,
    Provider,
    Reply,
    Router,
    StreamInterruptedError,
    Timeouts,
)
from modelroute.providers.endpoint import Endpoint
from modelroute.testing.answers import parts, plain
from modelroute.testing.exchange import Exchange, head_bytes
from modelroute.testing.fault import Fault
from modelroute.testing.faults import FAULTS, custom, dead_port, ok, unanswered_port
from modelroute.testing.server import FaultServer
from modelroute.types.failure import Kind, Retry
from tests.e2e.places import KINDS, PROMPT, QUICK, RESCUED, Case, in_loop, make, noise, place, routing

HEAVY = frozenset({"gzip_bomb", "huge_body", "long_line", "header_flood", "deep_json"})
"""Megabytes to swallow: they get time and the machine to themselves, since swallowing is all they take."""

PATIENT = Timeouts(first_token=10.0, idle=10.0, attempt=20.0)

LATE = 0.15
"""Seconds a call may end after its limit, beyond what a bare timer shows meanwhile (INVARIANTS T3, eased for CI)."""

WORK = 0.25
"""Seconds in which a healthy target on loopback surely answers, and a refusal is surely read, on a busy machine."""

NEVER_ELSEWHERE = frozenset({Kind.INVALID, Kind.REFUSED, Kind.LATE, Kind.CANCELLED})


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    gc.collect()
    gc.freeze()  # so that the collection after every test costs little
    with FaultServer() as serving:
        yield serving
    gc.unfreeze()


def cases_of(server: FaultServer, fault: Fault, *, dialect: str = "openai-chat") -> list[Case]:
    """The fault met by chat and stream, with a healthy second target standing by and alone."""
    heavy = fault.name in HEAVY
    cases: list[Case] = []
    for mode in ("chat", "stream"):
        for standing_by in (True, False):
            places = [place(server, [fault], dialect=dialect)]
            if standing_by:
                # Dearer, so that it comes second, and with more context, so that it may follow "too long".
                dear = Price(input=2, output=8)
                places.append(
                    place(
                        server, [ok(RESCUED)], name="second", model="large", price=dear, context=64_000, dialect=dialect
                    )
                )
            deadline = 20.0 if heavy else 2.0 if standing_by else 0.6
            options = {"max_cost": 0.1, "max_attempts": 4, "deadline": deadline}
            cases.append(Case(places, mode, options, {"timeouts": PATIENT if heavy else QUICK}))
    return cases


def attempts_of(case: Case) -> tuple[Attempt, ...]:
    if case.reply is not None:
        return case.reply.attempts
    assert isinstance(case.error, AttemptsFailedError)
    return case.error.attempts


def limit_of(case: Case) -> float:
    """The longest the call may take, told from what its attempts met."""
    deadline: float = case.options["deadline"]
    last = attempts_of(case)[-1].failure
    if len(case.places) == 1 or (last is not None and last.kind is Kind.LATE):
        return deadline
    timeouts: Timeouts = case.settings["timeouts"]
    total = 0.0
    for attempt in attempts_of(case):
        if attempt.failure is None:
            total += WORK
        elif attempt.failure.kind in {Kind.SILENT, Kind.INTERRUPTED, Kind.GARBLED, Kind.LATE}:
            total += WORK + (timeouts.first_token if attempt.first_token is None else timeouts.attempt)
        else:
            total += WORK + 0.1  # and the backoff of a first retry
    if case.mode == "stream":
        total += timeouts.attempt  # once it is committed only idle runs
    return min(deadline, total)


def check_outcome(case: Case, fault: Fault, *, streamed: bool) -> None:
    """The right end for what the first target did, and its kinds are those the catalog allows."""
    attempts = attempts_of(case)
    first, *others = case.places
    kinds = [
        attempt.failure.kind if attempt.failure else None for attempt in attempts if attempt.target == first.target
    ]
    failed = [kind for kind in kinds if kind is not None]
    for kind in failed:
        assert fault.allows(kind, streamed=streamed), f"{kind} is no reading of {fault.name}: {attempts[0]}"
    if None in kinds and not failed:
        assert fault.allows(None, streamed=streamed), f"{fault.name} was taken for an answer"
    error, reply = case.error, case.reply
    if reply is not None:
        assert reply.finish
        assert attempts[-1].failure is None
        assert reply.target == attempts[-1].target
        if case.mode == "stream":
            assert "".join(case.received) == reply.text, "S1: not the text of one attempt"
        if reply.target != first.target:
            assert reply.text == RESCUED
        return
    last = attempts[-1].failure
    assert isinstance(error, AttemptsFailedError)
    assert last is not None
    assert error.failure == last
    if case.received:
        assert isinstance(error, StreamInterruptedError)
        assert error.partial.text.startswith("".join(case.received))
        assert fault.when == "after content"
        assert all(attempt.target == error.partial.target for attempt in attempts[-1:])
    else:
        assert type(error) is (DeadlineExceededError if last.kind is Kind.LATE else AttemptsFailedError)
        assert not others or last.kind in NEVER_ELSEWHERE, f"a healthy target stood by: {error}"
    assert str(error).count("\n") > 1, "an error shows its table"


def check_attempts(case: Case) -> None:
    """As many as allowed and as the table says, counted by the provider."""
    attempts = attempts_of(case)
    assert len(attempts) <= case.options["max_attempts"]
    for each in case.places:
        made = [attempt for attempt in attempts if attempt.target == each.target]
        assert len(each.seen) == len(made), f"{each.target}: the provider counts {len(each.seen)}, we {len(made)}"
        rules = [attempt.failure.retry for attempt in made if attempt.failure is not None]
        if any(rule not in {Retry.SAME_ONCE, Retry.SAME_AFTER_WAIT} for rule in rules[:-1]):
            pytest.fail(f"asked again after {made[0].failure}")
        if Retry.SAME_AFTER_WAIT not in rules:
            assert len(made) <= 2
        elif len(case.places) > 1:
            assert len(made) == 1, "another target was there to be asked at once"


def check(server: FaultServer, fault: Fault, cases: list[Case], kind: str, *, streamed: bool = True) -> None:
    """Make the calls and hold all of it to be true."""
    with warnings.catch_warnings(), noise() as machine:
        warnings.simplefilter("error")
        make(kind, cases, at_once=fault.name not in HEAVY)
        gc.collect()
    server.wait_idle(2.0, connections=0)
    for case in cases:
        where = f"{fault.name} by {kind} {case.mode}, {len(case.places)} targets"
        if case.error is not None:
            assert isinstance(case.error, ModelRouteError), where
        try:
            check_outcome(case, fault, streamed=streamed)
            check_attempts(case)
            assert case.reserved == 0, "M3: something is still set aside"
            limit = limit_of(case)
            late = case.seconds - limit - machine.worst
            assert late <= LATE, f"T3: {case.seconds:.3f} s of {limit:.3f}; a bare timer was {machine.worst:.3f} s late"
        except AssertionError as error:
            error.add_note(where)
            raise


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_fault(name: str, kind: str, server: FaultServer) -> None:
    check(server, FAULTS[name], cases_of(server, FAULTS[name]), kind)


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_fault_in_the_other_dialect(name: str, server: FaultServer) -> None:
    check(server, FAULTS[name], cases_of(server, FAULTS[name], dialect="anthropic-messages"), "async")


@pytest.mark.parametrize("dialect", ["openai-chat", "anthropic-messages"])
@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_fault_where_the_whole_answer_is_asked_for(
    name: str, dialect: str, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a profile may demand whose streams tell less."""
    monkeypatch.setattr(Endpoint, "streams", property(lambda self: False))
    cases = [case for case in cases_of(server, FAULTS[name], dialect=dialect) if case.mode == "chat"]
    check(server, FAULTS[name], cases, "sync", streamed=False)


# ------------------------------------------------------------------------------------------ what no server can play


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("port_of", [dead_port, unanswered_port])
def test_a_host_that_cannot_be_reached(
    kind: str, port_of: Callable[[], AbstractContextManager[int]], server: FaultServer
) -> None:
    """Asked twice, since nothing was sent; then the second answers; alone it is a clear error. Nothing is charged."""
    with port_of() as port:
        cases = cases_of(server, FAULTS["ok"])
        for case in cases:
            first = case.places[0]
            away = Provider.compatible(
                f"http://127.0.0.1:{port}/v1",
                name="first",
                models=first.provider.models,
                price=Price(input=1, output=4),
            )
            case.places[0] = replace(first, provider=away)
            case.settings["timeouts"] = replace(QUICK, connect=0.2)
        make(kind, cases)
    for case in cases:
        attempts = attempts_of(case)
        refused = [each for each in attempts if each.target == "small@first"]
        assert len(refused) == 2
        assert all(each.failure is not None and each.failure.kind is Kind.UNREACHABLE for each in refused)
        assert all(each.cost == Money(0) for each in refused)
        assert (case.reply is not None) == (len(case.places) == 2)
        assert case.seconds < 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_handshake_that_breaks_off(kind: str, server: FaultServer) -> None:
    cases = cases_of(server, FAULTS["ok"])
    for case in cases:
        first = case.places[0]
        secure = server.tls_url.replace("/v1", first.prefix + "/v1")
        away = Provider.compatible(secure, name="first", models=first.provider.models, price=Price(input=1, output=4))
        case.places[0] = replace(first, provider=away)
    make(kind, cases)
    for case in cases:
        kinds = {each.failure.kind for each in attempts_of(case) if each.failure is not None}
        assert kinds == {Kind.UNREACHABLE}
        assert (case.reply is not None) == (len(case.places) == 2)


# --------------------------------------------------------------------------------------------- one call after another


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name",
    ["ok", "idle_close", "idle_reset", "stale_connection", "length_too_short", "http10", "503", "cut", "bad_gzip"],
)
def test_a_connection_that_turned_bad_does_not_spoil_the_next_call(name: str, kind: str, server: FaultServer) -> None:
    """Five calls through one router: whatever the fault leaves in a kept connection, the next call is served."""
    first = place(server, [name, name, "ok", name, "ok"])
    second = place(server, [ok(RESCUED)], name="second", model="large", price=Price(input=2, output=8))

    def sync() -> list[str]:
        texts: list[str] = []
        with Router(**routing(first, second, timeouts=QUICK)) as router:
            for _ in range(5):
                texts.append(router.chat(PROMPT).text)
                time.sleep(0.06)
        return texts

    async def asynchronous() -> list[str]:
        texts: list[str] = []
        async with AsyncRouter(**routing(first, second, timeouts=QUICK)) as router:
            for _ in range(5):
                texts.append((await router.chat(PROMPT)).text)
                await asyncio.sleep(0.06)
        return texts

    texts = sync() if kind == "sync" else in_loop(kind, asynchronous)
    assert len(texts) == 5
    assert set(texts) <= {"Hello world", RESCUED}
    if name == "ok":
        assert len({seen.connection for seen in first.seen}) == 1, "the connection is kept"
    server.wait_idle(2.0, connections=0)


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("streamed", [True, False])
def test_bytes_after_an_answer_are_nobodys_answer(
    streamed: bool, kind: str, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server, or a proxy, that says more than it announced must not thereby answer the next request.

    Nor is that one spent on the spoilt connection: it may be billed.
    """
    monkeypatch.setattr(Endpoint, "streams", property(lambda self: streamed))

    def response(text: str, exchange: Exchange) -> bytes:
        data = b"".join(parts(exchange, text).events) if streamed else plain(exchange, text)
        content_type = "text/event-stream" if streamed else "application/json"
        return head_bytes(200, (("content-type", content_type), ("content-length", str(len(data))))) + data

    async def play(exchange: Exchange) -> None:
        if exchange.turn == 1:
            await exchange.send(response("mine", exchange) + response("somebody else's", exchange))
        else:
            await exchange.send(response("mine too", exchange))

    one = place(server, [custom("says_more", play)])

    def sync() -> list[Reply]:
        with Router(**routing(one)) as router:
            return [router.chat(PROMPT) for _ in range(2)]

    async def asynchronous() -> list[Reply]:
        async with AsyncRouter(**routing(one)) as router:
            return [await router.chat(PROMPT) for _ in range(2)]

    replies = sync() if kind == "sync" else in_loop(kind, asynchronous)
    assert [reply.text for reply in replies] == ["mine", "mine too"]
    assert [len(reply.attempts) for reply in replies] == [1, 1]
    assert len({seen.connection for seen in one.seen}) == len(one.seen) == 2, "the spoilt connection was used again"


@pytest.mark.parametrize("kind", KINDS)
def test_the_wait_a_provider_names_is_kept_when_nobody_else_is_there(kind: str, server: FaultServer) -> None:
    case = Case([place(server, ["429_retry_after_fraction", "ok"])], "chat", {"deadline": 3.0})
    make(kind, [case])
    assert case.reply is not None
    assert case.reply.text == "Hello world"
    [refused, answered] = case.places[0].seen
    assert answered.at - refused.at >= 0.25


@pytest.mark.parametrize("kind", KINDS)
def test_one_failure_is_forgiven_where_nobody_else_is_there(kind: str, server: FaultServer) -> None:
    cases = [Case([place(server, ["500_once"])], mode, {"deadline": 3.0}) for mode in ("chat", "stream")]
    make(kind, cases)
    for case in cases:
        assert case.reply is not None
        assert [attempt.why for attempt in case.reply.attempts] == ["first", "retry"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("most", [1, 2, 3])
def test_max_attempts_holds_over_retries_and_fallbacks(most: int, kind: str, server: FaultServer) -> None:
    """Three targets that are down: T1 as all three providers count it together."""
    places = [place(server, ["503"], name=f"down{number}") for number in range(3)]
    case = Case(places, "chat", {"max_attempts": most, "deadline": 3.0})
    make(kind, [case])
    assert isinstance(case.error, AttemptsFailedError)
    assert sum(len(each.seen) for each in places) == most == len(case.error.attempts)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["cut", "stream_reset", "error_event", "stalled", "eof_without_finish"])
def test_a_buffered_stream_hands_over_whole_answers_only(name: str, kind: str, server: FaultServer) -> None:
    first = place(server, [name])
    second = place(server, [ok(RESCUED)], name="second", model="large", price=Price(input=2, output=8))
    case = Case([first, second], "stream", {"on_interrupt": "buffer", "deadline": 3.0}, {"timeouts": QUICK})
    make(kind, [case])
    assert case.reply is not None
    assert "".join(case.received) == case.reply.text == RESCUED
    assert len(case.reply.attempts) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_content_that_came_is_handed_over_before_the_stream_breaks(kind: str, server: FaultServer) -> None:
    """What is cut after a pause was committed: the caller has the text, and the error has it too."""

    async def slowly_cut(exchange: Exchange) -> None:
        good = parts(exchange, "one two three four", pieces=4)
        await exchange.begin_stream()
        await exchange.chunks([*good.opening, *good.content[:2]])
        await exchange.pause(0.1)
        exchange.close()

    first = place(server, [custom("slowly_cut", slowly_cut, expect=Kind.INTERRUPTED, when="after content")])
    second = place(server, [ok(RESCUED)], name="second", model="large", price=Price(input=2, output=8))
    case = Case([first, second], "stream", {"deadline": 3.0}, {"timeouts": QUICK})
    make(kind, [case])
    assert isinstance(case.error, StreamInterruptedError)
    assert "".join(case.received) == case.error.partial.text
    assert case.error.partial.text
    assert "one two three four".startswith(case.error.partial.text)
    assert case.error.partial.target == first.target
    assert not second.seen, "nobody else may go on with a text that was begun"
