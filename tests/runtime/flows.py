"""A flow that is the smallest honest one, and performers that play the world line by line.

The flow reserves, opens, reads, closes and settles as `engine.attempt` does; the tally says what is still held.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from modelroute.engine.commands import (
    Batch,
    Cancelled,
    Close,
    Command,
    Exchange,
    Failed,
    Flow,
    Next,
    Open,
    Opened,
    Reserve,
    Settle,
    Sleep,
)
from modelroute.engine.route import Answered
from modelroute.money import Money
from modelroute.providers.call import Call
from modelroute.types.claims import Claim, Granted, Refused
from modelroute.types.decision import Decision
from modelroute.types.events import StreamEvent, TextDelta
from modelroute.types.failure import Failure
from modelroute.types.reply import Reply

ONE = Money(1)
DECISION = Decision(ranked=(), reject=(), scenario="default")


def no_decoder() -> object:
    raise AssertionError("nothing is decoded here")


def no_failure(*_: object) -> Failure:
    raise AssertionError("nothing is classified here")


CALL = Call("m@p", "p", "POST", "", (), b"{}", no_decoder, no_failure, True)  # type: ignore[arg-type]


def reply(text: str) -> Reply:
    return Reply(
        text=text, message={"role": "assistant", "content": text}, finish="stop", target="m@p", model="m", cost=ONE,
        cost_basis="provider", attempts=(), decision=DECISION, usage=None,
    )  # fmt: skip


@dataclass(eq=False)
class Line(Exchange):
    """One open exchange of the tally."""

    name: str


@dataclass
class Tally:
    """What is held now, and all that was done in order."""

    done: list[str] = field(default_factory=list)
    reserved: set[str] = field(default_factory=set)
    open: set[Line] = field(default_factory=set)
    settled: list[str] = field(default_factory=list)
    sleeping: int = 0

    def is_quiet(self) -> bool:
        return not self.reserved and not self.open and not self.sleeping

    def reserve(self, command: Reserve) -> Granted | Refused:
        self.done.append("reserve")
        self.reserved.add(command.reservation)
        return Granted()

    def open_line(self, command: Open) -> Opened:
        self.done.append("open")
        line = Line(f"{command.target}#{len(self.done)}")
        self.open.add(line)
        return Opened(line)

    def next(self, command: Next) -> Batch:
        assert command.exchange in self.open, "read of an exchange that was closed"
        self.done.append("next")
        return Batch((TextDelta("x"),))

    def close(self, command: Close) -> None:
        self.done.append("close")
        assert isinstance(command.exchange, Line)
        self.open.discard(command.exchange)

    def settle(self, command: Settle) -> None:
        self.done.append("settle")
        self.settled.append(command.reservation)
        self.reserved.discard(command.reservation)


@dataclass
class Notes:
    """What the flow itself went through."""

    cancelled: int = 0
    ended: int = 0


def attempts(
    notes: Notes, *, count: int = 2, reads: int = 2, deliver: bool = False, last: Callable[[], Answered] | None = None
) -> Flow[Answered]:
    """The flow: `count` attempts with a sleep between them, the last of which answers."""
    try:
        for number in range(count):
            yield Reserve(f"r.{number}", (Claim("s", ONE, ONE, 9.0),), 9.0)
            exchange: Exchange | None = None
            try:
                opened = yield Open("m@p", CALL, 0, 5.0, 10.0)
                if isinstance(opened, Failed):
                    continue
                assert isinstance(opened, Opened)
                exchange = opened.exchange
                content: Sequence[StreamEvent] = ()
                for _ in range(reads):
                    batch = yield Next(exchange, content, 10.0, None)
                    assert isinstance(batch, Batch)
                    content = [TextDelta(str(number))] if deliver else ()
            finally:
                if exchange is not None:
                    yield Close(exchange)
                yield Settle(f"r.{number}", ONE, final=True)
            if number + 1 < count:
                yield Sleep(1.0)
        return last() if last is not None else Answered(reply("done"), [TextDelta("!")] if deliver else [])
    except Cancelled:
        notes.cancelled += 1
        raise
    finally:
        notes.ended += 1


Hook = Callable[[int, Command], None]


class SyncWorld:
    """A `SyncPerformer` over a tally. `hook` is called with the number of each command before it is executed."""

    def __init__(self, hook: Hook | None = None) -> None:
        self.tally = Tally()
        self.commands: list[Command] = []
        self._hook = hook

    def _before(self, command: Command) -> None:
        self.commands.append(command)
        if self._hook is not None:
            self._hook(len(self.commands) - 1, command)

    def reserve(self, command: Reserve) -> Granted | Refused:
        self._before(command)
        return self.tally.reserve(command)

    def open(self, command: Open) -> Opened | Failed:
        self._before(command)
        return self.tally.open_line(command)

    def next(self, command: Next) -> Batch:
        self._before(command)
        return self.tally.next(command)

    def close(self, command: Close) -> None:
        self._before(command)
        self.tally.close(command)

    def settle(self, command: Settle) -> None:
        self._before(command)
        self.tally.settle(command)

    def sleep(self, command: Sleep) -> None:
        self._before(command)


class AsyncWorld:
    """An `AsyncPerformer` over a tally: every command takes a while before and after what it does.

    `seconds(command)` is how long the whole takes. Opening undoes itself when it is cancelled, as the contract asks.
    """

    def __init__(self, seconds: Callable[[Command], float] = lambda command: 0.02) -> None:
        self.tally = Tally()
        self.kept: list[asyncio.Future[None]] = []
        self.lasts: Callable[[Command], float] = seconds
        self.fails: Callable[[Command], BaseException | None] = lambda command: None

    def reserve(self, command: Reserve) -> Awaitable[Granted | Refused]:
        return self._reserve(command)

    async def _reserve(self, command: Reserve) -> Granted | Refused:
        await self._half(command)
        answer = self.tally.reserve(command)
        await asyncio.sleep(self.lasts(command) / 2)
        return answer

    async def open(self, command: Open) -> Opened | Failed:
        await self._half(command)
        opened = self.tally.open_line(command)
        assert isinstance(opened.exchange, Line)
        try:
            await asyncio.sleep(self.lasts(command) / 2)
        except asyncio.CancelledError:
            self.tally.open.discard(opened.exchange)
            raise
        return opened

    async def next(self, command: Next) -> Batch:
        await self._half(command)
        batch = self.tally.next(command)
        await asyncio.sleep(self.lasts(command) / 2)
        return batch

    def close(self, command: Close) -> Awaitable[None]:
        return self._close(command)

    async def _close(self, command: Close) -> None:
        await self._half(command)
        self.tally.close(command)
        await asyncio.sleep(self.lasts(command) / 2)

    def settle(self, command: Settle) -> Awaitable[None]:
        return self._settle(command)

    async def _settle(self, command: Settle) -> None:
        await self._half(command)
        self.tally.settle(command)
        await asyncio.sleep(self.lasts(command) / 2)

    async def sleep(self, command: Sleep) -> None:
        self.tally.sleeping += 1
        try:
            await asyncio.sleep(self.lasts(command))
        finally:
            self.tally.sleeping -= 1

    def keep(self, work: Awaitable[None]) -> None:
        self.kept.append(asyncio.ensure_future(work))

    async def _half(self, command: Command) -> None:
        problem = self.fails(command)
        await asyncio.sleep(self.lasts(command) / 2)
        if problem is not None:
            raise problem
