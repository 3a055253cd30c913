"""How a command ends: every error as words on standard error and an exit code, never as a traceback."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from modelroute.cli.terminal import tell
from modelroute.errors import ConfigurationError, ModelRouteError, NoProviderError, RequestError

__all__ = ["FAILED", "INTERRUPTED", "WRONG_USAGE", "guarded"]

P = ParamSpec("P")

FAILED = 1
WRONG_USAGE = 2
INTERRUPTED = 130
"""What a shell reports for a program that Ctrl-C ended."""


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Return `command` with its errors told: 2 for what was asked wrongly, 1 for what failed, 130 for Ctrl-C."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except ModelRouteError as error:
            tell(f"error: {error}{_hint(error)}")
            wrong = isinstance(error, ConfigurationError | RequestError)
            raise typer.Exit(WRONG_USAGE if wrong else FAILED) from None
        except KeyboardInterrupt:
            tell("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # Whoever read our output has left. What is still buffered goes nowhere, so that exiting cannot fail again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(FAILED) from None

    return run


def _hint(error: ModelRouteError) -> str:
    if not isinstance(error, NoProviderError):
        return ""
    return (
        "\nWithout any key: `modelroute explain --all-providers` decides as if every provider had one, "
        "`modelroute ask --url http://localhost:8000/v1 --model-name NAME` asks a server of yours, and "
        "`modelroute demo` runs a small model on this machine."
    )
