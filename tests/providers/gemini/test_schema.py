"""Schemas in Gemini's words: never narrower than they were, and nothing in them that is not taken."""

import json
from collections.abc import Mapping
from enum import Enum
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from modelroute.providers.gemini.schema import answer_schema, parameters_schema
from tests.providers.samples import Json

TAKEN = {
    "type", "format", "description", "enum", "items", "prefixItems", "minItems", "maxItems", "minimum", "maximum",
    "anyOf", "properties", "additionalProperties", "required", "$defs", "$ref",
}  # fmt: skip


def words(schema: object) -> set[str]:
    """Return every word of a schema, wherever a schema stands in it."""
    if isinstance(schema, list):
        return {word for each in schema for word in words(each)}
    if not isinstance(schema, Mapping):
        return set()
    found = set(schema)
    for name, value in schema.items():
        if name in {"properties", "$defs"}:
            found |= {word for each in value.values() for word in words(each)}
        elif name in {"items", "prefixItems", "anyOf", "additionalProperties"}:
            found |= words(value)
    return found


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Part(BaseModel):
    name: str = Field(min_length=1, max_length=40, pattern="^[a-z]+$", title="Name")
    colour: Colour = Colour.RED
    size: Literal[1, 2, None] = None
    weight: float = Field(default=1.0, gt=0, le=10)


class Order(BaseModel):
    parts: list[Part]
    first: Part
    second: Part
    third: Part
    last: Part | None = None
    tags: dict[str, int] = {}
    pair: tuple[int, str] = (1, "a")
    kind: Literal["order"] = "order"


class Node(BaseModel):
    value: int
    children: list["Node"] = []


def test_a_models_schema_is_inlined_and_says_only_what_is_taken() -> None:
    written = answer_schema(Part.model_json_schema())

    assert written == {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "colour": {"type": "string", "enum": ["red", "blue"]},
            "size": {"anyOf": [{"type": "integer", "enum": [1, 2]}, {"type": "null"}]},
            "weight": {"type": "number", "maximum": 10},
        },
        "required": ["name"],
    }


def test_references_stay_where_inlining_would_lengthen() -> None:
    schema = Order.model_json_schema()
    written = answer_schema(schema)

    assert written is not None
    assert words(written) <= TAKEN
    assert written["properties"]["first"] == {"$ref": "#/$defs/Part"}  # type: ignore[index]
    assert len(json.dumps(written)) <= len(json.dumps(schema))


def test_what_contains_itself_is_an_instruction_and_a_parameter_all_the_same() -> None:
    schema = Node.model_json_schema()

    assert answer_schema(schema) is None
    written = parameters_schema(schema)
    assert written["type"] == "object"
    assert words(written) <= TAKEN
    assert written["$defs"]["Node"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Node"}  # type: ignore[index]


def test_a_schema_that_is_its_own_root() -> None:
    schema: Json = {"type": "object", "properties": {"next": {"$ref": "#"}, "x": {"type": "string"}}}

    assert answer_schema(schema) is None
    assert parameters_schema(schema) == {
        "type": "object",
        "properties": {
            "next": {"type": "object", "properties": {"next": {"type": "object"}, "x": {"type": "string"}}},
            "x": {"type": "string"},
        },
    }


@pytest.mark.parametrize(
    "part",
    [
        {"not": {"type": "string"}}, {"if": {}, "then": {}}, {"allOf": [{"type": "string"}, {"minLength": 2}]}, {},
        {"type": "object", "patternProperties": {"^a": {}}}, True, {"enum": [[1]]}, {"$ref": "#/nowhere"},
        {"type": "array", "contains": {"type": "string"}},
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_an_instruction_for_answers_and_looser_for_parameters(part: object) -> None:
    schema: Json = {"type": "object", "properties": {"x": part, "y": {"type": "string"}}}

    assert answer_schema(schema) is None
    written = parameters_schema(schema)
    assert words(written) <= TAKEN
    assert written["properties"]["y"] == {"type": "string"}  # type: ignore[index]


@pytest.mark.parametrize(
    ("given_", "written"),
    [
        ({"const": "a"}, {"type": "string", "enum": ["a"]}),
        ({"const": None}, {"type": "null"}),
        ({"const": True}, {"type": "boolean"}),
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"enum": ["a", None]}, {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]}),
        (
            {"type": "string", "enum": ["a"], "nullable": True},
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
        ),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        ({"type": "string", "format": "email"}, {"type": "string"}),
        ({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}),
        ({"allOf": [{"type": "string"}], "description": "d"}, {"type": "string", "description": "d"}),
        ({"type": "object", "additionalProperties": {}}, {"type": "object", "additionalProperties": True}),
        ({"type": "object", "properties": {}, "required": ["a"]}, {"type": "object", "properties": {}}),
    ],
)  # fmt: skip
def test_words_that_are_said_otherwise(given_: Json, written: Json) -> None:
    assert answer_schema({"type": "object", "properties": {"x": given_}}) == {
        "type": "object",
        "properties": {"x": written},
    }


