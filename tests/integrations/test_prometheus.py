"""Prometheus metrics of real calls and of each notice; their labels stay few."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest

from modelroute.errors import AttemptsFailedError, ConfigurationError
from modelroute.integrations import PrometheusMetrics
from modelroute.money import Money
from modelroute.testing import Answer, Fails, Failure, Kind, ScriptedAsyncRouter, ScriptedRouter, Slow, run_simulated
from modelroute.testing.script import Step
from modelroute.types.notices import BudgetRefused, Dropped, Held, Overrun, RouterEvent, Settled, StoreFailed, Tripped
from tests.integrations.course import ANSWERED, FAILED, FAILURE, attempted, decided, finished

FIRST, SECOND = "kimi-k2.6@moonshot", "glm-5.1@zai"
LABELS = {
    "scenario", "target", "outcome", "why", "failure", "type", "lane", "place", "state", "budget", "moved_on", "store",
    "refused", "le",
}  # fmt: skip


def samples(registry: CollectorRegistry) -> dict[str, dict[tuple[str, ...], float]]:
    """Return every sample that is no bucket and no time of creation: name, label values by label name, value."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for metric in registry.collect():
        for sample in metric.samples:
            assert set(sample.labels) <= LABELS
            if not sample.name.endswith(("_created", "_bucket")):
                found.setdefault(sample.name, {})[ordered(sample.labels)] = sample.value
    return found


