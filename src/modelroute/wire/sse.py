"""Server-sent events as the WHATWG defines them, from bytes in any pieces, within bounds.

Every network read ends up here, usually as one small event, so that case is one comparison and one slice.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from modelroute.wire.errors import GarbledError

__all__ = ["LONGEST_EVENT", "LONGEST_LINE", "Content", "SseDecoder", "SseEvent", "sniff"]

LONGEST_LINE = 1024 * 1024
"""Bytes of one line."""

LONGEST_EVENT = 4 * 1024 * 1024
"""Bytes of one event's data."""

_BOM = b"\xef\xbb\xbf"
_MESSAGE = "message"


class SseEvent(NamedTuple):
    """One event: its name (``message`` unless the server gave one) and its data, several lines joined by a newline.

    A tuple and not a dataclass: one is built for every token of every stream, in a third of the time.
    """

    event: str
    data: str


class Content(StrEnum):
    """What a body seems to be by its first character."""

    EVENTS = "events"
    JSON = "json"
    HTML = "html"
    UNKNOWN = ""
    """Only blanks so far: some servers keep a connection alive with blank lines before a JSON body."""


def sniff(head: bytes) -> Content:
    """Return what a body that begins with `head` is: a stream that was asked for can come as a page or JSON."""
    first = head.removeprefix(_BOM).lstrip()[:1]
    if not first:
        return Content.UNKNOWN
    if first in b"{[":
        return Content.JSON
    return Content.HTML if first == b"<" else Content.EVENTS


class SseDecoder:
    r"""Events from the bytes of one stream, however they are cut into chunks.

    Lines end in CR, LF or CRLF; one leading byte order mark is skipped; comments, ``id``, ``retry`` and unknown
    fields are ignored; bytes that are not UTF-8 read as U+FFFD. An event without data is none, and an empty ``data:``
    is an event with empty data, both as the standard has it.

    One departure: the standard drops an event that the stream ends in the middle of. Some servers leave out the last
    blank line, so `end` returns it. It may be cut: data that does not parse there was interrupted, not garbled.

    Limits: `LONGEST_LINE`, `LONGEST_EVENT`. Holds at most one line and one event.
    """

    __slots__ = ("_data", "_ended_in_cr", "_failure", "_head", "_line", "_name", "_plain")

    def __init__(self) -> None:
        self._line = bytearray()
        """The line begun by earlier chunks."""
        self._data: bytearray | bytes | None = None
        """The data of the event under way; `None` before its first data line."""
        self._name = ""
        self._ended_in_cr = False
        self._head: bytes | None = b""
        """The first bytes while they may still be a byte order mark, then `None`."""
        self._failure: str | None = None
        self._plain = False
        """Nothing is pending: the next chunk begins an event."""

    def feed(self, data: bytes) -> list[SseEvent]:
        """Return the events that `data` completes.

        Raises `GarbledError` once a limit was passed. Events completed before it in the same chunk are returned first
        and the error is raised by the next call, so that what is seen does not depend on the chunks.
        """
        if self._plain and data[:6] == b"data: " and data[-2:] == b"\n\n" and b"\r" not in data:
            end = len(data) - 2
            if data.find(b"\n") == end and end <= LONGEST_LINE:
                return [SseEvent(_MESSAGE, data[6:end].decode("utf-8", "replace"))]
        if self._failure is not None:
            raise GarbledError(self._failure)
        data = self._line_feeds_only(data)
        if not data:
            return []
        events: list[SseEvent] = []
        try:
            self._read(data, events)
        except GarbledError as error:
            self._fail(str(error))
            if not events:
                raise
        return events

    def end(self) -> list[SseEvent]:
        """Return the event the stream ended in the middle of, if any. Call once, when no more bytes come.

        Raises `GarbledError` when a limit was passed and no call has said so yet, and again when one has.
        """
        if self._failure is not None:
            raise GarbledError(self._failure)
        events: list[SseEvent] = []
        if self._head:
            self._line += self._head
        if self._line:
            self._take(bytes(self._line), events)
        self._take(b"", events)
        self._fail("the stream has ended")
        return events

    def _fail(self, problem: str) -> None:
        self._failure = problem
        self._plain = False
        self._line = bytearray()
        self._data = None

    def _line_feeds_only(self, data: bytes) -> bytes:
        """Skip the byte order mark, and make every line end an LF, also where CR and LF come in two chunks."""
        if self._head is not None:
            head = self._head + data
            if len(head) < len(_BOM) and _BOM.startswith(head):
                self._head = head
                return b""
            self._head = None
            data = head.removeprefix(_BOM)
        if not data:
            return data
        if self._ended_in_cr:
            self._ended_in_cr = False
            data = data.removeprefix(b"\n")
        if b"\r" in data:
            self._ended_in_cr = data[-1:] == b"\r"
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _read(self, data: bytes, events: list[SseEvent]) -> None:
        first, *rest = data.split(b"\n")
        self._line += first
        if len(self._line) > LONGEST_LINE:
            raise GarbledError(f"a line of an event stream is longer than {LONGEST_LINE} bytes")
        if not rest:
            self._plain = False
            return
        self._take(bytes(self._line), events)
        self._line = bytearray(rest.pop())
        for line in rest:
            self._take(line, events)
        if len(self._line) > LONGEST_LINE:
            raise GarbledError(f"a line of an event stream is longer than {LONGEST_LINE} bytes")
        self._plain = not self._line and self._data is None and not self._name and not self._ended_in_cr

    def _take(self, line: bytes, events: list[SseEvent]) -> None:
        """Take in one whole line, and add the event it completes, if any, to `events`."""
        if not line:
            if self._data is not None:
                events.append(SseEvent(self._name or _MESSAGE, self._data.decode("utf-8", "replace")))
                self._data = None
            self._name = ""
            return
        if len(line) > LONGEST_LINE:
            raise GarbledError(f"a line of an event stream is longer than {LONGEST_LINE} bytes")
        name, _, value = line.partition(b":")
        if name == b"data":
            value = value.removeprefix(b" ")
            if self._data is None:
                self._data = value
            else:
                if isinstance(self._data, bytes):
                    self._data = bytearray(self._data)
                self._data += b"\n" + value
            if len(self._data) > LONGEST_EVENT:
                raise GarbledError(f"an event of a stream is longer than {LONGEST_EVENT} bytes")
        elif name == b"event":
            self._name = value.removeprefix(b" ").decode("utf-8", "replace")
