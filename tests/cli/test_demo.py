import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from modelroute.catalog.catalog import Catalog
from modelroute.cli import demo as command
from modelroute.cli.article import article_policy, typical_requests
from modelroute.cli.reach import as_if_every_key
from modelroute.errors import LocalModelUnavailableError
from modelroute.providers.provider import Provider
from modelroute.router import Router
from modelroute.testing.oddities import ok
from modelroute.testing.server import FaultServer
from tests.cli.conftest import Command


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    """A fault server in the place of the local model."""
    server = FaultServer(default=ok("The capital of France is Paris."))

    def weights(*, announce: object) -> None:
        return None

    def local_model_server(model: object) -> FaultServer:
        return server

    monkeypatch.setattr(command, "weights", weights)
    monkeypatch.setattr(command, "LocalModelServer", local_model_server)
    yield server
    server.close()


def test_the_demo_tells_its_three_parts_in_order(modelroute: Command, played: FaultServer) -> None:
    result = modelroute("demo")
    assert (result.exit_code, result.stderr) == (0, "")
    first, second, third = (
        result.stdout.index(title) for title in ("1. Which model", "2. A streamed answer", "3. A failover")
    )
    assert first < second < third
    streamed, failover = result.stdout[second:third], result.stdout[third:]
    assert "The capital of France is Paris." in streamed
    assert "smollm2-135m-instruct@local | 12 tokens in, 3 out | $0 (declared by you) | 1 attempt" in streamed
    assert "attempt 1, first: smollm2-135m-instruct@down unreachable" in failover
    assert "attempt 2, retry: smollm2-135m-instruct@down unreachable" in failover
    assert "attempt 3, fallback: smollm2-135m-instruct@local answered" in failover
    assert failover.index("is Paris.") < failover.index("attempt 1")
    assert " | 3 attempts | " in failover


def test_every_target_is_chosen_counted_or_rejected_for_each_request(modelroute: Command, played: FaultServer) -> None:
    """For each request: estimate and bound of the choice, and all rejected targets, once each, with every reason."""
    output = modelroute("demo").stdout
    with as_if_every_key(article_policy()) as router:
        for request in typical_requests():
            decision = router.explain(request.messages, **request.asking)
            block = " ".join(output.split(request.title)[1].split("\n\n")[0].split())
            for rejected in decision.rejected:
                assert sum(word.rstrip(",") == rejected.target for word in block.split()) == 1
            for first in decision.ranked[:1]:
                assert f"-> {first.target} ~{first.estimate}, " in block
                assert ("not bounded" if first.bound is None else f"at most {first.bound}") in block
            assert len(decision.ranked) + len(decision.rejected) == len(Catalog.builtin().targets)
            assert f"rejected, {len(decision.rejected)}:" in block
            for word in ("lacks", "below floor", "jurisdiction", "the ceiling is"):
                assert (word in block) == any(
                    word in reason.text for rejected in decision.rejected for reason in rejected.reasons
                )


def test_into_a_pipe_it_is_plain_and_narrow_enough(modelroute: Command, played: FaultServer) -> None:
    output = modelroute("demo").stdout
    assert "\x1b" not in output
    assert "\r" not in output
    assert max(map(len, output.splitlines())) <= 120
    assert all(line == line.rstrip() for line in output.splitlines())


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_it_fits_narrow_windows(
    modelroute: Command, played: FaultServer, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert max(map(len, modelroute("demo").stdout.splitlines())) <= columns


def test_without_a_local_model_the_allocation_is_still_shown(
    modelroute: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def weights(*, announce: object) -> None:
        raise LocalModelUnavailableError("downloading it failed: no network. Set MODELROUTE_LOCAL_MODEL.")

    monkeypatch.setattr(command, "weights", weights)
    result = modelroute("demo")
    assert result.exit_code == 1
    assert typical_requests()[-1].title in result.stdout
    assert "A streamed answer" not in result.stdout
    assert "cannot be shown: downloading it failed: no network. Set MODELROUTE_LOCAL_MODEL." in result.stderr
    assert "Traceback" not in result.stderr


def test_keys_are_used_only_when_asked_for(
    modelroute: Command, played: FaultServer, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def from_env() -> Router:
        asked.append("environment")
        return Router([Provider("deepseek", key="planted", url=server.url)])

    monkeypatch.setattr(Router, "from_env", from_env)
    assert modelroute("demo").exit_code == 0
    assert asked == []
    result = modelroute("demo", "--live")
    assert (result.exit_code, asked) == (0, ["environment"])
    live = result.stdout.split("4. A real question")[1]
    assert "for at most $0.01" in live
    assert "@deepseek | " in live
    assert "planted" not in result.stdout


def test_live_without_any_key_is_wrong_usage_after_everything_else(modelroute: Command, played: FaultServer) -> None:
    result = modelroute("demo", "--live")
    assert result.exit_code == 2
    assert "attempt 3, fallback" in result.stdout
    assert "no provider has a key" in result.stderr


def test_the_five_requests_are_allocated_as_the_article_says() -> None:
    """Each scenario of the policy is met, and core reasoning goes to the strongest, GPT-5.5."""
    with as_if_every_key(article_policy()) as router:
        assert router.policy.findings == ()
        decisions = [router.explain(request.messages, **request.asking) for request in typical_requests()]
    assert [decision.scenario for decision in decisions] == [
        "daily-dev", "core-reasoning", "long-documents", "default", "default"
    ]  # fmt: skip
    assert decisions[1].target == "gpt-5.5@openai"
    assert decisions[4].target == "mistral-large-2512@mistral", "open weights, computed in the EU"
    assert decisions[4].rules


@pytest.mark.local_llm
@pytest.mark.timeout(900)  # on a fresh machine it waits for 93 MB
def test_the_whole_demo_on_the_real_model() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in {"FORCE_COLOR", "TTY_COMPATIBLE"}}
    done = subprocess.run(
        [sys.executable, "-m", "modelroute.cli", "demo"], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    streamed, failover = done.stdout.split("2. A streamed answer")[1].split("3. A failover")
    assert "Paris" in streamed
    assert "@local | " in streamed
    assert "attempt 3, fallback: smollm2-135m-instruct@local answered" in failover
