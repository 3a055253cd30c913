import logging
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner, Result

from modelroute.cli.app import app
from modelroute.testing.server import FaultServer


class Command:
    """The command line in this process, into a pipe."""

    def __call__(self, *words: str, typed: str | bytes | None = None) -> Result:
        return CliRunner().invoke(app, list(words), input=typed, prog_name="modelroute")


@pytest.fixture
def modelroute(monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE", "NO_COLOR", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    logger = logging.getLogger("modelroute")
    handlers, level = list(logger.handlers), logger.level
    yield Command()
    logger.handlers, logger.level = handlers, level


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running
