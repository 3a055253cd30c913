"""The table of profiles: complete, documented, and without entries that nothing could ever reach."""

import re
from dataclasses import fields
from fnmatch import fnmatchcase

import pytest

from modelroute.catalog.model import Model, ProviderRow, Target
from modelroute.providers.dialects import DIALECTS
from modelroute.providers.fit import EFFORTS
from modelroute.providers.parts import fields as fields_of
from modelroute.providers.profile import Departure, Echo, Profile
from modelroute.providers.profiles import MODELS, PROFILES, profile_for
from modelroute.wire.json import dumps

PROVIDERS = {
    "openai", "azure", "anthropic", "google", "moonshot", "deepseek", "xiaomi", "zai", "minimax", "alibaba", "mistral",
    "xai", "openrouter", "groq", "together", "fireworks", "cerebras", "deepinfra", "bedrock", "vllm", "sglang",
    "ollama", "llamacpp", "lmstudio",
}  # fmt: skip


@pytest.mark.parametrize("field", [field.name for field in fields(Profile)])
def test_every_field_is_documented(field: str) -> None:
    assert f"`{field}`" in (Profile.__doc__ or "")


def test_every_provider_has_a_profile_of_its_name() -> None:
    assert not PROVIDERS - PROFILES.keys()
    assert all(name == profile.name for name, profile in PROFILES.items())
    assert MODELS.keys() <= PROFILES.keys()


def test_a_departure_is_of_fields_that_a_profile_has() -> None:
    known = {field.name for field in fields(Profile)}

    assert Departure.__annotations__.keys() <= known
    for table in MODELS.values():
        for _, departure in table:
            assert departure.keys() <= Departure.__annotations__.keys()


@pytest.mark.parametrize("name", sorted(MODELS))
def test_no_pattern_hides_behind_one_before_it(name: str) -> None:
    """A pattern is an example of itself once its wildcards are filled in."""
    seen: list[str] = []
    for pattern, _ in MODELS[name]:
        example = re.sub(r"\[(.)[^]]*\]", r"\1", pattern).replace("*", "")
        hiding = [other for other in seen if fnmatchcase(example, other)]
        assert not hiding, f"{pattern} never matches after {hiding}"
        assert pattern == pattern.lower()
        seen.append(pattern)


def every() -> list[Profile]:
    found = list(PROFILES.values())
    for name, table in MODELS.items():
        for pattern, _ in table:
            example = re.sub(r"\[(.)[^]]*\]", r"\1", pattern).replace("*", "x")
            found.append(profile_for(Target(Model("m"), name, example, None), ProviderRow(name, profile=name)))
    return found


def test_what_profiles_say_can_be_sent() -> None:
    for profile in every():
        assert profile.efforts.keys() <= set(EFFORTS), profile.name
        for said in (profile.extras, profile.tool_stream_extras, profile.foreign_call, *profile.efforts.values()):
            assert dumps({name: fields_of(value) or value for name, value in said.items()})
        assert profile.tools_dialect in {"", *DIALECTS}
        re.compile(profile.tool_ids)
        assert profile.reasoning_tool_choices <= profile.tool_choices


def test_what_goes_back_has_a_place_where_it_is_taken() -> None:
    for profile in every():
        if profile.echo is not Echo.NEVER and profile.message_fields is not None:
            assert profile.echo_field in profile.message_fields or profile.echo_as != "field"
        if profile.message_fields is not None:
            assert {"role", "content", "tool_calls", "tool_call_id"} <= profile.message_fields


@pytest.mark.parametrize(
    ("profile", "model", "field", "value"),
    [
        ("azure", "gpt-5.5", "key_header", "api-key"),
        ("bedrock", "openai.gpt-5.6-sol", "tools_dialect", "openai-responses"),
        ("bedrock", "openai.gpt-5.5", "output_cap", "max_completion_tokens"),
        ("bedrock", "openai.gpt-oss-120b-1:0", "reasoning_tags", ("think", "reasoning")),
        ("moonshot", "kimi-k2.6", "output_cap", "max_tokens"),
        ("moonshot", "kimi-k3", "output_cap", "max_completion_tokens"),
        ("moonshot", "moonshot-v1-8k", "echo", Echo.NEVER),
        ("mistral", "mistral-large-2512", "stream_usage", False),
        ("deepseek", "deepseek-flash", "parts", frozenset({"text", "refusal", "image_url"})),
        ("groq", "openai/gpt-oss-120b", "echo_field", "reasoning"),
        ("ollama", "qwen3:480b-cloud", "schemas", "instruction"),
        ("ollama", "qwen3:8b", "schemas", "json_schema"),
        ("openrouter", "anthropic/claude-opus-4.7", "prefill", False),
    ],
)
def test_departures_by_model(profile: str, model: str, field: str, value: object) -> None:
    found = profile_for(Target(Model("m"), profile, model, None), ProviderRow(profile, profile=profile))

    assert getattr(found, field) == value
