"""Providers as users declare them, and the endpoints they become."""

from collections.abc import Callable

import pytest

from modelroute.catalog.catalog import Catalog
from modelroute.catalog.model import SELF_HOSTED, Model
from modelroute.catalog.price import Price
from modelroute.errors import ConfigurationError, UnknownNameError
from modelroute.providers import Endpoint, Key, Provider
from modelroute.types.request import Request
from tests.providers.samples import Given

SECRET = "sk-sentinel-0123456789"
CATALOG = Catalog.builtin()
HI = Request(messages=({"role": "user", "content": "Hi"},))


def local(**fields: Given) -> Provider:
    return Provider.compatible("http://localhost:8000/v1", name="mine", **{"models": ["my-tune"], **fields})


def only(provider: Provider) -> Endpoint:
    (endpoint,) = provider.endpoints(CATALOG)
    return endpoint


def test_a_provider_of_the_catalog_serves_the_catalogs_targets() -> None:
    endpoints = Provider("deepseek").endpoints(CATALOG)

    assert {endpoint.name for endpoint in endpoints} == {name for name in CATALOG.targets if name.endswith("@deepseek")}
    assert all(endpoint.url == "https://api.deepseek.com/chat/completions" for endpoint in endpoints)
    assert all(endpoint.keys == (Key.env("DEEPSEEK_API_KEY"),) for endpoint in endpoints)
    assert {endpoint.jurisdiction for endpoint in endpoints} == {"CN"}
    assert not any(endpoint.self_hosted for endpoint in endpoints)
    assert Provider("deepseek").variables(CATALOG) == ("DEEPSEEK_API_KEY",)


def test_a_region_is_another_url_and_another_jurisdiction() -> None:
    cn, intl = (Provider("moonshot", region=region).endpoints(CATALOG)[0] for region in ("cn", "intl"))

    assert (cn.url, cn.jurisdiction) == ("https://api.moonshot.cn/v1/chat/completions", "CN")
    assert (intl.url, intl.jurisdiction) == ("https://api.moonshot.ai/v1/chat/completions", None)


@pytest.mark.parametrize(
    ("provider", "hint"),
    [
        (Provider("depseek"), "deepseek"),
        (Provider("moonshot", region="cm"), "cn, intl"),
        (Provider("deepseek", models=["deepseek-v4-prq"]), "deepseek-v4-pro"),
        (local(models=[Model("my-tune", like="deepseek-v4-prq")]), "deepseek-v4-pro"),
    ],
)
def test_an_unknown_name_is_met_with_a_suggestion(provider: Provider, hint: str) -> None:
    with pytest.raises(UnknownNameError, match=hint):
        provider.endpoints(CATALOG)


@pytest.mark.parametrize("fields", [{"profile": "vlm"}, {"dialect": "openai-chatt"}])
def test_an_unknown_profile_or_dialect_is_met_when_it_is_written(fields: dict[str, str]) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean"):
        local(**fields)


def test_a_local_server_is_self_hosted_and_needs_no_key() -> None:
    endpoint = only(local(models=[Model("my-tune", like="deepseek-v4-pro")], price=Price.free()))

    assert endpoint.name == "my-tune@mine"
    assert (endpoint.self_hosted, endpoint.jurisdiction) == (True, SELF_HOSTED)
    assert (endpoint.keys, endpoint.needs_key) == ((), False)
    assert endpoint.target.price == Price.free()
    assert endpoint.target.context_window == CATALOG.model("deepseek-v4-pro").context_window


def test_a_name_the_catalog_knows_brings_its_facts_along() -> None:
    endpoint = only(local(models=["deepseek-v4-pro"]))

    assert endpoint.target.model is CATALOG.model("deepseek-v4-pro")
    assert (endpoint.target.wire_name, endpoint.target.price) == ("deepseek-v4-pro", None)


def test_prices_by_model_go_before_the_price_of_all() -> None:
    dear = Price(input=1, output=2)
    endpoints = local(models=["a", "b"], price=Price.free(), prices={"b": dear}).endpoints(CATALOG)

    assert [endpoint.target.price for endpoint in endpoints] == [Price.free(), dear]
    with pytest.raises(UnknownNameError):
        local(models=["a"], prices={"c": dear})


def test_a_public_server_is_nowhere_unless_it_is_said_where() -> None:
    public = Provider.compatible("https://llm.example.org/v1", name="far", models=["m"])
    declared = Provider.compatible("https://llm.example.org/v1", name="far", models=["m"], jurisdiction="EU")

    assert (only(public).jurisdiction, only(public).self_hosted) == (None, False)
    assert only(declared).jurisdiction == "EU"


def test_a_gateway_in_the_house_does_not_keep_prompts_in_the_house() -> None:
    """A proxy on a private address still hands prompts on to the provider behind it."""
    endpoint = Provider("openai", url="http://10.0.0.7:4000/v1", key="k").endpoints(CATALOG)[0]

    assert (endpoint.self_hosted, endpoint.jurisdiction) == (False, None)


