"""Where a provider of the catalog is reached, by which API, and as which model: regions, deployments, dialects."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from modelroute.catalog import Catalog, Model, Price, ProviderRow, Target
from modelroute.errors import ConfigurationError, UnknownNameError
from modelroute.providers import Endpoint, Provider
from modelroute.types.request import Request
from tests.providers.samples import Given

CATALOG = Catalog.builtin()
OURS = "https://our-resource.openai.azure.com/openai/v1"


def of(name: str, catalog: Catalog = CATALOG, **fields: Given) -> list[Endpoint]:
    return list(Provider(name, **fields).endpoints(catalog))


def only(name: str, catalog: Catalog = CATALOG, **fields: Given) -> Endpoint:
    (endpoint,) = of(name, catalog, **fields)
    return endpoint


# ----------------------------------------------------------------------------------------------------- other names


def test_a_provider_by_another_name_is_the_same_one() -> None:
    by_alias, by_name = of("gemini"), of("google")
    assert [endpoint.name for endpoint in by_alias] == [endpoint.name for endpoint in by_name]
    assert all(endpoint.target.provider == "google" for endpoint in by_alias)
    assert Provider("gemini").variables(CATALOG) == Provider("google").variables(CATALOG)


def test_a_server_of_one_s_own_may_have_a_provider_s_name_and_shares_nothing_with_it() -> None:
    server = Provider.compatible("http://localhost:1/v1", name="deepseek", models=["deepseek-flash"])
    (endpoint,) = server.endpoints(CATALOG)
    assert (endpoint.target.price, endpoint.profile.name) == (None, "compatible")


# ------------------------------------------------------------------------------------- a host of each account's own


@pytest.mark.parametrize("fields", [{}, {"models": {"prod": "gpt-5.5"}}])
def test_azure_without_a_url_says_exactly_what_to_write(fields: dict[str, Given]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        of("azure", **fields)
    url = "https://<resource>.openai.azure.com/openai/v1"
    assert f"write Provider('azure', url={url!r}, models={{'<deployment>': '<model>'}})" in str(caught.value)


@pytest.mark.parametrize("ending", ["/openai/v1", "/openai/v1/", "", "/"])
def test_azure_takes_the_endpoint_as_people_copy_it(ending: str) -> None:
    url = "https://our-resource.openai.azure.com" + ending
    assert only("azure", url=url, models={"prod": "gpt-5.5"}).urls == (OURS,)


def test_a_deployment_is_its_model_under_a_name_of_the_user_s() -> None:
    endpoint = only("azure", url=OURS, models={"prod": "gpt-5.5"}, prices={"prod": Price(input=5, output=30)})
    assert (endpoint.name, endpoint.target.wire_name) == ("gpt-5.5@azure", "prod")
    assert endpoint.target.features == CATALOG.model("gpt-5.5").features
    assert endpoint.target.price == Price(input=5, output=30)
    assert endpoint.profile.name == "azure"
    named = only("azure", url=OURS, models={"gpt-5.5": "gpt-5.5"})
    assert endpoint.profile == named.profile, "it departs as the model does, whatever it is called"
    assert endpoint.jurisdiction is None, "where a deployment computes is not known"


def test_a_deployment_called_like_its_model_needs_no_dict() -> None:
    assert only("azure", url=OURS, models=["gpt-5.5"]).target.wire_name == "gpt-5.5"
    with pytest.raises(UnknownNameError, match=r"model of azure 'gpt-55'.*pass Model"):
        of("azure", url=OURS, models=["gpt-55"])


def test_a_dict_of_models_works_at_every_provider_and_keeps_the_price() -> None:
    listed = CATALOG.target("gpt-5.5@openai")
    endpoint = only("openai", models={"gpt-5.5-2026-04-23": "gpt-5.5"})
    assert endpoint.target == replace(listed, wire_name="gpt-5.5-2026-04-23")
    tune = Model("our-tune", like="gpt-5.5")
    assert only("openai", models={"ft:gpt-5.5:ours": tune}).target.wire_name == "ft:gpt-5.5:ours"
    server = Provider.compatible("http://localhost:1/v1", name="mine", models={"w": "kimi-k2.6", "x": Model("y")})
    assert {one.name: one.target.wire_name for one in server.endpoints(CATALOG)} == {
        "kimi-k2.6@mine": "w",
        "y@mine": "x",
    }
    assert repr(Provider("openai", models={"a": "gpt-5.5", "b": tune})) == (
        "Provider('openai', models={'a': 'gpt-5.5', 'b': 'our-tune'})"
    )


def test_two_deployments_of_a_model_have_to_be_told_apart() -> None:
    with pytest.raises(ConfigurationError, match=r"twice; tell them apart: Model\('b', like='gpt-5.5'\)"):
        of("openai", models={"a": "gpt-5.5", "b": "gpt-5.5"})
    both = of("openai", models={"a": "gpt-5.5", "b": Model("b", like="gpt-5.5")})
    assert [endpoint.name for endpoint in both] == ["b@openai", "gpt-5.5@openai"]


@pytest.mark.parametrize("models", [{}, {"": "gpt-5.5"}, {1: "gpt-5.5"}, {"a": 5}, {"a": ""}])
def test_a_dict_that_names_nothing_is_refused(models: Given) -> None:
    with pytest.raises(ConfigurationError, match="models"):
        Provider("openai", models=models)


def test_prices_may_go_by_the_deployment_s_name() -> None:
    price = Price(input=1, output=2)
    for name in ("prod", "gpt-5.5"):
        assert only("openai", models={"prod": "gpt-5.5"}, prices={name: price}).target.price == price
    with pytest.raises(UnknownNameError, match=r"model in prices 'prd'. Did you mean 'prod'"):
        Provider("openai", models={"prod": "gpt-5.5"}, prices={"prd": price})


# ---------------------------------------------------------------------------------------------------------- regions


def bedrock(region: str | None, wire_name: str = "openai.gpt-oss-120b-1:0", **fields: Given) -> Endpoint:
    return only("aws", region=region, models={wire_name: "gpt-oss-120b"}, **fields)


def test_bedrock_is_wherever_its_region_is() -> None:
    here = bedrock("eu-central-1")
    assert here.urls == ("https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1",)
    assert (here.jurisdiction, here.profile.name) == ("EU", "bedrock")
    assert bedrock(None).jurisdiction == "US"
    unlisted = bedrock("ap-southeast-7")
    assert unlisted.urls == ("https://bedrock-runtime.ap-southeast-7.amazonaws.com/openai/v1",)
    assert unlisted.jurisdiction is None
    assert bedrock("ap-southeast-7", jurisdiction="SG").jurisdiction == "SG"


@pytest.mark.parametrize("region", ["eu/../x", "evil.example#", "EU-1", "", "a" * 41, "-eu", "eu_1"])
def test_a_region_cannot_lead_elsewhere(region: str) -> None:
    with pytest.raises(UnknownNameError, match="region of bedrock"):
        bedrock(region)


def test_what_is_computed_anywhere_has_no_jurisdiction_whatever_the_region() -> None:
    assert bedrock("eu-central-1", "eu.openai.gpt-oss").jurisdiction == "EU"
    for name in ("global.openai.gpt-oss", "apac.openai.gpt-oss"):
        assert bedrock("eu-central-1", name).jurisdiction is None
    assert bedrock("eu-central-1", "global.openai.gpt-oss", jurisdiction="EU").jurisdiction == "EU"


# ------------------------------------------------------------------------------------------------------- other APIs


@pytest.mark.parametrize(
    ("name", "fields", "url", "profile"),
    [
        ("google", {}, "https://generativelanguage.googleapis.com/v1beta/openai", "google-openai"),
        ("anthropic", {}, "https://api.anthropic.com/v1", "anthropic-openai"),
    ],
)
def test_the_openai_compatible_side_of_others(name: str, fields: dict[str, Given], url: str, profile: str) -> None:
    for endpoint in of(name, dialect="openai-chat", **fields):
        assert (endpoint.dialect.name, endpoint.urls, endpoint.profile.name) == ("openai-chat", (url,), profile)


@pytest.mark.parametrize(
    ("name", "region", "url"),
    [
        ("moonshot", None, "https://api.moonshot.ai/anthropic/v1"),
        ("deepseek", None, "https://api.deepseek.com/anthropic/v1"),
        ("minimax", None, "https://api.minimax.io/anthropic/v1"),
        ("minimax", "cn", "https://api.minimaxi.com/anthropic/v1"),
        ("zai", None, "https://api.z.ai/api/anthropic/v1"),
        ("alibaba", "intl", "https://dashscope-intl.aliyuncs.com/apps/anthropic/v1"),
        ("xiaomi", None, "https://api.xiaomimimo.com/anthropic/v1"),
        ("deepinfra", None, "https://api.deepinfra.com/anthropic/v1"),
    ],
)
def test_the_anthropic_shaped_side_of_others(name: str, region: str | None, url: str) -> None:
    endpoints = of(name, dialect="anthropic-messages", region=region)
    assert endpoints
    for endpoint in endpoints:
        assert (endpoint.dialect.name, endpoint.urls) == ("anthropic-messages", (url,))
        assert endpoint.profile.name == "messages"
        assert endpoint.dialect.path(endpoint.target, True) == "/messages"
        assert endpoint.always_capped, "Messages demands a cap"


@pytest.mark.parametrize("name", ["openai", "alibaba", "deepseek", "xai"])
def test_responses_are_where_chat_is(name: str) -> None:
    chat, responses = of(name), of(name, dialect="openai-responses")
    assert [one.urls for one in chat] == [one.urls for one in responses]
    assert {one.dialect.name for one in responses} == {"openai-responses"}


def test_bedrock_s_claude_is_at_another_host_of_the_region() -> None:
    endpoint = only("bedrock", region="eu-west-1", dialect="anthropic-messages", models={"c": "claude-opus-5-5"})
    assert endpoint.urls == ("https://bedrock-mantle.eu-west-1.api.aws/anthropic/v1",)
    assert (endpoint.jurisdiction, endpoint.profile.name) == ("EU", "anthropic")
    with pytest.raises(ConfigurationError, match="pass region="):
        of("bedrock", dialect="anthropic-messages", models={"c": "claude-opus-5-5"})


def test_an_api_a_provider_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(UnknownNameError, match=r"dialect of groq 'gemini'.*Known: openai-chat"):
        of("groq", dialect="gemini")
    with pytest.raises(UnknownNameError, match="Did you mean 'anthropic-messages'"):
        Provider("moonshot", dialect="anthropic-message")


def test_a_url_of_one_s_own_holds_for_another_api_too() -> None:
    (endpoint, *_) = of("moonshot", dialect="anthropic-messages", url="https://gateway.example/kimi/v1")
    assert endpoint.urls == ("https://gateway.example/kimi/v1",)
    assert endpoint.profile.name == "messages"


def test_a_target_may_name_another_api_of_its_provider() -> None:
    row = replace(CATALOG.provider("moonshot"), name="acme", aliases=())
    chat, messages = Model("chatting"), Model("messaging")
    told = [Target.of(chat, "acme"), replace(Target.of(messages, "acme"), dialect="anthropic-messages")]
    catalog = Catalog(models=[chat, messages], providers=[row], targets=told)
    first, second = of("acme", catalog)
    assert (first.dialect.name, first.urls[0]) == ("openai-chat", "https://api.moonshot.ai/v1")
    assert (second.dialect.name, second.urls[0]) == ("anthropic-messages", "https://api.moonshot.ai/anthropic/v1")
    assert (first.profile.name, second.profile.name) == ("moonshot", "messages")
    both = of("acme", catalog, dialect="openai-chat")
    assert {one.dialect.name for one in both} == {"openai-chat"}, "what the user says goes before"


def test_the_api_is_shown() -> None:
    assert repr(Provider("minimax", region="cn", dialect="anthropic-messages")) == (
        "Provider('minimax', region='cn', dialect='anthropic-messages')"
    )


# -------------------------------------------------------------------------------------------------- local servers


@pytest.mark.parametrize(
    ("name", "url", "base"),
    [
        ("ollama", "http://10.0.0.5:11434", "http://10.0.0.5:11434/v1"),
        ("ollama", "http://10.0.0.5:11434/v1", "http://10.0.0.5:11434/v1"),
        ("vllm", "http://10.0.0.5:8000/served/v1", "http://10.0.0.5:8000/served/v1"),
        ("openai", "https://gateway.example", "https://gateway.example"),
    ],
)
def test_a_host_alone_gets_the_path_its_kind_of_server_has(name: str, url: str, base: str) -> None:
    endpoint = only(name, url=url, models=[Model("m")])
    assert endpoint.urls == (base,)


def test_a_local_server_serves_any_model_the_catalog_knows() -> None:
    endpoint = only("vllm", models={"Qwen/Qwen3.8-27B": "qwen3.8-27b"}, price=Price.free())
    assert (endpoint.self_hosted, endpoint.target.wire_name) == (True, "Qwen/Qwen3.8-27B")
    assert only("llama.cpp", models=["qwen3.8-27b"]).name == "qwen3.8-27b@llamacpp"


ROWS: list[tuple[str, Callable[[ProviderRow], ProviderRow]]] = [
    ("dialect", lambda row: replace(row, dialect="openai-chta")),
    ("profile", lambda row: replace(row, profile="opnai")),
]


@pytest.mark.parametrize(("kind", "spoil"), ROWS, ids=[kind for kind, _ in ROWS])
def test_a_row_whose_dialect_or_profile_does_not_exist_is_met_when_a_router_is_built(
    kind: str, spoil: Callable[[ProviderRow], ProviderRow]
) -> None:
    catalog = CATALOG.with_(providers=[spoil(CATALOG.provider("groq"))])
    with pytest.raises(UnknownNameError, match=f"unknown {kind} '.*Did you mean 'open"):
        of("groq", catalog)


@pytest.mark.parametrize(
    ("dialect", "profile"),
    [
        ("openai-chat", "compatible"),
        ("openai-responses", "compatible"),
        ("anthropic-messages", "messages"),
        ("gemini", "google"),
    ],
)
def test_a_server_of_which_only_the_dialect_is_known_speaks_it_plainly(dialect: str, profile: str) -> None:
    server = Provider.compatible("http://localhost:1/v1", name="mine", models=["house-model"], dialect=dialect)
    row = ProviderRow("acme", urls={"us": "https://acme.example/v1"}, dialect=dialect)
    listed = Catalog(models=[Model("m")], providers=[row], targets=[Target.of(Model("m"), "acme")])
    for endpoint in (*server.endpoints(CATALOG), only("acme", listed)):
        assert (endpoint.dialect.name, endpoint.profile.name) == (dialect, profile)


def test_messages_are_never_capped_at_a_token_nobody_asked_for() -> None:
    server = Provider.compatible(
        "http://localhost:1/v1", name="m", models=["house-model"], dialect="anthropic-messages"
    )
    (endpoint,) = server.endpoints(CATALOG)
    body = endpoint.call(Request(messages=({"role": "user", "content": "Hi"},)), output_cap=None, stream=False).body
    assert json.loads(body)["max_tokens"] == 8_192
