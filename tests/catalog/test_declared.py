"""What users declare by hand: what is plainly meant works, everything else is refused when it is built."""

import pickle
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog import (
    FEATURES,
    Book,
    BookPrice,
    Catalog,
    Model,
    Price,
    PriceRow,
    ProviderRow,
    Rates,
    Score,
    Target,
    Tier,
    Window,
)
from modelroute.errors import ConfigurationError, UnknownNameError
from tests.junk import junk, works_or_is_refused

BUILTIN = Catalog.builtin()
RATES = Rates(1, 2)
SCORE = {"value": 50, "scale": "intelligence", "source": "we", "as_of": "2026-11-20"}


def model(**fields: Any) -> Model:  # noqa: ANN401 - a user without a type checker may pass anything
    return Model(**{"name": "mine", **fields})


def served(declared: Model) -> Catalog:
    """A catalog that holds `declared` at a provider of its own."""
    row = ProviderRow("here", urls={"here": "http://127.0.0.1:9/v1"}, needs_key=False)
    whole = BUILTIN.with_(models=[declared], providers=[row])
    return whole.with_(targets=[Target.of(whole.resolve(declared), "here")])


@pytest.mark.parametrize("features", [{"tools"}, ["tools"], ("tools",), frozenset({"tools"}), iter(["tools"])])
def test_features_may_be_typed_as_any_collection(features: object) -> None:
    declared = model(features=features)

    assert declared.features == frozenset({"tools"})
    assert declared == model(features=frozenset({"tools"}))
    assert served(declared).digest == served(model(features=frozenset({"tools"}))).digest


def test_lists_become_tuples_and_whole_numbers_integers() -> None:
    score = Score(50, "intelligence", "we", "2026-11")
    declared = model(efforts=["low", "high"], scores=[score], context_window=1e4, max_output=4096.0)

    assert (declared.efforts, declared.scores) == (("low", "high"), (score,))
    assert (declared.context_window, declared.max_output) == (10_000, 4_096)
    assert isinstance(declared.context_window, int)
    assert hash(declared) == hash(pickle.loads(pickle.dumps(declared)))


