"""Needs, counts and what cannot be bounded."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog.catalog import Catalog
from modelroute.errors import RequestError
from modelroute.providers import Endpoint, Provider
from modelroute.providers.facts import counts, needs, unbounded, worst
from modelroute.providers.profile import Overhead
from modelroute.types.facts import ANY_VOCABULARY
from modelroute.types.messages import Message
from modelroute.types.request import JsonSchema, Request
from tests.providers.requests import CONVERSATIONS, FULL, PIXEL, SCHEMA, TOOL, call, called, result, user
from tests.providers.samples import Given, Json

IMAGE = {"type": "image_url", "image_url": {"url": PIXEL}}


def ask(*messages: Message, **fields: Given) -> Request:
    return Request(messages=messages or (user("Hi"),), **fields)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (ask(), set()),
        (ask(tools=(TOOL,)), {"tools"}),
        (ask(user([IMAGE])), {"vision"}),
        (ask(user([{"type": "input_audio"}, {"type": "file"}, {"type": "video_url"}])), {"audio", "pdf", "video"}),
        (ask(schema=SCHEMA), set()),
        (ask(parameters={"response_format": {"type": "json_schema"}}), {"json_schema"}),
        (FULL, {"tools", "vision"}),
    ],
)
def test_needs(request_: Request, expected: set[str]) -> None:
    assert needs(request_) == expected


def test_every_vocabulary_asked_for_is_counted_and_the_unknown_one() -> None:
    assert counts(ask(), ["deepseek", "nobody-knows"]).keys() == {ANY_VOCABULARY, "deepseek", "nobody-knows"}


@given(CONVERSATIONS, st.sampled_from(["", "o200k_base", "qwen"]))
def test_the_bound_holds_every_byte_of_text_and_never_falls_below_the_estimate(
    messages: tuple[Json, ...], vocabulary: str
) -> None:
    request = Request(messages=messages)
    count = counts(request, [vocabulary])[vocabulary]
    texts = [part["text"] for message in messages if isinstance(message["content"], list)
             for part in message["content"] if part["type"] == "text"]  # fmt: skip
    texts += [message["content"] for message in messages if isinstance(message["content"], str)]

    assert count.bound >= sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) + 16 * len(messages)
    assert count.estimate <= count.bound


@given(CONVERSATIONS, CONVERSATIONS)
def test_a_longer_conversation_never_counts_less(one: tuple[Json, ...], more: tuple[Json, ...]) -> None:
    short, long = (counts(Request(messages=messages), [])[ANY_VOCABULARY] for messages in (one, one + more))

    assert short.bound <= long.bound


def test_tools_schemas_calls_and_images_count() -> None:
    def bound(request: Request) -> int:
        return counts(request, [])[ANY_VOCABULARY].bound

    plain = bound(ask())
    assert bound(ask(tools=(TOOL,))) >= plain + len(json.dumps(TOOL, separators=(",", ":"))) + 1_024
    assert bound(ask(schema=SCHEMA)) >= plain + len(json.dumps(SCHEMA.schema, separators=(",", ":")))
    history = (user("Hi"), called(call("a")), result("a"))
    named = (user("Hi"), {"role": "assistant", "content": "lookup_order a", "tool_calls": []}, result("a"))
    assert bound(ask(*history)) >= bound(ask(*named)) + 1_024 + 64, "a dialect may have to declare what was called"
    assert bound(ask(user([IMAGE]))) >= plain - len("Hi") - 1 + 16_384
    long = user([{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10**6}}])
    assert bound(ask(long)) < 10**5


def test_the_worst_overhead_is_the_worst_of_each() -> None:
    one, other = Overhead(image=1, per_tool=900), Overhead(image=90_000, per_tool=1)

    assert worst([one, other]) == Overhead(image=90_000, per_tool=900)
    assert worst([]) == Overhead()
    assert counts(ask(user([IMAGE])), [], worst([one, other]))[ANY_VOCABULARY].bound > 90_000


def bound_of(*messages: Message, **fields: Given) -> int:
    return counts(ask(*messages, **fields), [])[ANY_VOCABULARY].bound


LONG = "w " * 20_000
CALLED = {"role": "assistant", "content": None}


@pytest.mark.parametrize(
    "message",
    [
        {**CALLED, "tool_calls": [{"id": "1", "type": "custom", "custom": {"name": "f", "input": LONG}}]},
        {
            **CALLED,
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": {"a": LONG}}}],
        },
        {**CALLED, "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": LONG}}]},
        {**CALLED, "tool_calls": [{"id": "1", "type": LONG, "function": {"name": "f", "arguments": ""}}]},
        {**CALLED, "tool_calls": [LONG]},
        {**CALLED, "tool_calls": {LONG: 1}},
        {**CALLED, "function_call": {"name": "f", "arguments": LONG}},
        {**CALLED, "refusal": LONG},
        {**CALLED, "reasoning": LONG},
        {**CALLED, "reasoning_content": LONG},
        {"role": "assistant", "content": "x", "annotations": [{"text": LONG}]},
        {"role": "tool", "tool_call_id": LONG, "content": "ok"},
        {**user("hi"), "context": LONG},
        {**user("hi"), "name": LONG},
        {**user("hi"), "name": [LONG]},
        {"content": "hi", LONG: 1},
        user([{"type": "text", "text": "x", "extra": LONG}]),
        user([{"type": "text", "text": [{"t": LONG}]}]),
        user([{"type": "text", "text": "x", "refusal": LONG}]),
        user([{"type": "image_url", "image_url": {"url": PIXEL, "alt": LONG}}]),
        user([{"type": "image_url", "image_url": {"url": [LONG]}}]),
        user([{"type": "image_url", "image_url": {"url": PIXEL, "detail": LONG}}]),
        user([{"type": "image_url", "image_url": PIXEL, "text": LONG}]),
        user([{"type": "image_url", "image_url": [LONG]}]),
        user([{"type": "file", "file": {"filename": LONG}}]),
    ],
    ids="-".join,
)
def test_no_field_of_a_message_goes_uncounted(message: Message) -> None:
    assert bound_of(message) > len(LONG)


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": (TOOL,), "tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": [{"x": LONG}]}}},
        {"parameters": {"response_format": {"type": "json_schema", "json_schema": {"description": LONG}}}},
        {"parameters": {"thinking": {"x": LONG}}},
        {"parameters": {"guided_regex": LONG}},
    ],
    ids=["tool_choice", "response_format", "thinking", "guided_regex"],
)
def test_no_parameter_the_model_may_read_goes_uncounted(fields: Given) -> None:
    assert bound_of(user("hi"), **fields) > len(LONG)


@pytest.mark.parametrize("name", ["stop", "metadata", "user", "logit_bias"])
def test_settings_of_the_call_count_nothing(name: str) -> None:
    assert bound_of(user("hi"), parameters={name: {"x": LONG}}) == bound_of(user("hi"))


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": LONG}},
        {"type": "file", "file": {"file_data": LONG}},
        {"type": "video_url", "video_url": {"url": LONG}},
        {"type": "image", "source": {"data": LONG}},
    ],
)
def test_media_without_a_bound_counts_nothing_and_is_named(part: Json) -> None:
    assert bound_of(user([part])) < 1_000
    assert unbounded(ask(user([part])))


def test_what_cannot_be_written_is_named_with_its_place() -> None:
    with pytest.raises(RequestError, match=r"messages\[1\]\.extra"):
        counts(ask(user("hi"), {**user("hi"), "extra": {1, 2}}), [])
    with pytest.raises(RequestError, match=r"thinking\.x"):
        counts(ask(parameters={"thinking": {"x": float("nan")}}), [])


WORDS = st.text(max_size=20) | st.sampled_from(["ü" * 100, "x" * 300])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
KEYS = WORDS | st.sampled_from(
    ["name", "tool_call_id", "function_call", "refusal", "annotations", "reasoning", "reasoning_content", "prefix",
     "audio", "context", "text", "image_url", "cache_control", "id", "function", "custom", "arguments"]
)  # fmt: skip
EXTRAS = st.dictionaries(KEYS.filter(lambda key: key not in {"role", "content", "type"}), JSON, max_size=3)
IMAGE_URLS = st.just(PIXEL) | st.fixed_dictionaries({"url": st.just(PIXEL)}, optional={"detail": JSON, "alt": JSON})
PARTS = st.one_of(
    st.builds(lambda extras, said: {**extras, "type": "text", "text": said}, EXTRAS, JSON),
    st.builds(lambda extras: {**extras, "type": "refusal"}, EXTRAS),
    st.builds(lambda extras, image: {**extras, "type": "image_url", "image_url": image}, EXTRAS, IMAGE_URLS | JSON),
)
FUNCTIONS = st.fixed_dictionaries({"name": WORDS, "arguments": JSON})
TOOL_CALLS = st.one_of(
    st.fixed_dictionaries({"id": WORDS, "type": st.just("function"), "function": FUNCTIONS}),
    st.builds(lambda extras, kind: {**extras, "type": kind}, EXTRAS, WORDS),
)
ROLES = st.sampled_from(["user", "system", "developer", "assistant", "tool"])
MESSAGES = st.builds(
    lambda extras, role, content, calls: {**extras, "role": role, "content": content, **calls},
    EXTRAS,
    ROLES,
    WORDS | st.lists(PARTS, max_size=3) | st.none(),
    st.fixed_dictionaries({}, optional={"tool_calls": st.lists(TOOL_CALLS, max_size=3)}),
)
SCHEMA_WORDS = st.dictionaries(WORDS, st.sampled_from([{"type": "string"}, {"type": "integer", "title": "a"}]))
SCHEMAS = st.recursive(
    SCHEMA_WORDS.map(lambda named: {"type": "object", "properties": named}),
    lambda inner: st.dictionaries(WORDS, inner, max_size=3).map(lambda it: {"type": "object", "properties": it}),
    max_leaves=5,
)
ENDPOINTS = [
    next(iter(Provider(name).endpoints(Catalog.builtin()))) for name in ("openai", "deepseek", "groq", "moonshot")
]
FRAMES = frozenset({"role", "content", "type", "text", "refusal", "image_url", "url", "tools", "tool_calls"})


def spoken(value: object, key: str = "") -> int:
    """The bytes of every text in a body, keys included: all but names that frame a message or part, and images."""
    if isinstance(value, str):
        return 0 if value == PIXEL or (key in {"role", "type"} and len(value) < 10) else len(value.encode())
    if isinstance(value, list):
        return sum(spoken(item) for item in value)
    if isinstance(value, dict):
        return sum((0 if name in FRAMES else len(name.encode())) + spoken(item, name) for name, item in value.items())
    return 0


@given(
    st.lists(MESSAGES, min_size=1, max_size=4),
    st.sampled_from(ENDPOINTS),
    st.lists(FUNCTIONS.map(lambda function: {"type": "function", "function": function}), max_size=2),
    st.none() | SCHEMAS,
)
def test_the_bound_holds_everything_that_is_sent(
    messages: list[Json], endpoint: Endpoint, tools: list[Json], schema: Json | None
) -> None:
    """M4: compared with the body that is really sent, whatever the fields of messages, parts, calls and tools."""
    asked = None if schema is None else JsonSchema("answer", schema)
    request = Request(messages=tuple(messages), tools=tuple(tools), schema=asked)
    body = json.loads(endpoint.call(request, output_cap=None, stream=True).body)
    sent = [body["messages"], body.get("tools"), body.get("tool_choice"), body.get("response_format")]

    count = counts(request, [])[ANY_VOCABULARY]

    images = sum(part["type"] == "image_url" for message in messages for part in (message["content"] or [])
                 if isinstance(part, dict))  # fmt: skip
    frame = Overhead()
    framed = frame.image * images + frame.per_message * len(messages) + (frame.tools if tools else 0)
    assert count.bound >= spoken(sent) + framed
    assert count.estimate <= count.bound


@given(SCHEMAS)
def test_the_bound_holds_a_schema_in_every_form_it_is_sent(schema: Json) -> None:
    request = ask(schema=JsonSchema("answer", schema))
    for name in ("openai", "anthropic"):
        endpoint = next(iter(Provider(name).endpoints(Catalog.builtin())))
        body = json.loads(endpoint.call(request, output_cap=9, stream=False).body)
        sent = body.get("response_format") or body.get("output_config") or body["system"]

        assert (
            counts(request, [])[ANY_VOCABULARY].bound
            >= len(json.dumps(sent, separators=(",", ":"), ensure_ascii=False).encode()) - 64
        )


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        (
            ask(
                parameters={
                    "temperature": 0.2,
                    "n": 3,
                    "seed": 1,
                    "max_tokens": 5,
                    "stop": None,
                    "web_search_options": None,
                }
            ),
            (),
        ),
        (ask(parameters={"service_tier": "default"}), ()),
        (ask(parameters={"service_tier": "priority"}), ("service_tier",)),
        (ask(parameters={"service_tier": ["default"]}), ("service_tier",)),
        (ask(parameters={"n": "3"}), ("n",)),
        (ask(parameters={"web_search_options": {}, "new_thing": 1}), ("new_thing", "web_search_options")),
        (ask(parameters={"prediction": {}, "modalities": ["audio"]}), ("modalities", "prediction")),
        (ask(tools=(TOOL, {"type": "web_search_20250305"})), ("tool web_search_20250305",)),
        (ask(tools=({"type": "custom", "custom": {}},)), ()),
        (ask(user([{"type": "input_audio"}, IMAGE])), ("content input_audio",)),
        (
            ask(user([{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}])),
            ("cache_control.ttl",),
        ),
        (ask(user([{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}])), ()),
        (ask(user([{"type": "text", "text": "x", "cache_control": {"ttl": 3600}}])), ("cache_control.ttl",)),
        (ask({**user("x"), "cache_control": {"ttl": "1h"}}), ("cache_control.ttl",)),
        (ask({**user("x"), "cache_control": {"ttl": "5m"}}), ()),
        (ask({**user("x"), "cache_control": "long"}), ("cache_control.ttl",)),
        (ask(tools=({"type": "function", "function": {"cache_control": {"ttl": "1h"}}},)), ("cache_control.ttl",)),
        (ask({"role": "assistant", "content": None, "audio": {"id": "audio_1"}}), ("message audio",)),
        (ask({"role": "assistant", "content": "x", "audio": None}), ()),
    ],
)
def test_unbounded(request_: Request, named: tuple[str, ...]) -> None:
    assert unbounded(request_) == named
