"""Golden decisions: the same file on any day, a difference a person can read, and nothing that moves by itself."""

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelroute import AsyncRouter, Catalog, Model, Policy, Price, Provider, Router, Rule, Scenario, cheapest, strongest
from modelroute.catalog.price import Rates, Window
from modelroute.errors import ConfigurationError, RequestError
from modelroute.testing import (
    Answer,
    Fails,
    Failure,
    GoldenRequest,
    Kind,
    Script,
    ScriptedRouter,
    assert_decisions,
)

NIGHT = Window(Rates.per_million(0.1, 0.1), hours=("22:00-06:00",))
CLOCKED = Price(input=9, output=9, windows=(NIGHT,))

RULES = [Rule(tag="tools", needs={"tools"})]
POLICY = Policy(rules=RULES, default=Scenario(prefer=cheapest))


def declared(name: str, price: Price, *features: str) -> Provider:
    model = Model(f"model-{name}", context_window=32_000, max_output=4_000, features=frozenset(features))
    return Provider.compatible(f"https://{name}.test/v1", name=name, key="k", price=price, models=[model])


PLAIN = declared("plain", Price(input=1, output=1), "tools")
DEAR = declared("dear", Price(input=2, output=2))
CLOCK = declared("clock", CLOCKED, "tools")


def router(*providers: Provider, policy: Policy = POLICY, **more: Any) -> Router:  # noqa: ANN401
    return Router(providers or (PLAIN, DEAR, CLOCK), policy=policy, catalog=Catalog(), **more)


REQUESTS = {
    "short": GoldenRequest("Hello"),
    "with tools": GoldenRequest("Hello", tags=["tools"]),
    "impossible": GoldenRequest("Hello", needs=["vision"]),
}


def test_the_file_says_what_a_team_reviews(tmp_path: Path) -> None:
    golden = tmp_path / "decisions.json"
    with router() as made:
        assert_decisions(made, golden, REQUESTS, update=True)
        decisions = assert_decisions(made, golden, REQUESTS)
    written = json.loads(golden.read_text(encoding="utf-8"))
    assert written["decisions"]["with tools"] == {
        "at": "2026-11-22T00:00:00Z",
        "scenario": "default",
        "rules": decisions["with tools"].rules[0],
        "constraints": "needs tools",
        "objective": "cheapest",
        "chosen": "model-clock@clock",
        "ranked": ["model-clock@clock", "model-plain@plain"],
        "rejected": {"model-dear@dear": "needs"},
    }
    assert written["decisions"]["impossible"]["chosen"] is None
    assert decisions["short"].target == "model-clock@clock"


def test_a_catalog_that_grows_by_what_the_router_lacks_changes_nothing(tmp_path: Path) -> None:
    golden = tmp_path / "decisions.json"
    with Router([Provider("deepseek", key="k")]) as made:
        decisions = assert_decisions(made, golden, {"one": GoldenRequest("Hello")}, update=True)
    [record] = json.loads(golden.read_text(encoding="utf-8"))["decisions"].values()
    assert len(decisions["one"].rejected) > 20
    assert all(target.endswith("@deepseek") for target in (*record["ranked"], *record["rejected"]))


def test_neither_the_clock_nor_experience_nor_the_kind_of_router_counts(tmp_path: Path) -> None:
    golden = tmp_path / "decisions.json"
    with router() as made:
        assert_decisions(made, golden, REQUESTS, update=True)
        made._core.clocks = replace(made._core.clocks, wall=lambda: 0.0)
        assert_decisions(made, golden, REQUESTS)
    assert_decisions(AsyncRouter([CLOCK, PLAIN, DEAR], policy=POLICY, catalog=Catalog()), golden, REQUESTS)
    limited = Fails(Failure(Kind.RATE_LIMITED, retry_after=3600))
    script = Script({"model-clock@clock": [limited]}, otherwise=Answer("Hello"))
    with ScriptedRouter(script, providers=[PLAIN, DEAR, CLOCK], policy=POLICY, catalog=Catalog()) as scripted:
        assert scripted.chat("Hello").target == "model-plain@plain"
        assert scripted.explain("Hello").target == "model-plain@plain"
        assert_decisions(scripted, golden, REQUESTS)
        assert len(scripted.calls) == 2


def test_a_price_window_is_pinned_by_its_moment(tmp_path: Path) -> None:
    golden = tmp_path / "decisions.json"
    noon = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)
    requests = {"night": GoldenRequest("Hello"), "noon": GoldenRequest("Hello", at=noon)}
    with router() as made:
        decisions = assert_decisions(made, golden, requests, update=True)
        assert {name: one.target for name, one in decisions.items()} == {
            "night": "model-clock@clock",
            "noon": "model-plain@plain",
        }
        with pytest.raises(AssertionError, match=r"(?s)night: model-clock@clock -> model-plain@plain.*- order: "):
            assert_decisions(made, golden, requests, at=noon)


