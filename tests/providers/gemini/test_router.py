"""Gemini through the public routers, sync and async, plain and streamed: over a client that respx answers for."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import respx
from pydantic import BaseModel

from modelroute import (
    AsyncRouter,
    AttemptsFailedError,
    HttpOptions,
    Model,
    Price,
    Provider,
    Reply,
    Router,
)
from modelroute.testing.replies import openai_stream
from tests.providers.gemini.answers import chunk, counted, function_call, stream, text, whole
from tests.providers.requests import TOOL, result, user
from tests.providers.samples import Json

BASE = "https://generativelanguage.googleapis.com/v1beta"
STREAMED = f"{BASE}/models/gemini-3.8-flash:streamGenerateContent?alt=sse"
KEY = "secret-of-google"
SSE = {"content-type": "text/event-stream"}
MODEL = Model(
    "gemini-3.8-flash",
    context_window=1_000_000,
    max_output=65_536,
    features=frozenset({"tools", "json_schema", "vision", "reasoning"}),
    efforts=("low", "medium", "high"),
    reasons_by_default=True,
)
OTHER = "https://other.test/v1"
SIGNED = stream(
    chunk(text("Looking.", thought=True), usage=counted(20, None, thoughtsTokenCount=3)),
    chunk(function_call(signature="sig-1"), usage=counted(20, 4, thoughtsTokenCount=3)),
    chunk(text(""), finish="STOP", usage=counted(20, 5, thoughtsTokenCount=3)),
)
FINE = b"".join(openai_stream("Fine."))
HELLO = stream(chunk(text("Hel"), usage=counted(8, 1)), chunk(text("lo"), finish="STOP", usage=counted(8, 2)))


class City(BaseModel):
    city: str


def google(**http: Any) -> Provider:  # noqa: ANN401 - clients of either colour
    return Provider.compatible(
        BASE, name="google", key=KEY, models=[MODEL], price=Price(input=1, output=4), dialect="gemini",
        profile="google", http=HttpOptions(**http),
    )  # fmt: skip


def other(**http: Any) -> Provider:  # noqa: ANN401 - clients of either colour
    model = Model("large", context_window=64_000, max_output=4_000, features=frozenset({"tools"}))
    return Provider.compatible(
        OTHER, name="other", price=Price(input=2, output=8), models=[model], http=HttpOptions(**http)
    )


class Both:
    """Makes the same call with `Router` and with `AsyncRouter`."""

    def __init__(self, colour: str) -> None:
        self.colour = colour

    def __call__(self, method: str, *arguments: object, **options: object) -> Reply:
        if self.colour == "async":
            return asyncio.run(self._async(method, arguments, options))
        with httpx.Client() as client, Router([google(client=client), other(client=client)]) as router:
            if method != "stream":
                reply: Reply = getattr(router, method)(*arguments, **options)
                return reply
            with router.stream(*arguments, **options) as streamed:  # type: ignore[arg-type]
                assert "".join(streamed.text) == streamed.reply.text
                return streamed.reply

    async def _async(self, method: str, arguments: tuple[object, ...], options: dict[str, object]) -> Reply:
        async with (
            httpx.AsyncClient() as client,
            AsyncRouter([google(async_client=client), other(async_client=client)]) as router,
        ):
            if method != "stream":
                reply: Reply = await getattr(router, method)(*arguments, **options)
                return reply
            async with router.stream(*arguments, **options) as streamed:  # type: ignore[arg-type]
                words = "".join([piece async for piece in streamed.text])
                assert words == streamed.reply.text
                return streamed.reply


@pytest.fixture(params=["sync", "async"])
def both(request: pytest.FixtureRequest) -> Both:
    return Both(request.param)


@pytest.fixture
def upstream() -> Iterator[respx.MockRouter]:
    with respx.mock(assert_all_called=False) as mocked:
        yield mocked


def sent(upstream: respx.MockRouter, at: int = -1) -> Json:
    body: Json = json.loads(upstream.calls[at].request.content)
    return body


PIN = "gemini-3.8-flash@google"


@pytest.mark.parametrize("method", ["chat", "stream"])
def test_an_answer(both: Both, upstream: respx.MockRouter, method: str) -> None:
    upstream.post(STREAMED).respond(200, headers=SSE, content=HELLO)

    reply = both(method, "Hi", model=PIN, max_tokens=9)

    assert (reply.text, reply.finish, reply.target) == ("Hello", "stop", PIN)
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (8, 2)
    assert reply.cost is not None
    assert float(reply.cost) == pytest.approx((8 * 1 + 2 * 4) / 1e6)
    request = upstream.calls.last.request
    assert request.headers["x-goog-api-key"] == KEY
    assert "authorization" not in request.headers
    assert str(request.url) == STREAMED
    assert sent(upstream)["generationConfig"] == {"maxOutputTokens": 9}


@pytest.mark.parametrize("method", ["chat", "stream"])
def test_a_call_its_result_and_its_signature(both: Both, upstream: respx.MockRouter, method: str) -> None:
    upstream.post(STREAMED).mock(
        side_effect=[
            httpx.Response(200, headers=SSE, content=SIGNED),
            httpx.Response(200, headers=SSE, content=HELLO),
        ]
    )
    asked = [user("Where is A-1?")]
    first = both(method, asked, tools=[TOOL], tool_choice="required", effort="low", model=PIN)
    (made,) = first.tool_calls
    history = [*asked, first.message, result(made.id, '{"status": "shipped"}')]
    second = both(method, history, tools=[TOOL], model=PIN)

    assert (first.finish, made.name, made.arguments) == ("tool_calls", "lookup_order", '{"order_id":"A-1"}')
    assert first.usage is not None
    assert (first.reasoning, first.usage.output_tokens) == ("Looking.", 8)
    assert second.text == "Hello"
    assert sent(upstream, 0)["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}
    model, results = sent(upstream)["contents"][1:]
    assert model["parts"][0]["thoughtSignature"] == "sig-1"
    assert results["parts"] == [
        {"functionResponse": {"id": made.id, "name": "lookup_order", "response": {"status": "shipped"}}}
    ]


def test_a_conversation_goes_elsewhere_and_comes_back(both: Both, upstream: respx.MockRouter) -> None:
    upstream.post(STREAMED).respond(200, headers=SSE, content=SIGNED)
    upstream.post(f"{OTHER}/chat/completions").respond(200, headers=SSE, content=FINE)
    history: list[Any] = [user("Where is A-1?")]
    first = both("chat", history, tools=[TOOL], model=PIN)
    history += [first.message, result(first.tool_calls[0].id)]
    second = both("chat", history, tools=[TOOL], model="large@other")
    history += [second.message, user("And A-2?")]
    both("chat", history, tools=[TOOL], model=PIN)

    assert "sig-1" not in json.dumps(sent(upstream, 1))
    parts = [part for turn in sent(upstream)["contents"] for part in turn["parts"]]
    assert [part["thoughtSignature"] for part in parts if "functionCall" in part] == ["sig-1"]
    assert {"text": "Fine."} in parts


def test_parse(both: Both, upstream: respx.MockRouter) -> None:
    upstream.post(STREAMED).respond(
        200,
        headers=SSE,
        content=stream(chunk(text('{"city": '), usage=counted()), chunk(text('"Bonn"}'), finish="STOP")),
    )

    parsed: Any = both("parse", "Where?", City, model=PIN)

    assert parsed.value == City(city="Bonn")
    assert sent(upstream)["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }


def test_a_body_in_place_of_a_stream(both: Both, upstream: respx.MockRouter) -> None:
    upstream.post(STREAMED).respond(200, content=whole([chunk(text("Hel")), chunk(text("lo"), finish="STOP")]))

    assert both("chat", "Hi", model=PIN).text == "Hello"


def test_a_blocked_prompt_is_a_refusal(both: Both, upstream: respx.MockRouter) -> None:
    upstream.post(STREAMED).respond(
        200,
        headers=SSE,
        content=stream({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": counted(9, None)}),
    )

    with pytest.raises(AttemptsFailedError) as caught:
        both("chat", "Hi", model=PIN)
    failure = caught.value.attempts[0].failure
    assert failure is not None
    assert failure.kind == "refused"


@pytest.mark.parametrize(
    "broken",
    [
        httpx.Response(429, json={"error": {"code": 429, "message": "Slow down.", "status": "RESOURCE_EXHAUSTED"}}),
        httpx.Response(200, headers=SSE, content=stream(chunk(text("x"), finish="MALFORMED_FUNCTION_CALL"))),
        httpx.Response(200, headers=SSE, content=stream(chunk(text("x")))),
        httpx.Response(200, headers=SSE, content=stream({"error": {"code": 503, "status": "UNAVAILABLE"}})),
    ],
    ids=["429", "malformed call", "cut", "error inside"],
)  # fmt: skip
def test_what_fails_falls_back(both: Both, upstream: respx.MockRouter, broken: httpx.Response) -> None:
    upstream.post(STREAMED).mock(return_value=broken)
    upstream.post(f"{OTHER}/chat/completions").respond(200, headers=SSE, content=FINE)

    reply = both("chat", "Hi", prefer=[PIN, "large@other"], floor=None)

    assert (reply.text, reply.target) == ("Fine.", "large@other")


def test_what_it_cannot_say_bars_it_before_any_call(both: Both, upstream: respx.MockRouter) -> None:
    upstream.post(f"{OTHER}/chat/completions").respond(200, headers=SSE, content=FINE)

    reply = both("chat", "Hi", logit_bias={"1": 2})

    assert reply.target == "large@other"
    (rejected,) = [each for each in reply.decision.rejected if each.target == PIN]
    assert "logit_bias" in str(rejected)


def test_the_row_of_the_catalog_speaks_gemini(upstream: respx.MockRouter) -> None:
    upstream.post(STREAMED).respond(200, headers=SSE, content=HELLO)

    with httpx.Client() as client, Router([Provider("google", key=KEY, http=HttpOptions(client=client))]) as router:
        assert router.chat("Hi", model=PIN).text == "Hello"
