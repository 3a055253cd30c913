"""What an attempt is charged: never less than the truth, never what was provably not sent (INVARIANTS M2, M7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.engine.assembly import Assembly
from modelroute.engine.charging import Asked, Charged, charge
from modelroute.engine.plan import Leg
from modelroute.money import ZERO, Money
from modelroute.types.events import Finish, TextDelta, UsageReport, WireEvent
from modelroute.types.failure import TABLE, Charge, Failure, Kind, Seen
from modelroute.types.usage import Usage
from tests.engine.plans import REQUEST, World, leg

RESERVED = Money(100)
USAGE = UsageReport(Usage(3, 4))
UNBILLED = Charged(ZERO, "unbilled")


def charged(
    failure: Failure | None,
    *said: WireEvent,
    reserved: Money | None = RESERVED,
    sent: bool = True,
    at: Leg | None = None,
) -> Charged:
    assembly = Assembly()
    assembly.take(said)
    on = at or leg("m@p")
    asked = Asked(on, REQUEST, 0.0)
    return charge(World().plan([on]), asked, reserved=reserved, assembly=assembly, failure=failure, sent=sent)


@pytest.mark.parametrize("kind", Kind)
def test_nothing_was_reported_and_nothing_seen(kind: Kind) -> None:
    """The last column of the table, where the provider said nothing."""
    free = TABLE[kind].charge is Charge.NOTHING
    assert charged(Failure(kind)) == (UNBILLED if free else Charged(RESERVED, "reservation"))
    assert charged(Failure(kind), reserved=None) == (UNBILLED if free else Charged(Money(10), "estimate"))


@pytest.mark.parametrize("kind", [Kind.TRANSIENT, Kind.UNAVAILABLE])
def test_errors_cost_nothing_where_the_provider_documents_them_as_unbilled(kind: Kind) -> None:
    kindly = leg("m@p", charges_errors=False)
    assert charged(Failure(kind), at=kindly) == UNBILLED
    assert charged(Failure(kind), TextDelta("so far"), at=kindly) == Charged(RESERVED, "reservation")
    assert charged(Failure(Kind.SILENT), at=kindly) == Charged(RESERVED, "reservation")


@pytest.mark.parametrize("kind", [kind for kind in Kind if TABLE[kind].charge is Charge.NOTHING])
def test_an_error_inside_a_stream_does_not_unsay_its_tokens(kind: Kind) -> None:
    """Limits and refusals can come as an event after content: that content was billed."""
    assert charged(Failure(kind), TextDelta("abc")) == Charged(RESERVED, "reservation")
    assert charged(Failure(kind), TextDelta("abc"), reserved=None) == Charged(Money(13), "estimate")


@pytest.mark.parametrize("kind", Kind)
def test_what_was_never_sent_costs_nothing(kind: Kind) -> None:
    assert charged(Failure(kind), sent=False) == UNBILLED


def test_an_answer_costs_its_usage() -> None:
    assert charged(None, TextDelta("a"), Finish("stop"), USAGE) == Charged(Money(7), "catalog 2026-10-09")
    own = UsageReport(Usage(3, 4, provider_cost=Money("0.5")))
    assert charged(None, Finish("stop"), own) == Charged(Money("0.5"), "provider")
    assert charged(None, Finish("stop"), UsageReport(Usage(0, 0))) == Charged(ZERO, "catalog 2026-10-09")


def test_an_answer_without_usage_costs_the_reservation_or_what_was_seen() -> None:
    assert charged(None, TextDelta("abcd"), Finish("stop")) == Charged(RESERVED, "reservation")
    assert charged(None, TextDelta("abcd"), Finish("stop"), reserved=None) == Charged(Money(14), "estimate")


@pytest.mark.parametrize("kind", [Kind.REFUSED, Kind.INVALID_OUTPUT])
def test_a_refusal_costs_the_reported_usage(kind: Kind) -> None:
    assert charged(Failure(kind), USAGE) == Charged(Money(7), "catalog 2026-10-09")
    assert charged(Failure(kind)) == Charged(RESERVED, "reservation")


def test_an_answer_is_charged_by_a_report_that_came_with_its_end() -> None:
    """Anthropic reports one output token at the start: without a later report that is not what the answer cost."""
    assert charged(None, USAGE, TextDelta("abcd"), Finish("stop")) == Charged(RESERVED, "reservation")
    assert charged(None, USAGE, TextDelta("abcd"), Finish("stop"), reserved=None) == Charged(Money(14), "estimate")
    zero = UsageReport(Usage(0, 0))
    assert charged(None, USAGE, TextDelta("abcd"), Finish("stop"), zero) == Charged(Money(7), "catalog 2026-10-09")


def test_a_report_before_the_end_may_have_been_overtaken() -> None:
    """Early usage is not the whole: the reservation is charged, or the larger of the two estimates."""
    early = UsageReport(Usage(20, 1))
    assert charged(Failure(Kind.INTERRUPTED), early, TextDelta("abcd")) == Charged(RESERVED, "reservation")
    assert charged(Failure(Kind.INTERRUPTED), early, TextDelta("abcd"), reserved=None) == Charged(Money(21), "estimate")
    assert charged(Failure(Kind.INTERRUPTED), USAGE, TextDelta("abcd"), reserved=None) == Charged(Money(14), "estimate")
    assert charged(Failure(Kind.CANCELLED), Finish("stop"), USAGE) == Charged(Money(7), "catalog 2026-10-09")


def test_a_provider_that_reports_more_than_was_reserved_is_charged_in_full() -> None:
    """It ignored the cap: recorded spend must not stay below what is known to be billed."""
    beyond = UsageReport(Usage(100, 50))
    assert charged(Failure(Kind.INTERRUPTED), beyond).cost == Money(150)
    assert charged(None, Finish("stop"), beyond).cost == Money(150)


reports = st.none() | st.builds(Usage, st.integers(0, 200), st.integers(0, 200))


@given(
    st.none() | st.builds(Failure, st.sampled_from(Kind), seen=st.none() | st.sampled_from(Seen)),
    reports,
    st.text(max_size=5),
    st.booleans(),
    st.booleans(),
)
def test_under_a_ceiling_no_charge_is_below_what_may_have_been_billed(
    failure: Failure | None, usage: Usage | None, text: str, finished: bool, charges_errors: bool
) -> None:
    said: list[WireEvent] = [TextDelta(text)] if text else []
    said += [Finish("stop")] if finished else []
    said += [UsageReport(usage)] if usage is not None else []
    got = charged(failure, *said, at=leg("m@p", charges_errors=charges_errors))
    known = ZERO if usage is None else Money(usage.input_tokens + usage.output_tokens)
    documented = failure is not None and TABLE[failure.kind].charge is Charge.UNLESS_UNBILLED and not charges_errors
    unseen = failure is not None and failure.was_seen is Seen.NO
    refusal = failure is not None and TABLE[failure.kind].charge is Charge.REPORTED
    whole = usage is not None and (finished or refusal)
    if got == UNBILLED:
        assert not text
        assert documented or (unseen and usage is None)
    elif whole:
        assert got.cost == known
    else:
        assert got.cost >= max(RESERVED, known)
