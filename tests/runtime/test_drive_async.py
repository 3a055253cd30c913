"""The async driver under cancellation at every suspension point, twice (INVARIANTS C1, C2), and its races.

Virtual time: a command takes 20 ms with a suspension point at its start, in the middle of what it does, and at its end.
"""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import TypeVar

import pytest

from modelroute.engine.commands import (
    Batch,
    Cancelled,
    Close,
    Command,
    Drop,
    Flow,
    Next,
    Open,
    Opened,
    Race,
    Reserve,
    Settle,
    Sleep,
    Won,
)
from modelroute.engine.route import Answered
from modelroute.errors import ModelRouteError, RequestError
from modelroute.money import ZERO
from modelroute.runtime.drive_async import SETTLE_PATIENCE, AsyncRun
from modelroute.testing.loop import run_simulated
from modelroute.types.claims import Granted
from modelroute.types.events import TextDelta
from tests.runtime.flows import CALL, ONE, AsyncWorld, Line, Notes, attempts

T = TypeVar("T")

WHOLE = 13 * 0.02
SEEDS = range(4)


def simulate(main: Callable[[], Coroutine[None, None, T]], seed: int = 0) -> T:
    return run_simulated(main, seed)


async def drive(flow: Flow[T], world: AsyncWorld) -> T:
    return await AsyncRun(flow, world).to_end()


def test_it_drives_to_the_end() -> None:
    async def main() -> Answered:
        world = AsyncWorld()
        answered = await drive(attempts(Notes()), world)
        assert world.tally.is_quiet()
        assert asyncio.get_running_loop().time() == pytest.approx(WHOLE)
        return answered

    assert simulate(main).reply.text == "done"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("gap", [None, 0.0, 0.005, 0.01, 0.02, 0.025])
def test_cancelled_at_every_suspension_point_twice(seed: int, gap: float | None) -> None:
    """For each of the 53 half steps of the flow: nothing is held one second later, and the cancellation got through."""

    async def main(after: float) -> None:
        world, notes = AsyncWorld(), Notes()
        task = asyncio.ensure_future(drive(attempts(notes), world))
        await asyncio.sleep(after)
        was_done = task.done()
        task.cancel()
        if gap is not None:
            await asyncio.sleep(gap)
            task.cancel()
        await asyncio.wait((task,), timeout=1.0)
        assert task.done(), "the cancellation hangs"
        assert task.cancelled() or was_done
        assert notes.ended == 1 or not world.tally.done
        assert world.tally.is_quiet()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    for step in range(int(WHOLE / 0.005) + 1):
        simulate(lambda step=step: main(step * 0.005), seed)  # type: ignore[misc]
    gc.collect()


@pytest.mark.parametrize("at", range(12))
@pytest.mark.parametrize("problem", [RuntimeError("broken"), RequestError("refused"), OSError()])
def test_a_performer_that_fails_at_any_command(at: int, problem: Exception) -> None:
    """Fail the nth: whatever a performer raises, the flow is ended and the error is the caller's."""

    async def main() -> None:
        world, notes, seen = AsyncWorld(), Notes(), list[Command]()

        def fails(command: Command) -> BaseException | None:
            seen.append(command)
            return problem if len(seen) == at + 1 else None

        world.fails = fails
        with pytest.raises(type(problem)):
            await drive(attempts(notes), world)
        assert notes.ended == 1
        assert world.tally.is_quiet()

    simulate(main)
    gc.collect()


def test_a_granted_reservation_is_known_to_its_owner() -> None:
    """Cancelled while a slow store grants: the grant is awaited, then given back."""

    async def main() -> None:
        world = AsyncWorld(lambda command: 3.0 if isinstance(command, Reserve) else 0.0)
        notes = Notes()
        task = asyncio.ensure_future(drive(attempts(notes), world))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert world.tally.done == ["reserve", "settle"]
        assert world.tally.is_quiet()
        assert notes.ended == 1

    simulate(main)


