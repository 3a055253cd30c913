"""Reads one response of status 200 whatever it turns out to be: an event stream, one JSON body, or a page of HTML.

Servers answer a request for a stream with a plain body and the reverse, put blank lines before JSON, and stand behind
gateways that say 200 over an error page. What it is shows in its first byte that is not blank, so the answer is the
same for every chunking. What the events mean is the dialect's part, a `Speech`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from modelroute.types.events import Ended, Fault, Skipped
from modelroute.types.failure import Failure, Kind, Seen
from modelroute.wire.errors import GarbledError
from modelroute.wire.json import LARGEST, loads
from modelroute.wire.sse import SseDecoder

if TYPE_CHECKING:
    from modelroute.types.events import WireEvent
    from modelroute.wire.sse import SseEvent

__all__ = ["Reader", "Speech"]

_BLANK = b"\xef\xbb\xbf \t\r\n"
_FIELD_STARTS = b":deir"
_DONE = "[DONE]"


class Speech(Protocol):
    """What one response says in one dialect, event by event.

    `finished`: a finish reason was seen. `ended`: the dialect's own last event was seen. `tool_open`: a tool call has
    begun and may still grow, so that no event can be left out. All methods raise `GarbledError` for what makes no
    sense, and nothing else.
    """

    finished: bool
    ended: bool
    tool_open: bool

    def take(self, value: object, name: str, out: list[WireEvent]) -> Failure | None:
        """Take the JSON of one event called `name`, append what it says; return the failure if it is one."""
        ...

    def body(self, value: object, out: list[WireEvent]) -> Failure | None:
        """Take the JSON of a whole body in the same way."""
        ...

    def last(self, out: list[WireEvent]) -> None:
        """Append what is only known at the end of a good answer."""
        ...

    def failed(self, text: str) -> Failure:
        """Return the failure that an error event means whose data is not JSON."""
        ...


class Reader:
    """A `Decoder` for any dialect: bytes in, events out, ending exactly once."""

    __slots__ = ("_body", "_most", "_over", "_skipped", "_speech", "_stream")

    def __init__(self, speech: Speech, most: int = LARGEST) -> None:
        self._speech = speech
        self._most = most
        self._stream: SseDecoder | None = None
        self._body: bytearray | None = None
        self._skipped = False
        self._over = False

    def feed(self, data: bytes) -> list[WireEvent]:
        """Take the next bytes and return the events they complete."""
        out: list[WireEvent] = []
        if self._over:
            return out
        if self._stream is not None:
            self._feed_stream(self._stream, data, out)
        elif self._body is not None:
            self._feed_body(self._body, data, out)
        else:
            self._begin(data, out)
        return out

    def end(self) -> list[WireEvent]:
        """Say that no more bytes come; return what remains."""
        out: list[WireEvent] = []
        if self._over:
            return out
        if self._stream is not None:
            self._end_stream(self._stream, out)
        elif self._body is not None:
            self._take_body(bytes(self._body), out)
        if not self._over:
            self._conclude(out)
        return out

    def _end_stream(self, stream: SseDecoder, out: list[WireEvent]) -> None:
        """Take the event the bytes ended in the middle of, if it is whole; if it is not, nobody finished writing it."""
        try:
            last = stream.end()
        except GarbledError as error:
            # A limit was passed in the last chunk, behind whole events: as garbled as in a chunk of its own.
            self._fault(Failure(Kind.GARBLED, str(error), status=200), out)
            return
        try:
            for event in last:
                if event.data.strip() != _DONE:
                    loads(event.data)
        except GarbledError as error:
            if not self._speech.finished:
                self._fault(Failure(Kind.INTERRUPTED, f"the stream was cut: {error}", status=200), out)
        else:
            self._take_events(last, out)

    def _begin(self, data: bytes, out: list[WireEvent]) -> None:
        data = data.lstrip(_BLANK)
        if not data:
            return
        first = data[0]
        if first in b"{[":
            self._body = bytearray()
            self._feed_body(self._body, data, out)
        elif first in _FIELD_STARTS:
            self._stream = SseDecoder()
            self._feed_stream(self._stream, data, out)
        elif first in b"<":
            # Somebody in between answered in the provider's place: its status would have been a 502 or 503.
            self._fault(
                Failure(Kind.UNAVAILABLE, "an HTML page in place of an answer", status=200, seen=Seen.MAYBE), out
            )
        else:
            self._fault(Failure(Kind.GARBLED, "neither JSON nor an event stream", status=200), out)

    def _feed_stream(self, stream: SseDecoder, data: bytes, out: list[WireEvent]) -> None:
        try:
            events = stream.feed(data)
        except GarbledError as error:
            self._fault(Failure(Kind.GARBLED, str(error), status=200), out)
        else:
            self._take_events(events, out)

    def _feed_body(self, body: bytearray, data: bytes, out: list[WireEvent]) -> None:
        body += data
        if len(body) > self._most:
            body.clear()
            self._fault(Failure(Kind.GARBLED, f"a body of more than {self._most} bytes", status=200), out)

    def _take_events(self, events: list[SseEvent], out: list[WireEvent]) -> None:
        speech = self._speech
        for event in events:
            data = event.data
            if data == _DONE:
                self._conclude(out)
                return
            if not data or data.isspace():
                continue
            try:
                failure = speech.take(loads(data), event.event, out)
            except GarbledError as error:
                self._left_out(error, event, out)
            else:
                if failure is not None:
                    self._fault(failure, out)
                elif speech.ended:
                    self._conclude(out)
            if self._over:
                return

    def _left_out(self, error: GarbledError, event: SseEvent, out: list[WireEvent]) -> None:
        """Leave out one event that makes no sense, but not a second, and none that may be part of a tool call."""
        if event.data.strip() == _DONE:
            self._conclude(out)
        elif event.event == "error":
            self._fault(self._speech.failed(event.data), out)
        elif self._skipped or self._speech.tool_open:
            self._fault(Failure(Kind.GARBLED, str(error), status=200), out)
        else:
            self._skipped = True
            out.append(Skipped(str(error)))

    def _take_body(self, body: bytes, out: list[WireEvent]) -> None:
        try:
            failure = self._speech.body(loads(body, self._most), out)
        except GarbledError as error:
            failure = Failure(Kind.GARBLED, str(error), status=200)
        if failure is not None:
            self._fault(failure, out)

    def _conclude(self, out: list[WireEvent]) -> None:
        self._over = True
        if self._speech.finished:
            self._speech.last(out)
            out.append(Ended())
        else:
            out.append(Fault(Failure(Kind.INTERRUPTED, "the answer ended without a finish reason", status=200)))

    def _fault(self, failure: Failure, out: list[WireEvent]) -> None:
        self._over = True
        out.append(Fault(failure))
