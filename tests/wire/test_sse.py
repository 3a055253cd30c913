"""An event stream gives the same events however it is cut, holds little, and breaks only as `GarbledError`."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from modelroute.wire import sse
from modelroute.wire.errors import GarbledError
from modelroute.wire.json import loads
from modelroute.wire.sse import LONGEST_EVENT, LONGEST_LINE, Content, SseDecoder, SseEvent, sniff
from tests.wire.samples import ROOT, streams


def decode(*chunks: bytes) -> tuple[list[SseEvent], str | None]:
    """Everything a consumer sees: the events in order, then how it broke, if it did."""
    decoder = SseDecoder()
    events: list[SseEvent] = []
    try:
        for chunk in chunks:
            events += decoder.feed(chunk)
        events += decoder.end()
    except GarbledError as error:
        return events, str(error)
    return events, None


def reference(data: bytes) -> list[SseEvent]:
    """The standard's algorithm, word for word and slow, but for our departure: the last event needs no blank line."""
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")
    events: list[SseEvent] = []
    buffer: list[str] = []
    name = ""
    for line in [*text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), ""]:
        if not line:
            if buffer:
                events.append(SseEvent(name or "message", "\n".join(buffer)))
            buffer, name = [], ""
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            buffer.append(value)
        elif field == "event":
            name = value
    return events


PIECES = st.sampled_from(
    [
        b"data: ",
        b"data:",
        b"data",
        b"event: ",
        b"event:x",
        b"id: 1",
        b"retry: 5",
        b": keep-alive",
        b":",
        b" ",
        b"[DONE]",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\r\n\r\n",
        b'{"a": 1}',
        "é漢🙂".encode(),
        b"\xf0\x9f",
        b"\xff",
        b"\x00",
        b"\xef\xbb\xbf",
    ]
)
STREAMS = st.lists(PIECES | st.binary(max_size=6), max_size=30).map(b"".join)


@given(STREAMS, st.booleans())
def test_equals_the_standards_algorithm(data: bytes, marked: bool) -> None:
    if marked:
        data = b"\xef\xbb\xbf" + data

    assert decode(data) == (reference(data), None)


@given(STREAMS, st.data())
def test_any_cut_gives_the_same_events(data: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=10)))
    chunks = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    assert decode(*chunks) == decode(data)
    assert decode(*(data[at : at + 1] for at in range(len(data)))) == decode(data)


@given(STREAMS, st.integers(0, 12), st.integers(0, 24), st.data())
def test_limits_are_passed_at_the_same_place_in_any_cut(
    data: bytes, line: int, event: int, draw: st.DataObject
) -> None:
    """With limits of a few bytes: the same events before, and the same error after them."""
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=6)))
    chunks = [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sse, "LONGEST_LINE", line)
        patch.setattr(sse, "LONGEST_EVENT", event)
        whole = decode(data)

        assert decode(*chunks) == whole
        assert decode(*(data[at : at + 1] for at in range(len(data)))) == whole


