"""D5: `Router` and `AsyncRouter` give equal traces for equal scripts."""

from __future__ import annotations

import random
from typing import Any

import pytest

from modelroute import Catalog, Model, ModelRouteError, Policy, Restarted, Scenario, TextDelta, cheapest
from modelroute.testing import ScriptedAsyncRouter, ScriptedRouter, run_simulated
from modelroute.testing.script import Script, random_step, swarm
from tests.sim.world import PROMPT, random_providers

POLICY = Policy(default=Scenario(prefer=cheapest))
SEEDS = 300


def script_of(seed: int) -> tuple[list[Any], Script]:
    """Providers and a fixed script of a seed: four steps for each target, made before anything runs."""
    rng = random.Random(seed)
    providers = random_providers(rng)
    weights = swarm(rng)
    names = [f"{model.name}@{p.name}" for p in providers for model in p.models if isinstance(model, Model)]
    return providers, Script({name: [random_step(rng, weights) for _ in range(6)] for name in names})


def asked(seed: int) -> list[tuple[bool, dict[str, Any]]]:
    """The calls of a seed: streamed or not, with which options."""
    rng = random.Random(-seed)
    return [
        (
            rng.random() < 0.5,
            {
                "max_cost": rng.choice((None, 0.003, 0.5)),
                "deadline": rng.choice((None, 3.0, 30.0)),
                "max_attempts": rng.randrange(1, 5),
                "on_interrupt": rng.choice(("raise", "buffer", "restart")),
            },
        )
        for _ in range(3)
    ]


def heard(event: object) -> str:
    """What a caller notes down of an event."""
    return event.text if isinstance(event, TextDelta) else f"<{event}>" if isinstance(event, Restarted) else ""


def outcome(error: ModelRouteError | None, text: str, cost: object, attempts: Any) -> tuple[Any, ...]:
    made = [(a.number, a.target, a.why, a.failure, a.cost, a.basis, round(a.seconds, 6)) for a in attempts]
    return (type(error).__name__, text, cost, made)


def of_error(error: ModelRouteError, text: str) -> tuple[Any, ...]:
    return outcome(error, text, getattr(error, "cost", None), getattr(error, "attempts", ()))


def sync_trace(seed: int) -> list[Any]:
    providers, script = script_of(seed)
    trace: list[Any] = []
    with ScriptedRouter(script, providers=providers, policy=POLICY, catalog=Catalog(), seed=seed) as router:
        for streamed, options in asked(seed):
            text = ""
            try:
                if streamed:
                    with router.stream(PROMPT, **options) as stream:
                        for event in stream:
                            text += heard(event)
                        reply = stream.reply
                else:
                    reply = router.chat(PROMPT, **options)
                trace.append(outcome(None, text or reply.text, reply.cost, reply.attempts))
            except ModelRouteError as error:
                trace.append(of_error(error, text))
        trace += [(call.target, round(call.at, 6), call.sent, call.closed) for call in router.calls]
    return trace


def async_trace(seed: int) -> list[Any]:
    async def main() -> list[Any]:
        providers, script = script_of(seed)
        trace: list[Any] = []
        async with ScriptedAsyncRouter(
            script, providers=providers, policy=POLICY, catalog=Catalog(), seed=seed
        ) as router:
            for streamed, options in asked(seed):
                text = ""
                try:
                    if streamed:
                        async with router.stream(PROMPT, **options) as stream:
                            async for event in stream:
                                text += heard(event)
                            reply = stream.reply
                    else:
                        reply = await router.chat(PROMPT, **options)
                    trace.append(outcome(None, text or reply.text, reply.cost, reply.attempts))
                except ModelRouteError as error:
                    trace.append(of_error(error, text))
            trace += [(call.target, round(call.at, 6), call.sent, call.closed) for call in router.calls]
        return trace

    return run_simulated(main, seed)


@pytest.mark.parametrize("part", range(3))
def test_sync_and_async_do_the_same(part: int) -> None:
    answered = 0
    for seed in range(part, SEEDS, 3):
        sync = sync_trace(seed)
        assert sync == async_trace(seed), f"seed {seed}"
        answered += any(entry[0] == "NoneType" for entry in sync)
    assert answered > SEEDS / 10
