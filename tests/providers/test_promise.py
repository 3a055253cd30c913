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
from modelroute.providers.key import Key
from modelroute.providers.provider import Provider
from modelroute.testing import Answer, ScriptedRouter
from modelroute.types.facts import RequestFacts, Snapshot
from modelroute.types.request import Request
from modelroute.types.usage import TokenCount, Usage

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
    body = body_of(alibaba("qwen-plus"), Request(messages=HI.messages, effort="low"), 10_000)
    assert (body["max_tokens"], body["thinking_budget"]) == (10_000 - 2_048, 2_048)


def test_without_thinking_or_without_a_cap_nothing_is_shared() -> None:
    assert "thinking_budget" not in body_of(alibaba("qwen-plus"), HI, 100)
    assert body_of(alibaba("qwen-plus"), HI, 100)["max_tokens"] == 100
    assert "thinking_budget" not in body_of(alibaba("qwen-plus"), THINKING, None)


def test_a_budget_of_the_callers_own_is_left_alone() -> None:
    asked = Request(messages=HI.messages, effort="high", parameters={"thinking_budget": 500})
    body = body_of(alibaba("qwen-plus"), asked, 100)
    assert (body["max_tokens"], body["thinking_budget"]) == (100, 500)


NEWER = ["qwen3.8-max", "qwen3.7-max", "qwen3.5-plus", "qwen3.6-flash", "glm-5.2", "deepseek-v4-pro"]


@pytest.mark.parametrize("model", NEWER)
def test_newer_models_have_one_cap_for_both(model: str) -> None:
    body = body_of(alibaba(model), THINKING, 100)
    assert body["max_completion_tokens"] == 100
    assert "max_tokens" not in body


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
