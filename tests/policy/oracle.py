"""A second, naive reading of the design: one target at a time, in fractions, without any of the library's policy code.

It uses only what is not under test here: the types, `Price.at` and `Price.dearest`, and the policy's declared values.
"""

from datetime import UTC, datetime
from fractions import Fraction

from modelroute.policy import Candidate, Objective, Rule, Scenario, Within
from modelroute.types.constraints import Constraints, Floor
from tests.policy.worlds import World


def scenario_of(world: World) -> Scenario:
    for scenario in world.policy.scenarios:
        if matches(scenario, world):
            return scenario
    return world.policy.otherwise


def rules_of(world: World) -> list[Rule]:
    return [rule for rule in world.policy.rules if matches(rule, world)]


def matches(part: Scenario | Rule, world: World) -> bool:
    look, facts = part.conditions, world.facts
    length = facts.tokens[""].estimate
    checks = [
        look.tasks is None or facts.task in look.tasks,
        look.tags is None or len(look.tags & facts.tags) > 0,
        look.min_input_tokens is None or length >= look.min_input_tokens,
        look.max_input_tokens is None or length <= look.max_input_tokens,
        all(need in facts.needs for need in look.needs),
        look.when is None or look.when(facts),
    ]
    return all(checks)


def parts(world: World) -> list[Constraints]:
    """The constraints of scenario, rules and call."""
    return [scenario_of(world).constraints, world.facts.constraints, *(rule.constraints for rule in rules_of(world))]


def ceiling(world: World) -> int | None:
    given = [part.max_cost.pico for part in parts(world) if part.max_cost is not None]
    return min(given) if given else None


def pinned(world: World) -> bool:
    return world.facts.selector != "auto"


def floors(world: World) -> list[Floor]:
    rules = [floor for rule in rules_of(world) for floor in rule.constraints.floors]
    if pinned(world):
        return rules
    return [*scenario_of(world).constraints.floors, *world.facts.constraints.floors, *rules]


def score(candidate: Candidate, scale: str, *, estimated: bool) -> float | None:
    found = [one for one in candidate.target.model.scores if one.scale == scale and (estimated or not one.estimated)]
    return found[0].value if found else None


def first(*values: int | None) -> int | None:
    return next((value for value in values if value is not None), None)


def tokens(world: World, candidate: Candidate) -> tuple[int, int]:
    count = world.facts.tokens.get(candidate.target.model.vocabulary, world.facts.tokens[""])
    return count.estimate, count.bound


def forecast(world: World, candidate: Candidate) -> int:
    learned = world.snapshot.outputs.get(candidate.name, world.snapshot.default_output)
    whole = int(learned) if int(learned) == learned else int(learned) + 1
    limits = [max(1, whole)]
    limits.append(first(world.facts.output_cap, candidate.always_capped) or 10**9)
    limits.append(first(candidate.target.max_output, candidate.target.model.max_output) or 10**9)
    return min(limits)


def least(world: World, candidate: Candidate) -> int | None:
    """The bound with the forecast as cap."""
    price = candidate.target.price
    bound = tokens(world, candidate)[1]
    rates = price.dearest(world.snapshot.now, world.facts.seconds, bound) if price else None
    if rates is None:
        return None
    dearest_input = max(rates.input, rates.cached_input or 0, rates.cache_write or 0)
    return bound * dearest_input + forecast(world, candidate) * world.facts.choices * rates.output


def estimate(world: World, candidate: Candidate, *, fresh: bool = False) -> int | None:
    price = candidate.target.price
    prompt = tokens(world, candidate)[0]
    rates = price.at(world.snapshot.now, prompt) if price else None
    if rates is None:
        return None
    affinity = world.snapshot.affinity
    cached = 0
    if affinity is not None and affinity.target == candidate.name and not fresh:
        cached = min(affinity.cached_tokens, prompt)
    cached_rate = rates.input if rates.cached_input is None else rates.cached_input
    output = forecast(world, candidate) * world.facts.choices
    return (prompt - cached) * rates.input + cached * cached_rate + output * rates.output


def broken(world: World, candidate: Candidate) -> set[str]:
    """Codes of every constraint that does not depend on the other candidates."""
    target, model, facts, snapshot = candidate.target, candidate.target.model, world.facts, world.snapshot
    codes = set()
    if not target.served or not model.served:
        codes.add("not_served")
    for day in (target.retires, model.retires):
        if day is not None and datetime.fromtimestamp(snapshot.now, UTC).date().isoformat() > day:
            codes.add("retired")
    if pinned(world) and facts.selector not in (target.name, model.name):
        codes.add("selector")
    for floor in floors(world):
        value = score(candidate, floor.scale, estimated=floor.estimated)
        if value is None or value < floor.value:
            codes.add("floor")
    able = set(target.features or model.features) | ({"open_weights"} if model.open_weights else set())
    wanted = set(facts.needs)
    for part in parts(world):
        wanted |= part.needs
        codes |= not_allowed(candidate, part)
    if not wanted <= able or wanted & snapshot.missing.get(target.name, frozenset()):
        codes.add("needs")
    prompt = tokens(world, candidate)[0]
    window, longest = first(target.context_window, model.context_window), first(target.max_input, model.max_input)
    if (longest is not None and prompt > longest) or (
        window is not None and prompt + forecast(world, candidate) > window
    ):
        codes.add("context")
    if target.name in facts.barred:
        codes.add("barred")
    if ceiling(world) is not None and too_dear(world, candidate):
        codes.add("ceiling")
    return codes


