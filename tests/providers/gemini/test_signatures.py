"""Signatures go back on the parts they came on: decoded, kept in the reply's message, encoded again."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.providers.gemini.blocks import Skeleton, restore
from modelroute.providers.gemini.encode import encode
from modelroute.types.messages import PROVENANCE
from modelroute.types.request import Request
from tests.providers.gemini.answers import (
    HERE,
    chunk,
    counted,
    function_call,
    message_of,
    profile_of,
    said,
    stream,
    text,
    whole,
)
from tests.providers.requests import call, called, result, user
from tests.providers.samples import Json

ESCAPE = "skip_thought_signature_validator"


def sent_back(message: Json) -> list[Json]:
    """Return the parts that the model's turn goes back as."""
    request = Request(messages=(user("Hi"), message, user("And now?")))
    contents = json.loads(encode(request, HERE, profile_of(HERE), None, stream=False))["contents"]
    found: list[Json] = contents[1]["parts"] if len(contents) > 1 else []
    return found


def bare(part: Json) -> Json:
    """Return a part without the id of its call, which was made up here or is the same anyway."""
    if "functionCall" not in part:
        return part
    return {**part, "functionCall": {name: value for name, value in part["functionCall"].items() if name != "id"}}


def test_the_first_of_parallel_calls_is_signed() -> None:
    parts = [function_call(signature="s1"), function_call("refund", id="r")]
    back = sent_back(message_of(said(whole(chunk(text("Plan", thought=True), *parts, finish="STOP")))))

    assert [part.get("thoughtSignature") for part in back] == ["s1", None]
    assert back[1]["functionCall"]["id"] == "r"


def test_an_empty_text_carries_a_signature() -> None:
    answer = said(
        stream(chunk(text("Shipped ")), chunk(text("today.")), chunk(text("", thoughtSignature="s"), finish="STOP"))
    )

    assert sent_back(message_of(answer)) == [{"text": "Shipped today."}, {"text": "", "thoughtSignature": "s"}]


def test_signed_text_is_not_joined_with_other_text() -> None:
    parts = [text("A", thoughtSignature="1"), text("B"), text("C", thoughtSignature="2"), text("D")]

    assert sent_back(message_of(said(whole(chunk(*parts, finish="STOP"))))) == parts


def test_what_is_not_signed_needs_no_blocks() -> None:
    answer = said(whole(chunk(text("Thinking", thought=True), text("Hi"), finish="STOP")))

    assert answer.blocks == {}
    assert sent_back(message_of(answer)) == [{"text": "Hi"}]


def test_a_signed_thought_goes_back_as_it_came() -> None:
    thought = text("Plan.", thought=True, thoughtSignature="s")

    assert sent_back(message_of(said(whole(chunk(thought, text("Hi"), finish="STOP"))))) == [thought, text("Hi")]


def test_parts_of_tools_that_ran_there_go_back_as_they_came() -> None:
    parts = [
        {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"codeExecutionResult": {"output": "1"}},
        text("1"),
    ]

    assert sent_back(message_of(said(whole(chunk(*parts, finish="STOP"))))) == parts


def test_an_edited_message_keeps_the_signatures_of_its_calls() -> None:
    parts = [text("Let me look. ", thoughtSignature="t"), function_call(id="a", signature="s")]
    message = message_of(said(whole(chunk(*parts, finish="STOP"))))
    back = sent_back({**message, "content": "Edited."})

    assert back == [text("Edited."), {**function_call(id="a"), "thoughtSignature": "s"}]


def test_a_call_that_was_added_is_marked_and_one_that_was_taken_out_is_gone() -> None:
    message = message_of(said(whole(chunk(function_call(id="a", signature="s"), finish="STOP"))))
    added = {**message, "tool_calls": [call("new"), *message["tool_calls"]]}

    assert [part.get("thoughtSignature") for part in sent_back(added)] == [ESCAPE, "s"]
    assert sent_back({**message, "content": "x", "tool_calls": []}) == [text("x")]


def test_every_step_of_anothers_is_marked_on_its_first_call() -> None:
    request = Request(
        messages=(user("Hi"), called(call("a"), call("b")), result("a"), result("b"), called(call("c")), result("c"))
    )
    contents = json.loads(encode(request, HERE, profile_of(HERE), None, stream=False))["contents"]
    signatures = [part.get("thoughtSignature") for turn in contents for part in turn["parts"] if "functionCall" in part]

    assert signatures == [ESCAPE, None, ESCAPE]


