"""A conversation that wanders from provider to provider loses nothing there is a word for, and is legal everywhere.

What is sent is read here by readers of their own, written from the shape of the two protocols: they share no line with
the encoders.
"""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelroute.catalog.model import Model, ProviderRow, Target
from modelroute.providers.anthropic_messages import encode as messages
from modelroute.providers.facts import counts
from modelroute.providers.fit import obstacle
from modelroute.providers.openai_chat import encode as chat
from modelroute.providers.profile import Profile
from modelroute.providers.profiles import PROFILES, profile_for
from modelroute.types.facts import ANY_VOCABULARY
from modelroute.types.messages import PROVENANCE
from modelroute.types.request import JsonSchema, Request
from tests.providers.conversations import ORIGINS, WANDERINGS, Wandering
from tests.providers.requests import PIXEL, TOOL, call, called, provenance, result, target, user
from tests.providers.samples import Json

MESSAGES_ONLY = {"anthropic", "messages"}
CHAT = sorted(PROFILES.keys() - MESSAGES_ONLY - {"google"})
MODELS = dict(ORIGINS)
WORD = re.compile(r"(?:word|rule|found|argument)\d+\.|data:image/png;base64,iVBOR\d+\.|secret-\w+-\d+\.")


@dataclass
class Read:
    """What a body says, in the order it says it."""

    rules: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    answers: list[tuple[str, str]] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    identities: list[str] = field(default_factory=list)

    def text(self, said: object) -> None:
        for word in WORD.findall(said if isinstance(said, str) else ""):
            if word.startswith("rule"):
                self.rules.append(word)
            elif word.startswith("word"):
                self.words.append(word)


def read_chat(body: Json) -> Read:
    read = Read()
    open_calls: dict[str, str] = {}
    for message in body["messages"]:
        read.secrets |= {word for word in WORD.findall(json.dumps(message)) if word.startswith("secret")}
        content = message.get("content")
        parts: list[Json] = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        if message["role"] == "assistant" and "tool_calls" in message:
            open_calls = {}
        for call_ in message.get("tool_calls", ()):
            (argument,) = WORD.findall(call_["function"]["arguments"])
            assert call_["id"] not in open_calls, "two calls of one turn share an id"
            assert isinstance(call_["id"], str)
            assert call_["id"]
            open_calls[call_["id"]] = argument
            read.calls.append(argument)
            read.identities.append(call_["id"])
        for part in parts:
            if part["type"] == "text":
                if message["role"] == "tool":
                    found = [word for word in WORD.findall(part["text"]) if word.startswith("found")]
                    read.answers += [(open_calls[message["tool_call_id"]], word) for word in found]
                read.text(part["text"])
            elif part["type"] == "image_url":
                read.images.append(part["image_url"]["url"])
    return read


