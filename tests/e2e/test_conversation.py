"""Conversations over several calls and providers: what goes back to whom, and where a conversation stays."""

# ruff: noqa: ANN401
# Options are handed through to calls that check them.

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any, cast

import pytest

from modelroute import AsyncRouter, Price, Router, ToolCall
from modelroute.testing.fault import Fault
from modelroute.testing.faults import ok
from modelroute.testing.server import FaultServer
from tests.e2e.places import PROMPT, Place, place, routing

DEAR = Price(input=2, output=8)
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather at a place.",
            "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
        },
    }
]
LEGAL_ID = re.compile(r"[a-zA-Z0-9_-]+")


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as serving:
        yield serving


def openai(server: FaultServer, *behaviours: Fault | str, **declared: Any) -> Place:
    """The cheaper one."""
    return place(server, list(behaviours), **declared)


def anthropic(server: FaultServer, *behaviours: Fault | str, **declared: Any) -> Place:
    """The dearer one, which comes second."""
    settings: dict[str, Any] = {
        "name": "second", "model": "large", "price": DEAR, "dialect": "anthropic-messages", "profile": "anthropic",
    }  # fmt: skip
    return place(server, list(behaviours), **(settings | declared))


def messages_of(one: Place, number: int = -1) -> list[dict[str, Any]]:
    return cast("dict[str, Any]", one.seen[number].body)["messages"]  # type: ignore[no-any-return]


def user(text: str) -> dict[str, object]:
    return {"role": "user", "content": text}


def calls(*made: tuple[str, str]) -> Fault:
    return ok("", tool_calls=[ToolCall(identity, "weather", f'{{"place": "{where}"}}') for identity, where in made])


# ------------------------------------------------------------------------------------------------ what is sent back


def test_the_message_of_a_reply_is_json_and_openai_shaped(server: FaultServer) -> None:
    for one in (openai(server, ok("Hi", reasoning="Hm")), anthropic(server, ok("Hi", reasoning="Hm"))):
        with Router(**routing(one)) as router:
            reply = router.chat(PROMPT)
        assert json.loads(json.dumps(reply.message)) == reply.message
        assert reply.message["role"] == "assistant"
        assert reply.message["content"] == "Hi"
        assert set(reply.message) == {"role", "content", "modelroute"}


def test_another_provider_never_sees_our_key_nor_foreign_blocks(server: FaultServer) -> None:
    """Both ways: OpenAI's answer to Anthropic's dialect, and the reverse."""
    first = openai(server, ok("From the first", reasoning="secret thoughts"), ok("Again the first"))
    second = anthropic(server, ok("From the second", reasoning="other thoughts"))
    with Router(**routing(first, second)) as router:
        history: list[Any] = [user("One")]
        history.append(router.chat(history, model=first.target).message)
        history.append(user("Two"))
        history.append(router.chat(history, model=second.target).message)
        history.append(user("Three"))
        reply = router.chat(history, model=first.target)
    assert reply.text == "Again the first"
    for one in (first, second):
        for seen in one.seen:
            sent = json.dumps(seen.body)
            assert "modelroute" not in sent
            assert "provenance" not in sent
    assert "secret thoughts" not in json.dumps(second.seen[0].body)
    assert "c2lnbmF0dXJl" not in json.dumps(first.seen[-1].body), "another's signature"
    assert "other thoughts" not in json.dumps(first.seen[-1].body)
    assert [message["role"] for message in messages_of(first)] == ["user", "assistant", "user", "assistant", "user"]
    assert messages_of(first)[3]["content"] == "From the second"


def test_the_same_provider_gets_its_blocks_back(server: FaultServer) -> None:
    """Anthropic wants thinking and signature returned with a tool call, unaltered."""
    asks = ok("", reasoning="I shall look", tool_calls=[ToolCall("toolu_1", "weather", '{"place": "Oslo"}')])
    one = anthropic(server, asks, ok("Rain"))
    with Router(**routing(one)) as router:
        history: list[Any] = [user("Weather in Oslo?")]
        reply = router.chat(history, tools=TOOLS)
        history += [reply.message, {"role": "tool", "tool_call_id": "toolu_1", "content": "rain"}]
        assert router.chat(history, tools=TOOLS).text == "Rain"
    [_, assistant, result] = messages_of(one)
    kinds = [block["type"] for block in assistant["content"]]
    assert kinds == ["thinking", "tool_use"]
    assert assistant["content"][0]["thinking"] == "I shall look"
    assert assistant["content"][0]["signature"] == "c2lnbmF0dXJl"
    assert assistant["content"][1]["input"] == {"place": "Oslo"}
    assert result["role"] == "user"
    assert result["content"][0]["tool_use_id"] == "toolu_1"


