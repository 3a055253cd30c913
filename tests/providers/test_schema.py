"""Schemas in narrower forms: what they accept, the original accepts too; what cannot be said is not said."""

import json
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from modelroute.providers.schema import (
    closed_schema,
    inlined_schema,
    instruction,
    moonshot_schema,
    plain_schema,
    strict_schema,
)
from tests.providers.samples import Json


class Line(BaseModel):
    name: str = Field(min_length=1, description="What was bought")
    amount: float = Field(ge=0)


class Invoice(BaseModel):
    number: str
    kind: Literal["bill", "credit"] = "bill"
    lines: list[Line]
    note: str | None = None


def objects(schema: object) -> list[Json]:
    found = [schema] if isinstance(schema, dict) and schema.get("type") == "object" else []
    values = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else []
    return found + [each for value in values for each in objects(value)]


def test_strict_closes_every_object_and_requires_every_property() -> None:
    strict = strict_schema(Invoice.model_json_schema())

    assert strict is not None
    assert len(objects(strict)) == 2
    for each in objects(strict):
        assert each["additionalProperties"] is False
        assert set(each["required"]) == set(each["properties"])
    assert "minimum" not in str(strict)
    assert "What was bought" in str(strict)


def test_closed_leaves_required_as_it_was() -> None:
    closed = closed_schema(Invoice.model_json_schema())

    assert closed is not None
    assert closed["required"] == ["number", "lines"]


def test_a_property_may_be_named_like_a_keyword() -> None:
    schema = {"type": "object", "properties": {"title": {"type": "string"}, "not": {"type": "integer"}}, "required": []}

    strict: Json = dict(strict_schema(schema) or {})
    assert strict["properties"].keys() == {"title", "not"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {}, "additionalProperties": True},
        {"type": "object"},
        {"type": "array", "items": {"type": "string"}},
        {"type": "object", "properties": {"x": True}},
        {"type": "object", "properties": {"x": {}}},
        {"type": "object", "properties": {"x": {"type": "array"}}},
        {"type": "object", "properties": {"x": {"allOf": [{"type": "string"}]}}},
        {"type": "object", "properties": {"x": {"type": "array", "prefixItems": [{"type": "string"}]}}},
        {"type": "object", "properties": 7},
    ],
)
def test_what_cannot_be_closed_is_not(schema: Json) -> None:
    assert strict_schema(schema) is None
    assert closed_schema(schema) is None


def test_the_original_is_left_alone() -> None:
    schema = Invoice.model_json_schema()
    strict_schema(schema)

    assert schema == Invoice.model_json_schema()


def test_an_instruction_holds_the_schema_and_the_word_that_some_look_for() -> None:
    words = instruction({"$schema": "x", **Invoice.model_json_schema()})

    assert "JSON" in words
    assert '"number"' in words
    assert "$schema" not in words
    assert "$schema" not in plain_schema({"$schema": "x", "type": "object"})


REFERRING: Json = {
    "type": "object",
    "properties": {"first": {"$ref": "#/$defs/Line", "description": "one"},
                   "rest": {"items": {"$ref": "#/$defs/Line"}}},
    "$defs": {"Line": {"type": "object", "properties": {"name": {"$ref": "#/$defs/Name"}}}, "Name": {"type": "string"}},
}  # fmt: skip


def test_what_a_schema_refers_to_is_put_in_its_place() -> None:
    line = {"type": "object", "properties": {"name": {"type": "string"}}}

    assert inlined_schema(REFERRING) == {
        "type": "object",
        "properties": {"first": {**line, "description": "one"}, "rest": {"items": line}},
    }
    assert inlined_schema(Invoice.model_json_schema()) is not None
    assert "$ref" not in str(inlined_schema(Invoice.model_json_schema()))


BUSH: Json = {
    f"L{depth}": {"type": "object", "properties": {side: {"$ref": f"#/$defs/L{depth + 1}"} for side in "abc"}}
    for depth in range(20)
}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/Tree", "$defs": {"Tree": {"properties": {"left": {"$ref": "#/$defs/Tree"}}}}},
        {"$ref": "#"},
        {"$ref": "#/$defs/nowhere"},
        {"$ref": "https://example.org/schema.json"},
        {"$ref": 5},
        {"$ref": "#/$defs/L0", "$defs": {**BUSH, "L20": {"type": "string"}}},
    ],
)
def test_what_refers_to_itself_or_elsewhere_or_for_ever_has_no_inlined_form(schema: Json) -> None:
    assert inlined_schema(schema) is None


def test_moonshots_flavour_says_the_same() -> None:
    schema: Json = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "either": {"type": ["string", "number"], "anyOf": [{"minLength": 2}, {"type": "integer"}]},
            "pair": {"type": "array", "items": [{"type": "string"}, {"type": "integer"}], "additionalItems": False},
            "anyOf": {"type": "string"},
        },
    }
    assert moonshot_schema(schema) == {
        "type": "object",
        "properties": {
            "either": {"anyOf": [{"type": ["string", "number"], "minLength": 2}, {"type": "integer"}]},
            "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
            "anyOf": {"type": "string"},
        },
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": {"type": "string"}},
        {"type": "object", "properties": {"x": {"type": "string", "anyOf": [{"type": "integer"}]}}},
        {"type": "object", "properties": {"x": {"type": "string", "anyOf": [True]}}},
    ],
)
def test_what_moonshot_cannot_say_is_not_said(schema: Json) -> None:
    assert moonshot_schema(schema) is None


_NAMES = st.sampled_from(["type", "properties", "items", "anyOf", "$ref", "$defs", "prefixItems", "x"])
_SCHEMAS = st.recursive(
    st.none() | st.booleans() | st.sampled_from(["string", "object", "#/$defs/x", "#"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(_NAMES, _SCHEMAS, max_size=4))
def test_no_schema_is_too_strange_to_be_looked_at(schema: Json) -> None:
    before = json.dumps(schema)
    inlined = inlined_schema(schema)
    flavoured = moonshot_schema(schema)

    assert json.dumps(schema) == before
    assert inlined is None or "$defs" not in inlined
    assert flavoured is None or flavoured["type"] == "object"
