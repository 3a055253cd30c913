"""`embed` as a user has it: sync and async, over HTTP clients of his own that respx answers."""

# ruff: noqa: ANN401
# Options are handed through to calls that check them.

from __future__ import annotations

import asyncio
import base64
import json
import struct
from pathlib import Path
from typing import Any

import httpx
import httpx2
import openai
import pytest
import respx
from hypothesis import given, settings
from hypothesis import strategies as st

from modelroute import (
    AsyncRouter,
    AttemptsFailedError,
    Budget,
    BudgetExceededError,
    Catalog,
    Embeddings,
    Hedge,
    HttpOptions,
    Model,
    Money,
    NoEligibleTargetError,
    Policy,
    Price,
    Provider,
    RequestError,
    Router,
    Rule,
    Scenario,
    UnknownNameError,
    cheapest,
)
from modelroute.stores import SqliteStore
from modelroute.testing.replies import openai_body, openai_embeddings, openai_error
from modelroute.types.failure import Kind
from modelroute.types.notices import Decided, Finished, Settled
from tests.e2e.places import KEY

SMALL = Model("embed-small", features=frozenset({"embedding"}), context_window=100)
CHATTY = Model("chatty", context_window=32_000, max_output=1_000, features=frozenset({"tools"}))
OPEN = Policy(default=Scenario(prefer=cheapest))
FIRST, SECOND = "https://first.test/v1", "https://second.test/v1"
DEAR, DEARER = Price(input=0.02, output=0), Price(input=0.03, output=0.03)
VECTORS = [[0.5, 0.25, -1.0], [1.0, 0.0, 0.125]]
TEXTS = ["The ship sails.", "Das Schiff fährt."]


def first(price: Price | None = DEAR, **more: Any) -> Provider:
    return Provider.compatible(FIRST, name="first", price=price, models=[SMALL, CHATTY], key=KEY, **more)


def second(price: Price | None = DEARER, **more: Any) -> Provider:
    return Provider.compatible(SECOND, name="second", price=price, models=[SMALL], key=KEY, **more)


class Both:
    """Embeds with `Router` or with `AsyncRouter`; the routers' own options come by `having`."""

    def __init__(self, colour: str) -> None:
        self.colour = colour
        self.having: dict[str, Any] = {"policy": OPEN, "catalog": Catalog()}

    def __call__(self, inputs: Any, *, providers: Any = (first, second), **options: Any) -> Embeddings:
        options.setdefault("model", "embed-small")
        if self.colour == "async":
            return asyncio.run(self._async(inputs, providers, options))
        with httpx.Client() as client:
            http = HttpOptions(client=client)
            with Router([provider(http=http) for provider in providers], **self.having) as router:
                return router.embed(inputs, **options)

    async def _async(self, inputs: Any, providers: Any, options: Any) -> Embeddings:
        async with httpx.AsyncClient() as client:
            http = HttpOptions(async_client=client)
            async with AsyncRouter([provider(http=http) for provider in providers], **self.having) as router:
                return await router.embed(inputs, **options)


@pytest.fixture(params=["sync", "async"])
def both(request: pytest.FixtureRequest) -> Both:
    return Both(request.param)


def answering(url: str, content: bytes | None = None, status: int = 200) -> respx.Route:
    said = openai_embeddings(VECTORS, tokens=12) if content is None else content
    return respx.post(f"{url}/embeddings").respond(status, content=said)


# --------------------------------------------------------------------------------------------------------- an answer


@respx.mock
def test_vectors_come_in_order_with_what_they_cost(both: Both) -> None:
    route = answering(FIRST)
    found = both(TEXTS, user="ann")
    assert [list(vector) for vector in found] == VECTORS
    assert (found.target, found.model, found.dimensions) == ("embed-small@first", "embed-small", 3)
    assert found.usage is not None
    assert (found.usage.input_tokens, found.usage.output_tokens) == (12, 0)
    assert found.cost == Money("0.00000024")
    assert found.cost_basis == "declared by you"
    assert [attempt.finish for attempt in found.attempts] == ["stop"]
    assert found.decision.selector == "embed-small"
    assert json.loads(route.calls.last.request.content) == {"model": "embed-small", "input": TEXTS, "user": "ann"}
    assert route.calls.last.request.headers["authorization"] == f"Bearer {KEY}"


@respx.mock
def test_one_text_has_one_vector(both: Both) -> None:
    route = answering(FIRST, openai_embeddings([[1.0, 2.0]]))
    assert list(both("one", dimensions=2).vector) == [1.0, 2.0]
    assert json.loads(route.calls.last.request.content) == {"model": "embed-small", "input": ["one"], "dimensions": 2}


