import copy
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from modelroute.catalog import Catalog, Model, Price, ProviderRow, Score, Target, best_score
from modelroute.errors import ConfigurationError, UnknownNameError


@pytest.fixture
def builtin() -> Catalog:
    return Catalog.builtin()


def test_importing_the_catalog_reads_nothing_and_imports_nothing_heavy() -> None:
    code = (
        "import sys, modelroute.catalog; print(sorted({'tomllib', 'pydantic', 'zoneinfo', 'httpx'} & set(sys.modules)))"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert done.stdout == "[]\n"


def test_the_builtin_catalog_is_read_once(builtin: Catalog) -> None:
    assert Catalog.builtin() is builtin


@pytest.mark.parametrize(
    ("kind", "name", "near"),
    [
        ("model", "kimi-k2-6", "kimi-k2.6"),
        ("target", "kimi-k2.6@moonshott", "kimi-k2.6@moonshot"),
        ("provider", "openia", "openai"),
        ("book", "artikle", "article"),
    ],
)
def test_an_unknown_name_is_refused_with_what_may_have_been_meant(
    builtin: Catalog, kind: str, name: str, near: str
) -> None:
    with pytest.raises(UnknownNameError, match=f"Did you mean '{near}'"):
        getattr(builtin, kind)(name)


def test_an_alias_names_the_model_and_its_targets(builtin: Catalog) -> None:
    assert builtin.model("deepseek-v4-flash") is builtin.model("deepseek-flash")
    assert builtin.target("deepseek-v4-flash@deepseek").name == "deepseek-flash@deepseek"
    assert builtin.canonical("gpt-5.6") == "gpt-5.6-sol"
    assert builtin.canonical("no-such@thing") == "no-such@thing"


def test_what_is_added_is_there_and_the_old_catalog_is_as_it_was(builtin: Catalog) -> None:
    before = builtin.digest
    row = ProviderRow("mine", urls={"here": "http://localhost:9/v1"})
    model = Model("my-tune", scores=(Score(61, "our_evals", "we", "2026-11"),))
    grown = builtin.with_(models=[model], providers=[row], targets=[Target.of(model, "mine", price=Price.free())])
    assert grown.target("my-tune@mine").model is grown.model("my-tune")
    assert "our_evals" in grown.scales
    assert "our_evals" not in builtin.scales
    assert len(grown.targets) == len(builtin.targets) + 1
    assert (builtin.digest, grown.digest) == (before, grown.with_().digest)
    assert grown.digest != before
    assert grown.crosswalk is builtin.crosswalk


def test_a_replaced_model_is_replaced_in_its_targets(builtin: Catalog) -> None:
    better = replace(builtin.model("kimi-k2.6"), scores=(Score(70, "intelligence", "our own tests", "2026-11"),))
    changed = builtin.with_(models=[better])
    for host in ("moonshot", "deepinfra", "together", "fireworks"):
        found = best_score(changed.target(f"kimi-k2.6@{host}").model, "intelligence")
        assert found is not None
        assert found.value == 70


def test_a_target_brings_its_model_along() -> None:
    target = Target.of(Model("new", context_window=5), "mine")
    assert Catalog().with_(providers=[ProviderRow("mine")], targets=[target]).model("new").context_window == 5


def test_pointing_at_nothing_is_refused(builtin: Catalog) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown provider 'moonshto'\. Did you mean 'moonshot'"):
        builtin.with_(targets=[Target.of(builtin.model("kimi-k2.6"), "moonshto")])
    with pytest.raises(UnknownNameError, match="unknown model 'm'"):
        Catalog(providers=[ProviderRow("p")], targets=[Target.of(Model("m"), "p")])
    with pytest.raises(UnknownNameError, match="alias 'fast' points at it"):
        builtin.with_(aliases={"fast": "gpt-99"})
    with pytest.raises(ConfigurationError, match="also the name of a model"):
        builtin.with_(aliases={"gpt-5.5": "gpt-5"})


class TestLike:
    def test_a_model_like_another_inherits_what_it_leaves_open_and_scores_as_estimates(self, builtin: Catalog) -> None:
        base = builtin.model("qwen3.8-27b")
        tune = builtin.resolve(Model("my-tune", like="qwen3.8-27b", max_output=4096))
        assert (tune.context_window, tune.max_output) == (base.context_window, 4096)
        assert (tune.features, tune.vocabulary, tune.open_weights) == (base.features, base.vocabulary, True)
        assert tune.reasons_by_default
        found = best_score(tune, "intelligence")
        expected = best_score(base, "intelligence")
        assert found is not None
        assert expected is not None
        assert (found.value, found.error, found.estimated) == (expected.value, expected.error, True)
        assert found.basis == f"like qwen3.8-27b ({expected.basis})"
        assert best_score(tune, "intelligence", estimated=False) is None
        assert (tune.licence, tune.source) == (None, ""), "a licence is not vouched for by likeness"

    def test_a_quoted_score_is_an_estimate_for_whoever_is_like_it(self, builtin: Catalog) -> None:
        found = best_score(builtin.resolve(Model("my-kimi", like="kimi-k2.6")), "intelligence")
        assert found is not None
        assert (found.value, found.estimated, found.basis, found.quarter) == (54, True, "like kimi-k2.6", "")

    def test_its_own_scores_stay_its_own(self, builtin: Catalog) -> None:
        own = Score(40, "intelligence", "our evals", "2026-11")
        tune = builtin.with_(models=[Model("my-tune", like="qwen3.8-27b", scores=(own,))]).model("my-tune")
        assert best_score(tune, "intelligence") == own
        assert best_score(tune, "arena_coding") is not None

    def test_likeness_is_followed_through_aliases_and_others(self, builtin: Catalog) -> None:
        models = [Model("b", like="a", max_output=7), Model("a", like="deepseek-v4-flash")]
        grown = builtin.with_(models=models)
        assert grown.model("b").context_window == builtin.model("deepseek-flash").context_window
        assert grown.model("b").max_output == 7
        found = best_score(grown.model("b"), "intelligence")
        assert found is not None
        assert found.basis.startswith("like a (like deepseek-flash (Arena ")

    def test_resolving_again_changes_nothing(self, builtin: Catalog) -> None:
        grown = builtin.with_(models=[Model("my-tune", like="qwen3.8-27b")])
        assert grown.with_().digest == grown.digest
        assert grown.resolve(grown.model("my-tune")) == grown.model("my-tune")

    def test_circles_and_strangers_are_refused(self, builtin: Catalog) -> None:
        with pytest.raises(ConfigurationError, match="a -> b -> a are like each other"):
            builtin.with_(models=[Model("a", like="b"), Model("b", like="a")])
        with pytest.raises(UnknownNameError, match=r"Did you mean 'qwen3\.8-27b'"):
            builtin.resolve(Model("a", like="qwen3.8-28b"))


def test_equal_content_has_an_equal_digest_whatever_the_order(builtin: Catalog) -> None:
    shuffled = Catalog(
        models=list(builtin.models.values())[::-1],
        providers=list(builtin.providers.values())[::-1],
        targets=list(builtin.targets.values())[::-1],
        aliases=dict(list(builtin.aliases.items())[::-1]),
        books=builtin.books.values(),
        crosswalk=builtin.crosswalk,
    )
    assert shuffled == builtin
    assert hash(shuffled) == hash(builtin)
    assert len(builtin.digest) == 12
    assert builtin != "catalog"


def test_any_change_changes_the_digest(builtin: Catalog) -> None:
    """A tenth of a cent, a score, a URL: the ledger's digest must tell them apart."""
    target = builtin.target("kimi-k2.6@moonshot")
    model = builtin.model("kimi-k2.6")
    changes = [
        builtin.with_(targets=[replace(target, price=Price(input=0.95, output=4, cached_input=0.161))]),
        builtin.with_(models=[replace(model, scores=model.scores[:-1])]),
        builtin.with_(providers=[replace(builtin.provider("openai"), urls={"us": "https://example.com"})]),
        builtin.with_(aliases={"best": "kimi-k2.6"}),
    ]
    assert len({catalog.digest for catalog in [builtin, *changes]}) == 5


def test_a_catalog_survives_pickling_and_copying(builtin: Catalog) -> None:
    again = pickle.loads(pickle.dumps(builtin))
    assert again == builtin
    assert again.targets == builtin.targets
    assert copy.deepcopy(builtin).digest == builtin.digest


def test_a_catalog_cannot_be_changed(builtin: Catalog) -> None:
    with pytest.raises(AttributeError, match="immutable"):
        builtin.models = {}
    with pytest.raises(AttributeError, match="immutable"):
        del builtin.models
    with pytest.raises(TypeError):
        builtin.models["x"] = Model("x")  # type: ignore[index]
    with pytest.raises(TypeError):
        builtin.provider("openai").urls["us"] = "https://example.com"  # type: ignore[index]


def test_an_empty_catalog_is_one() -> None:
    empty = Catalog()
    assert (empty.as_of, set(empty.scales), len(empty.targets)) == ("", {"intelligence"}, 0)
    assert repr(empty).startswith("<Catalog undated: 0 models")


def test_a_target_made_of_a_model_takes_over_its_limits() -> None:
    model = Model("m", context_window=1, max_input=2, max_output=3, features=frozenset({"tools"}), retires="2027-01-01")
    target = Target.of(model, "p", wire_name="vendor/m")
    assert (target.context_window, target.max_input, target.max_output) == (1, 2, 3)
    assert (target.features, target.retires, target.wire_name, target.name) == (
        model.features,
        "2027-01-01",
        "vendor/m",
        "m@p",
    )
