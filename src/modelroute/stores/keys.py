"""Idempotency keys of one process: whose turn it is, and the replies that are kept."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from modelroute.types.keyed import Begun, Different, Running, Stored

__all__ = ["BYTES_KEPT", "KEYS_KEPT", "Keys"]

KEYS_KEPT = 10_000
"""Keys remembered at most, those in use included."""

BYTES_KEPT = 64 * 1024 * 1024
"""Bytes of replies remembered at most by one process."""

_BEGUN = Begun()


@dataclass(frozen=True, slots=True)
class _Key:
    fingerprint: str
    owner: str
    until: float
    reply: bytes | None = None


@dataclass(slots=True)
class Keys:
    """Keys in use, and keys with a reply, each oldest first. Not thread-safe by itself."""

    _running: OrderedDict[str, _Key] = field(default_factory=OrderedDict[str, _Key])
    _stored: OrderedDict[str, _Key] = field(default_factory=OrderedDict[str, _Key])
    _bytes: int = 0

    def begin(
        self, key: str, fingerprint: str, *, owner: str, lease: float, now: float
    ) -> Begun | Running | Stored | Different:
        """Take `key` for `owner`, or say why not. The owner may take it again, which renews its lease."""
        self._drop(now)
        known = self._stored.get(key) or self._running.get(key)
        if known is not None and known.until > now:
            if known.fingerprint != fingerprint:
                return Different()
            if known.reply is not None:
                return Stored(known.reply)
            if known.owner != owner:
                return Running(known.until)
        self._forget(key)
        self._running[key] = _Key(fingerprint, owner, lease)
        return _BEGUN

    def keep(self, key: str, reply: bytes, *, owner: str, until: float, now: float) -> None:
        """Store `reply` under the key `owner` holds; without effect when it holds it no more."""
        known = self._running.get(key)
        if known is None or known.owner != owner or known.until <= now:
            return
        del self._running[key]
        self._stored[key] = _Key(known.fingerprint, owner, until, reply)
        self._bytes += len(reply)

    def free(self, key: str, *, owner: str) -> None:
        """Let go of a key in use."""
        known = self._running.get(key)
        if known is not None and known.owner == owner:
            del self._running[key]

    @property
    def count(self) -> int:
        """How many keys are remembered."""
        return len(self._running) + len(self._stored)

    def _drop(self, now: float) -> None:
        """Forget what has expired at the old end, then the oldest, replies first, while there are too many."""
        for keys in (self._running, self._stored):
            while keys and next(iter(keys.values())).until <= now:
                self._forget(next(iter(keys)))
        while self.count >= KEYS_KEPT or self._bytes > BYTES_KEPT:
            self._forget(next(iter(self._stored or self._running)))

    def _forget(self, key: str) -> None:
        self._running.pop(key, None)
        stored = self._stored.pop(key, None)
        if stored is not None and stored.reply is not None:
            self._bytes -= len(stored.reply)
