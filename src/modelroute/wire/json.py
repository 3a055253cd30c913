"""JSON with limits: what a server sends is read within bounds, what we send is checked with the place of the fault."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import cast

from modelroute.errors import RequestError
from modelroute.wire.errors import GarbledError

__all__ = ["DEEPEST", "LARGEST", "dumps", "loads"]

LARGEST = 32 * 1024 * 1024
"""Bytes of one JSON text."""

DEEPEST = 100
"""Levels of arrays and objects in one JSON text."""

_BYTES = (bytes, bytearray, memoryview)
_WIDEST = 4_096
_LEAVES = frozenset({str, int, float, bool, type(None)})


def loads(data: bytes | str, most: int = LARGEST) -> object:
    """Read one JSON text of at most `most` bytes and `DEEPEST` levels.

    A leading byte order mark and blank lines are skipped, bytes that are not UTF-8 and lone surrogates read as
    U+FFFD, the last of equal keys counts. ``NaN`` and ``Infinity`` are not JSON and are refused; a number beyond a
    double's range reads as infinite, which `wire.fields` takes for unknown.

    Raises `GarbledError`, and nothing else, for anything that is not such a text.
    """
    if len(data) > most:
        raise GarbledError(f"a JSON text of {len(data)} bytes is larger than {most}")
    from pydantic_core import from_json

    try:
        value = cast(object, from_json(data, allow_inf_nan=False, cache_strings="keys"))
    except (ValueError, TypeError) as error:
        return _loads_leniently(data, str(error))
    openings = data.count(b"{") + data.count(b"[") if isinstance(data, bytes) else data.count("{") + data.count("[")
    if openings > DEEPEST:
        _check_depth(value)
    return value


def _loads_leniently(data: bytes | str, problem: str) -> object:
    """Read text that the strict reader refused over its characters, not its structure."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    try:
        value = cast(object, json.loads(text.removeprefix("\ufeff"), parse_constant=_refuse_constant))
    except (ValueError, RecursionError):
        raise GarbledError(f"not JSON: {problem[:120]}") from None
    _check_depth(value)
    return _whole_characters(value)


def _check_depth(value: object) -> None:
    """Refuse more than `DEEPEST` levels; not recursive, since depth must not be able to end the interpreter."""
    level = [value]
    for _ in range(DEEPEST):
        level = [item for container in level for item in _items(container)]
        if not level:
            return
    if any(isinstance(item, dict | list) for item in level):
        raise GarbledError(f"a JSON text is nested deeper than {DEEPEST} levels")


def _items(value: object) -> list[object]:
    if isinstance(value, list):
        return cast(list[object], value)
    return list(cast(dict[str, object], value).values()) if isinstance(value, dict) else []


def _refuse_constant(name: str) -> object:
    raise ValueError(name)


def _whole_characters(value: object) -> object:
    if isinstance(value, str):
        return value if _is_encodable(value) else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_whole_characters(item) for item in cast(list[object], value)]
    if isinstance(value, dict):
        fields = cast(dict[str, object], value)
        return {cast(str, _whole_characters(key)): _whole_characters(item) for key, item in fields.items()}
    return value


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def dumps(value: object) -> bytes:
    """Write a request body: compact UTF-8, keys in the order given.

    Takes mappings with text keys, sequences, text, whole and finite numbers, booleans and `None`.

    Raises `RequestError` naming the place (``messages[2].content[0].image_url``) for anything else: NaN and infinities,
    bytes, sets, other objects, keys that are not text, lone surrogates, cycles, more than `DEEPEST` levels.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain)
        data = text.encode()
    except (ValueError, TypeError, RecursionError):
        raise RequestError(_fault(value, "", ()) or "the request cannot be written as JSON") from None
    if not _is_well_formed(value):
        raise RequestError(_fault(value, "", ()) or "the request cannot be written as JSON")
    return data


def _plain(value: object) -> object:
    """Turn what only quacks like an object or an array into one; everything else stays refused."""
    if isinstance(value, Mapping):
        return dict(cast(Mapping[object, object], value))
    if isinstance(value, Sequence) and not isinstance(value, _BYTES):
        return list(cast(Sequence[object], value))
    raise TypeError


def _is_well_formed(value: object) -> bool:
    """Check what the writer lets through: it turns keys like 1 and None into text, and knows no depth."""
    level = [value]
    for _ in range(DEEPEST + 1):
        below: list[object] = []
        for item in level:
            if type(item) in _LEAVES:
                continue
            if isinstance(item, Mapping):
                fields = cast(Mapping[object, object], item)
                if not all([isinstance(key, str) for key in fields]):  # noqa: C419 - a list is quicker, and keys are few
                    return False
                below += fields.values()
            elif isinstance(item, Sequence) and not isinstance(item, str):
                below += cast(Sequence[object], item)
        if not below:
            return True
        level = below
    return False


def _fault(value: object, path: str, ancestors: tuple[int, ...]) -> str | None:  # noqa: PLR0911 - one return per kind of fault
    """Return what is wrong with `value` and where, or `None` if nothing is."""
    where = path.removeprefix(".") or "the request"
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return None if _is_encodable(value) else f"{where} holds half of a surrogate pair, which no text in UTF-8 can"
    if isinstance(value, int):
        return None if value.bit_length() < _WIDEST else f"{where} is a number of more than {_WIDEST} bits"
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{where} is {value!r}, which JSON has no word for; leave it out"
    kind = type(value).__name__
    if id(value) in ancestors:
        return f"{where} contains itself"
    if len(ancestors) >= DEEPEST:
        return f"the request is nested deeper than {DEEPEST} levels"
    lineage = (*ancestors, id(value))
    is_bytes = isinstance(value, _BYTES)
    if isinstance(value, Mapping):
        fields = cast(Mapping[object, object], value)
        return next(filter(None, (_field_fault(key, item, path, lineage) for key, item in fields.items())), None)
    if isinstance(value, Sequence) and not is_bytes:
        items = cast(Sequence[object], value)
        return next(filter(None, (_fault(item, f"{path}[{at}]", lineage) for at, item in enumerate(items))), None)
    advice = "encode them as base64 text" if is_bytes else "convert it to text, a number, a list or a dict"
    return f"{where} is {kind}, which JSON has no word for; {advice}"


def _field_fault(key: object, item: object, path: str, lineage: tuple[int, ...]) -> str | None:
    if not isinstance(key, str):
        where = path.removeprefix(".") or "the request"
        return f"{where} has the key {str(key)[:40]!r} of type {type(key).__name__}; keys must be text"
    if not _is_encodable(key):
        return f"{path.removeprefix('.') or 'the request'} has a key with half of a surrogate pair"
    name = f".{key}" if key.isidentifier() else f"[{key[:40]!r}]"
    return _fault(item, path + name, lineage)
