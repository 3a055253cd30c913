"""The reference pages say what the code says: keywords, failures, errors, defaults, layers, names."""

import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path

import pytest

import modelroute
from modelroute import (
    AsyncRouter,
    AsyncStream,
    Attempt,
    Embeddings,
    Parsed,
    Provider,
    Reply,
    Router,
    Stream,
    Timeouts,
    TokenLogprob,
    TopLogprob,
    Usage,
    errors,
    testing,
)
from modelroute.runtime.calls import Asking, Routing
from modelroute.types.failure import TABLE
from modelroute.types.reply import Partial
from tests.docs.pages import ROOT, Block, Page, read_page
from tests.docs.run import run_page
from tests.layers import parse, rows

REFERENCE = ROOT / "docs/reference"


def text_of(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def words_of(page: str) -> set[str]:
    """Return every name that stands in code on the page: in backticks, alone or as part of a call."""
    outside = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    return {word for code in re.findall(r"`([^`]+)`", outside) for word in re.findall(r"\w+", code)}


def table_rows(page: str) -> Iterator[list[str]]:
    """Yield the cells of every row of every table of the page; their backticks are left off."""
    for line in text_of(page).splitlines():
        if line.startswith("| "):
            yield [cell.strip().strip("`") for cell in line.strip("|").split(" | ")]


def public(cls: type) -> list[str]:
    return [name for name, _ in inspect.getmembers(cls) if not name.startswith("_")]


# -------------------------------------------------------------------------------------------------------- router.md


@pytest.mark.parametrize("cls", [Router, AsyncRouter, Stream, AsyncStream])
def test_every_method_is_in_the_reference(cls: type) -> None:
    assert set(public(cls)) <= words_of("reference/router.md")


@pytest.mark.parametrize("call", [Router.__init__, Router.from_env])
def test_every_argument_of_making_a_router_is_in_the_reference(call: object) -> None:
    assert callable(call)
    arguments = set(inspect.signature(call).parameters) - {"self"}
    assert arguments <= words_of("reference/router.md")


@pytest.mark.parametrize("call", [Provider.__init__, Provider.compatible])
def test_every_argument_of_a_provider_is_in_the_reference(call: object) -> None:
    assert callable(call)
    arguments = set(inspect.signature(call).parameters) - {"self"}
    text = text_of("reference/router.md").split("### `Provider(name, ...)`")[1].split("## Asking")[0]
    assert arguments <= set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", text))))


def test_every_keyword_of_a_call_is_in_the_reference() -> None:
    """Options stand in the table of options, parameters in the table of parameters, and nothing else does."""
    text = text_of("reference/router.md")
    options, parameters = text.split("## Options: how to route")[1].split("## Parameters: what to send")
    own = set(Routing.__annotations__)
    assert first_cells(options) == own
    assert first_cells(parameters.split("## ")[0]) == set(Asking.__annotations__) - own


def first_cells(text: str) -> set[str]:
    cells = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| `")]
    return {word for cell in cells for word in re.findall(r"`(\w+)`", cell)}


def test_timeouts_are_in_the_reference() -> None:
    assert {field.name for field in fields(Timeouts)} <= words_of("reference/router.md")


# -------------------------------------------------------------------------------------- replies, errors and failures


def test_the_failure_table_is_the_code_s() -> None:
    written = {
        row[0]: tuple(row[2:]) for row in table_rows("reference/failures.md") if len(row) == 6 and row[0] in set(TABLE)
    }
    assert written == {
        kind.value: (row.seen.value, row.retry.value, row.breaker.value, row.charge.value)
        for kind, row in TABLE.items()
    }


def test_every_word_of_the_failure_table_is_explained() -> None:
    explained = {row[0] for row in table_rows("reference/failures.md") if len(row) == 2}
    explained |= {word for both in list(explained) for word in re.findall(r"\w+", both)}
    used = {word for row in TABLE.values() for word in (row.retry.value, row.breaker.value, row.charge.value)}
    assert used <= explained


@pytest.mark.parametrize("cls", [Reply, Parsed, Attempt, Usage, Partial, Embeddings, TokenLogprob, TopLogprob])
def test_every_field_of_a_reply_is_in_the_reference(cls: type) -> None:
    assert is_dataclass(cls)
    names = {field.name for field in fields(cls)}
    assert names <= words_of("reference/reply.md")


def test_the_tree_of_errors_is_the_code_s() -> None:
    (tree,) = [block.text for block in read_page(REFERENCE / "errors.md").blocks if block.language == "text"]
    parents: dict[int, str] = {}
    for line in tree.splitlines():
        mark = re.search(r"\w", line)
        assert mark is not None
        depth = mark.start() // 4
        name, _, builtin = line[mark.start() :].partition(" ")
        parents[depth] = name
        cls = getattr(errors, name)
        bases = {base.__name__ for base in cls.__bases__}
        written = {parents[depth - 1]} if depth else {"Exception"}
        assert bases == written | set(re.findall(r"\w+", builtin)), name
    named = set(re.findall(r"\w+Error\b", tree)) - {"ValueError", "TimeoutError", "RuntimeError"}
    assert named == {name for name in errors.__all__ if name.endswith("Error")}


def test_every_field_of_an_error_is_in_the_reference() -> None:
    for name in errors.__all__:
        known = getattr(errors, name)
        if isinstance(known, type):
            assert issubclass(known, errors.ModelRouteError)
            assert set(known.fields) <= words_of("reference/errors.md"), name


# --------------------------------------------------------------------------------------------------------- defaults


def value_at(place: str) -> object:
    """Return what `place` names below modelroute: a constant, a field's default, an entry of a mapping or its part."""
    plain, _, rest = place.partition("[")
    found = named(plain)
    key, _, after = rest.partition("]")
    if key:
        assert isinstance(found, Mapping)
        found = found[key]
    for name in filter(None, after.split(".")):
        found = getattr(found, name)
    return found


def named(place: str) -> object:
    module, _, name = place.rpartition(".")
    try:
        return default_of(importlib.import_module(f"modelroute.{module}"), name)
    except ModuleNotFoundError:
        return default_of(named(module), name)


def default_of(owner: object, name: str) -> object:
    if isinstance(owner, type) and is_dataclass(owner):
        (field,) = [field for field in fields(owner) if field.name == name]
        assert field.default is not MISSING
        return field.default
    return getattr(owner, name)


def written_defaults() -> list[tuple[str, str]]:
    return [
        (row[2], row[1])
        for row in table_rows("reference/defaults.md")
        if len(row) >= 3 and re.fullmatch(r"[\d.]+", row[1])
    ]


@pytest.mark.parametrize(("place", "number"), written_defaults())
def test_a_default_is_the_code_s(place: str, number: str) -> None:
    assert value_at(place) == float(number)


def test_every_time_limit_has_its_row() -> None:
    """What is easily changed and forgotten: all fields of the values a caller hands in."""
    places = {place for place, _ in written_defaults()}
    assert len(places) > 30
    assert {f"types.timeouts.Timeouts.{field.name}" for field in fields(Timeouts)} <= places


# --------------------------------------------------------------------------------------------- layers and other names


def test_the_table_of_layers_is_the_linter_s() -> None:
    written: list[str] = []
    for line in text_of("explanation/architecture.md").splitlines():
        cells = line.strip("|").split(" | ")
        if line.startswith("| `") and len(cells) == 3:
            written.append(": ".join(", ".join(re.findall(r"`(\w+)`", cell)) for cell in (cells[0], cells[2])))
    assert parse(written) == parse(rows())


def test_every_name_for_testing_is_in_the_reference() -> None:
    assert set(testing.__all__) <= words_of("reference/testing.md")


def test_every_public_name_is_somewhere_in_the_pages() -> None:
    pages = [*ROOT.glob("docs/**/*.md"), ROOT / "README.md"]
    known = {word for path in pages for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
    assert set(modelroute.__all__) <= known


def test_every_command_and_option_is_in_the_reference() -> None:
    typer = pytest.importorskip("typer")
    from modelroute.cli.app import app

    group = typer.main.get_command(app)
    text = text_of("reference/command-line.md")
    for name, command in group.commands.items():
        assert f"## `modelroute {name}" in text
        section = text.split(f"## `modelroute {name}")[1].split("\n## ")[0]
        options = {word for option in command.params for word in option.opts if word.startswith("--")}
        common = {"--help", "--verbose"}
        assert options - common <= set(re.findall(r"--[a-z-]+", section)), name


def test_the_first_answer_of_the_readme_is_what_is_printed(tmp_path: Path) -> None:
    """Target and cost stand in a comment there, which the runner does not compare."""
    page = read_page(ROOT / "README.md")
    first = page.blocks[0]
    shown = first.text.rpartition("# ")[2]
    assert "$" in shown
    run_page(Page(page.path, (first, Block(page.path, first.line, "output", shown)), page.setups, ()), tmp_path)


def test_the_pages_are_short_enough_to_be_read() -> None:
    long = [name.name for name in Path(ROOT / "docs").rglob("*.md") if len(name.read_text("utf-8").splitlines()) > 300]
    assert long == []
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 150
