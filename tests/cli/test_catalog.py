"""`modelroute catalog lint` and `catalog update`, and `--catalog` everywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from modelroute import Catalog
from modelroute.catalog.price import Rates
from modelroute.cli import catalog as command
from modelroute.cli.reach import as_if_every_key
from modelroute.testing.exchange import fingerprint
from modelroute.testing.faults import ok
from modelroute.testing.server import FaultServer
from tests.cli.conftest import Command

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
SOURCED = '[defaults]\nsource = "our contract"\nas_of = "2026-11-20"\n'


@pytest.fixture(autouse=True)
def at_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "time", SimpleNamespace(time=lambda: NOON))


def written(path: Path, text: str) -> str:
    path.write_text(SOURCED + text, "utf-8")
    return str(path)


def document(modelroute: Command, *words: str, code: int = 0) -> Mapping[str, object]:
    result = modelroute("catalog", *words, "--json")
    assert result.exit_code == code, result.stderr
    read = json.loads(result.stdout)
    assert isinstance(read, dict)
    assert read["version"] == 1
    return read


# ---------------------------------------------------------------------------------------------------------- lint


def test_lint_lists_what_the_catalog_lacks(modelroute: Command) -> None:
    result = modelroute("catalog", "lint")
    assert result.exit_code == 0
    assert result.stdout.startswith("code ")
    assert result.stdout.splitlines()[-1].endswith(" findings, 0 errors")


def test_lint_ends_with_1_for_an_error_and_names_it_first(modelroute: Command, tmp_path: Path) -> None:
    file = written(tmp_path / "my.toml", '[targets."gpt-5.5@openai"]\nretires = "2026-11-21"\n')
    result = modelroute("catalog", "lint", "--catalog", file)
    assert result.exit_code == 1
    first = result.stdout.splitlines()[1]
    assert first.split()[:2] == ["retired", "gpt-5.5@openai"]
    assert "served = false" in first
    assert result.stdout.splitlines()[-1].endswith("1 error")


def test_lint_as_json(modelroute: Command, tmp_path: Path) -> None:
    file = written(
        tmp_path / "my.toml", '[providers.acme]\nprofile = "opnai"\nurls = { us = "https://acme.example" }\n'
    )
    found = document(modelroute, "lint", "--catalog", file, code=1)
    assert (found["today"], found["errors"]) == ("2026-11-22", 1)
    findings = found["findings"]
    assert isinstance(findings, list)
    assert findings[0]["code"] == "profile"
    assert findings[0].keys() == {"code", "error", "subject", "text", "fix"}
    assert [each["error"] for each in findings].count(True) == 1


def test_a_file_that_cannot_be_read_is_wrong_usage(modelroute: Command, tmp_path: Path) -> None:
    result = modelroute("catalog", "lint", "--catalog", str(tmp_path / "none.toml"))
    assert result.exit_code == 2
    assert "cannot read the catalog file" in result.stderr


# -------------------------------------------------------------------------------------------------------- update

CONTRACT = '[targets."gpt-5.5@openai"]\nprices = [{ input = 4, output = 30, cached_input = 0.5 }]\n'


def test_update_from_a_file_shows_old_new_and_percent_and_writes_nothing(modelroute: Command, tmp_path: Path) -> None:
    file = written(tmp_path / "contract.toml", CONTRACT)
    before = sorted(tmp_path.iterdir())
    result = modelroute("catalog", "update", "--from", file)
    assert result.exit_code == 0
    line = next(line for line in result.stdout.splitlines() if line.startswith("gpt-5.5@openai  input "))
    assert line.split()[1:5] == ["input", "$5.00", "$4.00", "-20.0"]
    assert line.endswith("our contract")
    assert "1 to change, 0 agree, 0 left as they are" in " ".join(result.stdout.split())  # a long path folds the line
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_written_is_a_catalog_file_that_changes_the_bill(modelroute: Command, tmp_path: Path) -> None:
    file, over = written(tmp_path / "contract.toml", CONTRACT), tmp_path / "over.toml"
    result = modelroute("catalog", "update", "--from", file, "--write", str(over))
    assert result.exit_code == 0
    assert f"wrote 1 price to {over}" in result.stderr
    price = Catalog.load(over).target("gpt-5.5@openai").price
    assert price is not None
    assert price.at(NOON, 1) == Rates.per_million(4, 30, "0.5")
    assert price.basis(NOON) == "catalog 2026-11-20"
    listed = modelroute("models", "--provider", "openai", "--catalog", str(over))
    assert next(line for line in listed.stdout.splitlines() if line.startswith("gpt-5.5 ")).split()[3] == "$4.00"
    again = modelroute("catalog", "update", "--from", file, "--write", str(over))
    assert again.exit_code == 0, "a file of its own may be written anew"
    settled = modelroute("catalog", "update", "--from", file, "--catalog", str(over), "--write", str(over))
    assert "0 to change" in settled.stdout
    assert "nothing to write" in settled.stderr


def test_another_s_file_is_never_overwritten(modelroute: Command, tmp_path: Path) -> None:
    file = written(tmp_path / "contract.toml", CONTRACT)
    mine = Path(written(tmp_path / "mine.toml", ""))
    result = modelroute("catalog", "update", "--from", file, "--write", str(mine))
    assert result.exit_code == 2
    assert "no file that this command has written" in result.stderr
    assert mine.read_text("utf-8") == SOURCED


def test_a_place_that_cannot_be_written_is_told(modelroute: Command, tmp_path: Path) -> None:
    file = written(tmp_path / "contract.toml", CONTRACT)
    result = modelroute("catalog", "update", "--from", file, "--write", str(tmp_path / "none" / "over.toml"))
    assert result.exit_code == 2
    assert "cannot write" in result.stderr


def test_peak_hours_the_source_does_not_say_are_left_and_said(modelroute: Command, tmp_path: Path) -> None:
    text = CONTRACT + '[targets."deepseek-flash@deepseek"]\nprices = [{ input = 4, output = 30 }]\n'
    found = document(modelroute, "update", "--from", written(tmp_path / "contract.toml", text))
    assert found["left"] == [
        {
            "target": "deepseek-flash@deepseek",
            "why": "it has hours at which it costs otherwise, which the source does not say",
        }
    ]
    changes = found["changes"]
    assert isinstance(changes, list)
    (change,) = changes
    assert change["rates"][0] == {"rate": "input", "above": 0, "before": "5", "after": "4", "percent": -20.0}


def test_update_from_the_package(modelroute: Command, tmp_path: Path) -> None:
    pytest.importorskip("genai_prices", reason="needs the extra prices")
    over = tmp_path / "over.toml"
    result = modelroute("catalog", "update", "--write", str(over), "--confirm")
    assert result.exit_code == 0, result.stderr
    assert "not on which days" in result.stdout
    loaded = Catalog.load(over)
    price = loaded.target("gpt-5.5@openai").price
    assert price is not None
    assert price.basis(NOON) == "catalog 2026-11-22", "confirmed today"
    assert "genai-prices" in (price.row_at(NOON) or price.rows[0]).source


# ------------------------------------------------------------------------------------------------------ --catalog

ACME = """
[providers.acme]
urls = {{ here = "{url}" }}
keys = ["ACME_API_KEY"]
[models.acme-1]
[targets."acme-1@acme"]
prices = [{{ input = 1, output = 4 }}]
"""


def test_a_provider_of_a_file_is_listed_explained_and_asked(
    modelroute: Command, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "acme.toml", ACME.format(url=server.url))
    monkeypatch.setenv("ACME_API_KEY", "sk-acme-0123456789")
    assert "acme-1" in modelroute("models", "--catalog", file).stdout
    explained = modelroute("explain", "Hi", "--model", "acme-1", "--catalog", file)
    assert "acme-1@acme" in explained.stdout, explained.stderr
    everyone = modelroute("explain", "Hi", "--model", "acme-1", "--all-providers", "--catalog", file)
    assert "acme-1@acme" in everyone.stdout, everyone.stderr
    server.script("acme-1", [ok("Hello there.")])
    asked = modelroute("ask", "Hi", "--model", "acme-1", "--catalog", file)
    assert asked.stdout == "Hello there.\n", asked.stderr
    assert "(catalog 2026-11-20" in asked.stderr, "dated, and stale one day"
    assert server.requests[0].headers["authorization"] == fingerprint("Bearer sk-acme-0123456789")


def test_several_files_lie_on_top_of_each_other(modelroute: Command, tmp_path: Path) -> None:
    one = written(tmp_path / "one.toml", '[models.first]\nfeatures = ["tools"]\n')
    two = written(tmp_path / "two.toml", "[aliases]\nprimo = 'first'\n")
    assert modelroute("models", "--catalog", one, "--catalog", two, "--all").exit_code == 0
    assert modelroute("models", "--catalog", two).exit_code == 2


def test_models_of_a_provider_by_another_name(modelroute: Command) -> None:
    one, other = (modelroute("models", "--provider", name, "--by", "name").stdout for name in ("gemini", "google"))
    assert one == other
    assert "gemini" in one


def test_every_key_is_pretended_where_the_place_is_known(tmp_path: Path) -> None:
    catalog = Catalog.load(written(tmp_path / "my.toml", '[targets."gpt-5.5@azure"]\n'))
    with as_if_every_key(catalog=catalog) as router:
        assert "gpt-5.5@openai" in router.targets
        assert "gpt-5.5@azure" not in router.targets