def test_dates_may_be_dates() -> None:
    declared = model(retires=date(2027, 1, 1), released=date(2026, 2, 3), as_of=date(2026, 11, 20))

    assert (declared.retires, declared.released, declared.as_of) == ("2027-01-01", "2026-02-03", "2026-11-20")
    assert Score(50, "s", "we", date(2026, 11, 20)).as_of == "2026-11-20"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"features": "tools"}, r"features=\{'tools'\}"),
        ({"features": ["tool"]}, "Did you mean 'tools'"),
        ({"features": 3}, "features"),
        ({"features": {"tools": True}}, "features"),
        ({"context_window": "128k"}, "128_000"),
        ({"context_window": 1.5}, "whole number"),
        ({"context_window": True}, "whole number"),
        ({"context_window": 0}, "whole number"),
        ({"max_input": "4k"}, "max_input"),
        ({"max_output": 1e4 + 0.5}, "max_output"),
        ({"retires": "soon"}, "2026-12-31"),
        ({"retires": "2026-12"}, "2026-12-31"),
        ({"retires": datetime(2026, 12, 31)}, "2026-12-31"),  # noqa: DTZ001 - what a user may hand in
        ({"scores": {"intelligence": 50}}, r"Score\(54, 'intelligence'"),
        ({"scores": 50}, r"Score\(54, 'intelligence'"),
        ({"scores": [50]}, r"Score\(54, 'intelligence'"),
        ({"scores": Score(50, "s", "we", "2026")}, "in a list"),
        ({"like": 3}, "like=3"),
        ({"name": ""}, "name"),
        ({"name": "a@b"}, "'@'"),
        ({"name": "a b"}, "spaces"),
        ({"name": " a"}, "spaces"),
        ({"name": 3}, "name=3"),
        ({"efforts": "high"}, r"efforts=\['high'\]"),
        ({"efforts": [1]}, "efforts"),
        ({"open_weights": "yes"}, "True or False"),
        ({"served": None}, "True or False"),
        ({"licence": ["MIT"]}, "licence"),
        ({"vendor": None}, "vendor"),
    ],
)
def test_a_model_that_cannot_be_meant_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        model(**fields)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: Score("50", "s", "we", "2026"), "number"),  # type: ignore[arg-type]
        (lambda: Score(float("nan"), "s", "we", "2026"), "number"),
        (lambda: Score(50, "", "we", "2026"), "scale"),
        (lambda: Score(50, "s", "we", "last week"), "as_of"),
        (lambda: Score(50, "s", "we", "2026", error=-1), "error"),
        (lambda: ProviderRow("a@b"), "provider's name"),
        (lambda: ProviderRow("p", urls="http://x"), "urls"),  # type: ignore[arg-type]
        (lambda: ProviderRow("p", urls={"r": 3}), "urls"),  # type: ignore[dict-item]
        (lambda: ProviderRow("p", keys="KEY"), r"keys=\['KEY'\]"),  # type: ignore[arg-type]
        (lambda: ProviderRow("p", jurisdictions={"r": "eu"}), "Did you mean 'EU'"),
        (lambda: Target.of("m", "p"), r"Model\('m'\)"),  # type: ignore[arg-type]
        (lambda: Target.of(Model("m"), "p", price=1.5), r"Price\(input=\.\.\., output=\.\.\.\)"),  # type: ignore[arg-type]
        (lambda: Target(Model("m"), "p", "", None), "wire_name"),
        (lambda: Catalog(models=Model("m")), r"models=\[Model"),  # type: ignore[arg-type]
        (lambda: Catalog(models=["m"]), "models"),  # type: ignore[list-item]
        (lambda: BUILTIN.with_(targets=3), "targets"),  # type: ignore[arg-type]
        (lambda: BUILTIN.with_(aliases={"a": 3}), "aliases"),  # type: ignore[dict-item]
        (lambda: BUILTIN.resolve("gpt-5.5"), "Model"),  # type: ignore[arg-type]
        (lambda: Rates("1", 2), "Rates.per_million"),  # type: ignore[arg-type]
        (lambda: Tier("128k", RATES), "Tier.*whole number"),  # type: ignore[arg-type]
        (lambda: PriceRow(RATES, since=datetime(2026, 1, 1)), "timestamp"),  # type: ignore[arg-type]  # noqa: DTZ001
        (lambda: PriceRow(RATES, tiers=Tier(1, RATES)), "tiers"),  # type: ignore[arg-type]
        (lambda: Price.dated(3), "PriceRow"),  # type: ignore[arg-type]
        (lambda: Price(input=1, output=2, windows=3), "windows"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_meant_is_refused_when_built(build: Callable[[], object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        build()


@pytest.mark.parametrize("method", ["model", "target", "provider", "book", "canonical"])
@given(name=junk())
def test_a_name_of_any_type_is_looked_up_or_refused(method: str, name: object) -> None:
    works_or_is_refused(lambda: getattr(BUILTIN, method)(name))


def test_a_name_that_is_no_text_is_refused_as_such() -> None:
    for name in (None, 3, b"gpt-5.5", ["gpt-5.5"]):
        with pytest.raises(ConfigurationError, match="text"):
            BUILTIN.model(name)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="text"):
            BUILTIN.target(name)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["GPT-5.5", "Gpt-5.5", "gpt_5.5"])
def test_a_name_in_other_letters_is_recognised(name: str) -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'gpt-5\.5'"):
        BUILTIN.model(name)


@pytest.mark.parametrize("path", [None, 3, b"x", "\0", "\ud800", [], "x" * 100_000, object()])
def test_a_path_that_cannot_be_read_is_refused(path: object) -> None:
    with pytest.raises(ConfigurationError, match="catalog file"):
        Catalog.load(path)  # type: ignore[arg-type]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing, broken, binary = (tmp_path / name for name in ("missing.toml", "broken.toml", "binary.toml"))
    broken.write_text("[models", "utf-8")
    binary.write_bytes(b"\xff\xfe")
    for path in (tmp_path, missing, broken, binary):
        with pytest.raises(ConfigurationError) as caught:
            Catalog.load(path)
        assert str(path) in str(caught.value)
    with pytest.raises(ConfigurationError, match="onto"):
        Catalog.load(missing, onto=3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        '[models."a b"]',
        '[models."a@b"]',
        "[models.a]\ncontext_window = 0",
        "[models.a]\nscores = [{value = 1e999, scale = 's', source = 's', as_of = 2026-01-01}]",
        "[models.a]\ncontext_window = " + "9" * 5_000,
        "[models.a]\nx = 1e99999999999999999999",
        '[providers."a b"]',
        "[providers.p]\nurls = {r = 'http://x'}\njurisdictions = {r = 'eu'}",
    ],
)
def test_what_is_refused_in_a_file_is_refused_with_its_place(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f"[defaults]\nsource = 's'\nas_of = 2026-01-01\n{text}\n", "utf-8")

    with pytest.raises(ConfigurationError, match=r"mine\.toml: "):
        Catalog.load(path)


