"""A conversation is checked for shape before anything is decided; an error never shows what it says (P2, P3)."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from modelroute.errors import RequestError
from modelroute.types.messages import ROLES, Dumped, Message, as_messages

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
        (iter([]), "read only once"),
        (bytearray(b"bytes"), "bytearray"),
        ([{"role": "assistant", "tool_calls": "x"}], "tool_calls"),
        ([{"role": "assistant", "tool_calls": [5]}], "tool_calls"),
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


class Function(BaseModel):
    name: str
    arguments: str


class Call(BaseModel):
    id: str
    type: str = "function"
    function: Function


class Part(BaseModel):
    type: str = "text"
    text: str
    detail: str | None = None


class Said(BaseModel):
    role: str
    content: str | list[Part] | None = None
    refusal: str | None = None
    tool_calls: list[Call] | None = None


class Unsayable:
    def model_dump(self, *, exclude_none: bool = False) -> Message:
        raise KeyError("my private prompt")


CALL = Call(id="1", function=Function(name="look", arguments="{}"))
PLAIN_CALL = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


def test_objects_are_dumped_whole_or_in_part() -> None:
    """What SDKs return can be appended as it is, and so can their tool calls and parts inside a mapping."""
    conversation: list[Message | Dumped] = [
        Said(role="user", content=[Part(text="hi")]),
        Said(role="assistant", tool_calls=[CALL]),
        {"role": "assistant", "tool_calls": [CALL, PLAIN_CALL]},
        {"role": "user", "content": [Part(text="a"), {"type": "text", "text": "b"}]},
    ]
    assert as_messages(conversation) == (
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "tool_calls": [PLAIN_CALL]},
        {"role": "assistant", "tool_calls": [PLAIN_CALL, PLAIN_CALL]},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    )
    assert isinstance(conversation[2], dict)
    assert conversation[2]["tool_calls"] == [CALL, PLAIN_CALL], "the caller's message is left alone"


def test_a_message_of_the_openai_sdk_is_a_message() -> None:
    openai = pytest.importorskip("openai.types.chat")
    said = openai.ChatCompletionMessage(role="assistant", content="Hello", refusal=None)
    assert as_messages([said, {"role": "user", "content": "Hi"}])[0] == {"role": "assistant", "content": "Hello"}


def test_a_generator_is_read_once() -> None:
    assert len(as_messages({"role": "user", "content": str(number)} for number in range(3))) == 3


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (Said(role="user", content="x"), "wrap it in a list"),
        ([Unsayable()], "messages[0] must be a mapping"),
        ([Said], "messages[0] must be a mapping"),
        ([SimpleNamespace(message={"role": "assistant"})], "append reply.message"),
    ],
)
def test_an_object_that_is_no_message(value: object, says: str) -> None:
    with pytest.raises(RequestError) as caught:
        as_messages(value)  # type: ignore[arg-type]
    assert says in str(caught.value)
    assert "private" not in str(caught.value)


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
