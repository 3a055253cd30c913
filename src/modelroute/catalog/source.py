"""One catalog file as it was parsed, with what its tables inherit from its head. Internal."""

from __future__ import annotations

import tomllib
from decimal import Decimal

from modelroute.catalog.tables import Table
from modelroute.errors import ConfigurationError, did_you_mean

__all__ = ["SourceFile"]


class SourceFile:
    """One parsed file with what its tables inherit: sources by short name, default `source`, `as_of` and `vendor`."""

    def __init__(self, name: str, text: str) -> None:
        try:
            values = tomllib.loads(text, parse_float=Decimal)
        except (ValueError, ArithmeticError, RecursionError) as error:  # the reader's own, and a number of 5,000 digits
            raise ConfigurationError(f"{name}: not valid TOML: {error}") from error
        self.top = Table(name, "", values)
        self.sources = self.top.mapping("sources")
        self.source = self.as_of = self.vendor = ""
        defaults = self.top.child("defaults")
        if defaults is not None:
            self.source, self.as_of = defaults.text("source"), defaults.day("as_of")
            self.vendor = defaults.text("vendor")
            defaults.finish()

    def provenance(self, table: Table, source: str | None = None, as_of: str | None = None) -> tuple[str, str]:
        """Return source and date of a fact: its own, else those given, else the file's defaults. There must be both."""
        said = table.text("source") or (self.source if source is None else source)
        when = table.day("as_of") or (self.as_of if as_of is None else as_of)
        if not said:
            raise table.error(
                "source", "is missing: every fact says where it is from; give it here or under [defaults]"
            )
        if not when:
            raise table.error("as_of", "is missing: every fact says when it was read; give it here or under [defaults]")
        if self.sources and said not in self.sources and said not in self.sources.values():
            raise table.error("source", f"{said!r} is not one of [sources].{did_you_mean(said, self.sources)}")
        return self.sources.get(said, said), when