def test_a_known_local_server_elsewhere_in_the_house_is_still_at_home() -> None:
    endpoint = only(Provider("vllm", url="http://10.0.0.7:8000/v1", models=[Model("m")]))

    assert endpoint.self_hosted


def test_a_key_is_not_sent_in_the_clear() -> None:
    with pytest.raises(ConfigurationError, match="allow_plaintext"):
        Provider.compatible("http://llm.example.org/v1", name="far", models=["m"], key=SECRET)
    with pytest.raises(ConfigurationError, match="allow_plaintext"):
        Provider("openai", url="http://llm.example.org/v1").endpoints(CATALOG)
    assert only(Provider("vllm", url="http://llm.example.org/v1", models=[Model("m")])).keys == ()
    Provider.compatible("http://llm.example.org/v1", name="far", models=["m"], key=SECRET, allow_plaintext=True)
    Provider.compatible("http://llm.example.org/v1", name="far", models=["m"])
    local(key=SECRET)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Provider(""),
        lambda: Provider("a@b"),
        lambda: Provider("openai", region="us", url="https://x.example/v1"),
        lambda: Provider("openai", models="gpt-5"),
        lambda: Provider("openai", models=[7]),  # type: ignore[list-item]
        lambda: local(models=[]),
        lambda: local(models="m"),
        lambda: local(models=["m", Model("m")]).endpoints(CATALOG),
        lambda: Provider("openai", key=[]),
    ],
)
def test_what_cannot_be_is_refused(build: Callable[[], object]) -> None:
    with pytest.raises(ConfigurationError):
        build()


def test_nothing_shows_a_secret() -> None:
    provider = Provider.compatible(
        "https://llm.example.org/v1", name="far", models=["m"], key=[SECRET, Key.env("B")], headers={"X-Team": SECRET}
    )
    endpoint = only(provider)
    call = endpoint.call(HI, output_cap=None, stream=True)

    for shown in (provider, endpoint, call, endpoint.keys):
        assert "sentinel" not in repr(shown) + str(shown)
    assert repr(provider) == (
        "Provider('far', url='https://llm.example.org/v1', keys=[Key('***'), Key.env('B')], headers=['X-Team'], "
        "models=['m'])"
    )


def test_a_provider_is_immutable() -> None:
    with pytest.raises(AttributeError):
        Provider("openai").name = "other"


def test_a_call_has_everything_but_the_key() -> None:
    endpoint = only(local(headers={"X-Team": "blue"}, key=SECRET, http=(options := object())))
    call = endpoint.call(HI, output_cap=5, stream=True)

    assert (call.method, call.url, call.streamed) == ("POST", "http://localhost:8000/v1/chat/completions", True)
    assert dict(call.headers) == {"content-type": "application/json", "accept": "text/event-stream", "X-Team": "blue"}
    assert endpoint.authorize(SECRET) == (("authorization", f"Bearer {SECRET}"),)
    assert endpoint.http is options
    assert call.classify(429, {}, b"", 0.0).kind == "rate_limited"
    assert call.decoder() is not call.decoder()


def test_anthropic_is_authorized_in_its_own_way_and_always_capped() -> None:
    endpoint = Provider("anthropic").endpoints(CATALOG)[0]
    call = endpoint.call(HI, output_cap=None, stream=False)

    assert dict(call.headers)["anthropic-version"] == "2023-06-01"
    assert endpoint.authorize(SECRET) == (("x-api-key", SECRET),)
    assert endpoint.always_capped == endpoint.target.max_output
    assert f'"max_tokens":{endpoint.target.max_output}'.encode() in call.body
    assert only(local()).always_capped is None


def test_a_cap_beyond_what_the_model_can_give_is_lowered() -> None:
    endpoint = Provider("anthropic").endpoints(CATALOG)[0]

    call = endpoint.call(HI, output_cap=10**9, stream=False)
    assert f'"max_tokens":{endpoint.target.max_output}'.encode() in call.body


def test_every_target_of_the_catalog_is_an_endpoint() -> None:
    endpoints = [endpoint for name in CATALOG.providers for endpoint in Provider(name).endpoints(CATALOG)]

    assert {endpoint.name for endpoint in endpoints} == set(CATALOG.targets)
    for endpoint in endpoints:
        assert endpoint.carries(HI) is None
        assert endpoint.call(HI, output_cap=None, stream=endpoint.streams).body
        assert endpoint.provenance["model"] == endpoint.target.model.name


def test_every_effort_the_catalog_lists_can_be_asked_for() -> None:
    endpoints = [endpoint for name in CATALOG.providers for endpoint in Provider(name).endpoints(CATALOG)]

    for endpoint in endpoints:
        for effort in endpoint.target.model.efforts:
            assert endpoint.carries(Request(messages=HI.messages, effort=effort)) is None, (endpoint.name, effort)
