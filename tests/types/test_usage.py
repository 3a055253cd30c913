"""Values of usage and requests: immutable, comparable, picklable; zero is zero (M7)."""

import copy
import pickle
from dataclasses import FrozenInstanceError

import pytest

from modelroute.money import Money
from modelroute.types.attempt import Attempt
from modelroute.types.claims import Claim, Granted, Refused
from modelroute.types.constraints import Constraints, Floor
from modelroute.types.decision import Decision, Ranked
from modelroute.types.events import Blocks, Ended, Fault, Finish, ReasoningDelta, TextDelta, ToolCallDelta, UsageReport
from modelroute.types.facts import ANY_VOCABULARY, Affinity, RequestFacts, Snapshot
from modelroute.types.failure import Failure, Kind
from modelroute.types.notices import Attempted, Decided, Finished, Held, Settled
from modelroute.types.reply import Parsed, Partial, Reply, ToolCall
from modelroute.types.request import JsonSchema, Request
from modelroute.types.timeouts import Timeouts
from modelroute.types.usage import TokenCount, Usage

FAILURE = Failure(Kind.LATE, "the deadline passed")
ATTEMPT = Attempt(1, "m@p", "first", None, Money(1), Money("0.5"), "provider", Usage(1, 2), 0.5, 0.1)
DECISION = Decision(ranked=(Ranked("m@p", "m", "p", "v"),), reject=(), scenario="default")
REPLY = Reply(
    text="hello",
    message={"role": "assistant", "content": "hello"},
    finish="stop",
    target="m@p",
    model="m",
    cost=Money("0.5"),
    cost_basis="provider",
    attempts=(ATTEMPT,),
    decision=DECISION,
    usage=Usage(1, 2),
)
VALUES = [
    ATTEMPT, Claim("s", Money(1), Money(1), 5.0), Granted(), Refused("s", Money(1), Money(0)), Constraints(), Floor(5),
    DECISION, TextDelta("a"), ReasoningDelta("a"), ToolCallDelta(0, "i", "n", "{}"), UsageReport(Usage(0, 0)),
    Finish("stop"), Blocks({"a": [1]}), Fault(FAILURE), Ended(), Affinity("m@p", 3), RequestFacts(), Snapshot(now=1.0),
    FAILURE, Attempted("r", ATTEMPT), Decided("r", DECISION), Finished("r", None, FAILURE, Money(0), 1.0, 2),
    Held("r", "m@p", 0, 5.0, FAILURE), Settled("r", "r.1", "m@p", Money(1), Money(0), "unbilled"), REPLY,
    Partial(text="a"), ToolCall("i", "n", "{}"), JsonSchema("answer", {"type": "object"}), Timeouts(), TokenCount(1, 2),
    Usage(1, 2, provider_cost=Money(1)), Request(({"role": "user", "content": "x"},)),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_comes_back_and_cannot_be_changed(value: object) -> None:
    assert pickle.loads(pickle.dumps(value)) == value
    assert copy.deepcopy(value) == value
    assert "object at 0x" not in repr(value)
    first = next(iter(getattr(value, "__dataclass_fields__", {"scenario": None})), None)
    if first is not None:
        with pytest.raises((FrozenInstanceError, AttributeError)):
            setattr(value, first, None)


def test_a_parsed_reply_is_the_reply_and_its_value() -> None:
    parsed: Parsed[int] = Parsed(value=7, **{name: getattr(REPLY, name) for name in Reply.__dataclass_fields__})
    back = pickle.loads(pickle.dumps(parsed))
    assert (back.value, back.text, str(back)) == (7, "hello", "hello")


def test_an_attempt_says_what_became_of_it() -> None:
    assert ATTEMPT.succeeded
    assert str(ATTEMPT) == "1. m@p (first): answered in 0.50 s, $0.50 (provider)"
    late = Attempt(2, "m@p", "retry", FAILURE, Money(1), Money(1), "reservation", None, 3.0, None)
    assert not late.succeeded
    assert "late: the deadline passed" in str(late)


def test_a_count_of_zero_tokens_is_a_count() -> None:
    """`get(...) or default` would take a falsy count for none: a count of zero must stay zero."""
    facts = RequestFacts(tokens={ANY_VOCABULARY: TokenCount(9, 9), "o200k": TokenCount(0, 0)})
    assert facts.count("o200k") == TokenCount(0, 0)
    assert facts.count("unknown") == TokenCount(9, 9)


def test_defaults_are_not_shared() -> None:
    one, other = Request(({"role": "user", "content": "x"},)), Request(({"role": "user", "content": "x"},))
    assert one.parameters is not other.parameters
    assert Snapshot(now=0.0).holds is not Snapshot(now=0.0).holds
