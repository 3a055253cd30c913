"""The server itself: scripts, what it remembers, and that nothing of it outlives the block."""

import asyncio
import gc
import json
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from modelroute.errors import ConfigurationError, UnknownNameError
from modelroute.testing import faults
from modelroute.testing.exchange import Exchange, SeenRequest, fingerprint
from modelroute.testing.faults import custom, ok, says
from modelroute.testing.server import FaultServer, ServerBusyError
from tests.testing import raw

CLIENT = httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
"""Making a client costs more than all its requests here; no connection is used twice."""


@pytest.fixture(scope="session", autouse=True)
def _close_client() -> Iterator[None]:
    """Close the client when the worker ends: it may be handed the module's tests in several parts."""
    yield
    CLIENT.close()


def chat(server: FaultServer, model: str, url: str | None = None, **more: object) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}], **more}
    return CLIENT.post(
        f"{url or server.url}/chat/completions", json=body, headers={"Authorization": "Bearer sk-secret"}
    )


def said(response: httpx.Response) -> str:
    text: str = response.json()["choices"][0]["message"]["content"]
    return text


def open_files() -> set[str]:
    return {str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


def test_a_script_is_played_in_order_and_its_last_repeats() -> None:
    with FaultServer() as server:
        server.script("gpt-test", ["503", "429_retry_after", ok("fine")])
        assert [chat(server, "gpt-test").status_code for _ in range(5)] == [503, 429, 200, 200, 200]
        assert [seen.behaviour for seen in server.requests] == ["503", "429_retry_after", "ok", "ok", "ok"]
        server.script("gpt-test", ["401"])
        assert chat(server, "gpt-test").status_code == 401


def test_scripts_of_two_models_do_not_meet() -> None:
    with FaultServer() as server:
        server.script("a", ["500", "ok"])
        server.script("b", ["500", "ok"])
        statuses = [chat(server, model).status_code for model in ("a", "b", "a", "b")]
        assert statuses == [500, 500, 200, 200]


def test_a_path_prefix_answers_whatever_the_model() -> None:
    with FaultServer() as server:
        server.script("/flaky", ["503", ok("by path")])
        server.script("/flaky/deeper", [ok("deeper")])
        server.script("gpt-test", [ok("by model")])
        flaky = server.url_for("/flaky")
        assert flaky == f"http://127.0.0.1:{server.port}/flaky/v1"
        assert chat(server, "gpt-test", flaky).status_code == 503
        assert said(chat(server, "other", flaky)) == "by path"
        assert said(chat(server, "other", server.url_for("/flaky/deeper"))) == "deeper"
        assert said(chat(server, "gpt-test")) == "by model"
        assert said(chat(server, "gpt-test", server.url_for("/flakyish"))) == "by model"


def test_a_model_named_as_a_fault_needs_no_script() -> None:
    with FaultServer() as server:
        assert chat(server, "402").status_code == 402
        assert chat(server, "anything").status_code == 200
    with FaultServer(default="503") as server:
        assert chat(server, "anything").status_code == 503


def test_mistakes_in_a_script_are_told_at_once() -> None:
    with FaultServer() as server:
        with pytest.raises(UnknownNameError, match="Did you mean '429_retry_after'"):
            server.script("m", ["429_retry_aftr"])
        with pytest.raises(ConfigurationError, match="list"):
            server.script("m", [])
        with pytest.raises(ConfigurationError, match="list"):
            server.script("m", "503")
        with pytest.raises(ConfigurationError, match="already running"):
            server.start()
    with pytest.raises(ConfigurationError, match="not running"):
        _ = server.url


def test_what_the_server_saw() -> None:
    with FaultServer() as server:
        answer = chat(server, "m", temperature=0.5)
        server.wait_idle()
        [seen] = server.requests
        assert (seen.number, seen.method, seen.path, seen.model) == (1, "POST", "/v1/chat/completions", "m")
        assert seen.body == {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5}
        assert seen.headers["authorization"] == fingerprint("Bearer sk-secret")
        assert seen.headers["content-type"] == "application/json"
        assert "sk-secret" not in repr(seen)
        assert seen.finished
        assert not seen.client_closed_early
        assert seen.ended is not None
        assert 0 <= seen.at <= seen.ended < 60
        assert seen.bytes_sent == len(raw.ask(server, "m", stream=False).data) > len(answer.content)


def test_a_body_that_is_no_json_is_kept_as_bytes() -> None:
    with FaultServer() as server:
        CLIENT.post(f"{server.url}/chat/completions", content=b"\xff\x00")
        assert server.requests[0].body == b"\xff\x00"
        assert server.requests[0].model == ""


def test_a_body_in_chunks_is_read() -> None:
    with FaultServer() as server:
        server.script("m", [ok("chunky")])
        pieces = [b'{"model":', b' "m", "messages": []}']
        assert said(CLIENT.post(f"{server.url}/chat/completions", content=iter(pieces))) == "chunky"
        assert server.requests[0].headers["transfer-encoding"] == "chunked"
        assert server.requests[0].body == {"model": "m", "messages": []}


def test_connections_are_kept_and_counted() -> None:
    with FaultServer() as server:
        with httpx.Client() as client:
            for _ in range(3):
                client.post(f"{server.url}/chat/completions", json={"model": "503"})
            assert [seen.connection for seen in server.requests] == [1, 1, 1]
            assert (server.open_connections, server.connections) == (1, 1)
        server.wait_idle(connections=0)
        assert server.open_connections == 0
        chat(server, "ok")
        assert server.requests[-1].connection == server.connections == 2


def test_a_client_that_leaves_is_noticed() -> None:
    with FaultServer() as server:
        raw.ask(server, "silent", limit=0.05)
        server.wait_idle(1.0, connections=0)
        [seen] = server.requests
        assert seen.client_closed_early
        assert seen.finished
        assert seen.bytes_sent == 0


def test_waiting_for_rest_says_what_is_under_way() -> None:
    with FaultServer() as server, socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(raw.request_bytes("silent"))
        while not (server.requests and server.requests[0].behaviour):
            time.sleep(0.005)
        assert not server.requests[0].finished
        with pytest.raises(ServerBusyError, match=r"1 \(silent\).*open connections: 1"):
            server.wait_idle(0.05)


def test_nothing_outlives_the_block_even_with_hanging_connections() -> None:
    def run() -> None:
        with FaultServer() as server:
            waiting = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
            for number, connection in enumerate(waiting):
                model = ("silent", "stalled", "comment_drip", "half_close", "header_drip")[number % 5]
                connection.sendall(raw.request_bytes(model, stream=number % 2 == 0))
            waiting.append(socket.create_connection(("127.0.0.1", server.port)))
            while len(server.requests) < 20:
                time.sleep(0.005)
            begun = time.monotonic()
            server.close()
            assert time.monotonic() - begun < 1.0
            assert all(seen.finished for seen in server.requests)
            assert server.open_connections == 0
            for connection in waiting:
                connection.close()

    run()
    threads, files = threading.active_count(), open_files()
    run()
    gc.collect()
    assert threading.active_count() == threads
    assert open_files() <= files


def test_closing_twice_and_starting_again() -> None:
    server = FaultServer()
    for _ in range(2):
        with server:
            assert chat(server, "ok").status_code == 200
        server.close()
    assert len(server.requests) == 2


def test_a_behaviour_that_fails_fails_the_test() -> None:
    async def play(_: Exchange) -> None:
        raise ZeroDivisionError("a slip in the test's own fault")

    server = FaultServer().start()
    server.script("m", [custom("mine", play)])
    with pytest.raises(httpx.TransportError):
        chat(server, "m")
    with pytest.raises(ZeroDivisionError, match="own fault"):
        server.__exit__(None, None, None)


def test_a_behaviour_of_your_own_has_every_byte() -> None:
    async def play(exchange: Exchange) -> None:
        await exchange.send(b"HTTP/1.1 299 Mine\r\ncontent-length: 2\r\n\r\n%d\n" % exchange.turn)

    with FaultServer() as server:
        server.script("m", [custom("mine", play), says(418, b"teapot", kind="text/plain")])
        first, second = chat(server, "m"), chat(server, "m")
        assert (first.status_code, first.reason_phrase, first.text) == (299, "Mine", "1\n")
        assert (second.status_code, second.text, second.headers["content-type"]) == (418, "teapot", "text/plain")


async def test_async_clients_are_served_at_once() -> None:
    with FaultServer() as server:
        server.script("m", [ok("fine", delay=0.1)])
        async with httpx.AsyncClient() as client:
            begun = time.monotonic()
            url = f"{server.url}/chat/completions"
            answers = await asyncio.gather(*(client.post(url, json={"model": "m"}) for _ in range(30)))
        assert time.monotonic() - begun < 2.0, "thirty requests of 0.1 s each were not served side by side"
        assert {said(answer) for answer in answers} == {"fine"}
        await asyncio.to_thread(server.wait_idle, connections=0)
    assert len(server.requests) == 30


def test_embeddings_and_the_list_of_models() -> None:
    with FaultServer() as server:
        server.script("mine", ["ok"])
        answer = CLIENT.post(f"{server.url}/embeddings", json={"model": "e", "input": ["a", "b"]}).json()
        assert [row["index"] for row in answer["data"]] == [0, 1]
        assert answer["model"] == "e"
        listed = json.loads(urllib.request.urlopen(f"{server.url}/models").read())
        assert {"mine", "429", "ok"} <= {row["id"] for row in listed["data"]}


def test_tls_is_broken_off_in_the_handshake() -> None:
    with FaultServer() as server:
        assert server.tls_url.startswith("https://127.0.0.1:")
        with pytest.raises(httpx.ConnectError):
            httpx.get(server.tls_url)
        server.wait_idle(connections=0)
        assert server.requests == []


def test_what_is_no_http_is_hung_up_on() -> None:
    with FaultServer() as server, socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"hello\r\n\r\n")
        assert raw.read(connection, 2).ended in {"closed", "reset"}
        assert server.requests == []