def test_doubling_definitions_do_not_explode() -> None:
    definitions: Json = {"D0": {"type": "object", "properties": {"x": {"type": "string"}}}}
    for number in range(1, 40):
        below = {"$ref": f"#/$defs/D{number - 1}"}
        definitions[f"D{number}"] = {"type": "object", "properties": {"a": below, "b": below}}
    schema: Json = {"$defs": definitions, "type": "object", "properties": {"top": {"$ref": "#/$defs/D39"}}}

    for written in (answer_schema(schema), parameters_schema(schema)):
        assert written is None or len(json.dumps(written)) < 10_000


def fits(value: object, schema: object, root: Json) -> bool:
    """Whether `value` fits a schema of the words that these tests use."""
    if isinstance(schema, bool):
        return schema
    assert isinstance(schema, dict)
    if "$ref" in schema:
        return fits(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    kinds = schema.get("type", [])
    checks = [
        "type" not in schema or any(is_a(kind, value) for kind in ([kinds] if isinstance(kinds, str) else kinds)),
        "enum" not in schema or any(same(value, each) for each in schema["enum"]),
        "const" not in schema or same(value, schema["const"]),
        "anyOf" not in schema or any(fits(value, each, root) for each in schema["anyOf"]),
    ]
    if isinstance(value, str):
        checks.append(value.startswith("a") or "pattern" not in schema)
    elif isinstance(value, int) and not isinstance(value, bool):
        checks.append(schema.get("minimum", value) <= value < schema.get("exclusiveMaximum", value + 1))
    elif isinstance(value, list):
        checks.append(len(value) >= schema.get("minItems", 0))
        checks += [fits(item, schema.get("items", True), root) for item in value]
    elif isinstance(value, dict):
        named = schema.get("properties", {})
        checks.append(value.keys() >= set(schema.get("required", [])))
        checks += [
            fits(item, named.get(key, schema.get("additionalProperties", True)), root) for key, item in value.items()
        ]
    return all(checks)


def is_a(kind: str, value: object) -> bool:
    types = {"string": str, "integer": int, "number": int, "boolean": bool, "array": list, "object": dict}
    return (
        value is None
        if kind == "null"
        else isinstance(value, types[kind]) and (kind == "boolean") == isinstance(value, bool)
    )


def same(one: object, other: object) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


LEAVES = st.sampled_from(
    [
        {"type": "string"}, {"type": "integer", "minimum": 0}, {"type": "boolean"}, {"enum": ["a", 1, None, True]},
        {"const": 3}, {"type": ["string", "null"]}, {"type": "number", "exclusiveMaximum": 5}, {"$ref": "#/$defs/D"},
        {"type": "string", "pattern": "^a"},
    ]
)  # fmt: skip
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(lambda item: {"type": "array", "items": item, "minItems": 1}, inner)
        | st.builds(lambda branches: {"anyOf": branches}, st.lists(inner, min_size=1, max_size=2))
        | st.builds(
            lambda properties, required, others: {
                "type": "object",
                "properties": properties,
                "required": [name for name in properties if name in required],
                "additionalProperties": others,
            },
            st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
            st.sets(st.sampled_from(["a", "b", "c"])),
            st.booleans() | inner,
        )
    ),
    max_leaves=6,
)
VALUES = st.recursive(
    st.sampled_from(["a", "ab", 0, 1, 3, 7, True, False, None]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b", "c", "x"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(SCHEMAS, VALUES)
def test_what_fitted_before_fits_after(schema: Json, value: object) -> None:
    root: Json = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"v": schema},
        "$defs": {"D": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}},
    }
    document = {"v": value}
    fitted = fits(document, root, root)
    for written in (answer_schema(root), parameters_schema(root)):
        if written is not None:
            assert words(written) <= TAKEN
            assert not fitted or fits(document, written, dict(written))