def blocks_of(turn: Json) -> list[Json]:
    content = turn["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def read_messages(body: Json) -> Read:
    read = Read()
    read.text(body["system"] if isinstance(body.get("system"), str) else json.dumps(body.get("system")))
    open_calls: dict[str, str] = {}
    for turn in body["messages"]:
        read.secrets |= {word for word in WORD.findall(json.dumps(turn)) if word.startswith("secret")}
        for block in blocks_of(turn):
            if block["type"] == "tool_use":
                (argument,) = WORD.findall(json.dumps(block["input"]))
                assert block["id"] not in read.identities
                open_calls[block["id"]] = argument
                read.calls.append(argument)
                read.identities.append(block["id"])
            for inner in _inside(block):
                if inner["type"] == "image":
                    source = inner["source"]
                    read.images.append(f"data:{source['media_type']};base64,{source['data']}")
                elif inner["type"] == "text" and block["type"] == "tool_result":
                    read.answers += [(open_calls[block["tool_use_id"]], word) for word in WORD.findall(inner["text"])]
                elif inner["type"] == "text":
                    read.text(inner["text"])
    return read


def _inside(block: Json) -> Iterator[Json]:
    if block["type"] != "tool_result":
        yield block
    elif isinstance(block["content"], str):
        yield {"type": "text", "text": block["content"]}
    else:
        yield from block["content"]


def there(name: str) -> tuple[Target, Profile]:
    model = MODELS.get(name, "m")
    where = Target(Model(model), name, model, None)
    return where, profile_for(where, ProviderRow(name, profile=name))


def says_all(read: Read, talk: Wandering, *, images_move: bool = False) -> None:
    assert read.rules == talk.rules
    assert read.words == talk.words
    assert read.calls == talk.calls
    assert read.answers == talk.answers
    assert (sorted(read.images) if images_move else read.images) == (
        sorted(talk.images) if images_move else talk.images
    )


def only_own(read: Read, name: str) -> None:
    """Nothing that another provider thought is told."""
    assert all(secret.startswith(f"secret-{name}-") for secret in read.secrets)


@pytest.mark.parametrize("name", CHAT)
@settings(max_examples=20)
@given(talk=WANDERINGS)
def test_a_wandering_conversation_is_said_in_full_to_each(name: str, talk: Wandering) -> None:
    where, profile = there(name)
    request = Request(messages=tuple(talk.messages), tools=(TOOL,))
    if talk.images and obstacle(request, where, profile) is not None:
        return  # it sees no images, and says so beforehand
    raw = chat.encode(request, where, profile, 100, stream=True)
    body = json.loads(raw)
    read = read_chat(body)

    says_all(read, talk, images_move=profile.tool_parts is not None)
    only_own(read, name)
    assert PROVENANCE not in {key for message in body["messages"] for key in message}
    if profile.tool_ids:
        assert all(re.fullmatch(profile.tool_ids, identity) for identity in read.identities)
        assert len(set(read.identities)) == len(read.identities)
    assert raw == chat.encode(request, where, profile, 100, stream=True)
    legal_turns(body["messages"], profile)


def legal_turns(turns: list[Json], profile: Profile) -> None:
    for before, after in itertools.pairwise(turns):
        if after["role"] == "tool":
            assert before["role"] in {"assistant", "tool"}, "a result stands alone"
        if profile.bridge and before["role"] == "tool":
            assert after["role"] in {"assistant", "tool"}
    if profile.one_system:
        assert all(turn["role"] != "system" for turn in turns[1:])
    if profile.message_fields is not None:
        assert all(turn.keys() <= profile.message_fields | {"reasoning"} for turn in turns)
    if profile.tool_parts is not None:
        assert all(
            part["type"] in profile.tool_parts
            for turn in turns
            if turn["role"] == "tool" and isinstance(turn["content"], list)
            for part in turn["content"]
        )
    if profile.blank_content is not None:
        assert all(turn["content"] for turn in turns if turn["role"] == "assistant")


@pytest.mark.parametrize("name", sorted(MESSAGES_ONLY))
@given(talk=WANDERINGS)
def test_a_wandering_conversation_is_said_in_full_to_messages(name: str, talk: Wandering) -> None:
    where, profile = there(name)
    request = Request(messages=tuple(talk.messages), tools=(TOOL,))
    assert obstacle(request, where, profile) is None
    assert messages.obstacle(request) is None
    body = json.loads(messages.encode(request, where, profile, 100, stream=False))
    read = read_messages(body)

    says_all(read, talk)
    only_own(read, name)
    assert [turn["role"] for turn in body["messages"]][::2] == ["user"] * ((len(body["messages"]) + 1) // 2)
    for turn in body["messages"]:
        kinds = [block["type"] for block in blocks_of(turn)]
        assert kinds == sorted(kinds, key=lambda kind: kind != "tool_result") or turn["role"] == "assistant"


PARAMETERS: Json = {
    "temperature": 1, "top_p": 0.95, "seed": 7, "stop": ["END"], "presence_penalty": 0.1, "frequency_penalty": 0.2,
    "logprobs": True, "top_logprobs": 2, "parallel_tool_calls": False, "service_tier": "default",
    "unheard_of": {"a": 1}, "response_format": {"type": "json_object"},
}  # fmt: skip


@pytest.mark.parametrize("name", CHAT)
@settings(max_examples=20)
@given(
    chosen=st.sets(st.sampled_from(sorted(PARAMETERS))), effort=st.sampled_from([None, "none", "low", "high", "max"])
)
def test_every_parameter_that_is_carried_is_said(name: str, chosen: set[str], effort: str | None) -> None:
    where, profile = there(name)
    asked = {parameter: PARAMETERS[parameter] for parameter in chosen}
    request = Request(messages=(user("Hi"),), parameters=asked, effort=effort, tools=(TOOL,), tool_choice="auto")
    if obstacle(request, where, profile) is not None:
        return
    body = json.loads(chat.encode(request, where, profile, 9, stream=True))

    spelled = {"mistral": {"seed": "random_seed"}, "xai": {"parallel_tool_calls": "parallel_function_calling"}}
    for parameter, value in asked.items():
        assert body[spelled.get(name, {}).get(parameter, parameter)] == value
    assert body[profile.output_cap] == 9
    assert (body["tools"][0]["function"]["name"], body["tool_choice"]) == ("lookup_order", "auto")
    for knob, value in profile.efforts.get(effort or "", {}).items():
        assert body[knob] == value


# -------------------------------------------------------------------------------------------------- one thing at a time


def sent(name: str, *conversation: Json, model: str | None = None, **more: object) -> Json:
    where = target(model or MODELS.get(name, "m"), name)
    profile = profile_for(where, ProviderRow(name, profile=name))
    request = Request(messages=conversation, parameters=more)
    body: Json = json.loads(chat.encode(request, where, profile, None, stream=False))
    return body


def turn(name: str, message: Json, model: str | None = None) -> Json:
    found: Json = sent(name, user("Hi"), message, user("Go on"), model=model)["messages"][1]
    return found


def test_deepseek_is_told_of_its_thinking_on_each_turn_with_tools_empty_or_not() -> None:
    here = target("deepseek-v4-pro", "deepseek")

    assert turn("deepseek", called(call("a"), **provenance(here, reasoning_content="R")))["reasoning_content"] == "R"
    assert turn("deepseek", called(call("a")))["reasoning_content"] == ""
    assert "reasoning_content" not in turn("deepseek", {"role": "assistant", "content": "A"})
    assert "reasoning_content" not in turn("deepseek", called(call("a")), model="deepseek-r1")


@pytest.mark.parametrize(("name", "model"), [("moonshot", "kimi-k3"), ("xiaomi", "mimo-v2.5-pro")])
def test_some_are_told_on_every_turn(name: str, model: str) -> None:
    own = {"role": "assistant", "content": "A", **provenance(target(model, name), reasoning_content="R")}

    assert turn(name, own, model)["reasoning_content"] == "R"
    assert turn(name, {"role": "assistant", "content": "A"}, model)["reasoning_content"] == ""


@pytest.mark.parametrize(
    ("name", "model"), [("alibaba", "qwen3.8-max"), ("openai", "gpt-5.5"), ("xai", "grok-4.6"), ("together", "m")]
)
def test_some_are_never_told(name: str, model: str) -> None:
    own = called(call("a"), **provenance(target(model, name), reasoning_content="R", reasoning="R"))

    assert "R" not in turn(name, own, model).values()
    assert not {"reasoning", "reasoning_content"} & turn(name, own, model).keys()


def test_glm_at_cerebras_finds_its_thinking_in_tags() -> None:
    own = {"role": "assistant", "content": "A", **provenance(target("zai-glm-4.7", "cerebras"), reasoning="R")}

    assert turn("cerebras", own, "zai-glm-4.7") == {"role": "assistant", "content": "<think>R</think>A"}
    assert sent("cerebras", user("Hi"), model="zai-glm-4.7")["clear_thinking"] is False
    oss = {"role": "assistant", "content": "A", **provenance(target("gpt-oss-120b", "cerebras"), reasoning="R")}
    assert turn("cerebras", oss, "gpt-oss-120b") == {"role": "assistant", "content": "A", "reasoning": "R"}
    assert "clear_thinking" not in sent("cerebras", user("Hi"), model="gpt-oss-120b")


def test_mistral_finds_its_thinking_in_the_first_part() -> None:
    own = called(call("abcdefghi"), content="A", **provenance(target("magistral-medium-latest", "mistral"),
                                                              reasoning_content="R"))  # fmt: skip

    assert turn("mistral", own, "magistral-medium-latest")["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "R"}]}, {"type": "text", "text": "A"}
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["openrouter", "minimax"])
def test_details_go_back_to_the_very_model_that_gave_them(name: str) -> None:
    details = [{"type": "reasoning.encrypted", "data": "d", "index": 0}]
    model = MODELS[name]
    own = {"role": "assistant", "content": "A", **provenance(target(model, name), reasoning_details=details)}
    other = {"role": "assistant", "content": "A", **provenance(target("else", name), reasoning_details=details)}
    written = {"role": "assistant", "content": "A", "reasoning_details": details}

    assert turn(name, own)["reasoning_details"] == details
    assert "reasoning_details" not in turn(name, other)
    assert turn(name, written)["reasoning_details"] == details
    assert "reasoning_details" not in turn("openai", own)


def test_signatures_of_calls_go_back_to_the_very_model_that_gave_them() -> None:
    signed = {"google": {"thought_signature": "s"}}
    here = target("gemini-3.8-flash", "google-openai")
    own = called(call("a"), call("b"), **provenance(here, extra_content={"a": signed}))
    profile = Profile("p", keeps=frozenset({"extra_content"}), foreign_call={"extra_content": {"any": 1}})

    def calls(message: Json) -> list[Json]:
        request = Request(messages=(user("Hi"), message))
        found: list[Json] = json.loads(chat.encode(request, here, profile, None, False))["messages"][1]["tool_calls"]
        return found

    assert [each.get("extra_content") for each in calls(own)] == [signed, None]
    assert [each.get("extra_content") for each in calls(called(call("a"), call("b")))] == [{"any": 1}, None]
    assert calls(called({**call("a"), "extra_content": signed}))[0]["extra_content"] == signed
    assert "extra_content" not in turn("openai", called({**call("a"), "extra_content": signed}))["tool_calls"][0]


def test_mistral_gets_ids_it_takes_and_results_follow_their_calls() -> None:
    conversation = (
        user("Hi"), called(call("call_0"), call("abcdefghi")), result("call_0", "1"), result("abcdefghi", "2"),
        called(call("call_0")), result("call_0", "3"), user("And?"),
    )  # fmt: skip
    body = sent("mistral", *conversation)["messages"]

    first, second = body[1]["tool_calls"]
    assert second["id"] == "abcdefghi"
    assert [body[2]["tool_call_id"], body[3]["tool_call_id"]] == [first["id"], second["id"]]
    assert body[5]["tool_call_id"] == body[4]["tool_calls"][0]["id"] != first["id"]
    assert [message["role"] for message in body[5:]] == ["tool", "assistant", "user"]


def test_a_beginning_is_marked_where_that_has_a_word() -> None:
    begun = (user("Hi"), {"role": "assistant", "content": "The"})

    assert sent("mistral", *begun)["messages"][-1]["prefix"] is True
    assert sent("moonshot", *begun)["messages"][-1]["partial"] is True
    assert sent("openai", *begun)["messages"][-1] == begun[-1]


def test_what_a_tool_shows_moves_to_the_user_where_a_result_is_only_words() -> None:
    picture = {"type": "image_url", "image_url": {"url": PIXEL}}
    conversation = (
        user("Hi"), called(call("a"), call("b")), result("a", [{"type": "text", "text": "seen"}, picture]),
        result("b", [picture]), user("What is it?"),
    )  # fmt: skip
    body = sent("openai", *conversation)["messages"]

    assert [message["role"] for message in body] == ["user", "assistant", "tool", "tool", "user"]
    assert body[2]["content"] == "seen"
    assert "next message" in body[3]["content"]
    shown = body[4]["content"]
    assert [part["type"] for part in shown] == ["text", "image_url", "text", "image_url", "text"]
    assert ("a" in shown[0]["text"], "b" in shown[2]["text"], shown[4]["text"]) == (True, True, "What is it?")
    last = sent("openai", *conversation[:3])["messages"]
    assert (last[-1]["role"], last[-1]["content"][1]) == ("user", picture)


def test_a_name_goes_in_front_of_the_words_where_it_has_no_field() -> None:
    said = {"role": "user", "name": "Ada", "content": "Hi"}

    assert sent("openai", said)["messages"] == [said]
    assert sent("mistral", said)["messages"] == [{"role": "user", "content": "Ada: Hi"}]
    where, profile = there("anthropic")
    body = json.loads(messages.encode(Request(messages=(said,)), where, profile, 9, stream=False))
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "Ada:"}, {"type": "text", "text": "Hi"}]}
    ]