def ordered(labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(labels[name] for name in sorted(labels))


def told(*events: RouterEvent) -> dict[str, dict[tuple[str, ...], float]]:
    registry = CollectorRegistry()
    metrics = PrometheusMetrics(registry)
    for event in events:
        metrics(event)
    return samples(registry)


def test_a_fallback_and_a_failure() -> None:
    registry = CollectorRegistry()
    limited = Fails(Failure(Kind.RATE_LIMITED, status=429))
    denied = Fails(Failure(Kind.DENIED, status=401))
    script: Mapping[str, Sequence[Step]] = {FIRST: [limited, denied], SECOND: [Slow(2.0, 0.0), denied]}
    with ScriptedRouter(script, on_event=PrometheusMetrics(registry)) as router:
        reply = router.chat("Hello", prefer=[FIRST, SECOND], max_cost=0.1)
        with pytest.raises(AttemptsFailedError):
            router.chat("Hello", model=SECOND)
    found = samples(registry)
    assert found["modelroute_requests_total"] == {("answered", "default", SECOND): 1, ("denied", "default", "none"): 1}
    assert found["modelroute_attempts_total"] == {
        ("rate_limited", FIRST, "first"): 1, ("none", SECOND, "fallback"): 1, ("denied", SECOND, "first"): 1,
    }  # fmt: skip
    assert found["modelroute_cost_dollars_total"][("default", SECOND)] == pytest.approx(float(reply.cost))
    assert found["modelroute_tokens_total"][(SECOND, "input")] == 12
    assert found["modelroute_first_token_seconds_sum"] == {(SECOND,): 2.0}
    assert found["modelroute_request_duration_seconds_count"] == {("default",): 2}
    assert found["modelroute_held_until_timestamp_seconds"].keys() >= {("0", FIRST)}


def test_an_async_router_too() -> None:
    registry = CollectorRegistry()

    async def main() -> None:
        async with ScriptedAsyncRouter({FIRST: [Answer()]}, on_event=PrometheusMetrics(registry)) as router:
            await router.chat("Hello")

    run_simulated(main, seed=1)
    assert samples(registry)["modelroute_requests_total"] == {("answered", "default", FIRST): 1}


def test_every_metric() -> None:
    found = told(
        decided(), attempted(FAILED), attempted(),
        Settled("r1", "r1.1", "kimi@moonshot", Money("0.02"), Money("0.0011"), "provider"), finished(),
        Held("r1", "kimi@moonshot", 1, 1_060.0, FAILURE), Tripped("kimi@moonshot", 0, "open", "why"),
        Tripped("kimi@moonshot", 1, "open", "why"), Tripped("kimi@moonshot", 1, "half_open", "why"),
        Tripped("glm@zai", 0, "closed", "why"),
        BudgetRefused("r1", "team", "user:planted", Money(1), Money(0), moved_on=True),
        Overrun("r1", "kimi@moonshot", Money(1), Money(2)), StoreFailed("r1", "redis", "why", refused=False),
        Dropped(3), Dropped(4),
    )  # fmt: skip
    kimi = "kimi@moonshot"
    assert found == {
        "modelroute_requests_total": {("answered", "daily-dev", kimi): 1},
        "modelroute_request_duration_seconds_count": {("daily-dev",): 1},
        "modelroute_request_duration_seconds_sum": {("daily-dev",): 4.0},
        "modelroute_attempts_total": {("unavailable", kimi, "first"): 1, ("none", kimi, "first"): 1},
        "modelroute_attempt_duration_seconds_count": {(kimi,): 2},
        "modelroute_attempt_duration_seconds_sum": {(kimi,): 5.0},
        "modelroute_first_token_seconds_count": {(kimi,): 1},
        "modelroute_first_token_seconds_sum": {(kimi,): 0.5},
        "modelroute_tokens_total": {
            (kimi, "input"): 1_000, (kimi, "output"): 200, (kimi, "cached"): 600, (kimi, "cache_write"): 100,
            (kimi, "reasoning"): 50,
        },
        "modelroute_cost_dollars_total": {("daily-dev", kimi): 0.0011},
        "modelroute_reserved_dollars_total": {(kimi,): 0.02},
        "modelroute_held_until_timestamp_seconds": {("1", kimi): 1_060.0},
        "modelroute_breaker_state": {("0", kimi): 2, ("1", kimi): 1, ("0", "glm@zai"): 0},
        "modelroute_breaker_transitions_total": {
            ("open", kimi): 2, ("half_open", kimi): 1, ("closed", "glm@zai"): 1,
        },
        "modelroute_budget_refusals_total": {("team", "true"): 1},
        "modelroute_overruns_total": {(kimi,): 1},
        "modelroute_store_failures_total": {("false", "redis"): 1},
        "modelroute_events_dropped_total": {(): 7},
    }  # fmt: skip


def test_what_was_dropped_counts_for_no_scenario() -> None:
    found = told(attempted(), finished("r2", FAILURE))
    assert found["modelroute_requests_total"] == {("unavailable", "unknown", "none"): 1}
    assert found["modelroute_cost_dollars_total"] == {("unknown", "kimi@moonshot"): 0.0011}


def test_nothing_private_is_a_label() -> None:
    """Users, tags, requests and scopes of budgets are without number; keys and prompts are in no notice."""
    registry = CollectorRegistry()
    metrics = PrometheusMetrics(registry)
    begun = replace(
        decided("planted-request"), user="planted-user", tags=frozenset({"planted-tag"}), conversation="planted-talk"
    )
    strange = replace(ANSWERED, response_id="planted-id", served_model="planted-model", finish="planted-finish")
    quoting = replace(FAILURE, message="planted words", provider_code="planted-code")
    metrics(begun)
    metrics(attempted(strange, "planted-request"))
    metrics(finished("planted-request", quoting))
    metrics(BudgetRefused("planted-request", "team", "planted-scope", Money(1), Money(0), moved_on=True))
    metrics(StoreFailed("planted-request", "redis", "planted why", refused=True))
    metrics(Tripped("kimi@moonshot", 0, "open", "planted why"))
    text = generate_latest(registry).decode()
    assert "kimi@moonshot" in text
    assert "planted" not in text


def test_several_routers_share_one() -> None:
    registry = CollectorRegistry()
    metrics = PrometheusMetrics(registry)

    def use() -> None:
        with ScriptedRouter({FIRST: [Answer()]}, on_event=metrics) as router:
            for _ in range(20):
                router.chat("Hello")

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert samples(registry)["modelroute_requests_total"] == {("answered", "default", FIRST): 80}


def test_a_registry_takes_them_once_or_under_another_name() -> None:
    registry = CollectorRegistry()
    PrometheusMetrics(registry)
    with pytest.raises(ConfigurationError, match="already has metrics that begin with modelroute_: give one"):
        PrometheusMetrics(registry)
    PrometheusMetrics(registry, namespace="billing")
    assert "billing_requests_total" in generate_latest(registry).decode()


def test_a_clash_leaves_nothing_behind() -> None:
    registry = CollectorRegistry()
    clash = Counter("modelroute_overruns", "The application's own", registry=registry)
    with pytest.raises(ConfigurationError, match="already"):
        PrometheusMetrics(registry)
    registry.unregister(clash)
    assert list(registry.collect()) == []
    PrometheusMetrics(registry)


def test_the_client_s_own_registry_is_the_usual_one() -> None:
    """Under a name of its own: the registry outlives the test."""
    PrometheusMetrics(namespace="modelroute_test")
    assert REGISTRY.get_sample_value("modelroute_test_events_dropped_total") == 0


@pytest.mark.parametrize("namespace", ["", "2nd", "a-b", "a b", 5])
def test_a_namespace_is_a_name(namespace: str) -> None:
    with pytest.raises(ConfigurationError, match="namespace= must be"):
        PrometheusMetrics(CollectorRegistry(), namespace=namespace)
