import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog import Catalog, Rates, best_score
from modelroute.catalog.load import load_texts
from modelroute.errors import ConfigurationError, ModelRouteError

WHOLE = """
[defaults]
source = "our contract"
as_of = "2026-11-01"
vendor = "us"

[providers.mine]
urls = { eu = "https://llm.example.com/v1", lab = "http://10.0.0.5/v1" }
keys = ["MINE_KEY"]
jurisdictions = { eu = "EU", lab = "self-hosted" }
retention_days = 0
trains = false
charges_errors = false

[aliases]
"ours" = "ours-1"

[models."ours-1"]
released = 2026-10-01
open_weights = true
context_window = 8_000
features = ["tools"]
efforts = ["low", "high"]
scores = [{ scale = "our_evals", value = 71.5, effort = "high", source = "our evals", as_of = "2026-11" }]

[targets."ours-1@mine"]
max_output = 1_000
retires = 2027-06-30
note = "the trial contract"

[[targets."ours-1@mine".prices]]
from = 2026-11-01
input = 0.5
output = 1
tiers = [{ above = 4_000, input = 1, output = 2 }]

[[targets."ours-1@mine".prices]]
from = 2026-12-01T00:00:00+01:00
input = 7
output = 14
currency = "CNY"
exchange = 0.14
exchange_as_of = 2026-11-01
source = "our amendment"
windows = [
  { hours = ["09:00-17:00"], days = ["mon"], zone = "Europe/Berlin", input = 14, output = 28, label = "day" },
]

[[ratings]]
id = "ours-one"
model = "ours-1"
scores = { arena = [1400.5, 4.0], arena_coding = 1410 }

[books.plan]
prices = { "ours-1" = { input = 1, output = 2, approximate = true } }
"""


def load(text: str, onto: Catalog | None = None) -> Catalog:
    return load_texts({"mine.toml": text}, Catalog.builtin() if onto is None else onto)


@pytest.fixture(scope="module")
def loaded() -> Catalog:
    return load(WHOLE, Catalog())


def test_everything_a_file_says_is_in_the_catalog(loaded: Catalog) -> None:
    row, model, target = loaded.provider("mine"), loaded.model("ours"), loaded.target("ours@mine")
    assert dict(row.urls) == {"eu": "https://llm.example.com/v1", "lab": "http://10.0.0.5/v1"}
    assert (row.jurisdictions["eu"], row.keys, row.retention_days, row.trains) == ("EU", ("MINE_KEY",), 0, False)
    assert (row.charges_errors, row.source, row.as_of) == (False, "our contract", "2026-11-01")
    assert (model.vendor, model.released, model.context_window, model.efforts) == (
        "us",
        "2026-10-01",
        8000,
        ("low", "high"),
    )
    assert model.features == target.features == {"tools", "open_weights"}
    assert {(s.scale, s.value, s.effort, s.error, s.source, s.as_of, s.basis) for s in model.scores} == {
        ("our_evals", 71.5, "high", None, "our evals", "2026-11", ""),
        ("arena", 1400.5, "", 4.0, "our contract", "2026-11-01", "ours-one"),
        ("arena_coding", 1410, "", None, "our contract", "2026-11-01", "ours-one"),
    }
    assert (target.context_window, target.max_output, target.retires) == (8000, 1000, "2027-06-30")
    assert (target.note, target.wire_name, target.served) == ("the trial contract", "ours-1", True)
    assert loaded.as_of == "2026-11-01"
    assert loaded.scales == {"intelligence", "our_evals", "arena", "arena_coding"}
    assert loaded.book("plan").prices["ours-1"].approximate


def test_its_prices_are_exact_dated_and_sourced(loaded: Catalog) -> None:
    price = loaded.target("ours-1@mine").price
    assert price is not None
    first, second = price.rows
    assert (first.since, second.since) == (1793491200.0, 1796079600.0)
    assert first.at(0, 4001) == Rates.per_million(1, 2)
    assert second.rates == Rates.per_million("0.98", "1.96")
    assert second.windows[0].rates == Rates.per_million("1.96", "3.92")
    assert (first.source, second.source, second.as_of) == ("our contract", "our amendment", "2026-11-01")


