"""Decisions, one behaviour at a time."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog import Catalog, Model, Price, ProviderRow, Score, Target
from modelroute.errors import ConfigurationError, ModelRouteError, RequestError, UnknownNameError
from modelroute.money import Money
from modelroute.policy import (
    Candidate,
    Floor,
    Option,
    Policy,
    Rule,
    Scenario,
    Within,
    best_value,
    cheapest,
    fastest,
    strongest,
)
from modelroute.policy.compiled import CompiledPolicy
from modelroute.types.constraints import Constraints
from modelroute.types.decision import Decision
from modelroute.types.facts import Affinity, RequestFacts, Snapshot
from modelroute.types.usage import TokenCount
from tests.policy.worlds import a_world

NOW = 1_795_000_000.0
FACTS = RequestFacts(tokens={"": TokenCount(1_000, 4_000)})
SNAPSHOT = Snapshot(now=NOW)

MODELS = {
    "strong": (60, "10", {"tools", "vision"}),
    "middle": (55, "2", {"tools"}),
    "small": (50, "0.5", {"tools"}),
    "tiny": (40, "0", set[str]()),
}


def candidates() -> list[Candidate]:
    made = []
    for name, (score, price, features) in MODELS.items():
        model = Model(
            name,
            vendor=f"{name}-maker",
            open_weights=name != "strong",
            licence="mit",
            context_window=128_000,
            max_output=8_000,
            features=frozenset(features),
            scores=(Score(score, "intelligence", "s", "2026-01-01"),),
        )
        rates = Price.free() if price == "0" else Price(input=price, output=price, cached_input="0.01")
        made.append(Candidate(Target.of(model, f"at-{name}", price=rates), jurisdiction="US"))
    return made


def catalog(held: list[Candidate]) -> Catalog:
    return Catalog(
        models=[one.target.model for one in held],
        providers=[ProviderRow(one.target.provider) for one in held],
        targets=[one.target for one in held],
        aliases={"best": "strong"},
    )


def compiled(policy: Policy | None = None, held: list[Candidate] | None = None) -> CompiledPolicy:
    held = candidates() if held is None else held
    return (policy or Policy(default=Scenario(floor=45))).compile(held, catalog(held))


def decide(policy: Policy | None = None, **changes: object) -> Decision:
    prefer = changes.pop("prefer", None)
    snapshot = changes.pop("snapshot", SNAPSHOT)
    return compiled(policy).decide(replace(FACTS, **changes), snapshot, prefer=prefer)  # type: ignore[arg-type]


def order(decision: Decision) -> list[str]:
    return [ranked.model for ranked in decision.ranked]


def codes(decision: Decision, model: str) -> list[str]:
    return [reason.code for entry in decision.rejected if entry.target.startswith(model) for reason in entry.reasons]


def reasons(decision: Decision, target: str) -> list[str]:
    return [reason.text for entry in decision.rejected if entry.target == target for reason in entry.reasons]


def test_each_objective_has_its_order() -> None:
    snapshot = replace(SNAPSHOT, latency={"middle@at-middle": 0.2, "strong@at-strong": 0.3})
    assert order(decide(Policy(default=Scenario(prefer=cheapest)))) == ["tiny", "small", "middle", "strong"]
    assert order(decide(Policy(default=Scenario(prefer=strongest)))) == ["strong", "middle", "small", "tiny"]
    assert order(decide(Policy(default=Scenario(floor=45, prefer=best_value)))) == ["small", "middle", "strong"]
    fast = decide(Policy(default=Scenario(prefer=fastest)), snapshot=snapshot)
    assert order(fast) == ["middle", "strong", "tiny", "small"], "who was never seen comes last, the cheaper first"


def test_a_sequence_decides_step_by_step() -> None:
    snapshot = replace(SNAPSHOT, latency={"middle@at-middle": 0.200, "small@at-small": 0.201})
    assert order(decide(Policy(default=Scenario(prefer=["middle", strongest]))))[:2] == ["middle", "strong"]
    assert order(decide(Policy(default=Scenario(prefer=["tiny@at-tiny", "best", cheapest]))))[:3] == [
        "tiny",
        "strong",
        "small",
    ]
    tied = decide(Policy(default=Scenario(prefer=[fastest, strongest])), snapshot=snapshot)
    assert order(tied)[:2] == ["middle", "small"], "0.5 % is no difference in latency"
    assert tied.objective == "fastest, then strongest"


def test_a_callable_sees_an_option() -> None:
    seen: list[Option] = []

    def by_name_length(option: Option) -> object:
        seen.append(option)
        return len(option.model), option.score("intelligence")

    decision = decide(Policy(default=Scenario(prefer=by_name_length)), effort="high")
    assert order(decision) == ["tiny", "small", "middle", "strong"]
    assert decision.objective.endswith("by_name_length")
    option = next(option for option in seen if option.model == "small")
    assert (option.target, option.vendor, option.estimate) == ("small@at-small", "small-maker", Money("0.00075"))
    assert (option.input_tokens, option.output_tokens, option.score(), option.score("other")) == (1_000, 500, 50, None)


@pytest.mark.parametrize(
    ("chooser", "words"),
    [
        (lambda option: 1 / 0, "ZeroDivisionError"),
        (lambda option: float("nan"), "NaN"),
        (lambda option: 1 if option.model == "tiny" else "x", "do not compare"),
    ],
)
def test_a_callable_that_fails_is_named(chooser: Callable[[Option], object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        decide(Policy(default=Scenario(prefer=chooser)))
    assert "test_decide" in str(caught.value)


def test_a_condition_that_fails_is_named() -> None:
    policy = Policy(scenarios=[Scenario("s", when=lambda facts: facts.nothing)])  # type: ignore[attr-defined]
    with pytest.raises(ModelRouteError, match=r"when=<.*test_decide.*AttributeError"):
        decide(policy)


def test_the_first_matching_scenario_is_used_and_every_matching_rule_applies() -> None:
    policy = Policy(
        rules=[Rule("frugal", tag="batch", max_cost="0.001"), Rule(tag={"eu", "ch"}, needs="open_weights")],
        scenarios=[Scenario("long", min_input_tokens=5_000, floor=45), Scenario("code", task="coding", floor=55)],
        default=Scenario(floor=40),
    )
    plain = decide(policy)
    assert (plain.scenario, plain.rules, order(plain)) == ("default", (), ["tiny", "small", "middle", "strong"])
    coding = decide(policy, task="coding", tags=frozenset({"ch"}))
    assert (coding.scenario, coding.rules, order(coding)) == ("code", ("tag={'ch', 'eu'}",), ["middle"])
    both = decide(policy, tags=frozenset({"batch", "eu"}))
    assert (both.rules, both.max_cost) == (("frugal", "tag={'ch', 'eu'}"), Money("0.001"))
    assert decide(policy, task="coding", tokens={"": TokenCount(5_000, 9_000)}).scenario == "long"


def test_constraints_of_call_and_policy_intersect() -> None:
    policy = Policy(default=Scenario(floor=50, max_cost=1))
    tight = Constraints(floors=(Floor(55),), max_cost=Money("0.012"))
    assert order(decide(policy, constraints=tight)) == ["middle"]
    loose = Constraints(floors=(Floor(30),), max_cost=Money(5))
    assert decide(policy, constraints=loose).max_cost == Money(1)
    assert codes(decide(policy, constraints=loose), "tiny") == ["floor"]


def test_a_pin_skips_floor_and_objective_only() -> None:
    policy = Policy(
        rules=[Rule(tag="tools", needs="tools"), Rule(tag="good", floor=45)],
        default=Scenario(floor=57, prefer=strongest, max_cost=1),
    )
    assert order(decide(policy, selector="tiny")) == ["tiny"]
    assert order(decide(policy, selector="tiny@at-tiny")) == ["tiny"]
    assert order(decide(policy, selector="best")) == ["strong"]
    assert codes(decide(policy, selector="tiny"), "small") == ["selector"]
    assert codes(decide(policy, selector="tiny", tags=frozenset({"tools"})), "tiny") == ["needs"]
    assert codes(decide(policy, selector="tiny", tags=frozenset({"good"})), "tiny") == ["floor"], "a rule's floor stays"
    with pytest.raises(UnknownNameError, match=r"unknown model or target 'tinny'\. Did you mean 'tiny'"):
        decide(policy, selector="tinny")


def test_a_pinned_model_is_any_provider_of_it_the_cheapest_first() -> None:
    held = candidates()
    elsewhere = replace(held[0], target=replace(held[0].target, provider="at-small", price=Price(input=3, output=3)))
    policy = compiled(Policy(default=Scenario(floor=45, prefer=strongest)), [*held, elsewhere])
    decision = policy.decide(replace(FACTS, selector="strong"), SNAPSHOT)
    assert [ranked.target for ranked in decision.ranked] == ["strong@at-small", "strong@at-strong"]


def test_a_score_belongs_to_an_effort() -> None:
    """What was measured at high effort vouches for it only when that much is asked for; the same compiled policy."""
    held = candidates()
    scores = (
        Score(48, "intelligence", "s", "2026-01-01", effort="low"),
        Score(62, "intelligence", "s", "2026-01-01", effort="high"),
    )
    held[2] = replace(held[2], target=replace(held[2].target, model=replace(held[2].target.model, scores=scores)))
    policy = compiled(Policy(default=Scenario(floor=58)), held)
    assert order(policy.decide(replace(FACTS, effort="high"), SNAPSHOT)) == ["small", "strong"]
    assert order(policy.decide(replace(FACTS, effort="medium"), SNAPSHOT)) == ["strong"]


def test_a_task_nobody_declares_fails() -> None:
    with pytest.raises(RequestError, match=r"'codng' is not declared\. Did you mean 'coding'"):
        decide(task="codng")
    assert decide(Policy(scenarios=[Scenario("s", task="codng", floor=50)]), task="codng").scenario == "s"
    with pytest.raises(RequestError):
        compiled().check_task("codng")
    compiled().check_task(None)


def test_a_calls_own_preference_wins_and_is_checked() -> None:
    assert order(decide(prefer=strongest)) == ["strong", "middle", "small"]
    assert order(decide(prefer=["middle", cheapest])) == ["middle", "small", "strong"]
    assert order(decide(selector="middle", prefer=strongest)) == ["middle"]
    with pytest.raises(UnknownNameError):
        decide(prefer="mdidle")
    with pytest.raises(RequestError, match="needs a floor"):
        decide(Policy(default=Scenario(prefer=cheapest)), prefer=best_value)
    assert order(decide(prefer=best_value)) == ["small", "middle", "strong"]


def test_a_calls_own_names_are_checked() -> None:
    for constraints in (Constraints(floors=(Floor(5, scale="no"),)), Constraints(without=frozenset({"no"}))):
        with pytest.raises(UnknownNameError):
            decide(constraints=constraints)
    assert order(decide(constraints=Constraints(without=frozenset({"best", "at-small"})))) == ["middle"]


def test_a_relative_floor_looks_at_the_best_that_could_be_used() -> None:
    policy = Policy.default()
    assert order(decide(policy)) == ["middle", "strong"]
    assert order(decide(policy, constraints=Constraints(without=frozenset({"strong"})))) == ["small", "middle"]
    capped = decide(policy, constraints=Constraints(max_cost=Money("0.009")))
    assert order(capped) == [] or order(capped) == ["middle"]
    assert order(decide(policy, constraints=Constraints(max_cost=Money("0.02")))) == ["middle"], (
        "a ceiling lowers no bar"
    )
    (reason,) = next(entry for entry in decide(policy).rejected if entry.target == "small@at-small").reasons
    assert reason.text == "scores 50, more than 6 below the best at hand, 60"


def test_where_nobody_has_a_score_the_relative_floor_rules_nobody_out() -> None:
    """A router whose only target is a local model of one's own answers under the default policy."""
    target = Target.of(Model("mine"), "local", price=Price.free())
    policy = Policy.default().compile(
        [Candidate(target, self_hosted=True)],
        Catalog(models=[target.model], providers=[ProviderRow("local")], targets=[target]),
    )
    assert policy.decide(FACTS, SNAPSHOT).target == "mine@local"


