"""Moments as they are typed: days and times in a zone, as Unix seconds."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Annotated, TypeAlias
from zoneinfo import ZoneInfo

import typer

from modelroute.errors import RequestError

__all__ = ["Since", "Until", "Zone", "between", "zone_named"]

Since: TypeAlias = Annotated[
    str | None, typer.Option(metavar="WHEN", help="From this day or time on: 2026-11-01, or 2026-11-01T08:30.")
]
Until: TypeAlias = Annotated[str | None, typer.Option(metavar="WHEN", help="Up to this day or time, without it.")]
Zone: TypeAlias = Annotated[str, typer.Option(metavar="NAME", help="Whose days: UTC, or Europe/Berlin.")]


def zone_named(name: str) -> tzinfo:
    """Return the zone. Raises `RequestError` for one that nobody knows."""
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise RequestError(
            f"--zone {name!r} is not known here; write UTC or a name such as Europe/Berlin. "
            "Where the system has no list of zones: pip install tzdata"
        ) from None


def between(since: str | None, until: str | None, zone: tzinfo) -> tuple[float | None, float | None]:
    """Return both moments as Unix seconds, `None` for one left out. Raises `RequestError` for what is no moment."""
    begin = None if since is None else _moment(since, "--since", zone)
    end = None if until is None else _moment(until, "--until", zone)
    if begin is not None and end is not None and begin >= end:
        raise RequestError(f"--until {until} is not after --since {since}: nothing can lie between them")
    return begin, end


def _moment(typed: str, option: str, zone: tzinfo) -> float:
    try:
        read = datetime.fromisoformat(typed.strip())
        return (read if read.tzinfo is not None else read.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError):
        raise RequestError(f"{option} {typed!r} is no day; write 2026-11-01, or 2026-11-01T08:30") from None