def test_a_message_that_went_through_a_database_works_as_well(server: FaultServer) -> None:
    one = anthropic(server, ok("Hi", reasoning="Hm"), ok("Bye"))
    with Router(**routing(one)) as router:
        stored = json.dumps([user("One"), router.chat([user("One")]).message, user("Two")])
        assert router.chat(json.loads(stored)).text == "Bye"


def test_a_deepseek_like_target_gets_its_reasoning_back_with_tools(server: FaultServer) -> None:
    asks = ok("", reasoning="I shall look", tool_calls=[ToolCall("call_1", "weather", "{}")])
    one = openai(server, asks, ok("Rain"), profile="deepseek")
    with Router(**routing(one)) as router:
        history: list[Any] = [user("Weather?")]
        history.append(router.chat(history, tools=TOOLS).message)
        history.append({"role": "tool", "tool_call_id": "call_1", "content": "rain"})
        router.chat(history, tools=TOOLS)
    assert messages_of(one)[1]["reasoning_content"] == "I shall look"
    assert "modelroute" not in json.dumps(one.seen[-1].body)


# ------------------------------------------------------------------------------------------------------- tool loops


@pytest.mark.parametrize(
    "identity", ["call_1", "call.with.dots", "fc:colon|pipe", "é" * 3, "x" * 100, ""], ids=range(6)
)
@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_tool_loop_goes_on_elsewhere_when_its_target_fails(server: FaultServer, identity: str, colour: str) -> None:
    """The first asks for two tools and then dies; the second, of another dialect, goes on, twice, with legal ids."""
    first = openai(server, calls((identity, "Oslo"), (identity + "2", "Rome")), "503")
    second = anthropic(server, calls(("toolu_A", "Cairo")), ok("Rain, sun and sand."))
    history: list[Any] = [user("Weather in Oslo, Rome and Cairo?")]

    def answered(message: Any) -> list[dict[str, object]]:
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": f"weather {number}"}
            for number, call in enumerate(message["tool_calls"])
        ]
        return [dict(message), *results]

    def sync() -> list[Any]:
        with Router(**routing(first, second)) as router:
            made = []
            for _ in range(3):
                made.append(router.chat(history, tools=TOOLS))
                history.extend(answered(made[-1].message) if made[-1].tool_calls else [])
            return made

    async def asynchronous() -> list[Any]:
        async with AsyncRouter(**routing(first, second)) as router:
            made = []
            for _ in range(3):
                made.append(await router.chat(history, tools=TOOLS))
                history.extend(answered(made[-1].message) if made[-1].tool_calls else [])
            return made

    replies = sync() if colour == "sync" else asyncio.run(asynchronous())
    assert [reply.target for reply in replies] == [first.target, second.target, second.target]
    assert replies[-1].text == "Rain, sun and sand."
    assert [call.arguments for call in replies[0].tool_calls] == ['{"place": "Oslo"}', '{"place": "Rome"}']
    sent = messages_of(second)
    used = [block["id"] for message in sent for block in blocks(message) if block["type"] == "tool_use"]
    given = [block["tool_use_id"] for message in sent for block in blocks(message) if block["type"] == "tool_result"]
    assert used == given, "every result belongs to a call, in order"
    assert len(set(used)) == len(used) == 3
    assert all(LEGAL_ID.fullmatch(one) for one in used)
    assert [message["role"] for message in sent] == ["user", "assistant", "user", "assistant", "user"]
    assert [block["type"] for block in blocks(sent[2])] == ["tool_result", "tool_result"]


def blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