@pytest.mark.parametrize("file", streams())
def test_real_streams_are_the_same_whole_and_byte_by_byte(file: str) -> None:
    data = (ROOT / file).read_bytes()
    events, problem = decode(data)

    assert problem is None
    assert decode(*(data[at : at + 1] for at in range(len(data)))) == (events, None)
    if sniff(data) is Content.EVENTS:
        assert events
        assert all(event.data == "[DONE]" or isinstance(loads(event.data), dict) for event in events)


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"data: a\n\n", [("message", "a")]),
        (b"data:a\n\n", [("message", "a")]),
        (b"data:  a\n\n", [("message", " a")]),
        (b"data: a\rdata: b\r\r", [("message", "a\nb")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [("message", "a"), ("message", "b")]),
        (b"data: a\n\r\n", [("message", "a")]),
        (b"data\n\n", [("message", "")]),
        (b"data:\ndata:\n\n", [("message", "\n")]),
        (b"event: ping\n\n", []),
        (b"event: ping\n\ndata: a\n\n", [("message", "a")]),
        (b"data: a\nevent: late\n\n", [("late", "a")]),
        (b"event: x\nevent: y\ndata: a\n\n", [("y", "a")]),
        (b": comment\n\n: OPENROUTER PROCESSING\n\ndata: a\n\n", [("message", "a")]),
        (b"id: 1\nretry: 10\nunknown: z\nDATA: no\n data: no\ndata: a\n\n", [("message", "a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("message", "a")]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [("message", "a")]),
        (b"\n\n\ndata: a\n\n\n\n", [("message", "a")]),
        (b"data: \xff\xf0\x9f\n\n", [("message", "\ufffd\ufffd")]),
        (b"data: a", [("message", "a")]),
        (b"data: a\n", [("message", "a")]),
        (b"data: a\nda", [("message", "a")]),
        (b"event: error\ndata: a", [("error", "a")]),
        (b"\xef\xbb", []),
        (b"", []),
    ],
)
def test_the_standards_corners(data: bytes, events: list[tuple[str, str]]) -> None:
    assert decode(data) == ([SseEvent(*event) for event in events], None)


def test_a_carriage_return_and_its_line_feed_in_two_chunks_are_one_line_end() -> None:
    decoder = SseDecoder()

    assert decoder.feed(b"data: a\r") == []
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\ndata: b\r") == []
    assert decoder.feed(b"\n\r\n") == [SseEvent("message", "a\nb")]


def test_an_event_is_given_as_soon_as_its_blank_line_is_there() -> None:
    """A CR ends a line at once: waiting for an LF would hold back every event of a CR-only stream."""
    assert SseDecoder().feed(b"data: a\r\r") == [SseEvent("message", "a")]


def test_the_quick_path_knows_when_it_may_not_be_taken() -> None:
    decoder = SseDecoder()
    first = decoder.feed(b"data: a\n\n")

    assert first == decoder.feed(b"data: a\n\n") == [SseEvent("message", "a")]
    assert decoder.feed(b"event: x\n") == []
    assert decoder.feed(b"data: b\n\n") == [SseEvent("x", "b")]
    assert decoder.feed(b"data: c\n") == []
    assert decoder.feed(b"data: d\n\n") == [SseEvent("message", "c\nd")]
    assert decoder.feed(b"data: e") == []
    assert decoder.feed(b"data: f\n\n") == [SseEvent("message", "edata: f")]
    assert decoder.feed(b"data: g\n\ndata: h\n\n") == [SseEvent("message", "g"), SseEvent("message", "h")]
    assert decoder.feed(b"data: a\nd") == []
    assert decoder.feed(b"ata: b\n\n") == [SseEvent("message", "a\nb")]
    assert decoder.feed(b"data: i\ndata: j\n\n") == [SseEvent("message", "i\nj")]


@pytest.mark.parametrize("prefix", [b"data: ", b": ", b"", b"event: "])
def test_a_line_has_a_limit_whether_it_ends_or_not(prefix: bytes) -> None:
    longest = prefix + b"x" * (LONGEST_LINE - len(prefix))

    assert decode(longest + b"\n\n")[1] is None
    assert decode(longest + b"x\n\n")[1] is not None
    assert decode(longest, b"x")[1] is not None
    assert decode(b"data: a\n\n", b"data: a\n\n" + longest + b"x\n\n") == (
        [SseEvent("message", "a"), SseEvent("message", "a")],
        f"a line of an event stream is longer than {LONGEST_LINE} bytes",
    )


def test_the_quick_path_has_the_same_limit() -> None:
    decoder = SseDecoder()
    decoder.feed(b"data: a\n\n")

    assert len(decoder.feed(b"data: " + b"x" * (LONGEST_LINE - 6) + b"\n\n")) == 1
    with pytest.raises(GarbledError):
        decoder.feed(b"data: " + b"x" * (LONGEST_LINE - 5) + b"\n\n")


def test_an_event_of_many_lines_has_a_limit() -> None:
    line = b"data: " + b"x" * 999_999 + b"\n"

    assert len(line) * 4 < LONGEST_EVENT
    assert decode(line * 4 + b"\n")[1] is None
    rest = b"data: " + b"x" * (LONGEST_EVENT - 4 * 1_000_000)
    assert decode(line * 4 + rest + b"\n\n")[1] is None
    assert decode(line * 4 + rest + b"x\n\n")[1] is not None
    assert decode(line * 5)[1] == f"an event of a stream is longer than {LONGEST_EVENT} bytes"


def test_after_an_error_nothing_more_is_decoded() -> None:
    decoder = SseDecoder()
    with pytest.raises(GarbledError):
        decoder.feed(b"x" * (LONGEST_LINE + 1))
    with pytest.raises(GarbledError):
        decoder.feed(b"\n\ndata: a\n\n")
    with pytest.raises(GarbledError):
        decoder.end()


def test_a_stream_ends_once() -> None:
    decoder = SseDecoder()
    decoder.feed(b"data: a")

    assert decoder.end() == [SseEvent("message", "a")]
    with pytest.raises(GarbledError):
        decoder.feed(b"data: b\n\n")


@given(STREAMS)
def test_an_error_never_tells_what_was_read(data: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sse, "LONGEST_LINE", 3)
        problem = decode(b"secret" + data)[1]

    assert problem == "a line of an event stream is longer than 3 bytes"


@pytest.mark.parametrize(
    ("head", "content"),
    [
        (b"", Content.UNKNOWN),
        (b"\xef\xbb\xbf\r\n \n", Content.UNKNOWN),
        (b'\n\n\n {"error"', Content.JSON),
        (b"[", Content.JSON),
        (b"\xef\xbb\xbf<!doctype html>", Content.HTML),
        (b"data: {", Content.EVENTS),
        (b": keep-alive", Content.EVENTS),
        (b"event", Content.EVENTS),
    ],
)
def test_the_first_character_tells_a_stream_from_a_page(head: bytes, content: Content) -> None:
    assert sniff(head) is content


class DecoderHoldsLittle(RuleBasedStateMachine):
    """Whatever is fed in whatever order, at most one line and one event are held, and failing is for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder = SseDecoder()
        self.broken = False

    @rule(data=STREAMS | st.just(b"data: " + b"x" * 400_000) | st.just(b"\ndata: y\n") | st.just(b"\n\n"))
    def feed(self, data: bytes) -> None:
        try:
            self.decoder.feed(data)
        except GarbledError:
            self.broken = True
        else:
            assert not self.broken

    @invariant()
    def holds_little(self) -> None:
        data = self.decoder._data
        assert len(self.decoder._line) <= LONGEST_LINE
        assert data is None or len(data) <= LONGEST_EVENT


DecoderHoldsLittle.TestCase.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
TestDecoderHoldsLittle = DecoderHoldsLittle.TestCase


def test_the_quick_way_is_only_taken_between_two_events() -> None:
    """A chunk that is one whole event is read without looking at each line, which is right only where one may begin."""
    for before in (b": c\nid", b"event: x\n", b"data: a\n", b"\r"):
        decoder = SseDecoder()
        chunked = decoder.feed(before) + decoder.feed(b"data: b\n\n")
        assert chunked == decode(before + b"data: b\n\n")[0], before
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\n\n") == [SseEvent("message", "a")]
    assert decoder.feed(b"\xef\xbb\xbfdata: b\n\n") == [], "only the first bytes of a stream may be a byte order mark"


def test_the_limits_are_the_documented_ones() -> None:
    assert (LONGEST_LINE, LONGEST_EVENT) == (1 << 20, 4 << 20)
