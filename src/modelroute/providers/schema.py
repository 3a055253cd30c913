"""JSON Schemas in the narrower forms that providers enforce, and as the words of an instruction where none is enforced.

The answer is validated against the caller's own schema afterwards, so a form may say less than it, never something
else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from modelroute.wire.json import dumps

__all__ = ["closed_schema", "instruction", "plain_schema", "strict_schema"]

_DROPPED = frozenset(
    {"$schema", "$id", "$comment", "default", "examples", "title", "deprecated", "readOnly", "writeOnly"}
)
"""Words that constrain nothing; some are refused by strict mode."""

_LOOSENED = frozenset(
    {"minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems",
     "maxItems", "uniqueItems", "minProperties", "maxProperties", "contentEncoding", "contentMediaType", "pattern",
     "format", "discriminator"}
)  # fmt: skip
"""Constraints that strict grammars refuse; without them the grammar is wider, and our own validation still holds."""

_UNSAYABLE = frozenset(
    {"allOf", "not", "if", "then", "else", "patternProperties", "propertyNames", "prefixItems", "contains",
     "dependentSchemas", "dependentRequired", "unevaluatedProperties", "unevaluatedItems", "$dynamicRef"}
)  # fmt: skip
_DEEPEST = 64


class _UnsayableError(Exception):
    """The schema means something the narrower form cannot say."""


def strict_schema(schema: Mapping[str, object]) -> Mapping[str, object] | None:
    """Return `schema` for OpenAI's strict mode: all objects closed, all properties required; `None` where it cannot be.

    A property with a default becomes required: the model then always writes it, which the original accepts too.
    """
    return _narrowed(schema, require_all=True)


def closed_schema(schema: Mapping[str, object]) -> Mapping[str, object] | None:
    """Return `schema` with every object closed, properties as required as they were; `None` where that cannot be."""
    return _narrowed(schema, require_all=False)


def plain_schema(schema: Mapping[str, object]) -> Mapping[str, object]:
    """Return `schema` without ``$schema``, which servers that take the rest stumble over."""
    return {name: value for name, value in schema.items() if name != "$schema"}


def instruction(schema: Mapping[str, object]) -> str:
    """Return the words that ask for JSON that fits `schema`."""
    return (
        "Answer with one JSON value that fits this JSON Schema, and with nothing else: no prose, no code fence.\n"
        + dumps(plain_schema(schema)).decode()
    )


def _narrowed(schema: Mapping[str, object], *, require_all: bool) -> Mapping[str, object] | None:
    try:
        narrowed = _Narrowing(require_all=require_all).schema(schema, 0)
    except _UnsayableError:
        return None
    return narrowed if narrowed.get("type") == "object" else None


class _Narrowing:
    def __init__(self, *, require_all: bool) -> None:
        self._require_all = require_all

    def schema(self, value: object, depth: int) -> dict[str, object]:
        if not isinstance(value, Mapping) or depth > _DEEPEST:
            raise _UnsayableError  # `true` and `false` are schemas too, but mean "anything" and "nothing"
        schema = cast(Mapping[str, object], value)
        if not _UNSAYABLE.isdisjoint(schema):
            raise _UnsayableError
        narrowed: dict[str, object] = {}
        for name, item in schema.items():
            if name in _DROPPED or name in _LOOSENED:
                continue
            narrowed["anyOf" if name == "oneOf" else name] = self._word(name, item, depth + 1)
        if narrowed.get("type") == "object" or "properties" in narrowed:
            self._close(schema, narrowed)
        elif narrowed.get("type") == "array" and "items" not in narrowed:
            raise _UnsayableError
        elif not narrowed.keys() & {"type", "$ref", "enum", "const", "anyOf"}:
            raise _UnsayableError  # anything goes: no grammar says that
        return narrowed

    def _word(self, name: str, item: object, depth: int) -> object:
        if name in {"properties", "$defs", "definitions"} and isinstance(item, Mapping):
            named = cast(Mapping[str, object], item)
            return {key: self.schema(part, depth) for key, part in named.items()}
        if name in {"anyOf", "oneOf"} and isinstance(item, list | tuple):
            return [self.schema(part, depth) for part in cast(list[object], item)]
        if name == "items":
            return self.schema(item, depth)
        return item

    def _close(self, schema: Mapping[str, object], narrowed: dict[str, object]) -> None:
        """Close an object. One that allows further properties is a map, which a closed object cannot say."""
        properties = narrowed.get("properties")
        if schema.get("additionalProperties") not in (None, False) or not isinstance(properties, dict):
            raise _UnsayableError
        narrowed["type"] = "object"
        narrowed["additionalProperties"] = False
        if self._require_all:
            narrowed["required"] = list(cast(dict[str, object], properties))
