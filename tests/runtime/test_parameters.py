"""Parameters whose shape is known are checked before anything is sent, with what to write instead."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from modelroute.errors import RequestError
from modelroute.runtime.parameters import checked, one_choice, tools_of


class Answer(BaseModel):
    text: str


WRONG: dict[str, list[object]] = {
    "temperature": ["hot", True, [], -1, float("nan"), float("inf")],
    "top_p": ["0.5", True, 1.5, -0.1, float("nan")],
    "presence_penalty": ["x", True, float("inf"), float("-inf")],
    "frequency_penalty": [[], False],
    "stop": [5, "", [""], ["a", 5], {"a": 1}, b"x", True],
    "seed": [1.5, "7", True, []],
    "response_format": [3, "json", {}, {"type": 5}, [("type", "text")]],
    "parallel_tool_calls": [0, "no", []],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name, values in WRONG.items() for value in values],
    ids=lambda value: str(value)[:20],
)
def test_a_value_that_cannot_be_meant_is_named(name: str, value: object) -> None:
    with pytest.raises(RequestError, match=f"^{name}= "):
        checked({name: value})


@pytest.mark.parametrize(
    ("name", "value", "sent"),
    [
        ("temperature", 0, 0), ("temperature", 1.7, 1.7), ("top_p", 1, 1), ("top_p", 0.5, 0.5), ("seed", -3, -3),
        ("presence_penalty", -2, -2), ("stop", "END", "END"), ("stop", ("a", "b"), ["a", "b"]), ("stop", [], None),
        ("response_format", {"type": "text"}, {"type": "text"}), ("parallel_tool_calls", False, False),
        ("their_own", object, object),
    ],
)  # fmt: skip
def test_what_can_be_meant_goes_through(name: str, value: object, sent: object) -> None:
    assert checked({name: value, "left_out": None}) == {name: sent}


def test_a_generator_of_stops_is_kept() -> None:
    """Read once here, it is there for every target."""
    assert checked({"stop": (word for word in ("a", "b"))}) == {"stop": ["a", "b"]}


def test_a_type_for_a_response_format_is_sent_to_parse() -> None:
    with pytest.raises(RequestError, match=r"router\.parse\(messages, Answer\)"):
        checked({"response_format": Answer})


@pytest.mark.parametrize(
    ("tool", "says"),
    [
        ({"type": "function", "name": "look", "parameters": {}}, "Responses API"),
        ({"type": "function"}, "no 'function' with a 'name'"),
        ({"type": "function", "function": "look"}, "no 'function' with a 'name'"),
        ({"type": "function", "function": {"description": "x"}}, "no 'name'"),
        ({"type": "function", "function": {"name": "look", "parameters": [1]}}, "JSON Schema"),
        ({"function": 1}, "no 'type'"),
        (5, "must be a mapping"),
    ],
)
def test_a_tool_of_another_shape_is_shown_the_right_one(tool: object, says: str) -> None:
    right = {"type": "function", "function": {"name": "look"}}
    with pytest.raises(RequestError, match=r"^tools\[1\]") as caught:
        tools_of([right, tool])
    assert says in str(caught.value)
    assert "{'type': 'function', 'function': {'name': ..." in str(caught.value)


def test_tools_of_a_providers_own_pass() -> None:
    own = {"type": "web_search_20250305", "name": "web_search"}
    assert tools_of(iter([own])) == (own,)


json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.just(5000).map(lambda digits: 10**digits),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*WRONG, "n", "x"]), json), json)
def test_anything_is_taken_or_an_error_of_ours(sent: dict[str, object], tools: object) -> None:
    for check in (lambda: checked(sent), lambda: one_choice(sent), lambda: tools_of(tools)):
        with contextlib.suppress(RequestError):
            check()
