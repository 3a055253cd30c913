"""Read the provider rows of a catalog file. Internal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from modelroute.catalog.rows import DIALECTS, Api, ProviderRow
from modelroute.catalog.source import SourceFile
from modelroute.catalog.tables import Table
from modelroute.errors import did_you_mean

__all__ = ["checked_dialect", "provider_row"]

_JURISDICTIONS_HINT = "jurisdictions are by region and may only name regions of urls"


def provider_row(file: SourceFile, table: Table, base: ProviderRow) -> ProviderRow:
    """Return `base` with what `table` says of it."""
    source, as_of = file.provenance(table)
    urls = table.mapping("urls") or base.urls
    jurisdictions = table.mapping("jurisdictions") or base.jurisdictions
    for region in jurisdictions:
        if region not in urls:
            raise table.error("jurisdictions", f"{region!r} is no region; {_JURISDICTIONS_HINT}: {', '.join(urls)}")
    return replace(
        base,
        urls=urls,
        keys=table.texts("keys") or base.keys,
        dialect=checked_dialect(table, "dialect", table.text("dialect", base.dialect)),
        profile=table.text("profile", base.profile),
        jurisdictions=jurisdictions,
        retention_days=table.whole("retention_days", base.retention_days),
        trains=table.optional_flag("trains", base.trains),
        charges_errors=table.flag("charges_errors", base.charges_errors),
        needs_key=table.flag("needs_key", base.needs_key),
        source=source,
        as_of=as_of,
        note=table.text("note", base.note),
        aliases=table.texts("aliases") or base.aliases,
        apis=_apis(table, base.apis),
        url_template=table.text("url_template", base.url_template),
        url_env=table.texts("url_env") or base.url_env,
        region_env=table.texts("region_env") or base.region_env,
        url_path=table.text("url_path", base.url_path),
        roaming=table.texts("roaming") or base.roaming,
    )


def _apis(table: Table, base: Mapping[str, Api]) -> Mapping[str, Api]:
    apis = dict(base)
    for dialect, row in table.children("apis"):
        before = apis.get(checked_dialect(row, "", dialect)) or Api()
        with row.placing():
            apis[dialect] = Api(
                urls=row.mapping("urls") or before.urls,
                profile=row.text("profile", before.profile),
                url_template=row.text("url_template", before.url_template),
            )
        row.finish()
    return apis


def checked_dialect(table: Table, key: str, name: str) -> str:
    """Return `name`; `ConfigurationError` with its place for what is no dialect."""
    if name not in DIALECTS:
        known = ", ".join(sorted(DIALECTS))
        raise table.error(key, f"unknown dialect {name!r}.{did_you_mean(name, DIALECTS)} Known: {known}.")
    return name
