"""A LiteLLM proxy in a process and an environment of its own, in front of a real model and of a server that misbehaves.

`make compat` installs it and sets MODELROUTE_COMPAT to its program; without that, everything here is skipped. Nothing
imports it: it is only called over a socket, as a stranger's server would be.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import pytest

from modelroute.testing.faults import dead_port
from modelroute.testing.local_model import LocalModelServer
from modelroute.testing.server import FaultServer
from tests.local_model.servers import tool_calling_server

HERE = Path(__file__).parent
PROGRAM = os.environ.get("MODELROUTE_COMPAT", "")

FAULTS = (
    "ok", "401", "402", "404", "413", "429", "429_retry_after", "500", "503", "context_length", "content_filter", "cut",
    "error_event", "unsupported_parameter", "usage_missing",
)  # fmt: skip
"""What the misbehaving server does when it is asked for a model of this name, and what reaches us through the proxy."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(600))  # counts the fixtures too: the proxy starts slowly


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running proxy. `smollm2` is the local model, each name of `FAULTS` a fault, `nowhere` a server that is down."""

    url: str
    key: str
    upstream: FaultServer
    model: LocalModelServer


@pytest.fixture(scope="session")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    place = tmp_path_factory.mktemp("litellm")
    key = "sk-compat-0123456789abcdef"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tool_calling_server() as model, FaultServer() as upstream, dead_port() as nowhere:
        served = {"smollm2": ("smollm2", model.url), "nowhere": ("x", f"http://127.0.0.1:{nowhere}/v1")}
        served |= {name: (name, upstream.url) for name in FAULTS}
        config = place / "config.json"  # which YAML takes as it is
        config.write_text(json.dumps(_config(served, key)))
        yield from _run(place, config, port, Proxy(f"http://127.0.0.1:{port}/v1", key, upstream, model))


def _config(served: dict[str, tuple[str, str]], key: str) -> dict[str, object]:
    models = [
        {
            "model_name": name,
            "litellm_params": {"model": f"hosted_vllm/{model}", "api_base": url, "api_key": "none", "max_retries": 0},
        }
        for name, (model, url) in served.items()
    ]
    return {
        "model_list": models,
        "litellm_settings": {"telemetry": False, "num_retries": 0},
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        "general_settings": {"master_key": key},
    }


def _run(place: Path, config: Path, port: int, proxy: Proxy) -> Iterator[Proxy]:
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HOME": str(place), "PATH": os.environ.get("PATH", "")}
    with (place / "said.txt").open("wb") as said:
        process = subprocess.Popen(
            [Path(PROGRAM).absolute(), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)],
            stdout=said,
            stderr=said,
            cwd=place,
            env=quiet,
            start_new_session=True,
        )
        try:
            _wait_until_ready(process, port, place / "said.txt")
            yield proxy
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, said: Path, seconds: float = 120.0) -> None:
    direct = build_opener(ProxyHandler({}))
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with direct.open(f"http://127.0.0.1:{port}/health/liveliness", timeout=1):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"the proxy did not start:\n{said.read_text(errors='replace')[-2000:]}")