def test_a_slow_settlement_finishes_behind_the_caller() -> None:
    async def main() -> None:
        world = AsyncWorld(lambda command: 5.0 if isinstance(command, Settle) else 0.0)
        loop = asyncio.get_running_loop()
        await drive(attempts(Notes(), count=1), world)
        assert loop.time() == pytest.approx(SETTLE_PATIENCE, abs=0.001)
        assert world.tally.reserved == {"r.0"}
        assert len(world.kept) == 1
        await world.kept[0]
        assert world.tally.is_quiet()

    simulate(main)


def test_a_slow_settlement_is_tracked_when_the_caller_is_cancelled_meanwhile() -> None:
    async def main() -> None:
        world = AsyncWorld(lambda command: 5.0 if isinstance(command, Settle) else 0.0)
        task = asyncio.ensure_future(drive(attempts(Notes(), count=1), world))
        for _ in range(4):
            await asyncio.sleep(0.01)
            task.cancel()
        await asyncio.wait((task,), timeout=0.1)
        assert task.cancelled()
        for kept in world.kept:
            await kept
        assert world.kept
        assert world.tally.is_quiet()

    simulate(main)


def test_a_cancellation_while_the_flow_is_being_ended_is_not_lost() -> None:
    """`aclose()` puts everything in order first, and is then cancelled like anything else."""

    async def main() -> None:
        world, reached = AsyncWorld(lambda command: 1.0 if isinstance(command, Close) else 0.0), list[str]()
        run = AsyncRun(attempts(Notes()), world)
        run.start()
        for _ in range(3):
            await run.step()

        async def end() -> None:
            await run.unwind()
            reached.append("went on as if nothing had been")

        task = asyncio.ensure_future(end())
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()
        assert reached == []
        assert world.tally.is_quiet()

    simulate(main)


def test_a_timeout_around_a_call_is_a_timeout() -> None:
    async def main() -> None:
        world = AsyncWorld(lambda command: 0.0 if isinstance(command, Settle) else 0.2)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await drive(attempts(Notes()), world)
        assert world.tally.is_quiet()

    simulate(main)


def test_what_a_cancelled_flow_still_wants_is_shielded() -> None:
    async def main() -> None:
        done = list[str]()

        def tidies() -> Flow[None]:
            try:
                yield Sleep(5)
            except Cancelled:
                yield Sleep(1)
                yield Settle("r", ZERO, final=True)
                done.append("tidied")
                raise

        task = asyncio.ensure_future(drive(tidies(), AsyncWorld(lambda command: 1.0)))
        await asyncio.sleep(0.5)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0.2)
        await asyncio.wait((task,))
        assert task.cancelled()
        assert done == ["tidied"]

    simulate(main)


@pytest.mark.parametrize("cancelled", [False, True])
def test_an_error_of_the_flow_gives_way_to_a_cancellation(cancelled: bool) -> None:
    async def main() -> None:
        def refuses() -> Flow[None]:
            yield Reserve("r", (), 0.0)
            raise RequestError("cannot be")

        task = asyncio.ensure_future(drive(refuses(), AsyncWorld(lambda command: 1.0)))
        await asyncio.sleep(0.5)
        if cancelled:
            task.cancel()
        with pytest.raises(asyncio.CancelledError if cancelled else ModelRouteError):
            await task

    simulate(main)


def test_a_flow_may_return_nothing() -> None:
    async def main() -> None:
        def nothing() -> Flow[None]:
            yield Sleep(0)

        assert await drive(nothing(), AsyncWorld()) is None  # type: ignore[func-returns-value]

    simulate(main)


def test_an_ended_run_has_no_value_and_ending_it_again_does_nothing() -> None:
    async def main() -> None:
        world, notes = AsyncWorld(), Notes()
        run = AsyncRun(attempts(notes), world)
        await run.unwind()
        assert notes.ended == 0, "it was never begun"
        run.start()
        await run.unwind()
        await run.unwind()
        await run.step()
        assert run.done
        assert run.abandon() is None
        with pytest.raises(ModelRouteError):
            _ = run.value
        assert notes.ended == 1

    simulate(main)


