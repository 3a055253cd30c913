"""The sync driver: whatever interrupts it, wherever, the flow is ended and nothing is held (INVARIANTS C1)."""

import gc

import pytest

from modelroute.engine.commands import (
    Cancelled,
    Command,
    Drop,
    Flow,
    Next,
    Open,
    Race,
    Reserve,
    Settle,
    Sleep,
)
from modelroute.errors import ConfigurationError, RequestError
from modelroute.money import ZERO
from modelroute.runtime.drive import run_flow, unwind
from tests.runtime.flows import CALL, Notes, SyncWorld, attempts


def length() -> int:
    world = SyncWorld()
    run_flow(attempts(Notes()), world)
    return len(world.commands)


def test_every_command_is_executed_in_order_and_answered() -> None:
    world, notes = SyncWorld(), Notes()
    answered = run_flow(attempts(notes), world)
    assert answered.reply.text == "done"
    once = ["reserve", "open", "next", "next", "close", "settle"]
    assert world.tally.done == once * 2
    assert [type(command) for command in world.commands].count(Sleep) == 1
    assert world.tally.is_quiet()
    assert (notes.cancelled, notes.ended) == (0, 1)


@pytest.mark.parametrize("at", range(length()))
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_interrupted_at_any_command(at: int, interruption: type[BaseException]) -> None:
    def hook(number: int, command: Command) -> None:
        if number == at:
            raise interruption

    world, notes = SyncWorld(hook), Notes()
    with pytest.raises(interruption):
        run_flow(attempts(notes), world)
    assert world.tally.is_quiet()
    assert notes.ended == 1
    told_after = world.commands[at + 1 :]
    assert not any(isinstance(command, Open | Next | Sleep) for command in told_after), "nothing more is sent or read"


@pytest.mark.parametrize("at", range(length()))
@pytest.mark.parametrize("second", range(1, 4))
def test_interrupted_again_while_ending(at: int, second: int) -> None:
    """The second Ctrl-C comes while the first is being dealt with: what was begun is still put in order."""
    raised = list[int]()

    def hook(number: int, command: Command) -> None:
        if number in (at, at + second):
            raised.append(number)
            raise KeyboardInterrupt

    world, notes = SyncWorld(hook), Notes()
    with pytest.raises(KeyboardInterrupt):
        run_flow(attempts(notes), world)
    assert raised
    assert notes.ended == 1, "a flow is never left half ended"
    assert world.tally.is_quiet()
    gc.collect()  # a suspended flow would complain here that it may not settle


def test_an_error_of_the_flow_leaves_as_it_is() -> None:
    def refuses() -> Flow[None]:
        yield Reserve("r", (), 0.0)
        raise RequestError("cannot be")

    world = SyncWorld()
    with pytest.raises(RequestError, match="cannot be"):
        run_flow(refuses(), world)
    assert len(world.commands) == 1


def test_a_flow_without_a_command_returns() -> None:
    def nothing() -> Flow[str]:
        return "at once"
        yield Sleep(1)

    assert run_flow(nothing(), SyncWorld()) == "at once"


def test_what_a_cancelled_flow_still_wants_is_done() -> None:
    done = list[str]()

    def tidies() -> Flow[None]:
        try:
            yield Sleep(5)
        except Cancelled:
            yield Sleep(1)
            yield Settle("r", ZERO, final=True)
            done.append("tidied")
            raise

    def hook(number: int, command: Command) -> None:
        if number == 0:
            raise KeyboardInterrupt

    world = SyncWorld(hook)
    with pytest.raises(KeyboardInterrupt):
        run_flow(tidies(), world)
    assert done == ["tidied"]
    assert world.tally.settled == ["r"]


def test_a_race_needs_the_async_router_and_leaves_nothing_behind() -> None:
    def races() -> Flow[None]:
        yield Reserve("r", (), 0.0)
        try:
            yield Race((Open("m@p", CALL, 0, 1.0, 1.0), Sleep(1.0)))
        finally:
            yield Settle("r", ZERO, final=True)

    world = SyncWorld()
    with pytest.raises(ConfigurationError, match="AsyncRouter"):
        run_flow(races(), world)
    assert world.tally.is_quiet()


def test_a_flow_left_at_a_race_is_ended() -> None:
    """One whose loop is gone: nothing is raced any more, so that nobody has lost and there is nothing to drop."""
    world, ended = SyncWorld(), list[str]()

    def flow() -> Flow[None]:
        yield Reserve("r", (), 0.0)
        slow = Open("m@p", CALL, 0, 5.0, 10.0)
        try:
            yield Race((slow, Sleep(1)))
        except Cancelled:
            yield Drop(slow)
            ended.append("dropped")
            raise
        finally:
            yield Settle("r", ZERO, final=True)

    left = flow()
    left.send(None)
    unwind(left, left.send(None), world)
    assert ended == ["dropped"]
    assert world.tally.is_quiet()
    assert world.tally.done == ["settle"]
