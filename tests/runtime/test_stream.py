"""A stream in the caller's hands, sync and async: left, dropped, interrupted, read by two (INVARIANTS S6, C1)."""

import asyncio
import gc
import warnings
from collections.abc import Callable

import pytest

from modelroute.engine.commands import Command, Flow, Next, Settle
from modelroute.engine.route import Answered
from modelroute.errors import RequestError, RouterClosedError
from modelroute.runtime.reaper import Reaper
from modelroute.runtime.stream import Stream
from modelroute.runtime.stream_async import AsyncStream
from modelroute.testing import Answer, ScriptedAsyncRouter, ScriptedRouter
from modelroute.testing.loop import run_simulated
from modelroute.types.decision import Decision
from modelroute.types.events import ReasoningDelta, TextDelta, ToolCallDelta
from tests.runtime.flows import DECISION, AsyncWorld, Hook, Notes, SyncWorld, attempts, reply


def answer() -> Answered:
    return Answered(reply("done"), [ReasoningDelta("hm"), ToolCallDelta(0, "i", "n", "{}"), TextDelta("!")])


def opening(notes: Notes, reads: int) -> Callable[[], tuple[Decision, Flow[Answered]]]:
    """What opens the stream: the decision that is executed, and its flow."""
    return lambda: (DECISION, attempts(notes, count=1, reads=reads, deliver=True, last=answer))


def a_stream(hook: Hook | None = None, *, reads: int = 3) -> tuple[Stream, SyncWorld, Notes, Reaper]:
    world, notes = SyncWorld(hook), Notes()
    reaper = Reaper(world)
    return Stream(DECISION, opening(notes, reads), world, reaper), world, notes, reaper


def an_async_stream(
    lasts: Callable[[Command], float] = lambda command: 0.02, *, reads: int = 3
) -> tuple[AsyncStream, AsyncWorld, Notes, Reaper]:
    world, notes = AsyncWorld(lasts), Notes()

    class Ending(SyncWorld):
        """What the reaper ends flows with, on the same tally."""

    ending = Ending()
    ending.tally = world.tally
    reaper = Reaper(ending)
    return (
        AsyncStream(DECISION, opening(notes, reads), world, reaper),
        world,
        notes,
        reaper,
    )


# ------------------------------------------------------------------------------------------------------------- sync


def test_it_hands_over_events_as_they_come_and_then_the_reply() -> None:
    stream, world, notes, _ = a_stream()
    assert world.commands == [], "nothing is sent before it is read"
    assert stream.decision is DECISION
    with stream:
        first = next(stream)
        assert first == TextDelta("0")
        assert world.tally.open, "the rest is still to come"
        with pytest.raises(RequestError, match="end"):
            _ = stream.reply
        rest = list(stream)
    assert rest == [TextDelta("0"), *answer().undelivered]
    assert stream.reply.text == "done"
    assert (world.tally.is_quiet(), notes.ended, notes.cancelled) == (True, 1, 0)
    assert list(stream) == []


def test_a_stream_is_not_opened_once_its_router_is_closed() -> None:
    router = ScriptedRouter({"m@p": [Answer("yes")]})
    late, begun = router.stream("x"), router.stream("x")
    first = next(begun)
    router.close()
    with pytest.raises(RouterClosedError):
        next(late)
    assert "".join(event.text for event in [first, *begun] if isinstance(event, TextDelta)) == "yes"
    assert len(router.calls) == 1

    async def main() -> None:
        other = ScriptedAsyncRouter({"m@p": [Answer("yes")]})
        unread = other.stream("x")
        await other.aclose()
        with pytest.raises(RouterClosedError):
            await anext(unread)

    simulate(main)


def test_text_alone() -> None:
    stream, *_ = a_stream()
    assert list(stream.text) == ["0", "0", "!"]
    assert stream.reply.text == "done"


def test_leaving_its_block_frees_everything_at_once() -> None:
    stream, world, notes, _ = a_stream()
    with stream:
        next(stream)
    assert world.tally.is_quiet()
    assert (notes.cancelled, notes.ended) == (1, 1)
    assert list(stream) == [], "what was closed hands over nothing more"
    stream.close()
    with pytest.raises(RequestError, match="was closed before its end"):
        _ = stream.reply


def test_closed_before_it_was_read_nothing_is_sent() -> None:
    stream, world, notes, _ = a_stream()
    with stream:
        pass
    assert (world.commands, notes.ended) == ([], 0)


@pytest.mark.parametrize("at", range(7))
def test_interrupted_at_any_command(at: int) -> None:
    def hook(number: int, command: Command) -> None:
        if number == at:
            raise KeyboardInterrupt

    stream, world, notes, _ = a_stream(hook)
    with pytest.raises(KeyboardInterrupt), stream:
        list(stream)
    assert world.tally.is_quiet()
    assert notes.ended == 1
    assert list(stream) == []


