"""What the two routers have in common: how they are made, viewed, explained and shown. They differ in how they wait."""

from __future__ import annotations

import copy
import weakref
from dataclasses import replace
from typing import TYPE_CHECKING

from modelroute.errors import ConfigurationError, RequestError
from modelroute.money import ZERO
from modelroute.policy.budget import view_budget
from modelroute.policy.policy import Policy
from modelroute.runtime.calls import options_from, request_from
from modelroute.runtime.clocks import Clocks
from modelroute.runtime.core import RouterCore
from modelroute.runtime.declared import check_declared, check_environ
from modelroute.runtime.embedding import embedding_from, embedding_plan
from modelroute.runtime.environment import providers_from
from modelroute.runtime.options import NOTHING_SAID, CallOptions
from modelroute.runtime.replay import refuse_key
from modelroute.types.hedge import Hedge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from os import PathLike
    from typing import Self, Unpack

    from modelroute.catalog.catalog import Catalog
    from modelroute.engine.plan import Plan
    from modelroute.money import Money, MoneyLike
    from modelroute.policy.budget import Budget, OnExceeded
    from modelroute.providers.provider import Provider
    from modelroute.resilience.backoff import Retry
    from modelroute.runtime.budgeting import StoreLike
    from modelroute.runtime.calls import Asking, Routing
    from modelroute.runtime.core import Prepared
    from modelroute.runtime.reaper import Reaper
    from modelroute.runtime.sink import Listeners
    from modelroute.types.claims import Balance
    from modelroute.types.decision import Decision
    from modelroute.types.messages import Messages
    from modelroute.types.request import JsonSchema, Request
    from modelroute.types.timeouts import Timeouts

__all__ = ["Facade"]

_RACES = "runs attempts beside each other, which needs AsyncRouter: use that, or leave hedge= out"