def test_unknown_is_never_zero() -> None:
    held = candidates()
    held[2] = replace(held[2], target=replace(held[2].target, price=None), jurisdiction=None)
    bare = replace(held[1].target.model, scores=(), licence=None, context_window=None)
    held[1] = replace(held[1], target=Target.of(bare, "at-middle", price=Price(input=1, output=1)))
    cheap = compiled(Policy(default=Scenario()), held)
    decision = cheap.decide(FACTS, SNAPSHOT)
    assert order(decision) == ["tiny", "middle", "strong", "small"], "no price comes last where cost decides"
    assert decision.ranked[3].estimate is None
    limited = cheap.decide(replace(FACTS, constraints=Constraints(max_cost=Money(1))), SNAPSHOT)
    assert codes(limited, "small") == ["ceiling"]
    strict = Constraints(
        floors=(Floor(1),), jurisdictions=frozenset({"US"}), licences=frozenset({"mit"}), min_context=1
    )
    judged = cheap.decide(replace(FACTS, constraints=strict), SNAPSHOT)
    assert codes(judged, "middle") == ["floor", "licence", "context"]
    assert codes(judged, "small") == ["jurisdiction"]


def test_own_machines_satisfy_any_jurisdiction() -> None:
    held = [replace(one, jurisdiction=None, self_hosted=one.name.startswith("tiny")) for one in candidates()]
    policy = Policy(default=Scenario(jurisdictions="EU"))
    assert order(compiled(policy, held).decide(FACTS, SNAPSHOT)) == ["tiny"]