def test_instructions_in_the_middle_go_in_front_where_templates_want_them() -> None:
    late = (user("Hi"), {"role": "developer", "content": "B"}, user("Ho"))

    assert [message["role"] for message in sent("openai", *late)["messages"]] == ["user", "developer", "user"]
    assert sent("vllm", {"role": "system", "content": "A"}, *late)["messages"] == [
        {"role": "system", "content": "A\n\nB"}, user("Hi"), user("Ho")
    ]  # fmt: skip


def test_a_conversation_that_the_assistant_begins_is_opened_for_messages() -> None:
    where, profile = there("anthropic")
    request = Request(messages=({"role": "assistant", "content": "Hello!"}, user("Hi")))

    turns = json.loads(messages.encode(request, where, profile, 9, stream=False))["messages"]
    assert [turn_["role"] for turn_ in turns] == ["user", "assistant", "user"]


def test_what_is_always_sent_gives_way_to_what_the_caller_says() -> None:
    assert sent("openrouter", user("Hi"))["provider"] == {"require_parameters": True}
    assert sent("openrouter", user("Hi"), provider={"only": ["x"], "require_parameters": False})["provider"] == {
        "only": ["x"], "require_parameters": False,
    }  # fmt: skip
    assert sent("minimax", user("Hi"))["reasoning_split"] is True
    assert sent("minimax", user("Hi"), reasoning_split=False)["reasoning_split"] is False
    assert sent("groq", user("Hi"), model="qwen/qwen3-32b")["reasoning_format"] == "parsed"