def not_allowed(candidate: Candidate, part: Constraints) -> set[str]:
    target, model = candidate.target, candidate.target.model
    codes = set()
    if (
        part.jurisdictions is not None
        and not candidate.self_hosted
        and candidate.jurisdiction not in part.jurisdictions
    ):
        codes.add("jurisdiction")
    for code, value in (("licence", model.licence), ("vendor", model.vendor), ("provider", target.provider)):
        allowed = getattr(part, code + "s")
        if allowed is not None and value not in allowed:
            codes.add(code)
    if {target.name, model.name, target.provider} & part.without:
        codes.add("without")
    window = first(target.context_window, model.context_window)
    if part.min_context is not None and (window is None or window < part.min_context):
        codes.add("context")
    return codes


def too_dear(world: World, candidate: Candidate) -> bool:
    limit, needed = ceiling(world), least(world, candidate)
    permitted = any(part.allow_unbounded for part in parts(world))
    if needed is None or limit is None or needed > limit:
        return True
    return not permitted and (not candidate.honours_output_cap or bool(world.facts.unbounded))


def verdict(world: World) -> dict[str, set[str]]:
    """Every candidate with the codes of all it breaks; nothing broken: eligible."""
    codes = {candidate.name: broken(world, candidate) for candidate in world.candidates}
    relative: tuple[Within, ...] = () if pinned(world) else scenario_of(world).within
    usable = [candidate for candidate in world.candidates if codes[candidate.name] <= {"ceiling"}]
    for floor in relative:
        values = {one.name: score(one, floor.scale, estimated=floor.estimated) for one in world.candidates}
        known = [value for one in usable if (value := values[one.name]) is not None]
        if not known:
            continue
        bar = max(known) - floor.points
        short = {name for name, value in values.items() if value is None or value < bar}
        usable = [one for one in usable if one.name not in short]
        for name in short:
            codes[name].add("floor")
    return codes


LINES = [Fraction(21, 20) ** power for power in range(900)]


def cell(amount: Fraction | int) -> int:
    """The 5 % step: how many powers of 1.05 the amount has reached."""
    return next(steps for steps, line in enumerate(LINES) if amount < line)


UNKNOWN = 10**9


def scale_of(world: World) -> tuple[str, bool]:
    """The scale the objective looks at, and whether estimated scores count on it."""
    own = scenario_of(world)
    all_floors: list[Floor | Within] = [*own.constraints.floors, *own.within]
    if not all_floors:
        all_floors = [*world.facts.constraints.floors]
    scale = all_floors[0].scale if all_floors else "intelligence"
    counted: list[Floor | Within] = [*own.constraints.floors, *own.within, *world.facts.constraints.floors]
    return scale, all(floor.estimated for floor in counted if floor.scale == scale)


def key(world: World, candidate: Candidate, *, fresh: bool = False) -> tuple[object, ...]:
    """What the candidate is sorted by: resting, the elements, staying, cost, strength, name."""
    scale, counts_estimated = scale_of(world)
    points = score(candidate, scale, estimated=counts_estimated)
    cost = estimate(world, candidate, fresh=fresh)
    cost_cell = UNKNOWN if cost is None else cell(cost)
    columns: list[object] = [world.snapshot.holds.get(candidate.name, 0) > world.snapshot.now]
    for element in (Objective.CHEAPEST,) if pinned(world) else scenario_of(world).prefer:
        if element is Objective.CHEAPEST:
            columns.append(cost_cell)
        elif element is Objective.STRONGEST:
            columns.append(UNKNOWN if points is None else -points)
        elif element is Objective.BEST_VALUE:
            columns.append(value_cell(cost, points))
        elif element is Objective.FASTEST:
            seconds = world.snapshot.latency.get(candidate.name)
            columns.append(UNKNOWN if seconds is None else cell(int(seconds * 1_000_000)))
        else:
            columns.append(element not in (candidate.name, candidate.target.model.name))
    affinity = world.snapshot.affinity
    stays = affinity is not None and affinity.target == candidate.name and not fresh
    return (*columns, not stays, cost_cell, UNKNOWN if points is None else -points, candidate.name)


def value_cell(cost: int | None, points: float | None) -> int:
    if cost is None or not points or points <= 0:
        return UNKNOWN
    return 0 if cost == 0 else max(1, cell(Fraction(cost) * 1_000 / Fraction(points)))


def ranking(world: World) -> list[str]:
    """Names of the eligible candidates, best first."""
    codes = verdict(world)
    eligible = [candidate for candidate in world.candidates if not codes[candidate.name]]
    ordered = [candidate.name for candidate in sorted(eligible, key=lambda one: key(world, one))]
    affinity = world.snapshot.affinity
    stays = affinity is not None and affinity.bound_by_tools
    if affinity is not None and stays and world.snapshot.holds.get(affinity.target, 0) <= world.snapshot.now:
        ordered.sort(key=lambda name: name != affinity.target)
    return ordered
