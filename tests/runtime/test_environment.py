"""Which providers have a key here."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelroute import Catalog, ConfigurationError, NoProviderError
from modelroute.catalog import ProviderRow
from modelroute.runtime.environment import providers_from

CATALOG = Catalog.builtin()


def test_every_provider_whose_key_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one")
    monkeypatch.setenv("DEEPSEEK_API_KEY", "sk-two")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "  ")
    assert sorted(provider.name for provider in providers_from(CATALOG)) == ["deepseek", "openai"]


def test_a_mapping_of_ones_own_also_gives_the_keys() -> None:
    """Keys found in `environ` are taken from there at each attempt, not from the process's environment."""
    environ = {"OPENAI_API_KEY": "sk-mine"}
    (provider,) = providers_from(CATALOG, environ)
    key = provider.endpoints(CATALOG)[0].keys[0]
    secret = key.resolve({})
    assert secret is not None
    assert secret.reveal() == "sk-mine"
    environ["OPENAI_API_KEY"] = "sk-rotated"
    rotated = key.resolve({})
    assert rotated is not None
    assert rotated.reveal() == "sk-rotated"


def test_none_lists_what_was_looked_for() -> None:
    with pytest.raises(NoProviderError, match="OPENAI_API_KEY") as caught:
        providers_from(CATALOG, {"LLAMA_API_KEY": "x"})
    assert "DEEPSEEK_API_KEY" in caught.value.variables
    assert not any("LLAMA" in variable for variable in caught.value.variables)


TEXT = """
[defaults]
source = "us"
as_of = "2026-11"
[targets."gpt-5.5@azure"]
wire_name = "our-deployment"
[targets."gpt-oss-120b@bedrock"]
wire_name = "openai.gpt-oss-120b-1:0"
"""


@pytest.fixture
def deployed(tmp_path: Path) -> Catalog:
    path = tmp_path / "ours.toml"
    path.write_text(TEXT, "utf-8")
    return Catalog.load(path)


def placed(catalog: Catalog, environ: dict[str, str]) -> dict[str, str]:
    """The first URL of each provider that the environment gives."""
    return {one.name: one.endpoints(catalog)[0].urls[0] for one in providers_from(catalog, environ)}


def test_a_host_of_the_account_s_own_comes_from_the_environment(deployed: Catalog) -> None:
    key = {"AZURE_OPENAI_API_KEY": "k"}
    for endpoint in ("https://ours.openai.azure.com/", " https://ours.openai.azure.com/openai/v1"):
        environ = key | {"AZURE_OPENAI_ENDPOINT": endpoint}
        assert placed(deployed, environ) == {"azure": "https://ours.openai.azure.com/openai/v1"}
    (azure,) = providers_from(deployed, key | {"AZURE_OPENAI_ENDPOINT": "https://ours.openai.azure.com"})
    assert azure.endpoints(deployed)[0].target.wire_name == "our-deployment"


def test_without_its_host_it_is_left_out_and_the_variable_is_named(deployed: Catalog) -> None:
    assert placed(deployed, {"AZURE_OPENAI_API_KEY": "k", "GROQ_API_KEY": "k"}).keys() == {"groq"}
    with pytest.raises(NoProviderError) as caught:
        providers_from(deployed, {"AZURE_OPENAI_API_KEY": "k"})
    assert {"AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"} <= set(caught.value.variables)


def test_a_provider_the_catalog_lists_no_model_of_is_left_out() -> None:
    bare = Catalog(providers=[ProviderRow("bare", urls={"us": "https://api.bare.example/v1"}, keys=("BARE_KEY",))])
    with pytest.raises(NoProviderError) as caught:
        providers_from(bare, {"BARE_KEY": "k"})
    assert caught.value.variables == ()


def test_a_region_comes_from_the_environment(deployed: Catalog) -> None:
    key = {"AWS_BEARER_TOKEN_BEDROCK": "k"}
    there = "https://bedrock-runtime.{}.amazonaws.com/openai/v1"
    assert placed(deployed, key) == {"bedrock": there.format("us-east-1")}
    assert placed(deployed, key | {"AWS_DEFAULT_REGION": "eu-west-1"}) == {"bedrock": there.format("eu-west-1")}
    both = key | {"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "eu-west-1"}
    assert placed(deployed, both) == {"bedrock": there.format("eu-north-1")}


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({"AWS_BEARER_TOKEN_BEDROCK": "k", "AWS_REGION": "not a region"}, "AWS_REGION"),
        ({"AZURE_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "ours.openai.azure.com"}, "AZURE_OPENAI_ENDPOINT"),
        ({"AZURE_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://user:pw@ours.example"}, "AZURE_OPENAI_ENDPOINT"),
    ],
)
def test_a_place_that_cannot_be_meant_names_its_variable(
    deployed: Catalog, environ: dict[str, str], variable: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"the environment variable {variable}: ") as caught:
        providers_from(deployed, environ)
    assert "pw" not in str(caught.value)
