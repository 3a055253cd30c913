"""The fault catalog: everything a provider has been seen to do, each with a name and what a client should make of it.

`FAULTS` maps names to faults with their default parameters; the functions below build the same with others:

```python
server.script("gpt-test", ["429", rate_limited(retry_after="2"), ok("Hello", pieces=4)])
```

`says` and `custom` make some of your own. What no server can play has a helper: `dead_port` (nobody listens) and
`unanswered_port` (nobody accepts).
"""

from __future__ import annotations

import socket
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from types import MappingProxyType

from modelroute.errors import UnknownNameError
from modelroute.testing.exchange import Exchange, Headers
from modelroute.testing.fault import CATALOG, Fault, Play, When
from modelroute.testing.faults_body import gzip_bomb, header_flood, huge_body, length_too_long, length_too_short
from modelroute.testing.faults_socket import byte_drip, header_drip, idle_reset, slow_headers, slow_reading
from modelroute.testing.faults_status import (
    bad_status,
    broken_once,
    context_length,
    disguised_error,
    rate_limited,
    redirect,
    unsupported_parameter,
)
from modelroute.testing.faults_stream import (
    comment_drip,
    cut,
    endless,
    error_event,
    error_event_first,
    long_line,
    stalled,
    stream_reset,
)
from modelroute.testing.oddities import ok, ok_stream, slow_first_token, slow_tokens, split_utf8, usage_huge
from modelroute.types.failure import Kind

__all__ = [
    "FAULTS",
    "Fault",
    "Play",
    "bad_status",
    "broken_once",
    "byte_drip",
    "comment_drip",
    "context_length",
    "custom",
    "cut",
    "dead_port",
    "disguised_error",
    "endless",
    "error_event",
    "error_event_first",
    "find",
    "gzip_bomb",
    "header_drip",
    "header_flood",
    "huge_body",
    "idle_reset",
    "length_too_long",
    "length_too_short",
    "long_line",
    "ok",
    "ok_stream",
    "rate_limited",
    "redirect",
    "says",
    "slow_first_token",
    "slow_headers",
    "slow_reading",
    "slow_tokens",
    "split_utf8",
    "stalled",
    "stream_reset",
    "unanswered_port",
    "unsupported_parameter",
    "usage_huge",
]

FAULTS: Mapping[str, Fault] = MappingProxyType(CATALOG)
"""Every fault by name, good answers included, with default parameters."""


def find(behaviour: Fault | str) -> Fault:
    """Return the fault of that name, or the fault itself. Raises `UnknownNameError`."""
    if isinstance(behaviour, Fault):
        return behaviour
    try:
        return FAULTS[behaviour]
    except KeyError:
        raise UnknownNameError("fault", behaviour, FAULTS) from None


def custom(
    name: str, play: Play, *, what: str = "", expect: Kind | None = None, when: When = "none", endless: bool = False
) -> Fault:
    """Make a fault of your own that stands in no catalog: `play` answers each request on its `Exchange`."""
    return Fault(name, what or name, expect, expect, frozenset(), when, play, endless=endless)


def says(
    status: int,
    body: bytes,
    headers: Headers = (),
    *,
    expect: Kind | None = None,
    name: str = "says",
    kind: str = "application/json",
) -> Fault:
    """Answer every request with exactly this status, body and content type (`kind`), whatever was asked."""

    async def play(exchange: Exchange) -> None:
        await exchange.reply(status, body, headers, kind=kind)

    when: When = "none" if expect is None else "before content"
    return custom(name, play, what=f"{status} with a given body", expect=expect, when=when)


@contextmanager
def dead_port() -> Generator[int]:
    """Give a loopback port on which nobody listens, and keep it so: every connection is refused (`UNREACHABLE`)."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@contextmanager
def unanswered_port() -> Generator[int]:
    """Give a loopback port whose queue is full: connecting takes for ever (`UNREACHABLE`). Needs Linux's queues."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port: int = listening.getsockname()[1]
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0.05)
            with suppress(TimeoutError):
                waiting.connect(("127.0.0.1", port))
        yield port
