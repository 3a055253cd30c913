"""Commands in pages: `modelroute` and `python` run in this process, the few others are checked as far as possible.

Running in this process is what lets a setup stand in for the providers.
"""

import io
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points

import pytest

from tests.docs.pages import ROOT, Block


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a block, and the output printed below it, None where the block shows none."""

    words: tuple[str, ...]
    expected: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command printed, both streams in order, and its exit status."""

    output: str
    status: int


def read_commands(block: Block) -> list[Command]:
    """Split a `console` block at its "$ " lines, a `sh` block into lines; a backslash continues a line.

    Raises:
        ValueError: a console block starts with something other than a command.
    """
    text = re.sub(r"\\\n\s*", "", block.text)
    if block.language == "sh":
        return [Command(words, None) for words in map(_words, text.splitlines()) if words]
    before, *parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    if before.strip():
        raise ValueError(f'{block}: a console block starts with "$ " and a command')
    commands: list[Command] = []
    for part in parts:
        line, _, output = part.partition("\n")
        commands.append(Command(_words(line), output if output.strip() else None))
    return commands


def _words(line: str) -> tuple[str, ...]:
    return tuple(shlex.split(line, comments=True))


def run_command(words: tuple[str, ...], patch: pytest.MonkeyPatch) -> Outcome:
    """Run a command, or check it where running it in a test makes no sense.

    Raises:
        ValueError: the command is of no kind the runner knows, or names a make target or an extra that does not exist.
    """
    match words:
        case ("modelroute", *_):
            return _run(words, _main(), patch)
        case ("python" | "python3", file, *arguments) if file.endswith(".py"):
            return _run((file, *arguments), lambda: _run_file(file), patch)
        case ("python" | "python3", "-m", module, *arguments) if module.startswith("modelroute."):
            return _run((module, *arguments), import_module(module).main, patch)
        case ("export", assignment) if "=" in assignment:
            name, _, value = assignment.partition("=")
            patch.setenv(name, value)
        case ("make", *arguments):
            _check_make(arguments)
        case ("pip", "install", *arguments) | ("python" | "python3", "-m", "pip", "install", *arguments):
            _check_extras(arguments)
        case ("git", "clone", *_) | ("cd", _):
            pass
        case _:
            raise ValueError(f"cannot tell whether this works: {shlex.join(words)}")
    return Outcome("", 0)


def _main() -> Callable[[], object]:
    (script,) = entry_points(group="console_scripts", name="modelroute")
    loaded: Callable[[], object] = script.load()
    return loaded


def _run_file(file: str) -> None:
    runpy.run_path(str(ROOT / file), run_name="__main__")


def _run(arguments: tuple[str, ...], main: Callable[[], object], patch: pytest.MonkeyPatch) -> Outcome:
    captured = io.StringIO()
    patch.setattr(sys, "argv", list(arguments))
    with redirect_stdout(captured), redirect_stderr(captured):
        try:
            code = main()
        except SystemExit as stop:
            code = stop.code
    if isinstance(code, str):
        return Outcome(f"{captured.getvalue()}{code}\n", 1)
    return Outcome(captured.getvalue(), code if isinstance(code, int) else 0)


def _check_make(arguments: list[str]) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    for argument in arguments:
        if "=" not in argument and argument not in targets:
            raise ValueError(f"the Makefile has no target {argument}")


def _check_extras(arguments: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for names in re.findall(r"(?:modelroute|\.)\[([^\]]+)\]", " ".join(arguments)):
        for name in names.split(","):
            if name.strip() not in project["optional-dependencies"]:
                raise ValueError(f"pyproject.toml has no extra {name}")
