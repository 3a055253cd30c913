"""Structured output: a type in, an instance out, and what happens on the way when a model does not keep to it."""

# ruff: noqa: ANN401
# Options are handed through to calls that check them.

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

import pytest
from pydantic import BaseModel, Field, field_validator
from typing_extensions import TypedDict

from modelroute import AsyncRouter, InvalidOutputError, Parsed, Price, RequestError, Router
from modelroute.testing.fault import Fault
from modelroute.testing.faults import ok
from modelroute.testing.server import FaultServer
from modelroute.types.failure import Kind
from tests.e2e.places import PROMPT, Place, place, routing

GOOD = '{"name": "Oslo", "inhabitants": 717710}'
BAD = '{"name": "Oslo", "inhabitants": "very-many-people"}'


class City(BaseModel):
    """A city."""

    name: str
    inhabitants: int = Field(ge=0)


@dataclass
class Town:
    name: str
    inhabitants: int


class Village(TypedDict):
    name: str
    inhabitants: int


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as serving:
        yield serving


def body(seen: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", seen.body)


@pytest.fixture(params=["sync", "async"])
def parse(request: pytest.FixtureRequest) -> Any:
    def sync(places: list[Place], wanted: Any, **options: Any) -> Parsed[Any]:
        with Router(**routing(*places)) as router:
            return router.parse(PROMPT, wanted, **options)

    def asynchronous(places: list[Place], wanted: Any, **options: Any) -> Parsed[Any]:
        async def ask() -> Parsed[Any]:
            async with AsyncRouter(**routing(*places)) as router:
                return await router.parse(PROMPT, wanted, **options)

        return asyncio.run(ask())

    return sync if request.param == "sync" else asynchronous


@pytest.mark.parametrize("dialect", ["openai-chat", "anthropic-messages"])
@pytest.mark.parametrize(
    ("wanted", "value"),
    [
        (City, City(name="Oslo", inhabitants=717710)),
        (Town, Town("Oslo", 717710)),
        (Village, {"name": "Oslo", "inhabitants": 717710}),
        (dict[str, str | int], {"name": "Oslo", "inhabitants": 717710}),
    ],
    ids=["model", "dataclass", "typed dict", "mapping"],
)
def test_a_type_in_an_instance_out(parse: Any, server: FaultServer, wanted: Any, value: Any, dialect: str) -> None:
    one = place(server, [ok(GOOD)], dialect=dialect)
    parsed = parse([one], wanted)
    assert parsed.value == value
    assert type(parsed.value) is type(value)
    assert parsed.text == GOOD
    assert parsed.target == one.target
    assert parsed.cost.pico > 0


def test_a_list_is_a_type_too(parse: Any, server: FaultServer) -> None:
    parsed = parse([place(server, [ok(f"[{GOOD}]")])], list[City])
    assert parsed.value == [City(name="Oslo", inhabitants=717710)]


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```",
        f"Here you are:\n```json\n{GOOD}\n```\nAnything else?",
        f"Sure! {GOOD} That is all.",
        f"\n\n  {GOOD}  \n",
    ],
    ids=["fenced", "plain fence", "talk around a fence", "talk around", "blanks"],
)
def test_what_stands_around_the_document_is_forgiven(parse: Any, server: FaultServer, text: str) -> None:
    parsed = parse([place(server, [ok(text)])], City)
    assert parsed.value == City(name="Oslo", inhabitants=717710)
    assert len(parsed.attempts) == 1


# ------------------------------------------------------------------------------------------- how the schema is sent


def test_a_schema_is_sent_natively_where_it_is_taken(parse: Any, server: FaultServer) -> None:
    one = place(server, [ok(GOOD)])
    parse([one], City)
    form = body(one.seen[0])["response_format"]
    assert form["type"] == "json_schema"
    assert form["json_schema"]["name"] == "City"
    assert set(form["json_schema"]["schema"]["properties"]) == {"name", "inhabitants"}


def test_a_schema_is_an_instruction_where_it_is_not(parse: Any, server: FaultServer) -> None:
    """DeepSeek's profile takes JSON objects and no schemas: the schema goes into the words."""
    one = place(server, [ok(GOOD)], profile="deepseek")
    parse([one], City)
    sent = body(one.seen[0])
    assert sent.get("response_format", {"type": "json_object"})["type"] == "json_object"
    assert "inhabitants" in json.dumps(sent["messages"])


def test_the_users_own_instructions_stay(parse: Any, server: FaultServer) -> None:
    one = place(server, [ok(GOOD)], profile="deepseek")
    with Router(**routing(one)) as router:
        messages = [{"role": "system", "content": "Answer in Norwegian."}, {"role": "user", "content": PROMPT}]
        router.parse(messages, City)
    sent = body(one.seen[0])["messages"]
    assert "Answer in Norwegian." in json.dumps(sent)
    assert [message["role"] for message in sent].count("system") == 1
    assert messages[0]["content"] == "Answer in Norwegian.", "the caller's messages are not touched"


def test_a_target_that_is_not_said_to_take_schemas_is_held_to_the_type_too(parse: Any, server: FaultServer) -> None:
    """Whatever way it is told, its answer is checked like any other."""
    one = place(server, [ok(BAD), ok(GOOD)], features=frozenset())
    parsed = parse([one], City)
    assert parsed.value.name == "Oslo"
    assert len(parsed.attempts) == 2
    assert "inhabitants" in json.dumps(one.seen[0].body)


# --------------------------------------------------------------------------------------------- when it does not fit


def test_an_answer_that_does_not_fit_is_asked_for_again_with_the_findings(parse: Any, server: FaultServer) -> None:
    one = place(server, [ok(BAD), ok(GOOD)])
    parsed = parse([one], City)
    assert parsed.value.inhabitants == 717710
    assert [attempt.why for attempt in parsed.attempts] == ["first", "retry"]
    assert parsed.attempts[0].failure.kind is Kind.INVALID_OUTPUT
    assert parsed.cost == parsed.attempts[0].cost + parsed.attempts[1].cost
    assert parsed.attempts[0].cost.pico > 0, "the answer that did not fit was paid for"
    first, second = (body(seen)["messages"] for seen in one.seen)
    assert second[: len(first)] == first
    answer, told = second[len(first) :]
    assert (answer["role"], answer["content"]) == ("assistant", BAD)
    assert told["role"] == "user"
    assert "inhabitants" in told["content"]
    assert "integer" in told["content"]


@pytest.mark.parametrize("bad", [BAD, "", "no JSON at all", '{"name": "Oslo"}', "[]", "null", '{"name": '])
def test_then_another_target_is_asked_and_not_told(parse: Any, server: FaultServer, bad: str) -> None:
    """The second target gets the request as it was: it made no mistake yet."""
    first = place(server, [ok(bad)])
    second = place(server, [ok(GOOD)], name="second", model="large", price=Price(input=2, output=8))
    parsed = parse([first, second], City)
    assert parsed.value.name == "Oslo"
    assert [attempt.target for attempt in parsed.attempts] == [first.target, first.target, second.target]
    assert body(second.seen[0])["messages"] == body(first.seen[0])["messages"]


def test_when_nobody_fits_the_findings_are_in_the_error_and_the_answer_is_not(parse: Any, server: FaultServer) -> None:
    first = place(server, [ok(BAD)])
    second = place(server, [ok(BAD)], name="second", model="large", price=Price(input=2, output=8))
    with pytest.raises(InvalidOutputError) as caught:
        parse([first, second], City)
    error = caught.value
    assert [attempt.target for attempt in error.attempts] == [first.target] * 2 + [second.target] * 2
    assert error.failure.kind is Kind.INVALID_OUTPUT
    assert len(error.problems) == 1
    assert error.problems[0].startswith("inhabitants:")
    assert "very-many-people" not in str(error)
    assert error.cost.pico > 0


def test_max_attempts_holds_over_repairs(parse: Any, server: FaultServer) -> None:
    first = place(server, [ok(BAD)])
    second = place(server, [ok(GOOD)], name="second", model="large", price=Price(input=2, output=8))
    with pytest.raises(InvalidOutputError):
        parse([first, second], City, max_attempts=2)
    assert len(first.seen) == 2
    assert not second.seen


def test_a_ceiling_holds_over_repairs(parse: Any, server: FaultServer) -> None:
    one = place(server, [ok(BAD), ok(GOOD)])
    parsed = parse([one], City, max_cost="0.05")
    assert parsed.cost <= parsed.decision.max_cost
    assert len(parsed.attempts) == 2


def test_a_validator_that_raises_is_a_finding(parse: Any, server: FaultServer) -> None:
    class Picky(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def _raise(cls, value: str) -> str:
            raise KeyError(value)

    with pytest.raises(InvalidOutputError) as caught:
        parse([place(server, [ok(GOOD)])], Picky)
    assert "Oslo" not in str(caught.value)


@pytest.mark.parametrize("behaviour", ["429", "503", "content_filter", "stalled"])
def test_other_failures_stay_what_they_are(parse: Any, server: FaultServer, behaviour: Fault | str) -> None:
    from modelroute import AttemptsFailedError

    with pytest.raises(AttemptsFailedError) as caught:
        parse([place(server, [behaviour])], City, deadline=0.5)
    assert not isinstance(caught.value, InvalidOutputError)


def test_an_answer_that_was_cut_by_its_cap_is_no_instance(parse: Any, server: FaultServer) -> None:
    """The same target would be cut again: it is not asked, and the error names the cap."""
    one = place(server, [ok(GOOD[:-5], finish="length"), ok(GOOD)])
    with pytest.raises(InvalidOutputError, match="max_tokens"):
        parse([one], City)
    assert len(one.seen) == 1


def test_a_literal_and_a_union_work(parse: Any, server: FaultServer) -> None:
    parsed = parse([place(server, [ok('"yes"')])], Literal["yes", "no"])
    assert parsed.value == "yes"


def test_two_parses_at_once_do_not_mix(server: FaultServer) -> None:
    """The instance belongs to its call."""
    one = place(server, [ok('{"name": "A", "inhabitants": 1}'), ok('{"name": "B", "inhabitants": 2}')])

    async def ask() -> list[Parsed[City]]:
        async with AsyncRouter(**routing(one)) as router:
            return list(await asyncio.gather(*(router.parse(PROMPT, City) for _ in range(8))))

    for parsed in asyncio.run(ask()):
        assert json.loads(parsed.text) == parsed.value.model_dump()


def test_a_type_without_a_schema_is_refused(parse: Any, server: FaultServer) -> None:
    class Opaque:
        pass

    one = place(server, [ok(GOOD)])
    with pytest.raises(RequestError, match="schema"):
        parse([one], Opaque)
    assert not one.seen
