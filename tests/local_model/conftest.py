"""A real model for the tests in this directory: all of them are `local_llm`, and the first may have to download it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modelroute.testing.local_model import LocalModelServer
from tests.local_model.servers import tool_calling_server

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.local_llm)
            # Counts the fixtures too: on a fresh machine, one test waits for 93 MB.
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def local_model() -> Iterator[LocalModelServer]:
    """SmolLM2-135M-Instruct with room for 2048 tokens a request, two requests at once."""
    with LocalModelServer(n_ctx=2048, n_parallel=2) as server:
        yield server


@pytest.fixture(scope="session")
def cramped_local_model() -> Iterator[LocalModelServer]:
    """The same model with room for 256 tokens a request: a prompt it refuses fits `local_model`."""
    with LocalModelServer(n_ctx=256, name="smollm2-135m-instruct-256") as server:
        yield server


@pytest.fixture(scope="session")
def tool_calling_model() -> Iterator[LocalModelServer]:
    """The same model under a template of ours that knows tools: shown two calls, it makes a third."""
    with tool_calling_server() as server:
        yield server
