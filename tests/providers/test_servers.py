"""Whatever a target says it carries, its server takes: no 400 that could have been known, nothing lost on the way."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelroute import Catalog, Provider
from modelroute.catalog.model import Model
from modelroute.providers.endpoint import Endpoint
from modelroute.providers.fit import EFFORTS
from modelroute.types.request import Request
from tests.providers.conversations import WANDERINGS, Wandering
from tests.providers.requests import SCHEMA, TOOL
from tests.providers.samples import Json
from tests.providers.servers import refusals

CATALOG = Catalog.builtin()
LOCAL = ("llamacpp", "lmstudio", "ollama", "sglang", "vllm")
DEPLOYED = {"openai-chat": ["gpt-5.6-terra", "gpt-6.2-sol"], "anthropic-messages": ["claude-opus-5-5"]}


def _endpoints() -> Iterator[Endpoint]:
    """Every target of the catalog, by every API its provider has."""
    for name in sorted(CATALOG.providers):
        row = CATALOG.provider(name)
        for dialect in (None, *row.apis):
            if name == "azure":
                models = DEPLOYED.get(dialect or row.dialect, DEPLOYED["openai-chat"])
                provider = Provider(name, key="k", url="https://here.example.com/v1", dialect=dialect, models=models)
            elif name in LOCAL:
                provider = Provider(name, dialect=dialect, models=["gpt-oss-120b", "qwen3.8-27b", Model("any")])
            else:
                region = "us-east-1" if name == "bedrock" else None
                provider = Provider(name, key="k", region=region, dialect=dialect)
            yield from provider.endpoints(CATALOG)


ENDPOINTS = tuple(_endpoints())
_BARE: Json = {"type": "function", "function": {"name": "now"}}
_STRICT: Json = {"type": "function", "function": {**TOOL["function"], "name": "strict", "strict": True}}
_NAMED: Json = {"type": "function", "function": {"name": "lookup_order"}}
_PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.sampled_from([0, 0.6, 1, 1.0, 1.7]),
        "top_p": st.sampled_from([0.5, 0.95, 1]),
        "presence_penalty": st.sampled_from([0, 0.5]),
        "frequency_penalty": st.sampled_from([0.0, 0.5]),
        "n": st.just(1),
        "seed": st.just(7),
        "logprobs": st.booleans(),
        "stop": st.sampled_from(["END", ["\n\n"], ["a", "b"], ["x" * 40], list("abcde")]),
        "parallel_tool_calls": st.booleans(),
        "response_format": st.sampled_from([{"type": "text"}, {"type": "json_object"}]),
        "metadata": st.just({"a": "b"}),
        "user": st.just("u"),
        "store": st.booleans(),
        "prompt_cache_key": st.just("k"),
    },
)


@st.composite
def _asked(draw: st.DrawFn) -> Request:
    talk = draw(WANDERINGS)
    tools = draw(st.sampled_from([(), (TOOL,), (TOOL, _BARE, _STRICT)]))
    # Few parameters at a time: with all of them nearly every target would decline.
    parameters = draw(_PARAMETERS)
    kept = draw(st.sets(st.sampled_from(sorted(parameters)), max_size=2)) if parameters else set()
    return Request(
        messages=tuple(_with_blanks(draw, talk)),
        output_cap=draw(st.sampled_from([None, 50])),
        tools=tools,
        tool_choice=draw(st.sampled_from([None, "auto", "none", "required", _NAMED])),
        schema=draw(st.sampled_from([None, SCHEMA])),
        effort=draw(st.sampled_from([None, None, "none", "minimal", "low", "medium", "high", "xhigh", "max"])),
        parameters={name: parameters[name] for name in kept},
        optional=frozenset(draw(st.sets(st.sampled_from(["effort", "tool_choice", *kept]), max_size=3))),
    )


def _with_blanks(draw: st.DrawFn, talk: Wandering) -> Iterator[Json]:
    """Models say a line break before they call, and users now and then nothing at all."""
    for message in talk.messages:
        blank = message["role"] == "assistant" and not message["content"] and draw(st.booleans())
        yield {**message, "content": "\n\n"} if blank else message
    if draw(st.booleans()):
        yield {"role": "user", "content": draw(st.sampled_from(["", " ", "And?"]))}


@settings(max_examples=400)
@given(endpoint=st.sampled_from(ENDPOINTS), request=_asked())
def test_what_is_carried_is_taken(endpoint: Endpoint, request: Request) -> None:
    if endpoint.carries(request) is not None:
        return
    call = endpoint.call(request, output_cap=request.output_cap, stream=True)
    target = endpoint.target
    dialect = endpoint.speaks(request).name

    assert refusals(json.loads(call.body), target.provider, dialect, target.wire_name) == []


@settings(max_examples=200)
@given(
    endpoint=st.sampled_from(ENDPOINTS),
    said=st.sampled_from(
        [
            ("temperature", 0.6), ("top_p", 0.5), ("presence_penalty", 0.5), ("frequency_penalty", 0.5), ("seed", 7),
            ("logprobs", True), ("top_logprobs", 2), ("logit_bias", {"5": 1}), ("stop", "END"), ("top_k", 5),
            ("parallel_tool_calls", False), ("response_format", {"type": "json_object"}), ("verbosity", "low"),
            ("service_tier", "flex"), ("web_search_options", {}), ("modalities", ["text", "audio"]),
        ]
    ),
)  # fmt: skip
def test_what_is_asked_for_is_said_or_bars_the_target(endpoint: Endpoint, said: tuple[str, object]) -> None:
    plain = Request(messages=({"role": "user", "content": "Hi"},), tools=(TOOL,))
    asked = replace(plain, parameters=dict([said]))
    if endpoint.carries(asked) is None:
        assert body_of(endpoint, asked) != body_of(endpoint, plain)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.name}-{endpoint.dialect.name}")
def test_an_effort_is_said_unless_it_is_the_only_one(endpoint: Endpoint) -> None:
    plain = Request(messages=({"role": "user", "content": "Hi"},))
    reasons = endpoint.profile.reasons_by_default or endpoint.target.model.reasons_by_default
    taken = [word for word in EFFORTS if endpoint.carries(replace(plain, effort=word)) is None]
    for word in taken:
        if body_of(endpoint, replace(plain, effort=word)) == body_of(endpoint, plain):
            assert (word == "none") != reasons, "what is done anyway"
            assert word == "none" or [other for other in taken if other != "none"] == [word]


def body_of(endpoint: Endpoint, request: Request) -> bytes:
    return endpoint.call(request, output_cap=None, stream=True).body