def test_quoted_only_floors_refuse_estimates() -> None:
    held = candidates()
    score = Score(60, "intelligence", "s", "2026-01-01", estimated=True, error=3.0, basis="Arena 1461")
    held[0] = replace(held[0], target=replace(held[0].target, model=replace(held[0].target.model, scores=(score,))))
    both = compiled(Policy(default=Scenario(floor=[Floor(50), Floor(40, estimated=False)])), held).decide(
        FACTS, SNAPSHOT
    )
    assert "has only an estimated score, ~60 (Arena 1461)" in str(both.rejected[0])
    free = compiled(Policy(default=Scenario(floor=50)), held).decide(FACTS, SNAPSHOT)
    assert str(free.ranked[2].score) == "~60 (Arena 1461, +-3)"


def test_a_target_retires_at_the_end_of_its_day() -> None:
    held = candidates()
    held[3] = replace(held[3], target=replace(held[3].target, retires="2026-11-18"))
    policy = compiled(Policy(default=Scenario()), held)
    midnight = 1_795_046_400.0  # 2026-11-19T00:00:00Z
    assert policy.decide(FACTS, replace(SNAPSHOT, now=midnight - 1)).target == "tiny@at-tiny"
    assert codes(policy.decide(FACTS, replace(SNAPSHOT, now=midnight)), "tiny") == ["retired"]
    assert policy.decide(FACTS, replace(SNAPSHOT, now=midnight - 1)).target == "tiny@at-tiny"
    held[3] = replace(held[3], target=replace(held[3].target, retires="9999-12-31"))
    assert compiled(Policy(default=Scenario()), held).decide(FACTS, SNAPSHOT).target == "tiny@at-tiny"


