"""The fault server as a program: ``python -m modelroute.testing.server``, for any client in any language.

```
python -m modelroute.testing.server --list
python -m modelroute.testing.server --port 8900 --only 503 429_retry_after ok --log seen.jsonl
```

A fault is met by its name: as the model, or as the first part of the path (``http://127.0.0.1:8900/503/v1``). With
``--only``, whatever names none of them meets them in turn, so a client need not change its model. Every request is one
line on standard output when it has ended, and one JSON object in ``--log``. Neither ever holds a header; what was asked
is shown with ``--show-content`` only.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from itertools import cycle
from pathlib import Path
from typing import TextIO

from modelroute.errors import UnknownNameError
from modelroute.testing.exchange import Exchange, SeenRequest
from modelroute.testing.fault import Fault
from modelroute.testing.faults import FAULTS, custom, find
from modelroute.testing.server import FaultServer

__all__ = ["RequestLog", "main"]

_REMEMBERED = 1_000
"""Requests kept in memory: the program runs for days, and its log is written as it goes."""


class RequestLog:
    """Writes each request that ended: a line for people to `lines`, an object for machines to `objects`.

    `show_content` adds what was asked. A log that can no longer be written is given up: the server serves on.
    """

    def __init__(self, lines: TextIO, objects: TextIO | None = None, *, show_content: bool = False) -> None:
        self._lines = lines
        self._objects = objects
        self._show_content = show_content

    def __call__(self, seen: SeenRequest) -> None:
        """Write one request."""
        with suppress(OSError, ValueError):
            self._lines.write(self.line(seen) + "\n")
            self._lines.flush()
        if self._objects is not None:
            with suppress(OSError, ValueError):
                self._objects.write(json.dumps(self.record(seen), ensure_ascii=False) + "\n")
                self._objects.flush()

    def line(self, seen: SeenRequest) -> str:
        """Return the request as one line: when, fault, what was asked for, how it ended, bytes sent, how long it took.

        With `show_content` a second line follows.
        """
        kind = "stream" if seen.streamed else "whole"
        took = (seen.at if seen.ended is None else seen.ended) - seen.at
        told = (
            f"{seen.at:9.3f}s  {_printable(seen.behaviour or 'unread'):<24}  {_printable(seen.method)} "
            f"{_path(seen)}  {kind}  {seen.ending}  {seen.bytes_sent} bytes  {took:.3f}s"
        )
        return f"{told}\n            {_content(seen.body)}" if self._show_content else told

    def record(self, seen: SeenRequest) -> Mapping[str, object]:
        """Return the request as JSON-serialisable values, in seconds and bytes."""
        told: dict[str, object] = {
            "number": seen.number,
            "at": round(seen.at, 6),
            "ended": None if seen.ended is None else round(seen.ended, 6),
            "fault": seen.behaviour,
            "method": seen.method,
            "path": _path(seen),
            "model": seen.model,
            "stream": seen.streamed,
            "outcome": seen.ending,
            "bytes_sent": seen.bytes_sent,
            "connection": seen.connection,
        }
        if self._show_content:
            told["content"] = seen.body.decode("utf-8", "replace") if isinstance(seen.body, bytes) else seen.body
        return told


def _path(seen: SeenRequest) -> str:
    """Return the path without its query, where some clients put their key."""
    path, mark, _ = seen.path.partition("?")
    return _printable(path) + ("?..." if mark else "")


def _content(body: object) -> str:
    return _printable(body.decode("utf-8", "replace") if isinstance(body, bytes) else json.dumps(body))


def _printable(text: str) -> str:
    """Return text that cannot move the reader's cursor."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def in_turn(offered: Sequence[Fault]) -> Fault:
    """Return a fault that plays these one after the other, over and over, each under its own name."""
    turns = cycle(offered)

    async def play(exchange: Exchange) -> None:
        chosen = next(turns)
        exchange.record.behaviour = chosen.name
        await chosen.play(exchange)

    return custom("in_turn", play)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve every fault by its name until interrupted, or list them."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        offered = [find(name) for name in dict.fromkeys(chosen.only)] or list(FAULTS.values())
    except UnknownNameError as error:
        parser.error(str(error))
    width = max(len(one.name) for one in offered)
    lines = [f"{one.name:<{width}}  {one.expect or 'answers':<12}  {one.what}" for one in _by_name(offered)]
    if chosen.list:
        sys.stdout.write("\n".join(lines) + "\n")
        return 0
    turns = [one for one in offered if not one.before_body]
    with ExitStack() as stack:
        log = None
        if chosen.log is not None:
            try:
                log = stack.enter_context(chosen.log.open("a", encoding="utf-8"))
            except OSError as error:
                parser.error(f"--log: {error.strerror}: {chosen.log}")
        server = FaultServer(
            port=chosen.port,
            default=in_turn(turns) if chosen.only and turns else "ok",
            on_ended=RequestLog(sys.stdout, log, show_content=chosen.show_content),
            remember=_REMEMBERED,
            only=offered,
        )
        for one in offered:
            server.script(f"/{one.name}", [one])
        # An interrupt may come at any moment, so nothing that serves stands outside of the suppressing block.
        with suppress(KeyboardInterrupt), server:
            sys.stdout.write("\n".join([*lines, "", f"serving at {server.url}; Ctrl-C ends"]) + "\n")
            sys.stdout.flush()
            threading.Event().wait()
    return 0


def _by_name(offered: Sequence[Fault]) -> Sequence[Fault]:
    return sorted(offered, key=lambda one: one.name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m modelroute.testing.server",
        description="A provider that misbehaves on request: ask for the model whose name is the fault, or put the name "
        "before /v1 in the base URL. Over https the TLS handshake is broken off.",
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 to listen on; 0 picks a free one")
    parser.add_argument("--list", action="store_true", help="print the faults and stop")
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help="offer only these faults; a model that names none of them meets them in turn",
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="append every request to FILE, as JSON lines")
    parser.add_argument("--show-content", action="store_true", help="show what was asked, prompts included")
    return parser
