import json
import os
import signal
import subprocess
import sys

import pytest

from modelroute.testing.oddities import ok
from modelroute.testing.server import FaultServer
from modelroute.types.usage import Usage
from tests.cli.conftest import Command


def at(server: FaultServer, model: str = "test") -> tuple[str, ...]:
    return ("--url", server.url, "--model-name", model)


def test_the_answer_goes_to_standard_output_and_one_cost_line_to_standard_error(
    modelroute: Command, server: FaultServer
) -> None:
    server.script("test", [ok("One two three.", pieces=4, usage=Usage(12, 5, cached_tokens=4, reasoning_tokens=2))])
    result = modelroute("ask", "Count.", *at(server))
    assert (result.exit_code, result.stdout) == (0, "One two three.\n")
    (line,) = result.stderr.splitlines()
    parts = line.split(" | ")
    assert parts[:4] == [
        "test@server", "12 tokens in (4 cached), 5 out (2 of thinking)", "$0 (declared by you)", "1 attempt"
    ]  # fmt: skip
    assert parts[4].endswith(" s")


def test_system_task_and_prompt_reach_the_server(modelroute: Command, server: FaultServer) -> None:
    result = modelroute("ask", "-", "--system", "Be brief.", "--task", "coding", *at(server), typed="What is a mutex?")
    assert result.exit_code == 0
    sent = server.requests[0].body
    assert isinstance(sent, dict)
    assert [(message["role"], message["content"]) for message in sent["messages"]] == [
        ("system", "Be brief."),
        ("user", "What is a mutex?"),
    ]
    assert sent["model"] == "test"


def test_json_prints_one_document(modelroute: Command, server: FaultServer) -> None:
    server.script("test", ["500_once"])
    result = modelroute("ask", "Hello?", *at(server), "--json", "--max-cost", "0.01")
    assert (result.exit_code, result.stderr) == (0, "")
    document = json.loads(result.stdout)
    assert document["version"] == 1
    assert (document["text"], document["target"], document["cost"]) == ("Hello world", "test@server", "0")
    assert document["usage"]["input_tokens"] == 12
    assert [attempt["failure"] and attempt["failure"]["kind"] for attempt in document["attempts"]] == [
        "transient",
        None,
    ]
    assert document["decision"]["version"] == 1
    assert document["decision"]["max_cost"] == "0.01"


def test_a_request_that_fails_exits_with_1_and_says_every_attempt(modelroute: Command, server: FaultServer) -> None:
    server.script("test", ["401"])
    result = modelroute("ask", "Hello?", *at(server))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("error: no answer after 1 attempt")
    assert "test@server (first): denied HTTP 401" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_ceiling_that_no_server_of_unknown_price_can_keep_exits_with_1(modelroute: Command) -> None:
    words = ("--url", "https://llm.example/v1", "--model-name", "test", "--max-cost", "1")
    result = modelroute("ask", "Hello?", *words)
    assert result.exit_code == 1
    assert "no price in force, so no ceiling or hard budget can be kept" in result.stderr


def test_a_stream_that_breaks_off_ends_its_line_and_exits_with_1(modelroute: Command, server: FaultServer) -> None:
    server.script("test", ["cut"])
    result = modelroute("ask", "Hello?", *at(server))
    assert result.exit_code == 1
    assert result.stdout.endswith("\n")
    assert "Hello world".startswith(result.stdout.strip())
    assert "interrupted" in result.stderr


def test_an_answer_cut_off_at_its_limit_says_so(modelroute: Command, server: FaultServer) -> None:
    server.script("test", [ok("Once upon", finish="length")])
    assert "cut off at the output limit" in modelroute("ask", "Hello?", *at(server)).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("x", "--url", "http://localhost:1/v1"), "--url and --model-name belong together"),
        (("x", "--model-name", "m"), "--url and --model-name belong together"),
        (("x", "--url", "http://localhost:1/v1", "--model-name", "m", "--model", "n"), "leave --model out"),
        (("x", "--url", "localhost:1", "--model-name", "m"), "must begin with http:// or https://"),
        (("x", "--url", "https://me:secret@host/v1", "--model-name", "m"), "user name or password (not shown)"),
        (("x",), "no provider has a key"),
        ((), "Missing argument"),
    ],
)
def test_wrong_usage_sends_nothing(modelroute: Command, words: tuple[str, ...], said: str) -> None:
    result = modelroute("ask", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert "secret" not in result.stderr
    assert "Traceback" not in result.stderr


def test_verbose_logs_to_standard_error_before_or_after_the_command(modelroute: Command, server: FaultServer) -> None:
    for words in (("-v", "ask", "Hello?", *at(server)), ("ask", "Hello?", *at(server), "--verbose")):
        result = modelroute(*words)
        assert (result.exit_code, result.stdout) == (0, "Hello world\n")
        assert "DEBUG" in result.stderr
        assert "decided: test@server" in result.stderr


def test_without_verbose_a_failed_attempt_logs_nothing(modelroute: Command, server: FaultServer) -> None:
    server.script("test", ["500_once"])
    result = modelroute("ask", "Hello?", *at(server))
    assert len(result.stderr.splitlines()) == 1
    assert " | 2 attempts | " in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_exits_with_130_and_closes_the_stream(server: FaultServer) -> None:
    server.script("test", ["stalled"])
    command = [sys.executable, "-m", "modelroute.cli", "ask", "Hello?", *at(server)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()) as running:
        assert running.stdout is not None
        first = running.stdout.read(1)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=20)
    assert running.returncode == 130
    assert (first + out).endswith(b"\n")
    assert err.strip() == b"interrupted"
    server.wait_idle(connections=0)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
def test_a_reader_who_leaves_ends_it_without_a_traceback(server: FaultServer) -> None:
    server.script("test", ["endless"])
    command = [sys.executable, "-m", "modelroute.cli", "ask", "Hello?", *at(server)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()) as running:
        assert running.stdout is not None
        running.stdout.read(1)
        running.stdout.close()
        assert running.stderr is not None
        err = running.stderr.read()
        assert running.wait(timeout=20) == 1
    assert err == b""
    server.wait_idle(connections=0)


def test_an_answer_outside_the_streams_encoding_is_still_printed(server: FaultServer) -> None:
    server.script("test", [ok("caf\u00e9 \u2713")])
    command = [sys.executable, "-m", "modelroute.cli", "ask", "Hello?", *at(server)]
    done = subprocess.run(
        command, capture_output=True, env=clean_environment() | {"PYTHONIOENCODING": "ascii"}, check=True, timeout=30
    )
    assert done.stdout == b"caf? ?\n"


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in {"FORCE_COLOR", "TTY_COMPATIBLE"}}
