"""A decision as a value, and its three forms: sentence, table, JSON, which is a contract with a version."""

import copy
import json
import pickle
from dataclasses import replace

import pytest

from modelroute.money import Money
from modelroute.policy import Policy, Rule, Scenario
from modelroute.types.constraints import Constraints
from modelroute.types.decision import ConstraintPrice, Decision, Ranked, RankedTargets, Reason, Rejected, ScoreQuote
from modelroute.types.decision_text import at_most
from modelroute.types.facts import Affinity, Snapshot
from tests.policy.test_decide import FACTS, NOW, SNAPSHOT, candidates, catalog, compiled

POLICY = Policy(
    rules=[Rule("careful", tag="eu", needs="tools")],
    scenarios=[Scenario("dev", task="coding", floor=50, max_cost="0.02")],
)


def a_decision() -> Decision:
    held = candidates()
    policy = POLICY.compile(held[:2] + held[3:] + [replace(held[2], always_capped=600)], catalog(held))
    facts = replace(FACTS, task="coding", tags=frozenset({"eu"}))
    return policy.decide(facts, Snapshot(now=NOW, holds={"middle@at-middle": NOW + 60}))


TABLE = """\
small@at-small: cheapest of 2 that meet floor 50, needs tools, ceiling $0.02; ~$0.00075, at most $0.0023.
scenario dev; rules careful; task coding; ceiling $0.02; catalog 2026-01-01 {digest}

rank  target            estimate  at most  score  why
1     small@at-small    $0.00075  $0.0023  50     cheapest; $0.009 held for fallback
2     middle@at-middle  $0.003    $0.0178  55     resting until 2026-11-18 11:07:40Z; \
output capped at 4875 tokens by max_cost; $0.00225 held for fallback

rejected          because
strong@at-strong  needs $0.045 for a forecast of 500 tokens, and the ceiling is $0.02
tiny@at-tiny      scores 40, below floor 50; lacks tools"""


def test_the_table() -> None:
    decision = a_decision()
    assert str(decision) == TABLE.format(digest=decision.catalog.split()[1])


def test_the_json_form() -> None:
    decision = a_decision()
    document = decision.to_json()
    assert json.loads(json.dumps(document)) == document
    score = {
        "value": 50,
        "scale": "intelligence",
        "estimated": False,
        "error": None,
        "basis": "",
        "as_of": "2026-01-01",
    }
    assert document | {"ranked": document["ranked"][:1], "rejected": document["rejected"][1:]} == {  # type: ignore[index]
        "version": 1,
        "scenario": "dev",
        "rules": ["careful"],
        "task": "coding",
        "selector": "auto",
        "objective": "cheapest",
        "constraints": "floor 50, needs tools, ceiling $0.02",
        "max_cost": "0.02",
        "policy": POLICY.digest,
        "catalog": decision.catalog,
        "snapshot": decision.snapshot,
        "now": NOW,
        "kept": None,
        "ranked": [
            {
                "rank": 1,
                "target": "small@at-small",
                "model": "small",
                "provider": "at-small",
                "vendor": "small-maker",
                "estimate": "0.00075",
                "bound": "0.0023",
                "output_cap": 600,
                "capped_by": None,
                "held_for_fallback": "0.009",
                "input_tokens": 1_000,
                "input_bound": 4_000,
                "output_tokens": 500,
                "context_window": 128_000,
                "score": score,
                "resting_until": None,
                "left_out": [],
            }
        ],
        "rejected": [
            {
                "target": "tiny@at-tiny",
                "reasons": [
                    {"code": "floor", "text": "scores 40, below floor 50"},
                    {"code": "needs", "text": "lacks tools"},
                ],
            }
        ],
    }


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, "a@p: cheapest of 2 eligible; ~$0.02, at most $0.50."),
        ({"constraints": "floor 50"}, "a@p: cheapest of 2 that meet floor 50; ~$0.02, at most $0.50."),
        ({"ranked": ()}, "no target is eligible: 1 rejected (floor 1)."),
        ({"ranked": (), "constraints": "floor 50"}, "no target meets floor 50: 1 rejected (floor 1)."),
        ({"ranked": (Ranked("a@p", "a", "p", "v"),)}, "a@p: the only one eligible; price unknown, not bounded."),
        ({"kept": "It stays"}, "a@p: cheapest of 2 eligible; ~$0.02, at most $0.50. It stays."),
    ],
)
def test_sentences(change: dict[str, object], sentence: str) -> None:
    first = Ranked("a@p", "a", "p", "v", estimate=Money("0.02"), bound=Money("0.5"))
    parts: dict[str, object] = {
        "ranked": (first, first),
        "reject": (Rejected("b@p", (Reason("floor", "scores 4, below floor 5"),)),),
        "scenario": "default",
        "objective": "cheapest",
    }
    assert Decision(**(parts | change)).sentence() == sentence  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("dollars", "shown"),
    [
        ("0", "$0"),
        ("0.00225", "$0.00225"),
        ("0.0022501", "$0.00226"),
        ("0.1", "$0.10"),
        ("12.341", "$12.35"),
        ("0.000000000001", "$0.000000000001"),
        ("1234.5", "$1234.50"),
    ],
)
def test_a_promise_is_rounded_up(dollars: str, shown: str) -> None:
    assert at_most(Money(dollars)) == shown


