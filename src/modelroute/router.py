"""The sync facade: one object that routes, for any number of threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from modelroute.engine.route import route
from modelroute.policy.standing import standing
from modelroute.runtime.drive import run_flow
from modelroute.runtime.embedding import embeddings_from
from modelroute.runtime.facade import Facade
from modelroute.runtime.parsed import parsed_from
from modelroute.runtime.performing import SyncPerforming
from modelroute.runtime.reaper import Reaper
from modelroute.runtime.replay import check_again, keyed_from
from modelroute.runtime.routes import SyncRoutes, sync_routes
from modelroute.runtime.stream import Stream
from modelroute.runtime.structured import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self, Unpack

    from modelroute.engine.commands import Flow
    from modelroute.engine.route import Answered
    from modelroute.policy.standing import BudgetBalance
    from modelroute.runtime.calls import Asking
    from modelroute.runtime.embedding import EmbedAsking
    from modelroute.types.decision import Decision
    from modelroute.types.embedding import Embeddings
    from modelroute.types.messages import Messages
    from modelroute.types.reply import Parsed, Reply

__all__ = ["Router"]

T = TypeVar("T")


class Router(Facade):
    """Sends each request to the target that its policy picks, and to the next when that one fails.

    ``Router([Provider("deepseek"), Provider("openai")], policy=policy)``; `Router.from_env()` takes every provider
    whose
    key is set. One router serves any number of threads; two routers share nothing. Use it as a context manager, or
    `close` it.

    - `policy`: `Policy.default()` when not given. `catalog`: the one that ships when not given.
    - `retry`, `timeouts`: defaults for every call. `on_event`: is handed frozen notices on a thread of its own; it can
      neither slow nor fail a request.

    Raises `ConfigurationError` for anything declared wrongly; nothing is opened until the first call.
    """

    def _connect(self) -> None:
        self._routes = self._open_routes()
        self._performer = SyncPerforming(self._core.books, self._routes, self._core.limiter)
        self._reaper = Reaper(self._performer)

    def _open_routes(self) -> SyncRoutes:
        """Return what sends the requests of each target; a script can stand in its place."""
        return sync_routes(self._core.endpoints)

    def chat(self, messages: Messages, **asking: Unpack[Asking]) -> Reply:
        """Ask, and return the whole `Reply`.

        `messages`: a string, or OpenAI-shaped messages. Keywords are options (`task`, `tags`, `max_cost`, `floor`,
        `needs`, `model`, `deadline`, ...) and parameters by OpenAI's names, which pass through.

        Raises `RequestError` for a call that cannot be made, `NoEligibleTargetError` when no target may serve it,
        `AttemptsFailedError` when none answered, `DeadlineExceededError` when the deadline passed first.
        """
        request, options = self._read(messages, asking)

        def ask(deadline: float | None) -> Reply:
            prepared = self._prepared_within(request, options, deadline)
            return run_flow(route(self._core.plan(prepared, streaming=False)), self._performer).reply

        keyed = keyed_from(request, options)
        return ask(None) if keyed is None else self._core.replies.answer(keyed, ask)

    def stream(self, messages: Messages, **asking: Unpack[Asking]) -> Stream:
        """Ask, and return a `Stream` of the answer.

        It decides now and opens when first read; its deadline is to the first content.
        Raises as `chat` does: here for what is known before sending, while iterating for the rest.
        """
        core = self._core
        prepared = self._prepared(messages, asking, method="stream")
        self._reaper.collect()
        core.require_eligible(prepared)
        restarts = core.on_interrupt(prepared) == "restart"

        def begin() -> tuple[Decision, Flow[Answered]]:
            plan = core.plan_stream(prepared)
            return plan.decision, route(plan)

        return Stream(prepared.decision, begin, self._performer, self._reaper, restarts=restarts)

    def parse(self, messages: Messages, wanted: type[T], **asking: Unpack[Asking]) -> Parsed[T]:
        """Ask for an answer of the type `wanted` (a pydantic model, dataclass or typed dict) and return it as `.value`.

        The schema is sent the way each target takes it. An answer that does not fit is asked for once more with the
        findings, then elsewhere; `InvalidOutputError` when none fits.
        """
        shape = Shape(wanted)
        request, options = self._read(messages, asking, shape.schema)

        def ask(deadline: float | None) -> Reply:
            prepared = self._prepared_within(request, options, deadline)
            return run_flow(route(self._core.plan(prepared, streaming=False, shape=shape)), self._performer).reply

        keyed = keyed_from(request, options)
        reply = ask(None) if keyed is None else self._core.replies.answer(keyed, ask)
        return parsed_from(reply, check_again(reply, shape) if reply.replayed else shape.value)

    def embed(
        self, inputs: str | Iterable[str], *, model: str, dimensions: int | None = None, **asking: Unpack[EmbedAsking]
    ) -> Embeddings:
        """Return the `Embeddings` of `inputs`, a text or several: one vector of each, in their order.

        `model`: whose vectors, since those of two models cannot be compared; a fallback is the same model elsewhere.
        `dimensions`: how many numbers each vector is to have, where the model lets one choose. Keywords are options as
        of `chat`, and `user` and `extra_body` to send.

        Raises as `chat` does.
        """
        plan = self._embedding(inputs, model, dimensions, asking)
        return embeddings_from(run_flow(route(plan), self._performer))

    def balances(self) -> tuple[BudgetBalance, ...]:
        """Return how the budgets stand: one for each account whose window runs, those of views left out.

        Asks the store, for two seconds at most; raises `StoreUnavailableError` when it does not answer.
        """
        self._refuse_when_closed()
        core = self._core
        return standing(core.budgets, core.books.balances(), core.clocks.wall())

    def close(self) -> None:
        """Close idle connections and hand on the last notices. Closing twice does nothing."""
        self._refuse_closing_a_view()
        self._reaper.collect()
        if self._core.close():
            self._routes.close()

    def __enter__(self) -> Self:
        self._refuse_when_closed()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._is_view:
            self.close()
