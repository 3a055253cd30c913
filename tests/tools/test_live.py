"""`make live` against providers played on loopback: what it asks, what it keeps, what it never shows or spends."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from modelroute import Money
from modelroute.testing.answers import answer
from modelroute.testing.exchange import Exchange
from modelroute.testing.fault import Fault
from modelroute.testing.faults import custom
from modelroute.testing.replies import error_body
from modelroute.testing.server import FaultServer
from modelroute.types.reply import ToolCall
from tools import live

KEYS = {"DEEPSEEK_API_KEY": "sk-planted-0123456789", "GROQ_API_KEY": "gsk-planted-9876543210"}
TODAY = date(2026, 11, 22)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as serving:
        yield serving


def provider(*, unknown: int = 404, calls: str = "get_weather", usage: tuple[int, int] | None = (20, 5)) -> Fault:
    """A provider as it should be, but for what is said here."""

    async def play(exchange: Exchange) -> None:
        if exchange.model == "modelroute-no-such-model":
            await exchange.reply(unknown, error_body(exchange.dialect, unknown, message="sk-planted-0123456789 is bad"))
        elif "tools" in exchange.settings and calls:
            await answer(exchange, "", tool_calls=[ToolCall("call_1", calls, '{"city": "Paris"}')], usage=usage)
        else:
            await answer(exchange, "Paris", usage=usage)

    return custom("a provider", play)


def run(server: FaultServer, tmp_path: Path, *arguments: str, **environ: str) -> tuple[int, str]:
    out = io.StringIO()
    urls = [f"--url={name}={server.url_for('/' + name)}" for name in ("deepseek", "groq")]
    code = live.main([*urls, f"--results={tmp_path / 'live.json'}", *arguments], environ=KEYS | environ, out=out)
    return code, out.getvalue()


def test_every_provider_with_a_key_is_asked_four_things(server: FaultServer, tmp_path: Path) -> None:
    for name in ("deepseek", "groq"):
        server.script("/" + name, [provider()])
    code, said = run(server, tmp_path)
    assert code == 0, said
    kept = live.read(tmp_path / "live.json")
    assert set(kept) == {"deepseek", "groq"}
    assert all(one.holds and set(one.checks) == set(live.CHECKS) for one in kept.values())
    assert all(one.target.endswith("@" + name) and one.dialect == "openai-chat" for name, one in kept.items())
    assert all(0 < float(one.cost) < 0.05 for one in kept.values())
    assert len(server.requests) == 8
    assert all(date.fromisoformat(one.day) >= date(2026, 1, 1) for one in kept.values())


def test_no_key_is_shown_or_kept(server: FaultServer, tmp_path: Path) -> None:
    server.script("/deepseek", [provider(unknown=401)])
    server.script("/groq", [provider(unknown=400)])
    code, said = run(server, tmp_path)
    assert code == 1
    assert "wrong model: told as denied (HTTP 401)" in said
    assert "planted" not in said + (tmp_path / "live.json").read_text()


def test_what_goes_wrong_is_told_and_the_rest_goes_on(server: FaultServer, tmp_path: Path) -> None:
    server.script("/deepseek", [provider(calls="", usage=None)])
    server.script("/groq", ["401"])
    code, _ = run(server, tmp_path)
    assert code == 1
    kept = live.read(tmp_path / "live.json")
    assert kept["deepseek"].checks == {
        "plain": "answered without usage",
        "streamed": "answered without usage",
        "tool call": "called 0 tools, finish stop",
        "wrong model": "ok",
    }
    assert kept["groq"].checks["plain"] == "failed: denied (HTTP 401)"


def test_results_of_others_are_kept(server: FaultServer, tmp_path: Path) -> None:
    server.script("/groq", [provider()])
    before = live.Checked("2026-11-01", "m@xai", "openai-chat", "0.001000", {"plain": "ok"})
    live.write({"xai": before}, tmp_path / "live.json")
    code, _ = run(server, tmp_path, "--only", "groq")
    assert code == 0
    kept = live.read(tmp_path / "live.json")
    assert kept["xai"] == before
    assert set(kept) == {"groq", "xai"}
    assert json.loads((tmp_path / "live.json").read_text())["command"] == "make live"


def test_the_budget_bounds_all_of_it(server: FaultServer) -> None:
    """However dear the answers are, what is asked for is at most what is left."""
    for name in ("deepseek", "groq"):
        server.script("/" + name, [provider(usage=(20, 512))])
    urls = {name: server.url_for("/" + name) for name in ("deepseek", "groq")}
    budget = Money("0.0005")
    done = dict(live.check_all(KEYS, today=TODAY, budget=budget, each=Money("0.01"), urls=urls))
    assert sum((Money(one.cost) for one in done.values()), Money(0)) <= budget
    assert not all(one.holds for one in done.values())
    assert {one.day for one in done.values()} == {"2026-11-22"}


def test_a_budget_of_nothing_sends_nothing(server: FaultServer) -> None:
    urls = {name: server.url_for("/" + name) for name in ("deepseek", "groq")}
    done = dict(live.check_all(KEYS, today=TODAY, budget=Money(0), each=Money("0.01"), urls=urls))
    assert [one.checks for one in done.values()] == [{"plain": "the budget was used up"}] * 2
    assert not server.requests


def test_it_refuses_to_run_in_ci(server: FaultServer, tmp_path: Path) -> None:
    code, said = run(server, tmp_path, CI="true")
    assert code == 2
    assert "CI" in said
    assert not server.requests
    assert not (tmp_path / "live.json").exists()


def test_a_provider_that_cannot_be_asked_is_named(server: FaultServer, tmp_path: Path) -> None:
    """Azure's models are the user's own deployments, at a host of his."""
    for name in ("deepseek", "groq"):
        server.script("/" + name, [provider()])
    code, said = run(server, tmp_path, AZURE_OPENAI_API_KEY="planted-0123456789")
    assert code == 0
    [line] = [line for line in said.splitlines() if "not asked" in line]
    assert line.startswith("azure ")


def test_without_a_key_it_says_which_it_looks_for() -> None:
    out = io.StringIO()
    assert live.main([], environ={}, out=out) == 0
    assert "DEEPSEEK_API_KEY" in out.getvalue()
