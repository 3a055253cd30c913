"""Every fact that was gathered is in the catalog with its numbers, or in a list of differences that says why not.

`facts.json` is what public sources said, as found; `fact_differences.toml` is where the catalog says otherwise. A
difference that is listed and no longer there fails as well as one that is not listed.
"""

import calendar
import json
import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypedDict

import pytest

from modelroute.catalog import Catalog, Target
from modelroute.catalog.rates import Rates

HERE = Path(__file__).parent
CATALOG = Catalog.builtin()
RATES = ("input", "output", "cached_input", "cache_write")
SHORT = 1_000
SENSES = {"image": "vision", "pdf": "pdf", "audio": "audio", "video": "video"}
A_PEAK = "2026-11-20T02:00"
ROWS = {"moonshotai": "moonshot", "amazon-bedrock": "bedrock", "fireworks-ai": "fireworks", "togetherai": "together"}
"""What the facts call a provider, where the catalog calls it otherwise."""


class Tier(TypedDict, total=False):
    """Other prices: for prompts longer than `above`, on and after a date, or by the clock."""

    above: int
    hours: list[str]
    input: float
    output: float
    cached_input: float
    cache_write: float


class Fact(TypedDict, total=False):
    """What was found of one model at one provider; a key that is not there was not found."""

    id: str
    provider: str
    as_of: str
    input: float
    output: float
    cached_input: float
    cache_write: float
    context_window: int
    max_input: int
    max_output: int
    open_weights: bool
    tools: bool
    json_schema: bool
    inputs: list[str]
    reasoning: bool
    efforts: list[str]
    tiers: list[Tier]


FACTS: list[Fact] = json.loads((HERE / "facts.json").read_text("utf-8"))["entries"]


def name_of(fact: Fact) -> str:
    return f"{fact['id']}@{ROWS.get(fact['provider'], fact['provider'])}"


def target_of(fact: Fact) -> Target:
    """The target that sends the fact's id, or the one that its id is an alias of."""
    provider = name_of(fact).rpartition("@")[2]
    sends = [t for t in CATALOG.targets.values() if (t.provider, t.wire_name) == (provider, fact["id"])]
    assert len(sends) <= 1, "two targets send the same name to the same provider"
    return sends[0] if sends else CATALOG.target(name_of(fact))


def read_on(fact: Fact) -> float:
    """Noon of the day, or of the last day of the month, on which the fact was read; noon is off every peak."""
    year, month, *day = (int(part) for part in fact["as_of"].removesuffix(" ?").split("-"))
    return utc(f"{year}-{month:02}-{day[0] if day else calendar.monthrange(year, month)[1]:02}T12:00")


def utc(text: str) -> float:
    return datetime.fromisoformat(f"{text}+00:00").timestamp()


def dollars(rates: Rates | None) -> dict[str, float]:
    given = {name: getattr(rates, name) for name in RATES} if rates is not None else {}
    return {name: rate / 1e6 for name, rate in given.items() if rate is not None}


def priced(target: Target, when: float, tokens: int) -> dict[str, float]:
    return dollars(None if target.price is None else target.price.at(when, tokens))


def said(prices: Mapping[str, object]) -> dict[str, float]:
    return {name: float(str(prices[name])) for name in RATES if name in prices}


def compared(fact: Fact, target: Target) -> Iterator[tuple[str, object, object]]:
    """Yield (what, the fact's word, the catalog's word) for all that the fact says."""
    day = read_on(fact)
    for rate in RATES:
        yield rate, said(fact).get(rate), priced(target, day, SHORT).get(rate)
    for tier in fact.get("tiers", ()):
        date = str(tier.get("from", ""))
        when = utc(f"{date}T12:00") if date else utc(A_PEAK) if "hours" in tier else day
        label = f"from {date}" if date else "at peak" if "hours" in tier else f"above {tier.get('above')}"
        ours = priced(target, when, tier.get("above", SHORT) + 1)
        for rate in RATES:
            yield f"{rate} {label}", said(tier).get(rate), ours.get(rate)
        if "above" in tier:
            yield f"input at {tier['above']}", fact.get("input"), priced(target, day, tier["above"]).get("input")
    row = None if target.price is None else target.price.row_at(day)
    yield "tiers", sum("above" in tier for tier in fact.get("tiers", ())), 0 if row is None else len(row.tiers)
    limits: dict[str, int | None] = {
        "context_window": target.context_window,
        "max_input": target.max_input,
        "max_output": target.max_output,
    }
    for limit, ours_limit in limits.items():
        if limit in fact:
            yield limit, fact.get(limit), ours_limit
    features = {"open_weights": fact.get("open_weights"), "tools": fact.get("tools")}
    features |= {"json_schema": fact.get("json_schema"), "reasoning": fact.get("reasoning")}
    features |= {sense: part in fact["inputs"] for part, sense in SENSES.items()}
    for feature, claimed in features.items():
        yield feature, claimed is True, feature in target.features
    if "efforts" in fact:
        yield "efforts", [word for word in fact["efforts"] if "?" not in word], list(target.model.efforts)


def differences() -> dict[str, tuple[object, object]]:
    found: dict[str, tuple[object, object]] = {}
    for fact in FACTS:
        for what, theirs, ours in compared(fact, target_of(fact)):
            if theirs != ours:
                found[f"{name_of(fact)}, {fact['as_of'].removesuffix(' ?')}: {what}"] = (theirs, ours)
    return found


def explained() -> dict[str, tuple[object, object]]:
    rows = tomllib.loads((HERE / "fact_differences.toml").read_text("utf-8"))["difference"]
    assert all(len(row["why"]) > 20 for row in rows), "a difference without a reason"
    listed = {f"{name}: {row['what']}": (row.get("fact"), row.get("ours")) for row in rows for name in row["of"]}
    assert len(listed) == sum(len(row["of"]) for row in rows), "a difference is listed twice"
    return listed


def test_all_facts_are_there() -> None:
    assert len(FACTS) == 121
    assert len({(fact["provider"], fact["id"], fact["as_of"]) for fact in FACTS}) == 121


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{name_of(fact)}-{fact['as_of']}")
def test_a_fact_has_its_target_at_its_provider(fact: Fact) -> None:
    target = target_of(fact)
    assert target.provider == name_of(fact).rpartition("@")[2]
    assert target.provider in CATALOG.providers


def test_every_number_is_the_fact_s_or_its_difference_is_explained() -> None:
    found, listed = differences(), explained()
    assert found == listed, "either the catalog or fact_differences.toml is out of date"