DECLARATIONS: dict[Callable[..., Any], dict[str, Any]] = {
    Model: dict.fromkeys(Model.__dataclass_fields__),
    Score: SCORE | dict.fromkeys(("effort", "estimated", "error", "basis", "quarter")),
    ProviderRow: dict.fromkeys(ProviderRow.__dataclass_fields__),
    Target: dict.fromkeys(Target.__dataclass_fields__),
    Target.of: dict.fromkeys(("model", "provider", "price", "wire_name")),
    Price: dict.fromkeys(
        ("input", "output", "cached_input", "cache_write", "tiers", "windows", "currency", "exchange", "exchange_as_of")
    ),
    Rates: dict.fromkeys(Rates.__dataclass_fields__),
    Tier: dict.fromkeys(("above", "rates")),
    PriceRow: dict.fromkeys(("rates", "since", "tiers", "windows", "source", "as_of", "note")),
    Window: dict.fromkeys(("rates", "hours", "days", "zone", "tiers", "except_dates", "label")),
    Book: dict.fromkeys(("name", "source", "as_of", "prices", "note")),
    BookPrice: dict.fromkeys(("rates", "approximate")),
    Catalog: dict.fromkeys(("models", "providers", "targets", "aliases", "books", "crosswalk")),
    BUILTIN.with_: dict.fromkeys(("models", "providers", "targets", "aliases")),
}
NEEDED: dict[Callable[..., Any], dict[str, Any]] = {
    Model: {"name": "mine"},
    Score: SCORE,
    ProviderRow: {"name": "p"},
    Target: {"model": Model("m"), "provider": "p", "wire_name": "m", "price": None},
    Target.of: {"model": Model("m"), "provider": "p"},
    Price: {"input": 1, "output": 2},
    Rates: {"input": 1, "output": 2},
    Tier: {"above": 1, "rates": RATES},
    PriceRow: {"rates": RATES},
    Window: {"rates": RATES, "hours": ("01:00-04:00",)},
    Book: {"name": "b", "source": "s", "as_of": "2026"},
    BookPrice: {"rates": RATES},
}
USED: dict[Callable[..., Any], Callable[[Any], object]] = {
    Model: lambda declared: (served(declared).digest, served(declared).as_of, hash(declared)),
    Score: lambda score: served(model(scores=(score,))).digest,
    ProviderRow: lambda row: BUILTIN.with_(providers=[row]).digest,
    Target: lambda target: (
        target.name,
        BUILTIN.with_(providers=[ProviderRow(target.provider)], targets=[target]).digest,
    ),
    Price: lambda price: (repr(price), hash(price), price.at(0, 10), price.dearest(0, 9e5, 10), price.basis(0)),
    PriceRow: lambda row: (repr(Price.dated(row)), Price.dated(row).at(1e9, 10)),
    Catalog: lambda catalog: (catalog.digest, catalog.as_of, repr(catalog), catalog.scales),
}


@pytest.mark.parametrize("declare", DECLARATIONS, ids=lambda declare: declare.__qualname__)
@given(data=st.data())
def test_whatever_is_declared_works_or_is_refused(declare: Callable[..., Any], data: st.DataObject) -> None:
    """A value of any type at any keyword: the declaration can be used, or an error of ours says what to write."""
    keyword = data.draw(st.sampled_from(sorted(DECLARATIONS[declare])), label="keyword")
    value = data.draw(junk(), label="value")
    use = USED.get(declare, repr)
    works_or_is_refused(lambda: declare(**{**NEEDED.get(declare, {}), keyword: value}), use)


def test_every_feature_may_be_declared() -> None:
    assert model(features=FEATURES).features == FEATURES
