"""Reasoning in detail, and what tool calls carry beside themselves: kept so that it can be sent back as it came."""

import json
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from modelroute.providers.dialects import DIALECTS
from modelroute.providers.openai_chat.details import Details
from modelroute.providers.profiles import PROFILES
from tests.providers.samples import Answer, Json, answer_of, decode


def text(words: str | None, **more: object) -> Json:
    said = {} if words is None else {"text": words}
    return {"type": "reasoning.text", "index": 0, **said, **more}


def said(*deltas: Json, profile: str = "openrouter", finish: str = "stop") -> Answer:
    chunks: list[Json] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    decoder = DIALECTS["openai-chat"].decoder(profile, PROFILES[profile])
    return answer_of(decode(decoder, [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]))


def test_pieces_are_put_together_and_signatures_kept() -> None:
    answer = said(
        {"reasoning": "Lo", "reasoning_details": [text("Lo", format="anthropic-claude-v1", signature=None)]},
        {"reasoning": "g.", "reasoning_details": [text("g.", format="anthropic-claude-v1")]},
        {"reasoning": None, "reasoning_details": [text(None, signature="sig")]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "index": 1, "data": "b64", "id": "r1"}]},
        {"content": "Monday."},
    )

    assert (answer.reasoning, answer.text) == ("Log.", "Monday.")
    assert answer.blocks == {
        "reasoning_details": [
            {"type": "reasoning.text", "index": 0, "text": "Log.", "format": "anthropic-claude-v1", "signature": "sig"},
            {"type": "reasoning.encrypted", "index": 1, "data": "b64", "id": "r1"},
        ]
    }


def test_details_alone_are_the_visible_reasoning() -> None:
    summary = {"type": "reasoning.summary", "index": 0, "summary": "In short."}

    assert said({"reasoning_details": [text("Lo")]}, {"reasoning_details": [text("g.")]}).reasoning == "Log."
    assert said({"reasoning_details": [summary]}).reasoning == "In short."


def test_a_word_that_comes_twice_is_two_words_unless_the_server_repeats_all_that_went_before() -> None:
    twice = ({"reasoning_details": [text("ha")]}, {"reasoning_details": [text("ha")]})

    assert said(*twice).reasoning == "haha"
    repeated = ({"reasoning_details": [text("Lo")]}, {"reasoning_details": [text("Log.")]})
    assert said(*repeated, profile="minimax").reasoning == "Log."
    assert said(*repeated, profile="minimax").blocks == {"reasoning_details": [text("Log.")]}
    marked = [{"reasoning_details": [text(words, format="MiniMax-response-v1")]} for words in ("Lo", "Log.", "Log. So")]
    assert said(*marked).reasoning == "Log. So"
    assert (
        said({"reasoning_details": [text("Lo")]}, {"reasoning_details": [text("g.")]}, profile="minimax").reasoning
        == "Log."
    )


def test_details_of_one_event_stay_apart() -> None:
    message = {"role": "assistant", "content": "A", "reasoning_details": [text("x", index=None), text("y", index=None)]}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    decoder = DIALECTS["openai-chat"].decoder("openrouter", PROFILES["openrouter"])
    answer = answer_of(decode(decoder, [json.dumps({"choices": [choice]}).encode()]))

    assert answer.blocks == {"reasoning_details": message["reasoning_details"]}
    assert answer.reasoning == "xy"


def test_encrypted_details_are_never_glued_together() -> None:
    one, other = ({"type": "reasoning.encrypted", "index": 0, "data": data} for data in ("a", "b"))

    assert said({"reasoning_details": [one]}, {"reasoning_details": [other]}).blocks == {
        "reasoning_details": [one, other]
    }


def test_they_are_kept_only_where_they_are_wanted_back() -> None:
    assert said({"reasoning_details": [text("x")]}, profile="groq").blocks == {}


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from(["text", "data", "MiniMax"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "index", "text", "summary", "data", "id", "format"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@given(st.lists(JUNK, max_size=5), st.booleans())
def test_any_details_are_read_without_raising_and_stay_json(events: Sequence[object], repeats: bool) -> None:
    details = Details(repeats=repeats)
    for event in events:
        assert isinstance(details.take(event), str)

    assert json.loads(json.dumps(details.whole())) == list(details.whole())


@given(st.text(min_size=1), st.lists(st.integers(0, 20), max_size=5))
def test_cut_anywhere_it_is_the_same_text(words: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(words)) for cut in cuts), len(words)]
    details = Details(repeats=False)
    said = [details.take([text(words[at:end])]) for at, end in pairwise(edges) if end > at]

    assert "".join(said) == words
    assert details.whole() == [text(words)]


def fragment(**fields: object) -> Json:
    return {"tool_calls": [fields]}


def test_what_a_call_carries_is_kept_by_its_id() -> None:
    signed = {"google": {"thought_signature": "sig"}}
    answer = said(
        fragment(index=0, id="a", function={"name": "f", "arguments": "{}"}, extra_content=signed),
        fragment(index=1, id="a", function={"name": "f", "arguments": "{}"}),
        fragment(index=2, function={"name": "g", "arguments": "{}"}, extra_content={"x": 1}),
        profile="google-openai",
        finish="tool_calls",
    )
    ids = [identity for identity, _, _ in answer.calls.values()]

    assert answer.blocks == {"extra_content": {"a": signed, ids[2]: {"x": 1}}}
    assert len(set(ids)) == 3
