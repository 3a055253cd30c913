"""What a policy may say, how it prints, and what it refuses."""

import pickle
from collections.abc import Callable, Collection
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog import Catalog, Model, Price, ProviderRow, Score, Target
from modelroute.errors import ConfigurationError, UnknownNameError
from modelroute.money import Money
from modelroute.policy import (
    Candidate,
    Floor,
    Objective,
    Policy,
    Preferences,
    Rule,
    Scenario,
    Within,
    best_value,
    cheapest,
    fastest,
    strongest,
)
from modelroute.types.facts import ANY_VOCABULARY, RequestFacts, Snapshot
from modelroute.types.timeouts import Timeouts
from modelroute.types.usage import TokenCount
from tests.junk import junk, works_or_is_refused
from tests.policy.worlds import a_policy

WORDS = {name: value for name, value in globals().items() if name[0] != "_"}


def article() -> Policy:
    return Policy(
        rules=[Rule(tag="eu-customer", jurisdictions={"EU"}, needs={"open_weights"})],
        scenarios=[
            Scenario("long-documents", min_input_tokens=100_000, floor=50, prefer=best_value),
            Scenario("core-reasoning", task="reasoning", floor=57, prefer=strongest, max_cost=0.50),
            Scenario("daily-dev", task="coding", floor=50, prefer=cheapest, max_cost=0.02),
        ],
        default=Scenario(floor=45, prefer=cheapest),
    )


def a_catalog(*, price: Price | None) -> tuple[Catalog, list[Candidate]]:
    score = Score(50, "intelligence", "s", "2026-01-01")
    model = Model("kimi", vendor="moonshot", scores=(score,), features=frozenset({"tools"}))
    target = Target.of(model, "deepinfra", price=price)
    catalog = Catalog(models=[model], providers=[ProviderRow("deepinfra")], targets=[target], aliases={"k": "kimi"})
    return catalog, [Candidate(target)]


def test_the_design_example_reads_as_it_was_typed() -> None:
    policy = article()
    assert eval(repr(policy), WORDS) == policy
    assert "Scenario('core-reasoning', task='reasoning', floor=57, max_cost='0.5', prefer=strongest)" in repr(policy)
    assert policy.scenarios[1].constraints.max_cost == Money("0.5")


@given(st.integers(0, 2**64 - 1).map(Random))
def test_a_policy_is_what_its_repr_says(draw: Random) -> None:
    policy = a_policy(draw)
    if not any(part.conditions.when for part in policy.scenarios):
        assert eval(repr(policy), WORDS) == policy
        assert pickle.loads(pickle.dumps(policy)) == policy
        assert policy.digest == eval(repr(policy), WORDS).digest


def test_preferences_and_lists_read_as_they_were_typed() -> None:
    policy = Policy(
        rules=[Rule("r", floor=Floor(1500.5, scale="arena_coding", estimated=False), licences={"mit", "apache-2.0"})],
        scenarios=[
            Scenario("s", tag={"b", "a"}, floor=[50, Within(3, estimated=False)], prefer=["kimi", fastest, best_value])
        ],
        default=Scenario(floor=Within(6), timeouts=Timeouts(idle=3.0), on_interrupt="buffer"),
        name="ours",
        max_attempts=3,
    )
    assert eval(repr(policy), WORDS) == policy
    assert repr(policy.rules[0]) == (
        "Rule('r', floor=Floor(1500.5, scale='arena_coding', estimated=False), licences={'apache-2.0', 'mit'})"
    )


def test_the_default_is_the_articles_gap_and_prints_itself() -> None:
    assert repr(Policy.default()) == "Policy(default=Scenario(floor=Within(6), prefer=cheapest))"
    assert Policy() == Policy.default()
    assert Policy.default().findings == ()


def test_a_policy_is_immutable_and_hashable() -> None:
    policy = article()
    with pytest.raises(AttributeError):
        policy.name = "other"  # type: ignore[misc]
    assert hash(policy) == hash(article())
    assert policy != Policy.default()


def test_objectives_are_singletons() -> None:
    for objective in (cheapest, strongest, best_value, fastest):
        assert pickle.loads(pickle.dumps(objective)) is objective
        assert repr(objective) == str(objective) == objective.value
    assert Scenario(prefer="cheapest").prefer == (Objective.CHEAPEST,)


def test_a_floor_may_be_typed_in_several_ways() -> None:
    assert Scenario(floor=54).constraints.floors == (Floor(54),)
    assert Scenario(floor={"arena_coding": 1500}).constraints.floors == (Floor(1500, scale="arena_coding"),)
    assert Scenario(floor=[Floor(54, estimated=False), 50]).constraints.floors == (
        Floor(54, estimated=False),
        Floor(50),
    )
    assert Scenario(floor=[50, Within(6)]).within == (Within(6),)
    assert not Scenario(floor=None).has_floor


