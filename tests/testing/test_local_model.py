import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelroute import testing
from modelroute.errors import ConfigurationError, LocalModelUnavailableError
from modelroute.testing import local_model
from modelroute.testing.local_model import LocalModelServer, weights


def test_it_is_offered_with_the_rest_and_still_runs_as_a_module_without_a_warning() -> None:
    assert testing.LocalModelServer is LocalModelServer
    assert "LocalModelServer" in testing.__all__
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "modelroute.testing.local_model", "--help"],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_the_environment_names_a_file_and_nothing_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(b"anything")
    monkeypatch.setenv("MODELROUTE_LOCAL_MODEL", str(mine))
    monkeypatch.setattr(local_model, "fetch", None)
    assert weights(tmp_path / "cache") == mine


def test_the_environment_names_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELROUTE_LOCAL_MODEL", str(tmp_path / "gone.gguf"))
    with pytest.raises(LocalModelUnavailableError, match=r"MODELROUTE_LOCAL_MODEL is set to .*gone\.gguf"):
        weights()


@pytest.mark.parametrize(
    ("n_ctx", "n_parallel", "n_threads", "port"),
    [(0, 1, 1, 0), (256, 0, 1, 0), (256, 1, 0, 0), (256, 1, 1, -1), (256, 1, 1, 65536)],
)
def test_numbers_that_make_no_sense_are_refused(
    tmp_path: Path, n_ctx: int, n_parallel: int, n_threads: int, port: int
) -> None:
    with pytest.raises(ConfigurationError, match="must be 1 or more"):
        LocalModelServer(tmp_path / "any.gguf", n_ctx=n_ctx, n_parallel=n_parallel, n_threads=n_threads, port=port)


def nothing_found(name: str) -> None:
    """Stands in for `importlib.util.find_spec`."""


def something_found(name: str) -> object:
    return name


def test_without_xllamacpp_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", nothing_found)
    with pytest.raises(LocalModelUnavailableError, match=r'pip install "modelroute\[local\]"'):
        LocalModelServer(tmp_path / "any.gguf")


def pretend_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str) -> None:
    """Put `program` in the place of the process that would serve."""
    script = tmp_path / "pretend_server.py"
    script.write_text(program)
    monkeypatch.setattr(local_model, "_CHILD", script)
    monkeypatch.setattr("importlib.util.find_spec", something_found)


def test_a_server_that_is_never_ready_is_given_up_and_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = tmp_path / "process-id"
    pretend_server(
        monkeypatch, tmp_path, f"import os, time; open({str(started)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    )
    with pytest.raises(LocalModelUnavailableError, match=r"was not ready after 1 s"):
        LocalModelServer(tmp_path / "any.gguf", start_timeout=1.0)
    assert not is_running(int(started.read_text()))


def test_a_server_that_ends_is_told_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_server(monkeypatch, tmp_path, "import sys; sys.exit('something is amiss')")
    with pytest.raises(LocalModelUnavailableError, match=r"(?s)exit code 1.*something is amiss"):
        LocalModelServer(tmp_path / "any.gguf")


def test_a_server_that_dies_once_ready_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_server(monkeypatch, tmp_path, """print('{"port": 9}', flush=True)""")
    with pytest.raises(LocalModelUnavailableError, match=r"/health .* exit code: 0"):
        LocalModelServer(tmp_path / "any.gguf")


# ---------------------------------------------------------------------------------------------- a real server


def is_running(process_id: int) -> bool:
    """A process that nobody has collected yet counts as running."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def has_ended(process_id: int) -> bool:
    """Unlike in `is_running`, an orphan that nobody collects counts as ended: some containers have no one for that."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return not is_running(process_id)
    return state == "Z"


def ends_soon(process_id: int, seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not has_ended(process_id):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def post(server: LocalModelServer, path: str, body: object) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=50)
    try:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def asking(text: str, **options: object) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 8, **options}


@pytest.fixture(scope="module")
def server() -> Iterator[LocalModelServer]:
    with LocalModelServer(n_ctx=512) as running:
        yield running


real = [pytest.mark.local_llm, pytest.mark.timeout(600)]


