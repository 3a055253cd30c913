"""Requests as bodies of Messages: translated, never lossy without a word, thinking back in its place."""

import itertools
import json
import re

import pytest
from hypothesis import given

from modelroute.catalog.model import Target
from modelroute.providers.anthropic_messages.encode import encode, obstacle
from modelroute.providers.profiles import PROFILES
from modelroute.types.messages import PROVENANCE, Message
from modelroute.types.request import Request
from tests.providers.requests import (
    CONVERSATIONS,
    FULL,
    PIXEL,
    SCHEMA,
    TOOL,
    call,
    called,
    provenance,
    result,
    target,
    user,
)
from tests.providers.samples import Given, Json

HERE = target("claude-opus-5-5", "anthropic")
PROFILE = PROFILES["anthropic"]


def body(request: Request, *, cap: int | None = 50, stream: bool = False) -> Json:
    sent: Json = json.loads(encode(request, HERE, PROFILE, cap, stream))
    return sent


def ask(*messages: Message, **fields: Given) -> Request:
    return Request(messages=messages or (user("Hi"),), **fields)


def test_a_plain_request() -> None:
    assert body(ask(parameters={"temperature": 0.2, "top_k": 5})) == {
        "model": "claude-opus-5-5",
        "max_tokens": 50,
        "messages": [user("Hi")],
        "temperature": 0.2,
        "top_k": 5,
    }


def test_a_cap_is_always_sent() -> None:
    assert body(ask(), cap=None)["max_tokens"] == PROFILE.default_output_cap


def test_everything_in_one_conversation() -> None:
    sent = body(FULL)

    assert sent["system"] == "Be terse.\n\nAnd polite."
    assert [turn["role"] for turn in sent["messages"]] == ["user", "assistant", "user", "assistant", "user"]
    assert sent["messages"][0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
    ]
    assert sent["messages"][1]["content"] == [
        {"type": "tool_use", "id": "call_1", "name": "lookup_order", "input": {"order_id": "A-1"}},
        {"type": "tool_use", "id": "call_2", "name": "lookup_order", "input": {}},
    ]
    assert sent["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "call_1", "content": "shipped"},
        {"type": "tool_result", "tool_use_id": "call_2", "content": [{"type": "text", "text": "lost"}]},
        {"type": "text", "text": "And now?"},
    ]
    assert sent["tools"] == [
        {"name": "lookup_order", "description": "Look an order up.", "input_schema": TOOL["function"]["parameters"]}
    ]
    assert (sent["tool_choice"], sent["stop_sequences"]) == ({"type": "auto"}, ["END"])
    assert "secret thought" not in json.dumps(sent)
    assert "metadata" not in sent


@given(CONVERSATIONS)
def test_any_history_becomes_alternating_turns_with_legal_and_unique_ids(messages: tuple[Json, ...]) -> None:
    sent = body(Request(messages=messages))
    turns = sent["messages"]

    assert PROVENANCE not in json.dumps([list(turn) for turn in turns])
    assert all(one["role"] != other["role"] for one, other in itertools.pairwise(turns))
    blocks = [block for turn in turns if isinstance(turn["content"], list) for block in turn["content"]]
    ids = [block["id"] for block in blocks if block.get("type") == "tool_use"]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]+", identity) for identity in ids)
    assert all(
        re.fullmatch(r"[a-zA-Z0-9_-]+", block["tool_use_id"]) for block in blocks if block.get("type") == "tool_result"
    )
    assert all(block["text"] for block in blocks if block.get("type") == "text" and block is not blocks[-1])


def test_a_result_belongs_to_the_latest_call_of_its_id() -> None:
    sent = body(ask(user("Hi"), called(call("f:0")), result("f:0", "1"), called(call("f:0")), result("f:0", "2")))[
        "messages"
    ]

    ids = [turn["content"][0].get("id") or turn["content"][0]["tool_use_id"] for turn in sent[1:]]
    assert ids == ["f_0", "f_0", "f_0_2", "f_0_2"]


KEPT = [
    {"type": "thinking", "thinking": "T", "signature": "s"},
    {"type": "text", "characters": 2},
    {"type": "redacted_thinking", "data": "d"},
    {"type": "tool_use", "id": "a"},
]


def test_thinking_goes_back_unchanged_and_in_its_place() -> None:
    own = called(call("a"), content="AB", **provenance(HERE, content=KEPT))

    assert body(ask(user("Hi"), own, result("a")))["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "T", "signature": "s"},
        {"type": "text", "text": "AB"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "tool_use", "id": "a", "name": "lookup_order", "input": {"order_id": "A-1"}},
    ]