# A user without a type checker may pass anything.
untyped_scenario: Any = Scenario
untyped_rule: Any = Rule
untyped_policy: Any = Policy
untyped_scale: Any = []

NAME_SETS = ("task", "tag", "when_needs", "needs", "jurisdictions", "licences", "vendors", "providers", "without")


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: untyped_scenario("s", prefer=best_value), "without a floor"),
        (lambda: untyped_scenario("s", prefer=[cheapest, best_value]), "without a floor"),
        (lambda: untyped_scenario("s", max_cost=-1), "must not be negative"),
        (lambda: untyped_scenario("s", max_cost="cheap"), "not an amount"),
        (lambda: untyped_scenario("s", floor="high"), "is no floor"),
        (lambda: untyped_scenario("s", floor=True), "is no floor"),
        (lambda: untyped_scenario("s", floor=float("nan")), "finite"),
        (lambda: untyped_scenario("s", floor={1: 2}), "is no name"),
        (lambda: untyped_scenario("s", floor=Within(-1)), "not negative"),
        (lambda: untyped_scenario("s", prefer=[]), "prefer is empty"),
        (lambda: untyped_scenario("s", prefer=""), "empty name"),
        (lambda: untyped_scenario("s", prefer=7), "no preference"),
        (lambda: untyped_scenario("s", prefer=[cheapest, 7]), "no preference"),
        (lambda: untyped_scenario("s", jurisdictions="eu"), "Did you mean 'EU'"),
        (lambda: untyped_scenario("s", jurisdictions={"Europe"}), "two-letter code"),
        (lambda: untyped_scenario("s", jurisdictions=set()), "empty set"),
        (lambda: untyped_scenario("s", vendors=[""]), "non-empty names"),
        (lambda: untyped_scenario("s", task=["coding", 3]), "non-empty names"),
        (lambda: untyped_scenario("s", min_context=0), "min_context"),
        (lambda: untyped_scenario("s", allow_unbounded="yes"), "allow_unbounded"),
        (lambda: untyped_scenario("s", min_input_tokens=-1), "min_input_tokens"),
        (lambda: untyped_scenario("s", min_input_tokens=5, max_input_tokens=4), "no request matches"),
        (lambda: untyped_scenario("s", when="always"), "must be a callable"),
        (lambda: untyped_scenario("s", max_attempts=0), "at least 1"),
        (lambda: untyped_scenario("s", on_interrupt="retry"), "one of raise, buffer"),
        (lambda: untyped_scenario("s", timeouts=30), "must be a Timeouts"),
        (lambda: untyped_rule("r"), "demands nothing"),
        (lambda: untyped_rule("r", floor=Within(6)), "give it to a Scenario"),
        (lambda: untyped_policy(scenarios=[untyped_scenario(floor=5)]), "has no name"),
        (lambda: untyped_policy(scenarios=[untyped_scenario("a"), untyped_scenario("a")]), "used twice"),
        (lambda: untyped_policy(scenarios=[untyped_scenario("default")]), "names the default scenario"),
        (lambda: untyped_policy(scenarios=[untyped_scenario("x")], default=untyped_scenario("x")), "used twice"),
        (lambda: untyped_policy(default=untyped_scenario(task="coding")), "must match every request"),
        (lambda: untyped_policy(default=untyped_rule(floor=5)), "must be a Scenario"),
        (lambda: untyped_policy(rules=[untyped_scenario("a")]), "only Rule"),
        (lambda: untyped_policy(scenarios=untyped_scenario("a")), "must be a list"),
        (lambda: untyped_policy(scenarios=5), "must be a list"),
        (lambda: untyped_policy(rules="a"), "must be a list"),
        (lambda: untyped_policy(name=5), "name of a policy"),
        (lambda: untyped_scenario(5), "name of a scenario"),
        (lambda: untyped_scenario(["x"]), "name of a scenario"),
        (lambda: untyped_rule(5, floor=50), "name of a rule"),
        (lambda: untyped_scenario("s", tag=True), "tag=True"),
        (lambda: untyped_scenario("s", needs=1), r"needs=\{'...'\}"),
        (lambda: untyped_scenario("s", jurisdictions=[["EU"]]), "non-empty names"),
        (lambda: untyped_scenario("s", jurisdictions={"EU": True}), "jurisdictions="),
        (lambda: untyped_scenario("s", task=b"coding"), "task="),
        (lambda: untyped_scenario("s", floor=b"x"), "is no floor"),
        (lambda: untyped_scenario("s", floor=Floor(50, scale=untyped_scale)), "is no name"),
        (lambda: untyped_scenario("s", on_interrupt=["raise"]), "one of raise, buffer"),
        (lambda: Within(6, scale=untyped_scale), "is no name"),
        (lambda: Within(6, estimated=untyped_scale), "True or False"),
    ],
)
def test_what_cannot_be_meant_is_refused_when_built(build: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        build()


@pytest.mark.parametrize("argument", NAME_SETS)
@pytest.mark.parametrize("kind", [untyped_scenario, untyped_rule])
@pytest.mark.parametrize("value", [1, True, 1.5, [["EU"]], [None], {None}, {"EU": 1}, b"EU", object(), Money(1), len])
def test_a_set_of_names_holds_names_and_nothing_else(kind: Callable[..., object], argument: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=argument):
        kind("s", **{argument: value})


@pytest.mark.parametrize("names", [["EU"], ("EU",), {"EU"}, frozenset({"EU"}), {"EU": 1}.keys()])
def test_a_set_of_names_may_be_any_collection(names: Collection[str]) -> None:
    assert Rule(jurisdictions=names) == Rule(jurisdictions="EU")
    assert Rule(jurisdictions=(name for name in names)) == Rule(jurisdictions="EU")


def test_no_rules_and_no_scenarios_may_be_said_as_none() -> None:
    assert Policy(rules=None, scenarios=None) == Policy()


CONDITIONS = ("name", "task", "tag", "min_input_tokens", "max_input_tokens", "when_needs", "when")
DEMANDS = (
    "floor", "max_cost", "needs", "jurisdictions", "licences", "vendors", "providers", "without", "allow_unbounded",
    "min_context",
)  # fmt: skip
CARRIED_OUT = ("timeouts", "max_attempts", "on_interrupt")
KEYWORDS: dict[Any, tuple[str, ...]] = {
    untyped_scenario: (*CONDITIONS, *DEMANDS, *CARRIED_OUT, "prefer"),
    untyped_rule: (*CONDITIONS, *DEMANDS),
    untyped_policy: ("rules", "scenarios", "default", "name", *CARRIED_OUT),
    Within: ("points", "scale", "estimated"),
    Preferences: CARRIED_OUT,
}
NEEDED: dict[Any, dict[str, Any]] = {untyped_rule: {"min_context": 5}, Within: {"points": 6}}


@pytest.mark.parametrize("declare", KEYWORDS, ids=lambda declare: declare.__name__)
@given(data=st.data())
def test_whatever_is_declared_works_or_is_refused(declare: Callable[..., object], data: st.DataObject) -> None:
    """A value of any type at any keyword: what is built decides about a request, or an error of ours says why not."""
    keyword = data.draw(st.sampled_from(KEYWORDS[declare]), label="keyword")
    value = data.draw(junk(), label="value")
    works_or_is_refused(lambda: declare(**(NEEDED.get(declare, {}) | {keyword: value})), _used)


def _used(part: object) -> None:
    repr(part)
    hash(part)
    policy = Policy()
    if isinstance(part, Rule):
        policy = Policy(rules=[part])
    elif isinstance(part, Scenario):
        policy = Policy(scenarios=[part])
    elif isinstance(part, Within):
        policy = Policy(default=Scenario(floor=part))
    elif isinstance(part, Policy):
        policy = part
    catalog, candidates = a_catalog(price=Price.free())
    assert policy.digest == policy.digest
    compiled = policy.compile(candidates, catalog)
    facts = RequestFacts(tokens={ANY_VOCABULARY: TokenCount(10, 20)})
    compiled.decide(facts, Snapshot(now=0.0)).to_json()


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"floor": {"inteligence": 50}}, "unknown scale 'inteligence'. Did you mean 'intelligence'"),
        ({"floor": Within(6, scale="arena")}, "unknown scale 'arena'"),
        ({"needs": {"tool"}}, "unknown feature 'tool'. Did you mean 'tools'"),
        ({"when_needs": {"visoin"}}, "unknown feature 'visoin'. Did you mean 'vision'"),
        ({"vendors": {"moonshoot"}}, "unknown vendor 'moonshoot'. Did you mean 'moonshot'"),
        ({"providers": {"deep-infra"}}, "unknown provider 'deep-infra'. Did you mean 'deepinfra'"),
        ({"without": {"kimmi"}}, "unknown target, model or provider 'kimmi'. Did you mean 'kimi'"),
        (
            {"prefer": ["kimi@deepinfa"]},
            "unknown model, target or objective 'kimi@deepinfa'. Did you mean 'kimi@deepinfra'",
        ),
        ({"prefer": "cheapst"}, "unknown model, target or objective 'cheapst'"),
    ],
)
def test_unknown_names_fail_when_the_policy_is_compiled(part: dict[str, object], words: str) -> None:
    catalog, candidates = a_catalog(price=Price.free())
    with pytest.raises(UnknownNameError) as caught:
        Policy(scenarios=[Scenario("s", **part)]).compile(candidates, catalog)  # type: ignore[arg-type]
    assert words.lower() in str(caught.value).lower()


