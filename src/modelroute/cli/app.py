"""The commands put together."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from modelroute import __version__
from modelroute.cli.ask import ask
from modelroute.cli.catalog import catalog
from modelroute.cli.demo import demo
from modelroute.cli.explain import explain
from modelroute.cli.ledger import ledger
from modelroute.cli.models import models
from modelroute.cli.options import Verbose
from modelroute.cli.outcome import INTERRUPTED
from modelroute.cli.spend import spend

__all__ = ["app", "run"]

# Plain help and errors: they read the same on a terminal and in a pipe, and need not load rich.
app = typer.Typer(
    name="modelroute",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"modelroute {__version__}")
        raise typer.Exit


@app.callback()
def modelroute(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Send each LLM request to the model that fits it: good enough, affordable, allowed, alive."""


app.command()(models)
app.command()(explain)
app.command()(ask)
app.command()(demo)
app.command()(spend)
app.add_typer(ledger, name="ledger")
app.add_typer(catalog, name="catalog")


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an answer may hold what the terminal's encoding has no sign for
    try:
        app(list(arguments), prog_name="modelroute")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0
