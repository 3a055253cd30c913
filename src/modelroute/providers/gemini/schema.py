"""JSON Schemas in the subset that Gemini reads, for answers and for the parameters of functions.

`responseJsonSchema` and `parametersJsonSchema` take these words of JSON Schema: ``type``, ``format``,
``description``, ``enum`` of texts and numbers, ``items``, ``prefixItems``, ``minItems``, ``maxItems``, ``minimum``,
``maximum``, ``anyOf``, ``properties``, ``additionalProperties``, ``required``, ``$defs``, and ``$ref`` that stands
alone; a definition that contains itself only in places that are not required. So references are inlined, unless that
would make a schema longer than it was (its bytes are what a bound on the prompt's tokens counts): then they stay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from modelroute.providers.parts import fields, text
from modelroute.providers.schema import plain_schema
from modelroute.wire.json import dumps

__all__ = ["answer_schema", "parameters_schema"]

_COPIED = frozenset({"description", "minItems", "maxItems", "minimum", "maximum"})
_FORMATS = frozenset({"date-time", "date", "time", "duration", "int32", "int64", "float", "double", "enum"})
_UNSAYABLE = frozenset(
    {"not", "if", "then", "else", "patternProperties", "propertyNames", "contains", "dependentSchemas",
     "dependentRequired", "unevaluatedProperties", "unevaluatedItems", "$dynamicRef"}
)  # fmt: skip
_DEFINITIONS = ("$defs", "definitions")
_ANYTHING: Mapping[str, object] = {"type": "object"}
_DEEPEST = 48
_MOST_NODES = 4_096


class _UnsayableError(Exception):
    """The schema means something that the subset cannot say."""


class _RecursiveError(_UnsayableError):
    """A definition contains itself."""


def answer_schema(schema: Mapping[str, object]) -> Mapping[str, object] | None:
    """Return `schema` as the answer is held to it, wider perhaps but never other; `None` where that cannot be said.

    Bounds that cannot be said are left out, since the answer is validated afterwards.
    """
    try:
        return _written(schema, lenient=False)
    except _UnsayableError:
        return None


def parameters_schema(schema: Mapping[str, object]) -> Mapping[str, object]:
    """Return `schema` of a function's parameters; what cannot be said is left out, and so anything goes there."""
    try:
        return _written(schema, lenient=True)
    except _RecursiveError:
        return _Narrowing(schema, lenient=True, inlined=False).whole()


def _written(schema: Mapping[str, object], *, lenient: bool) -> Mapping[str, object]:
    inlined = _Narrowing(schema, lenient=lenient, inlined=True).whole()
    if not any(fields(schema.get(name)) for name in _DEFINITIONS):
        return inlined
    if len(dumps(inlined)) <= len(dumps(plain_schema(schema))):
        return inlined
    return _Narrowing(schema, lenient=lenient, inlined=False).whole()


