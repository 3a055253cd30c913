"""Ids of tool calls: legal, told apart, the same each time, and every result finds its call."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.providers.tool_ids import ToolIds

NINE = "[a-zA-Z0-9]{9}"
TURNS = st.lists(
    st.lists(
        st.sampled_from(["", "call_0", "call_1", "abcdefghi", "f:0", "x" * 60, "\ud800"]) | st.text(max_size=3),
        min_size=1, max_size=4,
    ),
    max_size=5,
)  # fmt: skip


@given(TURNS)
def test_with_a_pattern_every_id_is_legal_and_used_once(turns: list[list[str]]) -> None:
    ids, again = ToolIds(NINE), ToolIds(NINE)
    given_ = [ids.turn(turn) for turn in turns]
    flat = [identity for turn in given_ for identity in turn]

    assert given_ == [again.turn(turn) for turn in turns]
    assert all(re.fullmatch(NINE, identity) for identity in flat)
    assert len(set(flat)) == len(flat)


@given(TURNS, st.sampled_from(["", NINE, r"[\s\S]{1,40}"]))
def test_results_in_the_order_of_their_calls_find_them(turns: list[list[str]], pattern: str) -> None:
    ids = ToolIds(pattern)

    for turn in turns:
        given_ = ids.turn(turn)
        assert len(set(given_)) == len(given_)
        assert [ids.result(original) for original in turn] == given_


@given(TURNS)
def test_without_a_pattern_only_what_nobody_could_match_is_changed(turns: list[list[str]]) -> None:
    ids = ToolIds("")

    for turn in turns:
        for original, identity in zip(turn, ids.turn(turn), strict=True):
            assert identity == original or not original or turn.count(original) > 1


@pytest.mark.parametrize(("pattern", "original"), [(NINE, "call_9"), ("", "")])
def test_a_result_without_its_call_still_has_a_legal_id(pattern: str, original: str) -> None:
    assert re.fullmatch(NINE, ToolIds(pattern).result(original))
    assert ToolIds(NINE).result("abcdefghi") == "abcdefghi"


def test_results_may_come_twice() -> None:
    ids = ToolIds(NINE)
    (made,) = ids.turn(["call_0"])

    assert [ids.result("call_0"), ids.result("call_0")] == [made, made]
