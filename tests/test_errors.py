"""Every error of the library: one tree, structured fields, pickling, messages one can act on."""

import copy
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given

from modelroute import errors
from modelroute.errors import (
    AttemptsFailedError,
    BudgetExceededError,
    ConfigurationError,
    DeadlineExceededError,
    IdempotencyError,
    InvalidOutputError,
    LocalModelUnavailableError,
    ModelRouteError,
    NoEligibleTargetError,
    NoProviderError,
    RequestError,
    RouterClosedError,
    StoreLostError,
    StoreUnavailableError,
    StreamInterruptedError,
    UnknownNameError,
    did_you_mean,
)
from modelroute.money import Money
from modelroute.types.attempt import Attempt
from modelroute.types.decision import Decision, Ranked
from modelroute.types.failure import Failure, Kind
from modelroute.types.reply import Partial, ToolCall
from modelroute.types.usage import Usage
from tests.junk import junk

DECISION = Decision(ranked=(Ranked("m@p", "m", "p", "v"),), reject=(), scenario="default")
FAILURE = Failure(Kind.SILENT, "no content within 10.0 s")
ATTEMPTS = (Attempt(1, "m@p", "first", FAILURE, Money("0.02"), Money("0.02"), "reservation", None, 10.0, None),)
PARTIAL = Partial(text="half an", tool_calls=(ToolCall("c1", "look", '{"a'),), usage=Usage(3, 2), target="m@p")


def failed(kind: type[AttemptsFailedError], **more: object) -> Callable[[], ModelRouteError]:
    return lambda: kind(
        "no answer; do this next",
        decision=DECISION,
        attempts=ATTEMPTS,
        failure=FAILURE,
        cost=Money("0.02"),
        retry_after=2.5,
        **more,
    )


MAKERS: dict[type[ModelRouteError], Callable[[], ModelRouteError]] = {
    ModelRouteError: lambda: ModelRouteError("it went wrong; do this next"),
    ConfigurationError: lambda: ConfigurationError("declared wrongly; write it so"),
    UnknownNameError: lambda: UnknownNameError("model", "kimi", ["kimi-k2.6", "glm"], hint="See the catalog."),
    NoProviderError: lambda: NoProviderError(["A_KEY", "B_KEY"]),
    RequestError: lambda: RequestError("cannot be made; write it so"),
    NoEligibleTargetError: lambda: NoEligibleTargetError("nothing fits", decision=DECISION, retry_after=1.5),
    BudgetExceededError: lambda: BudgetExceededError(
        "budget 'a' has $0.01 of $5.00 left; raise it",
        budget="a",
        scope="budget:a@2026-11-22",
        limit=Money(5),
        left=Money("0.01"),
        wanted=Money("0.02"),
        retry_after=60.0,
        decision=DECISION,
        attempts=ATTEMPTS,
        cost=Money("0.02"),
    ),
    StoreUnavailableError: lambda: StoreUnavailableError("sqlite spend.db is locked; try again"),
    StoreLostError: lambda: StoreLostError("redis has lost what it knew; rebuild it"),
    IdempotencyError: lambda: IdempotencyError("the key was used for another request; take a new one"),
    AttemptsFailedError: failed(AttemptsFailedError),
    DeadlineExceededError: failed(DeadlineExceededError),
    StreamInterruptedError: failed(StreamInterruptedError, partial=PARTIAL),
    InvalidOutputError: failed(InvalidOutputError, problems=("a: missing",)),
    RouterClosedError: lambda: RouterClosedError("closed; make a new one"),
    LocalModelUnavailableError: lambda: LocalModelUnavailableError("no weights; run make demo"),
}


def test_every_class_is_exported_and_made_here() -> None:
    classes = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert classes == set(MAKERS)
    assert {kind.__name__ for kind in classes} | {"did_you_mean"} == set(errors.__all__)
    assert errors.__doc__ is not None
    assert all(kind.__name__ in errors.__doc__ for kind in classes)


@pytest.mark.parametrize("kind", MAKERS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("again", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
def test_it_comes_back_whole(kind: type[ModelRouteError], again: Callable[[ModelRouteError], ModelRouteError]) -> None:
    error = MAKERS[kind]()
    back = again(error)
    assert type(back) is kind
    assert str(back) == str(error)
    assert back.args == error.args
    for field in kind.fields:
        assert getattr(back, field) == getattr(error, field), field
    assert set(vars(error)) == set(kind.fields), "a field that is not declared would be lost by pickling"


@pytest.mark.parametrize("kind", MAKERS, ids=lambda kind: kind.__name__)
def test_its_repr_and_message_can_be_read(kind: type[ModelRouteError]) -> None:
    error = MAKERS[kind]()
    assert repr(error).startswith(kind.__name__)
    assert str(error)
    assert "object at 0x" not in repr(error)


def test_the_tree_is_the_drawn_one() -> None:
    assert issubclass(ConfigurationError, ValueError)
    assert issubclass(UnknownNameError, ConfigurationError)
    assert issubclass(NoProviderError, ConfigurationError)
    assert issubclass(RequestError, ValueError)
    assert issubclass(DeadlineExceededError, TimeoutError)
    assert issubclass(RouterClosedError, RuntimeError)
    for kind in (DeadlineExceededError, StreamInterruptedError, InvalidOutputError):
        assert issubclass(kind, AttemptsFailedError)
    assert not issubclass(NoEligibleTargetError, AttemptsFailedError)


def test_a_subclass_with_keywords_of_its_own_pickles() -> None:
    """`_Renamed` takes a keyword that the default `__reduce__` could not replay."""
    error = _Renamed("moved", to="there")
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back), back.to) == (_Renamed, "moved", "there")


class _Renamed(ModelRouteError):
    fields = ("to",)

    def __init__(self, message: str, *, to: str) -> None:
        self.to = to
        super().__init__(message)


def test_an_unknown_name_says_what_was_meant() -> None:
    error = UnknownNameError("model", "kimi-k2", ["kimi-k2.6", "glm-5"], hint="Or declare it.")
    assert "Did you mean 'kimi-k2.6'?" in str(error)
    assert str(error).endswith("Or declare it.")
    many = UnknownNameError("model", "x", [f"model-{number}" for number in range(40)])
    assert "and 28 more" in str(many)
    assert "none" in str(UnknownNameError("task", "x", []))
    assert did_you_mean("zzz", ["kimi"]) == ""


def test_a_name_in_other_letters_is_suggested_as_it_is_spelt() -> None:
    assert did_you_mean("GPT-5.5", ["gpt-5.5", "glm-5"]) == " Did you mean 'gpt-5.5'?"
    assert "'EU'" in did_you_mean("eu", ["EU", "US"])


@given(junk())
def test_a_name_of_any_type_is_told_to_be_unknown(name: object) -> None:
    error = UnknownNameError("model", name, ["gpt-5.5"])
    assert isinstance(error.name, str)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert len(str(error)) < 500
    assert isinstance(name, str) or "A name is text" in str(error)
    did_you_mean(name, ["gpt-5.5"])


def test_no_provider_names_every_variable_that_was_looked_for() -> None:
    error = NoProviderError(name for name in ("A_KEY", "B_KEY"))
    assert error.variables == ("A_KEY", "B_KEY")
    assert all(name in str(error) for name in error.variables)
