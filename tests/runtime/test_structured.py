"""From a type to a schema and back; the findings never quote the answer (INVARIANTS P2)."""

import json
from dataclasses import dataclass
from typing import Annotated, Literal, Union

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_validator
from typing_extensions import TypedDict

from modelroute.engine.progress import CUT
from modelroute.errors import RequestError
from modelroute.runtime.structured import Shape
from modelroute.types.failure import Kind
from modelroute.types.request import Request


class Invoice(BaseModel):
    number: str
    total: float
    paid: bool = False


@dataclass
class Point:
    x: int
    y: int


class Line(TypedDict):
    text: str


class Cat(BaseModel):
    kind: Literal["cat"]


class Dog(BaseModel):
    kind: Literal["dog"]


class Strict(BaseModel):
    amount: int

    @field_validator("amount")
    @classmethod
    def known(cls, value: int) -> int:
        raise KeyError(f"private {value}")


Pet = Annotated[Union[Cat, Dog], Field(discriminator="kind")]  # noqa: UP007 - a type as callers write it


@given(st.text(max_size=10), st.floats(allow_nan=False, allow_infinity=False), st.text(alphabet=" \n.", max_size=5))
def test_an_instance_comes_back_however_it_is_wrapped(number: str, total: float, prose: str) -> None:
    document = json.dumps({"number": number, "total": total})
    for text in (document, f"{prose}```json\n{document}\n```{prose}", f"Here it is: {document}{prose}"):
        shape = Shape(Invoice)
        assert shape.check(text) is None
        assert shape.value == Invoice(number=number, total=total)


@pytest.mark.parametrize(
    ("wanted", "text", "value"),
    [
        (Point, '{"x": 1, "y": 2}', Point(1, 2)),
        (Line, '{"text": "a"}', {"text": "a"}),
        (list[int], "[1, 2]", [1, 2]),
        (int | None, "null", None),
        (type(None), "null", None),
        (int, "0", 0),
        (bool, "false", False),
    ],
    ids=str,
)
def test_any_type_will_do_and_a_falsy_value_is_a_value(wanted: type[object], text: str, value: object) -> None:
    shape = Shape(wanted)
    assert shape.check(text) is None
    assert shape.value == value
    json.dumps(shape.schema.schema)
    assert shape.schema.name


@pytest.mark.parametrize(
    "wanted",
    [
        5, "Nowhere", list.__class_getitem__("Nowhere"), type("Plain", (), {}), {"type": "object"}, {},
        {"type": 5}, {"type": "model", "cls": 3}, ["a"], Invoice(number="private", total=1), ...,
    ],
    ids=repr,
)  # fmt: skip
def test_what_no_schema_can_be_made_of_is_refused_before_sending(wanted: object) -> None:
    with pytest.raises(RequestError, match="schema"):
        Shape(wanted)  # type: ignore[arg-type]


def test_a_schema_given_for_a_type_is_sent_to_chat() -> None:
    with pytest.raises(RequestError, match=r"parse takes a pydantic model.*chat\(response_format"):
        Shape({"type": "object"})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wanted", "text", "accepted"),
    [
        (Invoice, '{"number": "7", "tot', False),
        (int, "12", False),
        (float, "1.5", False),
        (Invoice, '{"number": "7", "total": 1}', True),
        (Invoice, '```json\n{"number": "7", "total": 1}\n```\nAnd furth', True),
        (list[int], "[1, 2]", True),
        (str, '"yes"', True),
    ],
)
def test_what_the_cap_cut_off_fits_only_if_it_is_whole_by_itself(
    wanted: type[object], text: str, accepted: bool
) -> None:
    """``12`` may be the beginning of ``1200``; a closed document is whatever was to follow it."""
    failure = Shape(wanted).check(text, "length")
    assert (failure is None) == accepted
    if failure is not None:
        assert (failure.kind, failure.provider_code) == (Kind.INVALID_OUTPUT, CUT)
        assert "output cap" in failure.message


def test_the_name_fits_every_wire() -> None:
    name = Shape(type("Some Ünusual name[of things]" + "x" * 80, (BaseModel,), {})).schema.name
    assert name.isascii()
    assert len(name) <= 64
    assert Shape(list[int]).schema.name


@given(st.text(max_size=60))
def test_any_text_fits_or_says_why(text: str) -> None:
    shape = Shape(Invoice)
    failure = shape.check(text)
    if failure is None:
        assert isinstance(shape.value, Invoice)
    else:
        assert failure.kind is Kind.INVALID_OUTPUT
        assert failure.message


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (Invoice, '{"number": {"a": "private"}, "total": "private"}'),
        (Invoice, "private"),
        (Invoice, '{"number": "private"'),
        (Pet, '{"kind": "private"}'),
        (list[Pet], '[{"kind": "private"}]'),
        (Point, '{"x": "private", "y": ["private"]}'),
        (Strict, '{"amount": 7}'),
        (Invoice, '{"number": "\ud800 private"}'),
        (Invoice, '{"number":' * 3000),
    ],
    ids=range(9),
)
def test_the_findings_never_quote_the_answer(wanted: type[object], text: str) -> None:
    failure = Shape(wanted).check(text)
    assert failure is not None
    assert failure.kind is Kind.INVALID_OUTPUT
    assert "private" not in failure.message
    assert "private" not in repr(failure)


def test_the_findings_are_of_the_document_not_of_its_wrapping() -> None:
    """A model that fenced a wrong document is told what is wrong with the document."""
    failure = Shape(Invoice).check('Here:\n```json\n{"number": "7"}\n```')
    assert failure is not None
    assert "total" in failure.message
    assert "no JSON" not in failure.message


def test_many_findings_are_cut_short() -> None:
    failure = Shape(list[int]).check(json.dumps(["a"] * 50))
    assert failure is not None
    assert "and 45 more" in failure.message


def test_a_value_before_an_answer_is_an_error_of_ours() -> None:
    with pytest.raises(RequestError):
        _ = Shape(Invoice).value


def test_the_second_request_says_what_was_wrong() -> None:
    shape = Shape(Invoice)
    failure = shape.check("{}")
    assert failure is not None
    request = Request(({"role": "user", "content": "an invoice, please"},))
    mended = shape.repair(request, "{}", failure)
    assert mended.messages[0] == request.messages[0]
    assert [message["role"] for message in mended.messages] == ["user", "assistant", "user"]
    assert mended.messages[1]["content"] == "{}"
    assert "total" in str(mended.messages[2]["content"])
    assert shape.repair(request, "", failure).messages[1]["content"], "an empty turn is refused by providers"
