"""`modelroute ask`: one request, its answer as it comes, and one line that says who answered and what it cost."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from modelroute.cli.options import AsJson, CatalogFiles, MaxCost, ModelName, Task, Verbose, asking_from, prompt_from
from modelroute.cli.outcome import guarded
from modelroute.cli.paper import Plain
from modelroute.cli.reach import catalog_from, only_server
from modelroute.cli.terminal import print_json, progress, tell
from modelroute.errors import RequestError
from modelroute.router import Router

if TYPE_CHECKING:
    from modelroute.catalog.catalog import Catalog
    from modelroute.cli.paper import Paper
    from modelroute.money import Money
    from modelroute.runtime.calls import Asking
    from modelroute.types.attempt import Attempt
    from modelroute.types.reply import Reply
    from modelroute.types.usage import Usage

__all__ = ["VERSION", "ask", "cost_line", "stream_to"]

VERSION = 1
"""Version of the JSON form: raised when a key changes its meaning or goes."""


@guarded
def ask(
    prompt: Annotated[str, typer.Argument(help="What to ask; '-' reads standard input.")],
    *,
    task: Task = None,
    max_cost: MaxCost = None,
    model: ModelName = "auto",
    system: Annotated[str | None, typer.Option(help="Instructions that precede the prompt.")] = None,
    url: Annotated[
        str | None, typer.Option(help="Ask only this OpenAI-compatible server, e.g. http://localhost:8000/v1.")
    ] = None,
    model_name: Annotated[str | None, typer.Option(metavar="NAME", help="The model to ask for at --url.")] = None,
    catalog: CatalogFiles = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> None:
    """Ask, and print the answer as it comes.

    Who answered and what it cost goes to standard error, as one line.
    """
    if (url is None) != (model_name is None):
        raise RequestError("--url and --model-name belong together: a server is not asked what it serves")
    if url is not None and model != "auto":
        raise RequestError("--url leaves one target, which --model-name names: leave --model out")
    words = prompt_from(prompt)
    messages = [*_system(system), {"role": "user", "content": words}]
    asking = asking_from(task=task, max_cost=max_cost, model=model)
    with _router(url, model_name, catalog_from(catalog)) as router:
        started = time.monotonic()
        if as_json:
            with progress("asking"):
                reply = router.chat(messages, **asking)
            print_json(_document(reply, time.monotonic() - started))
            return
        reply = stream_to(Plain(sys.stdout), router, messages, asking)
        tell(cost_line(reply, time.monotonic() - started))


def _router(url: str | None, model: str | None, catalog: Catalog) -> Router:
    return Router.from_env(catalog=catalog) if url is None or model is None else only_server(url, model, catalog)


def stream_to(paper: Paper, router: Router, messages: str | Sequence[Mapping[str, object]], asking: Asking) -> Reply:
    """Print an answer as it comes, ending with a new line however it ends, and return the whole reply."""
    with progress("asking") as begin_to_answer, router.stream(messages, **asking) as stream:
        try:
            for piece in stream.text:
                begin_to_answer()
                paper.write(piece)
        finally:
            paper.end_line()
        return stream.reply


def cost_line(reply: Reply, seconds: float) -> str:
    """Return who answered, tokens, cost and what it rests on, attempts and time, as one line."""
    parts = [reply.target, _tokens(reply.usage), f"{reply.cost} ({reply.cost_basis})"]
    made = len(reply.attempts)
    parts += [f"{made} attempt" + ("s" if made > 1 else ""), f"{seconds:.2f} s"]
    if reply.finish == "length":
        parts.append("cut off at the output limit" + (f" set by {reply.capped_by}" if reply.capped_by else ""))
    if reply.refusal:
        parts.append("the model declined")
    if reply.degraded:
        parts.append("parts of the stream made no sense and were skipped")
    return " | ".join(parts)


def _tokens(usage: Usage | None) -> str:
    if usage is None:
        return "tokens not reported"
    cached = f" ({usage.cached_tokens} cached)" if usage.cached_tokens else ""
    thought = f" ({usage.reasoning_tokens} of thinking)" if usage.reasoning_tokens else ""
    return f"{usage.input_tokens} tokens in{cached}, {usage.output_tokens} out{thought}"


def _system(words: str | None) -> list[Mapping[str, object]]:
    return [] if words is None else [{"role": "system", "content": words}]


def _document(reply: Reply, seconds: float) -> Mapping[str, object]:
    return {
        "version": VERSION,
        "text": reply.text,
        "reasoning": reply.reasoning or None,
        "refusal": reply.refusal,
        "finish": reply.finish,
        "target": reply.target,
        "model": reply.model,
        "served_model": reply.served_model or None,
        "cost": _dollars(reply.cost),
        "cost_basis": reply.cost_basis,
        "capped_by": reply.capped_by,
        "usage": _usage(reply.usage),
        "seconds": round(seconds, 3),
        "attempts": [_attempt(attempt) for attempt in reply.attempts],
        "decision": reply.decision.to_json(),
    }


def _usage(usage: Usage | None) -> Mapping[str, object] | None:
    if usage is None:
        return None
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cached_tokens": usage.cached_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "reasoning_tokens": usage.reasoning_tokens,
    }


def _attempt(attempt: Attempt) -> Mapping[str, object]:
    return {
        "number": attempt.number,
        "target": attempt.target,
        "why": attempt.why,
        "failure": None if attempt.failure is None else {
            "kind": attempt.failure.kind.value,
            "message": attempt.failure.message,
            "status": attempt.failure.status,
            "provider_code": attempt.failure.provider_code,
        },
        "cost": _dollars(attempt.cost),
        "basis": attempt.basis,
        "seconds": round(attempt.seconds, 3),
        "first_token": None if attempt.first_token is None else round(attempt.first_token, 3),
    }  # fmt: skip


def _dollars(money: Money) -> str:
    return f"{money.dollars.normalize():f}"
