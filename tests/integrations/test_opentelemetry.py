"""A request as spans and metrics, recorded by the real SDK: parents, times, names, money, nothing private."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider, SpanKind, StatusCode

from modelroute import Provider
from modelroute.errors import AttemptsFailedError, StreamInterruptedError
from modelroute.integrations import OpenTelemetry, in_flight
from modelroute.integrations import semantics as names
from modelroute.money import Money
from modelroute.runtime.sink import Sink
from modelroute.testing import (
    Answer,
    Cuts,
    Fails,
    Failure,
    Hangs,
    Kind,
    ScriptedAsyncRouter,
    ScriptedRouter,
    Slow,
    run_simulated,
)
from modelroute.testing.script import Step
from modelroute.types.decision import Decision
from modelroute.types.notices import (
    BudgetRefused,
    Decided,
    Dropped,
    Held,
    Overrun,
    RouterEvent,
    Settled,
    StoreFailed,
    Tripped,
)
from tests.integrations.course import ANSWERED, DECISION, FAILED, FAILURE, attempted, decided, finished

FIRST, SECOND = "kimi-k2.6@moonshot", "glm-5.1@zai"
BOTH = (FIRST, SECOND)
Script: TypeAlias = Mapping[str, Sequence[Step]]
LIMITED = Fails(Failure(Kind.RATE_LIMITED, "slow down", status=429), delay=0.25)


class Recorded:
    """An SDK whose spans and metrics stay in memory, and a listener that feeds it."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        self._meters = MeterProvider(metric_readers=[self._reader])
        self.listener = OpenTelemetry(self.tracers, self._meters)

    def tell(self, *events: RouterEvent) -> None:
        for event in events:
            self.listener(event)

    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> ReadableSpan:
        (found,) = [span for span in self.spans() if span.name == name]
        return found

    def route(self) -> ReadableSpan:
        return self.named(names.ROUTE_SPAN)

    def points(self, name: str) -> list[NumberDataPoint | HistogramDataPoint]:
        found = self._reader.get_metrics_data()
        resources = () if found is None else found.resource_metrics
        return [
            point
            for resource in resources
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
            if isinstance(point, NumberDataPoint | HistogramDataPoint)
        ]

    def values(self, name: str) -> dict[tuple[tuple[str, object], ...], float]:
        """Return the sums of a metric by their attributes."""
        return {
            tuple(sorted((point.attributes or {}).items())): point.sum
            if isinstance(point, HistogramDataPoint)
            else point.value
            for point in self.points(name)
        }

    def everything(self) -> str:
        found = self._reader.get_metrics_data()
        return "".join(span.to_json() for span in self.spans()) + ("" if found is None else found.to_json())

    def close(self) -> None:
        self.tracers.shutdown()
        self._meters.shutdown()


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    made = Recorded()
    yield made
    made.close()


def attributes(span: ReadableSpan) -> Mapping[str, object]:
    return dict(span.attributes or {})


def times(span: ReadableSpan) -> tuple[float, float]:
    """Return when it began and how long it took, in seconds."""
    assert span.start_time is not None
    assert span.end_time is not None
    return span.start_time / 1e9, (span.end_time - span.start_time) / 1e9


def is_child(span: ReadableSpan, parent: ReadableSpan) -> bool:
    return span.parent is not None and span.parent.span_id == parent.context.span_id


# --------------------------------------------------------------------------------------------------------- whole calls


