"""The fields a profile has a body say, beside those the caller wrote himself."""

from __future__ import annotations

from collections.abc import Mapping

from modelroute.providers.parts import fields

__all__ = ["add", "put"]


def put(body: dict[str, object], more: Mapping[str, object]) -> None:
    """Put `more` into the body, field by field where both hold fields."""
    for name, value in more.items():
        body[name] = {**fields(body.get(name)), **fields(value)} if _has_fields(value) else value


def add(body: dict[str, object], more: Mapping[str, object]) -> None:
    """Add of `more` what the body does not say yet, field by field where both hold fields."""
    for name, value in more.items():
        present = body.get(name)
        if _has_fields(value) and (present is None or _has_fields(present)):
            body[name] = {**fields(value), **fields(present)}
        elif name not in body:
            body[name] = value


def _has_fields(value: object) -> bool:
    return isinstance(value, Mapping)
