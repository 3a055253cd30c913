"""Thoughts that leaked into the text are split off at its beginning, the same for every way the bytes arrive."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.providers.dialects import DIALECTS
from modelroute.providers.openai_chat.leak import Leak, Piece, begins_no_tag, unopened
from modelroute.providers.profiles import PROFILES
from tests.providers.samples import Answer, Json, answer_of, decode

TAGS = ("think", "reasoning")
PIECES = st.sampled_from(
    ["<think>", "</think>", "<reasoning>", "</reasoning>", "<th", "ink>", "<thinkable>", "</", ">", " ", "\n", "İ", "a"]
)
TEXTS = st.lists(PIECES, max_size=8).map("".join)


def split(texts: list[str], tags: tuple[str, ...] = TAGS) -> tuple[str, str]:
    """Return (reasoning, text)."""
    leak = Leak(tags)
    pieces = [piece for text in texts for piece in leak.feed(text)]
    pieces += leak.end()
    assert all(piece.text for piece in pieces)
    return (
        "".join(piece.text for piece in pieces if piece.is_reasoning),
        "".join(piece.text for piece in pieces if not piece.is_reasoning),
    )


@pytest.mark.parametrize(
    ("text", "reasoning", "rest"),
    [
        ("<think>Log.</think>Monday.", "Log.", "Monday."),
        ("<reasoning>Log.</reasoning>Monday.", "Log.", "Monday."),
        ("\n <think>\nLog.\n</think>\n\nMonday.\n", "Log.", "Monday.\n"),
        ("<Think>Log.</THINK>Monday.", "Log.", "Monday."),
        ("<think></think>Monday.", "", "Monday."),
        ("<think>\n\n</think>\n\nMonday.", "", "Monday."),
        ("<think>A</think>\n<think>B</think>Monday.", "AB", "Monday."),
        ("<think>A</think><reasoning>B</reasoning>C", "AB", "C"),
        ("<think>never closed", "never closed", ""),
        ("<think>nearly closed</thin", "nearly closed</thin", ""),
        ("<think>a < b </b> c</think>d", "a < b </b> c", "d"),
        ("<thinkable> words", "", "<thinkable> words"),
        ("<think words", "", "<think words"),
        ("<thi", "", "<thi"),
        ("  plain", "", "  plain"),
        (" " * 300 + "<think>A</think>", "", " " * 300 + "<think>A</think>"),
        ("Monday. <think>no</think>", "", "Monday. <think>no</think>"),
        ("<think>A</think>B<think>C</think>", "A", "B<think>C</think>"),
        ("<think>A</think>\n", "A", ""),
        ("", "", ""),
    ],
)
def test_thoughts_at_the_beginning_are_split_off(text: str, reasoning: str, rest: str) -> None:
    assert split([text]) == split(list(text)) == (reasoning, rest)


@given(TEXTS, st.lists(st.integers(0, 60), max_size=6))
def test_how_it_is_cut_changes_nothing_and_nothing_is_lost_but_tags_and_blanks(text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    whole = split([text])

    assert split([text[start:end] for start, end in pairwise(edges)]) == whole
    left = text
    for part in (*(f"<{tag}>" for tag in TAGS), *(f"</{tag}>" for tag in TAGS)):
        left = left.replace(part, "")
    kept = "".join(whole)
    for part in (*(f"<{tag}>" for tag in TAGS), *(f"</{tag}>" for tag in TAGS)):
        kept = kept.replace(part, "")
    assert "".join(kept.split()) == "".join(left.split())


@given(
    st.text(min_size=1).filter(lambda text: text.lstrip()[:1] not in {"", "<"} and len(text) - len(text.lstrip()) < 9)
)
def test_text_without_a_tag_is_not_held_back(text: str) -> None:
    leak = Leak(TAGS)

    assert list(leak.feed(text)) == [Piece(text, is_reasoning=False)]
    assert leak.is_over


def test_no_more_is_held_back_than_may_become_a_tag() -> None:
    leak = Leak(TAGS)

    assert list(leak.feed("<think>a")) == [Piece("a", is_reasoning=True)]
    assert list(leak.feed("b </th")) == [Piece("b", is_reasoning=True)]
    assert list(leak.feed("e")) == [Piece(" </the", is_reasoning=True)]
    assert list(leak.feed("</think>c")) == [Piece("c", is_reasoning=False)]


def test_without_tags_everything_is_text() -> None:
    assert Leak(()).is_over
    assert split(["<think>a</think>"], ()) == ("", "<think>a</think>")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Log.</think>Monday.", ("Log.", "Monday.")),
        ("Log.\n</think>\n\nMonday.", ("Log.", "Monday.")),
        ("</think>Monday.", ("", "Monday.")),
        ("Log.</REASONING>Monday.", ("Log.", "Monday.")),
        ("<think>a</think>b", None),
        ("The tag `</think>` ends it", None),
        ("Write '</think>'.", None),
        ("Monday.", None),
    ],
)
def test_a_whole_answer_may_lack_the_opening_tag(text: str, expected: tuple[str, str] | None) -> None:
    assert unopened(text, TAGS) == expected


def body(content: str, profile: str = "bedrock", **message: object) -> Answer:
    choice = {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": "stop"}
    decoder = DIALECTS["openai-chat"].decoder(profile, PROFILES[profile])
    return answer_of(decode(decoder, [json.dumps({"choices": [choice]}).encode()]))


def stream(*deltas: Json, profile: str = "bedrock", finish: str | None = "stop") -> Answer:
    chunks: list[Json] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    if finish:
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    decoder = DIALECTS["openai-chat"].decoder(profile, PROFILES[profile])
    return answer_of(decode(decoder, [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]))


def test_streams_and_bodies_say_the_same() -> None:
    for answer in (
        body("<reasoning>Log.</reasoning>Monday."),
        stream({"content": "<reas"}, {"content": "oning>Log.</reaso"}, {"content": "ning>"}, {"content": "Monday."}),
        stream({"role": "assistant", "content": "<reasoning>Log.</reasoning>Monday."}),
    ):
        assert (answer.reasoning, answer.text, answer.finish) == ("Log.", "Monday.", "stop")


def test_a_body_may_begin_in_the_middle_of_the_thoughts_and_a_stream_cannot_know() -> None:
    assert (body("Log.</think>Monday.").reasoning, body("Log.</think>Monday.").text) == ("Log.", "Monday.")
    assert body("Log.</think>Monday.", reasoning_content="R").text == "Log.</think>Monday."
    assert body("Log.</think>Monday.", profile="openai").text == "Log.</think>Monday."
    assert stream({"content": "Log.</think>Monday."}).text == "Log.</think>Monday."


def test_what_was_held_back_comes_before_what_follows_it() -> None:
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    answer = stream({"content": "<th"}, {"tool_calls": [call]}, {"content": "<think>x"}, finish="tool_calls")

    assert (answer.text, answer.reasoning) == ("<th<think>x", "")
    assert [name for _, name, _ in answer.calls.values()] == ["f"]
    assert stream({"content": "<th"}).text == "<th"
    assert stream({"content": "<th"}, {"refusal": "no"}).text == "<th"


def test_a_stream_that_ends_in_its_thoughts_is_cut_unless_it_says_it_is_done() -> None:
    assert stream({"content": "<think>only"}).reasoning == "only"
    cut = stream({"content": "<think>only"}, finish=None)
    assert cut.failure is not None
    assert (cut.reasoning, cut.ended) == ("only", False)


@given(TEXTS.filter(bool), TEXTS)
def test_where_no_tag_can_begin_all_is_text(first: str, rest: str) -> None:
    """The short way, without a `Leak`, says what a `Leak` would have said."""
    if begins_no_tag(first):
        assert split([first, rest]) == ("", first + rest)