def test_a_fallback_is_one_trace_with_a_span_for_each_attempt(recorded: Recorded) -> None:
    script: Script = {FIRST: [LIMITED], SECOND: [Slow(first_token=2.0, between=0.5, answer=Answer("Hello", pieces=1))]}
    with (
        ScriptedRouter(script, on_event=recorded.listener) as router,
        recorded.tracers.get_tracer("test").start_as_current_span("caller"),
    ):
        reply = router.chat("Hello", prefer=BOTH, task="coding", max_cost=0.5)
    route, failed, answered = recorded.route(), recorded.named("chat kimi-k2.6"), recorded.named("chat glm-5.1")
    assert is_child(route, recorded.named("caller"))
    assert is_child(failed, route)
    assert is_child(answered, route)
    assert len({span.context.trace_id for span in recorded.spans()}) == 1
    assert [span.kind for span in (route, failed, answered)] == [SpanKind.INTERNAL, SpanKind.CLIENT, SpanKind.CLIENT]
    assert [span.status.status_code for span in (route, failed, answered)] == [
        StatusCode.UNSET, StatusCode.ERROR, StatusCode.UNSET,
    ]  # fmt: skip
    began, seconds = times(route)
    assert times(failed) == pytest.approx((began, 0.25), abs=1e-6)
    assert times(answered) == pytest.approx((began + 0.25, reply.attempts[1].seconds), abs=1e-6)
    assert seconds == pytest.approx(0.25 + reply.attempts[1].seconds, abs=1e-6)
    told = attributes(answered)
    assert told[names.OPERATION] == "chat"
    assert told[names.PROVIDER] == "zai"
    assert told[names.REQUEST_MODEL] == "glm-5.1"
    assert told[names.RESPONSE_MODEL] == "scripted-model"
    assert told[names.RESPONSE_ID] == "scripted"
    assert told[names.FINISH_REASONS] == ("stop",)
    assert told[names.TIME_TO_FIRST_CHUNK] == 2.0
    assert (told[names.INPUT_TOKENS], told[names.OUTPUT_TOKENS]) == (12, 3)
    assert (told[names.NUMBER], told[names.WHY]) == (2, "fallback")
    whole = attributes(route)
    assert whole["modelroute.cost.pico_dollars"] == reply.cost.pico
    assert whole["modelroute.cost.dollars"] == float(reply.cost)
    assert whole["modelroute.ceiling.dollars"] == 0.5
    assert whole[names.TARGET] == SECOND
    assert whole[names.TASK] == "coding"
    assert whole[names.REASON] == reply.decision.sentence()
    assert whole[names.RANKED] == len(reply.decision.ranked)
    assert whole[names.REJECTED] == len(reply.decision.rejected)
    assert (whole[names.ATTEMPTS_MADE], whole[names.FALLBACKS_MADE]) == (2, 1)
    assert not any(name.startswith("gen_ai.usage") for name in whole), "tokens summed over all spans count once"


def test_a_request_that_fails(recorded: Recorded) -> None:
    denied = Fails(Failure(Kind.DENIED, "wrong key", status=401, provider_code="invalid_api_key"))
    with (
        ScriptedRouter({FIRST: [denied]}, on_event=recorded.listener) as router,
        pytest.raises(AttemptsFailedError),
    ):
        router.chat("Hello")
    for span in recorded.spans():
        told = attributes(span)
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description == "denied HTTP 401"
        assert (told[names.ERROR_TYPE], told[names.FAILURE]) == ("denied", "denied")
        assert (told[names.STATUS_CODE], told[names.PROVIDER_CODE]) == (401, "invalid_api_key")
    assert recorded.route().parent is None
    assert names.TARGET not in attributes(recorded.route())
    assert recorded.values(names.FAILURES) == {(("error.type", "denied"), ("modelroute.scenario", "default")): 1}


def test_a_stream_and_one_that_breaks(recorded: Recorded) -> None:
    script: Script = {
        FIRST: [Answer("Hello there", pieces=2, between=0.5), Cuts(3, Answer("Hello there", pieces=2, between=0.5))]
    }
    with ScriptedRouter(script, on_event=recorded.listener) as router:
        with router.stream("Hello") as stream:
            assert "".join(stream.text) == "Hello there"
        with router.stream("Hello") as stream, pytest.raises(StreamInterruptedError):
            list(stream)
    good, broken = [span for span in recorded.spans() if span.name == names.ROUTE_SPAN]
    assert good.status.status_code is StatusCode.UNSET
    assert broken.status.status_code is StatusCode.ERROR
    assert attributes(broken)[names.ERROR_TYPE] == "interrupted"
    first = next(span for span in recorded.spans() if is_child(span, good))
    assert attributes(first)[names.TIME_TO_FIRST_CHUNK] == 0.5


