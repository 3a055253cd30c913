"""Needs, counts and what cannot be bounded."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.providers.facts import counts, needs, unbounded, worst
from modelroute.providers.profile import Overhead
from modelroute.types.facts import ANY_VOCABULARY
from modelroute.types.messages import Message
from modelroute.types.request import Request
from tests.providers.requests import CONVERSATIONS, FULL, PIXEL, SCHEMA, TOOL, user
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
    assert bound(ask(user([IMAGE]))) >= plain - len("Hi") - 1 + 16_384
    long = user([{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10**6}}])
    assert bound(ask(long)) < 10**5


def test_the_worst_overhead_is_the_worst_of_each() -> None:
    one, other = Overhead(image=1, per_tool=900), Overhead(image=90_000, per_tool=1)

    assert worst([one, other]) == Overhead(image=90_000, per_tool=900)
    assert worst([]) == Overhead()
    assert counts(ask(user([IMAGE])), [], worst([one, other]))[ANY_VOCABULARY].bound > 90_000


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
    ],
)
def test_unbounded(request_: Request, named: tuple[str, ...]) -> None:
    assert unbounded(request_) == named
