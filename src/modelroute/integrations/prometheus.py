"""Prometheus metrics of one or several routers, made of their notices.

Needs the Prometheus client (``pip install 'modelroute[prometheus]'``). Labels are names of the catalog, of the policy
and of failures, never of a user, a tag or a request: what is labelled must stay few (docs/reference/telemetry.md).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, TypeVar

from modelroute.errors import ConfigurationError, shown
from modelroute.integrations import semantics as names
from modelroute.integrations.in_flight import InFlight
from modelroute.types.notices import (
    Attempted,
    BudgetRefused,
    Decided,
    Dropped,
    Finished,
    Held,
    Overrun,
    RouterEvent,
    Settled,
    StoreFailed,
    Tripped,
)

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
    from prometheus_client.metrics import MetricWrapperBase

    from modelroute.types.attempt import Attempt

__all__ = ["PrometheusMetrics"]

M = TypeVar("M", bound="MetricWrapperBase")

_NONE = "none"
"""Label of what did not happen: an empty label would be the same as none at all."""

_ANSWERED = "answered"

_UNKNOWN = "unknown"
"""The scenario of a request whose `Decided` was dropped."""

_STATES: dict[Literal["closed", "half_open", "open"], int] = {"closed": 0, "half_open": 1, "open": 2}


class PrometheusMetrics:
    """A listener for `on_event` that keeps Prometheus metrics: ``Router(..., on_event=PrometheusMetrics())``.

    One of them serves any number of routers, whose numbers then add up. `registry`: the client's global one by default.
    `namespace`: what every metric's name begins with.

    Raises `ConfigurationError` when the Prometheus client is not installed, for a namespace no name can begin with, and
    when the registry already has such metrics.
    """

    def __init__(self, registry: CollectorRegistry | None = None, *, namespace: str = "modelroute") -> None:
        try:
            import prometheus_client as client
        except ModuleNotFoundError as missing:
            if missing.name != "prometheus_client":
                raise
            raise ConfigurationError(
                "PrometheusMetrics() needs the Prometheus client, which is not installed: "
                "pip install 'modelroute[prometheus]'"
            ) from None
        if not isinstance(namespace, str) or not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", namespace):
            raise ConfigurationError(
                f"namespace= must be letters, digits and underscores, and begin with no digit, not {shown(namespace)}"
            )
        made = _Registration(client.REGISTRY if registry is None else registry, namespace)
        try:
            self._declare(made)
        except BaseException:
            made.undo()
            raise
        self._scenarios: InFlight[str] = InFlight()

    def _declare(self, made: _Registration) -> None:
        self._requests = made.counter(
            "requests",
            "Requests that ended; outcome is answered or the kind of failure",
            "scenario",
            "target",
            "outcome",
        )
        self._request_seconds = made.histogram(
            "request_duration_seconds", "A whole request, every attempt included", names.REQUEST_BUCKETS, "scenario"
        )
        self._attempts = made.counter(
            "attempts", "Attempts that ended; failure is its kind or none", "target", "why", "failure"
        )
        self._attempt_seconds = made.histogram(
            "attempt_duration_seconds", "One attempt, from sending to its end", names.REQUEST_BUCKETS, "target"
        )
        self._first_token = made.histogram(
            "first_token_seconds", "From sending an attempt to its first content", names.FIRST_TOKEN_BUCKETS, "target"
        )
        self._tokens = made.counter(
            "tokens",
            "Tokens that providers reported; input contains cached and cache_write, output contains reasoning",
            "target",
            "type",
        )
        self._cost = made.counter("cost_dollars", "What attempts were charged", "target", "scenario")
        self._reserved = made.counter("reserved_dollars", "What was set aside for attempts that were settled", "target")
        self._held = made.gauge(
            "held_until_timestamp_seconds",
            "Until when a lane of a target rests: held while above time()",
            "target",
            "lane",
        )
        self._breaker = made.gauge(
            "breaker_state", "Breaker of a place of a target: 0 closed, 1 half-open, 2 open", "target", "place"
        )
        self._transitions = made.counter("breaker_transitions", "Changes of a breaker", "target", "state")
        self._refusals = made.counter(
            "budget_refusals", "Times a budget had no room; moved_on: something cheaper was tried", "budget", "moved_on"
        )
        self._overruns = made.counter("overruns", "Attempts billed beyond what was set aside for them", "target")
        self._store = made.counter("store_failures", "Times the store did not do what it was asked", "store", "refused")
        self._dropped = made.counter("events_dropped", "Notices that were dropped: what they told is not counted here")

    def __call__(self, event: RouterEvent) -> None:
        """Count a notice."""
        match event:
            case Decided():
                self._scenarios.begin(event.request, event.decision.scenario)
            case Attempted():
                self._attempted(event.attempt, self._scenarios.get(event.request) or _UNKNOWN)
            case Settled():
                self._reserved.labels(event.target).inc(float(event.reserved))
            case Held():
                self._held.labels(event.target, str(event.lane)).set(event.until)
            case Tripped():
                self._breaker.labels(event.target, str(event.place)).set(_STATES[event.state])
                self._transitions.labels(event.target, event.state).inc()
            case BudgetRefused():
                self._refusals.labels(event.budget, _yes(event.moved_on)).inc()
            case Overrun():
                self._overruns.labels(event.target).inc()
            case StoreFailed():
                self._store.labels(event.store, _yes(event.refused)).inc()
            case Dropped():
                self._dropped.inc(event.count)
            case Finished():
                scenario = self._scenarios.end(event.request) or _UNKNOWN
                outcome = _ANSWERED if event.failure is None else event.failure.kind.value
                self._requests.labels(scenario, event.target or _NONE, outcome).inc()
                self._request_seconds.labels(scenario).observe(event.seconds)

    def _attempted(self, attempt: Attempt, scenario: str) -> None:
        target = attempt.target
        failure = _NONE if attempt.failure is None else attempt.failure.kind.value
        self._attempts.labels(target, attempt.why, failure).inc()
        self._attempt_seconds.labels(target).observe(attempt.seconds)
        if attempt.first_token is not None:
            self._first_token.labels(target).observe(attempt.first_token)
        self._cost.labels(target, scenario).inc(float(attempt.cost))
        usage = attempt.usage
        if usage is not None:
            for kind, tokens in (
                ("input", usage.input_tokens),
                ("output", usage.output_tokens),
                ("cached", usage.cached_tokens),
                ("cache_write", usage.cache_write_tokens),
                ("reasoning", usage.reasoning_tokens),
            ):
                self._tokens.labels(target, kind).inc(tokens)


class _Registration:
    """Makes metrics in a registry, and takes them out again when one of them cannot be made."""

    def __init__(self, registry: CollectorRegistry, namespace: str) -> None:
        self._registry = registry
        self._namespace = namespace
        self._made: list[MetricWrapperBase] = []

    def counter(self, name: str, says: str, *labels: str) -> Counter:
        from prometheus_client import Counter

        return self._add(lambda: Counter(name, says, labels, self._namespace, registry=self._registry))

    def gauge(self, name: str, says: str, *labels: str) -> Gauge:
        from prometheus_client import Gauge

        # Where processes share their metrics through files, what was said last holds.
        return self._add(
            lambda: Gauge(name, says, labels, self._namespace, registry=self._registry, multiprocess_mode="mostrecent")
        )

    def histogram(self, name: str, says: str, buckets: Sequence[float], *labels: str) -> Histogram:
        from prometheus_client import Histogram

        return self._add(
            lambda: Histogram(name, says, labels, self._namespace, registry=self._registry, buckets=buckets)
        )

    def undo(self) -> None:
        for metric in self._made:
            self._registry.unregister(metric)

    def _add(self, make: Callable[[], M]) -> M:
        try:
            metric = make()
        except ValueError:
            raise ConfigurationError(
                f"the registry already has metrics that begin with {self._namespace}_: give one PrometheusMetrics to "
                "all routers, or each its own registry= or namespace="
            ) from None
        self._made.append(metric)
        return metric


def _yes(answer: bool) -> str:
    return "true" if answer else "false"
