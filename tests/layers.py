"""The table of layers, as import-linter's own contract type and as values that the tests read.

The rows live once, in pyproject.toml. A stock contract names what is forbidden and fails on a package that does not
stand yet; this one names what is allowed, so a package without a row may import nothing and be imported by none.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

ROOT = Path(__file__).parent.parent
PACKAGE = "modelroute"


@dataclass(frozen=True, slots=True)
class Import:
    """One import statement: `importer` and `imported` are dotted module names, `line` counts from 1."""

    importer: str
    imported: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer} -> {self.imported} (line {self.line})"


def parse(rows: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """Map each package of rows like "router, async_router: types, catalog" to all it may import, itself included.

    Raises:
        ValueError: a package has two rows, or a row allows a package that has none.
    """
    table: dict[str, frozenset[str]] = {}
    for row in rows:
        left, _, right = row.partition(":")
        packages = frozenset(name.strip() for name in left.split(","))
        for package in packages:
            if package in table:
                raise ValueError(f"{package} has two rows")
            table[package] = packages | {name.strip() for name in right.split(",")}
    unknown = frozenset[str]().union(*table.values()) - table.keys()
    if unknown:
        raise ValueError(f"a row allows {', '.join(sorted(unknown))}, which has no row of its own")
    return table


def rows() -> list[str]:
    """Return the rows as pyproject.toml has them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    return next(cast("list[str]", contract["rows"]) for contract in contracts if contract["type"] == "table")


def package_of(module: str) -> str:
    """Return the part of modelroute a module belongs to, "" for the root itself."""
    return module.removeprefix(PACKAGE).removeprefix(".").partition(".")[0]


def forbidden(table: Mapping[str, frozenset[str]], imports: Iterable[Import]) -> list[Import]:
    """Return the imports between parts of modelroute that the table does not allow.

    The root re-exports and may import all; what stands above the facades may import the root.
    """
    found: list[Import] = []
    for entry in imports:
        importer, imported = package_of(entry.importer), package_of(entry.imported)
        if importer == "" or entry.imported.partition(".")[0] != PACKAGE:
            continue
        allowed = table.get(importer, frozenset())
        stands_above_the_facades = "router" in allowed and importer not in {"router", "async_router"}
        if imported not in allowed and not (imported == "" and stands_above_the_facades):
            found.append(entry)
    return found


class TableContract(Contract):
    """Each part of the package imports only what its row names; `rows` is the one field."""

    type_name = "table"
    rows = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        table = parse(cast("list[str]", self.rows))
        imports = [
            Import(importer, imported, graph.get_import_details(importer=importer, imported=imported)[0]["line_number"])
            for importer in sorted(graph.modules)
            if importer.partition(".")[0] == PACKAGE
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
        ]
        found = forbidden(table, imports)
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for entry in check.metadata["found"]:
            output.print_error(f"{entry} is not in the table of layers", bold=False)
        output.new_line()
