"""What `import modelroute` offers, and what it must not do: load the heavy, open anything, start anything."""

import json
import subprocess
import sys
from dataclasses import dataclass
from types import ModuleType

import pytest

import modelroute

HEAVY = frozenset({"pydantic", "pydantic_core", "httpx", "httpx2", "httpcore", "httpcore2", "tiktoken", "tenacity"})
OPTIONAL = frozenset({"typer", "rich", "click", "xllamacpp", "opentelemetry", "redis", "uvloop", "openai", "anthropic"})

# Runs in a fresh interpreter. Files that the import system itself reads (code, and the metadata of installed packages)
# are not the package's doing; every other file, socket, process and thread is.
PROBE = """
import json, sys, threading
statement = sys.argv[1]
before = set(sys.modules)
happened = []

def watch(event, arguments):
    if event.startswith("socket.") and event != "socket.gethostname":
        happened.append(event)
    elif event in ("subprocess.Popen", "os.system", "os.fork", "_thread.start_new_thread"):
        happened.append(event)
    elif event == "open" and isinstance(arguments[0], str):
        path = arguments[0]
        if not path.endswith((".py", ".pyc", ".so", ".pyd")) and ".dist-info" not in path:
            happened.append(f"open {path}")

sys.addaudithook(watch)
exec(statement)
threads = threading.active_count()
print(json.dumps({"loaded": sorted(set(sys.modules) - before), "happened": happened, "threads": threads}))
"""


@dataclass(frozen=True, slots=True)
class Effects:
    """What a statement did in a fresh interpreter: top-level packages loaded, things opened, threads alive."""

    loaded: frozenset[str]
    happened: list[str]
    threads: int


def effects_of(statement: str) -> Effects:
    done = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", PROBE, statement], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    return Effects(frozenset(name.partition(".")[0] for name in seen["loaded"]), seen["happened"], seen["threads"])


def test_all_is_sorted_and_has_no_twins() -> None:
    assert list(modelroute.__all__) == sorted(set(modelroute.__all__))


def test_all_is_what_the_package_shows() -> None:
    """`dir(modelroute)` offers exactly `__all__`, beside submodules that happen to be loaded and dunder names."""
    shown = {name for name in dir(modelroute) if not name.startswith("_")}
    modules = {name for name in shown if isinstance(getattr(modelroute, name), ModuleType)}
    assert shown - modules == {name for name in modelroute.__all__ if not name.startswith("_")}


@pytest.mark.parametrize("name", modelroute.__all__)
def test_every_name_resolves_to_a_documented_thing(name: str) -> None:
    thing = getattr(modelroute, name)
    assert not isinstance(thing, ModuleType)
    if isinstance(thing, type) or callable(thing):
        assert (thing.__doc__ or "").strip(), f"{name} has no docstring"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Rooter"):
        _ = modelroute.Rooter  # the misspelling is the test


def test_import_loads_nothing_heavy() -> None:
    assert not effects_of("import modelroute").loaded & (HEAVY | OPTIONAL)


def test_the_router_loads_nothing_optional() -> None:
    """Neither an extra that happens to be installed, nor the tokenizer and the retry library before they are used."""
    loaded = effects_of("from modelroute import Router").loaded
    assert not loaded & (OPTIONAL | {"httpx2", "httpcore2", "tiktoken", "tenacity"})


@pytest.mark.parametrize("statement", ["import modelroute", "from modelroute import Router, AsyncRouter, Policy"])
def test_import_does_nothing(statement: str) -> None:
    effects = effects_of(statement)
    assert effects.happened == []
    assert effects.threads == 1


@pytest.mark.parametrize(
    ("statement", "trace"),
    [
        ("open('/dev/null').close()", "open /dev/null"),
        ("import socket; socket.socket().close()", "socket.__new__"),
        ("import subprocess, sys; subprocess.run([sys.executable, '-c', ''])", "subprocess.Popen"),
    ],
)
def test_the_probe_sees(statement: str, trace: str) -> None:
    """The probe itself can fail: what it watches for, it reports."""
    assert trace in effects_of(statement).happened


def test_the_probe_sees_threads_and_modules() -> None:
    start = "import threading, time, typer; threading.Thread(target=time.sleep, args=(1,), daemon=True).start()"
    effects = effects_of(start)
    assert effects.threads == 2
    assert {"typer", "click"} & effects.loaded
