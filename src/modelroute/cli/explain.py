"""`modelroute explain`: which target a request would go to, and why not the others. Sends nothing."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from modelroute.cli.options import (
    AsJson,
    CatalogFiles,
    MaxCost,
    ModelName,
    Needs,
    Task,
    Verbose,
    asking_from,
    prompt_from,
)
from modelroute.cli.outcome import guarded
from modelroute.cli.reach import as_if_every_key, catalog_from
from modelroute.cli.terminal import print_json
from modelroute.errors import RequestError
from modelroute.router import Router
from modelroute.types.usage import TokenCount

if TYPE_CHECKING:
    from modelroute.runtime.calls import Asking
    from modelroute.types.decision import Decision

__all__ = ["explain"]


@guarded
def explain(
    prompt: Annotated[str | None, typer.Argument(help="What would be asked; '-' reads standard input.")] = None,
    *,
    task: Task = None,
    max_cost: MaxCost = None,
    floor: Annotated[
        list[str] | None, typer.Option(metavar="SCORE", help="Least score: 54, or on a named scale arena_coding=1500.")
    ] = None,
    needs: Needs = None,
    model: ModelName = "auto",
    tag: Annotated[list[str] | None, typer.Option(help="A tag that rules of a policy may match; repeatable.")] = None,
    input_tokens: Annotated[
        int | None, typer.Option(min=1, help="Decide for a prompt of so many tokens; PROMPT can then be left out.")
    ] = None,
    all_providers: Annotated[
        bool, typer.Option("--all-providers", help="Decide as if every provider's key was set: the whole catalog.")
    ] = False,
    catalog: CatalogFiles = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Show where a request would go, and why not elsewhere.

    Sends nothing. Prints the estimate, the most it can cost, and every reason against every other target.
    """
    if prompt is None and input_tokens is None:
        raise RequestError("give a PROMPT, '-' to read it from standard input, or --input-tokens")
    words = "(not given)" if prompt is None else prompt_from(prompt)
    asking = asking_from(task=task, max_cost=max_cost, floor=floor, needs=needs, model=model, tags=tag)
    known = catalog_from(catalog)
    with as_if_every_key(catalog=known) if all_providers else Router.from_env(catalog=known) as router:
        decision = _decision(router, words, asking, input_tokens)
        if as_json:
            print_json(decision.to_json())
        else:
            sys.stdout.write(decision.table(prices=True) + "\n")


def _decision(router: Router, words: str, asking: Asking, input_tokens: int | None) -> Decision:
    if input_tokens is None:
        return router.explain(words, **asking)
    prepared = router._prepared(words, asking, method="explain")
    count = TokenCount(estimate=input_tokens, bound=input_tokens)
    facts = replace(prepared.facts, tokens=dict.fromkeys(prepared.facts.tokens, count))
    return router._core.compiled.decide(facts, prepared.snapshot)
