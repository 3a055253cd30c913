import json

import pytest

from modelroute.catalog.catalog import Catalog
from tests.cli.conftest import Command


def test_without_any_key_it_says_which_variables_and_what_needs_none(modelroute: Command) -> None:
    result = modelroute("explain", "hello")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no provider has a key" in result.stderr
    assert "DEEPSEEK_API_KEY" in result.stderr
    assert "modelroute explain --all-providers" in result.stderr


def test_as_if_every_key_was_set_it_decides_over_the_whole_catalog(modelroute: Command) -> None:
    result = modelroute("explain", "--all-providers", "Why does this deadlock?", "--task", "coding")
    assert result.exit_code == 0
    assert "task coding" in result.stdout
    for name in Catalog.builtin().targets:
        assert name in result.stdout
    assert "not set up" not in result.stdout


def test_json_is_the_versioned_decision(modelroute: Command) -> None:
    result = modelroute("explain", "--all-providers", "hello", "--max-cost", "0.001", "--json")
    document = json.loads(result.stdout)
    assert document["version"] == 1
    assert document["max_cost"] == "0.001"
    names = {entry["target"] for entry in (*document["ranked"], *document["rejected"])}
    assert names == set(Catalog.builtin().targets)
    assert result.stdout.isascii()


def test_with_a_key_only_that_provider_is_decided_among(modelroute: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-planted-secret")
    result = modelroute("explain", "hello")
    assert result.exit_code == 0
    assert "@deepseek:" in result.stdout.splitlines()[0]
    assert "not set up in this router: " in result.stdout
    assert "sk-planted-secret" not in result.stdout + result.stderr


def test_each_option_reaches_the_decision(modelroute: Command) -> None:
    words = ("--floor", "52", "--floor", "arena_coding=1500", "--needs", "tools,vision", "--tag", "vip")
    document = json.loads(modelroute("explain", "--all-providers", "hello", *words, "--json").stdout)
    for part in ("floor 52", "floor 1500 on arena_coding", "needs tools+vision"):
        assert part in document["constraints"]
    pinned = json.loads(modelroute("explain", "--all-providers", "hello", "--model", "kimi-k2.6", "--json").stdout)
    assert pinned["selector"] == "kimi-k2.6"
    assert {entry["model"] for entry in pinned["ranked"]} == {"kimi-k2.6"}


def test_a_prompt_of_a_stated_length_needs_no_text(modelroute: Command) -> None:
    result = modelroute("explain", "--all-providers", "--input-tokens", "700000", "--json")
    document = json.loads(result.stdout)
    assert {entry["input_tokens"] for entry in document["ranked"]} == {700_000}
    too_small = next(entry for entry in document["rejected"] if entry["target"] == "kimi-k2.6@moonshot")
    assert "context" in {reason["code"] for reason in too_small["reasons"]}


def test_the_prompt_may_come_from_standard_input(modelroute: Command) -> None:
    by_pipe = json.loads(modelroute("explain", "--all-providers", "-", "--json", typed="hello " * 500).stdout)
    typed = json.loads(modelroute("explain", "--all-providers", "hello " * 500, "--json").stdout)
    assert [entry["input_tokens"] for entry in by_pipe["ranked"]] == [
        entry["input_tokens"] for entry in typed["ranked"]
    ]
    assert by_pipe["ranked"][0]["input_tokens"] > 400


def test_a_request_that_nobody_may_serve_is_explained_not_failed(modelroute: Command) -> None:
    result = modelroute("explain", "--all-providers", "hello", "--floor", "99")
    assert result.exit_code == 0
    assert result.stdout.startswith("no target meets")
    assert result.stdout.count("below floor 99") > 30


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give a PROMPT, '-' to read it from standard input, or --input-tokens"),
        (("",), "the prompt is empty"),
        (("-",), "the prompt is empty"),
        (("x", "--task", "codin"), "task 'codin' is not declared. Did you mean 'coding'?"),
        (("x", "--needs", "tool"), "unknown feature 'tool'. Did you mean 'tools'?"),
        (("x", "--model", "kimi"), "unknown model or target 'kimi'. Did you mean"),
        (("x", "--max-cost", "-1"), "max_cost must not be negative"),
        (("x", "--max-cost", "cheap"), "'cheap' is not an amount of US dollars"),
        (("x", "--floor", "high"), "--floor 'high' is no floor"),
        (("x", "--floor", "arena_codin=3"), "unknown scale 'arena_codin'"),
        (("x", "--floor", "nan"), "a floor must be a finite number"),
        (("x", "--input-tokens", "0"), "--input-tokens"),
        (("x", "y"), "unexpected extra argument"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(modelroute: Command, words: tuple[str, ...], said: str) -> None:
    result = modelroute("explain", "--all-providers", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_standard_input_that_is_no_text_is_wrong_usage(modelroute: Command) -> None:
    result = modelroute("explain", "--all-providers", "-", typed=b"ab\xff\xfe")
    assert result.exit_code == 2
    assert "not UTF-8 text (byte 2)" in result.stderr
