"""Providers as users declare them, and the endpoints they become."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog.catalog import Catalog
from modelroute.catalog.model import SELF_HOSTED, Model
from modelroute.catalog.price import Price
from modelroute.errors import ConfigurationError, UnknownNameError
from modelroute.providers import Endpoint, Key, Provider
from modelroute.types.request import Request
from tests.junk import junk, works_or_is_refused
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
    assert all(endpoint.urls == ("https://api.deepseek.com",) for endpoint in endpoints)
    assert all(endpoint.keys == (Key.env("DEEPSEEK_API_KEY"),) for endpoint in endpoints)
    assert {endpoint.jurisdiction for endpoint in endpoints} == {"CN"}
    assert not any(endpoint.self_hosted for endpoint in endpoints)
    assert Provider("deepseek").variables(CATALOG) == ("DEEPSEEK_API_KEY",)


def test_a_region_is_another_url_and_another_jurisdiction() -> None:
    cn, intl = (Provider("moonshot", region=region).endpoints(CATALOG)[0] for region in ("cn", "intl"))

    assert (cn.urls, cn.jurisdiction) == (("https://api.moonshot.cn/v1",), "CN")
    assert (intl.urls, intl.jurisdiction) == (("https://api.moonshot.ai/v1",), None)


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

    assert (call.method, call.streamed) == ("POST", True)
    assert endpoint.base(0) == "http://localhost:8000/v1"
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


def every_endpoint() -> list[Endpoint]:
    """Everybody's: servers of one's own and accounts have no models in the catalog."""
    serving = {target.provider for target in CATALOG.targets.values()}
    placed = [name for name, row in CATALOG.providers.items() if row.urls and name in serving]
    return [endpoint for name in placed for endpoint in Provider(name).endpoints(CATALOG)]


def test_every_target_of_the_catalog_is_an_endpoint() -> None:
    endpoints = every_endpoint()

    assert {endpoint.name for endpoint in endpoints} == set(CATALOG.targets)
    for endpoint in endpoints:
        assert endpoint.carries(HI) is None
        assert endpoint.call(HI, output_cap=None, stream=endpoint.streams).body
        assert endpoint.provenance(HI)["model"] == endpoint.target.model.name


def test_a_dict_that_is_the_wrong_way_round_is_refused_with_how_it_is_written() -> None:
    turned = Provider("azure", url="https://our.openai.azure.com", models={"gpt-5.5": "our-deployment"})
    with pytest.raises(UnknownNameError, match=r"models=\{'our-deployment': 'gpt-5.5'\}"):
        turned.endpoints(CATALOG)


@pytest.mark.parametrize("provider", [Provider("vllm"), Provider("azure", url="https://our.openai.azure.com")])
def test_a_provider_of_which_the_catalog_lists_nothing_says_what_to_write(provider: Provider) -> None:
    """Made without a word it would be a router that can call nobody, and each request would find that out."""
    with pytest.raises(ConfigurationError, match=rf"Provider\('{provider.name}', models=\["):
        provider.endpoints(CATALOG)


def test_every_effort_the_catalog_lists_can_be_asked_for() -> None:
    endpoints = every_endpoint()

    for endpoint in endpoints:
        for effort in endpoint.target.model.efforts:
            assert endpoint.carries(Request(messages=HI.messages, effort=effort)) is None, (endpoint.name, effort)


PRICE = Price(input=1, output=2)


@pytest.mark.parametrize(
    "models",
    [["gpt-5.5"], ("gpt-5.5",), {"gpt-5.5"}, (name for name in ["gpt-5.5"]), iter(["gpt-5.5"])],
    ids=["list", "tuple", "set", "generator", "iterator"],
)
def test_a_list_of_models_of_any_type_serves_those_and_no_others(models: Given) -> None:
    """A generator that is read twice is empty the second time: everything would be served, at everybody's price."""
    provider = Provider("openai", models=models)

    for _ in range(2):
        assert [endpoint.name for endpoint in provider.endpoints(CATALOG)] == ["gpt-5.5@openai"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"price": 0}, r"Price\(input=\.\.\., output=\.\.\.\).*Price\.free\(\)"),
        ({"price": 1.5}, "Price"),
        ({"price": (1, 2)}, "Price"),
        ({"prices": {"gpt-5.5": (1, 2)}}, "prices.*Price"),
        ({"prices": 3}, "prices=3"),
        ({"prices": {3: PRICE}}, "text"),
        ({"models": Model("m")}, r"models=\[Model"),
        ({"models": "gpt-5.5"}, r"models=\['gpt-5.5'\]"),
        ({"models": []}, "leave it out"),
        ({"models": iter(())}, "leave it out"),
        ({"models": [3]}, "names and Model"),
        ({"models": {"gpt-5.5": 1}}, "list of names"),
        ({"models": 3}, "list of names"),
        ({"region": 3}, "region=3"),
        ({"allow_plaintext": "no"}, "True or False"),
        ({"jurisdiction": "eu"}, "Did you mean 'EU'"),
        ({"jurisdiction": "Europe"}, "Did you mean 'EU'"),
        ({"jurisdiction": 3}, "two-letter"),
        ({"headers": 3}, "dict, or a list of pairs"),
        ({"headers": [("a",)]}, "dict, or a list of pairs"),
        ({"headers": "a: b"}, "dict, or a list of pairs"),
        ({"url": "https://api.example.com/v1/chat/completions"}, "all before /chat/completions"),
        ({"url": "https://api.example.com/v1/messages/"}, "all before /messages"),
        ({"url": 3}, "URL must be text.*list of several"),
        ({"url": b"https://api.example.com/v1"}, "URL must be text"),
        ({"url": []}, "list of URLs is empty"),
        ({"url": ["https://a.example/v1", 3]}, "URL must be text"),
        ({"url": ["https://a.example/v1", "https://A.example:443/v1/"]}, "the same URL is given twice"),
        ({"rpm": 0}, r"Provider\(rpm=0\): give a whole number of at least 1"),
        ({"rpm": -5}, "rpm=-5"),
        ({"rpm": True}, "rpm=True"),
        ({"rpm": "500"}, "rpm='500'"),
        ({"tpm": 0.5}, "tpm=0.5"),
        ({"tpm": float("nan")}, "tpm=nan"),
        ({"max_in_flight": 0}, "max_in_flight=0.*at least 1"),
        ({"max_queued": -1}, "max_queued=-1.*at least 0"),
    ],
)
def test_what_cannot_be_meant_is_refused_when_written(fields: dict[str, Given], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        Provider("openai", **fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"dialect": 3}, "dialect 3"),
        ({"profile": []}, r"profile \[\]"),
        ({"models": ["a@b"]}, "'@'"),
        ({"models": ["a b"]}, "spaces"),
        ({"models": None}, "needs models"),
        ({"jurisdiction": "europe"}, "Did you mean 'EU'"),
        ({"price": 0}, "Price"),
    ],
)
def test_what_a_server_of_ones_own_cannot_be_is_refused_when_written(fields: dict[str, Given], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        local(**fields)


def test_a_server_needs_a_url() -> None:
    with pytest.raises(ConfigurationError, match="URL"):
        Provider.compatible(None, name="mine", models=["m"])  # type: ignore[arg-type]


def test_headers_may_be_pairs() -> None:
    assert Provider("openai", headers=[("x-a", "1"), ("x-b", "2")]).headers == (("x-a", "1"), ("x-b", "2"))
    assert Provider("openai", headers=[]).headers == Provider("openai", headers={}).headers == ()


def test_the_users_price_goes_before_the_catalogs() -> None:
    """It is what they pay: a price that was silently ignored would make every bill and every ceiling wrong."""
    theirs = {endpoint.target.model.name: endpoint.target.price for endpoint in Provider("openai").endpoints(CATALOG)}
    dear = Price(input=9, output=9)

    mine = Provider("openai", price=PRICE, prices={"gpt-5.5": dear}).endpoints(CATALOG)
    some = Provider("openai", prices={"gpt-5.5": dear}).endpoints(CATALOG)

    assert {endpoint.target.model.name: endpoint.target.price for endpoint in mine} == {
        name: dear if name == "gpt-5.5" else PRICE for name in theirs
    }
    assert {endpoint.target.model.name: endpoint.target.price for endpoint in some} == theirs | {"gpt-5.5": dear}
    assert only(Provider("openai", models=["gpt-5.5"], price=PRICE)).target.price == PRICE


def test_a_price_may_be_given_under_any_name_of_its_model() -> None:
    alias, name = next(
        (alias, name) for alias, name in CATALOG.aliases.items() if f"{name}@deepseek" in CATALOG.targets
    )
    endpoints = Provider("deepseek", prices={alias: PRICE}).endpoints(CATALOG)

    assert [endpoint.target.model.name for endpoint in endpoints if endpoint.target.price == PRICE] == [name]


def test_a_price_for_a_model_nobody_serves_is_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'gpt-5\.5'"):
        Provider("openai", prices={"gpt-55": PRICE}).endpoints(CATALOG)


LIMITS = {"rpm": 500, "tpm": 200_000, "max_in_flight": 8, "max_queued": 0}


@pytest.mark.parametrize("declare", [local, lambda **fields: Provider("deepseek", **fields)], ids=["own", "catalog"])
def test_limits_are_carried_to_every_endpoint_and_shown(declare: Callable[..., Provider]) -> None:
    limited = declare(**LIMITS)
    for endpoint in limited.endpoints(CATALOG):
        assert {name: getattr(endpoint, name) for name in LIMITS} == LIMITS
        assert "rpm=500, tpm=200000, max_in_flight=8, max_queued=0" in repr(endpoint)
    assert repr(limited).endswith("rpm=500, tpm=200000, max_in_flight=8, max_queued=0)")
    unlimited = declare()
    assert [getattr(unlimited, name) for name in LIMITS] == [None] * len(LIMITS)
    assert "rpm" not in repr(unlimited)
    assert declare(tpm=2e5).tpm == 200_000


REPLICAS = ["http://10.0.0.1:8000/v1", "http://10.0.0.2:8000/v1/"]


def replicas(urls: Given, **fields: Given) -> Provider:
    return Provider.compatible(urls, **{"name": "fleet", "models": ["my-tune"], **fields})


def test_replicas_are_places_of_one_target() -> None:
    provider = replicas(REPLICAS, key=["a", "b"])
    endpoint = only(provider)

    assert endpoint.urls == tuple(f"http://10.0.0.{number}:8000/v1" for number in (1, 2))
    assert (endpoint.name, endpoint.lanes) == ("my-tune@fleet", 4)
    assert (endpoint.self_hosted, endpoint.jurisdiction) == (True, SELF_HOSTED)
    assert repr(provider) == (
        "Provider('fleet', url=['http://10.0.0.1:8000/v1', 'http://10.0.0.2:8000/v1'], keys=[Key('***'), Key('***')], "
        "models=['my-tune'])"
    )
    assert repr(replicas(REPLICAS[:1])) == repr(replicas(REPLICAS[0]))
    assert Provider("openai", url=REPLICAS).endpoints(CATALOG)[0].lanes == 2


def test_lanes_are_numbered_alike_in_every_process() -> None:
    """They are, because a list has an order; a set has none, and another one in every process."""
    assert replicas({*REPLICAS, "http://10.0.0.3/v1", "http://10.0.0.0/v1"}).urls == (
        "http://10.0.0.0/v1",
        "http://10.0.0.1:8000/v1",
        "http://10.0.0.2:8000/v1",
        "http://10.0.0.3/v1",
    )
    assert replicas(reversed(REPLICAS)).urls == tuple(url.rstrip("/") for url in reversed(REPLICAS))


def test_replicas_are_at_home_only_when_all_are() -> None:
    mixed = only(replicas([*REPLICAS, "https://llm.example.org/v1"]))
    declared = only(replicas([*REPLICAS, "https://llm.example.org/v1"], jurisdiction="EU"))

    assert (mixed.self_hosted, mixed.jurisdiction) == (False, None)
    assert (declared.self_hosted, declared.jurisdiction) == (False, "EU")


def test_a_key_is_not_sent_in_the_clear_to_any_replica() -> None:
    abroad = [*REPLICAS, "http://llm.example.org/v1"]

    with pytest.raises(ConfigurationError, match="allow_plaintext"):
        replicas(abroad, key=SECRET)
    assert only(replicas(abroad, key=SECRET, allow_plaintext=True)).lanes == 3
    assert only(Provider("vllm", url=abroad, models=[Model("m")])).keys == ()


@pytest.mark.parametrize("bad", [f"https://user:{SECRET}@host/v1", f"https://host/v1?key={SECRET}"])
def test_no_url_of_several_is_echoed(bad: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        replicas([*REPLICAS, bad])
    with pytest.raises(ConfigurationError) as twice:
        replicas([f"https://host/{SECRET}"] * 2)
    assert "sentinel" not in str(caught.value) + str(twice.value)


KEYWORDS = {
    "catalog": (
        "name", "key", "region", "headers", "http", "url", "models", "price", "prices", "jurisdiction",
        "rpm", "tpm", "max_in_flight", "max_queued", "allow_plaintext",
    ),
    "compatible": (
        "url", "name", "models", "key", "price", "prices", "dialect", "profile", "jurisdiction", "headers", "http",
        "rpm", "tpm", "max_in_flight", "max_queued", "allow_plaintext",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KEYWORDS)
@given(data=st.data())
def test_whatever_is_declared_works_or_is_refused(kind: str, data: st.DataObject) -> None:
    keyword = data.draw(st.sampled_from(KEYWORDS[kind]), label="keyword")
    fields: dict[str, Given] = {keyword: data.draw(junk(), label="value")}
    base: dict[str, Given] = {"name": "openai"}
    if kind == "compatible":
        base = {"url": "http://localhost:9/v1", "name": "mine", "models": ["m"]}
    declare = Provider if kind == "catalog" else Provider.compatible
    works_or_is_refused(
        lambda: declare(**(base | fields)),
        lambda provider: (repr(provider), provider.endpoints(CATALOG), provider.variables(CATALOG)),
    )
