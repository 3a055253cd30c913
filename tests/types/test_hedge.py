"""What a `Hedge` may be."""

from typing import Any

import pytest

from modelroute import ConfigurationError, Hedge
from modelroute.types.hedge import hedge_from


def test_it_is_a_plain_value() -> None:
    assert Hedge() == Hedge(after=None, max_extra=1)
    assert repr(Hedge(after=2)) == "Hedge(after=2, max_extra=1)"
    assert hash(Hedge(0.5, 2)) == hash(Hedge(after=0.5, max_extra=2))


@pytest.mark.parametrize(
    "wrong",
    [
        {"after": 0},
        {"after": -1.0},
        {"after": float("inf")},
        {"after": float("nan")},
        {"after": True},
        {"after": "2"},
        {"max_extra": 0},
        {"max_extra": 1.5},
        {"max_extra": True},
        {"max_extra": "1"},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=r"Hedge\((after|max_extra)=...\) must be"):
        Hedge(**wrong)


def test_true_is_the_default_one_and_false_is_none_at_all() -> None:
    assert hedge_from(True) == Hedge()
    assert hedge_from(False) is False
    assert hedge_from(None) is None
    assert hedge_from(Hedge(3)) == Hedge(3)
    with pytest.raises(ConfigurationError, match=r"hedge= must be True, False or Hedge\(after=...\)"):
        hedge_from(2)
