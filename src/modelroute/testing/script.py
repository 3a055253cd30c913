"""An upstream in memory: what each target will do, said as timed events, for simulations of the engine without bytes.

```python
script = Script({
    "kimi-test@moonshot": [Fails(Failure(Kind.UNAVAILABLE)), Answer("Hello", pieces=4)],  # one per attempt; the last
    "glm-test@zai": [Cuts(after_events=2)],                                                # repeats
})
step = script.take("kimi-test@moonshot").capped(output_cap)
for delay, event in step.events():
    ...  # the simulator waits `delay` seconds and hands the event on
```

A step's events end with `Ended` or `Fault`. Where they end with neither (`Hangs`), nothing more is said and the
connection stays open. `billed` is what the provider truly charges from the moment it has accepted the request, whatever
it says and whether or not anyone still listens: what a ledger has to cover, never what it may read.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from modelroute.errors import ConfigurationError, UnknownNameError
from modelroute.testing.replies import split_text
from modelroute.types.events import (
    Ended,
    Fault,
    Finish,
    ReasoningDelta,
    ServedBy,
    Skipped,
    TextDelta,
    ToolCallDelta,
    UsageReport,
    WireEvent,
)
from modelroute.types.failure import Charge, Failure, Kind, Seen
from modelroute.types.reply import ToolCall
from modelroute.types.usage import Usage

__all__ = [
    "STEP_KINDS",
    "Answer",
    "Cuts",
    "Fails",
    "Garbles",
    "Hangs",
    "Script",
    "Slow",
    "Step",
    "Timed",
    "random_step",
    "swarm",
]

Timed: TypeAlias = tuple[float, WireEvent]
"""An event, and the seconds of silence before it."""


_USAGE = Usage(12, 3)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: `text` in `pieces`, `reasoning` before it, `tool_calls` after it.

    `delay`: seconds to the first event; `between`: between any two. `usage` is the truth; `reports` says whether the
    wire tells it. `finish`: by default what fits the content.
    """

    text: str = "Hello world"
    pieces: int = 3
    usage: Usage = _USAGE
    tool_calls: tuple[ToolCall, ...] = ()
    delay: float = 0.0
    finish: str | None = None
    between: float = 0.0
    reasoning: str = ""
    reports: bool = True

    @property
    def billed(self) -> Usage | None:
        """What the provider charges."""
        return self.usage

    def events(self) -> Sequence[Timed]:
        """Return the events, each with the silence before it."""
        told: list[WireEvent] = [ServedBy("scripted", "scripted-model")]
        told += [ReasoningDelta(piece) for piece in split_text(self.reasoning, self.pieces)]
        told += [TextDelta(piece) for piece in split_text(self.text, self.pieces)]
        for index, call in enumerate(self.tool_calls):
            first, *rest = split_text(call.arguments, 2) or [""]
            told.append(ToolCallDelta(index, call.id, call.name, first))
            told += [ToolCallDelta(index, arguments=piece) for piece in rest]
        told.append(Finish(self.finish or ("tool_calls" if self.tool_calls else "stop")))
        if self.reports:
            told.append(UsageReport(self.usage))
        told.append(Ended())
        return [(self.between if place else self.delay, event) for place, event in enumerate(told)]

    def capped(self, output_cap: int | None) -> Answer:
        """Return what becomes of it under an output cap: no more tokens than that, and then ``length``."""
        if output_cap is None or self.usage.output_tokens <= output_cap:
            return self
        reasoned = min(self.usage.reasoning_tokens, output_cap)
        usage = replace(self.usage, output_tokens=output_cap, reasoning_tokens=reasoned)
        kept = len(self.text) * output_cap // self.usage.output_tokens
        return replace(self, usage=usage, text=self.text[:kept], tool_calls=(), finish="length")


_ANSWER = Answer()


@dataclass(frozen=True, slots=True)
class Slow:
    """An answer that takes its time: `first_token` seconds to the first content, `between` any two events after it."""

    first_token: float = 5.0
    between: float = 0.5
    answer: Answer = _ANSWER

    @property
    def billed(self) -> Usage | None:
        """What the provider charges."""
        return self.answer.usage

    def events(self) -> Sequence[Timed]:
        """Return the events, each with the silence before it."""
        delays = (self.answer.delay, self.first_token)
        told = [event for _, event in self.answer.events()]
        return [(delays[place] if place < 2 else self.between, event) for place, event in enumerate(told)]

    def capped(self, output_cap: int | None) -> Slow:
        """Return what becomes of it under an output cap."""
        return replace(self, answer=self.answer.capped(output_cap))


