"""OpenTelemetry for a router: traces and metrics by the conventions for generative AI, made of its notices.

Needs OpenTelemetry's API (``pip install 'modelroute[otel]'``); where the application sets up no SDK, nothing is
recorded. Names are in docs/reference/telemetry.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modelroute.errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from modelroute.types.notices import RouterEvent

__all__ = ["OpenTelemetry"]


class OpenTelemetry:
    """A listener for `on_event` that makes spans and metrics: ``Router(..., on_event=OpenTelemetry())``.

    Each request is a span ``modelroute.route``, a child of whatever span its caller was in, with a span
    ``chat {model}`` below it for each attempt. They are made behind the request, with its true times. One listener
    serves any number of routers.

    `tracer_provider`, `meter_provider`: the global ones by default. Prompts and answers are never recorded, for notices
    do not hold them.

    Raises `ConfigurationError` when OpenTelemetry's API is not installed.
    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        from modelroute import __version__

        try:
            from opentelemetry.context import Context, get_current

            from modelroute.integrations.instruments import Instruments
            from modelroute.integrations.spans import Spans
        except ModuleNotFoundError as missing:
            if (missing.name or "").partition(".")[0] != "opentelemetry":
                raise
            raise ConfigurationError(
                "OpenTelemetry() needs OpenTelemetry's API, which is not installed: pip install 'modelroute[otel]'"
            ) from None
        self._current = get_current
        self._context = Context
        self._spans = Spans(tracer_provider, __version__)
        self._instruments = Instruments(meter_provider, __version__)

    def capture(self) -> Context:
        """Return the caller's context, whose span becomes the parent. Called where the request is made."""
        return self._current()

    def receive(self, event: RouterEvent, captured: object) -> None:
        """Record a notice; `captured` is what `capture` returned for its request."""
        parent = captured if isinstance(captured, self._context) else self._context()
        self._instruments.receive(event, self._spans.receive(event, parent))

    def __call__(self, event: RouterEvent) -> None:
        """Record a notice whose caller is not known: its span has no parent."""
        self.receive(event, None)
