"""Requests as bodies of Responses: flat tools, other names, nothing stored, and no word that it does not know."""

import contextlib
import itertools
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog.model import Target
from modelroute.errors import RequestError
from modelroute.providers.openai_responses.encode import FOREIGN, encode, obstacle
from modelroute.providers.profile import Profile, Schemas
from modelroute.providers.profiles import PROFILES
from modelroute.types.messages import PROVENANCE, Message
from modelroute.types.request import JsonSchema, Request
from tests.providers.requests import CONVERSATIONS, FULL, PIXEL, SCHEMA, TOOL, call, called, result, target, user
from tests.providers.samples import Given, Json

HERE = target("gpt-6.1-sol", "openai", efforts=("low", "high"))
PLAIN = target("gpt-4o", "openai")
PROFILE = PROFILES["openai"]
LOOSE = Profile("compatible")


def body(
    request: Request, *, where: Target = HERE, profile: Profile = PROFILE, cap: int | None = None, stream: bool = False
) -> Json:
    sent: Json = json.loads(encode(request, where, profile, cap, stream))
    return sent


def ask(*messages: Message, **fields: Given) -> Request:
    return Request(messages=messages or (user("Hi"),), **fields)


def test_a_plain_request() -> None:
    assert body(ask(parameters={"temperature": 0.2, "top_k": 5, "seed": None}), where=PLAIN) == {
        "model": "gpt-4o", "input": [user("Hi")], "store": False, "temperature": 0.2, "top_k": 5,
    }  # fmt: skip


def test_the_name_of_a_user_goes_in_front_of_his_words_since_there_is_no_field_for_it() -> None:
    named: list[Message] = [
        {**user("Hi"), "name": "bob"},
        {**user(""), "name": "bob"},
        {"role": "user", "name": "bob", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]},
    ]
    said = [item["content"] for item in body(ask(*named))["input"]]

    assert said[:2] == ["bob: Hi", ""]
    assert said[2][0] == {"type": "input_text", "text": "bob:"}
    assert said[2][1]["type"] == "input_image"


def test_a_cap_and_a_stream() -> None:
    sent = body(ask(parameters={"max_tokens": 1, "stream_options": {"include_usage": True}}), cap=7, stream=True)

    assert (sent["max_output_tokens"], sent["stream"]) == (7, True)
    assert not {"max_tokens", "stream_options"} & sent.keys()


def test_everything_in_one_conversation() -> None:
    without_stop = Request(FULL.messages, tools=FULL.tools, tool_choice="auto", parameters={"metadata": {"a": "b"}})
    sent = body(without_stop)

    assert sent["input"] == [
        {"role": "system", "content": "Be terse."},
        {"role": "developer", "content": [{"type": "input_text", "text": "And polite."}]},
        {"role": "user", "content": [
            {"type": "input_text", "text": "What is this?"},
            {"type": "input_image", "image_url": PIXEL, "detail": "auto"},
        ]},
        {"type": "function_call", "call_id": "call_1", "name": "lookup_order", "arguments": '{"order_id":"A-1"}'},
        {"type": "function_call", "call_id": "call_2", "name": "lookup_order", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "shipped"},
        {"type": "function_call_output", "call_id": "call_2", "output": [{"type": "input_text", "text": "lost"}]},
        {"role": "user", "content": "And now?"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Nothing."}]},
        {"role": "user", "content": "Thanks"},
    ]  # fmt: skip
    assert sent["tools"] == [{"type": "function", "strict": False, **TOOL["function"]}]
    assert (sent["tool_choice"], sent["metadata"]) == ("auto", {"a": "b"})
    assert "secret" not in json.dumps(sent)


# --------------------------------------------------------------------------------------------------------------- tools


@pytest.mark.parametrize(
    ("tool", "sent"),
    [
        ({"type": "function", "function": {"name": "f", "strict": True, "parameters": {"type": "object"}}},
         {"type": "function", "name": "f", "strict": True, "parameters": {"type": "object"}}),
        ({"function": {"name": "f"}},
         {"type": "function", "name": "f", "strict": False, "parameters": {"type": "object", "properties": {}}}),
        ({"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True},
         {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}),
        ({"type": "custom", "custom": {"name": "c", "description": "d"}},
         {"type": "custom", "name": "c", "description": "d"}),
        ({"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": {"syntax": "lark",
          "definition": "x"}}}},
         {"type": "custom", "name": "c", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}),
        ({"type": "custom", "name": "c", "format": {"type": "text"}},
         {"type": "custom", "name": "c", "format": {"type": "text"}}),
        ({"type": "web_search", "filters": {"x": 1}}, {"type": "web_search", "filters": {"x": 1}}),
        ({"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral"}},
         {"type": "function", "name": "f", "strict": False, "parameters": {"type": "object", "properties": {}}}),
    ],
)  # fmt: skip
def test_tools_are_flat_and_strict_only_where_asked(tool: Json, sent: Json) -> None:
    assert body(ask(tools=(tool,)))["tools"] == [sent]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("required", "required"), ("none", "none"),
        ({"type": "function", "function": {"name": "f"}}, {"type": "function", "name": "f"}),
        ({"type": "function", "name": "f"}, {"type": "function", "name": "f"}),
        ({"type": "custom", "custom": {"name": "c"}}, {"type": "custom", "name": "c"}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
            {"type": "function", "function": {"name": "f"}}, {"type": "web_search"}]}},
         {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"},
          {"type": "web_search"}]}),
        ({"type": "web_search"}, {"type": "web_search"}),
    ],
)  # fmt: skip
def test_a_choice_is_flat(choice: object, sent: object) -> None:
    assert body(ask(tools=(TOOL,), tool_choice=choice))["tool_choice"] == sent
    assert "tool_choice" not in body(ask(tool_choice=choice))