def test_nobody_listens_on_a_dead_port() -> None:
    with faults.dead_port() as port, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep other queues")
def test_nobody_answers_on_an_unanswered_port() -> None:
    with faults.unanswered_port() as port, pytest.raises(TimeoutError):
        socket.create_connection(("127.0.0.1", port), timeout=0.2)


def test_every_request_is_told_when_it_has_ended() -> None:
    told: list[SeenRequest] = []
    with FaultServer(on_ended=told.append) as server:
        for model in ("ok", "reset_before_headers", "cut"):
            raw.ask(server, model)
        raw.ask(server, "silent", limit=0.05)
        server.wait_idle(1.0, connections=0)
        assert [(seen.behaviour, seen.ending, seen.streamed) for seen in told] == [
            ("ok", "answered", True),
            ("reset_before_headers", "reset", True),
            ("cut", "closed", True),
            ("silent", "client left", True),
        ]
        assert told == server.requests
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(raw.request_bytes("silent", stream=False))
        while len(server.requests) < 5 or not server.requests[4].behaviour:
            time.sleep(0.005)
        assert server.requests[4].ending == "under way"
    connection.close()
    assert (told[-1].ending, told[-1].streamed) == ("stopped", False)


def test_it_remembers_as_many_as_asked_and_waits_for_all() -> None:
    with FaultServer(remember=2) as server:
        hanging = socket.create_connection(("127.0.0.1", server.port))
        hanging.sendall(raw.request_bytes("silent"))
        while not (server.requests and server.requests[0].behaviour):
            time.sleep(0.005)
        for _ in range(3):
            chat(server, "ok")
        assert [seen.number for seen in server.requests] == [3, 4]
        with pytest.raises(ServerBusyError, match=r"1 \(silent\)"):
            server.wait_idle(0.02)
        hanging.close()
        server.wait_idle(1.0)


def test_models_name_the_faults_that_are_offered() -> None:
    with FaultServer(only=["503"], default="401") as server:
        assert [chat(server, model).status_code for model in ("503", "529", "gpt")] == [503, 401, 401]
        listed = json.loads(urllib.request.urlopen(f"{server.url}/models").read())
        assert [row["id"] for row in listed["data"]] == ["503"]
