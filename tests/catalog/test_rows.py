"""Who serves models, as data: regions, other APIs, other names."""

from __future__ import annotations

import copy
import pickle
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog import Api, Catalog, Model, ProviderRow, Target
from modelroute.catalog.load import load_texts
from modelroute.catalog.rows import DIALECTS
from modelroute.errors import ConfigurationError, UnknownNameError
from modelroute.providers.address import checked_url
from modelroute.providers.dialects import DIALECTS as SPOKEN
from modelroute.providers.profiles import PROFILES

BUILTIN = Catalog.builtin()
ROW = ProviderRow(
    "acme",
    urls={"us": "https://api.acme.example/v1"},
    jurisdictions={"us": "US"},
    aliases=("acme-ai",),
    apis={
        "openai-responses": Api(),
        "anthropic-messages": Api(urls={"us": "https://api.acme.example/anthropic/v1"}, profile="messages"),
    },
    url_template="https://{region}.acme.example/v1",
    url_path="/v1",
    roaming=("global.*",),
)


# --------------------------------------------------------------------------------------------- the rows that ship


def test_the_dialects_a_row_may_name_are_those_that_are_spoken() -> None:
    assert SPOKEN.keys() == DIALECTS


@pytest.mark.parametrize("name", BUILTIN.providers)
def test_every_row_speaks_dialects_and_profiles_that_exist_at_urls_that_can_be_called(name: str) -> None:
    row = BUILTIN.provider(name)
    for spoken in (row, *map(row.speaking, row.apis)):
        assert spoken.dialect in SPOKEN
        assert spoken.profile in PROFILES
        for url in spoken.urls.values():
            assert checked_url(url) == url
            assert url.endswith("/v1") or spoken.dialect != "anthropic-messages", "messages follows /v1"
    assert row.jurisdictions.keys() <= row.urls.keys()
    assert row.source, name
    assert row.as_of, name


def test_every_target_names_a_dialect_and_a_profile_that_exist() -> None:
    for target in BUILTIN.targets.values():
        assert target.dialect is None or target.dialect in BUILTIN.provider(target.provider).dialects, target.name
        assert target.profile is None or target.profile in PROFILES, target.name


def test_a_profile_of_a_row_has_the_row_s_name() -> None:
    assert {name: row.profile for name, row in BUILTIN.providers.items()} == {name: name for name in BUILTIN.providers}


@pytest.mark.parametrize(
    ("name", "region", "url"),
    [
        ("openai", None, "https://api.openai.com/v1"),
        ("anthropic", None, "https://api.anthropic.com/v1"),
        ("google", None, "https://generativelanguage.googleapis.com/v1beta"),
        ("moonshot", "cn", "https://api.moonshot.cn/v1"),
        ("deepseek", None, "https://api.deepseek.com"),
        ("xiaomi", "plan-sgp", "https://token-plan-sgp.xiaomimimo.com/v1"),
        ("zai", "cn", "https://open.bigmodel.cn/api/paas/v4"),
        ("minimax", "cn", "https://api.minimaxi.com/v1"),
        ("alibaba", "us", "https://dashscope-us.aliyuncs.com/compatible-mode/v1"),
        ("mistral", None, "https://api.mistral.ai/v1"),
        ("xai", None, "https://api.x.ai/v1"),
        ("openrouter", None, "https://openrouter.ai/api/v1"),
        ("groq", None, "https://api.groq.com/openai/v1"),
        ("together", None, "https://api.together.xyz/v1"),
        ("fireworks", None, "https://api.fireworks.ai/inference/v1"),
        ("cerebras", None, "https://api.cerebras.ai/v1"),
        ("deepinfra", None, "https://api.deepinfra.com/v1/openai"),
        ("bedrock", "eu-central-1", "https://bedrock-runtime.eu-central-1.amazonaws.com/openai/v1"),
        ("bedrock", "xx-future-9", "https://bedrock-runtime.xx-future-9.amazonaws.com/openai/v1"),
        ("vllm", None, "http://localhost:8000/v1"),
        ("sglang", None, "http://localhost:30000/v1"),
        ("ollama", None, "http://localhost:11434/v1"),
        ("llamacpp", None, "http://localhost:8080/v1"),
        ("lmstudio", None, "http://127.0.0.1:1234/v1"),
    ],
)
def test_each_provider_is_where_its_documentation_says(name: str, region: str | None, url: str) -> None:
    assert BUILTIN.provider(name).url(region)[1] == url


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("gemini", "google"),
        ("dashscope", "alibaba"),
        ("qwen", "alibaba"),
        ("kimi", "moonshot"),
        ("moonshotai", "moonshot"),
        ("mimo", "xiaomi"),
        ("glm", "zai"),
        ("zhipu", "zai"),
        ("z.ai", "zai"),
        ("aws", "bedrock"),
        ("amazon-bedrock", "bedrock"),
        ("togetherai", "together"),
        ("fireworks-ai", "fireworks"),
        ("azure-openai", "azure"),
        ("lm-studio", "lmstudio"),
        ("llama.cpp", "llamacpp"),
    ],
)
def test_a_provider_goes_by_the_other_names_people_use(alias: str, name: str) -> None:
    assert BUILTIN.provider(alias) is BUILTIN.provider(name)
    assert BUILTIN.provider_name(alias) == name
    assert BUILTIN.canonical(f"deepseek-v4-flash@{alias}") == f"deepseek-flash@{name}"


