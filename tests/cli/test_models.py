import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from modelroute.catalog.catalog import Catalog
from modelroute.cli import models as command
from modelroute.cli.listing import ORDERS
from tests.cli.conftest import Command

FRIDAY_NIGHT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC).timestamp()
SATURDAY_NIGHT = datetime(2026, 11, 21, 2, 0, tzinfo=UTC).timestamp()


def at(moment: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "time", SimpleNamespace(time=lambda: moment))


def rows(output: str) -> list[list[str]]:
    """The cells of a printed table, without its notes."""
    return [line.split() for line in output.split("\n\n", maxsplit=1)[0].splitlines()]


def loaded(modelroute: Command, *words: str) -> Mapping[str, object]:
    result = modelroute("models", *words, "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert isinstance(document, dict)
    assert document["version"] == 1
    return document


def test_it_reproduces_the_articles_cost_per_point(modelroute: Command) -> None:
    result = modelroute("models", "--by", "value", "--prices", "article")
    assert result.exit_code == 0
    assert rows(result.stdout) == [
        ["model", "vendor", "score", "out", "$/point", "times", "the", "cheapest"],
        ["kimi-k2.6", "moonshot", "54", "about", "$3.00", "$0.0556", "1.0"],
        ["deepseek-v4-pro", "deepseek", "52", "$3.48", "$0.0669", "1.2"],
        ["claude-opus-4-7", "anthropic", "57", "$15.00", "$0.2632", "4.7"],
        ["gemini-3-pro-preview", "google", "57", "$15.00", "$0.2632", "4.7"],
        ["gpt-5.5", "openai", "60", "$30.00", "$0.50", "9.0"],
    ]
    assert "it writes 0.055" in result.stdout
    assert "never for billing" in result.stdout


def test_it_reproduces_the_articles_gap_by_quarter(modelroute: Command) -> None:
    result = modelroute("models", "--gap")
    assert result.exit_code == 0
    assert rows(result.stdout) == [
        ["quarter", "best", "closed", "score", "best", "open", "score", "gap"],
        ["2025-Q2", "gpt-5", "50", "deepseek-v3", "38", "12"],
        ["2025-Q4", "gpt-5.2", "55", "deepseek-v4", "45", "10"],
        ["2026-Q1", "gpt-5.5", "60", "kimi-k2.6", "54", "6"],
    ]


def test_the_article_as_json_says_the_same(modelroute: Command) -> None:
    value = loaded(modelroute, "--by", "value", "--prices", "article")
    listed = value["models"]
    assert isinstance(listed, list)
    assert {row["model"]: row["per_point"][:6] for row in listed} == {
        "kimi-k2.6": "0.0555",
        "deepseek-v4-pro": "0.0669",
        "claude-opus-4-7": "0.2631",
        "gemini-3-pro-preview": "0.2631",
        "gpt-5.5": "0.5",
    }
    quarters = loaded(modelroute, "--gap")["quarters"]
    assert isinstance(quarters, list)
    assert [row["gap"] for row in quarters] == [12, 10, 6]


def test_every_served_model_is_listed_and_nothing_else(modelroute: Command) -> None:
    catalog = Catalog.builtin()
    served = {target.model.name for target in catalog.targets.values() if target.served and target.model.served}
    printed = {row[0] for row in rows(modelroute("models").stdout) if row[0] in catalog.models}
    assert printed == served


def test_all_adds_what_nobody_can_call(modelroute: Command) -> None:
    everything = rows(modelroute("models", "--all").stdout)
    assert {"mythos", "gpt-5.6-preview"} <= {row[0] for row in everything}
    assert next(row for row in everything if row[0] == "mythos")[-1] == "nobody"
    assert "groq (no longer)" in " ".join(modelroute("models", "--all").stdout.split()), "one target, not the model"
    assert "mythos" not in modelroute("models").stdout


def test_estimated_scores_are_marked_and_their_line_is_printed(modelroute: Command) -> None:
    printed = {row[0]: row for row in rows(modelroute("models").stdout)}
    assert printed["gpt-5.5"][2] == "60"
    assert printed["kimi-k3"][2].startswith("~")
    assert printed["gpt-6.2-sol"][2:6] == ["?", "?", "?", "?"]
    notes = modelroute("models").stdout.split("\n\n")[1]
    assert "~: estimated, intelligence = " in notes
    assert "(n = 11, standard error" in notes.replace("\n", " ")


@pytest.mark.parametrize("words", [(), ("--by", "value"), ("--gap",), ("--prices", "article")])
def test_every_table_is_dated_and_attributes_arena(modelroute: Command, words: tuple[str, ...]) -> None:
    catalog = Catalog.builtin()
    output = modelroute("models", *words).stdout
    assert f"Catalog {catalog.as_of} ({catalog.digest})." in output
    assert "Arena ratings by Arena (arena.ai/leaderboard), CC BY 4.0." in output


def test_a_peak_window_shows_in_price_and_words(modelroute: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """DeepSeek's weekday peak doubles its price; on Saturday at the same hour there is none."""
    at(FRIDAY_NIGHT, monkeypatch)
    peak = modelroute("models", "--provider", "deepseek").stdout
    at(SATURDAY_NIGHT, monkeypatch)
    calm = modelroute("models", "--provider", "deepseek").stdout
    assert [row[3:5] for row in rows(peak)[1:]] == [["$0.30", "$1.20"], ["$1.32", "$3.96"]]
    assert [row[3:5] for row in rows(calm)[1:]] == [["$0.15", "$0.60"], ["$0.66", "$1.98"]]
    assert "deepseek (peak)" in peak
    assert "peak" not in calm


def test_filters_hold_together(modelroute: Command) -> None:
    listed = loaded(modelroute, "--vendor", "moonshot", "--provider", "together", "--needs", "vision,tools")["models"]
    assert isinstance(listed, list)
    assert [[target["target"] for target in row["targets"]] for row in listed] == [["kimi-k2.6@together"]]
    nothing = modelroute("models", "--provider", "deepseek", "--needs", "audio")
    assert nothing.exit_code == 0
    assert "no model of the catalog matches" in nothing.stdout


@pytest.mark.parametrize("by", sorted(ORDERS))
def test_each_order_is_kept(modelroute: Command, by: str) -> None:
    listed = loaded(modelroute, "--by", by)["models"]
    assert isinstance(listed, list)
    assert len(listed) > 20

    def cheapest(row: dict[str, Any]) -> float:
        targets = row["targets"]
        return float(targets[0]["price"]["output_per_million"]) if targets[0]["price"] else float("inf")

    keys: Mapping[str, Callable[[dict[str, Any]], Any]] = {
        "name": lambda row: row["model"],
        "score": lambda row: -row["score"]["value"] if row["score"] else float("inf"),
        "price": cheapest,
        "context": lambda row: -(row["context_window"] or 0),
        "value": lambda row: min(
            (float(each["per_point"]) for each in row["targets"] if each["per_point"]), default=float("inf")
        ),
    }
    got = [keys[by](row) for row in listed]
    assert got == sorted(got)


def test_by_value_shows_what_a_point_costs(modelroute: Command) -> None:
    table = rows(modelroute("models", "--by", "value").stdout)
    assert table[0][3] == "$/point"
    assert next(row for row in table if row[0] == "gpt-5.5")[3] == "$0.50"


def test_a_model_lists_its_cheapest_provider_first(modelroute: Command) -> None:
    listed = loaded(modelroute)["models"]
    assert isinstance(listed, list)
    targets = next(row for row in listed if row["model"] == "kimi-k2.6")["targets"]
    prices = [float(target["price"]["output_per_million"]) for target in targets]
    assert len(prices) == 4
    assert prices == sorted(prices)
    assert targets[0]["price"]["basis"].startswith("catalog 2026-")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--provider", "opnai"), "unknown provider 'opnai'. Did you mean 'openai'?"),
        (("--vendor", "meat"), "unknown vendor 'meat'. Did you mean 'meta'?"),
        (("--needs", "vsion"), "unknown feature 'vsion'. Did you mean 'vision'"),
        (("--prices", "artcle"), "unknown price book 'artcle'. Did you mean 'article'?"),
        (("--by", "size"), "error: --by 'size' is not one of value, name, score, price, context."),
        (("--by", "valu"), "Did you mean 'value'?"),
        (("--gap", "--all"), "--gap compares the whole catalog"),
        (("--gap", "--by", "name"), "--gap compares the whole catalog"),
        (("--prices", "article", "--provider", "openai"), "leave out --provider"),
        (("--prices", "article", "--by", "context"), "says nothing of context windows"),
    ],
)
def test_wrong_usage_is_told_on_standard_error(modelroute: Command, words: tuple[str, ...], said: str) -> None:
    result = modelroute("models", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("columns", "has_vendor"), [("60", False), ("80", False), ("200", True)])
def test_it_fits_the_width_it_is_given(
    modelroute: Command, monkeypatch: pytest.MonkeyPatch, columns: str, has_vendor: bool
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    output = modelroute("models", "--needs", "tools").stdout
    assert max(map(len, output.splitlines())) <= int(columns)
    assert ("vendor" in output) is has_vendor
    for name in ("deepseek-v4-pro", "gemini-3.1-pro-preview"):
        assert any(line.startswith(name) for line in output.splitlines())


def test_into_a_pipe_it_is_plain_and_of_a_stable_width(modelroute: Command) -> None:
    output = modelroute("models").stdout
    assert "\x1b" not in output
    assert 80 < max(map(len, output.splitlines())) <= 120
    assert all(line == line.rstrip() for line in output.splitlines())