class _Narrowing:
    """One schema being rewritten: `inlined` without references, else with them and their definitions."""

    def __init__(self, root: Mapping[str, object], *, lenient: bool, inlined: bool) -> None:
        self._root = root
        self._lenient = lenient
        self._inlined = inlined
        self._open: list[str] = []
        self._nodes = 0

    def whole(self) -> Mapping[str, object]:
        """Return the root, with the definitions where references stay."""
        narrowed = self._schema(self._root, 0)
        if self._inlined:
            return narrowed
        definitions = {
            key: self._schema(part, 1)
            for name in _DEFINITIONS
            for key, part in fields(self._root.get(name)).items()
        }  # fmt: skip
        return {**narrowed, "$defs": definitions} if definitions else narrowed

    def _schema(self, value: object, depth: int) -> dict[str, object]:
        self._nodes += 1
        if self._nodes > _MOST_NODES or depth > _DEEPEST:
            return self._given_up()
        if not isinstance(value, Mapping):
            # `true` means anything; `false` means nothing, and nothing narrower than anything is left to say it with.
            return {} if self._lenient else self._given_up()
        schema = cast(Mapping[str, object], value)
        if not self._lenient and not _UNSAYABLE.isdisjoint(schema):
            raise _UnsayableError
        reference = schema.get("$ref")
        if isinstance(reference, str):
            return self._reference(reference, schema, depth)
        every = _list(schema.get("allOf"))
        if every:
            return self._every(every, schema, depth)
        return self._narrowed(schema, depth)

    def _given_up(self) -> dict[str, object]:
        if self._lenient:
            return dict(_ANYTHING)
        raise _UnsayableError

    def _reference(self, reference: str, schema: Mapping[str, object], depth: int) -> dict[str, object]:
        name, definition = self._definition(reference)
        if definition is None:
            return self._given_up()
        if not self._inlined and name and depth > 0:
            return {"$ref": f"#/$defs/{name}"}  # and nothing beside it: its neighbours are refused
        if reference in self._open:
            if self._inlined:
                raise _RecursiveError
            return self._given_up()
        self._open.append(reference)
        try:
            beside = {key: item for key, item in schema.items() if key != "$ref"}
            return self._schema({**definition, **beside}, depth + 1)
        finally:
            self._open.pop()

    def _definition(self, reference: str) -> tuple[str, Mapping[str, object] | None]:
        if reference == "#":
            return "", self._root
        for place in _DEFINITIONS:
            name = reference.removeprefix(f"#/{place}/")
            if name != reference:
                found = fields(self._root.get(place)).get(name.replace("~1", "/").replace("~0", "~"))
                return name, cast(Mapping[str, object], found) if isinstance(found, Mapping) else None
        return "", None

    def _every(self, every: Sequence[object], schema: Mapping[str, object], depth: int) -> dict[str, object]:
        """One schema that must hold is that schema; several cannot be said."""
        beside = {key: item for key, item in schema.items() if key != "allOf"}
        if len(every) == 1:
            return self._schema({**fields(every[0]), **beside}, depth + 1)
        if self._lenient:
            return self._schema(beside, depth + 1)
        raise _UnsayableError

    def _narrowed(self, schema: Mapping[str, object], depth: int) -> dict[str, object]:
        narrowed: dict[str, object] = {name: item for name, item in schema.items() if name in _COPIED}
        _kind(schema, narrowed)
        for name in ("anyOf", "oneOf"):
            branches = _list(schema.get(name))
            if branches:
                narrowed["anyOf"] = [self._schema(branch, depth + 1) for branch in branches]
        properties = schema.get("properties")
        if isinstance(properties, Mapping):
            narrowed.setdefault("type", "object")
            named = fields(cast(object, properties))
            narrowed["properties"] = {name: self._schema(part, depth + 1) for name, part in named.items()}
            required = [name for name in _list(schema.get("required")) if name in named]
            if required:  # of what is not described nothing may be required
                narrowed["required"] = required
        others = schema.get("additionalProperties")
        if isinstance(others, bool):
            narrowed["additionalProperties"] = others
        elif isinstance(others, Mapping):
            known = fields(cast(object, others))
            narrowed["additionalProperties"] = self._schema(known, depth + 1) if known else True
        first = _list(schema.get("prefixItems")) or _list(schema.get("items"))
        if first:
            narrowed["prefixItems"] = [self._schema(part, depth + 1) for part in first]
        elif isinstance(schema.get("items"), Mapping):
            narrowed["items"] = self._schema(schema["items"], depth + 1)
        self._choices(schema, narrowed)
        if not self._lenient and not narrowed.keys() & {"type", "anyOf"}:
            raise _UnsayableError  # anything goes: no grammar says that
        return narrowed

    def _choices(self, schema: Mapping[str, object], narrowed: dict[str, object]) -> None:
        """Say an enum as it is taken: of texts or of numbers, with its type. `None` and booleans are types there."""
        values = [schema["const"]] if "const" in schema else list(_list(schema.get("enum")))
        if not values:
            return
        if not all(map(_kind_of, values)):
            if self._lenient:
                return
            raise _UnsayableError
        if schema.get("nullable") is True:
            values.append(None)
        branches = [branch for kind in ("string", "number", "boolean", "null") if (branch := _branch(kind, values))]
        if len(branches) == 1:
            narrowed.update(branches[0])
        else:
            narrowed.pop("type", None)
            narrowed["anyOf"] = branches


def _kind(schema: Mapping[str, object], narrowed: dict[str, object]) -> None:
    kind = schema.get("type")
    if isinstance(kind, str) or _list(kind):
        narrowed["type"] = [kind, "null"] if schema.get("nullable") is True and isinstance(kind, str) else kind
    if text(schema.get("format")) in _FORMATS:
        narrowed["format"] = schema["format"]


def _branch(kind: str, values: Sequence[object]) -> dict[str, object] | None:
    found = [value for value in values if _kind_of(value) == kind]
    if not found:
        return None
    if kind == "number":
        kind = "integer" if all(isinstance(value, int) for value in found) else "number"
    return {"type": kind, "enum": found} if kind not in {"boolean", "null"} else {"type": kind}


def _kind_of(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else ""


def _list(value: object) -> Sequence[object]:
    return cast(Sequence[object], value) if isinstance(value, list | tuple) else ()
