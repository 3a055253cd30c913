"""The async facade: the same words with `await`, for any number of tasks on any event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from modelroute.engine.route import route
from modelroute.runtime.drive_async import AsyncRun
from modelroute.runtime.facade import Facade
from modelroute.runtime.parsed import parsed_from
from modelroute.runtime.performing import AsyncPerforming, Ending
from modelroute.runtime.reaper import Reaper
from modelroute.runtime.routes import AsyncRoutes, async_routes
from modelroute.runtime.stream_async import AsyncStream
from modelroute.runtime.structured import Shape

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self, Unpack

    from modelroute.engine.commands import Flow
    from modelroute.engine.route import Answered
    from modelroute.runtime.calls import Asking
    from modelroute.types.decision import Decision
    from modelroute.types.messages import Messages
    from modelroute.types.reply import Parsed, Reply

__all__ = ["AsyncRouter"]

T = TypeVar("T")


class AsyncRouter(Facade):
    """`Router` for asyncio: every method has the same contract, with `await`.

    One router serves any number of tasks, and several event loops one after the other (`asyncio.run` twice). Use it as
    ``async with AsyncRouter.from_env() as router:``, or `await router.aclose()`.
    """

    def _connect(self) -> None:
        self._routes = self._open_routes()
        self._performer = AsyncPerforming(self._core.store, self._core.clocks, self._routes)
        self._reaper = Reaper(Ending(self._core.store, self._core.clocks))

    def _open_routes(self) -> AsyncRoutes:
        """Return what sends the requests of each target; a script can stand in its place."""
        return async_routes(self._core.endpoints)

    async def chat(self, messages: Messages, **asking: Unpack[Asking]) -> Reply:
        """Ask, and return the whole `Reply`. Arguments and errors as `Router.chat`."""
        prepared = self._prepared(messages, asking, streaming=False)
        self._reaper.collect()
        run = AsyncRun(route(self._core.plan(prepared, streaming=False)), self._performer, self._reaper)
        return (await run.to_end()).reply

    def stream(self, messages: Messages, **asking: Unpack[Asking]) -> AsyncStream:
        """Ask, and return an `AsyncStream` of the answer. Arguments and errors as `Router.stream`; not awaited."""
        core = self._core
        prepared = self._prepared(messages, asking, streaming=True)
        self._reaper.collect()
        core.require_eligible(prepared)

        def begin() -> tuple[Decision, Flow[Answered]]:
            plan = core.plan_stream(prepared)
            return plan.decision, route(plan)

        return AsyncStream(prepared.decision, begin, self._performer, self._reaper)

    async def parse(self, messages: Messages, wanted: type[T], **asking: Unpack[Asking]) -> Parsed[T]:
        """Ask for an answer of the type `wanted` and return it as `.value`. Arguments and errors as `Router.parse`."""
        shape = Shape(wanted)
        prepared = self._prepared(messages, asking, streaming=False, schema=shape.schema)
        self._reaper.collect()
        run = AsyncRun(route(self._core.plan(prepared, streaming=False, shape=shape)), self._performer, self._reaper)
        return parsed_from((await run.to_end()).reply, shape.value)

    async def aclose(self) -> None:
        """Finish settlements, close idle connections and hand on the last notices. Closing twice does nothing."""
        self._refuse_closing_a_view()
        self._reaper.collect()
        await self._performer.settle_behind()
        if self._core.close():
            await self._routes.aclose()

    async def __aenter__(self) -> Self:
        self._refuse_when_closed()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._is_view:
            await self.aclose()