@pytest.mark.parametrize(
    ("tokens", "cap", "fits"), [(127_500, None, True), (127_501, None, False), (127_900, 100, True)]
)
def test_a_prompt_must_leave_room_for_the_forecast(tokens: int, cap: int | None, fits: bool) -> None:
    """The window is 128,000 tokens, the forecast 500 or what the caller caps it at; the bound does not count."""
    decision = decide(tokens={"": TokenCount(tokens, 10**6)}, output_cap=cap)
    assert (decision.target is not None) is fits
    assert codes(decision, "small") == ([] if fits else ["context"])


def test_a_resting_target_is_ranked_last_not_rejected() -> None:
    decision = decide(snapshot=replace(SNAPSHOT, holds={"small@at-small": NOW + 5, "middle@at-middle": NOW}))
    assert order(decision) == ["middle", "strong", "small"]
    assert [ranked.resting_until for ranked in decision.ranked] == [None, None, NOW + 5]


@pytest.mark.parametrize(("cached", "stays"), [(0, False), (600, False), (990, True)])
def test_a_conversation_stays_while_its_prefix_is_worth_more_than_the_saving(cached: int, stays: bool) -> None:
    """On middle a new one costs $0.003; with 990 of 1,000 tokens cached $0.00103, against $0.00105 on small."""
    held = candidates()
    held[2] = replace(held[2], target=replace(held[2].target, price=Price(input="0.7", output="0.7")))
    policy = compiled(None, held)
    snapshot = replace(SNAPSHOT, affinity=Affinity("middle@at-middle", cached))
    decision = policy.decide(FACTS, snapshot)
    assert (decision.target == "middle@at-middle") is stays
    assert (decision.kept is not None) is stays
    if decision.kept is not None:
        assert "990 cached tokens are worth more than moving to small@at-small" in decision.sentence()


