"""A planted key and a planted prompt, every way to fail, and all that a caller can look at (INVARIANTS P1, P2, P4)."""

# ruff: noqa: ANN401, BLE001
# Options are handed through to calls that check them; what left the library is what is looked at.

from __future__ import annotations

import asyncio
import base64
import json
import logging
import pickle
import traceback
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import BaseModel

from modelroute import (
    AsyncRouter,
    AttemptsFailedError,
    ConfigurationError,
    DeadlineExceededError,
    Decision,
    InvalidOutputError,
    Key,
    ModelRouteError,
    NoEligibleTargetError,
    Price,
    Provider,
    RequestError,
    Router,
    RouterClosedError,
    StreamInterruptedError,
    UnknownNameError,
)
from modelroute.testing.answers import parts
from modelroute.testing.exchange import Exchange
from modelroute.testing.fault import Fault
from modelroute.testing.faults import FAULTS, custom, dead_port, ok, redirect, says
from modelroute.testing.replies import DONE, error_body, event, openai_chunk, openai_error
from modelroute.testing.server import FaultServer
from tests.e2e.places import QUICK, Place, place, routing

SHAPED = "sk-planted-4f9Qz71LmX0pT8Rb"
SHAPELESS = "ZqVx7planted9Krd3Mw2credential"
"""A key that looks like nothing, so that only knowing it can hide it."""

PROMPT = "The planted prompt: heliotrope-juggernaut-42"
NEEDLE = "heliotrope-juggernaut-42"


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as serving:
        yield serving


