"""From a reply whose text was validated to a `Parsed`, which is the reply and its value."""

from __future__ import annotations

from dataclasses import fields
from typing import TypeVar

from modelroute.types.reply import Parsed, Reply

__all__ = ["parsed_from"]

T = TypeVar("T")


def parsed_from(reply: Reply, value: T) -> Parsed[T]:
    """Return `reply` with `value`."""
    return Parsed(value=value, **{each.name: getattr(reply, each.name) for each in fields(Reply)})