def test_each_of_many_tasks_has_its_own_trace(recorded: Recorded) -> None:
    async def main() -> None:
        script: Script = {FIRST: [Slow(1.0, 0.1)], SECOND: [Slow(1.0, 0.1)]}
        async with ScriptedAsyncRouter(script, on_event=recorded.listener) as router:

            async def ask(number: int) -> None:
                with recorded.tracers.get_tracer("test").start_as_current_span(f"caller {number}"):
                    if number % 2:
                        await router.chat("Hello", conversation=str(number))
                    else:
                        async with router.stream("Hello", conversation=str(number)) as stream:
                            [event async for event in stream]

            async with asyncio.TaskGroup() as group:
                for number in range(6):
                    group.create_task(ask(number))

    run_simulated(main, seed=3)
    spans = recorded.spans()
    callers = [span for span in spans if span.name.startswith("caller")]
    assert len(callers) == 6
    for caller in callers:
        (route,) = [span for span in spans if is_child(span, caller)]
        (attempt,) = [span for span in spans if is_child(span, route)]
        assert route.name == names.ROUTE_SPAN
        assert attempt.name.startswith("chat ")
        assert attempt.context.trace_id == caller.context.trace_id


def test_a_caller_that_goes_away_ends_its_spans(recorded: Recorded) -> None:
    async def main() -> None:
        async with ScriptedAsyncRouter({FIRST: [Hangs()]}, on_event=recorded.listener) as router:
            task = asyncio.create_task(router.chat("Hello"))
            await asyncio.sleep(1.5)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run_simulated(main, seed=1)
    assert sorted(span.name for span in recorded.spans()) == ["chat kimi-k2.6", names.ROUTE_SPAN]
    for span in recorded.spans():
        assert attributes(span)[names.ERROR_TYPE] == "cancelled"
        assert times(span)[1] == pytest.approx(1.5)


def test_nothing_private_is_recorded(recorded: Recorded) -> None:
    """The key (P1), the prompt, the answer, the user and a provider that quotes the prompt (P2)."""
    key, prompt, answer = "sk-planted-0123456789", "the planted prompt", "the planted answer"
    quoting = Fails(Failure(Kind.UNPROVED, f"cannot parse {prompt!r}", status=400, refusal=answer))
    cutting = Cuts(3, Answer(answer, pieces=2, between=0.5))
    providers = [Provider("moonshot", key=key, models=["kimi-k2.6"]), Provider("zai", key=key, models=["glm-5.1"])]
    script: Script = {FIRST: [quoting, Answer(answer)], SECOND: [Answer(answer), cutting]}
    with ScriptedRouter(script, providers=providers, on_event=recorded.listener) as router:
        assert router.chat(prompt, prefer=BOTH).text == answer
        with router.stream(prompt, model=SECOND) as stream, pytest.raises(StreamInterruptedError):
            list(stream)
    recorded.tell(replace(decided("user"), user="planted-user"), attempted(request="user"), finished("user"))
    text = recorded.everything()
    assert names.ROUTE_SPAN in text
    for secret in (key, prompt, answer, "planted"):
        assert secret not in text


# ----------------------------------------------------------------------------------------------------- notice by notice


def test_every_attribute_of_a_route(recorded: Recorded) -> None:
    begun = replace(decided(), task="coding", tags=frozenset({"b", "a"}), user="u", conversation="talk-1", stream=True)
    recorded.tell(begun, attempted(), finished())
    assert attributes(recorded.route()) == {
        "modelroute.request.id": "r1",
        "modelroute.stream": True,
        "modelroute.task": "coding",
        "modelroute.tags": ("a", "b"),
        "gen_ai.conversation.id": "talk-1",
        "modelroute.selector": "auto",
        "modelroute.scenario": "daily-dev",
        "modelroute.rules": ("eu",),
        "modelroute.policy": "f05c",
        "modelroute.floor": "50, within 6 of the best",
        "modelroute.objective": "cheapest",
        "modelroute.reason": DECISION.sentence(),
        "modelroute.ranked.count": 2,
        "modelroute.rejected.count": 1,
        "modelroute.ceiling.dollars": 0.02,
        "modelroute.ceiling.pico_dollars": 20_000_000_000,
        "modelroute.estimate.dollars": 0.001,
        "modelroute.estimate.pico_dollars": 1_000_000_000,
        "modelroute.bound.dollars": 0.0199,
        "modelroute.bound.pico_dollars": 19_900_000_000,
        "modelroute.target": "kimi@moonshot",
        "modelroute.attempts.count": 1,
        "modelroute.fallbacks.count": 0,
        "modelroute.cost.basis": "provider",
        "modelroute.cost.dollars": 0.0011,
        "modelroute.cost.pico_dollars": 1_100_000_000,
    }
    assert times(recorded.route()) == (999.0, 4.0)