class Looked:
    """Everything a caller, a log or a crash report could show."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        self._caplog = caplog
        self.events: list[object] = []
        self.texts: list[tuple[str, str]] = []
        self.echoing = False

    def error(self, error: BaseException) -> None:
        """Look at an error, at all that hangs on it, and at its pickle."""
        seen: set[int] = set()
        waiting: list[BaseException | None] = [error]
        while waiting:
            each = waiting.pop()
            if each is None or id(each) in seen:
                continue
            seen.add(id(each))
            waiting += [each.__cause__, each.__context__]
            self._shown(f"{type(each).__name__}", each)
            self.texts.append(("notes", repr(getattr(each, "__notes__", ()))))
            self.texts.append(("arguments", repr(each.args)))
            frames = traceback.TracebackException.from_exception(each, capture_locals=True)
            for frame in frames.stack:
                if "/modelroute/" in frame.filename and "/testing/" not in frame.filename:
                    for name, value in (frame.locals or {}).items():
                        self.texts.append((f"local {name} of {frame.name}", value))
        if isinstance(error, ModelRouteError):
            self.texts.append(("pickle", pickle.dumps(error).decode("latin-1")))
            assert str(pickle.loads(pickle.dumps(error))) == str(error)
        decision = getattr(error, "decision", None)
        if isinstance(decision, Decision):
            self.texts.append(("explain json", json.dumps(decision.to_json())))

    def value(self, name: str, value: object, *, pickled: bool = True) -> None:
        """Look at a value."""
        self._shown(name, value)
        if pickled:
            self.texts.append((f"pickled {name}", pickle.dumps(value).decode("latin-1")))

    def _shown(self, name: str, value: object) -> None:
        self.texts += [(f"str of {name}", str(value)), (f"repr of {name}", repr(value))]

    def all(self) -> list[tuple[str, str]]:
        """Everything, logs and notices included."""
        # An HTTP library at DEBUG logs what the server sent, and so a key that the server sends back: not ours to say.
        logged = [
            ("log", record.getMessage() + repr(record.args) + str(record.exc_text))
            for record in self._caplog.records
            if not (self.echoing and record.name.startswith("httpcore"))
        ]
        told = [("event", repr(each) + str(each)) for each in self.events]
        return self.texts + logged + told


@pytest.fixture
def looked(caplog: pytest.LogCaptureFixture) -> Looked:
    return Looked(caplog)


def spellings(secret: str) -> list[str]:
    return [secret, quote(secret), base64.b64encode(secret.encode()).decode().rstrip("=")[:-2], secret.upper()]


def found(looked: Looked, *needles: str, but: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """Where any of the needles is shown."""
    return [
        (where, text[max(0, text.find(needle) - 60) :][:160])
        for where, text in looked.all()
        for needle in needles
        if needle in text and not where.startswith(but)
    ]


def assert_hidden(looked: Looked, key: str) -> None:
    assert not found(looked, *spellings(key)), "P1: the key is shown"
    # The frames of a traceback hold what the caller passed in; asking for locals is asking for it.
    assert not found(looked, NEEDLE, but=("local ",)), "P2: the prompt is shown"


def places(server: FaultServer, behaviour: Fault | str, key: str, **settings: Any) -> list[Place]:
    return [place(server, [behaviour], key=key, **settings)]


def call_all_ways(looked: Looked, made: list[Place], **options: Any) -> list[BaseException]:
    """Chat and stream, sync and async; returns the errors."""
    errors: list[BaseException] = []
    options = {"deadline": 0.8, "max_cost": 0.1, "max_attempts": 2} | options
    for mode in ("chat", "stream"):
        with Router(**routing(*made, timeouts=QUICK, on_event=looked.events.append)) as router:
            looked.value("router", router, pickled=False)
            try:
                if mode == "chat":
                    looked.value("reply", router.chat(PROMPT, **options))
                else:
                    with router.stream(PROMPT, **options) as stream:
                        looked.value("stream", stream, pickled=False)
                        for each in stream:
                            looked.value("event", each)
                        looked.value("reply", stream.reply)
            except Exception as error:
                errors.append(error)

    async def asynchronous(mode: str) -> None:
        async with AsyncRouter(**routing(*made, timeouts=QUICK, on_event=looked.events.append)) as router:
            try:
                if mode == "chat":
                    looked.value("reply", await router.chat(PROMPT, **options))
                else:
                    async with router.stream(PROMPT, **options) as stream:
                        async for each in stream:
                            looked.value("event", each)
                        looked.value("reply", stream.reply)
            except Exception as error:
                errors.append(error)

    for mode in ("chat", "stream"):
        asyncio.run(asynchronous(mode))
    for failed in errors:
        looked.error(failed)
    return errors


# ------------------------------------------------------------------------------------------------ the whole catalog

SLOW = {"endless", "byte_drip", "stalled", "comment_drip", "comment_flood", "header_drip", "headers_then_silent"}
BIG = {"huge_body", "long_line", "gzip_bomb", "header_flood", "deep_json"}


@pytest.mark.parametrize("name", sorted(FAULTS.keys() - SLOW - BIG))
def test_no_fault_brings_the_key_or_the_prompt_out(name: str, server: FaultServer, looked: Looked) -> None:
    made = places(server, name, SHAPELESS)
    call_all_ways(looked, made, deadline=0.4)
    assert_hidden(looked, SHAPELESS)
    for seen in made[0].seen:
        assert SHAPELESS not in seen.path


# --------------------------------------------------------------------------------------------- a provider that echoes


def echo_in_header(exchange_key: str) -> Fault:
    async def play(exchange: Exchange) -> None:
        said = (
            ("www-authenticate", f"Bearer {exchange_key}"),
            ("retry-after", exchange_key),
            ("location", exchange_key),
        )
        await exchange.reply(401, error_body("openai", 401, message="no"), said)

    return custom("echo_in_header", play)


def echo_in_status_line(key: str) -> Fault:
    async def play(exchange: Exchange) -> None:
        await exchange.send(f"HTTP/1.1 {key} no\r\n\r\n".encode())
        exchange.close()

    return custom("echo_in_status_line", play)


def echo_as_no_http(key: str) -> Fault:
    async def play(exchange: Exchange) -> None:
        await exchange.send(f"authorization: Bearer {key}\r\n\r\n".encode())
        exchange.close()

    return custom("echo_as_no_http", play)


def echo_in_chunk_size(key: str) -> Fault:
    async def play(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.send(f"{key}\r\n".encode())
        exchange.close()

    return custom("echo_in_chunk_size", play)


def echo_in_stream(key: str, *, after: int) -> Fault:
    async def play(exchange: Exchange) -> None:
        good = parts(exchange, pieces=4)
        told = event(json.loads(openai_error(500, message=f"key {key} is bad", code=key)), name="error")
        await exchange.begin_stream()
        await exchange.chunks([*good.opening, *good.content[:after]])
        if after:
            await exchange.pause(0.05)
        await exchange.chunks([told])
        await exchange.end()

    return custom("echo_in_stream", play)


def echo_in_event(key: str) -> Fault:
    async def play(exchange: Exchange) -> None:
        broken = f"data: {{{key}\n\n".encode()
        await exchange.stream([broken, broken, openai_chunk({"content": "x"}), broken, DONE])

    return custom("echo_in_event", play)


def echo_in_finish(key: str) -> Fault:
    async def play(exchange: Exchange) -> None:
        await exchange.stream([openai_chunk({"content": ""}), openai_chunk({}, finish="content_filter"), DONE])

    return custom("echo_in_finish", play)


def echoes(key: str) -> list[Fault]:
    bodies = [
        says(status, error_body("openai", status, message=f"Incorrect API key provided: {key}"), name=f"{status} body")
        for status in (400, 401, 403, 404, 429, 500, 503)
    ]
    return [
        *bodies,
        says(401, openai_error(401, code=key, kind=key, message="no"), name="as code and type"),
        says(400, openai_error(400, code="unsupported_parameter", param=key, message="no"), name="as parameter"),
        says(401, key.encode(), name="as the body", kind="text/plain"),
        says(401, quote(key + "=").encode(), name="quoted", kind="text/plain"),
        says(401, base64.b64encode(f"user:{key}".encode()), name="base64", kind="text/plain"),
        says(500, json.dumps({"detail": {key: key}}).encode(), name="as a name"),
        says(401, (b"x" * 495) + key.encode(), name="at the cut", kind="text/plain"),
        says(200, error_body("openai", 500, message=f"bad key {key}"), name="in a 200"),
        says(200, openai_error(401, message=f"bad key {key}", code=key), name="in a 200 as code"),
        says(200, key.encode(), name="in place of an answer"),
        says(200, b'{"choices": ' + key.encode(), name="in broken JSON"),
        echo_in_header(key),
        echo_in_status_line(key),
        echo_as_no_http(key),
        echo_in_chunk_size(key),
        echo_in_stream(key, after=0),
        echo_in_stream(key, after=2),
        echo_in_event(key),
        echo_in_finish(key),
    ]


ECHOES = [pytest.param(number, id=fault.name + f" {number}") for number, fault in enumerate(echoes("k"))]


@pytest.mark.parametrize("key", [SHAPED, SHAPELESS], ids=["shaped", "shapeless"])
@pytest.mark.parametrize("number", ECHOES)
def test_a_key_that_the_provider_echoes_is_not_passed_on(
    number: int, key: str, server: FaultServer, looked: Looked
) -> None:
    looked.echoing = True
    errors = call_all_ways(looked, places(server, echoes(key)[number], key))
    assert len(errors) == 4
    assert all(isinstance(error, AttemptsFailedError) for error in errors)
    assert_hidden(looked, key)


def test_bytes_of_a_broken_answer_are_not_quoted(server: FaultServer, looked: Looked) -> None:
    """A status line that is none may be the rest of somebody's answer."""

    async def play(exchange: Exchange) -> None:
        await exchange.send(f"{NEEDLE}\r\n\r\n".encode())
        exchange.close()

    looked.echoing = True
    call_all_ways(looked, places(server, custom("no_status_line", play), SHAPELESS))
    assert_hidden(looked, SHAPELESS)