def test_glm_streams_its_calls_when_there_are_tools() -> None:
    where = target("glm-5.2", "zai")
    profile = profile_for(where, ProviderRow("zai", profile="zai"))

    for tools, stream in ((True, True), (True, False), (False, True)):
        request = Request(messages=(user("Hi"),), tools=(TOOL,) if tools else ())
        body = json.loads(chat.encode(request, where, profile, None, stream))
        assert body.get("tool_stream") == (True if tools and stream else None)


def test_a_call_without_arguments_is_json() -> None:
    assert turn("openai", called(call("a", "")))["tool_calls"][0]["function"]["arguments"] == "{}"


# ------------------------------------------------------------------------------------------------ schemas and the bound


def held_to(name: str, schema: Json, model: str = "m") -> Json:
    where = target(model, name)
    profile = profile_for(where, ProviderRow(name, profile=name))
    request = Request(messages=(user("Hi"),), schema=JsonSchema("it", schema))
    body: Json = json.loads(chat.encode(request, where, profile, None, stream=False))
    return body


REFERRING: Json = {"type": "object", "properties": {"x": {"$ref": "#/$defs/X"}}, "$defs": {"X": {"type": "string"}}}
CIRCLE: Json = {"type": "object", "properties": {"x": {"$ref": "#"}}}
LIST: Json = {"type": "array", "items": {"type": "string"}}