# ------------------------------------------------------------------------------------------------------------ races


def open_for(target: str) -> Open:
    return Open(target, CALL, 0, 5.0, 10.0)


def by_target(**seconds: float) -> Callable[[Command], float]:
    def lasts(command: Command) -> float:
        if isinstance(command, Open):
            return seconds[command.target]
        if isinstance(command, Next):
            assert isinstance(command.exchange, Line)
            return seconds["next_" + command.exchange.name.partition("#")[0]]
        return 0.0

    return lasts


def and_sleeps(lasts: Callable[[Command], float]) -> Callable[[Command], float]:
    return lambda command: command.seconds if isinstance(command, Sleep) else lasts(command)


def test_losers_keep_running_and_are_picked_up() -> None:
    async def main() -> None:
        world, moments = AsyncWorld(by_target(a=1.0, b=3.0)), list[float]()
        now = asyncio.get_running_loop().time

        def flow() -> Flow[None]:
            fast, slow = open_for("a"), open_for("b")
            won = yield Race((fast, slow))
            assert isinstance(won, Won)
            assert won.index == 0
            moments.append(now())
            opened = yield slow
            assert isinstance(opened, Opened)
            moments.append(now())
            for each in (won.result, opened):
                assert isinstance(each, Opened)
                yield Close(each.exchange)

        await drive(flow(), world)
        assert moments == pytest.approx([1.0, 3.0]), "the loser went on while nobody waited for it"
        assert world.tally.done.count("open") == 2
        assert world.tally.is_quiet()

    simulate(main)


def test_a_loser_may_race_again_without_beginning_anew() -> None:
    async def main() -> None:
        world = AsyncWorld(by_target(a=1.0, b=3.0, c=5.0))

        def flow() -> Flow[list[int]]:
            entrants = [open_for("a"), open_for("b"), open_for("c")]
            order = list[int]()
            while entrants:
                won = yield Race(tuple(entrants))
                assert isinstance(won, Won)
                assert isinstance(won.result, Opened)
                yield Close(won.result.exchange)
                order.append(won.index)
                del entrants[won.index]
            return order

        assert await drive(flow(), world) == [0, 0, 0]
        assert asyncio.get_running_loop().time() == pytest.approx(5.0)
        assert world.tally.done.count("open") == 3

    simulate(main)


def test_close_ends_the_read_of_its_exchange_and_no_other() -> None:
    async def main() -> None:
        world = AsyncWorld(by_target(a=0.0, b=0.0, next_a=1.0, next_b=9.0))

        def flow() -> Flow[float]:
            one = yield open_for("a")
            other = yield open_for("b")
            assert isinstance(one, Opened)
            assert isinstance(other, Opened)
            reads = Next(one.exchange), Next(other.exchange)
            won = yield Race(reads)
            assert won == Won(0, Batch((TextDelta("x"),)))
            again = Next(one.exchange)
            yield Race((again, Sleep(0)))
            yield Close(one.exchange)
            left = yield reads[1]
            assert isinstance(left, Batch)
            yield Close(other.exchange)
            return asyncio.get_running_loop().time()

        assert await drive(flow(), world) == pytest.approx(9.0)
        assert world.tally.is_quiet()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    simulate(main)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_race_cancelled_at_any_moment_closes_what_was_opened(seed: int) -> None:
    """Also what a loser opened before anybody picked it up, and what it opens in the instant of the cancellation."""

    async def main(after: float) -> None:
        world = AsyncWorld(by_target(a=0.2, b=0.3, next_a=0.4))

        def flow() -> Flow[None]:
            yield Reserve("r", (), 9.0)
            try:
                slow = open_for("b")
                won = yield Race((open_for("a"), slow))
                assert isinstance(won, Won)
                assert isinstance(won.result, Opened)
                try:
                    yield Next(won.result.exchange)
                    opened = yield slow
                    assert isinstance(opened, Opened)
                    yield Close(opened.exchange)
                finally:
                    yield Close(won.result.exchange)
            finally:
                yield Settle("r", ONE, final=True)

        task = asyncio.ensure_future(drive(flow(), world))
        await asyncio.sleep(after)
        task.cancel()
        await asyncio.wait((task,), timeout=1.0)
        assert task.done()
        assert world.tally.is_quiet()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    for step in range(33):
        simulate(lambda step=step: main(step * 0.02), seed)  # type: ignore[misc]