@dataclass(frozen=True, slots=True)
class Fails:
    """No answer but this failure, `delay` seconds after the request.

    `billed`: what it costs all the same. Raises `ConfigurationError` for a bill on a failure that the failure table
    never charges.
    """

    failure: Failure
    delay: float = 0.0
    billed: Usage | None = None

    def __post_init__(self) -> None:
        if self.billed is not None and self.failure.row.charge is Charge.NOTHING:
            raise ConfigurationError(
                f"a failure that is {self.failure.kind} is never billed: the failure table charges 0"
            )

    def events(self) -> Sequence[Timed]:
        """Return the failure, with the silence before it."""
        return [(self.delay, Fault(self.failure))]

    def capped(self, output_cap: int | None) -> Fails:
        """Return what becomes of it under an output cap: a smaller bill."""
        if self.billed is None:
            return self
        return replace(self, billed=Answer(usage=self.billed).capped(output_cap).usage)


@dataclass(frozen=True, slots=True)
class Hangs:
    """The first `after_events` events of an answer, then nothing for ever. The provider bills the whole answer."""

    after_events: int = 0
    answer: Answer = _ANSWER

    @property
    def billed(self) -> Usage | None:
        """What the provider charges: it may have gone on."""
        return self.answer.usage

    def events(self) -> Sequence[Timed]:
        """Return the events before the silence."""
        return _first(self.answer, self.after_events)

    def capped(self, output_cap: int | None) -> Hangs:
        """Return what becomes of it under an output cap."""
        return replace(self, answer=self.answer.capped(output_cap))


@dataclass(frozen=True, slots=True)
class Cuts:
    """The first `after_events` events of an answer, then the connection breaks. The provider bills the whole answer."""

    after_events: int = 2
    answer: Answer = _ANSWER

    @property
    def billed(self) -> Usage | None:
        """What the provider charges: it does not know that nobody listens."""
        return self.answer.usage

    def events(self) -> Sequence[Timed]:
        """Return the events before the break, and the break."""
        cut = Fault(Failure(Kind.INTERRUPTED, "the connection broke", seen=Seen.YES))
        return [*_first(self.answer, self.after_events), (self.answer.between, cut)]

    def capped(self, output_cap: int | None) -> Cuts:
        """Return what becomes of it under an output cap."""
        return replace(self, answer=self.answer.capped(output_cap))


@dataclass(frozen=True, slots=True)
class Garbles:
    """The first `after_events` events of an answer, then nonsense: the end of it or, if not `fatal`, one lost event."""

    after_events: int = 2
    fatal: bool = True
    answer: Answer = _ANSWER

    @property
    def billed(self) -> Usage | None:
        """What the provider charges: it meant well."""
        return self.answer.usage

    def events(self) -> Sequence[Timed]:
        """Return the events with the nonsense among them."""
        before = _first(self.answer, self.after_events)
        if self.fatal:
            return [*before, (self.answer.between, Fault(Failure(Kind.GARBLED, "bytes that mean nothing")))]
        return [
            *before,
            (self.answer.between, Skipped("an event that means nothing")),
            *self.answer.events()[len(before) :],
        ]

    def capped(self, output_cap: int | None) -> Garbles:
        """Return what becomes of it under an output cap."""
        return replace(self, answer=self.answer.capped(output_cap))


Step: TypeAlias = Answer | Fails | Hangs | Cuts | Garbles | Slow
"""What a target does with one attempt."""


def _first(answer: Answer, count: int) -> Sequence[Timed]:
    """Return the first events, never so many that the answer would be whole."""
    events = answer.events()
    finish = next(place for place, (_, event) in enumerate(events) if isinstance(event, Finish))
    return events[: min(count, finish)]


@dataclass(slots=True)
class Script:
    """What each target does: one step per attempt, the last repeats; `otherwise` for a target that has no steps.

    `taken` logs every attempt as (target, step), in order. Raises `ConfigurationError` for a target with an empty list.
    """

    steps: Mapping[str, Sequence[Step]]
    otherwise: Step | None = None
    taken: list[tuple[str, Step]] = field(default_factory=list[tuple[str, Step]])
    _turns: dict[str, int] = field(default_factory=dict[str, int])

    def __post_init__(self) -> None:
        empty = [target for target, steps in self.steps.items() if not steps]
        if empty:
            raise ConfigurationError(f"no steps for {', '.join(empty)}: give at least one, Answer() for instance")

    def take(self, target: str) -> Step:
        """Return what the target does with its next attempt. Raises `UnknownNameError` for a target without steps."""
        steps = self.steps.get(target) or ((self.otherwise,) if self.otherwise is not None else ())
        if not steps:
            raise UnknownNameError("scripted target", target, self.steps)
        turn = self._turns[target] = self._turns.get(target, 0) + 1
        step = steps[min(turn, len(steps)) - 1]
        self.taken.append((target, step))
        return step

    def attempts(self, target: str) -> int:
        """Return how many attempts the target was asked for: what *it* counts, whatever the engine says."""
        return self._turns.get(target, 0)


