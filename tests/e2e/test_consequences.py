"""Where a request goes after each error that a provider is known to send: what a sample says of it is what is done."""

from __future__ import annotations

import pytest

from modelroute import AttemptsFailedError, Catalog, Model, Policy, Price, Provider, Scenario
from modelroute.providers.errors import classify, speaker_of
from modelroute.resilience.backoff import LONGEST_HINT
from modelroute.testing import Answer, Fails, Failure, Kind, ScriptedRouter
from modelroute.testing.scripted import EPOCH
from modelroute.types.failure import Breaker, Retry
from tests.providers.samples import COMPOSED, Sample, answer_of, decode, samples

FIRST, SECOND = "small@one", "large@two"
SAME = {Retry.SAME_ONCE, Retry.SAME_AFTER_WAIT}
PROMPT = "Where is my order?"

ERRORS = [sample for sample in (*samples(), *samples(COMPOSED)) if "error" in sample.expect]


def failure_of(sample: Sample) -> Failure:
    """Return what the bytes mean; a stream's own failure says it when none of its words had been handed out."""
    if sample.status == 200:
        failure = answer_of(decode(sample.decoder(), [sample.body])).failure
        assert failure is not None
        return failure
    row, _, profile = sample.spoken
    return classify(speaker_of(row, profile), sample.status, sample.headers, sample.body, EPOCH)


def router(failure: Failure, *, alone: bool, times: int = 1) -> ScriptedRouter:
    """A provider that fails `times` and then answers, and one with more room for prompts that answers."""
    models = [
        Model(name, context_window=window, max_output=1_000, features=frozenset({"tools"}))
        for name, window in (("small", 8_000), ("large", 80_000))
    ]
    failing: list[Answer | Fails] = [*[Fails(failure)] * times, Answer("first")]
    script: dict[str, list[Answer | Fails]] = {FIRST: failing, SECOND: [Answer("second")]}
    providers = [
        Provider.compatible("http://127.0.0.1:1/v1", name=name, models=[model], price=Price(input=1, output=1))
        for name, model in zip(("one", "two"), models, strict=True)
    ]
    if alone:
        del script[SECOND]
    policy = Policy(default=Scenario(prefer=list(script)))
    return ScriptedRouter(script, providers=providers[: len(script)], policy=policy, catalog=Catalog())


def ask(routing: ScriptedRouter) -> str:
    """Return whose answer came, ``""`` when there was none."""
    try:
        return routing.chat(PROMPT, deadline=600).text
    except AttemptsFailedError:
        return ""


def called(routing: ScriptedRouter) -> list[str]:
    return [call.target for call in routing.calls]


@pytest.mark.parametrize("sample", ERRORS, ids=lambda sample: sample.file)
def test_the_only_target_is_asked_again_when_that_may_help_and_not_before_it_may(sample: Sample) -> None:
    stated, failure = sample.expect["error"], failure_of(sample)
    with router(failure, alone=True) as routing:
        text = ask(routing)
        calls = called(routing)
        waited = routing.calls[-1].at - routing.calls[0].at

    again = failure.retry in SAME and (failure.retry_after or 0) <= LONGEST_HINT
    assert (text, calls) == (("first", [FIRST, FIRST]) if again else ("", [FIRST]))
    # A tool call that could not be generated is tried once more with the error, whatever its provider advises.
    if stated["kind"] not in {"tool_use_failed", "server_error", "stream_truncated"} and sample.status != 200:
        assert stated.get("retryable_same_target", again) == (failure.retry in SAME)
    if again and stated.get("retry_after_s") is not None:
        assert waited >= stated["retry_after_s"] - 1


@pytest.mark.parametrize("sample", ERRORS, ids=lambda sample: sample.file)
def test_another_target_is_asked_when_that_may_help(sample: Sample) -> None:
    stated, failure = sample.expect["error"], failure_of(sample)
    with router(failure, alone=False, times=3) as routing:
        text = ask(routing)
        calls = called(routing)

    if failure.retry is Retry.NEVER:
        assert (text, calls) == ("", [FIRST]), "no other call when nothing helps"
        assert not stated.get("failover_ok") or stated["kind"] == "content_filter"
        return
    assert text == "second"
    assert calls.count(FIRST) == (2 if failure.retry is Retry.SAME_ONCE else 1)
    assert stated.get("failover_ok") is not False or failure.kind in {Kind.UNPROVED, Kind.UNSUPPORTED, Kind.TOO_LONG}


@pytest.mark.parametrize("sample", ERRORS, ids=lambda sample: sample.file)
def test_what_rests_a_target_rests_it_for_as_long_as_was_said(sample: Sample) -> None:
    stated, failure = sample.expect["error"], failure_of(sample)
    with router(failure, alone=False) as routing:
        ask(routing)
        before = len(routing.calls)
        ask(routing)
        after = [call.target for call in routing.calls[before:]]
        wait = failure.retry_after
        if failure.kind is Kind.RATE_LIMITED and wait:
            routing.clock.sleep(wait + 1)
            assert ask(routing) == "first"

    if failure.row.breaker is Breaker.HOLDS:
        assert after == [SECOND], "it is on hold"
    elif failure.retry is not Retry.SAME_ONCE:
        assert after == [FIRST], "one failure is not ill health"
    if stated.get("retry_after_s") is not None:
        assert failure.retry_after is not None
