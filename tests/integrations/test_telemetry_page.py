"""docs/reference/telemetry.md names what is told, all of it and nothing else."""

import re

from prometheus_client import CollectorRegistry

from modelroute.integrations import PrometheusMetrics
from modelroute.integrations import semantics as names
from tests.docs.pages import ROOT

CODE = set(re.findall(r"`([^`\n]+)`", (ROOT / "docs/reference/telemetry.md").read_text(encoding="utf-8")))
DOTTED = {word for word in CODE if re.fullmatch(r"(modelroute|gen_ai|error|http)(\.\w+)+", word)}
MONEY = {names.CEILING, names.ESTIMATE, names.BOUND, names.RESERVED, names.COST, names.WANTED, names.LEFT}
VALUES = {"gcp.gemini", "modelroute.types.notices"}


def test_every_name_of_the_module_is_on_the_page_and_no_other() -> None:
    ours = {
        value
        for name, value in vars(names).items()
        if name.isupper() and isinstance(value, str) and "." in value.strip(".")
    }
    amounts = {name + part for name in MONEY for part in (names.DOLLARS, names.PICO_DOLLARS)}
    assert (ours - MONEY) | {names.COST_TOTAL} | amounts == DOTTED


def test_every_metric_of_prometheus_is_on_the_page_and_no_other() -> None:
    registry = CollectorRegistry()
    PrometheusMetrics(registry)
    made = {metric.name + ("_total" if metric.type == "counter" else "") for metric in registry.collect()}
    assert made == {word for word in CODE if word.startswith("modelroute_")}
