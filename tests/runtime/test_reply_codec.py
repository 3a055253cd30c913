"""What is stored under an idempotency key is the reply itself, exactly, or an error that says so."""

import json
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelroute.runtime.parsed import parsed_from
from modelroute.runtime.reply_codec import VERSION, UnreadableReplyError, decode, encode
from modelroute.testing.script import Answer
from modelroute.testing.scripted import ScriptedRouter
from modelroute.types.decision import Decision
from modelroute.types.reply import Reply, ToolCall
from tests.runtime.replies import a_reply, decisions, json_values, replies


@given(replies)
def test_a_reply_comes_back_as_it_was(reply: Reply) -> None:
    again = decode(encode(reply))
    assert again == reply
    assert again.decision._state() == reply.decision._state()
    assert encode(again) == encode(reply)


@given(decisions)
@settings(max_examples=1)
def test_every_part_of_a_decision_is_written(decision: Decision) -> None:
    """A part that was added and forgotten here would be lost from every stored reply."""
    document = json.loads(encode(_with(decision)))
    written = {"reject" if name == "rejected" else name for name in document["reply"]["decision"]}
    assert written == set(decision._state())


def _with(decision: Decision) -> Reply:
    parts = {each.name: getattr(a_reply(), each.name) for each in fields(Reply)}
    return Reply(**{**parts, "decision": decision})


def test_a_real_reply_comes_back_as_it_was() -> None:
    call = ToolCall("call_1", "look", '{"at": "\U0001f600"}')
    script = {"kimi-k2.6@moonshot": [Answer("It is \N{SNOWMAN}.", tool_calls=(call,))]}
    with ScriptedRouter(script) as router:
        reply = router.chat("What is it?", max_cost=0.5)
    again = decode(encode(reply))
    assert again == reply
    assert (again.raw, again.tool_calls, str(again.decision)) == (reply.raw, reply.tool_calls, str(reply.decision))
    assert again.decision.prices == reply.decision.prices


def test_of_a_parsed_reply_the_value_is_left_out() -> None:
    reply = a_reply("12")
    assert decode(encode(parsed_from(reply, 12))) == reply


def test_a_field_that_came_later_may_be_missing() -> None:
    document = json.loads(encode(a_reply()))
    del document["reply"]["replayed"]
    assert decode(json.dumps(document).encode()) == a_reply()


@pytest.mark.parametrize("kept", ["text", "cost", "decision", "message"])
def test_a_field_without_a_default_may_not(kept: str) -> None:
    document = json.loads(encode(a_reply()))
    del document["reply"][kept]
    with pytest.raises(UnreadableReplyError):
        decode(json.dumps(document).encode())


def test_another_version_is_named() -> None:
    document = json.loads(encode(a_reply()))
    document["version"] = VERSION + 1
    with pytest.raises(UnreadableReplyError, match=f"version {VERSION + 1}"):
        decode(json.dumps(document).encode())


def test_what_json_has_no_word_for_is_refused_when_written() -> None:
    parts = {each.name: getattr(a_reply(), each.name) for each in fields(Reply)}
    for wrong in ({"message": {"a": object()}}, {"text": 5}, {"degraded": 1}, {"usage": a_reply().attempts[0]}):
        with pytest.raises((TypeError, AttributeError)):
            encode(Reply(**{**parts, **wrong}))


@given(st.data())
def test_damaged_bytes_are_a_reply_or_unreadable(data: st.DataObject) -> None:
    """Whatever a store gives back, one kind of error says so."""
    document = json.loads(encode(a_reply()))
    place = document["reply"]
    name = data.draw(st.sampled_from(sorted(place)))
    place[name] = data.draw(json_values)
    whole = json.dumps(document).encode()
    cut = data.draw(st.integers(0, len(whole)))
    for damaged in (whole, whole[:cut], whole[cut:], data.draw(st.binary(max_size=20))):
        try:
            read = decode(damaged)
        except UnreadableReplyError:
            continue
        assert isinstance(read, Reply)
        assert encode(read)
