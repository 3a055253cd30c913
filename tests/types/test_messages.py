"""A conversation is checked for shape before anything is decided; an error never shows what it says (P2, P3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.errors import RequestError
from modelroute.types.messages import ROLES, Message, as_messages

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "tool_calls", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
messages_of_any_kind = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(sorted(ROLES)) | anything, "content": anything}), max_size=3
)


@given(anything | messages_of_any_kind)
def test_anything_is_a_conversation_or_a_request_error(value: object) -> None:
    try:
        checked = as_messages(value)  # type: ignore[arg-type]
    except RequestError:
        return
    assert checked
    assert all(message["role"] in ROLES for message in checked)


def test_a_string_is_one_user_message() -> None:
    assert as_messages("hello") == ({"role": "user", "content": "hello"},)


def test_what_is_well_formed_passes_unchanged() -> None:
    conversation: list[Message] = [
        {"role": "system", "content": ""},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "u"}}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
        {"role": "tool", "tool_call_id": "1", "content": "42"},
        {"role": "assistant"},
        {"role": "developer", "content": "be brief"},
    ]
    assert list(as_messages(conversation)) == conversation
    assert as_messages(tuple(conversation))[1] is conversation[1]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("", "empty"),
        ([], "empty"),
        ({"role": "user", "content": "x"}, "list"),
        (b"bytes", "bytes"),
        (iter([{"role": "user", "content": "x"}]), "list"),
        ([None], "messages[0]"),
        ([{"role": "user", "content": "x"}, {"role": "bot", "content": "x"}], "messages[1]"),
        ([{"role": ["user"], "content": "x"}], "role"),
        ([{"content": "x"}], "role"),
        ([{"role": "user"}], "content"),
        ([{"role": "user", "content": b"x"}], "bytes"),
        ([{"role": "user", "content": {"type": "text"}}], "dict"),
        ([{"role": "user", "content": ["x"]}], "type"),
        ([{"role": "user", "content": [{"text": "x"}]}], "type"),
    ],
)
def test_what_is_not_says_where_and_why(value: object, says: str) -> None:
    with pytest.raises(RequestError) as caught:
        as_messages(value)  # type: ignore[arg-type]
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        [{"role": "my private prompt of some length", "content": "user"}],
        [{"role": "user", "content": [{"text": "my private prompt of some length"}]}],
        [{"role": "bot", "content": "my private prompt of some length"}],
        ["my private prompt of some length"],
    ],
)
def test_no_prompt_in_the_error(value: object) -> None:
    with pytest.raises(RequestError) as caught:
        as_messages(value)  # type: ignore[arg-type]
    assert "private" not in str(caught.value)