def test_money_is_kept_when_asked_for(tmp_path: Path) -> None:
    golden = tmp_path / "decisions.json"
    one = {"one": GoldenRequest("Hello", max_tokens=100)}
    with router(PLAIN) as made:
        assert_decisions(made, golden, one, update=True, money=True)
        [record] = json.loads(golden.read_text(encoding="utf-8"))["decisions"].values()
        [cost] = record["ranked"].values()
        assert cost.startswith("~$0.0")
        assert "at most $0.0" in cost
    with (
        router(declared("plain", Price(input=1.5, output=1), "tools")) as dearer,
        pytest.raises(AssertionError, match=r"model-plain@plain: ranked \(~.*\) -> ranked \(~"),
    ):
        assert_decisions(dearer, golden, one, money=True)


def test_a_difference_can_be_read_and_says_how_to_accept_it(tmp_path: Path) -> None:
    golden = tmp_path / "decisions.json"
    changed = {name: one for name, one in REQUESTS.items() if name != "impossible"} | {"new": GoldenRequest("Hi")}
    with router() as made:
        assert_decisions(made, golden, REQUESTS, update=True)
    with (
        router(PLAIN, DEAR, policy=Policy(rules=RULES, default=Scenario(prefer=["model-dear", cheapest]))) as other,
        pytest.raises(AssertionError) as raised,
    ):
        assert_decisions(other, golden, changed)
    head, *paragraphs, foot = str(raised.value).split("\n\n")
    assert head.startswith("4 of 4 decisions are not as ")
    short, with_tools, new, impossible = (paragraph.splitlines() for paragraph in paragraphs)
    objective = ["  - objective: cheapest", "  + objective: model-dear, then cheapest"]
    assert short == [
        "short: model-clock@clock -> model-dear@dear",
        *objective,
        "  model-clock@clock: ranked -> not there",
        "  - order: model-plain@plain, model-dear@dear",
        "  + order: model-dear@dear, model-plain@plain",
    ]
    assert with_tools == [
        "with tools: model-clock@clock -> model-plain@plain",
        *objective,
        "  model-clock@clock: ranked -> not there",
    ]
    assert new == ["new: not in the file; goes to model-dear@dear"]
    assert impossible == ["impossible: in the file, but no longer asked"]
    assert "update=True" in foot
    assert "written with the catalog" in foot


def test_what_is_no_golden_file_is_said_to_be_none(tmp_path: Path) -> None:
    golden = tmp_path / "decisions.json"
    with router() as made:
        with pytest.raises(AssertionError, match=r"does not exist yet.*update=True"):
            assert_decisions(made, golden, REQUESTS)
        for text in ("{", "[]", "3", '{"version": 2, "decisions": {}}', '{"version": 1, "decisions": {"short": 3}}'):
            golden.write_text(text)
            with pytest.raises(ConfigurationError, match="update=True"):
                assert_decisions(made, golden, REQUESTS)
        golden.write_text('{"version": 1, "decisions": {"short": {}, "impossible": {"ranked": 3, "rejected": []}}}')
        with pytest.raises(AssertionError, match="short: nowhere -> model-clock@clock"):
            assert_decisions(made, golden, REQUESTS)


def test_mistakes_in_requests_are_told() -> None:
    with router() as made:
        with pytest.raises(ConfigurationError, match="'one' must be GoldenRequest"):
            assert_decisions(made, "unused", {"one": "Hello"})  # type: ignore[dict-item]
        naive = dt.datetime(2026, 11, 22)  # noqa: DTZ001
        with pytest.raises(ConfigurationError, match="time zone"):
            assert_decisions(made, "unused", {"one": GoldenRequest("Hello", at=naive)})
        with pytest.raises(RequestError, match="task"):
            assert_decisions(made, "unused", {"one": GoldenRequest("Hello", task="no-such-task")})
    assert repr(GoldenRequest("a secret plan", task="coding")) == "<GoldenRequest task>"


def test_options_of_a_view_count(tmp_path: Path) -> None:
    golden = tmp_path / "decisions.json"
    with router() as made:
        assert_decisions(made.with_options(prefer=strongest, tags=["tools"]), golden, REQUESTS, update=True)
        written = json.loads(golden.read_text(encoding="utf-8"))["decisions"]
    assert {one["objective"] for one in written.values()} == {"strongest"}
    assert written["short"]["constraints"] == "needs tools"
