"""Samples whose bytes were cut, doubled or flipped: nothing raises, everything ends once, and no stump is an answer."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelroute.providers.errors import classify, speaker_of
from modelroute.types.failure import Kind
from tests.providers.samples import Sample, answer_of, answers, at, decode, errors

WHOLE = [sample for sample in answers() if "error" not in sample.expect]
FINISH = re.compile(rb'"(?:finish_reason|stop_reason|finishReason|blockReason)": ?"|"type": ?"response\.completed"')
"""Where each dialect says that the model is done."""


@st.composite
def damaged(draw: st.DrawFn, body: bytes) -> bytes:
    """Return `body` with up to four cuts, doublings, swaps or flips of its bytes."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        end = min(len(body), start + draw(st.integers(0, 80)))
        match draw(st.sampled_from(["drop", "double", "flip", "end", "line", "insert"])):
            case "drop":
                body = body[:start] + body[end:]
            case "double":
                body = body[:end] + body[start:end] + body[end:]
            case "flip" if start < len(body):
                body = body[:start] + bytes([body[start] ^ draw(st.integers(1, 255))]) + body[start + 1 :]
            case "end":
                body = body[:start]
            case "line":
                lines = body.split(b"\n")
                place = draw(st.integers(0, len(lines) - 1))
                body = b"\n".join([*lines[:place], *lines[place + draw(st.integers(0, 2)) :]])
            case _:
                body = body[:start] + draw(st.binary(max_size=6)) + body[start:]
    return body


@pytest.mark.parametrize("sample", answers(), ids=lambda sample: sample.file)
@settings(max_examples=15)
@given(data=st.data())
def test_damage_ends_exactly_once_however_it_arrives(sample: Sample, data: st.DataObject) -> None:
    body = data.draw(damaged(sample.body))
    whole = decode(sample.decoder(), [body])

    answer_of(whole)  # asserts the rules of events, one end among them
    assert decode(sample.decoder(), at(body, data.draw(st.lists(st.integers(0, 5_000), max_size=4)))) == whole


@pytest.mark.parametrize("sample", WHOLE, ids=lambda sample: sample.file)
def test_a_cut_before_the_finish_is_never_an_answer(sample: Sample) -> None:
    said = FINISH.search(sample.body) if sample.streamed else None
    length = said.start() if said else len(sample.body.rstrip()) - 1
    for end in {0, 1, length, *range(0, length, 7)}:
        answer = answer_of(decode(sample.decoder(), [sample.body[:end]]))

        assert answer.failure is not None, end
        assert answer.failure.kind in {Kind.INTERRUPTED, Kind.GARBLED}, end
        assert not answer.counted_whole


@given(data=st.data())
def test_damaged_errors_are_still_one_failure(data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(errors()))
    failure = classify(
        speaker_of(sample.provider, "compatible"), sample.status, sample.headers, data.draw(damaged(sample.body)), 0.0
    )

    assert failure.kind in Kind
    assert failure.status == sample.status