def test_calls_of_custom_tools_stay_such() -> None:
    by_hand = {"id": "a", "type": "custom", "custom": {"name": "run", "input": "1 + 1"}}
    as_told = {"id": "b", "type": "function", "function": {"name": "run", "arguments": "2"}}
    tools: tuple[Json, ...] = ({"type": "custom", "custom": {"name": "run"}},)
    history = (user("Hi"), called(by_hand, as_told), result("a"), result("b"))

    assert body(ask(*history, tools=tools))["input"][1:] == [
        {"type": "custom_tool_call", "call_id": "a", "name": "run", "input": "1 + 1"},
        {"type": "custom_tool_call", "call_id": "b", "name": "run", "input": "2"},
        {"type": "custom_tool_call_output", "call_id": "a", "output": "shipped"},
        {"type": "custom_tool_call_output", "call_id": "b", "output": "shipped"},
    ]


# ---------------------------------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("parameters", "sent"),
    [
        ({"response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}, "strict": True}}},
         {"text": {"format": {"type": "json_schema", "name": "n", "schema": {}, "strict": True}}}),
        ({"verbosity": "low", "text": {"stop": 1}}, {"text": {"stop": 1, "verbosity": "low"}}),
        ({"logprobs": True, "top_logprobs": 3}, {"top_logprobs": 3, "include": ["message.output_text.logprobs"]}),
        ({"logprobs": True, "include": ["x"]}, {"include": ["x", "message.output_text.logprobs"]}),
        ({"logprobs": False}, {}),
        ({"store": True}, {"store": True}),
        ({"parallel_tool_calls": False, "service_tier": "flex", "prompt_cache_key": "k", "safety_identifier": "s",
          "user": "u", "top_p": 0.5, "truncation": "auto"},
         {"parallel_tool_calls": False, "service_tier": "flex", "prompt_cache_key": "k", "safety_identifier": "s",
          "user": "u", "top_p": 0.5, "truncation": "auto"}),
        ({"n": 1, "stop": [], "presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}, "seed": None}, {}),
        ({"input": "other", "model": "other"}, {}),
    ],
)  # fmt: skip
def test_parameters(parameters: Json, sent: Json) -> None:
    plain = {"model": "gpt-4o", "input": [user("Hi")], "store": False}

    assert body(ask(parameters=parameters), where=PLAIN) == {**plain, **sent}


def test_effort_is_part_of_an_object_and_keeps_what_the_caller_wrote_there() -> None:
    assert body(ask(effort="high"))["reasoning"] == {"effort": "high"}
    stated = ask(parameters={"reasoning_effort": "low", "reasoning": {"summary": "auto"}})
    assert body(stated)["reasoning"] == {"summary": "auto", "effort": "low"}
    assert body(ask(effort="odd"), profile=Profile("x", any_effort=True))["reasoning"] == {"effort": "odd"}
    switch = Profile("x", efforts={"high": {"reasoning": {"enabled": True}, "enable_thinking": True}})
    sent = body(ask(effort="high", parameters={"reasoning": {"summary": "auto"}}), profile=switch)
    assert (sent["reasoning"], sent["enable_thinking"]) == ({"summary": "auto", "enabled": True}, True)


def test_reasoning_is_asked_for_in_a_form_to_send_back_only_of_models_that_reason() -> None:
    encrypted = ["reasoning.encrypted_content"]

    assert body(ask())["include"] == encrypted
    assert body(ask(effort="high"), where=PLAIN)["include"] == encrypted
    assert body(ask(parameters={"include": [*encrypted]}))["include"] == encrypted
    assert "include" not in body(ask(), where=PLAIN)
    assert "include" not in body(ask(effort="none"), where=PLAIN)


def test_a_schema_goes_down_the_ladder() -> None:
    closed = {**SCHEMA.schema, "additionalProperties": False}
    opened = JsonSchema("map", {"type": "object", "additionalProperties": {"type": "string"}})
    named = {"type": "json_schema", "name": "city"}

    assert body(ask(schema=SCHEMA))["text"]["format"] == {**named, "schema": closed, "strict": True}
    assert body(ask(schema=SCHEMA), profile=LOOSE)["text"]["format"] == {**named, "schema": SCHEMA.schema}
    assert "strict" not in body(ask(schema=opened))["text"]["format"]

    sent = body(ask(schema=SCHEMA), profile=Profile("x", schemas=Schemas.OBJECT))
    assert sent["text"] == {"format": {"type": "json_object"}}
    assert [item["role"] for item in sent["input"]] == ["system", "user"]
    system = {"role": "system", "content": "Be terse."}
    sent = body(ask(system, user("Hi"), schema=SCHEMA), profile=Profile("x", schemas=Schemas.INSTRUCTION))
    assert "text" not in sent
    assert sent["input"][0]["content"].startswith("Be terse.\n\n")
    parts = {"role": "system", "content": [{"type": "text", "text": "Be terse."}]}
    sent = body(ask(parts, user("Hi"), schema=SCHEMA), profile=Profile("x", schemas=Schemas.INSTRUCTION))
    assert "JSON Schema" in sent["input"][0]["content"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"seed": 0}, {"n": 2}, {"stop": "END"}, {"presence_penalty": 0.5}, {"frequency_penalty": -1},
        {"logit_bias": {"1": 2}}, {"modalities": ["audio"]}, {"prediction": {}}, {"web_search_options": {}},
        {"function_call": "auto"}, {"functions": [{}]}, {"audio": {}}, {"response_format": {"type": "grammar"}},
        {"response_format": {}},
    ],
)  # fmt: skip
def test_what_it_has_no_words_for_is_said_beforehand(parameters: Json) -> None:
    assert obstacle(ask(parameters=parameters))