def test_every_attribute_of_an_attempt(recorded: Recorded) -> None:
    recorded.tell(decided(), attempted(), attempted(replace(FAILED, number=2, why="retry")), finished())
    good, failed = (span for span in recorded.spans() if span.name == "chat kimi")
    common = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "moonshot",
        "gen_ai.request.model": "kimi",
        "modelroute.target": "kimi@moonshot",
        "modelroute.lane": 1,
        "modelroute.reserved.dollars": 0.02,
        "modelroute.reserved.pico_dollars": 20_000_000_000,
    }
    assert attributes(good) == common | {
        "modelroute.attempt.number": 1,
        "modelroute.attempt.why": "first",
        "modelroute.cost.basis": "provider",
        "modelroute.cost.dollars": 0.0011,
        "modelroute.cost.pico_dollars": 1_100_000_000,
        "gen_ai.response.model": "kimi-0905",
        "gen_ai.response.id": "resp-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 0.5,
        "gen_ai.usage.input_tokens": 1_000,
        "gen_ai.usage.output_tokens": 200,
        "gen_ai.usage.cache_read.input_tokens": 600,
        "gen_ai.usage.cache_creation.input_tokens": 100,
        "gen_ai.usage.reasoning.output_tokens": 50,
    }
    assert attributes(failed) == common | {
        "modelroute.attempt.number": 2,
        "modelroute.attempt.why": "retry",
        "modelroute.cost.basis": "unbilled",
        "modelroute.cost.dollars": 0.0,
        "modelroute.cost.pico_dollars": 0,
        "error.type": "unavailable",
        "modelroute.failure.kind": "unavailable",
        "modelroute.failure.provider_code": "engine_overloaded",
        "http.response.status_code": 503,
    }
    assert times(good) == (1_000.0, 2.5)
    assert attributes(recorded.route())[names.COST_BASIS] == "provider, unbilled"


def test_what_happens_on_the_way_stands_on_the_route(recorded: Recorded) -> None:
    recorded.tell(
        decided(),
        Held("r1", "kimi@moonshot", 1, 1_060.0, FAILURE, at=1_000.0),
        BudgetRefused("r1", "team", "user:planted", Money(1), Money("0.5"), moved_on=True, at=1_001.0),
        Overrun("r1", "kimi@moonshot", Money(1), Money(2), at=1_002.0),
        StoreFailed("r1", "redis", "no answer", refused=False, at=1_002.5),
        Settled("r1", "r1.1", "kimi@moonshot", Money(1), Money(2), "provider"),
        Tripped("kimi@moonshot", 0, "open", "5 failures in a row"),
        finished(),
        StoreFailed("r1", "redis", "too late to tell", refused=False),
    )
    told = [(event.name, event.timestamp, dict(event.attributes or {})) for event in recorded.route().events]
    money = {"modelroute.reserved.dollars": 1.0, "modelroute.reserved.pico_dollars": 10**12}
    billed = {"modelroute.cost.dollars": 2.0, "modelroute.cost.pico_dollars": 2 * 10**12}
    wanted = {"modelroute.wanted.dollars": 1.0, "modelroute.wanted.pico_dollars": 10**12}
    left = {"modelroute.left.dollars": 0.5, "modelroute.left.pico_dollars": 5 * 10**11}
    target = {"modelroute.target": "kimi@moonshot"}
    team = {"modelroute.budget": "team", "modelroute.moved_on": True}
    lane = {"modelroute.lane": 1, "modelroute.until": 1_060.0, "modelroute.failure.kind": "unavailable"}
    assert told == [
        ("modelroute.held", 1_000 * 10**9, target | lane),
        ("modelroute.budget.refused", 1_001 * 10**9, team | wanted | left),
        ("modelroute.overrun", 1_002 * 10**9, target | money | billed),
        ("modelroute.store.failed", 1_002_500_000_000, {"modelroute.store": "redis", "modelroute.refused": False}),
    ]  # fmt: skip


