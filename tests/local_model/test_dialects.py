"""Every dialect that llama.cpp's server speaks, through the public routers: the same weights must be told the same.

The server, its chat parser and its streams are nobody's here, and the tool calls are the model's own: see
`tool_calling.jinja`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Sequence
from typing import TypeAlias

import pytest

from modelroute import (
    AsyncRouter,
    AttemptsFailedError,
    Model,
    Policy,
    Price,
    Provider,
    Reply,
    Router,
    Scenario,
    TextDelta,
    ToolCallDelta,
    cheapest,
)
from modelroute.testing.faults import dead_port
from modelroute.testing.local_model import LocalModelServer
from modelroute.types.failure import Kind

POLICY = Policy(default=Scenario(prefer=cheapest))
SPOKEN = ["openai-chat", "anthropic-messages", "openai-responses"]
PROFILE = {"openai-chat": "llamacpp"}
QUESTION = "What is the weather in Paris?"
TOOL: dict[str, object] = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="

Say: TypeAlias = Callable[..., Reply]


def provider(
    server: LocalModelServer, dialect: str, name: str = "local", *, model: str = "smollm2", window: int | None = None
) -> Provider:
    declared = Model(
        model,
        context_window=server.n_ctx if window is None else window,
        max_output=256,
        features=frozenset({"tools", "vision"}),  # it does not see: what it says of that is looked at
    )
    return Provider.compatible(
        server.url,
        name=name,
        price=Price.free(),
        models=[declared],
        dialect=dialect,
        profile=PROFILE.get(dialect, "compatible"),
    )


@pytest.fixture(params=["chat", "stream", "async chat", "async stream"])
def say(request: pytest.FixtureRequest) -> Callable[..., Say]:
    """Make one call of a router over the given providers; a stream's pieces are held to be its reply's text."""
    colour, _, mode = request.param.rpartition(" ")

    def over(*providers: Provider) -> Say:
        def sync(messages: object, **asked: object) -> Reply:
            with Router(providers, policy=POLICY) as router:
                if mode == "chat":
                    return router.chat(messages, **asked)  # type: ignore[arg-type]
                with router.stream(messages, **asked) as stream:  # type: ignore[arg-type]
                    events = list(stream)
                return told(stream.reply, events)

        async def asynchronous(messages: object, **asked: object) -> Reply:
            async with AsyncRouter(providers, policy=POLICY) as router:
                if mode == "chat":
                    return await router.chat(messages, **asked)  # type: ignore[arg-type]
                async with router.stream(messages, **asked) as stream:  # type: ignore[arg-type]
                    events = [event async for event in stream]
                return told(stream.reply, events)

        if colour == "async":
            return lambda messages, **asked: asyncio.run(asynchronous(messages, **asked))
        return sync

    return over


def told(reply: Reply, events: Sequence[object]) -> Reply:
    """Return `reply` when its events tell the same."""
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == reply.text
    arguments = "".join(event.arguments for event in events if isinstance(event, ToolCallDelta))
    assert arguments == "".join(call.arguments for call in reply.tool_calls)
    return reply


@pytest.fixture(scope="module")
def usual(tool_calling_model: LocalModelServer) -> Reply:
    """What the model says to `QUESTION`, in the dialect and the way that everything else is compared with."""
    with Router([provider(tool_calling_model, "openai-chat")], policy=POLICY) as router:
        return router.chat(QUESTION, max_tokens=12, temperature=0)


@pytest.mark.parametrize("dialect", SPOKEN)
def test_every_dialect_and_way_tells_the_same(
    dialect: str, say: Callable[..., Say], usual: Reply, tool_calling_model: LocalModelServer
) -> None:
    reply = say(provider(tool_calling_model, dialect))(QUESTION, max_tokens=12, temperature=0)
    assert reply.text == usual.text
    # The server's Responses API calls every answer completed, one that was cut as well.
    assert reply.finish == ("stop" if dialect == "openai-responses" else usual.finish)
    assert reply.usage is not None
    assert usual.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (usual.usage.input_tokens, 12)
    assert reply.usage.cached_tokens > 0, "the prompt was the one before"
    assert reply.cost_basis != "estimate"


@pytest.mark.parametrize("dialect", SPOKEN)
def test_a_system_message_is_heard(dialect: str, usual: Reply, tool_calling_model: LocalModelServer) -> None:
    messages = [
        {"role": "system", "content": "Speak like a pirate, and be brief."},
        {"role": "user", "content": QUESTION},
    ]
    with Router([provider(tool_calling_model, dialect)], policy=POLICY) as router:
        reply = router.chat(messages, max_tokens=12, temperature=0)
    assert reply.text != usual.text
    assert reply.usage is not None
    assert usual.usage is not None
    assert reply.usage.input_tokens != usual.usage.input_tokens


@pytest.mark.parametrize("dialect", SPOKEN)
def test_a_prompt_too_long_goes_to_more_context(
    dialect: str, tool_calling_model: LocalModelServer, cramped_local_model: LocalModelServer
) -> None:
    """The cramped server's window is declared too large, so that the server itself has to say so."""
    cramped = provider(cramped_local_model, dialect, "cramped", model="small", window=900)
    with Router([cramped, provider(tool_calling_model, dialect)], policy=POLICY) as router:
        reply = router.chat("To be or not to be. " * 45, max_tokens=4)
    assert [attempt.target for attempt in reply.attempts] == ["small@cramped", "smollm2@local"]
    failure = reply.attempts[0].failure
    assert failure is not None
    assert failure.kind is Kind.TOO_LONG


