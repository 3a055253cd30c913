"""S1 as a checker: what it lets pass, and what it finds."""

# ruff: noqa: ANN401
# Fields are handed through to `Observed`, which checks them.

from typing import Any

import pytest

from modelroute import Money, StreamInterruptedError
from modelroute.testing import Answer, Cuts, Failure, Kind
from modelroute.testing.checks import InvariantViolatedError, Observed, check_s1, check_s2, check_s3
from modelroute.testing.script import Step
from modelroute.testing.scripted import SeenCall
from modelroute.types.attempt import Attempt
from modelroute.types.decision import Decision
from modelroute.types.reply import Partial, Reply

DECISION = Decision(ranked=(), reject=(), scenario="default")


def attempt(number: int, failure: Failure | None) -> Attempt:
    return Attempt(number, "m@p", "first", failure, Money(0), Money(0), "provider", None, 0.0, None)


def reply(text: str, *attempts: Attempt) -> Reply:
    return Reply(
        text=text, message={}, finish="stop", target="m@p", model="m", cost=Money(0), cost_basis="provider",
        attempts=attempts, decision=DECISION, usage=None,
    )  # fmt: skip


def observed(said: list[Step], received: list[str], restarts: list[int], **more: Any) -> Observed:
    calls = [SeenCall("m@p", {}, 0.0, step) for step in said]
    return Observed(
        4, None, lambda call: Money(0), streamed=True, calls=calls, received=received, restarts=restarts, **more
    )


TWO: list[Step] = [Cuts(answer=Answer("one two")), Answer("three")]


@pytest.mark.parametrize(
    ("received", "restarts", "holds"),
    [
        ([], [], True),
        (["one"], [], True),
        (["one", " two"], [], True),
        (["one", "three"], [2 - 1], True),
        (["one", "th"], [1], True),
        (["three"], [0], True),
        (["one"], [1], True),
        (["one", "three"], [], False),
        (["one", "one two"], [1], False),
        (["three", "one"], [1], False),
        (["one", "three", "three"], [1, 2], False),
        (["four"], [], False),
    ],
)
def test_every_text_is_a_prefix_of_one_attempt_and_they_come_in_order(
    received: list[str], restarts: list[int], holds: bool
) -> None:
    seen = observed(TWO, received, restarts)
    if holds:
        check_s1(seen)
    else:
        with pytest.raises(InvariantViolatedError, match="S1"):
            check_s1(seen)


def test_a_reply_is_the_last_text_whole() -> None:
    check_s1(observed(TWO, ["one", "three"], [1], reply=reply("three")))
    for text, received, restarts in (("one twothree", ["one two", "three"], [1]), ("three", ["one"], [1])):
        with pytest.raises(InvariantViolatedError, match="S1"):
            check_s1(observed(TWO, received, restarts, reply=reply(text)))


def test_an_error_has_all_that_the_caller_holds() -> None:
    def broken(text: str) -> StreamInterruptedError:
        return StreamInterruptedError(
            "broken", decision=DECISION, attempts=(), failure=Failure(Kind.INTERRUPTED), cost=Money(0),
            partial=Partial(text=text, reasoning="", tool_calls=(), usage=None, target="m@p"), retry_after=None,
        )  # fmt: skip

    check_s1(observed(TWO, ["one"], [], error=broken("one two")))
    with pytest.raises(InvariantViolatedError, match="S1"):
        check_s1(observed(TWO, ["one", "three"], [1], error=broken("one")))


def test_the_answer_of_a_race_need_not_be_the_last_call() -> None:
    lost = attempt(2, Failure(Kind.CANCELLED))
    seen = observed([Answer("won"), Answer("lost")], ["won"], [], reply=reply("won", attempt(1, None), lost))
    for check in (check_s1, check_s2, check_s3):
        check(seen)
    with pytest.raises(InvariantViolatedError, match="S2"):
        check_s2(observed([Answer("won"), Answer("lost")], [], [], reply=reply("lost", attempt(1, None), lost)))