class TestRealServer:
    pytestmark = real

    def test_it_says_where_it_is_and_what_it_serves(self, server: LocalModelServer) -> None:
        assert server.url == f"http://127.0.0.1:{server.port}/v1"
        assert server.n_ctx == 512
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        connection.request("GET", "/v1/models")
        listed = json.loads(connection.getresponse().read())
        connection.close()
        assert [row["id"] for row in listed["data"]] == ["smollm2-135m-instruct"] == [server.name]

    def test_a_plain_answer_with_usage_and_then_cached_tokens(self, server: LocalModelServer) -> None:
        asked = asking("Say hi in three words.")
        status, body = post(server, "/v1/chat/completions", asked)
        _, again = post(server, "/v1/chat/completions", asked)
        answer = json.loads(body)
        assert status == 200
        assert answer["choices"][0]["message"]["content"]
        assert answer["choices"][0]["finish_reason"] == "length"
        assert answer["usage"]["completion_tokens"] == 8
        assert json.loads(again)["usage"]["prompt_tokens_details"]["cached_tokens"] > 0

    def test_a_streamed_answer_ends_with_usage_and_done(self, server: LocalModelServer) -> None:
        asked = asking("Count to ten.", stream=True, stream_options={"include_usage": True})
        status, body = post(server, "/v1/chat/completions", asked)
        assert status == 200
        lines = [line.removeprefix("data: ") for line in body.decode().splitlines() if line]
        assert lines.pop() == "[DONE]"
        chunks = [json.loads(line) for line in lines]
        assert chunks[-1]["choices"] == []
        assert chunks[-1]["usage"]["completion_tokens"] == 8
        assert chunks[-2]["choices"][0]["finish_reason"] == "length"
        assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks[:-1])

    def test_a_schema_is_honoured(self, server: LocalModelServer) -> None:
        schema = {
            "type": "object",
            "properties": {"sunny": {"type": "boolean"}, "sky": {"enum": ["blue", "grey"]}},
            "required": ["sunny", "sky"],
            "additionalProperties": False,
        }
        wanted = {"type": "json_schema", "json_schema": {"name": "weather", "strict": True, "schema": schema}}
        _, body = post(server, "/v1/chat/completions", asking("Is it sunny?", max_tokens=60, response_format=wanted))
        value = json.loads(json.loads(body)["choices"][0]["message"]["content"])
        assert set(value) == {"sunny", "sky"}
        assert isinstance(value["sunny"], bool)
        assert value["sky"] in {"blue", "grey"}

    @pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
    @pytest.mark.parametrize("stream", [False, True])
    def test_a_prompt_too_long_is_refused_with_both_numbers(
        self, server: LocalModelServer, path: str, stream: bool
    ) -> None:
        status, body = post(server, path, asking("word " * 600, stream=stream))
        error = json.loads(body)["error"]
        assert status == 400
        assert error["type"] == "exceed_context_size_error"
        assert error["n_ctx"] == 512 < error["n_prompt_tokens"]

    def test_anthropics_dialect_plain_and_streamed(self, server: LocalModelServer) -> None:
        _, plain = post(server, "/v1/messages", asking("Say hi."))
        answer = json.loads(plain)
        assert answer["type"] == "message"
        assert answer["content"][0]["text"]
        assert answer["usage"]["output_tokens"] == 8
        _, streamed = post(server, "/v1/messages", asking("Say hi.", stream=True))
        events = [line.removeprefix("event: ") for line in streamed.decode().splitlines() if line.startswith("event:")]
        assert events[:2] == ["message_start", "content_block_start"]
        assert events[-2:] == ["message_delta", "message_stop"]

    def test_two_servers_with_different_contexts_side_by_side(self, server: LocalModelServer) -> None:
        """And the context is that of one request, whatever the number of requests at once."""
        asked = asking("word " * 600)
        with LocalModelServer(n_ctx=1000, n_parallel=2, name="roomy") as roomy:
            assert roomy.n_ctx == 1024, "rounded up, not halved"
            assert post(server, "/v1/chat/completions", asked)[0] == 400
            assert post(roomy, "/v1/chat/completions", asked)[0] == 200

    def test_closing_in_the_middle_of_a_stream_is_prompt_and_leaves_no_process(self) -> None:
        """In this very process, this held the interpreter lock for half a minute: why the server has its own."""
        opened = LocalModelServer(n_ctx=4096)
        connection = http.client.HTTPConnection("127.0.0.1", opened.port, timeout=10)
        asked = asking("Tell a very long story.", max_tokens=4000, ignore_eos=True, stream=True)
        connection.request("POST", "/v1/chat/completions", json.dumps(asked), {"content-type": "application/json"})
        assert connection.getresponse().read(10)
        began = time.monotonic()
        opened.close()
        assert time.monotonic() - began < 5
        opened.close()
        assert not is_running(opened.process_id)
        assert "closed" in repr(opened)
        connection.close()

    def test_a_server_that_is_dropped_is_stopped(self) -> None:
        dropped = LocalModelServer(n_ctx=256)
        process_id = dropped.process_id
        del dropped
        assert not is_running(process_id)

    @pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
    @pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGKILL)", "sys.exit(0)", "os._exit(0)"])
    def test_it_ends_with_its_parent_however_that_ends(self, end: str) -> None:
        program = (
            "import os, signal, sys\n"
            "from modelroute.testing.local_model import LocalModelServer\n"
            "server = LocalModelServer(n_ctx=256)\n"
            "print(server.process_id, flush=True)\n"
            f"{end}\n"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert done.stderr == "", "a demo's terminal stays clean"
        assert ends_soon(int(done.stdout))

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    def test_a_fork_of_the_parent_neither_stops_it_nor_keeps_it_alive(self) -> None:
        program = (
            "import os, sys, time\n"
            "from modelroute.testing.local_model import LocalModelServer\n"
            "server = LocalModelServer(n_ctx=256)\n"
            "fork = os.fork()\n"
            "if fork == 0: sys.exit(0)\n"  # runs the exit handlers of the parent in the fork
            "os.waitpid(fork, 0)\n"
            "os.kill(server.process_id, 0)\n"
            "assert server._process.poll() is None\n"
            "if os.fork() == 0:\n"  # outlives the parent, holding its end of the pipe
            "    time.sleep(30)\n"
            "    os._exit(0)\n"
            "print(server.process_id, flush=True)\n"
            "os._exit(0)\n"
        )
        child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        process_id = int(child.stdout.readline())
        assert child.wait(20) == 0
        assert ends_soon(process_id)
        child.stdout.close()

    def test_a_file_that_is_no_model_and_a_port_that_is_taken_are_told(
        self, server: LocalModelServer, tmp_path: Path
    ) -> None:
        broken = tmp_path / "broken.gguf"
        broken.write_bytes(b"GGUF" + bytes(1000))
        with pytest.raises(LocalModelUnavailableError, match=r"(?s)broken\.gguf.*exit code 1.*complete GGUF model"):
            LocalModelServer(broken)
        with pytest.raises(LocalModelUnavailableError, match=rf"(?s)port {server.port}\).*exit code 1.*port is free"):
            LocalModelServer(port=server.port)  # its own words on the port are sometimes lost, ours are not

    @pytest.mark.skipif(sys.platform == "win32", reason="interrupts by signal")
    def test_by_hand_it_prints_one_json_line_and_stops_at_an_interrupt(self) -> None:
        command = [sys.executable, "-m", "modelroute.testing.local_model", "--n-ctx", "256"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as by_hand:
            assert by_hand.stdout is not None
            ready = json.loads(by_hand.stdout.readline())
            connection = http.client.HTTPConnection("127.0.0.1", ready["port"], timeout=10)
            connection.request("GET", "/health")
            assert connection.getresponse().status == 200
            connection.close()
            by_hand.send_signal(signal.SIGINT)
            rest, errors = by_hand.communicate(timeout=20)
        assert (ready["n_ctx"], ready["url"]) == (256, f"http://127.0.0.1:{ready['port']}/v1")
        assert (by_hand.returncode, rest, errors) == (0, "", "")


def test_by_hand_a_mistake_is_one_line_and_exit_code_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert local_model.main(["--n-ctx", "0", "--model", str(tmp_path / "any.gguf")]) == 1
    shown = capsys.readouterr()
    assert shown.err.startswith("error: n_ctx=0")
    assert shown.err.count("\n") == 1
    assert shown.out == ""