class Facade:
    """The half of a router that does not wait. Not for use by itself."""

    _reaper: Reaper

    _races = False
    """Whether it runs on an event loop: attempts may be made beside each other, and nothing may block."""

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        policy: Policy | None = None,
        catalog: Catalog | None = None,
        retry: Retry | None = None,
        timeouts: Timeouts | None = None,
        on_event: Listeners = None,
        budgets: Sequence[Budget] = (),
        store: StoreLike = None,
        ledger: str | PathLike[str] | None = None,
        record_content: bool = False,
    ) -> None:
        if isinstance(policy, Policy) and policy.hedges and not self._races:
            raise ConfigurationError(f"this policy's hedge= {_RACES}")
        self._core = RouterCore(
            providers,
            policy=policy,
            catalog=catalog,
            retry=retry,
            timeouts=timeouts,
            on_event=on_event,
            clocks=self._clocks(),
            budgets=budgets,
            store=store,
            ledger=ledger,
            record_content=record_content,
        )
        self._options: CallOptions = NOTHING_SAID
        self._is_view = False
        self._budget: Budget | None = None
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
        on_event: Listeners = None,
        budgets: Sequence[Budget] = (),
        store: StoreLike = None,
        ledger: str | PathLike[str] | None = None,
        record_content: bool = False,
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """Return a router over every provider of the catalog whose key is set in the environment.

        Without a `catalog` it is the one that ships, with what installed packages add (`Catalog.installed()`).
        Raises `NoProviderError`, which lists the variables that were looked for, when there is none.
        """
        from modelroute.catalog.catalog import Catalog

        check_declared(policy=policy, catalog=catalog, retry=retry, timeouts=timeouts, on_event=on_event)
        check_environ(environ)
        known = Catalog.installed() if catalog is None else catalog
        return cls(
            providers_from(known, environ),
            policy=policy,
            catalog=known,
            retry=retry,
            timeouts=timeouts,
            on_event=on_event,
            budgets=budgets,
            store=store,
            ledger=ledger,
            record_content=record_content,
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

    @property
    def dropped_events(self) -> int:
        """How many notices were lost because `on_event` or the log could not keep up."""
        return self._core.sink.dropped

    def with_options(self, **options: Unpack[Routing]) -> Self:
        """Return a view of this router whose calls carry `options` too; it shares everything and need not be closed."""
        view = copy.copy(self)
        view._options = self._options | self._possible(options_from(**options))
        view._is_view = True
        return view

    def budget(self, limit: MoneyLike, *, hard: bool = True, on_exceeded: OnExceeded = "refuse") -> Self:
        """Return a view whose calls may cost at most `limit` together: ``with router.budget(5) as capped:``.

        `capped.spent` and `capped.remaining` say how it stands. Views of the view share its budget. `hard` and
        `on_exceeded` as for `Budget`. The account lives in this process, for as long as the view does.
        """
        core = self._core
        capped = view_budget(core.number(), limit, hard=hard, on_exceeded=on_exceeded)
        weakref.finalize(capped, core.books.local.forget, capped.name).atexit = False
        view = copy.copy(self)
        view._options = self._options | CallOptions(budgets=(capped,))
        view._is_view = True
        view._budget = capped
        return view

    @property
    def spent(self) -> Money:
        """What the calls through this view of `budget(...)` have cost, those under way left out."""
        found = self._capped_balance()[1]
        return ZERO if found is None else found.spent

    @property
    def remaining(self) -> Money:
        """What is left for calls through this view of `budget(...)`: its limit less what is spent and set aside."""
        capped, found = self._capped_balance()
        return capped.limit if found is None else max(ZERO, capped.limit - found.spent - found.reserved)

    def _capped_balance(self) -> tuple[Budget, Balance | None]:
        if self._budget is None:
            raise ConfigurationError(
                "spent and remaining are those of a view: with router.budget(5) as capped: ... capped.spent"
            )
        return self._budget, self._core.books.local.balance(self._budget.name, now=self._core.clocks.wall())

    def explain(self, messages: Messages, **asking: Unpack[Asking]) -> Decision:
        """Return the decision that `chat` would execute with the same arguments. Sends nothing, waits for nothing."""
        return self._prepared(messages, asking, method="explain").decision

    def _prepared(self, messages: Messages, asking: Mapping[str, object], *, method: str) -> Prepared:
        """Read and decide a call of a `method` that keeps no replies."""
        request, options = self._read(messages, asking)
        refuse_key(options, method)
        if method == "stream":
            self._core.listen(wait=not self._races)
        return self._core.prepare(request, options, streaming=method == "stream")

    def _embedding(
        self, inputs: str | Iterable[str], model: str, dimensions: int | None, asking: Mapping[str, object]
    ) -> Plan:
        """Read, decide and plan a call of `embed`."""
        request, options = embedding_from(inputs, model, dimensions, asking)
        return embedding_plan(self._core, self._prepared_within(request, self._options | self._possible(options), None))

    def _read(
        self, messages: Messages, asking: Mapping[str, object], schema: JsonSchema | None = None
    ) -> tuple[Request, CallOptions]:
        request, options = request_from(messages, asking, schema=schema)
        return request, self._options | self._possible(options)

    def _possible(self, options: CallOptions) -> CallOptions:
        """Return `options` by the names the catalog has.

        Raises `RequestError` where this kind of router cannot do what they ask, `UnknownNameError` for what is nobody.
        """
        if isinstance(options.hedge, Hedge) and not self._races:
            raise RequestError(f"hedge= {_RACES}")
        named = self._core.compiled.named(options.constraints)
        return options if named is options.constraints else replace(options, constraints=named)

    def _prepared_within(self, request: Request, options: CallOptions, deadline: float | None) -> Prepared:
        """Decide a call; `deadline`: what is left of its own when part of it was spent on waiting for another."""
        self._reaper.collect()
        self._core.listen(wait=not self._races)
        if deadline is not None:
            options = replace(options, deadline=deadline)
        return self._core.prepare(request, options, streaming=False)

    def _refuse_when_closed(self) -> None:
        self._core.refuse_when_closed()

    def _refuse_closing_a_view(self) -> None:
        if self._is_view:
            raise ConfigurationError(
                "this is a view, made by with_options() or budget(); close the router it was made from"
            )

    def __repr__(self) -> str:
        core, view = self._core, "" if self._budget is None else f", view of budget {self._budget.limit}"
        state = "closed" if core.closed else _counted(len(core.endpoints), "target")
        kept = "" if core.books.runner is None else f", store {core.books.store.name}"
        budgets = "" if not core.budgets else f", {_counted(len(core.budgets), 'budget')}"
        return f"<{type(self).__name__} {state}, policy {core.policy.name or 'unnamed'}{budgets}{kept}{view}>"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
