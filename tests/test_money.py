"""Money is exact, read as typed, and never mistaken for a number: the law is INVARIANTS M5."""

import copy
import decimal
import pickle
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.errors import ConfigurationError
from modelroute.money import PICO_PER_DOLLAR, ZERO, Money
from tests.junk import junk, works_or_is_refused

pico = st.integers(-(10**30), 10**30)
amounts = st.builds(Money.from_pico, pico)


@given(pico, pico, st.integers(-1000, 1000))
def test_arithmetic_is_that_of_the_integers(one: int, other: int, factor: int) -> None:
    a, b = Money.from_pico(one), Money.from_pico(other)
    assert (a + b).pico == one + other
    assert (a - b).pico == one - other
    assert (a * factor).pico == (factor * a).pico == one * factor
    assert (-a).pico == -one
    assert abs(a).pico == abs(one)
    assert bool(a) is (one != 0)
    assert (a < b, a <= b, a == b, a >= b, a > b) == (
        one < other,
        one <= other,
        one == other,
        one >= other,
        one > other,
    )
    if factor:
        assert (a // factor).pico == one // factor


@given(amounts)
def test_every_way_to_write_it_down_gives_it_back(money: Money) -> None:
    assert Money(money.dollars) == money
    assert Money(str(money.dollars)) == money
    assert eval(repr(money)) == money
    assert pickle.loads(pickle.dumps(money)) == money
    assert copy.deepcopy(money) == money
    assert hash(Money.from_pico(money.pico)) == hash(money)


@given(st.lists(amounts, max_size=30))
def test_a_sum_is_exact_in_any_order(listed: list[Money]) -> None:
    forwards = sum(listed, start=ZERO)
    assert forwards == sum(reversed(listed), start=ZERO)
    assert forwards.pico == sum(money.pico for money in listed)


@given(amounts, st.integers(1, 6))
def test_the_callers_decimal_context_changes_nothing(money: Money, digits: int) -> None:
    """A program that computes with three digits must not make a ceiling of $1234.56 one of $1230."""
    typed = f"{money.dollars:f}"
    shown, written = str(money), repr(money)
    with decimal.localcontext(decimal.Context(prec=digits, traps=[])):
        assert Money(typed) == money
        assert Money(Decimal(typed)) == money
        assert (str(money), repr(money)) == (shown, written)
        assert f"{money.dollars:f}" == typed


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (0.02, 20_000_000_000),
        (0.1, 100_000_000_000),
        (1e-12, 1),
        ("0.02", 20_000_000_000),
        (" $0.02 ", 20_000_000_000),
        ("-3", -3 * PICO_PER_DOLLAR),
        (Decimal("0.16"), 160_000_000_000),
        (3, 3 * PICO_PER_DOLLAR),
        (0, 0),
        (0.0, 0),
        ("1.500000000000000000000000", 1_500_000_000_000),
        ("12345678901234567.123456789012", 12345678901234567123456789012),
        (Money.from_pico(7), 7),
    ],
)
def test_an_amount_is_taken_as_typed(typed: float | str | Decimal | Money, expected: int) -> None:
    assert Money(typed).pico == expected


@pytest.mark.parametrize(
    "typed",
    [
        "abc", "", "nan", "sNaN", "inf", "-inf", float("nan"), float("inf"), Decimal("sNaN"), None, True, False, b"1",
        [], "1e-13", Decimal("0.0000000000001"), "12345678901234567.1234567890123", "1e999999999", "1e-999999999",
        1e300,
    ],
)  # fmt: skip
def test_what_is_no_exact_amount_is_refused_when_built(typed: object) -> None:
    """Also what would fill the memory with its digits, and what would have to be rounded."""
    with pytest.raises(ConfigurationError) as caught:
        Money(typed)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 200


@given(st.text(max_size=30))
def test_any_text_is_an_amount_or_a_configuration_error(typed: str) -> None:
    try:
        money = Money(typed)
    except ConfigurationError:
        return
    assert Decimal(typed.strip().removeprefix("$")) == money.dollars


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("0", "$0"),
        ("0.0011", "$0.0011"),
        ("0.02", "$0.02"),
        ("0.1", "$0.10"),
        ("0.0123", "$0.0123"),
        ("12.5", "$12.50"),
        ("-12.5", "-$12.50"),
        ("1234567.891", "$1,234,567.89"),
        ("0.000000000001", "$0.000000000001"),
        ("0.00001234", "$0.000012"),
        ("-0.0011", "-$0.0011"),
    ],
)
def test_it_shows_the_digits_that_matter(typed: str, shown: str) -> None:
    assert str(Money(typed)) == shown


@given(amounts)
def test_what_is_shown_is_within_one_percent_and_never_zero(money: Money) -> None:
    shown = Decimal(str(money).replace("$", "").replace(",", ""))
    assert (shown == 0) == (money.pico == 0)
    assert abs(shown - money.dollars) <= max(abs(money.dollars) * Decimal("0.05"), Decimal(0))


def test_it_is_immutable_and_no_number() -> None:
    money = Money(1)
    with pytest.raises(AttributeError):
        money.pico = 2
    with pytest.raises(AttributeError):
        del money.pico
    operations: list[Callable[[], object]] = [
        lambda: money + 1,  # type: ignore[operator]
        lambda: money - 0.5,  # type: ignore[operator]
        lambda: money * 0.5,  # type: ignore[operator]
        lambda: money < 1,  # type: ignore[operator]
        lambda: money // 0.1,  # type: ignore[operator]
    ]
    for operation in operations:
        with pytest.raises(TypeError):
            operation()
    assert money != 1
    assert money != PICO_PER_DOLLAR
    assert {money: "a"}[Money("1.00")] == "a"
    assert float(Money("0.25")) == 0.25


def test_an_amount_beyond_all_money_is_refused_and_one_computed_is_infinite_as_a_float() -> None:
    for amount in (10**400, -(10**400), 10**30, "1e30", Decimal("1e999"), 1e308):
        with pytest.raises(ConfigurationError, match="below 1e30"):
            Money(amount)
    assert float(Money(10**29) * 10**400) == float("inf")
    assert float(Money(-1) * 10**400) == float("-inf")


@given(junk())
def test_whatever_is_typed_is_an_amount_or_is_refused(value: object) -> None:
    works_or_is_refused(
        lambda: Money(value),  # type: ignore[arg-type]
        lambda money: (str(money), repr(money), float(money), hash(money)),
    )