@pytest.mark.parametrize(
    "message",
    [
        user([{"type": "video_url", "video_url": {"url": "x"}}]),
        {"role": "assistant", "content": [{"type": "image_url", "image_url": {"url": PIXEL}}]},
        {"role": "assistant", "content": None, "audio": {"id": "a"}},
    ],
)
def test_what_cannot_be_told_is_said_beforehand(message: Message) -> None:
    assert obstacle(ask(user("Hi"), message))


def test_what_it_has_words_for_is_no_obstacle() -> None:
    neutral = {"n": 1, "stop": [], "seed": None, "presence_penalty": 0, "logit_bias": {}, "modalities": ["text"]}

    assert obstacle(ask(parameters={**neutral, "logprobs": True, "verbosity": "low", "store": True})) is None
    assert obstacle(Request(FULL.messages)) is None
    assert not FOREIGN & body(ask(parameters=neutral)).keys()


# -------------------------------------------------------------------------------------------------------------- content


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        ({"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
         {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"}),
        ({"type": "image_url", "image_url": "https://x/y.png"},
         {"type": "input_image", "image_url": "https://x/y.png", "detail": "auto"}),
        ({"type": "file", "file": {"file_data": "data:application/pdf;base64,AA", "filename": "a.pdf"}},
         {"type": "input_file", "file_data": "data:application/pdf;base64,AA", "filename": "a.pdf"}),
        ({"type": "file", "file": {"file_id": "file-1"}}, {"type": "input_file", "file_id": "file-1"}),
        ({"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
         {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}),
        ({"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}},
         {"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}}),
        ({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}, {"type": "input_text", "text": "x"}),
        ({"type": "input_file", "file_url": "https://x/a.pdf"}, {"type": "input_file", "file_url": "https://x/a.pdf"}),
    ],
)  # fmt: skip
def test_parts(part: Json, sent: Json) -> None:
    assert body(ask(user([part])))["input"][0]["content"] == [sent]
    assert body(ask(user("Hi"), called(call("a")), result("a", [part])))["input"][2]["output"] == [sent]


def test_marks_are_kept_where_they_are_read() -> None:
    marked = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    sent = body(ask(user([marked])), profile=PROFILES["openrouter"])

    assert sent["input"][0]["content"] == [{"type": "input_text", "text": "x", "cache_control": {"type": "ephemeral"}}]


def test_lists_of_texts_go_as_one_text_where_they_must() -> None:
    texts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    sent = body(ask({"role": "system", "content": texts}, called(call("a")), result("a", texts)), profile=LOOSE)

    assert (sent["input"][0]["content"], sent["input"][2]["output"]) == ("a\nb", "a\nb")


def test_a_refusal_is_told_as_one() -> None:
    declined = {"role": "assistant", "content": None, "refusal": "No."}
    parts = {"role": "assistant", "content": [{"type": "text", "text": "A"}, {"type": "refusal", "refusal": "B"}]}

    assert [item["content"] for item in body(ask(user("Hi"), declined, parts))["input"][1:]] == [
        [{"type": "refusal", "refusal": "No."}],
        [{"type": "output_text", "text": "A"}, {"type": "refusal", "refusal": "B"}],
    ]


# ------------------------------------------------------------------------------------------------------------ call ids


def test_ids_that_come_again_are_told_apart_and_results_find_the_latest() -> None:
    """AWS Bedrock's Mantle counts its calls from call_0 in every answer."""
    turns = (
        user("Hi"), called(call("call_0")), result("call_0", "1"), called(call("call_0"), call("call_1")),
        result("call_1", "3"), result("call_0", "2"),
    )  # fmt: skip
    items = body(ask(*turns))["input"][1:]

    assert [(item["call_id"], item.get("output")) for item in items] == [
        ("call_0", None), ("call_0", "1"), ("call_0_2", None), ("call_1", None), ("call_1", "3"), ("call_0_2", "2"),
    ]  # fmt: skip


def test_ids_that_come_twice_in_a_turn_get_their_results_in_order() -> None:
    items = body(ask(user("Hi"), called(call("a"), call("a")), result("a", "1"), result("a", "2")))["input"][1:]

    assert [(item["call_id"], item.get("output")) for item in items] == [
        ("a", None), ("a_2", None), ("a", "1"), ("a_2", "2"),
    ]  # fmt: skip


@given(st.lists(st.text(max_size=80), min_size=1, max_size=6))
def test_ids_are_legal_and_each_used_once(ids: list[str]) -> None:
    turns = itertools.chain.from_iterable((called(call(identity)), result(identity)) for identity in ids)
    items = body(ask(user("Hi"), *turns))["input"][1:]

    assert [item["call_id"] for item in items[::2]] == [item["call_id"] for item in items[1::2]]
    assert len({item["call_id"] for item in items}) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", item["call_id"]) for item in items)


# --------------------------------------------------------------------------------------------------- a reference reader


def read(item: Json) -> list[tuple[str, str, object]]:
    """Read an input item by the API's reference: (speaker, kind, what), one for each thing that is said."""
    kind = item.get("type", "message")
    if kind == "message":
        assert item["role"] in {"user", "system", "developer", "assistant"}
        content = item["content"]
        if isinstance(content, str):
            assert item["role"] != "assistant"
            return [(item["role"], "text", content)] if content else []
        return [said for part in content if (said := part_of(item["role"], part))[2] != ""]
    if kind in {"function_call", "custom_tool_call"}:
        field = "arguments" if kind == "function_call" else "input"
        assert isinstance(item[field], str)
        return [("assistant", "call", (item["name"], item[field]))]
    assert kind in {"function_call_output", "custom_tool_call_output"}, kind
    output = item["output"]
    if isinstance(output, str):
        return [("tool", "text", output)] if output else []
    return [said for part in output if (said := part_of("tool", part))[2] != ""]


def part_of(speaker: str, part: Json) -> tuple[str, str, object]:
    kind = part["type"]
    if kind == ("output_text" if speaker == "assistant" else "input_text"):
        return speaker, "text", part["text"]
    assert kind == "input_image", kind
    assert speaker != "assistant"
    assert part["detail"] in {"auto", "low", "high", "original"}
    return speaker, "image", part["image_url"]


def meant(message: Json) -> list[tuple[str, str, object]]:
    """Read a message as it was written, in the same terms."""
    role, content = message["role"], message.get("content")
    parts: list[Json] = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    said: list[tuple[str, str, object]] = [
        (role, "text", part["text"]) if part["type"] == "text" else (role, "image", part["image_url"]["url"])
        for part in parts
    ]
    said = [one for one in said if one[2] != ""]
    for each in message.get("tool_calls") or []:
        said.append(("assistant", "call", (each["function"]["name"], each["function"]["arguments"] or "{}")))
    return said


@given(CONVERSATIONS)
def test_nothing_that_is_said_is_lost(messages: tuple[Json, ...]) -> None:
    request = Request(messages=messages)
    items = body(request)["input"]
    if obstacle(request) is not None:
        return  # an image in an assistant's message: passed over, and said so

    assert [said for item in items for said in read(item)] == [said for message in messages for said in meant(message)]
    assert PROVENANCE not in json.dumps(items)
    ids = [item["call_id"] for item in items if item.get("type") == "function_call"]
    assert len(set(ids)) == len(ids)
    opened: list[str] = []
    for message, item in zip_results(messages, items):
        if item["type"] == "function_call":
            opened.append(message["id"])
        elif message["tool_call_id"] in opened:
            assert item["call_id"] in ids


def zip_results(messages: tuple[Json, ...], items: list[Json]) -> list[tuple[Json, Json]]:
    """Pair calls and results as written with the items they became: both keep their order."""
    written = [
        one
        for message in messages
        for one in (message.get("tool_calls") or []) + ([message] if message["role"] == "tool" else [])
    ]
    sent = [item for item in items if "call_id" in item]
    return list(zip(written, sent, strict=True))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**400), 10**400) | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=4) | st.sampled_from(["type", "json_schema", "function", "custom", "allowed_tools",
                                                   "tools", "grammar", "format", "name"]), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip
NAMES = sorted(FOREIGN | {"response_format", "verbosity", "text", "reasoning", "include", "logprobs", "top_logprobs",
                          "store", "metadata", "input", "unheard_of"})  # fmt: skip
MAPPINGS = ANYTHING.filter(lambda value: isinstance(value, dict))


@given(
    CONVERSATIONS,
    st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=4),
    st.lists(MAPPINGS, max_size=2).map(tuple),
    st.none() | st.text(max_size=4) | MAPPINGS,
)
def test_any_request_is_encoded_or_refused(
    messages: tuple[Json, ...], parameters: Json, tools: tuple[Json, ...], choice: Given
) -> None:
    request = Request(messages=messages, tools=tools, tool_choice=choice, parameters=parameters)
    reason = obstacle(request)

    assert reason is None or isinstance(reason, str)
    with contextlib.suppress(RequestError):
        assert isinstance(body(request)["input"], list)


def test_what_json_cannot_say_is_named() -> None:
    with pytest.raises(RequestError, match="x"):
        body(ask(parameters={"x": object()}))


def test_what_a_profile_always_says_is_said_here_too() -> None:
    only = {"provider": {"only": ["a"]}}
    sent = body(ask(parameters=only), where=target("m", "openrouter"), profile=PROFILES["openrouter"])

    assert sent["provider"] == {"require_parameters": True, "only": ["a"]}


def test_qwen_is_told_its_effort_as_openai_is() -> None:
    sent = body(ask(effort="low"), where=target("qwen3.8-27b", "alibaba"), profile=PROFILES["alibaba-responses"])

    assert sent["reasoning"] == {"effort": "low"}
    assert not sent.keys() & {"enable_thinking", "thinking_budget"}