def test_a_signature_kept_from_the_compatible_api_is_sent() -> None:
    kept = {**call("a"), "extra_content": {"google": {"thought_signature": "s"}}}

    assert [part.get("thoughtSignature") for part in sent_back(called(kept))] == ["s"]


SIGNATURES = st.sampled_from(["", "s1", "s2"])
WORDS = st.text(min_size=1, max_size=4)


def signed(part: Json, signature: str) -> Json:
    return {**part, "thoughtSignature": signature} if signature else part


PARTS = st.lists(
    st.one_of(
        st.builds(lambda words, signature: signed(text(words), signature), WORDS, SIGNATURES),
        st.builds(lambda words, signature: signed(text(words, thought=True), signature), WORDS, SIGNATURES),
        st.builds(lambda signature: signed(function_call(), signature), SIGNATURES),
        st.just(text("", thoughtSignature="s3")),
    ),
    max_size=6,
)


def joined(parts: list[Json]) -> list[Json]:
    """Return parts with the neighbours joined that nothing tells apart: text without a signature."""
    found: list[Json] = []
    for part in parts:
        if found and part.keys() == {"text"} == found[-1].keys():
            found[-1] = text(found[-1]["text"] + part["text"])
        else:
            found.append(part)
    return found


@given(PARTS, st.booleans())
def test_what_came_goes_back_but_for_unsigned_thoughts(parts: list[Json], streamed: bool) -> None:
    ended = (
        [chunk(*parts, finish="STOP", usage=counted())] if not streamed else [*map(chunk, parts), chunk(finish="STOP")]
    )
    answer = said(stream(*ended))
    message = json.loads(json.dumps(message_of(answer)))  # as it is kept by whoever keeps conversations

    expected = joined([part for part in parts if "thought" not in part or "thoughtSignature" in part])
    calls = [part for part in expected if "functionCall" in part]
    if calls and "thoughtSignature" not in calls[0]:
        calls[0]["thoughtSignature"] = ESCAPE
    if not answer.blocks:  # the order of text and calls is only kept where something is signed
        assert sorted(map(json.dumps, map(bare, sent_back(message)))) == sorted(
            map(json.dumps, [*([text(answer.text)] if answer.text else []), *calls])
        )
    else:
        assert [bare(part) for part in sent_back(message)] == expected


@given(PARTS)
def test_a_skeleton_restores_what_made_it(parts: list[Json]) -> None:
    skeleton, calls, words = Skeleton(), {}, ""
    for number, part in enumerate(parts):
        signature = part.get("thoughtSignature", "")
        if "functionCall" in part:
            calls[f"c{number}"] = {"functionCall": part["functionCall"]}
            skeleton.call(f"c{number}", signature)
        elif "thought" in part:
            skeleton.thought(part["text"], signature)
        else:
            words += part["text"]
            skeleton.text(len(part["text"]), signature)

    back = restore(skeleton.blocks(), words, calls)

    kept = [part for part in parts if "thought" not in part or "thoughtSignature" in part]
    if skeleton.blocks():
        assert list(back) == joined(kept)


@given(
    st.recursive(
        st.none() | st.text(max_size=3) | st.integers(-3, 10**12),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["type", "id", "signature", "characters", "part", "text"]), inner, max_size=4
            )
        ),
    )
)
def test_blocks_that_were_tampered_with_lose_no_words(blocks: object) -> None:
    message = {
        **called(call("a"), content="Words."),
        PROVENANCE: {"provider": "google", "model": HERE.model.name, "blocks": {"parts": blocks}},
    }
    back = sent_back(message)

    assert "".join(part.get("text", "") for part in back if "thought" not in part) == "Words."
    assert [part["functionCall"]["id"] for part in back if "functionCall" in part] == ["a"]


@pytest.mark.parametrize("kind", ["text", "call", "thought", "part"])
def test_items_without_what_they_need_are_passed_over(kind: str) -> None:
    assert list(restore([{"type": kind}], "", {})) in ([], [text("")], [text("", thought=True)])
