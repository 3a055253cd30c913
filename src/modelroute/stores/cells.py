"""Whole numbers of any size in a database whose integers have 64 bits."""

from __future__ import annotations

__all__ = ["cell", "whole"]

_MOST = 2**63


def cell(number: int) -> int | str:
    """Return what a column keeps of `number` exactly: itself, or its digits where it is too large."""
    return number if -_MOST <= number < _MOST else str(number)


def whole(cell: object) -> int:
    """Return the number that a column kept."""
    return cell if isinstance(cell, int) else int(str(cell))
