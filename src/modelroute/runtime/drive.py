"""The sync driver: executes a flow's commands one after the other.

On anything that ends the call early (`KeyboardInterrupt`, leaving a stream) it throws `Cancelled` into the flow and
executes what the flow still wants done. A flow is never closed: closing would forbid it to settle.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, TypeVar

from modelroute.engine.commands import Cancelled, Close, Command, Drop, Next, Open, Race, Reserve, Settle, Sleep
from modelroute.errors import ConfigurationError, ModelRouteError

if TYPE_CHECKING:
    from modelroute.engine.commands import Flow
    from modelroute.runtime.performers import SyncPerformer

__all__ = ["PROTECTED", "perform", "run_flow", "step", "unwind"]

R = TypeVar("R")

PROTECTED = (Reserve, Close, Drop, Settle)
"""Commands that are always carried through: what they change must be known to the flow."""


def run_flow(flow: Flow[R], performer: SyncPerformer) -> R:
    """Drive `flow` to its end and return what it returns; raises what it raises."""
    try:
        command = next(flow)
        while True:
            command = step(flow, command, performer)
    except StopIteration as done:
        value: R = done.value
        return value


def step(flow: Flow[R], command: Command, performer: SyncPerformer) -> Command:
    """Execute `command`, hand its result to `flow`, return the next command; `StopIteration` when the flow returned."""
    try:
        result = perform(performer, command)
    except BaseException:
        unwind(flow, command, performer)
        raise
    return flow.send(result)


def perform(performer: SyncPerformer, command: Command) -> object:
    """Execute one command. A `Drop` is nothing to do: where nothing is raced, nobody loses."""
    if isinstance(command, Next):
        return performer.next(command)
    if isinstance(command, Open):
        return performer.open(command)
    if isinstance(command, Reserve):
        return performer.reserve(command)
    if isinstance(command, Race):
        raise ConfigurationError("this policy runs attempts in parallel, which needs AsyncRouter")
    if isinstance(command, Settle):
        performer.settle(command)
    elif isinstance(command, Close):
        performer.close(command)
    elif isinstance(command, Sleep):
        performer.sleep(command)
    return None


def unwind(flow: Generator[Command, object, object], command: Command, performer: SyncPerformer) -> None:
    """End `flow`, which waits at `command`.

    Carries a protected command through, throws `Cancelled`, and does what the flow still wants done. What interrupts
    this is raised once it is over: a flow is never left half ended.
    """
    interruption: BaseException | None = None
    told = False
    waiting = command
    try:
        while True:
            if not told and (
                not isinstance(command, PROTECTED) or (isinstance(command, Reserve) and command is not waiting)
            ):
                told = True
                if isinstance(command, Open) and command is not waiting:
                    command.fate.unsent = True
                command = flow.throw(Cancelled())
            result, problem = _insist(performer, command)
            interruption = interruption or problem
            if result is None and isinstance(command, Reserve):
                told = True  # whether it was granted is not known; the lease would end it
                command = flow.throw(Cancelled())
            else:
                command = flow.send(result)
    except (StopIteration, Cancelled, ModelRouteError):
        pass
    if interruption is not None:
        raise interruption


def _insist(performer: SyncPerformer, command: Command) -> tuple[object, BaseException | None]:
    """Execute `command`, once more when that is interrupted; return its result, and what interrupted."""
    problem: BaseException | None = None
    for _ in range(2):
        try:
            return perform(performer, command), problem
        except BaseException as interruption:  # noqa: BLE001 - `unwind` raises it once the flow has ended
            problem = interruption
    return None, problem
