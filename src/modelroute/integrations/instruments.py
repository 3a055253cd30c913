"""Requests and attempts as OpenTelemetry metrics. Internal to `OpenTelemetry`.

Imports OpenTelemetry's API when it is itself imported. Attributes are names of the catalog, of the policy and of
failures, never of a user, a tag or a request: what is summed up must stay few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from opentelemetry.metrics import get_meter

from modelroute.integrations import semantics as names
from modelroute.integrations.in_flight import InFlight
from modelroute.types.notices import (
    Attempted,
    BudgetRefused,
    Decided,
    Dropped,
    Finished,
    Overrun,
    RouterEvent,
    StoreFailed,
    Tripped,
)

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider

    from modelroute.types.attempt import Attempt

__all__ = ["Instruments"]

Attributes: TypeAlias = dict[str, str | bool]


class _Course(NamedTuple):
    """What all that is measured of a request has in common."""

    scenario: str
    operation: str


_UNSEEN = _Course("unknown", names.CHAT)
"""A request whose `Decided` was dropped."""


class Instruments:
    """Measures with the meters of `meter_provider`, the global one by default."""

    def __init__(self, meter_provider: MeterProvider | None, version: str) -> None:
        meter = get_meter("modelroute", version, meter_provider)
        counter, histogram = meter.create_counter, meter.create_histogram
        self._duration = histogram(
            names.OPERATION_DURATION,
            "s",
            "Duration of one attempt",
            explicit_bucket_boundaries_advisory=names.OPERATION_BUCKETS,
        )
        self._tokens = histogram(
            names.TOKEN_USAGE,
            "{token}",
            "Tokens of one attempt",
            explicit_bucket_boundaries_advisory=names.TOKEN_BUCKETS,
        )
        self._first_chunk = histogram(
            names.FIRST_CHUNK_DURATION,
            "s",
            "Time from sending an attempt to its first content",
            explicit_bucket_boundaries_advisory=names.FIRST_CHUNK_BUCKETS,
        )
        self._request = histogram(
            names.REQUEST_DURATION,
            "s",
            "Duration of a whole request, every attempt included",
            explicit_bucket_boundaries_advisory=names.REQUEST_BUCKETS,
        )
        self._cost = counter(names.COST_TOTAL, "USD", "What attempts were charged, in US dollars")
        self._attempts = counter(names.ATTEMPTS, "{attempt}", "Attempts that ended, well or not")
        self._failures = counter(names.FAILURES, "{request}", "Requests that failed")
        self._fallbacks = counter(names.FALLBACKS, "{attempt}", "Attempts made because another target failed")
        self._refusals = counter(names.BUDGET_REFUSALS, "{refusal}", "Times a budget had no room")
        self._transitions = counter(names.TRANSITIONS, "{transition}", "Changes of a breaker")
        self._overruns = counter(names.OVERRUNS, "{attempt}", "Attempts billed beyond what was set aside for them")
        self._store = counter(names.STORE_FAILURES, "{failure}", "Times the store did not do what it was asked")
        self._dropped = counter(names.EVENTS_DROPPED, "{event}", "Notices that were dropped")
        self._courses: InFlight[_Course] = InFlight()

    def receive(self, event: RouterEvent, context: Context) -> None:
        """Measure `event`; `context` holds the span it belongs to, which exemplars point at."""
        match event:
            case Decided():
                self._courses.begin(
                    event.request, _Course(event.decision.scenario, names.operation(embeds=event.embeds))
                )
            case Attempted():
                self._attempted(event.attempt, self._courses.get(event.request) or _UNSEEN, context)
            case Finished():
                self._finished(event, context)
            case Tripped():
                self._transitions.add(1, {names.TARGET: event.target, names.STATE: event.state}, context)
            case BudgetRefused():
                self._refusals.add(1, {names.BUDGET: event.budget, names.MOVED_ON: event.moved_on}, context)
            case Overrun():
                self._overruns.add(1, {names.TARGET: event.target}, context)
            case StoreFailed():
                self._store.add(1, {names.STORE: event.store, names.REFUSED: event.refused}, context)
            case Dropped():
                self._dropped.add(event.count, {}, context)
            case _:
                pass

    def _attempted(self, attempt: Attempt, course: _Course, context: Context) -> None:
        model, provider = names.split_target(attempt.target)
        told: Attributes = {
            names.OPERATION: course.operation,
            names.PROVIDER: names.provider_name(provider),
            names.REQUEST_MODEL: model,
        }
        failed: Attributes = {} if attempt.failure is None else {names.ERROR_TYPE: attempt.failure.kind.value}
        self._duration.record(attempt.seconds, told | failed, context)
        if attempt.first_token is not None:
            self._first_chunk.record(attempt.first_token, told, context)
        if attempt.usage is not None:
            self._tokens.record(attempt.usage.input_tokens, told | {names.TOKEN_TYPE: "input"}, context)
            self._tokens.record(attempt.usage.output_tokens, told | {names.TOKEN_TYPE: "output"}, context)
        ours: Attributes = {names.TARGET: attempt.target}
        self._attempts.add(1, ours | {names.WHY: attempt.why} | failed, context)
        if attempt.why == "fallback":
            self._fallbacks.add(1, ours, context)
        self._cost.add(float(attempt.cost), ours | {names.SCENARIO: course.scenario}, context)

    def _finished(self, event: Finished, context: Context) -> None:
        told: Attributes = {names.SCENARIO: (self._courses.end(event.request) or _UNSEEN).scenario}
        if event.failure is not None:
            told[names.ERROR_TYPE] = event.failure.kind.value
            self._failures.add(1, told, context)
        self._request.record(event.seconds, told, context)