@respx.mock
def test_without_a_report_the_cost_is_an_estimate(both: Both) -> None:
    body = json.loads(openai_embeddings(VECTORS))
    answering(FIRST, json.dumps({**body, "usage": None}).encode())
    found = both(TEXTS)
    assert found.usage is None
    assert found.cost_basis == "estimate"
    assert found.cost > Money(0)


@given(
    st.lists(
        st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=4, max_size=4),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=25, deadline=None)
def test_openais_own_client_reads_the_same_from_the_same_bytes(vectors: list[list[float]]) -> None:
    body = json.loads(openai_embeddings(vectors, tokens=9))
    for each, vector in zip(body["data"], vectors, strict=True):
        each["embedding"] = base64.b64encode(struct.pack("<4f", *vector)).decode()
    sent: list[object] = []

    def played(request: httpx2.Request) -> httpx2.Response:
        sent.append(json.loads(request.content))
        return httpx2.Response(200, json=body)

    with respx.mock, httpx.Client() as client:
        route = respx.post("https://api.openai.com/v1/embeddings").respond(200, json=body)
        provider = Provider(
            "openai", key=KEY, models=[SMALL], prices={"embed-small": DEAR}, http=HttpOptions(client=client)
        )
        with Router([provider], policy=OPEN) as router:
            ours = router.embed(["x"] * len(vectors), model="embed-small")
        with (
            httpx2.Client(transport=httpx2.MockTransport(played)) as http,
            openai.OpenAI(api_key=KEY, http_client=http) as sdk,
        ):
            theirs = sdk.embeddings.create(model="embed-small", input=["x"] * len(vectors))
        assert [list(vector) for vector in ours] == [each.embedding for each in theirs.data] == vectors
        assert sent == [json.loads(route.calls.last.request.content)]  # it asks for base64, too


@respx.mock
def test_gemini_is_spoken_to_in_its_own_words(both: Both) -> None:
    def gemini(**more: Any) -> Provider:
        return Provider.compatible(
            FIRST, name="gemini", price=DEAR, models=[SMALL], key=KEY, dialect="gemini", profile="google", **more
        )

    route = respx.post(f"{FIRST}/models/embed-small:batchEmbedContents").respond(
        200, json={"embeddings": [{"values": vector} for vector in VECTORS]}
    )
    found = both(TEXTS, providers=(gemini, second), dimensions=3)
    assert [list(vector) for vector in found] == VECTORS
    assert (found.target, found.cost_basis) == ("embed-small@gemini", "estimate")
    assert route.calls.last.request.headers["x-goog-api-key"] == KEY
    asked = json.loads(route.calls.last.request.content)["requests"]
    assert [each["outputDimensionality"] for each in asked] == [3, 3]
    answering(SECOND, openai_embeddings([[0.0, 1.0, 0.0]] * 101))
    assert both(["x"] * 101, providers=(gemini, second)).target == "embed-small@second"


@respx.mock
def test_as_many_texts_as_one_call_may_hold(both: Both) -> None:
    """More bytes than any other answer may have: what was computed and paid for must not be thrown away."""
    number = "-0.0123456789012345678901234567890"
    vector = f"[{','.join([number] * 512)}]"
    entries = ",".join(f'{{"index":{place},"embedding":{vector}}}' for place in range(2_048))
    body = f'{{"data":[{entries}],"usage":{{"prompt_tokens":2048,"total_tokens":2048}}}}'.encode()
    assert len(body) > 32 * 1024 * 1024
    answering(FIRST, body)
    found = both(["x"] * 2_048, providers=(first,))
    assert (len(found), found.dimensions) == (2_048, 512)


# ---------------------------------------------------------------------------------------------------------- fallback


@pytest.mark.parametrize(
    ("status", "kind", "tries"),
    [(401, Kind.DENIED, 1), (404, Kind.NOT_SERVED, 1), (429, Kind.RATE_LIMITED, 1), (500, Kind.TRANSIENT, 2)],
)
@respx.mock
def test_the_same_model_elsewhere_is_the_fallback(both: Both, status: int, kind: Kind, tries: int) -> None:
    answering(FIRST, openai_error(status, message="no"), status)
    answering(SECOND)
    found = both(TEXTS)
    assert found.target == "embed-small@second"
    failures = [attempt.failure for attempt in found.attempts]
    assert [failure.kind for failure in failures[:-1] if failure is not None] == [kind] * tries
    assert failures[-1] is None


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (openai_embeddings([[1.0, 2.0, 3.0]]), "1 vectors for 2 texts"),
        (openai_embeddings([[1.0, 2.0], [3.0, 4.0]]), "has 2 dimensions, and 3 were asked for"),
        (openai_embeddings(VECTORS).replace(b'"index":1', b'"index":0'), "two vectors of text 0"),
        (b"<html>", "an HTML page"),
        (openai_body("Here are your vectors!"), "data is not a list"),
    ],
)
@respx.mock
def test_vectors_that_are_not_what_was_asked_for_are_never_handed_over(both: Both, said: bytes, why: str) -> None:
    tried = answering(FIRST, said)
    answering(SECOND)
    found = both(TEXTS, dimensions=3)
    assert [list(vector) for vector in found] == VECTORS
    failure = found.attempts[0].failure
    assert failure is not None
    assert why in failure.message
    assert tried.call_count == len(found.attempts) - 1
    with pytest.raises(AttemptsFailedError):
        both(TEXTS, dimensions=3, providers=(first,), max_attempts=1)


