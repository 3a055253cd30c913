"""A ceiling over several attempts: a retry never takes the money that a fallback needs."""

from __future__ import annotations

import pytest

from modelroute import Catalog, Policy, Router, Scenario, cheapest
from modelroute.testing import Answer, Fails, Failure, Kind, ScriptedRouter
from modelroute.testing.script import Step

POLICY = Policy(default=Scenario(prefer=cheapest))


@pytest.mark.parametrize("kind", [Kind.UNAVAILABLE, Kind.TRANSIENT])
@pytest.mark.parametrize("max_cost", [0.0033, 0.005, 0.02, 0.05, 0.5])
def test_a_retry_leaves_the_fallback_its_money(kind: Kind, max_cost: float) -> None:
    """The first target keeps failing and may bill each time; whatever the ceiling, the healthy second one is asked."""
    script: dict[str, list[Step]] = {"a@one": [Fails(Failure(kind))], "b@two": [Answer("hello")]}
    with ScriptedRouter(script, policy=POLICY, catalog=Catalog()) as router:
        reply = router.chat("Say hello", max_cost=max_cost)
    assert reply.target == "b@two"
    assert reply.cost <= reply.decision.max_cost  # type: ignore[operator]


def test_without_a_fallback_the_retry_takes_what_is_left() -> None:
    script: dict[str, list[Step]] = {"a@one": [Fails(Failure(Kind.UNAVAILABLE)), Answer("hello")]}
    with ScriptedRouter(script, policy=POLICY, catalog=Catalog()) as router:
        reply = router.chat("Say hello", max_cost=0.05)
    assert [attempt.why for attempt in reply.attempts] == ["first", "retry"]


def test_patience_is_not_limited_for_a_fallback_nobody_can_pay() -> None:
    """The second target needs more than is left: the first one is the last, and may use all of the deadline."""
    script: dict[str, list[Step]] = {"a@one": [Answer("late", delay=60.0)], "b@two": [Answer("dear")]}
    with ScriptedRouter(script, policy=POLICY, catalog=Catalog()) as router:
        reply = router.chat("Say hello", max_cost=0.0012, deadline=100)
    assert (reply.target, reply.text) == ("a@one", "late")


def test_the_routers_agree_with_the_decision_they_explain() -> None:
    """What is explained is the object that acts: same arguments, same ranking, same cap and bound."""
    script: dict[str, list[Step]] = {"a@one": [Answer("hello")], "b@two": [Answer("hello")]}
    with ScriptedRouter(script, policy=POLICY, catalog=Catalog()) as router:
        assert isinstance(router, Router)
        explained = router.explain("Say hello", max_cost=0.05)
        reply = router.chat("Say hello", max_cost=0.05)
    assert reply.decision.ranked == explained.ranked
    assert reply.attempts[0].reserved == explained.ranked[0].bound
    assert router.calls[0].sent["max_tokens"] == explained.ranked[0].output_cap


def test_what_a_target_was_seen_not_to_take_is_not_asked_of_it_again() -> None:
    refused = Fails(Failure(Kind.UNSUPPORTED, "no seed here", feature="seed"))
    script: dict[str, list[Step]] = {"a@one": [refused, Answer("hello")], "b@two": [Answer("hello")]}
    with ScriptedRouter(script, policy=POLICY, catalog=Catalog()) as router:
        assert router.chat("Say hello", seed=1).target == "b@two"
        again = router.chat("Say hello", seed=1)
        assert [attempt.target for attempt in again.attempts] == ["b@two"]
        assert "not to take seed" in str(again.decision.rejected[0].reasons[0])
        assert router.chat("Say hello").target == "a@one"
        router.clock.sleep(601)
        assert router.chat("Say hello", seed=1).target == "a@one"