def test_known_names_compile_aliases_included() -> None:
    catalog, candidates = a_catalog(price=Price.free())
    scenario = Scenario(
        prefer=["k", "k@deepinfra", "kimi"], without="k", needs=[], vendors="moonshot", providers=["deepinfra"]
    )
    assert Policy(default=scenario).compile(candidates, catalog).candidates == tuple(candidates)


def test_a_ceiling_with_no_priced_target_is_refused() -> None:
    catalog, candidates = a_catalog(price=None)
    for policy in (
        Policy(default=Scenario(max_cost=1)),
        Policy(scenarios=[Scenario("s", task="coding", max_cost=1)]),
        Policy(rules=[Rule(tag="t", max_cost=0)]),
    ):
        with pytest.raises(ConfigurationError, match="none of the 1 targets at hand has a price"):
            policy.compile(candidates, catalog)
    assert Policy.default().compile(candidates, catalog).findings == ()


def test_a_target_given_twice_is_refused() -> None:
    catalog, candidates = a_catalog(price=None)
    with pytest.raises(ConfigurationError, match="given twice"):
        Policy().compile(candidates * 2, catalog)


def test_findings_without_a_catalog() -> None:
    policy = Policy(
        scenarios=[
            Scenario("a", task={"coding", "math"}, floor=50),
            Scenario("b", task="coding", tag="x", floor=50),
            Scenario("c", floor=50),
            Scenario("d", min_input_tokens=5, floor=50),
        ],
        default=Scenario(prefer=fastest),
    )
    assert [(finding.code, finding.text.split()[1]) for finding in policy.findings] == [
        ("unreachable", "'b'"),
        ("unreachable", "'d'"),
        ("no_floor", "'default'"),
    ]
    assert "Put it earlier" in str(policy.findings[0])


