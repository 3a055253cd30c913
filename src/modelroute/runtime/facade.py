"""What the two routers have in common: how they are made, viewed, explained and shown. They differ in how they wait."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from modelroute.errors import ConfigurationError
from modelroute.runtime.calls import options_from, request_from
from modelroute.runtime.clocks import Clocks
from modelroute.runtime.core import RouterCore
from modelroute.runtime.declared import check_declared, check_environ
from modelroute.runtime.environment import providers_from
from modelroute.runtime.options import NOTHING_SAID

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self, Unpack

    from modelroute.catalog.catalog import Catalog
    from modelroute.policy.policy import Policy
    from modelroute.providers.provider import Provider
    from modelroute.resilience.backoff import Retry
    from modelroute.runtime.calls import Asking, Routing
    from modelroute.runtime.core import Prepared
    from modelroute.runtime.options import CallOptions
    from modelroute.types.decision import Decision
    from modelroute.types.messages import Messages
    from modelroute.types.notices import RouterEvent
    from modelroute.types.request import JsonSchema
    from modelroute.types.timeouts import Timeouts

__all__ = ["Facade"]


class Facade:
    """The half of a router that does not wait. Not for use by itself."""

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        policy: Policy | None = None,
        catalog: Catalog | None = None,
        retry: Retry | None = None,
        timeouts: Timeouts | None = None,
        on_event: Callable[[RouterEvent], object] | None = None,
    ) -> None:
        self._core = RouterCore(
            providers,
            policy=policy,
            catalog=catalog,
            retry=retry,
            timeouts=timeouts,
            on_event=on_event,
            clocks=self._clocks(),
        )
        self._options: CallOptions = NOTHING_SAID
        self._is_view = False
        self._connect()

    def _clocks(self) -> Clocks:
        """Return the clocks that everything below is handed; a simulation has its own."""
        return Clocks()

    def _connect(self) -> None:
        """Make what executes plans; opens nothing."""
        raise NotImplementedError

    @classmethod
    def from_env(
        cls,
        *,
        policy: Policy | None = None,
        catalog: Catalog | None = None,
        retry: Retry | None = None,
        timeouts: Timeouts | None = None,
        on_event: Callable[[RouterEvent], object] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """Return a router over every provider of the catalog whose key is set in the environment.

        Raises `NoProviderError`, which lists the variables that were looked for, when there is none.
        """
        from modelroute.catalog.catalog import Catalog

        check_declared(policy=policy, catalog=catalog, retry=retry, timeouts=timeouts, on_event=on_event)
        check_environ(environ)
        known = Catalog.builtin() if catalog is None else catalog
        return cls(
            providers_from(known, environ),
            policy=policy,
            catalog=known,
            retry=retry,
            timeouts=timeouts,
            on_event=on_event,
        )

    @property
    def policy(self) -> Policy:
        """The policy that decides."""
        return self._core.policy

    @property
    def catalog(self) -> Catalog:
        """The catalog, with what the providers declared themselves."""
        return self._core.catalog

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of every target this router could call, sorted."""
        return tuple(sorted(self._core.endpoints))

    def with_options(self, **options: Unpack[Routing]) -> Self:
        """Return a view of this router whose calls carry `options` too; it shares everything and need not be closed."""
        view = copy.copy(self)
        view._options = self._options | options_from(**options)
        view._is_view = True
        return view

    def explain(self, messages: Messages, **asking: Unpack[Asking]) -> Decision:
        """Return the decision that `chat` would execute with the same arguments. Sends nothing, waits for nothing."""
        return self._prepared(messages, asking, streaming=False).decision

    def _prepared(
        self, messages: Messages, asking: Mapping[str, object], *, streaming: bool, schema: JsonSchema | None = None
    ) -> Prepared:
        request, options = request_from(messages, asking, schema=schema)
        return self._core.prepare(request, self._options | options, streaming=streaming)

    def _refuse_when_closed(self) -> None:
        self._core.refuse_when_closed()

    def _refuse_closing_a_view(self) -> None:
        if self._is_view:
            raise ConfigurationError("this is a view made by with_options(); close the router it was made from")

    def __repr__(self) -> str:
        state = "closed" if self._core.closed else f"{len(self._core.endpoints)} targets"
        return f"<{type(self).__name__} {state}, policy {self._core.policy.name or 'unnamed'}>"