def failing(at: int, error: Exception) -> Hook:
    def hook(number: int, command: Command) -> None:
        if number == at:
            raise error

    return hook


def test_after_a_failure_the_reply_says_what_it_was() -> None:
    stream, world, *_ = a_stream(failing(2, RouterClosedError("planted")))
    with stream, pytest.raises(RouterClosedError):
        list(stream)
    assert list(stream) == []
    with pytest.raises(RequestError, match="failed with RouterClosedError") as caught:
        _ = stream.reply
    assert isinstance(caught.value.__cause__, RouterClosedError)
    assert str(caught.value.__cause__) == "planted"
    assert world.tally.is_quiet()


def test_a_failed_stream_goes_with_its_last_reference() -> None:
    """The error that is kept holds no frame that holds the stream: no cycle is left for the garbage collector."""
    stream, *_ = a_stream(failing(2, RouterClosedError("planted")))
    try:
        list(stream)
    except RouterClosedError:
        pass
    kept = stream._error
    assert kept is not None
    assert kept.__traceback__ is None


@pytest.mark.parametrize("nth", [1, 2])
def test_interrupted_while_it_is_closed(nth: int) -> None:
    """Ctrl-C during `close()`: everything is put in order, then the interruption goes on."""
    stopping = list[Command]()

    def hook(number: int, command: Command) -> None:
        if not stopping and isinstance(command, Next) and number > 3:
            return
        if closing:
            stopping.append(command)
            if len(stopping) == nth:
                raise KeyboardInterrupt

    closing = list[bool]()
    stream, world, notes, _ = a_stream(hook)
    next(stream)
    closing.append(True)
    with pytest.raises(KeyboardInterrupt):
        stream.close()
    assert world.tally.is_quiet()
    assert notes.ended == 1


def test_dropped_without_being_closed_it_warns_and_the_reaper_settles() -> None:
    stream, world, notes, reaper = a_stream()
    next(stream)
    with pytest.warns(ResourceWarning, match="with router.stream"):
        del stream
    assert world.tally.reserved, "nothing is done in a finalizer"
    reaper.collect()
    assert world.tally.is_quiet()
    assert (notes.ended, reaper.count) == (1, 1)


@pytest.mark.parametrize("read", ["not at all", "to its end", "and closed"])
def test_dropped_in_good_order_it_is_silent(read: str) -> None:
    stream, _, _, reaper = a_stream()
    if read == "to its end":
        list(stream)
    elif read == "and closed":
        next(stream)
        stream.close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del stream
        gc.collect()
    reaper.collect()
    assert reaper.count == 0


def test_an_error_of_the_flow_ends_it_once() -> None:
    world, reaper = SyncWorld(), Reaper(SyncWorld())

    def refuses() -> Flow[Answered]:
        raise RequestError("cannot be")
        yield

    stream = Stream(DECISION, lambda: (DECISION, refuses()), world, reaper)
    with pytest.raises(RequestError):
        next(stream)
    assert list(stream) == []


# ------------------------------------------------------------------------------------------------------------ async


def simulate(main: Callable[[], object], seed: int = 0) -> None:
    run_simulated(main, seed)  # type: ignore[arg-type]


def test_async_hands_over_the_same() -> None:
    async def main() -> None:
        stream, world, notes, _ = an_async_stream()
        async with stream:
            handed = [event async for event in stream]
        assert handed == [TextDelta("0"), TextDelta("0"), *answer().undelivered]
        assert stream.reply.text == "done"
        assert (world.tally.is_quiet(), notes.ended, notes.cancelled) == (True, 1, 0)
        again, *_ = an_async_stream()
        assert [text async for text in again.text] == ["0", "0", "!"]

    simulate(main)


def test_async_leaving_its_block_frees_everything() -> None:
    async def main() -> None:
        stream, world, notes, _ = an_async_stream()
        async with stream:
            async for _ in stream:
                break
            with pytest.raises(RequestError):
                _ = stream.reply
        assert world.tally.is_quiet()
        assert (notes.cancelled, notes.ended) == (1, 1)
        assert [event async for event in stream] == []
        await stream.aclose()

    simulate(main)


