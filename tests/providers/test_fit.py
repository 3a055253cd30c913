"""What a target cannot carry is said before any call, by parameter, history and model."""

import pytest

from modelroute.catalog.model import Model, ProviderRow, Target
from modelroute.errors import UnknownNameError
from modelroute.providers.fit import obstacle
from modelroute.providers.profiles import MODELS, PROFILES, profile_for
from modelroute.types.messages import Message
from modelroute.types.request import Request
from tests.providers.requests import PIXEL, TOOL, user
from tests.providers.samples import Given, Json

EFFORTS = ("none", "low", "medium", "high", "xhigh", "max")


def why(
    name: str, profile: str, *, efforts: tuple[str, ...] = EFFORTS, messages: tuple[Message, ...] = (), **fields: Given
) -> str | None:
    target = Target(Model(name, efforts=efforts), profile, name, None)
    request = Request(messages=messages or (user("Hi"),), **fields)
    return obstacle(request, target, profile_for(target, ProviderRow(profile, profile=profile)))


def parameters(name: str, profile: str, effort: str | None = None, **given: object) -> str | None:
    return why(name, profile, effort=effort, parameters=given)


@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_a_plain_question_is_carried_by_all(profile: str) -> None:
    assert why("any-model", profile) is None


@pytest.mark.parametrize(
    ("model", "profile", "given", "effort", "refused"),
    [
        ("gpt-5.5", "openai", {"temperature": 0.2}, None, True),
        ("gpt-5.5", "openai", {"temperature": 1}, None, False),
        ("gpt-5.5", "openai", {"temperature": 0.2}, "none", False),
        ("gpt-5.2", "openai", {"temperature": 0.2}, None, False),
        ("gpt-5.2", "openai", {"temperature": 0.2}, "high", True),
        ("gpt-6.2-sol", "openai", {"temperature": 0.2}, None, True),
        ("gpt-5-mini", "openai", {"top_p": 0.5}, None, True),
        ("gpt-5.5", "openai", {"logprobs": True}, None, True),
        ("gpt-5.5", "openai", {"logprobs": False}, None, False),
        ("gpt-4o", "openai", {"temperature": 0.2, "logprobs": True}, None, False),
        ("claude-opus-5-5", "anthropic", {"temperature": 0.2}, None, True),
        ("claude-opus-4-7", "anthropic", {"top_k": 5}, None, True),
        ("claude-haiku-4-5", "anthropic", {"temperature": 0.2}, None, False),
        ("claude-haiku-4-5", "anthropic", {"temperature": 1.5}, None, True),
        ("claude-sonnet-4-6", "anthropic", {"temperature": 0.2}, "high", True),
        ("kimi-k3", "moonshot", {"temperature": 1.0, "top_p": 0.95, "n": 1}, None, False),
        ("kimi-k3", "moonshot", {"temperature": 0.6}, None, True),
        ("kimi-k2.6", "moonshot", {"temperature": 0.6}, "none", False),
        ("kimi-k2.6", "moonshot", {"temperature": 0.6}, None, True),
        ("deepseek-v4-pro", "deepseek", {"temperature": 0.2}, None, False),
        ("deepseek-v4-pro", "deepseek", {"seed": 7}, None, True),
        ("deepseek-v4-pro", "deepseek", {"seed": None}, None, False),
        ("anything", "llamacpp", {"n": 2}, None, True),
        ("anything", "compatible", {"n": 2, "seed": 7, "temperature": 1.7}, None, False),
    ],
)  # fmt: skip
def test_sampling(model: str, profile: str, given: Json, effort: str | None, refused: bool) -> None:
    reason = parameters(model, profile, effort, **given)

    assert (reason is not None) == refused
    if reason is not None:
        assert any(name in reason for name in given)


@pytest.mark.parametrize(
    ("model", "profile", "effort", "carried"),
    [
        ("gpt-5.5", "openai", "xhigh", True),
        ("gpt-5.5", "openai", "minimal", False),
        ("gpt-6.2-sol", "openai", "none", False),
        ("gpt-4o", "openai", "high", False),
        ("claude-opus-4-7", "anthropic", "xhigh", True),
        ("claude-opus-4-6", "anthropic", "xhigh", False),
        ("claude-opus-5-5", "anthropic", "none", False),
        ("claude-sonnet-4-5", "anthropic", "high", False),
        ("deepseek-v4-pro", "deepseek", "none", True),
        ("kimi-k2.6", "moonshot", "high", True),
        ("kimi-k2.6", "moonshot", "low", False),
        ("kimi-k3", "moonshot", "none", False),
        ("m", "compatible", "high", True),
        ("m", "lmstudio", "high", False),
    ],
)
def test_efforts(model: str, profile: str, effort: str, carried: bool) -> None:
    assert (why(model, profile, effort=effort) is None) == carried