def test_a_loser_picked_up_as_the_caller_is_cancelled_is_closed() -> None:
    """It has opened, and nobody has been told yet, when the cancellation comes: it must not be lost in between."""

    async def main() -> None:
        world = AsyncWorld(by_target(a=0.0, b=1.0))
        task: asyncio.Task[None] | None = None
        original = world.open

        async def opens(command: Open) -> object:
            opened = await original(command)
            if command.target == "b":
                assert task is not None
                asyncio.get_running_loop().call_soon(task.cancel)
            return opened

        world.open = opens  # type: ignore[method-assign, assignment]

        def flow() -> Flow[None]:
            slow = open_for("b")
            won = yield Race((open_for("a"), slow))
            assert isinstance(won, Won)
            assert isinstance(won.result, Opened)
            yield Close(won.result.exchange)
            opened = yield slow
            assert isinstance(opened, Opened)
            yield Close(opened.exchange)

        task = asyncio.ensure_future(drive(flow(), world))
        await asyncio.wait((task,), timeout=5.0)
        assert task.done()
        assert world.tally.is_quiet()

    for seed in range(20):
        simulate(main, seed)


def test_an_entrant_that_fails_ends_the_race_and_the_losers() -> None:
    async def main() -> None:
        world = AsyncWorld(by_target(a=0.2, b=9.0))
        broken = OSError("broken")
        world.fails = lambda command: broken if isinstance(command, Open) and command.target == "a" else None

        def flow() -> Flow[None]:
            yield Race((open_for("a"), open_for("b")))

        with pytest.raises(OSError, match="broken"):
            await drive(flow(), world)
        assert world.tally.is_quiet()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    simulate(main)


def test_a_dropped_loser_is_ended_and_what_it_opened_is_closed() -> None:
    async def main() -> None:
        world = AsyncWorld(and_sleeps(by_target(a=1.0, b=0.5, c=9.0)))

        def flow() -> Flow[None]:
            first, opened, slow, alarm = open_for("a"), open_for("b"), open_for("c"), Sleep(9)
            one = yield Race((opened, first, slow, alarm))
            assert isinstance(one, Won)
            two = yield Race((first, slow, alarm))
            assert isinstance(two, Won)
            assert asyncio.get_running_loop().time() == pytest.approx(1.0)
            for loser in (slow, alarm, open_for("c")):
                assert (yield Drop(loser)) is None
            assert len(asyncio.all_tasks()) == 1
            for won in (one, two):
                assert isinstance(won.result, Opened)
                yield Close(won.result.exchange)

        await drive(flow(), world)
        assert world.tally.is_quiet()

    simulate(main)


@pytest.mark.parametrize("opened_first", [False, True])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_loser_that_had_opened_unheard_is_closed_when_it_is_dropped(seed: int, opened_first: bool) -> None:
    async def main() -> None:
        world = AsyncWorld(by_target(a=1.0, b=0.5 if opened_first else 1.0))

        def flow() -> Flow[None]:
            alarm, other = Sleep(0), open_for("b")
            yield Race((alarm, other))
            opened = yield open_for("a")
            assert isinstance(opened, Opened)
            yield Drop(other)
            assert len(world.tally.open) == 1
            yield Close(opened.exchange)

        await drive(flow(), world)
        assert not opened_first or world.tally.done.count("open") == 2
        assert world.tally.is_quiet()

    simulate(main, seed)


