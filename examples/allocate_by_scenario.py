"""Allocate by scenario: core reasoning, daily development and long documents each to the model that fits.

    python examples/allocate_by_scenario.py

Needs no key: it explains over the whole built-in catalog, as if every provider's key was set, and sends nothing.
"""

from modelroute import Catalog, Policy, Provider, Router, Rule, Scenario, best_value, cheapest, strongest

policy = Policy(
    name="allocate by scenario",
    rules=[Rule(tag="eu-customer", jurisdictions={"EU"}, needs={"open_weights"})],  # whatever the scenario
    scenarios=[  # the first that matches chooses
        Scenario("long-documents", min_input_tokens=100_000, floor=50, prefer=best_value),
        Scenario("core-reasoning", task="reasoning", floor=57, prefer=strongest, max_cost=0.50),
        Scenario("daily-dev", task="coding", floor=50, prefer=cheapest, max_cost=0.02),
    ],
    default=Scenario(floor=45, prefer=cheapest),
)


def main() -> None:
    serving = sorted({target.provider for target in Catalog.builtin().targets.values()})
    with Router([Provider(name, key="unused") for name in serving], policy=policy) as router:
        print(router.explain("Our cache returns stale rows. Why?", task="coding").sentence())
        print(router.explain("Is this protocol safe under clock drift?", task="reasoning").sentence())
        print(router.explain("Summarise this contract. " + "The parties agree as follows. " * 20_000).sentence())
        print(router.explain("Translate this complaint.", tags="eu-customer").sentence())
        print()
        print(router.explain("Our cache returns stale rows. Why?", task="coding"))  # every target, every reason


if __name__ == "__main__":
    main()
