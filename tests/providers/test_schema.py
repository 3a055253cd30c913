"""Schemas in narrower forms: what they accept, the original accepts too; what cannot be said is not said."""

from typing import Literal

import pytest
from pydantic import BaseModel, Field

from modelroute.providers.schema import closed_schema, instruction, plain_schema, strict_schema
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
