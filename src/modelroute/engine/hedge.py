"""Hedging: attempts that run beside each other until the first has content; the others are ended and charged.

A combinator over attempt flows, and itself a flow. What must be known to its owner (`Reserve`, `Close`, `Settle`) is
passed on at once; what waits for providers (`Open`, `Next`) runs in one `Race`, together with the `Sleep` after which
another attempt is begun. No content is handed over before the race is decided, so a caller hears one attempt only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from modelroute.engine.commands import Cancelled, Close, Drop, Next, Open, Race, Reserve, Settle, Sleep, race

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modelroute.engine.attempt import AttemptFlow
    from modelroute.engine.commands import Command, Flow
    from modelroute.engine.plan import Leg

__all__ = ["Owner", "hedged"]

_AT_ONCE = (Reserve, Close, Settle)


class Owner(Protocol):
    """Who owns the attempts: the course of a request."""

    def challenger(self, running: Sequence[AttemptFlow]) -> tuple[AttemptFlow, bool] | None:
        """Return an attempt to run beside those that run, and whether yet others remain; `None` when none may."""
        ...

    def hedge_delay(self, leg: Leg) -> float | None:
        """Return the seconds to wait for content of `leg` before another attempt is begun; `None`: none is."""
        ...

    def ended(self, attempt: AttemptFlow) -> None:
        """Take note of an attempt that is over, however it ended."""
        ...


def hedged(owner: Owner, first: AttemptFlow, others: bool, delay: float) -> Flow[AttemptFlow]:
    """Run `first`, and others beside it when it has no content after `delay` seconds.

    Returns the attempt that won, or the last one to fail; `owner` was told of each one's end, the losers' first.
    """
    return _Contest(owner, first).run(others, delay)


class _Runner:
    """One attempt that runs, and the command it waits at."""

    __slots__ = ("_flow", "_stopping", "attempt", "command", "is_over")

    def __init__(self, attempt: AttemptFlow, others: bool) -> None:
        self.attempt = attempt
        self._flow = attempt.run(others)
        self._stopping = False
        self.command: Command | None = None
        self.is_over = False

    def start(self) -> None:
        self._go(lambda: next(self._flow))

    def send(self, answer: object) -> None:
        self._go(lambda: self._flow.send(answer))

    def stop(self) -> None:
        self._stopping = True
        self._go(lambda: self._flow.throw(Cancelled()))

    def forget(self) -> None:
        """End it without a word: nobody is left to drive it."""
        self._flow.close()

    def _go(self, act: Callable[[], Command]) -> None:
        try:
            self.command = act()
        except StopIteration:
            self.command = None
        except Cancelled:
            self.command = None
            if not self._stopping:
                raise


class _Contest:
    """Attempts of one request that run beside each other."""

    __slots__ = ("_alarm", "_last", "_owner", "_runners")

    def __init__(self, owner: Owner, first: AttemptFlow) -> None:
        self._owner = owner
        self._runners: list[_Runner] = []
        self._alarm: Sleep | None = None
        self._last = first

    def run(self, others: bool, delay: float) -> Flow[AttemptFlow]:
        try:
            yield from self._begin(self._last, others)
            self._alarm = Sleep(delay)
            while running := self._running():
                ahead = next((runner for runner in running if runner.attempt.has_content), None)
                if ahead is not None:
                    yield from self._decide(ahead)
                    running = [ahead]
                if len(running) == 1 and self._alarm is None:
                    yield from self._alone(running[0])
                else:
                    yield from self._go_on(running)
            yield from self._silence()
        except GeneratorExit:
            for runner in self._running():
                runner.forget()
            raise
        except BaseException:
            yield from self._stop(self._running())
            raise
        return self._last

    def _running(self) -> list[_Runner]:
        return [runner for runner in self._runners if not runner.is_over]

    def _begin(self, attempt: AttemptFlow, others: bool) -> Flow[None]:
        runner = _Runner(attempt, others)
        self._runners.append(runner)
        runner.start()
        yield from self._to_the_provider(runner)

    def _go_on(self, running: Sequence[_Runner]) -> Flow[None]:
        """Wait for whatever comes first, and act on it."""
        entrants = [(runner, runner.command) for runner in running if isinstance(runner.command, Open | Next)]
        commands: list[Open | Next | Sleep] = [command for _, command in entrants]
        if self._alarm is not None:
            commands.append(self._alarm)
        won = yield from race(Race(tuple(commands)))
        if won.index < len(entrants):
            runner = entrants[won.index][0]
            runner.send(won.result)
            yield from self._to_the_provider(runner)
        else:
            self._alarm = None
            yield from self._challenge(running)

    def _challenge(self, running: Sequence[_Runner]) -> Flow[None]:
        found = self._owner.challenger([runner.attempt for runner in running])
        if found is None:
            return
        attempt, others = found
        yield from self._begin(attempt, others)
        delay = self._owner.hedge_delay(attempt.leg)
        if delay is not None and attempt.refused is None:
            self._alarm = Sleep(delay)

    def _to_the_provider(self, runner: _Runner) -> Flow[None]:
        """Carry out what is to be done at once, until the attempt waits for its provider or is over."""
        while isinstance(runner.command, _AT_ONCE):
            if isinstance(runner.command, Close) and runner.attempt.failure is None:
                yield from self._decide(runner)
            answer = yield runner.command
            runner.send(answer)
        if runner.command is None:
            self._over(runner)

    def _decide(self, winner: _Runner) -> Flow[None]:
        """End everything but `winner`."""
        losers = [runner for runner in self._running() if runner is not winner]
        for loser in losers:
            loser.attempt.lose_to(winner.attempt)
        yield from self._stop(losers)
        yield from self._silence()

    def _silence(self) -> Flow[None]:
        if self._alarm is not None:
            alarm, self._alarm = self._alarm, None
            yield Drop(alarm)

    def _stop(self, runners: Sequence[_Runner]) -> Flow[None]:
        """Throw `Cancelled` into the attempts, and carry out what they still want done."""
        for runner in runners:
            if isinstance(runner.command, Open):
                yield Drop(runner.command)
            runner.stop()
            while runner.command is not None:
                answer = yield runner.command
                runner.send(answer)
            self._over(runner)

    def _alone(self, runner: _Runner) -> Flow[None]:
        """Pass on whatever the only attempt left wants."""
        while runner.command is not None:
            answer = yield runner.command
            runner.send(answer)
        self._over(runner)

    def _over(self, runner: _Runner) -> None:
        runner.is_over = True
        self._last = runner.attempt
        self._owner.ended(runner.attempt)