def test_under_strongest_a_conversation_moves_only_to_a_higher_score() -> None:
    held = candidates()
    held[1] = replace(held[1], target=replace(held[1].target, model=replace(held[0].target.model, name="middle")))
    policy = compiled(Policy(default=Scenario(prefer=strongest)), held)
    stays = policy.decide(FACTS, replace(SNAPSHOT, affinity=Affinity("strong@at-strong", 0)))
    assert (stays.target, order(policy.decide(FACTS, SNAPSHOT))[0]) == ("strong@at-strong", "middle")
    moves = policy.decide(FACTS, replace(SNAPSHOT, affinity=Affinity("small@at-small", 1_000)))
    assert moves.target == "middle@at-middle"


def test_after_a_tool_result_it_stays_unless_it_cannot() -> None:
    tool = Affinity("strong@at-strong", 0, bound_by_tools=True)
    decision = decide(snapshot=replace(SNAPSHOT, affinity=tool))
    assert order(decision) == ["strong", "small", "middle"]
    assert "tool result" in str(decision.kept)
    resting = decide(snapshot=replace(SNAPSHOT, affinity=tool, holds={"strong@at-strong": NOW + 9}))
    assert order(resting) == ["small", "middle", "strong"]
    barred = decide(snapshot=replace(SNAPSHOT, affinity=tool), barred={"strong@at-strong": "cannot carry it"})
    assert order(barred) == ["small", "middle"]


def test_every_reason_is_given_at_once() -> None:
    decision = decide(
        Policy(default=Scenario(floor=57, needs="vision", vendors="strong-maker", max_cost="0.0001")),
        barred={"small@at-small": "cannot carry this history"},
    )
    assert codes(decision, "small") == ["floor", "needs", "vendor", "barred", "ceiling"]
    assert decision.sentence() == (
        "no target meets floor 57, needs vision, vendor strong-maker, ceiling $0.0001: 4 rejected "
        "(ceiling 3, floor 3, needs 3, vendor 3, barred 1)."
    )


