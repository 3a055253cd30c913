"""What installed packages add: real ones, as far as Python can tell, on a path of their own."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from modelroute import Router
from modelroute.catalog import Catalog
from modelroute.catalog.plugins import PluginWarning
from modelroute.errors import ConfigurationError

BUILTIN = Catalog.builtin()
Install = Callable[..., None]

ROW = """
from modelroute.catalog import Catalog, Model, Price, ProviderRow, Target

row = ProviderRow("acme", urls={"eu": "https://api.acme.example/v1"}, keys=("ACME_API_KEY",), aliases=("acme-ai",))
model = Model("acme-1")
"""
TOML = """
[defaults]
source = "acme"
as_of = "2026-11-20"
[providers.acme]
urls = { eu = "https://api.acme.example/v1" }
keys = ["ACME_API_KEY"]
[models.acme-1]
[targets."acme-1@acme"]
prices = [{ input = 1, output = 2 }]
[targets."kimi-k2.6@acme"]
wire_name = "kimi"
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a package of one module with one entry point, as a wheel would: a module and its dist-info."""
    modules: list[str] = []

    def installed(package: str, value: str, code: str = ROW, **data: str) -> None:
        module = package.replace("-", "_")
        modules.append(module)
        (tmp_path / f"{module}.py").write_text(code, "utf-8")
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", "utf-8")
        (info / "entry_points.txt").write_text(f"[modelroute.providers]\nours = {value}\n", "utf-8")
        for name, text in data.items():
            (tmp_path / f"{name}.toml").write_text(text, "utf-8")

    monkeypatch.syspath_prepend(str(tmp_path))
    yield installed
    for module in modules:
        sys.modules.pop(module, None)


def test_without_such_packages_it_is_the_built_in_catalog_itself() -> None:
    assert Catalog.installed() is BUILTIN


@pytest.mark.parametrize(
    ("value", "more"),
    [
        ("acme_pack:row", ""),
        ("acme_pack:rows", "rows = [row]"),
        ("acme_pack:provide", "def provide(): return row"),
        ("acme_pack:catalog", "catalog = Catalog(models=[model], providers=[row], targets=[Target.of(model, 'acme')])"),
        ("acme_pack:grown", "def grown(): return Catalog.builtin().with_(providers=[row])"),
    ],
)
def test_a_package_adds_rows_or_a_catalog(install: Install, value: str, more: str) -> None:
    install("acme-pack", value, ROW + more)
    catalog = Catalog.installed(strict=True)
    assert catalog.provider("acme").url() == ("eu", "https://api.acme.example/v1")
    assert catalog.providers.keys() - BUILTIN.providers.keys() == {"acme"}
    assert "acme" not in Catalog.builtin().providers, "asked for, never by itself"


def test_a_package_adds_the_file_it_comes_with(install: Install) -> None:
    code = "from pathlib import Path\ndef file(): return Path(__file__).parent / 'acme.toml'"
    install("acme-pack", "acme_pack:file", code, acme=TOML)
    catalog = Catalog.installed(strict=True)
    assert catalog.targets.keys() - BUILTIN.targets.keys() == {"acme-1@acme", "kimi-k2.6@acme"}


def test_a_router_from_the_environment_has_it(install: Install) -> None:
    code = "from pathlib import Path\ndef file(): return str(Path(__file__).parent / 'acme.toml')"
    install("acme-pack", "acme_pack:file", code, acme=TOML)
    with Router.from_env(environ={"ACME_API_KEY": "sk-acme"}) as router:
        assert router.targets == ("acme-1@acme", "kimi-k2.6@acme")


@pytest.mark.parametrize(
    ("value", "code", "words"),
    [
        ("bad_pack:row", "raise RuntimeError('boom')", "RuntimeError: boom"),
        ("bad_pack:row", "raise SystemExit('boom')", "SystemExit: boom"),
        ("bad_pack:nothing", ROW, "AttributeError"),
        ("no_such_module:row", "", "ModuleNotFoundError"),
        ("bad_pack:provide", "def provide(): return 1 / 0", "ZeroDivisionError"),
        ("bad_pack:provide", "def provide(needed): return needed", "TypeError"),
        ("bad_pack:value", "value = 5", "which is not a ProviderRow"),
        ("bad_pack:value", "value = []", "which is not a ProviderRow"),
        ("bad_pack:value", "value = 'no-such-file.toml'", "cannot read the catalog file"),
        ("bad_pack:row", ROW.replace('"acme-ai"', '"gemini"'), "an alias"),
        ("bad_pack:row", ROW.replace('"acme",', '"openai",'), "it changes 'openai' of providers"),
        (
            "bad_pack:c",
            ROW + "c = Catalog(models=[Model('gpt-5.5')], providers=[row])",
            "it changes 'gpt-5.5' of models",
        ),
    ],
)
def test_a_broken_package_is_named_and_left_out_and_breaks_nobody_else(
    install: Install, value: str, code: str, words: str
) -> None:
    install("bad-pack", value, code)
    install("good-pack", "good_pack:row", ROW)
    with pytest.warns(PluginWarning, match="'bad-pack' adds nothing to the catalog") as caught:
        catalog = Catalog.installed()
    assert words in str(caught[0].message)
    assert "Update or uninstall it." in str(caught[0].message)
    assert catalog.providers.keys() - BUILTIN.providers.keys() == {"acme"}, "the good one is there"
    assert catalog.provider("openai") == BUILTIN.provider("openai"), "nobody is sent elsewhere"
    with pytest.raises(ConfigurationError, match="bad-pack"):
        Catalog.installed(strict=True)


def test_two_packages_cannot_have_one_name(install: Install) -> None:
    install("a-pack", "a_pack:row", ROW)
    install("b-pack", "b_pack:row", ROW.replace("api.acme", "api.other"))
    with pytest.warns(PluginWarning, match="b-pack"):
        catalog = Catalog.installed()
    assert catalog.provider("acme").url()[1] == "https://api.acme.example/v1"


def test_what_is_added_goes_on_top_of_a_catalog_of_one_s_own(install: Install) -> None:
    install("acme-pack", "acme_pack:row", ROW)
    assert Catalog.installed(onto=Catalog()).providers.keys() == {"acme"}


def test_a_broken_package_does_not_break_the_import(install: Install, tmp_path: Path) -> None:
    install("bad-pack", "bad_pack:row", "raise SystemExit('boom')")
    code = "import modelroute; modelroute.Catalog.builtin(); print('ok')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == "ok\n"


def test_reading_them_warns_of_nothing_else(install: Install) -> None:
    install("acme-pack", "acme_pack:row", ROW)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Catalog.installed()
