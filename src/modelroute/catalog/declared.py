"""What a declaration says, field by field: read as it is plainly meant, or refused with what to write instead.

Models, scores, providers and targets are built by hand as often as they are read from a file. What slipped through here
would surface inside a request, as somebody else's error. Internal.

Every check takes the value being built and names of its fields; a set, list or whole float is put right in place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from datetime import date, datetime
from operator import index
from types import MappingProxyType
from typing import TypeVar, cast

from modelroute.errors import ConfigurationError, UnknownNameError, shown

__all__ = [
    "checked_name",
    "checked_provider_name",
    "day",
    "each",
    "feature_set",
    "flag",
    "instance",
    "is_count",
    "listed",
    "model_name",
    "number",
    "optional_flag",
    "optional_text",
    "provider_name",
    "refusal",
    "text",
    "text_mapping",
    "texts",
    "whole",
]

_DATE = re.compile(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?", re.ASCII)
_MOST = 1 << 53
"""No number of tokens or days; beyond it arithmetic with floats would no longer be exact."""

Kind = TypeVar("Kind")


def refusal(owner: object, field: str, wanted: str) -> ConfigurationError:
    """Return the error to raise for a field: what was given, and what to write instead."""
    return ConfigurationError(f"{type(owner).__name__}({field}={shown(getattr(owner, field))}): {wanted}")


def listed(value: object) -> tuple[object, ...] | None:
    """Return the members of a list, tuple, set or generator; `None` for text, mappings and what is no collection."""
    if type(value) is tuple:
        return cast("tuple[object, ...]", value)
    if isinstance(value, str | bytes | bytearray | memoryview | Mapping):
        return None
    try:
        return tuple(value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportUnknownVariableType]
    except Exception:  # noqa: BLE001 - whatever a value raises when it is read, it is no list of anything
        return None


def is_count(value: object, least: int = 0) -> bool:
    """Return whether `value` is an integer of at least `least`, and one that can still be counted to."""
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < _MOST


def text(owner: object, *names: str) -> None:
    """Refuse fields that are no text."""
    for name in names:
        if not isinstance(getattr(owner, name), str):
            raise refusal(owner, name, "give text")


def optional_text(owner: object, *names: str) -> None:
    """Refuse fields that are neither text nor `None`."""
    for name in names:
        value = getattr(owner, name)
        if value is not None and not isinstance(value, str):
            raise refusal(owner, name, "give text, or leave it out")


def flag(owner: object, *names: str) -> None:
    """Refuse fields that are no truth value: what merely counts as true is often a mistake."""
    for name in names:
        if not isinstance(getattr(owner, name), bool):
            raise refusal(owner, name, "give True or False")


def optional_flag(owner: object, *names: str) -> None:
    """Refuse fields that are neither a truth value nor `None`."""
    for name in names:
        value = getattr(owner, name)
        if value is not None and not isinstance(value, bool):
            raise refusal(owner, name, "give True or False, or leave it out where it is not known")


def whole(owner: object, *names: str, least: int = 1, optional: bool = True) -> None:
    """Read fields that hold a whole number of at least `least`, or `None`; ``1e6`` is one, ``"128k"`` is not."""
    for name in names:
        value = getattr(owner, name)
        if (value is None and optional) or (type(value) is int and least <= value < _MOST):
            continue
        read = _integer(value)
        if read is None or not least <= read < _MOST:
            otherwise = ", or leave it out" if optional else ""
            raise refusal(owner, name, f"give a whole number of at least {least}, such as 128_000{otherwise}")
        object.__setattr__(owner, name, read)


def number(owner: object, *names: str, least: float = -math.inf, optional: bool = False) -> None:
    """Refuse fields that are no finite number of at least `least`."""
    for name in names:
        value = getattr(owner, name)
        if value is None and optional:
            continue
        if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _MOST or value < least:
            raise refusal(owner, name, "give a number" + (f" of at least {least:g}" if least > -math.inf else ""))


def day(owner: object, name: str, *, complete: bool = False, optional: bool = False) -> None:
    """Read a field that holds a date as ISO text or `datetime.date`: a year, a month or a day; `complete`: a day."""
    value = getattr(owner, name)
    if value is None and optional:
        return
    read = value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else value
    if not isinstance(read, str) or not (_is_day(read, complete) or (read == "" and not optional)):
        partly = "" if complete else ", '2026-12' or '2026'"
        raise refusal(owner, name, f"give a date such as '2026-12-31'{partly}, or leave it out")
    if read is not value:
        object.__setattr__(owner, name, read)


def texts(owner: object, name: str) -> None:
    """Read a field that holds several texts, as a tuple."""
    value = getattr(owner, name)
    read = listed(value)
    if read is None or not all(isinstance(item, str) for item in read):
        raise refusal(owner, name, _a_list_of_text(name, value))
    object.__setattr__(owner, name, read)


def text_mapping(owner: object, name: str) -> None:
    """Read a field that maps text to text, as a read-only copy."""
    value = getattr(owner, name)
    try:
        read = dict(value)
    except Exception:  # noqa: BLE001 - whatever a value raises when it is read, it is no mapping
        read = {None: None}
    if not all(isinstance(item, str) for pair in read.items() for item in pair):
        raise refusal(owner, name, "give a dict of text, such as {'eu': '...'}")
    object.__setattr__(owner, name, MappingProxyType(read))


def each(owner: object, name: str, kind: type[object], example: str) -> None:
    """Read a field that holds several values of `kind`, as a tuple."""
    value = getattr(owner, name)
    read = listed(value)
    if read is None or not all(isinstance(item, kind) for item in read):
        single = f"put it in a list: {name}=[...]" if isinstance(value, kind) else f"give a list such as [{example}]"
        raise refusal(owner, name, single)
    object.__setattr__(owner, name, read)


def instance(owner: object, name: str, kind: type[object], example: str) -> None:
    """Refuse a field that is no `kind`."""
    if not isinstance(getattr(owner, name), kind):
        raise refusal(owner, name, f"give {example}")


def feature_set(owner: object, known: Collection[str], name: str = "features") -> None:
    """Read a field that holds features out of `known`, as a frozenset."""
    value = getattr(owner, name)
    members = listed(value)
    if members is None:
        wanted = f"write {name}={{{value!r}}}" if isinstance(value, str) else "give a set such as {'tools', 'vision'}"
        raise refusal(owner, name, wanted)
    for member in members:
        if not isinstance(member, str) or member not in known:
            raise UnknownNameError("feature", member, known, hint=f"{type(owner).__name__}({name}=...) holds it.")
    if not isinstance(value, frozenset):
        object.__setattr__(owner, name, frozenset(members))


def model_name(owner: object, name: str = "name") -> None:
    """Refuse a field that cannot be a model's name, the part of a target before its ``@``."""
    if not _is_word(getattr(owner, name), "@"):
        raise refusal(owner, name, "a model's name is text without '@' and spaces, such as 'kimi-k2.6'")