def test_a_file_on_disk_goes_on_top_of_the_builtin_catalog(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(WHOLE, "utf-8")
    grown = Catalog.load(path)
    assert set(grown.targets) == {*Catalog.builtin().targets, "ours-1@mine"}
    assert Catalog.load(str(path), onto=Catalog()) == load(WHOLE, Catalog())


def test_a_table_for_what_exists_changes_only_what_it_gives() -> None:
    head = '[defaults]\nsource = "us"\nas_of = "2026-11-01"\n'
    before = Catalog.builtin()
    after = load(
        head
        + '[models."kimi-k2.6"]\nlicence_checked = true\n'
        + 'scores = [{ scale = "intelligence", value = 58, source = "our evals", as_of = "2026-11" }]\n'
        + '[targets."kimi-k2.6@moonshot"]\nprices = [{ input = 0.5, output = 2 }]\n'
        + '[providers.moonshot]\nkeys = ["TEAM_KIMI_KEY"]\n'
    )
    model, target = after.model("kimi-k2.6"), after.target("kimi-k2.6@moonshot")
    assert (model.licence, model.licence_checked) == ("Modified MIT", True)
    assert model.context_window == before.model("kimi-k2.6").context_window
    found, coding = best_score(model, "intelligence"), best_score(model, "arena_coding")
    assert found is not None
    assert found.value == 58, "the newer word replaces the quoted score"
    assert coding == best_score(before.model("kimi-k2.6"), "arena_coding")
    assert target.price is not None
    assert [row.rates for row in target.price.rows] == [Rates.per_million(0.5, 2)]
    assert target.retires == before.target("kimi-k2.6@moonshot").retires
    assert after.target("kimi-k2.6@deepinfra").model is model
    assert after.target("kimi-k2.6@deepinfra").price == before.target("kimi-k2.6@deepinfra").price
    assert (after.provider("moonshot").keys, after.provider("moonshot").urls) == (
        ("TEAM_KIMI_KEY",),
        before.provider("moonshot").urls,
    )


def test_a_target_of_a_model_like_another_has_its_limits() -> None:
    text = '[defaults]\nsource = "us"\nas_of = "2026-11"\n[models.tune]\nlike = "qwen3.8-27b"\n[targets."tune@vllm"]\n'
    target = load(text).target("tune@vllm")
    base = Catalog.builtin().model("qwen3.8-27b")
    assert (target.context_window, target.features, target.price) == (base.context_window, base.features, None)


def test_closing_the_weights_takes_the_feature_away() -> None:
    text = '[defaults]\nsource = "us"\nas_of = "2026-11"\n[models."kimi-k2.6"]\nopen_weights = false\n'
    assert "open_weights" not in load(text).model("kimi-k2.6").features


HEAD = 'defaults = { source = "us", as_of = "2026-11" }\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[models", "mine.toml: not valid TOML"),
        ("[modles.x]", "mine.toml: modles: unknown key. Did you mean 'models'"),
        ("[models.x]", 'mine.toml: [models."x"] source: is missing: every fact says where it is from'),
        ('[models.x]\nsource = "us"', 'mine.toml: [models."x"] as_of: is missing: every fact says when'),
        (
            HEAD + "[models.x]\ncontext_windw = 5",
            "[models.\"x\"] context_windw: unknown key. Did you mean 'context_window'",
        ),
        (
            HEAD + '[models.x]\ncontext_window = "big"',
            "context_window: must be a whole number, not negative, not 'big'",
        ),
        (HEAD + "[models.x]\ncontext_window = -1", "must be a whole number, not negative"),
        (HEAD + "[models.x]\ncontext_window = true", "must be a whole number"),
        (HEAD + '[models.x]\nfeatures = ["tool"]', "features: unknown feature 'tool'. Did you mean 'tools'"),
        (HEAD + '[models.x]\nfeatures = "tools"', "features: must be a list, not 'tools'"),
        (HEAD + "[models.x]\nfeatures = [1]", "features: must be a list of texts"),
        (HEAD + '[models.x]\nopen_weights = "yes"', "open_weights: must be true or false, not 'yes'"),
        (HEAD + "[models.x]\nvendor = 1", "vendor: must be text, not 1"),
        (HEAD + '[models.x]\nreleased = "soon"', "released: must be a date such as"),
        (HEAD + '[models.x]\nreleased = "2026-13"', "released: must be a date such as"),
        (HEAD + '[models.x]\nretires = "2026-12"', "retires: must be a full date"),
        (HEAD + '[models.x]\nlike = "qwen3.8-28b"', "[models.\"x\"] like: no model is called 'qwen3.8-28b'. Did you"),
        (HEAD + '[models.x]\nscores = [{ value = 5, scale = "s" }]', '[models."x".scores[0]] source: is missing'),
        (HEAD + '[models.x]\nscores = [{ scale = "s", source = "a", as_of = "2026" }]', "value: is required: a number"),
        (
            HEAD + '[models.x]\nscores = [{ value = nan, scale = "s", source = "a", as_of = "2026" }]',
            "must be a number",
        ),
        (
            HEAD + '[models.x]\nscores = [{ value = 5, source = "a", as_of = "2026" }]',
            "scale: is required and must not be",
        ),
        (HEAD + "[models.x]\nscores = [5]", "scores: must be a list of tables, not 5"),
        (HEAD + '[models.""]', "a model's name is text"),
        (HEAD + "[models]\nx = 5", "models.x: must be a table"),
        (HEAD + "models = 5", "models: must be a table, not 5"),
        (HEAD + '[providers."a@b"]', "a provider's name is text without '@'"),
        (HEAD + '[providers.p]\njurisdictions = { eu = "EU" }', "jurisdictions: 'eu' is no region"),
        (HEAD + "[providers.p]\nurls = { eu = 5 }", "urls.eu: must be text, not 5"),
        (HEAD + '[targets."gpt-5.5"]', "a target is called model@provider"),
        (HEAD + '[targets."gpt-5.55@openai"]', "no model is called 'gpt-5.55'. Did you mean 'gpt-5.5'"),
        (HEAD + '[targets."gpt-5.5@openay"]', "no provider is called 'openay'. Did you mean 'openai'"),
        (HEAD + '[targets."gpt-5.5@openai"]\nlacks = ["tool"]', "lacks: unknown feature 'tool'"),
        ("PRICE input = 1", "prices[0]] output: is missing"),
        ("PRICE output = 1", "prices[0]] input: is missing"),
        ("PRICE input = -1, output = 1", "the price input=-1 is negative"),
        ("PRICE input = 0.0000001, output = 1", "finer than a pico-dollar per token"),
        ("PRICE input = inf, output = 1", "input: must be a number"),
        ('PRICE input = "1", output = 1', "input: must be a number, not '1'"),
        ("PRICE input = 1, output = 1, inptu = 1", "inptu: unknown key. Did you mean 'input'"),
        (
            "PRICE input = 1, output = 1, from = 2026-08-16T16:00:00",
            "from: must be a date, or a date and time with its zone",
        ),
        ('PRICE input = 1, output = 1, from = "2026"', "from: must be a date, or"),
        ('PRICE input = 1, output = 1, currency = "CNY"', "a price in CNY needs a dated rate"),
        ("PRICE input = 1, output = 1, tiers = [{ input = 1, output = 1 }]", "tiers[0]] above: is missing"),
        (
            "PRICE input = 1, output = 1, tiers = [{above=1, input=1, output=1}, {above=1, input=2, output=3}]",
            "two tiers",
        ),
        (
            "PRICE input = 1, output = 1, windows = [{ input = 1, output = 1 }]",
            "windows[0]]: a price window needs hours",
        ),
        ('PRICE input = 1, output = 1, windows = [{ hours = ["1-4"], input = 1, output = 1 }]', "must look like"),
        ("PRICE input = 1, output = 1 }, { input = 1, output = 1", "two rows of a price begin at the same moment"),
        ('[sources]\na = "A"\n[models.x]\nsource = "b"\nas_of = "2026"', "'b' is not one of [sources]"),
        (HEAD + '[aliases]\nfast = "gpt-99"', "aliases.fast: no model is called 'gpt-99'"),
        (HEAD + '[[ratings]]\nid = "a"\nmodel = "gpt-99"\nscores = { arena = 1 }', "no model is called 'gpt-99'"),
        (
            HEAD + '[[ratings]]\nid = "a"\nmodel = "gpt-5"\nscores = { arena = [1, 2, 3] }',
            "must be a number or [number, error]",
        ),
        (HEAD + "[crosswalk]", "[crosswalk] origin: is required"),
        (HEAD + '[crosswalk]\norigin = "arena"\nscale = "intelligence"', "[crosswalk] slope: is required: a number"),
        (
            HEAD + '[books.b.prices]\n"gpt-55" = { input = 1, output = 1 }',
            "no model is called 'gpt-55'. Did you mean 'gpt-5.5'",
        ),
    ],
)
def test_a_mistake_is_told_with_file_table_and_key(text: str, says: str) -> None:
    if text.startswith("PRICE"):
        text = f'{HEAD}[targets."gpt-5@openai"]\nprices = [{{ {text.removeprefix("PRICE")} }}]'
    with pytest.raises(ConfigurationError, match=re.escape(says)):
        load(text)


