"""A request as a trace: one span for the route, one below it for each attempt. Internal to `OpenTelemetry`.

Imports OpenTelemetry's API when it is itself imported. Spans are made behind the request, with the times the notices
tell, and hold what the notices hold: no prompt, no answer, no key, no words of a provider.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, Status, StatusCode, get_tracer, set_span_in_context

from modelroute.integrations import semantics as names
from modelroute.integrations.in_flight import InFlight
from modelroute.types.notices import (
    Attempted,
    BudgetRefused,
    Decided,
    Finished,
    Held,
    Overrun,
    RouterEvent,
    StoreFailed,
)

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider

    from modelroute.money import Money
    from modelroute.types.attempt import Attempt
    from modelroute.types.decision import Decision
    from modelroute.types.failure import Failure

__all__ = ["Spans", "attempt_attributes", "decision_attributes"]

Value: TypeAlias = str | bool | int | float | Sequence[str]

_NANO = 1_000_000_000
_LARGEST = 2**63 - 1
"""The largest integer that is carried on: more than nine million dollars in pico-dollars are told in dollars alone."""


class _Route:
    """The span of a request, and what was counted below it."""

    __slots__ = ("bases", "began", "context", "fallbacks", "operation", "span")

    def __init__(self, span: Span, began: float, context: Context, operation: str) -> None:
        self.span = span
        self.operation = operation
        self.began = began
        self.context = set_span_in_context(span, context)
        self.fallbacks = 0
        self.bases: list[str] = []


class Spans:
    """Makes the spans of `tracer_provider`, the global one by default."""

    def __init__(self, tracer_provider: TracerProvider | None, version: str) -> None:
        self._tracer = get_tracer("modelroute", version, tracer_provider)
        self._routes: InFlight[_Route] = InFlight()

    def receive(self, event: RouterEvent, parent: Context) -> Context:
        """Tell the trace of `event`; return the context of the span it belongs to, for what is measured of it."""
        if isinstance(event, Decided):
            return self._decided(event, parent)
        if not isinstance(event, Attempted | Finished | Held | BudgetRefused | Overrun | StoreFailed):
            return Context()
        route = self._routes.get(event.request)
        if route is None:  # its `Decided` was dropped: spans without their trace would tell nothing
            return Context()
        if isinstance(event, Attempted):
            return self._attempted(route, event.attempt)
        if isinstance(event, Finished):
            self._finished(route, event)
        elif route.span.is_recording():
            name, attributes = _happening(event)
            route.span.add_event(name, attributes, _nanoseconds(event.at))
        return route.context

    def _decided(self, event: Decided, parent: Context) -> Context:
        began = event.at or event.decision.now
        span = self._tracer.start_span(names.ROUTE_SPAN, parent, SpanKind.INTERNAL, start_time=_nanoseconds(began))
        if span.is_recording():
            span.set_attributes(_request_attributes(event) | decision_attributes(event.decision))
        route = _Route(span, began, parent, names.operation(embeds=event.embeds))
        forgotten = self._routes.begin(event.request, route)
        if forgotten is not None:
            forgotten.span.set_attribute(names.ABANDONED, True)
            forgotten.span.end(_nanoseconds(event.at))
        return route.context

    def _attempted(self, route: _Route, attempt: Attempt) -> Context:
        if attempt.basis not in route.bases:
            route.bases.append(attempt.basis)
        route.fallbacks += attempt.why == "fallback"
        model, _ = names.split_target(attempt.target)
        began = attempt.at or route.began
        span = self._tracer.start_span(
            f"{route.operation} {model}", route.context, SpanKind.CLIENT, start_time=_nanoseconds(began)
        )
        if span.is_recording():
            span.set_attributes(attempt_attributes(attempt, route.operation))
            _judge(span, attempt.failure)
        span.end(_nanoseconds(began + max(0.0, attempt.seconds)))
        return set_span_in_context(span, route.context)

    def _finished(self, route: _Route, event: Finished) -> None:
        self._routes.end(event.request)
        if route.span.is_recording():
            found: dict[str, Value] = {
                names.ATTEMPTS_MADE: event.attempts,
                names.FALLBACKS_MADE: route.fallbacks,
                **_money(names.COST, event.cost),
            }
            if event.target is not None:
                found[names.TARGET] = event.target
            if route.bases:
                found[names.COST_BASIS] = ", ".join(route.bases)
            route.span.set_attributes(found)
            _judge(route.span, event.failure)
        ended = event.at if event.at >= route.began else route.began + max(0.0, event.seconds)
        route.span.end(_nanoseconds(ended))


def _request_attributes(event: Decided) -> dict[str, Value]:
    found: dict[str, Value] = {names.REQUEST: event.request, names.STREAM: event.stream}
    task = event.task or event.decision.task
    if task:
        found[names.TASK] = task
    if event.tags:
        found[names.TAGS] = sorted(event.tags)
    if event.conversation:
        found[names.CONVERSATION] = event.conversation
    return found


def decision_attributes(decision: Decision) -> dict[str, Value]:
    """Return what was decided and why. Reading it computes the rejections, so only for a span that is kept."""
    found: dict[str, Value] = {
        names.SELECTOR: decision.selector,
        names.SCENARIO: decision.scenario,
        names.REASON: decision.sentence(),
        names.RANKED: len(decision.ranked),
        names.REJECTED: len(decision.rejected),
    }
    floors = [part.removeprefix("floor ") for part in decision.constraints.split(", ") if part.startswith("floor ")]
    said: dict[str, Value] = {
        names.OBJECTIVE: decision.objective,
        names.POLICY: decision.policy,
        names.RULES: decision.rules,
        names.FLOOR: ", ".join(floors),
    }
    found |= {name: value for name, value in said.items() if value}
    if decision.max_cost is not None:
        found |= _money(names.CEILING, decision.max_cost)
    if decision.ranked:
        first = decision.ranked[0]
        for name, money in ((names.ESTIMATE, first.estimate), (names.BOUND, first.bound)):
            if money is not None:
                found |= _money(name, money)
    return found


def attempt_attributes(attempt: Attempt, operation: str = names.CHAT) -> dict[str, Value]:
    """Return what became of one attempt at `operation`."""
    model, provider = names.split_target(attempt.target)
    found: dict[str, Value] = {
        names.OPERATION: operation,
        names.PROVIDER: names.provider_name(provider),
        names.REQUEST_MODEL: model,
        names.TARGET: attempt.target,
        names.LANE: attempt.lane,
        names.NUMBER: attempt.number,
        names.WHY: attempt.why,
        names.COST_BASIS: attempt.basis,
        **_money(names.RESERVED, attempt.reserved),
        **_money(names.COST, attempt.cost),
    }
    if attempt.served_model:
        found[names.RESPONSE_MODEL] = attempt.served_model
    if attempt.response_id:
        found[names.RESPONSE_ID] = attempt.response_id
    if attempt.finish:
        found[names.FINISH_REASONS] = (attempt.finish,)
    if attempt.first_token is not None:
        found[names.TIME_TO_FIRST_CHUNK] = attempt.first_token
    usage = attempt.usage
    if usage is not None:
        found |= {
            names.INPUT_TOKENS: usage.input_tokens,
            names.OUTPUT_TOKENS: usage.output_tokens,
            names.CACHE_READ_TOKENS: usage.cached_tokens,
            names.CACHE_WRITE_TOKENS: usage.cache_write_tokens,
            names.REASONING_TOKENS: usage.reasoning_tokens,
        }
    return found


def _happening(event: Held | BudgetRefused | Overrun | StoreFailed) -> tuple[str, dict[str, Value]]:
    """Return what happened on the way as an event of the route's span: its name and attributes."""
    if isinstance(event, Held):
        return names.HELD_EVENT, {
            names.TARGET: event.target,
            names.LANE: event.lane,
            names.UNTIL: event.until,
            names.FAILURE: event.failure.kind.value,
        }
    if isinstance(event, BudgetRefused):
        return names.BUDGET_EVENT, {
            names.BUDGET: event.budget,
            names.MOVED_ON: event.moved_on,
            **_money(names.WANTED, event.wanted),
            **_money(names.LEFT, event.left),
        }
    if isinstance(event, Overrun):
        reserved, cost = _money(names.RESERVED, event.reserved), _money(names.COST, event.cost)
        return names.OVERRUN_EVENT, {names.TARGET: event.target, **reserved, **cost}
    return names.STORE_EVENT, {names.STORE: event.store, names.REFUSED: event.refused}


def _judge(span: Span, failure: Failure | None) -> None:
    """Mark a span that failed. A provider's words are left out: they may quote the prompt."""
    if failure is None:
        return
    found: dict[str, Value] = {names.ERROR_TYPE: failure.kind.value, names.FAILURE: failure.kind.value}
    said = failure.kind.value
    if failure.status is not None:
        found[names.STATUS_CODE] = failure.status
        said += f" HTTP {failure.status}"
    if failure.provider_code:
        found[names.PROVIDER_CODE] = failure.provider_code
    span.set_attributes(found)
    span.set_status(Status(StatusCode.ERROR, said))


def _money(name: str, money: Money) -> dict[str, Value]:
    found: dict[str, Value] = {name + names.DOLLARS: float(money)}
    if abs(money.pico) <= _LARGEST:
        found[name + names.PICO_DOLLARS] = money.pico
    return found


def _nanoseconds(moment: float) -> int | None:
    """Return a moment as spans want it, `None` (which is now) for one that is not known."""
    return round(moment * _NANO) if moment else None
