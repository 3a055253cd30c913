"""The bytes of a body as the peer meant them, and never more of them than we agreed to hold.

Internal. We ask for ``identity``; a server that compresses all the same is understood, in steps, so that a small body
cannot unfold into a large one before anybody looked.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

from modelroute.runtime.http.errors import HttpBroken

__all__ = ["BODY_BYTES", "Decoder", "decoder_for"]

BODY_BYTES = 128 * 1024 * 1024
"""The largest body that is not an event stream, in decoded bytes: one of vectors. Readers of others take less."""
_STEP = 256 * 1024
_RATIO = 200  # JSON seldom shrinks by more than 20; deflate itself can reach 1,032
_RATIO_FROM = 1024 * 1024  # a small body may well be all blanks
_GZIP = ("gzip", "x-gzip")


def _broken(message: str) -> HttpBroken:
    return HttpBroken("body", sent=True, any_bytes=True, message=message)


class Decoder:
    """Counts a body's bytes, and unfolds them where they are compressed."""

    __slots__ = ("_encoding", "_endless", "_received", "_unfolded", "_waiting", "_zlib")

    def __init__(self, encoding: str, *, endless: bool) -> None:
        """`encoding` is ``identity``, ``gzip``, ``x-gzip`` or ``deflate``; `endless`: no bound on the sum."""
        self._encoding = encoding
        self._endless = endless
        self._received = 0
        self._unfolded = 0
        self._waiting = b""
        self._zlib = None if encoding == "identity" else zlib.decompressobj(31 if encoding in _GZIP else 15)

    @property
    def has_more(self) -> bool:
        """Whether `feed(b"")` may give more before new bytes are needed."""
        return bool(self._waiting)

    def feed(self, data: bytes) -> bytes:
        """Return the next decoded bytes, at most 256 KiB of compressed ones; `HttpBroken`: too many or unreadable."""
        self._received += len(data)
        unfolded = data if self._zlib is None else self._unfold(self._zlib, self._waiting + data)
        self._unfolded += len(unfolded)
        if self._unfolded > BODY_BYTES and not self._endless:
            raise _broken(f"the body is larger than {BODY_BYTES >> 20} MiB")
        if self._unfolded > _RATIO_FROM and self._unfolded > _RATIO * self._received:
            raise _broken(f"the body unfolds to more than {_RATIO} times what was sent")
        return unfolded

    def _unfold(self, current: zlib._Decompress, data: bytes) -> bytes:
        if current.eof and data:
            if self._encoding not in _GZIP:
                raise _broken("bytes follow the end of the compressed body")
            current = zlib.decompressobj(31)  # a gzip body may be several members in a row
        try:
            unfolded = current.decompress(data, _STEP)
        except zlib.error:
            if self._encoding != "deflate" or self._unfolded:
                raise _broken("the compressed body cannot be decoded") from None
            current = zlib.decompressobj(-15)  # some servers say `deflate` and mean it without its wrapper
            unfolded = self._unfold_raw(current, data)
        self._zlib = current
        self._waiting = current.unconsumed_tail or current.unused_data
        return unfolded

    @staticmethod
    def _unfold_raw(current: zlib._Decompress, data: bytes) -> bytes:
        try:
            return current.decompress(data, _STEP)
        except zlib.error:
            raise _broken("the compressed body cannot be decoded") from None

    def end(self) -> None:
        """The peer has ended the body; `HttpBroken` when it ended inside compressed data."""
        if self._zlib is not None and self._received and not self._zlib.eof:
            raise _broken("the body ended inside compressed data")


def decoder_for(headers: Mapping[str, str]) -> Decoder | None:
    """Return what a response's body must pass through; `None` for an uncompressed event stream, which may be endless.

    `HttpBroken` when it has an encoding that was not asked for and is not understood.
    """
    endless = headers.get("content-type", "").lstrip()[:17].lower() == "text/event-stream"
    encoding = headers.get("content-encoding", "").strip().lower() or "identity"
    if encoding == "identity":
        return None if endless else Decoder("identity", endless=False)
    if encoding not in (*_GZIP, "deflate"):
        raise _broken(f"the body has the encoding {encoding[:40]!r} although identity was asked for")
    return Decoder(encoding, endless=endless)
