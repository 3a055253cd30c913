"""The page of providers is what its sources render to, and says of each row what the row and its profiles say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modelroute import Catalog
from modelroute.catalog import ProviderRow
from modelroute.providers.profile import Echo, Profile, Sampling, Schemas, Tools
from modelroute.providers.profiles import PROFILES
from tests.local_model.test_dialects import SPOKEN
from tools import live, provider_table
from tools.provider_table import PAGE, SAMPLED_AS, SAMPLES, Speaker


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.builtin()


def cells(page: str) -> Iterator[list[str]]:
    for line in page.splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def one(*profiles: Profile) -> Speaker:
    return Speaker(ProviderRow("somebody", urls={"us": "https://api.example.com/v1"}), profiles)


def test_the_page_is_what_it_would_be() -> None:
    assert provider_table.main(["--check"]) == 0, "run: python -m tools.provider_table"


def test_a_page_that_is_not_is_told_and_mended(tmp_path: Path) -> None:
    page = tmp_path / "providers.md"
    assert provider_table.main(["--check", "--page", str(page)]) == 1
    page.write_text("something else")
    assert provider_table.main(["--check", "--page", str(page)]) == 1
    assert provider_table.main(["--page", str(page)]) == 0
    assert page.read_text() == PAGE.read_text()


def test_every_provider_has_one_row_in_every_table(catalog: Catalog) -> None:
    rows = list(cells(provider_table.render(catalog)))
    names = [row[0] for row in rows]
    assert names == [f"`{name}`" for name in sorted(catalog.providers)] * 4
    assert {len(row) for row in rows[: len(catalog.providers)]} == {8}


def test_the_first_table_says_what_the_rows_say(catalog: Catalog) -> None:
    for row, said in zip(
        sorted(catalog.providers.values(), key=lambda row: row.name),
        cells(provider_table.render(catalog)),
        strict=False,
    ):
        assert all(f"`{dialect}`" in said[2] for dialect in row.dialects)
        assert all(region in said[3] for region in row.urls)
        assert all(f"({jurisdiction})" in said[3] for jurisdiction in row.jurisdictions.values())
        assert all(f"`{key}`" in said[4] for key in row.keys)
        assert (said[5] == "-") is (row.retention_days is None)


def test_every_sample_is_counted_where_it_belongs(catalog: Catalog) -> None:
    samples = json.loads(SAMPLES.read_text())["samples"]
    folders = {SAMPLED_AS.get(sample["provider"], sample["provider"]) for sample in samples} - {"generic"}
    assert folders <= set(catalog.providers), "a folder of samples that is no provider would be left out unseen"
    counted = provider_table.read_samples()
    in_all = sum(one.counts.get(column, 0) for one in counts_of(counted) for column in ("answers", "streams", "errors"))
    assert in_all == len(samples)
    errors = sum("error" in sample["expect"] for sample in samples)
    assert sum(one.counts.get("errors", 0) for one in counts_of(counted)) == errors


def counts_of(counted: dict[str, provider_table.Sampled]) -> list[provider_table.Sampled]:
    return list(counted.values())


def test_what_is_called_a_real_server_is_one(catalog: Catalog) -> None:
    assert set(provider_table.REAL_SERVERS) <= set(catalog.providers)
    assert set(SPOKEN) == set(catalog.provider("llamacpp").dialects)


def test_a_live_result_is_told_with_its_day(catalog: Catalog) -> None:
    good = live.Checked("2026-11-22", "deepseek-v4-flash@deepseek", "openai-chat", "0.000100", {"plain": "ok"})
    bad = replace(good, checks={"plain": "ok", "tool call": "failed: invalid (HTTP 400)"})
    rows = {row[0]: row[-1] for row in cells(provider_table.render(catalog, kept={"deepseek": good, "groq": bad}))}
    assert rows["`deepseek`"] == "2026-11-22: all 1 well, `deepseek-v4-flash@deepseek`"
    assert rows["`groq`"] == "2026-11-22: tool call: failed: invalid (HTTP 400)"
    assert rows["`xai`"] == "-"


# ----------------------------------------------------------------------------------------------------------- the cells


PLAIN = PROFILES["compatible"]


def test_what_holds_for_some_models_only_has_a_star() -> None:
    asked = provider_table._asked(one(PLAIN, replace(PLAIN, output_cap="max_output", schemas=Schemas.OBJECT)))
    assert asked[1] == "`max_tokens` or `max_output` \\*"
    assert asked[5] == "json_schema or json_object \\*"
    assert provider_table._asked(one(PLAIN))[1] == "`max_tokens`"
    answered = provider_table._answered(one(replace(PLAIN, echo=Echo.WITH_TOOLS)))
    assert answered[1] == "with tools"


def test_limits_of_sampling_by_parameter() -> None:
    limits = Sampling(fixed={"n": 1.0}, ranges={"temperature": (0.0, 1.5)}, refused=frozenset({"seed"}))
    always = replace(PLAIN, sampling=limits, sampling_at_rest=limits, refuses=frozenset({"stop", "user"}))
    assert provider_table._sampling([always]) == "`n` 1 only; `seed` refused; `stop` refused; `temperature` 0 to 1.5"
    thinking = replace(PLAIN, sampling=limits)
    assert provider_table._sampling([thinking]) == "`n` 1 only \\*; `seed` refused \\*; `temperature` 0 to 1.5 \\*"
    assert provider_table._sampling([PLAIN]) == "all is taken"


def test_words_that_only_some_take() -> None:
    some = replace(PLAIN, efforts={"low": {}, "max": {}}, tools=Tools.NEVER)
    asked = provider_table._asked(one(some, replace(some, efforts={"none": {}})))
    assert asked[3] == "none, low, max \\*"
    assert asked[4] == "none"
    elsewhere = replace(some, tools_dialect="openai-responses")
    assert provider_table._asked(one(elsewhere))[4].endswith("; tools of some by `openai-responses`")


def test_content_that_is_taken() -> None:
    seeing = replace(PLAIN, parts=frozenset({"text", "image_url", "file"}))
    assert provider_table._parts(seeing) == "images, documents"
    assert provider_table._parts(replace(seeing, image_schemes=frozenset({"data"}))) == "images (no URLs), documents"
    assert provider_table._parts(replace(PLAIN, parts=frozenset({"text"}))) == "none"
    assert provider_table._parts(PLAIN) == "all is passed on"


@pytest.mark.parametrize(
    ("change", "dialect", "said"),
    [
        ({}, "openai-chat", "asked for"),
        ({"stream_usage": False}, "openai-chat", "unasked"),
        ({"streaming_loses": True}, "openai-chat", "plain calls do not stream"),
        ({}, "gemini", "always there"),
    ],
)
def test_usage_in_streams(change: dict[str, bool], dialect: str, said: str) -> None:
    assert provider_table._usage(replace(PLAIN, **change), dialect) == said  # type: ignore[arg-type]
