"""From what is typed to a checked request: whatever cannot be meant is a `RequestError`, and nothing was sent (P3)."""

import contextlib

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st

from modelroute.errors import RequestError
from modelroute.money import Money
from modelroute.resilience.backoff import Retry
from modelroute.runtime.calls import Asking, Routing, options_from, request_from
from modelroute.runtime.options import NOTHING_SAID, CallOptions
from modelroute.runtime.words import OURS, THEIRS
from modelroute.types.constraints import Constraints, Floor
from modelroute.types.timeouts import Timeouts

LOOK = {"type": "function", "function": {"name": "look"}}


def request(**asking: object) -> object:
    return request_from("hello", asking)[0]


def options(**routing: object) -> CallOptions:
    return options_from(**routing)  # type: ignore[arg-type]


def test_a_call_is_read_once() -> None:
    asked, said = request_from(
        "hello",
        {
            "task": "coding", "tags": "eu", "max_cost": 0.02, "floor": 54, "needs": ["tools"], "deadline": 5,
            "max_attempts": 2, "temperature": 0.5, "max_tokens": 100, "reasoning_effort": "low", "seed": None,
            "tools": ({"type": "function", "function": {"name": "look"}},), "tool_choice": "auto",
            "extra_body": {"their_own": 1}, "conversation": "c-1",
        },
    )  # fmt: skip
    assert asked.messages == ({"role": "user", "content": "hello"},)
    assert (asked.output_cap, asked.effort, asked.tool_choice) == (100, "low", "auto")
    assert asked.parameters == {"temperature": 0.5, "their_own": 1}
    assert (said.task, said.deadline, said.conversation) == ("coding", 5, "c-1")
    assert said.tags == {"eu"}
    assert said.constraints == Constraints(floors=(Floor(54),), max_cost=Money("0.02"), needs=frozenset({"tools"}))
    assert said.retry == Retry(2)


@pytest.mark.parametrize(
    "wrong",
    [
        {"deadline": 0}, {"deadline": float("inf")}, {"deadline": "5"}, {"deadline": True},
        {"deadline": 10**400}, {"deadline": 1e9}, {"on_interrupt": "explode"},
        {"on_interrupt": []}, {"timeouts": 5}, {"retry": 3}, {"retry": 3, "max_attempts": 2}, {"max_attempts": 0},
        {"max_attempts": "2"}, {"max_attempts": True}, {"task": ""}, {"task": 5}, {"conversation": ""}, {"model": ""},
        {"tags": 5}, {"tags": [""]}, {"tags": [["a"]]}, {"tags": [None]}, {"needs": 5},
        {"tags": ["fine", "half \ud83d"]}, {"conversation": "\udc00"},
        {"needs": [[]]},
        {"vendors": 5}, {"vendors": []}, {"without": [None]}, {"jurisdictions": "Europe"}, {"max_cost": "dear"},
        {"max_cost": -1}, {"floor": "54"}, {"floor": {"a": "b"}}, {"allow_unbounded": "yes"}, {"licences": 1.5},
        {"nonsense": 1}, {"max_costs": 1}, {"optional": 5}, {"optional": [""]}, {"optional": "temprature"},
        {"optional": "max_cost"}, {"optional": ["tools"]}, {"optional": "response_format"}, {"optional": "max_tokens"},
    ],
    ids=str,
)  # fmt: skip
def test_routing_that_cannot_be_meant(wrong: dict[str, object]) -> None:
    with pytest.raises(RequestError):
        options(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_tokens": 0}, {"max_tokens": 1.5}, {"max_completion_tokens": True}, {"tools": "look"}, {"tools": [5]},
        {"tools": {"type": "function"}}, {"tools": [{"function": {}}]}, {"tools": 5}, {"tool_choice": 5},
        {"tool_choice": "requird"}, {"tools": [LOOK], "tool_choice": {"type": "function", "function": {"name": "lok"}}},
        {"tools": [LOOK], "tool_choice": {"type": "function", "name": "look"}},
        {"effort": ""},
        {"effort": 5}, {"reasoning_effort": 5}, {"extra_body": "x"}, {"stream": True}, {"max_token": 5}, {"n": 0},
        {"n": "2"}, {"n": 2.0}, {"n": True}, {"extra_body": {"n": "5"}}, {"extra_body": {1: 2, "a": 3}},
        {"response_format": {"type": "json_schema"}},
        {"response_format": {"type": "json_schema", "json_schema": {"schema": "x"}}},
    ],
    ids=str,
)  # fmt: skip
def test_parameters_that_cannot_be_meant(wrong: dict[str, object]) -> None:
    with pytest.raises(RequestError):
        request(**wrong)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.binary(max_size=2),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