@respx.mock
def test_the_dimensions_of_the_first_answer_hold_for_those_after() -> None:
    first_route = answering(FIRST, openai_embeddings([[1.0, 2.0, 3.0]]))
    answering(SECOND, openai_embeddings([[1.0, 2.0]]))
    with httpx.Client() as client:
        http = HttpOptions(client=client)
        with Router([first(http=http), second(http=http)], policy=OPEN, catalog=Catalog()) as router:
            assert router.embed("one", model="embed-small").dimensions == 3
            first_route.respond(401)
            with pytest.raises(AttemptsFailedError) as caught:
                router.embed("two", model="embed-small")
            assert "vectors of 2 dimensions, and those of embed-small had 3 here before" in str(caught.value)
            assert caught.value.attempts[-1].basis == "declared by you"  # it was computed, and is charged as reported


@respx.mock
def test_a_target_has_no_fallback(both: Both) -> None:
    answering(FIRST, status=500)
    other = answering(SECOND)
    with pytest.raises(AttemptsFailedError):
        both(TEXTS, model="embed-small@first", max_attempts=3)
    assert not other.called


@respx.mock
def test_a_target_that_does_not_take_dimensions_is_passed_over_from_then_on() -> None:
    said = openai_error(
        400, message="Unsupported parameter: 'dimensions'", code="unsupported_parameter", param="dimensions"
    )
    refusing = answering(FIRST, said, 400)
    answering(SECOND)
    with httpx.Client() as client:
        http = HttpOptions(client=client)
        with Router([first(http=http), second(http=http)], policy=OPEN, catalog=Catalog()) as router:
            assert router.embed(TEXTS, model="embed-small", dimensions=3).target == "embed-small@second"
            assert router.embed(TEXTS, model="embed-small", dimensions=3).target == "embed-small@second"
            assert refusing.call_count == 1
            refusing.respond(200, content=openai_embeddings(VECTORS))
            assert router.embed(TEXTS, model="embed-small").target == "embed-small@first"


