"""What sync and async share in talking to a provider: the key, the request, what an HTTP error means in our table."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from modelroute.engine.commands import Batch
from modelroute.runtime.admission import Admitted
from modelroute.runtime.http import HttpBroken, HttpError, HttpRequest, HttpTimeout, HttpUnreachable, Limit
from modelroute.types.events import Ended, Fault
from modelroute.types.failure import Failure, Kind
from modelroute.wire.secrets import Secret, redact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modelroute.engine.commands import Open
    from modelroute.providers.call import Decoder
    from modelroute.providers.endpoint import Endpoint
    from modelroute.runtime.routes import AsyncSource, SyncSource
    from modelroute.types.events import WireEvent

__all__ = [
    "DRAIN_SECONDS",
    "ERROR_BODY_LIMIT",
    "AsyncUpstream",
    "KeyFailure",
    "SyncUpstream",
    "authorized",
    "classified",
    "ended_by",
    "opening_failure",
    "over",
    "resolve_key",
    "stalled",
    "without_key",
]

ERROR_BODY_LIMIT = 256 * 1024
"""Bytes of an error's body that are read; what it says stands in the first few hundred."""

DRAIN_SECONDS = 0.02
"""How long the end of a body is waited for after its last event, so that the connection can be used again."""


class KeyFailure(Exception):
    """The key could not be had; `failure` says so in our table, without the key."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__()


class _Upstream(Admitted):
    """An open exchange: its decoder, its moving limit, and the key that may be echoed in what comes."""

    __slots__ = ("_secret", "decoder", "ended", "limit")

    def __init__(self, decoder: Decoder, limit: Limit, secret: Secret | None) -> None:
        super().__init__()
        self.decoder = decoder
        self.limit = limit
        self.ended = False
        self._secret = secret

    def cleaned(self, events: list[WireEvent]) -> list[WireEvent]:
        """Return `events` with the key taken out of the words of a fault, and note a proper end."""
        self.answered = bool(events) and isinstance(events[-1], Ended)
        if self._secret is not None and events and isinstance(events[-1], Fault):
            events[-1] = Fault(without_key(events[-1].failure, self._secret))
        return events


class SyncUpstream(_Upstream):
    """An open exchange read by blocking. `supplied`: over a client of the user's own."""

    __slots__ = ("_supplied", "source")

    def __init__(
        self, source: SyncSource, decoder: Decoder, limit: Limit, secret: Secret | None, *, supplied: bool
    ) -> None:
        super().__init__(decoder, limit, secret)
        self.source = source
        self._supplied = supplied

    def cut(self) -> None:
        """Cut the connection. A client of the user's own is left in peace: it may hold a lock in this very thread."""
        super().cut()
        if not self._supplied:
            with suppress(Exception):
                self.source.abort()


class AsyncUpstream(_Upstream):
    """An open exchange read on an event loop, the running one."""

    __slots__ = ("_loop", "source")

    def __init__(self, source: AsyncSource, decoder: Decoder, limit: Limit, secret: Secret | None) -> None:
        super().__init__(decoder, limit, secret)
        self.source = source
        self._loop = asyncio.get_running_loop()

    def cut(self) -> None:
        """Let the loop cut the connection; one that has ended has done so."""
        super().cut()
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.source.abort)


def resolve_key(endpoint: Endpoint, lane: int) -> Secret | None:
    """Return the key of `lane`, `None` for an endpoint that needs none. Raises `KeyFailure` when it cannot be had."""
    key = endpoint.key(lane)
    if key is None:
        return None
    try:
        secret = key.resolve(os.environ)
    except Exception as error:  # noqa: BLE001 - a callable of the user's: whatever it raises, the attempt is denied
        why = f"the key of {endpoint.target.provider} could not be had: its callable raised {type(error).__name__}"
        raise KeyFailure(Failure(Kind.DENIED, why)) from None
    if secret is None and endpoint.needs_key:
        raise KeyFailure(Failure(Kind.DENIED, f"{endpoint.target.provider} has no key: {key!r} gave none"))
    return secret


def authorized(endpoint: Endpoint, open_: Open, secret: Secret | None) -> HttpRequest:
    """Return the request to the place of its lane, with the key in its headers."""
    call = open_.call
    headers = call.headers if secret is None else (*call.headers, *endpoint.authorize(secret.reveal()))
    return HttpRequest(method=call.method, url=endpoint.base(open_.lane) + call.path, headers=headers, body=call.body)


def opening_failure(error: HttpError, secret: Secret | None = None) -> Failure:
    """Return what an error before the first byte of the body means, without the key: a protocol error quotes bytes."""
    failure = _opening_failure(error)
    return failure if secret is None else without_key(failure, secret)


def _opening_failure(error: HttpError) -> Failure:
    if isinstance(error, HttpUnreachable):
        return Failure(Kind.UNREACHABLE, error.message)
    if isinstance(error, HttpTimeout):
        if error.phase == "connect":
            return Failure(Kind.UNREACHABLE, "connecting took too long")
        return Failure(Kind.SILENT, "no response within the limit")
    if isinstance(error, HttpBroken) and not error.sent:
        return Failure(Kind.UNREACHABLE, error.message)
    if isinstance(error, HttpBroken) and not error.any_bytes:
        return Failure(Kind.TRANSIENT, error.message)
    return Failure(Kind.GARBLED, error.message)


def classified(
    open_: Open, status: int, headers: dict[str, str], body: bytes, *, now: float, secret: Secret | None
) -> Failure:
    """Return the failure of a response that is not a 200, with the key taken out of its words."""
    failure = open_.call.classify(status, headers, body, now)
    return failure if secret is None else without_key(failure, secret)


def without_key(failure: Failure, secret: Secret) -> Failure:
    """Return `failure` with the key taken out of the provider's words."""
    code, feature = failure.provider_code, failure.feature
    if not failure.message and not code and not feature:
        return failure
    return replace(
        failure,
        message=redact(failure.message, (secret,)),
        provider_code=None if code is None else redact(code, (secret,)),
        feature=None if feature is None else redact(feature, (secret,)),
    )


def over(events: Sequence[WireEvent]) -> bool:
    """Whether `events` are the last of their stream."""
    return bool(events) and isinstance(events[-1], Ended | Fault)


def stalled(decoder: Decoder) -> Batch:
    """Return what a body that fell silent amounts to: its end when the model had said that it is done, else nothing."""
    events = decoder.end()
    if events and isinstance(events[-1], Ended):
        return Batch(events)
    return Batch((), timed_out=True)


def ended_by(decoder: Decoder, error: HttpError) -> list[WireEvent]:
    """Return the last events of a body that broke: its end when it had finished, else the fault.

    What makes no sense at its end was cut there: the break is the reason, and the one that is told.
    """
    events = decoder.end()
    if events and isinstance(events[-1], Fault):
        failure = events[-1].failure
        if failure.kind in (Kind.INTERRUPTED, Kind.GARBLED):
            told = f"{failure.message} ({error.message})"
            events[-1] = Fault(replace(failure, kind=Kind.INTERRUPTED, message=told))
    return events
