"""Exact money: integer pico-dollars (1e-12 USD), so that sums, ledgers and ceilings agree to the last digit."""

from __future__ import annotations

import math
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import TypeAlias

from modelroute.errors import ConfigurationError, shown

__all__ = ["PICO_PER_DOLLAR", "ZERO", "Money", "MoneyLike"]

PICO_PER_DOLLAR = 1_000_000_000_000

_EXACT = Context(prec=60, Emax=999, Emin=-999, traps=[InvalidOperation, Inexact])
"""Arithmetic of our own: the caller's decimal context may round to a few digits."""

_MOST = 10**30
"""No amount of money; text such as ``1e999999999`` would fill the memory with its digits."""


class Money:
    """An exact amount of US dollars.

    ``Money(0.02)``, ``Money("0.02")`` and ``Money(Decimal("0.02"))`` are the amount *as typed*: a float is read by its
    shortest decimal form, never by its binary value. Anything finer than a pico-dollar is refused.

    Supports ``+ -`` with Money, ``*`` and ``//`` with int, comparison, ``abs``, hashing, pickling and truth (zero is
    false). `pico` is the integer amount. `str` shows at least two and as many digits as matter: ``$0.0011``.

    Raises `ConfigurationError` for text that is not a number, for NaN, infinities and 1e30 dollars or more.
    """

    __slots__ = ("pico",)
    pico: int

    def __init__(self, amount: MoneyLike) -> None:
        if isinstance(amount, Money):
            pico = amount.pico
        elif isinstance(amount, int) and not isinstance(amount, bool) and abs(amount) < _MOST:
            pico = int(amount) * PICO_PER_DOLLAR
        else:
            pico = _pico_from_decimal(amount)
        object.__setattr__(self, "pico", pico)

    @classmethod
    def from_pico(cls, pico: int) -> Money:
        """Return the amount of `pico` pico-dollars."""
        money = object.__new__(cls)
        object.__setattr__(money, "pico", pico)
        return money

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("Money is immutable; build a new one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("Money is immutable; build a new one")

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the exact integer."""
        return (Money.from_pico, (self.pico,))

    @property
    def dollars(self) -> Decimal:
        """The exact amount in dollars."""
        sign = "-" if self.pico < 0 else ""
        whole, fraction = divmod(abs(self.pico), PICO_PER_DOLLAR)
        digits = f"{fraction:012}".rstrip("0")
        return Decimal(f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}")

    def __add__(self, other: Money) -> Money:
        if not isinstance(other, Money):
            return NotImplemented
        return Money.from_pico(self.pico + other.pico)

    def __sub__(self, other: Money) -> Money:
        if not isinstance(other, Money):
            return NotImplemented
        return Money.from_pico(self.pico - other.pico)

    def __mul__(self, factor: int) -> Money:
        if not isinstance(factor, int):
            return NotImplemented
        return Money.from_pico(self.pico * factor)

    __rmul__ = __mul__

    def __floordiv__(self, divisor: int) -> Money:
        if not isinstance(divisor, int):
            return NotImplemented
        return Money.from_pico(self.pico // divisor)

    def __neg__(self) -> Money:
        return Money.from_pico(-self.pico)

    def __abs__(self) -> Money:
        return Money.from_pico(abs(self.pico))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        return self.pico == other.pico

    def __lt__(self, other: Money) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        return self.pico < other.pico

    def __le__(self, other: Money) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        return self.pico <= other.pico

    def __gt__(self, other: Money) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        return self.pico > other.pico

    def __ge__(self, other: Money) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        return self.pico >= other.pico

    def __hash__(self) -> int:
        return hash((Money, self.pico))

    def __bool__(self) -> bool:
        return self.pico != 0

    def __float__(self) -> float:
        """The nearest float, an infinity beyond the largest; for display and charts only, never to compute with."""
        try:
            return self.pico / PICO_PER_DOLLAR
        except OverflowError:
            return math.inf if self.pico > 0 else -math.inf

    def __repr__(self) -> str:
        return f"Money('{self.dollars:f}')"

    def __str__(self) -> str:
        """Two significant digits below a cent, cents above: ``$0``, ``$0.0011``, ``$0.02``, ``$12.50``."""
        if self.pico == 0:
            return "$0"
        sign = "-" if self.pico < 0 else ""
        amount = abs(self).dollars
        if amount >= Decimal("0.01"):
            places = 2 if amount >= 1 else 4
            text = f"{amount:,.{places}f}"
            whole, _, fraction = text.partition(".")
            fraction = fraction[:2] + fraction[2:].rstrip("0")
            return f"{sign}${whole}.{fraction}"
        places = -amount.adjusted() + 1
        fixed = f"{amount:.{places}f}".rstrip("0")
        return f"{sign}${fixed}"


MoneyLike: TypeAlias = Money | int | float | str | Decimal
"""What a user may type for an amount of US dollars."""


def _pico_from_decimal(amount: float | str | Decimal) -> int:
    try:
        exact = amount if isinstance(amount, Decimal) else Decimal(str(amount).strip().removeprefix("$"))
        if not exact.is_finite() or not -_MOST < exact < _MOST:
            raise ConfigurationError(f"an amount of money must be a finite number below 1e30, not {shown(amount, 42)}")
        return int(_EXACT.to_integral_exact(_EXACT.scaleb(exact, 12)))
    except Inexact:
        raise ConfigurationError(f"{shown(amount, 42)} dollars is finer than a pico-dollar (1e-12); round it") from None
    except ConfigurationError:
        raise
    except Exception:  # noqa: BLE001 - what is no number may raise anything when it is read as one
        raise ConfigurationError(
            f"{shown(amount, 42)} is not an amount of US dollars; write 0.02, '0.02' or Decimal('0.02')"
        ) from None


ZERO = Money.from_pico(0)
