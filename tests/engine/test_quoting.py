"""A provider's words may quote the prompt; what we keep of them does not."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute import AttemptsFailedError
from modelroute.engine.quoting import LEAST_QUOTE, LEFT_OUT, without_quotes
from modelroute.testing import Fails, Failure, Kind, ScriptedRouter
from modelroute.types.request import Request

SECRET = "The patient's name is Ada Lovelace, born 1815"


def request(*contents: object) -> Request:
    return Request(messages=tuple({"role": "user", "content": content} for content in contents))


@given(before=st.text(max_size=40), after=st.text(max_size=40), start=st.integers(0, 400), length=st.integers(24, 200))
def test_whatever_is_quoted_is_left_out(before: str, after: str, start: int, length: int) -> None:
    prompt = "".join(f"{word:03}-" for word in range(200))
    passage = prompt[start : start + length]
    failure = without_quotes(Failure(Kind.INVALID, before + passage + after), request("short", prompt))
    left = failure.message
    assert LEFT_OUT in left
    assert all(left[at : at + LEAST_QUOTE] not in prompt for at in range(len(left) - LEAST_QUOTE + 1))


@given(st.text(max_size=300))
def test_what_quotes_nothing_stays_as_it_is(message: str) -> None:
    failure = Failure(Kind.INVALID, message)
    assert without_quotes(failure, request("x" * 50)).message in (message, message.replace(message, LEFT_OUT))
    assert without_quotes(failure, request("\uffff" * 50 if "\uffff" not in message else "")) is failure


def test_text_parts_count_and_short_words_are_no_quotation() -> None:
    parts = [
        {"type": "text", "text": SECRET},
        {"type": "image_url", "image_url": {"url": "https://x.test/long-enough"}},
    ]
    failure = without_quotes(Failure(Kind.INVALID, f"bad part {SECRET!r} for max_tokens"), request(parts))
    assert "Ada" not in failure.message
    assert failure.message.startswith("bad part")
    assert failure.message.endswith("for max_tokens")
    same = Failure(Kind.INVALID, "max_tokens is too large")
    assert without_quotes(same, request("please set max_tokens")) is same


def test_neither_the_error_nor_the_log_shows_the_prompt(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "modelroute")
    refused = Fails(Failure(Kind.INVALID, f"messages[0].content: {SECRET} is not allowed", status=400))
    with ScriptedRouter({"a@p": [refused]}) as router, pytest.raises(AttemptsFailedError) as caught:
        router.chat(SECRET)
    router._core.sink.flush()
    assert "Ada Lovelace" not in str(caught.value) + repr(caught.value.attempts) + caplog.text
    assert "is not allowed" in str(caught.value)
