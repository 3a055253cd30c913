"""Random worlds: a catalog, candidates, a policy, a request and a snapshot, all from one source of draws."""

from dataclasses import dataclass, replace
from random import Random
from typing import Any

from modelroute.catalog import Catalog, Model, Price, ProviderRow, Score, Target
from modelroute.catalog.price import PriceRow
from modelroute.catalog.rates import Rates, Tier
from modelroute.catalog.window import Window
from modelroute.money import Money
from modelroute.policy import (
    Candidate,
    Floor,
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

NOW = 1_795_000_000.0
PLACES = ("US", "EU", "CN")
FEATURES = ("tools", "vision", "json_schema")
LICENCES = ("mit", "apache-2.0")
VOCABULARIES = ("", "one", "two")


@dataclass(frozen=True)
class World:
    catalog: Catalog
    candidates: tuple[Candidate, ...]
    policy: Policy
    facts: RequestFacts
    snapshot: Snapshot

    def compiled(self) -> CompiledPolicy:
        return self.policy.compile(self.candidates, self.catalog)

    def decide(self) -> Decision:
        return self.compiled().decide(self.facts, self.snapshot)

    def with_ceiling(self, ceiling: Money | None) -> "World":
        return replace(self, facts=replace(self.facts, constraints=replace(self.facts.constraints, max_cost=ceiling)))

    def with_candidate(self, candidate: Candidate) -> "World":
        return replace(
            self,
            catalog=self.catalog.with_(targets=[candidate.target]),
            candidates=(*self.candidates, candidate),
        )


def some(draw: Random, names: tuple[str, ...], chance: float = 0.5) -> frozenset[str]:
    return frozenset(name for name in names if draw.random() < chance)


def maybe(draw: Random, chance: float) -> bool:
    return draw.random() < chance


def a_price(draw: Random) -> Price | None:
    if maybe(draw, 0.08):
        return None
    if maybe(draw, 0.08):
        return Price.free()
    rates = a_rate(draw)
    tiers = (Tier(above=draw.choice((500, 2_000, 40_000)), rates=a_rate(draw)),) if maybe(draw, 0.3) else ()
    windows = (Window(a_rate(draw), hours=(draw.choice(("00:00-12:00", "12:00-24:00")),)),) if maybe(draw, 0.2) else ()
    rows = [PriceRow(rates, tiers=tiers, windows=windows)]
    if maybe(draw, 0.2):
        rows = [replace(rows[0], since=NOW + draw.choice((-1e6, 100.0, 1e6)))]
        if maybe(draw, 0.7):
            rows.append(PriceRow(a_rate(draw), since=NOW - 2e6))
    return Price.dated(*rows)


def a_rate(draw: Random) -> Rates:
    unit = draw.choice((1, 1_000, 250_000, 1_000_000))
    cached = draw.choice((None, 0, draw.randrange(3) * unit))
    return Rates(draw.randrange(6) * unit, draw.randrange(12) * unit, cached, draw.choice((None, None, 2 * unit)))


def a_model(draw: Random, number: int) -> Model:
    scores: list[Score] = []
    if maybe(draw, 0.92):
        scores.append(Score(draw.randrange(40, 61), "intelligence", "s", "2026-01-01", estimated=maybe(draw, 0.4)))
    if maybe(draw, 0.5):
        scores.append(Score(draw.randrange(1_300, 1_500), "arena_coding", "s", "2026-01-01"))
    return Model(
        name=f"m{number}",
        vendor=draw.choice(("a", "b", "")),
        open_weights=draw.choice((True, False, None)),
        licence=draw.choice((*LICENCES, None)),
        context_window=draw.choice((None, 2_000, 30_000, 200_000, 1_000_000)),
        max_input=draw.choice((None, None, None, 1_500, 25_000)),
        max_output=draw.choice((None, 100, 4_000, 64_000)),
        features=some(draw, FEATURES, 0.85),
        vocabulary=draw.choice(VOCABULARIES),
        scores=tuple(scores),
        served=not maybe(draw, 0.05),
        retires=draw.choice((None,) * 6 + ("2026-01-01", "2030-01-01")),
    )


def a_candidate(draw: Random, number: int, provider: str) -> Candidate:
    target = replace(Target.of(a_model(draw, number), provider), price=a_price(draw))
    if maybe(draw, 0.2):
        target = replace(target, context_window=8_000, max_output=500)
    return Candidate(
        target=target,
        jurisdiction=draw.choice((*PLACES, None)),
        self_hosted=maybe(draw, 0.1),
        honours_output_cap=not maybe(draw, 0.1),
        always_capped=draw.choice((None, None, 300, 8_000)),
    )


def some_demands(draw: Random, *, relative: bool) -> dict[str, object]:
    demands: dict[str, object] = {}
    if maybe(draw, 0.5):
        demands["floor"] = draw.choice(
            (45, 52, Floor(48, estimated=False), {"arena_coding": 1_380}, [44, Floor(1_350, "arena_coding")])
        )
        if relative and maybe(draw, 0.4):
            demands["floor"] = draw.choice(
                (Within(6), Within(3, estimated=False), [44, Within(8)], Within(60, "arena_coding"))
            )
    if maybe(draw, 0.08):
        demands["needs"] = {draw.choice((*FEATURES, "open_weights"))}
    if maybe(draw, 0.08):
        demands["jurisdictions"] = some(draw, PLACES, 0.6) or {"EU"}
    if maybe(draw, 0.05):
        demands["licences"] = some(draw, LICENCES) or {"mit"}
    if maybe(draw, 0.05):
        demands["vendors"] = {draw.choice(("a", "b"))}
    if maybe(draw, 0.05):
        demands["providers"] = {"p0", "p1"}
    if maybe(draw, 0.15):
        demands["without"] = {draw.choice(("p1", "m0", "m1@p1"))}
    if maybe(draw, 0.1):
        demands["min_context"] = draw.choice((5_000, 50_000))
    if maybe(draw, 0.25):
        demands["max_cost"] = Money.from_pico(a_ceiling(draw))
    if maybe(draw, 0.1):
        demands["allow_unbounded"] = True
    return demands


def a_ceiling(draw: Random) -> int:
    return draw.choice((0, *(draw.randrange(10**digits) for digits in (7, 9, 10, 11, 11, 12, 12))))


def a_preference(draw: Random, *, has_floor: bool) -> object:
    choices: list[object] = [
        cheapest,
        cheapest,
        strongest,
        fastest,
        ["m1", cheapest],
        [fastest, strongest],
        ["m2@p2", "m0", strongest],
    ]
    if has_floor:
        choices += [best_value, best_value, [best_value, fastest]]
    return draw.choice(choices)


def asks_for_two(facts: RequestFacts) -> bool:
    return facts.choices == 2


def a_policy(draw: Random, *, relative: bool = True) -> Policy:
    untyped: Any = Scenario

    def part(name: str, **matching: object) -> Scenario:
        demands = some_demands(draw, relative=relative)
        prefer = a_preference(draw, has_floor="floor" in demands)
        made: Scenario = untyped(name, **matching, **demands, prefer=prefer)
        return made

    rules = [
        Rule("always", without={"p3"}),
        Rule("tagged", tag={"eu", "other"}, jurisdictions={"EU", "US"}, floor=draw.choice((None, 46))),
        Rule("needing tools", when_needs={"tools"}, max_cost=Money.from_pico(a_ceiling(draw))),
    ]
    scenarios = [
        part("long", min_input_tokens=10_000),
        part("coding", task="coding", max_input_tokens=1_000),
        part("either", task={"coding", "math"}),
        part("own", when=asks_for_two),
    ]
    return Policy(
        rules=[rule for rule in rules if maybe(draw, 0.4)],
        scenarios=[scenario for scenario in scenarios if maybe(draw, 0.6)],
        default=part(""),
    )


def a_request(draw: Random) -> RequestFacts:
    tokens = {}
    length = draw.choice((0, 10, 1_000, 1_000, 20_000, 100_000))
    for vocabulary in VOCABULARIES:
        estimate = length + draw.randrange(300)
        if vocabulary == "" or maybe(draw, 0.8):
            tokens[vocabulary] = TokenCount(estimate, estimate + draw.randrange(2_000))
    call = Constraints(
        floors=(Floor(draw.randrange(44, 56)),) if maybe(draw, 0.2) else (),
        max_cost=Money.from_pico(a_ceiling(draw)) if maybe(draw, 0.4) else None,
        without=frozenset({"m3"}) if maybe(draw, 0.1) else frozenset(),
        allow_unbounded=maybe(draw, 0.05),
    )
    return RequestFacts(
        task=draw.choice((None, "coding", "math")),
        tags=some(draw, ("eu", "vip"), 0.2),
        selector=draw.choice(("auto",) * 12 + ("m0", "m1@p1")),
        constraints=call,
        needs=some(draw, FEATURES, 0.1),
        tokens=tokens,
        output_cap=draw.choice((None, None, 50, 1_000, 100_000)),
        choices=draw.choice((1, 1, 1, 2)),
        unbounded=("web_search",) if maybe(draw, 0.05) else (),
        barred={"m1@p1": "it cannot carry this history"} if maybe(draw, 0.1) else {},
        seconds=draw.choice((1.0, 600.0, 90_000.0)),
    )


def a_snapshot(draw: Random, names: tuple[str, ...], *, conversation: bool = True) -> Snapshot:
    affinity = None
    if conversation and maybe(draw, 0.4):
        affinity = Affinity(draw.choice(names), draw.choice((0, 500, 50_000)), bound_by_tools=maybe(draw, 0.3))
    return Snapshot(
        now=NOW + draw.choice((0.0, 40_000.0)),
        holds={name: NOW + draw.choice((-5.0, 50_000.0)) for name in names if maybe(draw, 0.1)},
        missing={name: frozenset({draw.choice(FEATURES)}) for name in names if maybe(draw, 0.1)},
        outputs={name: draw.choice((0.4, 120.5, 3_000.0)) for name in names if maybe(draw, 0.3)},
        default_output=draw.choice((1, 500)),
        latency={name: draw.choice((0.0, 0.31, 0.315, 2.0)) for name in names if maybe(draw, 0.6)},
        affinity=affinity,
    )


def a_world(draw: Random, *, relative: bool = True, conversation: bool = True) -> World:
    """Return a world of up to eight candidates; a few of the catalog's targets are not held."""
    providers = [ProviderRow(name=f"p{number}") for number in range(4)]
    always = a_candidate(draw, 1, "p1")  # so that every name the policies use exists
    others = [a_candidate(draw, number, f"p{draw.randrange(3)}") for number in (0, 2, 3)]
    others += [a_candidate(draw, number, f"p{draw.randrange(4)}") for number in range(4, 4 + draw.randrange(9))]
    everywhere = [replace(others[1], target=replace(others[1].target, provider="p2"))]
    named = {candidate.name: candidate for candidate in (always, *others, *everywhere)}
    scales = Model("judged", vendor="b", scores=(Score(1_400, "arena_coding", "s", "2026-01-01"),))
    catalog = Catalog(
        models=[scales, Model("a-model", vendor="a"), *(candidate.target.model for candidate in named.values())],
        providers=providers,
        targets=[candidate.target for candidate in named.values()],
    )
    # The catalog binds targets to its own models, so candidates are read back from it.
    bound = [replace(candidate, target=catalog.targets[name]) for name, candidate in named.items()]
    held = tuple(
        one for one in bound if one.name == always.name or one.target.price is Price.free() or maybe(draw, 0.9)
    )
    if not any(candidate.target.price for candidate in held):
        held = (*held[:-1], replace(held[-1], target=replace(held[-1].target, price=Price.free())))
    names = tuple(candidate.name for candidate in held)
    return World(
        catalog=catalog,
        candidates=held,
        policy=a_policy(draw, relative=relative),
        facts=a_request(draw),
        snapshot=a_snapshot(draw, names, conversation=conversation),
    )
