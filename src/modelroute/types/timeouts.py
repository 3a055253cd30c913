"""How long each phase of an attempt may take, and which moment ends the whole request."""

from __future__ import annotations

from dataclasses import dataclass

from modelroute.errors import ConfigurationError

__all__ = ["CHAT_DEADLINE", "STREAM_DEADLINE", "Timeouts"]

CHAT_DEADLINE = 600.0
"""Seconds a `chat` may take to the complete reply (a 32k answer at 50 tokens/s takes 640 s)."""

STREAM_DEADLINE = 120.0
"""Seconds a `stream` may take to its first content (docs/reference/defaults.md)."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits of one attempt's phases, in seconds (defaults: docs/reference/defaults.md).

    `connect`: DNS, TCP and TLS. `first_token`: from sending to the first content (a reasoning token is a token); where
    a model reasons without showing it, `silent_reasoning` is used instead. `idle`: between two events of content.
    `attempt`: one attempt in all. Except for `connect`, they apply while another eligible target remains: the last one
    may use all that is left of the deadline. After a stream's commit only `idle` runs, and only while the caller waits
    for us.
    """

    connect: float = 5.0
    first_token: float = 10.0
    idle: float = 10.0
    attempt: float = 120.0
    silent_reasoning: float = 120.0

    def __post_init__(self) -> None:
        for name in ("connect", "first_token", "idle", "attempt", "silent_reasoning"):
            seconds = getattr(self, name)
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < float("inf"):
                raise ConfigurationError(f"Timeouts({name}=...) must be a positive number of seconds, not {seconds!r}")
