"""What a ceiling promises holds at every target of the catalog: nothing a truthful provider may bill goes beyond it."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog import Catalog, Model, Price, Target
from modelroute.money import Money
from modelroute.policy.candidate import Candidate
from modelroute.policy.cost import bill, bound
from modelroute.providers.endpoint import Endpoint
from modelroute.providers.facts import counts
from modelroute.providers.key import Key
from modelroute.providers.provider import Provider
from modelroute.testing import Answer, ScriptedRouter
from modelroute.types.events import UsageReport
from modelroute.types.facts import ANY_VOCABULARY, RequestFacts, Snapshot
from modelroute.types.request import JsonSchema, Request
from modelroute.types.usage import TokenCount, Usage
from tests.providers.conversations import WANDERINGS, Wandering
from tests.providers.samples import Json
from tests.providers.test_facts import SCHEMAS

CATALOG = Catalog.builtin()
SERVED = [target for target in CATALOG.targets.values() if target.price is not None and target.served]
NOVEMBER = 1_795_000_000.0
HI = Request(messages=({"role": "user", "content": "hi"},))


@given(
    st.sampled_from(SERVED),
    st.integers(1, 1_000_000),
    st.integers(1, 200_000),
    st.integers(1, 4),
    st.floats(0, 40 * 86_400),
    st.floats(0, 7_200),
    st.data(),
)
def test_no_bill_of_any_target_goes_beyond_its_bound(  # noqa: PLR0917 - what a bill depends on
    target: Target, tokens: int, cap: int, choices: int, later: float, seconds: float, data: st.DataObject
) -> None:
    facts = RequestFacts(tokens={"": TokenCount(tokens // 2, tokens)}, seconds=seconds, choices=choices)
    promised = bound(Candidate(target), facts, Snapshot(now=NOVEMBER + later), cap)
    if promised is None:
        return  # it has no price then

    whole = data.draw(st.integers(0, tokens))
    cached = data.draw(st.integers(0, whole))
    written = data.draw(st.integers(0, whole - cached))
    usage = Usage(whole, data.draw(st.integers(0, cap * choices)), cached, written)
    cost, _ = bill(target, usage, NOVEMBER + later + data.draw(st.floats(0, seconds)))

    assert cost <= promised


# ----------------------------------------------------------------------------- what is sent, and what was counted of it


def _spoken_to() -> dict[str, Endpoint]:
    """One endpoint for each way in which any provider of the catalog is spoken to, all of its APIs included."""
    found: dict[str, Endpoint] = {}
    for name, row in CATALOG.providers.items():
        for dialect in (None, *row.apis):
            models = None if any(target.provider == name for target in SERVED) else ["llama-4-scout"]
            provider = Provider(name, key=Key("k"), dialect=dialect, models=models, url="https://one.example/v1")
            for endpoint in provider.endpoints(CATALOG):
                found.setdefault(f"{endpoint.dialect.name} {endpoint.profile!r}", endpoint)
    return found


SPOKEN_TO = tuple(_spoken_to().values())
PLACES = ("messages", "contents", "systemInstruction", "system", "input", "instructions", "tools", "tool_choice",
          "toolConfig", "response_format", "text", "output_config")  # fmt: skip
FRAMES = frozenset(
    {"role", "content", "type", "text", "refusal", "image_url", "url", "tools", "tool_calls", "parts",
     "functionCall", "functionResponse", "args", "response", "output", "thoughtSignature", "id", "call_id", "name",
     "arguments", "function", "input", "source", "media_type", "data", "inlineData", "mimeType", "fileData",
     "fileUri", "tool_use_id", "tool_call_id", "input_schema", "parameters", "description", "functionDeclarations",
     "parametersJsonSchema", "functionCallingConfig", "mode", "detail", "message", "properties"}
)  # fmt: skip
"""Names that frame a message, a part or a call: what frames them is in the overhead."""

MARKS = frozenset({"role", "type", "media_type", "mimeType", "thoughtSignature", "detail"})


def said(value: object, key: str = "") -> int:
    """The bytes of every text in a body, other names included, but for images."""
    if isinstance(value, str):
        is_media = value.startswith("data:") or key == "data"
        return 0 if is_media or (key in MARKS and len(value) < 60) else len(value.encode())
    if isinstance(value, list):
        return sum(said(item, key) for item in value)
    if isinstance(value, dict):
        return sum((0 if name in FRAMES else len(name.encode())) + said(item, name) for name, item in value.items())
    return 0


FUNCTIONS = st.builds(
    lambda name, schema: {"type": "function", "function": {"name": name, "parameters": schema, "description": "d"}},
    st.sampled_from(["lookup_order", "get_it"]), SCHEMAS,
)  # fmt: skip


@given(WANDERINGS, st.sampled_from(SPOKEN_TO), st.lists(FUNCTIONS, max_size=2), st.none() | SCHEMAS)
def test_no_byte_goes_out_uncounted_whoever_is_spoken_to(
    talk: Wandering, endpoint: Endpoint, tools: list[Json], schema: Json | None
) -> None:
    asked = None if schema is None else JsonSchema("answer", schema)
    request = Request(messages=tuple(talk.messages), tools=tuple(tools), schema=asked)
    if endpoint.carries(request) is not None:
        return
    body = body_of(endpoint, request, 100)
    settings = body.get("generationConfig")
    form = settings.get("responseJsonSchema") if isinstance(settings, dict) else None
    overhead = endpoint.profile.overhead

    count = counts(request, (), overhead)[ANY_VOCABULARY]

    framed = overhead.image * len(talk.images) + (overhead.tools if tools else 0)
    assert count.bound >= said([*(body.get(place) for place in PLACES), form]) + framed


# ---------------------------------------------------------------------------- DashScope, whose max_tokens is half a cap


def alibaba(model: str) -> Endpoint:
    provider = Provider("alibaba", key=Key("k"), models={model: Model(model, context_window=1_000_000)})
    (endpoint,) = provider.endpoints(CATALOG)
    return endpoint


def body_of(endpoint: Endpoint, request: Request, cap: int | None, *, promised: bool = True) -> Mapping[str, object]:
    found = json.loads(endpoint.call(request, output_cap=cap, stream=True, promised=promised).body)
    assert isinstance(found, dict)
    return found


THINKING = Request(messages=HI.messages, effort="high")
CAPS = st.integers(2, 100_000)


@given(st.sampled_from(["qwen-plus", "qwen3-max", "qwen3.5-397b-a17b", "qwen3-235b-a22b-thinking"]), CAPS)
def test_an_answer_and_its_thinking_are_within_the_cap_together(model: str, cap: int) -> None:
    body = body_of(alibaba(model), THINKING, cap)
    answer, thinking = body["max_tokens"], body["thinking_budget"]
    assert isinstance(answer, int)
    assert isinstance(thinking, int)
    assert answer + thinking <= cap
    assert answer > 0
    assert thinking > 0


def test_an_effort_of_few_tokens_leaves_the_rest_to_the_answer() -> None:
    body = body_of(alibaba("qwen-plus"), Request(messages=HI.messages, effort="low"), 10_000, promised=False)
    assert (body["max_tokens"], body["thinking_budget"]) == (10_000 - 2_048, 2_048)


def test_without_thinking_or_without_a_cap_nothing_is_shared() -> None:
    assert "thinking_budget" not in body_of(alibaba("qwen-plus"), HI, 100)
    assert body_of(alibaba("qwen-plus"), HI, 100, promised=False)["max_tokens"] == 100
    assert "thinking_budget" not in body_of(alibaba("qwen-plus"), THINKING, None)


def test_a_budget_of_the_callers_own_is_left_alone() -> None:
    asked = Request(messages=HI.messages, effort="high", parameters={"thinking_budget": 500})
    body = body_of(alibaba("qwen-plus"), asked, 100, promised=False)
    assert (body["max_tokens"], body["thinking_budget"]) == (100, 500)


NEWER = ["qwen3.8-max", "qwen3.7-max", "qwen3.5-plus", "qwen3.6-flash", "glm-5.2", "deepseek-v4-pro"]


@pytest.mark.parametrize("model", NEWER)
def test_newer_models_have_one_cap_for_both(model: str) -> None:
    body = body_of(alibaba(model), THINKING, 100, promised=False)
    assert body["max_completion_tokens"] == 100
    assert "max_tokens" not in body


@pytest.mark.parametrize(("cap", "sent"), [(100, 90), (11, 1), (5, 1)])
def test_an_answer_that_may_be_longer_than_its_cap_gets_a_lower_one_under_a_ceiling(cap: int, sent: int) -> None:
    assert body_of(alibaba("qwen3.8-max"), HI, cap)["max_completion_tokens"] == sent


@pytest.mark.parametrize("model", ["qwq-plus", "deepseek-r1", "kimi-k2-thinking", "glm-4.6"])
def test_what_thinks_without_a_bound_is_not_eligible_under_a_ceiling(model: str) -> None:
    assert not alibaba(model).honours_output_cap


# ------------------------------------------------------------------------ OpenRouter, whose hosts have different prices


def openrouter(price: Price | None, dialect: str = "openai-chat") -> Endpoint:
    models = [Model("m", context_window=100_000, max_output=1_000)]
    provider = Provider("openrouter", key=Key("k"), models=models, price=price, dialect=dialect)
    (endpoint,) = provider.endpoints(CATALOG)
    return endpoint


@pytest.mark.parametrize("dialect", ["openai-chat", "openai-responses", "anthropic-messages"])
def test_under_a_ceiling_no_host_may_be_dearer_than_the_price_it_rests_on(dialect: str) -> None:
    endpoint = openrouter(Price(input="0.31", output="2.5"), dialect)
    routing = body_of(endpoint, HI, 100)["provider"]
    assert routing == {"require_parameters": True, "max_price": {"prompt": 0.31, "completion": 2.5}}


def test_without_a_promise_or_a_price_any_host_may_serve() -> None:
    priced = openrouter(Price(input=1, output=2))
    assert body_of(priced, HI, 100, promised=False)["provider"] == {"require_parameters": True}
    assert body_of(openrouter(None), HI, 100)["provider"] == {"require_parameters": True}


@pytest.mark.parametrize(("max_cost", "limited"), [(0.5, True), (None, False)])
def test_the_router_says_when_it_has_promised(max_cost: float | None, limited: bool) -> None:
    script = {"qwen3.7-max@openrouter": [Answer("Hi.")]}
    with ScriptedRouter(script) as router:
        router.chat("hello", max_cost=max_cost)
        (call,) = router.calls
    assert ("max_price" in json.dumps(call.sent)) is limited


def test_what_a_host_bills_at_the_limit_is_within_the_bound() -> None:
    endpoint = openrouter(Price(input="0.3", output="2.5"))
    facts = RequestFacts(tokens={"": TokenCount(10, 40)}, seconds=60.0)
    promised = bound(Candidate(endpoint.target), facts, Snapshot(now=NOVEMBER), 100)
    assert promised == Money.from_pico(40 * 300_000 + 100 * 2_500_000)


def test_its_own_figure_is_believed_in_messages_too() -> None:
    endpoint = openrouter(Price(input=1, output=2), "anthropic-messages")
    decoder = endpoint.call(HI, output_cap=9, stream=False).decoder()
    decoder.feed(
        b'{"type":"message","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn",'
        b'"usage":{"input_tokens":5,"output_tokens":1,"cost":0.00123}}'
    )
    (report,) = [event for event in decoder.end() if isinstance(event, UsageReport)]
    assert report.usage.provider_cost == Money("0.00123")