words = sorted({*Asking.__annotations__, *Routing.__annotations__, *THEIRS} - {"prefer"})


@given(st.dictionaries(st.sampled_from(words), anything, max_size=4))
def test_anything_typed_is_a_request_or_an_error_of_ours(asking: dict[str, object]) -> None:
    with contextlib.suppress(RequestError):
        request_from("hello", asking)


@pytest.mark.parametrize(("name", "value", "instead"), [("timeouts", 30, "deadline="), ("retry", 3, "max_attempts=")])
def test_a_number_where_an_object_belongs_says_what_to_write(name: str, value: object, instead: str) -> None:
    with pytest.raises(RequestError, match=instead):
        options(**{name: value})


def test_a_ceiling_by_another_name_is_refused_and_not_sent() -> None:
    """Passed on, it would mean nothing to the provider and hold nothing here."""
    for name in ("ceiling", "budget", "cost", "max_price"):
        with pytest.raises(RequestError, match="max_cost="):
            request(**{name: 0.0001})
        with pytest.raises(RequestError, match="max_cost="):
            options(**{name: 0.0001})
    assert request_from("x", {"extra_body": {"budget": 1}})[0].parameters == {"budget": 1}, "on purpose it goes through"


def test_effort_is_taken_once() -> None:
    asked, _ = request_from("x", {"effort": "high", "reasoning_effort": "low"})
    assert asked.effort == "high"
    assert "reasoning_effort" not in asked.parameters, "the provider must not be told both"


def test_a_schema_is_taken_out_of_the_parameters() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "invoice", "schema": {"type": "object"}}}
    for asking in ({"response_format": form}, {"extra_body": {"response_format": form}}):
        asked, _ = request_from("x", asking)
        assert asked.schema is not None
        assert (asked.schema.name, asked.schema.schema) == ("invoice", {"type": "object"})
        assert asked.parameters == {}
    plain, _ = request_from("x", {"response_format": {"type": "json_object"}})
    assert plain.schema is None
    assert plain.parameters == {"response_format": {"type": "json_object"}}


def test_every_keyword_has_a_meaning() -> None:
    assert set(Routing.__annotations__) <= OURS
    assert set(Asking.__annotations__) <= OURS | THEIRS


def test_a_wait_is_kept_when_only_the_attempts_are_said() -> None:
    wait = tenacity.wait_fixed(1)
    assert options(retry=Retry(9, wait), max_attempts=2).retry == Retry(2, wait)


said = st.builds(
    CallOptions,
    task=st.none() | st.sampled_from(["coding", "reasoning"]),
    tags=st.frozensets(st.sampled_from("ab")),
    model=st.sampled_from(["auto", "m", "m@p"]),
    constraints=st.builds(Constraints, max_cost=st.none() | st.integers(0, 3).map(Money)),
    deadline=st.none() | st.sampled_from([1.0, 2.0]),
    timeouts=st.none() | st.just(Timeouts(idle=3)),
    retry=st.none() | st.sampled_from([Retry(1), Retry(2)]),
    on_interrupt=st.none() | st.sampled_from(["raise", "buffer"]),
    conversation=st.none() | st.just("c"),
)


@given(said, said)
def test_the_nearer_preference_wins_and_constraints_intersect(far: CallOptions, near: CallOptions) -> None:
    both = far | near
    for name in ("task", "deadline", "timeouts", "on_interrupt", "conversation"):
        expected = getattr(near, name)
        assert getattr(both, name) == (getattr(far, name) if expected is None else expected)
    assert both.model == (far.model if near.model is None else near.model)
    if near.retry is not None and far.retry is not None:
        assert both.retry == near.retry.over(far.retry)
    else:
        assert both.retry == (near.retry or far.retry)
    assert both.tags == far.tags | near.tags
    assert both.constraints == far.constraints & near.constraints
    assert far | NOTHING_SAID == NOTHING_SAID | far == far
