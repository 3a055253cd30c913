"""What one decision costs: `python -m benchmarks.decide [targets ...]`; goals: 40 us for 25 targets, 1 ms for 1,000.

Every target has another price; a fifth have a tier by prompt length, a tenth a window by the clock. Each decision is
for another request. The figures are the best of several runs, as nothing but the machine makes a run slower.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

from modelroute.catalog import Catalog, Model, Price, ProviderRow, Score, Target
from modelroute.catalog.rates import Rates, Tier
from modelroute.catalog.window import Window
from modelroute.money import Money
from modelroute.policy import Candidate, Policy, Rule, Scenario, best_value, cheapest, strongest
from modelroute.policy.compiled import CompiledPolicy
from modelroute.types.constraints import Constraints
from modelroute.types.decision import Decision
from modelroute.types.facts import RequestFacts, Snapshot
from modelroute.types.usage import TokenCount

NOW = 1_795_000_000.0


def world(size: int) -> tuple[Catalog, list[Candidate]]:
    """Return a catalog of `size` targets at ten providers and the candidates for all of them."""
    providers = [ProviderRow(name=f"p{number}") for number in range(10)]
    targets: list[Target] = []
    for number in range(size):
        model = Model(
            name=f"m{number}",
            vendor=f"v{number % 7}",
            context_window=200_000,
            max_output=32_000,
            open_weights=number % 2 == 0,
            features=frozenset({"tools", "json_schema"}),
            vocabulary=("o200k_base", "deepseek", "")[number % 3],
            scores=(Score(value=40 + number % 21, scale="intelligence", source="made up", as_of="2026-01-01"),),
        )
        targets.append(Target.of(model, f"p{number % 10}", price=_price(number)))
    catalog = Catalog(models=[target.model for target in targets], providers=providers, targets=targets)
    return catalog, [Candidate(target, jurisdiction="US") for target in catalog.targets.values()]


def _price(number: int) -> Price:
    dollars = 0.1 + (number * 37 % 100) / 20
    dear = Rates.per_million(round(dollars * 2, 6), round(dollars * 10, 6))
    tiers = (Tier(above=100_000, rates=dear),) if number % 5 == 0 else ()
    windows = (Window(dear, hours=("01:00-04:00",)),) if number % 10 == 3 else ()
    return Price(input=round(dollars, 6), output=round(dollars * 5, 6), tiers=tiers, windows=windows)


def policy(prefer: object = cheapest) -> Policy:
    """Return a policy with a rule, three scenarios and a default, as an application might have."""
    return Policy(
        rules=[Rule(tag="eu", jurisdictions={"EU"})],
        scenarios=[
            Scenario("long", min_input_tokens=100_000, floor=50, prefer=best_value),
            Scenario("reasoning", task="reasoning", floor=55, prefer=strongest),
            Scenario("coding", task="coding", floor=45, prefer=best_value if prefer is best_value else cheapest),
        ],
        default=Policy.default().otherwise,
    )


def requests(count: int) -> list[RequestFacts]:
    """Return requests of different lengths."""
    made: list[RequestFacts] = []
    for number in range(count):
        tokens = {
            name: TokenCount(1_000 + number + len(name), 4_000 + number) for name in ("", "o200k_base", "deepseek")
        }
        made.append(RequestFacts(task="coding", tokens=tokens))
    return made


def best_of(run: Callable[[RequestFacts], object], facts: Sequence[RequestFacts], rounds: int = 7) -> float:
    """Return the least mean seconds per decision over `rounds` runs."""
    least = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        for one in facts:
            run(one)
        least = min(least, (time.perf_counter() - start) / len(facts))
    return least


def measure(size: int) -> list[tuple[str, float]]:
    """Return what a decision among `size` targets costs in seconds, by kind of request."""
    catalog, candidates = world(size)
    compiled = policy().compile(candidates, catalog)
    value = policy(best_value).compile(candidates, catalog)
    snapshot = Snapshot(now=NOW)
    plain = requests(max(20, 5_000 // size))
    capped = [_with(one, Constraints(max_cost=Money("0.05"))) for one in plain]
    untasked = [RequestFacts(tokens=one.tokens) for one in plain]

    def decide(by: CompiledPolicy) -> Callable[[RequestFacts], Decision]:
        return lambda facts: by.decide(facts, snapshot)

    return [
        ("cheapest above a floor", best_of(decide(compiled), plain)),
        ("the same under a ceiling", best_of(decide(compiled), capped)),
        ("the same, first target read", best_of(lambda facts: compiled.decide(facts, snapshot).target, capped)),
        ("best value above a floor", best_of(decide(value), plain)),
        ("the default policy", best_of(decide(compiled), untasked)),
        ("the whole table", best_of(lambda facts: compiled.decide(facts, snapshot).table(), capped[:20], rounds=2)),
    ]


def _with(facts: RequestFacts, constraints: Constraints) -> RequestFacts:
    return RequestFacts(task=facts.task, tokens=facts.tokens, constraints=constraints)


def main(sizes: Sequence[int]) -> None:
    measured = [measure(size) for size in sizes]
    print("microseconds per decision".ljust(30) + "".join(f"{size:>12,}" for size in sizes) + "  targets")
    for row in zip(*measured, strict=True):
        print(row[0][0].ljust(30) + "".join(f"{seconds * 1e6:>12,.1f}" for _, seconds in row))


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [25, 100, 1_000])
