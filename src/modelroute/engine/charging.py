"""What an attempt is charged, from what is known of it: never less than the truth under a promise.

Strict, which is whenever a ceiling set money aside: what is not known to be less is charged at the reservation.
Otherwise there is no promise to keep, and the best estimate of what was seen is charged and called an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelroute.money import ZERO, Money
from modelroute.types.failure import Charge, Failure, Seen

if TYPE_CHECKING:
    from modelroute.engine.assembly import Assembly
    from modelroute.engine.plan import Leg, Plan
    from modelroute.types.request import Request

__all__ = ["Charged", "charge"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of whom, and when (Unix seconds): prices depend on all three."""

    leg: Leg
    request: Request
    moment: float


@dataclass(frozen=True, slots=True)
class Charged:
    """An amount, and how it is known: as `Plan.bill` says, ``estimate``, ``reservation`` or ``unbilled``."""

    cost: Money
    basis: str


_UNBILLED = Charged(ZERO, "unbilled")


def charge(
    plan: Plan, asked: Asked, *, reserved: Money | None, assembly: Assembly, failure: Failure | None, sent: bool
) -> Charged:
    """Return what the attempt is charged.

    A report covers the whole answer only when it came with the finish or after it: an earlier one may be overtaken.
    `reserved`: what was set aside, `None` without a ceiling. `failure`: `None` for an answer. `sent`: whether the call
    was begun.
    """
    if not sent:
        return _UNBILLED
    usage = assembly.usage
    if usage is not None and (assembly.usage_is_final or _is_refusal(failure)):
        return Charged(*plan.bill(asked.leg.ranked.target, usage, asked.moment))
    if failure is not None and _is_free(asked.leg, assembly, failure):
        return _UNBILLED
    return _unknown(plan, asked, reserved, assembly)


def _is_refusal(failure: Failure | None) -> bool:
    """Whether what was reported is what is charged, whenever it came: nothing followed it."""
    return failure is not None and failure.row.charge is Charge.REPORTED


def _is_free(leg: Leg, assembly: Assembly, failure: Failure) -> bool:
    """Whether a failure costs nothing. Never once tokens were seen: an error inside a stream does not unsay them."""
    if assembly.has_content:
        return False
    rule = failure.row.charge
    if rule is Charge.UNLESS_UNBILLED and not leg.charges_errors:
        return True
    return assembly.usage is None and failure.was_seen is Seen.NO


def _unknown(plan: Plan, asked: Asked, reserved: Money | None, assembly: Assembly) -> Charged:
    """Charge the reservation, or what was seen; in either case not less than what the provider has reported so far."""
    target = asked.leg.ranked.target
    known = ZERO if assembly.usage is None else plan.bill(target, assembly.usage, asked.moment)[0]
    if reserved is not None:
        return Charged(max(reserved, known), "reservation")
    seen = plan.presume(target, assembly.output_text, asked.request, asked.moment)
    return Charged(max(seen, known), "estimate")
