"""Log probabilities in every shape that is written: whole, or not at all."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.providers.logprobs import add_logprobs, chat_logprobs, gemini_logprobs, listed_logprobs
from modelroute.providers.openai_chat.decode import decoder
from modelroute.providers.profiles import profile_named
from modelroute.types.events import Logprobs, Skipped, TextDelta, WireEvent
from modelroute.types.logprobs import TokenLogprob, TopLogprob
from modelroute.wire.errors import GarbledError

HELLO = {
    "token": "Hello",
    "logprob": -0.25,
    "bytes": [72, 101, 108, 108, 111],
    "top_logprobs": [
        {"token": "Hello", "logprob": -0.25, "bytes": [72, 101, 108, 108, 111]},
        {"token": "Hi", "logprob": -2, "bytes": None},
    ],
}
SAID = TokenLogprob("Hello", -0.25, b"Hello", (TopLogprob("Hello", -0.25, b"Hello"), TopLogprob("Hi", -2.0)))


def test_openais_shape() -> None:
    assert chat_logprobs({"content": [HELLO], "refusal": None}) == (SAID,)
    assert listed_logprobs([HELLO]) == (SAID,)


def test_what_is_not_told_is_none() -> None:
    assert listed_logprobs([{"token": "a", "logprob": 0}]) == (TokenLogprob("a", 0.0),)
    assert listed_logprobs([{"token": "a", "logprob": -9999.0, "top_logprobs": []}]) == (TokenLogprob("a", -9999.0),)


def test_the_shape_of_old_completions() -> None:
    said = {
        "tokens": ["Mon", "day"],
        "token_logprobs": [-0.5, -0.125],
        "top_logprobs": [{"Tues": -3.0, "Mon": -0.5}, None],
        "text_offset": [0, 3],
    }
    mon = TokenLogprob("Mon", -0.5, None, (TopLogprob("Mon", -0.5), TopLogprob("Tues", -3.0)))
    assert chat_logprobs(said) == (mon, TokenLogprob("day", -0.125))
    assert chat_logprobs({**said, "top_logprobs": None}) == (TokenLogprob("Mon", -0.5), TokenLogprob("day", -0.125))


def test_geminis_shape() -> None:
    said = {
        "chosenCandidates": [{"token": "A", "tokenId": 1, "logProbability": -0.5}, {"token": "B", "logProbability": 0}],
        "topCandidates": [
            {"candidates": [{"token": "A", "logProbability": -0.5}, {"token": "C", "logProbability": -1.5}]},
            {"candidates": []},
        ],
    }
    chosen = TokenLogprob("A", -0.5, None, (TopLogprob("A", -0.5), TopLogprob("C", -1.5)))
    assert gemini_logprobs(said) == (chosen, TokenLogprob("B", 0.0))
    assert gemini_logprobs({"chosenCandidates": said["chosenCandidates"]})[1] == TokenLogprob("B", 0.0)
    with pytest.raises(GarbledError):
        gemini_logprobs({**said, "topCandidates": [{"candidates": []}]})


@pytest.mark.parametrize("value", [None, {}, [], -0.12, "x", {"content": None}, {"content": []}, {"tokens": []}])
def test_no_report_says_nothing(value: object) -> None:
    assert chat_logprobs(value) == ()
    assert gemini_logprobs(value) == ()


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "Hello",
        {"token": "a"},
        {"logprob": -1.0},
        {"token": None, "logprob": -1.0},
        {"token": "a", "logprob": "-1"},
        {"token": "a", "logprob": True},
        {"token": "a", "logprob": None},
        {"token": "a", "logprob": -math.inf},
        {"token": "a", "logprob": -(10**400)},
        {"token": "a", "logprob": -1.0, "bytes": [256]},
        {"token": "a", "logprob": -1.0, "bytes": [True]},
        {"token": "a", "logprob": -1.0, "bytes": "YQ=="},
        {"token": "a", "logprob": -1.0, "top_logprobs": {"a": -1.0}},
        {"token": "a", "logprob": -1.0, "top_logprobs": [{"token": "b"}]},
    ],
)
def test_one_bad_entry_spoils_the_list(entry: object) -> None:
    with pytest.raises(GarbledError):
        listed_logprobs([HELLO, entry])
    out: list[WireEvent] = []
    add_logprobs(chat_logprobs, {"content": [HELLO, entry]}, out)
    assert [type(event) for event in out] == [Skipped]


@pytest.mark.parametrize(
    "said",
    [
        {"tokens": ["a", "b"], "token_logprobs": [-1.0]},
        {"tokens": ["a"], "token_logprobs": [None]},
        {"tokens": ["a"]},
        {"tokens": "a", "token_logprobs": [-1.0]},
        {"tokens": ["a"], "token_logprobs": [-1.0], "top_logprobs": [{}, {}]},
        {"tokens": ["a"], "token_logprobs": [-1.0], "top_logprobs": [7]},
    ],
)
def test_columns_that_do_not_match(said: object) -> None:
    with pytest.raises(GarbledError):
        chat_logprobs(said)


LEAVES = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3)
NAMES = st.sampled_from(
    ["content", "token", "logprob", "bytes", "top_logprobs", "tokens", "token_logprobs", "chosenCandidates",
     "topCandidates", "candidates", "logProbability"]
)  # fmt: skip
ANYTHING = st.recursive(
    LEAVES, lambda each: st.lists(each, max_size=3) | st.dictionaries(NAMES, each, max_size=4), max_leaves=12
)


@given(ANYTHING, st.sampled_from([chat_logprobs, gemini_logprobs, listed_logprobs]))
def test_nothing_else_raises(value: object, read: object) -> None:
    out: list[WireEvent] = []
    assert callable(read)
    add_logprobs(read, value, out)
    for event in out:
        assert isinstance(event, Skipped) or (isinstance(event, Logprobs) and event.tokens)


def chunk(choice: object) -> bytes:
    return b"data: " + json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode() + b"\n\n"


def test_the_chat_decoder_tells_them_beside_the_words() -> None:
    reader = decoder("openai", profile_named("openai"))
    first = reader.feed(chunk({"index": 0, "delta": {"content": "Hello"}, "logprobs": {"content": [HELLO]}}))
    assert first[-2:] == [TextDelta("Hello"), Logprobs((SAID,))]
    spoilt = reader.feed(chunk({"index": 0, "delta": {"content": "!"}, "logprobs": {"content": [{}]}}))
    assert spoilt[0] == TextDelta("!")
    assert isinstance(spoilt[1], Skipped)
    last = reader.feed(chunk({"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}))
    assert not any(isinstance(event, Logprobs) for event in last)


def test_what_an_aggregate_repeats_is_not_told_twice() -> None:
    reader = decoder("minimax", profile_named("compatible"))
    reader.feed(chunk({"index": 0, "delta": {"content": "Hello"}, "logprobs": {"content": [HELLO]}}))
    again = reader.feed(
        chunk({"index": 0, "message": {"content": "Hello"}, "logprobs": {"content": [HELLO]}, "finish_reason": "stop"})
    )
    assert not any(isinstance(event, TextDelta | Logprobs) for event in again)
