"""Which providers have a key here."""

from __future__ import annotations

import pytest

from modelroute import Catalog, NoProviderError
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