# ----------------------------------------------------------------------------------------------------- other names


def test_an_alias_that_may_have_been_meant_is_suggested() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'gemini'"):
        BUILTIN.provider("gemeni")


def test_an_alias_that_could_mean_two_is_refused_when_the_catalog_is_built() -> None:
    with pytest.raises(ConfigurationError, match="an alias of another one \\(one\\)"):
        Catalog(providers=[ProviderRow("one", aliases=("x",)), ProviderRow("two", aliases=("x",))])
    with pytest.raises(ConfigurationError, match="the name of another one \\(kimi\\)"):
        BUILTIN.with_(providers=[ProviderRow("kimi")])
    with pytest.raises(ConfigurationError, match="its own name"):
        ProviderRow("one", aliases=("one",))
    with pytest.raises(ConfigurationError, match="without '@'"):
        ProviderRow("one", aliases=("a@b",))


def test_a_target_by_an_alias_is_the_provider_s_own() -> None:
    model = Model("house-model")
    grown = BUILTIN.with_(targets=[Target.of(model, "gemini")])
    assert grown.target("house-model@google") is grown.target("house-model@gemini")
    assert "house-model@gemini" not in grown.targets


def test_a_file_may_name_a_provider_by_an_alias_but_not_change_its_row_so() -> None:
    text = '[defaults]\nsource = "us"\nas_of = "2026-11"\n[targets."kimi-k2.6@kimi"]\nmax_output = 9\n'
    loaded = load_texts({"my.toml": text}, BUILTIN)
    assert loaded.target("kimi-k2.6@moonshot").max_output == 9
    assert loaded.targets.keys() == BUILTIN.targets.keys()
    with pytest.raises(ConfigurationError, match=r"my.toml: \[providers.\"kimi\"\]: 'kimi' is an alias of 'moonshot'"):
        load_texts({"my.toml": '[providers.kimi]\nsource = "us"\nas_of = "2026-11"\n'}, BUILTIN)


# --------------------------------------------------------------------------------------------- regions and other APIs


def test_the_first_region_is_the_default_and_others_are_filled_in() -> None:
    assert ROW.url() == ("us", "https://api.acme.example/v1")
    assert ROW.url("eu-west-1") == ("eu-west-1", "https://eu-west-1.acme.example/v1")


@given(st.text(string.printable + "é\u2028", max_size=60))
def test_no_region_leads_elsewhere_than_to_the_template_s_host(region: str) -> None:
    try:
        _, url = ROW.url(region)
    except UnknownNameError:
        return
    assert url == "https://api.acme.example/v1" or set(region) <= set(string.ascii_lowercase + string.digits + "-")
    assert checked_url(url).endswith(".acme.example/v1")


def test_a_region_nobody_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match=r"region of moonshot 'eu'.*Known: cn, intl"):
        BUILTIN.provider("moonshot").url("eu")


def test_where_only_the_user_knows_the_host_the_error_says_what_to_write() -> None:
    with pytest.raises(ConfigurationError) as caught:
        BUILTIN.provider("azure").url()
    assert (
        "Provider('azure', url='https://<resource>.openai.azure.com/openai/v1', models={'<deployment>': '<model>'})"
    ) in str(caught.value)
    with pytest.raises(ConfigurationError, match="has no URL in the catalog; pass url="):
        ProviderRow("bare").url()


def test_a_region_that_only_another_api_lacks_is_refused_with_a_way_there() -> None:
    with pytest.raises(UnknownNameError, match=r"region of moonshot 'cn'.*give the URL of its anthropic-messages API"):
        BUILTIN.provider("moonshot").speaking("anthropic-messages").url("cn")
    with pytest.raises(ConfigurationError, match=r"pass region=\.\.\., such as 'us-east-1'"):
        BUILTIN.provider("bedrock").speaking("anthropic-messages").url()


def test_a_host_alone_is_completed_by_the_path_of_the_api_that_is_spoken() -> None:
    paths = {
        dialect: BUILTIN.provider("azure").speaking(dialect).url_path
        for dialect in ("openai-chat", "anthropic-messages")
    }
    assert paths == {"openai-chat": "/openai/v1", "anthropic-messages": "/anthropic/v1"}
    whole = ProviderRow("plain", apis={"gemini": Api(urls={"us": "https://x.example/v1"})})
    assert whole.speaking("gemini").url_path == "", "what is given for it is a whole base URL, as for its usual API"


@pytest.mark.parametrize("name", ["vllm", "sglang", "ollama", "llamacpp", "lmstudio"])
def test_the_host_of_a_server_of_one_s_own_is_enough(name: str) -> None:
    row = BUILTIN.provider(name)
    assert row.url_path == "/v1"
    assert row.url()[1].endswith("/v1")


