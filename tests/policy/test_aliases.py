"""A provider's other names mean the same wherever a policy or call names one."""

from __future__ import annotations

import pytest

from modelroute import (
    Budget,
    Catalog,
    Model,
    Policy,
    Price,
    Provider,
    Router,
    Rule,
    Scenario,
    UnknownNameError,
    cheapest,
)

CATALOG = Catalog.builtin()
MODELS = ("gemini-3.1-pro-preview", "gpt-5.5")
HERE = [Provider("google", key="k", models=[MODELS[0]]), Provider("openai", key="k", models=[MODELS[1]])]


def chosen(policy: Policy | None = None, **asking: object) -> list[str]:
    with Router(HERE, policy=policy, catalog=CATALOG) as router:
        decision = router.explain("Hi", **asking)  # type: ignore[arg-type]
        return [ranked.target for ranked in decision.ranked]


def test_only_and_never_by_another_name() -> None:
    assert chosen(Policy(default=Scenario(prefer=cheapest, providers="gemini"))) == ["gemini-3.1-pro-preview@google"]
    assert chosen(Policy(default=Scenario(prefer=cheapest, without="gemini"))) == ["gpt-5.5@openai"]
    assert chosen(providers={"google-ai-studio"}) == ["gemini-3.1-pro-preview@google"]
    assert chosen(without="gemini-3.1-pro-preview@gemini") == ["gpt-5.5@openai"]


def test_two_names_of_one_provider_have_it_in_common() -> None:
    policy = Policy(
        rules=[Rule("here", providers={"google", "openai"})],
        default=Scenario(prefer=cheapest, providers={"gemini", "openai"}),
    )
    assert chosen(policy, providers={"google-ai-studio"}) == ["gemini-3.1-pro-preview@google"]


@pytest.mark.parametrize(("wide", "narrow"), [("gemini", "google"), ("google", "google-ai-studio")])
def test_a_view_and_its_call_have_a_provider_in_common_by_whichever_name(wide: str, narrow: str) -> None:
    with Router(HERE, catalog=CATALOG) as router:
        decision = router.with_options(providers=[wide, "openai"]).explain("Hi", providers=narrow)
        assert [ranked.target for ranked in decision.ranked] == ["gemini-3.1-pro-preview@google"]


def test_a_name_that_is_nobody_s_is_told_before_it_is_lost_among_others() -> None:
    """What two sets have in common does not show any more what was misspelt."""
    with Router(HERE, catalog=CATALOG) as router:
        with pytest.raises(UnknownNameError, match="Did you mean 'gemini'"):
            router.with_options(providers="gemeni")
        with pytest.raises(UnknownNameError, match="Did you mean 'google'"):
            router.with_options(vendors="openai").explain("Hi", vendors="gogle")


def test_a_budget_by_another_name() -> None:
    said = Budget("few", 1, target=["gemini", "gpt-5.5@openai"])
    meant = Budget("few", 1, target=["google", "gpt-5.5@openai"])
    with Router(HERE, catalog=CATALOG, budgets=[said]) as router:
        assert router._core.budgets == (meant,)
    assert said.target == frozenset({"gemini", "gpt-5.5@openai"}), "the caller's own stays as he wrote it"
    with pytest.raises(UnknownNameError, match="Did you mean 'google'"):
        Router(HERE, catalog=CATALOG, budgets=[Budget("few", 1, target="gogle")])


def test_a_pin_and_a_preference_by_another_name() -> None:
    assert chosen(model="gemini-3.1-pro-preview@gemini") == ["gemini-3.1-pro-preview@google"]
    order = Policy(default=Scenario(prefer=["gpt-5.5@openai", "gemini-3.1-pro-preview@gemini"]))
    assert chosen(order) == ["gpt-5.5@openai", "gemini-3.1-pro-preview@google"]


def test_a_misspelt_name_is_met_with_the_other_name_that_was_meant() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'gemini'"):
        chosen(providers={"gemeni"})
    with pytest.raises(UnknownNameError, match="Did you mean 'moonshotai'"):
        chosen(without="moonshotaai")


def test_a_model_of_that_name_goes_before_a_provider_s_other_name() -> None:
    """Whoever calls a model of his own `kimi` and rules it out means that, not Moonshot."""
    free = Price.free()
    both = [
        Provider.compatible("http://localhost:1/v1", name="mine", models=[Model("kimi")], price=free),
        Provider("moonshot", key="k", models=["kimi-k3"]),
    ]
    with Router(both) as router:
        ruled_out = router.explain("Hi", without="kimi")
    assert [ranked.target for ranked in ruled_out.ranked] == ["kimi-k3@moonshot"]


def test_what_a_policy_says_of_itself_knows_the_names_too() -> None:
    """A scenario that its names leave nobody for is told, and only that."""

    def codes(scenario: Scenario) -> set[str]:
        with Router(HERE, policy=Policy(default=scenario)) as router:
            return {finding.code for finding in router._core.compiled.findings}

    assert "nobody_eligible" in codes(Scenario(prefer=cheapest, without={"gemini", "openai"}))
    assert "nobody_eligible" not in codes(Scenario(prefer=cheapest, providers={"gemini"}))


def test_a_server_of_one_s_own_takes_the_other_name_of_a_provider_from_it() -> None:
    server = Provider.compatible("http://localhost:1/v1", name="qwen", models=["qwen3.8-27b"], price=Price.free())
    others = [Provider("alibaba", key="k"), Provider("dashscope", key="k", models=["qwen3.8-27b"])]
    for other in others:
        with Router([server, other]) as router:
            for decision in (
                router.explain("hello", providers="qwen"),
                router.explain("hello", model="qwen3.8-27b@qwen"),
            ):
                assert [ranked.target for ranked in decision.ranked] == ["qwen3.8-27b@qwen"]
            (ranked,) = router.explain("hello", model="qwen3.8-27b@dashscope").ranked
            assert ranked.target == "qwen3.8-27b@alibaba"
    with Router([others[0]]) as router:
        assert router.explain("hello", model="qwen3.8-27b@qwen").ranked[0].target == "qwen3.8-27b@alibaba"
