"""The limits of an attempt: the contract's numbers, and nothing that could hang."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.errors import ConfigurationError
from modelroute.types.timeouts import CHAT_DEADLINE, STREAM_DEADLINE, Timeouts

PHASES = ["connect", "first_token", "idle", "attempt", "silent_reasoning"]


def test_the_defaults_are_the_contracts() -> None:
    usual = Timeouts()
    assert (usual.connect, usual.first_token, usual.idle, usual.attempt, usual.silent_reasoning) == (
        5,
        10,
        10,
        120,
        120,
    )
    assert (CHAT_DEADLINE, STREAM_DEADLINE) == (600, 120)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan"), None, "5", True])
def test_a_limit_is_a_positive_finite_number(phase: str, seconds: object) -> None:
    with pytest.raises(ConfigurationError, match=phase):
        Timeouts(**{phase: seconds})  # type: ignore[arg-type]


@given(st.sampled_from(PHASES), st.floats(1e-6, 1e9))
def test_any_positive_number_is_taken(phase: str, seconds: float) -> None:
    assert getattr(Timeouts(**{phase: seconds}), phase) == seconds
