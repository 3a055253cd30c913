"""What an answer was goes back as it came: reasoning before what it led to, to nobody else, and never on its own."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog.model import Target
from modelroute.engine.assembly import Assembly
from modelroute.providers.dialects import DIALECTS
from modelroute.providers.facts import counts, unbounded
from modelroute.providers.openai_responses.encode import encode
from modelroute.providers.profile import Echo, Profile
from modelroute.providers.profiles import PROFILES
from modelroute.types.facts import ANY_VOCABULARY
from modelroute.types.messages import PROVENANCE
from modelroute.types.request import Request
from tests.providers.openai_responses.answers import (
    DIALECT,
    ITEMS,
    custom,
    events,
    function,
    hosted,
    message,
    response,
    sse,
    thought,
    told,
)
from tests.providers.requests import result, target, user
from tests.providers.samples import Json, decode

HERE = target("gpt-6.1-sol", "openai", efforts=("low", "high"))
OPENAI = PROFILES["openai"]
CALLS = {"function_call", "custom_tool_call"}


def heard(items: list[Json], *, where: Target = HERE, profile: Profile = OPENAI, whole: bool = False) -> Json:
    """Return `reply.message` for an answer of these items."""
    assembly = Assembly()
    data = json.dumps(response(items)).encode() if whole else sse(events(items))
    assembly.take(decode(DIALECT.decoder(where.provider, profile), [data]))
    sent = assembly.message({"target": where.name, "provider": where.provider, "model": where.model.name})
    kept: Json = json.loads(json.dumps(sent))  # as it is stored between two calls
    return kept


def sent_back(*messages: Json, where: Target = HERE, profile: Profile = OPENAI) -> list[Json]:
    body: Json = json.loads(encode(Request(messages=messages), where, profile, None, stream=False))
    items: list[Json] = body["input"]
    return items


def bare(item: Json) -> Json:
    """An output item without what only the server says of it."""
    if item["type"] == "reasoning":
        return item
    dropped = {"status"} if item["type"] != "message" else {"status", "content", "phase"}
    kept = {name: value for name, value in item.items() if name not in dropped}
    if item["type"] == "message":
        kept["text"] = told([item]).text
        kept["phase"] = item.get("phase")
    if item["type"] == "function_call":
        kept["arguments"] = item["arguments"] or "{}"
    return kept


def back(item: Json) -> Json:
    """An input item in the same terms."""
    if item["type"] != "message":
        return item
    kept = {name: value for name, value in item.items() if name not in {"content", "phase"}}
    return {**kept, "text": "".join(part["text"] for part in item["content"]), "phase": item.get("phase")}


LOOP = [
    thought(["Looking."], 0),
    message("Let me see.", number=1, phase="commentary"),
    thought(number=2),
    function('{"id": 1}', 3),
    function('{"id": 2}', 4),
    custom("1 + 1", 5),
]


@pytest.mark.parametrize("whole", [True, False])
def test_a_turn_goes_back_item_by_item(whole: bool) -> None:
    items = sent_back(user("Hi"), heard(LOOP, whole=whole), result("call_3"), result("call_5"))

    assert [back(item) for item in items[1:7]] == [bare(item) for item in LOOP]
    assert [(item["type"], item["call_id"]) for item in items[7:]] == [
        ("function_call_output", "call_3"), ("custom_tool_call_output", "call_5"),
    ]  # fmt: skip


def expected(items: list[Json]) -> list[Json]:
    """By the rules of the API: hosted items and what led to them stay out, and so does what led to nothing."""
    kept: list[Json] = []
    thoughts: list[Json] = []
    for item in items:
        if item["type"] == "reasoning":
            thoughts.append(item)
        else:
            if item["type"] in CALLS or told([item]).text:
                kept += [*thoughts, item]
            thoughts = []
    return kept


@given(ITEMS, st.booleans())
def test_any_answer_goes_back_in_order(items: list[Json], whole: bool) -> None:
    turn = heard(items, whole=whole)
    sent = sent_back(user("Hi"), turn)[1:]
    kept = expected(items)

    if "blocks" in turn[PROVENANCE]:
        assert [back(item) for item in sent] == [bare(item) for item in kept]
    else:
        assert not any(item["type"] in {"reasoning", "custom_tool_call"} or item.get("phase") for item in kept)
    for item, following in itertools.pairwise([*sent, {"type": "end"}]):
        assert item["type"] != "reasoning" or following["type"] in {"reasoning", "message", *CALLS}
    assert "".join(part["text"] for item in sent if item["type"] == "message" for part in item["content"]) == (
        told(items).text
    )


@pytest.mark.parametrize(
    "where",
    [target("gpt-6.2-sol", "openai"), target("gpt-6.1-sol", "azure"), target("gpt-6.1-sol", "openrouter")],
)
def test_reasoning_of_another_model_or_provider_stays_home(where: Target) -> None:
    items = sent_back(user("Hi"), heard(LOOP), result("call_3"), where=where)

    assert [item["type"] for item in items[1:5]] == ["message", "function_call", "function_call", "function_call"]
    assert not any("id" in item or "encrypted_content" in item for item in items)


def edits() -> list[Json]:
    turn = heard(LOOP)
    return [
        {**turn, "content": "Something else."},
        {**turn, "tool_calls": turn["tool_calls"][1:]},
        {**turn, "tool_calls": turn["tool_calls"][::-1]},
        {**turn, "content": None},
        {**turn, "tool_calls": []},
    ]


@pytest.mark.parametrize("edited", edits())
def test_a_turn_that_was_edited_goes_as_text_and_calls(edited: Json) -> None:
    """The API refuses reasoning without the item it led to, and an item's id without its reasoning."""
    items = sent_back(user("Hi"), edited)[1:]

    assert all(item["type"] != "reasoning" and "id" not in item for item in items)
    texts = [item["content"][0]["text"] for item in items if item["type"] == "message"]
    assert texts == ([edited["content"]] if edited["content"] else [])
    assert [item["call_id"] for item in items if "call_id" in item] == [call["id"] for call in edited["tool_calls"]]
    assert [item["type"] for item in items if item.get("name") == "run"] == ["custom_tool_call"] * sum(
        call["function"]["name"] == "run" for call in edited["tool_calls"]
    )