@pytest.mark.parametrize(
    ("name", "model", "schema", "form"),
    [
        ("openai", "gpt-5.5", REFERRING, "json_schema"),
        ("cerebras", "gpt-oss-120b", REFERRING, "json_schema"),
        ("google-openai", "gemini-3.8-flash", REFERRING, "json_schema"),
        ("google-openai", "gemini-3.8-flash", CIRCLE, "json_object"),
        ("moonshot", "kimi-k3", LIST, None),
        ("moonshot", "kimi-k3", REFERRING, "json_schema"),
        ("deepseek", "deepseek-v4-pro", REFERRING, "json_object"),
        ("deepseek", "deepseek-v4-pro", LIST, None),
        ("groq", "qwen/qwen3-32b", REFERRING, "json_object"),
        ("minimax", "MiniMax-M3", REFERRING, None),
        ("anthropic-openai", "claude-opus-5-5", REFERRING, None),
        ("ollama", "gpt-oss:120b-cloud", REFERRING, None),
    ],
)
def test_each_goes_as_far_down_the_ladder_as_it_must(name: str, model: str, schema: Json, form: str | None) -> None:
    body = held_to(name, schema, model)

    assert body.get("response_format", {}).get("type") == form
    instructed = any("JSON Schema" in str(message["content"]) for message in body["messages"])
    assert instructed == (form != "json_schema")


def test_schemas_of_tools_are_written_as_the_provider_takes_them() -> None:
    function = {"name": "f", "strict": True, "parameters": {**REFERRING, "$schema": "s"}}
    tools = ({"type": "function", "function": function},)

    def written(name: str) -> Json:
        where = target("m", name)
        profile = profile_for(where, ProviderRow(name, profile=name))
        body = json.loads(chat.encode(Request(messages=(user("Hi"),), tools=tools), where, profile, None, False))
        found: Json = body["tools"][0]["function"]
        return found

    assert written("openai") == function
    assert written("moonshot") == {"name": "f", "parameters": REFERRING}
    assert written("google-openai")["parameters"]["properties"] == {"x": {"type": "string"}}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            if key not in {"image_url", "role", "type"}:
                yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


@settings(max_examples=30)
@given(name=st.sampled_from(CHAT), talk=WANDERINGS, schema=st.sampled_from([REFERRING, CIRCLE]))
def test_whatever_is_added_stays_within_the_bound(name: str, talk: Wandering, schema: Json) -> None:
    where, profile = there(name)
    tools = ({"type": "function", "function": {"name": "f", "parameters": schema}},)
    request = Request(messages=tuple(talk.messages), tools=tools)
    body = json.loads(chat.encode(request, where, profile, 100, stream=True))
    said = sum(len(text.encode(errors="surrogatepass")) for text in _texts(body["messages"]))

    bound = counts(request, [], profile.overhead)[ANY_VOCABULARY].bound
    assert said + len(json.dumps(body["tools"], separators=(",", ":"))) <= bound
