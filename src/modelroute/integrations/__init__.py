"""Listeners that hand a router's notices to other tools: `OpenTelemetry` and `PrometheusMetrics`.

Give one, or several in a list, as ``Router(..., on_event=...)``. Each needs its extra: ``modelroute[otel]``,
``modelroute[prometheus]``. Importing this package imports neither.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelroute.integrations.opentelemetry import OpenTelemetry as OpenTelemetry
    from modelroute.integrations.prometheus import PrometheusMetrics as PrometheusMetrics

_HOME = {"OpenTelemetry": "opentelemetry", "PrometheusMetrics": "prometheus"}

__all__ = ["OpenTelemetry", "PrometheusMetrics"]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"modelroute.integrations.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
