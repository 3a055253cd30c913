"""The fault server as a program: what it offers, what it tells of each request, and what it never tells."""

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from modelroute.testing.exchange import SeenRequest
from modelroute.testing.faults import FAULTS
from modelroute.testing.server import FaultServer, main
from modelroute.testing.serving import RequestLog
from tests.testing import raw

# What providers have been seen to do, in the words of the list it was drawn from, and the faults that play it.
PLAYED = {
    "429 with and without Retry-After": "429 429_retry_after",
    "500 once, then well": "500_once",
    "503 for ever": "503",
    "reset before headers": "reset_before_headers",
    "accepted and silent": "silent",
    "headers at once and a slow first token": "slow_first_token headers_then_silent",
    "stream cut, stream stalled": "cut stalled",
    "a malformed event in an otherwise good stream": "malformed_event malformed_first",
    "no [DONE]": "no_done",
    "context length": "context_length",
    "content filter": "content_filter filtered_midway",
    "a prefilled assistant turn is refused": "prefill_refused",
    "flapping": "flapping",
    "RST in the middle of the headers": "reset_in_headers",
    "half-close": "half_close",
    "1xx": "informational",
    "wrong Content-Length": "length_too_long length_too_short",
    "gzip bomb, bad gzip": "gzip_bomb bad_gzip",
    "header flood": "header_flood",
    "301 to another host": "redirect",
    "200 with HTML, 200 with an error": "html error_in_200",
    "an error event inside a stream": "error_event",
    "duplicated, reordered, empty chunks": "duplicated reordered empty_chunks",
    "CR-only lines, BOM, UTF-8 split across chunks, NUL": "cr_only bom split_utf8 nul_bytes",
    "a line of 10 MiB": "long_line",
    "usage missing, zero, negative, huge": "usage_missing usage_zero usage_negative usage_huge",
    "two finish reasons": "two_finishes",
    "tool calls interleaved by index": "interleaved_tools",
    "keep-alive drip, byte drip, header drip": "comment_drip byte_drip header_drip",
    "slow reading": "slow_reading",
    "Retry-After as date, negative, NaN, 1e9": "429_retry_after_date 429_retry_after_negative 429_retry_after_nan "
    "429_retry_after_huge",
    "connection reuse after an error": "500_once stale_connection",
    "an idle kept connection is closed": "idle_close idle_reset",
}


@pytest.mark.parametrize("seen", PLAYED)
def test_everything_providers_do_has_a_name(seen: str) -> None:
    assert set(PLAYED[seen].split()) <= set(FAULTS)


def test_the_faults_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(FAULTS) >= 100
    assert lines == sorted(lines, key=lambda line: line.split()[0])
    assert any(line.startswith("429_quota") and "exhausted" in line for line in lines)
    assert main(["--list", "--only", "cut", "503"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["503", "cut"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "429_retry_aftr"], "Did you mean '429_retry_after'"),
        (["--log", "/no/such/place/seen.jsonl"], "No such file or directory: /no/such/place/seen.jsonl"),
    ],
)
def test_mistakes_are_told_before_anything_is_served(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@contextmanager
def program(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "modelroute.testing.server", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = next(line for line in process.stdout if line.startswith("serving at ")).split()[2].rstrip(";")
        try:
            yield url, process
        finally:
            process.kill()


def ask(url: str, model: str) -> int | None:
    """Return the status of one streamed call, `None` when there was none."""
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "a secret plan"}]}
    try:
        with httpx.Client(trust_env=False, headers={"Authorization": "Bearer sk-planted"}) as client:
            return client.post(f"{url}/chat/completions?key=sk-planted", json=body).status_code
    except httpx.TransportError:
        return None


def test_it_serves_until_interrupted_and_tells_every_request(tmp_path: Path) -> None:
    log = tmp_path / "seen.jsonl"
    with program("--only", "503", "slow_reading", "ok", "reset_before_headers", "--log", str(log)) as (url, process):
        root = url.removesuffix("/v1")
        statuses = [
            ask(url, "503"),  # by the model's name
            *(ask(url, "gpt") for _ in range(4)),  # in turn, but for the one that only a path can choose
            ask(f"{root}/503/v1", "gpt"),  # by the path
            ask(url, "529"),  # no fault that is offered: the next in turn
        ]
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=10)
        assert process.returncode == 0
    assert statuses == [503, 503, 200, None, 503, 503, 200]
    assert err == ""
    lines = out.splitlines()
    assert [line.split()[1] for line in lines] == ["503", "503", "ok", "reset_before_headers", "503", "503", "ok"]
    assert "POST /v1/chat/completions?...  stream  reset  0 bytes" in lines[3]
    assert "  answered  " in lines[0]
    told = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [one["outcome"] for one in told] == [*["answered"] * 3, "reset", *["answered"] * 3]
    assert told[5] == told[5] | {"number": 6, "fault": "503", "path": "/503/v1/chat/completions?...", "model": "gpt"}
    assert set(told[0]) == {
        "number", "at", "ended", "fault", "method", "path", "model", "stream", "outcome", "bytes_sent", "connection",
    }  # fmt: skip
    assert told[0]["stream"] is True
    assert 0 <= told[0]["at"] <= told[0]["ended"] <= told[1]["at"]
    for written in (out, log.read_text(encoding="utf-8")):
        assert "sk-planted" not in written
        assert "secret plan" not in written


def seen_by_a_server(model: str) -> SeenRequest:
    with FaultServer() as server:
        raw.ask(server, model)
        server.wait_idle(1.0)
        return server.requests[0]


def test_what_was_asked_is_shown_when_wished_and_no_header_ever_is() -> None:
    seen = seen_by_a_server("gpt\x1b[2J")
    for show in (False, True):
        lines, objects = io.StringIO(), io.StringIO()
        RequestLog(lines, objects, show_content=show)(seen)
        for text in (lines.getvalue(), objects.getvalue()):
            assert ('"content"' in text) is show
            assert "\x1b" not in text
            assert "sk-planted" not in text
            assert "sha256" not in text
            assert "uthorization" not in text
        assert json.loads(objects.getvalue()).get("content") == (seen.body if show else None)


def test_a_log_that_cannot_be_written_does_not_stop_the_server() -> None:
    lines, objects = io.StringIO(), io.StringIO()
    log = RequestLog(lines, objects)
    lines.close()
    log(seen_by_a_server("ok"))
    assert json.loads(objects.getvalue())["fault"] == "ok"
    with FaultServer(on_ended=log) as server:
        objects.close()
        assert [raw.ask(server, "ok").status for _ in range(2)] == [200, 200]
