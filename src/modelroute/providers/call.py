"""One upstream call as a value, and what turns its answer into events: all the runtime needs to know of a dialect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from modelroute.types.events import WireEvent
    from modelroute.types.failure import Failure

__all__ = ["Call", "Decoder", "Headers"]

Headers = tuple[tuple[str, str], ...]
"""Header names and values in the order they are sent."""


class Decoder(Protocol):
    """Turns the bytes of one 200 response into events, without a socket. One per attempt.

    Any chunking of the same bytes gives the same events. They end in exactly one `Ended` or `Fault`, after which
    nothing is said. Nothing raises, whatever the bytes.
    """

    def feed(self, data: bytes) -> list[WireEvent]:
        """Take the next bytes and return the events they complete."""
        ...

    def end(self) -> list[WireEvent]:
        """Say that no more bytes come; return what remains, ``[..., Ended()]`` or ``[..., Fault(...)]``."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """One upstream call, ready but for what its lane decides: `Endpoint.base`, and the headers of `Endpoint.authorize`.

    `path` follows the base URL of the lane. `decoder` reads a response of status 200; `classify` makes the failure of
    any other, from its status, headers by lower-case name, body and the moment in Unix seconds. `streamed` is false
    where the body comes whole: then only the attempt limit applies.
    """

    target: str
    provider: str
    method: str
    path: str
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    decoder: Callable[[], Decoder] = field(repr=False)
    classify: Callable[[int, Mapping[str, str], bytes, float], Failure] = field(repr=False)
    streamed: bool