def test_async_after_a_failure_the_reply_says_what_it_was() -> None:
    def lasts(command: Command) -> float:
        if isinstance(command, Next):
            raise RouterClosedError("planted")
        return 0.0

    async def main() -> None:
        stream, *_ = an_async_stream(lasts)
        with pytest.raises(RouterClosedError):
            async with stream:
                _ = [event async for event in stream]
        with pytest.raises(RequestError, match="failed with RouterClosedError") as caught:
            _ = stream.reply
        assert isinstance(caught.value.__cause__, RouterClosedError)
        closed, *_ = an_async_stream()
        await closed.aclose()
        with pytest.raises(RequestError, match="was closed before its end"):
            _ = closed.reply

    simulate(main)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("gap", [None, 0.0, 0.01])
def test_async_cancelled_at_every_suspension_point(seed: int, gap: float | None) -> None:
    async def main(after: float) -> None:
        stream, world, notes, _ = an_async_stream()

        async def read() -> None:
            async with stream:
                async for _ in stream:
                    pass

        task = asyncio.ensure_future(read())
        await asyncio.sleep(after)
        was_done = task.done()
        task.cancel()
        if gap is not None:
            await asyncio.sleep(gap)
            task.cancel()
        await asyncio.wait((task,), timeout=1.0)
        assert task.cancelled() or was_done
        assert world.tally.is_quiet()
        assert notes.ended == 1 or not world.tally.done
        assert asyncio.all_tasks() == {asyncio.current_task()}

    for step in range(32):
        simulate(lambda step=step: main(step * 0.005), seed)  # type: ignore[misc]


def test_a_cancellation_while_closing_is_not_lost() -> None:
    async def main() -> None:
        stream, world, _, _ = an_async_stream()
        await anext(stream)
        task = asyncio.ensure_future(stream.aclose())
        await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()
        assert world.tally.is_quiet()

    simulate(main)


def test_two_tasks_cannot_read_one_stream() -> None:
    async def main() -> None:
        stream, world, _, _ = an_async_stream()

        async def read() -> list[object]:
            return [event async for event in stream]

        one = asyncio.ensure_future(read())
        await asyncio.sleep(0.001)
        with pytest.raises(RequestError, match="another task"):
            await anext(stream)
        assert len(await one) == 5, "the one that reads is not disturbed"
        assert world.tally.is_quiet()

    simulate(main)


@pytest.mark.parametrize("seed", range(3))
def test_closed_by_another_task_the_reader_comes_to_its_end(seed: int) -> None:
    """At every moment of the reading; neither task is cancelled by it."""

    async def main(after: float) -> None:
        stream, world, notes, _ = an_async_stream()

        async def read() -> str:
            async for _ in stream:
                pass
            await asyncio.sleep(0.5)
            task = asyncio.current_task()
            assert task is not None
            return f"read on, {task.cancelling()} cancellations"

        reader = asyncio.ensure_future(read())
        await asyncio.sleep(after)
        await stream.aclose()
        assert world.tally.is_quiet()
        assert await reader == "read on, 0 cancellations"
        assert notes.ended == 1 or not world.tally.done

    for step in range(32):
        simulate(lambda step=step: main(step * 0.005), seed)  # type: ignore[misc]


def test_a_reader_that_is_cancelled_as_well_is_cancelled() -> None:
    async def main() -> None:
        stream, world, _, _ = an_async_stream()

        async def read() -> None:
            async for _ in stream:
                pass

        reader = asyncio.ensure_future(read())
        await asyncio.sleep(0.005)
        closing = asyncio.ensure_future(stream.aclose())
        await asyncio.sleep(0)
        reader.cancel()
        await asyncio.wait((reader, closing))
        assert reader.cancelled()
        assert not closing.cancelled()
        assert world.tally.is_quiet()

    simulate(main)


def test_async_dropped_without_being_closed_it_warns_and_the_reaper_settles() -> None:
    async def main() -> None:
        stream, world, notes, reaper = an_async_stream()
        await anext(stream)
        with pytest.warns(ResourceWarning, match="async with router.stream"):
            del stream
        assert world.tally.reserved
        reaper.collect()
        assert world.tally.is_quiet()
        assert (notes.ended, reaper.count) == (1, 1)

    simulate(main)


def test_async_dropped_in_good_order_it_is_silent() -> None:
    async def main() -> None:
        unread, *_ = an_async_stream()
        read, *_ = an_async_stream()
        async for _ in read:
            pass
        closed, *_ = an_async_stream()
        await anext(closed)
        await closed.aclose()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            del unread, read, closed
            gc.collect()

    simulate(main)


def test_a_slow_settlement_does_not_hold_up_the_end_of_a_stream() -> None:
    async def main() -> None:
        stream, world, _, _ = an_async_stream(lambda command: 5.0 if isinstance(command, Settle) else 0.0)
        async with stream:
            async for _ in stream:
                pass
        assert asyncio.get_running_loop().time() < 0.1
        for kept in world.kept:
            await kept
        assert world.tally.is_quiet()

    simulate(main)
