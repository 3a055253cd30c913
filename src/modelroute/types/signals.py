"""What processes tell each other through a shared store: the health of targets, the course of conversations."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Signal"]


@dataclass(frozen=True, slots=True)
class Signal:
    """One fact worth knowing elsewhere: advice, never a promise.

    `key` names it (``hold:<target>#<lane>``, ``breaker:<target>#<place>``, ``conversation:<digest>``), `value` is JSON
    text, `until` the Unix second after which it is forgotten. With `extends`, an earlier one under the same key that
    lasts longer stays; else the newest wins.
    """

    key: str
    value: str
    until: float
    extends: bool = False
