"""Log probabilities of a reply: streamed or whole, plain or as a stream's `.reply`, and when the reply is replayed."""

# ruff: noqa: ANN401
# Options are handed through to calls that check them.

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
import respx

from modelroute import (
    AsyncRouter,
    Catalog,
    HttpOptions,
    Model,
    Policy,
    Price,
    Provider,
    Reply,
    RequestError,
    Router,
    Scenario,
    TokenLogprob,
    TopLogprob,
)
from tests.e2e.places import KEY

URL = "https://first.test/v1"
STREAM = {"content-type": "text/event-stream"}
WORDS = ("Hel", "lo", "!")


def entry(word: str, figure: float) -> dict[str, object]:
    top = [{"token": word, "logprob": figure, "bytes": list(word.encode())}, {"token": "?", "logprob": -7.5}]
    return {"token": word, "logprob": figure, "bytes": list(word.encode()), "top_logprobs": top}


def expected(word: str, figure: float) -> TokenLogprob:
    top = (TopLogprob(word, figure, word.encode()), TopLogprob("?", -7.5))
    return TokenLogprob(word, figure, word.encode(), top)


EXPECTED = tuple(expected(word, -float(place)) for place, word in enumerate(WORDS))
ENTRIES = [entry(word, -place) for place, word in enumerate(WORDS)]


def whole(logprobs: object) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
    return json.dumps({"id": "c", "model": "m", "choices": [{**choice, "logprobs": logprobs}], "usage": usage}).encode()


def streamed(*logprobs: object) -> bytes:
    choices = [
        {"index": 0, "delta": {"content": word}, "logprobs": said}
        for word, said in zip(WORDS, logprobs, strict=True)
    ]  # fmt: skip
    choices.append({"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"})
    events = [json.dumps({"id": "c", "model": "m", "choices": [choice]}) for choice in choices]
    return "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"]).encode()


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Any:
    model = Model("small", context_window=32_000, max_output=4_000)
    settings: dict[str, Any] = {"policy": Policy(default=Scenario()), "catalog": Catalog()}
    chat: dict[str, Any] = {"logprobs": True, "top_logprobs": 2}

    def provider(**http: Any) -> Provider:
        return Provider.compatible(
            URL, name="first", price=Price(input=1, output=4), models=[model], key=KEY, http=HttpOptions(**http)
        )

    async def run(mode: str) -> Reply:
        async with httpx.AsyncClient() as client, AsyncRouter([provider(async_client=client)], **settings) as router:
            if mode == "chat":
                return await router.chat("Hello?", **chat)
            async with router.stream("Hello?", **chat) as stream:
                async for _ in stream:
                    pass
                return stream.reply

    def asked(mode: str) -> Reply:
        if request.param == "async":
            return asyncio.run(run(mode))
        with httpx.Client() as client, Router([provider(client=client)], **settings) as router:
            if mode == "chat":
                return router.chat("Hello?", **chat)
            with router.stream("Hello?", **chat) as stream:
                for _ in stream:
                    pass
                return stream.reply

    return asked


@pytest.mark.parametrize("mode", ["chat", "stream"])
@respx.mock
def test_streamed_and_whole_answers_tell_the_same(ask: Any, mode: str) -> None:
    route = respx.post(f"{URL}/chat/completions")
    route.respond(200, headers=STREAM, content=streamed(*({"content": [each]} for each in ENTRIES)))
    reply = ask(mode)
    assert reply.text == "Hello!"
    assert reply.logprobs == EXPECTED
    sent = json.loads(route.calls.last.request.content)
    assert (sent["logprobs"], sent["top_logprobs"]) == (True, 2)
    route.respond(200, content=whole({"content": ENTRIES, "refusal": None}))
    assert ask(mode).logprobs == EXPECTED


@pytest.mark.parametrize("said", [None, {"content": None}, {"content": []}])
@respx.mock
def test_what_is_not_told_is_none(ask: Any, said: object) -> None:
    respx.post(f"{URL}/chat/completions").respond(200, content=whole(said))
    reply = ask("chat")
    assert reply.logprobs is None
    assert not reply.degraded


@respx.mock
def test_a_report_that_makes_no_sense_spoils_no_answer(ask: Any) -> None:
    said = ({"content": [ENTRIES[0]]}, {"content": [{"token": "lo"}]}, {"content": [ENTRIES[2]]})
    respx.post(f"{URL}/chat/completions").respond(200, headers=STREAM, content=streamed(*said))
    reply = ask("chat")
    assert reply.text == "Hello!"
    assert reply.degraded
    assert reply.logprobs is None  # two of three tokens would be taken for the first two


def test_what_cannot_be_meant() -> None:
    provider = Provider.compatible(URL, name="first", models=[Model("small")], price=Price.free())
    with Router([provider], policy=Policy(default=Scenario()), catalog=Catalog()) as router:
        for asking in ({"logprobs": 5}, {"top_logprobs": True}, {"top_logprobs": -1}):
            with pytest.raises(RequestError, match="logprobs= must be"):
                router.explain("Hello?", **asking)


@respx.mock
def test_a_replayed_reply_has_them_to_the_last_bit(tmp_path: Any) -> None:
    respx.post(f"{URL}/chat/completions").respond(200, content=whole({"content": ENTRIES}))
    with httpx.Client() as client:
        provider = Provider.compatible(
            URL, name="first", models=[Model("small")], price=Price.free(), http=HttpOptions(client=client)
        )
        settings: dict[str, Any] = {"policy": Policy(default=Scenario()), "catalog": Catalog()}
        with Router([provider], store=str(tmp_path / "spend.db"), **settings) as router:
            first = router.chat("Hello?", logprobs=True, top_logprobs=2, idempotency_key="one")
            again = router.chat("Hello?", logprobs=True, top_logprobs=2, idempotency_key="one")
    assert again.replayed
    assert again.logprobs == first.logprobs == EXPECTED