def test_estimates_need_the_line_that_made_them() -> None:
    with pytest.raises(ConfigurationError, match=r"need a \[crosswalk\]"):
        load('[[estimates]]\nmodel = "x"\nvalue = 1\nerror = 1\nbasis = "b"', Catalog())


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ours.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"cannot read the catalog file '.*ours\.toml'"):
        Catalog.load(path)


toml_values = st.recursive(
    st.sampled_from(["1", "-1", "0.5", "nan", "true", '"x"', '""', '"2026-01"', "2026-01-01", "2026-01-01T00:00:00Z"]),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(st.sampled_from(["input", "output", "above", "hours", "x"]), inner, max_size=3).map(
            lambda table: "{ " + ", ".join(f"{key} = {value}" for key, value in table.items()) + " }"
        )
    ),
    max_leaves=6,
)
keys = st.sampled_from(
    [
        "source",
        "as_of",
        "vendor",
        "released",
        "features",
        "scores",
        "prices",
        "retires",
        "urls",
        "keys",
        "like",
        "served",
    ]
)


@given(
    st.sampled_from(
        ["providers.p", "models.m", 'targets."gpt-5@openai"', "books.b", "crosswalk", "defaults", "sources"]
    ),
    st.dictionaries(keys, toml_values, max_size=5),
)
def test_whatever_a_file_holds_only_our_own_errors_leave(table: str, values: dict[str, str]) -> None:
    text = f"[{table}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())
    with suppress(ModelRouteError):
        load(text if table in {"defaults", "sources"} else HEAD + text)


@given(st.text(max_size=60))
def test_whatever_the_text_only_our_own_errors_leave(text: str) -> None:
    with suppress(ModelRouteError):
        load(text)


def test_a_free_target_is_free_and_an_unpriced_one_has_no_price() -> None:
    head = HEAD + '[targets."gpt-5@vllm"]\n'
    free = load(head + "prices = [{ input = 0, output = 0 }]").target("gpt-5@vllm").price
    assert free is not None
    assert free.is_free
    assert load(head).target("gpt-5@vllm").price is None
