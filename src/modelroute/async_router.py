"""The async facade: the same words with `await`, for any number of tasks on any event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from modelroute.engine.route import route
from modelroute.policy.standing import standing
from modelroute.runtime.drive_async import AsyncRun
from modelroute.runtime.embedding import embeddings_from
from modelroute.runtime.facade import Facade
from modelroute.runtime.parsed import parsed_from
from modelroute.runtime.performing import AsyncPerforming, Ending
from modelroute.runtime.reaper import Reaper
from modelroute.runtime.replay import check_again, keyed_from
from modelroute.runtime.routes import AsyncRoutes, async_routes
from modelroute.runtime.stream_async import AsyncStream
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

__all__ = ["AsyncRouter"]

T = TypeVar("T")


class AsyncRouter(Facade):
    """`Router` for asyncio: every method has the same contract, with `await`.

    One router serves any number of tasks, and several event loops one after the other (`asyncio.run` twice). Use it as
    ``async with AsyncRouter.from_env() as router:``, or `await router.aclose()`.
    """

    _races = True

    def _connect(self) -> None:
        self._routes = self._open_routes()
        self._performer = AsyncPerforming(self._core.books, self._routes, self._core.limiter)
        self._reaper = Reaper(Ending(self._core.books))

    def _open_routes(self) -> AsyncRoutes:
        """Return what sends the requests of each target; a script can stand in its place."""
        return async_routes(self._core.endpoints)

    async def chat(self, messages: Messages, **asking: Unpack[Asking]) -> Reply:
        """Ask, and return the whole `Reply`. Arguments and errors as `Router.chat`."""
        request, options = self._read(messages, asking)

        async def ask(deadline: float | None) -> Reply:
            plan = self._core.plan(self._prepared_within(request, options, deadline), streaming=False)
            return (await AsyncRun(route(plan), self._performer, self._reaper).to_end()).reply

        keyed = keyed_from(request, options)
        return await (ask(None) if keyed is None else self._core.replies.answer_async(keyed, ask))

    def stream(self, messages: Messages, **asking: Unpack[Asking]) -> AsyncStream:
        """Ask, and return an `AsyncStream` of the answer. Arguments and errors as `Router.stream`; not awaited."""
        core = self._core
        prepared = self._prepared(messages, asking, method="stream")
        self._reaper.collect()
        core.require_eligible(prepared)
        restarts = core.on_interrupt(prepared) == "restart"

        def begin() -> tuple[Decision, Flow[Answered]]:
            plan = core.plan_stream(prepared)
            return plan.decision, route(plan)

        return AsyncStream(prepared.decision, begin, self._performer, self._reaper, restarts=restarts)

    async def parse(self, messages: Messages, wanted: type[T], **asking: Unpack[Asking]) -> Parsed[T]:
        """Ask for an answer of the type `wanted` and return it as `.value`. Arguments and errors as `Router.parse`."""
        shape = Shape(wanted)
        request, options = self._read(messages, asking, shape.schema)

        async def ask(deadline: float | None) -> Reply:
            plan = self._core.plan(self._prepared_within(request, options, deadline), streaming=False, shape=shape)
            return (await AsyncRun(route(plan), self._performer, self._reaper).to_end()).reply

        keyed = keyed_from(request, options)
        reply = await (ask(None) if keyed is None else self._core.replies.answer_async(keyed, ask))
        return parsed_from(reply, check_again(reply, shape) if reply.replayed else shape.value)

    async def embed(
        self, inputs: str | Iterable[str], *, model: str, dimensions: int | None = None, **asking: Unpack[EmbedAsking]
    ) -> Embeddings:
        """Return the `Embeddings` of `inputs`, a text or several. Arguments and errors as `Router.embed`."""
        plan = self._embedding(inputs, model, dimensions, asking)
        return embeddings_from(await AsyncRun(route(plan), self._performer, self._reaper).to_end())

    async def balances(self) -> tuple[BudgetBalance, ...]:
        """Return how the budgets stand: one for each account whose window runs, those of views left out.

        Asks the store, for two seconds at most; raises `StoreUnavailableError` when it does not answer.
        """
        self._refuse_when_closed()
        core = self._core
        return standing(core.budgets, await core.books.abalances(), core.clocks.wall())

    async def aclose(self) -> None:
        """Finish settlements, close idle connections and hand on the last notices. Closing twice does nothing."""
        self._refuse_closing_a_view()
        self._reaper.collect()
        await self._performer.settle_behind()
        core = self._core
        if core.closed or not core.books.may_wait:
            if core.close():
                await self._routes.aclose()
            return
        closing = asyncio.get_running_loop().run_in_executor(None, core.close)  # the loop goes on meanwhile
        interrupted = False
        while not closing.done():
            try:
                await asyncio.wait((closing,))
            except asyncio.CancelledError:
                interrupted = True
        if closing.result():
            await self._routes.aclose()
        if interrupted:
            raise asyncio.CancelledError

    async def __aenter__(self) -> Self:
        self._refuse_when_closed()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._is_view:
            await self.aclose()