def test_thinking_of_an_edited_message_goes_first() -> None:
    edited = called(call("a"), content="Something else", **provenance(HERE, content=KEPT))

    kinds = [block["type"] for block in body(ask(user("Hi"), edited, result("a")))["messages"][1]["content"]]
    assert kinds == ["thinking", "redacted_thinking", "text", "tool_use"]


@pytest.mark.parametrize("where", [target("claude-sonnet-5-5", "anthropic"), target("claude-opus-5-5", "bedrock")])
def test_thinking_of_another_model_or_provider_stays_home(where: Target) -> None:
    foreign = called(call("a"), content="AB", **provenance(where, content=KEPT))

    kinds = [block["type"] for block in body(ask(user("Hi"), foreign, result("a")))["messages"][1]["content"]]
    assert kinds == ["text", "tool_use"]


@pytest.mark.parametrize(
    ("written", "sent"),
    [("", {}), ("{}", {}), ('{"a":1}', {"a": 1}), ("[1]", {"arguments": [1]}), ("{broken", {"arguments": "{broken"})],
)
def test_arguments_another_model_wrote_become_an_object(written: str, sent: object) -> None:
    turns = body(ask(user("Hi"), called(call("a", written)), result("a")))["messages"]

    assert turns[1]["content"][0]["input"] == sent


@pytest.mark.parametrize(
    ("choice", "parallel", "sent"),
    [
        ("required", None, {"type": "any"}),
        ("none", False, {"type": "none"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"type": "function", "function": {"name": "f"}}, None, {"type": "tool", "name": "f"}),
        (None, True, None),
    ],
)
def test_tool_choice_is_translated(choice: object, parallel: bool | None, sent: object) -> None:
    request = ask(tools=(TOOL,), tool_choice=choice, parameters={"parallel_tool_calls": parallel})

    assert body(request).get("tool_choice") == sent


def test_effort_and_schema_share_one_field() -> None:
    sent = body(ask(effort="high", schema=SCHEMA, parameters={"output_config": {"x": 1}}))

    assert sent["thinking"] == {"type": "adaptive"}
    assert sent["output_config"] == {
        "x": 1,
        "effort": "high",
        "format": {"type": "json_schema", "schema": {**SCHEMA.schema, "additionalProperties": False}},
    }


def test_a_schema_that_cannot_be_closed_becomes_an_instruction() -> None:
    open_ended = type(SCHEMA)("map", {"type": "object", "additionalProperties": {"type": "string"}})

    sent = body(ask({"role": "system", "content": "Be terse."}, user("Hi"), schema=open_ended))
    assert "output_config" not in sent
    assert sent["system"].startswith("Be terse.\n\n")
    assert "additionalProperties" in sent["system"]


def test_a_response_format_with_a_schema_is_translated() -> None:
    stated = {"type": "json_schema", "json_schema": {"name": "city", "schema": SCHEMA.schema}}

    assert "format" in body(ask(parameters={"response_format": stated}))["output_config"]


def test_cache_marks_stay_where_they_were() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    system = {"role": "system", "content": [{"type": "text", "text": "Long.", **mark}]}
    sent = body(ask(system, user([{"type": "text", "text": "Hi", **mark}])))

    assert sent["system"] == [{"type": "text", "text": "Long.", **mark}]
    assert sent["messages"][0]["content"] == [{"type": "text", "text": "Hi", **mark}]


def test_the_user_is_named_in_metadata() -> None:
    assert body(ask(parameters={"user": "u1"}))["metadata"] == {"user_id": "u1"}
    assert body(ask(parameters={"metadata": {"user_id": "u2", "x": 1}}))["metadata"] == {"user_id": "u2"}


def test_a_history_with_calls_declares_what_was_called_and_lets_none_be_called() -> None:
    """Messages refuses calls in a history where no tool is declared; OpenAI takes them."""
    sent = body(ask(user("Hi"), called(call("a"), call("b")), result("a"), result("b"), user("Sum it up")))

    assert sent["tools"] == [{"name": "lookup_order", "input_schema": {"type": "object"}}]
    assert sent["tool_choice"] == {"type": "none"}
    assert body(ask(user("Hi"), called(call("a")), result("a"), tools=(TOOL,)))["tools"][0]["description"]
    assert "tools" not in body(ask(user("Hi")))


def image(url: str) -> Request:
    return ask(user([{"type": "image_url", "image_url": {"url": url}}]))


