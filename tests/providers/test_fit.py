"""What a target cannot carry is said before any call, by parameter, history and model."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog.model import Model, ProviderRow, Target
from modelroute.errors import UnknownNameError
from modelroute.providers.fit import EFFORTS as WORDS
from modelroute.providers.fit import NEUTRAL, lightened, obstacle, other_dialect
from modelroute.providers.profile import Tools
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
    assert tools("gpt-6.2-sol", "openai", "high") is None


@pytest.mark.parametrize(
    ("model", "effort", "spoken"),
    [
        ("gpt-5.5", None, ""),
        ("gpt-5.6-sol", None, "openai-responses"),
        ("gpt-5.6-sol", "none", ""),
        ("gpt-6-luna", "none", ""),
        ("gpt-6-luna", "low", "openai-responses"),
        ("gpt-6.1-sol", None, "openai-responses"),
        ("gpt-6.2-sol", "high", "openai-responses"),
        ("gpt-6-astra", None, "openai-responses"),
    ],
)
@pytest.mark.parametrize("profile", ["openai", "azure"])
def test_tools_go_where_the_model_takes_them(profile: str, model: str, effort: str | None, spoken: str) -> None:
    where = Target(Model(model, efforts=EFFORTS), profile, model, None)
    known = profile_for(where, ProviderRow(profile, profile=profile))
    asked = Request(messages=(user("Hi"),), effort=effort, tools=(TOOL,))

    assert other_dialect(asked, where, known) == spoken
    assert other_dialect(replace(asked, tools=()), where, known) == ""
    assert tools(model, profile, effort) is None


def test_tools_that_only_another_api_takes_are_said_where_there_is_none() -> None:
    where = Target(Model("gpt-6.2-sol"), "openai", "gpt-6.2-sol", None)
    known = replace(profile_for(where, ProviderRow("openai", profile="openai")), tools_dialect="")
    asked = Request(messages=(user("Hi"),), tools=(TOOL,))

    assert "Responses" in (obstacle(asked, where, known) or "")
    assert "effort='none'" in (obstacle(asked, where, replace(known, tools=Tools.AT_REST)) or "")


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


@pytest.mark.parametrize(
    ("model", "profile", "refused", "taken"),
    [
        ("mistral-large-2512", "mistral", {"logit_bias": {"5": 1}}, {"seed": 7}),
        ("mistral-large-2512", "mistral", {"temperature": 1.2}, {"temperature": 0.7}),
        ("mistral-large-2512", "mistral", {"service_tier": "flex"}, {"safe_prompt": True}),
        ("grok-4.6", "xai", {"stop": ["END"]}, {"seed": 7, "logprobs": True}),
        ("grok-4.20-0309-non-reasoning", "xai", {}, {"stop": ["END"]}),
        ("zai-glm-4.7", "cerebras", {"presence_penalty": 0.5}, {"presence_penalty": 0}),
        ("openai/gpt-oss-120b", "groq", {"logprobs": True}, {"logprobs": False}),
        ("glm-5.3", "zai", {"stop": ["a", "b"]}, {"stop": ["a"]}),
        ("glm-5.3", "zai", {"temperature": 1.4}, {"stop": "a"}),
        ("kimi-k3", "moonshot", {"stop": list("abcdef")}, {"stop": list("abcde")}),
        ("MiniMax-M3", "minimax", {"temperature": 0}, {"temperature": 0.5}),
        ("mimo-v2.5-pro", "xiaomi", {"temperature": 1.6}, {"temperature": 1.5}),
        ("qwen3.8-max", "alibaba", {"temperature": 2}, {"temperature": 1.9}),
        ("claude-sonnet-5-5", "anthropic-openai", {"seed": 7}, {"metadata": {"a": "b"}}),
        ("anthropic/claude-opus-4.7", "openrouter", {"temperature": 0.2}, {"temperature": 1}),
        ("openai/gpt-5.5", "openrouter", {"temperature": 0.2}, {"seed": 7}),
        ("openai.gpt-5.5", "bedrock", {"temperature": 0.2}, {"temperature": 1}),
    ],
)  # fmt: skip
def test_what_each_provider_refuses(model: str, profile: str, refused: Json, taken: Json) -> None:
    assert not refused or parameters(model, profile, **refused) is not None
    assert parameters(model, profile, **taken) is None


@pytest.mark.parametrize(
    ("model", "profile", "effort", "sent"),
    [
        ("kimi-k2.6", "moonshot", "high", {"thinking": {"type": "enabled"}}),
        ("kimi-k3.1-pro", "moonshot", "low", {"reasoning_effort": "low"}),
        ("glm-5.1", "zai", "none", {"thinking": {"type": "disabled"}}),
        ("glm-5.3", "zai", "max", {"thinking": {"type": "enabled"}, "reasoning_effort": "max"}),
        ("glm-5.3", "zai", "none", None),
        ("MiniMax-M3", "minimax", "none", {"thinking": {"type": "disabled"}}),
        ("MiniMax-M2.7", "minimax", "none", None),
        ("mimo-v2-flash", "xiaomi", "high", {"thinking": {"type": "enabled"}}),
        ("qwen3.8-max", "alibaba", "medium", {"enable_thinking": True, "thinking_budget": 8_192}),
        ("qwen3.8-27b", "alibaba", "none", {"enable_thinking": False}),
        ("qwen3-coder-plus", "alibaba", "high", None),
        ("mistral-medium-2604", "mistral", "high", {"reasoning_effort": "high"}),
        ("mistral-medium-2604", "mistral", "low", None),
        ("mistral-large-2512", "mistral", "high", None),
        ("grok-4.5", "xai", "none", None),
        ("grok-4.6", "xai", "xhigh", {"reasoning_effort": "xhigh"}),
        ("grok-4.20-0309-reasoning", "xai", "low", None),
        ("openai/gpt-oss-120b", "groq", "medium", {"reasoning_effort": "medium"}),
        ("openai/gpt-oss-120b", "groq", "none", None),
        ("qwen/qwen3-32b", "groq", "high", {"reasoning_effort": "default"}),
        ("deepseek-ai/DeepSeek-V4-Pro", "together", "max", {"reasoning": {"enabled": True}, "reasoning_effort": "max"}),
        ("zai-org/GLM-5.2", "together", "none", {"reasoning": {"enabled": False}}),
        ("moonshotai/Kimi-K2.6", "together", "high", {"reasoning": {"enabled": True}}),
        ("accounts/fireworks/models/kimi-k2p6", "fireworks", "none", {"reasoning_effort": "none"}),
        ("accounts/fireworks/models/glm-5p2", "fireworks", "max", {"reasoning_effort": "max"}),
        ("gpt-oss-120b", "cerebras", "none", None),
        ("zai-glm-4.7", "cerebras", "none", {"reasoning_effort": "none"}),
        ("zai-org/GLM-5.2", "deepinfra", "xhigh", {"reasoning_effort": "xhigh"}),
        ("openai.gpt-oss-120b-1:0", "bedrock", "low", {"reasoning_effort": "low"}),
        ("us.openai.gpt-5.5", "bedrock", "xhigh", {"reasoning_effort": "xhigh"}),
        ("Qwen/Qwen3.8-27B", "vllm", "none", {"chat_template_kwargs": {"enable_thinking": False}}),
        ("gpt-oss-20b", "ollama", "none", None),
    ],
)  # fmt: skip
def test_one_effort_turns_each_knob(model: str, profile: str, effort: str, sent: Json | None) -> None:
    known = profile_for(Target(Model(model), profile, model, None), ProviderRow(profile, profile=profile))

    assert known.efforts.get(effort) == sent


def test_a_deployment_is_known_by_the_model_it_is_like() -> None:
    deployed = Target(Model("ours", like="gpt-5.5"), "azure", "ours-eu", None)

    assert profile_for(deployed, ProviderRow("azure", profile="azure")).reasons_by_default


# ------------------------------------------------------------------------------------------- what may be left out


def light(
    model: str,
    profile: str,
    optional: set[str],
    *,
    efforts: tuple[str, ...] = EFFORTS,
    missing: frozenset[str] = frozenset(),
    **fields: Given,
) -> tuple[Request, tuple[str, ...]]:
    where = Target(Model(model, efforts=efforts), profile, model, None)
    request = Request(messages=(user("Hi"),), optional=frozenset(optional), **fields)
    known = profile_for(where, ProviderRow(profile, profile=profile))
    changed, names = lightened(request, where, known, lambda asked: None, missing)
    assert changed.messages == request.messages
    return changed, names


def test_what_is_not_insisted_on_is_left_out_where_it_is_refused() -> None:
    asked: Json = {"temperature": 0.2, "seed": 7, "top_p": 0.95}

    kimi, told = light("kimi-k3", "moonshot", {"temperature", "seed", "top_p"}, parameters=asked)
    assert (dict(kimi.parameters), told) == ({"top_p": 0.95}, ("seed", "temperature"))
    assert why("kimi-k3", "moonshot", parameters=kimi.parameters) is None
    same, nothing = light("gpt-4o", "openai", {"temperature", "seed"}, parameters=asked)
    assert (dict(same.parameters), nothing) == (asked, ())


def test_what_is_insisted_on_stays_and_bars() -> None:
    kimi, told = light("kimi-k3", "moonshot", {"seed"}, parameters={"temperature": 0.2, "seed": 7})

    assert (dict(kimi.parameters), told) == ({"temperature": 0.2}, ("seed",))


def test_what_was_seen_to_be_refused_is_left_out_too() -> None:
    asked: Json = {"temperature": 0.2, "seed": 7}
    seen = frozenset({"temperature", "reasoning_effort"})

    changed, told = light(
        "m", "compatible", {"temperature", "effort"}, parameters=asked, effort="high", missing=seen
    )  # fmt: skip
    assert (dict(changed.parameters), changed.effort, told) == ({"seed": 7}, None, ("effort", "temperature"))


@pytest.mark.parametrize(
    ("model", "profile", "asked", "sent"),
    [
        ("kimi-k2.6", "moonshot", "low", "high"),
        ("kimi-k2.6", "moonshot", "minimal", "none"),
        ("kimi-k3", "moonshot", "none", "low"),
        ("gpt-5-mini", "openai", "xhigh", "high"),
        ("openai/gpt-oss-120b", "groq", "max", "high"),
        ("deepseek-v4-pro", "deepseek", "high", "high"),
        ("glm-5.3", "zai", "medium", "high"),
    ],
)
def test_an_effort_becomes_the_nearest_that_is_known(model: str, profile: str, asked: str, sent: str) -> None:
    changed, told = light(model, profile, {"effort"}, effort=asked)

    assert changed.effort == sent
    assert told == (() if sent == asked else (f"effort={sent}",))


def test_a_model_without_any_effort_is_not_asked_for_one() -> None:
    changed, told = light("m", "lmstudio", {"effort"}, efforts=(), parameters={"reasoning_effort": "high"})

    assert (changed.effort, dict(changed.parameters), told) == (None, {}, ("effort",))


def test_a_choice_that_is_refused_is_left_to_the_model() -> None:
    changed, told = light("kimi-k3", "moonshot", {"tool_choice"}, tools=(TOOL,), tool_choice="required")

    assert (changed.tool_choice, told) == (None, ("tool_choice",))


@given(
    st.sampled_from(sorted(PROFILES)),
    st.sampled_from(["m", "gpt-5.5", "kimi-k3", "claude-opus-5-5", "glm-5.3", "grok-4.6", "openai/gpt-5.5"]),
    st.dictionaries(
        st.sampled_from([*NEUTRAL, "seed", "user", "min_p", "verbosity"]),
        st.sampled_from([0, 1, 0.5, 2, True, False, None, "END", ["a", "b", "c", "d", "e", "f"], {}, {"5": 1}]),
    ),
    st.none() | st.sampled_from([*WORDS, "unheard-of"]),
)
def test_with_everything_optional_no_parameter_bars_a_target(
    profile: str, model: str, given_: Json, effort: str | None
) -> None:
    optional = {*given_, "effort"}
    changed, told = light(model, profile, optional, parameters=given_, effort=effort)

    assert why(model, profile, parameters=changed.parameters, effort=changed.effort) is None
    again = light(model, profile, optional, parameters=changed.parameters, effort=changed.effort)
    assert again == (changed, ())
    assert all(name.partition("=")[0] in optional for name in told)
    said = {name for name, value in given_.items() if value is not None}
    assert said - changed.parameters.keys() <= {*told, *NEUTRAL, "seed", "user"}


@pytest.mark.parametrize(
    ("model", "profile", "carried"),
    [
        ("qwen3.8-27b", "messages", False),  # it would think all the same, and that is billed
        ("deepseek-v4-pro", "messages", False),
        ("qwen3.8-27b", "cerebras", False),
        ("qwen3.8-27b", "vllm", True),
        ("claude-opus-5-5", "anthropic-openai", False),
        ("claude-sonnet-5-5", "anthropic-openai", True),
    ],
)
def test_not_to_reason_is_asked_only_where_it_can_be_said(model: str, profile: str, carried: bool) -> None:
    for efforts in ((), ("low", "high")):
        where = Target(Model(model, efforts=efforts, reasons_by_default=True), profile, model, None)
        known = profile_for(where, ProviderRow(profile, profile=profile))
        asked = Request(messages=(user("Hi"),), effort="none")
        if efforts or known.any_effort or known.reasons_by_default:
            assert (obstacle(asked, where, known) is None) == carried
        else:
            assert obstacle(asked, where, known) is not None


@pytest.mark.parametrize(
    ("model", "profile", "effort"),
    [
        ("qwen3.8-27b", "vllm", "high"),
        ("qwen3.8-27b", "sglang", "none"),
        ("qwen3.8-27b", "llamacpp", "none"),
        ("gemini-2.5-flash-lite", "google", "low"),
        ("moonshotai/kimi-k2.6", "deepinfra", "none"),
        ("zai-org/glm-5.1", "deepinfra", "medium"),
    ],
)
def test_a_family_that_is_known_takes_an_effort_though_the_catalog_lists_none(
    model: str, profile: str, effort: str
) -> None:
    assert why(model, profile, efforts=(), effort=effort) is None


@pytest.mark.parametrize(
    ("model", "profile", "stop", "refused"),
    [
        ("kimi-k3", "moonshot", ["x" * 32], False),
        ("kimi-k3", "moonshot", ["x" * 33], True),
        ("kimi-k3", "moonshot", "\u4e2d" * 11, True),  # of 33 bytes
        ("claude-opus-5", "anthropic", ["\n\n"], True),
        ("claude-opus-5", "anthropic", ["\nUser:"], False),
        ("claude-opus-5", "anthropic-openai", " ", True),
        ("gpt-4o", "openai", ["\n\n"], False),
    ],
)
def test_stop_sequences(model: str, profile: str, stop: str | list[str], refused: bool) -> None:
    reason = parameters(model, profile, stop=stop)

    assert (reason is not None) == refused
    assert reason is None or "stop sequence" in reason


def test_parallel_calls_mean_nothing_where_there_is_nothing_to_call() -> None:
    for name, profile in (("gpt-4o", "openai"), ("gemini-3.8-flash", "google"), ("qwen3:8b", "ollama")):
        changed, told = light(name, profile, set(), parameters={"parallel_tool_calls": False})
        assert (dict(changed.parameters), told) == ({}, ())
    assert why("qwen3:8b", "ollama", tools=(TOOL,), parameters={"parallel_tool_calls": False}) is not None


@pytest.mark.parametrize("profile", ["ollama", "zai", "minimax"])
def test_where_no_choice_is_heeded_none_still_means_none(profile: str) -> None:
    assert tools("m", profile, choice="none") is None
    assert tools("m", profile, choice="required") is not None
