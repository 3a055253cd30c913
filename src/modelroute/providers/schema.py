"""JSON Schemas in the narrower forms that providers enforce, and as the words of an instruction where none is enforced.

The answer is validated against the caller's own schema afterwards, so a form may say less than it, never something
else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from modelroute.wire.json import dumps

__all__ = ["closed_schema", "inlined_schema", "instruction", "moonshot_schema", "plain_schema", "strict_schema"]

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
_LARGEST = 10_000
"""Parts of a schema after its references were replaced: a few that name each other could make millions."""

_OF_ONE = frozenset(
    {"items", "additionalItems", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames",
     "unevaluatedItems", "unevaluatedProperties"}
)  # fmt: skip
_OF_MANY = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_OF_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Words that hold schemas: one, a list of them, or each by a name."""


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


def inlined_schema(schema: Mapping[str, object]) -> Mapping[str, object] | None:
    """Return `schema` with every ``$ref`` replaced by what it names; `None` where that is itself, or not there.

    Words beside a ``$ref`` hold too, so they are added to it.
    """
    try:
        return plain_schema(_Inlining(schema).schema(schema, 0))
    except _UnsayableError:
        return None


def moonshot_schema(schema: Mapping[str, object]) -> Mapping[str, object] | None:
    """Return `schema` in Moonshot's flavour, meaning the same; `None` where it has none.

    The root is an object; a ``type`` beside ``anyOf`` moves into its branches; a list of ``items`` is ``prefixItems``.
    """
    try:
        flavoured = _flavoured(plain_schema(schema), 0)
    except _UnsayableError:
        return None
    return flavoured if flavoured.get("type") == "object" else None


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


def _mapped(
    schema: Mapping[str, object], change: Callable[[Mapping[str, object], int], dict[str, object]], depth: int
) -> dict[str, object]:
    """Return `schema` with each schema in it changed."""

    def one(value: object) -> object:
        return change(cast(Mapping[str, object], value), depth + 1) if isinstance(value, Mapping) else value

    if depth > _DEEPEST:
        raise _UnsayableError
    changed = dict(schema)
    for name, item in schema.items():
        if name in _OF_NAMED and isinstance(item, Mapping):
            changed[name] = {key: one(part) for key, part in cast(Mapping[str, object], item).items()}
        elif name in _OF_ONE and not isinstance(item, list | tuple):
            changed[name] = one(item)
        elif (name in _OF_MANY or name == "items") and isinstance(item, list | tuple):
            changed[name] = [one(part) for part in cast(Sequence[object], item)]
    return changed


class _Inlining:
    def __init__(self, root: Mapping[str, object]) -> None:
        self._root = root
        self._parts = 0

    def schema(self, schema: Mapping[str, object], depth: int) -> dict[str, object]:
        self._parts += 1
        if depth > _DEEPEST or self._parts > _LARGEST:
            raise _UnsayableError
        named = schema.get("$ref")
        rest = {name: item for name, item in schema.items() if name not in {"$ref", "$defs", "definitions"}}
        if named is None:
            return _mapped(rest, self.schema, depth)
        return self.schema(self._named(named), depth + 1) | _mapped(rest, self.schema, depth)

    def _named(self, reference: object) -> Mapping[str, object]:
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise _UnsayableError  # kept elsewhere
        found = self._root
        for step in filter(None, reference[1:].split("/")):
            item = found.get(step.replace("~1", "/").replace("~0", "~"))
            if not isinstance(item, Mapping):
                raise _UnsayableError
            found = cast(Mapping[str, object], item)
        return found


def _flavoured(schema: Mapping[str, object], depth: int) -> dict[str, object]:
    changed = _mapped(schema, _flavoured, depth)
    if isinstance(changed.get("items"), list):
        changed["prefixItems"] = changed.pop("items")
        if "additionalItems" in changed:
            changed["items"] = changed.pop("additionalItems")
    if "anyOf" in changed and "type" in changed:
        branches = changed["anyOf"]
        if not isinstance(branches, list):
            raise _UnsayableError
        changed["anyOf"] = [_typed(branch, changed["type"]) for branch in cast(list[object], branches)]
        del changed["type"]
    return changed


def _typed(branch: object, kind: object) -> object:
    """Return a branch that says the type which stood beside it; one of another type has no such form."""
    if not isinstance(branch, Mapping):
        raise _UnsayableError
    said = cast(Mapping[str, object], branch)
    if "type" not in said:
        return {"type": kind, **said}
    allowed = cast(list[object], kind) if isinstance(kind, list) else [kind]
    own = cast(list[object], said["type"]) if isinstance(said["type"], list) else [said["type"]]
    if all(each in allowed or (each == "integer" and "number" in allowed) for each in own):
        return said
    raise _UnsayableError