@pytest.mark.parametrize("dialect", SPOKEN)
def test_an_image_it_cannot_see_is_refused_and_not_answered(dialect: str, tool_calling_model: LocalModelServer) -> None:
    content = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PIXEL}},
    ]
    with (
        Router([provider(tool_calling_model, dialect)], policy=POLICY) as router,
        pytest.raises(AttemptsFailedError) as caught,
    ):
        router.chat([{"role": "user", "content": content}], max_tokens=4)
    assert caught.value.failure.kind is Kind.UNSUPPORTED, str(caught.value)
    assert len(caught.value.attempts) == 1


@pytest.mark.parametrize(("first", "second"), list(zip(SPOKEN, [*SPOKEN[1:], SPOKEN[0]], strict=True)))
def test_a_dead_server_falls_back_across_dialects(
    first: str, second: str, usual: Reply, tool_calling_model: LocalModelServer
) -> None:
    model = Model("small", context_window=1024, max_output=64)
    with dead_port() as port:
        dead = Provider.compatible(
            f"http://127.0.0.1:{port}/v1", name="dead", price=Price.free(), models=[model], dialect=first
        )
        with Router([dead, provider(tool_calling_model, second)], policy=POLICY) as router:
            reply = router.chat(QUESTION, max_tokens=12, temperature=0)
    assert reply.text == usual.text
    assert {attempt.target for attempt in reply.attempts} == {"small@dead", "smollm2@local"}


# -------------------------------------------------------------------------------------------------------- tool calls


def shown(city: str, number: int) -> list[dict[str, object]]:
    """A round with a tool as the caller has it in his history, made by hand."""
    call = {"name": "get_weather", "arguments": json.dumps({"city": city})}
    return [
        {"role": "user", "content": f"What is the weather in {city}?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": f"call_{number}", "type": "function", "function": call}],
        },
        {"role": "tool", "tool_call_id": f"call_{number}", "content": "sunny"},
        {"role": "assistant", "content": "It is sunny."},
    ]


HISTORY: list[dict[str, object]] = [*shown("Rome", 1), *shown("Berlin", 2), {"role": "user", "content": QUESTION}]


@pytest.mark.parametrize("dialect", SPOKEN)
def test_a_tool_is_called_after_rounds_made_by_hand(
    dialect: str, say: Callable[..., Say], tool_calling_model: LocalModelServer
) -> None:
    asked = {"tools": [TOOL], "max_tokens": 64, "temperature": 0}
    reply = say(provider(tool_calling_model, dialect))(HISTORY, **asked)
    assert reply.finish == "tool_calls"
    assert reply.text == ""
    [call] = reply.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
    assert call.id
    assert reply.usage is not None
    assert reply.usage.output_tokens > 0


def moved(server: LocalModelServer, *dialects: str) -> tuple[list[int], list[object]]:
    """Make a turn in each dialect and return (prompt tokens by the server's own count, what was called or said)."""
    messages: list[dict[str, object]] = [*HISTORY]
    prompts: list[int] = []
    heard: list[object] = []
    for dialect, city in zip(dialects, ("Lisbon", "Oslo", "nowhere"), strict=True):
        with Router([provider(server, dialect)], policy=POLICY) as router:
            reply = router.chat(messages, tools=[TOOL], max_tokens=48, temperature=0)
        assert reply.usage is not None
        prompts.append(reply.usage.input_tokens)
        heard.append([(call.name, json.loads(call.arguments)) for call in reply.tool_calls] or reply.text)
        messages.append(dict(reply.message))
        messages += [{"role": "tool", "tool_call_id": call.id, "content": "rainy"} for call in reply.tool_calls]
        messages.append({"role": "assistant", "content": "It is rainy."})
        messages.append({"role": "user", "content": f"What is the weather in {city}?"})
    return prompts, heard


@pytest.fixture(scope="module")
def unmoved(tool_calling_model: LocalModelServer) -> tuple[list[int], list[object]]:
    """The conversation that stays where it began."""
    return moved(tool_calling_model, "openai-chat", "openai-chat", "openai-chat")


@pytest.mark.parametrize(("there", "elsewhere"), list(itertools.permutations(SPOKEN, 2)))
def test_a_conversation_moves_to_another_dialect_and_back(
    there: str, elsewhere: str, unmoved: tuple[list[int], list[object]], tool_calling_model: LocalModelServer
) -> None:
    """A call made in one dialect has its result told in another; the next call, made there, is told in the first.

    To the server every prompt is what it would be had the conversation never moved.
    """
    prompts, heard = moved(tool_calling_model, there, elsewhere, there)
    assert [type(one) for one in heard[:2]] == [list, list], "the tool was called, there and elsewhere"
    assert (prompts, heard) == unmoved
