"""Reading untrusted JSON: a field is what it should be, or it is absent. Decoders that only use these cannot raise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

__all__ = ["MOST_TOKENS", "as_count", "as_list", "as_mapping", "as_text"]

MOST_TOKENS = 1_000_000_000
"""No request has more tokens than this; a usage that says so is a bug at the other end, not a bill."""

_NO_FIELDS: Mapping[str, object] = {}


def as_mapping(value: object) -> Mapping[str, object]:
    """Return `value` if it is a JSON object, else an empty one."""
    return cast(Mapping[str, object], value) if isinstance(value, dict) else _NO_FIELDS


def as_list(value: object) -> Sequence[object]:
    """Return `value` if it is a JSON array, else an empty one."""
    return cast(Sequence[object], value) if isinstance(value, list) else ()


def as_text(value: object) -> str:
    """Return `value` if it is a string, else ``""``."""
    return value if isinstance(value, str) else ""


def as_count(value: object) -> int | None:
    """Return `value` if it can be a number of tokens, else `None`.

    A whole number from 0 to `MOST_TOKENS`; ``12.0`` counts as 12, since some servers write counts as floats. `True`,
    text, negative, fractional, infinite and enormous values are `None`: unknown, which is never zero.
    """
    if isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS:
        return value
    return None
