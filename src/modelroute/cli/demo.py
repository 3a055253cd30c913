"""`modelroute demo`: what routing is, shown on a small real model on this machine. Needs no key and spends nothing."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from modelroute.catalog.catalog import Catalog
from modelroute.catalog.model import Model
from modelroute.catalog.price import Price
from modelroute.cli.article import article_policy, typical_requests
from modelroute.cli.ask import cost_line, stream_to
from modelroute.cli.decisions import allocation
from modelroute.cli.options import Verbose
from modelroute.cli.outcome import FAILED, guarded
from modelroute.cli.paper import Wrapped
from modelroute.cli.reach import as_if_every_key
from modelroute.cli.terminal import console, progress, tell, write
from modelroute.errors import LocalModelUnavailableError
from modelroute.policy.policy import Policy
from modelroute.policy.scenario import Scenario
from modelroute.providers.provider import Provider
from modelroute.router import Router
from modelroute.runtime.http import HttpOptions
from modelroute.testing.local_model import LocalModelServer, weights

if TYPE_CHECKING:
    from modelroute.runtime.calls import Asking
    from modelroute.types.attempt import Attempt

__all__ = ["demo"]

_MODEL = "smollm2-135m-instruct"
_QUESTION = "What is the capital of France, and what is it known for?"
_LIVE_CEILING = "0.01"

# The same words at every run; a model of this size, left to itself, may go on for long.
_BRIEFLY: Asking = {"max_tokens": 64, "temperature": 0.0, "seed": 1}


@guarded
def demo(
    live: Annotated[
        bool, typer.Option("--live", help="Also ask one real question, for a cent at most, with the keys that are set.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Show routing, streaming and failover on a local model.

    Needs no key and spends nothing; the first run downloads a small model.
    """
    to = console()
    _show_allocation(to)
    try:
        _show_on_local_model(to)
        failed = False
    except LocalModelUnavailableError as error:
        failed = True
        tell(f"error: the parts that need a model on this machine cannot be shown: {error}")
    if live:
        _show_live(to)
    if failed:
        raise typer.Exit(FAILED)


def _show_allocation(to: Console) -> None:
    catalog = Catalog.builtin()
    served = sum(target.served and target.model.served for target in catalog.targets.values())
    _heading(
        to,
        "1. Which model would get it?",
        f"The article's policy over the built-in catalog of {catalog.as_of}: {served} targets, as if every provider's "
        "key was set. Nothing is sent. '~$' is the estimate, 'at most' the bound; a score with '~' is estimated.",
    )
    with as_if_every_key(article_policy()) as router:
        for request in typical_requests():
            decision = router.explain(request.messages, **request.asking)
            write(to, Text(), Padding(Text(request.title, style="bold"), (0, 0, 0, 1)), *allocation(decision, to.width))


def _show_on_local_model(to: Console) -> None:
    with progress("starting a small model on this machine"):
        server = LocalModelServer(weights(announce=tell))
    with server:
        _heading(
            to,
            "2. A streamed answer",
            f"{_MODEL} under llama.cpp on this machine is the only target that needs no key. "
            "It is real, small and often wrong.",
        )
        with Router([_local(server.url)]) as router:
            _answer(to, router)
        _heading(
            to,
            "3. A failover",
            "The first target is down: nothing listens on its port. The request moves on by itself.",
        )
        _show_failover(to, server)


def _show_failover(to: Console, server: LocalModelServer) -> None:
    policy = Policy(default=Scenario(prefer=[f"{_MODEL}@down", f"{_MODEL}@local"]))
    with _dead_port() as dead, Router([_local(dead, "down"), _local(server.url)], policy=policy) as router:
        _answer(to, router, attempts=True)


def _show_live(to: Console) -> None:
    _heading(to, "4. A real question", f"Asked once with the keys in the environment, for at most ${_LIVE_CEILING}.")
    with Router.from_env() as router:
        _answer(to, router, ceiling=_LIVE_CEILING)


def _answer(to: Console, router: Router, *, attempts: bool = False, ceiling: str | None = None) -> None:
    asking: Asking = _BRIEFLY if ceiling is None else {"max_cost": ceiling}
    write(to, Text(), Text.assemble("   > ", (_QUESTION, "bold")), Text())
    started = time.monotonic()
    reply = stream_to(Wrapped(sys.stdout, to.width, indent=3), router, _QUESTION, asking)
    seconds = time.monotonic() - started
    write(to, Text())
    if attempts:
        for attempt in reply.attempts:
            write(to, Padding(Text(_outcome(attempt), style="green" if attempt.succeeded else "red"), (0, 0, 0, 3)))
    write(to, Padding(Text(cost_line(reply, seconds), style="cyan"), (0, 0, 0, 3)))


def _outcome(attempt: Attempt) -> str:
    outcome = "answered" if attempt.failure is None else str(attempt.failure)
    return (
        f"attempt {attempt.number}, {attempt.why}: {attempt.target} {outcome} ({attempt.seconds:.2f} s, {attempt.cost})"
    )


def _local(url: str, name: str = "local") -> Provider:
    model = Model(_MODEL, vendor="huggingface", open_weights=True, licence="Apache-2.0", context_window=2048)
    return Provider.compatible(url, name=name, models=[model], price=Price.free(), http=HttpOptions(trust_env=False))


@contextmanager
def _dead_port() -> Generator[str, None, None]:
    """Yield the URL of a port on which nothing listens, and on which nothing else can begin to."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/v1"


def _heading(to: Console, title: str, words: str) -> None:
    write(to, Text(), Text(title, style="bold magenta"), Text(words, style="dim"))
    sys.stdout.flush()