# ------------------------------------------------------------------------------------------------------------- random

_FAILING = (
    *(Kind.UNREACHABLE, Kind.TRANSIENT, Kind.UNAVAILABLE, Kind.RATE_LIMITED, Kind.EXHAUSTED, Kind.DENIED),
    *(Kind.NOT_SERVED, Kind.UNSUPPORTED, Kind.INVALID, Kind.UNPROVED, Kind.TOO_LONG, Kind.REFUSED, Kind.INVALID_OUTPUT),
)

STEP_KINDS: tuple[str, ...] = (
    "answer",
    "slow",
    "hangs",
    "cuts",
    "garbles",
    "skips",
    *(kind.value for kind in _FAILING),
)
"""What `random_step` can draw: the names of its weights."""


def swarm(rng: random.Random, *, answering: float = 4.0) -> Mapping[str, float]:
    """Draw weights for one simulation: each fault is enabled or not, and then rare or common.

    A simulation with every fault in it all the time never reaches the states that a few faults alone lead to.
    `answering` is the weight of good answers, which are always enabled.
    """
    return {"answer": answering} | {name: rng.choice((0.2, 1.0, 3.0)) for name in STEP_KINDS[1:] if rng.random() < 0.35}


def random_step(rng: random.Random, weights: Mapping[str, float]) -> Step:
    """Draw one step; equal `rng` state and weights, equal step. Raises `UnknownNameError` for a weight of no kind."""
    for name in weights:
        if name not in STEP_KINDS:
            raise UnknownNameError("kind of step", name, STEP_KINDS)
    names = [name for name in STEP_KINDS if weights.get(name, 0) > 0]
    drawn = rng.choices(names, [weights[name] for name in names])[0]
    answer = _random_answer(rng)
    events = rng.randrange(len(answer.events()))
    match drawn:
        case "answer":
            return answer
        case "slow":
            return Slow(rng.choice((0.5, 5.0, 9.9, 10.1, 60.0)), rng.choice((0.0, 0.5, 9.9, 10.1)), answer)
        case "hangs":
            return Hangs(events, answer)
        case "cuts":
            return Cuts(events, answer)
        case "garbles" | "skips":
            return Garbles(events, drawn == "garbles", answer)
        case _:
            return _random_failure(rng, Kind(drawn), answer.usage)


def _random_answer(rng: random.Random) -> Answer:
    words = rng.choices(("lorem", "ipsum", "dolor", "sit", "amet"), k=rng.randrange(1, 30))
    reasoned = rng.choice((0, 0, 40))
    cached = rng.choice((0, 0, 64))
    return Answer(
        text=" ".join(words),
        pieces=rng.randrange(1, 6),
        usage=Usage(rng.randrange(64, 2_000), len(words) + reasoned, cached_tokens=cached, reasoning_tokens=reasoned),
        tool_calls=_calls(rng),
        delay=rng.choice((0.0, 0.05, 1.0)),
        between=rng.choice((0.0, 0.01, 0.3)),
        reasoning="thinking it over" if reasoned else "",
        reports=rng.random() < 0.9,
    )


def _calls(rng: random.Random) -> tuple[ToolCall, ...]:
    count = rng.choice((0, 0, 0, 1, 2))
    return tuple(ToolCall(f"call_{number}", "look_up", f'{{"number":{number}}}') for number in range(count))


def _random_failure(rng: random.Random, kind: Kind, usage: Usage) -> Fails:
    waits: Iterable[float | None] = (None,)
    if kind in {Kind.RATE_LIMITED, Kind.UNAVAILABLE, Kind.EXHAUSTED}:
        waits = (None, 0.0, 0.5, 5.0, 900.0)
    failure = Failure(kind, "scripted", retry_after=rng.choice(tuple(waits)))
    may_bill = failure.row.charge is not Charge.NOTHING and rng.random() < 0.5
    return Fails(failure, rng.choice((0.0, 0.1, 2.0)), usage if may_bill else None)