@pytest.mark.parametrize(
    "request_",
    [
        ask(parameters={"seed": 7}),
        ask(parameters={"n": 2}),
        ask(parameters={"presence_penalty": 0.5}),
        ask(parameters={"service_tier": "flex"}),
        ask(parameters={"service_tier": ["auto"]}),
        ask(parameters={"response_format": {"type": "grammar"}}),
        ask(parameters={"response_format": {"type": "json_object"}}),
        image("http://plain.example/x.png"),
        image("data:image/bmp;base64,AAAA"),
        ask(user([{"type": "file", "file": {"file_id": "file-1"}}])),
        ask(user([{"type": "file", "file": {"file_data": "data:text/csv;base64,AAAA"}}])),
    ],
)
def test_what_it_has_no_words_for_is_said_beforehand(request_: Request) -> None:
    assert obstacle(request_)


@pytest.mark.parametrize(
    "request_",
    [
        ask(parameters={"n": 1, "seed": None, "logprobs": False, "presence_penalty": 0, "metadata": {"a": "b"}}),
        image(PIXEL),
        image("https://example.org/x.png"),
        ask(user([{"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}}])),
    ],
)
def test_what_it_has_words_for_is_no_obstacle(request_: Request) -> None:
    assert obstacle(request_) is None
    sent = body(request_)
    assert not {"n", "seed", "logprobs", "presence_penalty", "metadata"} & sent.keys()


def test_white_space_at_the_end_of_a_beginning_is_not_sent() -> None:
    assert (
        body(ask(user("Hi"), {"role": "assistant", "content": "The answer: \n"}))["messages"][1]["content"]
        == "The answer:"
    )


def test_text_of_white_space_alone_is_left_out() -> None:
    spaced = called(call("a"), content="\n\n")
    own = called(
        call("a"), content="\n\n", **provenance(HERE, content=[KEPT[0], {"type": "text", "characters": 2}, KEPT[3]])
    )  # fmt: skip

    kinds = [[block["type"] for block in turn["content"]] for turn in body(ask(user("Hi"), spaced))["messages"][1:]]
    assert kinds == [["tool_use"]]
    kinds = [[block["type"] for block in turn["content"]] for turn in body(ask(user("Hi"), own))["messages"][1:]]
    assert kinds == [["thinking", "tool_use"]]
    assert "system" not in body(ask({"role": "system", "content": " "}, user("Hi")))


@given(CONVERSATIONS)
def test_no_turn_is_empty_or_blank(messages: tuple[Json, ...]) -> None:
    turns = body(Request(messages=messages))["messages"]
    if turns and turns[-1]["role"] == "assistant":
        turns.pop()  # which is to be gone on with
    for turn in turns:
        blocks = [{"type": "text", "text": turn["content"]}] if isinstance(turn["content"], str) else turn["content"]
        assert blocks
        assert all(block["text"].strip() for block in blocks if block["type"] == "text")


def test_a_strict_tool_stays_strict_where_schemas_are_enforced() -> None:
    strict: Json = {"type": "function", "function": {**TOOL["function"], "strict": True}}
    (sent,) = body(ask(tools=(strict,)))["tools"]

    assert sent["strict"] is True
    assert sent["input_schema"] == {**TOOL["function"]["parameters"], "additionalProperties": False}
    elsewhere = json.loads(encode(ask(tools=(strict,)), HERE, PROFILES["messages"], 5, stream=False))
    assert elsewhere["tools"] == body(ask(tools=(TOOL,)))["tools"]


def test_a_strict_tool_whose_schema_cannot_be_closed_is_an_ordinary_one() -> None:
    function = {"name": "f", "strict": True, "parameters": {"type": "object", "additionalProperties": True}}
    (sent,) = body(ask(tools=({"type": "function", "function": function},)))["tools"]

    assert "strict" not in sent
    assert sent["input_schema"] == function["parameters"]


@pytest.mark.parametrize("role", ["system", "developer", "assistant"])
def test_media_only_a_user_or_a_tool_can_show(role: str) -> None:
    shown = [{"type": "text", "text": "See."}, {"type": "image_url", "image_url": {"url": PIXEL}}]

    assert role in (obstacle(ask({"role": role, "content": shown}, user("Hi"))) or "")
    assert obstacle(ask(user(shown))) is None


def test_custom_tools_are_openais_own() -> None:
    assert "custom" in (obstacle(ask(tools=({"type": "custom", "custom": {"name": "run"}},))) or "")
    assert obstacle(ask(tools=({"type": "custom", "name": "run", "input_schema": {"type": "object"}},))) is None
