"""Requests as bodies of Chat Completions: what each profile changes, and what is never sent."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.errors import RequestError
from modelroute.providers.openai_chat.encode import encode
from modelroute.providers.profile import Profile
from modelroute.providers.profiles import PROFILES
from modelroute.types.messages import PROVENANCE, Message
from modelroute.types.request import Request
from tests.providers.requests import (
    CONVERSATIONS,
    FULL,
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

HERE = target("deepseek-v4-pro", "deepseek")
THERE = target("kimi-k3", "moonshot")


def body(
    request: Request, profile: str | Profile = "compatible", *, cap: int | None = None, stream: bool = False
) -> Json:
    known = PROFILES[profile] if isinstance(profile, str) else profile
    where = {"moonshot": THERE, "deepseek": HERE}.get(known.name, target("m", "somewhere"))
    sent: Json = json.loads(encode(request, where, known, cap, stream))
    return sent


def ask(*messages: Message, **fields: Given) -> Request:
    return Request(messages=messages or (user("Hi"),), **fields)


def test_a_plain_request_is_sent_as_it_is() -> None:
    assert body(ask(parameters={"temperature": 0.2, "seed": None, "new_thing": {"a": 1}})) == {
        "model": "m",
        "messages": [user("Hi")],
        "temperature": 0.2,
        "new_thing": {"a": 1},
    }


def test_the_output_cap_goes_by_its_profiles_name_and_only_when_there_is_one() -> None:
    assert body(ask(), cap=7)["max_tokens"] == 7
    assert body(ask(), "openai", cap=7)["max_completion_tokens"] == 7
    assert "max_tokens" not in body(ask(parameters={"max_tokens": 9}))


def test_a_stream_asks_for_its_usage() -> None:
    sent = body(ask(parameters={"stream": False, "stream_options": {"include_usage": False}}), stream=True)

    assert (sent["stream"], sent["stream_options"]) == (True, {"include_usage": True})


def test_the_developer_role_goes_only_where_it_is_known() -> None:
    message = {"role": "developer", "content": "Be terse."}

    assert body(ask(message), "openai")["messages"][0]["role"] == "developer"
    assert body(ask(message), "deepseek")["messages"][0]["role"] == "system"


@pytest.mark.parametrize(
    ("profile", "effort", "fields"),
    [
        ("openai", "high", {"reasoning_effort": "high"}),
        ("deepseek", "none", {"thinking": {"type": "disabled"}}),
        ("deepseek", "low", {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}),
    ],
)
def test_an_effort_turns_the_profiles_own_knob(profile: str, effort: str, fields: Json) -> None:
    plain = body(ask(), profile)

    assert body(ask(effort=effort), profile) == {**plain, **fields}
    assert body(ask(parameters={"reasoning_effort": effort}), profile) == {**plain, **fields}


def test_tools_and_choice_go_together() -> None:
    sent = body(ask(tools=(TOOL,), tool_choice="required"))

    assert (sent["tools"], sent["tool_choice"]) == ([TOOL], "required")
    assert "tool_choice" not in body(ask(tool_choice="auto"))


@given(CONVERSATIONS, st.sampled_from(sorted(PROFILES)), st.booleans())
def test_what_is_ours_is_never_sent(messages: tuple[Json, ...], profile: str, stream: bool) -> None:
    sent = encode(Request(messages=messages), target("m", "deepseek"), PROFILES[profile], 5, stream)

    assert all(PROVENANCE not in message for message in json.loads(sent)["messages"])
    if not (PROFILES[profile].bridge or PROFILES[profile].one_system or PROFILES[profile].tool_parts):
        assert len(json.loads(sent)["messages"]) == len(messages)


def test_reasoning_goes_back_only_to_the_provider_it_came_from() -> None:
    own = called(call("a"), **provenance(HERE, reasoning_content="R"))
    foreign = called(call("a"), **provenance(THERE, reasoning_content="R"))

    assert body(ask(own), "deepseek")["messages"][0]["reasoning_content"] == "R"
    assert body(ask(foreign), "deepseek")["messages"][0]["reasoning_content"] == ""
    assert "reasoning_content" not in body(ask(own))["messages"][0]
    assert "R" not in json.dumps(body(ask(foreign), "openai"))


def test_every_turn_with_calls_carries_the_field_that_deepseek_misses_else() -> None:
    plain = {"role": "assistant", "content": "A"}
    sent = body(ask(user("Hi"), called(call("a")), result("a"), plain, user("Go on")), "deepseek")["messages"]

    assert ["reasoning_content" in message for message in sent] == [False, True, False, False, False]


def test_reasoning_the_caller_kept_himself_goes_where_it_is_wanted() -> None:
    written = {"role": "assistant", "content": "A", "reasoning_content": "R"}

    assert body(ask(written), "deepseek")["messages"][0]["reasoning_content"] == "R"
    assert "reasoning_content" not in body(ask(written), "openai")["messages"][0]


def test_an_empty_turn_is_sent_as_its_provider_takes_it() -> None:
    empty = {"role": "assistant", "content": "", "tool_calls": []}
    refused = {"role": "assistant", "content": None, "refusal": "I cannot."}

    assert body(ask(empty))["messages"][0] == {"role": "assistant", "content": ""}
    assert body(ask(empty), "moonshot")["messages"][0]["content"] == " "
    assert body(ask(refused))["messages"][0] == {"role": "assistant", "content": "I cannot."}


def test_cache_marks_go_only_where_they_are_understood() -> None:
    marked = user([{"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}])

    assert "cache_control" not in json.dumps(body(ask(marked), "openai"))
    assert "cache_control" in json.dumps(body(ask(marked), "openrouter"))


def parts(*texts: str) -> list[Json]:
    return [{"type": "text", "text": words} for words in texts]


def test_lists_of_text_go_out_as_one_text_where_lists_are_not_taken() -> None:
    """Kimi and many templates take a list of parts only from the user, and some not even there."""
    messages = (
        {"role": "system", "content": parts("Be terse.", "Be polite.")},
        user(parts("Hi", "there")),
        {**called(call("a")), "content": parts("Let me ", "look.")},
        result("a", parts("shipped")),
        result("a", []),
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "I cannot."}]},
    )
    sent = body(ask(*messages), "compatible")["messages"]
    assert [message["content"] for message in sent] == [
        "Be terse.\nBe polite.", parts("Hi", "there"), "Let me look.", "shipped", "", "I cannot."
    ]  # fmt: skip
    assert body(ask(*messages), "deepseek")["messages"][1]["content"] == "Hi\nthere"
    kept = body(ask(*messages), "openai")["messages"]
    assert [message["content"] for message in kept] == [message["content"] for message in messages]


def test_what_is_more_than_text_stays_a_list() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}}
    marked = {"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}

    assert body(ask(result("a", [*parts("see"), image])))["messages"][0]["content"] == [*parts("see"), image]
    system = {"role": "system", "content": [marked]}
    assert body(ask(system), "openrouter")["messages"][0]["content"] == [marked]
    assert body(ask(system))["messages"][0]["content"] == "Long."


def test_an_empty_list_is_sent_as_its_provider_takes_it() -> None:
    assert body(ask({"role": "assistant", "content": parts("")}), "moonshot")["messages"][0]["content"] == " "


def test_annotations_that_came_with_an_answer_are_not_sent_back() -> None:
    assert "annotations" not in body(ask({"role": "assistant", "content": "A", "annotations": []}))["messages"][0]


def test_a_schema_goes_down_the_ladder() -> None:
    strict = body(ask(schema=SCHEMA), "openai")
    native = body(ask(schema=SCHEMA))
    loose = body(ask(schema=SCHEMA), "deepseek")

    assert strict["response_format"]["json_schema"] == {
        "name": "city",
        "schema": {**SCHEMA.schema, "additionalProperties": False},
        "strict": True,
    }
    assert native["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "city", "schema": SCHEMA.schema},
    }
    assert loose["response_format"] == {"type": "json_object"}
    assert loose["messages"][0]["role"] == "system"
    assert "JSON" in loose["messages"][0]["content"]
    assert loose["messages"][1:] == [user("Hi")]


def test_an_instruction_joins_the_instructions_there_are() -> None:
    for content in ("Be terse.", [{"type": "text", "text": "Be terse."}]):
        sent = body(ask({"role": "system", "content": content}, user("Hi"), schema=SCHEMA), "deepseek")["messages"]

        assert [message["role"] for message in sent] == ["system", "user"]
        assert "Be terse." in json.dumps(sent[0])
        assert '\\"city\\"' in json.dumps(sent[0])


@pytest.mark.parametrize("hopeless", [float("nan"), b"bytes", {1, 2}, "\ud800"])
def test_what_json_cannot_say_is_named(hopeless: object) -> None:
    with pytest.raises(RequestError, match="metadata"):
        body(ask(parameters={"metadata": hopeless}))


def test_the_request_is_left_alone() -> None:
    before = json.dumps([dict(message) for message in FULL.messages])

    for profile in PROFILES.values():
        encode(FULL, HERE, profile, None, stream=True)

    assert json.dumps([dict(message) for message in FULL.messages]) == before


def test_no_tools_are_sent_where_there_is_no_word_for_leaving_them_alone() -> None:
    asked = ask(user("Hi"), called(call("a")), result("a"), tools=(TOOL,), tool_choice="none")

    assert not body(asked, "zai").keys() & {"tools", "tool_choice"}
    assert body(asked, "deepseek")["tool_choice"] == "none"
    assert body(ask(tools=(TOOL,), tool_choice="auto"), "zai")["tools"] == [TOOL]


def test_a_tool_says_its_parameters_where_they_are_demanded() -> None:
    bare = {"type": "function", "function": {"name": "now"}}
    asked = ask(tools=(bare, TOOL))

    assert body(asked, "mistral")["tools"] == [
        {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}},
        TOOL,
    ]
    assert body(asked)["tools"] == [bare, TOOL]