def test_items_that_share_an_id_go_without() -> None:
    """A server may number its items anew in every answer; the API refuses an id that comes twice."""
    turn = heard([thought(), function(number=1)])
    items = sent_back(user("Hi"), turn, result("call_1"), turn, result("call_1"))

    assert [item.get("id") for item in items[1:]] == ["rs_0", "fc_1", None, None, None, None]
    assert [item["call_id"] for item in items[1:] if "call_id" in item] == ["call_1", "call_1", "call_1_2", "call_1_2"]
    assert [item["encrypted_content"] for item in items if item.get("type") == "reasoning"] == ["gAAA=="] * 2


def test_reasoning_that_only_the_server_keeps_stays_there_and_so_do_the_ids_that_need_it() -> None:
    unkept = thought(encrypted_content=None)
    items = sent_back(user("Hi"), heard([unkept, function(number=1), thought(number=2), custom(number=3)]))[1:]

    assert [item["type"] for item in items] == ["function_call", "reasoning", "custom_tool_call"]
    assert [item.get("id") for item in items] == [None, "rs_2", "ctc_3"]
    assert "blocks" not in heard([unkept, message("Hi", number=1)])[PROVENANCE]


def test_reasoning_in_plain_words_goes_back_where_the_profile_says_so() -> None:
    plain = thought(encrypted_content=None, content=[{"type": "reasoning_text", "text": "Hm."}])
    echoing = Profile("local", echo=Echo.OPTIONAL)
    turn = heard([plain, function(number=1)], profile=echoing)
    reasoning = sent_back(user("Hi"), turn, profile=echoing)[1]

    assert reasoning == {name: value for name, value in plain.items() if value is not None}
    assert "blocks" not in heard([plain, function(number=1)])[PROVENANCE]


def test_nulls_are_left_out_since_the_api_refuses_its_own() -> None:
    turn = heard([thought(status=None, content=None), function(number=1)])

    assert {"status", "content"}.isdisjoint(sent_back(user("Hi"), turn)[1])


def test_the_other_dialects_leave_it_out() -> None:
    turn = heard(LOOP)
    for name, profile in (("openai-chat", "openai"), ("anthropic-messages", "anthropic")):
        body = DIALECTS[name].encode(Request(messages=(user("Hi"), turn)), HERE, PROFILES[profile], 9, False)
        assert b"gAAA" not in body
        assert b"Let me see." in body


@given(ITEMS)
def test_the_bound_holds_what_goes_back(items: list[Json]) -> None:
    """No more tokens than bytes: so the bound grows by every byte of the items that are sent beside text and calls."""
    turn = heard(items)
    plain = {name: value for name, value in turn.items() if name != PROVENANCE}
    request, without = Request(messages=(user("Hi"), turn)), Request(messages=(user("Hi"), plain))
    bounds = [counts(asked, [])[ANY_VOCABULARY].bound for asked in (request, without)]
    reasoning = [item for item in sent_back(user("Hi"), turn) if item.get("type") == "reasoning"]

    written = [json.dumps(item, separators=(",", ":"), ensure_ascii=False).encode() for item in reasoning]
    assert bounds[0] - bounds[1] >= sum(map(len, written))
    assert unbounded(request) == ()


def test_what_is_kept_is_small_beside_hosted_results() -> None:
    results = {**hosted(1), "results": ["x" * 10_000]}
    turn = heard([thought(), results, message("Found.", number=2, phase="final_answer")])

    assert len(json.dumps(turn)) < 1_000
    assert [item["type"] for item in sent_back(user("Hi"), turn)[1:]] == ["message"]