@pytest.mark.parametrize("problem", [None, RequestError("cannot be")])
def test_losers_nobody_picks_up_are_ended_with_the_flow(problem: Exception | None) -> None:
    async def main() -> None:
        world = AsyncWorld(and_sleeps(by_target(a=1.0, b=2.0)))

        def flow() -> Flow[str]:
            won = yield Race((open_for("a"), open_for("b"), Sleep(99)))
            assert isinstance(won, Won)
            assert isinstance(won.result, Opened)
            yield Close(won.result.exchange)
            if problem is not None:
                raise problem
            return "done"

        if problem is None:
            assert await drive(flow(), world) == "done"
        else:
            with pytest.raises(RequestError):
                await drive(flow(), world)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert world.tally.is_quiet()

    simulate(main)


def test_dropping_is_not_interrupted() -> None:
    """A loser that takes its time to go is waited for, however often the caller is cancelled meanwhile."""

    async def main() -> None:
        world, ended = AsyncWorld(), list[str]()

        async def lingers(command: Sleep) -> None:
            try:
                await asyncio.sleep(command.seconds)
            except asyncio.CancelledError:
                await asyncio.sleep(1.0)
                ended.append("lingered")
                raise

        world.sleep = lingers  # type: ignore[method-assign]

        def flow() -> Flow[None]:
            long = Sleep(9)
            try:
                yield Race((Sleep(0.1), long))
                yield Drop(long)
                ended.append("dropped")
                yield Sleep(5)
            except Cancelled:
                ended.append("cancelled")
                raise

        task = asyncio.ensure_future(drive(flow(), world))
        for after in (0.5, 0.2):
            await asyncio.sleep(after)
            task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()
        assert ended == ["lingered", "dropped", "cancelled"]
        assert asyncio.get_running_loop().time() == pytest.approx(1.1)

    simulate(main)


def test_a_flow_is_cancelled_only_once_its_loser_is_dropped() -> None:
    async def main() -> None:
        world, order = AsyncWorld(), list[str]()

        def flow() -> Flow[None]:
            other = open_for("b")
            opened = yield open_for("a")
            assert isinstance(opened, Opened)
            yield Race((Sleep(0), other))
            try:
                yield Close(opened.exchange)
                yield Drop(other)
                order.append("dropped")
                yield Sleep(9)
            except Cancelled:
                order.append("cancelled")
                raise

        run = AsyncRun(flow(), world)
        run.start()
        while not isinstance(run.command, Close):
            await run.step()
        await run.unwind()
        assert order == ["dropped", "cancelled"]
        assert world.tally.is_quiet()

    simulate(main)


def test_a_flow_given_up_at_a_race_cuts_what_was_opened_unheard() -> None:
    class Wire(Line):
        cuts = 0

        def cut(self) -> None:
            Wire.cuts += 1

    async def main() -> None:
        world = AsyncWorld()

        async def opens(command: Open) -> Opened:
            await asyncio.sleep(command.connect)
            return Opened(Wire(command.target))

        world.open = opens  # type: ignore[method-assign]

        def flow() -> Flow[None]:
            yield Race((Sleep(0), Open("a", CALL, 0, 1.0, 10.0), Open("b", CALL, 0, 9.0, 10.0)))
            yield Sleep(0)

        run = AsyncRun(flow(), world)
        run.start()
        await run.step()
        await asyncio.sleep(2.0)
        left = run.abandon()
        assert left is not None
        assert Wire.cuts == 1

    simulate(main)


def test_what_is_done_at_once_needs_no_task() -> None:
    """The store of this process answers without waiting: no task is made for it."""

    async def main() -> None:
        world = AsyncWorld(lambda command: 0.0)
        world.reserve = lambda command: Granted()  # type: ignore[method-assign, assignment, return-value]
        world.settle = lambda command: None  # type: ignore[method-assign, assignment, return-value]
        made = list[object]()
        loop = asyncio.get_running_loop()
        create = loop.create_task

        def counted(coroutine: Coroutine[None, None, None]) -> asyncio.Task[None]:
            made.append(coroutine)
            return create(coroutine)

        loop.create_task = counted  # type: ignore[method-assign, assignment]
        await drive(attempts(Notes(), count=1, reads=5), world)
        assert len(made) == 1, "only closing takes one"

    simulate(main)