def test_every_metric(recorded: Recorded) -> None:
    fallback = replace(ANSWERED, number=2, why="fallback", target="gemini@google", usage=None, first_token=None)
    recorded.tell(
        decided(), attempted(FAILED), attempted(), attempted(fallback), finished(), decided("r2"),
        finished("r2", FAILURE), Tripped("kimi@moonshot", 0, "open", "why"), Tripped("kimi@moonshot", 1, "open", "why"),
        BudgetRefused("r1", "team", "team:2026", Money(1), Money(0), moved_on=False),
        Overrun("r1", "kimi@moonshot", Money(1), Money(2)), StoreFailed("r1", "redis", "why", refused=True),
        Dropped(3), Dropped(4),
    )  # fmt: skip
    kimi = (
        ("gen_ai.operation.name", "chat"), ("gen_ai.provider.name", "moonshot"), ("gen_ai.request.model", "kimi"),
    )  # fmt: skip
    gemini = (
        ("gen_ai.operation.name", "chat"), ("gen_ai.provider.name", "gcp.gemini"), ("gen_ai.request.model", "gemini"),
    )  # fmt: skip
    target = ("modelroute.target", "kimi@moonshot")
    scenario = ("modelroute.scenario", "daily-dev")
    assert recorded.values("gen_ai.client.operation.duration") == {
        (("error.type", "unavailable"), *kimi): 2.5, kimi: 2.5, gemini: 2.5,
    }  # fmt: skip
    assert recorded.values("gen_ai.client.token.usage") == {
        (*kimi, ("gen_ai.token.type", "input")): 1_000,
        (*kimi, ("gen_ai.token.type", "output")): 200,
    }
    assert recorded.values("gen_ai.client.operation.time_to_first_chunk") == {kimi: 0.5}
    assert recorded.values("modelroute.request.duration") == {
        (scenario,): 4.0, (("error.type", "unavailable"), scenario): 4.0,
    }  # fmt: skip
    assert recorded.values("modelroute.cost") == {
        (scenario, target): pytest.approx(0.0011),
        (scenario, ("modelroute.target", "gemini@google")): pytest.approx(0.0011),
    }
    assert recorded.values("modelroute.attempts") == {
        (("error.type", "unavailable"), ("modelroute.attempt.why", "first"), target): 1,
        (("modelroute.attempt.why", "first"), target): 1,
        (("modelroute.attempt.why", "fallback"), ("modelroute.target", "gemini@google")): 1,
    }
    assert recorded.values("modelroute.failures") == {(("error.type", "unavailable"), scenario): 1}
    assert recorded.values("modelroute.fallbacks") == {(("modelroute.target", "gemini@google"),): 1}
    assert recorded.values("modelroute.budget.refusals") == {
        (("modelroute.budget", "team"), ("modelroute.moved_on", False)): 1
    }
    assert recorded.values("modelroute.breaker.transitions") == {(("modelroute.breaker.state", "open"), target): 2}
    assert recorded.values("modelroute.overruns") == {(target,): 1}
    assert recorded.values("modelroute.store.failures") == {
        (("modelroute.refused", True), ("modelroute.store", "redis")): 1
    }
    assert recorded.values("modelroute.events.dropped") == {(): 7}


def test_the_buckets_are_those_advised(recorded: Recorded) -> None:
    recorded.tell(decided(), attempted(), finished())
    for name, buckets in (
        (names.OPERATION_DURATION, names.OPERATION_BUCKETS),
        (names.FIRST_CHUNK_DURATION, names.FIRST_CHUNK_BUCKETS),
        (names.TOKEN_USAGE, names.TOKEN_BUCKETS),
        (names.REQUEST_DURATION, names.REQUEST_BUCKETS),
    ):
        for point in recorded.points(name):
            assert isinstance(point, HistogramDataPoint)
            assert tuple(point.explicit_bounds) == buckets


def test_money_beyond_an_integer_of_64_bits_is_told_in_dollars_alone(recorded: Recorded) -> None:
    rich = Decision(ranked=(), reject=(), scenario="default", max_cost=Money(10_000_000))
    recorded.tell(Decided("r1", rich, 999.0), finished())
    told = attributes(recorded.route())
    assert told["modelroute.ceiling.dollars"] == 10_000_000
    assert "modelroute.ceiling.pico_dollars" not in told


def test_a_request_whose_beginning_was_dropped_is_measured_but_has_no_trace(recorded: Recorded) -> None:
    recorded.tell(attempted(), finished())
    assert recorded.spans() == []
    assert set(recorded.values(names.REQUEST_DURATION)) == {(("modelroute.scenario", "unknown"),)}


