"""What an error says: what happened, once, what to do next, and nothing of what was asked or answered."""

import pytest

from modelroute.engine.outcome import failed
from modelroute.engine.progress import CUT
from modelroute.errors import AttemptsFailedError, InvalidOutputError
from modelroute.money import ZERO, Money
from modelroute.types.attempt import Attempt
from modelroute.types.failure import Failure, Kind
from tests.engine.plans import World, leg


def error_of(failure: Failure) -> AttemptsFailedError:
    attempt = Attempt(
        number=1, target="m@p", why="first", failure=failure, reserved=ZERO, cost=Money(1), basis="estimate",
        usage=None, seconds=0.1, first_token=None,
    )  # fmt: skip
    return failed(World().plan([leg("m@p")]), failure, (attempt,), Money(1), None, None)


def said(failure: Failure) -> str:
    return str(error_of(failure))


@pytest.mark.parametrize("kind", Kind)
def test_the_first_line_names_the_kind_once_and_ends_once(kind: Kind) -> None:
    for words in ("", "no luck", "I said no.", "well..."):
        head = said(Failure(kind, words)).splitlines()[0]
        assert head.count(kind.value) == 1
        assert head.endswith(".")
        assert not head.endswith("..")


def test_the_words_of_a_refusal_are_in_a_field_and_not_in_the_error() -> None:
    failure = Failure(Kind.REFUSED, "the model declined to answer", refusal="I cannot: private.")
    assert "private" not in said(failure)
    assert ".failure.refusal" in said(failure)


def test_an_answer_cut_off_by_its_cap_says_which_cap_to_raise() -> None:
    cut = Failure(Kind.INVALID_OUTPUT, "cut off", provider_code=CUT)
    assert "max_tokens=" in said(cut)
    assert "stronger target" not in said(cut)
    assert "stronger target" in said(Failure(Kind.INVALID_OUTPUT, "wrong"))
    assert isinstance(error_of(cut), InvalidOutputError)
