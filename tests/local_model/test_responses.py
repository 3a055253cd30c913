"""The Responses dialect against a real llama.cpp server, through the public routers.

The server's own limits: it reports an answer that its cap cut as complete, does not enforce a schema here, and sends
neither item numbers nor log probabilities.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from pydantic import BaseModel

from modelroute import (
    AsyncRouter,
    AttemptsFailedError,
    Model,
    Price,
    Provider,
    Reply,
    Router,
    TextDelta,
    ToolCallDelta,
)
from modelroute.testing.local_model import LocalModelServer
from modelroute.types.failure import Kind
from modelroute.types.messages import PROVENANCE
from tests.local_model.test_dialects import POLICY, TOOL


class City(BaseModel):
    """A schema that a small model cannot but meet with luck."""

    name: str


def provider(server: LocalModelServer) -> Provider:
    declared = Model("smollm2", context_window=server.n_ctx, max_output=256, features=frozenset({"tools"}))
    return Provider.compatible(
        server.url, name="local", dialect="openai-responses", price=Price.free(), models=[declared]
    )


Ask = Callable[..., Reply]


@pytest.fixture(params=["chat", "stream", "async chat", "async stream"])
def ask(request: pytest.FixtureRequest) -> Callable[[LocalModelServer], Ask]:
    """Make one call of a router; what a stream hands over is held to be its reply."""
    colour, _, mode = request.param.rpartition(" ")

    def of(server: LocalModelServer) -> Ask:
        def sync(messages: object, **asked: object) -> Reply:
            with Router([provider(server)], policy=POLICY) as router:
                if mode == "chat":
                    return router.chat(messages, **asked)  # type: ignore[arg-type]
                with router.stream(messages, **asked) as stream:  # type: ignore[arg-type]
                    return told(list(stream), stream.reply)

        async def asynchronous(messages: object, **asked: object) -> Reply:
            async with AsyncRouter([provider(server)], policy=POLICY) as router:
                if mode == "chat":
                    return await router.chat(messages, **asked)  # type: ignore[arg-type]
                async with router.stream(messages, **asked) as stream:  # type: ignore[arg-type]
                    return told([event async for event in stream], stream.reply)

        return (lambda messages, **asked: asyncio.run(asynchronous(messages, **asked))) if colour else sync

    return of


def told(events: list[object], reply: Reply) -> Reply:
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == reply.text
    arguments = "".join(event.arguments for event in events if isinstance(event, ToolCallDelta))
    assert arguments == "".join(call.arguments for call in reply.tool_calls)
    return reply


def test_an_answer_with_its_usage(ask: Callable[[LocalModelServer], Ask], local_model: LocalModelServer) -> None:
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Say hello."}]
    reply = ask(local_model)(messages, max_tokens=16, temperature=0)

    assert reply.text
    assert reply.finish == "stop"
    assert reply.usage is not None
    assert 0 < reply.usage.output_tokens <= 16
    assert reply.usage.input_tokens > 10
    assert reply.cost_basis != "estimate"
    assert reply.id.startswith("resp_")
    assert fields(reply.message)["dialect"] == "openai-responses"


def fields(message: object) -> dict[str, object]:
    assert isinstance(message, dict)
    kept = message[PROVENANCE]
    assert isinstance(kept, dict)
    return kept


def shown(city: str, number: int) -> list[dict[str, object]]:
    """A round with a tool, made by hand: shown two of them, the model makes a third."""
    function = {"name": "get_weather", "arguments": json.dumps({"city": city})}
    return [
        {"role": "user", "content": f"What is the weather in {city}?"},
        {"role": "assistant", "content": None,
         "tool_calls": [{"id": f"call:{number}", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": f"call:{number}", "content": [{"type": "text", "text": "sunny"}]},
        {"role": "assistant", "content": "It is sunny."},
    ]  # fmt: skip


def test_a_tool_is_called_and_its_result_heard(
    ask: Callable[[LocalModelServer], Ask], tool_calling_model: LocalModelServer
) -> None:
    chat = ask(tool_calling_model)
    history = [*shown("Rome", 1), *shown("Berlin", 2), {"role": "user", "content": "What is the weather in Paris?"}]
    reply = chat(history, tools=[TOOL], max_tokens=64, temperature=0)

    assert (reply.finish, reply.text) == ("tool_calls", "")
    [call] = reply.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
    more = [*history, dict(reply.message), {"role": "tool", "tool_call_id": call.id, "content": "rainy"}]
    again = chat(more, tools=[TOOL], max_tokens=16, temperature=0)
    assert again.usage is not None
    assert reply.usage is not None
    assert again.usage.input_tokens > reply.usage.input_tokens
    assert again.usage.cached_tokens > 0


def test_a_schema_is_taken_and_its_answer_validated_here(local_model: LocalModelServer) -> None:
    """The server takes `text.format` and does not enforce it; nothing that does not fit comes through."""
    with Router([provider(local_model)], policy=POLICY) as router:
        try:
            parsed = router.parse("The capital of France, as JSON.", City, max_tokens=32, temperature=0)
        except AttemptsFailedError as error:
            first = error.attempts[0].failure
            assert first is not None
            assert first.kind is Kind.INVALID_OUTPUT
        else:
            assert parsed.value.name


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("word " * 4_000, Kind.TOO_LONG),
        ([{"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA"}}], Kind.UNSUPPORTED),
    ],
)
def test_its_refusals_are_understood(content: object, kind: Kind, local_model: LocalModelServer) -> None:
    generous = Model("smollm2", context_window=100_000, max_output=256, features=frozenset({"pdf"}))
    where = Provider.compatible(
        local_model.url, name="local", dialect="openai-responses", price=Price.free(), models=[generous]
    )
    with Router([where], policy=POLICY) as router, pytest.raises(AttemptsFailedError) as caught:
        router.chat([{"role": "user", "content": content}], max_tokens=8)
    assert caught.value.failure.kind is kind