def test_scores_say_what_they_were_made_from() -> None:
    assert (
        str(ScoreQuote(53.2, "intelligence", estimated=True, error=3.4, basis="Arena 1461")) == "~53 (Arena 1461, +-3)"
    )
    assert str(ScoreQuote(53.2, "intelligence", estimated=True)) == "~53"
    assert str(ScoreQuote(53.5, "intelligence")) == "53.5"


def test_a_decision_is_immutable_and_equal_by_value() -> None:
    one, other = a_decision(), a_decision()
    assert one == other
    assert hash(one) == hash(other)
    assert one != compiled().decide(FACTS, SNAPSHOT)
    assert one != "small@at-small"
    with pytest.raises(AttributeError):
        one.scenario = "other"
    with pytest.raises(AttributeError):
        del one.scenario
    assert copy.deepcopy(one) == one == pickle.loads(pickle.dumps(one))
    assert repr(one) == "<Decision small@at-small and 1 more, scenario 'dev', cheapest>"


def test_what_nobody_reads_is_not_computed() -> None:
    calls: list[str] = []

    def rejected() -> tuple[Rejected, ...]:
        calls.append("rejected")
        return ()

    decision = Decision(ranked=(), reject=rejected, scenario="s", snapshot=lambda: "digest", prices=lambda: ())
    assert (decision.target, calls) == (None, [])
    assert decision.rejected == decision.rejected == ()
    assert calls == ["rejected"]
    assert (decision.snapshot, decision.prices) == ("digest", ())


def test_ranked_targets_are_made_as_they_are_read() -> None:
    made: list[int] = []

    def make(place: int) -> Ranked:
        made.append(place)
        return Ranked(f"{place}@p", str(place), "p", "v")

    ranked = RankedTargets(5, make)
    assert (len(ranked), ranked[1].target, ranked[-1].target, made) == (5, "1@p", "4@p", [1, 4])
    assert ranked[1] is ranked[1]
    assert [entry.target for entry in ranked[:2]] == ["0@p", "1@p"]
    assert next(iter(ranked)).target == "0@p"
    assert made == [1, 4, 0]
    with pytest.raises(IndexError):
        ranked[5]
    assert ranked == tuple(ranked) == RankedTargets.of(tuple(ranked))
    assert hash(ranked) == hash(tuple(ranked))
    assert (ranked == [1], bool(RankedTargets(0, make))) == (False, False)


def test_snapshots_that_differ_have_different_digests() -> None:
    same = {
        compiled().decide(FACTS, Snapshot(now=NOW, latency=latency)).snapshot
        for latency in ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    }
    changes = (
        {"now": 2.0},
        {"draw": 0.5},
        {"holds": {"x": 1.0}},
        {"missing": {"x": frozenset({"tools"})}},
        {"outputs": {"x": 1.0}},
        {"default_output": 3},
        {"latency": {"x": 1.0}},
        {"affinity": Affinity("x", 1)},
    )
    digests = {compiled().decide(FACTS, replace(SNAPSHOT, **change)).snapshot for change in changes}
    assert (len(same), len(digests)) == (1, len(changes))


def prices(policy: Policy, **changes: object) -> list[str]:
    return [str(price) for price in compiled(policy).decide(replace(FACTS, **changes), SNAPSHOT).prices]  # type: ignore[arg-type]


def test_a_floor_has_a_price() -> None:
    """The next step that would have been cheaper, not the cheapest of all: small, not tiny."""
    assert prices(Policy(default=Scenario(floor=55))) == ["floor 55 -> 50 would save 75% (with small@at-small)"]
    assert prices(Policy.default()) == ["floor within 6 -> 10 of the best would save 75% (with small@at-small)"]
    assert prices(Policy(default=Scenario(floor=55, prefer="middle"))) == []


def test_every_other_constraint_has_a_price() -> None:
    policy = Policy(
        default=Scenario(vendors={"strong-maker", "middle-maker"}, needs="vision", without="tiny", floor=35)
    )
    found = compiled(policy).decide(FACTS, SNAPSHOT).prices
    assert [price.constraint for price in found] == ["needs"]
    assert str(found[0]) == "not needing vision would save 80% (with middle@at-middle)"
    wide = Policy(default=Scenario(licences={"mit"}, jurisdictions="US", min_context=100_000, without="tiny"))
    assert prices(wide) == ["allowing tiny would save 100% (with tiny@at-tiny)"]
    narrow = Policy(default=Scenario(providers="at-middle"))
    assert prices(narrow) == ["provider at-middle -> also at-tiny would save 100% (with tiny@at-tiny)"]


def test_where_nothing_is_eligible_the_prices_say_what_would_be() -> None:
    impossible = Policy(default=Scenario(floor=70))
    assert prices(impossible) == ["floor 70 -> 60 would make strong@at-strong eligible (~$0.015)"]
    tight = Constraints(max_cost=Money("0.001"))
    assert prices(Policy(default=Scenario(floor=45)), constraints=tight) == [
        "ceiling $0.001 -> $0.00225 would make small@at-small eligible (~$0.00075)",
        "floor 45 -> 40 would make tiny@at-tiny eligible (~$0)",
    ]


def test_prices_are_part_of_the_table_when_asked() -> None:
    decision = compiled(Policy(default=Scenario(floor=55))).decide(FACTS, SNAPSHOT)
    assert decision.table(prices=True).endswith(
        "what the constraints cost\n  floor 55 -> 50 would save 75% (with small@at-small)"
    )
    assert decision.prices == (ConstraintPrice("floor", "floor 55 -> 50", "small@at-small", Money("0.00075"), 0.75),)
    assert "what the constraints cost" not in decision.table()