def test_a_stream_gives_the_same_message_as_a_chat(server: FaultServer) -> None:
    for make in (openai, anthropic):
        one = make(server, calls(("call_1", "Oslo"), ("call_2", "Rome")))
        with Router(**routing(one)) as router:
            with router.stream("Weather?", tools=TOOLS) as stream:
                for _ in stream:
                    pass
            assert stream.reply.message == router.chat("Weather?", tools=TOOLS).message
            assert stream.reply.finish == "tool_calls"


# ------------------------------------------------------------------------------------------------ where it stays


def test_after_a_tool_result_a_conversation_stays_on_its_target(server: FaultServer) -> None:
    """Though another would be cheaper; a new conversation goes to the cheaper one."""
    first = openai(server, ok("cheap"))
    second = anthropic(server, calls(("toolu_1", "Oslo")), ok("dear"))
    with Router(**routing(first, second)) as router:
        history: list[Any] = [user("Weather?")]
        reply = router.chat(history, tools=TOOLS, model=second.target)
        history += [dict(reply.message), {"role": "tool", "tool_call_id": "toolu_1", "content": "rain"}]
        explained = router.explain(history, tools=TOOLS)
        assert explained.target == second.target
        assert router.chat(history, tools=TOOLS).target == second.target
        assert router.chat(PROMPT).target == first.target


def test_unless_that_target_fails(server: FaultServer) -> None:
    first = openai(server, ok("cheap"))
    second = anthropic(server, calls(("toolu_1", "Oslo")), "503")
    with Router(**routing(first, second)) as router:
        history: list[Any] = [user("Weather?")]
        reply = router.chat(history, tools=TOOLS, model=second.target)
        history += [dict(reply.message), {"role": "tool", "tool_call_id": "toolu_1", "content": "rain"}]
        rescued = router.chat(history, tools=TOOLS)
    assert [attempt.target for attempt in rescued.attempts] == [second.target, second.target, first.target]
    roles = [message["role"] for message in messages_of(first)]
    assert roles == ["user", "assistant", "tool"]
    assert messages_of(first)[1]["tool_calls"][0]["id"] == messages_of(first)[2]["tool_call_id"]


def test_another_router_knows_it_from_the_message(server: FaultServer) -> None:
    """Provenance travels with the message, so a process that was restarted stays too."""
    first = openai(server, ok("cheap"))
    second = anthropic(server, calls(("toolu_1", "Oslo")), ok("dear"))
    history: list[Any] = [user("Weather?")]
    with Router(**routing(first, second)) as router:
        reply = router.chat(history, tools=TOOLS, model=second.target)
    history += [
        json.loads(json.dumps(reply.message)), {"role": "tool", "tool_call_id": "toolu_1", "content": "rain"},
    ]  # fmt: skip
    with Router(**routing(first, second)) as router:
        assert router.chat(history, tools=TOOLS).target == second.target


def test_a_named_conversation_stays_whatever_became_of_its_messages(server: FaultServer) -> None:
    """`conversation=` knows it though the messages were rewritten; without it they are a stranger's."""
    first = openai(server, ok("cheap"))
    second = anthropic(server, calls(("toolu_1", "Oslo")), ok("dear"), ok("dear"))
    rewritten: list[Any] = [
        user("Weather, please?"),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "t", "type": "function", "function": {"name": "weather", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "t", "content": "rain"},
    ]
    with Router(**routing(first, second)) as router:
        reply = router.chat("Weather?", tools=TOOLS, model=second.target, conversation="ada-1")
        assert reply.conversation == "ada-1"
        assert router.chat(rewritten, tools=TOOLS).target == first.target
        assert router.chat(rewritten, tools=TOOLS, conversation="ada-1").target == second.target
        assert router.chat(rewritten, tools=TOOLS, conversation="someone-else").target == first.target


def test_a_conversation_stays_where_its_prefix_is_cached_while_that_is_cheaper(server: FaultServer) -> None:
    long = "All work and no play makes Jack a dull boy. " * 2_000
    first = openai(server, ok("cheap"))
    cached = Price(input=2, output=8, cached_input="0.02")
    second = openai(server, ok("dear", usage=(20_000, 5)), name="second", model="large", price=cached)
    history: list[Any] = [user(long)]
    with Router(**routing(first, second)) as router:
        reply = router.chat(history, model=second.target)
        history += [dict(reply.message), user("And then?")]
        assert router.chat(history).target == second.target
        assert router.chat([user(long)]).target == first.target
