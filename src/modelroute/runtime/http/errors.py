"""What can go wrong in an exchange, in three words: engine and billing ask only, was it sent, did anything come back?

Internal. Whatever httpcore, ssl, h11, zlib, asyncio or a supplied client raises is translated into one of these at this
package's border, without its traceback and without a cause: the frames below hold header values, and so keys.
"""

from __future__ import annotations

from typing import Literal

__all__ = ["HttpBroken", "HttpError", "HttpTimeout", "HttpUnreachable", "Phase"]

Phase = Literal["connect", "send", "headers", "body"]
"""How far an exchange had come: connecting (DNS, TCP, proxy, TLS), sending, awaiting headers, reading the body."""


class HttpError(Exception):
    """Base of the three. `message` never holds a header value or a body."""

    __slots__ = ("message",)

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


class HttpUnreachable(HttpError):
    """DNS, connect, proxy or TLS failed: provably not one byte of the request was sent."""

    __slots__ = ()


class HttpTimeout(HttpError):
    """The limit passed. `phase` says where; nothing of the request was sent when it is ``"connect"``."""

    __slots__ = ("phase",)

    def __init__(self, phase: Phase) -> None:
        self.phase: Phase = phase
        super().__init__(f"the limit passed ({phase})")


class HttpBroken(HttpError):
    """The exchange broke: reset, cut, protocol error, bad compression, too many bytes.

    `sent`: the kernel took at least one byte of the request. `any_bytes`: at least one byte of a response arrived.
    """

    __slots__ = ("any_bytes", "phase", "sent")

    def __init__(self, phase: Phase, *, sent: bool, any_bytes: bool, message: str) -> None:
        self.phase: Phase = phase
        self.sent = sent
        self.any_bytes = any_bytes
        super().__init__(message)