def test_an_effort_is_asked_only_of_a_model_known_to_take_it() -> None:
    assert why("my-tune", "vllm", efforts=(), effort="high") is not None
    assert why("my-tune", "vllm", efforts=(), effort="none") is None
    assert why("my-tune", "vllm", efforts=("low",), effort="high") is not None
    assert why("vendor/model", "openrouter", efforts=(), effort="high") is None


def tools(model: str, profile: str, effort: str | None = None, choice: str | Json | None = None) -> str | None:
    return why(model, profile, effort=effort, tools=(TOOL,), tool_choice=choice)


def test_tools_on_chat_completions() -> None:
    assert tools("gpt-5.5", "openai") is None
    assert tools("gpt-5.6-sol", "openai") is not None
    assert tools("gpt-5.6-sol", "openai", "none") is None
    assert tools("gpt-6-luna", "openai", "none") is None
    assert tools("gpt-6.1-sol", "openai") is not None
    assert tools("gpt-6-astra", "openai") is not None


@pytest.mark.parametrize(
    ("model", "profile", "effort", "choice", "carried"),
    [
        ("deepseek-v4-pro", "deepseek", None, "auto", True),
        ("deepseek-v4-pro", "deepseek", None, "required", False),
        ("deepseek-v4-pro", "deepseek", "none", "required", True),
        ("kimi-k3", "moonshot", None, "required", False),
        ("claude-fable-5-1", "anthropic", None, "required", False),
        ("claude-opus-5-5", "anthropic", None, {"type": "function", "function": {"name": "f"}}, True),
        ("claude-opus-5-5", "anthropic", None, {"type": "allowed_tools"}, False),
        ("gpt-5.5", "openai", None, {"type": "allowed_tools"}, True),
        ("m", "ollama", None, {"type": "function", "function": {"name": "f"}}, False),
    ],
)
def test_tool_choices(model: str, profile: str, effort: str | None, choice: str | Json | None, carried: bool) -> None:
    assert (tools(model, profile, effort, choice) is None) == carried


@pytest.mark.parametrize(
    ("model", "profile", "part", "carried"),
    [
        ("deepseek-v4-pro", "deepseek", {"type": "image_url", "image_url": {"url": PIXEL}}, False),
        ("deepseek-flash", "deepseek", {"type": "image_url", "image_url": {"url": PIXEL}}, True),
        ("kimi-k3", "moonshot", {"type": "image_url", "image_url": PIXEL}, True),
        ("kimi-k3", "moonshot", {"type": "image_url", "image_url": {"url": "https://example.org/x.png"}}, False),
        ("claude-opus-5-5", "anthropic", {"type": "input_audio", "input_audio": {}}, False),
        ("m", "compatible", {"type": "whatever"}, True),
        ("m", "compatible", {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, False),
    ],
)
def test_parts(model: str, profile: str, part: Json, carried: bool) -> None:
    assert (why(model, profile, messages=(user([part]),)) is None) == carried


def test_a_beginning_to_go_on_with() -> None:
    messages = (user("Hi"), {"role": "assistant", "content": "The"})

    assert why("claude-opus-5-5", "anthropic", messages=messages) is not None
    assert why("claude-haiku-4-5", "anthropic", messages=messages) is None


def test_a_response_format_is_meant_as_written() -> None:
    schema = {"type": "json_schema", "json_schema": {}}

    assert parameters("deepseek-v4-pro", "deepseek", response_format=schema) is not None
    assert parameters("deepseek-v4-pro", "deepseek", response_format={"type": "json_object"}) is None
    assert parameters("gpt-5.5", "openai", response_format=schema) is None


def test_profiles_are_named_for_what_they_are() -> None:
    assert all(name == profile.name for name, profile in PROFILES.items())
    assert MODELS.keys() <= PROFILES.keys()
    with pytest.raises(UnknownNameError, match="deepseek"):
        profile_for(Target(Model("m"), "p", "m", None, profile="depseek"), ProviderRow("p"))


def test_a_targets_own_profile_goes_before_its_providers() -> None:
    target = Target(Model("m"), "p", "deepseek-flash", None, profile="deepseek")

    assert profile_for(target, ProviderRow("p", profile="openai")).name == "deepseek"