@respx.mock
def test_a_second_target_is_asked_beside_a_slow_one() -> None:
    async def late(_request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(30)
        raise AssertionError

    respx.post(f"{FIRST}/embeddings").mock(side_effect=late)
    answering(SECOND)
    both = Both("async")
    both.having["policy"] = Policy(default=Scenario(hedge=Hedge(after=0.01)))
    found = both(TEXTS)
    assert found.target == "embed-small@second"
    assert sorted(attempt.why for attempt in found.attempts) == ["first", "hedge"]


# ------------------------------------------------------------------------------------------------------------- money


@respx.mock
def test_a_ceiling_is_kept_and_what_it_sets_aside_is_the_bytes(both: Both) -> None:
    answering(FIRST)
    found = both(TEXTS, max_cost=0.01)
    reserved = found.attempts[0].reserved
    assert Money.from_pico(20_000 * sum(len(text.encode()) for text in TEXTS)) <= reserved <= Money("0.000005")
    assert found.cost == Money("0.00000024")  # what was reported, not what was set aside
    with pytest.raises(NoEligibleTargetError, match="the ceiling is"):
        both(TEXTS, max_cost="0.0000001")


@respx.mock
def test_an_output_price_is_for_output_and_there_is_none(both: Both) -> None:
    answering(SECOND)
    found = both(TEXTS, providers=(second,), max_cost=0.01)
    assert found.cost == Money("0.00000036")
    assert found.attempts[0].reserved <= Money("0.000007")


@respx.mock
def test_without_a_price_no_ceiling_can_be_kept(both: Both) -> None:
    answering(FIRST)
    with pytest.raises(NoEligibleTargetError, match="no price in force"):
        both(TEXTS, providers=(lambda **more: first(None, **more),), max_cost=1)


@respx.mock
def test_a_parameter_that_nobody_knows_is_refused_under_a_ceiling(both: Both) -> None:
    route = answering(FIRST)
    with pytest.raises(NoEligibleTargetError, match="input_type"):
        both(TEXTS, max_cost=1, extra_body={"input_type": "query"})
    assert both(TEXTS, max_cost=1, extra_body={"input_type": "query"}, allow_unbounded=True).target
    assert json.loads(route.calls.last.request.content)["input_type"] == "query"


@respx.mock
def test_budgets_hold_and_the_ledger_says_so(both: Both, tmp_path: Path) -> None:
    answering(FIRST)
    path = str(tmp_path / "spend.db")
    both.having |= {"budgets": [Budget("all", "0.0000028", tag="team")], "store": path}
    assert both(TEXTS, tags=["team"]).cost == Money("0.00000024")
    with pytest.raises(BudgetExceededError, match="all"):
        both(TEXTS, tags=["team"])
    store = SqliteStore(path)
    [row] = store.entries()
    store.close()
    assert (row.target, row.input_tokens, row.output_tokens, row.finish) == ("embed-small@first", 12, 0, "stop")
    assert row.cost == Money("0.00000024")


@respx.mock
def test_the_budget_of_a_view_counts_vectors_too() -> None:
    answering(FIRST)
    with httpx.Client() as client:
        http = HttpOptions(client=client)
        with Router([first(http=http)], policy=OPEN, catalog=Catalog()) as router:
            capped = router.budget("0.01")
            found = capped.embed(TEXTS, model="embed-small")
            assert "output capped" not in str(found.decision), "vectors are no output that a cap could shorten"
            assert capped.spent == Money("0.00000024")


@respx.mock
def test_listeners_hear_of_it() -> None:
    answering(FIRST)
    heard: list[object] = []
    with httpx.Client() as client:
        http = HttpOptions(client=client)
        with Router([first(http=http)], policy=OPEN, catalog=Catalog(), on_event=heard.append) as router:
            router.embed(TEXTS, model="embed-small", tags=["team"])
    [decided] = [notice for notice in heard if isinstance(notice, Decided)]
    assert decided.tags == {"team"}
    assert not decided.stream
    assert [notice.cost for notice in heard if isinstance(notice, Settled)] == [Money("0.00000024")]
    assert [notice.target for notice in heard if isinstance(notice, Finished)] == ["embed-small@first"]


# ------------------------------------------------------------------------------------------- who may serve, and whom


@respx.mock
def test_a_model_that_embeds_is_never_picked_for_a_chat_nor_the_other_way_round(both: Both) -> None:
    with pytest.raises(NoEligibleTargetError, match="lacks embedding"):
        both(TEXTS, model="chatty")
    with Router([first(), second()], policy=OPEN, catalog=Catalog()) as router:
        decision = router.explain("Hello")
        assert [ranked.target for ranked in decision.ranked] == ["chatty@first"]
        reasons = {rejected.target: str(rejected) for rejected in decision.rejected}
        assert "gives vectors, not answers" in reasons["embed-small@first"]
        for asked in ({"model": "embed-small"}, {"needs": {"embedding"}}):
            assert not router.explain("Hello", **asked).ranked


@respx.mock
def test_a_dialect_without_vectors_is_no_target(both: Both) -> None:
    def messages(**more: Any) -> Provider:
        return Provider.compatible(
            FIRST, name="other", price=Price.free(), models=[SMALL], key=KEY, dialect="anthropic-messages", **more
        )

    with pytest.raises(NoEligibleTargetError, match="gives no vectors in the dialect it speaks here"):
        both(TEXTS, providers=(messages,))


@respx.mock
def test_a_window_is_that_of_one_text(both: Both) -> None:
    answering(FIRST, openai_embeddings([[1.0]] * 40))
    assert len(both(["a text of some eight tokens or so"] * 40, providers=(first,))) == 40
    with pytest.raises(NoEligibleTargetError, match="takes texts of at most 100 tokens"):
        both(["short", "word " * 400])


@respx.mock
def test_rules_hold_for_vectors_too(both: Both) -> None:
    both.having["policy"] = Policy(rules=[Rule(tag="eu", providers={"second"})], default=Scenario(floor=90))
    answering(SECOND)
    assert both(TEXTS, tags=["eu"]).target == "embed-small@second"


@respx.mock
def test_what_cannot_be_meant_sends_nothing(both: Both) -> None:
    with pytest.raises(UnknownNameError, match=r"Declare it at its provider: models=\["):
        both(TEXTS, model="embed-smal")
    with pytest.raises(RequestError):
        both([])
    with pytest.raises(RequestError, match="surrogate"):
        both(["half a pair: \ud800"])


@respx.mock
def test_the_prompt_is_not_quoted_in_an_error(both: Both) -> None:
    secret = "the launch code is 0000, and nobody must know"
    answering(FIRST, openai_error(400, message=f"cannot embed {secret!r}"), 400)
    with pytest.raises(AttemptsFailedError) as caught:
        both([secret], providers=(first,))
    assert secret not in str(caught.value)