# ------------------------------------------------------------------------------------------------- every error class


class City(BaseModel):
    name: str


def test_every_error_class_is_clean(server: FaultServer, looked: Looked) -> None:
    """One of each class of the tree, provoked through the public API."""
    errors: list[BaseException] = []

    def provoke(expected: type[BaseException], behaviour: Fault | str, act: Any, **settings: Any) -> None:
        made = places(server, behaviour, SHAPELESS)
        with Router(**routing(*made, timeouts=QUICK, on_event=looked.events.append, **settings)) as router:
            with pytest.raises(expected) as caught:
                act(router)
            errors.append(caught.value)

    def read_stream(router: Router) -> None:
        with router.stream(PROMPT, deadline=0.6) as stream:
            for _ in stream:
                pass

    def use_after_close(router: Router) -> None:
        router.close()
        router.chat(PROMPT)

    secret_text = ok(f'{{"nme": "{NEEDLE}"}}')
    provoke(AttemptsFailedError, "401", lambda router: router.chat(PROMPT))
    provoke(DeadlineExceededError, "silent", lambda router: router.chat(PROMPT, deadline=0.2))
    provoke(StreamInterruptedError, "stalled", read_stream)
    provoke(InvalidOutputError, secret_text, lambda router: router.parse(PROMPT, City))
    provoke(NoEligibleTargetError, "ok", lambda router: router.chat(PROMPT, max_cost="0.0000000001"))
    provoke(NoEligibleTargetError, "ok", lambda router: router.chat(PROMPT, needs={"vision"}))
    provoke(RequestError, "ok", lambda router: router.chat([{"role": PROMPT, "content": PROMPT}]))
    provoke(RequestError, "ok", lambda router: router.chat([{"role": "user", "content": {"text": PROMPT}}]))
    provoke(
        RequestError,
        "ok",
        lambda router: router.chat([{"role": "user", "content": [{"type": "text", "text": {PROMPT}}]}]),
    )
    provoke(UnknownNameError, "ok", lambda router: router.chat(PROMPT, model="smll"))
    provoke(RouterClosedError, "ok", use_after_close)
    for error in errors:
        if not isinstance(error, StreamInterruptedError):
            looked.error(error)
    assert_hidden(looked, SHAPELESS)


