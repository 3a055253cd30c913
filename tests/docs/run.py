"""Run the blocks of one page in order, as a reader would who pastes them one after the other into one file."""

import contextlib
import doctest
import gc
import io
import json
import sys
import tomllib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest

from tests.docs.commands import read_commands, run_command
from tests.docs.network import loopback_only
from tests.docs.pages import Block, Page
from tests.docs.setups import SETUPS, Setup

# Blocks in these languages show something and claim nothing that a machine could check.
SHOWN = frozenset({"text", "mermaid"})


class PageError(AssertionError):
    """A page says what does not hold; the message starts with page:line."""


def run_page(page: Page, directory: Path, setups: Mapping[str, Setup] = SETUPS) -> None:
    """Run every block that is not skipped, in `directory`, on loopback only, inside the setups the page names.

    Python blocks share one namespace. An `output` block is compared with what the Python block before it printed,
    output below a command with what the command printed. "..." matches anything.

    Raises:
        PageError: an unknown setup or language, a wrong output or status, text that does not parse.
        LeftTheMachineError: something reached beyond loopback.
        Exception: whatever a Python block raised, its traceback pointing into the page.
    """
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.chdir(directory)
        for name, value in {"COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"}.items():
            patch.setenv(name, value)
        stack.enter_context(loopback_only(patch))
        module = ModuleType("__main__")
        patch.setitem(sys.modules, "__main__", module)
        stack.callback(gc.collect)  # what the page left open is told now, not during another test
        stack.callback(module.__dict__.clear)
        for name in page.setups:
            if name not in setups:
                known = ", ".join(sorted(setups)) or "none"
                raise PageError(f"{page.path}: there is no setup {name!r} in tests/docs/setups.py; it has: {known}")
            module.__dict__.update(stack.enter_context(setups[name](patch)))
        printed = ""
        for block in page.blocks:
            if block.skip is None:
                printed = _run_block(block, module.__dict__, printed, patch)


def _run_block(block: Block, namespace: dict[str, object], printed: str, patch: pytest.MonkeyPatch) -> str:
    """Run one block and return what it printed."""
    match block.language:
        case "python":
            return _run_python(block, namespace)
        case "console" | "sh":
            _run_commands(block, patch)
        case "output":
            _compare(block, block.text, printed)
        case "toml" | "json":
            try:
                (tomllib if block.language == "toml" else json).loads(block.text)
            except ValueError as error:
                raise PageError(f"{block}: not {block.language}: {error}") from error
        case language:
            if language not in SHOWN:
                raise PageError(f"{block}: a block in {language or 'no language'} cannot be checked; name one that can")
    return ""


def _run_python(block: Block, namespace: dict[str, object]) -> str:
    captured = io.StringIO()
    # Empty lines in front make the line numbers of a traceback those of the page.
    source = "\n" * (block.line - 1) + block.text
    try:
        code = compile(source, str(block.page), "exec", dont_inherit=True)
        with contextlib.redirect_stdout(captured):
            exec(code, namespace)
    except BaseException as error:
        error.add_note(f"in the block at {block}")
        raise
    finally:
        sys.stdout.write(captured.getvalue())
    return captured.getvalue()


def _run_commands(block: Block, patch: pytest.MonkeyPatch) -> None:
    try:
        commands = read_commands(block)
        outcomes = [(command, run_command(command.words, patch)) for command in commands]
    except ValueError as error:
        raise PageError(f"{block}: {error}") from error
    for number, (command, outcome) in enumerate(outcomes, 1):
        status = block.status if number == len(outcomes) else 0
        if outcome.status != status:
            said = f"ended with status {outcome.status}, not {status}, and said:\n{outcome.output}"
            raise PageError(f"{block}: {' '.join(command.words)} {said}")
        if command.expected is not None:
            _compare(block, command.expected, outcome.output)


def _compare(block: Block, expected: str, printed: str) -> None:
    def tidy(text: str) -> str:
        return "\n".join(line.rstrip() for line in text.strip("\n").splitlines()) + "\n"

    if not doctest.OutputChecker().check_output(tidy(expected), tidy(printed), doctest.ELLIPSIS):
        raise PageError(f"{block}: the page shows\n{tidy(expected)}but what was printed is\n{tidy(printed)}")