def test_the_ceiling_that_held_is_named_whoever_set_it() -> None:
    """Three meet the floor, none the call's ceiling: a sentence that names the floor alone would be untrue."""
    policy = Policy(default=Scenario(floor=50, max_cost=1))
    nobody = decide(policy, constraints=Constraints(max_cost=Money("0.00001")))
    assert nobody.sentence() == "no target meets floor 50, ceiling $0.00001: 4 rejected (ceiling 3, floor 1)."
    assert nobody.to_json()["constraints"] == nobody.constraints == "floor 50, ceiling $0.00001"
    some = decide(policy, constraints=Constraints(max_cost=Money("0.01")))
    assert f"of {len(some.ranked)} that meet floor 50, ceiling $0.01;" in some.sentence()
    assert len(some.ranked) < len(decide(policy).ranked)
    assert decide(policy).constraints == "floor 50, ceiling $1.00"
    assert decide(Policy(default=Scenario())).constraints == ""
    only = decide(Policy(default=Scenario()), constraints=Constraints(max_cost=Money("0.02")))
    assert only.constraints == "ceiling $0.02"


def test_a_reason_is_given_once() -> None:
    held = candidates()
    held[0] = replace(held[0], target=replace(held[0].target, model=replace(held[0].target.model, scores=())))
    asked = Scenario(floor=[50, Floor(45, estimated=False), Within(6), Within(9)])
    decision = compiled(Policy(default=asked), held).decide(FACTS, SNAPSHOT)
    assert reasons(decision, held[0].name) == ["has no score on intelligence"]
    relative = compiled(Policy(default=Scenario(floor=[Within(6), Within(9)])), held).decide(FACTS, SNAPSHOT)
    assert reasons(relative, held[0].name) == ["has no score, while the best at hand has 55"]


@given(st.randoms(use_true_random=False))
def test_no_reason_holds_the_mark_that_parts_reasons(draw: Random) -> None:
    """Reasons are joined with '; ' in tables: one that held it would be read as two."""
    world = a_world(draw)
    for rejected in world.decide().rejected:
        texts = [reason.text for reason in rejected.reasons]
        assert len(set(texts)) == len(texts)
        assert not [text for text in texts if "; " in text]


def test_what_was_seen_to_be_missing_counts_only_where_it_is_needed() -> None:
    snapshot = replace(SNAPSHOT, missing={"small@at-small": frozenset({"tools"})})
    assert order(decide(snapshot=snapshot)) == ["small", "middle", "strong"]
    assert order(decide(snapshot=snapshot, needs=frozenset({"tools"}))) == ["middle", "strong"]


def test_a_target_of_the_catalog_that_is_not_held_is_named_too() -> None:
    held = candidates()
    policy = Policy(default=Scenario(floor=45)).compile(held[1:], catalog(held))
    decision = policy.decide(FACTS, SNAPSHOT)
    assert codes(decision, "strong") == ["not_set_up"]
    assert "not set up in this router: at-strong (1)" in decision.table()
    assert codes(policy.decide(replace(FACTS, selector="strong"), SNAPSHOT), "middle") == ["selector"]


def test_distinct_calls_do_not_fill_the_memory() -> None:
    policy = compiled()
    for number in range(1_100):
        policy.decide(replace(FACTS, constraints=Constraints(floors=(Floor(number / 100),))), SNAPSHOT)
    assert len(policy._kinds) <= 512


def test_the_budget_of_an_attempt_is_the_decisions_own() -> None:
    policy = compiled()
    facts = replace(FACTS, constraints=Constraints(max_cost=Money("0.02")))
    first = policy.decide(facts, SNAPSHOT).ranked[0]
    fitted = policy.attempt_budget(
        first.target, facts, SNAPSHOT, Money("0.02"), fallbacks=[one.name for one in policy.candidates[1:]]
    )
    assert fitted is not None
    assert (fitted.cap, fitted.capped_by) == (first.output_cap, first.capped_by)
    with pytest.raises(UnknownNameError):
        policy.attempt_budget("nobody@home", facts, SNAPSHOT, None)


def test_importing_the_policy_loads_nothing_heavy() -> None:
    heavy = ("httpx", "pydantic", "tiktoken", "tenacity", "tomllib")
    code = f"import sys, modelroute.policy.compiled; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