@pytest.mark.parametrize("bad", ["\n", "\r", "\x00", "\x1b", "\x7f", " ", "é€"])
def test_a_key_that_no_header_can_carry_is_refused_without_echo(bad: str, looked: Looked) -> None:
    for made in (
        lambda: Key(f"{SHAPELESS}{bad}x"),
        lambda: Provider("openai", key=f"{SHAPELESS}{bad}x"),
        lambda: Provider.compatible("https://example.test/v1", name="p", models=["m"], key=[f"{SHAPELESS}{bad}x"]),
    ):
        with pytest.raises(ConfigurationError, match="key") as caught:
            made()
        looked.error(caught.value)
    locals_too = found(looked, SHAPELESS)
    assert not [each for each in locals_too if not each[0].startswith("local ")]


@pytest.mark.parametrize(
    "source", ["callable that raises", "callable with a newline", "variable with a newline inside"]
)
def test_a_key_that_turns_out_bad_at_the_call_is_denied_without_echo(
    source: str, server: FaultServer, looked: Looked, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises() -> str:
        raise OSError(f"vault said {SHAPELESS}")

    monkeypatch.setenv("PLANTED_VARIABLE", f"{SHAPELESS}\nx")
    keys: dict[str, Any] = {
        "callable that raises": raises,
        "callable with a newline": lambda: f"{SHAPELESS}\n",
        "variable with a newline inside": Key.env("PLANTED_VARIABLE"),
    }
    made = [place(server, ["ok"], key=keys[source])]
    errors = call_all_ways(looked, made)
    assert len(errors) == 4
    assert not made[0].seen, "nothing was sent"
    shown = found(looked, SHAPELESS)
    assert not shown


def test_credentials_in_other_places_are_hidden(server: FaultServer, looked: Looked) -> None:
    """Headers of the user's own, and a password in the URL of a proxy."""
    from modelroute import HttpOptions

    options = HttpOptions(proxy=f"http://user:{SHAPELESS}@127.0.0.1:9")
    provider = Provider.compatible(
        "http://127.0.0.1:9/v1", name="p", models=["m"], headers={"x-team-token": SHAPELESS}, http=options,
        price=Price.free(),
    )  # fmt: skip
    looked.value("provider", provider, pickled=False)
    looked.value("options", options, pickled=False)
    with Router([provider], catalog=routing()["catalog"], policy=routing()["policy"]) as router:
        with pytest.raises(AttemptsFailedError) as caught:
            router.chat(PROMPT, deadline=1.0)
        looked.error(caught.value)
    assert_hidden(looked, SHAPELESS)


# ------------------------------------------------------------------------------------------------------- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_credentials_never_follow_a_redirect(status: int, server: FaultServer, looked: Looked) -> None:
    """The other host is a real one that would have seen them."""
    with FaultServer() as elsewhere:
        made = places(server, redirect(f"{elsewhere.url}/chat/completions", status), SHAPELESS)
        errors = call_all_ways(looked, made)
        assert len(errors) == 4
        assert elsewhere.connections == 0
    assert_hidden(looked, SHAPELESS)


# -------------------------------------------------------------------------------------------- what a success shows


def test_a_success_shows_neither(server: FaultServer, looked: Looked) -> None:
    """Reply, decision, explain, notices and logs of calls that went well."""
    made = places(server, ok("fine"), SHAPELESS)
    assert not call_all_ways(looked, made)
    with Router(**routing(*made)) as router:
        decision = router.explain(PROMPT)
        for name, value in (("decision", decision), ("catalog", router.catalog), ("policy", router.policy)):
            looked.value(name, value)
        for shown in (decision.table(), decision.sentence(), json.dumps(decision.to_json())):
            looked.value("explained", shown)
    assert_hidden(looked, SHAPELESS)
    assert all(SHAPELESS not in seen.path and NEEDLE not in seen.path for seen in made[0].seen)


def test_the_key_does_arrive(server: FaultServer, looked: Looked) -> None:
    """Else all of the above would prove nothing."""
    from modelroute.testing.exchange import fingerprint

    made = places(server, ok("fine"), SHAPELESS)
    call_all_ways(looked, made)
    assert {seen.headers["authorization"] for seen in made[0].seen} == {fingerprint(f"Bearer {SHAPELESS}")}


def test_a_dead_port_shows_nothing(looked: Looked, server: FaultServer) -> None:
    with dead_port() as port:
        provider = Provider.compatible(f"http://127.0.0.1:{port}/v1", name="dead", models=["m"], key=SHAPELESS)
        with Router([provider], policy=routing()["policy"], catalog=routing()["catalog"]) as router:
            with pytest.raises(AttemptsFailedError) as caught:
                router.chat(PROMPT, deadline=1.0)
            looked.error(caught.value)
    assert_hidden(looked, SHAPELESS)