def test_a_time_that_is_not_told_is_the_decision_s_own(recorded: Recorded) -> None:
    recorded.tell(decided(at=0.0), replace(attempted(replace(ANSWERED, at=0.0)), at=0.0), replace(finished(), at=0.0))
    assert times(recorded.route()) == (998.0, 4.0)
    assert times(recorded.named("chat kimi")) == (998.0, 2.5)


def test_requests_that_never_end_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_flight.InFlight.__init__, "__defaults__", (3,))
    recorded = Recorded()
    recorded.tell(*(decided(f"r{number}", 1_000.0 + number) for number in range(5)))
    assert [attributes(span)[names.REQUEST] for span in recorded.spans()] == ["r0", "r1"]
    assert all(attributes(span)[names.ABANDONED] is True for span in recorded.spans())
    assert [times(span)[1] for span in recorded.spans()] == [3.0, 3.0]
    recorded.close()


# ------------------------------------------------------------------------------------------------- what costs nothing


def fails() -> tuple[()]:
    raise AssertionError("computed for a span that nobody keeps")


def test_a_span_that_is_not_kept_costs_no_reading_of_the_decision() -> None:
    told = Decided("r1", Decision(ranked=(), reject=fails, scenario="default"), 999.0)
    for tracers in (TracerProvider(sampler=ALWAYS_OFF), NoOpTracerProvider()):
        listener = OpenTelemetry(tracers, NoOpMeterProvider())
        for event in (told, attempted(), finished()):
            listener(event)
    recorded = Recorded()
    with pytest.raises(AssertionError, match="computed"):
        recorded.tell(told)
    recorded.close()


def test_a_listener_called_by_hand_has_no_parent(recorded: Recorded) -> None:
    """Nor is the context of whoever calls taken for the request's."""
    with recorded.tracers.get_tracer("test").start_as_current_span("bystander"):
        recorded.tell(decided(), attempted(), finished())
    assert recorded.route().parent is None


def test_the_sink_hands_it_its_caller(recorded: Recorded) -> None:
    sink = Sink(recorded.listener)
    with recorded.tracers.get_tracer("test").start_as_current_span("caller"):
        sink.emit(decided())
    sink.emit(attempted())
    sink.emit(finished())
    sink.close()
    assert is_child(recorded.route(), recorded.named("caller"))


# ------------------------------------------------------------------------------------------------------------ the extra


def test_without_the_extra_it_says_what_to_install() -> None:
    program = """
import sys
sys.modules["opentelemetry"] = sys.modules["prometheus_client"] = None
import modelroute.integrations.opentelemetry, modelroute.integrations.prometheus
from modelroute import ConfigurationError
from modelroute.integrations import OpenTelemetry, PrometheusMetrics
for make in (OpenTelemetry, PrometheusMetrics):
    try:
        make()
    except ConfigurationError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    one, two = done.stdout.splitlines()
    assert "pip install 'modelroute[otel]'" in one
    assert "pip install 'modelroute[prometheus]'" in two


def test_importing_the_package_imports_neither() -> None:
    program = """
import sys, json
import modelroute, modelroute.integrations, modelroute.integrations.opentelemetry, modelroute.integrations.prometheus
print(json.dumps([name for name in sys.modules if name.partition(".")[0] in ("opentelemetry", "prometheus_client")]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_names_are_those_of_the_conventions() -> None:
    """Copied, and compared with the package where it still has them."""
    package = pytest.importorskip("opentelemetry.semconv._incubating.attributes.gen_ai_attributes")
    metrics = pytest.importorskip("opentelemetry.semconv._incubating.metrics.gen_ai_metrics")
    known = {
        getattr(module, name) for module in (package, metrics) for name in dir(module) if name.startswith("GEN_AI")
    }
    ours = {value for name, value in vars(names).items() if name.isupper() and str(value).startswith("gen_ai.")}
    assert len(ours) == 17
    assert ours <= known
    assert set(names.PROVIDER_NAMES.values()) <= {value.value for value in package.GenAiProviderNameValues}


def test_what_asks_for_vectors_is_no_chat(recorded: Recorded) -> None:
    recorded.tell(replace(decided(), embeds=True), attempted(), finished())
    assert attributes(recorded.named("embeddings kimi"))[names.OPERATION] == "embeddings"
    (duration,) = recorded.points(names.OPERATION_DURATION)
    assert (duration.attributes or {})[names.OPERATION] == "embeddings"