def provider_name(owner: object, name: str = "name") -> None:
    """Refuse a field that cannot be a provider's name, the part of a target after its ``@``."""
    checked_provider_name(getattr(owner, name))


def checked_provider_name(name: object) -> str:
    """Return a provider's name; `ConfigurationError` for what cannot be one. It is not shown: it may be a key."""
    if not isinstance(name, str) or not _is_word(name, "@/"):
        raise ConfigurationError("a provider's name is text without '@', '/' and spaces, such as 'deepseek'")
    return name


def checked_name(kind: str, name: object) -> str:
    """Return a name that is to be looked up; `ConfigurationError` for what is no text and so can name nothing."""
    if not isinstance(name, str):
        raise ConfigurationError(f"the name of a {kind} is text, not {shown(name)}")
    return name


def _is_word(value: object, forbidden: str) -> bool:
    return (
        isinstance(value, str)
        and bool(value)
        and value.isprintable()
        and not any(character in forbidden or character.isspace() for character in value)
    )


def _integer(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    try:
        return index(value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    except Exception:  # noqa: BLE001 - whatever a value raises when it is read, it is no number
        return None


def _is_day(value: str, complete: bool) -> bool:
    match = _DATE.fullmatch(value)
    if match is None or (complete and match[3] is None):
        return False
    try:
        date(int(match[1]), int(match[2] or 1), int(match[3] or 1))
    except ValueError:
        return False
    return True


def _a_list_of_text(name: str, value: object) -> str:
    return f"write {name}=[{shown(value)}]" if isinstance(value, str) else f"give a list of text: {name}=['...']"
