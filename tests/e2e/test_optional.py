"""Parameters that nobody insists on are left out where they are refused, and the reply and `explain` say so."""

from collections.abc import Mapping

import pytest

from modelroute import Policy, Scenario
from modelroute.errors import NoEligibleTargetError
from modelroute.testing import Answer, Fails, Failure, Kind, ScriptedAsyncRouter, ScriptedRouter

KIMI = "kimi-k3@moonshot"
OTHER = "glm-5.1@zai"
ANY = Policy(default=Scenario())
ASKED: Mapping[str, float | int] = {"temperature": 0.2, "seed": 7}


def test_a_target_that_refuses_what_is_insisted_on_is_not_asked() -> None:
    with ScriptedRouter({KIMI: [Answer("Hello")]}) as router:
        with pytest.raises(NoEligibleTargetError, match="does not take seed"):
            router.chat("Hi", seed=7, optional="temperature")
        with pytest.raises(NoEligibleTargetError, match="temperature"):
            router.chat("Hi", temperature=0.2)
        assert not router.calls


def test_what_is_optional_is_left_out_and_told() -> None:
    with ScriptedRouter({KIMI: [Answer("Hello")]}) as router:
        reply = router.chat("Hi", temperature=0.2, seed=7, effort="medium", optional=["temperature", "seed", "effort"])

        assert reply.left_out == ("effort=high", "seed", "temperature")
        (seen,) = router.calls
        assert seen.sent["reasoning_effort"] == "high"
        assert not {"temperature", "seed"} & seen.sent.keys()


def test_where_it_is_taken_it_is_sent() -> None:
    with ScriptedRouter({OTHER: [Answer("Hello")]}) as router:
        reply = router.chat("Hi", temperature=0.2, seed=7, optional=["temperature", "seed"])

        assert reply.left_out == ()
        assert {name: router.calls[0].sent[name] for name in ASKED} == ASKED


async def test_a_stream_of_the_async_router_tells_it_too() -> None:
    async with (
        ScriptedAsyncRouter({KIMI: [Answer("Hello")]}) as router,
        router.with_options(optional="temperature").stream("Hi", temperature=0.2) as stream,
    ):
        assert "".join([piece async for piece in stream.text]) == "Hello"
        assert stream.reply.left_out == ("temperature",)


def test_explain_says_what_each_target_is_not_sent() -> None:
    with ScriptedRouter({KIMI: [Answer()], OTHER: [Answer()]}, policy=ANY) as router:
        decision = router.explain("Hi", temperature=0.2, optional="temperature")

        assert {ranked.target: ranked.left_out for ranked in decision.ranked} == {KIMI: ("temperature",), OTHER: ()}
        assert "without temperature" in decision.table()


def test_neutral_values_bar_nobody_and_are_not_sent() -> None:
    with ScriptedRouter({"gpt-5.5@openai": [Answer("Hello")]}) as router:
        reply = router.chat("Hi", n=1, logprobs=False, presence_penalty=0)  # type: ignore[call-arg]

        assert reply.left_out == ()
        assert "logprobs" not in router.calls[0].sent


def test_what_was_seen_to_be_refused_is_left_out_the_next_time() -> None:
    refused = Fails(Failure(Kind.UNSUPPORTED, "no temperature", feature="temperature"))
    with ScriptedRouter({OTHER: [refused, Answer("Hello")], KIMI: [Answer("Hi")]}, policy=ANY) as router:
        router.chat("Hi", temperature=0.2, optional="temperature", prefer=[OTHER, KIMI])
        again = router.chat("Hi", temperature=0.2, optional="temperature", prefer=[OTHER, KIMI])

        assert (again.target, again.left_out) == (OTHER, ("temperature",))
        assert "temperature" not in router.calls[-1].sent
        with pytest.raises(NoEligibleTargetError, match="seen not to take temperature"):
            router.chat("Hi", temperature=0.2, model=OTHER)
