"""Vectors as they come over the wire, checked number by number: a wrong one would be found by nobody later."""

from __future__ import annotations

import binascii
import math
import sys
from array import array
from collections.abc import Sequence

from modelroute.providers.shape import a_list
from modelroute.wire.errors import GarbledError

__all__ = ["as_vector", "as_vectors"]

_NUMBERS = frozenset({float, int})
_WIDTH = 4
"""Bytes of a number in single precision, which is what every provider computes in."""


def as_vectors(entries: Sequence[object], dimensions: int | None) -> tuple[array[float], ...]:
    """Return `entries` as vectors, all of `dimensions` numbers, or where that is `None` of equally many.

    Raises `GarbledError` for anything else.
    """
    vectors = tuple(map(as_vector, entries))
    for place, vector in enumerate(vectors):
        if dimensions is not None and len(vector) != dimensions:
            raise GarbledError(f"vector {place} has {len(vector)} dimensions, and {dimensions} were asked for")
        if len(vector) != len(vectors[0]):
            raise GarbledError(f"vector {place} has {len(vector)} dimensions, and the first has {len(vectors[0])}")
    return vectors


def as_vector(entry: object) -> array[float]:
    """Return a list of numbers, or its bytes in base64 (little-endian, single precision), as one vector.

    Raises `GarbledError` for what is empty, not finite or no vector at all.
    """
    vector = _unpacked(entry) if isinstance(entry, str) else _listed(entry)
    if not vector:
        raise GarbledError("a vector is empty")
    # No sum of numbers in single precision overflows a double, so it is finite when all of them are.
    if not math.isfinite(sum(vector)):
        raise GarbledError("a vector holds what is no finite number")
    return vector


def _listed(entry: object) -> array[float]:
    numbers = a_list(entry, "a vector")
    if not _NUMBERS.issuperset(map(type, numbers)):
        raise GarbledError("a vector holds what is no number")
    try:
        return array("f", numbers)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    except OverflowError:
        raise GarbledError("a vector holds a number that is too large") from None


def _unpacked(entry: str) -> array[float]:
    try:
        packed = binascii.a2b_base64(entry.encode("ascii"), strict_mode=True)
    except (ValueError, UnicodeEncodeError):
        raise GarbledError("a vector in base64 is not base64") from None
    if len(packed) % _WIDTH:
        raise GarbledError(f"a vector in base64 has {len(packed)} bytes, and each number takes {_WIDTH}")
    vector = array("f")
    vector.frombytes(packed)
    if sys.byteorder == "big":
        vector.byteswap()
    return vector