def test_another_api_has_its_own_place_and_departures_or_those_of_the_row() -> None:
    assert ROW.speaking("openai-chat") is ROW
    responses = ROW.speaking("openai-responses")
    assert (responses.urls, responses.profile, responses.url_path) == (ROW.urls, ROW.profile, "/v1")
    messages = ROW.speaking("anthropic-messages")
    assert (messages.dialect, messages.profile) == ("anthropic-messages", "messages")
    assert messages.url() == ("us", "https://api.acme.example/anthropic/v1")
    assert (messages.url_template, messages.url_path) == ("", "/anthropic/v1")
    assert messages.jurisdictions == ROW.jurisdictions
    assert ROW.dialects == ("openai-chat", "openai-responses", "anthropic-messages")
    with pytest.raises(UnknownNameError, match=r"dialect of acme 'gemini'.*anthropic-messages, openai-chat"):
        ROW.speaking("gemini")


def test_what_is_computed_anywhere_is_told_by_its_wire_name() -> None:
    assert ROW.roams("global.gpt")
    assert not ROW.roams("us.gpt")


def test_a_row_survives_pickling_and_copying_and_counts_in_the_digest() -> None:
    assert pickle.loads(pickle.dumps(ROW)) == ROW == copy.deepcopy(ROW)
    assert hash(ROW) == hash(pickle.loads(pickle.dumps(ROW)))
    one = Catalog(providers=[ROW])
    other = Catalog(providers=[ROW.speaking("anthropic-messages")])
    assert one.digest != other.digest
    assert pickle.loads(pickle.dumps(one)) == one
    assert one.provider_aliases == {"acme-ai": "acme"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"apis": {"openai-chat": {}}}, "give a dict of Api values"),
        ({"apis": 3}, "give a dict of Api values"),
        ({"url_template": "https://host/v1"}, "one place to fill in"),
        ({"url_template": "http://{region}.host/v1"}, "one place to fill in"),
        ({"url_template": "https://{a}.{b}.host/v1"}, "one place to fill in"),
        ({"url_path": "v1"}, "the path of a base URL"),
        ({"url_path": "/v1/"}, "the path of a base URL"),
        ({"url_env": "ENDPOINT"}, "url_env=\\['ENDPOINT'\\]"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ProviderRow("x", **fields)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------------ in a file

FILE = """
[defaults]
source = "their documentation"
as_of = "2026-11-20"

[providers.acme]
urls = { eu = "https://api.acme.example/v1" }
keys = ["ACME_API_KEY"]
aliases = ["acme-ai"]
jurisdictions = { eu = "EU" }
url_template = "https://{region}.acme.example/v1"
url_env = ["ACME_URL"]
region_env = ["ACME_REGION"]
url_path = "/v1"
roaming = ["any.*"]
[providers.acme.apis.openai-responses]
[providers.acme.apis.anthropic-messages]
urls = { eu = "https://api.acme.example/anthropic/v1" }
profile = "messages"
"""


def test_a_file_may_say_all_of_it_and_later_change_one_thing() -> None:
    loaded = load_texts({"acme.toml": FILE}, Catalog())
    row = loaded.provider("acme-ai")
    assert (row.url_env, row.region_env, row.url_path) == (("ACME_URL",), ("ACME_REGION",), "/v1")
    assert row.apis == {
        "openai-responses": Api(),
        "anthropic-messages": Api({"eu": "https://api.acme.example/anthropic/v1"}, "messages"),
    }
    more = """
    [providers.acme]
    source = "a letter"
    as_of = "2026-11-21"
    apis.anthropic-messages.profile = "anthropic"
    """
    changed = load_texts({"more.toml": more}, loaded).provider("acme")
    assert changed.apis["anthropic-messages"].profile == "anthropic"
    assert changed.apis["anthropic-messages"].urls == row.apis["anthropic-messages"].urls
    assert (changed.aliases, changed.url_env, changed.roaming) == (row.aliases, row.url_env, row.roaming)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('keys = ["ACME', 'dialect = "openai-chta"\nkeys = ["ACME', "dialect: unknown dialect 'openai-chta'. Did you"),
        ("apis.openai-responses]", "apis.openai-reponses]", "unknown dialect 'openai-reponses'. Did you mean"),
        ('profile = "messages"', 'profil = "messages"', "profil: unknown key. Did you mean 'profile'"),
        ("{region}", "host", "one place to fill in"),
    ],
)
def test_a_file_s_mistake_is_reported_with_its_place(before: str, after: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=r"acme.toml: ") as caught:
        load_texts({"acme.toml": FILE.replace(before, after, 1)}, Catalog())
    assert message in str(caught.value)


def test_a_target_s_dialect_is_checked_too() -> None:
    text = FILE + '\n[models.m]\n[targets."m@acme"]\ndialect = "gemni"\n'
    with pytest.raises(ConfigurationError, match=r"unknown dialect 'gemni'. Did you mean 'gemini'"):
        load_texts({"acme.toml": text}, Catalog())
