"""Every example runs: against the fault server, or on nothing but the catalog."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from modelroute import AsyncRouter, Model, ModelRouteError, Price, Provider, Reply, Router, ToolCall
from modelroute.cli.article import article_policy
from modelroute.testing.oddities import ok
from modelroute.testing.server import FaultServer

EXAMPLES = Path(__file__).parent.parent / "examples"
CAPABLE = frozenset({"tools", "json_schema"})


def load(name: str) -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(EXAMPLES / f"{name}.py")))


def provider(server: FaultServer) -> Provider:
    model = Model("test", context_window=100_000, max_output=8_000, features=CAPABLE)
    return Provider.compatible(server.url, name="played", models=[model], price=Price(input=1, output=2))


def test_all_are_tested_here_and_say_how_to_run_them() -> None:
    tested = Path(__file__).read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f'load("{path.stem}")' in tested
        source = path.read_text(encoding="utf-8")
        assert f"python examples/{path.name}" in source.split('"""')[1]


@pytest.mark.parametrize(
    "words",
    [
        ["async_many"], ["streaming"], ["structured_output"], ["tool_loop"], ["swap_provider"], ["local_server"],
        ["embed_and_search"], ["embed_and_search", "http://127.0.0.1:9/v1", "mine", "why?"],
        ["local_server", "http://127.0.0.1:9/v1", "mine"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_without_a_key_or_a_server_it_ends_with_one_line(words: list[str]) -> None:
    name, *rest = words
    bare = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *rest],
        env=bare, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(("error: no ", "usage: "))


def test_allocate_by_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    example = load("allocate_by_scenario")
    example.main()
    lines = capsys.readouterr().out.splitlines()
    assert "cheapest of" in lines[0]
    assert lines[1].startswith("gpt-5.5@openai: strongest of")
    assert "best value of" in lines[2]
    assert lines[3].startswith("mistral-large-2512@mistral: "), "open weights, computed in the EU"
    assert example.policy == article_policy()


def test_swap_provider(capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer() as server:
        load("swap_provider").main([Provider("deepseek", key="planted", url=server.url)])
    assert capsys.readouterr().out.startswith("Hello world\ndeepseek-")


def test_local_server(capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer() as server:
        load("local_server").main(server.url, "mine")
    assert capsys.readouterr().out == "Hello world\nmine@local $0 declared by you\n"


def test_embed_and_search(capsys: pytest.CaptureFixture[str]) -> None:
    """The server gives all texts the same vector, so the first is as near as any."""
    with FaultServer() as server:
        load("embed_and_search").main(server.url, "mine", "How do I get my money back?")
    assert capsys.readouterr().out.splitlines() == [
        "Refunds are paid within fourteen days of the return.", "mine@local 3 dimensions $0",
    ]  # fmt: skip


def test_streaming(capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer() as server, Router([provider(server)]) as router:
        server.script("test", ["ok_stream", "cut"])
        load("streaming").main(router)
        printed = capsys.readouterr().out
        assert printed.lstrip(".").startswith("The quick brown fox jumps over the lazy dog\ntest@played $")
        assert printed.startswith(".")
        load("streaming").main(router)
        assert "cut off after" in capsys.readouterr().out


def test_structured_output(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [{"article": "lamp", "quantity": 2, "price": 49.9}]
    whole = json.dumps({"number": "2026-017", "lines": lines, "total": 105})
    with FaultServer() as server, Router([provider(server)]) as router:
        server.script("test", [ok("certainly!"), ok(whole)])
        load("structured_output").main(router)
        assert "2026-017 105.0 ['lamp']" in capsys.readouterr().out
        server.script("test", [ok("I would rather not.")])
        load("structured_output").main(router)
        assert "no target gave a valid invoice" in capsys.readouterr().out


def test_tool_loop(capsys: pytest.CaptureFixture[str]) -> None:
    """It runs the calls, sends their results back under their ids, and stops at an answer or after some turns."""
    calls = [ToolCall("call_1", "stock", '{"article": "lamp"}'), ToolCall("call_2", "stock", "{broken")]
    with FaultServer() as server, Router([provider(server)]) as router:
        server.script("test", [ok("", tool_calls=calls), ok("Only the lamps.")])
        reply = load("tool_loop").main(router)
        assert isinstance(reply, Reply)
        body = server.requests[1].body
        assert isinstance(body, dict)
        sent = body["messages"]
        assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool"]
        assert [message.get("tool_call_id") for message in sent[2:]] == ["call_1", "call_2"]
        assert sent[2]["content"] == '{"pieces": 12}'
        assert sent[3]["content"].startswith("error: ")
        assert "Only the lamps." in capsys.readouterr().out
        server.script("test", [ok("", tool_calls=calls[:1])])
        assert load("tool_loop").main(router, most_turns=2) is None


async def test_async_many(capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer() as server:
        async with AsyncRouter([provider(server)]) as router:
            server.script("test", [ok("bug"), "422", ok("question")])
            outcomes = await load("async_many").main(router, at_once=1)
    assert [isinstance(outcome, Reply) for outcome in outcomes] == [True, False, True, True]
    assert isinstance(outcomes[1], ModelRouteError)
    printed = capsys.readouterr().out
    assert "4 tickets for $" in printed
    assert "at most $0.008" in printed


def test_failover_seen(capsys: pytest.CaptureFixture[str]) -> None:
    reply = load("failover_seen").main()
    assert [attempt.target for attempt in reply.attempts] == [
        "kimi-k2.6@overloaded", "kimi-k2.6@overloaded", "kimi-k2.6@well"
    ]  # fmt: skip
    assert reply.target == "kimi-k2.6@well"
    assert "'Hello world' from kimi-k2.6@well" in capsys.readouterr().out
