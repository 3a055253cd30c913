"""The layers, read from the source by ast: an import under TYPE_CHECKING or inside a function counts like any other."""

import ast
import sys
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests import layers
from tests.layers import Import

SOURCE = layers.ROOT / "src"
HTTP = frozenset({"httpx", "httpx2", "httpcore", "httpcore2"})
CORE = frozenset({"pydantic", "pydantic_core", "tenacity", "tiktoken"})
# What a part may import from outside beyond the core; a name that stands nowhere here may be imported by no one.
OUTSIDE: Mapping[str, frozenset[str]] = {
    "runtime": HTTP,
    "testing": HTTP | {"xllamacpp"},
    "catalog": frozenset({"genai_prices"}),
    "cli": frozenset({"pyarrow", "rich", "typer", "xllamacpp"}),
    "integrations": frozenset({"opentelemetry", "prometheus_client"}),
    "stores": frozenset({"redis"}),
}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


# `from package import name` names a module or a value; only the tree tells which.
MODULES = frozenset(module_name(path) for path in SOURCE.rglob("*.py"))


def imports_in(tree: ast.AST, importer: str, *, modules: frozenset[str] = MODULES) -> Iterator[Import]:
    """Yield every import of a syntax tree, with `from a import b` resolved to the module `a.b` where that is one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(importer, alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{importer} line {node.lineno}: imports are absolute"
            base = node.module or ""
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield Import(importer, inner if inner in modules else base, node.lineno)


def run_on_import(tree: ast.Module) -> ast.Module:
    """Return the part of a module that runs when it is imported: no function bodies, nothing under TYPE_CHECKING."""

    class Pruned(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
            return None

        def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
            return None

        def visit_If(self, node: ast.If) -> ast.AST | None:
            return None if "TYPE_CHECKING" in ast.dump(node.test) else self.generic_visit(node)

    Pruned().visit(tree)
    return tree


def read(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def source_files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def source_imports() -> list[Import]:
    return [entry for path in source_files() for entry in imports_in(read(path), module_name(path))]


def outside(imports: list[Import]) -> list[Import]:
    """Return imports of packages that the importing part may not use; HTTP only from runtime/http*, or testing."""
    found: list[Import] = []
    for entry in imports:
        name = entry.imported.partition(".")[0]
        if name == layers.PACKAGE or name in sys.stdlib_module_names:
            continue
        allowed = CORE | OUTSIDE.get(layers.package_of(entry.importer), frozenset())
        if entry.importer.startswith("modelroute.runtime.") and not entry.importer.startswith(
            "modelroute.runtime.http"
        ):
            allowed -= HTTP
        if name not in allowed:
            found.append(entry)
    return found


def cycle_in(imports: list[Import]) -> list[str]:
    """Return the modules of one import cycle, or nothing; that a module loads its parents is Python's doing."""
    graph: dict[str, set[str]] = {}
    for entry in imports:
        if not entry.importer.startswith(f"{entry.imported}.") and entry.imported != entry.importer:
            graph.setdefault(entry.importer, set()).add(entry.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as cycle:
        return [str(module) for module in cycle.args[1]]
    return []


def lines(imports: list[Import]) -> str:
    return "\n".join(str(entry) for entry in imports)


def test_every_package_stands_in_the_table() -> None:
    table = layers.parse(layers.rows())
    parts = {layers.package_of(module_name(path)) for path in source_files()} - {""}
    assert parts, "no source was found"
    assert parts <= table.keys(), f"no row in pyproject.toml for {sorted(parts - table.keys())}"


def test_the_table_has_no_cycle() -> None:
    """Only errors, money and types may import each other; every other row looks strictly down."""
    table = layers.parse(layers.rows())
    ground = {"errors", "money", "types"}
    graph = {name: allowed - ground - {name, "router", "async_router"} for name, allowed in table.items()}
    TopologicalSorter(graph).prepare()
    assert all(table[name] == ground for name in ground)
    assert table["engine"] == ground | {"engine", "policy", "resilience", "providers"}
    assert table["policy"] == ground | {"policy", "catalog"}
    assert table["resilience"] == ground | {"resilience"}


def test_imports_keep_to_the_table() -> None:
    found = layers.forbidden(layers.parse(layers.rows()), source_imports())
    assert not found, f"not in the table of layers:\n{lines(found)}"


def test_outside_packages_are_imported_where_they_may_be() -> None:
    found = outside(source_imports())
    assert not found, f"not allowed there:\n{lines(found)}"


def test_no_module_imports_itself_through_others() -> None:
    imports = [entry for path in source_files() for entry in imports_in(run_on_import(read(path)), module_name(path))]
    cycle = cycle_in(imports)
    assert not cycle, f"import cycle: {' -> '.join(cycle)}"


@pytest.mark.parametrize(
    ("importer", "statement", "caught"),
    [
        ("policy.cost", "from modelroute.catalog.price import Price", False),
        ("policy.cost", "from modelroute.policy.task import Task", False),
        ("policy.cost", "from modelroute.wire.sse import Decoder", True),
        ("policy.cost", "import modelroute.runtime.clock", True),
        ("policy.cost", "from modelroute import wire", True),
        ("policy.cost", "from modelroute import Router", True),
        ("policy.cost", "if TYPE_CHECKING:\n    from modelroute.engine.route import route", True),
        ("policy.cost", "def price():\n    from modelroute.engine.route import route", True),
        ("policy.cost", "import httpx", True),
        ("runtime.drive", "import httpx", True),
        ("runtime.http_sync", "from httpx import Client", False),
        ("engine.route", "from modelroute.catalog.price import Price", True),
        ("testing.script", "from modelroute import Router", False),
        ("testing.script", "import httpx2", False),
        ("runtime.drive", "import requests", True),
        ("runtime.drive", "import asyncio, json", False),
        ("async_router", "from modelroute.router import Router", False),
        ("router", "from modelroute.testing.script import Script", True),
        ("newcomer.part", "from modelroute.types.usage import Usage", True),
    ],
)
def test_the_check_catches(importer: str, statement: str, caught: bool) -> None:
    """The check itself can fail: each kind of import is judged as the table says."""
    modules = frozenset({"modelroute.wire", "modelroute.wire.sse"})
    imports = list(imports_in(ast.parse(statement), f"modelroute.{importer}", modules=modules))
    assert bool(layers.forbidden(layers.parse(layers.rows()), imports) + outside(imports)) is caught


def test_a_cycle_is_caught_and_a_lazy_import_is_none() -> None:
    eager = "import modelroute.b"
    lazy = "def later():\n    import modelroute.a\nif TYPE_CHECKING:\n    import modelroute.a"
    a = list(imports_in(run_on_import(ast.parse(eager)), "modelroute.a"))
    assert cycle_in([*a, *imports_in(run_on_import(ast.parse(lazy)), "modelroute.b")]) == []
    assert set(cycle_in([*a, *imports_in(ast.parse(lazy), "modelroute.b")])) == {"modelroute.a", "modelroute.b"}


@pytest.mark.parametrize("rows", [["a: b"], ["a: a", "a: a"]])
def test_a_broken_table_is_refused(rows: list[str]) -> None:
    with pytest.raises(ValueError, match="row"):
        layers.parse(rows)
