"""Calls through a LiteLLM proxy: a server nobody here wrote, in every dialect it offers, answers and errors alike."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import TypeAlias

import pytest

from modelroute import (
    AsyncRouter,
    AttemptsFailedError,
    Model,
    Price,
    Provider,
    Reply,
    Router,
    StreamInterruptedError,
    Timeouts,
)
from modelroute.providers.dialects import DIALECTS
from modelroute.types.failure import Kind
from tests.compat.conftest import PROGRAM, Proxy
from tests.local_model.test_dialects import HISTORY, POLICY, QUESTION, TOOL, told

if not PROGRAM:
    pytest.skip("needs a LiteLLM proxy: run make compat", allow_module_level=True)

SPOKEN = [name for name in ("openai-chat", "anthropic-messages", "openai-responses") if name in DIALECTS]
TRANSLATED = [name for name in SPOKEN if name != "openai-responses"]
"""Dialects that the proxy makes chat completions of; Responses it hands on, which the misbehaving server cannot."""

PATIENT = Timeouts(first_token=30, idle=30, attempt=60)

Say: TypeAlias = Callable[..., Reply]


def through(
    proxy: Proxy, model: str, dialect: str, *, name: str = "litellm", key: str = "", price: Price | None = None
) -> Provider:
    declared = Model(model, context_window=8_000, max_output=256, features=frozenset({"tools"}))
    return Provider.compatible(
        proxy.url,
        name=name,
        key=key or proxy.key,
        price=price or Price.free(),
        models=[declared],
        dialect=dialect,
    )


@pytest.fixture(params=["chat", "stream", "async chat", "async stream"])
def say(request: pytest.FixtureRequest) -> Callable[..., Say]:
    """Make one call of a router over the given providers; a stream's pieces are held to be its reply's text."""
    colour, _, mode = request.param.rpartition(" ")

    def over(*providers: Provider) -> Say:
        def sync(messages: object, **asked: object) -> Reply:
            with Router(providers, policy=POLICY, timeouts=PATIENT) as router:
                if mode == "chat":
                    return router.chat(messages, **asked)  # type: ignore[arg-type]
                with router.stream(messages, **asked) as stream:  # type: ignore[arg-type]
                    events = list(stream)
                return told(stream.reply, events)

        async def asynchronous(messages: object, **asked: object) -> Reply:
            async with AsyncRouter(providers, policy=POLICY, timeouts=PATIENT) as router:
                if mode == "chat":
                    return await router.chat(messages, **asked)  # type: ignore[arg-type]
                async with router.stream(messages, **asked) as stream:  # type: ignore[arg-type]
                    events = [event async for event in stream]
                return told(stream.reply, events)

        if colour == "async":
            return lambda messages, **asked: asyncio.run(asynchronous(messages, **asked))
        return sync

    return over


# ----------------------------------------------------------------------------------------------------------- answers


@pytest.mark.parametrize("dialect", SPOKEN)
def test_a_real_model_says_through_it_what_it_says_without(dialect: str, say: Callable[..., Say], proxy: Proxy) -> None:
    """With room for 16 tokens: the proxy raises a smaller cap to that on the way to a Responses API."""
    asked: dict[str, object] = {"max_tokens": 16, "temperature": 0}
    direct = Provider.compatible(
        proxy.model.url, name="direct", price=Price.free(), models=[Model("smollm2", context_window=1024)]
    )
    with Router([direct], policy=POLICY) as router:
        usual = router.chat(QUESTION, **asked)  # type: ignore[arg-type]
    reply = say(through(proxy, "smollm2", dialect))(QUESTION, **asked)
    assert reply.text == usual.text
    assert reply.usage is not None
    assert usual.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (usual.usage.input_tokens, 16)


@pytest.mark.parametrize("dialect", SPOKEN)
def test_a_tool_is_called_through_it(dialect: str, say: Callable[..., Say], proxy: Proxy) -> None:
    reply = say(through(proxy, "smollm2", dialect))(HISTORY, tools=[TOOL], max_tokens=64, temperature=0)
    [call] = reply.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
    assert reply.finish == "tool_calls"
    assert reply.usage is not None
    assert reply.usage.input_tokens > 200


@pytest.mark.parametrize(("there", "elsewhere"), list(itertools.permutations(SPOKEN, 2)))
def test_a_call_made_in_one_dialect_is_answered_in_another(there: str, elsewhere: str, proxy: Proxy) -> None:
    with Router([through(proxy, "smollm2", there)], policy=POLICY, timeouts=PATIENT) as router:
        reply = router.chat(HISTORY, tools=[TOOL], max_tokens=64, temperature=0)
    [call] = reply.tool_calls
    result: dict[str, object] = {"role": "tool", "tool_call_id": call.id, "content": "rainy"}
    messages: list[dict[str, object]] = [*HISTORY, dict(reply.message), result]
    with Router([through(proxy, "smollm2", elsewhere)], policy=POLICY, timeouts=PATIENT) as router:
        again = router.chat(messages, tools=[TOOL], max_tokens=16, temperature=0)
    assert again.text or again.tool_calls
    assert again.usage is not None
    assert reply.usage is not None
    assert again.usage.input_tokens > reply.usage.input_tokens


@pytest.mark.parametrize("dialect", TRANSLATED)
def test_usage_and_finish_come_through(dialect: str, say: Callable[..., Say], proxy: Proxy) -> None:
    """Its usage comes in a chunk that has a choice, after the one that finished."""
    reply = say(through(proxy, "ok", dialect, price=Price(input=1, output=4)))("Say hello.", max_cost=0.01)
    assert (reply.text, reply.finish) == ("Hello world", "stop")
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (12, 3)
    assert reply.cost.pico == (12 * 1 + 3 * 4) * 10**6
    assert not reply.degraded


@pytest.mark.parametrize("dialect", TRANSLATED)
def test_usage_that_the_upstream_keeps_to_itself_is_made_up_by_the_proxy(dialect: str, proxy: Proxy) -> None:
    with Router([through(proxy, "usage_missing", dialect)], policy=POLICY, timeouts=PATIENT) as router:
        reply = router.chat("Say hello.")
    assert reply.text == "Hello world"
    assert reply.usage is not None
    assert reply.usage.input_tokens > 0


# ------------------------------------------------------------------------------------------------------------ errors

# What an upstream said is quoted in the proxy's own sentence, and quoted words prove nothing: UNPROVED goes on as well.
KINDS: dict[str, frozenset[Kind]] = {
    "nowhere": frozenset({Kind.TRANSIENT}),
    "401": frozenset({Kind.DENIED}),
    "402": frozenset({Kind.EXHAUSTED}),
    "404": frozenset({Kind.NOT_SERVED}),
    "413": frozenset({Kind.TOO_LONG}),
    "429": frozenset({Kind.RATE_LIMITED}),
    "429_retry_after": frozenset({Kind.RATE_LIMITED}),
    "500": frozenset({Kind.TRANSIENT}),
    "503": frozenset({Kind.UNAVAILABLE}),
    "context_length": frozenset({Kind.TOO_LONG, Kind.UNPROVED}),
    "unsupported_parameter": frozenset({Kind.UNSUPPORTED, Kind.UNPROVED}),
    "not-there": frozenset({Kind.NOT_SERVED, Kind.UNPROVED}),
    "cut": frozenset({Kind.TRANSIENT, Kind.INTERRUPTED}),
}


@pytest.mark.parametrize("stream", [False, True], ids=["chat", "stream"])
@pytest.mark.parametrize("dialect", SPOKEN)
@pytest.mark.parametrize("name", KINDS)
def test_an_error_is_told_apart_and_the_next_target_answers(
    name: str, dialect: str, stream: bool, proxy: Proxy
) -> None:
    rescue = Provider.compatible(
        proxy.upstream.url,
        name="rescue",
        price=Price(input=1, output=1),
        models=[Model("ok", context_window=100_000, max_output=256)],
    )
    with Router([through(proxy, name, dialect), rescue], policy=POLICY, timeouts=PATIENT) as router:
        if stream:
            # Whether the proxy hands on what came before a cut is a matter of timing: only whole answers count here.
            with router.stream("Say hello.", max_attempts=4, on_interrupt="buffer") as streamed:
                for _ in streamed:
                    pass
            reply = streamed.reply
        else:
            reply = router.chat("Say hello.", max_attempts=4)
    assert reply.target == "ok@rescue"
    assert reply.text == "Hello world"
    failures = [attempt.failure for attempt in reply.attempts if attempt.failure is not None]
    assert {failure.kind for failure in failures} <= KINDS[name], failures


@pytest.mark.parametrize("dialect", SPOKEN)
def test_a_filtered_prompt_is_refused_for_good(dialect: str, proxy: Proxy) -> None:
    with (
        Router([through(proxy, "content_filter", dialect)], policy=POLICY, timeouts=PATIENT) as router,
        pytest.raises(AttemptsFailedError) as caught,
    ):
        router.chat("Say hello.")
    assert caught.value.failure.kind is Kind.REFUSED
    assert len(caught.value.attempts) == 1


@pytest.mark.parametrize("dialect", TRANSLATED)
def test_an_error_inside_a_stream_is_no_end_of_one(dialect: str, proxy: Proxy) -> None:
    with (
        Router([through(proxy, "error_event", dialect)], policy=POLICY, timeouts=PATIENT) as router,
        pytest.raises(StreamInterruptedError) as caught,
        router.stream("Say hello.") as stream,
    ):
        for _ in stream:
            pass
    assert caught.value.partial.text
    assert "Hello world".startswith(caught.value.partial.text)


@pytest.mark.parametrize("dialect", SPOKEN)
def test_a_wrong_key_is_never_shown(dialect: str, proxy: Proxy) -> None:
    """This proxy answers 400 to a key it does not know, since it has no database to look it up in."""
    wrong = "sk-wrong-0123456789abcdef"
    with (
        Router([through(proxy, "smollm2", dialect, key=wrong)], policy=POLICY, timeouts=PATIENT) as router,
        pytest.raises(AttemptsFailedError) as caught,
    ):
        router.chat("Say hello.")
    assert caught.value.failure.kind in {Kind.DENIED, Kind.UNPROVED}
    assert wrong not in str(caught.value) + repr(caught.value)


# -------------------------------------------------------------------------------------------------------- embeddings


def embedder(proxy: Proxy, model: str, name: str) -> Provider:
    declared = Model(model, context_window=8_000, features=frozenset({"embedding"}))
    return Provider.compatible(proxy.url, name=name, key=proxy.key, price=Price(input=1, output=0), models=[declared])


def test_vectors_come_through_it(proxy: Proxy) -> None:
    with Router([embedder(proxy, "ok", "litellm")], timeouts=PATIENT) as router:
        found = router.embed(["one", "two"], model="ok")
    assert [[round(number, 6) for number in vector] for vector in found] == [[0.0, 0.6, 0.8]] * 2
    assert found.usage is not None
    assert found.usage.input_tokens == 5
    assert found.cost.pico == 5 * 10**6


def test_an_error_of_embeddings_is_told_apart(proxy: Proxy) -> None:
    with (
        Router([embedder(proxy, "401", "litellm")], timeouts=PATIENT) as router,
        pytest.raises(AttemptsFailedError) as caught,
    ):
        router.embed("one", model="401")
    assert caught.value.failure.kind is Kind.DENIED
