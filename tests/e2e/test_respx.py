"""With clients of the user's own, mocked by respx: a test suite that mocks httpx goes on working with this library."""

# ruff: noqa: ANN401
# Options are handed through to calls that check them.

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import httpx
import pytest
import respx

from modelroute import (
    AsyncRouter,
    AttemptsFailedError,
    DeadlineExceededError,
    HttpOptions,
    Provider,
    Router,
    StreamInterruptedError,
)
from modelroute.testing.replies import error_body, openai_body, openai_stream, stream_parts
from modelroute.types.failure import Kind
from tests.e2e.places import KEY, PROMPT, routing

URL = "https://first.test/v1"
SECOND = "https://second.test/v1"
STREAM = {"content-type": "text/event-stream"}


def first(**http: Any) -> Provider:
    from modelroute import Model, Price

    model = Model("small", context_window=32_000, max_output=4_000)
    return Provider.compatible(
        URL, name="first", price=Price(input=1, output=4), models=[model], key=KEY, http=HttpOptions(**http)
    )


def second(**http: Any) -> Provider:
    from modelroute import Model, Price

    model = Model("large", context_window=64_000, max_output=4_000)
    return Provider.compatible(
        SECOND, name="second", price=Price(input=2, output=8), models=[model], key=KEY, http=HttpOptions(**http)
    )


def settings() -> dict[str, Any]:
    return {name: value for name, value in routing().items() if name != "providers"}


class Both:
    """Makes the same call with `Router` and with `AsyncRouter`, each over a client of the caller's."""

    def __init__(self, colour: str) -> None:
        self._colour = colour

    def __call__(self, mode: str, **options: Any) -> Any:
        return self._sync(mode, options) if self._colour == "sync" else asyncio.run(self._async(mode, options))

    def _sync(self, mode: str, options: dict[str, Any]) -> Any:
        with httpx.Client() as client, Router([first(client=client), second(client=client)], **settings()) as router:
            if mode == "chat":
                return router.chat(PROMPT, **options)
            with router.stream(PROMPT, **options) as stream:
                assert "".join(stream.text) == stream.reply.text
                return stream.reply

    async def _async(self, mode: str, options: dict[str, Any]) -> Any:
        async with (
            httpx.AsyncClient() as client,
            AsyncRouter([first(async_client=client), second(async_client=client)], **settings()) as router,
        ):
            if mode == "chat":
                return await router.chat(PROMPT, **options)
            async with router.stream(PROMPT, **options) as stream:
                text = "".join([piece async for piece in stream.text])
                assert text == stream.reply.text
                return stream.reply


@pytest.fixture(params=["sync", "async"])
def both(request: pytest.FixtureRequest) -> Both:
    return Both(request.param)


@pytest.mark.parametrize("mode", ["chat", "stream"])
@respx.mock
def test_an_answer(both: Both, mode: str) -> None:
    route = respx.post(f"{URL}/chat/completions").respond(
        200, headers=STREAM, content=b"".join(openai_stream("Hi there"))
    )
    reply = both(mode, temperature=0.5)
    assert reply.text == "Hi there"
    assert reply.target == "small@first"
    sent = route.calls.last.request
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert json.loads(sent.content)["temperature"] == 0.5


@pytest.mark.parametrize("mode", ["chat", "stream"])
@respx.mock
def test_a_plain_body_where_a_stream_was_asked_for(both: Both, mode: str) -> None:
    respx.post(f"{URL}/chat/completions").respond(200, content=openai_body("whole"))
    assert both(mode).text == "whole"


@pytest.mark.parametrize("mode", ["chat", "stream"])
@pytest.mark.parametrize(
    ("status", "kind", "tries"),
    [(401, Kind.DENIED, 1), (429, Kind.RATE_LIMITED, 1), (500, Kind.TRANSIENT, 2), (503, Kind.UNAVAILABLE, 2),
     (301, Kind.NOT_SERVED, 1)],
)  # fmt: skip
@respx.mock
def test_a_fallback(both: Both, mode: str, status: int, kind: Kind, tries: int) -> None:
    failing = respx.post(f"{URL}/chat/completions").respond(
        status, content=error_body("openai", status), headers={"location": "https://elsewhere.test/"}
    )
    respx.post(f"{SECOND}/chat/completions").respond(200, headers=STREAM, content=b"".join(openai_stream("rescued")))
    reply = both(mode)
    assert reply.text == "rescued"
    assert failing.call_count == tries
    assert {each.failure.kind for each in reply.attempts if each.failure} == {kind}


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        (httpx.ConnectError("no"), Kind.UNREACHABLE),
        (httpx.ConnectTimeout("no"), Kind.UNREACHABLE),
        (httpx.ReadError("reset"), Kind.TRANSIENT),
        (httpx.RemoteProtocolError("closed"), Kind.TRANSIENT),
        (RuntimeError("a mock of the user's own raises"), Kind.TRANSIENT),
    ],
    ids=lambda each: str(each)[:20],
)
@respx.mock
def test_what_a_client_raises(both: Both, raised: Exception, kind: Kind) -> None:
    respx.post(f"{URL}/chat/completions").mock(side_effect=raised)
    respx.post(f"{SECOND}/chat/completions").respond(200, headers=STREAM, content=b"".join(openai_stream("rescued")))
    reply = both("chat")
    assert reply.text == "rescued"
    assert reply.attempts[0].failure is not None
    assert reply.attempts[0].failure.kind in {kind, Kind.GARBLED, Kind.UNREACHABLE}


@respx.mock
def test_a_client_of_the_users_own_is_theirs_to_close() -> None:
    respx.route().respond(200, content=openai_body("whole"))
    with httpx.Client() as client:
        with Router([first(client=client)], **settings()) as router:
            assert router.chat(PROMPT).text == "whole"
        assert not client.is_closed


@respx.mock
def test_all_fail(both: Both) -> None:
    respx.route().respond(503)
    with pytest.raises(AttemptsFailedError) as caught:
        both("chat", deadline=2.0)
    assert len(caught.value.attempts) == 4


@respx.mock
def test_a_stream_without_an_end(both: Both) -> None:
    good = stream_parts("openai", "one two")
    body = b"".join([*good.opening, *good.content])
    respx.post(f"{URL}/chat/completions").respond(200, headers=STREAM, content=body)
    respx.post(f"{SECOND}/chat/completions").respond(200, headers=STREAM, content=b"".join(openai_stream("rescued")))
    assert both("chat").text == "rescued"
    with suppress(StreamInterruptedError):  # where the mock hands the content on before its end
        assert both("stream").text == "rescued"


@respx.mock
def test_the_deadline_is_kept_as_well_as_the_client_lets(both: Both) -> None:
    respx.route().mock(side_effect=httpx.ReadTimeout("slow"))
    with pytest.raises(AttemptsFailedError) as caught:
        both("chat", deadline=0.3)
    assert isinstance(caught.value, DeadlineExceededError) or caught.value.failure.kind in {Kind.SILENT, Kind.TRANSIENT}


@respx.mock
def test_a_ceiling_holds_with_a_client_of_ones_own(both: Both) -> None:
    route = respx.post(f"{URL}/chat/completions").respond(200, headers=STREAM, content=b"".join(openai_stream("x")))
    reply = both("chat", max_cost="0.01")
    assert reply.attempts[0].reserved.pico > 0
    assert json.loads(route.calls.last.request.content)["max_tokens"] > 0