def test_a_narrower_scenario_first_is_no_finding() -> None:
    scenarios = [
        Scenario("long", min_input_tokens=10, max_input_tokens=20, floor=5),
        Scenario("rest", min_input_tokens=5, floor=5),
    ]
    assert Policy(scenarios=scenarios).findings == ()
    assert [finding.code for finding in Policy(scenarios=scenarios[::-1]).findings] == ["unreachable"]


def test_findings_with_the_targets_at_hand() -> None:
    score = Score(50, "intelligence", "s", "2026-01-01")
    one, two = (Model(name, vendor="v", scores=(score,)) for name in ("one", "two"))
    places = [("one", one, "p"), ("two", two, "p"), ("three", one, "q")]
    targets = [Target.of(model, provider, price=Price.free()) for _, model, provider in places]
    catalog = Catalog(models=[one, two], providers=[ProviderRow("p"), ProviderRow("q")], targets=targets)
    candidates = [Candidate(target) for target in targets]
    policy = Policy(
        scenarios=[
            Scenario("high", task="coding", floor=60),
            Scenario("eu", tag="eu", jurisdictions="EU", prefer=strongest),
        ],
        default=Scenario(floor=45, providers="p"),
    )
    assert [finding.code for finding in policy.compile(candidates, catalog).findings] == [
        "floor_unmet",
        "nobody_eligible",
        "one_provider",
    ]
    by_vendor = Policy(default=Scenario(floor=45)).compile(candidates, catalog).findings
    assert [finding.code for finding in by_vendor] == ["one_vendor"]


def test_preferences_come_from_the_scenario_before_the_policy() -> None:
    catalog, candidates = a_catalog(price=None)
    compiled = Policy(
        scenarios=[Scenario("s", task="coding", max_attempts=2)],
        default=Scenario("rest", timeouts=Timeouts(idle=3.0)),
        max_attempts=5,
        on_interrupt="buffer",
    ).compile(candidates, catalog)
    assert compiled.preferences("s") == Preferences(max_attempts=2, on_interrupt="buffer")
    assert compiled.preferences("rest") == Preferences(Timeouts(idle=3.0), 5, "buffer")
    with pytest.raises(UnknownNameError, match="unknown scenario 'x'"):
        compiled.preferences("x")


def test_tasks_are_declared_by_naming_them() -> None:
    policy = Policy(rules=[Rule(task="billing", max_cost=1)], scenarios=[Scenario("s", task={"support", "coding"})])
    assert policy.tasks >= {"billing", "support", "coding", "long-document"}
    assert "billing" not in Policy().tasks
